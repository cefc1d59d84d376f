/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configured primary answers to ra-ctl: each verb's keys, filters, changed limits, refusals. The service is put
 * together by hand around a world and a real host; the server's side of a request is the test's.
 * check-style: long because one bed serves every kind of answer.
 */
#include "primary/control.h"

#include <assert.h>
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/metrics.h"
#include "base/post.h"
#include "base/rate.h"
#include "local/server.h"
#include "primary/keep.h"
#include "primary/local.h"
#include "primary/proof.h"
#include "primary/service_parts.h"
#include "storage/invalid_table.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/host_bed.h"

#define LINK_ID 0x0007000000000001ull

/* ---- The server's side of a request, defined here so that the linker leaves the real one out ---- */

struct control_request {
	struct msg_control message;
	const uint8_t *payload;
	uint32_t payload_bytes;
	unsigned answers;
	json_t *json; /* NULL: refused */
	enum status status;
	char detail[DETAIL_MAX + 1];
};

const struct msg_control *control_message(const struct control_request *request)
{
	return &request->message;
}

const uint8_t *control_payload(const struct control_request *request, uint32_t *bytes)
{
	*bytes = request->payload_bytes;
	return request->payload;
}

uid_t control_uid(const struct control_request *request)
{
	(void)request;
	return 0;
}

void control_answer(struct control_request *request, json_t *json)
{
	request->answers++;
	request->json = json;
	request->status = STATUS_OK;
}

void control_refuse(struct control_request *request, enum status status, const char *format, ...)
{
	va_list args;
	request->answers++;
	request->status = status;
	va_start(args, format);
	vsnprintf(request->detail, sizeof(request->detail), format, args);
	va_end(args);
}

/* ---- The service ---- */

struct fixture {
	struct host_end *end;
	struct service service;
	struct primary_settings settings;
	struct primary_peer_settings peer;
	struct device_settings device;
	unsigned device_peer;
	struct service_peer service_peer, *peers[1];
	struct service_device *devices[1];
	struct service_host host;
	struct control_request request;
	char state[32];
	struct invalid_table *table;
};

static struct limit_pair new_limit(struct fixture *f, uint64_t bytes_per_s, bool is_local)
{
	struct rate_limit limit = { .bytes_per_s = bytes_per_s };
	return (struct limit_pair){
		.local = is_local ? rate_new(f->end->world->throttle, &limit) : NULL,
		.remote = rate_new(f->end->world->throttle, &limit),
	};
}

static void free_limit(struct limit_pair *limit)
{
	rate_free(limit->local);
	rate_free(limit->remote);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_int_equal(host_end_set_up_open((void **)&f->end), 0);
	struct world *world = f->end->world;
	f->peer = (struct primary_peer_settings){ .name = "b", .address = "b.example:7447" };
	f->device = (struct device_settings){ .name = "volume", .volume = "/memory" };
	f->settings = (struct primary_settings){
		.daemon = { .path = "/etc/ra/primary.conf", .socket = "/run/ra/primary.sock", .devices = &f->device,
			.device_count = 1 },
		.peers = &f->peer,
		.peer_count = 1,
		.device_peers = &f->device_peer,
	};
	f->service_peer = (struct service_peer){ .magic = SERVICE_PEER_MAGIC, .settings = &f->peer, .remote = world->remote,
		.limit = new_limit(f, 3000, false) };
	f->peers[0] = &f->service_peer;
	f->devices[0] = (struct service_device *)f->end->device;
	f->devices[0]->made_with = &f->device;
	f->devices[0]->limit = new_limit(f, 2000, true);
	f->devices[0]->peer = &f->service_peer;
	f->devices[0]->prev = f->devices[0];
	f->host = (struct service_host){ .magic = SERVICE_HOST_MAGIC, .service = &f->service, .host = f->end->host };
	f->host.prev = &f->host;
	f->service = (struct service){
		.magic = SERVICE_MAGIC,
		.core = { .base = world->base, .clock = world->clock, .da = world->da, .post = world->post,
			.throttle = world->throttle },
		.started_with = &f->settings,
		.settings = &f->settings,
		.limit = new_limit(f, 1000, true),
		.peers = f->peers,
		.devices = f->devices,
		.made = f->devices[0],
		.hosts = &f->host,
	};
	snprintf(f->service.key, sizeof(f->service.key), "sha256:test");
	snprintf(f->state, sizeof(f->state), "/tmp/ra-show.XXXXXX");
	assert_non_null(mkdtemp(f->state));
	const struct invalid_config invalid = { .clock = world->clock, .da = world->da, .post = world->post,
		.state = f->state, .device = "volume", .track_bytes = WORLD_TRACK_BYTES };
	f->end->device->invalid = f->table = invalid_table_new(&invalid);
	*state = f;
	return 0;
}

