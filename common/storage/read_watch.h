/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a read took, and whether it waited for the disk or found everything in memory. One watch per volume; any
 * thread, and several at once.
 */
#ifndef RA_STORAGE_READ_WATCH_H
#define RA_STORAGE_READ_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeros at first. */
struct read_watch {
	atomic_int suspicion;   /* so many more reads are looked at closely */
	atomic_llong cold_bytes; /* so much more counts as not in memory */
};

/* One read, in the hands of its thread. */
struct watched_read {
	int64_t began_ns;
	int64_t took_ns;
	long sleeps; /* of the thread so far; -1: not looked at */
	bool has_waited; /* it was looked at, and slept */
};

/* is_closely: has_waited is always told; else only from the first slow reads on. */
void read_watch_begin(struct read_watch *watch, struct watched_read *read, bool is_closely);
void read_watch_end(struct read_watch *watch, struct watched_read *read, size_t bytes);
/* Have reads lately waited for the disk? */
bool read_watch_is_cold(const struct read_watch *watch);

#endif
