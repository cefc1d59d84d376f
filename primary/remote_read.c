/* SPDX-License-Identifier: Apache-2.0
 *
 * The window and the reads of RA 30: Fig. 6. A read waits for its limits, then for its device, its link job and a place
 * in the window, is requested (132), perhaps disconnected (134, 136), and received (138) straight into the host's
 * memory. Loop thread only. The hard thing is that it may begin anew: when the link is lost it waits again, what it
 * was charged stays, and no moment of the old connection means anything on the new one.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include <utlist.h>

#include "base/log.h"
#include "base/plural.h"
#include "base/post.h"
#include "local/shm.h"
#include "primary/remote_link.h"

static struct remote *remote_of(const struct remote_job *job)
{
	return job->device->remote;
}

static void set_state(struct remote_job *job, enum read_state state, const char *reason)
{
	static const char *const names[] = {
		"NONE", "THROTTLED", "WAITING", "REQUESTED", "DISCONNECTED", "RECEIVING", "ENDING"
	};
	log_debug("device %s, tracks %llu+%u, link id 0x%016llx, peer %s: read %s -> %s: %s", job->device->name,
		(unsigned long long)job->spec.first_track, job->spec.track_count, (unsigned long long)job->link_id,
		job->device->remote->peer, names[job->read_state], names[state], reason);
	job->read_state = state;
}

static uint64_t end_bytes_of(const struct remote_job *job)
{
	return job->spec.digest == DIGEST_NONE ? job->device_end_bytes : job->spec.end_bytes;
}

static uint64_t track_bytes_of(const struct remote_job *job, uint32_t index)
{
	uint64_t track_bytes = job->device->track_bytes, begin = (job->spec.first_track + index) * track_bytes;
	uint64_t end = end_bytes_of(job), left = begin < end ? end - begin : 0;
	return left < track_bytes ? left : track_bytes; /* the last track is short */
}

/* ---- Limits ---- */

static uint64_t run_bytes(const struct remote_job *job)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < job->spec.track_count; i++)
		bytes += track_bytes_of(job, i);
	return bytes;
}

static void count_wait(struct remote_job *job)
{
	job->throttled_ms = job->waiter.waited_ms;
	job->device->throttled_ms += job->waiter.waited_ms;
}

static void on_let_through(void *arg)
{
	struct remote_job *job = arg;
	assert(job->magic == REMOTE_JOB_MAGIC && job->read_state == READ_THROTTLED);
	count_wait(job);
	job->is_charged = true;
	set_state(job, READ_WAITING, "its limits let it through");
	remote_wait_for_place(job);
	remote_device_want(job->device);
	remote_pump(remote_of(job));
}

/* True: it need not wait. */
static bool enter_limits(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	const struct remote_attach_spec *spec = &job->device->spec;
	if (!remote->config.throttle)
		return true;
	job->rates[0] = spec->run_rate;
	job->rates[1] = spec->device_rate;
	job->rates[2] = remote->config.peer_rate;
	job->rates[3] = remote->config.total_rate;
	job->is_charged = rate_enter(remote->config.throttle, &job->waiter, job->rates, job->device, run_bytes(job),
		on_let_through, job);
	return job->is_charged;
}

void remote_settle_charge(struct remote_job *job)
{
	if (!job->is_charged)
		return;
	job->is_charged = false;
	uint64_t unread_bytes = run_bytes(job) - job->read_bytes;
	if (unread_bytes > 0)
		rate_give_back(job->rates, unread_bytes, job->read_bytes == 0);
}

/* ---- The window ---- */

static void enqueue(struct remote_job *job, struct remote_job **queue)
{
	assert(!job->queue && !job->has_place);
	job->queue = queue;
	DL_APPEND2(*queue, job, queue_prev, queue_next);
}

static void dequeue(struct remote_job *job)
{
	struct remote_job **queue = job->queue;
	if (!queue)
		return;
	job->queue = NULL;
	DL_DELETE2(*queue, job, queue_prev, queue_next);
}

void remote_wait_for_place(struct remote_job *job)
{
	assert(job->read_state == READ_WAITING);
	enqueue(job, &remote_of(job)->waiting);
}

void remote_give_place(struct remote_job *job)
{
	if (!job->has_place)
		return;
	job->has_place = false;
	remote_of(job)->connected--;
}

