/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's requests to a secondary, through its socket: what is shown, limits changed, probes, and names that are not
 * known. Time is virtual.
 * check-style: long because each verb has its tests here.
 */
#include "secondary/control.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/log.h"
#include "base/rate.h"
#include "local/control_client.h"
#include "secondary/accept.h"
#include "secondary/device.h"
#include "secondary/peer.h"
#include "secondary/service.h"
#include "secondary/settings.h"
#include "storage/volume.h"
#include "tests/support/bed.h"
#include "tests/support/pair.h"
#include "tests/support/table_bed.h"
#include "wire/conn.h"

#define TRACKS 64u
#define ANSWERS 16u

static struct bed *bed;
static struct secondary_settings settings;
static struct service service;
static struct control *control;
static char folder[64], path[96];
/* The client. */
static struct conn *client;
static char payload[CONTROL_PAYLOAD_BYTES_MAX + 1];
static struct {
	enum status status; /* UNSET: no answer yet */
	char detail[DETAIL_MAX + 1];
	json_t *json;
} answers[ANSWERS];

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	(void)arg, (void)message, (void)payload_bytes;
	return payload;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	const struct msg_control_reply *reply = &message->control_reply;

	(void)arg;
	assert_int_equal(message->type, MESSAGE_CONTROL_REPLY);
	answers[reply->tag].status = reply->status;
	snprintf(answers[reply->tag].detail, sizeof(answers[reply->tag].detail), "%s", reply->detail);
	if (payload_bytes > 0) {
		answers[reply->tag].json = json_loadb(payload, payload_bytes, 0, NULL);
		assert_non_null(answers[reply->tag].json);
	}
	return 0;
}

static void on_up(void *arg)
{
	(void)arg;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	(void)arg, (void)reason, (void)clean;
	conn_free(client);
	client = NULL;
}

static int setup(void **state)
{
	static const struct conn_ops ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };
	struct ra_config config;
	char why[512];
	int fd;

	(void)state;
	bed_config(&config);
	bed = bed_new(&config, TRACKS);
	snprintf(folder, sizeof(folder), "/tmp/ra-control.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s.sock", folder);
	settings = (struct secondary_settings){
		.daemon = { .path = "/etc/ra/secondary.conf", .socket = path, .socket_mode = 0600, .socket_group = "",
			.admin_group = "", .device_count = BED_DEVICES },
		.peer_count = 1 };
	service = (struct service){ .started_with = &settings, .settings = &settings, .key = "sha256:ab",
		.post = bed->post, .ra = bed->ra, .peers = bed->peers, .accept = accept_new(bed->ra, bed->base, NULL) };
	control = control_new(&service, bed->base, why, sizeof(why));
	assert_non_null(control);
	fd = control_connect(path, NULL, why, sizeof(why));
	assert_true(fd >= 0);
	client = conn_new_plain(bed->base, bed->clock, fd, "client", &ops, NULL);
	return 0;
}

static void forget_answers(void)
{
	for (unsigned i = 0; i < ANSWERS; i++)
		json_decref(answers[i].json);
	memset(answers, 0, sizeof(answers));
}

static int teardown(void **state)
{
	(void)state;
	conn_free(client);
	control_free(control);
	accept_free(service.accept);
	forget_answers();
	for (unsigned i = 0; i < BED_DEVICES; i++)
		faulty_volume_hang_open(bed->volumes[i], false);
	bed_free(bed);
	assert_int_equal(rmdir(folder), 0); /* the socket file is gone */
	return 0;
}

static void ask(struct msg_control request)
{
	struct message message = { .type = MESSAGE_CONTROL, .control = request };

	message.control.protocol = RA_PROTOCOL_VERSION;
	conn_send(client, &message, NULL, 0, NULL, NULL);
}

/* The answer to one request; it must be OK. */
static json_t *answer(struct msg_control request)
{
	forget_answers();
	ask(request);
	BED_UNTIL(bed, answers[request.tag].status != STATUS_UNSET);
	assert_int_equal(answers[request.tag].status, STATUS_OK);
	return answers[request.tag].json;
}

