/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparisons, by data and by digest, in which anything happens at any moment: reads that fail or keep their slots,
 * digests that are not those of the data, a link that comes and goes, time that is over, saves that fail, kills and
 * signals; each goes on until one program has worked through all. Each track is told once (report_finish asserts it),
 * no track that differs for ever is ever called identical, and none that never does is called different.
 */
#include "tests/unit/engine_bed.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/track_set.h"

#define COMPARISONS 3000u
#define STEPS_MAX 20000u

enum truth { TRUTH_EQUAL, TRUTH_DIFFERENT, TRUTH_CHANGING };

static uint32_t random_state;
static uint32_t seed; /* of the comparison, for its repetition */

static struct {
	enum truth truth[TRACKS];
	uint32_t kinds; /* of tracks: the more, the fewer are odd */
	uint8_t *ledger; /* what the primary keeps */
	uint32_t ledger_bytes;
	struct track_set *invalid;
	uint32_t trouble; /* of the reads of a program: the more, the fewer fail */
	bool has_ended; /* a pass was worked through */
	bool is_lost;   /* the client, by the program */
} world;

static uint32_t pick(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(random_state >> 8) * below >> 24);
}

static bool happens(uint32_t one_in)
{
	return pick(one_in) == 0;
}

/* ---- What must hold of each report ---- */

static bool has_range(const struct report *report, uint64_t track, bool is_difference)
{
	uint64_t start = track * FAKE_TRACK_BYTES, end = start + report_common_bytes(report, track);

	for (size_t i = 0; i < report_figures(report)->range_count; i++) {
		const struct report_range *range = report_range(report, i);

		if (range->offset_bytes < end && range->offset_bytes + range->length_bytes > start &&
			(!is_difference || (range->state == REPORT_DIFFERENT && range->shape != SHAPE_TAIL)))
			return true;
	}
	return false;
}

/* Of equal volumes, only the last track of which may be shorter. */
static void judge_bytes(const struct report_figures *figures)
{
	uint64_t compared = figures->tracks[REPORT_IDENTICAL] + figures->tracks[REPORT_DIFFERENT];

	if (figures->hole_bytes > figures->compared_bytes)
		fail_msg("seed %u: more bytes of holes than were compared", seed);
	if (figures->setup.local.size_bytes == figures->setup.remote.size_bytes &&
		(figures->compared_bytes + FAKE_TRACK_BYTES - 1) / FAKE_TRACK_BYTES != compared)
		fail_msg("seed %u: %u bytes of %u tracks were compared", seed, (unsigned)figures->compared_bytes,
			(unsigned)compared);
}

static void judge(void *arg, const struct report *report, uint64_t pass)
{
	const struct report_figures *figures = report_figures(report);

	(void)arg, (void)pass;
	assert_int_equal(figures->ranges_omitted, 0);
	judge_bytes(figures);
	for (uint64_t track = report_first_track(report); track < report_end_track(report); track++) {
		if (world.truth[track] == TRUTH_DIFFERENT && !has_range(report, track, false))
			fail_msg("seed %u: track %u differs and is called identical", seed, (unsigned)track);
		if (world.truth[track] == TRUTH_EQUAL && has_range(report, track, true))
			fail_msg("seed %u: track %u is equal and is called different", seed, (unsigned)track);
	}
	world.has_ended = figures->tracks[REPORT_NOT_COMPARED] == figures->reasons[REASON_NOT_ASKED] +
		figures->reasons[REASON_PROVEN] + figures->reasons[REASON_STOPPED] && figures->end.has_sizes;
}

static const struct engine_ops judging_ops = { .pass = judge, .done = on_done };

/* ---- The comparison ---- */

static void make_track(struct client *client, unsigned track)
{
	uint8_t *local = client->local + track * FAKE_TRACK_BYTES, *remote = client->remote + track * FAKE_TRACK_BYTES;

	world.truth[track] = TRUTH_EQUAL;
	for (unsigned i = 0; i < FAKE_TRACK_BYTES; i++)
		local[i] = remote[i] = (uint8_t)(1 + (track + i) % 251);
	client->local_states[track] = client->remote_states[track] = TRACK_UNSET;
	client->odd_digests[track] = !client->digest_only && happens(world.kinds);
	switch (pick(world.kinds)) {
	case 0:
	case 1:
		world.truth[track] = TRUTH_DIFFERENT;
		remote[0] ^= 1;
		remote[pick(16)] ^= 2;
		break;
	case 2:
		world.truth[track] = TRUTH_DIFFERENT;
		memset(remote, 0, FAKE_TRACK_BYTES);
		break;
	case 3:
		world.truth[track] = TRUTH_CHANGING;
		break;
	case 4:
		memset(local, 0, FAKE_TRACK_BYTES);
		memset(remote, 0, FAKE_TRACK_BYTES);
		client->local_states[track] = happens(2) ? TRACK_HOLE : TRACK_ZERO;
		break;
	case 5:
		if (happens(4))
			client->remote_states[track] = TRACK_EIO;
		break;
	}
}

