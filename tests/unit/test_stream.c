/* SPDX-License-Identifier: Apache-2.0
 *
 * One stream against a primary that the test plays: both reads at once, short answers, Fig. 3, retries, lost slots.
 * check-style: long because all of it needs the same stream and fake primary.
 */
#include "primary/compare/stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/post.h"
#include "primary/compare/options.h"
#include "primary/compare/report.h"
#include "tests/unit/fake_client.h"

#define RUN_TRACKS 4u
#define SLOT_BYTES (RUN_TRACKS * FAKE_TRACK_BYTES)

/* The memory of the system, as shm_fill finds it. */
static bool has_no_memory;

int __real_shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes);
int __wrap_shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes);

int __wrap_shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes)
{
	return has_no_memory ? -ENOMEM : __real_shm_fill(shm, slot, bytes);
}

struct fixture {
	struct clock *clock;
	struct shm *shm;
	struct client *client;
	struct options options;
	struct report *report;
	struct stream_shared shared;
	bool is_hanging[SIDE_COUNT];
	struct stream *stream;
	uint8_t zeros[FAKE_TRACK_BYTES];
	enum run_kind kind; /* of the next run; likewise the next two */
	enum digest digest;
	uint32_t run_tracks;
	enum { LOOKED_NOT, LOOKED_LOCAL, LOOKED_BOTH } looked[RUN_DIGESTS_MAX + 1]; /* by track */
	uint64_t next, end;
	unsigned stretches;      /* of equal tracks */
	unsigned answered;       /* runs */
	int64_t took_ms;         /* of the last */
	uint64_t hole_tracks;    /* likewise */
	bool has_data;           /* likewise */
	uint32_t spare, spare_end;
	unsigned ended;
	enum status fatal;
};

static bool next_run(void *arg, struct stream_run *run)
{
	struct fixture *f = arg;

	if (f->next == f->end)
		return false;
	run->kind = f->kind;
	run->digest = f->digest;
	run->first_track = f->next;
	run->track_count = f->end - f->next < f->run_tracks ? (uint32_t)(f->end - f->next) : f->run_tracks;
	f->next += run->track_count;
	return true;
}

static void assert_of_run(const struct stream_run *run, uint64_t first_track, uint64_t count)
{
	assert_true(first_track >= run->first_track && first_track + count <= run->first_track + run->track_count);
	assert_true(run->asked_wall_s > 0 && run->asked_wall_s <= time(NULL));
}

static void equal(void *arg, const struct stream_run *run, uint64_t first_track, uint64_t count, bool is_hole)
{
	struct fixture *f = arg;

	assert_of_run(run, first_track, count);
	assert_true(count > 0 && run->kind != RUN_FIRST);
	for (uint64_t i = 0; i < count; i++)
		f->looked[first_track + i] = LOOKED_BOTH;
	f->stretches++;
	report_identical(f->report, first_track, count, is_hole);
}

static void compared(void *arg, const struct stream_run *run, const struct stream_track *track)
{
	static const struct report_confirm unconfirmed;
	struct fixture *f = arg;

	assert_of_run(run, track->track, 1);
	f->looked[track->track] = track->remote ? LOOKED_BOTH : LOOKED_LOCAL;
	if (run->kind != RUN_FIRST)
		report_different(f->report, track->track, track->is_hole, run->digest ? NULL : track->local,
			run->digest ? NULL : track->remote, &unconfirmed);
}

static void answered(void *arg, const struct stream_run *run, int64_t took_ms, uint64_t hole_tracks)
{
	struct fixture *f = arg;

	f->answered++;
	f->has_data = run->has_data;
	f->took_ms = took_ms;
	f->hole_tracks = hole_tracks;
}

static void unreadable(void *arg, const struct stream_run *run, uint64_t track)
{
	(void)run;
	report_unreadable(((struct fixture *)arg)->report, track);
}

static void gave_up(void *arg, const struct stream_run *run, uint64_t first_track, uint64_t count,
	enum report_reason reason)
{
	(void)run;
	report_not_compared(((struct fixture *)arg)->report, first_track, count, reason);
}

static bool spare_slot(void *arg, uint32_t *slot)
{
	struct fixture *f = arg;

	if (f->spare == f->spare_end)
		return false;
	*slot = f->spare++;
	return true;
}

static void ended(void *arg)
{
	((struct fixture *)arg)->ended++;
}

static void fatal(void *arg, enum status status, const char *detail)
{
	(void)detail;
	((struct fixture *)arg)->fatal = status;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	f->clock = clock_new_virtual();
	assert_int_equal(shm_create(3, SLOT_BYTES, &f->shm, &fd), 0);
	close(fd);
	f->client = client_new(NULL, NULL, -1, f->shm, -1, NULL, NULL);
	f->options = (struct options){ .delivery = DELIVERY_DISCONNECT, .track_bytes = FAKE_TRACK_BYTES,
		.run_tracks = RUN_TRACKS, .retry_delay_ms = 100, .read_timeout_ms = 1000 };
	f->shared = (struct stream_shared){ .client = f->client, .clock = f->clock, .shm = f->shm, .options = &f->options,
		.zeros = f->zeros, .arg = f, .next_run = next_run, .equal = equal, .compared = compared,
		.unreadable = unreadable, .gave_up = gave_up, .answered = answered, .spare_slot = spare_slot, .idle = ended,
		.fatal = fatal };
	f->shared.is_hanging = f->is_hanging;
	f->run_tracks = RUN_TRACKS;
	f->stream = stream_new(&f->shared, 5, 0, 1);
	f->spare = 2;
	f->spare_end = 2;
	*state = f;
	return 0;
}

