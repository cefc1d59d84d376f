/* SPDX-License-Identifier: Apache-2.0
 *
 * The job array and the life of a job record: see job.h. The array is searched from its beginning for the first free
 * element (Fig. 13); a free element is one whose kind is JOB_FREE. Jobs never move, so pointers to them stay good.
 */
#include "secondary/job.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "secondary/link_id.h"
#include "secondary/ra.h"
#include "secondary/session.h"

struct job_array {
	struct job *jobs;
	uint32_t count;
	uint32_t link_jobs_max;
	uint32_t used[JOB_FETCH + 1]; /* by kind */
};

struct job_array *job_array_new(uint32_t count, uint32_t link_jobs_max)
{
	struct job_array *array = xcalloc(1, sizeof(*array));

	assert(count > 0 && count <= UINT16_MAX + 1u && link_jobs_max < count);
	array->jobs = xcalloc(count, sizeof(*array->jobs));
	array->count = count;
	array->link_jobs_max = link_jobs_max;
	for (uint32_t i = 0; i < count; i++)
		array->jobs[i].index = i;
	return array;
}

void job_array_free(struct job_array *array)
{
	if (array == NULL)
		return;
	assert(array->used[JOB_LINK] == 0 && array->used[JOB_FETCH] == 0);
	free(array->jobs);
	free(array);
}

struct job *job_array_element(struct job_array *array, uint32_t index)
{
	return index < array->count ? &array->jobs[index] : NULL;
}

uint32_t job_array_used(const struct job_array *array, enum job_kind kind)
{
	return array->used[kind];
}

const char *job_kind_name(enum job_kind kind)
{
	static const char *const names[] = { [JOB_FREE] = "free", [JOB_LINK] = "link", [JOB_FETCH] = "fetch" };

	return names[kind];
}

const char *job_state_name(enum job_state state)
{
	static const char *const names[] = { [JOB_STATE_FREE] = "free", [JOB_STATE_IDLE] = "idle",
		[JOB_STATE_THROTTLED] = "throttled", [JOB_STATE_READING] = "reading", [JOB_STATE_FETCHING] = "fetching" };

	return names[state];
}

void job_enter(struct job *job, enum job_state state, const char *reason)
{
	char link[64] = "";

	if (job->specific.kind == JOB_LINK && log_has(LOG_LEVEL_DEBUG))
		snprintf(link, sizeof(link), ", link id 0x%016" PRIx64,
			link_id_of(job->shared->ra->config.secondary_id, job));
	log_debug("device %s%s: %s job %" PRIu32 ": %s -> %s (%s)", job->constants.name, link,
		job_kind_name(job->specific.kind), job->index, job_state_name(job->specific.state), job_state_name(state),
		reason);
	job->specific.state = state;
}

void job_activate(struct job *job)
{
	job->shared->active = job;
}

void job_set_tracks(struct job *job, uint64_t first_track, uint32_t track_count)
{
	assert(track_count <= RUN_DIGESTS_MAX);
	if (track_count > job->tracks_room) {
		free(job->tracks);
		job->tracks = xcalloc(track_count, sizeof(*job->tracks));
		job->tracks_room = track_count;
	}
	job->track_count = track_count;
	for (uint32_t i = 0; i < track_count; i++)
		job->tracks[i] = (struct job_track){ .number = first_track + i, .state = JOB_TRACK_WANTED };
}

/* Step 322: the first free element. Link jobs leave the rest of the array to fetch jobs. */
static struct job *find_free_element(struct job_array *array, enum job_kind kind)
{
	if (kind == JOB_LINK && array->used[JOB_LINK] >= array->link_jobs_max)
		return NULL;
	for (uint32_t i = 0; i < array->count; i++)
		if (array->jobs[i].specific.kind == JOB_FREE)
			return &array->jobs[i];
	return NULL;
}

/* Step 332: the shared variables of the device record that a new job changes: none today but the check that a record
 * which gets jobs is open. */
static void set_shared_variables(struct device *device)
{
	assert(device->shared == device && device->state == DEVICE_OPEN);
}

/* Step 336: into the ring, behind the active job's predecessors; the first job becomes the active one. */
static void set_ring_pointers(struct device *device, struct job *job)
{
	CDL_APPEND2(device->active, job, backward, forward);
}

struct job *job_create(struct ra *ra, struct device *device, const struct job_specific *specific)
{
	struct job *job = find_free_element(ra->jobs, specific->kind); /* 322 */

	if (job == NULL) { /* 324 */
		const struct post_where where = { .device = device->constants.name,
			.peer = specific->session != NULL ? session_peer(specific->session) : NULL };

		post_error(ra->post, STATUS_NO_FREE_JOB, &where, "the job array has no free element for a %s job",
			job_kind_name(specific->kind)); /* 326 */
		return NULL;
	}
	job->shared = device;                                /* 328 */
	job->constants = device->constants;                  /* 330 */
	set_shared_variables(device);                        /* 332 */
	job->specific = *specific;                           /* 334 */
	job->specific.state = JOB_STATE_FREE;
	job->track_count = 0;
	job->created_ms = clock_now_ms(ra->clock);
	if (++job->generation == 0)
		job->generation = 1;
	set_ring_pointers(device, job);                      /* 336 */
	device->job_count++;                                 /* 338 */
	ra->jobs->used[specific->kind]++;
	job_enter(job, specific->kind == JOB_LINK ? JOB_STATE_IDLE : JOB_STATE_FETCHING, "created");
	return job;
}

void job_free(struct ra *ra, struct job *job)
{
	struct device *device = job->shared;

	assert(job->specific.kind != JOB_FREE && device->job_count > 0 && job->specific.read == NULL);
	CDL_DELETE2(device->active, job, backward, forward); /* the active job pointer moves forward */
	device->job_count--;
	assert((device->active == NULL) == (device->job_count == 0));
	ra->jobs->used[job->specific.kind]--;
	job_enter(job, JOB_STATE_FREE, "freed");
	job->specific = (struct job_specific){ .kind = JOB_FREE };
	job->shared = NULL;
	free(job->tracks);
	job->tracks = NULL;
	job->tracks_room = 0;
	job->forward = job->backward = NULL;
	device_close_if_unused(device);
}
