/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts, ranges, exit codes, and the text and JSON made of them. check-style: long because text and JSON are looked at
 * with the same small reports as the counts.
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
#include "base/post.h"
#include "primary/compare/report_print.h"
#include "primary/compare/where.h"

#define TRACK 4096u

static struct report_setup setup_of(uint64_t local_bytes, uint64_t remote_bytes)
{
	struct report_setup setup = {
		.local = { .size_bytes = local_bytes, .kind = VOLUME_KIND_FILE, .io = IO_MODE_BUFFERED, .path = "a" },
		.remote = { .size_bytes = remote_bytes, .kind = VOLUME_KIND_BLOCK, .io = IO_MODE_DIRECT, .path = "b" },
		.name_local = "a",
		.name_remote = "b",
		.track_bytes = TRACK,
		.exact_tracks = 1024,
		.delivery = DELIVERY_POLL,
		.pass = 1,
		.started_wall_s = 1000000000,
	};

	return setup;
}

static struct report *new_report(uint64_t local_bytes, uint64_t remote_bytes)
{
	struct report_setup setup = setup_of(local_bytes, remote_bytes);

	return report_new(&setup);
}

static void finish_with(struct report *report, uint64_t local_bytes, uint64_t remote_bytes)
{
	const struct report_end end = { .ended_wall_s = 1000000004, .took_ms = 4500, .wire_bytes = 77, .has_sizes = true,
		.local_bytes = local_bytes, .remote_bytes = remote_bytes };

	report_finish(report, &end);
}

static void finish(struct report *report)
{
	const struct report_setup *setup = &report_figures(report)->setup;

	finish_with(report, setup->local.size_bytes, setup->remote.size_bytes);
}

static void identical(struct report *report, uint64_t first, uint64_t count)
{
	report_identical(report, first, count, false);
}

/* A track that differs in these bytes of it. */
static void differ(struct report *report, uint64_t track, const uint32_t *places, size_t count)
{
	uint8_t *a = calloc(2, TRACK), *b = a + TRACK;

	for (size_t i = 0; i < count; i++)
		b[places[i]] = 1;
	report_different(report, track, false, a, b, &(const struct report_confirm){ 0 });
	free(a);
}

