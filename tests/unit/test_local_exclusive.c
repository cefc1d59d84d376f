/* SPDX-License-Identifier: Apache-2.0
 *
 * Local devices that are reserved exclusively: the query after the reservation locks the volume, and whatever happens
 * meanwhile, the lock is given up before the volume is closed (the world's volume asserts that). The DA is real, the
 * clock is not.
 */
#include "primary/local.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "storage/da.h"
#include "tests/support/local_bed.h"

static struct local_user *another(struct local_bed *f)
{
	return local_attach(f->world->local, &(struct local_attach_spec){ .owner = "another" });
}

static void reserve(struct local_user *user, bool exclusive)
{
	char detail[DETAIL_MAX + 1];
	assert_int_equal(local_reserve(user, exclusive, detail), STATUS_OK);
}

static void ask(struct local_user *user, struct local_bed_info *info)
{
	assert_int_equal(local_query(user, local_bed_on_info, info), STATUS_OK);
}

static void expect(struct local_bed *f, const struct local_bed_info *info, unsigned count, enum status status)
{
	assert_true(WORLD_UNTIL(f->world, info->count == count));
	assert_string_equal(status_name(info->status), status_name(status));
}

static const char *reserved_by(struct local_bed *f)
{
	return local_view(f->world->local).reserved_by;
}

/* A thread is in the lock that f->user asked for. */
static void hang_in_lock(struct local_bed *f)
{
	world_hang_locks(f->world);
	reserve(f->user, true);
	ask(f->user, &f->info);
	while (!world_is_open(f->world))
		world_wait(f->world);
	world_settle(f->world);
	world_wait_hung(f->world, 1);
	assert_int_equal(f->info.count, 0);
}

static void detach(struct local_bed *f)
{
	local_detach(f->user);
	f->user = NULL;
}

static void volume_is_locked_until_its_user_goes(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = another(f); /* keeps it open */
	reserve(f->user, true);
	assert_true(local_view(f->world->local).is_exclusive);
	ask(f->user, &f->info);
	expect(f, &f->info, 1, STATUS_OK);
	assert_int_equal(f->info.size_bytes, SIZE_BYTES);
	assert_true(world_is_locked(f->world));
	ask(f->user, &f->info); /* once is enough */
	expect(f, &f->info, 2, STATUS_OK);
	detach(f);
	assert_false(local_view(f->world->local).is_exclusive);
	assert_true(WORLD_UNTIL(f->world, !world_is_locked(f->world)));
	assert_true(world_is_open(f->world));
	f->user = other;
}

static void lock_ends_before_the_volume_is_closed(void **state)
{
	struct local_bed *f = *state;
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 1, STATUS_OK);
	detach(f);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_false(world_is_locked(f->world) || world_is_open(f->world));
}

static void plain_reservation_locks_nothing(void **state)
{
	struct local_bed *f = *state;
	reserve(f->user, false);
	local_bed_open(f);
	assert_false(world_is_locked(f->world) || local_view(f->world->local).is_exclusive);
}

static void volume_of_another_program_is_busy_and_says_whose(void **state)
{
	struct local_bed *f = *state;
	world_fail_lock(f->world, -EBUSY);
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 1, STATUS_BUSY);
	assert_string_equal(f->info.detail, "/memory is in use by editor[7]");
	assert_null(reserved_by(f));
	ask(f->user, &f->info); /* it has the volume like everybody else */
	expect(f, &f->info, 2, STATUS_OK);
	world_fail_lock(f->world, 0);
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 3, STATUS_OK);
	assert_true(world_is_locked(f->world));
}

static void lock_that_fails_says_why(void **state)
{
	struct local_bed *f = *state;
	world_fail_lock(f->world, -ENOLCK);
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 1, STATUS_VOLUME_ERROR);
	assert_string_equal(f->info.detail, "cannot lock /memory: No locks available");
	assert_int_equal(post_count(f->world->post, STATUS_VOLUME_ERROR), 1);
	assert_null(reserved_by(f));
}

static void size_is_that_of_the_locked_volume(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = another(f);
	struct local_bed_info info = { 0 };
	ask(other, &info);
	expect(f, &info, 1, STATUS_OK);
	world_resize(f->world, SIZE_BYTES + 5000);
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 1, STATUS_OK);
	assert_int_equal(f->info.size_bytes, SIZE_BYTES + 5000);
	local_detach(other);
}

/* ---- While it is taken ---- */

static void others_are_told_as_soon_as_it_is_open(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = another(f);
	struct local_bed_info info = { 0 };
	char detail[DETAIL_MAX + 1];
	ask(other, &info);
	hang_in_lock(f);
	expect(f, &info, 1, STATUS_OK);
	assert_int_equal(local_begin_reading(other, detail), STATUS_BUSY);
	assert_string_equal(detail, "volume is reserved by a host");
	world_release(f->world);
	expect(f, &f->info, 1, STATUS_OK);
	local_detach(other);
}

static void user_that_goes_while_it_is_taken_leaves_no_lock(void **state)
{
	struct local_bed *f = *state;
	hang_in_lock(f);
	detach(f);
	world_settle(f->world);
	assert_false(local_is_idle(f->world->local));
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_false(world_is_locked(f->world));
	assert_int_equal(f->info.count, 0);
}

static void next_user_is_served_by_the_lock_that_is_under_way(void **state)
{
	struct local_bed *f = *state;
	for (unsigned exclusive = 0; exclusive < 2; exclusive++) {
		struct local_user *next = another(f);
		struct local_bed_info info = { 0 };
		hang_in_lock(f);
		detach(f);
		reserve(next, exclusive);
		ask(next, &info);
		world_settle(f->world);
		assert_int_equal(info.count, 0);
		world_release(f->world);
		expect(f, &info, 1, STATUS_OK);
		assert_int_equal(world_is_locked(f->world), exclusive);
		local_detach(next);
		assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
		f->user = another(f);
	}
}

