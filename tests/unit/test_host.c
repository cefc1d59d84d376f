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
#include "tests/support/pair.h"
#include "tests/support/world.h"
#include "wire/conn.h"

#define TRACK WORLD_TRACK_BYTES
#define TRACKS 10u
#define SIZE_BYTES (TRACKS * TRACK - 1000)
#define SLOTS 4u
#define DISK_QUEUE 3u /* DA requests */
#define SLOT_BYTES (4 * TRACK)
#define LINK_ID 0x0007000000000001ull
#define KEPT 64u

struct fixture {
	struct world *world;
	struct fake_secondary *secondary;
	struct primary_device device;
	struct host *host; /* NULL when gone */
	unsigned gone;
	bool gone_clean;
	struct conn *conn; /* the host program's end; NULL when closed */
	bool closed;
	struct shm *shm;
	int memory_fd;
	struct message *replies[KEPT];
	unsigned reply_count, taken_count;
	struct message out;
};

/* ---- The host program's end ---- */

static void on_up(void *arg)
{
	(void)arg;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct fixture *f = arg;
	(void)payload_bytes;
	assert_true(f->reply_count < KEPT);
	f->replies[f->reply_count] = malloc(sizeof(*message));
	*f->replies[f->reply_count++] = *message;
	return 0;
}

static void hang_up(struct fixture *f)
{
	conn_free(f->conn);
	f->conn = NULL;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct fixture *f = arg;
	(void)reason;
	(void)clean;
	f->closed = true;
	hang_up(f);
}

static const struct conn_ops conn_ops = { .up = on_up, .frame = on_frame, .closed = on_closed };

static void on_gone(void *arg, bool clean)
{
	struct fixture *f = arg;
	f->gone++;
	f->gone_clean = clean;
	host_free(f->host);
	f->host = NULL;
}

static const struct host_ops host_ops = { .gone = on_gone };

static struct message *out(struct fixture *f, enum message_type type)
{
	memset(&f->out, 0, sizeof(f->out));
	f->out.type = type;
	return &f->out;
}

static void send_out(struct fixture *f)
{
	conn_send(f->conn, &f->out, NULL, 0, NULL, NULL);
	world_settle(f->world);
}

static unsigned unread(const struct fixture *f)
{
	return f->reply_count - f->taken_count;
}

/* The next reply, which must be of this type; waits for DA threads. */
static const struct message *reply(struct fixture *f, enum message_type type)
{
	assert_true(WORLD_UNTIL(f->world, unread(f) > 0));
	const struct message *message = f->replies[f->taken_count++];
	assert_string_equal(message_name(message->type), message_name(type));
	return message;
}

static void say_hello(struct fixture *f, int fd, uint32_t slot_bytes)
{
	out(f, MESSAGE_HOST_HELLO);
	f->out.host_hello.protocol_min = f->out.host_hello.protocol_max = RA_PROTOCOL_VERSION;
	f->out.host_hello.slot_count = SLOTS;
	f->out.host_hello.slot_bytes = slot_bytes;
	if (fd >= 0)
		conn_send_fd(f->conn, &f->out, fd);
	else
		conn_send(f->conn, &f->out, NULL, 0, NULL, NULL);
	world_settle(f->world);
}

static void send_open(struct fixture *f, const char *device)
{
	out(f, MESSAGE_HOST_OPEN)->host_open.tag = 50;
	snprintf(f->out.host_open.device, sizeof(f->out.host_open.device), "%s", device);
	send_out(f);
}

static void send_read(struct fixture *f, uint32_t tag, enum side side, uint64_t first, uint32_t count, uint32_t slot)
{
	struct msg_host_read *read = &out(f, MESSAGE_HOST_READ)->host_read;
	read->tag = tag;
	read->side = side;
	read->stream = slot;
	read->first_track = first;
	read->track_count = count;
	read->slot = slot;
	read->delivery = DELIVERY_DISCONNECT;
	send_out(f);
}

static const struct msg_host_read_reply *read_reply(struct fixture *f, uint32_t tag, enum status status)
{
	const struct message *message = reply(f, MESSAGE_HOST_READ_REPLY);
	assert_int_equal(message->host_read_reply.tag, tag);
	assert_string_equal(status_name(message->host_read_reply.status), status_name(status));
	return &message->host_read_reply;
}

