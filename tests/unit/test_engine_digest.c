/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes by digest, from the opening to the report: what is read as data, how long runs are, what holes cost.
 */
#include "tests/unit/engine_bed.h"

#include <errno.h>
#include <time.h>

#include "base/log.h"
#include "storage/ledger.h"

#define TIB (1ull << 40)

/* Slots for which the system has memory. */
static unsigned memory_slots;
static uint32_t bytes_filled;

int __real_shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes);
int __wrap_shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes);

int __wrap_shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes)
{
	if (slot >= memory_slots)
		return -ENOMEM;
	if (bytes > bytes_filled)
		bytes_filled = bytes;
	return __real_shm_fill(shm, slot, bytes);
}

static int set_up_digest(void **state)
{
	struct fixture *f;

	set_up(state);
	f = *state;
	f->options.digest = DIGEST_XXH3_128;
	memory_slots = UINT32_MAX;
	bytes_filled = 0;
	return 0;
}

static void equal_digests_prove_all_tracks(void **state)
{
	struct fixture *f = *state;

	f->options.run_tracks = 10;
	start(f);
	assert_int_equal(f->client->reads[0].request.digest, DIGEST_XXH3_128);
	assert_int_equal(f->client->reads[0].request.track_count, 10);
	run_pass(f);
	assert_int_equal(f->client->reads_sent, 2 * 7);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_int_equal(figures(f)->setup.digest, DIGEST_XXH3_128);
	assert_int_equal(figures(f)->compared_bytes, FAKE_VOLUME_BYTES);
}

static void slots_take_no_more_memory_than_runs_need(void **state)
{
	struct fixture *f = *state;

	f->options.run_tracks = 10;
	start(f);
	run_pass(f);
	assert_int_equal(bytes_filled, 10 * digest_bytes(DIGEST_XXH3_128));
}

static void streams_for_which_there_is_memory_do_all(void **state)
{
	struct fixture *f = *state;

	memory_slots = 2; /* of the first stream */
	start(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->reasons[REASON_NO_MEMORY], 2 * RUN_TRACKS); /* those of the other two */
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], TRACKS - 2 * RUN_TRACKS);
}

static void without_any_memory_nothing_is_compared(void **state)
{
	struct fixture *f = *state;

	memory_slots = 0;
	start(f);
	fake_answer_open(f->client, STATUS_OK);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->reasons[REASON_NO_MEMORY], TRACKS);
	assert_int_equal(f->client->reads_sent, 0);
}

static void the_first_run_is_of_one_mebibyte_or_the_run_asked_for(void **state)
{
	static const struct {
		uint32_t track_bytes, first, most;
	} sizes[] = { { 4 * KIB, 256, RUN_DIGESTS_MAX }, { 64 * KIB, 16, RUN_DIGESTS_MAX }, { 1 * MIB, 1, 64 } };
	struct fixture *f = *state;
	uint32_t first;

	f->options.run_tracks = 0;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(options_digest_tracks(&f->options, sizes[i].track_bytes, &first), sizes[i].most);
		assert_int_equal(first, sizes[i].first);
	}
	f->options.run_tracks = RUN_DIGESTS_MAX;
	assert_int_equal(options_digest_tracks(&f->options, 64 * KIB, &first), RUN_DIGESTS_MAX);
	assert_int_equal(first, RUN_DIGESTS_MAX);
}

static void a_difference_has_its_bytes_by_digest_too(void **state)
{
	struct fixture *f = *state;

	f->client->remote[9 * FAKE_TRACK_BYTES + 5] ^= 1;
	f->client->remote[63 * FAKE_TRACK_BYTES] ^= 1;
	start(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 2);
	assert_int_equal(figures(f)->range_count, 2);
	assert_int_equal(report_range(engine_report(f->engine), 0)->offset_bytes, 9 * FAKE_TRACK_BYTES + 5);
	assert_int_equal(report_range(engine_report(f->engine), 0)->length_bytes, 1);
}

static void data_that_is_equal_after_its_digests_differed_is_settled(void **state)
{
	struct fixture *f = *state;

	f->client->odd_digests[3] = f->client->odd_digests[4] = true;
	start(f);
	run_pass(f);
	assert_int_equal(engine_exit_code(f->engine), 0);
	assert_int_equal(figures(f)->settled_tracks, 2);
	assert_int_equal(figures(f)->compared_bytes, FAKE_VOLUME_BYTES);
}

