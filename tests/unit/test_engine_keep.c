/* SPDX-License-Identifier: Apache-2.0
 *
 * What lasts of a pass, with the test as the primary that keeps it: runs that go on after an interruption, settling
 * beside the main pass, invalid tracks, the end by time. check-style: long because all of it is one state machine.
 */
#include "tests/unit/engine_bed.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/track_set.h"
#include "storage/ledger.h"

#define DELAY_MS 200
#define SAVE_MS 3000

/* What the primary keeps. */
static struct {
	uint8_t *ledger;
	uint32_t ledger_bytes;
	struct track_set *invalid, *marked;
	unsigned saves;
} kept;

static int set_up_device(void **state)
{
	struct fixture *f;

	set_up(state);
	f = *state;
	make_device(f);
	f->options.run_tracks = RUN_TRACKS;
	f->options.settle_delay_ms = DELAY_MS;
	kept.invalid = track_set_new();
	kept.marked = track_set_new();
	return 0;
}

static int tear_down_device(void **state)
{
	free(kept.ledger);
	track_set_free(kept.invalid);
	track_set_free(kept.marked);
	memset(&kept, 0, sizeof(kept));
	return tear_down(state);
}

/* Another program with the same options, at the same primary; also the first, so that the options are those of the
 * test. */
static void begin_program(struct fixture *f)
{
	struct client *client = client_new(NULL, NULL, -1, f->shm, -1, NULL, NULL);

	memcpy(client->local, f->client->local, FAKE_VOLUME_BYTES);
	memcpy(client->remote, f->client->remote, FAKE_VOLUME_BYTES);
	memcpy(client->local_states, f->client->local_states, sizeof(client->local_states));
	memcpy(client->remote_states, f->client->remote_states, sizeof(client->remote_states));
	client_free(f->client);
	engine_free(f->engine);
	f->client = client;
	f->engine = engine_new(f->client, f->clock, f->shm, &f->options, &ops, f);
	f->passes_told = f->done = 0;
	engine_start(f->engine);
}

static void serve_load(struct fixture *f)
{
	uint8_t packed[64 * TRACK_SET_PACKED_BYTES];

	if (f->client->record == RECORD_LEDGER) {
		fake_answer_record(f->client, STATUS_OK, kept.ledger, kept.ledger_bytes);
		return;
	}
	track_set_pack(kept.invalid, packed);
	fake_answer_record(f->client, STATUS_OK, packed,
		(uint32_t)(track_set_ranges(kept.invalid) * TRACK_SET_PACKED_BYTES));
}

/* Answers the load or save that waits. */
static void serve(struct fixture *f)
{
	struct client *client = f->client;

	assert_int_not_equal(client->record, RECORD_UNSET);
	if (!client->is_save) {
		serve_load(f);
		return;
	}
	kept.saves++;
	if (client->record == RECORD_LEDGER) {
		kept.ledger = realloc(kept.ledger, client->saved_bytes);
		memcpy(kept.ledger, client->saved, client->saved_bytes);
		kept.ledger_bytes = client->saved_bytes;
	} else {
		track_set_free(kept.marked);
		kept.marked = track_set_unpack(client->saved, client->saved_bytes, 64);
		assert_non_null(kept.marked);
	}
	fake_answer_record(client, STATUS_OK, NULL, 0);
}

static void assert_waits_for(const struct fixture *f, enum record record, bool is_save)
{
	assert_int_equal(f->client->record, record);
	assert_int_equal(f->client->is_save, is_save);
}

/* Up to the first reads. */
static void begin(struct fixture *f)
{
	begin_program(f);
	fake_answer_open(f->client, STATUS_OK);
	assert_waits_for(f, RECORD_LEDGER, false);
	serve(f);
	assert_waits_for(f, RECORD_INVALID, false);
	serve(f);
}

static const struct report_figures *figures_now(const struct fixture *f)
{
	return report_figures(engine_current(f->engine));
}

/* One run, of the stream that has waited longest. */
static void answer_run(struct fixture *f)
{
	fake_answer(f->client, SIDE_REMOTE);
	fake_answer(f->client, SIDE_LOCAL);
}

/* To the end of the pass, with all rounds of settling; the sizes are asked for then. */
static void run_through(struct fixture *f)
{
	for (int i = 0; f->client->statuses == 0; i++) {
		assert_true(i < 1000);
		fake_answer_all(f->client);
		if (f->client->record != RECORD_UNSET)
			serve(f);
		clock_advance(f->clock, DELAY_MS / 2);
	}
}

static void end_program(struct fixture *f)
{
	run_through(f);
	if (f->client->record != RECORD_UNSET)
		serve(f);
	fake_answer_open(f->client, STATUS_OK);
	while (f->client->record != RECORD_UNSET)
		serve(f);
	assert_int_equal(f->done, 1);
}

static struct ledger *kept_ledger(void)
{
	char why[STATE_WHY_BYTES];
	struct ledger *ledger;

	assert_int_equal(ledger_decode(kept.ledger, kept.ledger_bytes, &ledger, why), 0);
	return ledger;
}

static bool has_kept_run(void)
{
	struct ledger *ledger = kept_ledger();
	bool has_run = ledger_run_options(ledger) != NULL;

	ledger_free(ledger);
	return has_run;
}

/* What two reports must agree in, whatever interruptions there were. */
struct outcome {
	uint64_t tracks[REPORT_STATE_COUNT], compared_bytes, hole_bytes, different_bytes, settled_tracks;
	size_t range_count;
	struct report_range ranges[64];
	int exit_code;
};

