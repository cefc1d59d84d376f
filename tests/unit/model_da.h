/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk adapter without threads: the functions of storage/da.h, defined in the test itself, so that the linker leaves
 * the real ones out. What a thread would do happens when the test says so, one step at a time, so that a run is the
 * same for the same seed. Reads are the real ones (da_read). Include it once per program.
 * check-style: long because it is a whole disk adapter.
 */
#ifndef RA_TESTS_UNIT_MODEL_DA_H
#define RA_TESTS_UNIT_MODEL_DA_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "storage/da.h"
#include "storage/da_read.h"
#include "storage/digest.h"
#include "storage/volume.h"

#define MODEL_DA_THREADS 4u

struct da_request {
	struct da *da;
	struct da_spec spec;
	struct da_result result;
	enum da_state state;
	uint64_t sequence;
	uint64_t reads_ended; /* disk reads */
	bool is_starved, was_counted, is_late;
	int64_t submitted_ms;
	struct da_request *prev, *next; /* in live */
};

struct da {
	struct da_config config;
	struct da_request *live; /* all that are not free, oldest first */
	unsigned used;
	uint64_t reads_started;
	struct digester *digester;
	bool was_refused;
	void (*on_free_element)(void *arg);
	void *on_free_element_arg;
};

static struct {
	bool (*hangs)(const struct volume *volume); /* what a thread that touches it would do now */
	const struct clock *clock;
	/* In this step: what is abandoned is late (else those who wanted it have gone); it was full, or a request hung. */
	bool time_goes_on;
} model_da;

static inline void model_da_drop(struct da_request *request)
{
	struct da *da = request->da;
	struct da_spec spec = request->spec;

	DL_DELETE(da->live, request);
	da->used--;
	free(request);
	if (spec.sink != NULL && spec.sink->finished != NULL)
		spec.sink->finished(spec.sink_arg);
	if (!da->was_refused || da->on_free_element == NULL)
		return;
	da->on_free_element(da->on_free_element_arg);
	da->was_refused = da->used == da->config.queue_elements;
}

static inline bool model_da_is_wanted(void *arg)
{
	return ((struct da_request *)arg)->state == DA_RUNNING;
}

static inline void model_da_has_read(void *arg)
{
	((struct da_request *)arg)->reads_ended++;
}

/* May a thread take it? At most half of them serve one volume. */
static inline bool model_da_may_start(const struct da_request *request)
{
	const struct da_request *other;
	unsigned busy = 0;

	DL_FOREACH(request->da->live, other)
		busy += other->spec.volume == request->spec.volume &&
			(other->state == DA_RUNNING || other->state == DA_ABANDONED);
	return request->state == DA_QUEUED && !request->is_starved && busy < MODEL_DA_THREADS / 2;
}

/* A thread takes it / a running or abandoned one returns / a done one is delivered. */
static inline bool model_da_can_step(const struct da_request *request)
{
	if (request->state == DA_QUEUED)
		return model_da_may_start(request);
	return request->state == DA_DONE || !model_da.hangs(request->spec.volume);
}

static inline void model_da_start(struct da_request *request)
{
	request->state = DA_RUNNING;
	if (request->spec.kind == DA_READ) {
		request->sequence = request->spec.sink->begin(request->spec.sink_arg);
		request->reads_ended = volume_reads_ended(request->spec.volume);
		request->da->reads_started += !request->was_counted;
		request->was_counted = true;
	}
}

