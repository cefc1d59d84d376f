/* SPDX-License-Identifier: Apache-2.0
 *
 * The host adapter: a whole session over a real socket, with a real DA and a secondary that says what the test wants;
 * each rule for what a host may ask; hostile hosts; the end of a host with everything under way.
 * check-style: long because one session's surroundings serve every rule.
 */
#include "primary/host.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/post.h"
#include "local/shm.h"
#include "primary/local.h"
#include "primary/remote.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/host_bed.h"
#include "tests/support/pair.h"
#include "tests/support/world.h"
#include "wire/conn.h"

#define TRACK WORLD_TRACK_BYTES
#define TRACKS HOST_TRACKS
#define SIZE_BYTES HOST_SIZE_BYTES
#define SLOTS HOST_SLOTS
#define SLOT_BYTES HOST_SLOT_BYTES
#define DISK_QUEUE HOST_DISK_QUEUE
#define LINK_ID 0x0007000000000001ull

/* ---- Hello ---- */

static void assert_refused(struct host_end *f, int fd, const char *words)
{
	capture_start();
	host_end_say_hello(f, fd);
	char *log = capture_end();
	assert_non_null(strstr(log, words));
	assert_int_equal(line_count(log), 1);
	free(log);
	assert_int_equal(f->gone, 1);
	assert_false(f->gone_clean);
	assert_int_equal(host_end_unread(f), 0);
}

static int sealed(off_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void hello_without_memory_is_refused(void **state)
{
	assert_refused(*state, -1, "no descriptor");
}

static void hello_with_a_pipe_is_refused(void **state)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_refused(*state, fds[0], "not a memfd");
	close(fds[0]);
	close(fds[1]);
}

static void hello_with_unsealed_memory_is_refused(void **state)
{
	int fd = sealed(SLOTS * SLOT_BYTES, 0);
	assert_refused(*state, fd, "not sealed");
	close(fd);
}

static void hello_with_too_little_memory_is_refused(void **state)
{
	int fd = sealed(SLOTS * SLOT_BYTES - TRACK, F_SEAL_SHRINK | F_SEAL_GROW);
	assert_refused(*state, fd, "its size is");
	close(fd);
}

static void hello_with_read_only_memory_is_refused(void **state)
{
	int fd = sealed(SLOTS * SLOT_BYTES, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	assert_refused(*state, fd, "cannot be mapped");
	close(fd);
}

static void unknown_protocol_is_answered_and_ended(void **state)
{
	struct host_end *f = *state;
	host_end_out(f, MESSAGE_HOST_HELLO)->host_hello = (struct msg_host_hello){ .protocol_min = 2, .protocol_max = 3,
		.slot_count = SLOTS, .slot_bytes = SLOT_BYTES };
	conn_send_fd(f->conn, &f->out, f->memory_fd);
	world_settle(f->world);
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_HELLO_REPLY)->host_hello_reply.status, STATUS_VERSION);
	assert_int_equal(f->gone, 1);
	assert_true(f->closed);
}

static void request_before_hello_ends_the_session(void **state)
{
	struct host_end *f = *state;
	capture_start();
	host_end_send_open(f, "volume");
	char *log = capture_end();
	assert_non_null(strstr(log, "HostOpen from a host before HostHello"));
	assert_int_equal(line_count(log), 1);
	free(log);
	assert_int_equal(f->gone, 1);
}

static void second_hello_ends_the_session(void **state)
{
	struct host_end *f = *state;
	host_end_say_hello(f, f->memory_fd);
	assert_int_equal(f->gone, 1);
}

static void frame_of_a_link_ends_the_session(void **state)
{
	struct host_end *f = *state;
	host_end_out(f, MESSAGE_DONE)->done.status = STATUS_OK;
	host_end_send(f);
	assert_int_equal(f->gone, 1);
}

/* ---- Open and status ---- */

static void open_tells_both_volumes(void **state)
{
	struct host_end *f = *state;
	const struct msg_host_open_reply *open = &f->replies[f->taken_count - 1]->host_open_reply;
	assert_int_equal(open->tag, 50);
	assert_int_equal(open->track_bytes, TRACK);
	assert_string_equal(open->local.path, "/memory");
	assert_string_equal(open->remote.path, "/remote");
	assert_int_equal(open->local.size_bytes, SIZE_BYTES);
	assert_int_equal(open->remote.size_bytes, SIZE_BYTES);
	assert_true(open->wire_bytes > 0);
}

