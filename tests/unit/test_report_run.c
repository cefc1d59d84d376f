/* SPDX-License-Identifier: Apache-2.0
 *
 * What a report has of more than one look: settled and confirmed differences, invalid tracks, trimmed ones, earlier
 * parts of the run and earlier runs; as figures, text and JSON.
 * check-style: long because text and JSON are looked at with the same small reports.
 */
#include "primary/compare/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "base/track_set.h"
#include "primary/compare/report_print.h"
#include "storage/ledger.h"

#define BLOCK 4096u
#define TRACK (2 * BLOCK) /* of which each has its shape */

struct fixture {
	struct report_setup setup;
	struct report *report;
	struct ledger *ledger;
	struct track_set *marked;
	uint8_t local[TRACK], remote[TRACK];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->setup = (struct report_setup){ .name_local = "a", .name_remote = "b", .track_bytes = TRACK,
		.exact_tracks = 1024, .pass = 1, .started_wall_s = 1000000000, .settle_rounds = 3, .max_lag_ms = 5000 };
	f->setup.local.io = f->setup.remote.io = IO_MODE_BUFFERED;
	f->setup.local.kind = f->setup.remote.kind = VOLUME_KIND_FILE;
	f->marked = track_set_new();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	report_free(f->report);
	ledger_free(f->ledger);
	track_set_free(f->marked);
	free(f);
	return 0;
}

static void start(struct fixture *f, uint64_t bytes)
{
	f->setup.local.size_bytes = f->setup.remote.size_bytes = bytes;
	f->setup.marked = f->marked;
	f->setup.history = f->ledger;
	f->report = report_new(&f->setup);
}

static void finish(struct fixture *f)
{
	report_finish(f->report, &(const struct report_end){ .ended_wall_s = 1000000004, .took_ms = 4000, .has_sizes = true,
		.local_bytes = f->setup.local.size_bytes, .remote_bytes = f->setup.remote.size_bytes });
}

static void identical(struct fixture *f, uint64_t first, uint64_t count)
{
	report_identical(f->report, first, count, false);
}

/* Both blocks have data, these bytes of the remote side are others. */
static void differ(struct fixture *f, uint64_t track, uint32_t from, uint32_t to, uint16_t times, uint32_t over_ms)
{
	memset(f->local, 5, TRACK);
	memset(f->remote, 5, TRACK);
	memset(f->remote + from, 6, to - from);
	report_different(f->report, track, false, f->local, f->remote,
		&(const struct report_confirm){ .times = times, .over_ms = over_ms });
}

/* Of these blocks of the two (a bit each) one side is zero. */
static void trim(struct fixture *f, uint64_t track, unsigned local_blocks, unsigned remote_blocks)
{
	static const struct report_confirm unconfirmed;

	memset(f->local, 5, TRACK);
	memset(f->remote, 5, TRACK);
	for (unsigned block = 0; block < 2; block++) {
		if (local_blocks >> block & 1)
			memset(f->local + block * BLOCK, 0, BLOCK);
		if (remote_blocks >> block & 1)
			memset(f->remote + block * BLOCK, 0, BLOCK);
	}
	report_different(f->report, track, false, f->local, f->remote, &unconfirmed);
}

/* Zero now on the one side, now on the other, in two ranges. */
static void trim_both_ways(struct fixture *f, uint64_t track)
{
	static const struct report_confirm unconfirmed;

	memset(f->local, 0, TRACK);
	memset(f->remote, 0, TRACK);
	f->remote[10] = 7;
	f->local[BLOCK + 10] = 7;
	report_different(f->report, track, false, f->local, f->remote, &unconfirmed);
}

static char *text_of(const struct report *report)
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	report_print_text(report, NULL, 1, out);
	fclose(out);
	return text;
}

static void assert_says(const struct fixture *f, const char *words)
{
	char *text = text_of(f->report);

	if (!strstr(text, words))
		fail_msg("no \"%s\" in: %s", words, text);
	free(text);
}

static void assert_says_not(const struct fixture *f, const char *words)
{
	char *text = text_of(f->report);

	if (strstr(text, words))
		fail_msg("\"%s\" in: %s", words, text);
	free(text);
}

static json_t *json_of(const struct fixture *f)
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	json_t *json;

	report_print_json(f->report, NULL, 1, SIZE_MAX, out);
	fclose(out);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	free(text);
	return json;
}

