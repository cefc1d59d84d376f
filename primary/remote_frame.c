/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes over the link of RA 30: tags, Hello, and each frame to those whose answer it is. An answer that nobody
 * waits for, or that does not fit, ends the connection, and the words that say why are kept for whoever asks. Loop
 * thread only. The hard thing: the link counts as up when HelloReply is here, not before: in TLS 1.3 a client whose
 * key is refused has seen a handshake that succeeded.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "primary/remote_link.h"
#include "wire/conn.h"

static struct remote *remote_of(void *arg)
{
	struct remote *remote = arg;
	assert(remote->magic == REMOTE_MAGIC);
	return remote;
}

void remote_add_request(struct remote *remote, struct request *request, enum request_kind kind)
{
	assert(request->tag == 0);
	struct request *other;
	do {
		request->tag = ++remote->last_tag;
		HASH_FIND(hh, remote->requests, &request->tag, sizeof(request->tag), other);
	} while (other || request->tag == 0);
	request->kind = kind;
	HASH_ADD(hh, remote->requests, tag, sizeof(request->tag), request);
}

void remote_remove_request(struct remote *remote, struct request *request)
{
	if (request->tag == 0)
		return;
	HASH_DEL(remote->requests, request);
	request->tag = 0;
}

void remote_send(struct remote *remote)
{
	assert(remote->state == LINK_HELLO || remote->state == LINK_UP);
	conn_send(remote->conn, &remote->out, NULL, 0, NULL, NULL);
}

int remote_refuse(struct remote *remote, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(remote->refusal, sizeof(remote->refusal), format, args);
	va_end(args);
	log_warning("%s: %s", remote->peer, remote->refusal);
	return -EPROTO;
}

void remote_say_hello(struct remote *remote)
{
	remote->out.type = MESSAGE_HELLO;
	remote->out.hello = (struct msg_hello){
		.protocol_min = RA_PROTOCOL_VERSION,
		.protocol_max = RA_PROTOCOL_VERSION,
		.features = FEATURE_INVALID,
		.digests = DIGESTS_KNOWN,
	};
	snprintf(remote->out.hello.software, sizeof(remote->out.hello.software), "ra %s", RA_VERSION);
	remote_send(remote);
}

static int on_hello_reply(struct remote *remote, const struct msg_hello_reply *reply)
{
	remote->is_one_too_many = reply->status == STATUS_BUSY;
	if (remote->is_one_too_many)
		return remote_refuse(remote, "the secondary has its most links of this primary (max-links there)");
	if (reply->status != STATUS_OK || reply->protocol != RA_PROTOCOL_VERSION)
		return remote_refuse(remote,
			"the secondary (%s) refused Hello: %s, protocol %u; this program speaks protocol %u",
			reply->software, status_name(reply->status), reply->protocol, RA_PROTOCOL_VERSION);
	if ((reply->digests & ~(uint64_t)DIGESTS_KNOWN) != 0)
		return remote_refuse(remote, "HelloReply from the secondary has digests 0x%llx, only 0x%x were offered",
			(unsigned long long)reply->digests, DIGESTS_KNOWN);
	if (reply->digests != 0 && !(reply->digests & 1u << DIGEST_XXH3_128)) /* 0: it is too old to give any */
		return remote_refuse(remote, "HelloReply from the secondary has digests 0x%llx, without xxh3-128",
			(unsigned long long)reply->digests);
	remote_become_up(remote, reply);
	return 0;
}

/* The request with this tag, if it is of a kind between these. */
static struct request *find_request(struct remote *remote, uint32_t tag, enum request_kind first,
	enum request_kind last)
{
	struct request *request;
	HASH_FIND(hh, remote->requests, &tag, sizeof(tag), request);
	return request && request->kind >= first && request->kind <= last ? request : NULL;
}

static int refuse_answer(struct remote *remote, const struct message *message, uint32_t tag)
{
	return remote_refuse(remote, "%s from the secondary answers no request (tag %u)", message_name(message->type), tag);
}

