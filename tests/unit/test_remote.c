/* SPDX-License-Identifier: Apache-2.0
 *
 * The link: Hello, devices, link jobs, the window, each step of Fig. 6, wrong answers, loss, giving up. TLS and frames
 * are real; the secondary says what the test wants.
 * check-style: long because one link's surroundings serve every rule.
 */
#include "primary/remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/post.h"
#include "local/shm.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/pair.h"
#include "tests/support/world.h"

#define TRACK WORLD_TRACK_BYTES
#define SIZE_BYTES (10 * TRACK - 1000)
#define SLOT_BYTES (4 * TRACK)
#define LINK_ID 0x0007000000000001ull

struct info {
	unsigned count;
	enum status status;
	uint32_t track_bytes;
	uint64_t size_bytes;
	char detail[DETAIL_MAX + 1];
};

struct outcome {
	unsigned count;
	struct remote_read_result result;
	uint8_t states[RUN_TRACKS_MAX];
};

struct fixture {
	struct world *world;
	struct fake_secondary *secondary;
	struct shm *shm;
	struct remote_device *device;
	struct remote_job *a, *b;
	struct info info;
	struct outcome from_a, from_b;
};

static void on_info(void *arg, enum status status, const struct remote_about *about, const char *detail)
{
	const struct volume_info *info = about->info;
	uint32_t track_bytes = about->track_bytes;

	struct info *got = arg;
	got->count++;
	got->status = status;
	got->track_bytes = track_bytes;
	got->size_bytes = info ? info->size_bytes : 0;
	snprintf(got->detail, sizeof(got->detail), "%s", detail);
}

static void on_read(void *arg, const struct remote_read_result *result)
{
	struct outcome *got = arg;
	got->count++;
	got->result = *result;
	got->result.detail = NULL;
	if (result->states)
		memcpy(got->states, result->states, result->track_count);
}

static enum status read_run(struct fixture *f, struct remote_job *job, uint64_t first, uint32_t count,
	enum delivery delivery)
{
	struct remote_read_spec spec = {
		.first_track = first,
		.track_count = count,
		.delivery = delivery,
		.memory = shm_slot(f->shm, job == f->a ? 0 : 1),
		.memory_bytes = SLOT_BYTES,
		.shm = f->shm,
	};
	return remote_read(job, &spec, on_read, job == f->a ? &f->from_a : &f->from_b);
}

/* The next frame that came, which must be of this type. */
static const struct message *expect(struct fixture *f, enum message_type type)
{
	world_settle(f->world);
	const struct message *message = fake_secondary_take(f->secondary);
	assert_non_null(message);
	assert_string_equal(message_name(message->type), message_name(type));
	return message;
}

static void expect_silence(struct fixture *f)
{
	world_settle(f->world);
	assert_int_equal(fake_secondary_count(f->secondary), 0);
}

static void start(void **state, uint32_t window_reads)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;
	f->world = world_new(4);
	world_add_link(f->world, window_reads);
	f->secondary = f->world->secondary;
	assert_int_equal(shm_create(2, SLOT_BYTES, &f->shm, &fd), 0);
	close(fd);
	f->device = remote_attach(f->world->remote, "volume", &(struct remote_attach_spec){ 0 });
	*state = f;
}

static void attach(struct fixture *f)
{
	assert_int_equal(remote_query(f->device, on_info, &f->info), STATUS_OK);
	const struct message *query = expect(f, MESSAGE_DEVICE_QUERY);
	assert_string_equal(query->device_query.device, "volume");
	fake_secondary_volume(f->secondary, query->device_query.tag, SIZE_BYTES, TRACK);
	world_settle(f->world);
	assert_int_equal(f->info.count, 1);
	assert_int_equal(f->info.status, STATUS_OK);
	f->a = remote_job_new(f->device);
	f->b = remote_job_new(f->device);
}

