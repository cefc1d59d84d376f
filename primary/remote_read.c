/* SPDX-License-Identifier: Apache-2.0
 *
 * Link jobs, the window and the reads of RA 30: Fig. 6, and the primary's part of Fig. 14. A job has one read, which
 * waits (for its job to be made, then for a place in the window), is requested (132), perhaps disconnected (134, 136),
 * and received (138) straight into the host's memory. Loop thread only. The hard thing: what was sent must stay until
 * the secondary has ended it, though its owner has gone: its tag may not be used again, and its payload may be on the
 * way. The Done of a Release ends it too, because a Read of a released job may never be answered.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "local/shm.h"
#include "primary/remote_link.h"

static struct remote *remote_of(const struct remote_job *job)
{
	return job->device->remote;
}

static void set_job_state(struct remote_job *job, enum job_state state, const char *reason)
{
	static const char *const names[] = { "NEW", "CREATING", "READY", "RELEASING" };
	log_debug("link job 0x%016llx: %s -> %s: %s", (unsigned long long)job->link_id, names[job->state], names[state],
		reason);
	job->state = state;
}

static void set_read_state(struct remote_job *job, enum read_state state, const char *reason)
{
	static const char *const names[] = { "NONE", "WAITING", "REQUESTED", "DISCONNECTED", "RECEIVING" };
	log_debug("read of tracks %llu+%u on link job 0x%016llx: %s -> %s: %s", (unsigned long long)job->spec.first_track,
		job->spec.track_count, (unsigned long long)job->link_id, names[job->read_state], names[state], reason);
	job->read_state = state;
}

/* ---- The window ---- */

static void wait_for_place(struct remote_job *job)
{
	assert(!job->is_waiting && !job->has_place);
	job->is_waiting = true;
	DL_APPEND2(remote_of(job)->waiting, job, wait_prev, wait_next);
}

static void stop_waiting(struct remote_job *job)
{
	if (!job->is_waiting)
		return;
	job->is_waiting = false;
	DL_DELETE2(remote_of(job)->waiting, job, wait_prev, wait_next);
}

static void give_place(struct remote_job *job)
{
	if (!job->has_place)
		return;
	job->has_place = false;
	remote_of(job)->connected--;
}

static void send_create(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	set_job_state(job, JOB_CREATING, "its first read");
	remote_add_request(remote, &job->request, REQUEST_CREATE);
	remote->out.type = MESSAGE_READ;
	remote->out.read = (struct msg_read){ .tag = job->request.tag, .device_number = job->device->number };
	remote_send(remote);
}

/* 132: the system call goes to the secondary. */
static void send_read(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	remote_add_request(remote, &job->request, REQUEST_READ);
	remote->out.type = MESSAGE_READ;
	remote->out.read = (struct msg_read){
		.tag = job->request.tag,
		.link_id = job->link_id,
		.device_number = job->device->number,
		.first_track = job->spec.first_track,
		.track_count = job->spec.track_count,
		.delivery = job->spec.delivery,
		.floor = job->spec.floor,
		.reread = job->spec.reread,
	};
	set_read_state(job, READ_REQUESTED, "a place in the window");
	remote_send(remote);
}

void remote_pump(struct remote *remote)
{
	while (remote->state == LINK_UP && remote->waiting && remote->connected < remote->window_reads) {
		struct remote_job *job = remote->waiting;
		stop_waiting(job);
		job->has_place = true;
		remote->connected++;
		if (job->state == JOB_NEW)
			send_create(job);
		else
			send_read(job);
	}
}

/* ---- The end of a read ---- */

/* The read is over for the link; the owner is not told. */
static void drop_read(struct remote_job *job, const char *reason)
{
	if (job->read_state == READ_NONE)
		return;
	remote_remove_request(remote_of(job), &job->request);
	stop_waiting(job);
	give_place(job);
	set_read_state(job, READ_NONE, reason);
	shm_unref(job->spec.shm);
	job->spec.shm = NULL;
	job->fn = NULL;
}

