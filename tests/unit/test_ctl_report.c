/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl report: the list, one report and two compared, as they stand on a terminal; and what is said of a track when
 * the two reports have tracks of other sizes, volumes of other sizes, or not all their ranges.
 */
#include "primary/ctl/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "primary/ctl/report_diff.h"
#include "primary/ctl/words.h"

static char printed[8192];

/* JSON with ' for ". */
static json_t *json_of(const char *text)
{
	char *copy = xstrdup(text);
	json_t *json;

	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	json = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(json);
	return json;
}

static void assert_shown(void (*show)(const json_t *, FILE *), json_t *json, const char *expected)
{
	FILE *out = fmemopen(printed, sizeof(printed), "w");

	assert_non_null(out);
	show(json, out);
	fclose(out);
	json_decref(json);
	assert_string_equal(printed, expected);
}

static void lists_have_a_line_for_each_report(void **state)
{
	(void)state;
	assert_shown(ctl_show_reports, json_of("{'devices':[{'device':'web1','reports':[]}]}"), "No report is kept.\n");
	assert_shown(ctl_show_reports, json_of("{'devices':[{'device':'web1','reports':["
		"{'number':9,'ended':'2026-11-24T12:00:09Z','seconds':9.5,'result':'different',"
		"'tracks':{'total':10,'identical':6,'different':3}},{'number':10,'error':'it is damaged'}]},"
		"{'device':'w','reports':[{'number':1,'ended':'2026-11-25T12:00:00Z','seconds':200,'result':'identical',"
		"'tracks':{'total':10,'identical':10,'different':0}}]}]}"),
		"DEVICE  REPORT  ENDED (UTC)            TOOK  RESULT      DIFFERENT  NOT PROVEN  WHY\n"
		"web1         9  2026-11-24T12:00:09Z  9.5 s  different           3           1\n"
		"web1        10                               unreadable                         it is damaged\n"
		"w            1  2026-11-25T12:00:00Z  3 min  identical           0           0\n");
}

static void one_report_is_told_with_all_that_matters(void **state)
{
	(void)state;
	assert_shown(ctl_show_report, json_of("{'device':'web1','number':9,'report':{'verdict':'DIFFERENT: x\\u001b',"
		"'started':'2026-11-24T12:00:00Z','ended':'2026-11-24T12:00:09Z',"
		"'local':{'path':'/a','size_bytes':131072},'remote':{'path':'/b','size_bytes':65536},"
		"'tracks':{'total':2,'identical':1,'different':1,'unsettled':0},"
		"'ranges':[{'state':'different','offset':65536,'length':8,'shape':'data','seen':'new'}],'ranges_omitted':4,"
		"'errors':[{'status':'TIMEOUT','text':'slow'}],'next':['debugfs x']}}"),
		"web1: report 9: DIFFERENT: x?\n"
		"  started 2026-11-24T12:00:00Z, ended 2026-11-24T12:00:09Z\n"
		"  local /a, 128 KiB\n"
		"  remote /b, 64 KiB\n"
		"  2 tracks: 1 identical, 1 different\n"
		"  STATE      OFFSET  LENGTH  SHAPE  SEEN\n"
		"  different   65536       8  data   new\n"
		"  and 4 more\n"
		"  error: slow\n"
		"  next: debugfs x\n");
}

/* A report of so many bytes, and its ranges. */
static json_t *kept(unsigned number, uint64_t track_bytes, uint64_t size_bytes, const char *more)
{
	char *text = xasprintf("{'number':%u,'report':{'result':'different','ended':'2026-11-24T12:00:0%uZ',"
		"'track_size':%llu,'local':{'size_bytes':%llu},'remote':{'size_bytes':0},%s}}", number, number,
		(unsigned long long)track_bytes, (unsigned long long)size_bytes, more);
	json_t *json = json_of(text);

	free(text);
	return json;
}

#define RANGE(state, offset, length) "{'state':'" state "','offset':" #offset ",'length':" #length "}"

static json_t *diff_of(json_t *old, json_t *new)
{
	json_t *diff = ctl_report_diff("web1", old, new);

	json_decref(old);
	json_decref(new);
	return diff;
}

/* The five counts: new, found, same, healed, open. */
static void assert_counts(const json_t *diff, uint64_t come, uint64_t found, uint64_t same, uint64_t healed,
	uint64_t open)
{
	assert_int_equal(ctl_integer_of(diff, "new_tracks"), come);
	assert_int_equal(ctl_integer_of(diff, "found_tracks"), found);
	assert_int_equal(ctl_integer_of(diff, "same_tracks"), same);
	assert_int_equal(ctl_integer_of(diff, "healed_tracks"), healed);
	assert_int_equal(ctl_integer_of(diff, "open_tracks"), open);
}