/* 132: the system call goes to the secondary. */
void remote_send_read(struct remote_job *job)
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
		.digest = job->spec.digest,
		.end_bytes = job->spec.end_bytes,
	};
	set_state(job, READ_REQUESTED, "a place in the window");
	remote_send(remote);
}

/* The oldest of the host whose last turn is longest ago: one with many reads gets no more than one with few. */
static struct remote_job *choose_next(const struct remote *remote)
{
	struct remote_job *job, *chosen = NULL;
	DL_FOREACH2(remote->waiting, job, queue_next) {
		if (job->device->state != DEVICE_READY || (job->device->is_crowded && job->state == JOB_NEW))
			continue;
		if (!chosen || job->device->turn < chosen->device->turn)
			chosen = job;
	}
	return chosen;
}

void remote_pump(struct remote *remote)
{
	struct remote_job *job;
	if (remote->state != LINK_UP)
		return;
	while (remote->connected < remote->window_reads && (job = choose_next(remote))) {
		dequeue(job);
		job->device->turn = ++remote->turns;
		job->has_place = true;
		remote->connected++;
		if (job->state == JOB_NEW)
			remote_create_job(job);
		else
			remote_send_read(job);
	}
}

/* ---- The end of a read ---- */

void remote_drop_read(struct remote_job *job, const char *reason)
{
	if (job->read_state == READ_NONE)
		return;
	if (job->read_state == READ_THROTTLED) {
		rate_leave(&job->waiter);
		count_wait(job);
	}
	remote_remove_request(remote_of(job), &job->request);
	dequeue(job);
	remote_give_place(job);
	remote_settle_charge(job);
	set_state(job, READ_NONE, reason);
	job->since_ms = clock_now_ms(remote_of(job)->config.clock);
	shm_unref(job->spec.shm);
	job->spec.shm = NULL;
	job->fn = NULL;
}

static void post_result(const struct remote_job *job, const struct remote_read_result *result)
{
	struct remote *remote = remote_of(job);
	struct post *post = remote->config.post;
	struct post_where where = {
		.device = job->device->name,
		.peer = remote->peer,
		.first_track = job->spec.first_track,
		.track_count = job->spec.track_count,
		.link_id = job->link_id,
	};
	if (result->status == STATUS_OK) {
		uint32_t unreadable = 0;
		for (uint32_t i = 0; i < result->track_count; i++)
			unreadable += track_is_unreadable(result->states[i]);
		if (unreadable > 0)
			post_error(post, STATUS_VOLUME_ERROR, &where, "%u of %u %s cannot be read at the secondary", unreadable,
				result->track_count, plural(result->track_count, "track", "tracks"));
	} else if (result->status != STATUS_DATA_NOT_FOUND) {
		post_error(post, result->status, &where, "the secondary ended a read%s%s", result->detail[0] ? ": " : "",
			result->detail);
	}
}

static void end_read(struct remote_job *job, const struct remote_read_result *result)
{
	remote_read_fn *fn = job->fn;
	void *arg = job->arg;
	remote_drop_read(job, status_name(result->status));
	remote_pump(remote_of(job));
	if (fn)
		fn(arg, result);
}

void remote_end_read(struct remote_job *job, const struct remote_read_result *result)
{
	if (job->fn)
		post_result(job, result);
	end_read(job, result);
}

/* Those that the callbacks begin are not among those that end now. */
void remote_end_reads(struct remote_device *device, enum status status, const char *why)
{
	struct remote *remote = device->remote;
	struct remote_job *job;
	assert(!remote->ending);
	DL_FOREACH(device->jobs, job) {
		if (job->is_given_up || job->read_state == READ_NONE)
			continue;
		assert(job->state == JOB_NEW);
		if (job->read_state == READ_THROTTLED) {
			rate_leave(&job->waiter);
			count_wait(job);
		}
		dequeue(job);
		set_state(job, READ_ENDING, status_name(status));
		enqueue(job, &remote->ending);
	}
	while ((job = remote->ending)) {
		struct remote_read_result result = { .status = status, .throttled_ms = job->throttled_ms, .detail = why };
		end_read(job, &result);
	}
}

void remote_read_lose(struct remote_job *job)
{
	if (job->read_state == READ_NONE)
		return;
	job->spec.floor = 0;
	job->was_disconnected = false;
	if (job->read_state == READ_THROTTLED)
		return;
	if (job->read_state != READ_WAITING)
		set_state(job, READ_WAITING, "the link is lost: it is repeated");
	if (!job->queue)
		remote_wait_for_place(job);
}

