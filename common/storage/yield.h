/* SPDX-License-Identifier: Apache-2.0
 *
 * When the reads of a volume should step back, because somebody else needs its disk: it learns what the volume's own
 * reads take as a rule, and says how long to pause once they take several times as long. One per volume; every function
 * may be called on any thread. Time comes from the caller, so that it can be virtual.
 *
 * What counts is the time of reads that waited for the disk, apart by size. A volume that is slow as a rule does not
 * pause. A rule becomes higher within hours, so that one learned in too good a time is not kept for ever; and a pause
 * is never longer than YIELD_PAUSE_MAX_MS, so that reads go on in the worst of times.
 */
#ifndef RA_STORAGE_YIELD_H
#define RA_STORAGE_YIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YIELD_PAUSE_MAX_MS 500

struct yield;

struct yield_read {
	size_t bytes;
	bool has_waited; /* for the disk; else all was in memory, and there is nothing to learn */
	int64_t took_ns;
	unsigned at_once; /* reads of the volume that were under way when it began, itself included */
};

struct yield *yield_new(void);
void yield_free(struct yield *yield); /* NULL is fine */
void yield_tell(struct yield *yield, const struct yield_read *read, int64_t now_ns);
/* Before the next read, by the latest read told. Most often 0. */
int64_t yield_pause_ns(struct yield *yield);
/* Somebody has paused so long. */
void yield_add_paused(struct yield *yield, int64_t paused_ns);
uint64_t yield_paused_ms(struct yield *yield); /* all pauses, summed */

#endif
