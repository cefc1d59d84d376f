/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a difference lies, in the words of who has to look at it: partition, file system, block; and the commands that
 * say next which file that is. Made from the primary's record LAYOUT, of which nothing is believed. Ranges are counted
 * from the beginning of the part that is compared, as in the report.
 */
#ifndef RA_COMPARE_WHERE_H
#define RA_COMPARE_WHERE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WHERE_BLOCKS_MAX 5u /* that commands are made for */

struct volume_info;
struct where;

struct where_place {
	uint32_t partition;     /* 0: none */
	const char *filesystem; /* ASCII without quotes; "": not known */
	uint64_t offset_bytes;  /* in the partition or file system */
	bool has_blocks;
	uint64_t first_block, last_block; /* counted from the beginning of the file system; with has_blocks */
	bool is_more; /* the range goes on outside */
};

/* record: NULL, or no such record: nothing is known. path: of the local volume, for the commands; must outlive it.
 * sys: "/sys". */
struct where *where_new(const uint8_t *record, size_t bytes, const struct volume_info *local, const char *path,
	const char *sys);
void where_free(struct where *where);
/* False: nothing is known of where it lies. length at least 1. */
bool where_find(const struct where *where, uint64_t offset_bytes, uint64_t length_bytes, struct where_place *place);
/* A range that commands shall be about: the first few with another block, in order. */
void where_note(struct where *where, uint64_t offset_bytes, uint64_t length_bytes);

/* " (partition 1, ext4 block 1234)" */
void where_print(const struct where_place *place, FILE *out);
/* ", \"partition\": 1, …" */
void where_print_json(const struct where_place *place, FILE *out);
/* Lines for a shell, one after the other; [] when there are none. The caller owns the array. */
json_t *where_commands(const struct where *where);
/* "next: COMMAND" lines, and what to do with what they say. */
void where_print_commands(const struct where *where, FILE *out);

#endif