static void assert_refused(struct msg_control request, enum status status, const char *words)
{
	forget_answers();
	ask(request);
	BED_UNTIL(bed, answers[request.tag].status != STATUS_UNSET);
	assert_int_equal(answers[request.tag].status, status);
	assert_non_null(strstr(answers[request.tag].detail, words));
}

static json_t *at(json_t *json, const char *outer, const char *inner)
{
	json = json_object_get(json, outer);
	return inner != NULL ? json_object_get(json, inner) : json;
}

static long long number_at(json_t *json, const char *outer, const char *inner)
{
	json = at(json, outer, inner);
	assert_true(json_is_integer(json));
	return json_integer_value(json);
}

static void assert_text(json_t *json, const char *key, const char *text)
{
	assert_true(json_is_string(json_object_get(json, key)));
	assert_string_equal(json_string_value(json_object_get(json, key)), text);
}

static void status_says_who_it_is_and_what_is_in_use(void **state)
{
	struct primary *primary = primary_new(bed);
	json_t *json;

	(void)state;
	primary_link(primary, primary_attach(primary, "d1"));
	bed_advance(bed, 1500);
	json = answer((struct msg_control){ .verb = VERB_STATUS });
	assert_text(json, "format", "ra-ctl/1");
	assert_text(json, "daemon", "ra-secondaryd");
	assert_text(json, "version", RA_VERSION);
	assert_text(json, "config", "/etc/ra/secondary.conf");
	assert_text(json, "key", "sha256:ab");
	assert_text(json, "socket", path);
	assert_true(json_real_value(json_object_get(json, "uptime_seconds")) == 1.5);
	assert_true(json_is_array(json_object_get(json, "listen")));
	assert_int_equal(number_at(json, "devices", NULL), BED_DEVICES);
	assert_int_equal(number_at(json, "peers", NULL), 1);
	assert_int_equal(number_at(json, "links_up", NULL), 1);
	assert_int_equal(number_at(json, "connections", "open"), 1);
	assert_int_equal(number_at(json, "connections", "strangers"), 0);
	assert_int_equal(number_at(json, "jobs", "link"), 1);
	assert_int_equal(number_at(json, "jobs", "fetch"), 0);
	assert_int_equal(number_at(json, "jobs", "free"), 63);
	assert_int_equal(number_at(json, "da", "threads"), DA_THREADS_SMALL_CACHE);
	assert_int_equal(number_at(json, "da", "running"), 0);
	assert_int_equal(number_at(json, "limit", "bytes_per_second"), 0);
	assert_int_equal(number_at(json, "errors_total", NULL), 0);
	primary_drop(primary);
}

static void errors_are_counted_by_status(void **state)
{
	struct primary *primary = primary_new(bed);
	json_t *json;

	(void)state;
	faulty_volume_set_open_error(bed->volumes[0], EIO);
	primary_send(primary,
		&(struct message){ .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 3, .device = "d0" } });
	assert_int_equal(primary_wait(primary, 3)->status, STATUS_VOLUME_ERROR);
	json = answer((struct msg_control){ .verb = VERB_STATUS });
	assert_int_equal(number_at(json, "errors", "VOLUME_ERROR"), 1);
	assert_int_equal(number_at(json, "errors_total", NULL), 1);
	json = answer((struct msg_control){ .verb = VERB_ERRORS });
	assert_int_equal(json_array_size(json_object_get(json, "errors")), 1);
	primary_drop(primary);
}

static void a_volume_that_cannot_be_opened_is_posted_with_its_path(void **state)
{
	json_t *errors;

	(void)state;
	assert_true(device_array_add(bed->ra->devices, "gone", volume_new("/no/such/volume", IO_MODE_AUTO)) >= 0);
	answer((struct msg_control){ .verb = VERB_PROBE, .name = "gone" });
	errors = json_object_get(answer((struct msg_control){ .verb = VERB_ERRORS }), "errors");
	assert_int_equal(json_array_size(errors), 1);
	assert_text(json_array_get(errors, 0), "text", "cannot open /no/such/volume: No such file or directory");
}

