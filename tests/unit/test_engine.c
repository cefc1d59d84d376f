/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 2 with several streams against a primary that the test plays: passes, sizes, what lies outside, interruption,
 * loss, pauses of the link, the worst pass. check-style: long because all of it is one state machine.
 */
#include "tests/unit/engine_bed.h"

#include "base/log.h"

static void every_track_is_compared_once(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(f->client->read_count, 6); /* three streams, two sides */
	run_pass(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], TRACKS);
	assert_int_equal(figures(f)->link.reads, TRACKS / RUN_TRACKS);
	assert_int_equal(figures(f)->link.jobs, 3);
	assert_int_equal(figures(f)->end.wire_bytes, 1000);
}

static void runs_are_dealt_in_order_and_end_at_the_last_track(void **state)
{
	struct fixture *f = *state;

	f->client->local_bytes = f->client->remote_bytes = 9 * FAKE_TRACK_BYTES + 1;
	start(f);
	for (unsigned i = 0; i < 6; i++) {
		const struct msg_host_read *request = &f->client->reads[i].request;

		assert_int_equal(request->first_track, i / 2 * RUN_TRACKS);
		assert_int_equal(request->track_count, i < 4 ? RUN_TRACKS : 2);
	}
	run_pass(f);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 10);
	assert_int_equal(f->client->reads_sent, 6);
}

static void a_small_volume_uses_few_streams(void **state)
{
	struct fixture *f = *state;

	f->client->local_bytes = f->client->remote_bytes = 10;
	start(f);
	assert_int_equal(f->client->read_count, 2);
	run_pass(f);
	assert_int_equal(figures(f)->link.jobs, 1);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void empty_volumes_need_no_read(void **state)
{
	struct fixture *f = *state;

	f->client->local_bytes = f->client->remote_bytes = 0;
	start(f);
	assert_int_equal(f->client->reads_sent, 0);
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void a_difference_is_posted_and_the_rest_goes_on(void **state)
{
	struct fixture *f = *state;

	f->client->remote[9 * FAKE_TRACK_BYTES] ^= 1;
	start(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 1);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], TRACKS - 1);
}

static void only_the_tracks_asked_for_are_read(void **state)
{
	struct fixture *f = *state;

	f->options.has_tracks = true;
	f->options.first_track = 60;
	f->options.last_track = UINT64_MAX;
	start(f);
	assert_int_equal(f->client->reads[0].request.first_track, 60);
	run_pass(f);
	assert_int_equal(f->client->reads_sent, 2);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->reasons[REASON_NOT_ASKED], 60);
}

static void tracks_that_do_not_exist_are_a_usage_error(void **state)
{
	struct fixture *f = *state;

	f->options.has_tracks = true;
	f->options.first_track = 10;
	f->options.last_track = 64;
	start(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 2);
	assert_null(engine_report(f->engine));
	assert_non_null(strstr(engine_error(f->engine), "64"));
}

static void another_pass_releases_the_link_jobs_first(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 2;
	start(f);
	assert_int_equal(f->client->releases_sent, 0);
	run_pass(f);
	assert_int_equal(f->client->releases, 1);
	assert_int_equal(f->client->reads_sent, 2 * TRACKS / RUN_TRACKS); /* nothing is read before the Release is done */
	f->client->remote[0] ^= 1;
	begin_next_pass(f);
	run_pass(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->client->reads_sent, 4 * TRACKS / RUN_TRACKS);
	assert_int_equal(f->last_different, 1);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(engine_passes(f->engine), 2);
}

static void the_worst_pass_is_kept(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 3;
	start(f);
	run_pass(f);
	begin_next_pass(f);
	f->client->remote[0] ^= 1;
	run_pass(f);
	begin_next_pass(f);
	f->client->remote[0] ^= 1;
	run_pass(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->last_different, 0);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->setup.pass, 2);
}

static void a_pass_uses_the_sizes_of_its_start(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 2;
	f->client->local_bytes = f->client->remote_bytes = 8 * FAKE_TRACK_BYTES;
	start(f);
	fake_answer_all(f->client);
	f->client->local_bytes = f->client->remote_bytes = 10 * FAKE_TRACK_BYTES;
	fake_answer_open(f->client, STATUS_OK);
	begin_next_pass(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 3); /* of the first pass */
	assert_int_equal(figures(f)->total_tracks, 8);
	assert_int_equal(figures(f)->end.remote_bytes, 10 * FAKE_TRACK_BYTES);
	assert_int_equal(f->client->reads_sent, 4 + 6);
}

static void a_volume_that_cannot_be_opened_is_named(void **state)
{
	struct fixture *f = *state;
	struct msg_host_open_reply reply = { .status = STATUS_VOLUME_ERROR, .failed_side = SIDE_REMOTE,
		.detail = "Permission denied" };

	engine_start(f->engine);
	f->client->open_reply(f->client->arg, &reply);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 5);
	assert_string_equal(engine_error(f->engine), "volume B: cannot open vol_b: Permission denied");
}