/* Tracks of zeros, on each side a hole or not; they may be invalid, or end behind what both have. */
static void make_holes(struct client *client)
{
	unsigned first = pick(TRACKS), count = 1 + pick(40), end = first + count < TRACKS ? first + count : TRACKS;
	bool is_local = !happens(4), is_remote = !happens(4);

	for (unsigned track = first; track < end; track++) {
		world.truth[track] = TRUTH_EQUAL;
		memset(client->local + track * FAKE_TRACK_BYTES, 0, FAKE_TRACK_BYTES);
		memset(client->remote + track * FAKE_TRACK_BYTES, 0, FAKE_TRACK_BYTES);
		client->local_states[track] = is_local ? TRACK_HOLE : TRACK_ZERO;
		client->remote_states[track] = is_remote ? TRACK_HOLE : TRACK_ZERO;
	}
}

static void make_options(struct options *options)
{
	options->digest = (enum digest)pick(DIGEST_COUNT);
	options->run_tracks = options->digest == DIGEST_NONE ? RUN_TRACKS : 1 + pick(20);
	options->jobs = 1 + pick(3);
	options->settle_rounds = pick(4);
	options->settle_delay_ms = pick(300);
	options->has_max_lag = true;
	options->max_lag_ms = happens(2) ? 0 : 300;
	options->stop_after = happens(6) ? 1 + pick(4) : 0;
	options->repeat = 1 + happens(4);
	options->invalid = happens(2) ? INVALID_SKIP : INVALID_CHECK;
	options->mark = happens(2);
	options->exact_tracks = pick(5);
	options->accept_trimmed = happens(4);
	options->older_than_s = happens(6) ? 1000000 : 0;
	options->common_size = happens(3);
	options->reserve = happens(6) ? RESERVE_EXCLUSIVE : RESERVE_NONE;
	options->has_tracks = happens(4);
	options->first_track = pick(20);
	options->last_track = happens(2) ? UINT64_MAX : options->first_track + pick(10);
}

static uint64_t some_bytes(void)
{
	return happens(3) ? (30 + pick(34)) * (uint64_t)FAKE_TRACK_BYTES + pick(FAKE_TRACK_BYTES) : FAKE_VOLUME_BYTES;
}

static void make_comparison(struct fixture *f)
{
	engine_free(f->engine); /* it is of other options */
	f->engine = NULL;
	make_options(&f->options);
	f->client->local_bytes = some_bytes();
	f->client->remote_bytes = happens(3) ? some_bytes() : f->client->local_bytes;
	world.kinds = happens(2) ? 12 : 1000;
	f->client->digest_only = f->options.digest != DIGEST_NONE && happens(4);
	f->client->tells_holes = !happens(4);
	for (unsigned track = 0; track < TRACKS; track++)
		make_track(f->client, track);
	for (unsigned i = pick(4); i > 0; i--)
		make_holes(f->client);
	track_set_remove(world.invalid, 0, TRACKS);
	for (unsigned i = pick(4); i > 0; i--)
		track_set_add(world.invalid, pick(TRACKS), 1 + pick(5));
	free(world.ledger);
	world.ledger = NULL;
	world.ledger_bytes = 0;
	world.has_ended = false;
}

static void begin_program(struct fixture *f)
{
	struct client *client = client_new(NULL, NULL, -1, f->shm, -1, NULL, NULL);

	memcpy(client->local, f->client->local, FAKE_VOLUME_BYTES);
	memcpy(client->remote, f->client->remote, FAKE_VOLUME_BYTES);
	memcpy(client->local_states, f->client->local_states, sizeof(client->local_states));
	memcpy(client->remote_states, f->client->remote_states, sizeof(client->remote_states));
	memcpy(client->odd_digests, f->client->odd_digests, sizeof(client->odd_digests));
	client->digest_only = f->client->digest_only;
	client->tells_holes = f->client->tells_holes;
	client->local_bytes = f->client->local_bytes;
	client->remote_bytes = f->client->remote_bytes;
	client_free(f->client);
	engine_free(f->engine);
	f->client = client;
	f->options.max_duration_ms = happens(4) ? 1 + pick(3000) : 0;
	f->engine = engine_new(f->client, f->clock, f->shm, &f->options, &judging_ops, f);
	f->done = 0;
	world.trouble = happens(3) ? 2 : 20;
	world.is_lost = false;
	engine_start(f->engine);
}

/* ---- What may happen ---- */