#define DIFFER(report, track, ...) \
	differ((report), (track), (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

static void assert_range(const struct report *report, size_t index, enum report_state state, uint64_t offset,
	uint64_t length, bool is_exact)
{
	const struct report_range *range = report_range(report, index);

	assert_int_equal(range->state, state);
	assert_int_equal(range->offset_bytes, offset);
	assert_int_equal(range->length_bytes, length);
	assert_int_equal(range->is_exact, is_exact);
}

static const struct where *known_places; /* of the test that runs; NULL: nothing is known */

static char *print(const struct report *report, uint64_t passes,
	void (*printer)(const struct report *report, const struct where *where, uint64_t passes, FILE *out))
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	printer(report, known_places, passes, out);
	fclose(out);
	return text;
}

static void assert_says(const struct report *report, const char *words)
{
	char *text = print(report, 1, report_print_text);

	if (!strstr(text, words))
		fail_msg("no \"%s\" in: %s", words, text);
	free(text);
}

static void equal_volumes_are_identical(void **state)
{
	struct report *report = new_report(3 * TRACK + 5, 3 * TRACK + 5);
	char *text;

	(void)state;
	assert_int_equal(report_end_track(report), 4);
	assert_int_equal(report_common_bytes(report, 3), 5);
	identical(report, 0, 4);
	finish(report);
	assert_int_equal(report_exit_code(report), 0);
	assert_int_equal(report_figures(report)->range_count, 0);
	text = print(report, 1, report_print_text);
	assert_string_equal(text, "IDENTICAL: 12293 bytes (4 tracks) of a and b are equal, each track read between "
		"2001-09-09T01:46:40Z and 2001-09-09T01:46:44Z (local buffered, remote direct; by data).\n");
	free(text);
	report_free(report);
}

static void empty_volumes_are_identical(void **state)
{
	struct report *report = new_report(0, 0);

	(void)state;
	assert_int_equal(report_end_track(report), 0);
	finish(report);
	assert_int_equal(report_exit_code(report), 0);
	assert_says(report, "IDENTICAL: 0 bytes (0 tracks)");
	report_free(report);
}

static void differing_bytes_become_exact_ranges(void **state)
{
	struct report *report = new_report(3 * TRACK, 3 * TRACK);

	(void)state;
	identical(report, 0, 1);
	DIFFER(report, 1, 0, 1, 2, 100, TRACK - 1);
	DIFFER(report, 2, 0, 50);
	finish(report);
	assert_int_equal(report_exit_code(report), 1);
	assert_int_equal(report_figures(report)->range_count, 4);
	assert_range(report, 0, REPORT_DIFFERENT, TRACK, 3, true);
	assert_range(report, 1, REPORT_DIFFERENT, TRACK + 100, 1, true);
	assert_range(report, 2, REPORT_DIFFERENT, 2 * TRACK - 1, 2, true); /* over the border of two tracks */
	assert_range(report, 3, REPORT_DIFFERENT, 2 * TRACK + 50, 1, true);
	assert_int_equal(report_figures(report)->different_bytes, 7);
	assert_says(report, "DIFFERENT: 2 of 3 tracks of a and b differ (7 bytes)");
	assert_says(report, "different: offset 4096, 3 bytes, the local side is zero\n");
	report_free(report);
}

static void tracks_that_come_out_of_order_are_sorted_and_joined(void **state)
{
	struct report *report = new_report(7 * TRACK, 7 * TRACK);

	(void)state;
	report_not_compared(report, 4, 1, REASON_TIMED_OUT);
	DIFFER(report, 6, 0);
	DIFFER(report, 5, 7, TRACK - 1);
	report_unreadable(report, 1);
	report_not_compared(report, 3, 1, REASON_TIMED_OUT);
	report_unreadable(report, 2);
	identical(report, 0, 1);
	finish(report);
	assert_int_equal(report_figures(report)->range_count, 4);
	assert_range(report, 3, REPORT_DIFFERENT, 6 * TRACK - 1, 2, true);
	assert_range(report, 0, REPORT_UNREADABLE, TRACK, 2 * TRACK, false);
	assert_range(report, 1, REPORT_NOT_COMPARED, 3 * TRACK, 2 * TRACK, false);
	assert_range(report, 2, REPORT_DIFFERENT, 5 * TRACK + 7, 1, true);
	report_free(report);
}

static void whole_tracks_after_the_exact_ones(void **state)
{
	struct report_setup setup = setup_of(4 * TRACK, 4 * TRACK);
	struct report *report;

	(void)state;
	setup.exact_tracks = 1;
	report = report_new(&setup);
	identical(report, 0, 1);
	DIFFER(report, 1, 9);
	DIFFER(report, 2, 9);
	DIFFER(report, 3, 9);
	finish(report);
	assert_int_equal(report_figures(report)->range_count, 2);
	assert_range(report, 0, REPORT_DIFFERENT, TRACK + 9, 1, true);
	assert_range(report, 1, REPORT_DIFFERENT, 2 * TRACK, 2 * TRACK, false);
	assert_says(report, "at most 8193 bytes");
	assert_says(report, "(whole tracks)");
	report_free(report);
}

static void the_tail_of_the_larger_volume_is_one_difference(void **state)
{
	struct report *report = new_report(2 * TRACK + 100, 5 * TRACK);

	(void)state;
	assert_int_equal(report_end_track(report), 3);
	assert_int_equal(report_common_bytes(report, 2), 100);
	identical(report, 0, 3);
	finish(report);
	assert_int_equal(report_exit_code(report), 1);
	assert_int_equal(report_figures(report)->tracks[REPORT_IDENTICAL], 2);
	assert_int_equal(report_figures(report)->tracks[REPORT_DIFFERENT], 3);
	assert_int_equal(report_figures(report)->range_count, 1);
	assert_range(report, 0, REPORT_DIFFERENT, 2 * TRACK + 100, 3 * TRACK - 100, true);
	assert_says(report, "no difference was found but the tail of b");
	assert_says(report, "a has 8292 bytes, b has 20480");
	report_free(report);
}

static void a_difference_before_the_tail_is_not_only_the_tail(void **state)
{
	struct report *report = new_report(2 * TRACK + 100, 2 * TRACK);
	char *text;

	(void)state;
	DIFFER(report, 0, 1);
	identical(report, 1, 1);
	finish(report);
	assert_int_equal(report_figures(report)->tracks[REPORT_DIFFERENT], 2);
	text = print(report, 1, report_print_text);
	assert_null(strstr(text, "but the tail"));
	assert_non_null(strstr(text, "unequal sizes"));
	free(text);
	report_free(report);
}

static void a_common_size_leaves_the_tail_out_and_names_it(void **state)
{
	struct report_setup setup = setup_of(2 * TRACK + 100, 5 * TRACK);
	struct report *report;
	char *text;

	(void)state;
	setup.is_common = true;
	report = report_new(&setup);
	assert_int_equal(report_figures(report)->total_tracks, 3);
	assert_int_equal(report_end_track(report), 3);
	assert_int_equal(report_common_bytes(report, 2), 100);
	identical(report, 0, 3);
	finish(report);
	assert_int_equal(report_exit_code(report), 0);
	assert_int_equal(report_figures(report)->range_count, 0);
	assert_says(report, "IDENTICAL: 8292 bytes (3 tracks) of a and b are equal, outside what is compared: the last "
			    "12188 bytes of b (from offset 8292), each track");
	text = print(report, 1, report_print_text);
	assert_null(strstr(text, "note:"));
	free(text);
	report_free(report);
}

static void what_lies_outside_on_either_side_is_in_every_verdict(void **state)
{
	static const char words[] = ", outside what is compared: the first 512 bytes of a and the last 88 bytes of a (from "
				    "offset 8704) and the last 1 byte of b (from offset 8192), each track";
	struct report_setup setup = setup_of(2 * TRACK, 2 * TRACK);

	(void)state;
	setup.local.offset_bytes = 512;
	setup.local.whole_bytes = 512 + 2 * TRACK + 88;
	setup.remote.whole_bytes = 2 * TRACK + 1;
	for (int verdict = 0; verdict < 3; verdict++) {
		struct report *report = report_new(&setup);

		if (verdict == 1)
			DIFFER(report, 0, 1);
		else
			identical(report, 0, 1);
		if (verdict == 2)
			report_not_compared(report, 1, 1, REASON_INTERRUPTED);
		else
			identical(report, 1, 1);
		finish(report);
		assert_int_equal(report_exit_code(report), verdict == 2 ? 3 : verdict);
		assert_says(report, words);
		report_free(report);
	}
}

static void a_peer_that_does_not_say_how_large_the_whole_is_has_nothing_outside(void **state)
{
	struct report_setup setup = setup_of(2 * TRACK, 2 * TRACK);

	(void)state;
	setup.remote.offset_bytes = 512;
	assert_int_equal(report_outside(&setup, &setup.remote).before_bytes, 512);
	assert_int_equal(report_outside(&setup, &setup.remote).after_bytes, 0);
	setup.is_common = true;
	setup.local.size_bytes = TRACK;
	assert_int_equal(report_outside(&setup, &setup.remote).after_bytes, TRACK);
	assert_int_equal(report_outside(&setup, &setup.remote).after_offset, 512 + TRACK);
}

static void sizes_at_the_end_of_a_common_pass_are_common_sizes(void **state)
{
	static const struct {
		uint64_t local, remote;
		int exit_code;
		const char *words;
	} cases[] = {
		{ 2, 9, 0, "IDENTICAL" },
		{ 2, 2, 0, "IDENTICAL" }, /* the larger one shrank, but not into the common part */
		{ 3, 5, 3, "the common part grew from 8192 to 12288 bytes" },
		{ 9, 9, 3, "the common part grew from 8192 to 36864 bytes" },
		{ 1, 5, 3, "the common part shrank from 8192 to 4096 bytes" },
		{ 2, 1, 3, "the common part shrank from 8192 to 4096 bytes" },
	};
	struct report_setup setup = setup_of(2 * TRACK, 5 * TRACK);

	(void)state;
	setup.is_common = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct report *report = report_new(&setup);

		identical(report, 0, 2);
		finish_with(report, cases[i].local * TRACK, cases[i].remote * TRACK);
		assert_int_equal(report_exit_code(report), cases[i].exit_code);
		assert_int_equal(post_total(report_post(report)), cases[i].exit_code != 0);
		assert_says(report, cases[i].words);
		report_free(report);
	}
}

