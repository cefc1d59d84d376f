/* SPDX-License-Identifier: Apache-2.0
 *
 * What ra-ctl is told of a secondary: each key, in the states that matter. Compared as JSON, with the keys that hold
 * what another module makes (limits, volumes) looked at only for being there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rate.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "secondary/show.h"
#include "storage/volume.h"
#include "storage/yield.h"
#include "tests/support/bed.h"

static struct bed *bed;
static struct primary *primary;
static uint32_t device;

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	bed = bed_new(&config, 64);
	primary = primary_new(bed);
	device = primary_attach(primary, "d1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	primary_drop(primary);
	bed_free(bed);
	return 0;
}

static json_t *at(json_t *json, const char *list, size_t index)
{
	json_t *element = json_array_get(json_object_get(json, list), index);

	assert_non_null(element);
	return element;
}

static json_int_t integer(json_t *json, const char *key)
{
	assert_true(json_is_integer(json_object_get(json, key)));
	return json_integer_value(json_object_get(json, key));
}

static const char *words(json_t *json, const char *key)
{
	assert_true(json_is_string(json_object_get(json, key)));
	return json_string_value(json_object_get(json, key));
}

static double seconds(json_t *json, const char *key)
{
	assert_true(json_is_real(json_object_get(json, key)));
	return json_real_value(json_object_get(json, key));
}

static bool is_true(json_t *json, const char *key)
{
	assert_true(json_is_boolean(json_object_get(json, key)));
	return json_is_true(json_object_get(json, key));
}

/* Exactly these keys, separated by blanks. */
static void assert_keys(json_t *json, const char *keys)
{
	char rest[256], *at_key, *left = rest;
	size_t count = 0;

	assert_true(strlen(keys) < sizeof(rest));
	strcpy(rest, keys);
	while ((at_key = strsep(&left, " ")) != NULL) {
		if (json_object_get(json, at_key) == NULL)
			fail_msg("there is no key %s", at_key);
		count++;
	}
	assert_int_equal(json_object_size(json), count);
}

static void devices_are_shown_with_state_users_jobs_and_owner(void **state)
{
	struct primary *other = primary_new(bed);
	json_t *json, *d1;

	(void)state;
	primary_attach(other, "d1");
	primary_link(primary, device);
	primary_link(primary, device);
	primary_reserve(primary, 2, device, "ra-compare[7] on a");
	json = secondary_show_devices(bed->ra);
	assert_int_equal(json_array_size(json_object_get(json, "devices")), BED_DEVICES);
	assert_keys(at(json, "devices", 0),
		"name number state ready users jobs reserved_by exclusive replaced limit read_bytes");
	assert_string_equal(words(at(json, "devices", 0), "name"), "d0");
	assert_string_equal(words(at(json, "devices", 0), "state"), "closed");
	assert_true(json_is_null(json_object_get(at(json, "devices", 0), "reserved_by")));
	d1 = at(json, "devices", 1);
	assert_keys(d1, "name number state ready users jobs reserved_by exclusive replaced limit read_bytes volume");
	assert_int_equal(integer(d1, "number"), device);
	assert_string_equal(words(d1, "state"), "open");
	assert_true(is_true(d1, "ready"));
	assert_int_equal(integer(d1, "users"), 2);
	assert_int_equal(integer(d1, "jobs"), 2);
	assert_string_equal(words(d1, "reserved_by"), "ra-compare[7] on a");
	assert_false(is_true(d1, "exclusive"));
	assert_int_equal(integer(json_object_get(d1, "volume"), "bytes"), 64 * BED_TRACK_BYTES);
	json_decref(json);
	primary_drop(other);
	primary_ask_exclusive(primary, 2, device, "me");
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_OK);
	json = secondary_show_devices(bed->ra);
	assert_true(is_true(at(json, "devices", 1), "exclusive"));
	assert_false(is_true(at(json, "devices", 1), "replaced"));
	json_decref(json);
	device_array_set_listing(bed->ra->devices, device, DEVICE_REPLACED);
	json = secondary_show_devices(bed->ra);
	assert_true(is_true(at(json, "devices", 1), "replaced"));
	json_decref(json);
}

static void a_device_that_yields_tells_how_long_it_has(void **state)
{
	struct volume *volume = device_array_volume(bed->ra->devices, 0);
	json_t *json;

	(void)state;
	volume_set_yielding(volume);
	yield_add_paused(volume_yield(volume), 2500000000);
	json = secondary_show_devices(bed->ra);
	assert_true(seconds(at(json, "devices", 0), "yielded_seconds") == 2.5);
	assert_null(json_object_get(at(json, "devices", 1), "yielded_seconds"));
	json_decref(json);
}

