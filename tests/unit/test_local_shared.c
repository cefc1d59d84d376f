/* SPDX-License-Identifier: Apache-2.0
 *
 * Local devices under limits and reservation: what waits, what is given back, who is refused. The DA and its threads
 * are real, the clock is not.
 */
#include "primary/local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/rate.h"
#include "local/shm.h"
#include "storage/da.h"
#include "tests/support/local_bed.h"

/* ---- Limits ---- */

static void limit_device(struct local_bed *f, uint64_t bytes_per_s)
{
	rate_set(f->world->device_rate, &(struct rate_limit){ .bytes_per_s = bytes_per_s });
}

/* The first read takes what may go at once. */
static void use_up(struct local_bed *f)
{
	struct local_bed_outcome first = { 0 };
	limit_device(f, WORLD_TRACK_BYTES);
	assert_int_equal(local_bed_read(f, 0, 1, &first), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, first.count == 1));
	assert_int_equal(first.result.throttled_ms, 0);
}

static void limited_read_waits_and_says_how_long(void **state)
{
	struct local_bed *f = *state;
	struct da_counts counts;
	local_bed_open(f);
	use_up(f);
	assert_int_equal(local_bed_read(f, 1, 1, &f->outcome), STATUS_OK);
	clock_advance(f->world->clock, 800);
	world_settle(f->world);
	assert_int_equal(f->outcome.count, 0);
	da_count(f->world->da, &counts);
	assert_int_equal(counts.elements_used, 0); /* nothing was asked of the disk */
	clock_advance(f->world->clock, 200);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.result.status, STATUS_OK);
	assert_in_range(f->outcome.result.throttled_ms, 850, 1000);
	assert_int_equal(local_throttled_ms(f->user), f->outcome.result.throttled_ms);
	assert_int_equal(((const uint8_t *)shm_slot(f->shm, 1))[0], world_byte(1));
}

static void time_out_begins_when_the_limit_lets_go(void **state)
{
	struct local_bed *f = *state;
	local_bed_open(f);
	use_up(f);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read(f, 1, 1, &f->outcome), STATUS_OK);
	clock_advance(f->world->clock, 1000);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS - 1000);
	assert_int_equal(f->outcome.count, 0);
	clock_advance(f->world->clock, 1000);
	assert_int_equal(f->outcome.result.status, STATUS_TIMEOUT);
	assert_true(f->outcome.result.throttled_ms > 0);
}

static void limit_of_the_run_binds_only_its_user(void **state)
{
	struct local_bed *f = *state;
	struct rate *run = rate_new(f->world->throttle, &(struct rate_limit){ .reads_per_s = 1 });
	struct local_attach_spec spec = { .owner = "a slow host", .run_rate = run };
	struct local_user *slow = local_attach(f->world->local, &spec), *quick = f->user;
	struct local_bed_outcome outcomes[4] = { { 0 } };
	struct local_bed_info info = { 0 };
	local_bed_open(f);
	assert_int_equal(local_query(slow, local_bed_on_info, &info), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, info.count == 1));
	f->user = slow;
	assert_int_equal(local_bed_read(f, 0, 1, &outcomes[0]), STATUS_OK);
	assert_int_equal(local_bed_read(f, 1, 1, &outcomes[1]), STATUS_OK);
	f->user = quick;
	assert_int_equal(local_bed_read(f, 2, 1, &outcomes[2]), STATUS_OK);
	assert_int_equal(local_bed_read(f, 3, 1, &outcomes[3]), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, outcomes[0].count + outcomes[2].count + outcomes[3].count == 3));
	assert_int_equal(outcomes[1].count, 0);
	clock_advance(f->world->clock, 1000);
	assert_true(WORLD_UNTIL(f->world, outcomes[1].count == 1));
	local_detach(slow);
	rate_free(run);
}

static void user_that_goes_leaves_the_wait_and_is_not_charged(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome outcome = { 0 };
	local_bed_open(f);
	use_up(f);
	assert_int_equal(local_bed_read(f, 1, 4, &f->outcome), STATUS_OK);
	local_detach(f->user);
	f->user = local_attach(f->world->local, &(struct local_attach_spec){ .owner = "another" });
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->info.count == 2));
	assert_int_equal(local_bed_read(f, 5, 1, &outcome), STATUS_OK);
	clock_advance(f->world->clock, 1000);
	assert_true(WORLD_UNTIL(f->world, outcome.count == 1));
	assert_int_equal(f->outcome.count, 0);
}

