/* SPDX-License-Identifier: Apache-2.0
 *
 * The invalid tracks of one volume of this host: those whose copy is known not to be up to date. In memory here, and in
 * STATE/DEVICE/invalid, which is read when the table is needed first, and again after whatever failed. A change is made
 * when it is on the disk, and only then answered; changes that come while the file is being written are written
 * together after that. A file that cannot be used is never taken for an empty one, and only the clearing of all tracks
 * replaces it. Loop thread only; the disk's part is done on DA threads.
 */
#ifndef RA_STORAGE_INVALID_TABLE_H
#define RA_STORAGE_INVALID_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct clock;
struct da;
struct invalid_table;
struct post;
struct track_set;

struct invalid_config {
	struct clock *clock;
	struct da *da;
	struct post *post;
	const char *state;  /* the folder of all tables, copied */
	const char *device; /* its name, copied */
	uint32_t track_bytes;
	uint64_t offset_bytes; /* where track 0 begins */
};

enum invalid_action { INVALID_ASK, INVALID_MARK, INVALID_CLEAR };

/* OK: the set of now, valid during the call. Else words in detail, which name the file: VOLUME_ERROR (the file cannot
 * be used, read or written), BAD_REQUEST (too many ranges), TIMEOUT (a change may have been made or not), NOT_READY (a
 * request to the disk hangs), LINK_LOST (the daemon ends). */
typedef void invalid_fn(void *arg, enum status status, const struct track_set *set, const char *detail);

struct invalid_table *invalid_table_new(const struct invalid_config *config);
/* After the DA has been freed, or when nothing is under way. NULL is fine. */
void invalid_table_free(struct invalid_table *table);
/* change, taken over: the tracks to mark, which end at TRACKS_END, or to clear; the range that begins at 0 and counts
 * UINT64_MAX clears all. Asking has none. fn may be called before this returns. */
void invalid_table_do(struct invalid_table *table, enum invalid_action action, struct track_set *change,
	invalid_fn *fn, void *arg);
/* fn is not called for this arg any more; a change is made all the same. */
void invalid_table_forget(struct invalid_table *table, const void *arg);
/* All who wait are told that the daemon ends, and so is who comes later. */
void invalid_table_end(struct invalid_table *table);
/* What is in memory; NULL: the table has not been needed yet. */
const struct track_set *invalid_table_known(const struct invalid_table *table);

#endif
