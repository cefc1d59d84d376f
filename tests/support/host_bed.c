/* SPDX-License-Identifier: Apache-2.0
 *
 * Host programs and their sessions in one process, over socket pairs.
 */
#include "tests/support/host_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/shm.h"
#include "primary/keep.h"
#include "primary/reports.h"
#include "primary/service_parts.h"
#include "tests/support/fake_secondary.h"
#include "wire/conn.h"

/* ---- The host program's end ---- */

static void on_up(void *arg)
{
	(void)arg;
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct host_end *end = arg;
	(void)message;
	free(end->payload);
	end->payload = malloc(payload_bytes);
	end->payload_bytes = payload_bytes;
	return end->payload;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct host_end *end = arg;
	(void)payload_bytes;
	assert_true(end->reply_count < HOST_KEPT);
	end->replies[end->reply_count] = malloc(sizeof(*message));
	*end->replies[end->reply_count++] = *message;
	return 0;
}

void host_end_hang_up(struct host_end *end)
{
	conn_free(end->conn);
	end->conn = NULL;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct host_end *end = arg;
	(void)reason;
	(void)clean;
	end->closed = true;
	host_end_hang_up(end);
}

static const struct conn_ops conn_ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };

static void on_gone(void *arg, bool clean)
{
	struct host_end *end = arg;
	end->gone++;
	end->gone_clean = clean;
	host_free(end->host);
	end->host = NULL;
}

static const struct host_ops host_ops = { .gone = on_gone };

struct message *host_end_out(struct host_end *end, enum message_type type)
{
	memset(&end->out, 0, sizeof(end->out));
	end->out.type = type;
	return &end->out;
}

static void free_payload(void *arg, bool sent)
{
	(void)sent;
	free(arg);
}

void host_end_send(struct host_end *end)
{
	conn_send(end->conn, &end->out, NULL, 0, NULL, NULL);
	world_settle(end->world);
}

void host_end_send_payload(struct host_end *end, const void *payload, size_t bytes)
{
	uint8_t *copy = malloc(bytes);
	memcpy(copy, payload, bytes);
	conn_send(end->conn, &end->out, &(struct conn_piece){ copy, bytes }, 1, free_payload, copy);
	world_settle(end->world);
}

unsigned host_end_unread(const struct host_end *end)
{
	return end->reply_count - end->taken_count;
}

/* The next reply, which must be of this type; waits for DA threads. */
const struct message *host_end_reply(struct host_end *end, enum message_type type)
{
	assert_true(WORLD_UNTIL(end->world, host_end_unread(end) > 0));
	const struct message *message = end->replies[end->taken_count++];
	assert_string_equal(message_name(message->type), message_name(type));
	return message;
}

void host_end_say_hello(struct host_end *end, int fd)
{
	host_end_out(end, MESSAGE_HOST_HELLO);
	end->out.host_hello.protocol_min = end->out.host_hello.protocol_max = RA_PROTOCOL_VERSION;
	end->out.host_hello.slot_count = HOST_SLOTS;
	end->out.host_hello.slot_bytes = HOST_SLOT_BYTES;
	if (fd >= 0)
		conn_send_fd(end->conn, &end->out, fd);
	else
		conn_send(end->conn, &end->out, NULL, 0, NULL, NULL);
	world_settle(end->world);
}

void host_end_send_open(struct host_end *end, const char *device)
{
	host_end_out(end, MESSAGE_HOST_OPEN)->host_open.tag = 50;
	snprintf(end->out.host_open.device, sizeof(end->out.host_open.device), "%s", device);
	host_end_send(end);
}

static void put_read(struct host_end *end, uint32_t tag, enum side side, uint64_t first, uint32_t count, uint32_t slot)
{
	struct msg_host_read *read = &host_end_out(end, MESSAGE_HOST_READ)->host_read;
	read->tag = tag;
	read->side = side;
	read->stream = slot;
	read->first_track = first;
	read->track_count = count;
	read->slot = slot;
	read->delivery = DELIVERY_DISCONNECT;
}

void host_end_send_read(struct host_end *end, uint32_t tag, enum side side, uint64_t first, uint32_t count,
	uint32_t slot)
{
	put_read(end, tag, side, first, count, slot);
	host_end_send(end);
}

void host_end_send_digest_read(struct host_end *end, uint32_t tag, enum side side, uint64_t first, uint32_t count,
	uint32_t slot, enum digest digest, uint64_t end_bytes)
{
	put_read(end, tag, side, first, count, slot);
	end->out.host_read.digest = digest;
	end->out.host_read.end_bytes = end_bytes;
	host_end_send(end);
}

const struct msg_host_read_reply *host_end_read_reply(struct host_end *end, uint32_t tag, enum status status)
{
	const struct message *message = host_end_reply(end, MESSAGE_HOST_READ_REPLY);
	assert_int_equal(message->host_read_reply.tag, tag);
	assert_string_equal(status_name(message->host_read_reply.status), status_name(status));
	return &message->host_read_reply;
}

