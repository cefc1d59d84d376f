/* SPDX-License-Identifier: Apache-2.0
 *
 * The DA's queue and threads: see da.h. One mutex guards elements, list and thread slots; it is never held while a volume
 * or a sink is called, so a sink may kick the DA. The loop thread owns requests but a RUNNING one: its thread owns that
 * until it puts the item into the mailbox.
 */
#include "storage/da.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/mailbox.h"
#include "storage/da_read.h"
#include "storage/volume.h"

#define REQUEST_MAGIC 0x44415251u
#define DA_MAGIC 0x44415f5fu
#define THREAD_STACK_BYTES (512u * KIB)
#define END_WAIT_S 2

struct da_request {
	struct mailbox_item item; /* first: found from it */
	uint32_t magic;
	struct da *da;
	struct da_spec spec;
	struct da_result result;
	enum da_state state;
	uint64_t sequence;
	bool is_starved; /* QUEUED, and found no slot: waits for da_kick */
	bool is_ignored; /* DONE, but abandoned before its done was called */
	struct da_request *prev, *next;
};

enum thread_state { THREAD_NONE, THREAD_LIVE, THREAD_STUCK, THREAD_ENDED };

struct da_thread {
	struct da *da;
	pthread_t id;
	enum thread_state state;
	struct da_request *request; /* what it works on */
	uint64_t kicks;             /* of the DA when it began: a later one may mean a free slot */
};

struct da {
	uint32_t magic;
	struct da_config config;
	struct mailbox *mailbox;
	pthread_mutex_t mutex; /* guards what follows; leaf but for the mailbox's */
	pthread_cond_t work;   /* something to pick, or to end */
	pthread_cond_t ended;  /* a thread has ended */
	struct da_request *elements;
	struct da_request *free_list, *queue;
	struct da_thread *threads; /* config.threads + config.extra_threads */
	unsigned live, idle;       /* threads that are not stuck; of those, without a request */
	bool is_stopping;
	uint64_t reads_started;
	uint64_t kicks;
	/* Loop thread only: */
	unsigned used, abandoned;
	bool is_wanted; /* da_submit said no since the last free element */
	bool is_told;   /* free_item is in the mailbox */
	struct mailbox_item free_item;
	void (*on_free)(void *arg);
	void *on_free_arg;
};

static void lock(struct da *da)
{
	int error = pthread_mutex_lock(&da->mutex);

	assert(error == 0);
	(void)error;
}

static void unlock(struct da *da)
{
	int error = pthread_mutex_unlock(&da->mutex);

	assert(error == 0);
	(void)error;
}

/* ---- Threads ---- */

static unsigned running_for(const struct da *da, const struct volume *volume)
{
	unsigned count = 0;

	for (unsigned i = 0; i < da->config.queue_elements; i++)
		if (da->elements[i].state == DA_RUNNING && da->elements[i].spec.volume == volume)
			count++;
	return count;
}

/* The first request whose volume may have one more thread. The caller is one of the idle threads. */
static struct da_request *pick(struct da *da)
{
	struct da_request *request;
	unsigned half = da->config.threads / 2;

	DL_FOREACH(da->queue, request) {
		unsigned running = running_for(da, request->spec.volume);

		if (request->is_starved || running >= half || (running > 0 && da->idle == 1))
			continue;
		return request;
	}
	return NULL;
}

static bool is_unwanted(void *arg)
{
	struct da_request *request = arg;
	bool unwanted;

	lock(request->da);
	unwanted = request->state == DA_ABANDONED;
	unlock(request->da);
	return unwanted;
}

static void run_read(struct da_request *request)
{
	const struct da_spec *spec = &request->spec;
	uint64_t sequence = spec->sink->begin(spec->sink_arg);

	assert(sequence > 0);
	lock(request->da);
	request->sequence = sequence;
	request->da->reads_started++;
	unlock(request->da);
	request->result.tracks_done = da_read_tracks(spec, sequence, is_unwanted, request);
}