/* The first read of a job is out: makes its link job; the Read that follows. */
static const struct message *make_job(struct fixture *f, uint64_t link_id)
{
	const struct message *create = expect(f, MESSAGE_READ);
	assert_int_equal(create->read.link_id, 0);
	assert_int_equal(create->read.device_number, 3);
	assert_int_equal(create->read.track_count, 0);
	fake_secondary_job(f->secondary, create->read.tag, link_id);
	const struct message *read = expect(f, MESSAGE_READ);
	assert_int_equal(read->read.link_id, link_id);
	return read;
}

static int set_up(void **state)
{
	start(state, 8);
	attach(*state);
	return 0;
}

static int set_up_window_1(void **state)
{
	start(state, 1);
	attach(*state);
	return 0;
}

static int set_up_unattached(void **state)
{
	start(state, 8);
	return 0;
}

static int set_up_silent(void **state)
{
	start(state, 0);
	return 0;
}

static void give_up(struct fixture *f)
{
	remote_job_free(f->a);
	remote_job_free(f->b);
	remote_detach(f->device);
	f->a = f->b = NULL;
	f->device = NULL;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	give_up(f);
	world_free(f->world);
	shm_unref(f->shm);
	free(f);
	return 0;
}

/* ---- Hello and devices ---- */

static void nothing_is_asked_before_hello_reply(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(remote_query(f->device, on_info, &f->info), STATUS_OK);
	expect_silence(f);
	clock_advance(f->world->clock, HELLO_DEADLINE_MS);
	world_settle(f->world);
	assert_string_equal(remote_view(f->world->remote).state, "lost");
	assert_int_equal(f->info.count, 1);
	assert_int_equal(f->info.status, STATUS_LINK_LOST);
}

static void query_tells_the_volume(void **state)
{
	struct fixture *f = *state;
	attach(f);
	assert_int_equal(f->info.size_bytes, SIZE_BYTES);
	assert_int_equal(f->info.track_bytes, TRACK);
	assert_int_equal(remote_end_bytes(f->device), SIZE_BYTES);
	assert_true(remote_wire_bytes(f->world->remote) > 100);
}

static void refused_query_is_posted_with_the_peer(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(remote_query(f->device, on_info, &f->info), STATUS_OK);
	const struct message *query = expect(f, MESSAGE_DEVICE_QUERY);
	fake_secondary_refuse_query(f->secondary, query->device_query.tag, STATUS_VOLUME_ERROR, "no medium");
	world_settle(f->world);
	assert_int_equal(f->info.status, STATUS_VOLUME_ERROR);
	assert_string_equal(f->info.detail, "no medium");
	const struct posted_error *posted = post_recent(f->world->post, 0);
	assert_int_equal(posted->status, STATUS_VOLUME_ERROR);
	assert_string_equal(posted->device, "volume");
	assert_string_equal(posted->peer, f->world->secondary_key);
}

static void detach_follows_the_release_of_the_last_job(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	const struct message *read = make_job(f, LINK_ID);
	fake_secondary_data(f->secondary, read->read.tag, STATUS_OK, 1, 1, TRACK);
	world_settle(f->world);
	give_up(f);
	const struct message *release = expect(f, MESSAGE_RELEASE);
	assert_int_equal(release->release.link_id, LINK_ID);
	expect_silence(f);
	fake_secondary_done(f->secondary, release->release.tag);
	const struct message *detach = expect(f, MESSAGE_DETACH);
	assert_int_equal(detach->detach.device_number, 3);
	fake_secondary_done(f->secondary, detach->detach.tag);
	expect_silence(f);
	assert_string_equal(remote_view(f->world->remote).state, "up");
}

static void device_given_up_while_it_is_asked_for_is_detached(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(remote_query(f->device, on_info, &f->info), STATUS_OK);
	const struct message *query = expect(f, MESSAGE_DEVICE_QUERY);
	remote_detach(f->device);
	f->device = NULL;
	expect_silence(f);
	fake_secondary_volume(f->secondary, query->device_query.tag, SIZE_BYTES, TRACK);
	expect(f, MESSAGE_DETACH);
	assert_int_equal(f->info.count, 0);
}

