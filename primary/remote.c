/* SPDX-License-Identifier: Apache-2.0
 *
 * The link of RA 30 and the devices attached over it: Hello, tags, DeviceQuery, Detach, and the end of everything when
 * the link is lost. Reads and link jobs are in remote_read.c. The link counts as up when HelloReply is here: in TLS 1.3
 * a client whose key is refused has seen a handshake that succeeded. Loop thread only. The hard thing is giving up: a
 * device whose owner has gone is detached only when its last link job was released, and its memory stays until then.
 */
#include "primary/remote.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "primary/remote_link.h"
#include "wire/conn.h"
#include "wire/tls.h"

static struct remote *remote_of(void *arg)
{
	struct remote *remote = arg;
	assert(remote->magic == REMOTE_MAGIC);
	return remote;
}

static void set_state(struct remote *remote, enum link_state state, const char *reason)
{
	static const char *const names[] = { "CONNECTING", "HELLO", "UP", "LOST" };
	log_debug("link: %s -> %s: %s", names[remote->state], names[state], reason);
	remote->state = state;
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
	conn_send(remote->conn, &remote->out, NULL, 0, NULL, NULL);
}

/* ---- Devices ---- */

static void send_query(struct remote_device *device)
{
	struct remote *remote = device->remote;
	device->is_query_due = false;
	remote_add_request(remote, &device->request, REQUEST_QUERY);
	remote->out.type = MESSAGE_DEVICE_QUERY;
	remote->out.device_query.tag = device->request.tag;
	snprintf(remote->out.device_query.device, sizeof(remote->out.device_query.device), "%s", device->name);
	remote_send(remote);
}

static void send_detach(struct remote_device *device)
{
	struct remote *remote = device->remote;
	device->is_attached = false;
	remote_add_request(remote, &device->request, REQUEST_DETACH);
	remote->out.type = MESSAGE_DETACH;
	remote->out.detach.tag = device->request.tag;
	remote->out.detach.device_number = device->number;
	remote_send(remote);
}

/* The secondary counts a device once per session, so the last of this name detaches it. */
static bool is_last_of_its_name(const struct remote_device *device)
{
	struct remote_device *other;
	DL_FOREACH(device->remote->devices, other) {
		if (other != device && strcmp(other->name, device->name) == 0 &&
			!(other->request.tag != 0 && other->request.kind == REQUEST_DETACH))
			return false;
	}
	return true;
}

void remote_device_settle(struct remote_device *device)
{
	struct remote *remote = device->remote;
	if (!device->is_given_up || device->jobs || device->request.tag != 0)
		return;
	if (device->is_attached && remote->state == LINK_UP && is_last_of_its_name(device)) {
		send_detach(device);
		return;
	}
	DL_DELETE(remote->devices, device);
	free(device);
}

struct remote_device *remote_attach(struct remote *remote, const char *name, const struct remote_attach_spec *spec)
{
	(void)spec;
	assert(device_name_is_valid(name));
	struct remote_device *device = xcalloc(1, sizeof(*device));
	device->remote = remote;
	device->request.device = device;
	snprintf(device->name, sizeof(device->name), "%s", name);
	DL_APPEND(remote->devices, device);
	return device;
}

void remote_detach(struct remote_device *device)
{
	if (!device)
		return;
	assert(!device->is_given_up);
	device->is_given_up = true;
	device->is_query_due = false;
	device->info_fn = NULL;
	remote_device_settle(device);
}

enum status remote_query(struct remote_device *device, remote_info_fn *fn, void *arg)
{
	assert(!device->info_fn && fn);
	if (device->remote->state == LINK_LOST)
		return STATUS_LINK_LOST;
	device->info_fn = fn;
	device->info_arg = arg;
	if (device->remote->state == LINK_UP)
		send_query(device);
	else
		device->is_query_due = true;
	return STATUS_OK;
}

uint32_t remote_relinks(const struct remote_device *device)
{
	(void)device;
	return 0;
}

uint64_t remote_throttled_ms(const struct remote_device *device)
{
	(void)device;
	return 0;
}

uint64_t remote_end_bytes(const struct remote_device *device)
{
	return device->end_bytes;
}