static void hung_device_is_shown_as_not_ready(void **state)
{
	json_t *json;

	(void)state;
	faulty_volume_hang_reads(bed->volumes[1], true);
	primary_read(primary, 1, primary_link(primary, device), device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[1]).stuck == 1);
	bed_advance(bed, DA_TIMEOUT_MS);
	primary_wait(primary, 1);
	json = secondary_show_devices(bed->ra);
	assert_false(is_true(at(json, "devices", 1), "ready"));
	assert_true(is_true(at(json, "devices", 0), "ready"));
	json_decref(json);
	faulty_volume_hang_reads(bed->volumes[1], false);
}

static void rings_are_shown_in_order_from_the_active_job(void **state)
{
	uint64_t one = primary_link(primary, device), two = primary_link(primary, device);
	char link_id[24];
	json_t *json, *ring, *job;

	(void)state;
	bed_advance(bed, 1500);
	faulty_volume_hang_reads(bed->volumes[1], true);
	primary_read(primary, 1, two, device, 8, 3, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 1);
	json = secondary_show_jobs(bed->ra, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "devices")), 1); /* the others are not accessed */
	ring = at(json, "devices", 0);
	assert_keys(ring, "name number job_count jobs");
	assert_string_equal(words(ring, "name"), "d1");
	assert_int_equal(integer(ring, "job_count"), 3);
	assert_int_equal(json_array_size(json_object_get(ring, "jobs")), 3);
	job = at(ring, "jobs", 0);
	assert_keys(job, "index kind state active link_id peer first_track tracks age_seconds");
	snprintf(link_id, sizeof(link_id), "0x%016llx", (unsigned long long)two);
	assert_string_equal(words(job, "link_id"), link_id);
	assert_string_equal(words(job, "kind"), "link");
	assert_string_equal(words(job, "state"), "reading");
	assert_string_equal(words(job, "peer"), "bed");
	assert_true(is_true(job, "active"));
	assert_int_equal(integer(job, "index"), 1);
	assert_int_equal(integer(job, "first_track"), 8);
	assert_int_equal(integer(job, "tracks"), 3);
	assert_float_equal(seconds(job, "age_seconds"), 1.5, 0.001);
	job = at(ring, "jobs", 1); /* forward: the fetch came last */
	if (strcmp(words(job, "kind"), "fetch") != 0)
		job = at(ring, "jobs", 2);
	assert_keys(job, "index kind state active first_track tracks age_seconds");
	assert_string_equal(words(job, "state"), "fetching");
	assert_false(is_true(job, "active"));
	json_decref(json);
	(void)one;
	faulty_volume_hang_reads(bed->volumes[1], false);
	primary_wait(primary, 1);
}

static void idle_job_has_no_tracks(void **state)
{
	json_t *json;

	(void)state;
	primary_link(primary, device);
	json = secondary_show_jobs(bed->ra, "d1");
	assert_keys(at(at(json, "devices", 0), "jobs", 0), "index kind state active link_id peer age_seconds");
	json_decref(json);
}

static void one_device_is_shown_alone_and_an_unknown_one_not(void **state)
{
	json_t *json = secondary_show_jobs(bed->ra, "d0");

	(void)state;
	assert_int_equal(json_array_size(json_object_get(json, "devices")), 1);
	assert_string_equal(words(at(json, "devices", 0), "name"), "d0");
	assert_int_equal(integer(at(json, "devices", 0), "job_count"), 0);
	json_decref(json);
	assert_null(secondary_show_jobs(bed->ra, "d9"));
}

static void cache_is_shown(void **state)
{
	json_t *json, *cache;

	(void)state;
	primary_read(primary, 1, primary_link(primary, device), device, 0, 4, DELIVERY_HOLD);
	primary_wait(primary, 1);
	BED_UNTIL(bed, bed_cache(bed).slots_locked == 0);
	json = secondary_show_cache(bed->ra);
	cache = json_object_get(json, "cache");
	assert_keys(cache, "bytes slots slots_free slots_locked entries hits misses evicted");
	assert_int_equal(integer(cache, "bytes"), 16 * MIB);
	assert_int_equal(integer(cache, "slots"), 256);
	assert_int_equal(integer(cache, "slots_free"), 252);
	assert_int_equal(integer(cache, "slots_locked"), 0);
	assert_int_equal(integer(cache, "entries"), 4);
	assert_int_equal(integer(cache, "evicted"), 0);
	json_decref(json);
}

