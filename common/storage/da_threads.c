/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter's threads: which request an idle one takes, what it does with it, when it ends. Elements and their
 * owners are da.c's business, the reading itself is da_read.c's.
 *
 * The hard thing is a thread that is stuck in a volume: it counts as busy with that volume until it comes back, another
 * takes its place, and when it is back one of them ends.
 */
#include "storage/da_private.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>

#include <utlist.h>

#include "storage/da_read.h"
#include "storage/digest.h"
#include "storage/volume.h"

#define STACK_BYTES (512u * KIB)

void da_broadcast(pthread_cond_t *cond)
{
	int error = pthread_cond_broadcast(cond);

	assert(error == 0);
}

static unsigned active_of(const struct da *da, const struct volume *volume)
{
	const struct da_request *request;
	unsigned count = 0;

	DL_FOREACH(da->active, request)
		count += request->spec.volume == volume;
	return count;
}

static unsigned active_of_owner(const struct da *da, const struct da_spec *spec)
{
	const struct da_request *request;
	unsigned count = 0;

	DL_FOREACH(da->active, request)
		count += request->spec.volume == spec->volume && request->spec.owner == spec->owner;
	return count;
}

/* Was one of the latest reads of this volume, and for another owner? */
static bool has_lately_had_others(const struct da *da, const struct da_spec *spec)
{
	for (unsigned i = 0; i < DA_LATEST_READS; i++)
		if (da->latest[i].volume == spec->volume && da->latest[i].owner != spec->owner)
			return true;
	return false;
}

/* Reads of the volume for other owners that wait for a thread. Under the mutex. */
static unsigned queued_of_others(const struct da *da, const struct da_spec *spec)
{
	const struct da_request *request;
	unsigned count = 0;

	DL_FOREACH(da->pending, request)
		count += request->spec.kind == DA_READ && request->spec.volume == spec->volume &&
			request->spec.owner != spec->owner && !request->is_starved;
	return count;
}

/* Of the places of a volume those for one owner: all; and while there are others no more than they ask for, but at most
 * half, because a disk that serves one read after the other goes by how many each has. Under the mutex. */
static unsigned places_of_owner(const struct da *da, const struct da_spec *spec, unsigned places)
{
	unsigned half = (places + 1) / 2;
	unsigned others = active_of(da, spec->volume) - active_of_owner(da, spec) + queued_of_others(da, spec);

	if (others == 0 && !has_lately_had_others(da, spec))
		return places;
	if (others >= half)
		return half;
	return others > 1 ? others : 1;
}

/* At most half of the threads for one volume, and not all of those for one owner while there are others: who has one
 * read after the other finds a place when it comes back. The last idle thread only for a volume that has none. Under
 * the mutex. */
static bool may_take(const struct da *da, const struct da_spec *spec)
{
	unsigned places = da->config.threads / 2, active = active_of(da, spec->volume);
	unsigned idle_count = da->thread_count - da->active_count; /* with the one that asks */

	if (active == 0)
		return true;
	return active < places && idle_count > 1 && active_of_owner(da, spec) < places_of_owner(da, spec, places);
}

/* Of the requests that an idle thread may take the one whose owner has waited longest for a turn, its oldest. Under the
 * mutex. */
static struct da_request *pick(const struct da *da)
{
	struct da_request *request, *picked = NULL, *refused = NULL;

	DL_FOREACH(da->pending, request) {
		if (request->is_starved || (picked && picked->turn <= request->turn) || (refused &&
			refused->spec.volume == request->spec.volume && refused->spec.owner == request->spec.owner))
			continue;
		if (may_take(da, &request->spec))
			picked = request;
		else
			refused = request; /* who has much queued is asked about once */
	}
	return picked;
}

void da_wake_one(struct da *da)
{
	int error = pick(da) ? pthread_cond_signal(&da->work) : 0;

	assert(error == 0);
}

/* A thread takes a request: its owner has the last turn from then on. Under the mutex. */
static void take_turn(struct da *da, const struct da_request *taken)
{
	struct da_request *request;

	da->turns++;
	DL_FOREACH(da->pending, request)
		if (request->spec.owner == taken->spec.owner)
			request->turn = da->turns;
}

