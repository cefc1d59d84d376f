/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: what is taken, what is refused, and that a refusal names the option and the value.
 * check-style: long because each option has its lines.
 */
#include "primary/compare/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"

#define ARGUMENTS_MAX 12

static struct options options;
static char why[OPTIONS_WHY_BYTES];

/* Arguments after the program's name, NULL at the end. */
static enum options_result parse(const char *const arguments[])
{
	static char copies[ARGUMENTS_MAX][PATH_BYTES_MAX + 8];
	char *argv[ARGUMENTS_MAX + 1];
	int argc = 1;

	argv[0] = strcpy(copies[0], "ra-compare");
	for (; arguments[argc - 1]; argc++)
		argv[argc] = strcpy(copies[argc], arguments[argc - 1]);
	argv[argc] = NULL;
	return options_parse(argc, argv, &options, why);
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

static void defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	assert_int_equal(PARSE("a", "b"), OPTIONS_RUN);
	assert_string_equal(options.path_local, "a");
	assert_string_equal(options.path_remote, "b");
	assert_int_equal(options.delivery, DELIVERY_DISCONNECT);
	assert_int_equal(options.jobs, 8);
	assert_int_equal(PARSE("--by=data", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.jobs, 4);
	assert_int_equal(PARSE("a", "b"), OPTIONS_RUN);
	assert_int_equal(options.track_bytes, 65536);
	assert_int_equal(options.digest, DIGEST_XXH3_128);
	assert_int_equal(options.run_tracks, 0);
	assert_int_equal(options.retry_delay_ms, 100);
	assert_int_equal(options.read_timeout_ms, 60000);
	assert_int_equal(options.repeat, 1);
	assert_int_equal(options.cache_bytes, 32 * MIB);
	assert_int_equal(options.io, IO_MODE_AUTO);
	assert_int_equal(options.exact_tracks, 1024);
	assert_int_equal(options.progress, PROGRESS_AUTO);
	assert_int_equal(options.status_fd, -1);
	assert_false(options.has_tracks || options.json || options.quiet || options.verbose);
	assert_int_equal(options.settle_rounds, 3);
	assert_int_equal(options.settle_delay_ms, 200);
	assert_int_equal(options.reserve, RESERVE_NONE);
	assert_int_equal(options.invalid, INVALID_SKIP);
	assert_true(options.stop_after == 0 && options.max_duration_ms == 0 && options.older_than_s == 0);
	assert_false(options.has_max_lag || options.restart || options.mark || options.accept_trimmed || options.no_state);
	assert_null(options.state_path);
}

static void options_may_stand_after_the_volumes(void **state)
{
	(void)state;
	assert_int_equal(PARSE("a", "--delivery", "poll", "b", "--io=direct", "-v", "--progress"), OPTIONS_RUN);
	assert_int_equal(options.delivery, DELIVERY_POLL);
	assert_int_equal(options.io, IO_MODE_DIRECT);
	assert_int_equal(options.progress, PROGRESS_ALWAYS);
	assert_true(options.verbose);
	assert_string_equal(options.path_remote, "b");
}

static void a_name_that_begins_with_a_dash_follows_two_dashes(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--", "-a", "--b"), OPTIONS_RUN);
	assert_string_equal(options.path_local, "-a");
	assert_string_equal(options.path_remote, "--b");
}

static void sizes_and_times_have_units(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--cache=1G", "--retry-delay=2s", "--read-timeout=1500ms", "--track-size=4k", "a", "b"),
		OPTIONS_RUN);
	assert_true(options.cache_bytes == 1024ull * MIB);
	assert_int_equal(options.retry_delay_ms, 2000);
	assert_int_equal(options.read_timeout_ms, 1500);
	assert_int_equal(options.track_bytes, 4096);
}

static uint32_t data_run_tracks(void)
{
	return options_run_tracks(&options, options.track_bytes);
}

