/* SPDX-License-Identifier: Apache-2.0
 *
 * What a DA thread does for one read: batches of tracks from the volume to the sink. Part of da.c; it knows of no
 * queue, thread or lock.
 */
#ifndef RA_STORAGE_DA_READ_H
#define RA_STORAGE_DA_READ_H

#include <stdbool.h>
#include <stdint.h>

struct da_spec;
struct digester;

/* For whom a read is done. */
struct da_reader {
	uint64_t sequence;
	struct digester *digester; /* NULL if the read is of bytes */
	/* Asked before each disk read, and before what it brought is published: for each track if that is its bytes. */
	bool (*is_wanted)(void *arg);
	/* Asked when a disk read is due, before it takes slots; it may wait. False: is_wanted says no by now. NULL: yes. */
	bool (*may_read)(void *arg);
	void (*has_read)(void *arg); /* a disk read has ended, in whatever way */
	void *arg;
};

/* Tracks published from spec->first_track on: all, or less because there was no slot or is_wanted said no. */
uint32_t da_read_tracks(const struct da_spec *spec, const struct da_reader *reader);

#endif
