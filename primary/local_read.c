/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads of a local device: each waits for its limits, then is one DA request into the host's memory, with one
 * waiter and a time-out (186). The sink's functions run on DA threads and touch nothing but the read; the rest on the
 * loop thread. The hard thing: a read outlives its waiter while a thread is in it. It keeps the memory mapped by a
 * reference of its own, and goes when the DA frees its element. Its limits are its waiter's: without that, nothing is
 * given back.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/post.h"
#include "local/shm.h"
#include "primary/local_device.h"
#include "storage/da.h"

#define READ_MAGIC 0x4c524144u

/* Lives until the DA frees its element (sink_finished), or, when it has none yet, until it is left. */
struct local_read {
	uint32_t magic;
	struct local *local;
	struct local_user *user; /* NULL: nobody waits any more */
	struct rate_waiter waiter;
	struct da_request *request; /* NULL: it waits for its limits */
	struct local_read_spec spec; /* with a reference to shm of its own */
	uint32_t track_bytes;
	uint64_t end_bytes;
	/* Written by the DA thread until done: */
	uint8_t states[RUN_DIGESTS_MAX];
	uint64_t hole_tracks; /* of the last track published */

	struct timer timer;              /* 186 */
	uint64_t progress;               /* of the DA request when that was set */
	local_read_fn *fn;
	void *arg;
	struct local_read *prev, *next;
};

static struct local_read *read_of(void *arg)
{
	struct local_read *read = arg;
	assert(read->magic == READ_MAGIC);
	return read;
}

/* ---- The sink: on DA threads, but for finished ---- */

static void *sink_slot(void *arg, uint64_t track)
{
	struct local_read *read = read_of(arg);
	return (uint8_t *)read->spec.memory + (track - read->spec.first_track) * read->track_bytes;
}

static void sink_publish(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence)
{
	struct local_read *read = read_of(arg);
	uint64_t index = track - read->spec.first_track;
	uint32_t bytes = digest_bytes(read->spec.digest);
	(void)sequence;
	if (found->digest)
		memcpy((uint8_t *)read->spec.memory + index * bytes, found->digest, bytes);
	read->states[index] = (uint8_t)found->state;
	read->hole_tracks = found->hole_tracks;
}

static void sink_finished(void *arg)
{
	struct local_read *read = read_of(arg);
	timer_cancel(&read->timer);
	shm_unref(read->spec.shm);
	read->magic = 0;
	free(read);
}

static const struct da_sink sink = {
	.slot = sink_slot,
	.publish = sink_publish,
	.finished = sink_finished,
};

static void post_read(struct local_read *read, enum status status, const char *text)
{
	struct post_where where = {
		.device = read->local->device,
		.first_track = read->spec.first_track,
		.track_count = read->spec.track_count,
	};
	post_error(read->local->post, status, &where, "%s", text);
}

static void post_unreadable(struct local_read *read, uint32_t track_count)
{
	uint32_t unreadable = 0;
	for (uint32_t i = 0; i < track_count; i++)
		unreadable += track_is_unreadable(read->states[i]);
	if (unreadable == 0)
		return;
	char text[DETAIL_MAX + 1];
	snprintf(text, sizeof(text), "%u of %u %s of %.180s cannot be read", unreadable, track_count,
		plural(track_count, "track", "tracks"), read->local->path);
	post_read(read, STATUS_VOLUME_ERROR, text);
}

/* Takes the read from its waiter, if there still is one, and returns that. */
static struct local_user *leave(struct local_read *read)
{
	struct local_user *user = read->user;
	timer_cancel(&read->timer);
	if (user)
		DL_DELETE(user->reads, read);
	read->user = NULL;
	return user;
}

/* ---- Limits ---- */

static void rates_of(const struct local_user *user, struct rate *rates[RATES_MAX])
{
	memset(rates, 0, RATES_MAX * sizeof(rates[0]));
	rates[0] = user->run_rate;
	rates[1] = user->local->device_rate;
	rates[2] = user->local->total_rate;
}

/* Of count tracks from this one of the run on; the last of the device is short. */
static uint64_t bytes_of(const struct local_read *read, uint32_t from, uint32_t count)
{
	uint64_t begin = (read->spec.first_track + from) * read->track_bytes;
	uint64_t end = begin + (uint64_t)count * read->track_bytes;
	return (end < read->end_bytes ? end : read->end_bytes) - begin;
}

/* What was charged and not read: tracks behind those that were done, and holes. */
static void give_back(struct local_read *read, const struct local_read_result *result)
{
	struct local_user *user = read->user;
	struct rate *rates[RATES_MAX];
	uint64_t bytes = 0;
	if (!user)
		return;
	if (result->track_count < read->spec.track_count)
		bytes = bytes_of(read, result->track_count, read->spec.track_count - result->track_count);
	for (uint32_t i = 0; i < result->track_count; i++) {
		if (result->states[i] == TRACK_HOLE)
			bytes += bytes_of(read, i, 1);
	}
	rates_of(user, rates);
	rate_give_back(rates, bytes, result->track_count == 0);
}

/* ---- Its course ---- */

static void on_read_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local_read *read = read_of(arg);
	struct local *local = read->local;
	assert(result->error == 0 && result->tracks_done >= 1 && result->tracks_done <= read->spec.track_count);
	uint8_t states[RUN_DIGESTS_MAX];
	memcpy(states, read->states, result->tracks_done);
	struct local_read_result told = {
		.status = STATUS_OK,
		.track_count = result->tracks_done,
		.states = states,
		.hole_tracks = read->hole_tracks,
		.throttled_ms = read->waiter.waited_ms,
	};
	give_back(read, &told);
	local_read_fn *fn = leave(read) ? read->fn : NULL;
	void *fn_arg = read->arg;
	post_unreadable(read, told.track_count);
	local->reads--;
	da_release(local->da, request);
	if (fn)
		fn(fn_arg, &told);
	else
		local_step(local);
}