static json_int_t number(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	if (!json_is_integer(value))
		fail_msg("%s is no number", key);
	return json_integer_value(value);
}

static const json_t *json_range(const json_t *json, size_t index)
{
	return json_array_get(json_object_get(json, "ranges"), index);
}

static const struct report_figures *figures(const struct fixture *f)
{
	return report_figures(f->report);
}

/* ---- Settling ---- */

static void a_settled_track_is_identical_and_a_note(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	start(f, 3 * TRACK);
	identical(f, 0, 2);
	report_settled(f->report, 2, 1, true);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 0);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 3);
	assert_int_equal(figures(f)->hole_bytes, TRACK);
	assert_says(f, "note: 1 track differed at first and was equal when read again\n");
	assert_says(f, "IDENTICAL: 24576 bytes (3 tracks)");
	json = json_of(f);
	assert_int_equal(number(json, "settled"), 1);
	assert_int_equal(number(json_object_get(json, "settle"), "rounds"), 3);
	assert_true(json_real_value(json_object_get(json_object_get(json, "settle"), "max_lag_seconds")) == 5.0);
	json_decref(json);
}

static void an_unsettled_track_proves_nothing(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	start(f, 3 * TRACK);
	identical(f, 0, 1);
	report_unsettled(f->report, 1, 1);
	report_unsettled(f->report, 2, 1);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 3);
	assert_says(f, "unsettled: offset 8192, 16384 bytes\n");
	assert_says(f, "NOT PROVEN: 1 of 3 tracks of a and b is identical, 2 differed and did not settle, each track");
	json = json_of(f);
	assert_int_equal(number(json_object_get(json, "tracks"), "unsettled"), 2);
	assert_string_equal(json_string_value(json_object_get(json, "result")), "not-proven");
	assert_true(json_is_false(json_object_get(json, "complete")));
	assert_string_equal(json_string_value(json_object_get(json_range(json, 0), "state")), "unsettled");
	assert_null(json_object_get(json_range(json, 0), "confirmed"));
	json_decref(json);
}

static void a_joined_range_has_the_least_of_its_confirmations(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	start(f, 6 * TRACK);
	differ(f, 0, TRACK - 10, TRACK, 3, 9000);
	differ(f, 1, 0, 10, 2, 9500);
	differ(f, 3, 0, 10, 1, 100);
	differ(f, 5, 0, 1, 4, 50);
	differ(f, 4, 0, TRACK, 7, 7000);
	identical(f, 2, 1);
	finish(f);
	assert_int_equal(figures(f)->range_count, 3);
	assert_int_equal(report_range(f->report, 0)->length_bytes, 20);
	assert_int_equal(report_range(f->report, 0)->confirm.times, 2);
	assert_int_equal(report_range(f->report, 0)->confirm.over_ms, 9000);
	assert_int_equal(report_range(f->report, 2)->length_bytes, TRACK + 1); /* the later one came first */
	assert_int_equal(report_range(f->report, 2)->confirm.times, 4);
	assert_int_equal(report_range(f->report, 2)->confirm.over_ms, 50);
	assert_says(f, "different: offset 8182, 20 bytes, confirmed 2 times over 9.0 s\n");
	assert_says(f, "different: offset 24576, 10 bytes, confirmed 1 time over 0.1 s\n");
	json = json_of(f);
	assert_int_equal(number(json_range(json, 0), "confirmed"), 2);
	assert_int_equal(number(json_range(json, 0), "confirmed_ms"), 9000);
	assert_string_equal(json_string_value(json_object_get(json_range(json, 0), "shape")), "data");
	json_decref(json);
}

static void a_range_between_two_joins_both(void **state)
{
	struct fixture *f = *state;

	start(f, 3 * TRACK);
	differ(f, 0, TRACK - 10, TRACK, 3, 300);
	differ(f, 2, 0, 10, 1, 400);
	differ(f, 1, 0, TRACK, 2, 100);
	finish(f);
	assert_int_equal(figures(f)->range_count, 1);
	assert_int_equal(report_range(f->report, 0)->length_bytes, TRACK + 20);
	assert_int_equal(report_range(f->report, 0)->confirm.times, 1);
	assert_int_equal(report_range(f->report, 0)->confirm.over_ms, 100);
}

static void unconfirmed_differences_say_nothing_of_it(void **state)
{
	struct fixture *f = *state;

	start(f, TRACK);
	differ(f, 0, 0, 1, 0, 0);
	finish(f);
	assert_says(f, "different: offset 0, 1 byte\n");
}