static void serve_record(struct fixture *f)
{
	uint8_t packed[TRACKS * TRACK_SET_PACKED_BYTES];
	struct client *client = f->client;

	if (happens(40)) {
		fake_answer_record(client, happens(2) ? STATUS_VOLUME_ERROR : STATUS_TIMEOUT, NULL, 0);
	} else if (client->is_save) {
		if (client->record == RECORD_LEDGER) {
			world.ledger = realloc(world.ledger, client->saved_bytes);
			memcpy(world.ledger, client->saved, client->saved_bytes);
			world.ledger_bytes = client->saved_bytes;
		}
		fake_answer_record(client, STATUS_OK, NULL, 0);
	} else if (client->record == RECORD_LEDGER) {
		fake_answer_record(client, STATUS_OK, world.ledger, world.ledger_bytes);
	} else {
		track_set_pack(world.invalid, packed);
		fake_answer_record(client, STATUS_OK, packed,
			(uint32_t)(track_set_ranges(world.invalid) * TRACK_SET_PACKED_BYTES));
	}
}

static void answer_read(struct fixture *f, enum side side)
{
	static const enum status transient[] = { STATUS_TIMEOUT, STATUS_QUEUE_FULL, STATUS_NO_FREE_JOB, STATUS_NOT_READY };

	if (happens(1500))
		fake_answer_status(f->client, side, STATUS_VOLUME_ERROR, 0, happens(2));
	else if (happens(2000))
		fake_answer_status(f->client, side, happens(3) ? STATUS_BUSY : happens(2) ? STATUS_VOLUME_CHANGED :
			STATUS_LINK_LOST, 0, false);
	else if (happens(world.trouble))
		fake_answer_status(f->client, side, transient[pick(4)], 0, happens(25));
	else
		fake_answer_some(f->client, side, happens(3) ? 1 + pick(RUN_TRACKS) : RUN_DIGESTS_MAX);
}

static void change_something(struct fixture *f)
{
	unsigned track = pick(TRACKS);

	if (world.truth[track] == TRUTH_CHANGING)
		(happens(2) ? f->client->local : f->client->remote)[track * FAKE_TRACK_BYTES] ^= 1;
}

static void answer_something(struct fixture *f)
{
	enum side side = happens(2) ? SIDE_LOCAL : SIDE_REMOTE;

	change_something(f);
	if (!fake_pending(f->client, side))
		side = side == SIDE_LOCAL ? SIDE_REMOTE : SIDE_LOCAL;
	if (fake_pending(f->client, side) && !happens(8))
		answer_read(f, side);
	else
		clock_advance(f->clock, 1 + pick(400));
}

/* False: the program was killed. */
static bool disturb(struct fixture *f, bool *is_up)
{
	static uint32_t relinks;

	switch (pick(5)) {
	case 0:
		engine_interrupt(f->engine);
		return true;
	case 1:
		engine_lost(f->engine, "gone");
		world.is_lost = true;
		return true;
	case 2:
	case 3:
		*is_up = !*is_up;
		relinks += *is_up;
		link_is(f, *is_up, relinks);
		return true;
	default:
		return false;
	}
}

/* One program, from its start to its end or until it is killed. */
static void run_program(struct fixture *f)
{
	bool is_up = true;

	begin_program(f);
	for (uint32_t step = 0; f->done == 0; step++) {
		if (step == STEPS_MAX)
			fail_msg("seed %u: it does not end", seed);
		if (happens(200) && !disturb(f, &is_up))
			return;
		if (f->done > 0)
			break;
		if (world.is_lost)
			fail_msg("seed %u: without a primary it goes on", seed);
		if (f->client->opens + f->client->statuses > 0 && happens(2))
			fake_answer_open(f->client, happens(50) ? STATUS_LINK_LOST : STATUS_OK);
		else if (f->client->releases > 0)
			fake_answer_release(f->client);
		else if (f->client->record != RECORD_UNSET && happens(2))
			serve_record(f);
		else
			answer_something(f);
	}
}

static void whatever_happens_each_track_is_told_once_and_truly(void **state)
{
	struct fixture *f = *state;

	world.invalid = track_set_new();
	random_state = 1;
	for (unsigned i = 0; i < COMPARISONS; i++) {
		seed = random_state;
		make_comparison(f);
		for (unsigned programs = 0; !world.has_ended && programs < 50; programs++)
			run_program(f);
	}
	track_set_free(world.invalid);
	free(world.ledger);
	memset(&world, 0, sizeof(world));
}

static int set_up_device(void **state)
{
	set_up(state);
	make_device(*state);
	((struct fixture *)*state)->options.run_tracks = RUN_TRACKS;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whatever_happens_each_track_is_told_once_and_truly, set_up_device, tear_down),
	};

	log_start("test_engine_random", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_random", tests, NULL, NULL);
}
