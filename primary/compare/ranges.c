/* SPDX-License-Identifier: Apache-2.0
 *
 * One sorted array. Streams finish out of order, but mostly near each other: then an insertion is near the end. Between
 * large holes it may be anywhere.
 */
#include "primary/compare/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "primary/compare/report.h"
#include "primary/compare/shape.h"
#include "storage/ledger.h"

struct ranges {
	struct report_figures *figures; /* range_count is that of items */
	struct report_range *items;
	size_t room;
};

struct ranges *ranges_new(struct report_figures *figures)
{
	struct ranges *ranges = xcalloc(1, sizeof(*ranges));

	ranges->figures = figures;
	return ranges;
}

void ranges_free(struct ranges *ranges)
{
	if (!ranges)
		return;
	free(ranges->items);
	free(ranges);
}

const struct report_range *ranges_item(const struct ranges *ranges, size_t index)
{
	return &ranges->items[index];
}

/* Index of the first range that begins at or after offset. */
static size_t find_range(const struct ranges *ranges, uint64_t offset)
{
	size_t low = 0, high = ranges->figures->range_count;

	if (high > 0 && ranges->items[high - 1].offset_bytes < offset)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].offset_bytes < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void open_gap(struct ranges *ranges, size_t index, size_t count)
{
	size_t needed = ranges->figures->range_count + count;

	while (ranges->room < needed) {
		ranges->room = ranges->room ? ranges->room * 2 : 64;
		ranges->items = xrealloc(ranges->items, ranges->room, sizeof(*ranges->items));
	}
	if (index < ranges->figures->range_count)
		memmove(&ranges->items[index + count], &ranges->items[index],
			(ranges->figures->range_count - index) * sizeof(*ranges->items));
	ranges->figures->range_count = needed;
}

static void remove_range(struct ranges *ranges, size_t index)
{
	ranges->figures->range_count--;
	memmove(&ranges->items[index], &ranges->items[index + 1],
		(ranges->figures->range_count - index) * sizeof(*ranges->items));
}

/* Makes one of the ranges before and at index when they touch and mean the same. */
static bool join_ranges(struct ranges *ranges, size_t index)
{
	struct report_range *before, *after;

	if (index == 0 || index >= ranges->figures->range_count)
		return false;
	before = &ranges->items[index - 1];
	after = &ranges->items[index];
	if (before->state != after->state || before->is_exact != after->is_exact || before->shape != after->shape ||
		before->seen != after->seen || before->is_marked != after->is_marked ||
		before->offset_bytes + before->length_bytes != after->offset_bytes)
		return false;
	before->length_bytes += after->length_bytes;
	if (after->confirm.times < before->confirm.times)
		before->confirm.times = after->confirm.times;
	if (after->confirm.over_ms < before->confirm.over_ms)
		before->confirm.over_ms = after->confirm.over_ms;
	remove_range(ranges, index);
	return true;
}

static void note_omitted(struct ranges *ranges, uint64_t offset, uint64_t count)
{
	struct report_figures *figures = ranges->figures;

	if (figures->ranges_omitted == 0 || offset < figures->omitted_from_bytes)
		figures->omitted_from_bytes = offset;
	figures->ranges_omitted += count;
}

static enum report_seen seen_before(const struct ranges *ranges, uint64_t offset, uint64_t length)
{
	const struct ledger *history = ranges->figures->setup.history;

	if (history == NULL || !ledger_has_history(history))
		return SEEN_UNKNOWN;
	return ledger_differed_before(history, offset, length) ? SEEN_AGAIN : SEEN_NEW;
}

void ranges_add(struct ranges *ranges, const struct report_range *range)
{
	size_t index = find_range(ranges, range->offset_bytes);
	bool is_joined;

	if (range->length_bytes == 0)
		return;
	if (range->state == REPORT_DIFFERENT) {
		ranges->figures->different_bytes += range->length_bytes;
		ranges->figures->different_ranges_inexact += !range->is_exact;
	}
	open_gap(ranges, index, 1);
	ranges->items[index] = *range;
	if (range->state == REPORT_DIFFERENT && range->shape != SHAPE_TAIL)
		ranges->items[index].seen = seen_before(ranges, range->offset_bytes, range->length_bytes);
	is_joined = join_ranges(ranges, index + 1);
	is_joined = join_ranges(ranges, index) || is_joined;
	if (!is_joined && ranges->figures->range_count > REPORT_RANGES_MAX) {
		remove_range(ranges, index);
		note_omitted(ranges, range->offset_bytes, 1);
	}
}

/* From *at on, the next stretch of unequal bytes; its start, with *at at its end. bytes when there is none. */
static uint32_t next_difference(const uint8_t *a, const uint8_t *b, uint32_t bytes, uint32_t *at)
{
	uint32_t start = *at;

	while (start < bytes && a[start] == b[start])
		start++;
	*at = start;
	while (*at < bytes && a[*at] != b[*at])
		(*at)++;
	return start;
}

/* A track may have half as many ranges as bytes, and later ranges may be there already: room is made once. */
void ranges_add_exact(struct ranges *ranges, const struct report_range *model, const uint8_t *a, const uint8_t *b,
	uint32_t bytes)
{
	uint64_t offset = model->offset_bytes;
	struct report_figures *figures = ranges->figures;
	size_t index = find_range(ranges, offset), found = 0, kept, i;
	uint32_t at = 0;

	while (next_difference(a, b, bytes, &at) < bytes)
		found++;
	kept = figures->range_count < REPORT_RANGES_MAX ? REPORT_RANGES_MAX - figures->range_count : 0;
	if (kept > found)
		kept = found;
	if (kept < found)
		note_omitted(ranges, offset, found - kept);
	open_gap(ranges, index, kept);
	at = 0;
	for (i = 0; i < found; i++) {
		uint32_t start = next_difference(a, b, bytes, &at);

		figures->different_bytes += at - start;
		if (i >= kept)
			continue;
		ranges->items[index + i] = *model;
		ranges->items[index + i].offset_bytes = offset + start;
		ranges->items[index + i].length_bytes = at - start;
		ranges->items[index + i].shape = shape_of(a, b, bytes, start, at - start);
		ranges->items[index + i].seen = seen_before(ranges, offset + start, at - start);
	}
	if (kept > 0) {
		join_ranges(ranges, index + kept);
		join_ranges(ranges, index);
	}
}

size_t ranges_find_end(const struct ranges *ranges, uint64_t offset)
{
	size_t index = find_range(ranges, offset);

	if (index > 0 && ranges->items[index - 1].offset_bytes + ranges->items[index - 1].length_bytes > offset)
		index--;
	return index;
}