static void a_volume_that_became_another_one_is_not_proven_and_says_why(void **state)
{
	const struct report_end end = { .is_changed = true };
	struct report *report = new_report(3 * TRACK, 3 * TRACK);

	(void)state;
	identical(report, 0, 1);
	report_not_compared(report, 1, 2, REASON_CHANGED);
	report_finish(report, &end);
	assert_int_equal(report_exit_code(report), 3);
	assert_says(report, "2 were not compared (2 after the remote volume came back as another one), the remote volume "
			    "came back as another one");
	report_free(report);
}

static void time_held_back_by_limits_is_a_note(void **state)
{
	struct report *report = new_report(TRACK, TRACK);

	(void)state;
	report_link(report)->throttled_ms = 12345;
	identical(report, 0, 1);
	finish(report);
	assert_says(report, "note: held back by limits for 12 s");
	report_free(report);
}

static void the_boundary_track_is_counted_once_whatever_becomes_of_it(void **state)
{
	struct report *report = new_report(TRACK + 100, 2 * TRACK);

	(void)state;
	identical(report, 0, 1);
	report_unreadable(report, 1);
	finish(report);
	assert_int_equal(report_figures(report)->tracks[REPORT_DIFFERENT], 1);
	assert_int_equal(report_figures(report)->tracks[REPORT_UNREADABLE], 0);
	assert_int_equal(report_figures(report)->range_count, 2);
	assert_range(report, 0, REPORT_UNREADABLE, TRACK, 100, false);
	assert_range(report, 1, REPORT_DIFFERENT, TRACK + 100, TRACK - 100, true);
	report_free(report);
}

