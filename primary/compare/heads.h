/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a pass reads between large holes. Each island of data is known only when the one before was read, so that one
 * place would wait for each of them. A head is a place that goes its own way from one island to the next, with one run
 * at a time; when it comes to what others have done, it begins anew in the middle of the longest stretch that is left.
 * The tracks are the caller's: it takes those that it gives to a head out of the set. No clock.
 */
#ifndef RA_PRIMARY_COMPARE_HEADS_H
#define RA_PRIMARY_COMPARE_HEADS_H

#include <stdbool.h>
#include <stdint.h>

struct heads;
struct track_set;

/* Numbers of heads are 1 to count. */
struct heads *heads_new(uint32_t count);
void heads_free(struct heads *heads);
/* A head without a run, and a track of the set, behind `from`, where it goes on; false: none has such a place. It
 * begins anew in a stretch of least_tracks, 2 or more. */
bool heads_next(const struct heads *heads, const struct track_set *set, uint64_t from, uint64_t least_tracks,
	uint32_t *head, uint64_t *track);
/* It has the run of so many tracks from there. */
void heads_deal(struct heads *heads, uint32_t head, uint64_t first_track, uint32_t track_count);
/* So many of them are done with. */
void heads_take_back(struct heads *heads, uint32_t head, uint64_t track_count);
/* All before this track are holes. */
void heads_skip(struct heads *heads, uint32_t head, uint64_t track);

#endif