static void each_track_is_in_one_class(void **state)
{
	json_t *old = kept(1, 4096, 40960, "'ranges':[" RANGE("different", 0, 12288) ","
		RANGE("unreadable", 16384, 4096) "]");
	json_t *new = kept(2, 4096, 40960, "'ranges':[" RANGE("different", 4096, 4096) ","
		RANGE("unsettled", 8192, 4096) "," RANGE("different", 16384, 8192) "]");
	json_t *diff = diff_of(old, new);

	(void)state;
	assert_counts(diff, 1, 1, 1, 1, 1);
	assert_shown(ctl_show_report_diff, diff,
		"old: report 1, ended 2026-11-24T12:00:01Z, different\n"
		"new: report 2, ended 2026-11-24T12:00:02Z, different\n"
		"newly different: 1 track\n"
		"  5\n"
		"different, not known before: 1 track\n"
		"  4\n"
		"different in both: 1 track\n"
		"  1\n"
		"identical again: 1 track\n"
		"  0\n"
		"different before, not known now: 1 track\n"
		"  2\n"
		"tracks of 4 KiB, counted from 0\n");
}

static void equal_reports_without_differences_say_so(void **state)
{
	(void)state;
	assert_shown(ctl_show_report_diff,
		diff_of(kept(1, 65536, 65536, "'ranges':[]"), kept(2, 65536, 65536, "'ranges':[]")),
		"old: report 1, ended 2026-11-24T12:00:01Z, different\n"
		"new: report 2, ended 2026-11-24T12:00:02Z, different\n"
		"no differences in either\n"
		"tracks of 64 KiB, counted from 0\n");
}

/* Digests know whole tracks only. */
static void bytes_count_as_their_track_in_the_larger_unit(void **state)
{
	json_t *diff = diff_of(kept(1, 65536, 262144, "'ranges':[" RANGE("different", 65536, 65536) "]"),
		kept(2, 4096, 262144, "'ranges':[" RANGE("different", 65540, 3) "]"));

	(void)state;
	assert_int_equal(ctl_integer_of(diff, "track_bytes"), 65536);
	assert_counts(diff, 0, 0, 1, 0, 0);
	json_decref(diff);
}

static void what_differs_in_part_is_different(void **state)
{
	json_t *diff = diff_of(kept(1, 4096, 8192, "'ranges':[" RANGE("different", 0, 5) "]"),
		kept(2, 4096, 8192, "'ranges':[" RANGE("different", 0, 5) "," RANGE("not_compared", 5, 100) "]"));

	(void)state;
	assert_counts(diff, 0, 0, 1, 0, 0);
	json_decref(diff);
}

static void nothing_heals_by_a_volume_that_shrank(void **state)
{
	json_t *diff = diff_of(kept(1, 4096, 40960, "'ranges':[" RANGE("different", 32768, 8192) "]"),
		kept(2, 4096, 36864, "'ranges':[]"));

	(void)state;
	assert_counts(diff, 0, 0, 0, 1, 1);
	json_decref(diff);
}

static void nothing_is_said_where_a_list_is_not_whole(void **state)
{
	json_t *diff = diff_of(kept(1, 4096, 40960, "'ranges':[" RANGE("different", 0, 4096) "," RANGE("different", 20480,
		4096) "]"), kept(2, 4096, 40960, "'ranges':[],'ranges_omitted':1,'ranges_omitted_from':9000"));

	(void)state;
	assert_counts(diff, 0, 0, 0, 1, 0);
	assert_int_equal(ctl_integer_of(diff, "end_track"), 2);
	assert_shown(ctl_show_report_diff, diff,
		"old: report 1, ended 2026-11-24T12:00:01Z, different\n"
		"new: report 2, ended 2026-11-24T12:00:02Z, different\n"
		"identical again: 1 track\n"
		"  0\n"
		"note: one of them does not list all its ranges: nothing is said from track 2 on\n"
		"tracks of 4 KiB, counted from 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_have_a_line_for_each_report),
		cmocka_unit_test(one_report_is_told_with_all_that_matters),
		cmocka_unit_test(each_track_is_in_one_class),
		cmocka_unit_test(equal_reports_without_differences_say_so),
		cmocka_unit_test(bytes_count_as_their_track_in_the_larger_unit),
		cmocka_unit_test(what_differs_in_part_is_different),
		cmocka_unit_test(nothing_heals_by_a_volume_that_shrank),
		cmocka_unit_test(nothing_is_said_where_a_list_is_not_whole),
	};

	return cmocka_run_group_tests_name("ctl_report", tests, NULL, NULL);
}