static void each_verb_has_its_answer(void **state)
{
	(void)state;
	assert_int_equal(json_array_size(at(answer((struct msg_control){ .verb = VERB_DEVICES }), "devices", NULL)), 3);
	assert_int_equal(number_at(answer((struct msg_control){ .verb = VERB_CACHE }), "cache", "bytes"), 16 * MIB);
	assert_int_equal(json_array_size(at(answer((struct msg_control){ .verb = VERB_LINKS }), "peers", NULL)), 1);
	assert_int_equal(number_at(at(answer((struct msg_control){ .verb = VERB_LIMIT }), "devices", NULL), "d2",
		"reads_per_second"), 0);
}

static void jobs_are_of_one_device_or_of_all(void **state)
{
	struct primary *primary = primary_new(bed);
	json_t *devices;

	(void)state;
	primary_link(primary, primary_attach(primary, "d0"));
	primary_link(primary, primary_attach(primary, "d2"));
	devices = at(answer((struct msg_control){ .verb = VERB_JOBS }), "devices", NULL);
	assert_int_equal(json_array_size(devices), 2);
	devices = at(answer((struct msg_control){ .verb = VERB_JOBS, .name = "d2" }), "devices", NULL);
	assert_int_equal(json_array_size(devices), 1);
	assert_text(json_array_get(devices, 0), "name", "d2");
	assert_int_equal(number_at(json_array_get(devices, 0), "job_count", NULL), 1);
	primary_drop(primary);
}

static void names_that_are_not_known_are_refused(void **state)
{
	(void)state;
	assert_refused((struct msg_control){ .verb = VERB_JOBS, .name = "d3" }, STATUS_NO_SUCH_DEVICE, "no device d3");
	assert_refused((struct msg_control){ .verb = VERB_PROBE, .name = "d3" }, STATUS_NO_SUCH_DEVICE, "no device d3");
	assert_refused((struct msg_control){ .verb = VERB_PROBE }, STATUS_NO_SUCH_DEVICE, "no device");
	assert_refused((struct msg_control){ .verb = VERB_PROOF, .name = "d1" }, STATUS_BAD_REQUEST, "ask ra-primaryd");
	assert_refused((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_DEVICE, .name = "bed", .sets_bytes = true },
		STATUS_NO_SUCH_DEVICE, "no device bed");
	assert_refused((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_PEER, .name = "d1", .sets_bytes = true },
		STATUS_NO_SUCH_DEVICE, "no peer d1");
}

static void a_replaced_device_is_not_probed(void **state)
{
	(void)state;
	device_array_set_listing(bed->ra->devices, 1, DEVICE_REPLACED);
	assert_refused((struct msg_control){ .verb = VERB_PROBE, .name = "d1" }, STATUS_NOT_PERMITTED,
		"the volume of d1 was changed in the configuration: restart ra-secondaryd");
	assert_int_equal(faulty_volume_count(bed->volumes[1]).opens, 0);
}

static void a_limit_is_changed_one_value_at_a_time(void **state)
{
	json_t *json;

	(void)state;
	answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_TOTAL, .sets_bytes = true, .bytes_per_s = 1000 });
	json = answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_TOTAL, .sets_reads = true,
		.reads_per_s = 5 });
	assert_int_equal(number_at(json, "total", "bytes_per_second"), 1000);
	assert_int_equal(number_at(json, "total", "reads_per_second"), 5);
	answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_DEVICE, .name = "d1", .sets_bytes = true,
		.bytes_per_s = 2000 });
	json = answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_PEER, .name = "bed", .sets_reads = true,
		.reads_per_s = 7 });
	assert_int_equal(number_at(json_object_get(json, "devices"), "d1", "bytes_per_second"), 2000);
	assert_int_equal(number_at(json_object_get(json, "devices"), "d0", "bytes_per_second"), 0);
	assert_int_equal(number_at(json_object_get(json, "peers"), "bed", "reads_per_second"), 7);
	assert_int_equal(number_at(json_object_get(json, "peers"), "bed", "bytes_per_second"), 0);
	assert_int_equal(rate_limit(bed->ra->total_rate).bytes_per_s, 1000);
	assert_int_equal(rate_limit(device_array_rate(bed->ra->devices, 1)).bytes_per_s, 2000);
	assert_int_equal(rate_limit(bed->peer->rate).reads_per_s, 7);
	json = answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_TOTAL, .sets_bytes = true,
		.sets_reads = true });
	assert_int_equal(number_at(json, "total", "bytes_per_second"), 0);
	assert_int_equal(number_at(json, "total", "reads_per_second"), 0);
}

