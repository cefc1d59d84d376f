/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets: what is accepted and how, socket files that are in the way, permissions, and a table of
 * descriptors that is full. Time is virtual, and each test leaves no descriptor and no file behind.
 * check-style: long because each way to be refused is a test.
 */
#include "wire/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/support/pair.h"

#define ACCEPTED_MAX 64u

struct fixture {
	struct event_base *base;
	struct clock *clock;
	struct listener *listener;
	char folder[64];
	char path[96];
	int accepted[ACCEPTED_MAX];
	unsigned accepted_count;
	char from[80];
	char why[256];
	unsigned descriptors;
};

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	fixture->descriptors = open_descriptor_count();
	fixture->base = event_base_new();
	fixture->clock = clock_new_virtual();
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/ra-listener.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/sock", fixture->folder);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	listener_free(fixture->listener);
	for (unsigned i = 0; i < fixture->accepted_count; i++)
		close(fixture->accepted[i]);
	clock_free(fixture->clock);
	event_base_free(fixture->base);
	assert_int_equal(rmdir(fixture->folder), 0);
	assert_int_equal(open_descriptor_count(), fixture->descriptors);
	free(fixture);
	return 0;
}

static void on_accepted(void *arg, int fd, const char *from)
{
	struct fixture *fixture = arg;

	assert_true(fixture->accepted_count < ACCEPTED_MAX);
	fixture->accepted[fixture->accepted_count++] = fd;
	snprintf(fixture->from, sizeof(fixture->from), "%s", from);
}

static struct listener *listen_unix(struct fixture *fixture, mode_t mode)
{
	return listener_new_unix(fixture->base, fixture->clock, fixture->path, mode, (gid_t)-1, on_accepted, fixture,
		fixture->why, sizeof(fixture->why));
}

static struct listener *listen_tcp(struct fixture *fixture, const char *address)
{
	return listener_new_tcp(fixture->base, fixture->clock, address, on_accepted, fixture, fixture->why,
		sizeof(fixture->why));
}

static void pass(struct fixture *fixture)
{
	event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

/* A connected socket, or -errno. */
static int connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), rc;

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int connect_tcp(const char *address)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bool is_ipv6 = address[0] == '[';
	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0), rc;

	assert_true(fd >= 0);
	in6.sin6_port = in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
	rc = is_ipv6 ? connect(fd, (struct sockaddr *)&in6, sizeof(in6)) : connect(fd, (struct sockaddr *)&in, sizeof(in));
	assert_int_equal(rc, 0);
	return fd;
}

/* A socket file as a daemon that was killed leaves it. */
static void leave_stale_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
}

static void unix_connection_is_accepted_non_blocking_and_close_on_exec(void **state)
{
	struct fixture *fixture = *state;
	char *expected = xasprintf("pid %d of uid %u", (int)getpid(), getuid());
	int fd;

	fixture->listener = listen_unix(fixture, 0660);
	assert_non_null(fixture->listener);
	assert_string_equal(listener_address(fixture->listener), fixture->path);
	fd = connect_unix(fixture->path);
	assert_true(fd >= 0);
	pass(fixture);
	assert_int_equal(fixture->accepted_count, 1);
	assert_true(fcntl(fixture->accepted[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fixture->accepted[0], F_GETFD) & FD_CLOEXEC);
	assert_string_equal(fixture->from, expected);
	close(fd);
	free(expected);
}

static void expect_tcp(struct fixture *fixture, const char *address)
{
	size_t host_chars = strlen(address) - 1; /* "…:" before the port */
	socklen_t bytes = sizeof(int);
	int fd, nodelay = 0;

	fixture->listener = listen_tcp(fixture, address);
	assert_non_null(fixture->listener);
	assert_memory_equal(listener_address(fixture->listener), address, host_chars);
	assert_true(atoi(listener_address(fixture->listener) + host_chars) > 0);
	fd = connect_tcp(listener_address(fixture->listener));
	pass(fixture);
	assert_int_equal(fixture->accepted_count, 1);
	assert_memory_equal(fixture->from, address, host_chars);
	assert_int_equal(getsockopt(fixture->accepted[0], IPPROTO_TCP, TCP_NODELAY, &nodelay, &bytes), 0);
	assert_true(nodelay);
	close(fd);
}

static void tcp_takes_any_port_and_tells_it(void **state)
{
	expect_tcp(*state, "127.0.0.1:0");
}

static void tcp_listens_on_ipv6(void **state)
{
	struct fixture *fixture = *state;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		close(fd);
	if (has_ipv6)
		expect_tcp(fixture, "[::1]:0");
}

static void tcp_address_without_sense_is_refused(void **state)
{
	static const char *const addresses[] = { "", "127.0.0.1", "127.0.0.1:", ":7447", "host.example:7447", "::1:7447",
		"[::1]", "[]:7447", "[127.0.0.1]:7447", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:7a", "127.0.0.1:000080",
		"[::1:7447" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		fixture->why[0] = '\0';
		assert_null(listen_tcp(fixture, addresses[i]));
		assert_non_null(strstr(fixture->why, "like 0.0.0.0:7447"));
		assert_memory_equal(fixture->why, addresses[i], strlen(addresses[i]));
	}
}

static void tcp_port_in_use_is_refused(void **state)
{
	struct fixture *fixture = *state;

	fixture->listener = listen_tcp(fixture, "127.0.0.1:0");
	assert_null(listen_tcp(fixture, listener_address(fixture->listener)));
	assert_non_null(strstr(fixture->why, ": cannot listen: Address already in use"));
	assert_null(listen_tcp(fixture, "192.0.2.1:7447"));
	assert_string_equal(fixture->why, "192.0.2.1:7447: cannot listen: Cannot assign requested address");
}

static void mode_is_as_asked_whatever_the_umask(void **state)
{
	static const mode_t modes[] = { 0600, 0660, 0666 };
	struct fixture *fixture = *state;
	mode_t before = umask(0077);
	struct stat stat;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		fixture->listener = listen_unix(fixture, modes[i]);
		assert_int_equal(lstat(fixture->path, &stat), 0);
		assert_int_equal(stat.st_mode & 07777, modes[i]);
		listener_free(fixture->listener);
		fixture->listener = NULL;
	}
	assert_int_equal(umask(before), 0077); /* given back */
}