static struct report *new_partial(uint64_t local_bytes, uint64_t remote_bytes, uint64_t first, uint64_t last)
{
	struct report_setup setup = setup_of(local_bytes, remote_bytes);

	setup.has_tracks = true;
	setup.first_track = first;
	setup.last_track = last;
	return report_new(&setup);
}

static void tracks_that_were_not_asked_for_are_not_proven(void **state)
{
	struct report *report = new_partial(10 * TRACK - 1, 10 * TRACK - 1, 2, 4);

	(void)state;
	assert_int_equal(report_first_track(report), 2);
	assert_int_equal(report_end_track(report), 5);
	identical(report, 2, 3);
	finish(report);
	assert_int_equal(report_exit_code(report), 3);
	assert_int_equal(report_figures(report)->range_count, 2);
	assert_range(report, 0, REPORT_NOT_COMPARED, 0, 2 * TRACK, false);
	assert_range(report, 1, REPORT_NOT_COMPARED, 5 * TRACK, 5 * TRACK - 1, false);
	assert_says(report, "NOT PROVEN: the 3 tracks asked for of a and b are identical, 7 were not compared (7 outside "
			    "--tracks)");
	report_free(report);
}

static void a_tail_that_was_not_asked_for_is_no_difference(void **state)
{
	struct report *report = new_partial(4 * TRACK, 8 * TRACK, 0, 1);

	(void)state;
	identical(report, 0, 2);
	finish(report);
	assert_int_equal(report_exit_code(report), 3);
	assert_int_equal(report_figures(report)->tracks[REPORT_NOT_COMPARED], 6);
	report_free(report);

	report = new_partial(4 * TRACK, 8 * TRACK, 5, 6);
	assert_int_equal(report_first_track(report), report_end_track(report));
	finish(report);
	assert_int_equal(report_exit_code(report), 1);
	assert_int_equal(report_figures(report)->tracks[REPORT_DIFFERENT], 2);
	assert_range(report, 1, REPORT_DIFFERENT, 5 * TRACK, 2 * TRACK, true);
	report_free(report);
}

static void reasons_are_told_with_their_counts(void **state)
{
	struct report *report = new_report(10 * TRACK, 10 * TRACK);

	(void)state;
	identical(report, 0, 4);
	report_not_compared(report, 4, 1, REASON_TIMED_OUT);
	report_not_compared(report, 5, 5, REASON_INTERRUPTED);
	finish(report);
	assert_int_equal(report_exit_code(report), 3);
	assert_says(report, "NOT PROVEN: 4 of 10 tracks of a and b are identical, 6 were not compared (5 interrupted, "
			    "1 timed out)");
	report_free(report);
}

static void the_worst_finding_decides_the_exit_code(void **state)
{
	static const int expected[] = { 1, 5, 4, 3, 0 };
	struct report *reports[5];

	(void)state;
	for (int i = 0; i < 5; i++) {
		const struct report_end lost = { .is_lost = true };

		reports[i] = new_report(4 * TRACK, 4 * TRACK);
		if (i <= 0)
			DIFFER(reports[i], 0, 1);
		else
			identical(reports[i], 0, 1);
		if (i <= 1)
			report_unreadable(reports[i], 1);
		else
			identical(reports[i], 1, 1);
		if (i <= 3)
			report_not_compared(reports[i], 2, 2, REASON_LOST);
		else
			identical(reports[i], 2, 2);
		if (i <= 2)
			report_finish(reports[i], &lost);
		else
			finish(reports[i]);
		assert_int_equal(report_exit_code(reports[i]), expected[i]);
	}
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++)
			assert_int_equal(report_is_worse(reports[i], reports[j]), i < j);
	for (int i = 0; i < 5; i++)
		report_free(reports[i]);
}