static void take_outcome(const struct fixture *f, struct outcome *out)
{
	const struct report *report = engine_report(f->engine);

	memset(out, 0, sizeof(*out));
	memcpy(out->tracks, figures(f)->tracks, sizeof(out->tracks));
	out->compared_bytes = figures(f)->compared_bytes;
	out->hole_bytes = figures(f)->hole_bytes;
	out->different_bytes = figures(f)->different_bytes;
	out->settled_tracks = figures(f)->settled_tracks;
	out->range_count = figures(f)->range_count;
	assert_true(out->range_count <= 64);
	for (size_t i = 0; i < out->range_count; i++) {
		const struct report_range *range = report_range(report, i);

		out->ranges[i].offset_bytes = range->offset_bytes;
		out->ranges[i].length_bytes = range->length_bytes;
		out->ranges[i].state = range->state;
		out->ranges[i].shape = range->shape;
		out->ranges[i].is_exact = range->is_exact;
	}
	out->exit_code = engine_exit_code(f->engine);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}

/* Tracks that are wrong for ever, one with a hole, and one that cannot be read. */
static void spoil(struct fixture *f)
{
	static const unsigned tracks[] = { 3, 10, 11, 40, 63 };

	for (size_t i = 0; i < sizeof(tracks) / sizeof(tracks[0]); i++)
		f->client->remote[tracks[i] * FAKE_TRACK_BYTES + 100 * i] ^= 1;
	memset(f->client->local + 40 * FAKE_TRACK_BYTES, 0, FAKE_TRACK_BYTES);
	f->client->local_states[20] = TRACK_HOLE;
	memset(f->client->local + 20 * FAKE_TRACK_BYTES, 0, FAKE_TRACK_BYTES);
	memset(f->client->remote + 20 * FAKE_TRACK_BYTES, 0, FAKE_TRACK_BYTES);
	f->client->remote_states[30] = TRACK_EIO;
}

/* ---- Going on ---- */

static void an_interrupted_run_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;
	struct outcome whole, parts;

	spoil(f);
	begin(f);
	end_program(f);
	take_outcome(f, &whole);
	assert_int_equal(whole.exit_code, 1);
	assert_int_equal(whole.tracks[REPORT_DIFFERENT], 5);
	assert_false(has_kept_run());

	begin(f);
	for (int i = 0; i < 6; i++)
		answer_run(f);
	engine_interrupt(f->engine);
	assert_waits_for(f, RECORD_LEDGER, true);
	assert_int_equal(f->done, 0);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_true(has_kept_run());
	begin(f);
	assert_int_equal(figures_now(f)->resumed_tracks, 6 * RUN_TRACKS);
	assert_int_equal(f->client->reads[0].request.first_track, 6 * RUN_TRACKS);
	end_program(f);
	take_outcome(f, &parts);
	assert_same(&whole, &parts);
	assert_int_equal(figures(f)->resumed_tracks, 6 * RUN_TRACKS);
	assert_false(has_kept_run());
}

/* Holes and settled tracks are not in the sets of tracks: the counts must be those of the moment of the end. */
static void counts_of_the_last_moment_are_kept(void **state)
{
	struct fixture *f = *state;

	f->options.settle_rounds = 2;
	f->client->local_states[2] = f->client->remote_states[2] = TRACK_HOLE;
	f->client->remote[0] ^= 1;
	begin(f);
	answer_run(f);
	f->client->remote[0] ^= 1;
	clock_advance(f->clock, DELAY_MS);
	answer_run(f);
	while (fake_pending(f->client, SIDE_LOCAL) || fake_pending(f->client, SIDE_REMOTE)) {
		fake_answer_all(f->client);
		if (figures_now(f)->settled_tracks > 0)
			break;
	}
	assert_int_equal(f->client->statuses, 1); /* all is done but the sizes */
	link_is(f, false, 0);
	engine_interrupt(f->engine);
	serve(f);
	assert_int_equal(f->done, 1);
	begin(f);
	assert_int_equal(f->client->read_count, 0);
	assert_int_equal(figures_now(f)->settled_tracks, 1);
	assert_int_equal(figures_now(f)->hole_bytes, FAKE_TRACK_BYTES);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_int_equal(figures(f)->resumed_tracks, TRACKS);
}

static void the_time_of_all_parts_is_counted(void **state)
{
	struct fixture *f = *state;

	begin(f);
	clock_advance(f->clock, 1500);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	clock_advance(f->clock, 100000);
	begin(f);
	clock_advance(f->clock, 700);
	fake_answer_all(f->client);
	end_program(f);
	assert_int_equal(figures(f)->end.took_ms, 2200);
}

static void a_program_that_was_killed_loses_only_what_came_after_the_last_save(void **state)
{
	struct fixture *f = *state;

	begin(f);
	answer_run(f);
	answer_run(f);
	assert_int_equal(f->client->record, RECORD_UNSET);
	clock_advance(f->clock, SAVE_MS);
	assert_waits_for(f, RECORD_LEDGER, true);
	serve(f);
	answer_run(f);
	begin(f);
	assert_int_equal(figures_now(f)->resumed_tracks, 2 * RUN_TRACKS);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void a_loss_of_the_link_keeps_the_place(void **state)
{
	struct fixture *f = *state;

	begin(f);
	answer_run(f);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_LINK_LOST, 0, false);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 4);
	begin(f);
	assert_int_equal(figures_now(f)->resumed_tracks, RUN_TRACKS);
}

static void without_the_primary_nothing_can_be_kept(void **state)
{
	struct fixture *f = *state;

	begin(f);
	answer_run(f);
	engine_lost(f->engine, "gone");
	assert_int_equal(f->client->record, RECORD_UNSET);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 4);
}

