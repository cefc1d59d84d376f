/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of invalid tracks for the devices of a test bed, on a real disk.
 */
#ifndef RA_TESTS_TABLE_BED_H
#define RA_TESTS_TABLE_BED_H

#include <stdint.h>

struct answer;
struct bed;
struct primary;

/* The device gets a table of invalid tracks, in a folder that goes with the bed. */
struct invalid_table *bed_add_table(struct bed *bed, uint32_t device);
/* Marks tracks in it, and waits until they are. */
void bed_mark(struct bed *bed, uint32_t device, uint64_t first_track, uint64_t count);
void bed_remove_tables(struct bed *bed); /* the folder, by bed_free */
/* Sends Invalid and waits for the answer. */
struct answer *primary_invalid(struct primary *primary, uint32_t tag, uint32_t device);

#endif
