/* SPDX-License-Identifier: Apache-2.0
 *
 * Figs. 11, 13 and 15: job records, the one array that stores them for all devices, and their creation. A link job is
 * one transfer of one primary: it lives until Release or the loss of its link. A fetch job is one disk read in flight:
 * it belongs to no link. Loop thread only.
 */
#ifndef RA_SECONDARY_JOB_H
#define RA_SECONDARY_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "secondary/device.h"
#include "secondary/wanted.h"

struct fetch;
struct ra;
struct read;
struct session;

enum job_kind { JOB_FREE, JOB_LINK, JOB_FETCH };
/* Link jobs: IDLE -> (THROTTLED ->) READING -> IDLE; THROTTLED: a limit holds the Read back. Fetch jobs: FETCHING. */
enum job_state { JOB_STATE_FREE, JOB_STATE_IDLE, JOB_STATE_THROTTLED, JOB_STATE_READING, JOB_STATE_FETCHING };

/* One line of the track ID table: WANTED -> FOUND -> LOADED. */
enum job_track_state { JOB_TRACK_WANTED, JOB_TRACK_FOUND, JOB_TRACK_LOADED };
struct job_track {
	uint64_t number;
	enum job_track_state state;
};

/* Job specific data 11: what differs from job to job. */
struct job_specific {
	enum job_kind kind;
	enum job_state state; /* written by job_enter only */
	/* link jobs */
	struct session *session;
	struct read *read; /* the Read that runs, or NULL */
	uint64_t floor;    /* sequence number of the job's creation */
	/* The run of its last Read, when that was answered DATA_NOT_FOUND: the limits were charged with it, and the retry
	 * passes them. Count 0: none. */
	uint64_t paid_first_track;
	uint32_t paid_track_count;
	struct wanted paid_wanted;
	/* fetch jobs */
	struct fetch *fetch;
};

struct job {
	/* Track ID table 11: the tracks of the Read that runs, or of the fetch. NULL before the job's first run: an array
	 * of jobs with room for the longest run each would be most of the memory. */
	struct job_track *tracks;
	uint32_t track_count, tracks_room;
	struct device_constants constants; /* copy of the record's */
	struct device *shared;             /* shared pointer 259-261: the device record */
	struct job_specific specific;
	struct job *forward, *backward;    /* 268-278: the ring */
	int64_t created_ms;

	uint32_t index;      /* in the array; fixed */
	uint32_t generation; /* uses of this element so far; 0: never used */
};

struct job_array;

/* link_jobs_max: at most so many elements become link jobs, the rest is kept for fetch jobs. */
struct job_array *job_array_new(uint32_t count, uint32_t link_jobs_max);
void job_array_free(struct job_array *array); /* all must be free (asserted) */
struct job *job_array_element(struct job_array *array, uint32_t index); /* NULL outside */
uint32_t job_array_used(const struct job_array *array, enum job_kind kind);

/* Fig. 15, steps 322 to 338. NULL: no free element; then the error is posted (326) and nothing has changed. */
struct job *job_create(struct ra *ra, struct device *device, const struct job_specific *specific);
/* The reverse: takes it out of the ring, marks the element free, and closes the device if that was its last use. */
void job_free(struct ra *ra, struct job *job);
/* The only writer of a job's state. */
void job_enter(struct job *job, enum job_state state, const char *reason);
/* A command starts on this job: it becomes the active job of its device. */
void job_activate(struct job *job);
/* The track ID table for a run. */
void job_set_tracks(struct job *job, uint64_t first_track, uint32_t track_count);
const char *job_kind_name(enum job_kind kind);
const char *job_state_name(enum job_state state);

/* Walks the ring of a device forward (or backward) from the active job, job_count long. The body must not free jobs. */
#define RING_FOREACH(device, job, direction) \
	for (struct { struct job *at; unsigned left; } ring_ = { (device)->active, (device)->job_count };   \
	     ring_.left > 0 && ((job) = ring_.at) != NULL; ring_.at = ring_.at->direction, ring_.left--)

#endif