static void remove_state(const struct fixture *f)
{
	static const char *const names[] = { "/volume/invalid", "/volume/invalid.lock", "/volume", "" };
	for (unsigned i = 0; i < 4; i++) {
		char *path = xasprintf("%s%s", f->state, names[i]);
		remove(path);
		free(path);
	}
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	json_decref(f->request.json);
	free_limit(&f->service_peer.limit);
	free_limit(&f->devices[0]->limit);
	free_limit(&f->service.limit);
	invalid_table_end(f->table);
	host_end_tear_down((void **)&f->end);
	invalid_table_free(f->table);
	remove_state(f);
	free(f);
	return 0;
}

/* The answer; NULL when it was refused. */
static json_t *ask(struct fixture *f, enum control_verb verb, const char *name)
{
	json_decref(f->request.json);
	f->request = (struct control_request){ .message = { .protocol = RA_PROTOCOL_VERSION, .verb = verb } };
	snprintf(f->request.message.name, sizeof(f->request.message.name), "%s", name);
	control_serve(&f->service, &f->request);
	assert_int_equal(f->request.answers, 1);
	return f->request.json;
}

static json_t *at(json_t *json, const char *key)
{
	json_t *found = json_object_get(json, key);
	if (!found)
		fail_msg("no %s", key);
	return found;
}

static void assert_text(json_t *json, const char *key, const char *text)
{
	assert_string_equal(json_string_value(at(json, key)), text);
}

static void assert_count(json_t *json, const char *key, json_int_t count)
{
	assert_int_equal(json_integer_value(at(json, key)), count);
}

static json_t *only(json_t *json, const char *key)
{
	json_t *array = at(json, key);
	assert_int_equal(json_array_size(array), 1);
	return json_array_get(array, 0);
}

static void status_has_the_counts_of_now(void **state)
{
	struct fixture *f = *state;
	post_error(f->end->world->post, STATUS_TIMEOUT, &(struct post_where){ .device = "volume" }, "a test");
	clock_advance(f->end->world->clock, 2500);
	json_t *json = ask(f, VERB_STATUS, "");
	assert_text(json, "format", "ra-ctl/1");
	assert_text(json, "daemon", "ra-primaryd");
	assert_text(json, "version", RA_VERSION);
	assert_text(json, "config", "/etc/ra/primary.conf");
	assert_text(json, "key", "sha256:test");
	assert_text(json, "socket", "/run/ra/primary.sock");
	assert_true(json_number_value(at(json, "uptime_seconds")) >= 2.5);
	assert_count(json, "devices", 1);
	assert_count(json, "peers", 1);
	assert_count(json, "links_up", 1);
	assert_count(json, "hosts", 1);
	assert_count(at(json, "limit"), "bytes_per_second", 1000);
	assert_count(at(json, "da"), "threads", 4);
	assert_count(at(json, "da"), "running", 0);
	assert_int_equal(json_array_size(at(at(at(json, "da"), "read_times"), "buckets")), HISTOGRAM_BUCKETS + 1);
	assert_null(json_object_get(json, "certificate_ends"));
	assert_count(at(json, "errors"), "TIMEOUT", 1);
	assert_count(json, "errors_total", 1);
}

