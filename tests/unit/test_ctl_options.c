/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of ra-ctl: what each verb takes, and that what is wrong is named.
 */
#include "primary/ctl/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 12

static struct ctl_options options;
static char why[CTL_WHY_BYTES];

/* Words after the program's name, NULL at the end. */
static enum ctl_result parse(const char *const words[])
{
	static char copies[WORDS_MAX][128];
	char *argv[WORDS_MAX + 1];
	int argc = 1;

	argv[0] = strcpy(copies[0], "ra-ctl");
	for (; words[argc - 1]; argc++)
		argv[argc] = strcpy(copies[argc], words[argc - 1]);
	argv[argc] = NULL;
	return ctl_options_parse(argc, argv, &options, why);
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

static void verbs_that_only_show_take_nothing(void **state)
{
	static const struct {
		const char *word;
		enum ctl_verb verb;
	} rows[] = { { "status", CTL_STATUS }, { "devices", CTL_DEVICES }, { "errors", CTL_ERRORS }, { "cache", CTL_CACHE },
		{ "links", CTL_LINKS }, { "limit", CTL_LIMIT }, { "jobs", CTL_JOBS }, { "check", CTL_CHECK } };

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(PARSE(rows[i].word), CTL_RUN);
		assert_int_equal(options.verb, rows[i].verb);
		assert_string_equal(options.name, "");
		assert_null(options.socket);
		assert_false(options.json);
		assert_int_equal(options.scope, SCOPE_UNSET);
	}
	assert_int_equal(PARSE("status", "x"), CTL_BAD);
	assert_string_equal(why, "status takes no argument");
	assert_int_equal(PARSE("stats"), CTL_BAD);
	assert_string_equal(why, "'stats' is no verb");
	assert_int_equal(PARSE("--json"), CTL_BAD);
	assert_string_equal(why, "a verb is missing");
}

static void metrics_may_go_to_a_file(void **state)
{
	(void)state;
	assert_int_equal(PARSE("metrics"), CTL_RUN);
	assert_int_equal(options.verb, CTL_METRICS);
	assert_null(options.write);
	assert_int_equal(PARSE("metrics", "--write", "x.prom"), CTL_RUN);
	assert_string_equal(options.write, "x.prom");
	assert_int_equal(PARSE("metrics", "x"), CTL_BAD);
	assert_string_equal(why, "metrics takes no argument");
	assert_int_equal(PARSE("metrics", "--write="), CTL_BAD);
	assert_string_equal(why, "--write: the name of a file is missing");
	assert_int_equal(PARSE("metrics", "--json"), CTL_BAD);
	assert_string_equal(why, "metrics is text for Prometheus: --json is not for it");
	assert_int_equal(PARSE("status", "--write", "x"), CTL_BAD);
	assert_string_equal(why, "--write is for metrics");
}

static void options_may_stand_anywhere(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--socket", "/s", "jobs", "--json", "web1"), CTL_RUN);
	assert_string_equal(options.socket, "/s");
	assert_true(options.json);
	assert_string_equal(options.name, "web1");
	assert_int_equal(PARSE("status", "--help"), CTL_HELP);
	assert_int_equal(PARSE("--version"), CTL_VERSION);
	assert_int_equal(PARSE("status", "--socket"), CTL_BAD);
	assert_string_equal(why, "--socket: a value is missing");
	assert_int_equal(PARSE("status", "--colour"), CTL_BAD);
	assert_string_equal(why, "--colour: unknown option, or one that takes no value");
	assert_int_equal(PARSE("status", "-x"), CTL_BAD);
	assert_string_equal(why, "-x: unknown option");
}

static void a_device_has_a_name(void **state)
{
	(void)state;
	assert_int_equal(PARSE("check", "web1"), CTL_RUN);
	assert_string_equal(options.name, "web1");
	assert_int_equal(PARSE("check", "web1", "web2"), CTL_BAD);
	assert_string_equal(why, "check takes one device at most");
	assert_int_equal(PARSE("jobs", "/dev/vg0/web1"), CTL_BAD);
	assert_non_null(strstr(why, "'/dev/vg0/web1' is no name of a device"));
}

static void keygen_needs_a_file_and_a_name(void **state)
{
	(void)state;
	assert_int_equal(PARSE("keygen", "--out", "/f", "a"), CTL_RUN);
	assert_int_equal(options.verb, CTL_KEYGEN);
	assert_string_equal(options.out, "/f");
	assert_string_equal(options.name, "a");
	assert_int_equal(PARSE("keygen", "a"), CTL_BAD);
	assert_int_equal(PARSE("keygen", "--out", "/f"), CTL_BAD);
	assert_non_null(strstr(why, "keygen --out FILE NAME"));
	assert_int_equal(PARSE("keygen", "--out", "/f", "a", "b"), CTL_BAD);
	assert_int_equal(PARSE("keygen", "--out", "", "a"), CTL_BAD);
	assert_int_equal(PARSE("keygen", "--out", "/f", "a]"), CTL_BAD);
	assert_non_null(strstr(why, "'a]' is no name of a host"));
	assert_int_equal(PARSE("keygen", "--out", "/f", "--json", "a"), CTL_BAD);
	assert_int_equal(PARSE("status", "--out", "/f"), CTL_BAD);
	assert_string_equal(why, "--out is for keygen");
}