static void assert_not_gone_on_with(struct fixture *f)
{
	begin_program(f);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 2);
	assert_non_null(strstr(engine_error(f->engine), "--restart"));
}

static void a_run_that_began_with_other_options_is_not_gone_on_with(void **state)
{
	struct fixture *f = *state;

	f->options.has_tracks = true;
	f->options.last_track = 31;
	begin(f);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	f->options.has_tracks = false;
	assert_not_gone_on_with(f);
	f->options.restart = true;
	begin(f);
	assert_int_equal(figures_now(f)->resumed_tracks, 0);
	assert_int_equal(f->client->reads[0].request.first_track, 0);
}

/* A track that was looked at once is no difference for who wants it settled. */
static void a_first_look_that_was_final_is_not_gone_on_with_by_a_run_that_settles(void **state)
{
	struct fixture *f = *state;

	f->client->remote[0] ^= 1;
	begin(f);
	answer_run(f);
	assert_int_equal(figures_now(f)->tracks[REPORT_DIFFERENT], 1);
	engine_interrupt(f->engine);
	serve(f);
	f->options.settle_rounds = 2;
	assert_not_gone_on_with(f);
}

/* As somebody else may write one. */
static void a_run_with_tracks_that_are_not_asked_for_is_not_gone_on_with(void **state)
{
	struct fixture *f = *state;
	struct ledger *ledger;
	size_t bytes;

	f->options.has_tracks = true;
	f->options.first_track = 8;
	f->options.last_track = 31;
	begin(f);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	for (uint64_t track = 7; track <= 32; track += 25) {
		ledger = kept_ledger();
		ledger_begin_run(ledger, "--tracks 8-31 --settle 0", 1000);
		ledger_identical(ledger, track, 1, 1000);
		free(kept.ledger);
		kept.ledger = ledger_encode(ledger, &bytes);
		kept.ledger_bytes = (uint32_t)bytes;
		ledger_free(ledger);
		assert_not_gone_on_with(f);
	}
	f->options.restart = true;
	begin(f);
	assert_int_equal(figures_now(f)->resumed_tracks, 0);
}

static void each_pass_is_a_run_of_its_own(void **state)
{
	struct fixture *f = *state;

	f->options.repeat = 2;
	begin(f);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	begin(f);
	run_through(f);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_false(has_kept_run());
	fake_answer_release(f->client);
	fake_answer_open(f->client, STATUS_OK);
	assert_waits_for(f, RECORD_INVALID, false); /* which may be others now; the ledger is here */
	serve(f);
	assert_int_equal(figures_now(f)->resumed_tracks, 0);
	assert_int_equal(f->client->reads[0].request.first_track, 0);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_true(has_kept_run());
}

/* What was kept of the size before is of no use for the next pass. */
static void volumes_that_change_their_size_between_passes_get_a_new_ledger(void **state)
{
	struct fixture *f = *state;
	static const unsigned sizes[] = { 40, 64, 30 }; /* tracks, pass by pass */
	struct ledger *ledger;

	f->options.repeat = 3;
	begin_program(f);
	for (int pass = 0; pass < 3; pass++) {
		f->client->local_bytes = f->client->remote_bytes = sizes[pass] * FAKE_TRACK_BYTES;
		fake_answer_open(f->client, STATUS_OK);
		while (f->client->record != RECORD_UNSET)
			serve(f);
		run_through(f);
		fake_answer_open(f->client, STATUS_OK);
		serve(f);
		ledger = kept_ledger();
		assert_int_equal(ledger_total_tracks(ledger), sizes[pass]);
		assert_int_equal(ledger_binding(ledger)->local_bytes, sizes[pass] * FAKE_TRACK_BYTES);
		ledger_free(ledger);
		if (pass < 2)
			fake_answer_release(f->client);
	}
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void a_run_whose_streams_have_all_stopped_is_not_over(void **state)
{
	struct fixture *f = *state;

	begin(f);
	answer_run(f);
	while (f->client->statuses == 0) {
		while (fake_pending(f->client, SIDE_REMOTE))
			fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, true);
		while (fake_pending(f->client, SIDE_LOCAL))
			fake_answer(f->client, SIDE_LOCAL);
		clock_advance(f->clock, 1000);
		if (f->client->record != RECORD_UNSET)
			serve(f);
	}
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_true(has_kept_run());
}

/* ---- Any interruption at any moment ---- */

static uint32_t random_state;

static uint32_t pick(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(random_state >> 8) * below >> 24);
}

/* A read is answered: in part, or with a status that is met once and no more. */
static void answer_something(struct fixture *f)
{
	enum side side = pick(2) ? SIDE_LOCAL : SIDE_REMOTE;

	if (!fake_pending(f->client, side))
		side = side == SIDE_LOCAL ? SIDE_REMOTE : SIDE_LOCAL;
	if (!fake_pending(f->client, side))
		clock_advance(f->clock, 1 + pick(400));
	else if (pick(12) == 0)
		fake_answer_status(f->client, side, pick(2) ? STATUS_QUEUE_FULL : STATUS_TIMEOUT, 0, false);
	else
		fake_answer_some(f->client, side, 1 + pick(RUN_TRACKS));
}

/* False: nothing of the program may be used any more, as after kill -9. */
static bool interrupt_somehow(struct fixture *f)
{
	switch (pick(4)) {
	case 0:
		engine_interrupt(f->engine);
		return true;
	case 1:
		engine_lost(f->engine, "gone");
		return true;
	case 2:
		if (fake_pending(f->client, SIDE_REMOTE))
			fake_answer_status(f->client, SIDE_REMOTE, STATUS_LINK_LOST, 0, false);
		return true;
	default:
		return false;
	}
}

