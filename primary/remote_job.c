/* SPDX-License-Identifier: Apache-2.0
 *
 * Link jobs of RA 30: the primary's part of Fig. 14. A job is made at the secondary by its first read on each
 * connection, and released there. Loop thread only. The hard thing: what was sent must stay until the secondary has
 * ended it, though its owner has gone: its tag may not be used again, and its payload may be on the way. The Done of a
 * Release ends it too, because a Read of a released job may never be answered.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "primary/remote_link.h"

static const char *const state_names[] = { "new", "creating", "ready", "releasing" };
static const char *const read_names[] = {
	"none", "throttled", "waiting", "requested", "disconnected", "receiving", "ending"
};

static struct remote *remote_of(const struct remote_job *job)
{
	return job->device->remote;
}

static void set_state(struct remote_job *job, enum job_state state, const char *reason)
{
	log_debug("device %s, link id 0x%016llx, peer %s: link job %s -> %s: %s", job->device->name,
		(unsigned long long)job->link_id, job->device->remote->peer, state_names[job->state], state_names[state],
		reason);
	job->state = state;
}

static void destroy(struct remote_job *job)
{
	struct remote_device *device = job->device;
	assert(job->read_state == READ_NONE && job->request.tag == 0 && job->release.tag == 0 && !job->queue);
	DL_DELETE(device->jobs, job);
	job->magic = 0;
	free(job);
	remote_device_settle(device);
}

/* ---- Requests and answers ---- */

void remote_create_job(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	set_state(job, JOB_CREATING, "its first read");
	remote_add_request(remote, &job->request, REQUEST_CREATE);
	remote->out.type = MESSAGE_READ;
	remote->out.read = (struct msg_read){ .tag = job->request.tag, .device_number = job->device->number };
	remote_send(remote);
}

static void send_release(struct remote_job *job, const char *reason)
{
	struct remote *remote = remote_of(job);
	set_state(job, JOB_RELEASING, reason);
	remote_add_request(remote, &job->release, REQUEST_RELEASE);
	remote->out.type = MESSAGE_RELEASE;
	remote->out.release = (struct msg_release){ .tag = job->release.tag, .link_id = job->link_id };
	remote_send(remote);
}

/* The link job is there; its read keeps the place in the window. */
static void on_made(struct remote_job *job, uint64_t link_id)
{
	struct remote *remote = remote_of(job);
	job->link_id = link_id;
	set_state(job, JOB_READY, "made by the secondary");
	if (!job->is_given_up) {
		remote_send_read(job);
		return;
	}
	remote_give_place(job);
	remote_drop_read(job, "its owner has gone");
	send_release(job, "its owner has gone");
	remote_pump(remote);
}

/* No link job is free. True: perhaps because of the last connection, so its device asks again in a while. */
static bool waits_for_link_job(struct remote_device *device, enum status status)
{
	const struct remote *remote = device->remote;
	int64_t lost_for_ms = clock_now_ms(remote->config.clock) - remote->lost_ms;
	bool may_be_stale = status == STATUS_NO_FREE_JOB || status == STATUS_BUSY;
	if (!may_be_stale || !remote_is_stale(remote) || lost_for_ms >= device->spec.link_timeout_ms)
		return false;
	if (device->is_crowded)
		return true;
	log_info("device %s, peer %s: %s right after a loss of the link: a link job is asked for again", device->name,
		remote->peer, status_name(status));
	device->is_crowded = true;
	timer_set(&device->again, REMOTE_AGAIN_MS);
	return true;
}

int remote_on_created(struct remote_job *job, const struct msg_read_reply *reply)
{
	struct remote *remote = remote_of(job);
	bool is_made = reply->status == STATUS_OK && reply->link_id != 0 && reply->track_count == 0;
	bool is_of_read = reply->status == STATUS_OK || reply->status == STATUS_DATA_NOT_FOUND ||
		reply->status == STATUS_DISCONNECT;
	if (!is_made && (is_of_read || !remote_is_due(job, reply->status)))
		return remote_refuse(remote,
			"the secondary answered the making of a link job with %s, link id 0x%016llx, %u tracks",
			status_name(reply->status), (unsigned long long)reply->link_id, reply->track_count);
	remote_remove_request(remote, &job->request);
	if (is_made) {
		on_made(job, reply->link_id);
		return 0;
	}
	remote_give_place(job);
	if (job->is_given_up)
		remote_drop_read(job, "its owner has gone");
	set_state(job, JOB_NEW, status_name(reply->status));
	if (job->is_given_up) {
		destroy(job);
		remote_pump(remote);
		return 0;
	}
	if (waits_for_link_job(job->device, reply->status)) {
		remote_wait_for_place(job);
		remote_pump(remote);
		return 0;
	}
	struct remote_read_result result = { .status = reply->status, .throttled_ms = job->throttled_ms,
		.detail = reply->detail };
	remote_end_read(job, &result);
	return 0;
}

void remote_on_released(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	void (*fn)(void *arg) = job->released_fn;
	void *arg = job->released_arg;
	remote_remove_request(remote, &job->release);
	remote_drop_read(job, "its link job is over");
	destroy(job);
	remote_pump(remote);
	if (fn)
		fn(arg);
}

void remote_job_lose(struct remote_job *job)
{
	struct remote *remote = remote_of(job);
	remote_remove_request(remote, &job->request);
	remote_remove_request(remote, &job->release);
	remote_give_place(job);
	if (job->state == JOB_RELEASING || job->is_given_up)
		return;
	if (job->state != JOB_NEW)
		set_state(job, JOB_NEW, "the link is lost");
	job->link_id = 0;
	remote_read_lose(job);
}

/* ---- For its owner ---- */

struct remote_job *remote_job_new(struct remote_device *device)
{
	assert(!device->is_given_up && device->is_known);
	struct remote_job *job = xcalloc(1, sizeof(*job));
	job->magic = REMOTE_JOB_MAGIC;
	job->device = device;
	job->request.job = job;
	job->release.job = job;
	job->since_ms = clock_now_ms(device->remote->config.clock);
	DL_APPEND(device->jobs, job);
	return job;
}

bool remote_job_has_read(const struct remote_job *job)
{
	return job->read_state != READ_NONE;
}

bool remote_job_release(struct remote_job *job, void (*fn)(void *arg), void *arg)
{
	assert(!job->is_given_up && job->read_state == READ_NONE && job->state != JOB_RELEASING);
	if (job->state == JOB_NEW) {
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
	assert(job->magic == REMOTE_JOB_MAGIC && !job->is_given_up);
	bool is_sent = job->request.tag != 0 || job->release.tag != 0;
	if (!is_sent)
		remote_drop_read(job, "its owner has gone before it was sent");
	else if (job->state == JOB_CREATING)
		remote_settle_charge(job);
	job->is_charged = false; /* its limits may go with its owner */
	job->is_given_up = true;
	job->fn = NULL;
	job->released_fn = NULL;
	if (job->state == JOB_NEW)
		destroy(job);
	else if (job->state == JOB_READY)
		send_release(job, "its owner has gone");
}

struct remote_job_view remote_job_view(const struct remote_job *job)
{
	bool has_read = job->read_state != READ_NONE;
	return (struct remote_job_view){
		.state = state_names[job->state],
		.link_id = job->link_id,
		.read = read_names[job->read_state],
		.first_track = has_read ? job->spec.first_track : 0,
		.track_count = has_read ? job->spec.track_count : 0,
		.age_ms = clock_now_ms(remote_of(job)->config.clock) - job->since_ms,
	};
}
