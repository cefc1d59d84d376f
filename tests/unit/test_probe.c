/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes of the secondary's devices under virtual time: what is counted, when they end, and volumes that cannot be
 * opened, cannot be read, or hang, and limits.
 * check-style: long because all that can happen to a probe happens on one bed.
 */
#include "secondary/probe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/post.h"
#include "base/rate.h"
#include "secondary/device.h"
#include "secondary/ra.h"
#include "tests/support/bed.h"

#define TIME_MS 2000
#define TRACKS 64u /* four reads of 1 MiB */
#define VOLUME_BYTES (TRACKS * BED_TRACK_BYTES)

static struct bed *bed;
static struct probe_result told;
static unsigned times_told;

static void start_bed(unsigned queue_elements)
{
	struct ra_config config;

	bed_config(&config);
	config.da_queue_elements = queue_elements;
	bed = bed_new(&config, TRACKS);
	times_told = 0;
}

static int setup(void **state)
{
	(void)state;
	start_bed(DA_QUEUE_ELEMENTS);
	return 0;
}

static int setup_with_a_queue_of_one(void **state)
{
	(void)state;
	start_bed(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BED_DEVICES; i++)
		faulty_volume_hang_open(bed->volumes[i], false);
	bed_free(bed);
	return 0;
}

static void on_told(void *arg, const struct probe_result *result)
{
	assert_ptr_equal(arg, bed);
	times_told++;
	told = *result;
}

static struct probe *start(uint32_t number)
{
	return probe_start(bed->ra, number, TIME_MS, on_told, bed);
}

static void wait_stuck(uint32_t number, unsigned count)
{
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[number]).stuck >= count);
}

/* So much time passes once so many reads of the volume have begun. */
static void pass_after_reads(uint32_t number, unsigned reads, int64_t ms)
{
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[number]).reads >= reads);
	bed_advance(bed, ms);
}

static void a_device_is_read_for_the_time(void **state)
{
	(void)state;
	start(1);
	pass_after_reads(1, 10, TIME_MS - 1);
	assert_int_equal(times_told, 0);
	pass_after_reads(1, 40, 1);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_true(told.is_open);
	assert_string_equal(told.detail, "");
	assert_string_equal(told.info.path, "faulty");
	assert_int_equal(told.info.size_bytes, VOLUME_BYTES);
	assert_int_equal(told.info.whole_bytes, VOLUME_BYTES);
	assert_int_equal(told.elapsed_ms, TIME_MS);
	assert_int_equal(told.unreadable_tracks, 0);
	assert_true(told.bytes_read >= 36 * (uint64_t)MIB); /* 40 have begun, 4 of them may not have ended in time */
	assert_int_equal(told.bytes_read % MIB, 0);
	BED_UNTIL(bed, bed_is_quiet(bed)); /* the volume is closed again */
	assert_int_equal(faulty_volume_count(bed->volumes[1]).closes, 1);
	assert_int_equal(bed_cache(bed).entries, 0);
	assert_true(faulty_volume_count(bed->volumes[1]).reads_at_once <= 4);
	assert_int_equal(times_told, 1);
}

static void unreadable_tracks_are_counted_once(void **state)
{
	(void)state;
	faulty_volume_set_error(bed->volumes[0], 3 * BED_TRACK_BYTES, 5 * BED_TRACK_BYTES, EIO);
	start(0);
	pass_after_reads(0, 60, TIME_MS); /* a bad MiB takes 1 + 16 reads: it was read more than once */
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(told.unreadable_tracks, 2);
	assert_true(told.bytes_read > 0);
}

static void a_volume_that_cannot_be_read_ends_the_probe(void **state)
{
	(void)state;
	faulty_volume_set_error(bed->volumes[0], 0, VOLUME_BYTES, EIO);
	start(0);
	BED_UNTIL(bed, times_told == 1); /* no time passes */
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(told.unreadable_tracks, TRACKS);
	assert_int_equal(told.bytes_read, 0);
}

