/* SPDX-License-Identifier: Apache-2.0
 *
 * HA 28: the session of a host, from HostHello to its end, and HostRelease. HostOpen and HostStatus are in
 * host_open.c, reads in host_read.c, HostLoad and HostSave in record.c; the disk is the business of local*.c, the link
 * that of remote*.c. An untimely frame ends the session; a request for what is not there gets BAD_REQUEST. Loop thread
 * only. The hard thing: its end may come at any moment, so what both sides still owe it is given up first, and nothing
 * of it is touched after.
 */
#include "primary/host.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "local/shm.h"
#include "primary/host_session.h"
#include "wire/conn.h"

static struct host *host_of(void *arg)
{
	struct host *host = arg;
	assert(host->magic == HOST_MAGIC);
	return host;
}

/* For lines of the log. */
static const char *host_name(const struct host *host)
{
	return host->owner[0] ? host->owner : "a host";
}

void host_set_state(struct host *host, enum host_state state, const char *reason)
{
	static const char *const names[] = { "HELLO", "READY", "OPENING", "OPEN", "GONE" };
	log_debug("%s: %s -> %s: %s", host_name(host), names[host->state], names[state], reason);
	host->state = state;
}

void host_send(struct host *host)
{
	conn_send(host->conn, &host->out, NULL, 0, NULL, NULL);
}

/* ---- HostHello ---- */

static int on_hello(struct host *host, const struct msg_host_hello *hello)
{
	if (host->state != HOST_HELLO) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "a second HostHello from %s", host_name(host));
		return -EPROTO;
	}
	bool is_spoken = hello->protocol_min <= RA_PROTOCOL_VERSION && RA_PROTOCOL_VERSION <= hello->protocol_max;
	host->out.type = MESSAGE_HOST_HELLO_REPLY;
	host->out.host_hello_reply = (struct msg_host_hello_reply){
		.status = is_spoken ? STATUS_OK : STATUS_VERSION,
		.protocol = RA_PROTOCOL_VERSION,
	};
	snprintf(host->out.host_hello_reply.software, sizeof(host->out.host_hello_reply.software), "ra %s", RA_VERSION);
	if (!is_spoken) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING,
			"the host (%s) speaks protocols %u to %u, this program speaks %u", hello->software, hello->protocol_min,
			hello->protocol_max, RA_PROTOCOL_VERSION);
		host_send(host);
		conn_finish(host->conn, "no common protocol version");
		return 0;
	}
	int fd = conn_take_fd(host->conn);
	int error = shm_accept(fd, hello->slot_count, hello->slot_bytes, &host->shm);
	if (fd >= 0)
		close(fd);
	if (error)
		return error;
	host->slot_count = hello->slot_count;
	host->slots = xcalloc(host->slot_count, sizeof(*host->slots));
	for (uint32_t i = 0; i < host->slot_count; i++)
		host->slots[i] = (struct host_slot){ .magic = HOST_SLOT_MAGIC, .host = host };
	conn_accept(host->conn);
	host_set_state(host, HOST_READY, "HostHello");
	host_send(host);
	return 0;
}

/* ---- HostRelease ---- */

static void send_done(struct host *host, uint32_t tag, enum status status)
{
	host->out.type = MESSAGE_DONE;
	host->out.done = (struct msg_done){ .tag = tag, .status = status };
	host_send(host);
}

static void on_released(void *arg)
{
	struct host_stream *stream = arg;
	assert(stream->magic == HOST_STREAM_MAGIC);
	struct host *host = stream->host;
	assert(host->release_pending > 0);
	stream->job = NULL;
	if (--host->release_pending == 0)
		send_done(host, host->release_tag, STATUS_OK);
}

static bool has_read(const struct host *host)
{
	for (uint32_t i = 0; i < host->slot_count; i++) {
		if (host->slots[i].use == SLOT_LOCAL)
			return true;
	}
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (host->streams[i].job && remote_job_has_read(host->streams[i].job))
			return true;
	}
	return false;
}

static void on_release(struct host *host, const struct msg_host_release *release)
{
	if (host->state != HOST_OPEN) {
		send_done(host, release->tag, STATUS_BAD_REQUEST);
		return;
	}
	if (host->release_pending > 0 || has_read(host)) {
		send_done(host, release->tag, STATUS_BUSY);
		return;
	}
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct host_stream *stream = &host->streams[i];
		if (!stream->job)
			continue;
		if (remote_job_release(stream->job, on_released, stream))
			host->release_pending++;
		else
			stream->job = NULL;
	}
	local_end_reading(host->local);
	host->release_tag = release->tag;
	if (host->release_pending == 0)
		send_done(host, release->tag, STATUS_OK);
}

/* ---- HostProgress ---- */

static int on_progress(struct host *host, const struct msg_host_progress *progress)
{
	if (host->state != HOST_OPEN) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "HostProgress from a host that has no device open");
		return -EPROTO;
	}
	host->progress = *progress;
	host->has_progress = true;
	return 0;
}