/* Volumes of these sizes; the stream has its first run. */
static void start(struct fixture *f, uint64_t local_bytes, uint64_t remote_bytes)
{
	struct report_setup setup = { .local = { .size_bytes = local_bytes }, .remote = { .size_bytes = remote_bytes },
		.name_local = "a", .name_remote = "b", .track_bytes = FAKE_TRACK_BYTES, .exact_tracks = 10, .pass = 1 };

	f->client->local_bytes = local_bytes;
	f->client->remote_bytes = remote_bytes;
	f->report = report_new(&setup);
	f->shared.report = f->report;
	f->shared.remote_bytes = remote_bytes;
	f->shared.common_bytes = local_bytes < remote_bytes ? local_bytes : remote_bytes;
	f->shared.track_bytes = FAKE_TRACK_BYTES;
	f->end = report_end_track(f->report);
	assert_true(stream_start(f->stream));
}

static void start_tracks(struct fixture *f, uint64_t tracks)
{
	start(f, tracks * FAKE_TRACK_BYTES, tracks * FAKE_TRACK_BYTES);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	has_no_memory = false;
	client_free(f->client);
	stream_free(f->stream);
	report_free(f->report);
	shm_unref(f->shm);
	clock_free(f->clock);
	free(f);
	return 0;
}

static uint64_t tracks(const struct fixture *f, enum report_state state)
{
	return report_figures(f->report)->tracks[state];
}

static void both_sides_are_asked_at_the_same_time(void **state)
{
	struct fixture *f = *state;
	const struct msg_host_read *local, *remote;

	start_tracks(f, 6);
	local = fake_pending(f->client, SIDE_LOCAL);
	remote = fake_pending(f->client, SIDE_REMOTE);
	assert_non_null(local);
	assert_non_null(remote);
	assert_int_equal(remote->first_track, 0);
	assert_int_equal(remote->track_count, RUN_TRACKS);
	assert_int_equal(remote->stream, 5);
	assert_int_equal(remote->delivery, DELIVERY_DISCONNECT);
	assert_int_equal(local->track_count, RUN_TRACKS);
	assert_int_not_equal(local->slot, remote->slot);
}

static void runs_follow_each_other_to_the_end(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 10);
	fake_answer_all(f->client);
	assert_int_equal(f->ended, 1);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 10);
	assert_int_equal(f->client->reads_sent, 6);
	assert_int_equal(report_link(f->report)->reads, 3);
}

static void either_side_may_answer_first(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 8);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 0);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 8);
}

static void a_difference_is_found_where_it_is(void **state)
{
	struct fixture *f = *state;
	const struct report_range *range;

	f->client->remote[5 * FAKE_TRACK_BYTES + 17] ^= 1;
	start_tracks(f, 8);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_DIFFERENT), 1);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 7);
	range = report_range(f->report, 0);
	assert_int_equal(range->offset_bytes, 5 * FAKE_TRACK_BYTES + 17);
	assert_int_equal(range->length_bytes, 1);
}

static void only_the_missing_tracks_are_asked_again(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_some(f->client, SIDE_REMOTE, 1);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 1);
	assert_null(fake_pending(f->client, SIDE_LOCAL));
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->first_track, 1);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->track_count, 3);
	fake_answer_some(f->client, SIDE_REMOTE, 2);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
	assert_int_equal(f->ended, 1);
}

static void short_local_answers_keep_the_remote_data(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer_some(f->client, SIDE_LOCAL, 3);
	assert_null(fake_pending(f->client, SIDE_REMOTE));
	assert_int_equal(fake_pending(f->client, SIDE_LOCAL)->first_track, 3);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
}

static void packed_remote_data_is_found_behind_zeros_and_holes(void **state)
{
	struct fixture *f = *state;

	memset(f->client->local + FAKE_TRACK_BYTES, 0, 2 * FAKE_TRACK_BYTES);
	memset(f->client->remote + FAKE_TRACK_BYTES, 0, 2 * FAKE_TRACK_BYTES);
	f->client->remote_states[1] = TRACK_ZERO;
	f->client->remote_states[2] = TRACK_HOLE;
	f->client->local_states[2] = TRACK_HOLE;
	start_tracks(f, 4);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
	assert_int_equal(report_figures(f->report)->hole_bytes, FAKE_TRACK_BYTES);
}

static void zeros_differ_from_data(void **state)
{
	struct fixture *f = *state;

	f->client->remote_states[0] = TRACK_ZERO;
	f->client->local_states[1] = TRACK_HOLE;
	start_tracks(f, 2);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_DIFFERENT), 2);
}

static void only_common_bytes_of_the_boundary_track_are_compared(void **state)
{
	struct fixture *f = *state;

	f->client->local[3 * FAKE_TRACK_BYTES + 100] ^= 1; /* beyond the end of remote */
	start(f, 4 * FAKE_TRACK_BYTES, 3 * FAKE_TRACK_BYTES + 100);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 3);
	assert_int_equal(report_figures(f->report)->range_count, 1); /* the tail */
	assert_true(report_figures(f->report)->is_only_tail);
}

static void unreadable_tracks_do_not_stop_the_others(void **state)
{
	struct fixture *f = *state;
	const struct posted_error *error;

	f->client->remote_states[1] = TRACK_EIO;
	f->client->remote_states[2] = TRACK_EIO;
	f->client->local_states[6] = TRACK_SHRUNK;
	start_tracks(f, 8);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_UNREADABLE), 3);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 5);
	assert_int_equal(post_total(report_post(f->report)), 2);
	error = post_recent(report_post(f->report), 1);
	assert_int_equal(error->first_track, 1);
	assert_int_equal(error->track_count, 2);
}

static void unreadable_tracks_that_do_not_touch_are_posted_apart(void **state)
{
	struct fixture *f = *state;

	f->client->local_states[0] = TRACK_EIO;
	f->client->local_states[2] = TRACK_EIO;
	f->client->local_states[3] = TRACK_SHRUNK;
	start_tracks(f, 4);
	fake_answer_all(f->client);
	assert_int_equal(post_total(report_post(f->report)), 3);
	assert_int_equal(post_recent(report_post(f->report), 2)->first_track, 0);
}

