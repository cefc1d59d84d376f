/* SPDX-License-Identifier: Apache-2.0
 *
 * Exclusive reservation at the secondary: the volume is locked for it, who has it is told, and whatever happens while
 * the lock is taken, it is given up before the volume is closed (the faulty volume asserts that).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "tests/support/bed.h"

#define WAIT_MS 20000

static struct bed *bed;
static struct primary *one, *two;
static uint32_t device;

static int set_up_with(unsigned queue_elements)
{
	struct ra_config config;

	bed_config(&config);
	if (queue_elements > 0)
		config.da_queue_elements = queue_elements;
	bed = bed_new(&config, 64);
	one = primary_new(bed);
	two = primary_new(bed);
	device = primary_attach(one, "d0");
	primary_attach(two, "d0");
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return set_up_with(0);
}

static int setup_small_queue(void **state)
{
	(void)state;
	return set_up_with(1);
}

static int teardown(void **state)
{
	(void)state;
	faulty_volume_hang_locks(bed->volumes[0], false);
	faulty_volume_hang_reads(bed->volumes[0], false);
	if (one != NULL)
		primary_drop(one);
	if (two != NULL)
		primary_drop(two);
	one = two = NULL;
	bed_free(bed);
	return 0;
}

static struct device *record(void)
{
	return device_array_record(bed->ra->devices, device);
}

static struct faulty_counts counts(void)
{
	return faulty_volume_count(bed->volumes[0]);
}

static void drop(struct primary **primary)
{
	primary_drop(*primary);
	*primary = NULL;
}

static struct answer *reserve_exclusively(struct primary *primary, uint32_t tag, const char *owner)
{
	primary_ask_exclusive(primary, tag, device, owner);
	return primary_wait(primary, tag);
}

/* A thread is in the lock, and stays there until the volume is let go. */
static void hang_in_lock(void)
{
	faulty_volume_hang_locks(bed->volumes[0], true);
	primary_ask_exclusive(one, 2, device, "me");
	BED_UNTIL(bed, counts().stuck == 1);
	assert_int_equal(one->answers[2].replies, 0);
}

static void let_go(void)
{
	faulty_volume_hang_locks(bed->volumes[0], false);
}

static enum status link_status(struct primary *primary)
{
	primary_read(primary, 1, 0, device, 0, 0, DELIVERY_UNSET);
	return primary_wait(primary, 1)->status;
}

static void hello_is_answered_with_the_features_that_both_know(void **state)
{
	(void)state;
	assert_int_equal(one->features, FEATURE_INVALID);
}

static void volume_is_locked_until_unreserve(void **state)
{
	struct answer *answer = reserve_exclusively(one, 2, "me");

	(void)state;
	assert_int_equal(answer->status, STATUS_OK);
	assert_int_equal(answer->reservation, 1);
	assert_int_equal(counts().locks, 1);
	assert_true(record()->parameters.is_exclusive);
	assert_int_equal(link_status(two), STATUS_BUSY);
	assert_int_equal(primary_unreserve(one, device, 1), STATUS_OK);
	assert_false(record()->parameters.is_exclusive);
	BED_UNTIL(bed, counts().unlocks == 1);
	assert_int_equal(link_status(two), STATUS_OK);
}

static void plain_reservation_locks_nothing(void **state)
{
	(void)state;
	primary_reserve(one, 2, device, "me");
	assert_false(record()->parameters.is_exclusive);
	assert_int_equal(link_status(one), STATUS_OK);
	assert_int_equal(counts().locks, 0);
}

static void users_of_ra_come_before_the_lock(void **state)
{
	struct answer *answer;

	(void)state;
	primary_link(two, device);
	answer = reserve_exclusively(one, 2, "me");
	assert_int_equal(answer->status, STATUS_BUSY);
	assert_string_equal(answer->detail, "being read by bed");
	assert_false(answer->by_program);
	assert_int_equal(counts().locks, 0);
}

