/* SPDX-License-Identifier: Apache-2.0
 *
 * The local side of DA 35 of Fig. 1. One control request (open, size or close) is at the DA at a time, and any number
 * of reads. The hard thing is time: who waits is timed, not what runs. A query that times out leaves the open to those
 * who still wait; only when the last of them has gone is a running open abandoned. A read has one waiter. What was
 * abandoned while a thread was in it is "stuck": it keeps its memory, and the device NOT_READY, until it returns.
 */
#include "primary/local.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/post.h"
#include "local/shm.h"
#include "storage/da.h"
#include "storage/volume.h"

#define LOCAL_MAGIC 0x4c4f434cu
#define USER_MAGIC 0x4c555352u
#define READ_MAGIC 0x4c524144u

enum local_state { LOCAL_CLOSED, LOCAL_OPENING, LOCAL_OPEN, LOCAL_CLOSING, LOCAL_HUNG };

struct local {
	uint32_t magic;
	enum local_state state;
	struct clock *clock;
	struct da *da;
	struct post *post;
	char device[DEVICE_NAME_MAX + 1];
	char path[PATH_BYTES_MAX];
	struct volume *volume;
	uint32_t track_bytes;
	struct volume_info info;    /* OPEN: as the last open or size saw it */
	struct da_request *control; /* the open, size or close that is at the DA */
	struct timer retry;         /* the DA queue was full when a control request was due */
	unsigned stuck;             /* abandoned requests that a thread is still in */
	unsigned reads;             /* read requests at the DA, stuck ones included */
	struct local_user *users;
	void (*on_idle)(void *arg);
	void *on_idle_arg;
};

struct local_user {
	uint32_t magic;
	struct local *local;
	uint64_t end_bytes;
	local_info_fn *info_fn; /* NULL: no query waits */
	void *info_arg;
	struct timer timer; /* of the query */
	struct local_read *reads;
	struct local_user *prev, *next;
};

/* Lives until the DA frees its element (sink_finished). */
struct local_read {
	uint32_t magic;
	struct local *local;
	struct local_user *user; /* NULL: nobody waits any more */
	struct da_request *request;
	struct local_read_spec spec; /* with a reference to shm of its own */
	uint32_t track_bytes;
	uint8_t states[RUN_TRACKS_MAX]; /* written by the DA thread until done */
	struct timer timer;             /* 186 */
	local_read_fn *fn;
	void *arg;
	struct local_read *prev, *next;
};

static void step(struct local *local);

static struct local *local_of(void *arg)
{
	struct local *local = arg;
	assert(local->magic == LOCAL_MAGIC);
	return local;
}

static struct local_user *user_of(void *arg)
{
	struct local_user *user = arg;
	assert(user->magic == USER_MAGIC);
	return user;
}

static struct local_read *read_of(void *arg)
{
	struct local_read *read = arg;
	assert(read->magic == READ_MAGIC);
	return read;
}

static void set_state(struct local *local, enum local_state state, const char *reason)
{
	static const char *const names[] = { "CLOSED", "OPENING", "OPEN", "CLOSING", "HUNG" };
	log_debug("local device %s: %s -> %s: %s", local->device, names[local->state], names[state], reason);
	local->state = state;
}

static void post_local(struct local *local, enum status status, const char *text)
{
	struct post_where where = { .device = local->device };
	post_error(local->post, status, &where, "%s", text);
}

static struct local_user *first_waiter(const struct local *local)
{
	struct local_user *user;
	DL_FOREACH(local->users, user) {
		if (user->info_fn)
			return user;
	}
	return NULL;
}

static void answer(struct local_user *user, enum status status, const char *detail)
{
	struct local *local = user->local;
	local_info_fn *fn = user->info_fn;
	user->info_fn = NULL;
	timer_cancel(&user->timer);
	if (status == STATUS_OK && local->info.size_bytes > user->end_bytes)
		user->end_bytes = local->info.size_bytes;
	fn(user->info_arg, status, status == STATUS_OK ? &local->info : NULL, detail);
}