static void holes_are_not_counted_as_read(void **state)
{
	(void)state;
	faulty_volume_set_hole(bed->volumes[0], 0, VOLUME_BYTES);
	start(0);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(told.bytes_read, 0);
	assert_int_equal(told.unreadable_tracks, 0);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).reads, 0);
}

static void the_short_last_track_counts_as_what_it_is(void **state)
{
	(void)state;
	faulty_volume_set_size(bed->volumes[0], 100);
	start(0);
	pass_after_reads(0, 100, TIME_MS); /* each takes two: the second finds the end */
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.info.size_bytes, 100);
	assert_true(told.bytes_read >= 46 * 100 && told.bytes_read % 100 == 0);
	assert_int_equal(told.unreadable_tracks, 0);
}

static void an_empty_volume_is_told_at_once(void **state)
{
	(void)state;
	faulty_volume_set_size(bed->volumes[0], 0);
	start(0);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_true(told.is_open);
	assert_int_equal(told.bytes_read, 0);
}

static void an_open_that_fails_is_told_with_its_words(void **state)
{
	(void)state;
	faulty_volume_set_open_error(bed->volumes[0], EACCES);
	start(0);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_VOLUME_ERROR);
	assert_string_equal(told.detail, strerror(EACCES));
	assert_false(told.is_open);
}

static void an_open_that_hangs_is_told_after_da_timeout(void **state)
{
	(void)state;
	faulty_volume_hang_open(bed->volumes[0], true);
	start(0);
	wait_stuck(0, 1);
	bed_advance(bed, DA_TIMEOUT_MS - 1);
	assert_int_equal(times_told, 0);
	bed_advance(bed, 1);
	assert_int_equal(times_told, 1);
	assert_int_equal(told.status, STATUS_TIMEOUT);
	assert_string_not_equal(told.detail, "");
	assert_false(told.is_open);
}

static void a_read_that_hangs_is_told_after_da_timeout(void **state)
{
	(void)state;
	start(0);
	pass_after_reads(0, 8, 0);
	faulty_volume_hang_reads(bed->volumes[0], true);
	wait_stuck(0, 2); /* half of the threads; two reads are queued */
	bed_advance(bed, DA_TIMEOUT_MS - 1);
	assert_int_equal(times_told, 0);
	bed_advance(bed, 1);
	assert_int_equal(times_told, 1);
	assert_int_equal(told.status, STATUS_TIMEOUT);
	assert_string_equal(told.detail, "the volume was not read in time");
	assert_true(told.is_open);
	assert_true(told.bytes_read >= 4 * (uint64_t)MIB);
	assert_int_equal(told.elapsed_ms, DA_TIMEOUT_MS);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	assert_int_equal(bed_da(bed).abandoned, 2);
	assert_int_equal(bed_da(bed).queued, 0);
	assert_false(device_is_ready(device_array_record(bed->ra->devices, 0)));
	start(0); /* as long as they hang the volume has all the threads that it may have */
	bed_advance(bed, DA_TIMEOUT_MS);
	assert_int_equal(times_told, 2);
	assert_int_equal(told.status, STATUS_TIMEOUT);
	assert_int_equal(bed_da(bed).abandoned, 2);
	faulty_volume_hang_reads(bed->volumes[0], false);
	BED_UNTIL(bed, bed_is_quiet(bed));
	start(0);
	pass_after_reads(0, 30, TIME_MS);
	BED_UNTIL(bed, times_told == 3);
	assert_int_equal(told.status, STATUS_OK);
}