static void group_is_set(void **state)
{
	struct fixture *fixture = *state;
	struct stat stat;

	if (getuid() != 0)
		skip();
	fixture->listener = listener_new_unix(fixture->base, fixture->clock, fixture->path, 0660, 12345, on_accepted,
		fixture, fixture->why, sizeof(fixture->why));
	assert_non_null(fixture->listener);
	assert_int_equal(lstat(fixture->path, &stat), 0);
	assert_int_equal(stat.st_gid, 12345);
	assert_int_equal(stat.st_mode & 07777, 0660);
}

static void stale_socket_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	leave_stale_socket(fixture->path);
	assert_int_equal(connect_unix(fixture->path), -ECONNREFUSED);
	fixture->listener = listen_unix(fixture, 0600);
	assert_non_null(fixture->listener);
	fd = connect_unix(fixture->path);
	assert_true(fd >= 0);
	close(fd);
}

static void socket_in_use_is_refused_and_goes_on(void **state)
{
	struct fixture *fixture = *state;
	char *expected = xasprintf("%s: in use: another program listens there", fixture->path);
	int fd;

	fixture->listener = listen_unix(fixture, 0600);
	assert_null(listen_unix(fixture, 0600));
	assert_string_equal(fixture->why, expected);
	fd = connect_unix(fixture->path);
	assert_true(fd >= 0);
	close(fd);
	free(expected);
}

static void full_queue_of_another_program_is_in_use_too(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM, 0), waiting;

	strcpy(address.sun_path, fixture->path);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 0), 0);
	waiting = connect_unix(fixture->path);
	assert_true(waiting >= 0);
	assert_null(listen_unix(fixture, 0600));
	assert_non_null(strstr(fixture->why, "in use"));
	close(waiting);
	close(listening);
	unlink(fixture->path);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char *expected = xasprintf("%s: this is no socket; it is not replaced", fixture->path);
	int fd = open(fixture->path, O_CREAT | O_WRONLY, 0600);

	close(fd);
	assert_null(listen_unix(fixture, 0600));
	assert_string_equal(fixture->why, expected);
	assert_int_equal(unlink(fixture->path), 0); /* it is still there */
	assert_int_equal(mkdir(fixture->path, 0700), 0);
	assert_null(listen_unix(fixture, 0600));
	assert_string_equal(fixture->why, expected);
	assert_int_equal(rmdir(fixture->path), 0);
	assert_int_equal(symlink("nowhere", fixture->path), 0);
	assert_null(listen_unix(fixture, 0600));
	assert_string_equal(fixture->why, expected);
	assert_int_equal(unlink(fixture->path), 0);
	free(expected);
}

static void folder_that_does_not_exist_is_said(void **state)
{
	struct fixture *fixture = *state;

	snprintf(fixture->path, sizeof(fixture->path), "%s/none/sock", fixture->folder);
	assert_null(listen_unix(fixture, 0600));
	assert_non_null(strstr(fixture->why, "/none/sock: cannot listen: its folder does not exist"));
}