static void data_not_found_is_asked_again_after_the_delay_with_its_floor(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 77, false);
	clock_advance(f->clock, 99);
	assert_null(fake_pending(f->client, SIDE_REMOTE));
	clock_advance(f->clock, 1);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->floor, 77);
	assert_false(fake_pending(f->client, SIDE_REMOTE)->reread);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
	assert_int_equal(report_link(f->report)->data_not_found, 1);
}

static void the_rest_of_a_polled_run_has_no_floor(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 4);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 77, false);
	clock_advance(f->clock, 100);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_some(f->client, SIDE_REMOTE, 2);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->floor, 0);
}

static void polling_ends_with_the_read_time_out(void **state)
{
	struct fixture *f = *state;
	unsigned asked;

	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	for (asked = 1; fake_pending(f->client, SIDE_REMOTE) && asked < 100; asked++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
		clock_advance(f->clock, 100);
	}
	assert_int_equal(asked - 1, 11); /* at 0, 100, … 1000 ms */
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_FOUND], 4);
	assert_int_equal(f->ended, 1);
}

static void a_pause_of_the_link_counts_in_no_read_time_out(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	f->options.read_timeout_ms = 250;
	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	clock_advance(f->clock, 100);
	f->shared.pause = (struct stream_pause){ .is_on = true, .since_ms = clock_now_ms(f->clock) };
	clock_advance(f->clock, 20000);
	f->shared.pause = (struct stream_pause){ .total_ms = 20000 };
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	clock_advance(f->clock, 100);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_FOUND], 0);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_FOUND], 4);
}

static void time_held_back_by_limits_counts_in_no_read_time_out(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	f->options.read_timeout_ms = 250;
	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	clock_advance(f->clock, 5000);
	f->client->throttled_ms = 5000;
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	f->client->throttled_ms = 0;
	clock_advance(f->clock, 100);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	clock_advance(f->clock, 100);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_FOUND], 0);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_FOUND], 4);
	assert_int_equal(report_figures(f->report)->link.throttled_ms, 5000);
}

static const struct report_waits *waits(const struct fixture *f)
{
	return &report_figures(f->report)->link.waits;
}

static void the_side_that_comes_last_was_waited_for_alone(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	clock_advance(f->clock, 30);
	fake_answer(f->client, SIDE_LOCAL);
	clock_advance(f->clock, 100);
	f->client->throttled_ms = 7;
	f->client->disk_ms = 40;
	f->client->cpu_ms = 9;
	fake_answer_some(f->client, SIDE_REMOTE, 2);
	clock_advance(f->clock, 5);
	f->client->cpu_ms = 0; /* not told */
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(waits(f)->asked_ms[SIDE_LOCAL], 30);
	assert_int_equal(waits(f)->asked_ms[SIDE_REMOTE], 135);
	assert_int_equal(waits(f)->alone_ms[SIDE_LOCAL], 0);
	assert_int_equal(waits(f)->alone_ms[SIDE_REMOTE], 105); /* the rest was asked for when the local side was there */
	assert_int_equal(waits(f)->throttled_ms[SIDE_LOCAL], 0);
	assert_int_equal(waits(f)->throttled_ms[SIDE_REMOTE], 14);
	assert_int_equal(waits(f)->disk_ms, 80);
	assert_int_equal(waits(f)->cpu_ms[SIDE_LOCAL], 0);
	assert_int_equal(waits(f)->cpu_ms[SIDE_REMOTE], 9);
}

static void waiting_for_the_link_or_to_ask_again_is_told_apart(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	clock_advance(f->clock, 10);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	clock_advance(f->clock, 100);
	f->shared.pause = (struct stream_pause){ .is_on = true, .since_ms = clock_now_ms(f->clock) };
	clock_advance(f->clock, 20000);
	f->shared.pause = (struct stream_pause){ .total_ms = 20000 };
	clock_advance(f->clock, 10);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(waits(f)->asked_ms[SIDE_REMOTE], 120);
	assert_int_equal(waits(f)->alone_ms[SIDE_REMOTE], 120);
	assert_int_equal(waits(f)->delayed_ms[SIDE_REMOTE], 100);
	assert_int_equal(waits(f)->delayed_ms[SIDE_LOCAL], 0);
}

static void what_came_from_each_side_is_counted_without_holes(void **state)
{
	struct fixture *f = *state;

	f->client->local_states[0] = TRACK_HOLE;
	f->client->local_states[1] = TRACK_EIO;
	f->client->remote_states[2] = TRACK_ZERO;
	start(f, 3 * FAKE_TRACK_BYTES + 100, 3 * FAKE_TRACK_BYTES + 100);
	fake_answer_all(f->client);
	assert_int_equal(waits(f)->read_bytes[SIDE_LOCAL], FAKE_TRACK_BYTES + 100);
	assert_int_equal(waits(f)->read_bytes[SIDE_REMOTE], 3 * FAKE_TRACK_BYTES + 100);
}

static void each_part_of_a_run_has_its_own_read_time_out(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	for (int part = 0; part < 2; part++) {
		for (int i = 0; i < 8; i++) {
			fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
			clock_advance(f->clock, 100);
		}
		fake_answer_some(f->client, SIDE_REMOTE, 2);
	}
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
}

static void a_time_out_is_read_again_three_times(void **state)
{
	struct fixture *f = *state;
	static const int64_t delays_ms[] = { 500, 1000, 2000 };

	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	assert_false(fake_pending(f->client, SIDE_REMOTE)->reread);
	for (int i = 0; i < 3; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
		clock_advance(f->clock, delays_ms[i] - 1);
		assert_null(fake_pending(f->client, SIDE_REMOTE));
		clock_advance(f->clock, 1);
		assert_true(fake_pending(f->client, SIDE_REMOTE)->reread);
	}
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
	assert_int_equal(report_figures(f->report)->reasons[REASON_TIMED_OUT], 4);
	assert_int_equal(report_link(f->report)->timeouts, 4);
	assert_int_equal(post_count(report_post(f->report), STATUS_TIMEOUT), 1);
	assert_int_equal(f->ended, 1);
}