static void device_of_two_hosts_is_detached_by_the_last(void **state)
{
	struct fixture *f = *state;
	struct info info = { 0 };
	struct remote_device *other = remote_attach(f->world->remote, "volume", &(struct remote_attach_spec){ 0 });
	assert_int_equal(remote_query(other, on_info, &info), STATUS_OK);
	fake_secondary_volume(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	world_settle(f->world);
	remote_detach(other);
	expect_silence(f);
	give_up(f);
	expect(f, MESSAGE_DETACH);
}

/* ---- Link jobs ---- */

static void job_is_made_by_its_first_read_only(void **state)
{
	struct fixture *f = *state;
	expect_silence(f);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(read_run(f, f->a, 2, 3, DELIVERY_HOLD), STATUS_OK);
		const struct message *read = i == 0 ? make_job(f, LINK_ID) : expect(f, MESSAGE_READ);
		assert_int_equal(read->read.link_id, LINK_ID);
		assert_int_equal(read->read.first_track, 2);
		assert_int_equal(read->read.track_count, 3);
		assert_int_equal(read->read.delivery, DELIVERY_HOLD);
		fake_secondary_data(f->secondary, read->read.tag, STATUS_OK, 3, 9, 3 * TRACK);
		world_settle(f->world);
		assert_int_equal(f->from_a.count, i + 1);
		assert_int_equal(f->from_a.result.status, STATUS_OK);
	}
}

static void second_read_of_a_job_is_busy(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	assert_int_equal(read_run(f, f->a, 1, 1, DELIVERY_HOLD), STATUS_BUSY);
	make_job(f, LINK_ID);
	assert_int_equal(read_run(f, f->a, 1, 1, DELIVERY_HOLD), STATUS_BUSY);
}

static void failed_making_ends_the_read_and_is_tried_again(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	fake_secondary_status(f->secondary, expect(f, MESSAGE_READ)->read.tag, STATUS_NO_FREE_JOB, 0);
	world_settle(f->world);
	assert_int_equal(f->from_a.count, 1);
	assert_int_equal(f->from_a.result.status, STATUS_NO_FREE_JOB);
	assert_int_equal(post_count(f->world->post, STATUS_NO_FREE_JOB), 1);
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	make_job(f, LINK_ID);
}

static void errors_are_passed_up_and_posted_with_the_link_id(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 4, 2, DELIVERY_HOLD), STATUS_OK);
	fake_secondary_status(f->secondary, make_job(f, LINK_ID)->read.tag, STATUS_BAD_LINK_ID, 0);
	world_settle(f->world);
	assert_int_equal(f->from_a.result.status, STATUS_BAD_LINK_ID);
	const struct posted_error *posted = post_recent(f->world->post, 0);
	assert_int_equal(posted->status, STATUS_BAD_LINK_ID);
	assert_int_equal(posted->link_id, LINK_ID);
	assert_int_equal(posted->first_track, 4);
	assert_int_equal(posted->track_count, 2);
}

static void on_released(void *arg)
{
	++*(unsigned *)arg;
}

static void release_is_told_when_it_is_answered(void **state)
{
	struct fixture *f = *state;
	unsigned released = 0;
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	fake_secondary_data(f->secondary, make_job(f, LINK_ID)->read.tag, STATUS_OK, 1, 1, TRACK);
	world_settle(f->world);
	assert_true(remote_job_release(f->a, on_released, &released));
	const struct message *release = expect(f, MESSAGE_RELEASE);
	assert_int_equal(released, 0);
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_BUSY);
	fake_secondary_done(f->secondary, release->release.tag);
	world_settle(f->world);
	assert_int_equal(released, 1);
	f->a = NULL;
	assert_false(remote_job_release(f->b, on_released, &released)); /* it never was made */
	f->b = NULL;
	expect_silence(f);
	assert_int_equal(released, 1);
}

/* ---- Reads: Fig. 6 ---- */