static void a_device_that_hangs_is_not_read(void **state)
{
	(void)state;
	faulty_volume_set_size(bed->volumes[0], MIB);
	faulty_volume_hang_reads(bed->volumes[0], true);
	start(0);
	wait_stuck(0, 1);
	bed_advance(bed, DA_TIMEOUT_MS);
	assert_int_equal(times_told, 1);
	assert_int_equal(told.status, STATUS_TIMEOUT);
	start(0);
	BED_UNTIL(bed, times_told == 2);
	assert_int_equal(told.status, STATUS_NOT_READY);
	assert_string_not_equal(told.detail, "");
	assert_true(told.is_open);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).stuck, 1);
}

static void another_device_is_probed_while_one_hangs(void **state)
{
	(void)state;
	faulty_volume_hang_reads(bed->volumes[0], true);
	start(0);
	wait_stuck(0, 2);
	start(1);
	pass_after_reads(1, 10, TIME_MS);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(told.info.device_id, 2);
	bed_advance(bed, DA_TIMEOUT_MS);
	assert_int_equal(times_told, 2);
	assert_int_equal(told.status, STATUS_TIMEOUT);
}

static void a_cancelled_probe_tells_nothing_and_leaves_nothing(void **state)
{
	(void)state;
	faulty_volume_hang_open(bed->volumes[1], true);
	probe_cancel(start(0)); /* before it is open */
	probe_cancel(start(1));
	faulty_volume_hang_open(bed->volumes[1], false);
	struct probe *probe = start(2);

	pass_after_reads(2, 10, 0);
	probe_cancel(probe); /* while it reads */
	BED_UNTIL(bed, bed_is_quiet(bed));
	faulty_volume_hang_reads(bed->volumes[0], true); /* that no other probe has read: both places are free */
	probe = start(0);
	wait_stuck(0, 2);
	probe_cancel(probe); /* while its reads hang: nobody has found them late */
	assert_true(device_is_ready(device_array_record(bed->ra->devices, 0)));
	bed_advance(bed, 10 * DA_TIMEOUT_MS);
	assert_int_equal(times_told, 0);
	assert_int_equal(bed_da(bed).abandoned, 2);
}

static void it_goes_beside_a_session_and_does_not_close_its_device(void **state)
{
	struct primary *primary = primary_new(bed);
	uint32_t number = primary_attach(primary, "d0");
	uint64_t link_id = primary_link(primary, number);
	struct answer *answer;

	(void)state;
	start(0);
	pass_after_reads(0, 10, 100);
	primary_read(primary, 1, link_id, number, 0, 16, DELIVERY_DISCONNECT);
	answer = primary_wait(primary, 1);
	assert_tracks(bed, 0, answer, 0);
	bed_advance(bed, TIME_MS);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).opens, 1);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).closes, 0);
	primary_drop(primary);
}

static void a_shrunk_volume_has_unreadable_tracks(void **state)
{
	(void)state;
	faulty_volume_hang_reads(bed->volumes[0], true);
	start(0);
	wait_stuck(0, 1);
	faulty_volume_set_size(bed->volumes[0], 60 * BED_TRACK_BYTES);
	faulty_volume_hang_reads(bed->volumes[0], false);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).reads >= 20);
	bed_advance(bed, TIME_MS);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.unreadable_tracks, 4);
}

static void one_free_element_is_enough(void **state)
{
	(void)state;
	start(0);
	pass_after_reads(0, 10, TIME_MS);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).reads_at_once, 1);
}

static void a_full_queue_is_tried_again_for_the_time(void **state)
{
	struct primary *primary = primary_new(bed);

	(void)state;
	primary_attach(primary, "d0");
	primary_attach(primary, "d1");
	start(0);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).reads > 0);
	faulty_volume_hang_reads(bed->volumes[0], true);
	wait_stuck(0, 1);
	start(1); /* waits for the element that d0 has */
	bed_advance(bed, 500);
	faulty_volume_hang_reads(bed->volumes[0], false);
	for (unsigned i = 0; i < 1000 && times_told < 2; i++)
		bed_advance(bed, 10);
	assert_int_equal(told.info.device_id, 2); /* it began later, and read when the other one had ended */
	assert_int_equal(told.status, STATUS_OK);
	assert_true(told.bytes_read > 0);
	primary_drop(primary);
}

