/* SPDX-License-Identifier: Apache-2.0
 *
 * Figs. 9 to 13 and 15: device records, job records, the ring and the array.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/session.h"
#include "tests/support/bed.h"

#define TRACKS 100u

static struct bed *bed;
static struct primary *primary;
static uint32_t device;

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	config.jobs = 8;
	bed = bed_new(&config, TRACKS);
	primary = primary_new(bed);
	device = primary_attach(primary, "d0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (primary != NULL)
		primary_drop(primary);
	primary = NULL;
	bed_free(bed);
	return 0;
}

static struct device *record(void)
{
	return device_array_record(bed->ra->devices, device);
}

static struct job *make(enum job_kind kind)
{
	const struct job_specific specific = { .kind = kind, .session = kind == JOB_LINK ? bed->ra->sessions : NULL };

	return job_create(bed->ra, record(), &specific);
}

static void record_is_null_while_the_device_is_not_accessed(void **state)
{
	(void)state;
	assert_non_null(record());
	assert_null(device_array_record(bed->ra->devices, 1)); /* present, not accessed */
	assert_null(device_array_record(bed->ra->devices, 200)); /* absent */
	primary_drop(primary);
	primary = NULL;
	BED_UNTIL(bed, record() == NULL);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).opens, 1);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).closes, 1);
}

static void record_has_the_fields_of_figure_10(void **state)
{
	struct device *at = record();

	(void)state;
	assert_ptr_equal(at->shared, at);
	assert_null(at->active);
	assert_int_equal(at->job_count, 0);
	assert_int_equal(at->constants.number, device);
	assert_int_equal(at->constants.track_count, TRACKS);
	assert_int_equal(at->constants.track_bytes, BED_TRACK_BYTES);
	assert_true(device_is_ready(at));
}

static void new_job_has_shared_pointer_constants_and_specific_data(void **state)
{
	struct job *job = make(JOB_LINK);

	(void)state;
	assert_ptr_equal(job->shared, record());                              /* 328 */
	assert_memory_equal(&job->constants, &record()->constants, sizeof(job->constants)); /* 330 */
	assert_int_equal(job->specific.kind, JOB_LINK);                       /* 334 */
	assert_ptr_equal(job->specific.session, bed->ra->sessions);
	assert_int_equal(job->specific.state, JOB_STATE_IDLE);
	assert_int_equal(job->track_count, 0);
	assert_int_equal(record()->job_count, 1);                             /* 338 */
	assert_ptr_equal(record()->active, job);                              /* 336: the first one sets it */
	job_free(bed->ra, job);
	assert_null(record()->active);
	assert_int_equal(record()->job_count, 0);
}

static void ring_is_walked_both_ways_from_the_active_job(void **state)
{
	struct job *a = make(JOB_LINK), *b = make(JOB_LINK), *c = make(JOB_LINK), *job;
	const struct job *forward[] = { b, c, a }, *backward[] = { b, a, c };
	unsigned i = 0;

	(void)state;
	job_activate(b);
	RING_FOREACH(record(), job, forward)
		assert_ptr_equal(job, forward[i++]);
	assert_int_equal(i, 3);
	i = 0;
	RING_FOREACH(record(), job, backward)
		assert_ptr_equal(job, backward[i++]);
	assert_int_equal(i, 3);
	job_free(bed->ra, b); /* the active job pointer moves forward */
	assert_ptr_equal(record()->active, c);
	assert_ptr_equal(c->forward, a);
	assert_ptr_equal(c->backward, a);
	job_free(bed->ra, a);
	assert_ptr_equal(c->forward, c);
	assert_ptr_equal(c->backward, c);
	job_free(bed->ra, c);
}

static void first_free_element_is_used(void **state)
{
	struct job *a = make(JOB_LINK), *b = make(JOB_FETCH), *c = make(JOB_LINK), *again;
	uint32_t generation = b->generation;

	(void)state;
	assert_int_equal(a->index, 0);
	assert_int_equal(b->index, 1);
	assert_int_equal(c->index, 2);
	job_free(bed->ra, b);
	again = make(JOB_LINK);
	assert_ptr_equal(again, b);
	assert_int_equal(again->generation, generation + 1);
	job_free(bed->ra, a);
	job_free(bed->ra, c);
	job_free(bed->ra, again);
}