static void a_retry_that_succeeds_leaves_no_trace(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 8);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
	clock_advance(f->clock, 500);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
	assert_false(fake_pending(f->client, SIDE_REMOTE)->reread); /* of the next run */
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 8);
	assert_int_equal(post_total(report_post(f->report)), 0);
}

static void a_reread_by_poll_goes_on_with_the_floor(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 4);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
	clock_advance(f->clock, 500);
	assert_true(fake_pending(f->client, SIDE_REMOTE)->reread);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 99, false);
	clock_advance(f->clock, 100);
	assert_false(fake_pending(f->client, SIDE_REMOTE)->reread);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->floor, 99);
}

static void each_refusal_has_its_reason(void **state)
{
	static const struct {
		enum status status;
		enum report_reason reason;
	} cases[] = {
		{ STATUS_QUEUE_FULL, REASON_REFUSED },
		{ STATUS_NO_FREE_JOB, REASON_REFUSED },
		{ STATUS_NOT_READY, REASON_NOT_READY },
	};
	struct fixture *f = *state;

	start_tracks(f, 12);
	for (size_t i = 0; i < 3; i++) {
		fake_answer(f->client, SIDE_REMOTE);
		for (int j = 0; j < 4; j++) {
			fake_answer_status(f->client, SIDE_LOCAL, cases[i].status, 0, false);
			clock_advance(f->clock, 2000);
		}
		assert_int_equal(report_figures(f->report)->reasons[cases[i].reason], i == 1 ? 8 : 4);
	}
	assert_int_equal(f->ended, 1);
}

/* The first run waits for it; the rest asks once each, until a read comes through again. */
static void a_volume_that_hangs_is_waited_for_only_once(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 16);
	fake_answer(f->client, SIDE_REMOTE);
	for (int i = 0; i < 4; i++) {
		fake_answer_status(f->client, SIDE_LOCAL, STATUS_NOT_READY, 0, false);
		clock_advance(f->clock, 2000);
	}
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_READY], 4);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer_status(f->client, SIDE_LOCAL, STATUS_NOT_READY, 0, false);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_READY], 8); /* no time has passed */
	assert_int_equal(post_count(report_post(f->report), STATUS_NOT_READY), 1);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer_status(f->client, SIDE_LOCAL, STATUS_NOT_READY, 0, false);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NOT_READY], 8); /* it is waited for again */
	clock_advance(f->clock, 2000);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(f->ended, 1);
}

static void a_run_is_given_up_once_though_both_sides_fail(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	for (int i = 0; i < 4; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
		fake_answer_status(f->client, SIDE_LOCAL, STATUS_NOT_READY, 0, false);
		clock_advance(f->clock, 2000);
	}
	assert_int_equal(tracks(f, REPORT_NOT_COMPARED), 4);
	assert_int_equal(f->ended, 1);
}

static void a_given_up_run_does_not_wait_for_a_delay(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 8);
	for (int i = 0; i < 3; i++) {
		fake_answer_status(f->client, SIDE_LOCAL, STATUS_NOT_READY, 0, false);
		clock_advance(f->clock, 2000);
	}
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
	assert_null(fake_pending(f->client, SIDE_REMOTE));
	fake_answer_status(f->client, SIDE_LOCAL, STATUS_NOT_READY, 0, false);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->first_track, 4);
	assert_false(fake_pending(f->client, SIDE_REMOTE)->reread);
}

static void a_given_up_run_waits_for_the_read_in_flight(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 8);
	for (int i = 0; i < 4; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
		clock_advance(f->clock, 2000);
	}
	assert_int_equal(tracks(f, REPORT_NOT_COMPARED), 4);
	assert_null(fake_pending(f->client, SIDE_REMOTE)); /* the local slot is not free yet */
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->first_track, 4);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
}

static void a_volume_error_makes_the_rest_unreadable(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_some(f->client, SIDE_REMOTE, 1);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_VOLUME_ERROR, 0, false);
	assert_int_equal(tracks(f, REPORT_UNREADABLE), 3);
	assert_int_equal(f->ended, 1);
}

static void a_lost_slot_is_never_used_again(void **state)
{
	struct fixture *f = *state;
	uint32_t lost;

	f->spare_end = 3;
	start_tracks(f, 8);
	fake_answer(f->client, SIDE_LOCAL);
	lost = fake_pending(f->client, SIDE_REMOTE)->slot;
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, true);
	clock_advance(f->clock, 500);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->slot, 2);
	while (f->client->read_count > 0) {
		assert_int_not_equal(f->client->reads[0].request.slot, lost);
		fake_answer(f->client, f->client->reads[0].request.side);
	}
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 8);
	assert_false(stream_has_stopped(f->stream));
}

static void a_stream_without_a_slot_stops(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 8);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer_status(f->client, SIDE_LOCAL, STATUS_TIMEOUT, 0, true);
	clock_advance(f->clock, 500);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NO_MEMORY], 4);
	assert_true(stream_has_stopped(f->stream));
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->next, 4); /* it took no other run */
	assert_false(stream_start(f->stream));
}

