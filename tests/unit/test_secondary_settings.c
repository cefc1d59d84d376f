/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of ra-secondaryd: its keys, the checks between them, and that sample and manual page have them all.
 */
#include "secondary/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/config_bed.h"

#define KEY_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PEER_A "[peer a]\nkey = " KEY_A "\n"

static struct secondary_settings *settings;
static char why[CONFIG_WHY_BYTES];

static int set_up(void **state)
{
	(void)state;
	config_bed_new();
	settings = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	secondary_settings_free(settings);
	config_bed_free();
	return 0;
}

static int load(const char *text)
{
	secondary_settings_free(settings);
	settings = NULL;
	return secondary_settings_load(config_bed_write("secondary.conf", text), &settings, why);
}

static void assert_good(const char *text)
{
	if (load(text) != 0)
		fail_msg("refused: %s", why);
}

/* expected: what follows the file's name. */
static void assert_refused(const char *text, const char *expected)
{
	char *whole = xasprintf("%s%s", config_bed_path("secondary.conf"), expected);

	assert_int_equal(load(text), -EINVAL);
	assert_string_equal(why, whole);
	assert_null(settings);
	free(whole);
}

static void device_is_replaced_when_what_is_read_is_another_and_not_when_how_is(void **state)
{
	static const struct {
		const char *keys;
		bool is_replaced;
	} cases[] = {
		{ "volume = /v\n", false },
		{ "volume = /v\nio = direct\n", false },
		{ "volume = /v\nyield = on\n", false },
		{ "volume = /v\nlimit = 1M\n", false },
		{ "volume = /w\n", true },
		{ "volume = /v\nidentity = name\n", true },
		{ "volume = /v\noffset = 512\n", true },
		{ "volume = /v\nlength = 1M\n", true },
		{ "volume = /v\nlength = common\n", true },
	};
	struct device_settings *made_with;
	char text[512];

	(void)state;
	assert_good(PEER_A "[device d]\nvolume = /v\n");
	made_with = device_settings_copy(&settings->daemon.devices[0]);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), PEER_A "[device d]\n%s", cases[i].keys);
		assert_good(text);
		assert_int_equal(device_settings_warn_fixed(made_with, &settings->daemon, &settings->daemon.devices[0]),
			cases[i].is_replaced);
	}
	device_settings_free(made_with);
}

static void the_defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	assert_good(PEER_A);
	assert_string_equal(settings->daemon.path, config_bed_path("secondary.conf"));
	assert_string_equal(settings->listen[0], "0.0.0.0:7447");
	assert_null(settings->listen[1]);
	assert_string_equal(settings->daemon.socket, "/run/ra/secondary.sock");
	assert_string_equal(settings->daemon.state, "/var/lib/ra-secondary");
	assert_int_equal(settings->jobs, 2048);
	assert_int_equal(settings->window_reads, 32);
	assert_int_equal(settings->cache_bytes, 64 << 20);
	assert_int_equal(settings->peer_count, 1);
	assert_string_equal(settings->peers[0].name, "a");
	assert_null(settings->peers[0].devices[0]);
	assert_null(settings->peers[0].dns_names[0]);
	assert_false(settings->peers[0].is_digest_only);
	assert_int_equal(settings->peers[0].jobs_max, 512);
	assert_int_equal(settings->peers[0].links_max, 4);
}