/* One program, from its start to its end or until it is killed. */
static void run_part(struct fixture *f, uint32_t interruption_at)
{
	begin_program(f);
	for (uint32_t step = 0; f->done == 0; step++) {
		if (step == interruption_at && !interrupt_somehow(f))
			return;
		if (f->done > 0)
			return;
		if (f->client->opens + f->client->statuses > 0 && pick(2))
			fake_answer_open(f->client, STATUS_OK);
		else if (f->client->record != RECORD_UNSET && pick(2))
			serve(f);
		else
			answer_something(f);
	}
}

static void any_interruptions_leave_the_outcome_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct outcome whole, parts;
	unsigned interrupted = 0;

	spoil(f);
	f->options.settle_rounds = 2;
	f->options.has_max_lag = true;
	f->options.max_lag_ms = 300;
	begin(f);
	end_program(f);
	take_outcome(f, &whole);
	assert_int_equal(whole.tracks[REPORT_DIFFERENT], 5);
	assert_int_equal(whole.tracks[REPORT_UNREADABLE], 1);
	for (random_state = 1; interrupted < 400;) {
		uint32_t seed = random_state;
		bool is_over = false;

		while (!is_over) {
			run_part(f, pick(5) ? pick(120) : UINT32_MAX);
			is_over = f->done > 0 && engine_report(f->engine) &&
				figures(f)->tracks[REPORT_NOT_COMPARED] + figures(f)->tracks[REPORT_UNSETTLED] == 0 &&
				figures(f)->end.has_sizes;
			interrupted += !is_over;
		}
		take_outcome(f, &parts);
		if (memcmp(&whole, &parts, sizeof(whole)) != 0)
			fail_msg("another outcome from seed %u", seed);
		kept.ledger_bytes = 0; /* perhaps the end of the run could not be kept */
	}
}

/* ---- Settling beside the main pass ---- */

static void rereads_and_the_main_pass_overlap(void **state)
{
	struct fixture *f = *state;
	const struct msg_host_read *local;

	f->options.settle_rounds = 1;
	f->options.has_max_lag = true;
	f->options.max_lag_ms = 500;
	f->client->remote[1 * FAKE_TRACK_BYTES] ^= 1;
	begin(f);
	answer_run(f);
	assert_int_equal(engine_settling_tracks(f->engine), 1);
	clock_advance(f->clock, DELAY_MS);
	answer_run(f); /* that stream takes the track before the next of the pass */
	local = &f->client->reads[f->client->read_count - 1].request;
	assert_int_equal(local->side, SIDE_LOCAL);
	assert_int_equal(local->first_track, 1);
	assert_int_equal(local->track_count, 1);
	while (f->client->reads[0].request.first_track != 1)
		answer_run(f);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer_all(f->client); /* the pass is through, but for the track that waits for the lag */
	assert_int_equal(f->client->statuses, 0);
	assert_int_equal(engine_settling_tracks(f->engine), 1);
	clock_advance(f->clock, 499);
	assert_int_equal(f->client->read_count, 0);
	clock_advance(f->clock, 1);
	assert_int_equal(f->client->read_count, 1);
	assert_int_equal(f->client->reads[0].request.side, SIDE_REMOTE);
	assert_true(f->client->reads[0].request.reread);
	fake_answer_all(f->client);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(report_range(engine_report(f->engine), 0)->confirm.over_ms, 500);
}

static void the_lag_of_the_configuration_counts_unless_one_is_asked_for(void **state)
{
	struct fixture *f = *state;

	f->options.settle_rounds = 1;
	f->options.has_max_lag = true;
	f->options.max_lag_ms = 9000;
	begin(f);
	assert_int_equal(figures_now(f)->setup.max_lag_ms, 9000);
	f->options.has_max_lag = false;
	begin(f);
	assert_int_equal(figures_now(f)->setup.max_lag_ms, 0);
}

static void an_interruption_while_settling_is_unsettled_and_settled_by_the_next_run(void **state)
{
	struct fixture *f = *state;

	f->options.settle_rounds = 2;
	f->client->remote[5] ^= 1;
	begin(f);
	fake_answer_all(f->client);
	assert_int_equal(engine_settling_tracks(f->engine), 1);
	engine_interrupt(f->engine);
	serve(f);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->tracks[REPORT_UNSETTLED], 1);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], TRACKS - 1);
	begin(f);
	assert_int_equal(f->client->reads[0].request.track_count, 1);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 1);
}

/* The oldest remote read hangs and keeps its slot; the stream asks again later. */
static void lose_slot(struct fixture *f)
{
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->stream, 0);
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_TIMEOUT, 0, true);
	clock_advance(f->clock, 2000);
}

/* Two streams, four spare slots, a volume of three runs. */
static void begin_two_streams(struct fixture *f)
{
	engine_free(f->engine); /* it has as many streams as there were jobs */
	f->engine = NULL;
	f->options.jobs = 2;
	f->options.settle_rounds = 1;
	begin_program(f);
	f->client->local_bytes = f->client->remote_bytes = 3 * RUN_TRACKS * FAKE_TRACK_BYTES;
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	serve(f);
}

