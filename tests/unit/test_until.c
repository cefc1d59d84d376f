/* SPDX-License-Identifier: Apache-2.0
 *
 * Times of day: the next one, over midnight, and where daylight saving leaves one out or has it twice.
 */
#include "primary/compare/until.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOON 1700049600 /* Wednesday 2023-11-15 12:00:00 UTC */
#define HOUR 3600

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void the_next_time_of_that_name_is_meant(void **state)
{
	(void)state;
	use_zone("UTC0");
	assert_int_equal(until_s("12:01", NOON), 60);
	assert_int_equal(until_s("13:00", NOON + 30), HOUR - 30);
	assert_int_equal(until_s("23:59", NOON), 12 * HOUR - 60);
	assert_int_equal(until_s("00:00", NOON), 12 * HOUR);
	assert_int_equal(until_s("6:30", NOON), 18 * HOUR + 30 * 60);
	assert_int_equal(until_s("06:30", NOON), 18 * HOUR + 30 * 60);
}

static void now_is_tomorrow(void **state)
{
	(void)state;
	use_zone("UTC0");
	assert_int_equal(until_s("12:00", NOON), 24 * HOUR);
	assert_int_equal(until_s("12:00", NOON + 59), 24 * HOUR - 59);
	assert_int_equal(until_s("12:00", NOON - 1), 1);
}

static void it_is_the_clock_of_this_host(void **state)
{
	(void)state;
	use_zone("HOME-5:30");
	assert_int_equal(until_s("18:00", NOON), HOUR / 2);
	use_zone("AWAY8");
	assert_int_equal(until_s("5:00", NOON), HOUR);
}

static void a_month_and_a_year_may_end_before(void **state)
{
	(void)state;
	use_zone("UTC0");
	assert_int_equal(until_s("01:00", 1704063600), 2 * HOUR); /* 2023-12-31 23:00 */
	assert_int_equal(until_s("01:00", 1709161200), 2 * HOUR); /* 2024-02-28 23:00, and there is a 29th */
}

static void daylight_saving_makes_a_night_shorter_or_longer(void **state)
{
	time_t before_spring = 1711832400; /* 2024-03-30 21:00 UTC: 22:00 there; at 02:00 it becomes 03:00 */
	time_t before_autumn = 1729972800; /* 2024-10-26 20:00 UTC: 22:00 there; at 03:00 it becomes 02:00 */

	(void)state;
	use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_int_equal(until_s("06:00", before_spring), 7 * HOUR);
	assert_int_equal(until_s("06:00", before_autumn), 9 * HOUR);
	assert_int_equal(until_s("01:00", before_spring), 3 * HOUR);
}

static void a_time_that_is_left_out_moves_no_other_day(void **state)
{
	time_t before = 1711832400, noon_of_that_day = 1711879200; /* 2024-03-31 10:00 UTC: 12:00 there */
	int64_t left_out;

	(void)state;
	use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	left_out = until_s("02:30", before);
	assert_true(left_out >= 3 * HOUR + HOUR / 2 && left_out <= 4 * HOUR + HOUR / 2);
	assert_int_equal(until_s("02:30", noon_of_that_day), 14 * HOUR + HOUR / 2); /* 02:30 on the day after */
}

static void anything_else_is_no_time(void **state)
{
	static const char *const texts[] = { "", ":", "6", "06", "0630", "6:3", "24:00", "23:60", "006:30", "06:300",
		"06:30 ", " 6:30", "-6:30", "6:-3", "+6:30", "6:30:00", "a:bc", "6.30", "noon" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (until_s(texts[i], NOON) != -1)
			fail_msg("%s is taken", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_time_of_that_name_is_meant),
		cmocka_unit_test(now_is_tomorrow),
		cmocka_unit_test(it_is_the_clock_of_this_host),
		cmocka_unit_test(a_month_and_a_year_may_end_before),
		cmocka_unit_test(daylight_saving_makes_a_night_shorter_or_longer),
		cmocka_unit_test(a_time_that_is_left_out_moves_no_other_day),
		cmocka_unit_test(anything_else_is_no_time),
	};

	return cmocka_run_group_tests_name("until", tests, NULL, NULL);
}