static void runs_of_data_are_four_mebibytes_by_default(void **state)
{
	(void)state;
	for (int by = 0; by < 2; by++) { /* what differs by digest is read as data */
		const char *way = by == 0 ? "--by=digest" : "--by=data";

		assert_int_equal(PARSE(way, "a", "b"), OPTIONS_RUN);
		assert_int_equal(data_run_tracks(), 64);
		assert_int_equal(PARSE(way, "--track-size=1M", "a", "b"), OPTIONS_RUN);
		assert_int_equal(data_run_tracks(), 4);
		assert_int_equal(PARSE(way, "--track-size=16K", "a", "b"), OPTIONS_RUN);
		assert_int_equal(data_run_tracks(), 64);
		assert_int_equal(PARSE(way, "--track-size=4K", "a", "b"), OPTIONS_RUN);
		assert_int_equal(data_run_tracks(), 64);
	}
	assert_int_equal(PARSE("--jobs=64", "a", "b"), OPTIONS_RUN);
	assert_int_equal(data_run_tracks(), 8); /* as many as there is memory for */
}

static void what_is_compared_is_a_digest_or_the_data(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--by=digest", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.digest, DIGEST_XXH3_128);
	assert_int_equal(PARSE("--digest=sha256", "a", "h:b"), OPTIONS_RUN);
	assert_int_equal(options.digest, DIGEST_SHA256);
	assert_int_equal(PARSE("--digest", "xxh3-128", "--by", "digest", "web1"), OPTIONS_RUN);
	assert_int_equal(options.digest, DIGEST_XXH3_128);
	assert_int_equal(PARSE("--by=data", "web1"), OPTIONS_RUN);
	assert_int_equal(options.digest, DIGEST_NONE);
	assert_int_equal(PARSE("--by=data", "--by=digest", "a", "b"), OPTIONS_RUN); /* the last one counts */
	assert_int_equal(options.digest, DIGEST_XXH3_128);
	assert_int_equal(PARSE("--digest=sha256", "--by=data", "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--digest sha256 does not go with --by data"));
	assert_int_equal(PARSE("--by=data", "--digest=xxh3-128", "a", "b"), OPTIONS_BAD);
}

