/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of a table of invalid tracks: STATE/DEVICE/invalid, which this process has for itself while it has the lock.
 * What it says goes by the track size and by where track 0 begins, so both stand in it. May hang as long as a disk
 * hangs: on DA threads only.
 */
#ifndef RA_STORAGE_INVALID_FILE_H
#define RA_STORAGE_INVALID_FILE_H

#include <stdint.h>

#include "storage/state_file.h"

struct track_set;

struct invalid_file {
	char *path;
	uint64_t track_bytes, offset_bytes;
	int lock; /* -1: not taken */
};

/* 0 and *set (empty where there is no file); or -errno with words that name the file. -EBADMSG: what stands in it is of
 * no use here, and it is left as it is. Takes the lock; -EBUSY: another process has it. In a folder that cannot be
 * written to there is no lock, and no other writer. */
int invalid_file_load(struct invalid_file *file, struct track_set **set, char why[STATE_WHY_BYTES]);
/* 0: the set is on the disk. Or -errno with words: the file is what it was. Without the lock nothing is written. */
int invalid_file_save(struct invalid_file *file, const struct track_set *set, char why[STATE_WHY_BYTES]);

#endif