static void post_result(const struct remote_job *job, const struct remote_read_result *result)
{
	struct remote *remote = remote_of(job);
	struct post_where where = {
		.device = job->device->name,
		.peer = remote->peer_key,
		.first_track = job->spec.first_track,
		.track_count = job->spec.track_count,
		.link_id = job->link_id,
	};
	if (result->status == STATUS_OK) {
		uint32_t unreadable = 0;
		for (uint32_t i = 0; i < result->track_count; i++)
			unreadable += track_is_unreadable(result->states[i]);
		if (unreadable > 0)
			post_error(remote->post, STATUS_VOLUME_ERROR, &where, "%u of %u tracks cannot be read at the secondary",
				unreadable, result->track_count);
	} else if (result->status != STATUS_DATA_NOT_FOUND && result->status != STATUS_LINK_LOST) {
		post_error(remote->post, result->status, &where, "the secondary ended a read%s%s",
			result->detail[0] ? ": " : "", result->detail);
	}
}

/* The job may be gone after this. */
static void end_read(struct remote_job *job, const struct remote_read_result *result)
{
	remote_read_fn *fn = job->fn;
	void *arg = job->arg;
	if (fn)
		post_result(job, result);
	drop_read(job, status_name(result->status));
	remote_pump(remote_of(job));
	if (fn)
		fn(arg, result);
}

/* ---- Answers ---- */

static uint64_t data_bytes(const struct remote_job *job, const struct msg_read_reply *reply)
{
	uint64_t bytes = 0, track_bytes = job->device->track_bytes;
	for (uint32_t i = 0; i < reply->track_count; i++) {
		uint64_t begin = (job->spec.first_track + i) * track_bytes;
		uint64_t left = begin < job->end_bytes ? job->end_bytes - begin : 0;
		if (reply->states[i] == TRACK_DATA)
			bytes += left < track_bytes ? left : track_bytes; /* the last track is short */
	}
	return bytes;
}

/* May an answer with this status come now? (134: a DISCONNECT only once, a RECONNECT only after it.) */
static bool is_due(const struct remote_job *job, enum status status)
{
	bool is_disconnected = job->read_state == READ_DISCONNECTED;
	switch (status) {
	case STATUS_OK:
		return !is_disconnected;
	case STATUS_DISCONNECT:
		return !is_disconnected && job->spec.delivery == DELIVERY_DISCONNECT;
	case STATUS_RECONNECT:
		return is_disconnected;
	case STATUS_DATA_NOT_FOUND:
		return job->spec.delivery == DELIVERY_POLL;
	case STATUS_LINK_LOST:
	case STATUS_VERSION:
		return false;
	default:
		return true;
	}
}

/* Does the answer fit the read that it is for? If not, the reason is logged. */
static bool fits(const struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	bool has_tracks = reply->status == STATUS_OK || reply->status == STATUS_RECONNECT;
	if (job->read_state != READ_RECEIVING && !is_due(job, reply->status)) {
		log_warning("ReadReply with %s from the secondary came out of turn (link id 0x%016llx)",
			status_name(reply->status), (unsigned long long)job->link_id);
		return false;
	}
	if (reply->track_count > job->spec.track_count || (has_tracks && reply->track_count == 0)) {
		log_warning("ReadReply from the secondary has %u tracks, %u were asked for", reply->track_count,
			job->spec.track_count);
		return false;
	}
	if (payload_bytes != data_bytes(job, reply)) {
		log_warning("ReadReply from the secondary has %u bytes of payload, its tracks have %llu", payload_bytes,
			(unsigned long long)data_bytes(job, reply));
		return false;
	}
	return true;
}

static struct request *find_read(struct remote *remote, const struct msg_read_reply *reply)
{
	struct request *request;
	HASH_FIND(hh, remote->requests, &reply->tag, sizeof(reply->tag), request);
	if (request && (request->kind == REQUEST_READ || request->kind == REQUEST_CREATE))
		return request;
	log_warning("ReadReply from the secondary answers no request (tag %u)", reply->tag);
	return NULL;
}

