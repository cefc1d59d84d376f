/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter's elements, queue and life. What threads do is in da_threads.c. It knows nothing of time: a request
 * takes as long as its volume takes, and its owner decides when that was too long.
 *
 * The hard thing is an element that its owner gave up while a thread is stuck in it: nothing that the thread may still
 * touch is freed before it comes back.
 */
#include "storage/da.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "storage/da_private.h"
#include "storage/volume.h"

#define FREE_WAIT_S 2 /* how long da_free waits for reads that are not abandoned */

static const char *const state_names[] = {
	[DA_FREE] = "free",
	[DA_QUEUED] = "queued",
	[DA_RUNNING] = "running",
	[DA_DONE] = "done",
	[DA_ABANDONED] = "abandoned",
};

int64_t da_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void da_lock(struct da *da)
{
	int error = pthread_mutex_lock(&da->mutex);

	assert(error == 0);
}

void da_unlock(struct da *da)
{
	int error = pthread_mutex_unlock(&da->mutex);

	assert(error == 0);
}

void da_set_state(struct da_request *request, enum da_state state, const char *reason)
{
	log_debug("DA request %td: %s -> %s: %s", request - request->da->elements, state_names[request->state],
		state_names[state], reason);
	request->state = state;
}

/* ---- Elements: loop thread ---- */

static void tell_finished(struct da_spec *spec)
{
	if (spec->sink && spec->sink->finished)
		spec->sink->finished(spec->sink_arg);
	spec->sink = NULL;
}

static void free_element(struct da_request *request, const char *reason)
{
	struct da *da = request->da;
	struct da_spec spec = request->spec;

	da_lock(da);
	da_set_state(request, DA_FREE, reason);
	da_unlock(da);
	LL_PREPEND(da->free_elements, request);
	tell_finished(&spec);
	if (!da->was_refused || !da->on_free_element)
		return;
	da->on_free_element(da->on_free_element_arg);
	/* Whoever still waits has left none: told again next time. */
	da->was_refused = !da->free_elements;
}

/* A thread has posted the request. */
static void deliver(struct mailbox_item *item)
{
	struct da_request *request = (struct da_request *)((char *)item - offsetof(struct da_request, item));
	struct da *da = request->da;
	bool is_abandoned, is_stopping;

	assert(request->magic == DA_REQUEST_MAGIC);
	da_lock(da);
	is_abandoned = request->state == DA_ABANDONED;
	is_stopping = da->is_stopping;
	request->is_delivered = true;
	da_unlock(da);
	if (!is_abandoned) {
		if (!is_stopping)
			request->spec.done(request->spec.arg, request, &request->result);
		return;
	}
	if (request->ended_worker && request->ended_worker->is_started)
		da_join_thread(request->ended_worker);
	if (request->spec.returned)
		request->spec.returned(request->spec.returned_arg);
	free_element(request, "its thread came back");
	if (da_start_missing_threads(da) != 0)
		log_warning("a thread for the disks could not be started; the others go on");
}

static void check_spec(const struct da_spec *spec)
{
	uint64_t tracks;

	assert(spec->done && (spec->kind == DA_CALL ? spec->call != NULL : spec->volume != NULL));
	if (spec->kind != DA_READ)
		return;
	assert(spec->sink && spec->track_bytes >= TRACK_BYTES_MIN && spec->track_bytes <= TRACK_BYTES_MAX);
	tracks = spec->end_bytes / spec->track_bytes + (spec->end_bytes % spec->track_bytes != 0);
	assert(spec->track_count > 0 && spec->first_track < tracks && spec->track_count <= tracks - spec->first_track);
	assert(spec->digest == DIGEST_NONE || spec->track_count <= RUN_DIGESTS_MAX);
}

/* A request that is queued now has its turn with those which its owner has queued, or behind all who wait; and it does
 * not take the slots that one of those waits for. Under the mutex. */
static void join_queue(struct da *da, struct da_request *joining)
{
	const struct da_request *request;

	joining->turn = da->turns;
	joining->is_starved = false;
	DL_FOREACH(da->pending, request) {
		if (request->spec.owner != joining->spec.owner)
			continue;
		joining->turn = request->turn;
		joining->is_starved = joining->is_starved || (request->is_starved && da_needs_slots(&joining->spec));
	}
	DL_APPEND(da->pending, joining);
}