static void run(struct da_request *request)
{
	struct da_result *result = &request->result;

	switch (request->spec.kind) {
	case DA_OPEN:
		result->error = volume_open(request->spec.volume, &result->info);
		break;
	case DA_SIZE:
		result->error = volume_size(request->spec.volume, &result->info.size_bytes);
		break;
	case DA_READ:
		run_read(request);
		break;
	case DA_CLOSE:
		volume_close(request->spec.volume);
		break;
	}
}

static void done_on_loop(struct mailbox_item *item);
static void returned_on_loop(struct mailbox_item *item);

/* With the mutex: a read that found no slot at all goes back to the head of the queue. */
static bool requeue_if_starved(struct da *da, struct da_request *request, uint64_t kicks)
{
	if (request->spec.kind != DA_READ || request->result.tracks_done > 0 || request->state == DA_ABANDONED)
		return false;
	request->state = DA_QUEUED;
	request->is_starved = da->kicks == kicks;
	request->sequence = 0;
	DL_PREPEND(da->queue, request);
	return true;
}

/* With the mutex: reports the request, or that its thread came back. Returns whether this thread is one too many. */
static bool finish(struct da *da, struct da_thread *thread)
{
	struct da_request *request = thread->request;
	bool was_abandoned = request->state == DA_ABANDONED;

	thread->request = NULL;
	if (was_abandoned) {
		thread->state = THREAD_LIVE;
		da->live++;
	}
	if (was_abandoned && da->live > da->config.threads) {
		da->live--;
	} else {
		da->idle++;
		was_abandoned = false;
	}
	pthread_cond_broadcast(&da->work); /* its volume may have one more thread again */
	if (requeue_if_starved(da, request, thread->kicks))
		return was_abandoned;
	request->item.fn = request->state == DA_ABANDONED ? returned_on_loop : done_on_loop;
	if (request->state != DA_ABANDONED)
		request->state = DA_DONE;
	mailbox_post(da->mailbox, &request->item);
	return was_abandoned;
}

static void *work(void *arg)
{
	struct da_thread *thread = arg;
	struct da *da = thread->da;
	bool is_surplus = false;

	assert(da->magic == DA_MAGIC);
	lock(da);
	while (!da->is_stopping && !is_surplus) {
		struct da_request *request = pick(da);

		if (request == NULL) {
			pthread_cond_wait(&da->work, &da->mutex);
			continue;
		}
		DL_DELETE(da->queue, request);
		request->state = DA_RUNNING;
		da->idle--;
		thread->request = request;
		thread->kicks = da->kicks;
		unlock(da);
		run(request);
		lock(da);
		is_surplus = finish(da, thread);
	}
	if (!is_surplus) {
		da->live--;
		da->idle--;
	}
	thread->state = THREAD_ENDED;
	pthread_cond_broadcast(&da->ended);
	unlock(da);
	return NULL;
}

/* With the mutex. 0 or the error of pthread_create. */
static int start_thread(struct da *da)
{
	unsigned count = da->config.threads + da->config.extra_threads;
	struct da_thread *thread = NULL;
	pthread_attr_t attributes;
	sigset_t all, old;
	int error;

	for (unsigned i = 0; i < count && thread == NULL; i++)
		if (da->threads[i].state == THREAD_NONE || da->threads[i].state == THREAD_ENDED)
			thread = &da->threads[i];
	if (thread == NULL)
		return EAGAIN;
	if (thread->state == THREAD_ENDED) /* it needs only to leave its function, with the mutex free */
		return EAGAIN;
	thread->da = da;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread->id, &attributes, work, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	if (error == 0) {
		thread->state = THREAD_LIVE;
		da->live++;
		da->idle++;
	}
	return error;
}

/* Loop thread, without the mutex: joins threads that have ended, so that their slots can be used again. */
static void join_ended(struct da *da)
{
	for (unsigned i = 0; i < da->config.threads + da->config.extra_threads; i++) {
		struct da_thread *thread = &da->threads[i];
		bool has_ended;

		lock(da);
		has_ended = thread->state == THREAD_ENDED;
		unlock(da);
		if (!has_ended)
			continue;
		pthread_join(thread->id, NULL);
		thread->state = THREAD_NONE;
	}
}