static void both_sides_are_asked_at_once(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	world_hang_opens(f->world);
	host_end_send_open(f, "volume");
	world_wait_hung(f->world, 1);
	/* The disk hangs, and yet the secondary is asked. */
	fake_secondary_volume(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	world_settle(f->world);
	assert_int_equal(host_end_unread(f), 0);
	world_release(f->world);
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
}

static void unequal_track_sizes_are_named(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	host_end_send_open(f, "volume");
	fake_secondary_volume(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, 65536);
	const struct message *open = host_end_reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(open->host_open_reply.status, STATUS_BAD_REQUEST);
	assert_non_null(strstr(open->host_open_reply.detail, "4096"));
	assert_non_null(strstr(open->host_open_reply.detail, "65536"));
	host_end_expect(f, MESSAGE_DETACH);
}

static void failure_names_its_side(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	world_fail_open(f->world, -2);
	host_end_send_open(f, "volume");
	fake_secondary_volume(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	const struct message *open = host_end_reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(open->host_open_reply.status, STATUS_VOLUME_ERROR);
	assert_int_equal(open->host_open_reply.failed_side, SIDE_LOCAL);
	assert_string_equal(open->host_open_reply.detail, "cannot open /memory: No such file or directory");
	host_end_expect(f, MESSAGE_DETACH);

	world_fail_open(f->world, 0); /* it may be tried again */
	host_end_send_open(f, "volume");
	fake_secondary_refuse_query(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag,
		STATUS_NO_SUCH_DEVICE, "not here");
	open = host_end_reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(open->host_open_reply.status, STATUS_NO_SUCH_DEVICE);
	assert_int_equal(open->host_open_reply.failed_side, SIDE_REMOTE);
	assert_string_equal(open->host_open_reply.detail, "not here");
	assert_true(WORLD_UNTIL(f->world, !world_is_open(f->world)));
}

static void unknown_device_is_refused(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	host_end_send_open(f, "other");
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_NO_SUCH_DEVICE);
}

static void replaced_device_is_refused_and_served_when_it_is_not_any_more(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	f->device->is_replaced = true;
	host_end_send_open(f, "volume");
	const struct msg_host_open_reply *open = &host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply;
	assert_int_equal(open->status, STATUS_NOT_PERMITTED);
	assert_int_equal(open->failed_side, SIDE_LOCAL);
	assert_string_equal(open->detail, "the volume of volume was changed in the configuration: restart ra-primaryd");
	assert_true(local_is_idle(f->device->local));
	f->device->is_replaced = false;
	host_end_send_open(f, "volume");
	fake_secondary_volume(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
	f->device->is_replaced = true; /* it goes on */
	host_end_out(f, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	host_end_send(f);
	fake_secondary_volume(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
}

static void status_tells_the_sizes_of_now(void **state)
{
	struct host_end *f = *state;
	world_resize(f->world, SIZE_BYTES + 100);
	host_end_out(f, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	host_end_send(f);
	host_end_out(f, MESSAGE_HOST_STATUS)->host_status.tag = 61;
	host_end_send(f);
	const struct message *status = host_end_reply(f, MESSAGE_HOST_OPEN_REPLY); /* one at a time */
	assert_int_equal(status->host_open_reply.tag, 61);
	assert_int_equal(status->host_open_reply.status, STATUS_BAD_REQUEST);
	uint32_t tag = host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag;
	fake_secondary_volume(f->secondary, tag, SIZE_BYTES + 200, TRACK);
	status = host_end_reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(status->host_open_reply.tag, 60);
	assert_int_equal(status->host_open_reply.status, STATUS_OK);
	assert_int_equal(status->host_open_reply.local.size_bytes, SIZE_BYTES + 100);
	assert_int_equal(status->host_open_reply.remote.size_bytes, SIZE_BYTES + 200);
}

static void requests_before_open_are_bad(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	host_end_send_read(f, 1, SIDE_LOCAL, 0, 1, 0);
	host_end_read_reply(f, 1, STATUS_BAD_REQUEST);
	host_end_send_read(f, 2, SIDE_REMOTE, 0, 1, 0);
	host_end_read_reply(f, 2, STATUS_BAD_REQUEST);
	host_end_out(f, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	host_end_send(f);
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_BAD_REQUEST);
	assert_int_equal(f->gone, 0);
}

static void second_open_is_bad(void **state)
{
	struct host_end *f = *state;
	host_end_send_open(f, "volume");
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_BAD_REQUEST);
}

/* ---- Progress ---- */

static void send_progress(struct host_end *f, uint64_t done_tracks)
{
	host_end_out(f, MESSAGE_HOST_PROGRESS)->host_progress = (struct msg_host_progress){ .phase = "comparing",
		.done_tracks = done_tracks, .total_tracks = TRACKS, .binds = "link" };
	host_end_send(f);
}

static void progress_is_kept_and_not_answered(void **state)
{
	struct host_end *f = *state;
	assert_null(host_progress(f->host));
	send_progress(f, 3);
	send_progress(f, 4);
	assert_int_equal(host_progress(f->host)->done_tracks, 4);
	assert_int_equal(host_progress(f->host)->total_tracks, TRACKS);
	assert_string_equal(host_progress(f->host)->phase, "comparing");
	assert_string_equal(host_progress(f->host)->binds, "link");
	assert_int_equal(host_end_unread(f), 0);
	assert_int_equal(f->gone, 0);
}

static void progress_without_a_device_ends_the_session(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	capture_start();
	send_progress(f, 3);
	char *log = capture_end();
	assert_non_null(strstr(log, "HostProgress from a host that has no device open"));
	free(log);
	assert_int_equal(f->gone, 1);
}

static void progress_while_it_opens_ends_the_session(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	host_end_send_open(f, "volume");
	host_end_expect(f, MESSAGE_DEVICE_QUERY);
	send_progress(f, 3);
	assert_int_equal(f->gone, 1);
}

/* ---- Reads ---- */

static void local_read_fills_its_slot(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 1, SIDE_LOCAL, 6, 4, 2);
	const struct msg_host_read_reply *read = host_end_read_reply(f, 1, STATUS_OK);
	assert_int_equal(read->track_count, 4);
	assert_int_equal(read->states[3], TRACK_DATA);
	const uint8_t *slot = shm_slot(f->shm, 2);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(slot[i * TRACK], world_byte(6 + i));
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 3))[0], 0);
	assert_int_equal(fake_secondary_count(f->secondary), 0);
}

