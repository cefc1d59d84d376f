/* SPDX-License-Identifier: Apache-2.0
 *
 * HA 28: the session of a host, from HostHello over HostOpen, HostStatus and HostRelease to its end. Reads are in
 * host_read.c; the disk is the business of local*.c, the link that of remote*.c. An untimely frame ends the session; a
 * request for what is not there gets BAD_REQUEST. Loop thread only. The hard thing: both sides answer one question, in
 * any order and perhaps at once, so a question counts its answers and only the last of them replies.
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

static void set_state(struct host *host, enum host_state state, const char *reason)
{
	static const char *const names[] = { "HELLO", "READY", "OPENING", "OPEN", "GONE" };
	log_debug("host: %s -> %s: %s", names[host->state], names[state], reason);
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
		log_warning("a second HostHello from the host");
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
		log_warning("the host (%s) speaks protocols %u to %u, this program speaks %u", hello->software,
			hello->protocol_min, hello->protocol_max, RA_PROTOCOL_VERSION);
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
	set_state(host, HOST_READY, "HostHello");
	host_send(host);
	return 0;
}

/* ---- HostOpen and HostStatus ---- */

/* Gives back both sides and all streams. */
static void detach(struct host *host)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		remote_job_free(host->streams[i].job);
		host->streams[i].job = NULL;
	}
	remote_detach(host->remote);
	host->remote = NULL;
	local_detach(host->local);
	host->local = NULL;
}

/* Fills in the reply from what both sides said. */
static void judge(const struct host *host, struct msg_host_open_reply *reply)
{
	const struct side_answer *local = &host->local_answer, *remote = &host->remote_answer;
	const struct side_answer *failed = local->status != STATUS_OK ? local : remote->status != STATUS_OK ? remote : NULL;

	if (failed) {
		reply->status = failed->status;
		reply->failed_side = failed == local ? SIDE_LOCAL : SIDE_REMOTE;
		memcpy(reply->detail, failed->detail, sizeof(reply->detail));
	} else if (local->track_bytes != remote->track_bytes) {
		reply->status = STATUS_BAD_REQUEST;
		snprintf(reply->detail, sizeof(reply->detail),
			"the track size is %u bytes at the primary and %u bytes at the secondary: they must be equal",
			local->track_bytes, remote->track_bytes);
	} else {
		reply->status = STATUS_OK;
		reply->track_bytes = local->track_bytes;
		reply->local = local->info;
		reply->remote = remote->info;
	}
}

static void query_answered(struct host *host)
{
	if (--host->query_pending > 0)
		return;
	host->out.type = MESSAGE_HOST_OPEN_REPLY;
	host->out.host_open_reply = (struct msg_host_open_reply){
		.tag = host->query_tag,
		.wire_bytes = remote_wire_bytes(host->config.remote),
	};
	judge(host, &host->out.host_open_reply);
	if (host->state == HOST_OPENING) {
		bool is_open = host->out.host_open_reply.status == STATUS_OK;
		set_state(host, is_open ? HOST_OPEN : HOST_READY, status_name(host->out.host_open_reply.status));
		if (!is_open)
			detach(host);
	}
	host_send(host);
}

static void side_answered(struct host *host, struct side_answer *answer, enum status status, uint32_t track_bytes,
	const struct volume_info *info, const char *detail)
{
	answer->status = status;
	answer->track_bytes = track_bytes;
	if (info)
		answer->info = *info;
	snprintf(answer->detail, sizeof(answer->detail), "%s", detail);
	query_answered(host);
}

static void on_local_info(void *arg, enum status status, const struct volume_info *info, const char *detail)
{
	struct host *host = host_of(arg);
	side_answered(host, &host->local_answer, status, local_track_bytes(host->config.local), info, detail);
}

static void on_remote_info(void *arg, enum status status, const struct remote_about *about, const char *detail)
{
	struct host *host = host_of(arg);
	side_answered(host, &host->remote_answer, status, about->track_bytes, about->info, detail);
}

/* Asks both sides at once. */
static void query(struct host *host, uint32_t tag)
{
	host->query_tag = tag;
	host->query_pending = 2;
	enum status remote = remote_query(host->remote, on_remote_info, host);
	enum status local = local_query(host->local, on_local_info, host);
	if (remote != STATUS_OK)
		side_answered(host, &host->remote_answer, remote, 0, NULL, "the link to the secondary is lost");
	if (local != STATUS_OK)
		side_answered(host, &host->local_answer, local, 0, NULL, "an earlier request to the volume hangs");
}