static void answer_all(struct local *local, enum status status, const char *detail)
{
	for (struct local_user *user; (user = first_waiter(local));)
		answer(user, status, detail);
}

static void control_failed(struct local *local, const char *what, int error)
{
	char detail[DETAIL_MAX + 1];
	snprintf(detail, sizeof(detail), "cannot %s %.180s: %s", what, local->path, strerror(-error));
	post_local(local, STATUS_VOLUME_ERROR, detail);
	answer_all(local, STATUS_VOLUME_ERROR, detail);
}

static void on_opened(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	int error = result->error;
	local->info = result->info;
	da_release(local->da, request);
	local->control = NULL;
	set_state(local, error ? LOCAL_CLOSED : LOCAL_OPEN, error ? strerror(-error) : "open done");
	if (error)
		control_failed(local, "open", error);
	else
		answer_all(local, STATUS_OK, "");
	step(local);
}

static void on_size(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	int error = result->error;
	uint64_t size_bytes = result->info.size_bytes;
	da_release(local->da, request);
	local->control = NULL;
	if (error) {
		control_failed(local, "read the size of", error);
	} else {
		local->info.size_bytes = size_bytes;
		answer_all(local, STATUS_OK, "");
	}
	step(local);
}

static void on_volume_closed(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	(void)result;
	da_release(local->da, request);
	local->control = NULL;
	set_state(local, LOCAL_CLOSED, "close done");
	step(local);
}

/* An open or size that was abandoned came back. A volume whose open hung may be open now: it is closed first. */
static void on_control_returned(void *arg)
{
	struct local *local = local_of(arg);
	local->stuck--;
	if (local->state == LOCAL_HUNG)
		set_state(local, LOCAL_OPEN, "the open that hung came back");
	step(local);
}

static bool submit(struct local *local, enum da_kind kind)
{
	struct da_spec spec = {
		.kind = kind,
		.volume = local->volume,
		.done = kind == DA_OPEN ? on_opened : kind == DA_SIZE ? on_size : on_volume_closed,
		.arg = local,
		.returned = on_control_returned,
		.returned_arg = local,
	};
	local->control = da_submit(local->da, &spec);
	if (!local->control)
		timer_set(&local->retry, RETRY_DELAY_MS);
	return local->control;
}

/* Sends the control request that is due, if any. The last thing done in a callback: the device may be freed in it. */
static void step(struct local *local)
{
	if (local->control || local->state == LOCAL_HUNG)
		return;
	if (first_waiter(local)) {
		if (local->state == LOCAL_OPEN)
			submit(local, DA_SIZE);
		else if (submit(local, DA_OPEN))
			set_state(local, LOCAL_OPENING, "somebody wants it");
	} else if (local->state == LOCAL_OPEN && !local->users && local->reads == 0 && local->stuck == 0) {
		if (submit(local, DA_CLOSE))
			set_state(local, LOCAL_CLOSING, "nobody has it attached");
	} else if (local_is_idle(local) && local->on_idle) {
		local->on_idle(local->on_idle_arg);
	}
}

static void on_retry(void *arg)
{
	step(local_of(arg));
}

static void on_query_timeout(void *arg)
{
	struct local_user *user = user_of(arg);
	struct local *local = user->local;
	char detail[DETAIL_MAX + 1];
	snprintf(detail, sizeof(detail), "%.200s does not answer within %d s", local->path, DA_TIMEOUT_MS / 1000);
	post_local(local, STATUS_TIMEOUT, detail);
	answer(user, STATUS_TIMEOUT, detail);
	if (first_waiter(local) || !local->control || local->state == LOCAL_CLOSING)
		return;
	bool is_opening = local->state == LOCAL_OPENING;
	bool is_stuck = da_abandon(local->da, local->control);
	local->control = NULL;
	local->stuck += is_stuck;
	if (is_opening)
		set_state(local, is_stuck ? LOCAL_HUNG : LOCAL_CLOSED, "the open timed out");
	step(local);
}