static void status_shows_each_run_as_its_host_tells_it(void **state)
{
	struct fixture *f = *state;
	json_t *run = only(ask(f, VERB_STATUS, ""), "runs");
	assert_text(run, "device", "volume");
	assert_text(run, "host", host_owner(f->end->host));
	assert_null(json_object_get(run, "phase")); /* it has not said anything yet */
	assert_null(json_object_get(run, "done_tracks"));

	host_end_out(f->end, MESSAGE_HOST_PROGRESS)->host_progress = (struct msg_host_progress){ "settling", 10, 20, 3, 4,
		500, 600, "link", 70, 80 };
	host_end_send(f->end);
	run = only(ask(f, VERB_STATUS, ""), "runs");
	assert_text(run, "phase", "settling");
	assert_count(run, "done_tracks", 10);
	assert_count(run, "total_tracks", 20);
	assert_count(run, "different_tracks", 3);
	assert_count(run, "settling_tracks", 4);
	assert_count(run, "local_bytes_per_second", 500);
	assert_count(run, "remote_bytes_per_second", 600);
	assert_text(run, "binds", "link");
	assert_count(run, "left_seconds", 70);
	assert_count(run, "elapsed_seconds", 80);

	host_end_out(f->end, MESSAGE_HOST_PROGRESS)->host_progress = (struct msg_host_progress){ .phase = "opening" };
	host_end_send(f->end);
	run = only(ask(f, VERB_STATUS, ""), "runs");
	assert_null(json_object_get(run, "left_seconds")); /* not known, as is what binds */
	assert_null(json_object_get(run, "binds"));
}

static void host_without_a_device_is_no_run(void **state)
{
	struct fixture *f = *state;
	struct host_end *other = host_end_new(f->end, false);
	host_end_hello(other);
	f->host.host = other->host;
	assert_int_equal(json_array_size(at(ask(f, VERB_STATUS, ""), "runs")), 0);
	assert_count(f->request.json, "hosts", 1);
	host_end_free(other);
}

static void devices_tell_their_volume_while_it_is_open(void **state)
{
	struct fixture *f = *state;
	json_t *device = only(ask(f, VERB_DEVICES, ""), "devices");
	assert_text(device, "name", "volume");
	assert_text(device, "path", "/memory");
	assert_text(device, "state", "open");
	assert_text(device, "peer", "b");
	assert_true(json_is_true(at(device, "ready")));
	assert_false(json_is_true(at(device, "replaced")));
	assert_count(device, "users", 1);
	assert_count(device, "jobs", 0);
	assert_true(json_is_null(at(device, "reserved_by")));
	assert_count(at(device, "limit"), "bytes_per_second", 2000);
	assert_count(at(device, "volume"), "bytes", HOST_SIZE_BYTES);

	host_end_hang_up(f->end);
	f->service.hosts = NULL;
	world_settle(f->end->world);
	assert_true(WORLD_UNTIL(f->end->world, local_is_idle(f->end->world->local)));
	device = only(ask(f, VERB_DEVICES, ""), "devices");
	assert_text(device, "state", "closed");
	assert_count(device, "users", 0);
	assert_null(json_object_get(device, "volume"));
	f->end->device->is_replaced = true;
	assert_true(json_is_true(at(only(ask(f, VERB_DEVICES, ""), "devices"), "replaced")));
}

static void device_names_who_reserved_it(void **state)
{
	struct fixture *f = *state;
	char detail[DETAIL_MAX + 1];
	struct local_attach_spec spec = { .owner = "ra-compare[7]" };
	struct local_user *user = local_attach(f->end->world->local, &spec);
	assert_int_equal(local_reserve(user, false, detail), STATUS_OK);
	json_t *device = only(ask(f, VERB_DEVICES, ""), "devices");
	assert_text(device, "reserved_by", "ra-compare[7]");
	assert_true(json_is_false(at(device, "exclusive")));
	assert_int_equal(local_reserve(user, true, detail), STATUS_OK);
	assert_true(json_is_true(at(only(ask(f, VERB_DEVICES, ""), "devices"), "exclusive")));
	local_detach(user);
}

