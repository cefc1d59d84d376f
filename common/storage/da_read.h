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

/* Tracks published from spec->first_track on: all, or less because there was no slot or is_wanted said no. It is asked
 * before each disk read and each track. */
uint32_t da_read_tracks(const struct da_spec *spec, uint64_t sequence, bool (*is_wanted)(void *arg), void *arg);

#endif
