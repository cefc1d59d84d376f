/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetches: see fetch.h. The DA thread writes into cache slots through the sink below; it knows the cache and what
 * is wanted, nothing else. A fetch ends once: when its disk read is reported (fetch_done), or when the last one
 * who waited has timed out (fetch_give_up_if_unwanted), whichever the loop handles first.
 */
#include "secondary/fetch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/post.h"
#include "secondary/delivery.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/read.h"
#include "secondary/session.h"
#include "secondary/share.h"
#include "secondary/wait.h"
#include "secondary/wanted.h"
#include "storage/da.h"

#define FETCH_MAGIC 0x46455443u

/* ---- The sink: DA threads ---- */

/* What a DA thread may know of a fetch, which it may outlive. Freed with the DA's element. */
struct target {
	struct cache *cache;
	struct clock *clock;
	struct wanted wanted;
	uint32_t owner;
	uint64_t end_track;
	/* Taken all at once, before the first is needed: a run that found too few halfway would be answered in parts. */
	void *slots[RUN_TRACKS_MAX];
	uint32_t slot_count, slots_used;
};

static uint64_t sink_begin(void *arg)
{
	const struct target *target = arg;

	return cache_next_sequence(target->cache);
}

static void *sink_slot(void *arg, uint64_t track)
{
	struct target *target = arg;

	if (target->slots_used == target->slot_count) {
		target->slots_used = 0;
		target->slot_count = cache_take_slots(target->cache, target->owner, (uint32_t)(target->end_track - track),
			clock_now_ms(target->clock), target->slots);
	}
	return target->slots_used < target->slot_count ? target->slots[target->slots_used++] : NULL;
}

static void sink_publish(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence)
{
	const struct target *target = arg;
	const struct cache_key key = wanted_key(&target->wanted, track);
	const struct cache_track known = { .state = found->state, .status = STATUS_OK, .slot = found->slot,
		.digest = found->digest, .hole_tracks = found->hole_tracks };

	cache_publish(target->cache, &key, &known, sequence, clock_now_ms(target->clock));
}

static void sink_drop(void *arg, uint64_t track, void *slot)
{
	const struct target *target = arg;

	(void)track;
	cache_give_back(target->cache, slot);
}

/* Loop thread. */
static void sink_finished(void *arg)
{
	struct target *target = arg;

	while (target->slots_used < target->slot_count)
		cache_give_back(target->cache, target->slots[target->slots_used++]);
	free(target);
}

static const struct da_sink cache_sink = {
	.begin = sink_begin, .slot = sink_slot, .publish = sink_publish, .drop = sink_drop, .finished = sink_finished
};

/* ---- The fetch: loop thread ---- */

uint64_t fetch_sequence(const struct fetch *fetch)
{
	uint64_t sequence = da_request_sequence(fetch->request);

	return sequence != 0 ? sequence : cache_next_sequence(fetch->ra->cache);
}

bool fetch_gets_on(const struct fetch *fetch, uint64_t *progress)
{
	uint64_t before = *progress;

	*progress = da_request_progress(fetch->request);
	return *progress != before;
}

/* Does it bring this track, which both have, as the Read wants it, and soon enough? */
static bool is_for(const struct fetch *fetch, const struct read *read, uint64_t track)
{
	uint64_t sequence = da_request_sequence(fetch->request);

	return wanted_is_same(&fetch->wanted, &read->wanted, track) && (sequence == 0 || sequence >= read->floor) &&
		(fetch->peer == read->session->peer || da_request_state(fetch->request) != DA_QUEUED);
}

struct fetch *fetch_find(const struct read *read)
{
	uint64_t track = read->parameters.first_track;
	struct job *job;

	RING_FOREACH(read->job->shared, job, forward) {
		struct fetch *fetch = job->specific.fetch;

		if (job->specific.kind == JOB_FETCH && fetch->request != NULL && track >= fetch->first_track &&
			track - fetch->first_track < fetch->track_count && is_for(fetch, read, track))
			return fetch;
	}
	return NULL;
}