static void payload_goes_straight_into_the_slot(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 8, 2, DELIVERY_HOLD), STATUS_OK);
	const struct message *read = make_job(f, LINK_ID);
	uint32_t bytes = 2 * TRACK - 1000; /* the last track is short */
	fake_secondary_data(f->secondary, read->read.tag, STATUS_OK, 2, 0x5a, bytes);
	world_settle(f->world);
	assert_int_equal(f->from_a.count, 1);
	assert_int_equal(f->from_a.result.track_count, 2);
	assert_false(f->from_a.result.disconnected);
	const uint8_t *slot = shm_slot(f->shm, 0);
	for (uint32_t i = 0; i < bytes; i++)
		assert_int_equal(slot[i], 0x5a);
	assert_int_equal(slot[bytes], 0);
}

static void tracks_without_data_have_no_payload(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 4, DELIVERY_HOLD), STATUS_OK);
	const struct message *read = make_job(f, LINK_ID);
	struct message reply = { .type = MESSAGE_READ_REPLY };
	reply.read_reply = (struct msg_read_reply){ .tag = read->read.tag, .status = STATUS_OK, .track_count = 4,
		.states = { TRACK_ZERO, TRACK_DATA, TRACK_HOLE, TRACK_EIO } };
	uint8_t payload[TRACK];
	memset(payload, 3, sizeof(payload));
	fake_secondary_send(f->secondary, &reply, payload, sizeof(payload));
	world_settle(f->world);
	assert_int_equal(f->from_a.count, 1);
	assert_int_equal(f->from_a.states[3], TRACK_EIO);
	assert_int_equal(*(uint8_t *)shm_slot(f->shm, 0), 3); /* back to back */
	assert_int_equal(post_count(f->world->post, STATUS_VOLUME_ERROR), 1);
}

static void disconnected_read_is_received_after_reconnect(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 2, DELIVERY_DISCONNECT), STATUS_OK);
	uint32_t tag = make_job(f, LINK_ID)->read.tag;
	fake_secondary_status(f->secondary, tag, STATUS_DISCONNECT, 0);
	world_settle(f->world);
	assert_int_equal(f->from_a.count, 0);
	fake_secondary_data(f->secondary, tag, STATUS_RECONNECT, 1, 8, TRACK);
	world_settle(f->world);
	assert_int_equal(f->from_a.count, 1);
	assert_int_equal(f->from_a.result.status, STATUS_OK);
	assert_int_equal(f->from_a.result.track_count, 1); /* the prefix that was ready */
	assert_true(f->from_a.result.disconnected);
	assert_int_equal(*(uint8_t *)shm_slot(f->shm, 0), 8);
}

static void disconnected_read_may_end_with_an_error(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 2, DELIVERY_DISCONNECT), STATUS_OK);
	uint32_t tag = make_job(f, LINK_ID)->read.tag;
	fake_secondary_status(f->secondary, tag, STATUS_DISCONNECT, 0);
	fake_secondary_status(f->secondary, tag, STATUS_TIMEOUT, 0);
	world_settle(f->world);
	assert_int_equal(f->from_a.result.status, STATUS_TIMEOUT);
	assert_true(f->from_a.result.disconnected);
}

static void data_not_found_brings_its_floor(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 2, DELIVERY_POLL), STATUS_OK);
	fake_secondary_status(f->secondary, make_job(f, LINK_ID)->read.tag, STATUS_DATA_NOT_FOUND, 42);
	world_settle(f->world);
	assert_int_equal(f->from_a.result.status, STATUS_DATA_NOT_FOUND);
	assert_int_equal(f->from_a.result.floor, 42);
	assert_int_equal(post_total(f->world->post), 0); /* not an error */
}

/* ---- The window ---- */

static void with_window_1_a_held_read_stops_the_next(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	uint32_t tag = make_job(f, LINK_ID)->read.tag;
	assert_int_equal(read_run(f, f->b, 1, 1, DELIVERY_HOLD), STATUS_OK);
	expect_silence(f);
	fake_secondary_data(f->secondary, tag, STATUS_OK, 1, 1, TRACK);
	make_job(f, LINK_ID + 1);
}