static void refuse_open(struct host *host, uint32_t tag, enum status status, const char *detail)
{
	host->out.type = MESSAGE_HOST_OPEN_REPLY;
	host->out.host_open_reply = (struct msg_host_open_reply){ .tag = tag, .status = status };
	snprintf(host->out.host_open_reply.detail, sizeof(host->out.host_open_reply.detail), "%s", detail);
	host_send(host);
}

static void on_open(struct host *host, const struct msg_host_open *open)
{
	if (host->state != HOST_READY) {
		refuse_open(host, open->tag, STATUS_BAD_REQUEST, "a device is open already");
	} else if (strcmp(open->device, host->config.device) != 0) {
		refuse_open(host, open->tag, STATUS_NO_SUCH_DEVICE, "there is no device of this name");
	} else {
		host->local = local_attach(host->config.local);
		host->remote = remote_attach(host->config.remote, open->device, &(struct remote_attach_spec){ 0 });
		set_state(host, HOST_OPENING, "HostOpen");
		query(host, open->tag);
	}
}

static void on_status(struct host *host, const struct msg_host_status *status)
{
	if (host->state != HOST_OPEN)
		refuse_open(host, status->tag, STATUS_BAD_REQUEST, "no device is open");
	else if (host->query_pending > 0)
		refuse_open(host, status->tag, STATUS_BAD_REQUEST, "an earlier HostStatus has no answer yet");
	else
		query(host, status->tag);
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

static bool has_remote_read(const struct host *host)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (host->streams[i].job && remote_job_has_read(host->streams[i].job))
			return true;
	}
	return false;
}

static void on_release(struct host *host, const struct msg_host_release *release)
{
	if (host->release_pending > 0 || has_remote_read(host)) {
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
	host->release_tag = release->tag;
	if (host->release_pending == 0)
		send_done(host, release->tag, STATUS_OK);
}

/* ---- The session ---- */

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct host *host = host_of(arg);
	assert(payload_bytes == 0);
	if (host->state == HOST_HELLO && message->type != MESSAGE_HOST_HELLO) {
		log_warning("%s from the host before HostHello", message_name(message->type));
		return -EPROTO;
	}
	switch (message->type) {
	case MESSAGE_HOST_HELLO:
		return on_hello(host, &message->host_hello);
	case MESSAGE_HOST_OPEN:
		on_open(host, &message->host_open);
		return 0;
	case MESSAGE_HOST_STATUS:
		on_status(host, &message->host_status);
		return 0;
	case MESSAGE_HOST_READ:
		host_on_read(host, &message->host_read);
		return 0;
	case MESSAGE_HOST_RELEASE:
		on_release(host, &message->host_release);
		return 0;
	default:
		log_warning("a host does not send %s", message_name(message->type));
		return -EPROTO;
	}
}

static void on_up(void *arg)
{
	(void)host_of(arg); /* the host speaks first */
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct host *host = host_of(arg);
	set_state(host, HOST_GONE, reason);
	conn_free(host->conn);
	host->conn = NULL;
	detach(host);
	host->ops->gone(host->arg, clean);
}

static const struct conn_ops conn_ops = { .up = on_up, .frame = on_frame, .closed = on_closed };

struct host *host_new(const struct host_config *config, int fd, const struct host_ops *ops, void *arg)
{
	struct host *host = xcalloc(1, sizeof(*host));
	host->magic = HOST_MAGIC;
	host->config = *config;
	host->ops = ops;
	host->arg = arg;
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		host->streams[i] = (struct host_stream){ .magic = HOST_STREAM_MAGIC, .host = host };
	host->conn = conn_new_plain(config->base, config->clock, fd, "host", &conn_ops, host);
	return host;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	conn_free(host->conn);
	detach(host);
	shm_unref(host->shm);
	free(host->slots);
	host->magic = 0;
	free(host);
}

void host_dump(const struct host *host)
{
	static const char *const states[] = { "before hello", "ready", "opening", "open", "gone" };
	static const char *const uses[] = { "free", "local", "remote", "lost" };
	log_write(LOG_LEVEL_INFO, "host: %s, %u slots", states[host->state], host->slot_count);
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