/* ---- Answers ---- */

/* Of the tracks that were read from the disk. */
static uint64_t disk_bytes_of(const struct remote_job *job, const struct msg_read_reply *reply)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < reply->track_count; i++) {
		if (reply->states[i] != TRACK_HOLE)
			bytes += track_bytes_of(job, i);
	}
	return bytes;
}

static uint64_t payload_bytes_of(const struct remote_job *job, const struct msg_read_reply *reply)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < reply->track_count; i++) {
		if (reply->states[i] == TRACK_DATA)
			bytes += job->spec.digest == DIGEST_NONE ? track_bytes_of(job, i) : digest_bytes(job->spec.digest);
	}
	return bytes;
}

/* The last track of a run of data is DATA of another length than the size known here gives it: the secondary's volume
 * has another size, as may be when another peer kept its jobs there. Its length; 0: the payload does not say that. */
static uint64_t other_tail_bytes(const struct remote_job *job, const struct msg_read_reply *reply,
	uint32_t payload_bytes)
{
	uint32_t count = reply->track_count;
	bool is_last = count == job->spec.track_count && reply->states[count - 1] == TRACK_DATA;
	if (job->spec.digest != DIGEST_NONE || !is_last)
		return 0;
	uint64_t known_bytes = track_bytes_of(job, count - 1);
	uint64_t before_bytes = payload_bytes_of(job, reply) - known_bytes;
	uint64_t bytes = payload_bytes > before_bytes ? payload_bytes - before_bytes : 0;
	return bytes <= job->device->track_bytes && bytes != known_bytes ? bytes : 0;
}

/* 134: a DISCONNECT only once, a RECONNECT only after it. */
bool remote_is_due(const struct remote_job *job, enum status status)
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

/* Does the answer fit the read that it is for? If not, the connection is to be ended. */
static bool fits(const struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	struct remote *remote = remote_of(job);
	bool has_tracks = reply->status == STATUS_OK || reply->status == STATUS_RECONNECT;
	uint64_t due_bytes = payload_bytes_of(job, reply);
	if (job->read_state != READ_RECEIVING && !remote_is_due(job, reply->status))
		remote_refuse(remote, "ReadReply with %s from the secondary came out of turn (link id 0x%016llx)",
			status_name(reply->status), (unsigned long long)job->link_id);
	else if (reply->track_count > job->spec.track_count || (has_tracks && reply->track_count == 0))
		remote_refuse(remote, "ReadReply from the secondary has %u tracks, %u were asked for", reply->track_count,
			job->spec.track_count);
	else if (payload_bytes != due_bytes && other_tail_bytes(job, reply, payload_bytes) == 0)
		remote_refuse(remote, "ReadReply from the secondary has %u bytes of payload, its tracks have %llu",
			payload_bytes, (unsigned long long)due_bytes);
	else
		return true;
	return false;
}

/* 138: the data comes. A read whose owner has gone still holds the memory, so it is received all the same. */
void *remote_read_payload(struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	if (!fits(job, reply, payload_bytes))
		return NULL;
	set_state(job, READ_RECEIVING, status_name(reply->status));
	return job->spec.memory;
}

/* The secondary goes by another size than is known here: the read ends with that. False: nothing says so. */
static bool end_if_size_differs(struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	const struct remote_device *device = job->device;
	uint64_t last_track = job->spec.first_track + job->spec.track_count - 1;
	uint64_t tail_bytes = other_tail_bytes(job, reply, payload_bytes);
	bool is_outside = reply->status == STATUS_BAD_REQUEST && (job->spec.digest != DIGEST_NONE ||
		(uint64_t)job->spec.track_count * device->track_bytes <= RUN_BYTES_MAX);
	char why[DETAIL_MAX + 1];
	if (tail_bytes > 0)
		snprintf(why, sizeof(why), "device %s: its size changed from %llu to %s%llu bytes (track %llu has %llu)",
			device->name, (unsigned long long)job->device_end_bytes,
			tail_bytes == device->track_bytes ? "at least " : "",
			(unsigned long long)(last_track * device->track_bytes + tail_bytes), (unsigned long long)last_track,
			(unsigned long long)tail_bytes);
	else if (is_outside) /* it lies inside of what is known here */
		snprintf(why, sizeof(why), "device %s: its size was %llu bytes: %.120s", device->name,
			(unsigned long long)job->device_end_bytes, reply->detail);
	else
		return false;
	remote_end_read(job, &(struct remote_read_result){
		.status = STATUS_VOLUME_CHANGED,
		.disconnected = job->was_disconnected,
		.throttled_ms = job->throttled_ms + reply->throttled_ms,
		.detail = why,
	});
	return true;
}