static void with_window_1_a_disconnected_read_lets_the_next_pass(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_DISCONNECT), STATUS_OK);
	uint32_t tag_a = make_job(f, LINK_ID)->read.tag;
	assert_int_equal(read_run(f, f->b, 1, 1, DELIVERY_DISCONNECT), STATUS_OK);
	expect_silence(f);
	fake_secondary_status(f->secondary, tag_a, STATUS_DISCONNECT, 0);
	uint32_t tag_b = make_job(f, LINK_ID + 1)->read.tag;
	fake_secondary_data(f->secondary, tag_b, STATUS_OK, 1, 2, TRACK);
	world_settle(f->world);
	assert_int_equal(f->from_b.count, 1);
	assert_int_equal(f->from_a.count, 0);
	fake_secondary_data(f->secondary, tag_a, STATUS_RECONNECT, 1, 1, TRACK);
	world_settle(f->world);
	assert_int_equal(f->from_a.count, 1);
}

static void waiting_reads_go_in_the_order_they_came(void **state)
{
	struct fixture *f = *state;
	struct remote_job *third = remote_job_new(f->device);
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	uint32_t tag = make_job(f, LINK_ID)->read.tag;
	assert_int_equal(read_run(f, f->b, 1, 1, DELIVERY_HOLD), STATUS_OK);
	assert_int_equal(read_run(f, third, 2, 1, DELIVERY_HOLD), STATUS_OK);
	fake_secondary_data(f->secondary, tag, STATUS_OK, 1, 1, TRACK);
	/* A read whose job was made needs not wait a second time. */
	const struct message *second = make_job(f, LINK_ID + 1);
	assert_int_equal(second->read.first_track, 1);
	fake_secondary_data(f->secondary, second->read.tag, STATUS_OK, 1, 1, TRACK);
	assert_int_equal(make_job(f, LINK_ID + 2)->read.first_track, 2);
	remote_job_free(third);
}

static void a_host_with_one_read_does_not_wait_behind_the_many_of_another(void **state)
{
	struct fixture *f = *state;
	struct remote_device *other = remote_attach(f->world->remote, "volume", &(struct remote_attach_spec){ 0 });
	struct info info = { 0 };
	assert_int_equal(remote_query(other, on_info, &info), STATUS_OK);
	fake_secondary_volume(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	world_settle(f->world);
	struct remote_job *others = remote_job_new(other);
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	uint32_t tag = make_job(f, LINK_ID)->read.tag;
	assert_int_equal(read_run(f, f->b, 1, 1, DELIVERY_HOLD), STATUS_OK);
	assert_int_equal(read_run(f, others, 5, 1, DELIVERY_HOLD), STATUS_OK);
	fake_secondary_data(f->secondary, tag, STATUS_OK, 1, 1, TRACK);
	const struct message *next = make_job(f, LINK_ID + 1);
	assert_int_equal(next->read.first_track, 5);
	fake_secondary_data(f->secondary, next->read.tag, STATUS_OK, 1, 1, TRACK);
	assert_int_equal(make_job(f, LINK_ID + 2)->read.first_track, 1);
	remote_job_free(others);
	remote_detach(other);
}

/* ---- Wrong answers end the link ---- */

static void assert_link_ends(struct fixture *f, const char *words)
{
	capture_start();
	world_settle(f->world);
	char *log = capture_end();
	assert_non_null(strstr(log, words));
	free(log);
	assert_string_equal(remote_view(f->world->remote).state, "lost");
	assert_int_equal(f->from_a.count, 1);
	assert_int_equal(f->from_a.result.status, STATUS_LINK_LOST);
}

static uint32_t start_read(struct fixture *f, enum delivery delivery)
{
	assert_int_equal(read_run(f, f->a, 8, 2, delivery), STATUS_OK);
	return make_job(f, LINK_ID)->read.tag;
}

static void payload_of_a_wrong_length_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_data(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_OK, 2, 1, 2 * TRACK + 1);
	assert_link_ends(f, "has 8193 bytes of payload, its tracks have 7192"); /* more than a track */
}

static void last_track_without_a_byte_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_data(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_OK, 2, 1, TRACK);
	assert_link_ends(f, "has 4096 bytes of payload, its tracks have 7192");
}

