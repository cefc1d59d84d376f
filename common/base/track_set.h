/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of tracks as sorted ranges that neither touch nor overlap. Additions at the end, and looking for the next, are
 * what it is made for. No state but its own, no clock, any thread that owns it.
 */
#ifndef RA_BASE_TRACK_SET_H
#define RA_BASE_TRACK_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACK_SET_PACKED_BYTES 16u /* of a range: first, count, both 64 bits little-endian */

struct track_range {
	uint64_t first, count;
};

struct track_set;

struct track_set *track_set_new(void);
void track_set_free(struct track_set *set);
/* first + count may not overflow. count 0: nothing. */
void track_set_add(struct track_set *set, uint64_t first, uint64_t count);
void track_set_remove(struct track_set *set, uint64_t first, uint64_t count);
void track_set_add_all(struct track_set *set, const struct track_set *other);
void track_set_remove_all(struct track_set *set, const struct track_set *other);
bool track_set_has(const struct track_set *set, uint64_t track);
/* The next stretch of tracks at or after `from`; false: there is none. */
bool track_set_next(const struct track_set *set, uint64_t from, struct track_range *out);
uint64_t track_set_end(const struct track_set *set); /* the number after the last track; 0: there is none */
uint64_t track_set_tracks(const struct track_set *set);
/* Of the tracks [first, first + count), how many are in it. */
uint64_t track_set_tracks_in(const struct track_set *set, uint64_t first, uint64_t count);
size_t track_set_ranges(const struct track_set *set);
struct track_range track_set_range(const struct track_set *set, size_t index); /* index < track_set_ranges */

/* Ranges back to back, in order. out has track_set_ranges * TRACK_SET_PACKED_BYTES. */
void track_set_pack(const struct track_set *set, uint8_t *out);
/* NULL: not whole ranges, not in order, touching, empty, beyond UINT64_MAX, or more than ranges_max. */
struct track_set *track_set_unpack(const uint8_t *in, size_t bytes, size_t ranges_max);

#endif
