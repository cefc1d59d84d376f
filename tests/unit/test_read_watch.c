/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads that waited for the disk are told from those that found all in memory, and from those of a thread that was held
 * up. A read is what happens between begin and end; it is slow when its begin is put back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/limits.h"
#include "storage/read_watch.h"

#define SUSPICIOUS_READS 8
#define COLD_MIB 64

static struct read_watch watch;

static int set_up(void **state)
{
	(void)state;
	memset(&watch, 0, sizeof(watch));
	return 0;
}

static void wait_for_the_disk(void)
{
	const struct timespec pause = { .tv_nsec = 1000 };

	assert_int_equal(nanosleep(&pause, NULL), 0);
}

/* One MiB in 10 us or, if it is slow, in 10 ms. */
static struct watched_read read_once(bool is_closely, bool waits, bool is_slow)
{
	struct watched_read read;

	read_watch_begin(&watch, &read, is_closely);
	if (waits)
		wait_for_the_disk();
	if (is_slow)
		read.began_ns -= 10 * 1000000;
	else
		read.began_ns = INT64_MAX / 2; /* as fast as can be, however busy the machine is */
	read_watch_end(&watch, &read, MIB);
	return read;
}

static void a_read_that_sleeps_has_waited(void **state)
{
	(void)state;
	assert_true(read_once(true, true, true).has_waited);
	assert_true(read_once(true, true, false).has_waited);
	assert_false(read_once(true, false, false).has_waited);
	assert_true(read_once(true, true, true).took_ns >= 10 * 1000000);
}

static void a_thread_that_was_held_up_has_not_waited(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_false(read_once(false, false, true).has_waited);
	assert_false(read_watch_is_cold(&watch));
}

static void reads_are_looked_at_after_a_slow_one_for_a_while(void **state)
{
	(void)state;
	assert_false(read_once(false, true, false).has_waited); /* fast: nobody looks */
	assert_false(read_once(false, true, true).has_waited);
	for (int i = 0; i < SUSPICIOUS_READS; i++)
		assert_true(read_once(false, i % 2 == 0, false).has_waited == (i % 2 == 0));
	assert_false(read_once(false, true, false).has_waited);
}

static void a_volume_is_cold_until_enough_was_in_memory(void **state)
{
	(void)state;
	assert_false(read_watch_is_cold(&watch));
	read_once(true, true, true);
	for (int i = 0; i < COLD_MIB; i++) {
		assert_true(read_watch_is_cold(&watch));
		read_once(true, false, false);
	}
	assert_false(read_watch_is_cold(&watch));
	read_once(true, true, false);
	assert_true(read_watch_is_cold(&watch));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_that_sleeps_has_waited),
		TEST(a_thread_that_was_held_up_has_not_waited),
		TEST(reads_are_looked_at_after_a_slow_one_for_a_while),
		TEST(a_volume_is_cold_until_enough_was_in_memory),
	};

	return cmocka_run_group_tests_name("read_watch", tests, NULL, NULL);
}