/* The next frame at the secondary. */
static const struct message *expect(struct fixture *f, enum message_type type)
{
	world_settle(f->world);
	const struct message *message = fake_secondary_take(f->secondary);
	assert_non_null(message);
	assert_string_equal(message_name(message->type), message_name(type));
	return message;
}

static uint32_t make_job(struct fixture *f, uint64_t link_id)
{
	fake_secondary_job(f->secondary, expect(f, MESSAGE_READ)->read.tag, link_id);
	return expect(f, MESSAGE_READ)->read.tag;
}

static void open_both(struct fixture *f)
{
	say_hello(f, f->memory_fd, SLOT_BYTES);
	assert_int_equal(reply(f, MESSAGE_HOST_HELLO_REPLY)->host_hello_reply.status, STATUS_OK);
	send_open(f, "volume");
	fake_secondary_volume(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	assert_int_equal(reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
}

static int set_up_bare(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];
	f->world = world_new(DISK_QUEUE);
	world_add_local(f->world, SIZE_BYTES);
	world_add_link(f->world, 8);
	f->secondary = f->world->secondary;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct host_config config = {
		.base = f->world->base,
		.clock = f->world->clock,
		.throttle = f->world->throttle,
		.devices = &f->device,
		.device_count = 1,
	};
	f->device = (struct primary_device){ .name = "volume", .local = f->world->local, .remote = f->world->remote };
	f->host = host_new(&config, fds[0], &host_ops, f);
	f->conn = conn_new_plain(f->world->base, f->world->clock, fds[1], "test", &conn_ops, f);
	conn_accept(f->conn);
	assert_int_equal(shm_create(SLOTS, SLOT_BYTES, &f->shm, &f->memory_fd), 0);
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	set_up_bare(state);
	open_both(*state);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	hang_up(f);
	host_free(f->host);
	world_free(f->world);
	shm_unref(f->shm);
	close(f->memory_fd);
	for (unsigned i = 0; i < f->reply_count; i++)
		free(f->replies[i]);
	free(f);
	return 0;
}

/* ---- Hello ---- */

static void assert_refused(struct fixture *f, int fd, const char *words)
{
	capture_start();
	say_hello(f, fd, SLOT_BYTES);
	char *log = capture_end();
	assert_non_null(strstr(log, words));
	assert_int_equal(line_count(log), 1);
	free(log);
	assert_int_equal(f->gone, 1);
	assert_false(f->gone_clean);
	assert_int_equal(unread(f), 0);
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
	struct fixture *f = *state;
	out(f, MESSAGE_HOST_HELLO)->host_hello = (struct msg_host_hello){ .protocol_min = 2, .protocol_max = 3,
		.slot_count = SLOTS, .slot_bytes = SLOT_BYTES };
	conn_send_fd(f->conn, &f->out, f->memory_fd);
	world_settle(f->world);
	assert_int_equal(reply(f, MESSAGE_HOST_HELLO_REPLY)->host_hello_reply.status, STATUS_VERSION);
	assert_int_equal(f->gone, 1);
	assert_true(f->closed);
}

static void request_before_hello_ends_the_session(void **state)
{
	struct fixture *f = *state;
	capture_start();
	send_open(f, "volume");
	char *log = capture_end();
	assert_non_null(strstr(log, "HostOpen from the host before HostHello"));
	assert_int_equal(line_count(log), 1);
	free(log);
	assert_int_equal(f->gone, 1);
}

static void second_hello_ends_the_session(void **state)
{
	struct fixture *f = *state;
	say_hello(f, f->memory_fd, SLOT_BYTES);
	assert_int_equal(f->gone, 1);
}

static void frame_of_a_link_ends_the_session(void **state)
{
	struct fixture *f = *state;
	out(f, MESSAGE_DONE)->done.status = STATUS_OK;
	send_out(f);
	assert_int_equal(f->gone, 1);
}

/* ---- Open and status ---- */

static void open_tells_both_volumes(void **state)
{
	struct fixture *f = *state;
	const struct msg_host_open_reply *open = &f->replies[f->taken_count - 1]->host_open_reply;
	assert_int_equal(open->tag, 50);
	assert_int_equal(open->track_bytes, TRACK);
	assert_string_equal(open->local.path, "/memory");
	assert_string_equal(open->remote.path, "/remote");
	assert_int_equal(open->local.size_bytes, SIZE_BYTES);
	assert_int_equal(open->remote.size_bytes, SIZE_BYTES);
	assert_true(open->wire_bytes > 0);
}

static void hello(struct fixture *f)
{
	say_hello(f, f->memory_fd, SLOT_BYTES);
	reply(f, MESSAGE_HOST_HELLO_REPLY);
}

static void both_sides_are_asked_at_once(void **state)
{
	struct fixture *f = *state;
	hello(f);
	world_hang_opens(f->world);
	send_open(f, "volume");
	world_wait_hung(f->world, 1);
	/* The disk hangs, and yet the secondary is asked. */
	fake_secondary_volume(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	world_settle(f->world);
	assert_int_equal(unread(f), 0);
	world_release(f->world);
	assert_int_equal(reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
}

static void unequal_track_sizes_are_named(void **state)
{
	struct fixture *f = *state;
	hello(f);
	send_open(f, "volume");
	fake_secondary_volume(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, 65536);
	const struct message *open = reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(open->host_open_reply.status, STATUS_BAD_REQUEST);
	assert_non_null(strstr(open->host_open_reply.detail, "4096"));
	assert_non_null(strstr(open->host_open_reply.detail, "65536"));
	expect(f, MESSAGE_DETACH);
}

static void failure_names_its_side(void **state)
{
	struct fixture *f = *state;
	hello(f);
	world_fail_open(f->world, -2);
	send_open(f, "volume");
	fake_secondary_volume(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES, TRACK);
	const struct message *open = reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(open->host_open_reply.status, STATUS_VOLUME_ERROR);
	assert_int_equal(open->host_open_reply.failed_side, SIDE_LOCAL);
	assert_string_equal(open->host_open_reply.detail, "cannot open /memory: No such file or directory");
	expect(f, MESSAGE_DETACH);

	world_fail_open(f->world, 0); /* it may be tried again */
	send_open(f, "volume");
	fake_secondary_refuse_query(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag,
		STATUS_NO_SUCH_DEVICE, "not here");
	open = reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(open->host_open_reply.status, STATUS_NO_SUCH_DEVICE);
	assert_int_equal(open->host_open_reply.failed_side, SIDE_REMOTE);
	assert_string_equal(open->host_open_reply.detail, "not here");
	assert_true(WORLD_UNTIL(f->world, !world_is_open(f->world)));
}

static void unknown_device_is_refused(void **state)
{
	struct fixture *f = *state;
	hello(f);
	send_open(f, "other");
	assert_int_equal(reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_NO_SUCH_DEVICE);
}

static void status_tells_the_sizes_of_now(void **state)
{
	struct fixture *f = *state;
	world_resize(f->world, SIZE_BYTES + 100);
	out(f, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	send_out(f);
	out(f, MESSAGE_HOST_STATUS)->host_status.tag = 61;
	send_out(f);
	const struct message *status = reply(f, MESSAGE_HOST_OPEN_REPLY); /* one at a time */
	assert_int_equal(status->host_open_reply.tag, 61);
	assert_int_equal(status->host_open_reply.status, STATUS_BAD_REQUEST);
	fake_secondary_volume(f->secondary, expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, SIZE_BYTES + 200, TRACK);
	status = reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(status->host_open_reply.tag, 60);
	assert_int_equal(status->host_open_reply.status, STATUS_OK);
	assert_int_equal(status->host_open_reply.local.size_bytes, SIZE_BYTES + 100);
	assert_int_equal(status->host_open_reply.remote.size_bytes, SIZE_BYTES + 200);
}

static void requests_before_open_are_bad(void **state)
{
	struct fixture *f = *state;
	hello(f);
	send_read(f, 1, SIDE_LOCAL, 0, 1, 0);
	read_reply(f, 1, STATUS_BAD_REQUEST);
	send_read(f, 2, SIDE_REMOTE, 0, 1, 0);
	read_reply(f, 2, STATUS_BAD_REQUEST);
	out(f, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	send_out(f);
	assert_int_equal(reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_BAD_REQUEST);
	assert_int_equal(f->gone, 0);
}

static void second_open_is_bad(void **state)
{
	struct fixture *f = *state;
	send_open(f, "volume");
	assert_int_equal(reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_BAD_REQUEST);
}

/* ---- Reads ---- */

static void local_read_fills_its_slot(void **state)
{
	struct fixture *f = *state;
	send_read(f, 1, SIDE_LOCAL, 6, 4, 2);
	const struct msg_host_read_reply *read = read_reply(f, 1, STATUS_OK);
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
	struct fixture *f = *state;
	send_read(f, 1, SIDE_REMOTE, 8, 2, 1);
	uint32_t tag = make_job(f, LINK_ID);
	fake_secondary_status(f->secondary, tag, STATUS_DISCONNECT, 0);
	fake_secondary_data(f->secondary, tag, STATUS_RECONNECT, 2, 0x77, 2 * TRACK - 1000);
	const struct msg_host_read_reply *read = read_reply(f, 1, STATUS_OK);
	assert_true(read->disconnected);
	assert_int_equal(read->track_count, 2);
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 1))[2 * TRACK - 1001], 0x77);
}

static void remote_errors_reach_the_host_with_floor_and_words(void **state)
{
	struct fixture *f = *state;
	struct message answer = { .type = MESSAGE_READ_REPLY };
	send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	answer.read_reply.tag = make_job(f, LINK_ID);
	answer.read_reply.status = STATUS_QUEUE_FULL;
	snprintf(answer.read_reply.detail, sizeof(answer.read_reply.detail), "256 requests");
	fake_secondary_send(f->secondary, &answer, NULL, 0);
	assert_string_equal(read_reply(f, 1, STATUS_QUEUE_FULL)->detail, "256 requests");

	f->out.host_read.tag = 2; /* the same again, by poll */
	f->out.host_read.delivery = DELIVERY_POLL;
	f->out.host_read.floor = 17;
	f->out.host_read.reread = true;
	send_out(f);
	const struct message *read = expect(f, MESSAGE_READ);
	assert_int_equal(read->read.delivery, DELIVERY_POLL);
	assert_int_equal(read->read.floor, 17);
	assert_true(read->read.reread);
	fake_secondary_status(f->secondary, read->read.tag, STATUS_DATA_NOT_FOUND, 18);
	assert_int_equal(read_reply(f, 2, STATUS_DATA_NOT_FOUND)->floor, 18);
}

static void slot_in_use_is_refused_until_its_reply(void **state)
{
	struct fixture *f = *state;
	send_read(f, 1, SIDE_REMOTE, 0, 1, 1);
	send_read(f, 2, SIDE_LOCAL, 0, 1, 1);
	assert_string_equal(read_reply(f, 2, STATUS_BAD_REQUEST)->detail, "slot 1 is in use");
	fake_secondary_data(f->secondary, make_job(f, LINK_ID), STATUS_OK, 1, 5, TRACK);
	read_reply(f, 1, STATUS_OK);
	send_read(f, 3, SIDE_LOCAL, 0, 1, 1);
	read_reply(f, 3, STATUS_OK);
}

static void stream_with_a_read_is_busy(void **state)
{
	struct fixture *f = *state;
	send_read(f, 1, SIDE_REMOTE, 0, 1, 1);
	out(f, MESSAGE_HOST_READ)->host_read = (struct msg_host_read){ .tag = 2, .side = SIDE_REMOTE, .stream = 1,
		.track_count = 1, .slot = 2, .delivery = DELIVERY_HOLD };
	send_out(f);
	read_reply(f, 2, STATUS_BUSY);
	f->out.host_read.tag = 3;
	f->out.host_read.stream = 2;
	send_out(f);
	make_job(f, LINK_ID);
	assert_int_equal(unread(f), 0);
}

static void reads_outside_the_limits_are_bad(void **state)
{
	struct fixture *f = *state;
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
			send_read(f, i, side, bad[i].first, bad[i].count, bad[i].slot);
			assert_non_null(strstr(read_reply(f, i, STATUS_BAD_REQUEST)->detail, bad[i].words));
		}
	}
	assert_int_equal(fake_secondary_count(f->secondary), 0);
	assert_int_equal(f->gone, 0);
}

