/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of what is remembered. A group is proven when all of its tracks were found identical in one run, at the
 * time of the oldest of them; one confirmed difference takes that away until it is proven anew. What finds no room in
 * the run's sets still counts for its group: it was found, only where to go on after an interruption is lost.
 */
#include "storage/ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/track_set.h"
#include "storage/ledger_private.h"

bool ledger_binding_is_valid(const struct ledger_binding *binding, uint64_t total_tracks)
{
	uint32_t track_bytes = binding->track_bytes;

	return track_bytes >= TRACK_BYTES_MIN && track_bytes <= TRACK_BYTES_MAX && (track_bytes & (track_bytes - 1)) == 0 &&
		total_tracks <= UINT64_MAX / track_bytes && binding->local_bytes <= UINT64_MAX - binding->local_offset &&
		binding->remote_bytes <= UINT64_MAX - binding->remote_offset;
}

struct ledger *ledger_new(const struct ledger_binding *binding, uint64_t total_tracks)
{
	struct ledger *ledger = xcalloc(1, sizeof(*ledger));

	assert(ledger_binding_is_valid(binding, total_tracks));
	ledger->binding = *binding;
	ledger->total_tracks = total_tracks;
	ledger->group_tracks = total_tracks / LEDGER_GROUPS_MAX + (total_tracks % LEDGER_GROUPS_MAX != 0);
	if (ledger->group_tracks == 0)
		ledger->group_tracks = 1;
	ledger->groups = (uint32_t)(total_tracks / ledger->group_tracks + (total_tracks % ledger->group_tracks != 0));
	ledger->proven = xcalloc(ledger->groups + 1u, sizeof(*ledger->proven));
	return ledger;
}

static void free_run(struct ledger *ledger)
{
	struct ledger_run *run = ledger->run;

	ledger->run = NULL;
	if (run == NULL)
		return;
	track_set_free(run->identical);
	track_set_free(run->different);
	free(run->ranges);
	free(run->groups);
	free(run);
}

void ledger_free(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	free_run(ledger);
	for (size_t i = 0; i < ledger->past_runs; i++)
		free(ledger->past[i].spans);
	free(ledger->proven);
	free(ledger);
}

const struct ledger_binding *ledger_binding(const struct ledger *ledger)
{
	return &ledger->binding;
}

uint64_t ledger_total_tracks(const struct ledger *ledger)
{
	return ledger->total_tracks;
}

/* ---- Whether it is of these volumes ---- */

static bool is_text(const char *what, const char *mine, const char *other, char why[STATE_WHY_BYTES])
{
	if (strcmp(mine, other) == 0)
		return true;
	snprintf(why, STATE_WHY_BYTES, "%s is %.90s, it is of %.90s", what, other, mine);
	return false;
}

static bool is_number(const char *what, uint64_t mine, uint64_t other, char why[STATE_WHY_BYTES])
{
	if (mine == other)
		return true;
	snprintf(why, STATE_WHY_BYTES, "%s is %" PRIu64 ", it is of %" PRIu64, what, other, mine);
	return false;
}

bool ledger_fits(const struct ledger *ledger, const struct ledger_binding *binding, char why[STATE_WHY_BYTES])
{
	const struct ledger_binding *mine = &ledger->binding;

	return is_text("the device", mine->device, binding->device, why) &&
		is_text("the local volume", mine->local_identity, binding->local_identity, why) &&
		is_text("the remote volume", mine->remote_identity, binding->remote_identity, why) &&
		is_number("the local size", mine->local_bytes, binding->local_bytes, why) &&
		is_number("the remote size", mine->remote_bytes, binding->remote_bytes, why) &&
		is_number("the local offset", mine->local_offset, binding->local_offset, why) &&
		is_number("the remote offset", mine->remote_offset, binding->remote_offset, why) &&
		is_number("the track size", mine->track_bytes, binding->track_bytes, why) &&
		is_text("the part compared", mine->is_common ? "the common part" : "all of both",
			binding->is_common ? "the common part" : "all of both", why) &&
		is_text("what is compared", mine->digest, binding->digest, why);
}