static void a_stream_stops_when_there_is_no_memory_for_its_slot(void **state)
{
	for (int at_start = 0; at_start < 2; at_start++) {
		struct fixture *f = *state;

		start_tracks(f, 12);
		if (at_start) {
			fake_answer(f->client, SIDE_LOCAL);
			has_no_memory = true;
			fake_answer_some(f->client, SIDE_REMOTE, 3);
			assert_int_equal(tracks(f, REPORT_IDENTICAL), 3);
			assert_int_equal(f->ended, 1);
		} else {
			stream_abandon(f->stream, REASON_LOST);
			stream_free(f->stream);
			f->stream = stream_new(&f->shared, 5, 0, 1);
			has_no_memory = true;
			assert_false(stream_start(f->stream));
			assert_int_equal(f->ended, 0);
		}
		assert_true(stream_is_idle(f->stream));
		assert_true(stream_has_stopped(f->stream));
		assert_int_equal(report_figures(f->report)->reasons[REASON_NO_MEMORY], at_start ? 1 : 4);
		tear_down(state);
		set_up(state);
	}
}

static void a_lost_link_is_fatal(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_LINK_LOST, 0, false);
	assert_int_equal(f->fatal, STATUS_LINK_LOST);
	stream_abandon(f->stream, REASON_LOST);
	assert_int_equal(report_figures(f->report)->reasons[REASON_LOST], 4);
}

static void an_abandoned_stream_ignores_late_replies(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	fake_answer_some(f->client, SIDE_LOCAL, 1);
	stream_abandon(f->stream, REASON_INTERRUPTED);
	assert_int_equal(report_figures(f->report)->reasons[REASON_INTERRUPTED], 4);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(tracks(f, REPORT_NOT_COMPARED), 4);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 0);
	assert_int_equal(f->client->read_count, 0);
	assert_int_equal(f->ended, 0);
}

/* ---- Runs of settling ---- */

static void assert_looked(const struct fixture *f, unsigned looked, uint64_t first_track, uint64_t end)
{
	for (uint64_t track = 0; track < 64; track++)
		if ((unsigned)f->looked[track] != (track >= first_track && track < end ? looked : LOOKED_NOT))
			fail_msg("track %u was looked at: %d", (unsigned)track, (int)f->looked[track]);
}

static void the_first_read_of_a_round_is_of_the_local_volume_alone(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_FIRST;
	start_tracks(f, 6);
	assert_int_equal(f->client->read_count, 1);
	assert_int_equal(f->client->reads[0].request.side, SIDE_LOCAL);
	assert_int_equal(f->client->reads[0].request.track_count, RUN_TRACKS);
	assert_false(f->client->reads[0].request.reread);
	fake_answer_some(f->client, SIDE_LOCAL, 3);
	assert_looked(f, LOOKED_LOCAL, 0, 3);
	assert_int_equal(f->client->reads[0].request.first_track, 3);
	fake_answer_all(f->client);
	assert_looked(f, LOOKED_LOCAL, 0, 6);
	assert_int_equal(f->ended, 1);
	assert_int_equal(report_link(f->report)->reads, 0);
}

static void a_first_read_may_fail(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_FIRST;
	f->client->local_states[1] = TRACK_EIO;
	start_tracks(f, 8);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(tracks(f, REPORT_UNREADABLE), 1);
	assert_int_equal(f->looked[0], LOOKED_LOCAL);
	assert_int_equal(f->looked[1], LOOKED_NOT);
	for (int i = 0; i < 4; i++) {
		fake_answer_status(f->client, SIDE_LOCAL, STATUS_TIMEOUT, 0, false);
		clock_advance(f->clock, 2000);
	}
	assert_int_equal(tracks(f, REPORT_NOT_COMPARED), 4);
	assert_int_equal(f->ended, 1);
}

static void the_second_read_is_remote_anew_and_local_after_it(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_SECOND;
	start_tracks(f, 4);
	assert_int_equal(f->client->read_count, 1); /* the local volume waits */
	assert_int_equal(f->client->reads[0].request.side, SIDE_REMOTE);
	assert_int_equal(f->client->reads[0].request.track_count, 4);
	assert_true(f->client->reads[0].request.reread);
	fake_answer_some(f->client, SIDE_REMOTE, 2);
	assert_int_equal(f->client->read_count, 1);
	assert_int_equal(f->client->reads[0].request.side, SIDE_LOCAL);
	assert_int_equal(f->client->reads[0].request.first_track, 0);
	assert_int_equal(f->client->reads[0].request.track_count, 2); /* no more than the remote answer has */
	fake_answer_some(f->client, SIDE_LOCAL, 1);
	assert_looked(f, LOOKED_BOTH, 0, 1);
	assert_int_equal(f->client->reads[0].request.side, SIDE_LOCAL);
	assert_int_equal(f->client->reads[0].request.first_track, 1);
	assert_int_equal(f->client->reads[0].request.track_count, 1);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(f->client->read_count, 1);
	assert_int_equal(f->client->reads[0].request.side, SIDE_REMOTE);
	assert_int_equal(f->client->reads[0].request.first_track, 2);
	assert_true(f->client->reads[0].request.reread); /* the rest too */
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	assert_looked(f, LOOKED_BOTH, 0, 4);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
	assert_int_equal(f->ended, 1);
}

static void what_the_local_volume_has_then_is_compared(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_SECOND;
	f->client->local[0] ^= 1;
	start_tracks(f, 4);
	fake_answer(f->client, SIDE_REMOTE);
	f->client->local[0] ^= 1; /* written meanwhile */
	f->client->local[FAKE_TRACK_BYTES] ^= 1;
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 3);
	assert_int_equal(tracks(f, REPORT_DIFFERENT), 1);
}