static void a_change_is_logged_once_it_was_made(void **state)
{
	char *log, expected[160];

	(void)state;
	snprintf(expected, sizeof(expected), "uid %u sets the limit of device d1: 1000 bytes/s and 0 reads/s (0: none)",
		getuid());
	log_start("ra", LOG_LEVEL_INFO);
	capture_start();
	assert_refused((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_DEVICE, .name = "d9", .sets_bytes = true },
		STATUS_NO_SUCH_DEVICE, "no device d9");
	log = capture_end();
	assert_null(strstr(log, "limit"));
	free(log);
	capture_start();
	answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_DEVICE, .name = "d1", .sets_bytes = true,
		.bytes_per_s = 1000 });
	log = capture_end();
	log_start("ra", LOG_LEVEL_WARNING);
	assert_non_null(strstr(log, expected));
	free(log);
}

static void the_log_level_is_told_and_changed(void **state)
{
	char *log, expected[80];

	(void)state;
	log_start("ra", LOG_LEVEL_WARNING);
	json_t *json = answer((struct msg_control){ .verb = VERB_LOG_LEVEL });
	assert_string_equal(json_string_value(at(json, "log_level", NULL)), "warning");
	capture_start();
	json = answer((struct msg_control){ .verb = VERB_LOG_LEVEL, .log_level = LOG_LEVEL_ERROR + 1 });
	log = capture_end();
	assert_string_equal(json_string_value(at(json, "log_level", NULL)), "error");
	assert_int_equal(log_level(), LOG_LEVEL_ERROR);
	log_set_level(LOG_LEVEL_WARNING);
	snprintf(expected, sizeof(expected), "info: uid %u sets the log level to error\n", getuid());
	assert_non_null(strstr(log, expected));
	free(log);
}

static void a_secondary_has_no_reports(void **state)
{
	(void)state;
	assert_refused((struct msg_control){ .verb = VERB_REPORTS, .name = "d1" }, STATUS_BAD_REQUEST,
		"ra-secondaryd keeps no reports: ask ra-primaryd");
	assert_refused((struct msg_control){ .verb = VERB_REPORT, .name = "d1" }, STATUS_BAD_REQUEST,
		"ra-secondaryd keeps no reports: ask ra-primaryd");
}

static void a_limit_frees_a_read_that_waits_for_it(void **state)
{
	struct primary *primary = primary_new(bed);
	uint32_t device = primary_attach(primary, "d0");
	uint64_t link = primary_link(primary, device);

	(void)state;
	answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_PEER, .name = "bed", .sets_bytes = true,
		.bytes_per_s = 1 });
	primary_read(primary, 1, link, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1); /* the first always passes */
	primary_read(primary, 2, link, device, 1, 1, DELIVERY_HOLD);
	for (unsigned i = 0; i < 20; i++)
		bed_pass(bed);
	assert_int_equal(primary->answers[2].replies, 0);
	answer((struct msg_control){ .verb = VERB_LIMIT, .scope = SCOPE_PEER, .name = "bed", .sets_bytes = true });
	bed_advance(bed, 0);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_OK);
	primary_drop(primary);
}

/* Time passes until the probe of tag has its answer. */
static json_t *probe_answer(unsigned tag)
{
	for (unsigned i = 0; i < 2000 && answers[tag].status == STATUS_UNSET; i++)
		bed_advance(bed, 10);
	assert_int_equal(answers[tag].status, STATUS_OK);
	return answers[tag].json;
}