static void every_key_reaches_its_field(void **state)
{
	(void)state;
	assert_good("[secondary]\nca = /c\nda-threads = 2\n"
		    "listen = 127.0.0.1:1 [::1]:2\ncache = 8M\njobs = 16\nwindow = 1\n"
		    "[peer a]\nkey = " KEY_A ", " KEY_B "\nname = a.example\ndevices = web2\n\tweb1\ndata = never\n"
		    "limit = 7M\nlimit-reads = 8\nmax-jobs = 9\nmax-links = 10\n"
		    "[device web1]\nvolume = /v\n[device web2]\nvolume = /w\nyield = on\n");
	assert_string_equal(settings->listen[0], "127.0.0.1:1");
	assert_string_equal(settings->listen[1], "[::1]:2");
	assert_int_equal(settings->cache_bytes, 8 << 20);
	assert_int_equal(settings->jobs, 16);
	assert_int_equal(settings->window_reads, 1);

	assert_string_equal(settings->peers[0].keys[1], KEY_B);
	assert_string_equal(settings->peers[0].dns_names[0], "a.example");
	assert_string_equal(settings->peers[0].devices[0], "web2");
	assert_string_equal(settings->peers[0].devices[1], "web1");
	assert_null(settings->peers[0].devices[2]);
	assert_true(settings->peers[0].is_digest_only);
	assert_int_equal(settings->peers[0].limit.bytes_per_s, 7 << 20);
	assert_int_equal(settings->peers[0].limit.reads_per_s, 8);
	assert_int_equal(settings->peers[0].jobs_max, 9);
	assert_int_equal(settings->peers[0].links_max, 10);

	assert_int_equal(settings->daemon.device_count, 2);
	assert_string_equal(settings->daemon.devices[0].name, "web1");
	assert_int_equal(settings->daemon.devices[1].io, IO_MODE_AUTO);
	assert_false(settings->daemon.devices[0].is_yielding);
	assert_true(settings->daemon.devices[1].is_yielding);
}

static void a_device_that_a_peer_lists_is_there(void **state)
{
	(void)state;
	assert_refused(PEER_A "devices = web1 web2\n[device web1]\nvolume = /v\n",
		":3: devices = web1 web2: expected names of [device]s; there is no [device web2]");
}

static void the_cache_has_room_for_every_thread(void **state)
{
	char *threads = xasprintf(":2: cache = 16M: expected at least 32M, 4M for each of da-threads = 8 (%s:3)",
		config_bed_path("secondary.conf"));
	char *none = xasprintf(":2: cache = 15M: expected at least 16M, 4M for each of da-threads = 4 (%s:1)",
		config_bed_path("secondary.conf"));

	(void)state;
	assert_refused("[secondary]\ncache = 16M\nda-threads = 8\n", threads);
	assert_refused("[secondary]\ncache = 15M\n", none);
	assert_int_equal(load("[secondary]\nda-threads = 17\n"), -EINVAL); /* more than the default holds */
	assert_non_null(strstr(why, ":1: cache = 64M: expected at least 68M"));
	assert_good("[secondary]\ncache = 16M\n");
	assert_int_equal(settings->daemon.da_threads, 4);
	assert_good("[secondary]\ncache = 31M\n");
	assert_int_equal(settings->daemon.da_threads, 4);
	assert_good("[secondary]\ncache = 32M\n");
	assert_int_equal(settings->daemon.da_threads, 8);
	free(threads);
	free(none);
}

static void keys_of_the_other_daemon_are_refused(void **state)
{
	(void)state;
	assert_refused("[primary]\n",
		":1: [primary]: unknown section; expected [secondary], [peer NAME] or [device NAME]");
	assert_refused(PEER_A "address = a:1\n", ":3: address: unknown key; [peer] has key, name, devices, data, limit, "
		"limit-reads, max-jobs, max-links");
}

static void the_sample_is_that_of_the_table(void **state)
{
	char *sample = config_bed_read("conf/secondary.conf"), *bare = config_bed_uncomment(sample);

	(void)state;
	config_bed_check_sample("conf/secondary.conf", &secondary_config_table);
	assert_good(sample);
	assert_int_equal(settings->daemon.device_count, 0);
	assert_good(bare);
	assert_string_equal(settings->peers[0].name, "a");
	assert_string_equal(settings->daemon.devices[0].name, "web1");
	for (unsigned i = 0; i < secondary_config_table.key_count; i++) {
		const struct config_key *key = &secondary_config_table.keys[i];
		const char *name = config_section(settings->daemon.config, key->section, 0);

		assert_true(config_is_set(settings->daemon.config, key->section, name, key->name));
	}
	free(bare);
	free(sample);
}

static void the_manual_page_has_every_key(void **state)
{
	(void)state;
	config_bed_check_manual(&secondary_config_table);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_defaults_are_those_of_the_manual),
		TEST(device_is_replaced_when_what_is_read_is_another_and_not_when_how_is),
		TEST(every_key_reaches_its_field),
		TEST(a_device_that_a_peer_lists_is_there),
		TEST(the_cache_has_room_for_every_thread),
		TEST(keys_of_the_other_daemon_are_refused),
		TEST(the_sample_is_that_of_the_table),
		TEST(the_manual_page_has_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
