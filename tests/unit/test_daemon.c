/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's loop: how it is stopped and with which code, and its signals.
 */
#include "base/daemon.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static int setup(void **state)
{
	*state = daemon_new();
	return 0;
}

static int teardown(void **state)
{
	daemon_free(*state);
	return 0;
}

static void stop_with_3(void *arg)
{
	daemon_stop(arg, 3);
}

static void a_stop_from_a_callback_ends_the_run_with_its_code(void **state)
{
	struct timer timer;

	timer_init(&timer, daemon_clock(*state), stop_with_3, *state);
	timer_set(&timer, 1);
	assert_int_equal(daemon_run(*state), 3);
}

static void a_stop_before_the_run_is_not_lost(void **state)
{
	daemon_stop(*state, 4);
	assert_int_equal(daemon_run(*state), 4);
}

static void the_first_stop_decides_the_code(void **state)
{
	daemon_stop(*state, 5);
	daemon_stop(*state, 0);
	assert_int_equal(daemon_run(*state), 5);
}

static void a_run_after_a_stop_waits_for_the_next_stop(void **state)
{
	struct timer timer;

	daemon_stop(*state, 5);
	assert_int_equal(daemon_run(*state), 5);
	timer_init(&timer, daemon_clock(*state), stop_with_3, *state);
	timer_set(&timer, 1);
	assert_int_equal(daemon_run(*state), 3);
	assert_false(timer.is_set);
}

struct arrivals {
	struct daemon *daemon;
	int hangups;
	int terms;
};

static void on_arrival(int signal_number, void *arg)
{
	struct arrivals *arrivals = arg;

	if (signal_number == SIGHUP)
		arrivals->hangups++;
	else
		arrivals->terms++;
	raise(SIGTERM);
	if (arrivals->terms == 2)
		daemon_stop(arrivals->daemon, 0);
}

static void each_arrival_of_a_signal_calls_its_handler(void **state)
{
	struct arrivals arrivals = {.daemon = *state};

	daemon_on_signal(*state, SIGHUP, on_arrival, &arrivals);
	daemon_on_signal(*state, SIGTERM, on_arrival, &arrivals);
	raise(SIGHUP); /* before the run: kept */
	assert_int_equal(daemon_run(*state), 0);
	assert_int_equal(arrivals.hangups, 1);
	assert_int_equal(arrivals.terms, 2);
}

static void writing_to_a_closed_pipe_is_an_error_and_no_signal(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
}

static void a_service_may_use_all_descriptors(void **state)
{
	struct rlimit limit, now;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(limit.rlim_max > 100);
	limit.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	daemon_raise_descriptors();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(now.rlim_cur, limit.rlim_max);
}

int main(void)
{
#define DAEMON_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		DAEMON_TEST(a_stop_from_a_callback_ends_the_run_with_its_code),
		DAEMON_TEST(a_stop_before_the_run_is_not_lost),
		DAEMON_TEST(the_first_stop_decides_the_code),
		DAEMON_TEST(a_run_after_a_stop_waits_for_the_next_stop),
		DAEMON_TEST(each_arrival_of_a_signal_calls_its_handler),
		DAEMON_TEST(a_service_may_use_all_descriptors),
		DAEMON_TEST(writing_to_a_closed_pipe_is_an_error_and_no_signal),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
