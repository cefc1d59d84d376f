/* SPDX-License-Identifier: Apache-2.0
 *
 * The findings of one pass. Where the volumes have unequal sizes, the tail is a difference from the start; the boundary
 * track, whose first bytes both have, is counted then and only its ranges are added later.
 */
#include "primary/compare/report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plural.h"
#include "base/post.h"
#include "base/track_set.h"
#include "primary/compare/ranges.h"
#include "storage/ledger.h"

struct report {
	struct report_figures figures;
	struct post *post;
	uint64_t smaller_bytes, larger_bytes;
	uint64_t tail_track; /* the first that is not wholly in both; total_tracks when the sizes are equal */
	uint64_t first_track, end_track;
	uint64_t exact_tracks_left;
	struct ranges *ranges;
	bool is_finished;
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

const char *report_state_name(enum report_state state)
{
	static const char *const names[REPORT_STATE_COUNT] = {
		[REPORT_IDENTICAL] = "identical",   [REPORT_DIFFERENT] = "different",
		[REPORT_UNSETTLED] = "unsettled",   [REPORT_INVALID] = "invalid",
		[REPORT_UNREADABLE] = "unreadable", [REPORT_NOT_COMPARED] = "not_compared",
	};

	return names[state];
}

bool report_state_was_read(enum report_state state)
{
	return state != REPORT_NOT_COMPARED && state != REPORT_INVALID;
}

/* Tracks of the tail were counted by begin_tail. */
static uint64_t count_tracks(struct report *report, enum report_state state, uint64_t first_track, uint64_t count)
{
	uint64_t counted = report_tracks_in_both(report, first_track, count);

	report->figures.tracks[state] += counted;
	return counted;
}

static uint64_t track_offset(const struct report *report, uint64_t track)
{
	return track * report->figures.setup.track_bytes;
}

/* A range of whole tracks, but never beyond what both volumes have. */
static void add_track_range(struct report *report, enum report_state state, uint64_t first_track, uint64_t count)
{
	uint64_t start = track_offset(report, first_track);
	uint64_t end = min_u64(track_offset(report, first_track + count), report->smaller_bytes);

	if (start < end)
		ranges_add(report->ranges,
			&(struct report_range){ .offset_bytes = start, .length_bytes = end - start, .state = state });
}

static uint64_t tracks_of(uint64_t bytes, uint32_t track_bytes)
{
	return bytes / track_bytes + (bytes % track_bytes != 0);
}

/* asked_end: the first track after those asked for. */
static void begin_tail(struct report *report, uint64_t asked_first, uint64_t asked_end)
{
	struct report_figures *figures = &report->figures;
	uint64_t first = max_u64(asked_first, report->tail_track), start, end;

	if (first >= asked_end)
		return;
	figures->tracks[REPORT_DIFFERENT] += asked_end - first;
	start = max_u64(track_offset(report, first), report->smaller_bytes);
	end = min_u64(track_offset(report, asked_end), report->larger_bytes);
	ranges_add(report->ranges, &(struct report_range){ .offset_bytes = start, .length_bytes = end - start,
		.state = REPORT_DIFFERENT, .is_exact = true, .shape = SHAPE_TAIL });
}

static void begin_not_asked(struct report *report, uint64_t first_track, uint64_t end_track)
{
	struct report_figures *figures = &report->figures;
	uint64_t start = track_offset(report, first_track), end;

	if (first_track >= end_track)
		return;
	figures->tracks[REPORT_NOT_COMPARED] += end_track - first_track;
	figures->reasons[REASON_NOT_ASKED] += end_track - first_track;
	end = min_u64(track_offset(report, end_track), report->larger_bytes);
	ranges_add(report->ranges, &(struct report_range){ .offset_bytes = start, .length_bytes = end - start,
		.state = REPORT_NOT_COMPARED });
}

struct report *report_new(const struct report_setup *setup)
{
	struct report *report = xcalloc(1, sizeof(*report));
	uint64_t asked_first = 0, asked_end;