static void a_stream_that_stopped_keeps_no_other_from_settling(void **state)
{
	struct fixture *f = *state;

	f->options.settle_delay_ms = 60000;
	f->client->remote[RUN_TRACKS * FAKE_TRACK_BYTES] ^= 1;
	begin_two_streams(f);
	lose_slot(f);
	for (int i = 0; i < 2; i++) /* the second stream goes through the rest */
		answer_run(f);
	for (int i = 0; i < 4; i++)
		lose_slot(f);
	fake_answer_all(f->client);
	clock_advance(f->clock, 2000);
	fake_answer_all(f->client);
	assert_int_equal(figures_now(f)->reasons[REASON_NO_MEMORY] + figures_now(f)->reasons[REASON_TIMED_OUT], 0);
	assert_int_equal(engine_settling_tracks(f->engine), 1);
	clock_advance(f->clock, 60000);
	if (f->client->record != RECORD_UNSET)
		serve(f);
	assert_int_equal(f->client->read_count, 1); /* by the second stream: the first has no slot left */
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
}

static void what_a_stream_cannot_try_again_another_does(void **state)
{
	struct fixture *f = *state;

	begin_two_streams(f);
	lose_slot(f);
	for (int i = 0; i < 2; i++)
		answer_run(f);
	assert_int_equal(f->client->read_count, 2); /* the second stream is idle: there is nothing left */
	for (int i = 0; i < 4; i++)
		lose_slot(f);
	fake_answer(f->client, SIDE_LOCAL);
	assert_int_equal(f->client->read_count, 2);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->stream, 1);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

/* ---- A reservation ---- */

static void an_exclusive_reservation_makes_the_first_look_final(void **state)
{
	struct fixture *f = *state;

	f->options.settle_rounds = 3;
	f->options.reserve = RESERVE_EXCLUSIVE;
	f->client->remote[0] ^= 1;
	begin(f);
	assert_true(f->client->open.reserve && f->client->open.exclusive);
	answer_run(f);
	assert_int_equal(figures_now(f)->tracks[REPORT_DIFFERENT], 1);
	assert_int_equal(engine_settling_tracks(f->engine), 0);
	end_program(f);
	assert_true(report_is_of_moment(engine_report(f->engine)));
}

static void after_a_relink_nothing_is_of_one_moment(void **state)
{
	struct fixture *f = *state;

	f->options.settle_rounds = 1;
	f->options.reserve = RESERVE_EXCLUSIVE;
	f->client->remote[0] ^= 1;
	f->client->remote[63 * FAKE_TRACK_BYTES] ^= 1;
	begin(f);
	answer_run(f);
	assert_int_equal(figures_now(f)->setup.settle_rounds, 0);
	link_is(f, false, 0);
	link_is(f, true, 1);
	fake_answer_all(f->client);
	assert_int_equal(engine_settling_tracks(f->engine), 1);
	end_program(f);
	assert_int_equal(figures(f)->setup.settle_rounds, 1);
	assert_false(report_is_of_moment(engine_report(f->engine)));
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 2);
	assert_int_equal(report_range(engine_report(f->engine), 0)->confirm.times, 0);
	assert_int_equal(report_range(engine_report(f->engine), 1)->confirm.times, 1);
}

static void a_reservation_for_ra_alone_still_settles(void **state)
{
	struct fixture *f = *state;

	f->options.settle_rounds = 1;
	f->options.reserve = RESERVE_RA;
	f->client->remote[0] ^= 1;
	begin(f);
	answer_run(f);
	assert_int_equal(engine_settling_tracks(f->engine), 1);
}

/* Between the parts nobody had it. */
static void a_run_that_went_on_is_not_of_one_moment(void **state)
{
	struct fixture *f = *state;

	f->options.reserve = RESERVE_EXCLUSIVE;
	begin(f);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	assert_true(report_is_of_moment(engine_report(f->engine)));
	begin(f);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_false(report_is_of_moment(engine_report(f->engine)));
}

static void busy_after_an_interruption_keeps_what_is_kept(void **state)
{
	struct fixture *f = *state;

	begin(f);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	begin(f);
	strcpy(f->client->detail, "reserved by b");
	fake_answer_status(f->client, SIDE_REMOTE, STATUS_BUSY, 0, false);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 6); /* nothing new was read: no report */
	assert_null(engine_report(f->engine));
	clock_advance(f->clock, 10 * SAVE_MS);
	assert_int_equal(f->client->record, RECORD_UNSET);
	begin(f);
	assert_int_equal(figures_now(f)->resumed_tracks, RUN_TRACKS);
}

/* ---- Invalid tracks ---- */

static void known_invalid_tracks_are_skipped_and_counted(void **state)
{
	struct fixture *f = *state;

	track_set_add(kept.invalid, 0, 5);
	begin(f);
	assert_int_equal(f->client->reads[0].request.first_track, 5);
	end_program(f);
	assert_int_equal(figures(f)->tracks[REPORT_INVALID], 5);
	assert_int_equal(engine_exit_code(f->engine), 3);
}

static void any_known_invalid_track_refuses_the_run_when_that_is_asked(void **state)
{
	struct fixture *f = *state;

	f->options.invalid = INVALID_REFUSE;
	track_set_add(kept.invalid, 60, 1);
	begin(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 6);
	assert_string_equal(engine_error(f->engine),
		"busy: 1 track is known to be invalid: the copy is not up to date");
	f->options.has_tracks = true;
	f->options.first_track = 10;
	f->options.last_track = 59;
	begin(f);
	assert_int_equal(f->done, 0); /* none of those asked for */
	f->options.last_track = 60;
	begin(f);
	assert_int_equal(f->done, 1);
	f->options.last_track = UINT64_MAX;
	begin(f);
	assert_int_equal(f->done, 1);
	f->options.first_track = 61;
	begin(f);
	assert_int_equal(f->done, 0);
}