/* ---- The run that is not finished ---- */

uint64_t ledger_tracks_of_group(const struct ledger *ledger, uint32_t group)
{
	uint64_t first = group * ledger->group_tracks, left = ledger->total_tracks - first;

	return left < ledger->group_tracks ? left : ledger->group_tracks;
}

void ledger_resume_run(struct ledger *ledger, const struct ledger_run *from)
{
	struct ledger_run *run = xcalloc(1, sizeof(*run));

	*run = *from;
	run->has_differed = track_set_tracks(run->different) > 0;
	run->groups = xcalloc(ledger->groups + 1u, sizeof(*run->groups));
	for (uint32_t i = 0; i < ledger->groups; i++) {
		run->groups[i].identical =
			track_set_tracks_in(run->identical, i * ledger->group_tracks, ledger_tracks_of_group(ledger, i));
		/* When each was found is not kept; none was before the run. */
		run->groups[i].oldest_wall_s = run->groups[i].identical > 0 ? run->started_wall_s : INT64_MAX;
	}
	free_run(ledger);
	ledger->run = run;
}

void ledger_begin_run(struct ledger *ledger, const char *options, int64_t started_wall_s)
{
	struct ledger_run run = { .started_wall_s = started_wall_s > 0 ? started_wall_s : 0 };

	assert(strlen(options) < sizeof(run.options));
	strcpy(run.options, options);
	run.identical = track_set_new();
	run.different = track_set_new();
	ledger_resume_run(ledger, &run);
}

const char *ledger_run_options(const struct ledger *ledger)
{
	return ledger->run != NULL ? ledger->run->options : NULL;
}

int64_t ledger_run_started(const struct ledger *ledger)
{
	assert(ledger->run != NULL);
	return ledger->run->started_wall_s;
}

/* Adds to a set that stays within its bound. What makes it one range too many touched no other, so taking it out again
 * leaves the set as it was. */
static bool add_bounded(struct track_set *set, uint64_t first, uint64_t count)
{
	track_set_add(set, first, count);
	if (track_set_ranges(set) <= LEDGER_RANGES_MAX)
		return true;
	track_set_remove(set, first, count);
	return false;
}

void ledger_identical(struct ledger *ledger, uint64_t first_track, uint64_t count, int64_t wall_s)
{
	struct ledger_run *run = ledger->run;
	uint64_t end = first_track + count;

	assert(run != NULL && first_track <= ledger->total_tracks && count <= ledger->total_tracks - first_track);
	assert(track_set_tracks_in(run->identical, first_track, count) == 0);
	assert(track_set_tracks_in(run->different, first_track, count) == 0);
	add_bounded(run->identical, first_track, count);
	for (uint64_t at = first_track; at < end;) {
		uint32_t number = (uint32_t)(at / ledger->group_tracks);
		uint64_t group_end = number * ledger->group_tracks + ledger_tracks_of_group(ledger, number);
		uint64_t stop = group_end < end ? group_end : end;
		struct ledger_group *group = &run->groups[number];

		group->identical += stop - at;
		if (wall_s < group->oldest_wall_s)
			group->oldest_wall_s = wall_s;
		/* Also when it seems to have been proven later: then the clock was set back. */
		if (group->identical == ledger_tracks_of_group(ledger, number))
			ledger->proven[number] = group->oldest_wall_s > 0 ? group->oldest_wall_s : 0;
		at = stop;
	}
}