static void user_that_goes_pays_only_for_reads_that_began(void **state)
{
	struct local_bed *f = *state;
	struct rate *const rates[RATES_MAX] = { f->world->device_rate };
	struct rate_waiter waiter = { 0 };
	local_bed_open(f);
	rate_set(f->world->device_rate, &(struct rate_limit){ .reads_per_s = 40 }); /* four at once */
	world_hang_reads(f->world);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(local_bed_read(f, i, 1, &f->outcome), STATUS_OK);
	world_wait_hung(f->world, 2); /* half of the threads; two reads are queued */
	local_detach(f->user);
	f->user = NULL;
	for (unsigned i = 0; i < 2; i++)
		assert_true(rate_enter(f->world->throttle, &waiter, rates, f, 1, NULL, NULL));
	assert_false(rate_enter(f->world->throttle, &waiter, rates, f, 1, NULL, NULL));
	rate_leave(&waiter);
}

static void read_that_the_disk_did_not_take_is_given_back(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome held = { 0 }, refused = { 0 };
	local_bed_open(f);
	use_up(f);
	world_hang_reads(f->world);
	clock_advance(f->world->clock, 1000);
	assert_int_equal(local_bed_read(f, 0, 1, &held), STATUS_OK);
	world_wait_hung(f->world, 1);
	assert_int_equal(local_bed_read(f, 1, 4, &refused), STATUS_OK);
	clock_advance(f->world->clock, 1000);
	assert_int_equal(refused.count, 1); /* the queue of one is full */
	assert_int_equal(refused.result.status, STATUS_QUEUE_FULL);
	assert_false(refused.result.memory_lost);
	assert_true(refused.result.throttled_ms > 0);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, held.count == 1));
	clock_advance(f->world->clock, 1);
	assert_int_equal(local_bed_read(f, 5, 1, &f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.result.throttled_ms, 0); /* its four tracks were given back */
}

/* ---- Reservation ---- */

static void assert_busy(enum status status, const char *detail, const char *words)
{
	assert_int_equal(status, STATUS_BUSY);
	assert_string_equal(detail, words);
}

static void reserved_device_is_refused_to_others(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = local_attach(f->world->local, &(struct local_attach_spec){ .owner = "b" });
	char detail[DETAIL_MAX + 1];
	assert_int_equal(local_reserve(f->user, false, detail), STATUS_OK);
	assert_int_equal(local_reserve(f->user, false, detail), STATUS_OK);
	assert_busy(local_reserve(other, false, detail), detail, "volume is reserved by a host");
	assert_busy(local_may_use(other, detail), detail, "volume is reserved by a host");
	assert_busy(local_begin_reading(other, detail), detail, "volume is reserved by a host");
	assert_int_equal(local_begin_reading(f->user, detail), STATUS_OK);
	assert_string_equal(local_view(f->world->local).reserved_by, "a host");
	local_detach(f->user);
	f->user = other;
	assert_null(local_view(f->world->local).reserved_by);
	assert_int_equal(local_begin_reading(f->user, detail), STATUS_OK);
	assert_int_equal(local_reserve(f->user, false, detail), STATUS_OK);
}

static void device_that_is_read_is_not_reserved(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = local_attach(f->world->local, &(struct local_attach_spec){ .owner = "b" });
	char detail[DETAIL_MAX + 1];
	assert_int_equal(local_begin_reading(other, detail), STATUS_OK);
	assert_busy(local_reserve(f->user, false, detail), detail, "volume is being read by b");
	local_end_reading(other);
	assert_int_equal(local_reserve(f->user, false, detail), STATUS_OK); /* attached alone is no reading */
	assert_busy(local_begin_reading(other, detail), detail, "volume is reserved by a host");
	local_detach(other);
}

static void view_tells_the_state(void **state)
{
	struct local_bed *f = *state;
	struct local_view view = local_view(f->world->local);
	assert_string_equal(view.state, "closed");
	assert_null(view.info);
	local_bed_open(f);
	view = local_view(f->world->local);
	assert_string_equal(view.state, "open");
	assert_int_equal(view.info->size_bytes, SIZE_BYTES);
	assert_int_equal(view.users, 1);
	assert_true(view.is_ready);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read(f, 0, 1, &f->outcome), STATUS_OK);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_false(local_view(f->world->local).is_ready);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, local_bed_set_up, local_bed_tear_down)
#define TEST_SMALL_QUEUE(name) cmocka_unit_test_setup_teardown(name, local_bed_set_up_small_queue, local_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(limited_read_waits_and_says_how_long),
		TEST(time_out_begins_when_the_limit_lets_go),
		TEST(limit_of_the_run_binds_only_its_user),
		TEST(user_that_goes_leaves_the_wait_and_is_not_charged),
		TEST(user_that_goes_pays_only_for_reads_that_began),
		TEST_SMALL_QUEUE(read_that_the_disk_did_not_take_is_given_back),
		TEST(reserved_device_is_refused_to_others),
		TEST(device_that_is_read_is_not_reserved),
		TEST(view_tells_the_state),
	};
	return cmocka_run_group_tests_name("local_shared", tests, NULL, NULL);
}
