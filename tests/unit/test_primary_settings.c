/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of ra-primaryd: its keys, the checks between them, and that sample and manual page have them all.
 */
#include "primary/settings.h"

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
#define PEER_B "[peer b]\naddress = b.example:7447\nkey = " KEY_B "\n"

static struct primary_settings *settings;
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
	primary_settings_free(settings);
	config_bed_free();
	return 0;
}

static int load(const char *text)
{
	primary_settings_free(settings);
	settings = NULL;
	return primary_settings_load(config_bed_write("primary.conf", text), &settings, why);
}

static void assert_good(const char *text)
{
	if (load(text) != 0)
		fail_msg("refused: %s", why);
}

/* expected: what follows the file's name. */
static void assert_refused(const char *text, const char *expected)
{
	char *whole = xasprintf("%s%s", config_bed_path("primary.conf"), expected);

	assert_int_equal(load(text), -EINVAL);
	assert_string_equal(why, whole);
	assert_null(settings);
	free(whole);
}

static void the_defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	assert_good("");
	assert_string_equal(settings->daemon.path, config_bed_path("primary.conf"));
	assert_string_equal(config_text(settings->daemon.config, "primary", NULL, "identity"), "/etc/ra/identity.pem");
	assert_string_equal(config_text(settings->daemon.config, "primary", NULL, "ca"), "");
	assert_string_equal(settings->daemon.socket, "/run/ra/primary.sock");
	assert_string_equal(settings->daemon.socket_group, "");
	assert_string_equal(settings->daemon.admin_group, "");
	assert_string_equal(settings->daemon.state, "/var/lib/ra");
	assert_int_equal(settings->daemon.socket_mode, 0660);
	assert_int_equal(settings->daemon.track_bytes, 65536);
	assert_int_equal(settings->daemon.da_threads, 8);
	assert_int_equal(settings->daemon.limit.bytes_per_s, 0);
	assert_int_equal(settings->daemon.limit.reads_per_s, 0);
	assert_int_equal(config_number(settings->daemon.config, "primary", NULL, "log-level"), LOG_LEVEL_INFO);
	assert_int_equal(settings->peer_count, 0);
	assert_int_equal(settings->daemon.device_count, 0);
}