	report->figures.setup = *setup;
	report->post = post_new();
	report->ranges = ranges_new(&report->figures);
	report->smaller_bytes = volume_info_common_bytes(&setup->local, &setup->remote);
	report->larger_bytes = volume_info_compared_bytes(&setup->local, &setup->remote, setup->is_common);
	report->figures.total_tracks = tracks_of(report->larger_bytes, setup->track_bytes);
	report->tail_track = report->figures.total_tracks;
	if (report->smaller_bytes != report->larger_bytes)
		report->tail_track = report->smaller_bytes / setup->track_bytes;
	report->exact_tracks_left = setup->exact_tracks;
	report->figures.is_only_tail = true;

	asked_end = report->figures.total_tracks;
	if (setup->has_tracks) {
		assert(setup->first_track <= setup->last_track && setup->last_track < asked_end);
		asked_first = setup->first_track;
		asked_end = setup->last_track + 1;
	}
	report->end_track = min_u64(asked_end, tracks_of(report->smaller_bytes, setup->track_bytes));
	report->first_track = min_u64(asked_first, report->end_track);
	begin_not_asked(report, 0, asked_first);
	begin_not_asked(report, asked_end, report->figures.total_tracks);
	begin_tail(report, asked_first, asked_end);
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	post_free(report->post);
	ranges_free(report->ranges);
	free(report);
}

const struct report_figures *report_figures(const struct report *report)
{
	return &report->figures;
}

struct report_link *report_link(struct report *report)
{
	return &report->figures.link;
}

struct post *report_post(const struct report *report)
{
	return report->post;
}

const struct report_range *report_range(const struct report *report, size_t index)
{
	assert(index < report->figures.range_count);
	return ranges_item(report->ranges, index);
}

uint64_t report_first_track(const struct report *report)
{
	return report->first_track;
}

uint64_t report_end_track(const struct report *report)
{
	return report->end_track;
}

uint32_t report_common_bytes(const struct report *report, uint64_t track)
{
	uint64_t start = track_offset(report, track);

	assert(start < report->smaller_bytes);
	return (uint32_t)min_u64(report->figures.setup.track_bytes, report->smaller_bytes - start);
}

uint64_t report_tracks_in_both(const struct report *report, uint64_t first_track, uint64_t count)
{
	return first_track < report->tail_track ? min_u64(count, report->tail_track - first_track) : 0;
}

static void count_compared(struct report *report, uint64_t first_track, uint64_t count, bool is_hole)
{
	uint64_t end = min_u64(track_offset(report, first_track + count), report->smaller_bytes);
	uint64_t bytes = end - track_offset(report, first_track);

	assert(first_track >= report->first_track && count <= report->end_track - first_track);
	report->figures.compared_bytes += bytes;
	report->figures.hole_bytes += is_hole ? bytes : 0;
}

/* Of these tracks, those whose mark is checked. */
static uint64_t marked_tracks(const struct report *report, uint64_t first_track, uint64_t count)
{
	const struct report_setup *setup = &report->figures.setup;

	return setup->checks_invalid && setup->marked ? track_set_tracks_in(setup->marked, first_track, count) : 0;
}

void report_identical(struct report *report, uint64_t first_track, uint64_t count, bool is_hole)
{
	count_compared(report, first_track, count, is_hole);
	count_tracks(report, REPORT_IDENTICAL, first_track, count);
	report->figures.marked_identical += marked_tracks(report, first_track, count);
}

void report_settled(struct report *report, uint64_t first_track, uint64_t count, bool is_hole)
{
	report_identical(report, first_track, count, is_hole);
	report->figures.settled_tracks += count;
}

/* A track whose tail only one volume has is no trimmed one. */
static void count_different(struct report *report, uint64_t track, enum report_shape shape)
{
	uint64_t counted = count_tracks(report, REPORT_DIFFERENT, track, 1);

	report->figures.is_only_tail = false;
	report->figures.marked_different += marked_tracks(report, track, 1);
	if (shape == SHAPE_LOCAL_ZERO || shape == SHAPE_REMOTE_ZERO)
		report->figures.trimmed_tracks += counted;
}

void report_different(struct report *report, uint64_t track, bool is_hole, const uint8_t *local, const uint8_t *remote,
	const struct report_confirm *confirm)
{
	uint32_t bytes = report_common_bytes(report, track);
	struct report_range range = {
		.offset_bytes = track_offset(report, track),
		.length_bytes = bytes,
		.state = REPORT_DIFFERENT,
		.shape = local ? shape_of_track(local, remote, bytes) : SHAPE_DATA,
		.is_marked = marked_tracks(report, track, 1) > 0,
		.confirm = *confirm,
	};

	count_compared(report, track, 1, is_hole);
	count_different(report, track, range.shape);
	if (local && report->exact_tracks_left > 0) {
		report->exact_tracks_left--;
		range.is_exact = true;
		ranges_add_exact(report->ranges, &range, local, remote, bytes);
	} else {
		ranges_add(report->ranges, &range);
	}
}

void report_unsettled(struct report *report, uint64_t first_track, uint64_t count)
{
	count_tracks(report, REPORT_UNSETTLED, first_track, count);
	add_track_range(report, REPORT_UNSETTLED, first_track, count);
}

void report_unreadable(struct report *report, uint64_t track)
{
	count_tracks(report, REPORT_UNREADABLE, track, 1);
	add_track_range(report, REPORT_UNREADABLE, track, 1);
}

void report_invalid(struct report *report, uint64_t first_track, uint64_t count)
{
	count_tracks(report, REPORT_INVALID, first_track, count);
	add_track_range(report, REPORT_INVALID, first_track, count);
}

size_t report_track_ranges(const struct report *report, uint64_t track, struct report_range *out, size_t max)
{
	uint64_t start = track_offset(report, track), end = start + report_common_bytes(report, track);
	size_t count = 0;

	for (size_t i = ranges_find_end(report->ranges, start); i < report->figures.range_count; i++) {
		struct report_range range = *ranges_item(report->ranges, i);
		uint64_t range_end = min_u64(range.offset_bytes + range.length_bytes, end);

		if (range.offset_bytes >= end)
			break;
		if (range.state != REPORT_DIFFERENT || range.shape == SHAPE_TAIL)
			continue;
		range.offset_bytes = max_u64(range.offset_bytes, start);
		range.length_bytes = range_end - range.offset_bytes;
		if (count < max)
			out[count] = range;
		count++;
	}
	return count;
}

static void resume_identical(struct report *report, const struct track_set *identical)
{
	for (size_t i = 0; i < track_set_ranges(identical); i++) {
		struct track_range range = track_set_range(identical, i);

		report_identical(report, range.first, range.count, false);
	}
}

_Static_assert(SHAPE_REMOTE_ZERO == LEDGER_SHAPE_MAX, "a ledger has all shapes but that of the tail");

/* The ranges of the track from *index on; *index is then the first of the next track. */
static void resume_different(struct report *report, const struct ledger *ledger, uint64_t track, size_t *index)
{
	uint64_t start = track_offset(report, track), end = start + report_common_bytes(report, track);
	enum report_shape shape = SHAPE_COUNT;
	bool is_exact = false;

	for (; *index < ledger_run_range_count(ledger); ++*index) {
		const struct ledger_range *kept = ledger_run_range(ledger, *index);
		struct report_range range = {
			.offset_bytes = kept->offset_bytes,
			.length_bytes = kept->length_bytes,
			.state = REPORT_DIFFERENT,
			.is_exact = kept->is_exact,
			.shape = kept->shape < SHAPE_TAIL ? (enum report_shape)kept->shape : SHAPE_DATA,
			.is_marked = marked_tracks(report, track, 1) > 0,
			.confirm = { kept->confirmed, kept->confirmed_ms },
		};

		if (kept->offset_bytes >= end)
			break;
		shape = shape == SHAPE_COUNT || shape == range.shape ? range.shape : SHAPE_DATA;
		is_exact = range.is_exact;
		ranges_add(report->ranges, &range);
	}
	report->exact_tracks_left -= is_exact && report->exact_tracks_left > 0;
	report->figures.compared_bytes += end - start;
	count_different(report, track, shape);
}

void report_resume(struct report *report, const struct ledger *ledger)
{
	const struct track_set *different = ledger_run_different(ledger);
	struct ledger_counts counts = ledger_counts(ledger);
	struct track_range range;
	size_t index = 0;

	resume_identical(report, ledger_run_identical(ledger));
	for (uint64_t at = 0; track_set_next(different, at, &range); at = range.first + 1)
		resume_different(report, ledger, range.first, &index);
	report->figures.hole_bytes = counts.hole_bytes;
	report->figures.settled_tracks = counts.settled_tracks;
	report->figures.resumed_tracks =
		track_set_tracks(different) + track_set_tracks(ledger_run_identical(ledger));
}

void report_unreserve(struct report *report, uint32_t settle_rounds)
{
	report->figures.setup.settle_rounds = settle_rounds;
}

void report_not_compared(struct report *report, uint64_t first_track, uint64_t count, enum report_reason reason)
{
	report->figures.reasons[reason] += count_tracks(report, REPORT_NOT_COMPARED, first_track, count);
	add_track_range(report, REPORT_NOT_COMPARED, first_track, count);
}

struct volume_outside report_outside(const struct report_setup *setup, const struct volume_info *volume)
{
	return volume_info_outside(volume, volume_info_compared_bytes(&setup->local, &setup->remote, setup->is_common));
}

static void post_size_change(struct report *report, const char *name, uint64_t before, uint64_t after)
{
	const struct post_where where = { .peer = NULL };

	if (before != after)
		post_error(report->post, STATUS_VOLUME_ERROR, &where, "%.128s %s from %llu to %llu %s during the run%s",
			name, after > before ? "grew" : "shrank", (unsigned long long)before, (unsigned long long)after,
			plural(after, "byte", "bytes"), after > before ? ", the new part was not compared" : "");
}

void report_finish(struct report *report, const struct report_end *end)
{
	const struct report_setup *setup = &report->figures.setup;
	uint64_t sum = 0;

	assert(!report->is_finished);
	for (int state = 0; state < REPORT_STATE_COUNT; state++)
		sum += report->figures.tracks[state];
	assert(sum == report->figures.total_tracks);
	if (report->figures.tracks[REPORT_DIFFERENT] == 0)
		report->figures.is_only_tail = false;
	report->figures.end = *end;
	report->is_finished = true;
	if (!end->has_sizes)
		return;
	if (setup->is_common) {
		post_size_change(report, "the common part", report->smaller_bytes,
			min_u64(end->local_bytes, end->remote_bytes));
		return;
	}
	post_size_change(report, setup->name_local, setup->local.size_bytes, end->local_bytes);
	post_size_change(report, setup->name_remote, setup->remote.size_bytes, end->remote_bytes);
}

bool report_sizes_held(const struct report *report)
{
	const struct report_figures *figures = &report->figures;

	if (figures->setup.is_common)
		return figures->end.has_sizes &&
			min_u64(figures->end.local_bytes, figures->end.remote_bytes) == report->smaller_bytes;
	return figures->end.has_sizes && figures->end.local_bytes == figures->setup.local.size_bytes &&
		figures->end.remote_bytes == figures->setup.remote.size_bytes;
}

int report_exit_code(const struct report *report)
{
	const uint64_t *tracks = report->figures.tracks;

	assert(report->is_finished);
	if (tracks[REPORT_DIFFERENT] > (report->figures.setup.accept_trimmed ? report->figures.trimmed_tracks : 0))
		return 1;
	if (tracks[REPORT_UNREADABLE] > 0)
		return 5;
	if (report->figures.end.is_lost)
		return 4;
	if (tracks[REPORT_IDENTICAL] < report->figures.total_tracks || !report_sizes_held(report))
		return 3;
	return 0;
}

bool report_is_of_moment(const struct report *report)
{
	return report->figures.setup.reserve == RESERVE_EXCLUSIVE && !report->figures.end.was_unreserved;
}

bool report_is_worse(const struct report *report, const struct report *than)
{
	static const int order[] = { [0] = 0, [1] = 4, [3] = 1, [4] = 2, [5] = 3 };

	return order[report_exit_code(report)] > order[report_exit_code(than)];
}