static void full_disk_queue_is_told(void **state)
{
	struct fixture *f = *state;
	world_hang_reads(f->world);
	for (unsigned i = 0; i < DISK_QUEUE; i++)
		send_read(f, i, SIDE_LOCAL, i, 1, i);
	assert_int_equal(unread(f), 0);
	send_read(f, 9, SIDE_LOCAL, 0, 1, DISK_QUEUE);
	assert_false(read_reply(f, 9, STATUS_QUEUE_FULL)->slot_lost);
	world_release(f->world);
	for (unsigned i = 0; i < DISK_QUEUE; i++)
		assert_int_equal(reply(f, MESSAGE_HOST_READ_REPLY)->host_read_reply.status, STATUS_OK);
	send_read(f, 9, SIDE_LOCAL, 0, 1, DISK_QUEUE); /* the slot was not taken */
	read_reply(f, 9, STATUS_OK);
}

static void timed_out_slot_is_lost_for_ever(void **state)
{
	struct fixture *f = *state;
	world_hang_reads(f->world);
	send_read(f, 1, SIDE_LOCAL, 0, 1, 0);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_true(read_reply(f, 1, STATUS_TIMEOUT)->slot_lost);
	send_read(f, 2, SIDE_LOCAL, 0, 1, 1);
	assert_false(read_reply(f, 2, STATUS_NOT_READY)->slot_lost);
	send_read(f, 3, SIDE_LOCAL, 0, 1, 0);
	assert_non_null(strstr(read_reply(f, 3, STATUS_BAD_REQUEST)->detail, "slot 0 is lost"));
	/* The other side goes on. */
	send_read(f, 4, SIDE_REMOTE, 0, 1, 2);
	fake_secondary_data(f->secondary, make_job(f, LINK_ID), STATUS_OK, 1, 5, TRACK);
	read_reply(f, 4, STATUS_OK);
	world_release(f->world);
	world_settle(f->world);
	send_read(f, 5, SIDE_LOCAL, 0, 1, 0); /* also when the disk is back */
	read_reply(f, 5, STATUS_BAD_REQUEST);
}

