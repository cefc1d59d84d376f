/* SPDX-License-Identifier: Apache-2.0
 *
 * Tracks as one sorted array of ranges: binary search, one memmove a change; many changes make a new array. Ranges that
 * would touch are joined, so two sets of the same tracks have the same ranges.
 */
#include "base/track_set.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define ONE_BY_ONE_MAX 8u

struct track_set {
	struct track_range *ranges;
	size_t count, room;
	uint64_t tracks;
};

static uint64_t end_of(const struct track_range *range)
{
	return range->first + range->count;
}

struct track_set *track_set_new(void)
{
	return xcalloc(1, sizeof(struct track_set));
}

void track_set_free(struct track_set *set)
{
	if (set == NULL)
		return;
	free(set->ranges);
	free(set);
}

/* Index of the first range that ends at or after `track`, or, with is_after, after it. */
static size_t find(const struct track_set *set, uint64_t track, bool is_after)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint64_t end = end_of(&set->ranges[middle]);

		if (is_after ? end <= track : end < track)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The ranges [from, to) become the `count` of replacement; their tracks are not counted here. */
static void replace(struct track_set *set, size_t from, size_t to, const struct track_range *replacement, size_t count)
{
	size_t needed = set->count - (to - from) + count;

	while (set->room < needed) {
		set->room = set->room ? set->room * 2 : 16;
		set->ranges = xrealloc(set->ranges, set->room, sizeof(*set->ranges));
	}
	if (to < set->count && from + count != to)
		memmove(&set->ranges[from + count], &set->ranges[to], (set->count - to) * sizeof(*set->ranges));
	for (size_t i = 0; i < count; i++)
		set->ranges[from + i] = replacement[i];
	set->count = needed;
}

void track_set_add(struct track_set *set, uint64_t first, uint64_t count)
{
	struct track_range sum = { first, count };
	uint64_t end = first + count;
	size_t from = find(set, first, false), to = from;

	assert(end >= first);
	if (count == 0)
		return;
	for (; to < set->count && set->ranges[to].first <= end; to++) {
		const struct track_range *range = &set->ranges[to];

		set->tracks -= range->count;
		if (range->first < sum.first)
			sum.first = range->first;
		if (end_of(range) > end)
			end = end_of(range);
	}
	sum.count = end - sum.first;
	set->tracks += sum.count;
	replace(set, from, to, &sum, 1);
}

void track_set_remove(struct track_set *set, uint64_t first, uint64_t count)
{
	uint64_t end = first + count;
	struct track_range left[2];
	size_t from = find(set, first, true), to = from, kept = 0;

	assert(end >= first);
	if (count == 0)
		return;
	for (; to < set->count && set->ranges[to].first < end; to++) {
		const struct track_range *range = &set->ranges[to];

		set->tracks -= range->count;
		if (range->first < first)
			left[kept++] = (struct track_range){ range->first, first - range->first };
		if (end_of(range) > end)
			left[kept++] = (struct track_range){ end, end_of(range) - end };
	}
	for (size_t i = 0; i < kept; i++)
		set->tracks += left[i].count;
	if (from < to)
		replace(set, from, to, left, kept);
}

/* One array takes the place of the other: many changes at once would each move the half of it. */
static void become(struct track_set *set, struct track_set *built)
{
	struct track_set old = *set;

	*set = *built;
	*built = old;
	track_set_free(built);
}

void track_set_add_all(struct track_set *set, const struct track_set *other)
{
	struct track_set *built;
	size_t at = 0, other_at = 0;

	if (other->count <= ONE_BY_ONE_MAX) {
		for (size_t i = 0; i < other->count; i++)
			track_set_add(set, other->ranges[i].first, other->ranges[i].count);
		return;
	}
	built = track_set_new();
	while (at < set->count || other_at < other->count) {
		bool is_own = other_at == other->count ||
			(at < set->count && set->ranges[at].first <= other->ranges[other_at].first);
		const struct track_range *range = is_own ? &set->ranges[at++] : &other->ranges[other_at++];

		track_set_add(built, range->first, range->count);
	}
	become(set, built);
}

void track_set_remove_all(struct track_set *set, const struct track_set *other)
{
	struct track_set *built;

	if (other->count <= ONE_BY_ONE_MAX) {
		for (size_t i = 0; i < other->count; i++)
			track_set_remove(set, other->ranges[i].first, other->ranges[i].count);
		return;
	}
	built = track_set_new();
	for (size_t i = 0; i < set->count; i++) {
		uint64_t from = set->ranges[i].first, end = end_of(&set->ranges[i]);
		struct track_range hole;

		while (from < end && track_set_next(other, from, &hole) && hole.first < end) {
			track_set_add(built, from, hole.first - from);
			from = end_of(&hole);
		}
		if (from < end)
			track_set_add(built, from, end - from);
	}
	become(set, built);
}

bool track_set_has(const struct track_set *set, uint64_t track)
{
	size_t index = find(set, track, true);

	return index < set->count && set->ranges[index].first <= track;
}

bool track_set_next(const struct track_set *set, uint64_t from, struct track_range *out)
{
	size_t index = find(set, from, true);

	if (index == set->count)
		return false;
	*out = set->ranges[index];
	if (out->first < from) {
		out->count = end_of(out) - from;
		out->first = from;
	}
	return true;
}

uint64_t track_set_end(const struct track_set *set)
{
	return set->count > 0 ? end_of(&set->ranges[set->count - 1]) : 0;
}

uint64_t track_set_tracks(const struct track_set *set)
{
	return set->tracks;
}

uint64_t track_set_tracks_in(const struct track_set *set, uint64_t first, uint64_t count)
{
	uint64_t end = first + count, tracks = 0;
	struct track_range range;

	while (first < end && track_set_next(set, first, &range) && range.first < end) {
		uint64_t range_end = end_of(&range) < end ? end_of(&range) : end;

		tracks += range_end - range.first;
		first = range_end;
	}
	return tracks;
}

size_t track_set_ranges(const struct track_set *set)
{
	return set->count;
}

struct track_range track_set_range(const struct track_set *set, size_t index)
{
	assert(index < set->count);
	return set->ranges[index];
}

void track_set_pack(const struct track_set *set, uint8_t *out)
{
	for (size_t i = 0; i < set->count; i++) {
		uint64_t pair[2] = { htole64(set->ranges[i].first), htole64(set->ranges[i].count) };

		memcpy(out + i * TRACK_SET_PACKED_BYTES, pair, sizeof(pair));
	}
}

struct track_set *track_set_unpack(const uint8_t *in, size_t bytes, size_t ranges_max)
{
	struct track_set *set;
	uint64_t end = 0;

	if (bytes % TRACK_SET_PACKED_BYTES != 0 || bytes / TRACK_SET_PACKED_BYTES > ranges_max)
		return NULL;
	set = track_set_new();
	for (size_t at = 0; at < bytes; at += TRACK_SET_PACKED_BYTES) {
		uint64_t pair[2], first, count;

		memcpy(pair, in + at, sizeof(pair));
		first = le64toh(pair[0]);
		count = le64toh(pair[1]);
		if (count == 0 || count > UINT64_MAX - first || (at > 0 && first <= end)) {
			track_set_free(set);
			return NULL;
		}
		track_set_add(set, first, count);
		end = first + count;
	}
	return set;
}
