/* SPDX-License-Identifier: Apache-2.0
 *
 * A ledger as the content of a state file, and back. Little-endian, in the order of put_content; a text is its length
 * (16 bits) and its bytes; times of proof are run-length coded. One ledger has one form: what is accepted is encoded
 * to the same bytes again.
 */
#include "storage/ledger.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/track_set.h"
#include "storage/ledger_private.h"

#define PROOF_BYTES 12u /* of a stretch of groups with one time: their number, the time */
#define SPAN_BYTES 16u
#define RANGE_BYTES 24u
#define DIFFERED_BIT 0x80u /* with the number of earlier runs */

/* The most there can ever be is less than LEDGER_BYTES_MAX: nothing has to be left out. */
#define REST_BYTES (8u * KIB) /* head, binding, options, counts */
_Static_assert(REST_BYTES > 8u * LEDGER_TEXT_BYTES, "the texts are four and the digest's name");
_Static_assert(REST_BYTES + LEDGER_GROUPS_MAX * PROOF_BYTES + LEDGER_HISTORY_RUNS * LEDGER_HISTORY_RANGES * SPAN_BYTES +
	2u * LEDGER_RANGES_MAX * TRACK_SET_PACKED_BYTES + LEDGER_RANGES_MAX * RANGE_BYTES <= LEDGER_BYTES_MAX,
	"a full ledger fits");

/* ---- To bytes ---- */

struct out {
	uint8_t *bytes;
	size_t count, room;
};

static void put(struct out *out, const void *bytes, size_t count)
{
	assert(count <= out->room - out->count);
	memcpy(out->bytes + out->count, bytes, count);
	out->count += count;
}

static void put_number(struct out *out, uint64_t value, size_t bytes)
{
	uint64_t little = htole64(value);

	put(out, &little, bytes);
}

static void put_text(struct out *out, const char *text)
{
	put_number(out, strlen(text), 2);
	put(out, text, strlen(text));
}

static void put_binding(struct out *out, const struct ledger_binding *binding)
{
	put_number(out, binding->track_bytes, 4);
	put_number(out, binding->is_common, 1);
	put_text(out, binding->device);
	put_text(out, binding->local_identity);
	put_text(out, binding->remote_identity);
	put_text(out, binding->digest);
	put_number(out, binding->local_bytes, 8);
	put_number(out, binding->remote_bytes, 8);
	put_number(out, binding->local_offset, 8);
	put_number(out, binding->remote_offset, 8);
}

static void put_proof(struct out *out, const struct ledger *ledger)
{
	for (uint32_t i = 0, next; i < ledger->groups; i = next) {
		for (next = i + 1; next < ledger->groups && ledger->proven[next] == ledger->proven[i]; next++)
			continue;
		put_number(out, next - i, 4);
		put_number(out, (uint64_t)ledger->proven[i], 8);
	}
}

static void put_past(struct out *out, const struct ledger_past *past)
{
	put_number(out, past->count, 4);
	for (size_t i = 0; i < past->count; i++) {
		put_number(out, past->spans[i].offset_bytes, 8);
		put_number(out, past->spans[i].length_bytes, 8);
	}
}

static void put_set(struct out *out, const struct track_set *set)
{
	size_t bytes = track_set_ranges(set) * TRACK_SET_PACKED_BYTES;

	put_number(out, track_set_ranges(set), 4);
	assert(bytes <= out->room - out->count);
	track_set_pack(set, out->bytes + out->count);
	out->count += bytes;
}