static void a_probe_tells_the_volume_and_its_speed(void **state)
{
	json_t *json;

	(void)state;
	ask((struct msg_control){ .tag = 1, .verb = VERB_PROBE, .name = "d1" });
	json = probe_answer(1);
	assert_text(json, "device", "d1");
	assert_int_equal(number_at(json, "volume", "bytes"), TRACKS * BED_TRACK_BYTES);
	assert_true(number_at(json, "bytes_read", NULL) > 0);
	assert_true(json_real_value(json_object_get(json, "seconds")) >= 2);
	assert_true(number_at(json, "bytes_per_second", NULL) > 0);
	assert_int_equal(number_at(json, "unreadable_tracks", NULL), 0);
	assert_null(json_object_get(json, "error"));
	BED_UNTIL(bed, device_array_is_idle(bed->ra->devices));
}

static void a_probe_tells_the_limit_that_binds(void **state)
{
	const struct rate_limit mib_a_second = { .bytes_per_s = MIB }, none = { 0 };
	json_t *json;

	(void)state;
	rate_set(device_array_rate(bed->ra->devices, 1), &mib_a_second);
	ask((struct msg_control){ .tag = 1, .verb = VERB_PROBE, .name = "d1" });
	json = probe_answer(1);
	assert_text(json, "binds", "the limit of the device");
	assert_int_equal(number_at(json, "bytes_per_second", NULL), MIB); /* though 3 MiB were read in 2 s */
	rate_set(device_array_rate(bed->ra->devices, 1), &none);
	rate_set(bed->ra->total_rate, &mib_a_second);
	ask((struct msg_control){ .tag = 2, .verb = VERB_PROBE, .name = "d1" });
	assert_text(probe_answer(2), "binds", "the limit of this daemon (total)");
	rate_set(bed->ra->total_rate, &none);
	ask((struct msg_control){ .tag = 3, .verb = VERB_PROBE, .name = "d1" });
	assert_null(json_object_get(probe_answer(3), "binds"));
}

static void a_probe_tells_why_a_volume_cannot_be_opened(void **state)
{
	json_t *json;

	(void)state;
	faulty_volume_set_open_error(bed->volumes[1], ENOENT);
	ask((struct msg_control){ .tag = 1, .verb = VERB_PROBE, .name = "d1" });
	json = probe_answer(1);
	assert_text(json, "device", "d1");
	assert_true(strlen(json_string_value(json_object_get(json, "error"))) > 0);
	assert_int_equal(json_object_size(json), 2);
}

static void a_device_has_one_probe_at_a_time(void **state)
{
	(void)state;
	ask((struct msg_control){ .tag = 1, .verb = VERB_PROBE, .name = "d1" });
	ask((struct msg_control){ .tag = 2, .verb = VERB_PROBE, .name = "d1" });
	ask((struct msg_control){ .tag = 3, .verb = VERB_PROBE, .name = "d2" });
	BED_UNTIL(bed, answers[2].status != STATUS_UNSET);
	assert_int_equal(answers[2].status, STATUS_BUSY);
	probe_answer(1);
	probe_answer(3);
	ask((struct msg_control){ .tag = 4, .verb = VERB_PROBE, .name = "d1" });
	probe_answer(4);
}

static void eight_devices_are_probed_at_once(void **state)
{
	char name[8];

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "x%u", i);
		device_array_add(bed->ra->devices, name, volume_new("/nowhere/volume", IO_MODE_AUTO));
	}
	for (unsigned i = 0; i < 9; i++) { /* all are there before any open is answered */
		struct msg_control request = { .tag = i, .verb = VERB_PROBE };

		snprintf(request.name, sizeof(request.name), "x%u", i);
		ask(request);
	}
	for (unsigned i = 0; i < 8; i++)
		assert_non_null(json_object_get(probe_answer(i), "error"));
	assert_int_equal(answers[8].status, STATUS_BUSY);
}

/* The answer; it must be OK. */
static json_t *change_tracks(enum tracks_action action, uint64_t first, uint64_t count)
{
	const uint64_t packed[] = { htole64(first), htole64(count) };
	const struct message message = { .type = MESSAGE_CONTROL, .control = { .protocol = RA_PROTOCOL_VERSION,
		.verb = VERB_TRACKS, .name = "d1", .action = action } };

	forget_answers();
	conn_send(client, &message, &(struct conn_piece){ packed, sizeof(packed) }, 1, NULL, NULL);
	BED_UNTIL(bed, answers[0].status != STATUS_UNSET);
	assert_int_equal(answers[0].status, STATUS_OK);
	return answers[0].json;
}