static void volume_of_another_program_is_busy_and_says_whose(void **state)
{
	struct answer *answer;

	(void)state;
	faulty_volume_set_lock_error(bed->volumes[0], EBUSY);
	answer = reserve_exclusively(one, 2, "me");
	assert_int_equal(answer->status, STATUS_BUSY);
	assert_true(answer->by_program);
	assert_int_equal(answer->reservation, 0);
	assert_string_equal(answer->detail, "in use by faulty[7]");
	assert_null(record()->parameters.reserved_by);
	assert_int_equal(link_status(two), STATUS_OK);
	primary_release(two, two->answers[1].link_id);
	faulty_volume_set_lock_error(bed->volumes[0], 0);
	assert_int_equal(reserve_exclusively(one, 2, "me")->status, STATUS_OK);
	assert_int_equal(counts().locks, 2);
}

static void lock_that_fails_says_why(void **state)
{
	struct answer *answer;

	(void)state;
	faulty_volume_set_lock_error(bed->volumes[0], ENOLCK);
	answer = reserve_exclusively(one, 2, "me");
	assert_int_equal(answer->status, STATUS_VOLUME_ERROR);
	assert_false(answer->by_program);
	assert_string_equal(answer->detail, "it cannot be locked: No locks available");
	assert_int_equal(post_count(bed->post, STATUS_VOLUME_ERROR), 1);
	assert_null(record()->parameters.reserved_by);
}

/* ---- While it is taken ---- */

static void pending_reservation_counts_as_taken(void **state)
{
	uint32_t other_device = primary_attach(two, "d1");
	struct answer *answer;

	(void)state;
	hang_in_lock();
	answer = primary_reserve(two, 3, device, "you");
	assert_int_equal(answer->status, STATUS_BUSY);
	assert_string_equal(answer->detail, "reserved by me");
	assert_false(answer->by_program);
	assert_int_equal(link_status(two), STATUS_BUSY);
	answer = primary_reserve(one, 3, device, "me again");
	assert_int_equal(answer->status, STATUS_BUSY);
	assert_string_equal(answer->detail, "being reserved by me");
	assert_int_equal(reserve_exclusively(one, 3, "me again")->status, STATUS_BUSY);
	/* Other devices know nothing of it. */
	primary_read(two, 4, primary_link(two, other_device), other_device, 0, 2, DELIVERY_HOLD);
	assert_tracks(bed, other_device, primary_wait(two, 4), 0);
	let_go();
	assert_int_equal(primary_wait(one, 2)->status, STATUS_OK);
	assert_string_equal(record()->parameters.owner, "me");
}

