/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: a plain connection is fed with the input, cut at points that the first four bytes choose. Its owner
 * answers, accepts, finishes and frees as the frames tell it to, so every way out is taken. Whatever comes, the
 * connection ends once, and nothing is called after.
 */
#include "wire/conn.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"

#define PAYLOAD_BYTES_MAX (64u * KIB)
#define SEED_BYTES 4u

struct owner {
	struct conn *conn; /* NULL when freed */
	unsigned closes;
	uint8_t payload[PAYLOAD_BYTES_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void free_conn(struct owner *owner)
{
	conn_free(owner->conn);
	owner->conn = NULL;
}

static void on_up(void *arg)
{
	struct owner *owner = arg;

	assert(owner->conn && owner->closes == 0);
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct owner *owner = arg;

	assert(owner->conn && owner->closes == 0 && payload_bytes <= message_payload_bytes_max(message->type));
	return payload_bytes <= sizeof(owner->payload) ? owner->payload : NULL;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	static const struct message answer = { MESSAGE_DONE, .done = { 1, STATUS_OK } };
	struct owner *owner = arg;

	assert(owner->conn && owner->closes == 0 && payload_bytes <= sizeof(owner->payload));
	switch (message->type) {
	case MESSAGE_HELLO:
		conn_accept(owner->conn);
		return 0;
	case MESSAGE_DETACH:
		free_conn(owner);
		return 0;
	case MESSAGE_HOST_RELEASE:
		conn_send(owner->conn, &answer, NULL, 0, NULL, NULL);
		conn_finish(owner->conn, "finished");
		return 0;
	case MESSAGE_HELLO_REPLY:
		return -1;
	default:
		conn_send(owner->conn, &answer, NULL, 0, NULL, NULL);
		return 0;
	}
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct owner *owner = arg;

	(void)clean;
	assert(owner->conn && owner->closes == 0 && strlen(reason) > 0);
	owner->closes++;
}

static void feed(struct event_base *base, int fd, const uint8_t *data, size_t bytes)
{
	uint32_t seed = 1;
	size_t position = SEED_BYTES;

	if (bytes < SEED_BYTES)
		return;
	for (size_t i = 0; i < SEED_BYTES; i++)
		seed = seed * 257 + data[i];
	while (position < bytes) {
		size_t piece;

		seed = seed * 1664525 + 1013904223;
		piece = (seed >> 28) == 0 ? 4096 : (seed >> 24) % 24 + 1;
		if (piece > bytes - position)
			piece = bytes - position;
		if (send(fd, data + position, piece, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return; /* closed, or not read from any more */
		position += piece;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct conn_ops ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };
	static struct owner owner;
	static struct event_base *base;
	struct clock *clock = clock_new_virtual();
	int fds[2], rc;

	if (!base) {
		log_start("fuzz_frame", LOG_LEVEL_ERROR);
		base = event_base_new();
	}
	rc = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	assert(rc == 0 && base);
	owner.closes = 0;
	owner.conn = conn_new_plain(base, clock, fds[0], "fuzz", &ops, &owner);
	feed(base, fds[1], data, bytes);
	shutdown(fds[1], SHUT_WR);
	for (int i = 0; i < 100 && owner.closes == 0 && owner.conn; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	if (owner.closes == 0 && owner.conn)
		clock_advance(clock, 2 * HELLO_DEADLINE_MS); /* it had too much to say to nobody */
	assert(owner.closes == 1 || !owner.conn);
	free_conn(&owner);
	close(fds[1]);
	clock_free(clock);
	return 0;
}