static void remote_read_fills_its_slot(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 1, SIDE_REMOTE, 8, 2, 1);
	uint32_t tag = host_end_make_job(f, LINK_ID);
	fake_secondary_status(f->secondary, tag, STATUS_DISCONNECT, 0);
	fake_secondary_data(f->secondary, tag, STATUS_RECONNECT, 2, 0x77, 2 * TRACK - 1000);
	const struct msg_host_read_reply *read = host_end_read_reply(f, 1, STATUS_OK);
	assert_true(read->disconnected);
	assert_int_equal(read->track_count, 2);
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 1))[2 * TRACK - 1001], 0x77);
}

static void answers_say_what_was_waited_for(void **state)
{
	struct host_end *f = *state;
	while (clock_thread_cpu_ms() < 20)
		;
	host_end_send_read(f, 1, SIDE_LOCAL, 6, 4, 2);
	const struct msg_host_read_reply *local = host_end_read_reply(f, 1, STATUS_OK);
	assert_int_equal(local->disk_ms, 0);
	assert_in_range(local->cpu_ms, 20, clock_thread_cpu_ms());

	struct message answer = { .type = MESSAGE_READ_REPLY, .read_reply = { .status = STATUS_OK, .track_count = 1,
		.states = { TRACK_ZERO }, .disk_ms = 70, .cpu_ms = 9000000000 } };
	host_end_send_read(f, 2, SIDE_REMOTE, 0, 1, 0);
	answer.read_reply.tag = host_end_make_job(f, LINK_ID);
	fake_secondary_send(f->secondary, &answer, NULL, 0);
	const struct msg_host_read_reply *remote = host_end_read_reply(f, 2, STATUS_OK);
	assert_int_equal(remote->disk_ms, 70);
	assert_int_equal(remote->cpu_ms, 9000000000); /* of the secondary's */
}