static void every_key_reaches_its_field(void **state)
{
	(void)state;
	assert_good("[primary]\nidentity = /i\nca = /c\nsocket = /s\nsocket-group = g\nadmin-group = w\nstate = /st\n"
		    "socket-mode = 0600\ntrack-size = 4K\nda-threads = 9\nlimit = 100M\nlimit-reads = 50\nlog-level = debug\n"
		    "[device web1]\nvolume = /v\nio = direct\nidentity = name\nyield = on\nmax-lag = 3s\noffset = 1M\n"
		    "length = 2M\nlimit = 5M\nlimit-reads = 6\npeer = c\n"
		    "[device web2]\nvolume = /w\nio = buffered\nlength = common\npeer = b\n"
		    "[device web3]\nvolume = /x\npeer = b\n" PEER_B
		    "[peer c]\naddress = [::1]:1\nkey = " KEY_A "\nname = c.example, c2.example\n"
		    "limit = 7M\nlimit-reads = 8\n");
	assert_string_equal(config_text(settings->daemon.config, "primary", NULL, "identity"), "/i");
	assert_string_equal(config_text(settings->daemon.config, "primary", NULL, "ca"), "/c");
	assert_string_equal(settings->daemon.socket, "/s");
	assert_string_equal(settings->daemon.socket_group, "g");
	assert_string_equal(settings->daemon.admin_group, "w");
	assert_string_equal(settings->daemon.state, "/st");
	assert_true(settings->daemon.devices[0].is_known_by_name);
	assert_false(settings->daemon.devices[1].is_known_by_name);
	assert_true(settings->daemon.devices[0].is_yielding);
	assert_false(settings->daemon.devices[1].is_yielding);
	assert_int_equal(settings->device_max_lag_ms[0], 3000);
	assert_int_equal(settings->device_max_lag_ms[1], 0);
	assert_int_equal(settings->daemon.socket_mode, 0600);
	assert_int_equal(settings->daemon.track_bytes, 4096);
	assert_int_equal(settings->daemon.da_threads, 9);
	assert_int_equal(settings->daemon.limit.bytes_per_s, 100 << 20);
	assert_int_equal(settings->daemon.limit.reads_per_s, 50);
	assert_int_equal(config_number(settings->daemon.config, "primary", NULL, "log-level"), LOG_LEVEL_DEBUG);

	assert_int_equal(settings->peer_count, 2);
	assert_string_equal(settings->peers[1].name, "c");
	assert_string_equal(settings->peers[1].address, "[::1]:1");
	assert_string_equal(settings->peers[1].keys[0], KEY_A);
	assert_null(settings->peers[1].keys[1]);
	assert_string_equal(settings->peers[1].dns_names[1], "c2.example");
	assert_int_equal(settings->peers[1].limit.bytes_per_s, 7 << 20);
	assert_int_equal(settings->peers[1].limit.reads_per_s, 8);
	assert_null(settings->peers[0].dns_names[0]);

	assert_int_equal(settings->daemon.device_count, 3);
	assert_string_equal(settings->daemon.devices[0].name, "web1");
	assert_string_equal(settings->daemon.devices[0].volume, "/v");
	assert_int_equal(settings->device_peers[0], 1);
	assert_int_equal(settings->daemon.devices[0].io, IO_MODE_DIRECT);
	assert_int_equal(settings->daemon.devices[0].offset_bytes, 1 << 20);
	assert_int_equal(settings->daemon.devices[0].length_bytes, 2 << 20);
	assert_false(settings->daemon.devices[0].is_common);
	assert_int_equal(settings->daemon.devices[0].limit.bytes_per_s, 5 << 20);
	assert_int_equal(settings->daemon.devices[0].limit.reads_per_s, 6);
	assert_int_equal(settings->device_peers[1], 0);
	assert_int_equal(settings->daemon.devices[1].io, IO_MODE_BUFFERED);
	assert_int_equal(settings->daemon.devices[1].length_bytes, 0);
	assert_true(settings->daemon.devices[1].is_common);
	assert_int_equal(settings->daemon.devices[2].io, IO_MODE_AUTO);
	assert_int_equal(settings->daemon.devices[2].length_bytes, 0);
	assert_false(settings->daemon.devices[2].is_common);
}

static void a_device_needs_a_peer_that_is_there(void **state)
{
	(void)state;
	assert_refused(PEER_B "[device web1]\nvolume = /v\npeer = c\n",
		":6: peer = c: expected the name of a [peer]; there is no [peer c]");
	assert_refused(PEER_B "[device web1]\nvolume = /v\n",
		":4: [device web1]: needs peer, a name, 1 to 63 of A-Z a-z 0-9 . _ -");
}

static void a_peer_needs_a_key_or_a_name_that_a_ca_proves(void **state)
{
	(void)state;
	assert_refused("[peer b]\naddress = b:1\n", ":1: [peer b]: needs key = sha256:... (ra-ctl keygen prints it), or "
		"name = DNS name with ca in [primary]");
	assert_refused("[peer b]\naddress = b:1\nkey =\nname =\n", ":1: [peer b]: needs key = sha256:... (ra-ctl keygen "
		"prints it), or name = DNS name with ca in [primary]");
	assert_refused("[peer b]\naddress = b:1\nname = b.example\n",
		":3: name = b.example: expected ca in [primary], which proves it; else only a key");
	assert_refused("[peer b]\naddress = b:1\nname = b.example\nkey = " KEY_B "\n",
		":3: name = b.example: expected ca in [primary], which proves it; else only a key");
	assert_good("[primary]\nca = /ca.pem\n[peer b]\naddress = b:1\nname = b.example\n");
}

