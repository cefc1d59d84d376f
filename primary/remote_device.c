/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices of the secondary, as hosts have them attached: DeviceQuery, and again on each new connection, where the
 * volume must be the one that it was; then Reserve, see remote_reserve.c. A host that waits too long for the link loses
 * the device. Loop thread only. The hard thing is giving up: a device whose owner has gone is detached only when its
 * last link job was released, and its memory stays until then; and each callback may be what gives it up.
 */
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

void remote_device_set_state(struct remote_device *device, enum device_state state, const char *reason)
{
	static const char *const names[] = { "IDLE", "ASKING", "RESERVING", "READY", "FAILED" };
	log_debug("device %s, peer %s: %s -> %s: %s", device->name, device->remote->peer, names[device->state],
		names[state], reason);
	device->state = state;
}

static void hold(struct remote_device *device)
{
	device->holds++;
}

static void release(struct remote_device *device)
{
	assert(device->holds > 0);
	device->holds--;
	remote_device_settle(device);
}

/* ---- Requests ---- */

static void send_query(struct remote_device *device)
{
	struct remote *remote = device->remote;
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
	remote->out.detach = (struct msg_detach){ .tag = device->request.tag, .device_number = device->number };
	remote_send(remote);
}

void remote_device_want(struct remote_device *device)
{
	if (device->remote->state != LINK_UP || device->state != DEVICE_IDLE || device->is_given_up)
		return;
	if (!device->info_fn && !device->is_known) {
		timer_cancel(&device->timer);
		return;
	}
	assert(device->request.tag == 0);
	remote_device_set_state(device, DEVICE_ASKING, "a request wants it");
	send_query(device);
}

/* ---- Giving up ---- */

/* The secondary counts a device once per session, so the last of this name detaches it. */
static struct remote_device *find_heir(const struct remote_device *device)
{
	struct remote_device *other;
	DL_FOREACH(device->remote->devices, other) {
		bool is_asking = other->request.tag != 0 && other->request.kind == REQUEST_QUERY;
		if (other != device && (other->is_attached || is_asking) && strcmp(other->name, device->name) == 0)
			return other;
	}
	return NULL;
}

void remote_device_settle(struct remote_device *device)
{
	bool is_up = device->remote->state == LINK_UP;
	if (!device->is_given_up || device->holds > 0 || device->request.tag != 0)
		return;
	if (device->reservation && is_up) {
		remote_unreserve(device); /* at once: another host may want it, and this one need not be the last of its name */
		return;
	}
	if (device->jobs || device->invalid.request.tag != 0)
		return;
	if (device->is_attached && is_up) {
		struct remote_device *heir = find_heir(device);
		if (!heir) {
			send_detach(device);
			return;
		}
		heir->is_attached = true; /* also when its own question will fail */
		heir->number = device->number;
	}
	DL_DELETE(device->remote->devices, device);
	device->magic = 0;
	free(device);
}

void remote_on_device_done(struct remote_device *device)
{
	remote_remove_request(device->remote, &device->request);
	remote_device_settle(device);
}

/* ---- The end of requests ---- */

static void tell(struct remote_device *device, enum status status, const struct volume_info *info, const char *detail)
{
	const struct remote_about about = { .track_bytes = device->track_bytes, .digest_only = device->digest_only,
		.info = info };
	remote_info_fn *fn = device->info_fn;
	device->info_fn = NULL;
	if (fn)
		fn(device->info_arg, status, &about, detail);
}

static void end_requests(struct remote_device *device, enum status status, const char *why)
{
	hold(device);
	remote_end_reads(device, status, why);
	tell(device, status, NULL, why);
	remote_invalid_end(device, status, NULL, why);
	release(device);
}

void remote_device_fail(struct remote_device *device, enum status status, const char *why)
{
	struct post_where where = { .device = device->name, .peer = device->remote->peer };
	assert(device->state != DEVICE_FAILED);
	timer_cancel(&device->timer);
	timer_cancel(&device->again);
	device->failed = status;
	snprintf(device->why, sizeof(device->why), "%s", why);
	remote_device_set_state(device, DEVICE_FAILED, why);
	if (status != STATUS_LINK_LOST) /* that was posted when it was lost */
		post_error(device->remote->config.post, status, &where, "%s", why);
	end_requests(device, status, device->why);
}

static void post_refusal(const struct remote_device *device, enum status status, const char *detail)
{
	struct post_where where = { .device = device->name, .peer = device->remote->peer };
	post_error(device->remote->config.post, status, &where, "the secondary does not give the device%s%s",
		detail[0] ? ": " : "", detail);
}