static void links_and_peers_are_shown(void **state)
{
	struct primary *silent = primary_new_silent(bed);
	json_t *json, *link, *peer;
	json_int_t bytes;

	(void)state;
	primary_attach(primary, "d2");
	primary_link(primary, device);
	faulty_volume_hang_reads(bed->volumes[1], true);
	primary_read(primary, 1, primary_link(primary, device), device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 1);
	bed_advance(bed, 2500);
	bed->peer->links_refused = 3;
	json = secondary_show_links(bed->ra, bed->peers);
	link = at(json, "links", 0);
	assert_keys(link,
		"peer from state since_seconds wire_bytes devices jobs reads_connected window locked_tracks fetches");
	assert_string_equal(words(link, "peer"), "bed");
	assert_string_equal(words(link, "from"), "bed");
	assert_string_equal(words(link, "state"), "up");
	assert_float_equal(seconds(link, "since_seconds"), 2.5, 0.001);
	assert_true(integer(link, "wire_bytes") > 0);
	assert_int_equal(json_array_size(json_object_get(link, "devices")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(link, "devices"), 1)), "d2");
	assert_int_equal(integer(link, "jobs"), 2);
	assert_int_equal(integer(link, "reads_connected"), 1);
	assert_int_equal(integer(link, "window"), WINDOW_READS_DEFAULT);
	assert_int_equal(integer(link, "locked_tracks"), 0);
	assert_int_equal(integer(link, "fetches"), 1);
	assert_string_equal(words(at(json, "links", 1), "state"), "hello");
	peer = at(json, "peers", 0);
	assert_keys(peer, "name links links_max jobs jobs_max links_refused wire_bytes limit");
	assert_string_equal(words(peer, "name"), "bed");
	assert_int_equal(integer(peer, "links"), 2);
	assert_int_equal(integer(peer, "links_max"), 64);
	assert_int_equal(integer(peer, "jobs"), 2);
	assert_int_equal(integer(peer, "jobs_max"), 256);
	assert_int_equal(integer(peer, "links_refused"), 3);
	bytes = integer(peer, "wire_bytes");
	assert_true(bytes >= integer(link, "wire_bytes"));
	json_decref(json);
	primary_drop(silent);
	BED_UNTIL(bed, bed->peer->links == 1);
	json = secondary_show_links(bed->ra, bed->peers);
	assert_int_equal(json_array_size(json_object_get(json, "links")), 1);
	assert_true(integer(at(json, "peers", 0), "wire_bytes") >= bytes);
	json_decref(json);
	faulty_volume_hang_reads(bed->volumes[1], false);
	primary_wait(primary, 1);
}

static void link_whose_peer_is_not_known_yet_has_no_name(void **state)
{
	struct session *session;
	int fd = bed_raw_session_of(bed, NULL, &session);
	json_t *json = secondary_show_links(bed->ra, bed->peers);

	(void)state;
	assert_keys(at(json, "links", 1),
		"from state since_seconds wire_bytes devices jobs reads_connected window locked_tracks fetches");
	assert_string_equal(words(at(json, "links", 1), "state"), "handshake");
	json_decref(json);
	session_free(session);
	close(fd);
}

static void limits_are_shown_by_scope(void **state)
{
	const struct rate_limit total = { .bytes_per_s = 1000 }, of_device = { .reads_per_s = 7 };
	const struct rate_limit of_peer = { .bytes_per_s = 500 };
	json_t *json;

	(void)state;
	rate_set(bed->ra->total_rate, &total);
	rate_set(bed->peer->rate, &of_peer);
	rate_set(device_array_rate(bed->ra->devices, device), &of_device);
	json = secondary_show_limits(bed->ra, bed->peers);
	assert_keys(json, "total devices peers");
	assert_keys(json_object_get(json, "devices"), "d0 d1 d2");
	assert_keys(json_object_get(json, "peers"), "bed");
	assert_int_equal(integer(json_object_get(json, "total"), "bytes_per_second"), 1000);
	assert_int_equal(integer(json_object_get(json_object_get(json, "devices"), "d0"), "reads_per_second"), 0);
	assert_int_equal(integer(json_object_get(json_object_get(json, "devices"), "d1"), "reads_per_second"), 7);
	assert_int_equal(integer(json_object_get(json_object_get(json, "peers"), "bed"), "bytes_per_second"), 500);
	json_decref(json);
}

/* The words of a peer are no reason to end a daemon. */
static void owner_that_is_no_utf8_is_shown(void **state)
{
	json_t *json;

	(void)state;
	primary_reserve(primary, 2, device, "caf\xe9 \xff");
	json = secondary_show_devices(bed->ra);
	assert_string_equal(words(at(json, "devices", 1), "reserved_by"), "caf? ?");
	json_decref(json);
	primary_reserve(primary, 2, device, "caf\xc3\xa9");
	json = secondary_show_devices(bed->ra);
	assert_string_equal(words(at(json, "devices", 1), "reserved_by"), "caf\xc3\xa9");
	json_decref(json);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(devices_are_shown_with_state_users_jobs_and_owner),
		T(a_device_that_yields_tells_how_long_it_has), T(hung_device_is_shown_as_not_ready),
		T(rings_are_shown_in_order_from_the_active_job),
		T(idle_job_has_no_tracks),
		T(one_device_is_shown_alone_and_an_unknown_one_not), T(cache_is_shown), T(links_and_peers_are_shown),
		T(link_whose_peer_is_not_known_yet_has_no_name), T(limits_are_shown_by_scope),
		T(owner_that_is_no_utf8_is_shown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