static void a_run_has_more_digests_than_tracks_of_data(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--run=1024", "--track-size=1M", "--jobs=32", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.run_tracks, 1024);
	assert_int_equal(data_run_tracks(), 1);
	assert_int_equal(PARSE("--run=1", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.run_tracks, 1);
	assert_int_equal(data_run_tracks(), 64);
	assert_int_equal(PARSE("--run=64", "--by=data", "a", "b"), OPTIONS_RUN);
	assert_int_equal(data_run_tracks(), 64);
	assert_int_equal(PARSE("--run=65", "--by=data", "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--run 65: with --by data a number from 1 to 64 is expected"));
}

static void tracks_are_a_range_one_track_or_open(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--tracks=5-9", "a", "b"), OPTIONS_RUN);
	assert_true(options.has_tracks && options.first_track == 5 && options.last_track == 9);
	assert_int_equal(PARSE("--tracks=7", "a", "b"), OPTIONS_RUN);
	assert_true(options.has_tracks && options.first_track == 7 && options.last_track == 7);
	assert_int_equal(PARSE("--tracks=7-", "a", "b"), OPTIONS_RUN);
	assert_true(options.has_tracks && options.first_track == 7 && options.last_track == UINT64_MAX);
}

static void repeat_takes_a_number_or_forever(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--repeat=3", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.repeat, 3);
	assert_int_equal(PARSE("--repeat=forever", "a", "b"), OPTIONS_RUN);
	assert_true(options.repeat == OPTIONS_REPEAT_FOREVER);
}

static void help_and_version_win_over_what_follows(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help", "--nonsense"), OPTIONS_HELP);
	assert_int_equal(PARSE("--version"), OPTIONS_VERSION);
}

static void bad_values_are_refused_by_name(void **state)
{
	static const struct {
		const char *argument, *name, *value;
	} cases[] = {
		{ "--jobs=0", "--jobs", "0" },
		{ "--jobs=65", "--jobs", "65" },
		{ "--jobs=+3", "--jobs", "+3" },
		{ "--jobs= 3", "--jobs", " 3" },
		{ "--jobs=", "--jobs", "1 to 64" },
		{ "--jobs=99999999999999999999", "--jobs", "99999999999999999999" },
		{ "--run=1025", "--run", "1 to 1024" },
		{ "--by=bytes", "--by", "digest or data" },
		{ "--digest=md5", "--digest", "xxh3-128 or sha256" },
		{ "--delivery=never", "--delivery", "never" },
		{ "--retry-delay=100", "--retry-delay", "100" },
		{ "--retry-delay=0ms", "--retry-delay", "0ms" },
		{ "--read-timeout=3601s", "--read-timeout", "3601s" },
		{ "--tracks=9-5", "--tracks", "9-5" },
		{ "--tracks=-5", "--tracks", "-5" },
		{ "--tracks=5-6-7", "--tracks", "5-6-7" },
		{ "--repeat=0", "--repeat", "0" },
		{ "--track-size=2K", "--track-size", "2K" },
		{ "--track-size=2M", "--track-size", "2M" },
		{ "--track-size=65537", "--track-size", "65537" },
		{ "--track-size=64KB", "--track-size", "64KB" },
		{ "--cache=15M", "--cache", "15M" },
		{ "--cache=99999999T", "--cache", "99999999T" },
		{ "--io=fast", "--io", "fast" },
		{ "--exact=-1", "--exact", "-1" },
		{ "--limit=fast", "--limit", "fast" },
		{ "--limit=", "--limit", "bytes a second" },
		{ "--link-timeout=61m", "--link-timeout", "61m" },
		{ "--link-timeout=2h", "--link-timeout", "2h" },
		{ "--reserve=lock", "--reserve", "lock" },
		{ "--socket=", "--socket", "1 to 107" },
		{ "--common-size=yes", "--common-size", "no value" },
		{ "--progress=maybe", "--progress", "maybe" },
		{ "--reserve=", "--reserve", "ra or exclusive" },
		{ "--settle=101", "--settle", "101" },
		{ "--settle=-1", "--settle", "0 to 100" },
		{ "--settle-delay=0s", "--settle-delay", "0s" },
		{ "--settle-delay=61m", "--settle-delay", "61m" },
		{ "--max-lag=5", "--max-lag", "5" },
		{ "--max-lag=61m", "--max-lag", "61m" },
		{ "--stop-after=0", "--stop-after", "0" },
		{ "--stop-after=none", "--stop-after", "none" },
		{ "--state=", "--state", "the path of a file" },
		{ "--max-duration=0s", "--max-duration", "0s" },
		{ "--max-duration=367d", "--max-duration", "367d" },
		{ "--max-duration=8", "--max-duration", "8" },
		{ "--until=24:00", "--until", "24:00" },
		{ "--until=6", "--until", "HH:MM" },
		{ "--older-than=999ms", "--older-than", "999ms" },
		{ "--older-than=30", "--older-than", "30" },
		{ "--accept-trimmed=yes", "--accept-trimmed", "no value" },
		{ "--restart=yes", "--restart", "no value" },
		{ "--status-fd=0", "--status-fd", "1 to" },
		{ "--status-fd=err", "--status-fd", "err" },
		{ "--status-fd=1048575", "--status-fd", "1048575: this descriptor is not open" },
		{ "--nonsense", "--nonsense", "unknown" },
		{ "--json=yes", "--json", "no value" },
		{ "-x", "-x", "unknown" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (PARSE(cases[i].argument, "a", "b") != OPTIONS_BAD || !strstr(why, cases[i].name) ||
			!strstr(why, cases[i].value))
			fail_msg("%s: %s", cases[i].argument, why);
	}
}

static void a_status_descriptor_is_open_for_writing(void **state)
{
	char number[16];
	int fds[2];

	(void)state;
	assert_int_equal(PARSE("--status-fd=1", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.status_fd, 1);
	assert_int_equal(PARSE("--status-fd=1", "--json", "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--status-fd 1 and --json"));
	assert_int_equal(PARSE("--status-fd=2", "--json", "a", "b"), OPTIONS_RUN);
	assert_int_equal(pipe(fds), 0);
	snprintf(number, sizeof(number), "%d", fds[1]);
	assert_int_equal(PARSE("--status-fd", number, "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.status_fd, fds[1]);
	snprintf(number, sizeof(number), "%d", fds[0]);
	assert_int_equal(PARSE("--status-fd", number, "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "this descriptor is not open for writing"));
	close(fds[0]);
	close(fds[1]);
}

static void one_name_is_a_device_of_the_primary(void **state)
{
	(void)state;
	assert_int_equal(PARSE("web1"), OPTIONS_RUN);
	assert_int_equal(options.form, FORM_DEVICE);
	assert_string_equal(options.device, "web1");
	assert_string_equal(options.socket_path, "/run/ra/primary.sock");
	assert_int_equal(options.link_timeout_ms, 30000);
	assert_false(options.reserve || options.common_size);
	assert_int_equal(PARSE("--socket=/s", "--link-timeout=15m", "--reserve", "--limit=100M", "--common-size", "web1"),
		OPTIONS_RUN);
	assert_string_equal(options.socket_path, "/s");
	assert_int_equal(options.link_timeout_ms, 900000);
	assert_true(options.reserve == RESERVE_RA && options.common_size);
	assert_int_equal(options.limit_bytes_per_s, 100 * MIB);
	assert_int_equal(PARSE("--reserve=exclusive", "web1"), OPTIONS_RUN);
	assert_int_equal(options.reserve, RESERVE_EXCLUSIVE);
	assert_int_equal(PARSE("--reserve=exclusive", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.reserve, RESERVE_EXCLUSIVE);
	assert_int_equal(PARSE("--reserve=exclusive", "a", "h:b"), OPTIONS_RUN);
	assert_int_equal(PARSE("--reserve=ra", "--limit=none", "web1"), OPTIONS_RUN);
	assert_int_equal(options.limit_bytes_per_s, 0);
	assert_int_equal(options.reserve, RESERVE_RA);
}

static void one_name_that_is_no_device_is_a_volume_without_its_other(void **state)
{
	static const char *const names[] = { "./web1", "/dev/vg0/web1", ".hidden", "two words", "b:web1", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(PARSE("--", names[i]), OPTIONS_BAD);
		assert_non_null(strstr(why, "two volumes"));
	}
}

static void a_second_volume_may_be_on_another_host(void **state)
{
	(void)state;
	assert_int_equal(PARSE("a", "root@b:/dev/vg0/web1"), OPTIONS_RUN);
	assert_int_equal(options.form, FORM_SSH);
	assert_string_equal(options.path_local, "a");
	assert_string_equal(options.path_remote, "/dev/vg0/web1");
	assert_string_equal(options.name_remote, "root@b:/dev/vg0/web1");
	assert_string_equal(options.host, "root@b");
	assert_int_equal(PARSE("./a:b", "./b:a"), OPTIONS_RUN);
	assert_int_equal(options.form, FORM_PAIR);
	assert_string_equal(options.path_remote, "./b:a");
}

static void the_first_volume_must_be_here(void **state)
{
	(void)state;
	assert_int_equal(PARSE("b:x", "a"), OPTIONS_BAD);
	assert_non_null(strstr(why, "volume A (b:x)"));
	assert_non_null(strstr(why, "./b:x"));
	assert_int_equal(PARSE("b:x", "c:y"), OPTIONS_BAD);
	assert_non_null(strstr(why, "volume A"));
	assert_int_equal(PARSE("a", ":y"), OPTIONS_BAD);
	assert_non_null(strstr(why, "host"));
}

static void options_without_a_meaning_for_the_form_are_refused(void **state)
{
	static const struct {
		const char *argument, *operand, *other, *words;
	} cases[] = {
		{ "--track-size=64K", "web1", NULL, "--track-size does not go with a DEVICE" },
		{ "--cache=64M", "web1", NULL, "--cache does not go with a DEVICE" },
		{ "--io=auto", "web1", NULL, "--io does not go with a DEVICE" },
		{ "--socket=/s", "a", "b", "--socket goes with a DEVICE only" },
		{ "--link-timeout=30s", "a", "b", "--link-timeout goes with a DEVICE only" },
		{ "--reserve", "a", "b", "--reserve=ra goes with a DEVICE only" },
		{ "--socket=/s", "a", "h:b", "--socket goes with a DEVICE only" },
		{ "--reserve=ra", "a", "h:b", "--reserve=ra goes with a DEVICE only" },
		{ "--state=/s", "web1", NULL, "only --state none is possible" },
		{ "--state=none", "a", "b", "--state none goes with a DEVICE only" },
		{ "--restart", "a", "b", "--restart needs a ledger" },
		{ "--older-than=30d", "a", "h:b", "--older-than needs a ledger" },
		{ "--invalid=skip", "a", "b", "--invalid goes with a DEVICE only" },
		{ "--mark", "a", "b", "--mark goes with a DEVICE only" },
		{ "--invalid=often", "web1", NULL, "--invalid often: expected skip, refuse or check" },
		{ "--state=none", "a", "h:b", "--state none goes with a DEVICE only" },
		{ "--restart", "a", "h:b", "--restart needs a ledger: --state FILE" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (PARSE(cases[i].argument, cases[i].operand, cases[i].other) != OPTIONS_BAD ||
			!strstr(why, cases[i].words))
			fail_msg("%s: %s", cases[i].argument, why);
}

static void options_with_a_meaning_for_each_form_are_taken(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--common-size", "--limit=1M", "--track-size=4K", "--io=direct", "--cache=16M", "a", "h:b"),
		OPTIONS_RUN);
	assert_int_equal(PARSE("--common-size", "--limit=1", "a", "b"), OPTIONS_RUN);
	assert_int_equal(PARSE("--common-size", "--limit=1M", "--jobs=64", "--run=64", "web1"), OPTIONS_RUN);
}

static void slots_of_a_device_have_room_for_any_track_size(void **state)
{
	(void)state;
	assert_int_equal(PARSE("web1"), OPTIONS_RUN);
	assert_int_equal(options_slot_bytes(&options), 4 * MIB);
	assert_int_equal(options_slot_count(&options), 16);
	assert_int_equal(options_run_tracks(&options, 64 * KIB), 64);
	assert_int_equal(options_run_tracks(&options, 4 * KIB), 64);
	assert_int_equal(options_run_tracks(&options, MIB), 4);
	assert_int_equal(PARSE("--jobs=64", "web1"), OPTIONS_RUN);
	assert_int_equal(options_slot_bytes(&options), 512 * KIB);
	assert_int_equal(options_run_tracks(&options, MIB), 0);
	assert_int_equal(PARSE("--run=1024", "web1"), OPTIONS_RUN);
	assert_int_equal(options_slot_bytes(&options), 4 * MIB);
	assert_int_equal(PARSE("--by=data", "--run=64", "web1"), OPTIONS_RUN);
	assert_int_equal(options_slot_bytes(&options), 4 * MIB);
	assert_int_equal(options_run_tracks(&options, 64 * KIB), 64);
	assert_int_equal(options_run_tracks(&options, 128 * KIB), 0);
	assert_int_equal(PARSE("--by=data", "--run=3", "--jobs=7", "web1"), OPTIONS_RUN);
	assert_int_equal(options_slot_bytes(&options), 3 * MIB);
	assert_int_equal(options_slot_bytes(&options) % 4096, 0);
	assert_int_equal(PARSE("--by=data", "--run=64", "--jobs=11", "web1"), OPTIONS_RUN);
	assert_int_equal(options_slot_bytes(&options) % 4096, 0);
	assert_true((uint64_t)options_slot_count(&options) * options_slot_bytes(&options) <= HOST_MEMORY_BYTES_MAX);
}

static void the_number_of_volumes_must_be_two(void **state)
{
	(void)state;
	assert_int_equal(parse((const char *const[]){ NULL }), OPTIONS_BAD);
	assert_non_null(strstr(why, "two volumes or a device"));
	assert_int_equal(PARSE("a", "b", "c"), OPTIONS_BAD);
	assert_int_equal(PARSE("", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "volume A is empty"));
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
	char path[PATH_BYTES_MAX + 1];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[PATH_BYTES_MAX] = '\0';
	assert_int_equal(PARSE("a", path), OPTIONS_BAD);
	assert_non_null(strstr(why, "volume B"));
	path[PATH_BYTES_MAX - 1] = '\0';
	assert_int_equal(PARSE("a", path), OPTIONS_RUN);
}

static void a_missing_value_is_named(void **state)
{
	(void)state;
	assert_int_equal(PARSE("a", "b", "--jobs"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--jobs"));
	assert_non_null(strstr(why, "missing"));
}

static void runs_and_memory_have_their_limits(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--by=data", "--run=5", "--track-size=1M", "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--run 5"));
	assert_int_equal(PARSE("--by=data", "--run=4", "--track-size=1M", "a", "b"), OPTIONS_RUN);
	assert_int_equal(PARSE("--by=data", "--jobs=9", "--run=64", "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--jobs 9 with runs of 64 tracks of 65536 bytes"));
	assert_non_null(strstr(why, "67108864"));
	assert_int_equal(PARSE("--by=data", "--jobs=8", "--run=64", "a", "b"), OPTIONS_RUN);
	assert_int_equal(PARSE("--jobs=33", "--track-size=1M", "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--jobs 33 with runs of 1 track of 1048576 bytes"));
	assert_int_equal(PARSE("--jobs=32", "--track-size=1M", "a", "b"), OPTIONS_RUN);
}

static void spare_slots_are_taken_where_memory_allows(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--jobs=7", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options_slot_count(&options), 16);
	assert_int_equal(PARSE("--by=data", "--jobs=8", "--run=64", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options_slot_count(&options), 16);
	assert_int_equal(PARSE("--jobs=64", "--run=1", "--track-size=4K", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options_slot_count(&options), 130);
}

static void quiet_and_json_exclude_each_other(void **state)
{
	(void)state;
	assert_int_equal(PARSE("-q", "--json", "a", "b"), OPTIONS_BAD);
	assert_non_null(strstr(why, "--quiet"));
}

static void json_is_known_also_after_an_error(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--jobs=0", "--json", "a", "b"), OPTIONS_BAD);
	assert_true(options.json);
	assert_non_null(strstr(why, "--jobs"));
}

static void differences_are_settled_as_asked(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--settle=0", "--max-lag=0s", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.settle_rounds, 0);
	assert_true(options.has_max_lag);
	assert_int_equal(options.max_lag_ms, 0);
	assert_int_equal(PARSE("--settle=100", "--settle-delay=1500ms", "--max-lag=1h", "--stop-after=5",
		"--accept-trimmed", "web1"), OPTIONS_RUN);
	assert_int_equal(options.settle_rounds, 100);
	assert_int_equal(options.settle_delay_ms, 1500);
	assert_int_equal(options.max_lag_ms, 3600000);
	assert_int_equal(options.stop_after, 5);
	assert_true(options.accept_trimmed);
}

static void two_volumes_have_a_ledger_where_they_are_told(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--state", "/var/tmp/s", "--restart", "--older-than=30d", "a", "h:b"), OPTIONS_RUN);
	assert_string_equal(options.state_path, "/var/tmp/s");
	assert_false(options.no_state);
	assert_true(options.restart);
	assert_int_equal(options.older_than_s, 30 * 24 * 3600);
	assert_int_equal(PARSE("--state=./none", "a", "b"), OPTIONS_RUN); /* a file of that name */
	assert_string_equal(options.state_path, "./none");
}

static void a_device_has_a_ledger_unless_it_is_told_not_to(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--restart", "--older-than=12h", "--invalid=check", "--mark", "web1"), OPTIONS_RUN);
	assert_false(options.no_state);
	assert_int_equal(options.older_than_s, 12 * 3600);
	assert_int_equal(options.invalid, INVALID_CHECK);
	assert_true(options.mark);
	assert_int_equal(PARSE("--invalid=refuse", "--state=none", "web1"), OPTIONS_RUN);
	assert_int_equal(options.invalid, INVALID_REFUSE);
	assert_true(options.no_state);
	assert_null(options.state_path);
	assert_int_equal(PARSE("--restart", "--state=none", "web1"), OPTIONS_BAD);
	assert_string_equal(why, "--restart needs a ledger");
	assert_int_equal(PARSE("--older-than=1d", "--state=none", "web1"), OPTIONS_BAD);
	assert_string_equal(why, "--older-than needs a ledger");
}

static void the_path_of_a_ledger_leaves_room_for_its_lock(void **state)
{
	char argument[PATH_BYTES_MAX + 8] = "--state=";

	(void)state;
	memset(argument + 8, 'x', PATH_BYTES_MAX - 7);
	assert_int_equal(PARSE(argument, "a", "b"), OPTIONS_RUN);
	argument[8 + PATH_BYTES_MAX - 7] = 'x';
	assert_int_equal(PARSE(argument, "a", "b"), OPTIONS_BAD);
}

static void the_earlier_of_two_ends_counts(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--max-duration=90m", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.max_duration_ms, 90 * 60 * 1000);
	assert_int_equal(PARSE("--until=12:00", "a", "b"), OPTIONS_RUN);
	assert_true(options.max_duration_ms > 0 && options.max_duration_ms <= 25 * 3600 * 1000);
	assert_int_equal(PARSE("--until=12:00", "--max-duration=1ms", "a", "b"), OPTIONS_RUN);
	assert_int_equal(options.max_duration_ms, 1);
	assert_int_equal(PARSE("--max-duration=2d", "--until=12:00", "a", "b"), OPTIONS_RUN);
	assert_true(options.max_duration_ms <= 25 * 3600 * 1000);
}

static const char *words_of(const char *first, const char *second, const char *third)
{
	static char words[512];

	assert_int_equal(PARSE("web1", first, second, third), OPTIONS_RUN);
	options_words(&options, options.max_lag_ms, words, sizeof(words));
	return words;
}

/* What decides which tracks are compared, and how they count: both parts of a run have it. */
static void options_that_matter_to_a_ledger_have_their_words(void **state)
{
	(void)state;
	assert_string_equal(words_of("--jobs=3", "--settle=3", "--accept-trimmed"), "");
	assert_string_equal(words_of("--settle=0", NULL, NULL), "--settle 0");
	assert_string_equal(words_of("--settle=9", "--max-lag=2s", NULL), "--settle 9 --max-lag 2000ms");
	assert_string_equal(words_of("--tracks=5-9", NULL, NULL), "--tracks 5-9");
	assert_string_equal(words_of("--tracks=5-", "--invalid=check", NULL), "--tracks 5- --invalid check");
	assert_string_equal(words_of("--invalid=refuse", "--older-than=1h", NULL), "--older-than 3600s --invalid refuse");
	assert_string_equal(words_of("--invalid=skip", NULL, NULL), "");
	assert_string_equal(words_of("--settle=0", "--max-lag=3s", NULL), "--settle 0 --max-lag 3000ms");
	assert_string_equal(words_of("--tracks=0-18446744073709551614", "--older-than=36600d", "--invalid=refuse"),
		"--tracks 0-18446744073709551614 --older-than 3162240000s --invalid refuse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(options_may_stand_after_the_volumes),
		cmocka_unit_test(a_name_that_begins_with_a_dash_follows_two_dashes),
		cmocka_unit_test(sizes_and_times_have_units),
		cmocka_unit_test(runs_of_data_are_four_mebibytes_by_default),
		cmocka_unit_test(what_is_compared_is_a_digest_or_the_data),
		cmocka_unit_test(a_run_has_more_digests_than_tracks_of_data),
		cmocka_unit_test(tracks_are_a_range_one_track_or_open),
		cmocka_unit_test(repeat_takes_a_number_or_forever),
		cmocka_unit_test(help_and_version_win_over_what_follows),
		cmocka_unit_test(bad_values_are_refused_by_name),
		cmocka_unit_test(a_status_descriptor_is_open_for_writing),
		cmocka_unit_test(one_name_is_a_device_of_the_primary),
		cmocka_unit_test(one_name_that_is_no_device_is_a_volume_without_its_other),
		cmocka_unit_test(a_second_volume_may_be_on_another_host),
		cmocka_unit_test(the_first_volume_must_be_here),
		cmocka_unit_test(options_without_a_meaning_for_the_form_are_refused),
		cmocka_unit_test(options_with_a_meaning_for_each_form_are_taken),
		cmocka_unit_test(slots_of_a_device_have_room_for_any_track_size),
		cmocka_unit_test(the_number_of_volumes_must_be_two),
		cmocka_unit_test(a_path_that_does_not_fit_is_refused),
		cmocka_unit_test(a_missing_value_is_named),
		cmocka_unit_test(runs_and_memory_have_their_limits),
		cmocka_unit_test(spare_slots_are_taken_where_memory_allows),
		cmocka_unit_test(quiet_and_json_exclude_each_other),
		cmocka_unit_test(json_is_known_also_after_an_error),
		cmocka_unit_test(differences_are_settled_as_asked),
		cmocka_unit_test(two_volumes_have_a_ledger_where_they_are_told),
		cmocka_unit_test(a_device_has_a_ledger_unless_it_is_told_not_to),
		cmocka_unit_test(the_path_of_a_ledger_leaves_room_for_its_lock),
		cmocka_unit_test(the_earlier_of_two_ends_counts),
		cmocka_unit_test(options_that_matter_to_a_ledger_have_their_words),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