static void a_lost_link_at_the_start_is_exit_4(void **state)
{
	struct fixture *f = *state;
	struct msg_host_open_reply reply = { .status = STATUS_LINK_LOST, .failed_side = SIDE_REMOTE, .detail = "gone" };

	engine_start(f->engine);
	f->client->open_reply(f->client->arg, &reply);
	assert_int_equal(engine_exit_code(f->engine), 4);
	assert_non_null(strstr(engine_error(f->engine), "gone"));
}

static void a_drbd_like_tail_is_a_difference_unless_the_common_size_is_asked_for(void **state)
{
	struct fixture *f = *state;

	f->client->local_bytes = 20 * FAKE_TRACK_BYTES;
	f->client->remote_bytes = 52 * FAKE_TRACK_BYTES; /* 128 KiB more */
	start(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 32);
}

static void run_common_pass(struct fixture *f)
{
	start(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_int_equal(figures(f)->total_tracks, 20);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 20);
	assert_int_equal(figures(f)->range_count, 0);
	for (unsigned i = 0; i < f->client->read_count; i++)
		assert_true(f->client->reads[i].request.first_track < 20);
}

static void common_size_leaves_the_tail_out(void **state)
{
	struct fixture *f = *state;

	f->client->local_bytes = 19 * FAKE_TRACK_BYTES + 77; /* the last track is short on one side only */
	f->client->remote_bytes = 52 * FAKE_TRACK_BYTES;
	f->options.common_size = true;
	run_common_pass(f);
	assert_int_equal(report_outside(&figures(f)->setup, &figures(f)->setup.remote).after_bytes,
		33 * FAKE_TRACK_BYTES - 77);
}

static void length_common_of_one_side_is_enough(void **state)
{
	struct fixture *f = *state;

	f->client->local_bytes = 52 * FAKE_TRACK_BYTES;
	f->client->remote_bytes = 20 * FAKE_TRACK_BYTES;
	f->client->remote_is_common = true;
	run_common_pass(f);
	assert_true(figures(f)->setup.is_common);
}

static void a_difference_in_the_common_part_is_found(void **state)
{
	struct fixture *f = *state;

	f->client->local_bytes = 52 * FAKE_TRACK_BYTES;
	f->client->remote_bytes = 20 * FAKE_TRACK_BYTES;
	f->client->remote[20 * FAKE_TRACK_BYTES - 1] ^= 1;
	f->options.common_size = true;
	start(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->different_bytes, 1);
}

static void growth_outside_the_common_part_spoils_nothing(void **state)
{
	struct fixture *f = *state;

	f->options.common_size = true;
	f->client->local_bytes = 20 * FAKE_TRACK_BYTES;
	f->client->remote_bytes = 30 * FAKE_TRACK_BYTES;
	start(f);
	fake_answer_all(f->client);
	f->client->remote_bytes = 40 * FAKE_TRACK_BYTES;
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void growth_of_the_common_part_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->options.common_size = true;
	f->client->local_bytes = 20 * FAKE_TRACK_BYTES;
	f->client->remote_bytes = 30 * FAKE_TRACK_BYTES;
	start(f);
	fake_answer_all(f->client);
	f->client->local_bytes = 21 * FAKE_TRACK_BYTES;
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(engine_exit_code(f->engine), 3);
}

static void tracks_are_counted_in_the_common_part(void **state)
{
	struct fixture *f = *state;

	f->options.common_size = f->options.has_tracks = true;
	f->options.first_track = f->options.last_track = 20;
	f->client->local_bytes = 20 * FAKE_TRACK_BYTES;
	f->client->remote_bytes = 30 * FAKE_TRACK_BYTES;
	start(f);
	assert_int_equal(engine_exit_code(f->engine), 2);
	assert_non_null(strstr(engine_error(f->engine), "20 tracks"));
}

static void a_device_has_the_track_size_and_the_paths_of_the_daemons(void **state)
{
	struct fixture *f = *state;

	make_device(f);
	start(f);
	assert_string_equal(f->client->open.device, "web1");
	answer_records(f);
	/* Slots have a mebibyte, a run has 64 tracks at most: all in one. */
	assert_int_equal(f->client->read_count, 2);
	run_pass(f);
	assert_true(f->client->is_save);
	assert_int_equal(f->done, 0);
	fake_answer_record(f->client, STATUS_OK, NULL, 0);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_int_equal(figures(f)->setup.track_bytes, FAKE_TRACK_BYTES);
	assert_string_equal(figures(f)->setup.name_local, "local /dev/a");
	assert_string_equal(figures(f)->setup.name_remote, "remote /dev/b");
	assert_string_equal(figures(f)->setup.device, "web1");
}