static void put_run(struct out *out, const struct ledger_run *run)
{
	put_text(out, run->options);
	put_number(out, (uint64_t)run->started_wall_s, 8);
	put_number(out, run->counts.hole_bytes, 8);
	put_number(out, run->counts.settled_tracks, 8);
	put_number(out, run->counts.elapsed_ms, 8);
	put_set(out, run->identical);
	put_set(out, run->different);
	put_number(out, run->range_count, 4);
	for (size_t i = 0; i < run->range_count; i++) {
		const struct ledger_range *range = &run->ranges[i];

		put_number(out, range->offset_bytes, 8);
		put_number(out, range->length_bytes, 8);
		put_number(out, range->confirmed_ms, 4);
		put_number(out, range->confirmed, 2);
		put_number(out, range->shape, 1);
		put_number(out, range->is_exact, 1);
	}
}

static void put_content(struct out *out, const struct ledger *ledger)
{
	put_binding(out, &ledger->binding);
	put_number(out, ledger->total_tracks, 8);
	put_number(out, (uint64_t)ledger->last_ended_wall_s, 8);
	put_proof(out, ledger); /* as many stretches as give all groups */
	put_number(out, ledger->past_runs | (ledger->last_differed ? DIFFERED_BIT : 0u), 1);
	for (size_t i = 0; i < ledger->past_runs; i++)
		put_past(out, &ledger->past[i]);
	put_number(out, ledger->run != NULL, 1);
	if (ledger->run != NULL)
		put_run(out, ledger->run);
}

static size_t room_for(const struct ledger *ledger)
{
	const struct ledger_run *run = ledger->run;
	size_t room = REST_BYTES + ledger->groups * PROOF_BYTES;

	for (size_t i = 0; i < ledger->past_runs; i++)
		room += ledger->past[i].count * SPAN_BYTES;
	if (run != NULL)
		room += (track_set_ranges(run->identical) + track_set_ranges(run->different)) * TRACK_SET_PACKED_BYTES +
			run->range_count * RANGE_BYTES;
	return room;
}

uint8_t *ledger_encode(const struct ledger *ledger, size_t *file_bytes)
{
	struct out out = { .room = room_for(ledger) };
	uint8_t *file;

	out.bytes = xcalloc(1, out.room);
	put_content(&out, ledger);
	file = state_wrap(STATE_LEDGER, LEDGER_VERSION, out.bytes, out.count, file_bytes);
	free(out.bytes);
	assert(*file_bytes <= LEDGER_BYTES_MAX);
	return file;
}

/* ---- From bytes: after the first thing that is wrong nothing more is taken ---- */

struct in {
	const uint8_t *bytes;
	size_t left;
	char *why; /* "": all was well so far */
};

static bool is_well(const struct in *in)
{
	return *in->why == '\0';
}

__attribute__((format(printf, 3, 4))) static bool must(struct in *in, bool holds, const char *format, ...)
{
	va_list arguments;

	if (holds || !is_well(in))
		return is_well(in);
	va_start(arguments, format);
	vsnprintf(in->why, STATE_WHY_BYTES, format, arguments);
	va_end(arguments);
	return false;
}

/* The next bytes; NULL: there are not so many. */
static const uint8_t *take(struct in *in, size_t count)
{
	const uint8_t *bytes = in->bytes;

	if (!must(in, count <= in->left, "its content ends too early"))
		return NULL;
	in->bytes += count;
	in->left -= count;
	return bytes;
}

static uint64_t take_number(struct in *in, size_t bytes)
{
	const uint8_t *from = take(in, bytes);
	uint64_t value = 0;

	if (from != NULL)
		memcpy(&value, from, bytes);
	return le64toh(value);
}

/* 0 to most; 0 when it is not. */
static uint64_t take_most(struct in *in, size_t bytes, uint64_t most, const char *what)
{
	uint64_t value = take_number(in, bytes);

	return must(in, value <= most, "%s is out of bounds", what) ? value : 0;
}

static int64_t take_time(struct in *in, const char *what)
{
	return (int64_t)take_most(in, 8, INT64_MAX, what);
}

static void take_text(struct in *in, char *text, size_t room, const char *what)
{
	size_t length = (size_t)take_number(in, 2);
	const uint8_t *from;

	must(in, length < room, "there are too many bytes in %s", what);
	from = take(in, length);
	if (from == NULL || !must(in, memchr(from, '\0', length) == NULL, "there is a NUL in %s", what))
		return;
	memcpy(text, from, length);
	text[length] = '\0';
}