static void remote_errors_reach_the_host_with_floor_and_words(void **state)
{
	struct host_end *f = *state;
	struct message answer = { .type = MESSAGE_READ_REPLY };
	host_end_send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	answer.read_reply.tag = host_end_make_job(f, LINK_ID);
	answer.read_reply.status = STATUS_QUEUE_FULL;
	snprintf(answer.read_reply.detail, sizeof(answer.read_reply.detail), "256 requests");
	fake_secondary_send(f->secondary, &answer, NULL, 0);
	assert_string_equal(host_end_read_reply(f, 1, STATUS_QUEUE_FULL)->detail, "256 requests");

	f->out.host_read.tag = 2; /* the same again, by poll */
	f->out.host_read.delivery = DELIVERY_POLL;
	f->out.host_read.floor = 17;
	f->out.host_read.reread = true;
	host_end_send(f);
	const struct message *read = host_end_expect(f, MESSAGE_READ);
	assert_int_equal(read->read.delivery, DELIVERY_POLL);
	assert_int_equal(read->read.floor, 17);
	assert_true(read->read.reread);
	fake_secondary_status(f->secondary, read->read.tag, STATUS_DATA_NOT_FOUND, 18);
	assert_int_equal(host_end_read_reply(f, 2, STATUS_DATA_NOT_FOUND)->floor, 18);
}

static void slot_in_use_is_refused_until_its_reply(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 1, SIDE_REMOTE, 0, 1, 1);
	host_end_send_read(f, 2, SIDE_LOCAL, 0, 1, 1);
	assert_string_equal(host_end_read_reply(f, 2, STATUS_BAD_REQUEST)->detail, "slot 1 is in use");
	fake_secondary_data(f->secondary, host_end_make_job(f, LINK_ID), STATUS_OK, 1, 5, TRACK);
	host_end_read_reply(f, 1, STATUS_OK);
	host_end_send_read(f, 3, SIDE_LOCAL, 0, 1, 1);
	host_end_read_reply(f, 3, STATUS_OK);
}

static void stream_with_a_read_is_busy(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 1, SIDE_REMOTE, 0, 1, 1);
	host_end_out(f, MESSAGE_HOST_READ)->host_read = (struct msg_host_read){ .tag = 2, .side = SIDE_REMOTE, .stream = 1,
		.track_count = 1, .slot = 2, .delivery = DELIVERY_HOLD };
	host_end_send(f);
	host_end_read_reply(f, 2, STATUS_BUSY);
	f->out.host_read.tag = 3;
	f->out.host_read.stream = 2;
	host_end_send(f);
	host_end_make_job(f, LINK_ID);
	assert_int_equal(host_end_unread(f), 0);
}

static void reads_outside_the_limits_are_bad(void **state)
{
	struct host_end *f = *state;
	static const struct {
		uint64_t first;
		uint32_t count, slot;
		const char *words;
	} bad[] = {
		{ 0, 1, SLOTS, "slot 4: there are 4" },
		{ 0, 5, 0, "5 tracks of 4096 bytes do not fit into a slot of 16384" },
		{ TRACKS, 1, 0, "tracks 10+1: the device has 10" },
		{ TRACKS - 1, 2, 0, "tracks 9+2: the device has 10" },
		{ UINT64_MAX - 64, 2, 0, "the device has 10" },
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (enum side side = SIDE_LOCAL; side <= SIDE_REMOTE; side++) {
			host_end_send_read(f, i, side, bad[i].first, bad[i].count, bad[i].slot);
			assert_non_null(strstr(host_end_read_reply(f, i, STATUS_BAD_REQUEST)->detail, bad[i].words));
		}
	}
	assert_int_equal(fake_secondary_count(f->secondary), 0);
	assert_int_equal(f->gone, 0);
}