static void proof_is_of_one_device(void **state)
{
	(void)state;
	assert_int_equal(PARSE("proof", "web1"), CTL_RUN);
	assert_int_equal(options.verb, CTL_PROOF);
	assert_string_equal(options.name, "web1");
	assert_int_equal(PARSE("proof"), CTL_BAD);
	assert_string_equal(why, "proof: the name of a device is missing");
	assert_int_equal(PARSE("proof", "web1", "web2"), CTL_BAD);
	assert_int_equal(PARSE("proof", "a b"), CTL_BAD);
}

static void a_limit_is_of_the_total_a_device_or_a_peer(void **state)
{
	(void)state;
	assert_int_equal(PARSE("limit", "total", "100M"), CTL_RUN);
	assert_int_equal(options.scope, SCOPE_TOTAL);
	assert_true(options.sets_bytes);
	assert_int_equal(options.bytes_per_s, 100 << 20);
	assert_false(options.sets_reads);
	assert_int_equal(PARSE("limit", "device", "web1", "none", "--reads", "50"), CTL_RUN);
	assert_int_equal(options.scope, SCOPE_DEVICE);
	assert_string_equal(options.name, "web1");
	assert_true(options.sets_bytes);
	assert_int_equal(options.bytes_per_s, 0);
	assert_true(options.sets_reads);
	assert_int_equal(options.reads_per_s, 50);
	assert_int_equal(PARSE("limit", "peer", "a", "--reads", "none"), CTL_RUN);
	assert_int_equal(options.scope, SCOPE_PEER);
	assert_false(options.sets_bytes);
	assert_true(options.sets_reads);
	assert_int_equal(options.reads_per_s, 0);
}

static void a_limit_that_is_none_is_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE("limit", "total"), CTL_BAD);
	assert_non_null(strstr(why, "limit total RATE"));
	assert_int_equal(PARSE("limit", "web1", "100M"), CTL_BAD);
	assert_string_equal(why, "'web1': expected limit total, limit device NAME or limit peer NAME");
	assert_int_equal(PARSE("limit", "device"), CTL_BAD);
	assert_string_equal(why, "limit device: a name is missing");
	assert_int_equal(PARSE("limit", "device", "web1", "fast"), CTL_BAD);
	assert_non_null(strstr(why, "'fast' is no rate"));
	assert_int_equal(PARSE("limit", "total", "2T"), CTL_BAD);
	assert_int_equal(PARSE("limit", "total", "1M", "2M"), CTL_BAD);
	assert_int_equal(PARSE("limit", "peer", "a b", "1M"), CTL_BAD);
	assert_int_equal(PARSE("limit", "--reads", "5"), CTL_BAD);
	assert_non_null(strstr(why, "--reads needs to know which limit"));
	assert_int_equal(PARSE("limit", "total", "--reads", "5x"), CTL_BAD);
	assert_int_equal(PARSE("limit", "total", "--reads", "-5"), CTL_BAD);
	assert_int_equal(PARSE("limit", "total", "--reads", "1000000001"), CTL_BAD);
	assert_int_equal(PARSE("limit", "total", "--reads", "99999999999999999999"), CTL_BAD);
	assert_string_equal(why, "--reads 99999999999999999999: expected reads per second up to 1000000000, or none");
	assert_int_equal(PARSE("status", "--reads", "5"), CTL_BAD);
	assert_string_equal(why, "--reads is for limit");
}

static void tracks_of_a_device_are_listed_or_changed(void **state)
{
	(void)state;
	assert_int_equal(PARSE("tracks", "web1", "list", "--json"), CTL_RUN);
	assert_int_equal(options.verb, CTL_TRACKS);
	assert_int_equal(options.tracks, CTL_TRACKS_LIST);
	assert_string_equal(options.name, "web1");
	assert_true(options.json);
	assert_int_equal(PARSE("tracks", "web1", "mark", "0-99,200"), CTL_RUN);
	assert_int_equal(options.tracks, CTL_TRACKS_MARK);
	assert_string_equal(options.tracks_text, "0-99,200");
	assert_int_equal(PARSE("tracks", "web1", "clear", "all"), CTL_RUN);
	assert_int_equal(options.tracks, CTL_TRACKS_CLEAR);
	assert_string_equal(options.tracks_text, "all");
	assert_int_equal(PARSE("tracks", "web1", "import", "-"), CTL_RUN);
	assert_int_equal(options.tracks, CTL_TRACKS_IMPORT);
	assert_string_equal(options.tracks_text, "-");
	assert_int_equal(PARSE("tracks", "web1", "export"), CTL_RUN);
	assert_int_equal(options.tracks, CTL_TRACKS_EXPORT);
}