static void a_volume_that_grew_is_not_proven_and_named(void **state)
{
	struct report *report = new_report(TRACK, TRACK);

	(void)state;
	identical(report, 0, 1);
	finish_with(report, TRACK, 3 * TRACK);
	assert_int_equal(report_exit_code(report), 3);
	assert_says(report, "b grew from 4096 to 12288 bytes during the run and the new part was not compared");
	assert_int_equal(post_total(report_post(report)), 1);
	report_free(report);
}

static void unknown_sizes_at_the_end_are_not_proven(void **state)
{
	const struct report_end end = { .has_sizes = false };
	struct report *report = new_report(TRACK, TRACK);

	(void)state;
	identical(report, 0, 1);
	report_finish(report, &end);
	assert_int_equal(report_exit_code(report), 3);
	assert_says(report, "whether a size changed is not known");
	report_free(report);
}

static void ranges_past_the_limit_are_counted(void **state)
{
	const uint64_t tracks = 2 * REPORT_RANGES_MAX + 20;
	struct report_setup setup = setup_of(tracks * TRACK, tracks * TRACK);
	struct report *report;

	(void)state;
	setup.exact_tracks = 0;
	report = report_new(&setup);
	for (uint64_t i = 0; i < tracks; i += 2) {
		DIFFER(report, i, 0);
		identical(report, i + 1, 1);
	}
	finish(report);
	assert_int_equal(report_figures(report)->range_count, REPORT_RANGES_MAX);
	assert_int_equal(report_figures(report)->ranges_omitted, 10);
	assert_int_equal(report_figures(report)->tracks[REPORT_DIFFERENT], tracks / 2);
	assert_int_equal(report_figures(report)->different_bytes, tracks / 2 * TRACK);
	assert_int_equal(report_figures(report)->omitted_from_bytes, 2 * REPORT_RANGES_MAX * TRACK);
	assert_says(report, "and 262054 more");
	report_free(report);
}

static void exact_ranges_of_one_track_stop_at_the_limit(void **state)
{
	const uint64_t tracks = 2 * REPORT_RANGES_MAX - 4;
	struct report_setup setup = setup_of((tracks + 1) * TRACK, (tracks + 1) * TRACK);
	struct report *report;

	(void)state;
	setup.exact_tracks = 1;
	report = report_new(&setup);
	for (uint64_t i = 0; i < tracks; i += 2) {
		report_unreadable(report, i);
		identical(report, i + 1, 1);
	}
	DIFFER(report, tracks, 0, 2, 4, 6, 8);
	finish(report);
	assert_int_equal(report_figures(report)->range_count, REPORT_RANGES_MAX);
	assert_int_equal(report_figures(report)->ranges_omitted, 3);
	assert_int_equal(report_figures(report)->different_bytes, 5);
	report_free(report);
}

static void text_shows_the_first_hundred_ranges(void **state)
{
	struct report *report = new_report(300 * TRACK, 300 * TRACK);
	char *text, *line;
	unsigned lines = 0;

	(void)state;
	for (uint64_t i = 0; i < 300; i += 2) {
		DIFFER(report, i, 10);
		identical(report, i + 1, 1);
	}
	finish(report);
	text = print(report, 1, report_print_text);
	for (line = text; (line = strstr(line, "different: offset")); line++)
		lines++;
	assert_int_equal(lines, 100);
	assert_non_null(strstr(text, "and 50 more (--json lists them)\n"));
	free(text);
	report_free(report);
}

static void print_json(const struct report *report, const struct where *where, uint64_t passes, FILE *out)
{
	report_print_json(report, where, passes, SIZE_MAX, out);
}

static json_t *load(const struct report *report, uint64_t passes)
{
	char *text = print(report, passes, print_json);
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		fail_msg("%s at line %d of: %s", error.text, error.line, text);
	free(text);
	return json;
}

