/* SPDX-License-Identifier: Apache-2.0
 *
 * The other end of a primary's link, driven by a test. It holds payload until TLS has taken it.
 */
#include "tests/support/fake_secondary.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define KEPT 256u

struct fake_secondary {
	struct tls_context *context;
	struct conn *conn; /* NULL when closed */
	uint32_t window_reads;
	struct message *received[KEPT];
	unsigned received_count, taken_count;
	struct message out;
};

static void *admit_anybody(void *arg, const char *key, const struct tls_proof *proof)
{
	static char anybody;

	(void)arg, (void)key, (void)proof;
	return &anybody;
}

static void on_up(void *arg)
{
	(void)arg;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct fake_secondary *fake = arg;
	(void)payload_bytes;
	if (message->type != MESSAGE_HELLO) {
		assert(fake->received_count < KEPT);
		struct message *kept = xcalloc(1, sizeof(*kept));
		*kept = *message;
		fake->received[fake->received_count++] = kept;
		return 0;
	}
	conn_accept(fake->conn);
	if (fake->window_reads == 0)
		return 0;
	memset(&fake->out, 0, sizeof(fake->out));
	fake->out.type = MESSAGE_HELLO_REPLY;
	fake->out.hello_reply.status = STATUS_OK;
	fake->out.hello_reply.protocol = RA_PROTOCOL_VERSION;
	fake->out.hello_reply.window_reads = fake->window_reads;
	fake->out.hello_reply.secondary_id = 7;
	snprintf(fake->out.hello_reply.software, sizeof(fake->out.hello_reply.software), "fake");
	fake_secondary_send(fake, &fake->out, NULL, 0);
	return 0;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct fake_secondary *fake = arg;
	(void)reason;
	(void)clean;
	fake_secondary_hang_up(fake);
}

static const struct conn_ops ops = { .up = on_up, .frame = on_frame, .closed = on_closed };

struct fake_secondary *fake_secondary_new(struct event_base *base, struct clock *clock,
	const struct tls_identity *identity, int fd, uint32_t window_reads)
{
	struct fake_secondary *fake = xcalloc(1, sizeof(*fake));
	fake->window_reads = window_reads;
	fake->context = tls_context_new(identity, TLS_SERVER, admit_anybody, NULL);
	fake->conn = conn_new_tls(base, clock, tls_new(fake->context, fd, fd), fd, fd, "fake", &ops, fake);
	return fake;
}

void fake_secondary_free(struct fake_secondary *fake)
{
	if (!fake)
		return;
	conn_free(fake->conn);
	tls_context_free(fake->context);
	for (unsigned i = 0; i < fake->received_count; i++)
		free(fake->received[i]);
	free(fake);
}

void fake_secondary_hang_up(struct fake_secondary *fake)
{
	struct conn *conn = fake->conn;
	fake->conn = NULL;
	conn_free(conn);
}

bool fake_secondary_is_closed(const struct fake_secondary *fake)
{
	return !fake->conn;
}

unsigned fake_secondary_count(const struct fake_secondary *fake)
{
	return fake->received_count - fake->taken_count;
}

const struct message *fake_secondary_take(struct fake_secondary *fake)
{
	return fake_secondary_count(fake) > 0 ? fake->received[fake->taken_count++] : NULL;
}

static void payload_sent(void *arg, bool sent)
{
	(void)sent;
	free(arg);
}

void fake_secondary_send(struct fake_secondary *fake, const struct message *message, const void *payload,
	uint32_t payload_bytes)
{
	if (payload_bytes == 0) {
		conn_send(fake->conn, message, NULL, 0, NULL, NULL);
		return;
	}
	void *copy = xcalloc(1, payload_bytes);
	memcpy(copy, payload, payload_bytes);
	struct conn_piece piece = { .data = copy, .bytes = payload_bytes };
	conn_send(fake->conn, message, &piece, 1, payload_sent, copy);
}

static struct message *empty(struct fake_secondary *fake, enum message_type type)
{
	memset(&fake->out, 0, sizeof(fake->out));
	fake->out.type = type;
	return &fake->out;
}

void fake_secondary_volume(struct fake_secondary *fake, uint32_t tag, uint64_t size_bytes, uint32_t track_bytes)
{
	struct msg_device_reply *reply = &empty(fake, MESSAGE_DEVICE_REPLY)->device_reply;
	reply->tag = tag;
	reply->status = STATUS_OK;
	reply->device_number = 3;
	reply->track_bytes = track_bytes;
	reply->volume.size_bytes = size_bytes;
	reply->volume.kind = VOLUME_KIND_FILE;
	reply->volume.io = IO_MODE_BUFFERED;
	snprintf(reply->volume.path, sizeof(reply->volume.path), "/remote");
	fake_secondary_send(fake, &fake->out, NULL, 0);
}

void fake_secondary_refuse_query(struct fake_secondary *fake, uint32_t tag, enum status status, const char *detail)
{
	struct msg_device_reply *reply = &empty(fake, MESSAGE_DEVICE_REPLY)->device_reply;
	reply->tag = tag;
	reply->status = status;
	snprintf(reply->detail, sizeof(reply->detail), "%s", detail);
	fake_secondary_send(fake, &fake->out, NULL, 0);
}

void fake_secondary_job(struct fake_secondary *fake, uint32_t tag, uint64_t link_id)
{
	struct msg_read_reply *reply = &empty(fake, MESSAGE_READ_REPLY)->read_reply;
	reply->tag = tag;
	reply->status = STATUS_OK;
	reply->link_id = link_id;
	fake_secondary_send(fake, &fake->out, NULL, 0);
}

void fake_secondary_status(struct fake_secondary *fake, uint32_t tag, enum status status, uint64_t floor)
{
	struct msg_read_reply *reply = &empty(fake, MESSAGE_READ_REPLY)->read_reply;
	reply->tag = tag;
	reply->status = status;
	reply->floor = floor;
	fake_secondary_send(fake, &fake->out, NULL, 0);
}

void fake_secondary_data(struct fake_secondary *fake, uint32_t tag, enum status status, uint32_t track_count, int byte,
	uint32_t bytes)
{
	struct msg_read_reply *reply = &empty(fake, MESSAGE_READ_REPLY)->read_reply;
	reply->tag = tag;
	reply->status = status;
	reply->track_count = track_count;
	memset(reply->states, TRACK_DATA, track_count);
	void *payload = xcalloc(1, bytes + 1);
	memset(payload, byte, bytes);
	fake_secondary_send(fake, &fake->out, payload, bytes);
	free(payload);
}

void fake_secondary_done(struct fake_secondary *fake, uint32_t tag)
{
	struct msg_done *done = &empty(fake, MESSAGE_DONE)->done;
	done->tag = tag;
	done->status = STATUS_OK;
	fake_secondary_send(fake, &fake->out, NULL, 0);
}