static void what_was_asked_for_goes_with_the_open(void **state)
{
	struct fixture *f = *state;
	char owner[32];

	make_device(f);
	f->options.limit_bytes_per_s = 1000;
	f->options.link_timeout_ms = 900000;
	f->options.reserve = RESERVE_RA;
	engine_start(f->engine);
	assert_int_equal(f->client->open.limit_bytes_per_s, 1000);
	assert_int_equal(f->client->open.link_timeout_ms, 900000);
	assert_true(f->client->open.reserve);
	snprintf(owner, sizeof(owner), "ra-compare[%d] on ", (int)getpid());
	assert_int_equal(strncmp(f->client->open.owner, owner, strlen(owner)), 0);
}

static void a_device_that_is_busy_from_the_first_read_is_exit_6(void **state)
{
	struct fixture *f = *state;

	start(f);
	strcpy(f->client->detail, "reserved by ra-compare[1] on b");
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_BUSY, 0, false);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 6);
	assert_null(engine_report(f->engine));
	assert_null(engine_current(f->engine));
	assert_string_equal(engine_error(f->engine), "busy: reserved by ra-compare[1] on b");
	fake_answer_all(f->client);
	assert_int_equal(f->done, 1);
}

static void a_device_that_becomes_busy_is_not_proven(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_BUSY, 0, false);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->reasons[REASON_BUSY], TRACKS - RUN_TRACKS);
}

static void another_volume_after_a_reconnect_is_not_proven(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	strcpy(f->client->detail, "it has another size");
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_VOLUME_CHANGED, 0, false);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->reasons[REASON_CHANGED], TRACKS - RUN_TRACKS);
	assert_non_null(strstr(engine_error(f->engine), "it has another size"));
}

static void another_volume_at_the_end_of_a_pass_is_not_proven(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_VOLUME_CHANGED);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_true(figures(f)->end.is_changed);
}

static void another_volume_between_passes_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 2;
	start(f);
	run_pass(f);
	fake_answer_release(f->client);
	fake_answer_open(f->client, STATUS_VOLUME_CHANGED);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
}

static void relinks_are_counted_in_the_pass_they_happen_in(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 2;
	start(f);
	link_is(f, false, 0);
	clock_advance(f->clock, 5000);
	link_is(f, true, 1);
	link_is(f, false, 1);
	link_is(f, true, 2);
	assert_int_equal(report_figures(engine_current(f->engine))->link.relinks, 2);
	run_pass(f);
	begin_next_pass(f);
	link_is(f, false, 2);
	link_is(f, true, 3);
	assert_int_equal(report_figures(engine_current(f->engine))->link.relinks, 1);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void a_pause_reaches_the_streams(void **state)
{
	struct fixture *f = *state;

	f->options.delivery = DELIVERY_POLL;
	f->options.read_timeout_ms = 150;
	start(f);
	link_is(f, false, 0);
	link_is(f, false, 0); /* told twice */
	clock_advance(f->clock, 20000);
	link_is(f, true, 1);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_DATA_NOT_FOUND, 1, false);
	clock_advance(f->clock, 100);
	assert_int_equal(report_figures(engine_current(f->engine))->reasons[REASON_NOT_FOUND], 0);
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void an_interruption_while_the_link_is_down_ends_at_once(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer_all(f->client);
	link_is(f, false, 0);
	engine_interrupt(f->engine); /* the sizes would come only after the link */
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(f->done, 1);
}

static void a_loss_by_the_same_interruption_is_none(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer_all(f->client);
	engine_interrupt(f->engine);
	engine_lost(f->engine, "ssh was interrupted too");
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_string_equal(engine_error(f->engine), "");
}

static void an_interruption_ends_the_pass_at_once(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	engine_interrupt(f->engine);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], RUN_TRACKS);
	assert_int_equal(figures(f)->reasons[REASON_INTERRUPTED], TRACKS - RUN_TRACKS);
	fake_answer_all(f->client);
	assert_int_equal(f->done, 1);
}

static void an_interruption_keeps_a_difference_that_was_found(void **state)
{
	struct fixture *f = *state;

	f->client->remote[0] ^= 1;
	start(f);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	engine_interrupt(f->engine);
	assert_int_equal(engine_exit_code(f->engine), 1);
}

static void an_interruption_before_the_start_is_not_proven(void **state)
{
	struct fixture *f = *state;

	engine_start(f->engine);
	engine_interrupt(f->engine);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_null(engine_report(f->engine));
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(f->client->reads_sent, 0);
}

static void an_interruption_between_passes_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = OPTIONS_REPEAT_FOREVER;
	start(f);
	run_pass(f);
	engine_interrupt(f->engine);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(engine_passes(f->engine), 2);
	fake_answer_release(f->client);
	assert_int_equal(f->client->statuses, 0);
}