/* The secondary may know a longer device, so what it tells is cut at the end that is known here. */
static uint64_t hole_tracks_of(const struct remote_job *job, const struct msg_read_reply *reply)
{
	uint64_t end = end_bytes_of(job), track_bytes = job->device->track_bytes;
	uint64_t left = end / track_bytes + (end % track_bytes != 0) - job->spec.first_track - reply->track_count;
	return reply->hole_tracks < left ? reply->hole_tracks : left;
}

static void receive(struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	struct remote *remote = remote_of(job);
	if (job->read_state != READ_RECEIVING)
		set_state(job, READ_RECEIVING, status_name(reply->status)); /* 138 */
	job->read_bytes = disk_bytes_of(job, reply);
	if (end_if_size_differs(job, reply, payload_bytes))
		return;
	remote->read_bytes += job->read_bytes;
	struct remote_read_result result = {
		.status = reply->status == STATUS_RECONNECT ? STATUS_OK : reply->status,
		.floor = reply->floor,
		.track_count = reply->track_count,
		.states = reply->states,
		.hole_tracks = hole_tracks_of(job, reply),
		.disconnected = job->was_disconnected,
		.throttled_ms = job->throttled_ms + reply->throttled_ms,
		.disk_ms = reply->disk_ms,
		.cpu_ms = reply->cpu_ms,
		.detail = reply->detail,
	};
	if (reply->floor > remote->floor_max)
		remote->floor_max = reply->floor;
	remote_end_read(job, &result);
}

int remote_on_read_reply(struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes)
{
	if (!fits(job, reply, payload_bytes))
		return -EPROTO;
	if (reply->status == STATUS_DISCONNECT) { /* 134 */
		job->was_disconnected = true;
		set_state(job, READ_DISCONNECTED, "DISCONNECT"); /* 136 */
		remote_give_place(job);
		remote_pump(remote_of(job));
		return 0;
	}
	receive(job, reply, payload_bytes);
	return 0;
}

/* ---- For the owner of a job ---- */

static void begin(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	bool is_failed = job->device->state == DEVICE_FAILED;
	if (!is_failed && !enter_limits(job)) {
		set_state(job, READ_THROTTLED, "a limit is reached");
		return;
	}
	set_state(job, READ_WAITING, "a host wants it");
	remote_wait_for_place(job);
	if (is_failed)
		timer_set(&job->device->timer, 0);
	remote_device_want(job->device);
	remote_pump(remote);
}

enum status remote_read(struct remote_job *job, const struct remote_read_spec *spec, remote_read_fn *fn, void *arg)
{
	struct remote *remote = remote_of(job);
	bool is_data = spec->digest == DIGEST_NONE;
	uint64_t piece_bytes = is_data ? job->device->track_bytes : digest_bytes(spec->digest);
	assert(!job->is_given_up && fn && spec->track_count >= 1);
	assert(spec->track_count <= (is_data ? RUN_TRACKS_MAX : RUN_DIGESTS_MAX));
	assert(spec->track_count * piece_bytes <= spec->memory_bytes);
	assert(is_data ? spec->end_bytes == 0 : spec->end_bytes <= job->device->end_bytes);
	assert(is_data || (remote->digests & 1u << spec->digest));
	if (remote->state == LINK_LOST)
		return STATUS_LINK_LOST;
	if (job->read_state != READ_NONE || job->state == JOB_RELEASING)
		return STATUS_BUSY;
	job->spec = *spec;
	if (job->spec.floor > remote->floor_max)
		job->spec.floor = 0; /* the link job is made, or was, after the moment that it stands for */
	shm_ref(job->spec.shm);
	job->device_end_bytes = job->device->end_bytes;
	if (!is_data)
		job->device->digests_read |= 1u << spec->digest;
	job->was_disconnected = false;
	job->read_bytes = 0;
	job->throttled_ms = 0;
	job->fn = fn;
	job->arg = arg;
	job->since_ms = clock_now_ms(remote->config.clock);
	begin(job);
	return STATUS_OK;
}