/* ---- Trimmed ---- */

static void where_all_that_differs_is_zero_on_one_side_is_trimmed(void **state)
{
	struct fixture *f = *state;

	start(f, 5 * TRACK);
	trim(f, 0, 3, 0);
	trim(f, 1, 0, 1);
	trim(f, 2, 1, 2); /* now the one, now the other */
	differ(f, 3, 0, 1, 0, 0);
	trim(f, 4, 3, 1); /* in the first block both are zero */
	finish(f);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 5);
	assert_int_equal(figures(f)->trimmed_tracks, 3);
}

static void differences_of_trimming_are_accepted_only_when_asked(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	f->setup.accept_trimmed = true;
	start(f, 4 * TRACK);
	identical(f, 0, 2);
	trim(f, 2, 3, 0);
	trim(f, 3, 0, 2);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 3); /* at best */
	assert_says(f, "NOT PROVEN: 2 of 4 tracks of a and b are identical, 2 differ and are zero on one side (trimmed, or "
		       "never written), which was accepted, each");
	assert_says(f, "different: offset 16384, 8192 bytes, the local side is zero\n");
	assert_says(f, "different: offset 28672, 4096 bytes, the remote side is zero\n");
	json = json_of(f);
	assert_int_equal(number(json, "trimmed"), 2);
	assert_string_equal(json_string_value(json_object_get(json, "result")), "not-proven");
	assert_string_equal(json_string_value(json_object_get(json_range(json, 0), "shape")), "local-zero");
	assert_string_equal(json_string_value(json_object_get(json_range(json, 1), "shape")), "remote-zero");
	json_decref(json);
}

static void one_difference_of_data_outweighs_what_was_accepted(void **state)
{
	struct fixture *f = *state;

	f->setup.accept_trimmed = true;
	start(f, 3 * TRACK);
	identical(f, 0, 1);
	trim(f, 1, 3, 0);
	differ(f, 2, 7, 8, 0, 0);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 1);
	assert_says(f, "DIFFERENT: 2 of 3 tracks of a and b differ (8193 bytes), 1 differs and is zero on one side "
		       "(trimmed, or never written), which was accepted");
}

static void without_being_asked_they_are_differences(void **state)
{
	struct fixture *f = *state;

	start(f, 2 * TRACK);
	identical(f, 0, 1);
	trim(f, 1, 3, 0);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 1);
	assert_says(f, "differs (8192 bytes), 1 of those that differ is zero on one side (trimmed, or never written)");
}

static void a_tail_is_no_trimmed_track(void **state)
{
	struct fixture *f = *state;

	f->setup.accept_trimmed = true;
	f->setup.local.size_bytes = TRACK + 5;
	f->setup.remote.size_bytes = 2 * TRACK;
	f->report = report_new(&f->setup);
	identical(f, 0, 1);
	memset(f->local, 0, TRACK);
	memset(f->remote, 1, TRACK);
	report_different(f->report, 1, false, f->local, f->remote, &(const struct report_confirm){ 0 });
	finish(f);
	assert_int_equal(figures(f)->trimmed_tracks, 0);
	assert_int_equal(report_exit_code(f->report), 1);
}

static void unreadable_outweighs_what_was_accepted(void **state)
{
	struct fixture *f = *state;

	f->setup.accept_trimmed = true;
	start(f, 2 * TRACK);
	trim(f, 0, 3, 0);
	report_unreadable(f->report, 1);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 5);
}

/* ---- Invalid tracks ---- */

static void skipped_tracks_are_told(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	start(f, 5 * TRACK);
	identical(f, 0, 1);
	report_invalid(f->report, 1, 3);
	report_invalid(f->report, 4, 1);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 3);
	assert_says(f, "invalid: offset 8192, 32768 bytes\n");
	assert_says(f, "NOT PROVEN: 1 of 5 tracks of a and b is identical, 4 were skipped, known to be invalid, each");
	assert_says_not(f, "marked valid");
	json = json_of(f);
	assert_int_equal(number(json_object_get(json, "tracks"), "invalid"), 4);
	assert_null(json_object_get(json, "invalid"));
	json_decref(json);
}

