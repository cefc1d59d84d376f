/* SPDX-License-Identifier: Apache-2.0
 *
 * The reads of a host: what it may read, into which slot, and the answers (62 to 68 of Fig. 3; the delay of 66 is the
 * host's). Loop thread only. The hard thing is memory: a slot belongs to the primary from HostRead to its reply, and
 * for ever when the reply says that a disk may still write into it. So the slot carries the read.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "local/shm.h"
#include "primary/host_session.h"

static struct host_slot *slot_of(void *arg)
{
	struct host_slot *slot = arg;
	assert(slot->magic == HOST_SLOT_MAGIC && slot->host->magic == HOST_MAGIC);
	return slot;
}

static void send_read_reply(struct host *host, const struct msg_host_read_reply *reply, const uint8_t *states)
{
	host->out.type = MESSAGE_HOST_READ_REPLY;
	host->out.host_read_reply = *reply;
	if (states)
		memcpy(host->out.host_read_reply.states, states, reply->track_count);
	host_send(host);
}

static __attribute__((format(printf, 4, 5))) void refuse_read(struct host *host, uint32_t tag, enum status status,
	const char *format, ...)
{
	struct msg_host_read_reply reply = { .tag = tag, .status = status };
	va_list args;
	va_start(args, format);
	vsnprintf(reply.detail, sizeof(reply.detail), format, args);
	va_end(args);
	send_read_reply(host, &reply, NULL);
}

static void on_local_read(void *arg, const struct local_read_result *result)
{
	struct host_slot *slot = slot_of(arg);
	assert(slot->use == SLOT_LOCAL);
	struct msg_host_read_reply reply = {
		.tag = slot->tag,
		.status = result->status,
		.track_count = result->track_count,
		.hole_tracks = result->hole_tracks,
		.slot_lost = result->memory_lost,
		.throttled_ms = result->throttled_ms,
		.cpu_ms = (uint64_t)clock_thread_cpu_ms(),
	};
	slot->use = result->memory_lost ? SLOT_LOST : SLOT_FREE;
	send_read_reply(slot->host, &reply, result->states);
}

/* 64 or 68: the host is told either way, and waits itself (66) before it asks again. */
static void on_remote_read(void *arg, const struct remote_read_result *result)
{
	struct host_slot *slot = slot_of(arg);
	assert(slot->use == SLOT_REMOTE);
	struct msg_host_read_reply reply = {
		.tag = slot->tag,
		.status = result->status,
		.floor = result->floor,
		.track_count = result->track_count,
		.hole_tracks = result->hole_tracks,
		.disconnected = result->disconnected,
		.throttled_ms = result->throttled_ms,
		.disk_ms = result->disk_ms,
		.cpu_ms = result->cpu_ms,
	};
	snprintf(reply.detail, sizeof(reply.detail), "%s", result->detail);
	slot->use = SLOT_FREE;
	send_read_reply(slot->host, &reply, result->states);
}

static enum status start_local_read(struct host *host, const struct msg_host_read *read)
{
	struct local_read_spec spec = {
		.first_track = read->first_track,
		.track_count = read->track_count,
		.digest = read->digest,
		.end_bytes = read->end_bytes,
		.memory = shm_slot(host->shm, read->slot),
		.shm = host->shm,
	};
	return local_read(host->local, &spec, on_local_read, &host->slots[read->slot]);
}

static enum status start_remote_read(struct host *host, const struct msg_host_read *read)
{
	struct remote_read_spec spec = {
		.first_track = read->first_track,
		.track_count = read->track_count,
		.delivery = read->delivery,
		.floor = read->floor,
		.reread = read->reread,
		.digest = read->digest,
		.end_bytes = read->end_bytes,
		.memory = shm_slot(host->shm, read->slot),
		.memory_bytes = shm_slot_bytes(host->shm),
		.shm = host->shm,
	};
	if (host->release_pending > 0)
		return STATUS_BUSY;
	struct host_stream *stream = &host->streams[read->stream];
	if (!stream->job)
		stream->job = remote_job_new(host->remote);
	return remote_read(stream->job, &spec, on_remote_read, &host->slots[read->slot]);
}