static inline void model_da_serve(struct da_request *request)
{
	struct da_result *result = &request->result;
	struct volume *volume = request->spec.volume;
	struct da_reader reader;

	switch (request->spec.kind) {
	case DA_OPEN:
		result->error = volume_open(volume, &result->info);
		break;
	case DA_SIZE:
		result->error = volume_size(volume, &result->info.size_bytes);
		break;
	case DA_READ:
		reader = (struct da_reader){ .sequence = request->sequence, .digester = request->da->digester,
			.is_wanted = model_da_is_wanted, .has_read = model_da_has_read, .arg = request };
		result->tracks_done = da_read_tracks(&request->spec, &reader);
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

/* Its thread is through. Reads are delivered in a step of their own, the rest at once. */
static inline void model_da_return(struct da_request *request)
{
	bool is_abandoned = request->state == DA_ABANDONED;

	model_da_serve(request);
	if (is_abandoned) {
		if (request->spec.kind == DA_OPEN && request->result.error == 0)
			volume_close(request->spec.volume);
		if (request->spec.kind == DA_LOCK && request->result.error == 0)
			volume_unlock(request->spec.volume);
		if (request->spec.returned != NULL)
			request->spec.returned(request->spec.returned_arg);
		model_da_drop(request);
	} else if (request->spec.kind == DA_READ && request->result.tracks_done == 0) {
		request->state = DA_QUEUED;
		request->is_starved = true;
	} else {
		request->state = DA_DONE;
		if (request->spec.kind != DA_READ)
			request->spec.done(request->spec.arg, request, &request->result);
	}
}

static inline void model_da_step(struct da_request *request)
{
	assert(model_da_can_step(request));
	if (request->state == DA_QUEUED)
		model_da_start(request);
	else if (request->state == DA_DONE)
		request->spec.done(request->spec.arg, request, &request->result);
	else
		model_da_return(request);
}

/* ---- storage/da.h ---- */

struct da *da_new(const struct da_config *config, struct mailbox *mailbox)
{
	struct da *da = xcalloc(1, sizeof(*da));

	(void)mailbox;
	da->config = *config;
	da->digester = digester_new();
	return da;
}

bool da_free(struct da *da)
{
	if (da == NULL)
		return true;
	assert(da->live == NULL && da->used == 0);
	digester_free(da->digester);
	free(da);
	return true;
}

struct da_request *da_submit(struct da *da, const struct da_spec *spec)
{
	struct da_request *request;

	da->was_refused = da->was_refused || da->used == da->config.queue_elements;
	if (da->used == da->config.queue_elements)
		return NULL;
	request = xcalloc(1, sizeof(*request));
	request->da = da;
	request->spec = *spec;
	request->state = DA_QUEUED;
	request->submitted_ms = clock_now_ms(model_da.clock);
	DL_APPEND(da->live, request);
	da->used++;
	return request;
}

void da_release(struct da *da, struct da_request *request)
{
	assert(request->da == da && request->state == DA_DONE);
	model_da_drop(request);
}

bool da_abandon(struct da *da, struct da_request *request)
{
	bool is_running = request->state == DA_RUNNING;

	assert(request->da == da && request->state != DA_ABANDONED);
	request->is_late = model_da.time_goes_on;
	if (is_running)
		request->state = DA_ABANDONED;
	else
		model_da_drop(request);
	return is_running;
}

bool da_cancel_queued(struct da *da, struct da_request *request)
{
	bool is_queued = request->state == DA_QUEUED;

	assert(request->da == da);
	if (is_queued)
		model_da_drop(request);
	return is_queued;
}

enum da_state da_request_state(const struct da_request *request)
{
	return request->state;
}
uint64_t da_request_sequence(const struct da_request *request)
{
	return request->sequence;
}
uint64_t da_request_progress(const struct da_request *request)
{
	return request->state == DA_QUEUED ? volume_reads_ended(request->spec.volume) : request->reads_ended;
}
/* It takes requests in any order. */
void da_forget_owner(struct da *da, const void *owner)
{
	(void)da, (void)owner;
}

void da_kick(struct da *da)
{
	struct da_request *request;

	DL_FOREACH(da->live, request)
		request->is_starved = false;
}

void da_on_free_element(struct da *da, void (*fn)(void *arg), void *arg)
{
	da->on_free_element = fn;
	da->on_free_element_arg = arg;
}

void da_count(struct da *da, struct da_counts *counts)
{
	const struct da_request *request;

	*counts = (struct da_counts){ .elements_used = da->used, .threads = MODEL_DA_THREADS,
		.reads_started = da->reads_started };
	DL_FOREACH(da->live, request) {
		counts->queued += request->state == DA_QUEUED;
		counts->running += request->state == DA_RUNNING;
		counts->abandoned += request->state == DA_ABANDONED;
	}
}

#endif