static void take_binding(struct in *in, struct ledger_binding *binding)
{
	binding->track_bytes = (uint32_t)take_number(in, 4);
	binding->is_common = take_most(in, 1, 1, "a flag") == 1;
	take_text(in, binding->device, sizeof(binding->device), "the device");
	take_text(in, binding->local_identity, sizeof(binding->local_identity), "the local identity");
	take_text(in, binding->remote_identity, sizeof(binding->remote_identity), "the remote identity");
	take_text(in, binding->digest, sizeof(binding->digest), "the digest");
	binding->local_bytes = take_number(in, 8);
	binding->remote_bytes = take_number(in, 8);
	binding->local_offset = take_number(in, 8);
	binding->remote_offset = take_number(in, 8);
}

static void take_proof(struct in *in, struct ledger *ledger)
{
	int64_t last = -1;

	for (uint32_t done = 0; is_well(in) && done < ledger->groups;) {
		uint32_t groups = (uint32_t)take_number(in, 4);
		int64_t proven = take_time(in, "a time of proof");

		if (!must(in, groups > 0 && groups <= ledger->groups - done && proven != last,
				"the groups of a time of proof are out of bounds"))
			return;
		for (uint32_t i = 0; i < groups; i++)
			ledger->proven[done + i] = proven;
		done += groups;
		last = proven;
	}
}

static void take_past(struct in *in, struct ledger *ledger)
{
	uint64_t volume_bytes = ledger->total_tracks * ledger->binding.track_bytes, end = 0;
	size_t count = (size_t)take_most(in, 4, LEDGER_HISTORY_RANGES, "the number of ranges of an earlier run");
	struct ledger_past *past = &ledger->past[ledger->past_runs];

	must(in, count > 0 && ledger->last_ended_wall_s > 0, "an earlier run has no ranges, or no end");
	if (!is_well(in))
		return;
	past->spans = xcalloc(count, sizeof(*past->spans));
	past->count = count;
	ledger->past_runs++;
	for (size_t i = 0; i < count && is_well(in); i++) {
		uint64_t offset = take_number(in, 8), length = take_number(in, 8);

		must(in, offset <= volume_bytes && length > 0 && length <= volume_bytes - offset && (i == 0 || offset > end),
			"a range of an earlier run is out of bounds");
		past->spans[i] = (struct ledger_span){ offset, length };
		end = offset + length;
	}
}

static struct track_set *take_set(struct in *in, uint64_t total_tracks, const char *what)
{
	size_t count = (size_t)take_number(in, 4);
	const uint8_t *from;
	struct track_set *set;

	must(in, count <= LEDGER_RANGES_MAX, "the ranges of %s are too many", what);
	from = take(in, count * TRACK_SET_PACKED_BYTES);
	set = from ? track_set_unpack(from, count * TRACK_SET_PACKED_BYTES, LEDGER_RANGES_MAX) : NULL;
	if (!must(in, set != NULL, "%s are not in order", what))
		return track_set_new();
	if (count > 0) {
		struct track_range last = track_set_range(set, count - 1);

		must(in, last.first + last.count <= total_tracks, "%s are out of bounds", what);
	}
	return set;
}

static struct ledger_range take_range(struct in *in)
{
	struct ledger_range range = { .offset_bytes = take_number(in, 8) };

	range.length_bytes = take_number(in, 8);
	range.confirmed_ms = (uint32_t)take_number(in, 4);
	range.confirmed = (uint16_t)take_number(in, 2);
	range.shape = (uint8_t)take_most(in, 1, LEDGER_SHAPE_MAX, "the shape of a difference");
	range.is_exact = take_most(in, 1, 1, "a flag") == 1;
	return range;
}