/* What was read while the lock was being taken is not used after it. */
static void floor_rises_when_it_is_granted(void **state)
{
	uint64_t link_id = primary_link(one, device);

	(void)state;
	hang_in_lock();
	primary_read(one, 3, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(one, 3);
	let_go();
	assert_int_equal(primary_wait(one, 2)->status, STATUS_OK);
	primary_read(one, 3, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(one, 3);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

static void link_lost_while_it_is_taken_gives_it_up(void **state)
{
	(void)state;
	hang_in_lock();
	drop(&one);
	assert_null(record()->parameters.reserved_by);
	assert_int_equal(link_status(two), STATUS_OK); /* free for others at once */
	let_go();
	BED_UNTIL(bed, counts().unlocks == 1);
}

static void volume_is_closed_only_after_the_lock_came_back(void **state)
{
	(void)state;
	hang_in_lock();
	drop(&one);
	drop(&two);
	bed_advance(bed, bed->ra->config.da_timeout_ms);
	assert_int_equal(counts().closes, 0);
	let_go();
	BED_UNTIL(bed, record() == NULL);
	assert_int_equal(counts().unlocks, 1);
	assert_int_equal(counts().closes, 1);
}

static void failed_lock_that_nobody_waits_for_closes_the_volume_all_the_same(void **state)
{
	(void)state;
	faulty_volume_set_lock_error(bed->volumes[0], EBUSY);
	hang_in_lock();
	drop(&one);
	drop(&two);
	let_go();
	BED_UNTIL(bed, record() == NULL);
	assert_int_equal(counts().unlocks, 0);
}

static void detach_while_it_is_taken_answers_and_gives_it_up(void **state)
{
	(void)state;
	hang_in_lock();
	assert_int_equal(primary_detach(one, device), STATUS_OK);
	assert_int_equal(one->answers[2].status, STATUS_NO_SUCH_DEVICE);
	assert_string_equal(one->answers[2].detail, "given back meanwhile");
	let_go();
	BED_UNTIL(bed, counts().unlocks == 1);
	assert_int_equal(one->answers[2].replies, 1);
}

static void unreserve_while_it_is_taken_answers_and_gives_it_up(void **state)
{
	(void)state;
	hang_in_lock();
	assert_int_equal(primary_unreserve(one, device, 0), STATUS_BAD_REQUEST);
	assert_int_equal(primary_unreserve(one, device, record()->parameters.reservation), STATUS_OK);
	assert_int_equal(one->answers[2].status, STATUS_NO_SUCH_DEVICE);
	let_go();
	BED_UNTIL(bed, counts().unlocks == 1);
	assert_int_equal(one->answers[2].replies, 1);
}

/* The lock that the first one does not want any more serves the second. */
static void next_one_waits_for_the_same_lock(void **state)
{
	(void)state;
	hang_in_lock();
	drop(&one);
	primary_ask_exclusive(two, 2, device, "you");
	BED_UNTIL(bed, record()->parameters.is_pending);
	assert_int_equal(two->answers[2].replies, 0);
	let_go();
	assert_int_equal(primary_wait(two, 2)->status, STATUS_OK);
	assert_int_equal(counts().locks, 1);
	assert_int_equal(counts().unlocks, 0);
}

/* ---- Time ---- */

static void lock_that_hangs_times_out(void **state)
{
	struct answer *answer;

	(void)state;
	hang_in_lock();
	bed_advance(bed, bed->ra->config.da_timeout_ms - 1);
	assert_int_equal(one->answers[2].replies, 0);
	bed_advance(bed, 1);
	answer = primary_wait(one, 2);
	assert_int_equal(answer->status, STATUS_TIMEOUT);
	assert_string_equal(answer->detail, "the volume was not locked in time");
	assert_false(answer->by_program);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	assert_null(record()->parameters.reserved_by);
	assert_false(device_is_ready(record()));
	answer = reserve_exclusively(two, 2, "you");
	assert_int_equal(answer->status, STATUS_NOT_READY);
	assert_string_equal(answer->detail, "an earlier request to the volume hangs");
	let_go();
	BED_UNTIL(bed, device_is_ready(record()));
	assert_int_equal(counts().unlocks, 1);
	assert_int_equal(reserve_exclusively(two, 2, "you")->status, STATUS_OK);
	assert_int_equal(one->answers[2].replies, 1);
}

static void lock_that_hung_when_all_went_is_followed_by_the_close(void **state)
{
	(void)state;
	hang_in_lock();
	bed_advance(bed, bed->ra->config.da_timeout_ms);
	drop(&one);
	drop(&two);
	let_go();
	BED_UNTIL(bed, record() == NULL);
	assert_int_equal(counts().unlocks, 1);
}

static void lock_that_ended_as_it_timed_out_is_given_up(void **state)
{
	(void)state;
	hang_in_lock();
	let_go();
	assert_true(mailbox_wait(bed->mailbox, WAIT_MS)); /* done is there, and not delivered */
	clock_advance(bed->clock, bed->ra->config.da_timeout_ms);
	assert_int_equal(primary_wait(one, 2)->status, STATUS_TIMEOUT);
	assert_true(device_is_ready(record()));
	BED_UNTIL(bed, counts().unlocks == 1);
	assert_int_equal(reserve_exclusively(one, 2, "me")->status, STATUS_OK);
	assert_int_equal(counts().locks, 2);
}

/* ---- One after the other ---- */

static void second_one_of_a_session_needs_no_second_lock(void **state)
{
	(void)state;
	assert_int_equal(reserve_exclusively(one, 2, "me")->reservation, 1);
	assert_int_equal(reserve_exclusively(one, 2, "me again")->reservation, 2);
	assert_int_equal(counts().locks, 1);
}

static void plain_one_in_its_place_gives_the_lock_up(void **state)
{
	(void)state;
	reserve_exclusively(one, 2, "me");
	assert_int_equal(primary_reserve(one, 2, device, "me")->status, STATUS_OK);
	BED_UNTIL(bed, counts().unlocks == 1);
	assert_false(record()->parameters.is_exclusive);
	assert_int_equal(link_status(two), STATUS_BUSY);
}

static void lost_link_gives_the_lock_up(void **state)
{
	(void)state;
	reserve_exclusively(one, 2, "me");
	drop(&one);
	BED_UNTIL(bed, counts().unlocks == 1);
	assert_int_equal(reserve_exclusively(two, 2, "you")->status, STATUS_OK);
	drop(&two);
	BED_UNTIL(bed, record() == NULL);
	assert_int_equal(counts().unlocks, 2);
}

/* ---- A full queue ---- */

/* The one element is with a read that hangs. */
static void fill_queue(void)
{
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(one, 9, primary_link(one, device), device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, counts().stuck == 1);
}

static void empty_queue(void)
{
	faulty_volume_hang_reads(bed->volumes[0], false);
}

static void lock_waits_for_a_free_element(void **state)
{
	(void)state;
	fill_queue();
	primary_ask_exclusive(one, 2, device, "me");
	BED_UNTIL(bed, record()->parameters.is_pending);
	bed_advance(bed, 0);
	assert_int_equal(one->answers[2].replies, 0);
	empty_queue();
	assert_int_equal(primary_wait(one, 2)->status, STATUS_OK);
	assert_int_equal(counts().locks, 1);
}

static void lock_that_finds_no_element_times_out(void **state)
{
	(void)state;
	fill_queue();
	primary_ask_exclusive(one, 2, device, "me");
	BED_UNTIL(bed, record()->parameters.is_pending);
	bed_advance(bed, bed->ra->config.da_timeout_ms);
	assert_int_equal(primary_wait(one, 2)->status, STATUS_TIMEOUT);
	empty_queue();
	BED_UNTIL(bed, device_is_ready(record()));
	assert_int_equal(link_status(one), STATUS_OK);
	assert_int_equal(counts().locks, 0);
}

static void unlock_waits_for_a_free_element(void **state)
{
	(void)state;
	reserve_exclusively(one, 2, "me");
	fill_queue();
	assert_int_equal(primary_unreserve(one, device, 1), STATUS_OK);
	bed_advance(bed, 0);
	assert_int_equal(counts().unlocks, 0);
	assert_int_equal(reserve_exclusively(one, 2, "me")->status, STATUS_OK); /* it is still there */
	assert_int_equal(primary_unreserve(one, device, 2), STATUS_OK);
	empty_queue();
	BED_UNTIL(bed, counts().unlocks == 1);
	assert_int_equal(counts().locks, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_SMALL_QUEUE(name) cmocka_unit_test_setup_teardown(name, setup_small_queue, teardown)
	const struct CMUnitTest tests[] = { T(hello_is_answered_with_the_features_that_both_know),
		T(volume_is_locked_until_unreserve), T(plain_reservation_locks_nothing), T(users_of_ra_come_before_the_lock),
		T(volume_of_another_program_is_busy_and_says_whose), T(lock_that_fails_says_why),
		T(pending_reservation_counts_as_taken), T(floor_rises_when_it_is_granted),
		T(link_lost_while_it_is_taken_gives_it_up), T(volume_is_closed_only_after_the_lock_came_back),
		T(failed_lock_that_nobody_waits_for_closes_the_volume_all_the_same),
		T(detach_while_it_is_taken_answers_and_gives_it_up), T(unreserve_while_it_is_taken_answers_and_gives_it_up),
		T(next_one_waits_for_the_same_lock), T(lock_that_hangs_times_out),
		T(lock_that_hung_when_all_went_is_followed_by_the_close), T(lock_that_ended_as_it_timed_out_is_given_up),
		T(second_one_of_a_session_needs_no_second_lock), T(plain_one_in_its_place_gives_the_lock_up),
		T(lost_link_gives_the_lock_up), T_SMALL_QUEUE(lock_waits_for_a_free_element),
		T_SMALL_QUEUE(lock_that_finds_no_element_times_out), T_SMALL_QUEUE(unlock_waits_for_a_free_element) };

	return cmocka_run_group_tests_name("reserve_exclusive", tests, NULL, NULL);
}