void remote_device_fail_question(struct remote_device *device, enum status status, const char *detail)
{
	timer_cancel(&device->timer);
	remote_device_set_state(device, DEVICE_IDLE, status_name(status));
	if (device->is_given_up) {
		remote_device_settle(device);
		return;
	}
	post_refusal(device, status, detail);
	end_requests(device, status, detail);
}

/* Its patience is over, or it has failed and there is a later request. */
static void on_timer(void *arg)
{
	struct remote_device *device = arg;
	const struct remote *remote = device->remote;
	char why[DETAIL_MAX + 1], time[REMOTE_TIME_CHARS];
	assert(device->magic == REMOTE_DEVICE_MAGIC);
	if (device->state == DEVICE_FAILED) {
		end_requests(device, device->failed, device->why);
		return;
	}
	if (device->is_taken) {
		remote_reserve_waits_no_more(device);
		return;
	}
	remote_name_time(time, device->spec.link_timeout_ms);
	snprintf(why, sizeof(why), "no link to %s for %s: %.110s", remote->peer, time,
		remote->error[0] ? remote->error : remote->state == LINK_UP ? "the device is not there yet" : "no answer yet");
	remote_device_fail(device, STATUS_LINK_LOST, why);
}

/* ---- Answers ---- */

void remote_device_become_ready(struct remote_device *device)
{
	remote_device_set_state(device, DEVICE_READY, device->is_known ? "it is what it was" : "it is known");
	timer_cancel(&device->timer);
	device->is_taken = false;
	device->is_known = true;
	remote_pump(device->remote);
	hold(device);
	if (device->is_down) {
		device->is_down = false;
		device->relinks++;
		if (device->spec.link)
			device->spec.link(device->spec.arg, true, device->relinks, device->unreserved);
	}
	tell(device, STATUS_OK, &device->volume, "");
	if (device->state == DEVICE_READY)
		remote_invalid_want(device);
	release(device);
}

static bool has_link_job(const struct remote_device *device)
{
	const struct remote_job *job;
	DL_FOREACH(device->jobs, job) {
		if (job->state != JOB_NEW)
			return true;
	}
	return false;
}

/* The size that Reads go by. While the session has link jobs on the device its size is fixed, and what is told is the
 * size of now; else what is told will be the size of the next jobs, whichever host makes them. */
static void take_size(struct remote_device *device, uint64_t told_bytes)
{
	struct remote_device *other;
	DL_FOREACH(device->remote->devices, other) {
		if (other->is_known && strcmp(other->name, device->name) == 0 && has_link_job(other)) {
			device->end_bytes = other->end_bytes;
			return;
		}
	}
	DL_FOREACH(device->remote->devices, other) {
		if (strcmp(other->name, device->name) == 0)
			other->end_bytes = told_bytes;
	}
}

/* Is one that was read none of the secondary's on this connection? Then words say so. */
static bool has_lost_digest(const struct remote_device *device, char words[DETAIL_MAX + 1])
{
	uint64_t lost = device->digests_read & ~device->remote->digests;
	for (enum digest digest = DIGEST_XXH3_128; digest < DIGEST_COUNT; digest++) {
		if (!(lost & 1u << digest))
			continue;
		snprintf(words, DETAIL_MAX + 1, "since the link came back the secondary does not know the digest %s",
			digest_name(digest));
		return true;
	}
	return false;
}

/* The first answer of a connection. */
static void on_asked(struct remote_device *device, const struct msg_device_reply *reply)
{
	char why[DETAIL_MAX + 1];
	if (reply->status != STATUS_OK) {
		remote_device_fail_question(device, reply->status, reply->detail);
		return;
	}
	device->is_attached = true;
	device->number = reply->device_number;
	if (device->is_given_up) {
		remote_device_settle(device);
		return;
	}
	if (reply->replaced) { /* the session has it because another host had it open before */
		remote_device_fail_question(device, STATUS_NOT_PERMITTED, reply->detail);
		return;
	}
	if (!device->is_known) { /* the track size of Fig. 10 is fixed from here on */
		device->track_bytes = reply->track_bytes;
		take_size(device, reply->volume.size_bytes);
	} else if (remote_is_changed(device, reply, why)) {
		remote_device_fail(device, STATUS_VOLUME_CHANGED, why);
		return;
	} else if (has_lost_digest(device, why)) {
		remote_device_fail(device, STATUS_BAD_REQUEST, why);
		return;
	}
	device->volume = reply->volume;
	device->volume.size_bytes = device->end_bytes;
	device->digest_only = reply->digest_only;
	if (device->spec.reserve && !device->unreserved[0]) {
		remote_device_set_state(device, DEVICE_RESERVING, "its owner wants it alone");
		remote_reserve(device);
	} else {
		remote_device_become_ready(device);
	}
}

