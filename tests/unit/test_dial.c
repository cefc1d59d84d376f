/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialing: addresses of both families, names, ports where nobody listens, ones that never answer, names that do not
 * exist, and giving up at each point. Sockets and look-ups are real, the clock is virtual.
 */
#include "primary/dial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/limits.h"
#include "tests/support/pair.h"

struct fixture {
	struct event_base *base;
	struct clock *clock;
	struct dial *dial;
	int listener;
	uint16_t port;
	unsigned count;
	int fd;
	char why[DETAIL_MAX + 1];
	bool frees_in_fn;
};

static void on_dialed(void *arg, int fd, const char *why)
{
	struct fixture *f = arg;
	f->count++;
	f->fd = fd;
	snprintf(f->why, sizeof(f->why), "%s", why);
	if (f->frees_in_fn) {
		dial_free(f->dial);
		f->dial = NULL;
	}
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->base = event_base_new();
	f->clock = clock_new_virtual();
	f->listener = f->fd = -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	dial_free(f->dial);
	if (f->fd >= 0)
		close(f->fd);
	if (f->listener >= 0)
		close(f->listener);
	clock_free(f->clock); /* asserts that no timer was left */
	event_base_free(f->base);
	free(f);
	return 0;
}

/* A port of this family's loopback address; false: the family is not there. */
static bool listen_on(struct fixture *f, int family, int backlog)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t bytes = family == AF_INET ? sizeof(v4) : sizeof(v6);
	f->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->listener < 0 || bind(f->listener, address, bytes) != 0)
		return false;
	assert_int_equal(listen(f->listener, backlog), 0);
	assert_int_equal(getsockname(f->listener, address, &bytes), 0);
	f->port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return true;
}

static void start(struct fixture *f, const char *host)
{
	char address[300];
	snprintf(address, sizeof(address), "%s:%u", host, f->port);
	f->dial = dial_new(f->base, f->clock, address, on_dialed, f);
	assert_int_equal(f->count, 0); /* never from inside */
}

/* glibc makes the thread of a look-up behind the back of ThreadSanitizer, which then stands still. */
static void skip_without_look_ups(void)
{
#ifdef __SANITIZE_THREAD__
	skip();
#endif
}

/* Until fn came. A look-up takes real time, of which the virtual clock knows nothing. */
static void wait_for_end(struct fixture *f, bool looks_up)
{
	for (unsigned i = 0; f->count == 0 && i < 20000; i++) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		if (f->count == 0)
			poll(NULL, 0, 1);
		if (looks_up && i % 20 == 19 && i < 9000)
			clock_advance(f->clock, 20);
	}
	assert_int_equal(f->count, 1);
}