/* Under the mutex. */
static void start(struct da *da, struct da_request *request)
{
	take_turn(da, request);
	DL_DELETE(da->pending, request);
	DL_APPEND(da->active, request);
	da->active_count++;
	if (request->spec.kind == DA_READ) {
		da->reads_started += request->sequence == 0;
		atomic_store_explicit(&request->reads_ended, volume_reads_ended(request->spec.volume), memory_order_relaxed);
	}
	da_set_state(request, DA_RUNNING, "a thread took it");
	/* Threads are woken one at a time: each wakes the next while something is left for it. */
	da_wake_one(da);
}

static bool is_wanted(void *arg)
{
	struct da_request *request = arg;
	bool is_running;

	assert(request->magic == DA_REQUEST_MAGIC);
	da_lock(request->da);
	is_running = request->state == DA_RUNNING && !request->da->is_stopping;
	da_unlock(request->da);
	return is_running;
}

static bool may_read(void *arg)
{
	struct da_request *request = arg;

	assert(request->magic == DA_REQUEST_MAGIC);
	return da_pause(request);
}

static void has_read(void *arg)
{
	struct da_request *request = arg;

	atomic_fetch_add_explicit(&request->reads_ended, 1, memory_order_relaxed);
}

static void serve_read(struct da_worker *worker, struct da_request *request)
{
	const struct da_spec *spec = &request->spec;
	struct da_reader reader = { .is_wanted = is_wanted, .may_read = may_read, .has_read = has_read, .arg = request };

	if (spec->digest != DIGEST_NONE && !worker->digester)
		worker->digester = digester_new();
	reader.digester = worker->digester;
	reader.sequence = spec->sink->begin ? spec->sink->begin(spec->sink_arg) : 1;
	assert(reader.sequence > 0);
	da_lock(request->da);
	request->sequence = reader.sequence;
	da_unlock(request->da);
	request->result.tracks_done = da_read_tracks(spec, &reader);
}

static void serve(struct da_worker *worker, struct da_request *request)
{
	struct volume *volume = request->spec.volume;
	struct da_result *result = &request->result;

	switch (request->spec.kind) {
	case DA_OPEN:
		result->error = volume_open(volume, &result->info);
		break;
	case DA_SIZE:
		result->error = volume_size(volume, &result->info.size_bytes);
		break;
	case DA_READ:
		serve_read(worker, request);
		break;
	case DA_LOCK:
		result->error = volume_lock(volume, result->holder);
		break;
	case DA_UNLOCK:
		volume_unlock(volume);
		break;
	case DA_CLOSE:
		volume_close(volume);
		break;
	case DA_CALL:
		result->error = request->spec.call(request->spec.call_arg);
		break;
	}
}

/* An open or lock that nobody waits for any more is undone: the owner could not know that there is something to close
 * or unlock. Under the mutex, which is released meanwhile. */
static void undo_abandoned(struct da *da, struct da_request *request)
{
	if (request->state != DA_ABANDONED || request->result.error)
		return;
	if (request->spec.kind != DA_OPEN && request->spec.kind != DA_LOCK)
		return;
	da_unlock(da);
	if (request->spec.kind == DA_OPEN)
		volume_close(request->spec.volume);
	else
		volume_unlock(request->spec.volume);
	da_lock(da);
}

static int by_number(const struct da_request *a, const struct da_request *b)
{
	return a->number < b->number ? -1 : 1;
}

/* What one read found no slot for, the others of its owner would not find either. Under the mutex. */
static void starve(struct da *da, const void *owner)
{
	struct da_request *request;

	DL_FOREACH(da->pending, request)
		if (request->spec.owner == owner && da_needs_slots(&request->spec))
			request->is_starved = true;
}