struct local *local_new(const struct local_config *config)
{
	struct local *local = xcalloc(1, sizeof(*local));
	local->magic = LOCAL_MAGIC;
	local->clock = config->clock;
	local->da = config->da;
	local->post = config->post;
	snprintf(local->device, sizeof(local->device), "%s", config->device);
	snprintf(local->path, sizeof(local->path), "%s", config->path);
	local->volume = config->volume;
	local->track_bytes = config->track_bytes;
	timer_init(&local->retry, local->clock, on_retry, local);
	return local;
}

void local_free(struct local *local)
{
	if (!local)
		return;
	assert(local_is_idle(local));
	timer_cancel(&local->retry);
	volume_free(local->volume);
	local->magic = 0;
	free(local);
}

bool local_is_idle(const struct local *local)
{
	return local->state == LOCAL_CLOSED && !local->users && !local->control && local->reads == 0 && local->stuck == 0;
}

void local_on_idle(struct local *local, void (*fn)(void *arg), void *arg)
{
	local->on_idle = fn;
	local->on_idle_arg = arg;
}

uint32_t local_track_bytes(const struct local *local)
{
	return local->track_bytes;
}

struct local_user *local_attach(struct local *local)
{
	struct local_user *user = xcalloc(1, sizeof(*user));
	user->magic = USER_MAGIC;
	user->local = local;
	timer_init(&user->timer, local->clock, on_query_timeout, user);
	DL_APPEND(local->users, user);
	return user;
}

void local_detach(struct local_user *user)
{
	if (!user)
		return;
	struct local *local = user->local;
	struct local_read *read, *next;
	DL_FOREACH_SAFE(user->reads, read, next) {
		DL_DELETE(user->reads, read);
		read->user = NULL;
		/* One that runs ends by itself, within its time; one that does not is freed at once. */
		if (da_request_state(read->request) == DA_QUEUED) {
			timer_cancel(&read->timer);
			local->reads--;
			da_abandon(local->da, read->request);
		}
	}
	timer_cancel(&user->timer);
	DL_DELETE(local->users, user);
	user->magic = 0;
	free(user);
	step(local);
}

enum status local_query(struct local_user *user, local_info_fn *fn, void *arg)
{
	struct local *local = user->local;
	assert(!user->info_fn && fn);
	if (local->stuck > 0)
		return STATUS_NOT_READY;
	user->info_fn = fn;
	user->info_arg = arg;
	timer_set(&user->timer, DA_TIMEOUT_MS);
	step(local);
	return STATUS_OK;
}

uint64_t local_end_bytes(const struct local_user *user)
{
	return user->end_bytes;
}

/* ---- Reads: the sink's functions run on DA threads, but for finished ---- */

static uint64_t sink_begin(void *arg)
{
	(void)read_of(arg);
	return 1; /* no cache behind this sink: nothing to tell apart */
}

static void *sink_slot(void *arg, uint64_t track)
{
	struct local_read *read = read_of(arg);
	return (uint8_t *)read->spec.memory + (track - read->spec.first_track) * read->track_bytes;
}

static void sink_publish(void *arg, uint64_t track, enum track_state state, void *slot, uint64_t sequence)
{
	struct local_read *read = read_of(arg);
	(void)slot;
	(void)sequence;
	read->states[track - read->spec.first_track] = (uint8_t)state;
}

static void sink_drop(void *arg, uint64_t track, void *slot)
{
	(void)arg;
	(void)track;
	(void)slot; /* a place in the host's memory: nothing to give back */
}

static void sink_finished(void *arg)
{
	struct local_read *read = read_of(arg);
	shm_unref(read->spec.shm);
	read->magic = 0;
	free(read);
}