static void full_disk_queue_is_told(void **state)
{
	struct host_end *f = *state;
	world_hang_reads(f->world);
	for (unsigned i = 0; i < DISK_QUEUE; i++)
		host_end_send_read(f, i, SIDE_LOCAL, i, 1, i);
	assert_int_equal(host_end_unread(f), 0);
	host_end_send_read(f, 9, SIDE_LOCAL, 0, 1, DISK_QUEUE);
	assert_false(host_end_read_reply(f, 9, STATUS_QUEUE_FULL)->slot_lost);
	world_release(f->world);
	for (unsigned i = 0; i < DISK_QUEUE; i++)
		assert_int_equal(host_end_reply(f, MESSAGE_HOST_READ_REPLY)->host_read_reply.status, STATUS_OK);
	host_end_send_read(f, 9, SIDE_LOCAL, 0, 1, DISK_QUEUE); /* the slot was not taken */
	host_end_read_reply(f, 9, STATUS_OK);
}

static void timed_out_slot_is_lost_for_ever(void **state)
{
	struct host_end *f = *state;
	world_hang_reads(f->world);
	host_end_send_read(f, 1, SIDE_LOCAL, 0, 1, 0);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_true(host_end_read_reply(f, 1, STATUS_TIMEOUT)->slot_lost);
	host_end_send_read(f, 2, SIDE_LOCAL, 0, 1, 1);
	assert_false(host_end_read_reply(f, 2, STATUS_NOT_READY)->slot_lost);
	host_end_send_read(f, 3, SIDE_LOCAL, 0, 1, 0);
	assert_non_null(strstr(host_end_read_reply(f, 3, STATUS_BAD_REQUEST)->detail, "slot 0 is lost"));
	/* The other side goes on. */
	host_end_send_read(f, 4, SIDE_REMOTE, 0, 1, 2);
	fake_secondary_data(f->secondary, host_end_make_job(f, LINK_ID), STATUS_OK, 1, 5, TRACK);
	host_end_read_reply(f, 4, STATUS_OK);
	world_release(f->world);
	world_settle(f->world);
	host_end_send_read(f, 5, SIDE_LOCAL, 0, 1, 0); /* also when the disk is back */
	host_end_read_reply(f, 5, STATUS_BAD_REQUEST);
}

/* ---- Release ---- */

static void release_ends_all_streams_and_new_jobs_follow(void **state)
{
	struct host_end *f = *state;
	for (uint32_t i = 0; i < 2; i++) {
		host_end_send_read(f, i, SIDE_REMOTE, i, 1, i);
		fake_secondary_data(f->secondary, host_end_make_job(f, LINK_ID + i), STATUS_OK, 1, 1, TRACK);
		host_end_read_reply(f, i, STATUS_OK);
	}
	host_end_out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(f);
	uint32_t first = host_end_expect(f, MESSAGE_RELEASE)->release.tag;
	uint32_t second = host_end_expect(f, MESSAGE_RELEASE)->release.tag;
	fake_secondary_done(f->secondary, second);
	world_settle(f->world);
	assert_int_equal(host_end_unread(f), 0);
	host_end_send_read(f, 5, SIDE_REMOTE, 0, 1, 0);
	host_end_read_reply(f, 5, STATUS_BUSY); /* not before Done */
	fake_secondary_done(f->secondary, first);
	assert_int_equal(host_end_reply(f, MESSAGE_DONE)->done.tag, 70);
	host_end_send_read(f, 6, SIDE_REMOTE, 0, 1, 0);
	host_end_make_job(f, LINK_ID + 2);
}

static void release_without_jobs_is_done_at_once(void **state)
{
	struct host_end *f = *state;
	host_end_out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(f);
	assert_int_equal(host_end_reply(f, MESSAGE_DONE)->done.status, STATUS_OK);
}

static void release_while_a_remote_read_runs_is_busy(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	host_end_make_job(f, LINK_ID);
	host_end_out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(f);
	assert_int_equal(host_end_reply(f, MESSAGE_DONE)->done.status, STATUS_BUSY);
}

static void release_while_a_local_read_runs_is_busy(void **state)
{
	struct host_end *f = *state;
	world_hang_reads(f->world);
	host_end_send_read(f, 1, SIDE_LOCAL, 0, 1, 0);
	world_wait_hung(f->world, 1);
	host_end_out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(f);
	assert_int_equal(host_end_reply(f, MESSAGE_DONE)->done.status, STATUS_BUSY);
	world_release(f->world);
	host_end_read_reply(f, 1, STATUS_OK);
	host_end_send(f);
	assert_int_equal(host_end_reply(f, MESSAGE_DONE)->done.status, STATUS_OK);
}