/* A thread is through with a request. Returns false when the thread is one too many now. Under the mutex. */
static bool finish(struct da_worker *worker, struct da_request *request, uint64_t kicks_before)
{
	struct da *da = worker->da;
	bool is_surplus = false;

	DL_DELETE(da->active, request);
	da->active_count--;
	/* Only who reads comes back soon. */
	if (request->spec.kind == DA_READ)
		da->latest[da->reads_served++ % DA_LATEST_READS] =
			(struct da_latest){ request->spec.volume, request->spec.owner };
	if (request->state == DA_ABANDONED) {
		da->stuck_count--;
		is_surplus = da->thread_count - da->stuck_count > da->config.threads;
		if (is_surplus) {
			da->thread_count--;
			request->ended_worker = worker;
		}
	} else if (request->spec.kind == DA_READ && request->result.tracks_done == 0 && !da->is_stopping) {
		da_set_state(request, DA_QUEUED, "there was no slot");
		DL_INSERT_INORDER(da->pending, request, by_number);
		/* A kick that came after the thread had asked for a slot is not lost. */
		if (da->kicks == kicks_before)
			starve(da, request->spec.owner);
		return true;
	} else {
		da_set_state(request, DA_DONE, "served");
	}
	if (request->spec.kind == DA_READ)
		histogram_add(&da->read_times, da_now_ns() - request->submitted_ns);
	/* One that ends does not look at the queue, where this volume's requests may go on now. */
	if (is_surplus)
		da_wake_one(da);
	da_broadcast(&da->quiet);
	mailbox_post(da->mailbox, &request->item);
	return !is_surplus;
}

static void *worker_main(void *arg)
{
	struct da_worker *worker = arg;
	struct da *da = worker->da;
	bool goes_on = true;

	assert(worker->magic == DA_WORKER_MAGIC);
	da_lock(da);
	while (goes_on) {
		struct da_request *request = pick(da);
		uint64_t kicks_before = da->kicks;

		if (request) {
			start(da, request);
			da_unlock(da);
			serve(worker, request);
			da_lock(da);
			undo_abandoned(da, request);
			goes_on = finish(worker, request, kicks_before);
		} else if (da->is_stopping) {
			goes_on = false;
		} else {
			int error = pthread_cond_wait(&da->work, &da->mutex);

			assert(error == 0);
		}
	}
	da_unlock(da);
	digester_free(worker->digester);
	worker->digester = NULL;
	return NULL;
}

/* 0 or an errno. Signals stay with the loop thread. */
static int start_thread(struct da_worker *worker)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int error, rc;

	rc = pthread_attr_init(&attr);
	assert(rc == 0);
	rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
	assert(rc == 0);
	sigfillset(&all);
	rc = pthread_sigmask(SIG_SETMASK, &all, &old);
	assert(rc == 0);
	error = pthread_create(&worker->thread, &attr, worker_main, worker);
	rc = pthread_sigmask(SIG_SETMASK, &old, NULL);
	assert(rc == 0);
	rc = pthread_attr_destroy(&attr);
	assert(rc == 0);
	worker->is_started = !error;
	return error;
}

void da_join_thread(struct da_worker *worker)
{
	int error = pthread_join(worker->thread, NULL);

	assert(error == 0);
	worker->is_started = false;
}

int da_start_missing_threads(struct da *da)
{
	unsigned worker_count = da->config.threads + da->config.extra_threads;
	int error = 0;

	for (unsigned i = 0; i < worker_count && !error; i++) {
		bool is_missing;

		if (da->workers[i].is_started)
			continue;
		da_lock(da);
		is_missing = !da->is_stopping && da->thread_count - da->stuck_count < da->config.threads;
		da->thread_count += is_missing;
		da_unlock(da);
		if (!is_missing)
			return 0;
		error = start_thread(&da->workers[i]);
		if (error) {
			da_lock(da);
			da->thread_count--;
			da_unlock(da);
		}
	}
	return error;
}

void da_join_all(struct da *da)
{
	da_lock(da);
	da->is_stopping = true;
	da_broadcast(&da->work);
	da_unlock(da);
	for (unsigned i = 0; i < da->config.threads + da->config.extra_threads; i++) {
		if (da->workers[i].is_started)
			da_join_thread(&da->workers[i]);
	}
}