/* What is kept of a run: fewer ranges, and where the others begin. */
static void a_document_of_few_bytes_has_the_first_ranges(void **state)
{
	const uint64_t tracks = 2000;
	struct report_setup setup = setup_of(tracks * TRACK, tracks * TRACK);
	struct report *report = report_new(&setup);
	size_t bytes, listed;
	char *text;
	json_t *json;

	(void)state;
	for (uint64_t i = 0; i < tracks; i += 2) {
		DIFFER(report, i, 0);
		identical(report, i + 1, 1);
	}
	finish(report);
	text = report_dump_json(report, NULL, 1, 50000, &bytes);
	assert_non_null(text);
	assert_in_range(bytes, 10000, 50000);
	json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	listed = json_array_size(json_object_get(json, "ranges"));
	assert_in_range(listed, 100, 900);
	assert_int_equal(json_integer_value(json_object_get(json, "ranges_omitted")), 1000 - listed);
	assert_int_equal(json_integer_value(json_object_get(json, "ranges_omitted_from")), 2 * listed * TRACK);
	json_decref(json);
	free(text);
	text = report_dump_json(report, NULL, 1, 1 << 20, &bytes);
	json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "ranges")), 1000);
	assert_null(json_object_get(json, "ranges_omitted"));
	json_decref(json);
	free(text);
	assert_null(report_dump_json(report, NULL, 1, 100, &bytes));
	report_free(report);
}

static json_int_t number(const json_t *json, const char *object, const char *key)
{
	const json_t *value = json_object_get(json_object_get(json, object), key);

	if (!json_is_integer(value))
		fail_msg("%s.%s is no number", object, key);
	return json_integer_value(value);
}

static const char *string(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "(none)";
}

static void json_has_every_field(void **state)
{
	static const char *const keys[] = { "format", "result", "complete", "as_of", "started", "ended", "device", "local",
		"remote", "by", "digest", "track_size", "bytes", "hole_bytes", "wire_bytes", "seconds", "tracks", "link",
		"ranges", "errors", "pass", "passes", "verdict", "throttled_seconds", "next" };
	struct report *report = new_report(4 * TRACK, 4 * TRACK);
	const struct post_where where = { .first_track = 2, .track_count = 1 };
	const json_t *range;
	json_t *json;

	(void)state;
	report_link(report)->reads = 5;
	report_link(report)->data_not_found = 6;
	report_identical(report, 0, 1, true);
	DIFFER(report, 1, 3);
	post_error(report_post(report), STATUS_VOLUME_ERROR, &where, "broken");
	report_unreadable(report, 2);
	report_not_compared(report, 3, 1, REASON_INTERRUPTED);
	finish(report);
	json = load(report, 3);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!json_object_get(json, keys[i]))
			fail_msg("no %s", keys[i]);
	assert_string_equal(string(json, "format"), "ra-compare/1");
	assert_string_equal(string(json, "result"), "different");
	assert_string_equal(string(json, "started"), "2001-09-09T01:46:40Z");
	assert_string_equal(string(json, "by"), "data");
	assert_true(json_is_null(json_object_get(json, "digest")));
	assert_true(json_is_false(json_object_get(json, "complete")));
	assert_int_equal(json_integer_value(json_object_get(json, "bytes")), 2 * TRACK);
	assert_int_equal(json_integer_value(json_object_get(json, "hole_bytes")), TRACK);
	assert_int_equal(json_integer_value(json_object_get(json, "passes")), 3);
	assert_int_equal(number(json, "tracks", "total"), 4);
	assert_int_equal(number(json, "tracks", "identical"), 1);
	assert_int_equal(number(json, "tracks", "different"), 1);
	assert_int_equal(number(json, "tracks", "unsettled"), 0);
	assert_int_equal(number(json, "tracks", "invalid"), 0);
	assert_int_equal(number(json, "tracks", "unreadable"), 1);
	assert_int_equal(number(json, "tracks", "not_compared"), 1);
	assert_int_equal(number(json, "link", "data_not_found"), 6);
	assert_int_equal(number(json, "link", "relinks"), 0);
	assert_int_equal(number(json, "local", "size_bytes"), 4 * TRACK);
	assert_int_equal(json_array_size(json_object_get(json, "ranges")), 3);
	range = json_array_get(json_object_get(json, "ranges"), 0);
	assert_string_equal(string(range, "state"), "different");
	assert_int_equal(json_integer_value(json_object_get(range, "offset")), TRACK + 3);
	assert_true(json_is_true(json_object_get(range, "exact")));
	assert_string_equal(string(json_array_get(json_object_get(json, "errors"), 0), "text"), "broken");
	assert_null(json_object_get(json, "ranges_omitted"));
	json_decref(json);
	report_free(report);
}