static void the_cross_table_has_the_alarm_first(void **state)
{
	struct fixture *f = *state;
	json_t *json;
	const json_t *table;

	f->setup.checks_invalid = true;
	track_set_add(f->marked, 2, 3);
	start(f, 7 * TRACK);
	identical(f, 0, 1);
	differ(f, 1, 0, TRACK, 0, 0);
	differ(f, 2, 0, TRACK, 0, 0);
	report_settled(f->report, 3, 1, false);
	identical(f, 4, 1);
	report_unsettled(f->report, 5, 1);
	identical(f, 6, 1);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 1);
	assert_int_equal(figures(f)->marked_different, 1);
	assert_int_equal(figures(f)->marked_identical, 2);
	assert_says(f, "DIFFERENT: 2 of 7 tracks of a and b differ (16384 bytes), 1 differs though marked valid, 1 differs "
		       "and is known to be invalid, 2 are equal though marked invalid, 1 differed and did not settle");
	assert_int_equal(figures(f)->range_count, 3); /* what is marked is not joined with what is not */
	assert_says(f, "different: offset 8192, 8192 bytes\n");
	assert_says(f, "different: offset 16384, 8192 bytes, known to be invalid\n");
	json = json_of(f);
	table = json_object_get(json, "invalid");
	assert_int_equal(number(table, "different_marked_valid"), 1);
	assert_int_equal(number(table, "different_marked_invalid"), 1);
	assert_int_equal(number(table, "identical_marked_invalid"), 2);
	assert_null(json_object_get(json_range(json, 0), "invalid"));
	assert_true(json_is_true(json_object_get(json_range(json, 1), "invalid")));
	json_decref(json);
}

static void the_cross_table_is_told_also_when_all_is_well(void **state)
{
	struct fixture *f = *state;

	f->setup.checks_invalid = true;
	start(f, TRACK);
	identical(f, 0, 1);
	finish(f);
	assert_int_equal(report_exit_code(f->report), 0);
	assert_says(f, "are equal, 0 differ though marked valid, 0 differ and are known to be invalid, 0 are equal though "
		       "marked invalid, each");
}

/* ---- Earlier runs ---- */

static void add_ledger(struct fixture *f, uint64_t tracks)
{
	const struct ledger_binding binding = { .device = "d", .local_bytes = tracks * TRACK,
		.remote_bytes = tracks * TRACK, .track_bytes = TRACK, .digest = "data" };

	f->ledger = ledger_new(&binding, tracks);
	ledger_begin_run(f->ledger, "", 1000000000);
}

static void a_difference_that_was_seen_before_is_told_from_a_new_one(void **state)
{
	struct fixture *f = *state;
	const struct ledger_range range = { .offset_bytes = TRACK + 100, .length_bytes = 10, .is_exact = true };
	json_t *json;

	add_ledger(f, 3);
	ledger_different(f->ledger, 1, &range, 1);
	ledger_end_run(f->ledger, 1000000001);
	ledger_begin_run(f->ledger, "", 1000000002);
	f->setup.exact_tracks = 2;
	start(f, 3 * TRACK);
	differ(f, 0, TRACK - 5, TRACK, 0, 0);
	memset(f->local, 5, TRACK);
	memset(f->remote, 5, TRACK);
	memset(f->remote, 6, 5);
	memset(f->remote + 99, 6, 3);
	report_different(f->report, 1, false, f->local, f->remote, &(const struct report_confirm){ 0 });
	differ(f, 2, 0, 1, 0, 0); /* whole tracks */
	finish(f);
	assert_int_equal(figures(f)->range_count, 3);
	assert_says(f, "different: offset 8187, 10 bytes, new (suspect what writes)\n");
	assert_says(f, "different: offset 8291, 3 bytes, again (suspect the medium)\n");
	assert_says(f, "different: offset 16384, 8192 bytes (whole tracks), new (suspect what writes)\n");
	json = json_of(f);
	assert_string_equal(json_string_value(json_object_get(json_range(json, 0), "seen")), "new");
	assert_string_equal(json_string_value(json_object_get(json_range(json, 1), "seen")), "again");
	json_decref(json);
}

static void without_earlier_runs_nobody_knows(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	add_ledger(f, 1);
	start(f, TRACK);
	differ(f, 0, 0, 1, 0, 0);
	finish(f);
	assert_says(f, "different: offset 0, 1 byte\n");
	json = json_of(f);
	assert_null(json_object_get(json_range(json, 0), "seen"));
	json_decref(json);
}