static void invalid_tracks_are_marked_cleared_and_listed(void **state)
{
	const struct msg_control list = { .verb = VERB_TRACKS, .name = "d1", .action = TRACKS_LIST };
	json_t *ranges, *devices;

	(void)state;
	for (uint32_t i = 0; i < BED_DEVICES; i++)
		bed_add_table(bed, i);
	devices = at(answer((struct msg_control){ .verb = VERB_DEVICES }), "devices", NULL);
	assert_null(json_object_get(json_array_get(devices, 1), "invalid_tracks")); /* not known yet */
	assert_int_equal(number_at(change_tracks(TRACKS_MARK, 3, 4), "tracks", NULL), 4);
	assert_int_equal(number_at(change_tracks(TRACKS_CLEAR, 4, 1), "tracks", NULL), 3);
	ranges = at(answer(list), "ranges", NULL);
	assert_int_equal(json_array_size(ranges), 2);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(ranges, 1), 0)), 5);
	devices = at(answer((struct msg_control){ .verb = VERB_DEVICES }), "devices", NULL);
	assert_int_equal(number_at(json_array_get(devices, 1), "invalid_tracks", NULL), 3);
	assert_null(json_object_get(json_array_get(devices, 0), "invalid_tracks"));
	assert_refused((struct msg_control){ .verb = VERB_TRACKS, .name = "d3", .action = TRACKS_LIST },
		STATUS_NO_SUCH_DEVICE, "no device d3");
	assert_refused((struct msg_control){ .verb = VERB_TRACKS, .name = "d1" }, STATUS_BAD_REQUEST, "listed, marked");
}

/* It waits for the disk then. */
static void the_end_of_the_daemon_ends_a_question_for_tracks(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BED_DEVICES; i++)
		bed_add_table(bed, i);
	ask((struct msg_control){ .tag = 1, .verb = VERB_TRACKS, .name = "d1", .action = TRACKS_LIST });
	while (bed_da(bed).elements_used == 0)
		event_base_loop(bed->base, EVLOOP_NONBLOCK);
	control_free(control); /* asserts that no request is left */
	control = NULL;
	BED_UNTIL(bed, client == NULL);
}

static void the_end_of_the_daemon_ends_a_probe(void **state)
{
	(void)state;
	faulty_volume_hang_open(bed->volumes[1], true);
	ask((struct msg_control){ .tag = 1, .verb = VERB_PROBE, .name = "d1" });
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[1]).stuck == 1);
	control_free(control);
	control = NULL;
	BED_UNTIL(bed, client == NULL);
	faulty_volume_hang_open(bed->volumes[1], false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_says_who_it_is_and_what_is_in_use),
		TEST(errors_are_counted_by_status),
		TEST(a_volume_that_cannot_be_opened_is_posted_with_its_path),
		TEST(each_verb_has_its_answer),
		TEST(jobs_are_of_one_device_or_of_all),
		TEST(names_that_are_not_known_are_refused),
		TEST(a_replaced_device_is_not_probed),
		TEST(a_limit_is_changed_one_value_at_a_time),
		TEST(a_change_is_logged_once_it_was_made),
		TEST(the_log_level_is_told_and_changed),
		TEST(a_secondary_has_no_reports),
		TEST(a_limit_frees_a_read_that_waits_for_it),
		TEST(a_probe_tells_the_volume_and_its_speed),
		TEST(a_probe_tells_the_limit_that_binds),
		TEST(a_probe_tells_why_a_volume_cannot_be_opened),
		TEST(a_device_has_one_probe_at_a_time),
		TEST(eight_devices_are_probed_at_once),
		TEST(invalid_tracks_are_marked_cleared_and_listed),
		TEST(the_end_of_the_daemon_ends_a_question_for_tracks),
		TEST(the_end_of_the_daemon_ends_a_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