/* Ends the query or Detach of the device; info is NULL unless the status is OK. The device may be gone after this. */
static void end_device_request(struct remote_device *device, enum status status, const struct volume_info *info,
	const char *detail)
{
	remote_remove_request(device->remote, &device->request);
	device->is_query_due = false;
	remote_info_fn *fn = device->info_fn;
	device->info_fn = NULL;
	if (fn)
		fn(device->info_arg, status,
			&(struct remote_about){ .track_bytes = device->track_bytes, .info = info }, detail);
	else
		remote_device_settle(device);
}

static int on_device_reply(struct remote_device *device, const struct msg_device_reply *reply)
{
	struct remote *remote = device->remote;
	if (reply->status != STATUS_OK) {
		if (device->info_fn) {
			struct post_where where = { .device = device->name, .peer = remote->peer_key };
			post_error(remote->post, reply->status, &where, "DeviceQuery: %s", reply->detail);
		}
		end_device_request(device, reply->status, NULL, reply->detail);
		return 0;
	}
	if (device->is_attached && (reply->device_number != device->number || reply->track_bytes != device->track_bytes)) {
		log_warning("DeviceReply of %s: number %u, track size %u; before they were %u and %u", device->name,
			reply->device_number, reply->track_bytes, device->number, device->track_bytes);
		return -EPROTO;
	}
	if (!device->is_attached) { /* the constants of Fig. 10 are fixed from here on */
		device->is_attached = true;
		device->number = reply->device_number;
		device->track_bytes = reply->track_bytes;
		device->end_bytes = reply->volume.size_bytes;
	}
	end_device_request(device, STATUS_OK, &reply->volume, "");
	return 0;
}

/* ---- The link ---- */

static struct request *find_request(struct remote *remote, uint32_t tag)
{
	struct request *request;
	HASH_FIND(hh, remote->requests, &tag, sizeof(tag), request);
	return request;
}

static int refuse_answer(const struct message *message, uint32_t tag)
{
	log_warning("%s from the secondary answers no request (tag %u)", message_name(message->type), tag);
	return -EPROTO;
}

static int on_hello_reply(struct remote *remote, const struct msg_hello_reply *reply)
{
	if (reply->status != STATUS_OK || reply->protocol != RA_PROTOCOL_VERSION) {
		log_warning("the secondary (%s) refused Hello: %s, protocol %u; this program speaks protocol %u",
			reply->software, status_name(reply->status), reply->protocol, RA_PROTOCOL_VERSION);
		return -EPROTO;
	}
	remote->window_reads = reply->window_reads;
	conn_accept(remote->conn);
	conn_start_ping(remote->conn);
	set_state(remote, LINK_UP, "HelloReply");
	log_info("link up: secondary %u (%s), %u reads at a time", reply->secondary_id, reply->software,
		reply->window_reads);
	struct remote_device *device;
	DL_FOREACH(remote->devices, device) {
		if (device->is_query_due)
			send_query(device);
	}
	return 0;
}

static int on_done(struct remote *remote, const struct message *message)
{
	struct request *request = find_request(remote, message->done.tag);
	if (!request || (request->kind != REQUEST_DETACH && request->kind != REQUEST_RELEASE))
		return refuse_answer(message, message->done.tag);
	if (message->done.status != STATUS_OK)
		log_warning("the secondary answered a %s with %s", request->kind == REQUEST_DETACH ? "Detach" : "Release",
			status_name(message->done.status));
	if (request->kind == REQUEST_RELEASE)
		remote_on_released(request->job);
	else
		end_device_request(request->device, STATUS_OK, NULL, "");
	return 0;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct remote *remote = remote_of(arg);
	if ((message->type == MESSAGE_HELLO_REPLY) != (remote->state == LINK_HELLO)) {
		log_warning("%s from the secondary came out of turn", message_name(message->type));
		return -EPROTO;
	}
	struct request *request;
	switch (message->type) {
	case MESSAGE_HELLO_REPLY:
		return on_hello_reply(remote, &message->hello_reply);
	case MESSAGE_DEVICE_REPLY:
		request = find_request(remote, message->device_reply.tag);
		if (!request || request->kind != REQUEST_QUERY)
			return refuse_answer(message, message->device_reply.tag);
		return on_device_reply(request->device, &message->device_reply);
	case MESSAGE_READ_REPLY:
		return remote_on_read_reply(remote, &message->read_reply, payload_bytes);
	case MESSAGE_DONE:
		return on_done(remote, message);
	default:
		log_warning("a secondary does not send %s", message_name(message->type));
		return -EPROTO;
	}
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct remote *remote = remote_of(arg);
	if (message->type != MESSAGE_READ_REPLY || remote->state != LINK_UP) {
		log_warning("%s from the secondary came out of turn", message_name(message->type));
		return NULL;
	}
	return remote_read_payload(remote, &message->read_reply, payload_bytes);
}