static void a_second_read_that_is_asked_again_is_still_anew(void **state)
{
	struct fixture *f = *state;
	static const enum status statuses[] = { STATUS_QUEUE_FULL, STATUS_TIMEOUT, STATUS_NO_FREE_JOB };

	f->kind = RUN_SECOND;
	start_tracks(f, 4);
	for (int i = 0; i < 3; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, statuses[i], 0, false);
		assert_int_equal(f->client->read_count, 0);
		clock_advance(f->clock, 2000);
		assert_int_equal(f->client->read_count, 1);
		assert_int_equal(f->client->reads[0].request.side, SIDE_REMOTE);
		assert_true(f->client->reads[0].request.reread);
		assert_int_equal(f->client->reads[0].request.floor, 0);
	}
	fake_answer_some(f->client, SIDE_REMOTE, 3);
	fake_answer_status(f->client, SIDE_LOCAL, STATUS_TIMEOUT, 0, false);
	clock_advance(f->clock, 500);
	assert_int_equal(f->client->read_count, 1); /* the remote data waits for it */
	assert_int_equal(f->client->reads[0].request.side, SIDE_LOCAL);
	assert_false(f->client->reads[0].request.reread);
	fake_answer(f->client, SIDE_LOCAL);
	assert_looked(f, LOOKED_BOTH, 0, 3);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
}

static void a_second_read_by_poll_keeps_its_floor(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_SECOND;
	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 4);
	assert_true(f->client->reads[0].request.reread);
	for (int i = 0; i < 2; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 77, false);
		clock_advance(f->clock, 100);
		assert_int_equal(f->client->reads[0].request.floor, 77);
		assert_false(f->client->reads[0].request.reread); /* or it would never be found */
	}
	fake_answer_some(f->client, SIDE_REMOTE, 1);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(f->client->reads[0].request.first_track, 1);
	assert_int_equal(f->client->reads[0].request.floor, 0);
	assert_true(f->client->reads[0].request.reread);
}

static void a_second_read_that_does_not_come_asks_nothing_of_the_local_volume(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_SECOND;
	start_tracks(f, 4);
	for (int i = 0; i < 4; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
		clock_advance(f->clock, 2000);
	}
	assert_int_equal(f->client->read_count, 0);
	assert_int_equal(tracks(f, REPORT_NOT_COMPARED), 4);
	assert_int_equal(f->ended, 1);
	assert_looked(f, LOOKED_BOTH, 0, 0);
}

static void a_second_read_without_a_slot_gives_the_rest_up(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_SECOND;
	start_tracks(f, 4);
	fake_answer_some(f->client, SIDE_REMOTE, 2);
	fake_answer_status(f->client, SIDE_LOCAL, STATUS_TIMEOUT, 0, true);
	clock_advance(f->clock, 500);
	assert_int_equal(report_figures(f->report)->reasons[REASON_NO_MEMORY], 4);
	assert_int_equal(f->ended, 1);
}

static void runs_of_all_kinds_may_follow_each_other(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 16);
	f->kind = RUN_SECOND;
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(f->client->read_count, 1);
	f->kind = RUN_FIRST;
	fake_answer_all(f->client);
	assert_int_equal(f->ended, 1);
	for (uint64_t track = 0; track < 16; track++)
		assert_int_equal(f->looked[track], track < 8 ? LOOKED_BOTH : LOOKED_LOCAL);
}

/* ---- Digests ---- */

static void start_digests(struct fixture *f, uint64_t count)
{
	f->digest = DIGEST_XXH3_128;
	start_tracks(f, count);
}

static void digests_are_asked_for_up_to_the_end_of_both(void **state)
{
	struct fixture *f = *state;

	f->digest = DIGEST_SHA256;
	start(f, 4 * FAKE_TRACK_BYTES, 3 * FAKE_TRACK_BYTES + 100);
	for (enum side side = SIDE_LOCAL; side < SIDE_COUNT; side++) {
		const struct msg_host_read *read = fake_pending(f->client, side);

		assert_int_equal(read->digest, DIGEST_SHA256);
		assert_int_equal(read->end_bytes, 3 * FAKE_TRACK_BYTES + 100);
		assert_false(read->reread);
	}
	f->client->local[3 * FAKE_TRACK_BYTES + 100] ^= 1; /* beyond the end of remote */
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 3);
	assert_true(report_figures(f->report)->is_only_tail);
	assert_int_equal(report_figures(f->report)->compared_bytes, 3 * FAKE_TRACK_BYTES + 100);
	assert_int_equal(waits(f)->read_bytes[SIDE_REMOTE], 3 * FAKE_TRACK_BYTES + 100);
}

/* With zeros and holes between them on either side, and short answers: none is taken for another's. */
static void each_digest_is_compared_with_that_of_the_same_track(void **state)
{
	struct fixture *f = *state;

	f->run_tracks = 12;
	memset(f->client->local + 2 * FAKE_TRACK_BYTES, 0, 3 * FAKE_TRACK_BYTES);
	memset(f->client->remote + 2 * FAKE_TRACK_BYTES, 0, 3 * FAKE_TRACK_BYTES);
	f->client->local_states[3] = TRACK_HOLE;
	f->client->remote_states[4] = TRACK_HOLE;
	f->client->remote[7 * FAKE_TRACK_BYTES + 9] ^= 1;
	start_digests(f, 24);
	fake_answer_some(f->client, SIDE_REMOTE, 6);
	fake_answer_some(f->client, SIDE_LOCAL, 9);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 23);
	assert_int_equal(tracks(f, REPORT_DIFFERENT), 1);
	assert_int_equal(report_range(f->report, 0)->offset_bytes, 7 * FAKE_TRACK_BYTES);
	assert_int_equal(report_range(f->report, 0)->length_bytes, FAKE_TRACK_BYTES);
	assert_int_equal(report_figures(f->report)->hole_bytes, 2 * FAKE_TRACK_BYTES);
}

static void a_track_of_data_equals_no_zeros_whatever_its_digest(void **state)
{
	struct fixture *f = *state;

	f->client->has_zero_digests = true;
	f->client->local_states[0] = TRACK_ZERO;
	f->client->remote_states[1] = TRACK_HOLE;
	start_digests(f, 3);
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_DIFFERENT), 2);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 1);
}

