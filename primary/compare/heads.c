/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads. All of them are looked at for each run: there are as many as streams.
 */
#include "primary/compare/heads.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/track_set.h"

#define RANGES_MAX 1024u /* of a set in more pieces the longest is not looked for */

struct head {
	uint64_t next_track; /* 0: nowhere yet; the first track is the cursor's */
	uint64_t track_count; /* of its run, not done with */
};

struct heads {
	uint32_t count;
	struct head heads[];
};

struct heads *heads_new(uint32_t count)
{
	struct heads *heads = xcalloc(1, sizeof(*heads) + (count + 1) * sizeof(heads->heads[0]));

	heads->count = count;
	return heads;
}

void heads_free(struct heads *heads)
{
	free(heads);
}

static struct head *head_of(struct heads *heads, uint32_t head)
{
	assert(head >= 1 && head <= heads->count);
	return &heads->heads[head];
}

static bool find_middle(const struct track_set *set, uint64_t from, uint64_t least_tracks, uint64_t *track)
{
	struct track_range range, longest = { .count = 0 };

	if (track_set_ranges(set) > RANGES_MAX)
		return false;
	for (; track_set_next(set, from, &range); from = range.first + range.count) {
		if (range.count > longest.count)
			longest = range;
	}
	*track = longest.first + longest.count / 2;
	return longest.count >= least_tracks;
}

bool heads_next(const struct heads *heads, const struct track_set *set, uint64_t from, uint64_t least_tracks,
	uint32_t *head, uint64_t *track)
{
	uint32_t lost = 0;

	for (uint32_t i = 1; i <= heads->count; i++) {
		const struct head *it = &heads->heads[i];

		if (it->track_count > 0)
			continue;
		if (it->next_track > from && track_set_has(set, it->next_track)) {
			*head = i;
			*track = it->next_track;
			return true;
		}
		lost = i;
	}
	*head = lost;
	return lost > 0 && find_middle(set, from, least_tracks, track);
}

void heads_deal(struct heads *heads, uint32_t head, uint64_t first_track, uint32_t track_count)
{
	struct head *it = head_of(heads, head);

	assert(it->track_count == 0);
	it->track_count = track_count;
	it->next_track = first_track + track_count;
}

void heads_take_back(struct heads *heads, uint32_t head, uint64_t track_count)
{
	struct head *it = head_of(heads, head);

	assert(track_count <= it->track_count);
	it->track_count -= track_count;
}

void heads_skip(struct heads *heads, uint32_t head, uint64_t track)
{
	struct head *it = head_of(heads, head);

	if (track > it->next_track)
		it->next_track = track;
}