/* The end of the device cannot lie before the end of a run that was not refused. */
static void short_track_of_a_part_of_the_run_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_data(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_OK, 1, 1, TRACK - 1);
	assert_link_ends(f, "has 4095 bytes of payload, its tracks have 4096");
}

static void payload_without_data_tracks_ends_the_link(void **state)
{
	struct fixture *f = *state;
	struct message reply = { .type = MESSAGE_READ_REPLY };
	reply.read_reply = (struct msg_read_reply){ .tag = start_read(f, DELIVERY_HOLD), .status = STATUS_OK,
		.track_count = 2, .states = { TRACK_DATA, TRACK_ZERO } };
	fake_secondary_send(f->secondary, &reply, "byte by byte", 12);
	assert_link_ends(f, "has 12 bytes of payload, its tracks have 4096");
}

static void missing_payload_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_data(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_OK, 2, 1, 0);
	assert_link_ends(f, "has 0 bytes of payload, its tracks have 7192");
}

static void more_tracks_than_asked_for_end_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_data(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_OK, 3, 1, 3 * TRACK);
	assert_link_ends(f, "has 3 tracks, 2 were asked for");
}

static void reconnect_without_disconnect_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_data(f->secondary, start_read(f, DELIVERY_DISCONNECT), STATUS_RECONNECT, 1, 1, TRACK);
	assert_link_ends(f, "RECONNECT from the secondary came out of turn");
}

static void disconnect_of_a_held_read_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_status(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_DISCONNECT, 0);
	assert_link_ends(f, "DISCONNECT from the secondary came out of turn");
}

static void second_disconnect_ends_the_link(void **state)
{
	struct fixture *f = *state;
	uint32_t tag = start_read(f, DELIVERY_DISCONNECT);
	fake_secondary_status(f->secondary, tag, STATUS_DISCONNECT, 0);
	fake_secondary_status(f->secondary, tag, STATUS_DISCONNECT, 0);
	assert_link_ends(f, "DISCONNECT from the secondary came out of turn");
}

static void data_not_found_without_poll_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_status(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_DATA_NOT_FOUND, 1);
	assert_link_ends(f, "DATA_NOT_FOUND from the secondary came out of turn");
}

/* The making of a link job has no data that could be waited for. */
static void disconnect_of_a_new_link_job_ends_the_link(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 8, 2, DELIVERY_DISCONNECT), STATUS_OK);
	fake_secondary_status(f->secondary, expect(f, MESSAGE_READ)->read.tag, STATUS_DISCONNECT, 0);
	assert_link_ends(f, "the making of a link job with DISCONNECT");
}

static void data_not_found_for_a_new_link_job_ends_the_link(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 8, 2, DELIVERY_POLL), STATUS_OK);
	fake_secondary_status(f->secondary, expect(f, MESSAGE_READ)->read.tag, STATUS_DATA_NOT_FOUND, 1);
	assert_link_ends(f, "the making of a link job with DATA_NOT_FOUND");
}

static void answer_to_no_request_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_status(f->secondary, start_read(f, DELIVERY_HOLD) + 100, STATUS_TIMEOUT, 0);
	assert_link_ends(f, "answers no request");
}

static void done_for_a_read_ends_the_link(void **state)
{
	struct fixture *f = *state;
	fake_secondary_done(f->secondary, start_read(f, DELIVERY_HOLD));
	assert_link_ends(f, "Done from the secondary answers no request");
}

/* ---- Loss and giving up ---- */