static void path_too_long_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[109];

	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	assert_null(listener_new_unix(fixture->base, fixture->clock, path, 0600, (gid_t)-1, on_accepted, fixture,
		fixture->why, sizeof(fixture->why)));
	assert_non_null(strstr(fixture->why, "107 bytes at most, this one has 108"));
	assert_null(listener_new_unix(fixture->base, fixture->clock, "", 0600, (gid_t)-1, on_accepted, fixture,
		fixture->why, sizeof(fixture->why)));
}

static void file_is_removed_at_the_end_but_not_that_of_a_successor(void **state)
{
	struct fixture *fixture = *state;

	fixture->listener = listen_unix(fixture, 0600);
	listener_free(fixture->listener);
	assert_int_equal(access(fixture->path, F_OK), -1);
	fixture->listener = listen_unix(fixture, 0600);
	assert_int_equal(unlink(fixture->path), 0);
	leave_stale_socket(fixture->path);
	listener_free(fixture->listener);
	fixture->listener = NULL;
	assert_int_equal(unlink(fixture->path), 0); /* the other one was still there */
}

static void crowd_is_accepted_in_turns(void **state)
{
	struct fixture *fixture = *state;
	int fds[40];

	fixture->listener = listen_unix(fixture, 0600);
	for (unsigned i = 0; i < 40; i++)
		fds[i] = connect_unix(fixture->path);
	event_base_loop(fixture->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_int_equal(fixture->accepted_count, 16);
	for (unsigned i = 0; i < 2; i++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_int_equal(fixture->accepted_count, 40);
	for (unsigned i = 0; i < 40; i++)
		close(fds[i]);
}

/* No descriptor is free until the result is given back. */
static struct rlimit use_up_descriptors(void)
{
	struct rlimit before, none;
	int fd = dup(0);

	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)fd; /* the lowest free one */
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

static void accept_goes_on_by_itself_after_descriptors_ran_out(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before;
	int first, second;
	char *log;

	fixture->listener = listen_unix(fixture, 0600);
	first = connect_unix(fixture->path);
	second = connect_unix(fixture->path);
	capture_start();
	before = use_up_descriptors();
	pass(fixture);
	for (unsigned i = 0; i < 5; i++) {
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
		clock_advance(fixture->clock, 100);
	}
	pass(fixture);
	assert_int_equal(fixture->accepted_count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	pass(fixture);
	assert_int_equal(fixture->accepted_count, 0); /* it rests: no loop that spins */
	clock_advance(fixture->clock, 99);
	pass(fixture);
	assert_int_equal(fixture->accepted_count, 0);
	clock_advance(fixture->clock, 1);
	pass(fixture);
	assert_int_equal(fixture->accepted_count, 2);
	log = capture_end();
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, "cannot accept connections: Too many open files; trying again every 100 ms"));
	free(log);
	close(first);
	close(second);
}

static void shortage_is_told_again_after_a_good_time(void **state)
{
	struct fixture *fixture = *state;
	int fds[2];
	char *log;

	fixture->listener = listen_unix(fixture, 0600);
	capture_start();
	for (unsigned i = 0; i < 2; i++) {
		fds[i] = connect_unix(fixture->path);
		struct rlimit before = use_up_descriptors();

		pass(fixture);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		clock_advance(fixture->clock, 100);
		pass(fixture);
		assert_int_equal(fixture->accepted_count, i + 1);
	}
	log = capture_end();
	assert_int_equal(line_count(log), 2);
	free(log);
	close(fds[0]);
	close(fds[1]);
}

static void listener_that_rests_can_be_freed(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before;
	int fd;
	char *log;

	fixture->listener = listen_unix(fixture, 0600);
	fd = connect_unix(fixture->path);
	capture_start();
	before = use_up_descriptors();
	pass(fixture);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	log = capture_end();
	assert_int_equal(line_count(log), 1);
	free(log);
	listener_free(fixture->listener);
	fixture->listener = NULL;
	clock_advance(fixture->clock, 1000);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unix_connection_is_accepted_non_blocking_and_close_on_exec),
		TEST(tcp_takes_any_port_and_tells_it),
		TEST(tcp_listens_on_ipv6),
		TEST(tcp_address_without_sense_is_refused),
		TEST(tcp_port_in_use_is_refused),
		TEST(mode_is_as_asked_whatever_the_umask),
		TEST(group_is_set),
		TEST(stale_socket_is_replaced),
		TEST(socket_in_use_is_refused_and_goes_on),
		TEST(full_queue_of_another_program_is_in_use_too),
		TEST(what_is_no_socket_is_left_alone),
		TEST(folder_that_does_not_exist_is_said),
		TEST(path_too_long_is_refused),
		TEST(file_is_removed_at_the_end_but_not_that_of_a_successor),
		TEST(crowd_is_accepted_in_turns),
		TEST(accept_goes_on_by_itself_after_descriptors_ran_out),
		TEST(shortage_is_told_again_after_a_good_time),
		TEST(listener_that_rests_can_be_freed),
	};

	return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