/* 138: the data comes. A read whose owner has gone still holds the memory, so it is received all the same. */
void *remote_read_payload(struct remote *remote, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	struct request *request = find_read(remote, reply);
	if (!request)
		return NULL;
	if (request->kind == REQUEST_CREATE) {
		log_warning("ReadReply from the secondary carries payload, but only a link job was asked for");
		return NULL;
	}
	struct remote_job *job = request->job;
	if (!fits(job, reply, payload_bytes))
		return NULL;
	set_read_state(job, READ_RECEIVING, status_name(reply->status));
	return job->spec.memory;
}

static void send_release(struct remote_job *job, const char *reason)
{
	struct remote *remote = remote_of(job);
	set_job_state(job, JOB_RELEASING, reason);
	remote_add_request(remote, &job->release, REQUEST_RELEASE);
	remote->out.type = MESSAGE_RELEASE;
	remote->out.release = (struct msg_release){ .tag = job->release.tag, .link_id = job->link_id };
	remote_send(remote);
}

static void destroy(struct remote_job *job)
{
	struct remote_device *device = job->device;
	assert(job->read_state == READ_NONE && job->request.tag == 0 && job->release.tag == 0 && !job->is_waiting);
	DL_DELETE(device->jobs, job);
	free(job);
	remote_device_settle(device);
}

/* The answer to a Read with link id 0 (Fig. 14). */
static int on_created(struct remote_job *job, const struct msg_read_reply *reply)
{
	struct remote *remote = remote_of(job);
	bool is_made = reply->status == STATUS_OK && reply->link_id != 0 && reply->track_count == 0;
	if (!is_made && (reply->status == STATUS_OK || !is_due(job, reply->status))) {
		log_warning("the secondary answered the making of a link job with %s, link id 0x%016llx, %u tracks",
			status_name(reply->status), (unsigned long long)reply->link_id, reply->track_count);
		return -EPROTO;
	}
	remote_remove_request(remote, &job->request);
	give_place(job);
	if (job->is_given_up)
		drop_read(job, "its owner has gone");
	if (is_made) {
		job->link_id = reply->link_id;
		set_job_state(job, JOB_READY, "made by the secondary");
		if (job->is_given_up)
			send_release(job, "its owner has gone");
		else
			wait_for_place(job);
		remote_pump(remote);
		return 0;
	}
	set_job_state(job, JOB_NEW, status_name(reply->status));
	if (job->is_given_up) {
		destroy(job);
		remote_pump(remote);
		return 0;
	}
	struct remote_read_result result = { .status = reply->status, .detail = reply->detail };
	end_read(job, &result);
	return 0;
}

int remote_on_read_reply(struct remote *remote, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	struct request *request = find_read(remote, reply);
	if (!request)
		return -EPROTO;
	struct remote_job *job = request->job;
	if (request->kind == REQUEST_CREATE)
		return on_created(job, reply);
	if (!fits(job, reply, payload_bytes))
		return -EPROTO;
	if (reply->status == STATUS_DISCONNECT) { /* 134 */
		job->was_disconnected = true;
		set_read_state(job, READ_DISCONNECTED, "DISCONNECT"); /* 136 */
		give_place(job);
		remote_pump(remote);
		return 0;
	}
	if (job->read_state != READ_RECEIVING)
		set_read_state(job, READ_RECEIVING, status_name(reply->status)); /* 138 */
	struct remote_read_result result = {
		.status = reply->status == STATUS_RECONNECT ? STATUS_OK : reply->status,
		.floor = reply->floor,
		.track_count = reply->track_count,
		.states = reply->states,
		.disconnected = job->was_disconnected,
		.detail = reply->detail,
	};
	end_read(job, &result);
	return 0;
}