static void loss_ends_every_request_and_refuses_later_ones(void **state)
{
	struct fixture *f = *state;
	unsigned released = 0;
	start_read(f, DELIVERY_HOLD);
	assert_int_equal(read_run(f, f->b, 0, 1, DELIVERY_HOLD), STATUS_OK); /* its job is being made */
	assert_int_equal(remote_query(f->device, on_info, &f->info), STATUS_OK);
	world_settle(f->world);
	uint64_t wire_bytes = remote_wire_bytes(f->world->remote);
	fake_secondary_hang_up(f->secondary);
	world_settle(f->world);
	assert_string_equal(remote_view(f->world->remote).state, "lost");
	assert_int_equal(f->from_a.result.status, STATUS_LINK_LOST);
	assert_int_equal(f->from_b.result.status, STATUS_LINK_LOST);
	assert_int_equal(f->info.count, 2);
	assert_int_equal(f->info.status, STATUS_LINK_LOST);
	assert_int_equal(post_count(f->world->post, STATUS_LINK_LOST), 1); /* once, not per request */
	assert_true(remote_wire_bytes(f->world->remote) >= wire_bytes);

	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_LINK_LOST);
	assert_int_equal(remote_query(f->device, on_info, &f->info), STATUS_LINK_LOST);
	assert_false(remote_job_release(f->a, on_released, &released));
	f->a = NULL;
	assert_int_equal(f->from_a.count, 1);
}

static void read_that_waits_for_the_window_is_lost_too(void **state)
{
	struct fixture *f = *state;
	start_read(f, DELIVERY_HOLD);
	assert_int_equal(read_run(f, f->b, 0, 1, DELIVERY_HOLD), STATUS_OK);
	world_settle(f->world);
	fake_secondary_hang_up(f->secondary);
	world_settle(f->world);
	assert_int_equal(f->from_b.result.status, STATUS_LINK_LOST);
}

static void release_ends_when_the_link_is_lost(void **state)
{
	struct fixture *f = *state;
	unsigned released = 0;
	fake_secondary_data(f->secondary, start_read(f, DELIVERY_HOLD), STATUS_OK, 2, 1, 2 * TRACK - 1000);
	world_settle(f->world);
	assert_true(remote_job_release(f->a, on_released, &released));
	f->a = NULL;
	world_settle(f->world);
	fake_secondary_hang_up(f->secondary);
	world_settle(f->world);
	assert_int_equal(released, 1);
}

static void link_that_is_up_is_pinged(void **state)
{
	struct fixture *f = *state;
	uint64_t before = remote_wire_bytes(f->world->remote);
	clock_advance(f->world->clock, PING_PERIOD_MS - 1);
	world_settle(f->world);
	assert_int_equal(remote_wire_bytes(f->world->remote), before);
	clock_advance(f->world->clock, 1);
	world_settle(f->world);
	assert_true(remote_wire_bytes(f->world->remote) > before);
}

static void answer_for_a_host_that_has_gone_is_drained(void **state)
{
	struct fixture *f = *state;
	uint32_t tag = start_read(f, DELIVERY_HOLD);
	struct shm *shm = shm_ref(f->shm); /* to look at it */
	give_up(f);
	shm_unref(f->shm);
	f->shm = NULL;
	const struct message *release = expect(f, MESSAGE_RELEASE);
	fake_secondary_data(f->secondary, tag, STATUS_OK, 2, 0x44, 2 * TRACK - 1000);
	world_settle(f->world);
	assert_string_equal(remote_view(f->world->remote).state, "up");
	assert_int_equal(*(uint8_t *)shm_slot(shm, 0), 0x44);
	assert_int_equal(f->from_a.count, 0);
	fake_secondary_done(f->secondary, release->release.tag);
	expect(f, MESSAGE_DETACH);
	shm_unref(shm);
}

static void done_of_a_release_ends_its_unanswered_read(void **state)
{
	struct fixture *f = *state;
	start_read(f, DELIVERY_HOLD);
	assert_int_equal(read_run(f, f->b, 0, 1, DELIVERY_HOLD), STATUS_OK); /* waits for the only place */
	remote_job_free(f->a);
	f->a = NULL;
	const struct message *release = expect(f, MESSAGE_RELEASE);
	expect_silence(f);
	fake_secondary_done(f->secondary, release->release.tag);
	make_job(f, LINK_ID + 1);
}