static void pass(struct fixture *f)
{
	for (unsigned i = 0; i < 20; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t bytes = sizeof(value);
	assert_int_equal(getsockopt(fd, level, name, &value, &bytes), 0);
	return value;
}

static void numeric_address_is_connected_with_its_options(void **state)
{
	struct fixture *f = *state;
	assert_true(listen_on(f, AF_INET, 8));
	start(f, "127.0.0.1");
	wait_for_end(f, false);
	assert_true(f->fd >= 0);
	assert_true(option(f->fd, IPPROTO_TCP, TCP_NODELAY) != 0);
	assert_true(option(f->fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
	assert_int_equal(option(f->fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
	assert_true(fcntl(f->fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(f->fd, F_GETFD) & FD_CLOEXEC);
	int peer = accept(f->listener, NULL, NULL);
	assert_int_equal(write(f->fd, "x", 1), 1);
	char byte = 0;
	assert_int_equal(read(peer, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(peer);
}

static void address_of_the_sixth_version_stands_in_brackets(void **state)
{
	struct fixture *f = *state;
	if (!listen_on(f, AF_INET6, 8))
		skip();
	start(f, "[::1]");
	wait_for_end(f, false);
	assert_true(f->fd >= 0);
}

static void closed_port_is_refused_in_words(void **state)
{
	struct fixture *f = *state;
	char expected[100];
	assert_true(listen_on(f, AF_INET, 8));
	close(f->listener);
	f->listener = -1;
	start(f, "127.0.0.1");
	wait_for_end(f, false);
	assert_int_equal(f->fd, -1);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u: Connection refused", f->port);
	assert_string_equal(f->why, expected);
}

/* localhost has one address or two; the listener is on the one that is tried last if it has two. */
static void each_address_of_a_name_is_tried(void **state)
{
	struct fixture *f = *state;
	skip_without_look_ups();
	assert_true(listen_on(f, AF_INET, 8));
	start(f, "localhost");
	wait_for_end(f, true);
	assert_string_equal(f->why, "");
	assert_true(f->fd >= 0);
}

static void unknown_name_is_told_with_the_address(void **state)
{
	struct fixture *f = *state;
	skip_without_look_ups();
	f->port = 7447;
	start(f, "does-not-exist.invalid");
	wait_for_end(f, true);
	assert_int_equal(f->fd, -1);
	assert_memory_equal(f->why, "does-not-exist.invalid:7447: ", 29);
	assert_true(strlen(f->why) > 35);
}

/* A listener whose queue is full answers nobody. */
static void fill(struct fixture *f, int *fds, unsigned count)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(f->port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	for (unsigned i = 0; i < count; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(connect(fds[i], (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS);
	}
}

static void port_that_never_answers_is_given_up_after_ten_seconds(void **state)
{
	struct fixture *f = *state;
	int fds[8];
	assert_true(listen_on(f, AF_INET, 0));
	fill(f, fds, 8);
	start(f, "127.0.0.1");
	pass(f);
	clock_advance(f->clock, DIAL_ATTEMPT_MS - 1);
	pass(f);
	assert_int_equal(f->count, 0);
	clock_advance(f->clock, 1);
	pass(f);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->fd, -1);
	assert_non_null(strstr(f->why, ": no answer within 10 s"));
	for (unsigned i = 0; i < 8; i++)
		close(fds[i]);
}

static void dial_may_be_freed_in_its_callback(void **state)
{
	struct fixture *f = *state;
	f->frees_in_fn = true;
	assert_true(listen_on(f, AF_INET, 8));
	start(f, "127.0.0.1");
	wait_for_end(f, false);
	assert_true(f->fd >= 0);
	close(f->fd);
	f->count = 0;
	close(f->listener);
	f->listener = -1;
	start(f, "127.0.0.1");
	wait_for_end(f, false);
	assert_int_equal(f->fd, -1);
}

static void nothing_comes_after_giving_up(void **state)
{
	struct fixture *f = *state;
	int fds[8];
	unsigned before = open_descriptor_count();
	assert_true(listen_on(f, AF_INET, 0));
	fill(f, fds, 8);
	for (unsigned passes = 0; passes < 3; passes++) { /* before its first step, and while it connects */
		start(f, "127.0.0.1");
		for (unsigned i = 0; i < passes; i++)
			event_base_loop(f->base, EVLOOP_NONBLOCK);
		dial_free(f->dial);
		f->dial = NULL;
		pass(f);
		clock_advance(f->clock, DIAL_ATTEMPT_MS);
	}
	assert_int_equal(f->count, 0);
	for (unsigned i = 0; i < 8; i++)
		close(fds[i]);
	close(f->listener);
	f->listener = -1;
	assert_int_equal(open_descriptor_count(), before);
}

/* glibc's thread still works with what the dial had: the sanitizer builds see whether it is freed too early. */
static void look_up_that_was_given_up_ends_by_itself(void **state)
{
	struct fixture *f = *state;
	skip_without_look_ups();
	f->port = 7447;
	for (unsigned i = 0; i < 20; i++) {
		start(f, "does-not-exist.invalid");
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		dial_free(f->dial);
		f->dial = NULL;
	}
	pass(f);
	assert_int_equal(f->count, 0);
	start(f, "does-not-exist.invalid");
	wait_for_end(f, true);
	assert_int_equal(f->fd, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numeric_address_is_connected_with_its_options),
		TEST(address_of_the_sixth_version_stands_in_brackets),
		TEST(closed_port_is_refused_in_words),
		TEST(each_address_of_a_name_is_tried),
		TEST(unknown_name_is_told_with_the_address),
		TEST(port_that_never_answers_is_given_up_after_ten_seconds),
		TEST(dial_may_be_freed_in_its_callback),
		TEST(nothing_comes_after_giving_up),
		TEST(look_up_that_was_given_up_ends_by_itself),
	};
	return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