/* How many tracks from the Read's first on are missing and not being fetched; the first one is. */
static uint32_t missing_tracks(const struct read *read)
{
	uint64_t first = read->parameters.first_track;
	int64_t now_ms = clock_now_ms(read->ra->clock);
	uint32_t most = read->parameters.track_count, count = 1;
	struct cache_ref ref;
	struct job *job;

	RING_FOREACH(read->job->shared, job, forward) {
		const struct fetch *fetch = job->specific.fetch;

		if (job->specific.kind == JOB_FETCH && fetch->request != NULL && fetch->first_track > first &&
			fetch->first_track - first < most && is_for(fetch, read, fetch->first_track))
			most = (uint32_t)(fetch->first_track - first);
	}
	for (; count < most; count++) {
		const struct cache_key key = wanted_key(&read->wanted, first + count);

		if (cache_find(read->ra->cache, &key, read->floor, now_ms, &ref))
			break;
	}
	return count;
}

/* The fetch leaves its peer's share and its job is deallocated (118). */
static void free_job(struct fetch *fetch)
{
	struct ra *ra = fetch->ra;
	struct peer *peer = fetch->peer;

	timer_cancel(&fetch->orphan_timer);
	job_free(ra, fetch->job); /* 118 */
	fetch->job = NULL;
	if (fetch->session != NULL)
		fetch->session->fetches--;
	fetch->session = NULL;
	fetch->peer = NULL;
	if (peer != NULL) {
		peer->fetches--;
		share_next_turn(peer);
	}
}

static void fetch_free(struct fetch *fetch)
{
	struct ra *ra = fetch->ra;

	free_job(fetch);
	fetch->magic = 0;
	free(fetch);
	ra_element_is_free(ra);
}

/* Step 120 or 190, yes: the disk was read, as far as there were slots. */
static void fetch_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct fetch *fetch = arg;
	struct ra *ra = fetch->ra;

	(void)result;
	assert(fetch->magic == FETCH_MAGIC && fetch->request == request);
	if (fetch->wait_task != NULL)
		wait_task_disk_was_read(fetch->wait_task); /* 120 */
	fetch->request = NULL;
	da_release(ra->da, request); /* 116, 192 */
	free_job(fetch); /* 118 */
	while (fetch->readers != NULL) {
		struct read *read = fetch->readers;

		fetch_leave(fetch, read);
		delivery_disk_was_read(read); /* 190 */
	}
	fetch->magic = 0;
	free(fetch);
	ra_element_is_free(ra);
}

/* Nobody waits any more, and da-timeout has passed since the last one was lost, or since it last was seen to get on. */
static void orphan_timer(void *arg)
{
	struct fetch *fetch = arg;
	const struct post_where where = { .device = fetch->job->constants.name, .first_track = fetch->first_track,
		.track_count = fetch->track_count };

	assert(fetch->magic == FETCH_MAGIC);
	if (fetch_gets_on(fetch, &fetch->progress)) {
		timer_set(&fetch->orphan_timer, fetch->ra->config.da_timeout_ms);
		return;
	}
	fetch->ra->counts.timeouts++;
	post_error(fetch->ra->post, STATUS_TIMEOUT, &where, "a disk read that nobody waits for did not end in time");
	fetch_give_up_if_unwanted(fetch);
}

enum status fetch_start(struct read *read, struct fetch **out)
{
	struct ra *ra = read->ra;
	struct device *device = read->job->shared;
	struct peer *peer = read->session->peer;
	struct fetch *fetch = xcalloc(1, sizeof(*fetch));
	struct target *target = xcalloc(1, sizeof(*target));
	const struct job_specific specific = { .kind = JOB_FETCH, .fetch = fetch };
	struct da_spec spec = { .kind = DA_READ, .volume = device->volume, .owner = peer, .sink = &cache_sink,
		.sink_arg = target, .done = fetch_done, .arg = fetch,
		.returned = device_request_returned, .returned_arg = device };
	enum status status = STATUS_NO_FREE_JOB;