/* ---- Release ---- */

static void release_ends_all_streams_and_new_jobs_follow(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 2; i++) {
		send_read(f, i, SIDE_REMOTE, i, 1, i);
		fake_secondary_data(f->secondary, make_job(f, LINK_ID + i), STATUS_OK, 1, 1, TRACK);
		read_reply(f, i, STATUS_OK);
	}
	out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	send_out(f);
	uint32_t first = expect(f, MESSAGE_RELEASE)->release.tag;
	uint32_t second = expect(f, MESSAGE_RELEASE)->release.tag;
	fake_secondary_done(f->secondary, second);
	world_settle(f->world);
	assert_int_equal(unread(f), 0);
	send_read(f, 5, SIDE_REMOTE, 0, 1, 0);
	read_reply(f, 5, STATUS_BUSY); /* not before Done */
	fake_secondary_done(f->secondary, first);
	assert_int_equal(reply(f, MESSAGE_DONE)->done.tag, 70);
	send_read(f, 6, SIDE_REMOTE, 0, 1, 0);
	make_job(f, LINK_ID + 2);
}

static void release_without_jobs_is_done_at_once(void **state)
{
	struct fixture *f = *state;
	out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	send_out(f);
	assert_int_equal(reply(f, MESSAGE_DONE)->done.status, STATUS_OK);
}