static void a_digest_that_tracks_were_compared_by_is_named(void **state)
{
	struct report_setup setup = setup_of(TRACK, TRACK);
	struct report *report;
	json_t *json;

	(void)state;
	setup.digest = DIGEST_SHA256;
	report = report_new(&setup);
	identical(report, 0, 1);
	finish(report);
	assert_says(report, "(local buffered, remote direct; by sha256)");
	json = load(report, 1);
	assert_string_equal(string(json, "by"), "digest");
	assert_string_equal(string(json, "digest"), "sha256");
	json_decref(json);
	report_free(report);
}

static void json_names_a_device_and_what_lies_outside(void **state)
{
	struct report_setup setup = setup_of(2 * TRACK, TRACK);
	struct report *report;
	json_t *json;

	(void)state;
	setup.device = "web1";
	setup.name_local = "local a";
	setup.is_common = true;
	setup.local.offset_bytes = 512;
	setup.local.whole_bytes = 512 + 2 * TRACK + 7;
	report = report_new(&setup);
	identical(report, 0, 1);
	report_link(report)->relinks = 3;
	report_link(report)->throttled_ms = 1500;
	finish(report);
	assert_says(report, "(web1: local buffered, remote direct; by data)");
	json = load(report, 1);
	assert_string_equal(string(json, "device"), "web1");
	assert_string_equal(string(json_object_get(json, "local"), "path"), "a");
	assert_int_equal(number(json, "local", "size_bytes"), 2 * TRACK);
	assert_int_equal(number(json, "local", "offset"), 512);
	assert_int_equal(number(json, "local", "outside_before"), 512);
	assert_int_equal(number(json, "local", "outside_after"), TRACK + 7);
	assert_int_equal(number(json, "remote", "outside_before"), 0);
	assert_int_equal(number(json, "remote", "outside_after"), 0);
	assert_int_equal(number(json, "link", "relinks"), 3);
	assert_true(json_real_value(json_object_get(json, "throttled_seconds")) == 1.5);
	assert_true(json_is_true(json_object_get(json, "complete")));
	json_decref(json);
	report_free(report);
}

static void json_has_volumes_as_they_were_typed(void **state)
{
	struct report_setup setup = setup_of(0, 0);
	struct report *report;
	json_t *json;

	(void)state;
	setup.name_remote = "host:b";
	report = report_new(&setup);
	finish(report);
	json = load(report, 1);
	assert_string_equal(string(json_object_get(json, "remote"), "path"), "host:b");
	assert_true(json_is_null(json_object_get(json, "device")));
	json_decref(json);
	report_free(report);
}

static void json_survives_names_that_are_no_text(void **state)
{
	struct report_setup setup = setup_of(0, 0);
	struct report *report;
	json_t *json;
	char *text;

	(void)state;
	strcpy(setup.local.path, "bad\xff\"\n\x1b[2J\xc2\x9b");
	setup.name_local = setup.local.path;
	report = report_new(&setup);
	finish(report);
	json = load(report, 1);
	assert_string_equal(string(json_object_get(json, "local"), "path"), "bad?\"\n\x1b[2J??");
	json_decref(json);
	text = print(report, 1, report_print_text);
	assert_null(strchr(text, '\x1b'));
	assert_null(strstr(text, "\xc2\x9b"));
	assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
	free(text);
	report_free(report);
}