static void known_invalid_tracks_are_checked_when_that_is_asked(void **state)
{
	struct fixture *f = *state;

	f->options.invalid = INVALID_CHECK;
	f->client->remote[4 * FAKE_TRACK_BYTES] ^= 1;
	f->client->remote[9 * FAKE_TRACK_BYTES] ^= 1;
	track_set_add(kept.invalid, 4, 2);
	begin(f);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->marked_different, 1);
	assert_int_equal(figures(f)->marked_identical, 1);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 2);
}

static void without_the_list_of_invalid_tracks_there_is_no_run(void **state)
{
	struct fixture *f = *state;
	static const struct { enum status status; uint32_t bytes; int exit_code; } cases[] = {
		{ STATUS_VOLUME_ERROR, 0, 2 }, { STATUS_LINK_LOST, 0, 4 }, { STATUS_OK, 7, 4 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_program(f);
		fake_answer_open(f->client, STATUS_OK);
		serve(f);
		fake_answer_record(f->client, cases[i].status, (const uint8_t *)"1234567", cases[i].bytes);
		assert_int_equal(f->done, 1);
		assert_int_equal(engine_exit_code(f->engine), cases[i].exit_code);
	}
}

static void a_busy_link_is_asked_for_invalid_tracks_again(void **state)
{
	struct fixture *f = *state;

	begin_program(f);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	for (int i = 0; i < 20; i++) {
		fake_answer_record(f->client, STATUS_QUEUE_FULL, NULL, 0);
		assert_int_equal(f->client->record, RECORD_UNSET);
		clock_advance(f->clock, 500);
		assert_waits_for(f, RECORD_INVALID, false);
	}
	serve(f);
	assert_int_equal(f->client->reads[0].request.first_track, 0);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void a_link_that_stays_busy_ends_the_run(void **state)
{
	struct fixture *f = *state;

	begin_program(f);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	for (int i = 0; i < 21; i++) {
		assert_int_equal(f->done, 0);
		strcpy(f->client->detail, "too much waits to be sent");
		fake_answer_record(f->client, STATUS_QUEUE_FULL, NULL, 0);
		clock_advance(f->clock, 500);
	}
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 6);
}

static void an_interruption_ends_the_asking_for_invalid_tracks(void **state)
{
	struct fixture *f = *state;

	begin_program(f);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	fake_answer_record(f->client, STATUS_QUEUE_FULL, NULL, 0);
	engine_interrupt(f->engine);
	assert_int_equal(f->done, 1);
	clock_advance(f->clock, 10000);
	assert_int_equal(f->client->record, RECORD_UNSET);
}

static void confirmed_differences_are_marked_after_the_place_is_kept(void **state)
{
	struct fixture *f = *state;

	f->options.mark = true;
	spoil(f);
	begin(f);
	run_through(f);
	clock_advance(f->clock, SAVE_MS);
	assert_waits_for(f, RECORD_LEDGER, true); /* a save is under way when the pass ends */
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_waits_for(f, RECORD_LEDGER, true); /* the final one */
	serve(f);
	assert_waits_for(f, RECORD_INVALID, true);
	assert_int_equal(f->done, 0);
	clock_advance(f->clock, 10 * SAVE_MS); /* no save comes between */
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(track_set_tracks(kept.marked), 5);
	assert_true(track_set_has(kept.marked, 3) && track_set_has(kept.marked, 63));
}

static void a_mark_that_fails_changes_no_verdict(void **state)
{
	struct fixture *f = *state;

	f->options.mark = true;
	spoil(f);
	begin(f);
	run_through(f);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_waits_for(f, RECORD_INVALID, true);
	fake_answer_record(f->client, STATUS_VOLUME_ERROR, NULL, 0);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 1);
}

static void nothing_is_marked_unless_asked_and_found(void **state)
{
	struct fixture *f = *state;

	f->options.mark = true;
	begin(f);
	end_program(f);
	f->options.mark = false;
	spoil(f);
	begin(f);
	end_program(f);
	assert_int_equal(track_set_tracks(kept.marked), 0);
}

static void differences_before_an_interruption_are_marked_too(void **state)
{
	struct fixture *f = *state;

	f->options.mark = true;
	spoil(f);
	begin(f);
	answer_run(f);
	engine_interrupt(f->engine);
	serve(f);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(track_set_tracks(kept.marked), 1);
	begin(f);
	end_program(f);
	assert_int_equal(track_set_tracks(kept.marked), 5);
}

/* ---- Ends ---- */

static void stop_after_ends_all_passes_and_the_run(void **state)
{
	struct fixture *f = *state;

	f->options.stop_after = 2;
	f->options.repeat = 3;
	spoil(f);
	begin(f);
	end_program(f);
	assert_int_equal(engine_passes(f->engine), 1);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_true(figures(f)->reasons[REASON_STOPPED] > 0);
	assert_false(has_kept_run());
}

enum moment {
	OPENING, LOADING, MARKS, RUNNING, CHECKING, SAVING, MARKING, RELEASING, ASKING, MARKS_AGAIN, RUNNING_AGAIN, MOMENTS
};

/* A program with two passes up to this moment. Only if there is to be something to mark, it finds a difference. */
static void go_to(struct fixture *f, enum moment moment)
{
	f->client->remote[TRACKS * FAKE_TRACK_BYTES - 1] = f->client->local[TRACKS * FAKE_TRACK_BYTES - 1];
	f->client->remote[TRACKS * FAKE_TRACK_BYTES - 1] ^= moment == MARKING;
	kept.ledger_bytes = 0;
	f->options.repeat = 2;
	f->options.mark = true;
	begin_program(f);
	for (int at = OPENING; at < (int)moment; at++) {
		switch ((enum moment)at) {
		case OPENING:
		case CHECKING:
		case ASKING:
			fake_answer_open(f->client, STATUS_OK);
			break;
		case RUNNING:
			fake_answer_all(f->client);
			break;
		case RELEASING:
			fake_answer_release(f->client);
			break;
		case MARKING:
			break;
		default:
			serve(f);
			break;
		}
	}
}

