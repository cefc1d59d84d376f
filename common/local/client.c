/* SPDX-License-Identifier: Apache-2.0
 *
 * The host program's end of the primary's socket. It owns the tags: each request keeps what its answer must look like,
 * and an answer that fits no request ends the connection. It knows nothing of volumes, runs or retries. Loop thread
 * only. The hard thing: a reply callback may free the client, so nothing of it is touched after one.
 */
#include "local/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "base/alloc.h"
#include "base/log.h"
#include "local/shm.h"
#include "wire/conn.h"

#define CLIENT_MAGIC 0x434c4e54u

enum client_state { CLIENT_HELLO, CLIENT_UP, CLIENT_LOST };

struct request {
	uint32_t tag;
	enum message_type reply_type;
	uint32_t track_count; /* reads: the most that may be answered */
	bool has_payload;     /* loads: the answer may have one */
	union {
		void (*open)(void *arg, const struct msg_host_open_reply *reply);
		void (*read)(void *arg, const struct msg_host_read_reply *reply);
		void (*release)(void *arg);
		client_record_fn *record;
	} reply;
	void *arg;
	UT_hash_handle hh;
};

struct client {
	uint32_t magic;
	enum client_state state;
	struct conn *conn; /* NULL when lost */
	struct shm *shm;
	const struct client_ops *ops;
	void *arg;
	char refusal[DETAIL_MAX + 1]; /* of the HostHello; "": none */
	uint32_t last_tag;
	struct request *requests; /* by tag */
	uint8_t *incoming;        /* the payload that comes; NULL: none */
	struct message out;
};

static struct client *client_of(void *arg)
{
	struct client *client = arg;
	assert(client->magic == CLIENT_MAGIC);
	return client;
}

static void set_state(struct client *client, enum client_state state, const char *reason)
{
	static const char *const names[] = { "HELLO", "UP", "LOST" };
	log_debug("client: %s -> %s: %s", names[client->state], names[state], reason);
	client->state = state;
}

static void forget_requests(struct client *client)
{
	struct request *request, *next;
	HASH_ITER(hh, client->requests, request, next) {
		HASH_DEL(client->requests, request);
		free(request);
	}
}

static int accept_hello(struct client *client, const struct msg_host_hello_reply *reply)
{
	if (reply->status == STATUS_BAD_REQUEST) {
		snprintf(client->refusal, sizeof(client->refusal),
			"this is the socket of ra-secondaryd, and that of ra-primaryd is needed");
		return -EPROTO;
	}
	if (reply->status != STATUS_OK || reply->protocol != RA_PROTOCOL_VERSION) {
		if (reply->detail[0])
			snprintf(client->refusal, sizeof(client->refusal), "it was refused: %.220s", reply->detail);
		else
			snprintf(client->refusal, sizeof(client->refusal),
				"the primary (%s) speaks protocol %u, this program speaks %u: install the same version",
				reply->software, reply->protocol, RA_PROTOCOL_VERSION);
		return -EPROTO;
	}
	conn_accept(client->conn);
	conn_start_ping(client->conn);
	set_state(client, CLIENT_UP, "HostHelloReply");
	client->ops->up(client->arg);
	return 0;
}

static uint32_t tag_of(const struct message *message)
{
	switch (message->type) {
	case MESSAGE_HOST_OPEN_REPLY:
		return message->host_open_reply.tag;
	case MESSAGE_HOST_READ_REPLY:
		return message->host_read_reply.tag;
	case MESSAGE_HOST_RECORD_REPLY:
		return message->host_record_reply.tag;
	case MESSAGE_DONE:
		return message->done.tag;
	default:
		return 0;
	}
}