/* Refuses what lies outside the host's memory; false then. */
static bool may_use_slot(struct host *host, const struct msg_host_read *read)
{
	bool is_data = read->digest == DIGEST_NONE;
	uint32_t piece_bytes = is_data ? local_track_bytes(host->device->local) : digest_bytes(read->digest);
	if (read->slot >= host->slot_count)
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "slot %u: there are %u", read->slot, host->slot_count);
	else if (host->slots[read->slot].use == SLOT_LOST)
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "slot %u is lost: a disk may still write into it", read->slot);
	else if (host->slots[read->slot].use != SLOT_FREE)
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "slot %u is in use", read->slot);
	else if ((uint64_t)read->track_count * piece_bytes > shm_slot_bytes(host->shm))
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "%u %s of %u bytes do not fit into a slot of %u",
			read->track_count, is_data ? "tracks" : "digests", piece_bytes, shm_slot_bytes(host->shm));
	else
		return true;
	return false;
}

/* Refuses what the side does not have; false then. */
static bool may_read(struct host *host, const struct msg_host_read *read)
{
	bool is_data = read->digest == DIGEST_NONE, is_local = read->side == SIDE_LOCAL;
	uint32_t track_bytes = local_track_bytes(host->device->local);
	uint64_t size_bytes = is_local ? local_end_bytes(host->local) : remote_end_bytes(host->remote);
	uint64_t end_bytes = is_data ? size_bytes : read->end_bytes;
	uint64_t tracks = end_bytes / track_bytes + (end_bytes % track_bytes != 0);
	if (!is_data && !is_local && !(remote_digests(host->remote) & 1u << read->digest))
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "the secondary does not know the digest %s",
			digest_name(read->digest));
	else if (end_bytes > size_bytes)
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "end_bytes is %llu: the %s volume has %llu",
			(unsigned long long)end_bytes, is_local ? "local" : "remote", (unsigned long long)size_bytes);
	else if (read->first_track >= tracks || read->track_count > tracks - read->first_track)
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "tracks %llu+%u: the device has %llu",
			(unsigned long long)read->first_track, read->track_count, (unsigned long long)tracks);
	else
		return true;
	return false;
}

const char *host_remote_words(enum status status)
{
	switch (status) {
	case STATUS_LINK_LOST:
		return "the link to the secondary is lost";
	case STATUS_VOLUME_CHANGED:
		return "the remote volume is another one since the link came back";
	default:
		return "the read was not started";
	}
}

void host_end_remote_reads(struct host *host, const char *reason)
{
	for (uint32_t i = 0; i < host->slot_count; i++) {
		struct host_slot *slot = &host->slots[i];
		if (slot->use != SLOT_REMOTE)
			continue;
		slot->use = SLOT_FREE;
		refuse_read(host, slot->tag, STATUS_LINK_LOST, "%s", reason);
	}
}

/* 62: the host asks for a run of one side. */
void host_on_read(struct host *host, const struct msg_host_read *read)
{
	char detail[DETAIL_MAX + 1];
	if (host->state != HOST_OPEN) {
		refuse_read(host, read->tag, STATUS_BAD_REQUEST, "no device is open");
		return;
	}
	if (!may_use_slot(host, read) || !may_read(host, read))
		return;
	if (local_begin_reading(host->local, detail) != STATUS_OK) {
		refuse_read(host, read->tag, STATUS_BUSY, "%s", detail);
		return;
	}
	enum status status = read->side == SIDE_LOCAL ? start_local_read(host, read) : start_remote_read(host, read);
	if (status != STATUS_OK) {
		refuse_read(host, read->tag, status, "%s", host_remote_words(status));
		return;
	}
	struct host_slot *slot = &host->slots[read->slot];
	slot->use = read->side == SIDE_LOCAL ? SLOT_LOCAL : SLOT_REMOTE;
	slot->tag = read->tag;
	slot->first_track = read->first_track;
	slot->track_count = read->track_count;
}