static void on_read_returned(void *arg)
{
	struct local *local = read_of(arg)->local;
	local->stuck--;
	local->reads--;
	log_info("local device %s: a read that hung came back", local->device);
	local_step(local);
}

static void set_time_out(struct local_read *read)
{
	read->progress = da_request_progress(read->request);
	timer_set(&read->timer, DA_TIMEOUT_MS);
}

/* 186: the disk took too long, unless the request has got on since. */
static void on_read_timeout(void *arg)
{
	struct local_read *read = read_of(arg);
	struct local *local = read->local;
	if (da_request_progress(read->request) != read->progress) {
		set_time_out(read);
		return;
	}
	local_read_fn *fn = leave(read) ? read->fn : NULL;
	void *fn_arg = read->arg;
	char text[DETAIL_MAX + 1];
	snprintf(text, sizeof(text), "no answer from %.200s within %d s", local->path, DA_TIMEOUT_MS / 1000);
	post_read(read, STATUS_TIMEOUT, text);
	struct local_read_result told = { .status = STATUS_TIMEOUT, .throttled_ms = read->waiter.waited_ms };
	told.memory_lost = da_abandon(local->da, read->request);
	local->stuck += told.memory_lost;
	local->reads -= !told.memory_lost;
	if (fn)
		fn(fn_arg, &told);
	else
		local_step(local);
}

/* The limits let it go. OK: the DA has it; else, posted, why not. */
static enum status submit(struct local_read *read)
{
	struct local_user *user = read->user;
	struct local *local = read->local;
	if (local->stuck > 0) {
		post_read(read, STATUS_NOT_READY, "an earlier read of the volume hangs");
		return STATUS_NOT_READY;
	}
	struct da_spec request = {
		.kind = DA_READ,
		.volume = local->volume,
		.first_track = read->spec.first_track,
		.track_count = read->spec.track_count,
		.track_bytes = local->track_bytes,
		.end_bytes = read->end_bytes,
		.digest = read->spec.digest,
		.owner = user,
		.sink = &sink,
		.sink_arg = read,
		.done = on_read_done,
		.arg = read,
		.returned = on_read_returned,
		.returned_arg = read,
	};
	read->request = da_submit(local->da, &request); /* 96 */
	if (!read->request) { /* 98 */
		post_read(read, STATUS_QUEUE_FULL, "no free DA request");
		return STATUS_QUEUE_FULL;
	}
	local->reads++;
	set_time_out(read);
	return STATUS_OK;
}

/* It was charged and the DA did not take it: it is over. */
static void drop(struct local_read *read)
{
	give_back(read, &(struct local_read_result){ 0 });
	leave(read);
	sink_finished(read);
}

static void on_let_go(void *arg)
{
	struct local_read *read = read_of(arg);
	read->user->throttled_ms += read->waiter.waited_ms;
	struct local_read_result told = { .status = submit(read), .throttled_ms = read->waiter.waited_ms };
	if (told.status == STATUS_OK)
		return;
	local_read_fn *fn = read->fn;
	void *fn_arg = read->arg;
	drop(read);
	fn(fn_arg, &told);
}

enum status local_read(struct local_user *user, const struct local_read_spec *spec, local_read_fn *fn, void *arg)
{
	struct local *local = user->local;
	struct rate *rates[RATES_MAX];
	bool is_data = spec->digest == DIGEST_NONE;
	assert(local->state == LOCAL_OPEN && spec->track_count >= 1);
	assert(spec->track_count <= (is_data ? RUN_TRACKS_MAX : RUN_DIGESTS_MAX));
	assert(is_data ? spec->end_bytes == 0 : spec->end_bytes <= user->end_bytes);
	struct local_read *read = xcalloc(1, sizeof(*read));
	read->magic = READ_MAGIC;
	read->local = local;
	read->user = user;
	read->spec = *spec;
	read->track_bytes = local->track_bytes;
	read->end_bytes = is_data ? user->end_bytes : spec->end_bytes;
	read->fn = fn;
	read->arg = arg;
	timer_init(&read->timer, local->clock, on_read_timeout, read);
	shm_ref(read->spec.shm);
	DL_APPEND(user->reads, read);
	rates_of(user, rates);
	if (local->throttle && !rate_enter(local->throttle, &read->waiter, rates, user,
		bytes_of(read, 0, spec->track_count), on_let_go, read))
		return STATUS_OK;
	enum status status = submit(read);
	if (status != STATUS_OK)
		drop(read);
	return status;
}

uint64_t local_throttled_ms(const struct local_user *user)
{
	return user->throttled_ms;
}

void local_leave_reads(struct local_user *user)
{
	struct local *local = user->local;
	struct local_read *read, *next;
	struct rate *rates[RATES_MAX];
	rates_of(user, rates);
	DL_FOREACH_SAFE(user->reads, read, next) {
		uint64_t bytes = bytes_of(read, 0, read->spec.track_count);
		DL_DELETE(user->reads, read);
		read->user = NULL;
		if (!read->request) {
			rate_leave(&read->waiter);
			sink_finished(read);
		} else if (da_cancel_queued(local->da, read->request)) {
			rate_give_back(rates, bytes, 1);
			local->reads--;
		}
	}
}

void local_dump_reads(const struct local_user *user)
{
	const struct local_read *read;
	DL_FOREACH(user->reads, read)
		log_write(LOG_LEVEL_INFO, "  read of tracks %llu+%u, %s", (unsigned long long)read->spec.first_track,
			read->spec.track_count, !read->request ? "held back by limits" :
			da_request_state(read->request) == DA_QUEUED ? "queued" : "running");
}