static void two_peers_may_not_share_a_key_or_a_name(void **state)
{
	char *key = xasprintf(":6: key = " KEY_A " " KEY_B ": expected one of its own; [peer b] has it at %s:3",
		config_bed_path("primary.conf"));
	char *name = xasprintf(":8: name = x: expected one of its own; [peer b] has it at %s:5",
		config_bed_path("primary.conf"));

	(void)state;
	assert_refused(PEER_B "[peer c]\naddress = c:1\nkey = " KEY_A "\n " KEY_B "\n", key);
	assert_refused("[primary]\nca = /c\n[peer b]\naddress = b:1\nname = w x\n[peer c]\naddress = c:1\nname = x\n",
		name);
	free(key);
	free(name);
}

static void geometry_is_checked(void **state)
{
	(void)state;
	assert_refused(PEER_B "[device web1]\nvolume = /v\npeer = b\noffset = 1000\n",
		":7: offset = 1000: expected a multiple of 512");
	assert_refused("[primary]\ntrack-size = 65000\n", ":2: track-size = 65000: expected a power of two from 4K to 1M");
	assert_refused("[primary]\ntrack-size = 2M\n", ":2: track-size = 2M: expected a size from 4K to 1M");
}

static void there_are_at_most_256_devices(void **state)
{
	char *text = xcalloc(1, 65536), *end = text + sprintf(text, PEER_B);

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		end += sprintf(end, "[device d%u]\nvolume = /v\npeer = b\n", i);
	assert_good(text);
	assert_int_equal(settings->daemon.device_count, 256);
	strcpy(end, "[device too-many]\nvolume = /v\npeer = b\n");
	assert_refused(text, ":772: [device too-many]: expected at most 256 devices");
	free(text);
}

static void a_socket_fits_its_address(void **state)
{
	char text[256] = "[primary]\nsocket = /", expected[512];

	(void)state;
	memset(text + strlen(text), 's', 106);
	assert_good(text);
	strcat(text, "s");
	snprintf(expected, sizeof(expected), ":2: %s: expected an absolute path of at most 107 bytes",
		strchr(text, '\n') + 1);
	assert_refused(text, expected);
}

static void keys_of_the_other_daemon_are_refused(void **state)
{
	(void)state;
	assert_refused("[secondary]\n",
		":1: [secondary]: unknown section; expected [primary], [peer NAME] or [device NAME]");
	assert_int_equal(load("[primary]\nlisten = 0.0.0.0:1\n"), -EINVAL);
	assert_non_null(strstr(why, ":2: listen: unknown key; [primary] has identity, ca, socket"));
}

static void the_sample_is_that_of_the_table(void **state)
{
	char *sample = config_bed_read("conf/primary.conf"), *bare = config_bed_uncomment(sample);

	(void)state;
	config_bed_check_sample("conf/primary.conf", &primary_config_table);
	assert_good(sample);
	assert_int_equal(settings->daemon.device_count, 0);
	assert_good(bare);
	assert_string_equal(settings->peers[0].name, "b");
	assert_string_equal(settings->daemon.devices[0].name, "web1");
	for (unsigned i = 0; i < primary_config_table.key_count; i++) {
		const struct config_key *key = &primary_config_table.keys[i];
		const char *name = config_section(settings->daemon.config, key->section, 0);

		assert_true(config_is_set(settings->daemon.config, key->section, name, key->name));
	}
	free(bare);
	free(sample);
}

static void the_manual_page_has_every_key(void **state)
{
	(void)state;
	config_bed_check_manual(&primary_config_table);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_defaults_are_those_of_the_manual),
		TEST(every_key_reaches_its_field),
		TEST(a_device_needs_a_peer_that_is_there),
		TEST(a_peer_needs_a_key_or_a_name_that_a_ca_proves),
		TEST(two_peers_may_not_share_a_key_or_a_name),
		TEST(geometry_is_checked),
		TEST(there_are_at_most_256_devices),
		TEST(a_socket_fits_its_address),
		TEST(keys_of_the_other_daemon_are_refused),
		TEST(the_sample_is_that_of_the_table),
		TEST(the_manual_page_has_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