static void a_queue_that_stays_full_is_told(void **state)
{
	struct primary *primary = primary_new(bed);
	uint32_t number = primary_attach(primary, "d0");
	uint64_t link_id = primary_link(primary, number);

	(void)state;
	primary_attach(primary, "d1");
	faulty_volume_hang_reads(bed->volumes[0], true);
	start(1);
	primary_read(primary, 1, link_id, number, 0, 1, DELIVERY_HOLD);
	while (bed->ra->element_waiters == NULL) /* it gets the element before the probe hears of the volume's size */
		event_base_loop(bed->base, EVLOOP_NONBLOCK);
	wait_stuck(0, 1);
	bed_advance(bed, TIME_MS - 1);
	assert_int_equal(times_told, 0);
	bed_advance(bed, 11);
	assert_int_equal(times_told, 1);
	assert_int_equal(told.status, STATUS_QUEUE_FULL);
	assert_true(told.is_open);
	faulty_volume_hang_reads(bed->volumes[0], false);
	primary_drop(primary);
}

/* ---- Limits ---- */

static const struct rate_limit mib_a_second = { .bytes_per_s = MIB };

/* Time goes on in small steps, in each of which the disks end what they have to do. */
static void pass_time(int64_t ms)
{
	for (int64_t at_ms = 0; at_ms < ms; at_ms += 10) {
		bed_advance(bed, 10);
		BED_UNTIL(bed, bed_da(bed).elements_used == 0);
	}
}

static void expect_held_by(const struct rate *rate)
{
	start(0);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).reads >= 1);
	pass_time(TIME_MS + 10);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(told.bytes_read, 3 * MIB); /* at 0, 0.9 and 1.9 s */
	assert_int_equal(faulty_volume_count(bed->volumes[0]).reads, 3);
	assert_int_equal(told.elapsed_ms, TIME_MS);
	assert_ptr_equal(told.held_by, rate);
	assert_int_equal(told.throttled_ms, rate_throttled_ms(rate));
	assert_true(told.throttled_ms > 3 * (TIME_MS - 100));
}

static void the_limit_of_the_device_holds_it(void **state)
{
	(void)state;
	rate_set(device_array_rate(bed->ra->devices, 0), &mib_a_second);
	expect_held_by(device_array_rate(bed->ra->devices, 0));
}

static void the_limit_of_the_daemon_holds_it(void **state)
{
	(void)state;
	rate_set(bed->ra->total_rate, &mib_a_second);
	expect_held_by(bed->ra->total_rate);
}

static void a_limit_that_lets_nothing_through_is_told(void **state)
{
	const struct rate_limit slow = { .bytes_per_s = 1000 };

	(void)state;
	rate_set(bed->ra->total_rate, &slow);
	start(1);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[1]).reads >= 1);
	pass_time(TIME_MS + 10);
	BED_UNTIL(bed, times_told == 1);
	assert_int_equal(told.bytes_read, MIB);
	start(0);
	BED_UNTIL(bed, device_array_record(bed->ra->devices, 0) != NULL &&
		device_array_record(bed->ra->devices, 0)->state == DEVICE_OPEN);
	pass_time(TIME_MS + 10);
	assert_int_equal(times_told, 2);
	assert_int_equal(told.status, STATUS_BUSY);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).reads, 0);
	assert_true(told.is_open);
}

static void what_was_a_hole_is_given_back(void **state)
{
	(void)state;
	rate_set(device_array_rate(bed->ra->devices, 0), &mib_a_second);
	faulty_volume_set_hole(bed->volumes[0], 0, VOLUME_BYTES);
	start(0);
	for (unsigned i = 0; i < 20 && times_told == 0; i++) {
		BED_UNTIL(bed, bed_da(bed).running == 0 && bed_da(bed).queued == 0);
		bed_advance(bed, 1);
	}
	assert_int_equal(times_told, 1);
	assert_int_equal(told.status, STATUS_OK);
	assert_true(told.elapsed_ms < 20);
}