/* The primary of these tests asserts that no data is asked for. */
static void where_no_data_may_be_read_whole_tracks_differ(void **state)
{
	for (uint32_t rounds = 0; rounds < 3; rounds++) {
		struct fixture *f = *state;

		f->options.settle_rounds = rounds;
		f->client->digest_only = true;
		f->client->remote[9 * FAKE_TRACK_BYTES + 5] ^= 1;
		start(f);
		while (f->client->statuses == 0) {
			fake_answer_all(f->client);
			clock_advance(f->clock, 1000);
		}
		fake_answer_open(f->client, STATUS_OK);
		assert_int_equal(engine_exit_code(f->engine), 1);
		assert_int_equal(figures(f)->range_count, 1);
		assert_int_equal(report_range(engine_report(f->engine), 0)->length_bytes, FAKE_TRACK_BYTES);
		assert_false(report_range(engine_report(f->engine), 0)->is_exact);
		assert_int_equal(report_range(engine_report(f->engine), 0)->confirm.times, rounds);
		tear_down(state);
		set_up_digest(state);
	}
}

static void of_unequal_volumes_the_digests_end_where_both_do(void **state)
{
	struct fixture *f = *state;

	f->client->remote_bytes = 20 * FAKE_TRACK_BYTES + 7;
	start(f);
	run_pass(f);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 20);
	assert_true(figures(f)->is_only_tail);
	assert_int_equal(figures(f)->range_count, 1);
	assert_int_equal(report_range(engine_report(f->engine), 0)->offset_bytes, 20 * FAKE_TRACK_BYTES + 7);
}

static void an_interruption_leaves_what_differed_by_digest_unsettled(void **state)
{
	struct fixture *f = *state;

	f->options.run_tracks = 20;
	f->client->remote[0] ^= 1;
	f->client->remote[FAKE_TRACK_BYTES] ^= 1;
	start(f);
	fake_answer(f->client, SIDE_LOCAL);
	fake_answer(f->client, SIDE_REMOTE);
	assert_int_equal(fake_pending(f->client, SIDE_REMOTE)->digest, DIGEST_XXH3_128);
	engine_interrupt(f->engine);
	assert_int_equal(engine_exit_code(f->engine), 3);
	assert_int_equal(figures(f)->tracks[REPORT_UNSETTLED], 2);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 18);
	assert_int_equal(figures(f)->tracks[REPORT_DIFFERENT], 0);
}

static int64_t cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A few reads, whatever the size; what was done for each track would take minutes. */
static void a_volume_of_holes_takes_no_time(void **state)
{
	struct fixture *f = *state;
	int64_t begun_ms = cpu_ms();

	make_device(f);
	f->client->local_bytes = f->client->remote_bytes = 16 * TIB;
	f->client->tells_holes = true;
	f->client->local_states[30] = TRACK_HOLE; /* on one side only */
	f->client->remote[63 * FAKE_TRACK_BYTES] ^= 1;
	start(f);
	answer_records(f);
	run_pass(f);
	assert_true(f->client->is_save);
	assert_true(f->client->saved_bytes < LEDGER_BYTES_MAX);
	fake_answer_record(f->client, STATUS_OK, NULL, 0);
	assert_int_equal(engine_exit_code(f->engine), 1);
	assert_int_equal(figures(f)->compared_bytes, 16 * TIB);
	assert_int_equal(figures(f)->hole_bytes, 16 * TIB - 63 * FAKE_TRACK_BYTES);
	assert_int_equal(figures(f)->tracks[REPORT_IDENTICAL], 16 * TIB / FAKE_TRACK_BYTES - 2);
	assert_true(f->client->reads_sent < 100);
	assert_true(cpu_ms() - begun_ms < 2000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_digest, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_digests_prove_all_tracks),
		TEST(slots_take_no_more_memory_than_runs_need),
		TEST(streams_for_which_there_is_memory_do_all),
		TEST(without_any_memory_nothing_is_compared),
		TEST(the_first_run_is_of_one_mebibyte_or_the_run_asked_for),
		TEST(a_difference_has_its_bytes_by_digest_too),
		TEST(data_that_is_equal_after_its_digests_differed_is_settled),
		TEST(where_no_data_may_be_read_whole_tracks_differ),
		TEST(of_unequal_volumes_the_digests_end_where_both_do),
		TEST(an_interruption_leaves_what_differed_by_digest_unsettled),
		TEST(a_volume_of_holes_takes_no_time),
	};

	log_start("test_engine_digest", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_digest", tests, NULL, NULL);
}