/* All answers that are still to come, late, until nothing more is asked. */
static void answer_the_rest(struct fixture *f)
{
	for (;;) {
		if (f->client->read_count > 0)
			fake_answer_all(f->client);
		else if (f->client->opens + f->client->statuses > 0)
			fake_answer_open(f->client, STATUS_OK);
		else if (f->client->record != RECORD_UNSET)
			serve(f);
		else if (f->client->releases > 0)
			fake_answer_release(f->client);
		else
			return;
	}
}

static void assert_ended(const struct fixture *f, enum moment moment, int exit_code, uint64_t passes)
{
	exit_code = moment == MARKING ? 1 : exit_code;
	if (f->done != 1 || engine_exit_code(f->engine) != exit_code || engine_passes(f->engine) != passes)
		fail_msg("moment %d: done %u, exit code %d, %u passes", (int)moment, f->done,
			f->done ? engine_exit_code(f->engine) : -1, (unsigned)engine_passes(f->engine));
}

/* Passes that are over, or were asked for and did not come about. */
static uint64_t passes_told_of(enum moment moment)
{
	if (moment <= MARKS)
		return 0;
	return moment == RUNNING ? 1 : 2;
}

static void an_interruption_may_come_at_any_moment(void **state)
{
	struct fixture *f = *state;

	for (enum moment moment = OPENING; moment < MOMENTS; moment++) {
		go_to(f, moment);
		engine_interrupt(f->engine);
		if (moment <= MARKS || (moment >= RELEASING && moment <= MARKS_AGAIN))
			assert_int_equal(f->done, 1); /* at once */
		answer_the_rest(f);
		assert_ended(f, moment, 3, passes_told_of(moment));
		clock_advance(f->clock, 100000);
		assert_int_equal(f->client->record, RECORD_UNSET);
	}
}

static void an_interruption_while_the_link_is_down_waits_for_no_reply_but_the_save(void **state)
{
	struct fixture *f = *state;

	go_to(f, CHECKING);
	link_is(f, false, 0);
	engine_interrupt(f->engine);
	assert_waits_for(f, RECORD_LEDGER, true);
	link_is(f, true, 1);
	fake_answer_open(f->client, STATUS_OK); /* too late */
	assert_int_equal(f->done, 0);
	serve(f);
	assert_ended(f, CHECKING, 3, 1);
}

static void the_client_may_be_lost_at_any_moment(void **state)
{
	struct fixture *f = *state;

	for (enum moment moment = OPENING; moment < MOMENTS; moment++) {
		go_to(f, moment);
		engine_lost(f->engine, "gone");
		assert_int_equal(f->done, 1);
		assert_ended(f, moment, 4, moment <= MARKS ? 0 : moment <= MARKS_AGAIN ? 1 : 2);
		assert_string_equal(engine_error(f->engine), "gone");
	}
}

static void a_loss_while_the_last_pass_is_kept_changes_no_verdict(void **state)
{
	struct fixture *f = *state;

	for (enum moment moment = SAVING; moment <= MARKING; moment++) {
		go_to(f, moment);
		f->options.repeat = 1;
		engine_lost(f->engine, "gone");
		assert_ended(f, moment, 0, 1);
	}
}

static void the_time_may_be_over_at_any_moment(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 1000;
	for (enum moment moment = OPENING; moment < MOMENTS; moment++) {
		go_to(f, moment);
		clock_advance(f->clock, 999);
		assert_int_equal(f->done, 0);
		clock_advance(f->clock, 1);
		if (moment == RUNNING || moment == RUNNING_AGAIN)
			assert_int_equal(f->client->read_count, 6); /* they may end */
		answer_the_rest(f);
		assert_ended(f, moment, 3, passes_told_of(moment));
	}
}

static void a_pass_that_time_cut_keeps_its_place(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 1000;
	begin(f);
	answer_run(f);
	clock_advance(f->clock, 1000);
	assert_int_equal(f->done, 0);
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 4 * RUN_TRACKS);
	assert_int_equal(figures(f)->reasons[REASON_TIME_OVER], TRACKS - 4 * RUN_TRACKS);
	assert_true(figures(f)->end.has_sizes);
	assert_true(has_kept_run());
	begin(f);
	assert_int_equal(figures_now(f)->resumed_tracks, 4 * RUN_TRACKS);
	fake_answer_all(f->client);
	end_program(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
}

static void reads_that_do_not_come_are_not_waited_for_for_long_when_the_time_is_over(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 500;
	begin(f);
	answer_run(f);
	clock_advance(f->clock, 500);
	clock_advance(f->clock, 1999);
	assert_int_equal(f->done, 0);
	clock_advance(f->clock, 1);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], RUN_TRACKS);
	assert_int_equal(figures(f)->reasons[REASON_TIME_OVER], TRACKS - RUN_TRACKS);
	assert_true(has_kept_run());
	fake_answer_all(f->client); /* too late */
}

/* Else the next run would prove nothing anew, and say that it did. */
static void a_pass_that_was_done_when_time_cut_it_is_over(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 1000;
	begin(f);
	while (figures_now(f)->compared_bytes < (uint64_t)(TRACKS - 2 * RUN_TRACKS) * FAKE_TRACK_BYTES)
		answer_run(f);
	clock_advance(f->clock, 1000);
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_false(has_kept_run());
}