static void jobs_are_those_of_the_hosts_streams(void **state)
{
	struct fixture *f = *state;
	json_t *device = only(ask(f, VERB_JOBS, ""), "devices");
	assert_int_equal(json_array_size(at(device, "jobs")), 0);
	host_end_send_read(f->end, 1, SIDE_REMOTE, 4, 2, 0);
	host_end_make_job(f->end, LINK_ID);
	clock_advance(f->end->world->clock, 1500);
	device = only(ask(f, VERB_JOBS, "volume"), "devices");
	assert_text(device, "name", "volume");
	json_t *job = only(device, "jobs");
	assert_memory_equal(json_string_value(at(job, "host")), "process ", 8);
	assert_text(job, "state", "ready");
	assert_text(job, "read", "requested");
	assert_text(job, "link_id", "0x0007000000000001");
	assert_count(job, "first_track", 4);
	assert_count(job, "tracks", 2);
	assert_true(json_number_value(at(job, "age_seconds")) >= 1.5);
	assert_count(only(ask(f, VERB_DEVICES, ""), "devices"), "jobs", 1);
	assert_count(only(ask(f, VERB_LINKS, ""), "links"), "reads_connected", 1);
}

static void unknown_device_is_refused(void **state)
{
	struct fixture *f = *state;
	assert_null(ask(f, VERB_JOBS, "other"));
	assert_int_equal(f->request.status, STATUS_NO_SUCH_DEVICE);
	assert_string_equal(f->request.detail, "there is no device 'other'");
}

static void link_tells_its_state(void **state)
{
	struct fixture *f = *state;
	clock_advance(f->end->world->clock, 3000);
	world_settle(f->end->world);
	json_t *link = only(ask(f, VERB_LINKS, ""), "links");
	assert_text(link, "peer", "b");
	assert_text(link, "address", "b.example:7447");
	assert_text(link, "key", f->end->world->secondary_key);
	assert_text(link, "state", "up");
	assert_true(json_number_value(at(link, "since_seconds")) >= 3);
	assert_count(link, "relinks", 0);
	assert_count(link, "window", 8);
	assert_true(json_integer_value(at(link, "wire_bytes")) > 0);
	assert_null(json_object_get(link, "error"));
	assert_null(json_object_get(link, "retry_in_seconds"));
	assert_count(at(link, "limit"), "bytes_per_second", 3000);

	fake_secondary_hang_up(f->end->secondary);
	world_settle(f->end->world);
	link = only(ask(f, VERB_LINKS, ""), "links");
	assert_string_not_equal(json_string_value(at(link, "state")), "up");
	assert_non_null(strstr(json_string_value(at(link, "error")), "closed"));
	assert_null(json_object_get(link, "window"));
	assert_count(ask(f, VERB_STATUS, ""), "links_up", 0);
}

static void errors_are_those_posted(void **state)
{
	struct fixture *f = *state;
	post_error(f->end->world->post, STATUS_TIMEOUT, &(struct post_where){ .device = "volume" }, "a test");
	assert_text(only(ask(f, VERB_ERRORS, ""), "errors"), "text", "a test");
}

static void limits_are_shown_with_the_time_of_both_sides(void **state)
{
	struct fixture *f = *state;
	struct rate_waiter waiters[2] = { { 0 } };
	struct rate *local[RATES_MAX] = { f->service.limit.local }, *remote[RATES_MAX] = { f->service.limit.remote };
	struct throttle *throttle = f->end->world->throttle;
	assert_true(rate_enter(throttle, &waiters[0], local, f, 1000, NULL, NULL));
	assert_true(rate_enter(throttle, &waiters[0], remote, f, 1000, NULL, NULL));
	assert_false(rate_enter(throttle, &waiters[0], local, f, 1000, NULL, NULL));
	assert_false(rate_enter(throttle, &waiters[1], remote, f, 1000, NULL, NULL));
	clock_advance(f->end->world->clock, 500);
	json_t *json = ask(f, VERB_LIMIT, "");
	assert_float_equal(json_number_value(at(at(json, "total"), "throttled_seconds")), 1, 0.001);
	assert_count(at(json, "total"), "bytes_per_second", 1000);
	assert_count(at(at(json, "devices"), "volume"), "bytes_per_second", 2000);
	assert_count(at(at(json, "peers"), "b"), "bytes_per_second", 3000);
	rate_leave(&waiters[0]);
	rate_leave(&waiters[1]);
}