static void job_given_up_while_it_is_made_is_released(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_run(f, f->a, 0, 1, DELIVERY_HOLD), STATUS_OK);
	uint32_t tag = expect(f, MESSAGE_READ)->read.tag;
	give_up(f);
	expect_silence(f);
	fake_secondary_job(f->secondary, tag, LINK_ID);
	const struct message *release = expect(f, MESSAGE_RELEASE);
	assert_int_equal(release->release.link_id, LINK_ID);
	fake_secondary_done(f->secondary, release->release.tag);
	expect(f, MESSAGE_DETACH);
	assert_int_equal(f->from_a.count, 0);
}

static void read_given_up_before_it_was_sent_is_never_sent(void **state)
{
	struct fixture *f = *state;
	uint32_t tag = start_read(f, DELIVERY_HOLD);
	assert_int_equal(read_run(f, f->b, 0, 1, DELIVERY_HOLD), STATUS_OK);
	remote_job_free(f->b);
	f->b = NULL;
	fake_secondary_data(f->secondary, tag, STATUS_OK, 2, 1, 2 * TRACK - 1000);
	expect_silence(f);
	assert_int_equal(f->from_a.count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_WINDOW_1(name) cmocka_unit_test_setup_teardown(name, set_up_window_1, tear_down)
#define TEST_UNATTACHED(name) cmocka_unit_test_setup_teardown(name, set_up_unattached, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_asked_before_hello_reply, set_up_silent, tear_down),
		TEST_UNATTACHED(query_tells_the_volume),
		TEST_UNATTACHED(refused_query_is_posted_with_the_peer),
		TEST(detach_follows_the_release_of_the_last_job),
		TEST_UNATTACHED(device_given_up_while_it_is_asked_for_is_detached),
		TEST(device_of_two_hosts_is_detached_by_the_last),
		TEST(job_is_made_by_its_first_read_only),
		TEST(second_read_of_a_job_is_busy),
		TEST(failed_making_ends_the_read_and_is_tried_again),
		TEST(errors_are_passed_up_and_posted_with_the_link_id),
		TEST(release_is_told_when_it_is_answered),
		TEST(payload_goes_straight_into_the_slot),
		TEST(tracks_without_data_have_no_payload),
		TEST(disconnected_read_is_received_after_reconnect),
		TEST(disconnected_read_may_end_with_an_error),
		TEST(data_not_found_brings_its_floor),
		TEST_WINDOW_1(with_window_1_a_held_read_stops_the_next),
		TEST_WINDOW_1(with_window_1_a_disconnected_read_lets_the_next_pass),
		TEST_WINDOW_1(waiting_reads_go_in_the_order_they_came),
		TEST_WINDOW_1(a_host_with_one_read_does_not_wait_behind_the_many_of_another),
		TEST(payload_of_a_wrong_length_ends_the_link),
		TEST(last_track_without_a_byte_ends_the_link),
		TEST(short_track_of_a_part_of_the_run_ends_the_link),
		TEST(payload_without_data_tracks_ends_the_link),
		TEST(missing_payload_ends_the_link),
		TEST(more_tracks_than_asked_for_end_the_link),
		TEST(reconnect_without_disconnect_ends_the_link),
		TEST(disconnect_of_a_held_read_ends_the_link),
		TEST(second_disconnect_ends_the_link),
		TEST(data_not_found_without_poll_ends_the_link),
		TEST(disconnect_of_a_new_link_job_ends_the_link),
		TEST(data_not_found_for_a_new_link_job_ends_the_link),
		TEST(answer_to_no_request_ends_the_link),
		TEST(done_for_a_read_ends_the_link),
		TEST(loss_ends_every_request_and_refuses_later_ones),
		TEST_WINDOW_1(read_that_waits_for_the_window_is_lost_too),
		TEST(release_ends_when_the_link_is_lost),
		TEST(link_that_is_up_is_pinged),
		TEST(answer_for_a_host_that_has_gone_is_drained),
		TEST_WINDOW_1(done_of_a_release_ends_its_unanswered_read),
		TEST(job_given_up_while_it_is_made_is_released),
		TEST_WINDOW_1(read_given_up_before_it_was_sent_is_never_sent),
	};
	return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