static void a_tail_is_neither_new_nor_again(void **state)
{
	struct fixture *f = *state;

	add_ledger(f, 2);
	ledger_end_run(f->ledger, 1000000001);
	ledger_begin_run(f->ledger, "", 1000000002);
	f->setup.local.size_bytes = TRACK;
	f->setup.remote.size_bytes = 2 * TRACK;
	f->setup.history = f->ledger;
	f->report = report_new(&f->setup);
	identical(f, 0, 1);
	finish(f);
	assert_int_equal(report_range(f->report, 0)->seen, SEEN_UNKNOWN);
}

/* ---- An earlier part of this run ---- */

/* Tells the report, and the ledger as the agenda does. */
static void tell_all(struct fixture *f)
{
	static const unsigned trimmed[] = { 4, 5 };

	for (uint64_t track = 0; track < 4; track++) {
		report_identical(f->report, track, 1, track == 2);
		ledger_identical(f->ledger, track, 1, 1000000000);
	}
	trim_both_ways(f, 11);
	for (size_t i = 0; i < 2; i++)
		trim(f, trimmed[i], 3, 0);
	differ(f, 6, 10, TRACK, 3, 900);
	differ(f, 7, 0, 5, 2, 1000);
	differ(f, 8, 0, 5, 2, 1000); /* whole tracks from here on */
	differ(f, 9, 0, 5, 1, 1000);
	report_settled(f->report, 10, 1, false);
	ledger_identical(f->ledger, 10, 1, 1000000000);
	for (uint64_t track = 4; track < 12; track += track == 9 ? 2 : 1) {
		struct report_range ranges[4];
		struct ledger_range kept[4];
		size_t count = report_track_ranges(f->report, track, ranges, 4);

		assert_true(count >= 1 && count <= 4);
		for (size_t i = 0; i < count; i++)
			kept[i] = (struct ledger_range){ ranges[i].offset_bytes, ranges[i].length_bytes,
				ranges[i].confirm.over_ms, ranges[i].confirm.times, (uint8_t)ranges[i].shape, ranges[i].is_exact };
		ledger_different(f->ledger, track, kept, count);
	}
	ledger_set_counts(f->ledger, &(const struct ledger_counts){ .hole_bytes = figures(f)->hole_bytes,
		.settled_tracks = figures(f)->settled_tracks });
}

static void what_was_found_before_an_interruption_is_found_again(void **state)
{
	struct fixture *f = *state;
	struct report *whole;
	json_t *json;

	add_ledger(f, 13);
	f->setup.exact_tracks = 5;
	f->setup.checks_invalid = true;
	track_set_add(f->marked, 3, 2);
	track_set_add(f->marked, 10, 1);
	start(f, 12 * TRACK + 7);
	tell_all(f);
	identical(f, 12, 1);
	finish(f);
	whole = f->report;
	start(f, 12 * TRACK + 7);
	report_resume(f->report, f->ledger);
	identical(f, 12, 1);
	finish(f);
	assert_int_equal(figures(f)->resumed_tracks, 12);
	assert_memory_equal(figures(f)->tracks, report_figures(whole)->tracks, sizeof(figures(f)->tracks));
	assert_int_equal(figures(f)->compared_bytes, report_figures(whole)->compared_bytes);
	assert_int_equal(figures(f)->compared_bytes, 12 * TRACK + 7);
	assert_int_equal(figures(f)->hole_bytes, TRACK);
	assert_int_equal(figures(f)->different_bytes, report_figures(whole)->different_bytes);
	assert_int_equal(figures(f)->different_ranges_inexact, 2);
	assert_int_equal(figures(f)->settled_tracks, 1);
	assert_int_equal(figures(f)->trimmed_tracks, 2);
	assert_int_equal(figures(f)->marked_different, 1);
	assert_int_equal(figures(f)->marked_identical, 2);
	assert_false(figures(f)->is_only_tail);
	assert_int_equal(figures(f)->range_count, report_figures(whole)->range_count);
	for (size_t i = 0; i < figures(f)->range_count; i++)
		assert_memory_equal(report_range(f->report, i), report_range(whole, i), sizeof(struct report_range));
	assert_int_equal(report_exit_code(f->report), 1);
	assert_says(f, "note: 12 tracks were compared before an interruption and not read again\n");
	json = json_of(f);
	assert_int_equal(number(json, "resumed_tracks"), 12);
	json_decref(json);
	report_free(whole);
}