static void tracks_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE("tracks"), CTL_BAD);
	assert_int_equal(PARSE("tracks", "web1"), CTL_BAD);
	assert_string_equal(why,
		"expected: tracks DEVICE list, mark RANGES, clear RANGES, clear all, import FILE or export");
	assert_int_equal(PARSE("tracks", "/dev/sda", "list"), CTL_BAD);
	assert_non_null(strstr(why, "'/dev/sda' is no name of a device"));
	assert_int_equal(PARSE("tracks", "web1", "show"), CTL_BAD);
	assert_string_equal(why, "'show': expected tracks DEVICE list, mark, clear, import or export");
	assert_int_equal(PARSE("tracks", "web1", "list", "5"), CTL_BAD);
	assert_string_equal(why, "tracks list takes no argument");
	assert_int_equal(PARSE("tracks", "web1", "clear"), CTL_BAD);
	assert_string_equal(why, "tracks clear takes one argument: ranges of tracks, such as 0-99,200");
	assert_int_equal(PARSE("tracks", "web1", "mark", "1", "2"), CTL_BAD);
	assert_string_equal(why, "tracks mark takes one argument: ranges of tracks, such as 0-99,200");
	assert_int_equal(PARSE("tracks", "web1", "import"), CTL_BAD);
	assert_string_equal(why, "tracks import takes one argument: the name of a file, or -");
	assert_int_equal(PARSE("tracks", "web1", "export", "--json"), CTL_BAD);
	assert_string_equal(why, "export prints ranges: --json is for list");
	assert_int_equal(PARSE("tracks", "web1", "list", "--reads", "5"), CTL_BAD);
}

static void report_takes_an_action_a_device_and_numbers(void **state)
{
	(void)state;
	assert_int_equal(PARSE("report", "list"), CTL_RUN);
	assert_int_equal(options.verb, CTL_REPORT);
	assert_int_equal(options.report, CTL_REPORT_LIST);
	assert_string_equal(options.name, "");
	assert_int_equal(PARSE("report", "list", "web1"), CTL_RUN);
	assert_string_equal(options.name, "web1");
	assert_int_equal(PARSE("report", "show", "web1"), CTL_RUN);
	assert_int_equal(options.report, CTL_REPORT_SHOW);
	assert_int_equal(options.reports[0], 0);
	assert_int_equal(PARSE("report", "show", "web1", "42"), CTL_RUN);
	assert_int_equal(options.reports[0], 42);
	assert_int_equal(PARSE("report", "diff", "web1", "7", "0000000009"), CTL_RUN);
	assert_int_equal(options.report, CTL_REPORT_DIFF);
	assert_int_equal(options.reports[0], 7);
	assert_int_equal(options.reports[1], 9);
	assert_int_equal(PARSE("report"), CTL_BAD);
	assert_int_equal(PARSE("report", "lists"), CTL_BAD);
	assert_string_equal(why, "expected: report list [DEVICE], report show DEVICE [NUMBER] or report diff DEVICE "
		"[OLD [NEW]]");
	assert_int_equal(PARSE("report", "show"), CTL_BAD);
	assert_string_equal(why, "expected: report show DEVICE [NUMBER]");
	assert_int_equal(PARSE("report", "list", "web1", "1"), CTL_BAD);
	assert_int_equal(PARSE("report", "diff", "web1", "1", "2", "3"), CTL_BAD);
	assert_int_equal(PARSE("report", "show", "a b"), CTL_BAD);
	assert_int_equal(PARSE("report", "show", "web1", "0"), CTL_BAD);
	assert_int_equal(PARSE("report", "show", "web1", "12345678901"), CTL_BAD);
	assert_int_equal(PARSE("report", "show", "web1", "4x"), CTL_BAD);
	assert_string_equal(why, "'4x' is no number of a report: expected one that report list shows");
}

static void log_level_takes_a_level_or_none(void **state)
{
	(void)state;
	assert_int_equal(PARSE("log-level"), CTL_RUN);
	assert_int_equal(options.verb, CTL_LOG_LEVEL);
	assert_int_equal(options.log_level, 0);
	assert_int_equal(PARSE("log-level", "error"), CTL_RUN);
	assert_int_equal(options.log_level, 1);
	assert_int_equal(PARSE("log-level", "debug"), CTL_RUN);
	assert_int_equal(options.log_level, 4);
	assert_int_equal(PARSE("log-level", "Debug"), CTL_BAD);
	assert_string_equal(why, "'Debug' is no log level: expected error, warning, info or debug");
	assert_int_equal(PARSE("log-level", "info", "info"), CTL_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_that_only_show_take_nothing),
		cmocka_unit_test(metrics_may_go_to_a_file),
		cmocka_unit_test(options_may_stand_anywhere),
		cmocka_unit_test(a_device_has_a_name),
		cmocka_unit_test(keygen_needs_a_file_and_a_name),
		cmocka_unit_test(proof_is_of_one_device),
		cmocka_unit_test(report_takes_an_action_a_device_and_numbers),
		cmocka_unit_test(log_level_takes_a_level_or_none),
		cmocka_unit_test(a_limit_is_of_the_total_a_device_or_a_peer),
		cmocka_unit_test(a_limit_that_is_none_is_refused),
		cmocka_unit_test(tracks_of_a_device_are_listed_or_changed),
		cmocka_unit_test(tracks_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