/* Between two passes the sizes are told anew, and the reads of the next pass go by them. */
static void next_pass_reads_to_the_new_end(void **state)
{
	struct host_end *f = *state;
	uint64_t last_track = (SIZE_BYTES + 2 * TRACK - 1) / TRACK;
	world_resize(f->world, SIZE_BYTES + 2 * TRACK);
	host_end_out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(f);
	assert_int_equal(host_end_reply(f, MESSAGE_DONE)->done.status, STATUS_OK);
	host_end_out(f, MESSAGE_HOST_STATUS)->host_status.tag = 71;
	host_end_send(f);
	uint32_t tag = host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag;
	fake_secondary_volume(f->secondary, tag, SIZE_BYTES + 2 * TRACK, TRACK);
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
	host_end_send_read(f, 1, SIDE_LOCAL, last_track, 1, 0);
	host_end_read_reply(f, 1, STATUS_OK);
	host_end_send_read(f, 2, SIDE_REMOTE, last_track, 1, 1);
	host_end_make_job(f, LINK_ID);
}

/* ---- The ends ---- */

static void lost_link_is_told_for_every_request(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	host_end_make_job(f, LINK_ID);
	fake_secondary_hang_up(f->secondary);
	host_end_read_reply(f, 1, STATUS_LINK_LOST);
	host_end_send_read(f, 2, SIDE_REMOTE, 0, 1, 0);
	host_end_read_reply(f, 2, STATUS_LINK_LOST);
	host_end_out(f, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	host_end_send(f);
	const struct message *status = host_end_reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(status->host_open_reply.status, STATUS_LINK_LOST);
	assert_int_equal(status->host_open_reply.failed_side, SIDE_REMOTE);
	host_end_out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(f);
	assert_int_equal(host_end_reply(f, MESSAGE_DONE)->done.status, STATUS_OK);
	host_end_send_read(f, 3, SIDE_LOCAL, 0, 1, 0);
	host_end_read_reply(f, 3, STATUS_OK);
	assert_int_equal(f->gone, 0); /* it stays to answer */
}

static void host_that_goes_releases_everything(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	uint32_t tag = host_end_make_job(f, LINK_ID);
	host_end_send_read(f, 2, SIDE_REMOTE, 1, 1, 1);
	fake_secondary_data(f->secondary, host_end_make_job(f, LINK_ID + 1), STATUS_OK, 1, 1, TRACK);
	host_end_read_reply(f, 2, STATUS_OK);
	world_hang_reads(f->world);
	host_end_send_read(f, 3, SIDE_LOCAL, 0, 1, 2);
	world_wait_hung(f->world, 1);
	host_end_hang_up(f);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	assert_true(f->gone_clean);
	uint32_t first = host_end_expect(f, MESSAGE_RELEASE)->release.tag;
	uint32_t second = host_end_expect(f, MESSAGE_RELEASE)->release.tag;
	/* Both writers may still write, though the session is freed. */
	fake_secondary_data(f->secondary, tag, STATUS_OK, 1, 0x31, TRACK);
	fake_secondary_done(f->secondary, first);
	fake_secondary_done(f->secondary, second);
	host_end_expect(f, MESSAGE_DETACH);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_false(world_is_open(f->world));
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 0))[0], 0x31);
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 2))[0], world_byte(0));
}

static void host_may_go_between_the_answers_to_a_release(void **state)
{
	struct host_end *f = *state;
	for (uint32_t i = 0; i < 2; i++) {
		host_end_send_read(f, i, SIDE_REMOTE, i, 1, i);
		fake_secondary_data(f->secondary, host_end_make_job(f, LINK_ID + i), STATUS_OK, 1, 1, TRACK);
		host_end_read_reply(f, i, STATUS_OK);
	}
	host_end_out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(f);
	fake_secondary_done(f->secondary, host_end_expect(f, MESSAGE_RELEASE)->release.tag);
	world_settle(f->world);
	uint32_t second = host_end_expect(f, MESSAGE_RELEASE)->release.tag;
	host_end_hang_up(f);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	fake_secondary_done(f->secondary, second);
	host_end_expect(f, MESSAGE_DETACH);
}