/* Nobody but this program knows shapes: the ledger takes any number for one. */
static void a_shape_that_is_none_is_data(void **state)
{
	static const uint8_t shapes[] = { SHAPE_TAIL, SHAPE_COUNT, 255 };
	struct fixture *f = *state;

	add_ledger(f, 3);
	for (uint64_t track = 0; track < 3; track++)
		ledger_different(f->ledger, track, &(const struct ledger_range){ .offset_bytes = track * TRACK,
			.length_bytes = 5, .is_exact = true, .shape = shapes[track] }, 1);
	start(f, 3 * TRACK);
	report_resume(f->report, f->ledger);
	finish(f);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(report_range(f->report, i)->shape, SHAPE_DATA);
	json_decref(json_of(f));
}

/* Exact bytes are for so many tracks of the whole run. */
static void the_exact_tracks_of_the_earlier_part_count(void **state)
{
	struct fixture *f = *state;

	add_ledger(f, 13);
	f->setup.exact_tracks = 6;
	start(f, 13 * TRACK);
	tell_all(f); /* all six are used */
	report_free(f->report);
	start(f, 13 * TRACK);
	report_resume(f->report, f->ledger);
	differ(f, 12, 0, 1, 0, 0);
	finish(f);
	assert_false(report_range(f->report, figures(f)->range_count - 1)->is_exact);
	assert_int_equal(figures(f)->different_ranges_inexact, 2);
}

static void a_track_of_unequal_volumes_resumes_too(void **state)
{
	struct fixture *f = *state;
	struct report_range range;
	const struct ledger_range kept = { .offset_bytes = TRACK, .length_bytes = 3, .is_exact = true };

	add_ledger(f, 3);
	f->setup.local.size_bytes = TRACK + 100;
	f->setup.remote.size_bytes = 3 * TRACK;
	ledger_identical(f->ledger, 0, 1, 1000000000);
	ledger_different(f->ledger, 1, &kept, 1);
	f->report = report_new(&f->setup);
	report_resume(f->report, f->ledger);
	finish(f);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 2); /* the tail has both */
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 1);
	assert_int_equal(figures(f)->compared_bytes, TRACK + 100);
	assert_int_equal(figures(f)->different_bytes, 3 + 2 * TRACK - 100);
	assert_int_equal(report_track_ranges(f->report, 1, &range, 1), 1); /* the tail is none of the track */
	assert_int_equal(range.length_bytes, 3);
}

/* ---- The ranges of a track ---- */

static void ranges_of_a_track_are_cut_at_its_borders(void **state)
{
	struct fixture *f = *state;
	struct report_range out[2];

	start(f, 5 * TRACK);
	report_unreadable(f->report, 0);
	differ(f, 1, 100, TRACK, 0, 0);
	differ(f, 2, 0, TRACK, 0, 0);
	memset(f->local, 5, TRACK);
	memcpy(f->remote, f->local, TRACK);
	f->remote[0] = f->remote[50] = f->remote[70] = 9;
	report_different(f->report, 3, false, f->local, f->remote, &(const struct report_confirm){ 0 });
	identical(f, 4, 1);
	assert_int_equal(figures(f)->range_count, 4);
	assert_int_equal(report_track_ranges(f->report, 0, out, 2), 0);
	assert_int_equal(report_track_ranges(f->report, 1, out, 2), 1);
	assert_int_equal(out[0].offset_bytes, TRACK + 100);
	assert_int_equal(out[0].length_bytes, TRACK - 100);
	assert_int_equal(report_track_ranges(f->report, 2, out, 2), 1);
	assert_int_equal(out[0].offset_bytes, 2 * TRACK);
	assert_int_equal(out[0].length_bytes, TRACK);
	out[1].length_bytes = 0;
	assert_int_equal(report_track_ranges(f->report, 3, out, 1), 3);
	assert_int_equal(out[0].length_bytes, 1);
	assert_int_equal(out[1].length_bytes, 0); /* not written */
	assert_int_equal(report_track_ranges(f->report, 3, out, 2), 3);
	assert_int_equal(out[1].offset_bytes, 3 * TRACK + 50);
	assert_int_equal(report_track_ranges(f->report, 4, out, 2), 0);
	assert_int_equal(report_track_ranges(f->report, 1, NULL, 0), 1);
}

/* ---- Of what moment it is ---- */

