/* SPDX-License-Identifier: Apache-2.0
 *
 * The other end of a primary's link, driven by a test. It holds payload until TLS has taken it.
 */
#include "tests/support/fake_secondary.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/alloc.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define KEPT 256u

struct fake_secondary {
	struct event_base *base;
	struct clock *clock;
	struct tls_context *context;
	struct event *acceptable; /* listening */
	int listener;             /* -1: none */
	uint16_t port;
	bool refuses, is_full;
	unsigned links, frames, cut_after;
	struct conn *conn; /* NULL when closed */
	uint32_t window_reads;
	uint64_t features, digests;
	struct message *received[KEPT];
	unsigned received_count, taken_count;
	struct message out;
};

static void *admit_anybody(void *arg, const char *key, const struct tls_proof *proof)
{
	struct fake_secondary *fake = arg;

	(void)key, (void)proof;
	return fake->refuses ? NULL : fake;
}

static void on_up(void *arg)
{
	(void)arg;
}

/* One more frame came or went. True: it was the last of the link. */
static bool count_frame(struct fake_secondary *fake)
{
	if (fake->cut_after == 0 || ++fake->frames < fake->cut_after)
		return false;
	fake->cut_after = 0;
	fake_secondary_hang_up(fake);
	return true;
}

static void forget_frames(struct fake_secondary *fake)
{
	for (unsigned i = 0; i < fake->received_count; i++)
		free(fake->received[i]);
	fake->received_count = fake->taken_count = 0;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct fake_secondary *fake = arg;
	(void)payload_bytes;
	if (count_frame(fake))
		return 0;
	if (message->type != MESSAGE_HELLO) {
		assert(fake->received_count < KEPT);
		struct message *kept = xcalloc(1, sizeof(*kept));
		*kept = *message;
		fake->received[fake->received_count++] = kept;
		return 0;
	}
	conn_accept(fake->conn);
	forget_frames(fake);
	if (fake->window_reads == 0)
		return 0;
	memset(&fake->out, 0, sizeof(fake->out));
	fake->out.type = MESSAGE_HELLO_REPLY;
	fake->out.hello_reply.status = fake->is_full ? STATUS_BUSY : STATUS_OK;
	fake->out.hello_reply.protocol = RA_PROTOCOL_VERSION;
	fake->out.hello_reply.features = message->hello.features & fake->features;
	fake->out.hello_reply.digests = message->hello.digests & fake->digests;
	fake->out.hello_reply.window_reads = fake->window_reads;
	fake->out.hello_reply.secondary_id = 7;
	snprintf(fake->out.hello_reply.software, sizeof(fake->out.hello_reply.software), "fake");
	fake_secondary_send(fake, &fake->out, NULL, 0);
	if (fake->is_full)
		conn_finish(fake->conn, "full");
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
	fake->listener = -1;
	fake->window_reads = window_reads;
	fake->features = fake->digests = UINT64_MAX;
	fake->context = tls_context_new(identity, TLS_SERVER, admit_anybody, fake);
	fake->conn = conn_new_tls(base, clock, tls_new(fake->context, fd, fd), fd, fd, "fake", &ops, fake);
	return fake;
}

/* ---- A port ---- */

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct fake_secondary *fake = arg;
	(void)what;
	int link = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), yes = 1;
	if (link < 0)
		return;
	setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* a test does not wait for more to send */
	fake_secondary_hang_up(fake);
	fake->links++;
	fake->conn = conn_new_tls(fake->base, fake->clock, tls_new(fake->context, link, link), link, link, "fake", &ops,
		fake);
}

void fake_secondary_open_port(struct fake_secondary *fake)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
		.sin_port = htons(fake->port) };
	socklen_t bytes = sizeof(address);
	int yes = 1;
	fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = setsockopt(fake->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) |
		bind(fake->listener, (struct sockaddr *)&address, bytes) | listen(fake->listener, 16) |
		getsockname(fake->listener, (struct sockaddr *)&address, &bytes);
	assert(error == 0);
	fake->port = ntohs(address.sin_port);
	fake->acceptable = event_new(fake->base, fake->listener, EV_READ | EV_PERSIST, on_acceptable, fake);
	event_add(fake->acceptable, NULL);
}

void fake_secondary_close_port(struct fake_secondary *fake)
{
	if (fake->listener < 0)
		return;
	event_free(fake->acceptable);
	close(fake->listener);
	fake->listener = -1;
}

uint16_t fake_secondary_port(const struct fake_secondary *fake)
{
	return fake->port;
}

struct fake_secondary *fake_secondary_new_listening(struct event_base *base, struct clock *clock,
	const struct tls_identity *identity, uint32_t window_reads)
{
	struct fake_secondary *fake = xcalloc(1, sizeof(*fake));
	fake->base = base;
	fake->clock = clock;
	fake->window_reads = window_reads;
	fake->features = fake->digests = UINT64_MAX;
	fake->context = tls_context_new(identity, TLS_SERVER, admit_anybody, fake);
	fake_secondary_open_port(fake);
	return fake;
}

void fake_secondary_ignore(struct fake_secondary *fake, bool ignores)
{
	if (fake->listener < 0)
		return;
	int error = ignores ? event_del(fake->acceptable) : event_add(fake->acceptable, NULL);
	assert(error == 0);
}

void fake_secondary_set_identity(struct fake_secondary *fake, const struct tls_identity *identity)
{
	tls_context_free(fake->context);
	fake->context = tls_context_new(identity, TLS_SERVER, admit_anybody, fake);
}

void fake_secondary_set_window(struct fake_secondary *fake, uint32_t window_reads)
{
	fake->window_reads = window_reads;
}

void fake_secondary_set_features(struct fake_secondary *fake, uint64_t features)
{
	fake->features = features;
}

void fake_secondary_set_digests(struct fake_secondary *fake, uint64_t digests)
{
	fake->digests = digests;
}

void fake_secondary_set_full(struct fake_secondary *fake, bool is_full)
{
	fake->is_full = is_full;
}

void fake_secondary_admit(struct fake_secondary *fake, bool admits)
{
	fake->refuses = !admits;
}

unsigned fake_secondary_links(const struct fake_secondary *fake)
{
	return fake->links;
}

void fake_secondary_cut_after(struct fake_secondary *fake, unsigned frames)
{
	fake->frames = 0;
	fake->cut_after = frames;
}

void fake_secondary_free(struct fake_secondary *fake)
{
	if (!fake)
		return;
	fake->cut_after = 0;
	fake_secondary_close_port(fake);
	conn_free(fake->conn);
	tls_context_free(fake->context);
	forget_frames(fake);
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

struct sent {
	struct fake_secondary *fake;
	uint8_t payload[];
};

static void on_sent(void *arg, bool sent)
{
	struct sent *frame = arg;
	struct fake_secondary *fake = frame->fake;
	free(frame);
	if (sent)
		count_frame(fake);
}

void fake_secondary_send(struct fake_secondary *fake, const struct message *message, const void *payload,
	uint32_t payload_bytes)
{
	if (!fake->conn)
		return; /* it was cut meanwhile */
	struct sent *frame = xcalloc(1, sizeof(*frame) + payload_bytes);
	frame->fake = fake;
	if (payload_bytes > 0)
		memcpy(frame->payload, payload, payload_bytes);
	struct conn_piece piece = { .data = frame->payload, .bytes = payload_bytes };
	conn_send(fake->conn, message, &piece, payload_bytes > 0, on_sent, frame);
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