/* ---- Loop thread ---- */

static void tell_free(struct mailbox_item *item)
{
	struct da *da = (struct da *)((char *)item - offsetof(struct da, free_item));

	assert(da->magic == DA_MAGIC);
	da->is_told = false;
	if (da->on_free != NULL)
		da->on_free(da->on_free_arg);
}

static void free_element(struct da_request *request)
{
	struct da *da = request->da;
	struct da_spec spec = request->spec;

	lock(da);
	request->state = DA_FREE;
	LL_PREPEND(da->free_list, request);
	unlock(da);
	da->used--;
	if (spec.kind == DA_READ && spec.sink->finished != NULL)
		spec.sink->finished(spec.sink_arg);
	if (da->is_wanted && !da->is_told) {
		da->is_wanted = false;
		da->is_told = true;
		mailbox_post(da->mailbox, &da->free_item);
	}
}

static struct da_request *request_of(struct mailbox_item *item)
{
	struct da_request *request = (struct da_request *)item;

	assert(request->magic == REQUEST_MAGIC);
	return request;
}

static void done_on_loop(struct mailbox_item *item)
{
	struct da_request *request = request_of(item);

	assert(request->state == DA_DONE);
	if (request->is_ignored)
		free_element(request);
	else
		request->spec.done(request->spec.arg, request, &request->result);
}

static void returned_on_loop(struct mailbox_item *item)
{
	struct da_request *request = request_of(item);
	void (*returned)(void *) = request->spec.returned;
	void *arg = request->spec.returned_arg;
	struct da *da = request->da;

	assert(request->state == DA_ABANDONED);
	da->abandoned--;
	free_element(request);
	join_ended(da);
	if (returned != NULL)
		returned(arg);
}

struct da *da_new(const struct da_config *config, struct mailbox *mailbox)
{
	struct da *da = xcalloc(1, sizeof(*da));
	int error = 0;

	assert(config->threads >= 2 && config->threads <= 64 && config->extra_threads <= DA_EXTRA_THREADS_MAX);
	assert(config->queue_elements > 0);
	da->magic = DA_MAGIC;
	da->config = *config;
	da->mailbox = mailbox;
	da->free_item = (struct mailbox_item){ .magic = MAILBOX_ITEM_MAGIC, .fn = tell_free };
	pthread_mutex_init(&da->mutex, NULL);
	pthread_cond_init(&da->work, NULL);
	pthread_cond_init(&da->ended, NULL);
	da->elements = xcalloc(config->queue_elements, sizeof(*da->elements));
	da->threads = xcalloc(config->threads + config->extra_threads, sizeof(*da->threads));
	for (unsigned i = config->queue_elements; i-- > 0;) {
		da->elements[i].item.magic = MAILBOX_ITEM_MAGIC;
		da->elements[i].magic = REQUEST_MAGIC;
		da->elements[i].da = da;
		LL_PREPEND(da->free_list, &da->elements[i]);
	}
	lock(da);
	for (unsigned i = 0; i < config->threads && error == 0; i++)
		error = start_thread(da);
	unlock(da);
	if (error != 0) {
		da_free(da);
		errno = error;
		return NULL;
	}
	return da;
}

/* With the mutex. */
static bool all_threads_ended(const struct da *da)
{
	for (unsigned i = 0; i < da->config.threads + da->config.extra_threads; i++)
		if (da->threads[i].state != THREAD_NONE && da->threads[i].state != THREAD_ENDED)
			return false;
	return true;
}

