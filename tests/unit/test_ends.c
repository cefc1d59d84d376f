/* SPDX-License-Identifier: Apache-2.0
 *
 * How the three programs of a private pair are joined: by which descriptors, with ssh and without, and what is left
 * when they are closed.
 */
#include "primary/compare/ends.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/pair.h"
#include "wire/message.h"

static int pipe_bytes; /* of each pipe; 0: what the system says */

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
	va_list arguments;
	int argument;

	va_start(arguments, command);
	argument = va_arg(arguments, int);
	va_end(arguments);
	return command == F_GETPIPE_SZ && pipe_bytes > 0 ? pipe_bytes : __real_fcntl(fd, command, argument);
}

static void make(struct ends *ends, bool is_ssh)
{
	sigset_t none;

	sigemptyset(&none);
	assert_int_equal(ends_make(ends, is_ssh, &none), 0);
}

/* What is written to one end can be read from the other. */
static void expect_joined(int from, int to)
{
	char byte = 'a';

	assert_int_equal(write(from, &byte, 1), 1);
	byte = 0;
	assert_int_equal(read(to, &byte, 1), 1);
	assert_int_equal(byte, 'a');
}

static void expect_for_children(int fd)
{
	assert_true(fd > SETUP_RETURN_FD);
	assert_int_equal(fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
}

static void close_all(struct ends *ends, unsigned descriptors)
{
	ends_close_children(ends);
	ends_close(&ends->host);
	assert_int_equal(ends->return_in, -1);
	assert_int_equal(open_descriptor_count(), descriptors);
}

static void secondary_sends_through_a_pipe(void **state)
{
	unsigned descriptors = open_descriptor_count();
	struct ends ends;

	(void)state;
	make(&ends, false);
	expect_joined(ends.host, ends.primary_host);
	expect_joined(ends.primary_host, ends.host);
	expect_joined(ends.primary_link, ends.secondary_link);
	expect_joined(ends.return_out, ends.return_in);
	assert_true(fcntl(ends.return_out, F_GETPIPE_SZ, 0) >= 65536);
	expect_for_children(ends.host);
	expect_for_children(ends.primary_host);
	expect_for_children(ends.primary_link);
	expect_for_children(ends.secondary_link);
	expect_for_children(ends.return_in);
	expect_for_children(ends.return_out);
	close_all(&ends, descriptors);
}

static void with_ssh_the_link_is_a_socket_both_ways(void **state)
{
	unsigned descriptors = open_descriptor_count();
	struct ends ends;

	(void)state;
	make(&ends, true);
	assert_int_equal(ends.return_in, -1);
	assert_int_equal(ends.return_out, -1);
	expect_joined(ends.primary_link, ends.secondary_link);
	expect_joined(ends.secondary_link, ends.primary_link);
	close_all(&ends, descriptors);
}

/* The system gives one of a page to a user who has very many. */
static void small_pipe_is_not_used(void **state)
{
	unsigned descriptors = open_descriptor_count();
	struct ends ends;

	(void)state;
	pipe_bytes = 4096;
	make(&ends, false);
	pipe_bytes = 0;
	assert_int_equal(ends.return_in, -1);
	assert_int_equal(ends.return_out, -1);
	expect_joined(ends.secondary_link, ends.primary_link);
	close_all(&ends, descriptors);
}

/* Wherever they run out. */
static void too_few_descriptors_are_an_error_that_leaves_none(void **state)
{
	unsigned descriptors = open_descriptor_count(), errors = 0;
	struct rlimit before, limit;
	struct ends ends;
	sigset_t none;

	(void)state;
	sigemptyset(&none);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	for (limit.rlim_cur = 3; limit.rlim_cur < 64; limit.rlim_cur++) {
		int rc;

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		rc = ends_make(&ends, false, &none);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		errors += rc != 0;
		if (rc == 0)
			expect_joined(ends.return_out, ends.return_in);
		close_all(&ends, descriptors);
	}
	assert_in_range(errors, 1, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secondary_sends_through_a_pipe),
		cmocka_unit_test(with_ssh_the_link_is_a_socket_both_ways),
		cmocka_unit_test(small_pipe_is_not_used),
		cmocka_unit_test(too_few_descriptors_are_an_error_that_leaves_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