static void what_was_settling_when_time_cut_it_is_left_for_the_next_part(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 1000;
	f->options.settle_rounds = 1;
	f->client->remote[0] ^= 1;
	begin(f);
	fake_answer_all(f->client);
	assert_int_equal(engine_settling_tracks(f->engine), 1);
	clock_advance(f->clock, 1000);
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_int_equal(figures(f)->tracks[REPORT_UNSETTLED], 1);
	assert_true(has_kept_run());
}

static void time_that_is_over_while_the_link_is_down_ends_at_once(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 1000;
	begin(f);
	answer_run(f);
	link_is(f, false, 0);
	clock_advance(f->clock, 1000);
	assert_waits_for(f, RECORD_LEDGER, true);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_true(has_kept_run());
}

static void a_link_that_goes_down_after_the_time_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 1000;
	begin(f);
	answer_run(f);
	clock_advance(f->clock, 1000);
	assert_int_equal(f->client->read_count, 6);
	link_is(f, false, 0);
	assert_waits_for(f, RECORD_LEDGER, true);
	serve(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->reasons[REASON_TIME_OVER], TRACKS - RUN_TRACKS);
}

static void time_that_is_over_when_all_is_compared_spoils_nothing(void **state)
{
	struct fixture *f = *state;

	f->options.max_duration_ms = 1000;
	begin(f);
	fake_answer_all(f->client);
	clock_advance(f->clock, 1000);
	fake_answer_open(f->client, STATUS_OK);
	serve(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_false(has_kept_run());
}

static void a_ledger_that_somebody_has_is_exit_6(void **state)
{
	struct fixture *f = *state;

	begin_program(f);
	fake_answer_open(f->client, STATUS_OK);
	strcpy(f->client->detail, "ra-compare[7] on a has it");
	fake_answer_record(f->client, STATUS_BUSY, NULL, 0);
	assert_int_equal(f->done, 1);
	assert_int_equal(engine_exit_code(f->engine), 6);
	assert_string_equal(engine_error(f->engine), "busy: ra-compare[7] on a has it");
	assert_int_equal(f->client->reads_sent, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_device, tear_down_device)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_interrupted_run_goes_on_where_it_was),
		TEST(counts_of_the_last_moment_are_kept),
		TEST(the_time_of_all_parts_is_counted),
		TEST(a_program_that_was_killed_loses_only_what_came_after_the_last_save),
		TEST(a_loss_of_the_link_keeps_the_place),
		TEST(without_the_primary_nothing_can_be_kept),
		TEST(a_run_that_began_with_other_options_is_not_gone_on_with),
		TEST(a_first_look_that_was_final_is_not_gone_on_with_by_a_run_that_settles),
		TEST(a_run_with_tracks_that_are_not_asked_for_is_not_gone_on_with),
		TEST(each_pass_is_a_run_of_its_own),
		TEST(volumes_that_change_their_size_between_passes_get_a_new_ledger),
		TEST(a_run_whose_streams_have_all_stopped_is_not_over),
		TEST(any_interruptions_leave_the_outcome_as_it_is),
		TEST(rereads_and_the_main_pass_overlap),
		TEST(the_lag_of_the_configuration_counts_unless_one_is_asked_for),
		TEST(an_interruption_while_settling_is_unsettled_and_settled_by_the_next_run),
		TEST(a_stream_that_stopped_keeps_no_other_from_settling),
		TEST(what_a_stream_cannot_try_again_another_does),
		TEST(an_exclusive_reservation_makes_the_first_look_final),
		TEST(after_a_relink_nothing_is_of_one_moment),
		TEST(a_reservation_for_ra_alone_still_settles),
		TEST(a_run_that_went_on_is_not_of_one_moment),
		TEST(busy_after_an_interruption_keeps_what_is_kept),
		TEST(known_invalid_tracks_are_skipped_and_counted),
		TEST(any_known_invalid_track_refuses_the_run_when_that_is_asked),
		TEST(known_invalid_tracks_are_checked_when_that_is_asked),
		TEST(without_the_list_of_invalid_tracks_there_is_no_run),
		TEST(a_busy_link_is_asked_for_invalid_tracks_again),
		TEST(a_link_that_stays_busy_ends_the_run),
		TEST(an_interruption_ends_the_asking_for_invalid_tracks),
		TEST(confirmed_differences_are_marked_after_the_place_is_kept),
		TEST(a_mark_that_fails_changes_no_verdict),
		TEST(nothing_is_marked_unless_asked_and_found),
		TEST(differences_before_an_interruption_are_marked_too),
		TEST(stop_after_ends_all_passes_and_the_run),
		TEST(an_interruption_may_come_at_any_moment),
		TEST(an_interruption_while_the_link_is_down_waits_for_no_reply_but_the_save),
		TEST(the_client_may_be_lost_at_any_moment),
		TEST(a_loss_while_the_last_pass_is_kept_changes_no_verdict),
		TEST(the_time_may_be_over_at_any_moment),
		TEST(a_pass_that_time_cut_keeps_its_place),
		TEST(reads_that_do_not_come_are_not_waited_for_for_long_when_the_time_is_over),
		TEST(a_pass_that_was_done_when_time_cut_it_is_over),
		TEST(what_was_settling_when_time_cut_it_is_left_for_the_next_part),
		TEST(time_that_is_over_while_the_link_is_down_ends_at_once),
		TEST(a_link_that_goes_down_after_the_time_is_not_waited_for),
		TEST(time_that_is_over_when_all_is_compared_spoils_nothing),
		TEST(a_ledger_that_somebody_has_is_exit_6),
	};

	log_start("test_engine_keep", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_keep", tests, NULL, NULL);
}
