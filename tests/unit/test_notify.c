/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service manager is told, and when, in virtual time; the test is the manager.
 */
#include "base/notify.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static int manager = -1;
static struct clock *clock_of_test;
static struct notify *notify;
static unsigned number; /* in the status */
static char got[512];

static void say_status(void *arg, char text[NOTIFY_STATUS_BYTES])
{
	snprintf(text, NOTIFY_STATUS_BYTES, "%u links of %s", number, (const char *)arg);
}

/* An abstract name that the kernel picks. */
static void listen_to_all(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t bytes = sizeof(sa_family_t);
	char name[sizeof(address.sun_path) + 1];

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(manager >= 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&address, bytes), 0);
	bytes = sizeof(address);
	assert_int_equal(getsockname(manager, (struct sockaddr *)&address, &bytes), 0);
	snprintf(name, sizeof(name), "@%.*s", (int)(bytes - offsetof(struct sockaddr_un, sun_path) - 1),
		address.sun_path + 1);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static int set_up(void **state)
{
	(void)state;
	number = 0;
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	clock_of_test = clock_new_virtual();
	listen_to_all();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	notify_free(notify);
	notify = NULL;
	clock_free(clock_of_test);
	close(manager);
	unsetenv("NOTIFY_SOCKET");
	return 0;
}

static void start(void)
{
	notify = notify_new(clock_of_test, say_status, "b");
}

/* The next message; "" when there is none. */
static const char *heard(void)
{
	ssize_t bytes = recv(manager, got, sizeof(got) - 1, 0);

	got[bytes > 0 ? bytes : 0] = '\0';
	return got;
}

static void ready_comes_with_numbers(void **state)
{
	(void)state;
	start();
	assert_string_equal(heard(), "");
	number = 3;
	notify_ready(notify);
	assert_string_equal(heard(), "READY=1\nSTATUS=3 links of b");
	assert_string_equal(heard(), "");
}

static void status_is_told_when_it_has_changed(void **state)
{
	(void)state;
	start();
	notify_ready(notify);
	heard();
	clock_advance(clock_of_test, 4999);
	number = 1;
	assert_string_equal(heard(), "");
	clock_advance(clock_of_test, 1);
	assert_string_equal(heard(), "STATUS=1 links of b");
	clock_advance(clock_of_test, 60000);
	assert_string_equal(heard(), "");
}

static void watchdog_is_fed_twice_in_its_time(void **state)
{
	char pid[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	start();
	clock_advance(clock_of_test, 10000);
	assert_string_equal(heard(), "");
	notify_ready(notify);
	heard();
	assert_string_equal(heard(), "WATCHDOG=1");
	for (int i = 0; i < 3; i++) {
		clock_advance(clock_of_test, 1499);
		assert_string_equal(heard(), "");
		clock_advance(clock_of_test, 1);
		assert_string_equal(heard(), "WATCHDOG=1");
		assert_string_equal(heard(), "");
	}
	notify_stopping(notify);
	heard();
	clock_advance(clock_of_test, 1500);
	assert_string_equal(heard(), "WATCHDOG=1"); /* until it has ended */
}

static void watchdog_of_another_process_or_without_a_number_is_not_fed(void **state)
{
	static const char *const wrong[][2] = { { "3000000", "1" }, { "", NULL }, { "1999", NULL }, { "3s", NULL } };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		setenv("WATCHDOG_USEC", wrong[i][0], 1);
		if (wrong[i][1])
			setenv("WATCHDOG_PID", wrong[i][1], 1);
		start();
		notify_ready(notify);
		heard();
		assert_string_equal(heard(), "");
		tear_down(NULL);
		set_up(NULL);
	}
}

static void end_is_told_and_no_status_after_it(void **state)
{
	(void)state;
	start();
	notify_ready(notify);
	heard();
	notify_stopping(notify);
	assert_string_equal(heard(), "STOPPING=1\nSTATUS=Ending");
	number = 9;
	clock_advance(clock_of_test, 10000);
	assert_string_equal(heard(), "");
}

static void reloading_is_told_with_its_moment_and_ended_by_ready(void **state)
{
	const char *text;
	int64_t usec;
	struct timespec now;

	(void)state;
	start();
	notify_ready(notify);
	heard();
	notify_reloading(notify);
	text = heard();
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &usec), 1);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(usec > 0 && usec / 1000000 <= now.tv_sec && usec / 1000000 >= now.tv_sec - 60);
	notify_ready(notify);
	assert_non_null(strstr(heard(), "READY=1"));
}

static void without_a_manager_nothing_happens(void **state)
{
	static const char *const names[] = { NULL, "relative", "@", "/nonexistent/socket" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsetenv("NOTIFY_SOCKET");
		if (names[i])
			setenv("NOTIFY_SOCKET", names[i], 1);
		setenv("WATCHDOG_USEC", "3000000", 1);
		start();
		notify_ready(notify);
		clock_advance(clock_of_test, 10000);
		notify_stopping(notify);
		notify_free(notify);
		notify = NULL;
	}
}

/* A program that this one starts must not speak for it. */
static void variables_are_taken_out_of_the_environment(void **state)
{
	(void)state;
	setenv("WATCHDOG_USEC", "3000000", 1);
	start();
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
}

static void a_manager_that_went_away_harms_nothing(void **state)
{
	(void)state;
	start();
	notify_ready(notify);
	close(manager);
	manager = -1;
	number = 2;
	clock_advance(clock_of_test, 5000);
	notify_stopping(notify);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ready_comes_with_numbers),
		TEST(status_is_told_when_it_has_changed),
		TEST(watchdog_is_fed_twice_in_its_time),
		TEST(watchdog_of_another_process_or_without_a_number_is_not_fed),
		TEST(end_is_told_and_no_status_after_it),
		TEST(reloading_is_told_with_its_moment_and_ended_by_ready),
		TEST(without_a_manager_nothing_happens),
		TEST(variables_are_taken_out_of_the_environment),
		TEST(a_manager_that_went_away_harms_nothing),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