static void on_up(void *arg)
{
	struct remote *remote = remote_of(arg);
	set_state(remote, LINK_HELLO, "TLS is up");
	remote->out.type = MESSAGE_HELLO;
	remote->out.hello = (struct msg_hello){
		.protocol_min = RA_PROTOCOL_VERSION,
		.protocol_max = RA_PROTOCOL_VERSION,
	};
	snprintf(remote->out.hello.software, sizeof(remote->out.hello.software), "ra %s", RA_VERSION);
	remote_send(remote);
}

static struct remote_device *first_due(const struct remote *remote)
{
	struct remote_device *device;
	DL_FOREACH(remote->devices, device) {
		if (device->is_query_due)
			return device;
	}
	return NULL;
}

/* Ends everything that waits for the link. No new request is let in any more, so each loop comes to its end, whatever
 * the callbacks do. */
static void end_link(struct remote *remote, const char *reason)
{
	set_state(remote, LINK_LOST, reason);
	remote->wire_bytes = conn_wire_bytes(remote->conn);
	conn_free(remote->conn);
	remote->conn = NULL;
	while (remote->waiting)
		remote_job_lost(remote->waiting);
	while (remote->requests) {
		struct request *request = remote->requests;
		if (request->kind == REQUEST_QUERY || request->kind == REQUEST_DETACH)
			end_device_request(request->device, STATUS_LINK_LOST, NULL, "the link to the secondary is lost");
		else
			remote_job_lost(request->job);
	}
	for (struct remote_device *device; (device = first_due(remote));)
		end_device_request(device, STATUS_LINK_LOST, NULL, "the link to the secondary is lost");
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct remote *remote = remote_of(arg);
	(void)clean;
	struct post_where where = { .peer = remote->peer_key };
	post_error(remote->post, STATUS_LINK_LOST, &where, "%s", reason);
	end_link(remote, "the connection is closed");
}

static const struct conn_ops conn_ops = {
	.up = on_up,
	.payload = on_payload,
	.frame = on_frame,
	.closed = on_closed,
};

struct remote *remote_new(const struct remote_config *config, struct tls *tls, int fd_in, int fd_out)
{
	struct remote *remote = xcalloc(1, sizeof(*remote));
	remote->magic = REMOTE_MAGIC;
	remote->post = config->post;
	snprintf(remote->peer_key, sizeof(remote->peer_key), "%s", config->peer_key);
	remote->conn = conn_new_tls(config->base, config->clock, tls, fd_in, fd_out, "secondary", &conn_ops, remote);
	return remote;
}

void remote_free(struct remote *remote)
{
	if (!remote)
		return;
	if (remote->state != LINK_LOST)
		end_link(remote, "the end of this program's use of it");
	assert(!remote->devices);
	remote->magic = 0;
	free(remote);
}

bool remote_is_lost(const struct remote *remote)
{
	return remote->state == LINK_LOST;
}

uint64_t remote_wire_bytes(const struct remote *remote)
{
	return remote->conn ? conn_wire_bytes(remote->conn) : remote->wire_bytes;
}

void remote_dump(const struct remote *remote)
{
	static const char *const names[] = { "connecting", "hello", "up", "lost" };
	log_write(LOG_LEVEL_INFO, "link to %s: %s, %u of %u reads connected, %u requests without an answer, %llu bytes",
		remote->peer_key, names[remote->state], remote->connected, remote->window_reads, HASH_COUNT(remote->requests),
		(unsigned long long)remote_wire_bytes(remote));
	struct remote_device *device;
	DL_FOREACH(remote->devices, device) {
		log_write(LOG_LEVEL_INFO, "  remote device %s, number %u%s%s", device->name, device->number,
			device->is_attached ? "" : ", not attached", device->is_given_up ? ", given up" : "");
		struct remote_job *job;
		DL_FOREACH(device->jobs, job)
			remote_dump_job(job);
	}
}
