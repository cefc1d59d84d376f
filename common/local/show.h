/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of ra-ctl's answers that both daemons have, as JSON. The caller owns what is returned.
 */
#ifndef RA_LOCAL_SHOW_H
#define RA_LOCAL_SHOW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/volume_info.h"

#define SHOW_UTC_CHARS 32u

struct daemon_settings;
struct histogram;
struct post;
struct rate;

/* {"errors":[{"number","time":"2026-…Z","status","device","peer","first_track","tracks","link_id":"0x…","text"},…]},
 * newest first; what is unset is left out. */
json_t *show_errors(const struct post *post);
/* {"TIMEOUT":3,…}: posted errors so far, by status. */
json_t *show_error_counts(const struct post *post);
/* {"bytes_per_second","reads_per_second","throttled_seconds"}; 0: no limit. NULL is one without limits. */
json_t *show_rate(const struct rate *rate);
/* {"path","kind","io","bytes","whole_bytes","offset_bytes","length":"common"|"all"|"bytes"} */
json_t *show_volume(const struct volume_info *info);
/* What the status of both daemons begins with: {"format","daemon","version","uptime_seconds","config","key","socket",
 * "devices","errors","errors_total"}. */
json_t *show_daemon(const char *name, const struct daemon_settings *settings, unsigned device_count, const char *key,
	int64_t uptime_ms, const struct post *post);
/* The counts of a disk adapter. */
json_t *show_da(unsigned threads, unsigned extra_threads, unsigned queued, unsigned running, unsigned abandoned,
	const struct histogram *read_times);

/* Members of an object; what is not known ("", NULL, 0 as a link id) is left out. Times are shown as seconds. */
void show_set_text(json_t *object, const char *key, const char *text);
/* A wall time as show_utc has it. */
void show_set_utc(json_t *object, const char *key, int64_t wall_s);
void show_set_count(json_t *object, const char *key, uint64_t count);
void show_set_ms(json_t *object, const char *key, int64_t ms);
void show_set_link_id(json_t *object, uint64_t link_id);
/* Words or a path of any bytes; jansson itself takes UTF-8 only. */
json_t *show_text(const char *text);
/* For a terminal: control characters as '?'. */
void show_clean(const char *text, FILE *out);
/* "2026-11-24T12:00:00Z" */
void show_utc(int64_t wall_s, char text[SHOW_UTC_CHARS]);
/* Compact text of at most bytes_max bytes, to be freed. What is longer gets shorter lists, all to the same length, and
 * each cut list has a "…_left_out" beside it that says how many are missing. NULL when that does not help. */
char *show_dump(json_t *json, size_t bytes_max);

#endif