	*target = (struct target){ .cache = ra->cache, .clock = ra->clock, .wanted = read->wanted,
		.owner = peer->number };
	fetch->magic = FETCH_MAGIC;
	fetch->ra = ra;
	fetch->wanted = read->wanted;
	fetch->first_track = read->parameters.first_track;
	fetch->track_count = missing_tracks(read);
	fetch->session = read->session;
	fetch->peer = peer;
	timer_init(&fetch->orphan_timer, ra->clock, orphan_timer, fetch);
	fetch->job = job_create(ra, device, &specific); /* 94 */
	if (fetch->job == NULL)
		goto fail;
	job_set_tracks(fetch->job, fetch->first_track, fetch->track_count);
	target->end_track = fetch->first_track + fetch->track_count;
	spec.first_track = fetch->first_track;
	spec.track_count = fetch->track_count;
	spec.track_bytes = fetch->wanted.track_bytes;
	spec.end_bytes = fetch->wanted.end_bytes;
	spec.digest = fetch->wanted.digest;
	fetch->request = da_submit(ra->da, &spec); /* 96, 178 */
	status = STATUS_QUEUE_FULL;
	if (fetch->request == NULL) /* 98, 180 */
		goto fail;
	fetch->session->fetches++;
	fetch->peer->fetches++;
	ra_watch_slots(ra);
	*out = fetch;
	return STATUS_OK;
fail:
	if (fetch->job != NULL)
		job_free(ra, fetch->job); /* 102 */
	free(target);
	fetch->magic = 0;
	free(fetch);
	return status;
}

void fetch_join(struct fetch *fetch, struct read *read)
{
	assert(fetch->magic == FETCH_MAGIC && read->fetch == NULL);
	timer_cancel(&fetch->orphan_timer);
	read->fetch = fetch;
	DL_APPEND(fetch->readers, read);
}

void fetch_leave(struct fetch *fetch, struct read *read)
{
	assert(fetch->magic == FETCH_MAGIC && read->fetch == fetch);
	read->fetch = NULL;
	DL_DELETE(fetch->readers, read);
}

void fetch_give_up_if_unwanted(struct fetch *fetch)
{
	struct ra *ra = fetch->ra;
	struct da_request *request = fetch->request;

	assert(fetch->magic == FETCH_MAGIC);
	if (fetch->readers != NULL || fetch->wait_task != NULL)
		return;
	fetch->request = NULL;
	if (da_abandon(ra->da, request)) /* 116, 192 */
		device_request_hangs(fetch->job->shared);
	fetch_free(fetch); /* 118 */
}

void fetch_survive(struct fetch *fetch)
{
	assert(fetch->magic == FETCH_MAGIC);
	if (fetch->readers != NULL || fetch->wait_task != NULL)
		return;
	fetch_gets_on(fetch, &fetch->progress);
	timer_set(&fetch->orphan_timer, fetch->ra->config.da_timeout_ms);
}

void fetch_forget_session(struct ra *ra, struct session *session)
{
	for (uint32_t i = 0; i < ra->config.jobs; i++) {
		struct job *job = job_array_element(ra->jobs, i);

		if (job->specific.kind == JOB_FETCH && job->specific.fetch->session == session)
			job->specific.fetch->session = NULL;
	}
}

void fetch_forget_peer(struct ra *ra, const struct peer *peer)
{
	for (uint32_t i = 0; i < ra->config.jobs; i++) {
		struct fetch *fetch = job_array_element(ra->jobs, i)->specific.fetch;
		struct da_request *request;

		if (fetch == NULL || (peer != NULL && fetch->peer != peer))
			continue;
		if (fetch->peer != NULL)
			fetch->peer->fetches--;
		fetch->peer = NULL;
		if (fetch->readers != NULL) /* of another peer: a thread had it before, and found no slot */
			continue;
		request = fetch->request;
		fetch->request = NULL; /* whoever waits for an element is told at once, and must not find it */
		if (da_cancel_queued(ra->da, request)) {
			wait_task_free(fetch->wait_task);
			fetch_free(fetch);
		} else {
			fetch->request = request;
		}
	}
}