/* ---- Time ---- */

static void lock_that_hangs_times_out(void **state)
{
	struct local_bed *f = *state;
	hang_in_lock(f);
	clock_advance(f->world->clock, DA_TIMEOUT_MS - 1);
	assert_int_equal(f->info.count, 0);
	clock_advance(f->world->clock, 1);
	assert_int_equal(f->info.count, 1);
	assert_int_equal(f->info.status, STATUS_TIMEOUT);
	assert_null(reserved_by(f));
	assert_false(local_view(f->world->local).is_ready);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_view(f->world->local).is_ready));
	assert_false(world_is_locked(f->world));
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 2, STATUS_OK);
}

static void lock_that_hangs_for_one_is_dropped_when_it_comes_to_another(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = another(f);
	struct local_bed_info info = { 0 };
	hang_in_lock(f);
	clock_advance(f->world->clock, 1000);
	ask(other, &info); /* waits behind it */
	clock_advance(f->world->clock, DA_TIMEOUT_MS - 1000);
	assert_int_equal(f->info.status, STATUS_TIMEOUT);
	assert_null(reserved_by(f));
	assert_int_equal(info.count, 0);
	world_release(f->world);
	expect(f, &info, 1, STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, !world_is_locked(f->world)));
	assert_int_equal(f->info.count, 1);
	local_detach(other);
}

static void lock_that_ended_as_it_timed_out_is_given_up(void **state)
{
	struct local_bed *f = *state;
	hang_in_lock(f);
	world_release(f->world);
	assert_true(mailbox_wait(f->world->mailbox, 10000)); /* done is there, and not delivered */
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(f->info.status, STATUS_TIMEOUT);
	assert_true(WORLD_UNTIL(f->world, !world_is_locked(f->world)));
	assert_true(local_view(f->world->local).is_ready);
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 2, STATUS_OK);
	assert_true(world_is_locked(f->world));
}

/* A thread is in it already. */
static void unlock_that_hangs_is_not_asked_for_twice(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = another(f);
	struct local_bed_info info = { 0 };
	struct da_counts counts;
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 1, STATUS_OK);
	world_hang_locks(f->world);
	detach(f);
	world_wait_hung(f->world, 1);
	ask(other, &info);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(info.status, STATUS_TIMEOUT);
	da_count(f->world->da, &counts);
	assert_int_equal(counts.abandoned, 1);
	assert_int_equal(counts.elements_used, 1);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_view(f->world->local).is_ready));
	assert_false(world_is_locked(f->world));
	ask(other, &info);
	expect(f, &info, 2, STATUS_OK);
	f->user = other;
}

/* ---- One after the other ---- */

static void plain_one_in_its_place_gives_the_lock_up(void **state)
{
	struct local_bed *f = *state;
	reserve(f->user, true);
	ask(f->user, &f->info);
	expect(f, &f->info, 1, STATUS_OK);
	reserve(f->user, false);
	assert_true(WORLD_UNTIL(f->world, !world_is_locked(f->world)));
	assert_string_equal(reserved_by(f), "a host");
}

/* The disk queue has one element, which a read has that hangs. */
static void lock_and_unlock_wait_for_a_free_request(void **state)
{
	struct local_bed *f = *state;
	struct local_user *reader = another(f), *holder = f->user;
	struct local_bed_info info = { 0 };
	ask(reader, &info);
	expect(f, &info, 1, STATUS_OK);
	for (unsigned i = 0; i < 2; i++) {
		world_hang_reads(f->world);
		f->user = reader;
		assert_int_equal(local_bed_read(f, 0, 1, &f->outcome), STATUS_OK);
		f->user = holder;
		world_wait_hung(f->world, 1);
		reserve(holder, i == 0);
		if (i == 0)
			ask(holder, &f->info);
		world_settle(f->world);
		assert_int_equal(world_is_locked(f->world), i == 1);
		world_release(f->world);
		assert_true(WORLD_UNTIL(f->world, f->outcome.count == i + 1));
		clock_advance(f->world->clock, RETRY_DELAY_MS);
		assert_true(WORLD_UNTIL(f->world, world_is_locked(f->world) == (i == 0)));
		if (i == 0)
			expect(f, &f->info, 1, STATUS_OK);
	}
	local_detach(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, local_bed_set_up, local_bed_tear_down)
#define TEST_SMALL_QUEUE(name) cmocka_unit_test_setup_teardown(name, local_bed_set_up_small_queue, local_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(volume_is_locked_until_its_user_goes),
		TEST(lock_ends_before_the_volume_is_closed),
		TEST(plain_reservation_locks_nothing),
		TEST(volume_of_another_program_is_busy_and_says_whose),
		TEST(lock_that_fails_says_why),
		TEST(size_is_that_of_the_locked_volume),
		TEST(others_are_told_as_soon_as_it_is_open),
		TEST(user_that_goes_while_it_is_taken_leaves_no_lock),
		TEST(next_user_is_served_by_the_lock_that_is_under_way),
		TEST(lock_that_hangs_times_out),
		TEST(lock_that_hangs_for_one_is_dropped_when_it_comes_to_another),
		TEST(lock_that_ended_as_it_timed_out_is_given_up),
		TEST(unlock_that_hangs_is_not_asked_for_twice),
		TEST(plain_one_in_its_place_gives_the_lock_up),
		TEST_SMALL_QUEUE(lock_and_unlock_wait_for_a_free_request),
	};
	return cmocka_run_group_tests_name("local_exclusive", tests, NULL, NULL);
}