/* The request that the message answers; NULL when there is none of that type. */
static struct request *find_request(struct client *client, const struct message *message)
{
	uint32_t tag = tag_of(message);
	struct request *request = NULL;
	if (client->state == CLIENT_UP)
		HASH_FIND(hh, client->requests, &tag, sizeof(tag), request);
	return request && request->reply_type == message->type ? request : NULL;
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct client *client = client_of(arg);
	const struct request *request = find_request(client, message);
	if (!request || !request->has_payload) {
		log_warning("%s from the primary has %u bytes that nobody asked for (tag %u)", message_name(message->type),
			payload_bytes, tag_of(message));
		return NULL;
	}
	client->incoming = xcalloc(1, payload_bytes); /* at most what the type may carry */
	return client->incoming;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct client *client = client_of(arg);
	if (client->state == CLIENT_HELLO && message->type == MESSAGE_HOST_HELLO_REPLY)
		return accept_hello(client, &message->host_hello_reply);

	if (client->state == CLIENT_UP && message->type == MESSAGE_HOST_LINK) {
		if (client->ops->link)
			client->ops->link(client->arg, &message->host_link);
		return 0;
	}
	struct request *found = find_request(client, message);
	if (!found) {
		log_warning("%s from the primary answers no request (tag %u)", message_name(message->type), tag_of(message));
		return -EPROTO;
	}
	struct request request = *found;
	HASH_DEL(client->requests, found);
	free(found);
	if (request.reply_type == MESSAGE_HOST_READ_REPLY) {
		if (message->host_read_reply.track_count > request.track_count) {
			log_warning("HostReadReply from the primary has %u tracks, %u were asked for",
				message->host_read_reply.track_count, request.track_count);
			return -EPROTO;
		}
		request.reply.read(request.arg, &message->host_read_reply);
	} else if (request.reply_type == MESSAGE_HOST_OPEN_REPLY) {
		request.reply.open(request.arg, &message->host_open_reply);
	} else if (request.reply_type == MESSAGE_HOST_RECORD_REPLY) {
		uint8_t *payload = client->incoming;
		client->incoming = NULL;
		request.reply.record(request.arg, &message->host_record_reply, payload, payload_bytes);
		free(payload);
	} else {
		request.reply.release(request.arg);
	}
	return 0;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct client *client = client_of(arg);
	(void)clean;
	set_state(client, CLIENT_LOST, reason);
	char words[DETAIL_MAX + 1];
	snprintf(words, sizeof(words), "%s", client->refusal[0] ? client->refusal : reason);
	conn_free(client->conn);
	client->conn = NULL;
	forget_requests(client);
	client->ops->lost(client->arg, words);
}

static void on_up(void *arg)
{
	(void)client_of(arg);
}

static const struct conn_ops conn_ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };

struct client *client_new(struct event_base *base, struct clock *clock, int fd, struct shm *shm, int memory_fd,
	const struct client_ops *ops, void *arg)
{
	struct client *client = xcalloc(1, sizeof(*client));
	client->magic = CLIENT_MAGIC;
	client->shm = shm_ref(shm);
	client->ops = ops;
	client->arg = arg;
	client->conn = conn_new_plain(base, clock, fd, "primary", &conn_ops, client);

	client->out.type = MESSAGE_HOST_HELLO;
	struct msg_host_hello *hello = &client->out.host_hello;
	hello->protocol_min = hello->protocol_max = RA_PROTOCOL_VERSION;
	hello->slot_count = shm_slot_count(shm);
	hello->slot_bytes = shm_slot_bytes(shm);
	snprintf(hello->software, sizeof(hello->software), "ra %s", RA_VERSION);
	conn_send_fd(client->conn, &client->out, memory_fd);
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	conn_free(client->conn);
	forget_requests(client);
	free(client->incoming);
	shm_unref(client->shm);
	client->magic = 0;
	free(client);
}

/* A new request with a tag of its own, in the table; NULL when the client is lost and nothing will be answered. */
static struct request *new_request(struct client *client, enum message_type reply_type, void *arg)
{
	assert(client->state != CLIENT_HELLO);
	if (client->state == CLIENT_LOST)
		return NULL;
	struct request *request = xcalloc(1, sizeof(*request)), *other;
	do {
		request->tag = ++client->last_tag;
		HASH_FIND(hh, client->requests, &request->tag, sizeof(request->tag), other);
	} while (other || request->tag == 0);
	request->reply_type = reply_type;
	request->arg = arg;
	HASH_ADD(hh, client->requests, tag, sizeof(request->tag), request);
	return request;
}