static void release_while_a_remote_read_runs_is_busy(void **state)
{
	struct fixture *f = *state;
	send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	make_job(f, LINK_ID);
	out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	send_out(f);
	assert_int_equal(reply(f, MESSAGE_DONE)->done.status, STATUS_BUSY);
}

/* ---- The ends ---- */

static void lost_link_is_told_for_every_request(void **state)
{
	struct fixture *f = *state;
	send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	make_job(f, LINK_ID);
	fake_secondary_hang_up(f->secondary);
	read_reply(f, 1, STATUS_LINK_LOST);
	send_read(f, 2, SIDE_REMOTE, 0, 1, 0);
	read_reply(f, 2, STATUS_LINK_LOST);
	out(f, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	send_out(f);
	const struct message *status = reply(f, MESSAGE_HOST_OPEN_REPLY);
	assert_int_equal(status->host_open_reply.status, STATUS_LINK_LOST);
	assert_int_equal(status->host_open_reply.failed_side, SIDE_REMOTE);
	out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	send_out(f);
	assert_int_equal(reply(f, MESSAGE_DONE)->done.status, STATUS_OK);
	send_read(f, 3, SIDE_LOCAL, 0, 1, 0);
	read_reply(f, 3, STATUS_OK);
	assert_int_equal(f->gone, 0); /* it stays to answer */
}

static void host_that_goes_releases_everything(void **state)
{
	struct fixture *f = *state;
	send_read(f, 1, SIDE_REMOTE, 0, 1, 0);
	uint32_t tag = make_job(f, LINK_ID);
	send_read(f, 2, SIDE_REMOTE, 1, 1, 1);
	fake_secondary_data(f->secondary, make_job(f, LINK_ID + 1), STATUS_OK, 1, 1, TRACK);
	read_reply(f, 2, STATUS_OK);
	world_hang_reads(f->world);
	send_read(f, 3, SIDE_LOCAL, 0, 1, 2);
	world_wait_hung(f->world, 1);
	hang_up(f);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	assert_true(f->gone_clean);
	uint32_t first = expect(f, MESSAGE_RELEASE)->release.tag;
	uint32_t second = expect(f, MESSAGE_RELEASE)->release.tag;
	/* Both writers may still write, though the session is freed. */
	fake_secondary_data(f->secondary, tag, STATUS_OK, 1, 0x31, TRACK);
	fake_secondary_done(f->secondary, first);
	fake_secondary_done(f->secondary, second);
	expect(f, MESSAGE_DETACH);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_false(world_is_open(f->world));
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 0))[0], 0x31);
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 2))[0], world_byte(0));
}