static const struct da_sink sink = {
	.begin = sink_begin,
	.slot = sink_slot,
	.publish = sink_publish,
	.drop = sink_drop,
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
	snprintf(text, sizeof(text), "%u of %u tracks of %.180s cannot be read", unreadable, track_count, read->local->path);
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

static void on_read_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local_read *read = read_of(arg);
	struct local *local = read->local;
	assert(result->error == 0 && result->tracks_done >= 1 && result->tracks_done <= read->spec.track_count);
	local_read_fn *fn = leave(read) ? read->fn : NULL;
	void *fn_arg = read->arg;
	uint8_t states[RUN_TRACKS_MAX];
	memcpy(states, read->states, sizeof(states));
	struct local_read_result told = { .status = STATUS_OK, .track_count = result->tracks_done, .states = states };
	post_unreadable(read, told.track_count);
	local->reads--;
	da_release(local->da, request);
	if (fn)
		fn(fn_arg, &told);
	else
		step(local);
}

static void on_read_returned(void *arg)
{
	struct local *local = read_of(arg)->local;
	local->stuck--;
	local->reads--;
	log_info("local device %s: a read that hung came back", local->device);
	step(local);
}

/* 186: the disk took too long. */
static void on_read_timeout(void *arg)
{
	struct local_read *read = read_of(arg);
	struct local *local = read->local;
	local_read_fn *fn = leave(read) ? read->fn : NULL;
	void *fn_arg = read->arg;
	char text[DETAIL_MAX + 1];
	snprintf(text, sizeof(text), "no answer from %.200s within %d s", local->path, DA_TIMEOUT_MS / 1000);
	post_read(read, STATUS_TIMEOUT, text);
	struct local_read_result told = { .status = STATUS_TIMEOUT };
	told.memory_lost = da_abandon(local->da, read->request);
	local->stuck += told.memory_lost;
	local->reads -= !told.memory_lost;
	if (fn)
		fn(fn_arg, &told);
	else
		step(local);
}

enum status local_read(struct local_user *user, const struct local_read_spec *spec, local_read_fn *fn, void *arg)
{
	struct local *local = user->local;
	assert(local->state == LOCAL_OPEN && spec->track_count >= 1 && spec->track_count <= RUN_TRACKS_MAX);
	struct local_read *read = xcalloc(1, sizeof(*read));
	read->magic = READ_MAGIC;
	read->local = local;
	read->user = user;
	read->spec = *spec;
	read->track_bytes = local->track_bytes;
	read->fn = fn;
	read->arg = arg;
	timer_init(&read->timer, local->clock, on_read_timeout, read);
	enum status status = STATUS_NOT_READY;
	const char *why = "an earlier read of the volume hangs";
	if (local->stuck > 0)
		goto fail;
	struct da_spec request = {
		.kind = DA_READ,
		.volume = local->volume,
		.first_track = spec->first_track,
		.track_count = spec->track_count,
		.track_bytes = local->track_bytes,
		.end_bytes = user->end_bytes,
		.sink = &sink,
		.sink_arg = read,
		.done = on_read_done,
		.arg = read,
		.returned = on_read_returned,
		.returned_arg = read,
	};
	status = STATUS_QUEUE_FULL;
	why = "no free DA request";
	read->request = da_submit(local->da, &request); /* 96 */
	if (!read->request) /* 98 */
		goto fail;
	shm_ref(read->spec.shm);
	local->reads++;
	timer_set(&read->timer, DA_TIMEOUT_MS);
	DL_APPEND(user->reads, read);
	return STATUS_OK;
fail:
	post_read(read, status, why);
	free(read);
	return status;
}

void local_dump(const struct local *local)
{
	static const char *const names[] = { "closed", "opening", "open", "closing", "hung" };
	log_write(LOG_LEVEL_INFO, "local device %s (%s): %s, %u reads at the disk adapter, %u requests stuck", local->device,
		local->path, names[local->state], local->reads, local->stuck);
	struct local_user *user;
	DL_FOREACH(local->users, user) {
		struct local_read *read;
		DL_FOREACH(user->reads, read)
			log_write(LOG_LEVEL_INFO, "  read of tracks %llu-%llu, %s", (unsigned long long)read->spec.first_track,
				(unsigned long long)(read->spec.first_track + read->spec.track_count - 1),
				da_request_state(read->request) == DA_QUEUED ? "queued" : "running");
	}
}