static int on_done(struct remote *remote, const struct message *message)
{
	static const char *const names[] = {
		[REQUEST_UNRESERVE] = "Unreserve",
		[REQUEST_DETACH] = "Detach",
		[REQUEST_RELEASE] = "Release",
	};
	struct request *request = find_request(remote, message->done.tag, REQUEST_UNRESERVE, REQUEST_RELEASE);
	if (!request || request->kind == REQUEST_CREATE || request->kind == REQUEST_READ)
		return refuse_answer(remote, message, message->done.tag);
	if (message->done.status != STATUS_OK)
		log_limited(1, remote->peer, LOG_LEVEL_WARNING, "%s: the secondary answered %s with %s", remote->peer,
			names[request->kind], status_name(message->done.status));
	if (request->kind == REQUEST_RELEASE)
		remote_on_released(request->job);
	else
		remote_on_device_done(request->device);
	return 0;
}

int remote_on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct remote *remote = remote_of(arg);
	struct request *request;
	if ((message->type == MESSAGE_HELLO_REPLY) != (remote->state == LINK_HELLO))
		return remote_refuse(remote, "%s from the secondary came out of turn", message_name(message->type));
	switch (message->type) {
	case MESSAGE_HELLO_REPLY:
		return on_hello_reply(remote, &message->hello_reply);
	case MESSAGE_DEVICE_REPLY:
		request = find_request(remote, message->device_reply.tag, REQUEST_QUERY, REQUEST_QUERY);
		if (!request)
			return refuse_answer(remote, message, message->device_reply.tag);
		return remote_on_device_reply(request->device, &message->device_reply);
	case MESSAGE_RESERVE_REPLY:
		request = find_request(remote, message->reserve_reply.tag, REQUEST_RESERVE, REQUEST_RESERVE);
		if (!request)
			return refuse_answer(remote, message, message->reserve_reply.tag);
		return remote_on_reserve_reply(request->device, &message->reserve_reply);
	case MESSAGE_READ_REPLY:
		request = find_request(remote, message->read_reply.tag, REQUEST_CREATE, REQUEST_READ);
		if (!request)
			return refuse_answer(remote, message, message->read_reply.tag);
		return request->kind == REQUEST_CREATE ? remote_on_created(request->job, &message->read_reply) :
			remote_on_read_reply(request->job, &message->read_reply, payload_bytes);
	case MESSAGE_INVALID_REPLY:
		request = find_request(remote, message->invalid_reply.tag, REQUEST_INVALID, REQUEST_INVALID);
		if (!request)
			return refuse_answer(remote, message, message->invalid_reply.tag);
		return remote_on_invalid_reply(request->device, &message->invalid_reply, payload_bytes);
	case MESSAGE_DONE:
		return on_done(remote, message);
	default:
		return remote_refuse(remote, "a secondary does not send %s", message_name(message->type));
	}
}

void *remote_on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct remote *remote = remote_of(arg);
	bool is_read = message->type == MESSAGE_READ_REPLY;
	uint32_t tag = is_read ? message->read_reply.tag : message->invalid_reply.tag;
	struct request *request;
	if ((!is_read && message->type != MESSAGE_INVALID_REPLY) || remote->state != LINK_UP) {
		remote_refuse(remote, "%s from the secondary came out of turn", message_name(message->type));
		return NULL;
	}
	request = find_request(remote, tag, is_read ? REQUEST_CREATE : REQUEST_INVALID,
		is_read ? REQUEST_READ : REQUEST_INVALID);
	if (!request) {
		refuse_answer(remote, message, tag);
		return NULL;
	}
	if (request->kind == REQUEST_CREATE) {
		remote_refuse(remote, "ReadReply from the secondary carries payload, but only a link job was asked for");
		return NULL;
	}
	return is_read ? remote_read_payload(request->job, &message->read_reply, payload_bytes) :
		remote_invalid_payload(request->device, &message->invalid_reply, payload_bytes);
}