static void only_what_was_reserved_all_the_time_is_of_one_moment(void **state)
{
	static const struct {
		enum reserve_mode reserve;
		bool was_unreserved, is_of_moment;
		const char *words, *reserved;
	} cases[] = {
		{ RESERVE_NONE, false, false, "each track read between 2001-09-09T01:46:40Z and", NULL },
		{ RESERVE_RA, false, false, "each track read between", "ra" },
		{ RESERVE_RA, true, false, "each track read between", NULL },
		{ RESERVE_EXCLUSIVE, false, true,
			"both reserved exclusively from 2001-09-09T01:46:40Z to 2001-09-09T01:46:44Z (", "exclusive" },
		{ RESERVE_EXCLUSIVE, true, false, "; not reserved all the time)", NULL },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *reserved;
		json_t *json;

		f->setup.reserve = cases[i].reserve;
		report_free(f->report);
		start(f, TRACK);
		identical(f, 0, 1);
		report_finish(f->report, &(const struct report_end){ .ended_wall_s = 1000000004, .has_sizes = true,
			.local_bytes = TRACK, .remote_bytes = TRACK, .was_unreserved = cases[i].was_unreserved });
		assert_int_equal(report_is_of_moment(f->report), cases[i].is_of_moment);
		assert_says(f, cases[i].words);
		json = json_of(f);
		assert_string_equal(json_string_value(json_object_get(json, "as_of")),
			cases[i].is_of_moment ? "moment" : "per-track");
		reserved = json_string_value(json_object_get(json, "reserved"));
		assert_true(cases[i].reserved ? reserved && strcmp(reserved, cases[i].reserved) == 0 : !reserved);
		json_decref(json);
	}
}

static void each_reason_has_its_words(void **state)
{
	static const char *const words[REASON_COUNT] = {
		[REASON_NOT_ASKED] = "outside --tracks",
		[REASON_INTERRUPTED] = "interrupted",
		[REASON_TIMED_OUT] = "timed out",
		[REASON_REFUSED] = "refused",
		[REASON_NOT_READY] = "hangs",
		[REASON_NOT_FOUND] = "--read-timeout",
		[REASON_NO_MEMORY] = "without memory",
		[REASON_LOST] = "lost",
		[REASON_CHANGED] = "another one",
		[REASON_BUSY] = "somebody else",
		[REASON_PROVEN] = "--older-than",
		[REASON_TIME_OVER] = "the time was over",
		[REASON_STOPPED] = "--stop-after",
	};
	struct fixture *f = *state;

	for (enum report_reason reason = 0; reason < REASON_COUNT; reason++) {
		report_free(f->report);
		start(f, 2 * TRACK);
		identical(f, 0, 1);
		report_not_compared(f->report, 1, 1, reason);
		finish(f);
		assert_int_equal(report_exit_code(f->report), 3);
		assert_says(f, "1 was not compared (1 ");
		assert_says(f, words[reason]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_settled_track_is_identical_and_a_note),
		TEST(an_unsettled_track_proves_nothing),
		TEST(a_joined_range_has_the_least_of_its_confirmations),
		TEST(a_range_between_two_joins_both),
		TEST(unconfirmed_differences_say_nothing_of_it),
		TEST(where_all_that_differs_is_zero_on_one_side_is_trimmed),
		TEST(differences_of_trimming_are_accepted_only_when_asked),
		TEST(one_difference_of_data_outweighs_what_was_accepted),
		TEST(without_being_asked_they_are_differences),
		TEST(a_tail_is_no_trimmed_track),
		TEST(unreadable_outweighs_what_was_accepted),
		TEST(skipped_tracks_are_told),
		TEST(the_cross_table_has_the_alarm_first),
		TEST(the_cross_table_is_told_also_when_all_is_well),
		TEST(a_difference_that_was_seen_before_is_told_from_a_new_one),
		TEST(without_earlier_runs_nobody_knows),
		TEST(a_tail_is_neither_new_nor_again),
		TEST(what_was_found_before_an_interruption_is_found_again),
		TEST(a_shape_that_is_none_is_data),
		TEST(the_exact_tracks_of_the_earlier_part_count),
		TEST(a_track_of_unequal_volumes_resumes_too),
		TEST(ranges_of_a_track_are_cut_at_its_borders),
		TEST(only_what_was_reserved_all_the_time_is_of_one_moment),
		TEST(each_reason_has_its_words),
	};

	log_start("test_report_run", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("report_run", tests, NULL, NULL);
}