static void a_run_may_have_as_many_digests_as_a_read(void **state)
{
	struct fixture *f = *state;

	f->run_tracks = RUN_DIGESTS_MAX;
	f->client->remote[63 * FAKE_TRACK_BYTES] ^= 1;
	start_digests(f, RUN_DIGESTS_MAX + 1);
	assert_int_equal(f->client->reads[0].request.track_count, RUN_DIGESTS_MAX);
	fake_answer_all(f->client);
	assert_int_equal(f->client->reads_sent, 4);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), RUN_DIGESTS_MAX);
	assert_int_equal(report_range(f->report, 0)->offset_bytes, 63 * FAKE_TRACK_BYTES);
}

static void where_digests_differ_the_data_of_both_is_read_anew(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_EXACT;
	f->client->remote[FAKE_TRACK_BYTES] ^= 1;
	start_tracks(f, 4);
	assert_int_equal(f->client->read_count, 2);
	assert_true(fake_pending(f->client, SIDE_REMOTE)->reread);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->digest, DIGEST_NONE);
	assert_false(fake_pending(f->client, SIDE_LOCAL)->reread);
	fake_answer_some(f->client, SIDE_REMOTE, 1);
	fake_answer(f->client, SIDE_LOCAL);
	assert_true(fake_pending(f->client, SIDE_REMOTE)->reread); /* the rest too */
	fake_answer_all(f->client);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 3);
	assert_int_equal(report_range(f->report, 0)->length_bytes, 1);
}

static void rounds_may_go_by_digest(void **state)
{
	struct fixture *f = *state;

	f->kind = RUN_FIRST;
	start_digests(f, 8);
	f->kind = RUN_SECOND;
	assert_int_equal(f->client->reads[0].request.digest, DIGEST_XXH3_128);
	fake_answer_all(f->client);
	for (uint64_t track = 0; track < 8; track++)
		assert_int_equal(f->looked[track], track < 4 ? LOOKED_LOCAL : LOOKED_BOTH);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 4);
}

/* ---- Stretches, and the end of a run ---- */

static void equal_tracks_are_told_in_stretches(void **state)
{
	struct fixture *f = *state;

	f->run_tracks = 60;
	f->client->remote[10 * FAKE_TRACK_BYTES] ^= 1; /* 0-9, 11-19, 20-29, 31-59 */
	f->client->remote_states[30] = TRACK_EIO;
	memset(f->client->local + 20 * FAKE_TRACK_BYTES, 0, 10 * FAKE_TRACK_BYTES);
	memset(f->client->remote + 20 * FAKE_TRACK_BYTES, 0, 10 * FAKE_TRACK_BYTES);
	memset(f->client->local_states + 20, TRACK_HOLE, 5);
	memset(f->client->remote_states + 25, TRACK_HOLE, 5);
	start_digests(f, 60);
	fake_answer_all(f->client);
	assert_int_equal(f->stretches, 4);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 58);
	assert_int_equal(report_figures(f->report)->hole_bytes, 10 * FAKE_TRACK_BYTES);
}

static void a_stretch_ends_with_what_both_have(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 4);
	fake_answer_some(f->client, SIDE_LOCAL, 3);
	fake_answer_some(f->client, SIDE_REMOTE, 2);
	assert_int_equal(f->stretches, 1);
	assert_int_equal(tracks(f, REPORT_IDENTICAL), 2);
	fake_answer_all(f->client);
	assert_int_equal(f->stretches, 3);
}

static void how_long_a_run_took_is_told_without_pauses(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 8);
	clock_advance(f->clock, 30);
	fake_answer(f->client, SIDE_LOCAL);
	f->shared.pause = (struct stream_pause){ .is_on = true, .since_ms = clock_now_ms(f->clock) };
	clock_advance(f->clock, 20000);
	f->shared.pause = (struct stream_pause){ .total_ms = 20000 };
	clock_advance(f->clock, 12);
	assert_int_equal(f->answered, 0);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(f->answered, 1);
	assert_int_equal(f->took_ms, 42);
	clock_advance(f->clock, 7);
	fake_answer_all(f->client);
	assert_int_equal(f->answered, 2);
	assert_int_equal(f->took_ms, 7);
}

/* What was found when it was asked for again may have been there since it was asked for the last time. */
static void how_long_a_run_took_is_told_without_the_last_delay(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	start_tracks(f, 8);
	fake_answer(f->client, SIDE_LOCAL);
	for (int i = 0; i < 3; i++) {
		clock_advance(f->clock, 5);
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
		clock_advance(f->clock, 100);
	}
	clock_advance(f->clock, 5);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(f->took_ms, 220);
	fake_answer_all(f->client);
	assert_int_equal(f->took_ms, 0);
}

static void a_run_that_was_given_up_was_not_answered(void **state)
{
	struct fixture *f = *state;

	start_tracks(f, 8);
	fake_answer(f->client, SIDE_LOCAL);
	for (int i = 0; i < 4; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, false);
		clock_advance(f->clock, 2000);
	}
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_VOLUME_ERROR, 0, false);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->answered, 0);
}

static void holes_behind_a_run_are_those_of_both_sides(void **state)
{
	static const struct {
		unsigned local_end, remote_end; /* holes from track 2 on */
		uint64_t told;
	} cases[] = {
		{ 64, 64, 60 }, { 10, 64, 6 }, { 64, 5, 1 }, { 4, 64, 0 }, { 3, 64, 0 },
	};
	struct fixture *f = *state;

	f->client->tells_holes = true;
	memset(f->client->local, 0, FAKE_VOLUME_BYTES);
	memset(f->client->remote, 0, FAKE_VOLUME_BYTES);
	start_tracks(f, 64);
	fake_answer_all(f->client);
	for (unsigned i = 0; i < 5; i++) {
		memset(f->client->local_states, TRACK_UNSET, 64);
		memset(f->client->remote_states, TRACK_UNSET, 64);
		memset(f->client->local_states + 2, TRACK_HOLE, cases[i].local_end - 2);
		memset(f->client->remote_states + 2, TRACK_HOLE, cases[i].remote_end - 2);
		f->next = 0;
		f->end = 4;
		assert_true(stream_start(f->stream));
		fake_answer_some(f->client, SIDE_REMOTE, 3); /* and short answers do not spoil it */
		fake_answer_all(f->client);
		assert_int_equal(f->hole_tracks, cases[i].told);
	}
}