static void an_interruption_while_the_last_sizes_are_asked_comes_too_late(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer_all(f->client);
	engine_interrupt(f->engine);
	assert_int_equal(f->done, 0);
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void an_interruption_while_sizes_are_asked_ends_the_passes(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 5;
	start(f);
	fake_answer_all(f->client);
	engine_interrupt(f->engine);
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
}

static void a_loss_ends_the_pass(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
	engine_lost(f->engine, "the primary is gone");
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 4);
	assert_int_equal(figures(f)->reasons[REASON_LOST], TRACKS - RUN_TRACKS);
	assert_string_equal(engine_error(f->engine), "the primary is gone");
	engine_lost(f->engine, "again");
	assert_int_equal(f->done, 1);
}

static void a_read_refused_by_protocol_ends_the_run(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_BAD_REQUEST, 0, false);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 4);
	assert_non_null(strstr(engine_error(f->engine), "BAD_REQUEST"));
}

static void a_loss_while_the_sizes_are_asked_is_not_proven(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer_all(f->client);
	engine_lost(f->engine, "gone");
	assert_int_equal(engine_exit_code(f->engine), 4);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], TRACKS);
}

static void a_loss_between_passes_outweighs_an_identical_pass(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 2;
	start(f);
	run_pass(f);
	engine_lost(f->engine, "gone");
	assert_int_equal(engine_exit_code(f->engine), 4);
	assert_null(engine_report(f->engine));
	assert_string_equal(engine_error(f->engine), "gone");
}

static void sizes_that_cannot_be_asked_again_prove_nothing(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_TIMEOUT);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
}

static void streams_without_memory_leave_the_rest_uncompared(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = OPTIONS_REPEAT_FOREVER;
	start(f);
	/* Three streams with two slots each, and two spares: each time-out takes one. */
	for (int i = 0; i < 5; i++) {
		fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, true);
		clock_advance(f->clock, 2000);
	}
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(f->done, 1); /* no stream is left for another pass */
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->reasons[REASON_NO_MEMORY], TRACKS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_track_is_compared_once),
		TEST(runs_are_dealt_in_order_and_end_at_the_last_track),
		TEST(a_small_volume_uses_few_streams),
		TEST(empty_volumes_need_no_read),
		TEST(a_difference_is_posted_and_the_rest_goes_on),
		TEST(only_the_tracks_asked_for_are_read),
		TEST(tracks_that_do_not_exist_are_a_usage_error),
		TEST(another_pass_releases_the_link_jobs_first),
		TEST(the_worst_pass_is_kept),
		TEST(a_pass_uses_the_sizes_of_its_start),
		TEST(a_volume_that_cannot_be_opened_is_named),
		TEST(a_lost_link_at_the_start_is_exit_4),
		TEST(a_drbd_like_tail_is_a_difference_unless_the_common_size_is_asked_for),
		TEST(common_size_leaves_the_tail_out),
		TEST(length_common_of_one_side_is_enough),
		TEST(a_difference_in_the_common_part_is_found),
		TEST(growth_outside_the_common_part_spoils_nothing),
		TEST(growth_of_the_common_part_is_not_proven),
		TEST(tracks_are_counted_in_the_common_part),
		TEST(a_device_has_the_track_size_and_the_paths_of_the_daemons),
		TEST(what_was_asked_for_goes_with_the_open),
		TEST(a_device_that_is_busy_from_the_first_read_is_exit_6),
		TEST(a_device_that_becomes_busy_is_not_proven),
		TEST(another_volume_after_a_reconnect_is_not_proven),
		TEST(another_volume_at_the_end_of_a_pass_is_not_proven),
		TEST(another_volume_between_passes_is_not_proven),
		TEST(relinks_are_counted_in_the_pass_they_happen_in),
		TEST(a_pause_reaches_the_streams),
		TEST(an_interruption_while_the_link_is_down_ends_at_once),
		TEST(a_loss_by_the_same_interruption_is_none),
		TEST(an_interruption_ends_the_pass_at_once),
		TEST(an_interruption_keeps_a_difference_that_was_found),
		TEST(an_interruption_before_the_start_is_not_proven),
		TEST(an_interruption_between_passes_is_not_proven),
		TEST(an_interruption_while_the_last_sizes_are_asked_comes_too_late),
		TEST(an_interruption_while_sizes_are_asked_ends_the_passes),
		TEST(a_loss_ends_the_pass),
		TEST(a_read_refused_by_protocol_ends_the_run),
		TEST(a_loss_while_the_sizes_are_asked_is_not_proven),
		TEST(a_loss_between_passes_outweighs_an_identical_pass),
		TEST(sizes_that_cannot_be_asked_again_prove_nothing),
		TEST(streams_without_memory_leave_the_rest_uncompared),
	};

	log_start("test_engine", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