void client_owner(const char *program, char owner[OWNER_MAX + 1])
{
	char host[65] = "";
	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		snprintf(host, sizeof(host), "an unnamed host");
	snprintf(owner, OWNER_MAX + 1, "%s[%d] on %s", program, (int)getpid(), host);
}

void client_open(struct client *client, const struct msg_host_open *open,
	void (*reply)(void *arg, const struct msg_host_open_reply *), void *arg)
{
	assert(device_name_is_valid(open->device));
	struct request *request = new_request(client, MESSAGE_HOST_OPEN_REPLY, arg);
	if (!request)
		return;
	request->reply.open = reply;
	client->out.type = MESSAGE_HOST_OPEN;
	client->out.host_open = *open;
	client->out.host_open.tag = request->tag;
	conn_send(client->conn, &client->out, NULL, 0, NULL, NULL);
}

void client_status(struct client *client, void (*reply)(void *arg, const struct msg_host_open_reply *), void *arg)
{
	struct request *request = new_request(client, MESSAGE_HOST_OPEN_REPLY, arg);
	if (!request)
		return;
	request->reply.open = reply;
	client->out.type = MESSAGE_HOST_STATUS;
	client->out.host_status.tag = request->tag;
	conn_send(client->conn, &client->out, NULL, 0, NULL, NULL);
}

void client_read(struct client *client, const struct msg_host_read *read,
	void (*reply)(void *arg, const struct msg_host_read_reply *), void *arg)
{
	struct request *request = new_request(client, MESSAGE_HOST_READ_REPLY, arg);
	if (!request)
		return;
	request->reply.read = reply;
	request->track_count = read->track_count;
	client->out.type = MESSAGE_HOST_READ;
	client->out.host_read = *read;
	client->out.host_read.tag = request->tag;
	conn_send(client->conn, &client->out, NULL, 0, NULL, NULL);
}

void client_release(struct client *client, void (*reply)(void *arg), void *arg)
{
	struct request *request = new_request(client, MESSAGE_DONE, arg);
	if (!request)
		return;
	request->reply.release = reply;
	client->out.type = MESSAGE_HOST_RELEASE;
	client->out.host_release.tag = request->tag;
	conn_send(client->conn, &client->out, NULL, 0, NULL, NULL);
}

/* A request about a record, to be sent; NULL like new_request. */
static struct request *new_record_request(struct client *client, bool has_payload, client_record_fn *reply, void *arg)
{
	struct request *request = new_request(client, MESSAGE_HOST_RECORD_REPLY, arg);
	if (!request)
		return NULL;
	request->has_payload = has_payload;
	request->reply.record = reply;
	return request;
}

void client_load(struct client *client, enum record record, client_record_fn *reply, void *arg)
{
	struct request *request = new_record_request(client, true, reply, arg);
	if (!request)
		return;
	client->out.type = MESSAGE_HOST_LOAD;
	client->out.host_load = (struct msg_host_load){ .tag = request->tag, .record = record };
	conn_send(client->conn, &client->out, NULL, 0, NULL, NULL);
}

static void payload_sent(void *arg, bool sent)
{
	(void)sent;
	free(arg);
}

void client_save(struct client *client, enum record record, const uint8_t *payload, uint32_t bytes,
	client_record_fn *reply, void *arg)
{
	struct request *request = new_record_request(client, false, reply, arg);
	if (!request)
		return;
	assert(bytes > 0 && bytes <= message_payload_bytes_max(MESSAGE_HOST_SAVE));
	uint8_t *copy = xcalloc(1, bytes);
	memcpy(copy, payload, bytes);
	client->out.type = MESSAGE_HOST_SAVE;
	client->out.host_save = (struct msg_host_save){ .tag = request->tag, .record = record };
	conn_send(client->conn, &client->out, &(struct conn_piece){ copy, bytes }, 1, payload_sent, copy);
}
