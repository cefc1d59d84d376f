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
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"

/* The clock, by which counts are told, may be ahead. */
static int64_t ahead_s;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = __real_clock_gettime(id, now);

	now->tv_sec += ahead_s;
	return rc;
}

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

static void on_child(int signal_number, void *arg)
{
	int *count = arg;

	(void)signal_number;
	++*count;
}

static void on_term(int signal_number, void *arg)
{
	(void)signal_number;
	daemon_stop(arg, 0);
}

static void signals_after_the_stop_are_not_told(void **state)
{
	int children = 0;

	daemon_on_signal(*state, SIGCHLD, on_child, &children);
	daemon_on_signal(*state, SIGTERM, on_term, *state);
	raise(SIGCHLD);
	raise(SIGTERM); /* goes first: its number is lower */
	assert_int_equal(daemon_run(*state), 0);
	assert_int_equal(children, 0);
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

static void on_line(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	daemon_stop(arg, 0);
}

/* Also when nothing else is logged; and at the end of the run at once. */
static void counts_of_the_log_are_told_in_time(void **state)
{
	int ends[2], saved_stderr = dup(STDERR_FILENO);
	char line[3][128] = { "" };
	struct event *reader;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	log_start("ra-test", LOG_LEVEL_WARNING);
	dup2(ends[1], STDERR_FILENO);
	for (int i = 0; i < 3; i++)
		log_limited(1, "", LOG_LEVEL_WARNING, "slow");
	recv(ends[0], line[0], sizeof(line[0]) - 1, 0);
	ahead_s = 60;
	reader = event_new(daemon_base(*state), ends[0], EV_READ, on_line, *state);
	event_add(reader, NULL);
	daemon_run(*state);
	recv(ends[0], line[1], sizeof(line[1]) - 1, MSG_DONTWAIT);
	log_limited(1, "", LOG_LEVEL_WARNING, "at the end");
	recv(ends[0], line[2], sizeof(line[2]) - 1, MSG_DONTWAIT);
	log_limited(1, "", LOG_LEVEL_WARNING, "at the end");
	memset(line[2], 0, sizeof(line[2]));
	daemon_stop(*state, 0);
	daemon_run(*state);
	recv(ends[0], line[2], sizeof(line[2]) - 1, MSG_DONTWAIT);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	event_free(reader);
	close(ends[0]);
	close(ends[1]);
	assert_string_equal(line[0], "ra-test: warning: slow\n");
	assert_memory_equal(line[1], "ra-test: warning: slow (and 2 more like it in 6", 46);
	assert_memory_equal(line[2], "ra-test: warning: at the end (and 1 more like it in ", 51);
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
		DAEMON_TEST(signals_after_the_stop_are_not_told),
		DAEMON_TEST(a_service_may_use_all_descriptors),
		DAEMON_TEST(counts_of_the_log_are_told_in_time),
		DAEMON_TEST(writing_to_a_closed_pipe_is_an_error_and_no_signal),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