/* The first free element, or one that was never used, whose memory is touched now; NULL: there is none. */
static struct da_request *take_element(struct da *da)
{
	struct da_request *request = da->free_elements;

	if (request) {
		LL_DELETE(da->free_elements, request);
		return request;
	}
	if (da->elements_touched == da->config.queue_elements)
		return NULL;
	request = &da->elements[da->elements_touched++];
	request->magic = DA_REQUEST_MAGIC;
	request->da = da;
	request->item.magic = MAILBOX_ITEM_MAGIC;
	request->item.fn = deliver;
	return request;
}

struct da_request *da_submit(struct da *da, const struct da_spec *spec)
{
	struct da_request *request;

	check_spec(spec);
	request = take_element(da);
	if (!request) {
		da->was_refused = true;
		return NULL;
	}
	request->spec = *spec;
	request->result.error = 0;
	request->result.tracks_done = 0;
	request->result.holder[0] = '\0';
	request->ended_worker = NULL;
	request->number = da->submitted++;
	request->submitted_ns = da_now_ns();
	da_lock(da);
	request->sequence = 0;
	request->paused_before_ns = da->paused_ns;
	request->is_delivered = false;
	da_set_state(request, DA_QUEUED, "submitted");
	join_queue(da, request);
	da_wake_one(da);
	da_unlock(da);
	return request;
}

void da_release(struct da *da, struct da_request *request)
{
	assert(request->da == da && request->state == DA_DONE && request->is_delivered);
	free_element(request, "released");
}

bool da_abandon(struct da *da, struct da_request *request)
{
	enum da_state state;

	da_lock(da);
	state = request->state;
	assert(request->da == da && !request->is_delivered);
	assert(state == DA_QUEUED || state == DA_RUNNING || state == DA_DONE);
	if (state == DA_QUEUED) {
		DL_DELETE(da->pending, request);
	} else {
		/* DONE: it is in the mailbox, so the element is free only after that. */
		da_set_state(request, DA_ABANDONED, state == DA_RUNNING ? "given up while a thread reads" : "not wanted");
		da->stuck_count += state == DA_RUNNING;
		da_broadcast(&da->pause_ends);
	}
	da_unlock(da);
	if (state == DA_QUEUED) {
		free_element(request, "given up");
	} else if (state == DA_DONE) {
		request->spec.returned = NULL;
		tell_finished(&request->spec);
	} else if (da_start_missing_threads(da) != 0) {
		log_warning("no thread could be started in place of one that is stuck in a volume");
	}
	return state == DA_RUNNING;
}

bool da_cancel_queued(struct da *da, struct da_request *request)
{
	bool is_queued;

	da_lock(da);
	assert(request->da == da && !request->is_delivered);
	is_queued = request->state == DA_QUEUED;
	if (is_queued)
		DL_DELETE(da->pending, request);
	da_unlock(da);
	if (is_queued)
		free_element(request, "cancelled");
	return is_queued;
}

enum da_state da_request_state(const struct da_request *request)
{
	enum da_state state;

	da_lock(request->da);
	state = request->state;
	da_unlock(request->da);
	return state;
}

uint64_t da_request_sequence(const struct da_request *request)
{
	uint64_t sequence;

	da_lock(request->da);
	sequence = request->sequence;
	da_unlock(request->da);
	return sequence;
}

uint64_t da_request_progress(const struct da_request *request)
{
	uint64_t reads_ended;

	da_lock(request->da);
	if (request->state == DA_QUEUED)
		reads_ended = volume_reads_ended(request->spec.volume);
	else
		reads_ended = atomic_load_explicit(&request->reads_ended, memory_order_relaxed);
	da_unlock(request->da);
	return reads_ended;
}

void da_forget_owner(struct da *da, const void *owner)
{
	da_lock(da);
	for (unsigned i = 0; i < DA_LATEST_READS; i++) {
		if (da->latest[i].owner == owner)
			da->latest[i].volume = NULL;
	}
	da_wake_one(da);
	da_unlock(da);
}

void da_kick(struct da *da)
{
	struct da_request *request;

	da_lock(da);
	da->kicks++;
	DL_FOREACH(da->pending, request)
		request->is_starved = false;
	da_wake_one(da);
	da_unlock(da);
}