static void full_array_posts_and_changes_nothing(void **state)
{
	struct job *jobs[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		jobs[i] = make(i < 4 ? JOB_LINK : JOB_FETCH);
	assert_null(make(JOB_FETCH)); /* 324, 326 */
	assert_int_equal(post_count(bed->post, STATUS_NO_FREE_JOB), 1);
	assert_string_equal(post_recent(bed->post, 0)->device, "d0");
	assert_int_equal(record()->job_count, 8);
	for (unsigned i = 0; i < 8; i++)
		job_free(bed->ra, jobs[i]);
}

static void half_of_the_array_is_kept_for_fetch_jobs(void **state)
{
	struct job *jobs[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		jobs[i] = make(JOB_LINK);
	assert_null(make(JOB_LINK));
	for (unsigned i = 0; i < 4; i++)
		job_free(bed->ra, jobs[i]);
}

static void started_command_makes_its_job_the_active_one(void **state)
{
	uint64_t one = primary_link(primary, device), two = primary_link(primary, device);
	struct job *second = link_id_resolve(bed->ra->jobs, 7, two, bed->ra->sessions, NULL);

	(void)state;
	(void)one;
	assert_ptr_not_equal(record()->active, second);
	primary_read(primary, 1, two, device, 0, 3, DELIVERY_HOLD);
	primary_wait(primary, 1);
	assert_ptr_equal(record()->active, second);
	assert_int_equal(second->track_count, 3); /* its track ID table */
	assert_int_equal(second->tracks[2].number, 2);
	assert_int_equal(second->tracks[2].state, JOB_TRACK_LOADED);
}

/* The table is as long as the runs of its job, and nothing is kept of it when the job has gone. */
static void track_id_table_is_made_for_the_run(void **state)
{
	struct job *job = make(JOB_LINK);
	uint32_t counts[] = { 3, 64, 5 };

	(void)state;
	assert_null(job->tracks);
	for (unsigned i = 0; i < 3; i++) {
		job_set_tracks(job, 10 * i, counts[i]);
		assert_int_equal(job->track_count, counts[i]);
		assert_int_equal(job->tracks[0].number, 10 * i);
		assert_int_equal(job->tracks[counts[i] - 1].number, 10 * i + counts[i] - 1);
		assert_int_equal(job->tracks[counts[i] - 1].state, JOB_TRACK_WANTED);
	}
	assert_int_equal(job->tracks_room, 64);
	job_free(bed->ra, job);
	assert_null(job->tracks);
	job = make(JOB_FETCH);
	job_set_tracks(job, 7, RUN_DIGESTS_MAX);
	assert_int_equal(job->tracks[RUN_DIGESTS_MAX - 1].number, 7 + RUN_DIGESTS_MAX - 1);
	job_free(bed->ra, job);
}

static void volume_that_does_not_open_is_told_and_forgotten(void **state)
{
	struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 9, .device = "d1" } };

	(void)state;
	faulty_volume_set_open_error(bed->volumes[1], ENOENT);
	primary_send(primary, &query);
	assert_int_equal(primary_wait(primary, 9)->status, STATUS_VOLUME_ERROR);
	assert_int_equal(post_count(bed->post, STATUS_VOLUME_ERROR), 1);
	BED_UNTIL(bed, device_array_record(bed->ra->devices, 1) == NULL);
	faulty_volume_set_open_error(bed->volumes[1], 0);
	assert_int_equal(primary_attach(primary, "d1"), 1);
}

static void volume_whose_open_hangs_times_out_and_comes_back(void **state)
{
	struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 9, .device = "d1" } };
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	faulty_volume_hang_open(bed->volumes[1], true);
	primary_send(primary, &query);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[1]).stuck == 1);
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD); /* others go on */
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_OK);
	bed_advance(bed, DA_TIMEOUT_MS);
	assert_int_equal(primary_wait(primary, 9)->status, STATUS_TIMEOUT);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	faulty_volume_hang_open(bed->volumes[1], false);
	BED_UNTIL(bed, device_array_record(bed->ra->devices, 1) == NULL);
	assert_int_equal(primary_attach(primary, "d1"), 1);
}

static uint64_t asked_size(struct primary *from)
{
	struct answer *answer = primary_query(from, 9, "d0");

	assert_int_equal(answer->status, STATUS_OK);
	return answer->volume.size_bytes;
}

static void second_query_tells_the_size_of_now(void **state)
{
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	faulty_volume_set_size(bed->volumes[0], 2 * TRACKS * BED_TRACK_BYTES);
	assert_int_equal(asked_size(primary), 2 * TRACKS * BED_TRACK_BYTES);
	assert_int_equal(record()->attach_count, 1);
	assert_int_equal(record()->constants.track_count, TRACKS); /* fixed while there is a job */
	primary_release(primary, link_id);
	assert_int_equal(asked_size(primary), 2 * TRACKS * BED_TRACK_BYTES);
	assert_int_equal(record()->constants.track_count, 2 * TRACKS);
}