static void holes_of_the_run_before_are_forgotten(void **state)
{
	struct fixture *f = *state;

	f->client->tells_holes = true;
	memset(f->client->local_states, TRACK_HOLE, 64);
	memset(f->client->remote_states, TRACK_HOLE, 64);
	start_tracks(f, 64);
	f->end = 8;
	f->kind = RUN_FIRST;
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(f->hole_tracks, 60);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(f->answered, 2);
	assert_int_equal(f->hole_tracks, 0); /* the other side was not asked */
}

static void what_is_no_hole_on_one_side_is_data(void **state)
{
	static const struct {
		enum track_state local, remote;
		bool has_data;
	} cases[] = {
		{ TRACK_HOLE, TRACK_HOLE, false },
		{ TRACK_ZERO, TRACK_HOLE, true },
		{ TRACK_HOLE, TRACK_ZERO, true },
		{ TRACK_EIO, TRACK_HOLE, true }, /* a disk that fails is slow, and no hole */
		{ TRACK_HOLE, TRACK_EIO, true },
	};
	struct fixture *f = *state;

	memset(f->client->local, 0, FAKE_VOLUME_BYTES);
	memset(f->client->remote, 0, FAKE_VOLUME_BYTES);
	start_tracks(f, 64);
	fake_answer_all(f->client);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(f->client->local_states, TRACK_HOLE, 64);
		memset(f->client->remote_states, TRACK_HOLE, 64);
		f->client->local_states[2] = (uint8_t)cases[i].local;
		f->client->remote_states[2] = (uint8_t)cases[i].remote;
		f->next = 0;
		f->end = 4;
		assert_true(stream_start(f->stream));
		fake_answer_all(f->client);
		assert_int_equal(f->has_data, cases[i].has_data);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_sides_are_asked_at_the_same_time),
		TEST(runs_follow_each_other_to_the_end),
		TEST(either_side_may_answer_first),
		TEST(a_difference_is_found_where_it_is),
		TEST(only_the_missing_tracks_are_asked_again),
		TEST(short_local_answers_keep_the_remote_data),
		TEST(packed_remote_data_is_found_behind_zeros_and_holes),
		TEST(zeros_differ_from_data),
		TEST(only_common_bytes_of_the_boundary_track_are_compared),
		TEST(unreadable_tracks_do_not_stop_the_others),
		TEST(unreadable_tracks_that_do_not_touch_are_posted_apart),
		TEST(data_not_found_is_asked_again_after_the_delay_with_its_floor),
		TEST(the_rest_of_a_polled_run_has_no_floor),
		TEST(polling_ends_with_the_read_time_out),
		TEST(a_pause_of_the_link_counts_in_no_read_time_out),
		TEST(time_held_back_by_limits_counts_in_no_read_time_out),
		TEST(the_side_that_comes_last_was_waited_for_alone),
		TEST(waiting_for_the_link_or_to_ask_again_is_told_apart),
		TEST(what_came_from_each_side_is_counted_without_holes),
		TEST(each_part_of_a_run_has_its_own_read_time_out),
		TEST(a_time_out_is_read_again_three_times),
		TEST(a_retry_that_succeeds_leaves_no_trace),
		TEST(a_reread_by_poll_goes_on_with_the_floor),
		TEST(each_refusal_has_its_reason),
		TEST(a_volume_that_hangs_is_waited_for_only_once),
		TEST(a_run_is_given_up_once_though_both_sides_fail),
		TEST(a_given_up_run_does_not_wait_for_a_delay),
		TEST(a_given_up_run_waits_for_the_read_in_flight),
		TEST(a_volume_error_makes_the_rest_unreadable),
		TEST(a_lost_slot_is_never_used_again),
		TEST(a_stream_without_a_slot_stops),
		TEST(a_stream_stops_when_there_is_no_memory_for_its_slot),
		TEST(a_lost_link_is_fatal),
		TEST(an_abandoned_stream_ignores_late_replies),
		TEST(the_first_read_of_a_round_is_of_the_local_volume_alone),
		TEST(a_first_read_may_fail),
		TEST(the_second_read_is_remote_anew_and_local_after_it),
		TEST(what_the_local_volume_has_then_is_compared),
		TEST(a_second_read_that_is_asked_again_is_still_anew),
		TEST(a_second_read_by_poll_keeps_its_floor),
		TEST(a_second_read_that_does_not_come_asks_nothing_of_the_local_volume),
		TEST(a_second_read_without_a_slot_gives_the_rest_up),
		TEST(runs_of_all_kinds_may_follow_each_other),
		TEST(digests_are_asked_for_up_to_the_end_of_both),
		TEST(each_digest_is_compared_with_that_of_the_same_track),
		TEST(a_track_of_data_equals_no_zeros_whatever_its_digest),
		TEST(a_run_may_have_as_many_digests_as_a_read),
		TEST(where_digests_differ_the_data_of_both_is_read_anew),
		TEST(rounds_may_go_by_digest),
		TEST(equal_tracks_are_told_in_stretches),
		TEST(a_stretch_ends_with_what_both_have),
		TEST(how_long_a_run_took_is_told_without_pauses),
		TEST(how_long_a_run_took_is_told_without_the_last_delay),
		TEST(a_run_that_was_given_up_was_not_answered),
		TEST(holes_behind_a_run_are_those_of_both_sides),
		TEST(holes_of_the_run_before_are_forgotten),
		TEST(what_is_no_hole_on_one_side_is_data),
	};

	log_start("test_stream", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