int remote_on_device_reply(struct remote_device *device, const struct msg_device_reply *reply)
{
	struct remote *remote = device->remote;
	bool is_ok = reply->status == STATUS_OK;
	remote_remove_request(remote, &device->request);
	if (device->state == DEVICE_ASKING) {
		on_asked(device, reply);
		return 0;
	}
	if (is_ok && device->is_attached &&
		(reply->device_number != device->number || reply->track_bytes != device->track_bytes))
		return remote_refuse(remote, "DeviceReply of %s: number %u, track size %u; before they were %u and %u",
			device->name, reply->device_number, reply->track_bytes, device->number, device->track_bytes);
	if (is_ok && !device->is_attached) { /* it failed while it was asked for */
		device->is_attached = true;
		device->number = reply->device_number;
	}
	if (!is_ok && device->info_fn)
		post_refusal(device, reply->status, reply->detail);
	hold(device);
	if (device->state == DEVICE_READY && is_ok)
		take_size(device, reply->volume.size_bytes);
	if (device->state == DEVICE_READY)
		tell(device, reply->status, is_ok ? &reply->volume : NULL, reply->detail);
	release(device);
	return 0;
}

static void on_again(void *arg)
{
	struct remote_device *device = arg;
	assert(device->magic == REMOTE_DEVICE_MAGIC);
	if (device->state == DEVICE_RESERVING) {
		remote_reserve(device);
		return;
	}
	assert(device->state == DEVICE_READY && device->is_crowded);
	device->is_crowded = false;
	remote_pump(device->remote);
}

/* ---- The link ---- */

void remote_device_lose(struct remote_device *device)
{
	struct remote_job *job;
	remote_remove_request(device->remote, &device->request);
	remote_invalid_lose(device);
	device->is_attached = device->is_taken = device->is_crowded = false;
	device->reservation = 0;
	timer_cancel(&device->again);
	DL_FOREACH(device->jobs, job)
		remote_job_lose(job);
	if (device->is_given_up || device->state == DEVICE_FAILED)
		return;
	if (device->state != DEVICE_IDLE)
		remote_device_set_state(device, DEVICE_IDLE, "the link is lost");
	if (!device->remote->address)
		return;
	if (!device->timer.is_set)
		timer_set(&device->timer, device->spec.link_timeout_ms);
	if (!device->is_down)
		device->is_down = device->owes_news = true;
}

void remote_device_tell_down(struct remote_device *device)
{
	device->owes_news = false;
	if (device->spec.link)
		device->spec.link(device->spec.arg, false, device->relinks, device->remote->error);
}

/* ---- For its owner ---- */

struct remote_device *remote_attach(struct remote *remote, const char *name, const struct remote_attach_spec *spec)
{
	assert(device_name_is_valid(name) && (!spec->reserve || spec->owner));
	assert(remote->config.throttle || (!spec->run_rate && !spec->device_rate));
	struct remote_device *device = xcalloc(1, sizeof(*device));
	device->magic = REMOTE_DEVICE_MAGIC;
	device->remote = remote;
	device->request.device = device->invalid.request.device = device;
	device->spec = *spec;
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->owner, sizeof(device->owner), "%s", spec->owner ? spec->owner : "");
	device->spec.owner = device->owner;
	timer_init(&device->timer, remote->config.clock, on_timer, device);
	timer_init(&device->again, remote->config.clock, on_again, device);
	DL_APPEND(remote->devices, device);
	if (remote->address && remote->state != LINK_UP) {
		timer_set(&device->timer, spec->link_timeout_ms);
		remote_try_now(remote);
	}
	return device;
}

void remote_detach(struct remote_device *device)
{
	if (!device)
		return;
	assert(device->magic == REMOTE_DEVICE_MAGIC && !device->is_given_up);
	device->is_given_up = true;
	device->owes_news = false;
	device->info_fn = NULL;
	device->invalid.fn = NULL;
	timer_cancel(&device->timer);
	timer_cancel(&device->again);
	remote_device_settle(device);
}

enum status remote_query(struct remote_device *device, remote_info_fn *fn, void *arg)
{
	assert(!device->info_fn && fn && !device->is_given_up);
	if (device->remote->state == LINK_LOST)
		return STATUS_LINK_LOST;
	device->info_fn = fn;
	device->info_arg = arg;
	if (device->state == DEVICE_FAILED)
		timer_set(&device->timer, 0);
	else if (device->state == DEVICE_READY)
		send_query(device);
	else
		remote_device_want(device);
	return STATUS_OK;
}

uint32_t remote_relinks(const struct remote_device *device)
{
	return device->relinks;
}

uint64_t remote_throttled_ms(const struct remote_device *device)
{
	return device->throttled_ms;
}

uint64_t remote_end_bytes(const struct remote_device *device)
{
	return device->end_bytes;
}

uint64_t remote_digests(const struct remote_device *device)
{
	return device->remote->digests;
}