void remote_on_released(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	void (*fn)(void *arg) = job->released_fn;
	void *arg = job->released_arg;
	remote_remove_request(remote, &job->release);
	drop_read(job, "its link job was released");
	destroy(job);
	remote_pump(remote);
	if (fn)
		fn(arg);
}

void remote_job_lost(struct remote_job *job)
{
	if (job->state == JOB_RELEASING) {
		remote_on_released(job);
		return;
	}
	remote_remove_request(remote_of(job), &job->request);
	give_place(job);
	if (job->state == JOB_CREATING)
		set_job_state(job, JOB_NEW, "the link is lost");
	if (job->is_given_up) {
		drop_read(job, "the link is lost");
		destroy(job);
		return;
	}
	struct remote_read_result result = {
		.status = STATUS_LINK_LOST,
		.disconnected = job->was_disconnected,
		.detail = "the link to the secondary is lost",
	};
	end_read(job, &result);
}

/* ---- For the owner of a job ---- */

struct remote_job *remote_job_new(struct remote_device *device)
{
	assert(!device->is_given_up && device->is_attached);
	struct remote_job *job = xcalloc(1, sizeof(*job));
	job->device = device;
	job->request.job = job;
	job->release.job = job;
	DL_APPEND(device->jobs, job);
	return job;
}

enum status remote_read(struct remote_job *job, const struct remote_read_spec *spec, remote_read_fn *fn, void *arg)
{
	struct remote *remote = remote_of(job);
	assert(!job->is_given_up && fn && spec->track_count >= 1 && spec->track_count <= RUN_TRACKS_MAX);
	assert((uint64_t)spec->track_count * job->device->track_bytes <= spec->memory_bytes);
	if (remote->state == LINK_LOST)
		return STATUS_LINK_LOST;
	if (job->read_state != READ_NONE || job->state == JOB_RELEASING)
		return STATUS_BUSY;
	job->spec = *spec;
	shm_ref(job->spec.shm);
	job->end_bytes = job->device->end_bytes;
	job->was_disconnected = false;
	job->fn = fn;
	job->arg = arg;
	set_read_state(job, READ_WAITING, "a host wants it");
	wait_for_place(job);
	remote_pump(remote);
	return STATUS_OK;
}

bool remote_job_has_read(const struct remote_job *job)
{
	return job->read_state != READ_NONE;
}

bool remote_job_release(struct remote_job *job, void (*fn)(void *arg), void *arg)
{
	assert(!job->is_given_up && job->read_state == READ_NONE && job->state != JOB_RELEASING);
	if (job->state == JOB_NEW || remote_of(job)->state == LINK_LOST) {
		destroy(job);
		return false;
	}
	job->released_fn = fn;
	job->released_arg = arg;
	send_release(job, "its owner released it");
	return true;
}

void remote_job_free(struct remote_job *job)
{
	if (!job)
		return;
	assert(!job->is_given_up);
	struct remote *remote = remote_of(job);
	job->is_given_up = true;
	job->fn = NULL;
	job->released_fn = NULL;
	if (job->read_state == READ_WAITING && job->state != JOB_CREATING)
		drop_read(job, "its owner has gone before it was sent");
	if (job->state == JOB_NEW || remote->state == LINK_LOST)
		destroy(job);
	else if (job->state == JOB_READY)
		send_release(job, "its owner has gone");
}

void remote_dump_job(const struct remote_job *job)
{
	static const char *const jobs[] = { "new", "being made", "ready", "being released" };
	static const char *const reads[] = { "no read", "read waits", "read requested", "read disconnected", "receiving" };
	log_write(LOG_LEVEL_INFO, "    link job 0x%016llx: %s%s; %s, tracks %llu+%u, %s", (unsigned long long)job->link_id,
		jobs[job->state], job->is_given_up ? ", given up" : "", reads[job->read_state],
		(unsigned long long)job->spec.first_track, job->spec.track_count, delivery_name(job->spec.delivery));
}