static void limit_of_a_run_is_shown_with_its_host(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(json_array_size(at(ask(f, VERB_LIMIT, ""), "hosts")), 0);

	struct host_end *limited = host_end_new(f->end, false);
	host_end_hello(limited);
	struct msg_host_open *open = &host_end_out(limited, MESSAGE_HOST_OPEN)->host_open;
	snprintf(open->device, sizeof(open->device), "volume");
	snprintf(open->owner, sizeof(open->owner), "a limited run");
	open->limit_bytes_per_s = 4000;
	host_end_send(limited);
	world_settle(f->end->world);
	f->host.host = limited->host;
	json_t *run = only(ask(f, VERB_LIMIT, ""), "hosts");
	assert_text(run, "host", "a limited run");
	assert_count(run, "bytes_per_second", 4000);
	assert_float_equal(json_number_value(at(run, "throttled_seconds")), 0, 0.001);
	host_end_free(limited);
}

static json_t *set_limit(struct fixture *f, enum limit_scope scope, const char *name, bool sets_bytes, bool sets_reads)
{
	json_decref(f->request.json);
	f->request = (struct control_request){ .message = { .verb = VERB_LIMIT, .scope = scope, .sets_bytes = sets_bytes,
		.bytes_per_s = 77, .sets_reads = sets_reads, .reads_per_s = 5 } };
	snprintf(f->request.message.name, sizeof(f->request.message.name), "%s", name);
	control_serve(&f->service, &f->request);
	assert_int_equal(f->request.answers, 1);
	return f->request.json;
}

static void limit_is_set_on_both_sides(void **state)
{
	struct fixture *f = *state;
	json_t *json = set_limit(f, SCOPE_TOTAL, "", true, false);
	assert_count(at(json, "total"), "bytes_per_second", 77);
	assert_int_equal(rate_limit(f->service.limit.local).bytes_per_s, 77);
	assert_int_equal(rate_limit(f->service.limit.remote).bytes_per_s, 77);
	assert_int_equal(rate_limit(f->service.limit.local).reads_per_s, 0);
	set_limit(f, SCOPE_DEVICE, "volume", false, true); /* the other half stays */
	assert_int_equal(rate_limit(f->devices[0]->limit.local).reads_per_s, 5);
	assert_int_equal(rate_limit(f->devices[0]->limit.remote).reads_per_s, 5);
	assert_int_equal(rate_limit(f->devices[0]->limit.local).bytes_per_s, 2000);
	set_limit(f, SCOPE_PEER, "b", true, true);
	assert_int_equal(rate_limit(f->service_peer.limit.remote).bytes_per_s, 77);
	assert_int_equal(rate_limit(f->service_peer.limit.remote).reads_per_s, 5);
}

static void limit_of_what_is_not_there_changes_nothing(void **state)
{
	struct fixture *f = *state;
	assert_null(set_limit(f, SCOPE_DEVICE, "b", true, true));
	assert_string_equal(f->request.detail, "there is no device 'b'");
	assert_null(set_limit(f, SCOPE_PEER, "volume", true, true));
	assert_string_equal(f->request.detail, "there is no peer 'volume'");
	assert_int_equal(rate_limit(f->devices[0]->limit.local).bytes_per_s, 2000);
	assert_int_equal(rate_limit(f->service_peer.limit.remote).bytes_per_s, 3000);
}

/* The answer; NULL when it was refused. */
static json_t *ask_tracks(struct fixture *f, const char *name, enum tracks_action action, uint64_t first,
	uint64_t count)
{
	const uint64_t packed[] = { htole64(first), htole64(count) };
	json_decref(f->request.json);
	f->request = (struct control_request){ .message = { .protocol = RA_PROTOCOL_VERSION, .verb = VERB_TRACKS,
		.action = action }, .payload = (const uint8_t *)packed, .payload_bytes = count > 0 ? sizeof(packed) : 0 };
	snprintf(f->request.message.name, sizeof(f->request.message.name), "%s", name);
	control_serve(&f->service, &f->request);
	assert_true(WORLD_UNTIL(f->end->world, f->request.answers > 0));
	assert_int_equal(f->request.answers, 1);
	return f->request.json;
}