static void a_cancelled_probe_waits_for_no_limit(void **state)
{
	struct probe *probe;

	(void)state;
	rate_set(device_array_rate(bed->ra->devices, 0), &mib_a_second);
	probe = start(0);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).reads >= 1);
	probe_cancel(probe);
	BED_UNTIL(bed, bed_is_quiet(bed));
	pass_time(TIME_MS);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).reads, 1);
	assert_int_equal(times_told, 0);
}

/* Four reads were let through, or two when the queue has no place for more; that many have a thread. */
static void cancel_while_reads_hang(unsigned let_through, unsigned running)
{
	const struct rate_limit limit = { .reads_per_s = 10 * let_through }; /* so many at once */
	struct rate *const rates[RATES_MAX] = { device_array_rate(bed->ra->devices, 0) };
	struct rate_waiter waiter = { 0 };
	struct probe *probe;

	rate_set(device_array_rate(bed->ra->devices, 0), &limit);
	faulty_volume_hang_reads(bed->volumes[0], true);
	probe = start(0);
	wait_stuck(0, running);
	assert_false(rate_enter(bed->ra->throttle, &waiter, rates, bed, 1, NULL, NULL));
	rate_leave(&waiter);
	probe_cancel(probe);
	for (unsigned i = running; i < let_through; i++)
		assert_true(rate_enter(bed->ra->throttle, &waiter, rates, bed, 1, NULL, NULL));
	assert_false(rate_enter(bed->ra->throttle, &waiter, rates, bed, 1, NULL, NULL));
	rate_leave(&waiter);
	faulty_volume_hang_reads(bed->volumes[0], false);
}

static void a_cancelled_probe_pays_only_for_reads_that_began(void **state)
{
	(void)state;
	cancel_while_reads_hang(4, 2);
}

static void a_cancelled_probe_does_not_pay_for_what_waits_for_the_queue(void **state)
{
	(void)state;
	cancel_while_reads_hang(2, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_ONE(name) cmocka_unit_test_setup_teardown(name, setup_with_a_queue_of_one, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_limit_of_the_device_holds_it),
		TEST(the_limit_of_the_daemon_holds_it),
		TEST(a_limit_that_lets_nothing_through_is_told),
		TEST(what_was_a_hole_is_given_back),
		TEST(a_cancelled_probe_waits_for_no_limit),
		TEST(a_cancelled_probe_pays_only_for_reads_that_began),
		TEST_ONE(a_cancelled_probe_does_not_pay_for_what_waits_for_the_queue),
		TEST(a_device_is_read_for_the_time),
		TEST(unreadable_tracks_are_counted_once),
		TEST(a_volume_that_cannot_be_read_ends_the_probe),
		TEST(holes_are_not_counted_as_read),
		TEST(the_short_last_track_counts_as_what_it_is),
		TEST(an_empty_volume_is_told_at_once),
		TEST(an_open_that_fails_is_told_with_its_words),
		TEST(an_open_that_hangs_is_told_after_da_timeout),
		TEST(a_read_that_hangs_is_told_after_da_timeout),
		TEST(a_device_that_hangs_is_not_read),
		TEST(another_device_is_probed_while_one_hangs),
		TEST(a_cancelled_probe_tells_nothing_and_leaves_nothing),
		TEST(it_goes_beside_a_session_and_does_not_close_its_device),
		TEST(a_shrunk_volume_has_unreadable_tracks),
		TEST_ONE(one_free_element_is_enough),
		TEST_ONE(a_full_queue_is_tried_again_for_the_time),
		TEST_ONE(a_queue_that_stays_full_is_told),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