/* What a new session may read is what the constants say: it is told that, and the size of now when it asks again. */
static void first_query_of_a_session_tells_the_size_in_force(void **state)
{
	struct primary *other = primary_new(bed);
	uint64_t link_id = primary_link(primary, device), others;

	(void)state;
	faulty_volume_set_size(bed->volumes[0], 2 * TRACKS * BED_TRACK_BYTES);
	assert_int_equal(asked_size(other), TRACKS * BED_TRACK_BYTES);
	others = primary_link(other, device);
	primary_read(other, 1, others, device, TRACKS - 1, 1, DELIVERY_HOLD);
	assert_int_equal(primary_wait(other, 1)->status, STATUS_OK);
	primary_read(other, 1, others, device, TRACKS, 1, DELIVERY_HOLD);
	assert_int_equal(primary_wait(other, 1)->status, STATUS_BAD_REQUEST);
	assert_int_equal(asked_size(other), 2 * TRACKS * BED_TRACK_BYTES);
	primary_release(primary, link_id);
	primary_release(other, others);
	primary_drop(other);
	other = primary_new(bed);
	/* No jobs any more: the size of now is in force. */
	assert_int_equal(asked_size(other), 2 * TRACKS * BED_TRACK_BYTES);
	assert_int_equal(other->answers[9].volume.whole_bytes, 2 * TRACKS * BED_TRACK_BYTES);
	assert_int_equal(record()->constants.track_count, 2 * TRACKS);
	primary_drop(other);
}

/* Between two passes a session has no job, and what it reads next goes by what others have fixed. */
static void session_that_has_released_its_jobs_is_told_the_size_in_force(void **state)
{
	struct primary *other = primary_new(bed);
	uint64_t link_id = primary_link(primary, device), others;

	(void)state;
	asked_size(other);
	others = primary_link(other, device);
	faulty_volume_set_size(bed->volumes[0], 2 * TRACKS * BED_TRACK_BYTES);
	assert_int_equal(asked_size(other), 2 * TRACKS * BED_TRACK_BYTES);
	primary_release(other, others);
	assert_int_equal(asked_size(other), TRACKS * BED_TRACK_BYTES);
	primary_release(primary, link_id);
	assert_int_equal(asked_size(other), 2 * TRACKS * BED_TRACK_BYTES);
	primary_drop(other);
}

/* Opens, sizes and closes that meet a full DA queue are tried again, each once. */
static void devices_share_a_queue_of_one_element(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 1;
	bed = bed_new(&config, TRACKS);
	primary = primary_new(bed);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < BED_DEVICES; i++) {
			struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 10 * round + i } };

			snprintf(query.device_query.device, sizeof(query.device_query.device), "d%u", i);
			primary_send(primary, &query);
		}
		for (uint32_t i = 0; i < BED_DEVICES; i++) {
			struct answer *answer = primary_wait(primary, 10 * round + i);

			assert_int_equal(answer->status, STATUS_OK);
			assert_int_equal(answer->volume.size_bytes, TRACKS * BED_TRACK_BYTES);
		}
	}
	primary_drop(primary);
	primary = NULL;
	BED_UNTIL(bed, bed_is_quiet(bed));
	for (uint32_t i = 0; i < BED_DEVICES; i++) {
		assert_int_equal(faulty_volume_count(bed->volumes[i]).opens, 1);
		assert_int_equal(faulty_volume_count(bed->volumes[i]).closes, 1);
	}
}

static void too_small_cache_is_refused(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	config.cache_bytes -= 1;
	assert_null(ra_new(&config, bed->clock, bed->mailbox, bed->post));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(record_is_null_while_the_device_is_not_accessed),
		T(record_has_the_fields_of_figure_10), T(new_job_has_shared_pointer_constants_and_specific_data),
		T(ring_is_walked_both_ways_from_the_active_job), T(first_free_element_is_used),
		T(full_array_posts_and_changes_nothing), T(half_of_the_array_is_kept_for_fetch_jobs),
		T(started_command_makes_its_job_the_active_one), T(track_id_table_is_made_for_the_run),
		T(volume_that_does_not_open_is_told_and_forgotten),
		T(volume_whose_open_hangs_times_out_and_comes_back), T(second_query_tells_the_size_of_now),
		T(session_that_has_released_its_jobs_is_told_the_size_in_force),
		T(first_query_of_a_session_tells_the_size_in_force),
		T(devices_share_a_queue_of_one_element),
		T(too_small_cache_is_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