/* Where in the ranges, which are in order, this offset goes: behind those with the same. */
static size_t place_of(const struct ledger_run *run, uint64_t offset_bytes)
{
	size_t low = 0, high = run->range_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (run->ranges[middle].offset_bytes > offset_bytes)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void ledger_different(struct ledger *ledger, uint64_t track, const struct ledger_range *ranges, size_t count)
{
	struct ledger_run *run = ledger->run;
	uint64_t from = track * ledger->binding.track_bytes;
	size_t place;

	assert(run != NULL && track < ledger->total_tracks);
	assert(!track_set_has(run->identical, track) && !track_set_has(run->different, track));
	ledger->proven[track / ledger->group_tracks] = 0;
	run->has_differed = true;
	for (size_t i = 0; i < count; i++) {
		assert(ranges[i].offset_bytes >= from && ranges[i].length_bytes > 0);
		from = ranges[i].offset_bytes + ranges[i].length_bytes;
		assert(from <= (track + 1) * ledger->binding.track_bytes);
	}
	/* All of the track or nothing. */
	if (count > LEDGER_RANGES_MAX - run->range_count || !add_bounded(run->different, track, 1) || count == 0)
		return;
	while (run->range_room < run->range_count + count) {
		run->range_room = run->range_room ? run->range_room * 2 : 16;
		run->ranges = xrealloc(run->ranges, run->range_room, sizeof(*run->ranges));
	}
	place = place_of(run, ranges[0].offset_bytes);
	memmove(&run->ranges[place + count], &run->ranges[place], (run->range_count - place) * sizeof(*ranges));
	memcpy(&run->ranges[place], ranges, count * sizeof(*ranges));
	run->range_count += count;
}

const struct track_set *ledger_run_identical(const struct ledger *ledger)
{
	assert(ledger->run != NULL);
	return ledger->run->identical;
}

const struct track_set *ledger_run_different(const struct ledger *ledger)
{
	assert(ledger->run != NULL);
	return ledger->run->different;
}

size_t ledger_run_range_count(const struct ledger *ledger)
{
	assert(ledger->run != NULL);
	return ledger->run->range_count;
}

const struct ledger_range *ledger_run_range(const struct ledger *ledger, size_t index)
{
	assert(ledger->run != NULL && index < ledger->run->range_count);
	return &ledger->run->ranges[index];
}

void ledger_set_counts(struct ledger *ledger, const struct ledger_counts *counts)
{
	uint64_t tracks = ledger->total_tracks, bytes = tracks * ledger->binding.track_bytes;
	struct ledger_counts kept = *counts;

	assert(ledger->run != NULL);
	/* Tracks that found no room are counted again after an interruption. */
	kept.hole_bytes = kept.hole_bytes < bytes ? kept.hole_bytes : bytes;
	kept.settled_tracks = kept.settled_tracks < tracks ? kept.settled_tracks : tracks;
	kept.elapsed_ms = kept.elapsed_ms < INT64_MAX ? kept.elapsed_ms : INT64_MAX;
	ledger->run->counts = kept;
}

struct ledger_counts ledger_counts(const struct ledger *ledger)
{
	assert(ledger->run != NULL);
	return ledger->run->counts;
}

/* The run's ranges, those that touch made one, as many as are kept: the first. */
static struct ledger_past past_of(const struct ledger_run *run)
{
	struct ledger_past past = { xcalloc(LEDGER_HISTORY_RANGES, sizeof(*past.spans)), 0 };

	for (size_t i = 0; i < run->range_count; i++) {
		const struct ledger_range *range = &run->ranges[i];
		struct ledger_span *last = past.count > 0 ? &past.spans[past.count - 1] : NULL;

		if (last != NULL && last->offset_bytes + last->length_bytes == range->offset_bytes)
			last->length_bytes += range->length_bytes;
		else if (past.count == LEDGER_HISTORY_RANGES)
			break;
		else
			past.spans[past.count++] = (struct ledger_span){ range->offset_bytes, range->length_bytes };
	}
	return past;
}

void ledger_end_run(struct ledger *ledger, int64_t ended_wall_s)
{
	assert(ledger->run != NULL);
	ledger->last_ended_wall_s = ended_wall_s > 0 ? ended_wall_s : 1;
	ledger->last_differed = ledger->run->has_differed;
	if (ledger->run->range_count > 0) {
		if (ledger->past_runs == LEDGER_HISTORY_RUNS)
			free(ledger->past[--ledger->past_runs].spans);
		memmove(&ledger->past[1], &ledger->past[0], ledger->past_runs * sizeof(ledger->past[0]));
		ledger->past[0] = past_of(ledger->run);
		ledger->past_runs++;
	}
	free_run(ledger);
}

/* ---- Proof ---- */

uint64_t ledger_group_tracks(const struct ledger *ledger)
{
	return ledger->group_tracks;
}

struct track_set *ledger_proven_since(const struct ledger *ledger, int64_t since, int64_t now)
{
	struct track_set *set = track_set_new();

	for (uint32_t i = 0; i < ledger->groups; i++) {
		int64_t proven = ledger->proven[i];

		if (proven > 0 && proven >= since && proven <= now)
			track_set_add(set, i * ledger->group_tracks, ledger_tracks_of_group(ledger, i));
	}
	return set;
}

uint32_t ledger_groups(const struct ledger *ledger)
{
	return ledger->groups;
}

int64_t ledger_group_proven(const struct ledger *ledger, uint32_t group)
{
	assert(group < ledger->groups);
	return ledger->proven[group];
}

/* ---- Earlier runs ---- */

bool ledger_has_history(const struct ledger *ledger)
{
	return ledger->last_ended_wall_s != 0;
}

int64_t ledger_last_ended(const struct ledger *ledger)
{
	return ledger->last_ended_wall_s;
}

bool ledger_last_differed(const struct ledger *ledger)
{
	return ledger->last_differed;
}

/* The tracks of a span whose groups were not proven since. */
static void add_unproven(const struct ledger *ledger, const struct ledger_span *span, struct track_set *set)
{
	uint32_t track_bytes = ledger->binding.track_bytes;
	uint64_t at = span->offset_bytes / track_bytes;
	uint64_t end = (span->offset_bytes + span->length_bytes - 1) / track_bytes + 1;

	while (at < end) {
		uint64_t group = at / ledger->group_tracks, group_end = (group + 1) * ledger->group_tracks;
		uint64_t stop = group_end < end ? group_end : end;

		if (ledger->proven[group] == 0)
			track_set_add(set, at, stop - at);
		at = stop;
	}
}

uint64_t ledger_different_tracks(const struct ledger *ledger)
{
	const struct ledger_past *past = ledger->last_differed ? &ledger->past[0] : NULL;
	struct track_set *set = track_set_new();
	uint64_t count;

	for (size_t i = 0; past != NULL && i < past->count; i++)
		add_unproven(ledger, &past->spans[i], set);
	if (ledger->run != NULL) {
		track_set_remove_all(set, ledger->run->identical);
		track_set_add_all(set, ledger->run->different);
	}
	count = track_set_tracks(set);
	track_set_free(set);
	return count;
}

static bool past_has(const struct ledger_past *past, uint64_t offset_bytes, uint64_t end)
{
	size_t low = 0, high = past->count;

	while (low < high) { /* the first that ends behind offset_bytes */
		size_t middle = low + (high - low) / 2;

		if (past->spans[middle].offset_bytes + past->spans[middle].length_bytes <= offset_bytes)
			low = middle + 1;
		else
			high = middle;
	}
	return low < past->count && past->spans[low].offset_bytes < end;
}

bool ledger_differed_before(const struct ledger *ledger, uint64_t offset_bytes, uint64_t length_bytes)
{
	for (size_t i = 0; i < ledger->past_runs; i++)
		if (past_has(&ledger->past[i], offset_bytes, offset_bytes + length_bytes))
			return true;
	return false;
}