void da_on_free_element(struct da *da, void (*fn)(void *arg), void *arg)
{
	da->on_free_element = fn;
	da->on_free_element_arg = arg;
}

void da_count(struct da *da, struct da_counts *counts)
{
	*counts = (struct da_counts){ 0 };
	da_lock(da);
	for (unsigned i = 0; i < da->elements_touched; i++) {
		enum da_state state = da->elements[i].state;

		counts->elements_used += state != DA_FREE;
		counts->queued += state == DA_QUEUED;
		counts->running += state == DA_RUNNING;
	}
	counts->abandoned = da->stuck_count;
	counts->threads = da->thread_count < da->config.threads ? da->thread_count : da->config.threads;
	counts->extra_threads = da->thread_count - counts->threads;
	counts->reads_started = da->reads_started;
	counts->read_times = da->read_times;
	counts->pausing = da->pausing_count;
	da_unlock(da);
}

/* ---- Life ---- */

static void init_locks(struct da *da)
{
	pthread_condattr_t attr;
	int error;

	error = pthread_mutex_init(&da->mutex, NULL);
	assert(error == 0);
	error = pthread_cond_init(&da->work, NULL);
	assert(error == 0);
	error = pthread_condattr_init(&attr);
	assert(error == 0);
	error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	assert(error == 0);
	error = pthread_cond_init(&da->quiet, &attr);
	assert(error == 0);
	error = pthread_cond_init(&da->pause_ends, &attr);
	assert(error == 0);
	error = pthread_condattr_destroy(&attr);
	assert(error == 0);
}

static void free_memory(struct da *da)
{
	pthread_mutex_destroy(&da->mutex);
	pthread_cond_destroy(&da->work);
	pthread_cond_destroy(&da->quiet);
	pthread_cond_destroy(&da->pause_ends);
	free(da->workers);
	free(da->elements);
	free(da);
}

struct da *da_new(const struct da_config *config, struct mailbox *mailbox)
{
	unsigned worker_count = config->threads + config->extra_threads;
	struct da *da;
	int error;

	assert(config->threads >= 2 && config->threads <= 64 && config->extra_threads <= DA_EXTRA_THREADS_MAX);
	assert(config->queue_elements > 0);
	da = xcalloc(1, sizeof(*da));
	da->config = *config;
	da->mailbox = mailbox;
	da->elements = xcalloc(config->queue_elements, sizeof(*da->elements));
	da->workers = xcalloc(worker_count, sizeof(*da->workers));
	init_locks(da);
	for (unsigned i = 0; i < worker_count; i++) {
		da->workers[i].magic = DA_WORKER_MAGIC;
		da->workers[i].da = da;
	}
	error = da_start_missing_threads(da);
	if (error) {
		da_join_all(da);
		free_memory(da);
		errno = error;
		return NULL;
	}
	return da;
}

/* Waits for the requests that are being served and not abandoned. True when no thread serves any. */
static bool wait_until_quiet(struct da *da)
{
	struct timespec deadline;
	bool is_quiet;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += FREE_WAIT_S;
	da_lock(da);
	while (da->active_count > da->stuck_count && error == 0)
		error = pthread_cond_timedwait(&da->quiet, &da->mutex, &deadline);
	assert(error == 0 || error == ETIMEDOUT);
	is_quiet = da->active_count == 0;
	da_unlock(da);
	return is_quiet;
}

bool da_free(struct da *da)
{
	struct da_request *dropped, *request, *next;

	if (!da)
		return true;
	da->on_free_element = NULL;
	da_lock(da);
	da->is_stopping = true;
	da_broadcast(&da->pause_ends);
	dropped = da->pending;
	da->pending = NULL;
	da_unlock(da);
	DL_FOREACH_SAFE(dropped, request, next)
		free_element(request, "the DA ends");
	if (!wait_until_quiet(da))
		return false;
	da_join_all(da);
	mailbox_drain(da->mailbox); /* what the threads have posted lies in elements */
	for (unsigned i = 0; i < da->elements_touched; i++) {
		if (da->elements[i].state != DA_FREE)
			free_element(&da->elements[i], "the DA ends");
	}
	free_memory(da);
	return true;
}