/* The next frame at the secondary. */
const struct message *host_end_expect(struct host_end *end, enum message_type type)
{
	world_settle(end->world);
	const struct message *message = fake_secondary_take(end->secondary);
	assert_non_null(message);
	assert_string_equal(message_name(message->type), message_name(type));
	return message;
}

uint32_t host_end_make_job(struct host_end *end, uint64_t link_id)
{
	fake_secondary_job(end->secondary, host_end_expect(end, MESSAGE_READ)->read.tag, link_id);
	return host_end_expect(end, MESSAGE_READ)->read.tag;
}

void host_end_hello(struct host_end *end)
{
	host_end_say_hello(end, end->memory_fd);
	assert_int_equal(host_end_reply(end, MESSAGE_HOST_HELLO_REPLY)->host_hello_reply.status, STATUS_OK);
}

void host_end_open(struct host_end *end)
{
	host_end_hello(end);
	host_end_send_open(end, "volume");
	fake_secondary_volume(end->secondary, host_end_expect(end, MESSAGE_DEVICE_QUERY)->device_query.tag,
		HOST_SIZE_BYTES, WORLD_TRACK_BYTES);
	assert_int_equal(host_end_reply(end, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
}

/* ---- The daemon's end ---- */

static const struct primary_device *find_device(void *arg, const char *name)
{
	const struct host_end *end = arg;
	return strcmp(name, end->device->name) == 0 ? end->device : NULL;
}

static struct host_config config_of(const struct host_end *end)
{
	return (struct host_config){
		.base = end->world->base,
		.clock = end->world->clock,
		.throttle = end->world->throttle,
		.find_device = find_device,
		.find_arg = (void *)end,
		.payloads = end->payloads,
	};
}

/* What a daemon's server does. */
static int on_greeting(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct host_end *end = arg;
	struct host_config config = config_of(end);
	(void)payload_bytes;
	assert_int_equal(message->type, MESSAGE_HOST_HELLO);
	int error = host_adopt(&config, end->served, &message->host_hello, &host_ops, end, &end->host);
	if (!error)
		end->served = NULL;
	return error;
}

static void on_served_closed(void *arg, const char *reason, bool clean)
{
	struct host_end *end = arg;
	(void)reason;
	(void)clean;
	conn_free(end->served);
	end->served = NULL;
	end->gone++;
}

static const struct conn_ops greeter_ops = { .up = on_up, .frame = on_greeting, .closed = on_served_closed };

static void connect_end(struct host_end *end, bool is_adopted)
{
	int fds[2];
	struct host_config config = config_of(end);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	if (is_adopted)
		end->served = conn_new_plain(config.base, config.clock, fds[0], "served", &greeter_ops, end);
	else
		end->host = host_new(&config, fds[0], &host_ops, end);
	end->conn = conn_new_plain(config.base, config.clock, fds[1], "test", &conn_ops, end);
	conn_accept(end->conn);
	assert_int_equal(shm_create(HOST_SLOTS, HOST_SLOT_BYTES, &end->shm, &end->memory_fd), 0);
}

struct host_end *host_end_new(struct host_end *first, bool is_adopted)
{
	struct host_end *end = calloc(1, sizeof(*end));
	end->world = first->world;
	end->secondary = first->secondary;
	end->device = first->device;
	end->payloads = first->payloads;
	connect_end(end, is_adopted);
	return end;
}

void host_end_free(struct host_end *end)
{
	host_end_hang_up(end);
	host_free(end->host);
	conn_free(end->served);
	shm_unref(end->shm);
	close(end->memory_fd);
	for (unsigned i = 0; i < end->reply_count; i++)
		free(end->replies[i]);
	free(end->payload);
	free(end);
}

int host_end_set_up(void **state)
{
	struct host_end *end = calloc(1, sizeof(*end));
	end->world = world_new(HOST_DISK_QUEUE);
	world_add_local(end->world, HOST_SIZE_BYTES);
	world_add_link(end->world, 8);
	end->secondary = end->world->secondary;
	end->device = calloc(1, sizeof(struct service_device));
	end->device->name = "volume";
	end->device->local = end->world->local;
	end->device->remote = end->world->remote;
	connect_end(end, false);
	*state = end;
	return 0;
}

int host_end_set_up_open(void **state)
{
	host_end_set_up(state);
	host_end_open(*state);
	return 0;
}

int host_end_tear_down(void **state)
{
	struct host_end *end = *state;
	struct world *world = end->world;
	struct primary_device *device = end->device;
	host_end_free(end);
	keep_free(device->keep);
	reports_free(device->reports);
	world_free(world);
	free(device);
	return 0;
}