static void host_may_go_between_the_answers_to_a_release(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 2; i++) {
		send_read(f, i, SIDE_REMOTE, i, 1, i);
		fake_secondary_data(f->secondary, make_job(f, LINK_ID + i), STATUS_OK, 1, 1, TRACK);
		read_reply(f, i, STATUS_OK);
	}
	out(f, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	send_out(f);
	fake_secondary_done(f->secondary, expect(f, MESSAGE_RELEASE)->release.tag);
	world_settle(f->world);
	uint32_t second = expect(f, MESSAGE_RELEASE)->release.tag;
	hang_up(f);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	fake_secondary_done(f->secondary, second);
	expect(f, MESSAGE_DETACH);
}

static void host_may_go_while_it_opens(void **state)
{
	struct fixture *f = *state;
	hello(f);
	world_hang_opens(f->world);
	send_open(f, "volume");
	world_wait_hung(f->world, 1);
	uint32_t tag = expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag;
	hang_up(f);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	fake_secondary_volume(f->secondary, tag, SIZE_BYTES, TRACK);
	expect(f, MESSAGE_DETACH);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
}

static void silent_host_is_dropped(void **state)
{
	struct fixture *f = *state;
	clock_advance(f->world->clock, HELLO_DEADLINE_MS);
	world_settle(f->world);
	assert_int_equal(f->gone, 1);
	assert_false(f->gone_clean);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_BARE(name) cmocka_unit_test_setup_teardown(name, set_up_bare, tear_down)

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
		TEST(second_hello_ends_the_session),
		TEST(frame_of_a_link_ends_the_session),
		TEST(open_tells_both_volumes),
		TEST_BARE(both_sides_are_asked_at_once),
		TEST_BARE(unequal_track_sizes_are_named),
		TEST_BARE(failure_names_its_side),
		TEST_BARE(unknown_device_is_refused),
		TEST(status_tells_the_sizes_of_now),
		TEST_BARE(requests_before_open_are_bad),
		TEST(second_open_is_bad),
		TEST(local_read_fills_its_slot),
		TEST(remote_read_fills_its_slot),
		TEST(remote_errors_reach_the_host_with_floor_and_words),
		TEST(slot_in_use_is_refused_until_its_reply),
		TEST(stream_with_a_read_is_busy),
		TEST(reads_outside_the_limits_are_bad),
		TEST(full_disk_queue_is_told),
		TEST(timed_out_slot_is_lost_for_ever),
		TEST(release_ends_all_streams_and_new_jobs_follow),
		TEST(release_without_jobs_is_done_at_once),
		TEST(release_while_a_remote_read_runs_is_busy),
		TEST(lost_link_is_told_for_every_request),
		TEST(host_that_goes_releases_everything),
		TEST(host_may_go_between_the_answers_to_a_release),
		TEST_BARE(host_may_go_while_it_opens),
		TEST_BARE(silent_host_is_dropped),
	};
	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