static void host_may_go_while_it_opens(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	world_hang_opens(f->world);
	host_end_send_open(f, "volume");
	world_wait_hung(f->world, 1);
	uint32_t tag = host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag;
	host_end_hang_up(f);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	fake_secondary_volume(f->secondary, tag, SIZE_BYTES, TRACK);
	host_end_expect(f, MESSAGE_DETACH);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
}

static void finished_host_is_told_and_has_no_device_any_more(void **state)
{
	struct host_end *f = *state;
	host_end_send_read(f, 70, SIDE_REMOTE, 0, 1, 0);
	host_end_make_job(f, 1);
	host_end_send_read(f, 71, SIDE_REMOTE, 4, 1, 1);
	host_finish(f->host, "its device went");
	assert_null(host_device(f->host));
	assert_string_equal(host_end_read_reply(f, 70, STATUS_LINK_LOST)->detail, "its device went");
	assert_string_equal(host_end_read_reply(f, 71, STATUS_LINK_LOST)->detail, "its device went");
	assert_true(WORLD_UNTIL(f->world, f->closed));
	assert_true(WORLD_UNTIL(f->world, f->gone == 1));
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->device->local)));
}

static void silent_host_is_dropped(void **state)
{
	struct host_end *f = *state;
	clock_advance(f->world->clock, HELLO_DEADLINE_MS);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	assert_false(f->gone_clean);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_end_set_up_open, host_end_tear_down)
#define TEST_BARE(name) cmocka_unit_test_setup_teardown(name, host_end_set_up, host_end_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BARE(hello_without_memory_is_refused),
		TEST_BARE(hello_with_a_pipe_is_refused),
		TEST_BARE(hello_with_unsealed_memory_is_refused),
		TEST_BARE(hello_with_too_little_memory_is_refused),
		TEST_BARE(hello_with_read_only_memory_is_refused),
		TEST_BARE(unknown_protocol_is_answered_and_ended),
		TEST_BARE(request_before_hello_ends_the_session),
		TEST_BARE(progress_without_a_device_ends_the_session),
		TEST_BARE(progress_while_it_opens_ends_the_session),
		TEST(second_hello_ends_the_session),
		TEST(frame_of_a_link_ends_the_session),
		TEST(open_tells_both_volumes),
		TEST_BARE(both_sides_are_asked_at_once),
		TEST_BARE(unequal_track_sizes_are_named),
		TEST_BARE(failure_names_its_side),
		TEST_BARE(unknown_device_is_refused),
		TEST_BARE(replaced_device_is_refused_and_served_when_it_is_not_any_more),
		TEST(status_tells_the_sizes_of_now),
		TEST_BARE(requests_before_open_are_bad),
		TEST(second_open_is_bad),
		TEST(progress_is_kept_and_not_answered),
		TEST(local_read_fills_its_slot),
		TEST(remote_read_fills_its_slot),
		TEST(answers_say_what_was_waited_for),
		TEST(remote_errors_reach_the_host_with_floor_and_words),
		TEST(slot_in_use_is_refused_until_its_reply),
		TEST(stream_with_a_read_is_busy),
		TEST(reads_outside_the_limits_are_bad),
		TEST(full_disk_queue_is_told),
		TEST(timed_out_slot_is_lost_for_ever),
		TEST(release_ends_all_streams_and_new_jobs_follow),
		TEST(release_without_jobs_is_done_at_once),
		TEST(release_while_a_remote_read_runs_is_busy),
		TEST(release_while_a_local_read_runs_is_busy),
		TEST(next_pass_reads_to_the_new_end),
		TEST(lost_link_is_told_for_every_request),
		TEST(host_that_goes_releases_everything),
		TEST(finished_host_is_told_and_has_no_device_any_more),
		TEST(host_may_go_between_the_answers_to_a_release),
		TEST_BARE(host_may_go_while_it_opens),
		TEST_BARE(silent_host_is_dropped),
	};
	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