/* ---- The session ---- */

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct host *host = host_of(arg);
	(void)payload_bytes; /* of HostSave alone, in host->record */
	if (host->state == HOST_HELLO && message->type != MESSAGE_HOST_HELLO) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "%s from a host before HostHello",
			message_name(message->type));
		return -EPROTO;
	}
	switch (message->type) {
	case MESSAGE_HOST_HELLO:
		return on_hello(host, &message->host_hello);
	case MESSAGE_HOST_OPEN:
		host_on_open(host, &message->host_open);
		return 0;
	case MESSAGE_HOST_STATUS:
		host_on_status(host, &message->host_status);
		return 0;
	case MESSAGE_HOST_READ:
		host_on_read(host, &message->host_read);
		return 0;
	case MESSAGE_HOST_RELEASE:
		on_release(host, &message->host_release);
		return 0;
	case MESSAGE_HOST_PROGRESS:
		return on_progress(host, &message->host_progress);
	case MESSAGE_HOST_LOAD:
		record_on_load(host, &message->host_load);
		return 0;
	case MESSAGE_HOST_SAVE:
		record_on_save(host, &message->host_save);
		return 0;
	default:
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "%s sends %s, which a host does not", host_name(host),
			message_name(message->type));
		return -EPROTO;
	}
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	return record_payload(host_of(arg), message, payload_bytes);
}

static void on_up(void *arg)
{
	(void)host_of(arg); /* the host speaks first */
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct host *host = host_of(arg);
	host_set_state(host, HOST_GONE, reason);
	conn_free(host->conn);
	host->conn = NULL;
	host_detach(host);
	host->ops->gone(host->arg, clean);
}

static const struct conn_ops conn_ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };

static struct host *new_session(const struct host_config *config, const struct host_ops *ops, void *arg)
{
	struct host *host = xcalloc(1, sizeof(*host));
	host->magic = HOST_MAGIC;
	host->config = *config;
	if (!config->payloads)
		host->config.payloads = &host->record.own_room;
	host->ops = ops;
	host->arg = arg;
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		host->streams[i] = (struct host_stream){ .magic = HOST_STREAM_MAGIC, .host = host };
	return host;
}

struct host *host_new(const struct host_config *config, int fd, const struct host_ops *ops, void *arg)
{
	struct host *host = new_session(config, ops, arg);
	host->conn = conn_new_plain(config->base, config->clock, fd, "host", &conn_ops, host);
	return host;
}

int host_adopt(const struct host_config *config, struct conn *conn, const struct msg_host_hello *hello,
	const struct host_ops *ops, void *arg, struct host **out)
{
	struct host *host = new_session(config, ops, arg);
	host->conn = conn;
	int error = on_hello(host, hello);
	if (error) {
		host->conn = NULL;
		host_free(host);
		return error;
	}
	conn_set_owner(conn, &conn_ops, host);
	*out = host;
	return 0;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	conn_free(host->conn);
	host_detach(host);
	payload_room_end(&host->record.own_room);
	shm_unref(host->shm);
	free(host->slots);
	host->magic = 0;
	free(host);
}

void host_finish(struct host *host, const char *reason)
{
	host_end_remote_reads(host, reason);
	host_detach(host);
	host_set_state(host, HOST_GONE, reason);
	conn_finish(host->conn, reason);
}

const char *host_owner(const struct host *host)
{
	return host->owner;
}

const struct primary_device *host_device(const struct host *host)
{
	return host->device;
}

void host_rates(const struct host *host, const struct rate **local, const struct rate **remote)
{
	*local = host->local_rate;
	*remote = host->remote_rate;
}

const struct msg_host_progress *host_progress(const struct host *host)
{
	return host->has_progress ? &host->progress : NULL;
}

const struct remote_job *host_job(const struct host *host, unsigned stream)
{
	return host->streams[stream].job;
}

void host_dump(const struct host *host)
{
	static const char *const states[] = { "before hello", "ready", "opening", "open", "gone" };
	static const char *const uses[] = { "free", "local", "remote", "lost" };
	log_write(LOG_LEVEL_INFO, "host %s: %s%s%s, slots %u", host->owner, states[host->state],
		host->device ? ", device " : "", host->device ? host->device->name : "", host->slot_count);
	for (uint32_t i = 0; i < host->slot_count; i++) {
		const struct host_slot *slot = &host->slots[i];
		if (slot->use != SLOT_FREE)
			log_write(LOG_LEVEL_INFO, "  slot %u: %s, tag %u, tracks %llu+%u", i, uses[slot->use], slot->tag,
				(unsigned long long)slot->first_track, slot->track_count);
	}
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (host->streams[i].job)
			log_write(LOG_LEVEL_INFO, "  stream %u has a link job", i);
	}
}