static void take_ranges(struct in *in, const struct ledger *ledger, struct ledger_run *run)
{
	uint64_t track_bytes = ledger->binding.track_bytes, end = 0;
	size_t count = (size_t)take_most(in, 4, LEDGER_RANGES_MAX, "the number of differences");

	if (count > 0)
		run->ranges = xcalloc(count, sizeof(*run->ranges));
	run->range_room = count;
	for (; is_well(in) && run->range_count < count; run->range_count++) {
		struct ledger_range range = take_range(in);
		uint64_t track = range.offset_bytes / track_bytes;

		must(in, range.offset_bytes >= end && range.length_bytes > 0 &&
			range.length_bytes <= track_bytes - range.offset_bytes % track_bytes &&
			track_set_has(run->different, track), "a difference is out of bounds");
		end = range.offset_bytes + range.length_bytes;
		run->ranges[run->range_count] = range;
	}
}

static bool are_disjoint(const struct track_set *one, const struct track_set *other)
{
	for (size_t i = 0; i < track_set_ranges(one); i++) {
		struct track_range range = track_set_range(one, i);

		if (track_set_tracks_in(other, range.first, range.count) != 0)
			return false;
	}
	return true;
}

static void take_run(struct in *in, struct ledger *ledger)
{
	struct ledger_run run = { .range_count = 0 };
	uint64_t volume_bytes = ledger->total_tracks * ledger->binding.track_bytes;

	take_text(in, run.options, sizeof(run.options), "the run's options");
	run.started_wall_s = take_time(in, "the run's start");
	run.counts.hole_bytes = take_most(in, 8, volume_bytes, "the number of bytes of holes");
	run.counts.settled_tracks = take_most(in, 8, ledger->total_tracks, "the number of settled tracks");
	run.counts.elapsed_ms = take_most(in, 8, INT64_MAX, "the run's time");
	run.identical = take_set(in, ledger->total_tracks, "the identical tracks");
	run.different = take_set(in, ledger->total_tracks, "the different tracks");
	must(in, are_disjoint(run.identical, run.different), "a track is identical and different");
	take_ranges(in, ledger, &run);
	ledger_resume_run(ledger, &run);
}

static void take_content(struct in *in, struct ledger **out)
{
	struct ledger_binding binding = { .track_bytes = 0 };
	uint64_t total_tracks;
	size_t past_runs;

	take_binding(in, &binding);
	total_tracks = take_number(in, 8);
	if (!must(in, ledger_binding_is_valid(&binding, total_tracks), "its sizes are out of bounds"))
		return;
	*out = ledger_new(&binding, total_tracks);
	(*out)->last_ended_wall_s = take_time(in, "the end of the last run");
	take_proof(in, *out);
	past_runs = (size_t)take_number(in, 1);
	(*out)->last_differed = (past_runs & DIFFERED_BIT) != 0;
	past_runs &= ~(size_t)DIFFERED_BIT;
	must(in, past_runs <= LEDGER_HISTORY_RUNS, "the number of earlier runs is out of bounds");
	for (size_t i = 0; i < past_runs && is_well(in); i++)
		take_past(in, *out);
	must(in, !(*out)->last_differed || (*out)->last_ended_wall_s > 0, "a run that differed has no end");
	if (take_most(in, 1, 1, "a flag") == 1)
		take_run(in, *out);
	must(in, in->left == 0, "there is more in it than it says");
}

int ledger_decode(const uint8_t *file, size_t file_bytes, struct ledger **out, char why[STATE_WHY_BYTES])
{
	struct in in = { .why = why };
	int rc = state_unwrap(STATE_LEDGER, LEDGER_VERSION, file, file_bytes, &in.bytes, &in.left, why);

	*out = NULL;
	if (rc != 0)
		return rc;
	take_content(&in, out);
	if (is_well(&in))
		return 0;
	ledger_free(*out);
	*out = NULL;
	return -EBADMSG;
}