static void what_is_known_of_a_place_stands_with_its_range(void **state)
{
	const char *record =
		"[{\"partition\":0,\"start\":0,\"bytes\":131072,\"filesystem\":\"ext4\",\"block_size\":1024}]";
	struct report_setup setup = setup_of(4 * TRACK, 4 * TRACK);
	struct report *report;
	struct where *made;
	const char *line;
	json_t *json;
	char *text;

	(void)state;
	report = report_new(&setup);
	identical(report, 0, 1);
	DIFFER(report, 1, 5);
	report_not_compared(report, 2, 1, REASON_TIMED_OUT);
	report_unreadable(report, 3);
	finish(report);
	made = where_new((const uint8_t *)record, strlen(record), &setup.local, "p", "/nowhere");
	where_note(made, TRACK + 5, 1);
	known_places = made;
	assert_says(report, "different: offset 4101, 1 byte, the local side is zero (ext4 block 4)\n");
	assert_says(report, "not compared: offset 8192, 4096 bytes\n");
	assert_says(report, "unreadable: offset 12288, 4096 bytes (ext4 blocks 12 to 15)\n");
	text = print(report, 1, report_print_text);
	line = strstr(text, "next: debugfs -R \"icheck 4\" 'p'\n");
	assert_non_null(line);
	assert_true(line < strstr(text, "DIFFERENT"));
	free(text);
	json = load(report, 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "next"), 0)),
		"debugfs -R \"icheck 4\" 'p'");
	text = json_dumps(json_array_get(json_object_get(json, "ranges"), 0), JSON_COMPACT | JSON_PRESERVE_ORDER);
	assert_string_equal(text, "{\"state\":\"different\",\"offset\":4101,\"length\":1,\"exact\":true,"
		"\"shape\":\"local-zero\",\"confirmed\":0,\"confirmed_ms\":0,"
		"\"filesystem\":\"ext4\",\"first_block\":4,\"last_block\":4}");
	free(text);
	assert_null(json_object_get(json_array_get(json_object_get(json, "ranges"), 1), "filesystem"));
	json_decref(json);
	known_places = NULL;
	json = load(report, 1);
	assert_int_equal(json_array_size(json_object_get(json, "next")), 0);
	assert_true(json_is_array(json_object_get(json, "next")));
	json_decref(json);
	where_free(made);
	report_free(report);
}

static void an_error_before_the_run_is_a_document_too(void **state)
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	json_t *json;

	(void)state;
	report_print_json_error("no \"such\" volume", out);
	fclose(out);
	json = json_loads(text, 0, NULL);
	assert_string_equal(string(json, "result"), "error");
	assert_string_equal(string(json_array_get(json_object_get(json, "errors"), 0), "text"), "no \"such\" volume");
	json_decref(json);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_volumes_are_identical),
		cmocka_unit_test(empty_volumes_are_identical),
		cmocka_unit_test(differing_bytes_become_exact_ranges),
		cmocka_unit_test(tracks_that_come_out_of_order_are_sorted_and_joined),
		cmocka_unit_test(whole_tracks_after_the_exact_ones),
		cmocka_unit_test(the_tail_of_the_larger_volume_is_one_difference),
		cmocka_unit_test(a_difference_before_the_tail_is_not_only_the_tail),
		cmocka_unit_test(a_common_size_leaves_the_tail_out_and_names_it),
		cmocka_unit_test(what_lies_outside_on_either_side_is_in_every_verdict),
		cmocka_unit_test(a_peer_that_does_not_say_how_large_the_whole_is_has_nothing_outside),
		cmocka_unit_test(sizes_at_the_end_of_a_common_pass_are_common_sizes),
		cmocka_unit_test(a_volume_that_became_another_one_is_not_proven_and_says_why),
		cmocka_unit_test(time_held_back_by_limits_is_a_note),
		cmocka_unit_test(the_boundary_track_is_counted_once_whatever_becomes_of_it),
		cmocka_unit_test(tracks_that_were_not_asked_for_are_not_proven),
		cmocka_unit_test(a_tail_that_was_not_asked_for_is_no_difference),
		cmocka_unit_test(reasons_are_told_with_their_counts),
		cmocka_unit_test(the_worst_finding_decides_the_exit_code),
		cmocka_unit_test(a_volume_that_grew_is_not_proven_and_named),
		cmocka_unit_test(unknown_sizes_at_the_end_are_not_proven),
		cmocka_unit_test(ranges_past_the_limit_are_counted),
		cmocka_unit_test(a_document_of_few_bytes_has_the_first_ranges),
		cmocka_unit_test(exact_ranges_of_one_track_stop_at_the_limit),
		cmocka_unit_test(text_shows_the_first_hundred_ranges),
		cmocka_unit_test(json_has_every_field),
		cmocka_unit_test(a_digest_that_tracks_were_compared_by_is_named),
		cmocka_unit_test(json_names_a_device_and_what_lies_outside),
		cmocka_unit_test(json_has_volumes_as_they_were_typed),
		cmocka_unit_test(json_survives_names_that_are_no_text),
		cmocka_unit_test(what_is_known_of_a_place_stands_with_its_range),
		cmocka_unit_test(an_error_before_the_run_is_a_document_too),
	};

	log_start("test_report", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