static void invalid_tracks_are_marked_cleared_and_listed(void **state)
{
	struct fixture *f = *state;
	assert_null(json_object_get(only(ask(f, VERB_DEVICES, ""), "devices"), "invalid_tracks")); /* not known yet */
	assert_count(ask_tracks(f, "volume", TRACKS_MARK, 3, 4), "tracks", 4);
	assert_text(f->request.json, "device", "volume");
	assert_count(ask_tracks(f, "volume", TRACKS_CLEAR, 4, 1), "tracks", 3);
	json_t *ranges = at(ask_tracks(f, "volume", TRACKS_LIST, 0, 0), "ranges");
	assert_int_equal(json_array_size(ranges), 2);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(ranges, 1), 0)), 5);
	assert_count(only(ask(f, VERB_DEVICES, ""), "devices"), "invalid_tracks", 3);
	assert_null(ask_tracks(f, "other", TRACKS_LIST, 0, 0));
	assert_int_equal(f->request.status, STATUS_NO_SUCH_DEVICE);
	assert_null(ask_tracks(f, "volume", TRACKS_UNSET, 0, 0));
	assert_int_equal(f->request.status, STATUS_BAD_REQUEST);
	invalid_table_end(f->table);
	assert_null(ask_tracks(f, "volume", TRACKS_LIST, 0, 0));
	assert_int_equal(f->request.status, STATUS_LINK_LOST);
	assert_string_equal(f->request.detail, "the daemon ends");
}

static void proof_is_asked_of_what_is_kept_of_the_device(void **state)
{
	struct fixture *f = *state;
	struct world *world = f->end->world;
	struct keep_config config = { .clock = world->clock, .da = world->da, .post = world->post, .folder = "/nowhere",
		.device = "volume" };
	assert_null(ask(f, VERB_PROOF, "other"));
	assert_int_equal(f->request.status, STATUS_NO_SUCH_DEVICE);
	assert_string_equal(f->request.detail, "there is no device 'other'");
	f->end->device->keep = keep_new(&config);
	f->service.proofs = proofs_new(world->da);
	f->request.answers = 0;
	f->request.message.verb = VERB_PROOF;
	strcpy(f->request.message.name, "volume");
	control_serve(&f->service, &f->request);
	assert_int_equal(f->request.answers, 0);
	assert_true(WORLD_UNTIL(world, f->request.answers == 1));
	assert_int_equal(f->request.status, STATUS_OK);
	assert_string_equal(json_string_value(json_object_get(f->request.json, "device")), "volume");
	json_decref(f->request.json);
	f->request.json = NULL;
	proofs_free(f->service.proofs);
}

static void verbs_of_the_secondary_are_refused_with_words(void **state)
{
	struct fixture *f = *state;
	assert_null(ask(f, VERB_CACHE, ""));
	assert_int_equal(f->request.status, STATUS_BAD_REQUEST);
	assert_string_equal(f->request.detail, "ra-primaryd has no cache");
	assert_null(ask(f, VERB_PROBE, "volume"));
	assert_int_equal(f->request.status, STATUS_BAD_REQUEST);
	assert_null(ask(f, VERB_UNSET, ""));
	assert_int_equal(f->request.status, STATUS_BAD_REQUEST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_has_the_counts_of_now),
		TEST(status_shows_each_run_as_its_host_tells_it),
		TEST(host_without_a_device_is_no_run),
		TEST(devices_tell_their_volume_while_it_is_open),
		TEST(device_names_who_reserved_it),
		TEST(jobs_are_those_of_the_hosts_streams),
		TEST(unknown_device_is_refused),
		TEST(link_tells_its_state),
		TEST(errors_are_those_posted),
		TEST(limits_are_shown_with_the_time_of_both_sides),
		TEST(limit_of_a_run_is_shown_with_its_host),
		TEST(limit_is_set_on_both_sides),
		TEST(limit_of_what_is_not_there_changes_nothing),
		TEST(invalid_tracks_are_marked_cleared_and_listed),
		TEST(proof_is_asked_of_what_is_kept_of_the_device),
		TEST(verbs_of_the_secondary_are_refused_with_words),
	};
	return cmocka_run_group_tests_name("primary_show", tests, NULL, NULL);
}