bool da_free(struct da *da)
{
	struct timespec until;
	bool ended;

	if (da == NULL)
		return true;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_WAIT_S;
	lock(da);
	da->is_stopping = true;
	pthread_cond_broadcast(&da->work);
	while (!(ended = all_threads_ended(da)))
		if (pthread_cond_timedwait(&da->ended, &da->mutex, &until) == ETIMEDOUT)
			break;
	unlock(da);
	if (!ended)
		return false;
	join_ended(da);
	mailbox_drain(da->mailbox); /* what was done and not yet told */
	for (unsigned i = 0; i < da->config.queue_elements; i++)
		if (da->elements[i].state == DA_QUEUED && da->elements[i].spec.kind == DA_READ &&
			da->elements[i].spec.sink->finished != NULL)
			da->elements[i].spec.sink->finished(da->elements[i].spec.sink_arg);
	pthread_cond_destroy(&da->ended);
	pthread_cond_destroy(&da->work);
	pthread_mutex_destroy(&da->mutex);
	da->magic = 0;
	free(da->threads);
	free(da->elements);
	free(da);
	return true;
}

struct da_request *da_submit(struct da *da, const struct da_spec *spec)
{
	struct da_request *request;

	assert(spec->done != NULL && (spec->kind != DA_READ || (spec->sink != NULL && spec->track_count > 0)));
	lock(da);
	request = da->free_list;
	if (request != NULL) {
		LL_DELETE(da->free_list, request);
		request->spec = *spec;
		request->result = (struct da_result){ .error = 0 };
		request->state = DA_QUEUED;
		request->sequence = 0;
		request->is_starved = request->is_ignored = false;
		DL_APPEND(da->queue, request);
		da->used++;
		pthread_cond_broadcast(&da->work); /* not signal: the thread it wakes may not be one that may take it */
	}
	unlock(da);
	if (request == NULL)
		da->is_wanted = true;
	return request;
}

void da_release(struct da *da, struct da_request *request)
{
	assert(request->da == da && request->state == DA_DONE && !request->is_ignored);
	free_element(request);
}

bool da_abandon(struct da *da, struct da_request *request)
{
	enum da_state state;

	assert(request->da == da && !request->is_ignored);
	lock(da);
	state = request->state;
	assert(state == DA_QUEUED || state == DA_RUNNING || state == DA_DONE);
	if (state == DA_QUEUED)
		DL_DELETE(da->queue, request);
	if (state == DA_DONE)
		request->is_ignored = true;
	if (state == DA_RUNNING) {
		request->state = DA_ABANDONED;
		for (unsigned i = 0; i < da->config.threads + da->config.extra_threads; i++)
			if (da->threads[i].request == request)
				da->threads[i].state = THREAD_STUCK;
		da->live--;
		(void)start_thread(da); /* no thread to replace it: the others go on alone */
	}
	unlock(da);
	if (state == DA_QUEUED)
		free_element(request);
	if (state == DA_RUNNING)
		da->abandoned++;
	return state == DA_RUNNING;
}

enum da_state da_request_state(const struct da_request *request)
{
	enum da_state state;

	lock(request->da);
	state = request->state;
	unlock(request->da);
	return state;
}

uint64_t da_request_sequence(const struct da_request *request)
{
	uint64_t sequence;

	lock(request->da);
	sequence = request->sequence;
	unlock(request->da);
	return sequence;
}

void da_kick(struct da *da)
{
	struct da_request *request;

	lock(da);
	da->kicks++;
	DL_FOREACH(da->queue, request)
		request->is_starved = false;
	pthread_cond_broadcast(&da->work);
	unlock(da);
}

void da_on_free_element(struct da *da, void (*fn)(void *arg), void *arg)
{
	da->on_free = fn;
	da->on_free_arg = arg;
}

void da_count(struct da *da, struct da_counts *counts)
{
	struct da_request *request;

	*counts = (struct da_counts){ .elements_used = da->used, .abandoned = da->abandoned };
	lock(da);
	DL_COUNT(da->queue, request, counts->queued);
	for (unsigned i = 0; i < da->config.queue_elements; i++)
		counts->running += da->elements[i].state == DA_RUNNING;
	counts->threads = da->config.threads;
	counts->extra_threads = da->live + da->abandoned > da->config.threads ? da->live + da->abandoned - da->config.threads : 0;
	counts->reads_started = da->reads_started;
	unlock(da);
}
