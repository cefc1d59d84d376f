/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets of a service manager: which are taken, for which address, and what becomes of the rest.
 */
#include "wire/inherited.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/ra-inherited.XXXXXX";
static struct sockaddr_un path_address;

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/ra-inherited.XXXXXX");
	assert_non_null(mkdtemp(folder));
	path_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(path_address.sun_path, sizeof(path_address.sun_path), "%s/s", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	inherited_end();
	unlink(path_address.sun_path);
	assert_int_equal(rmdir(folder), 0);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return 0;
}

static int bound(int type, const void *address, socklen_t bytes)
{
	int fd = socket(((const struct sockaddr *)address)->sa_family, type, 0), off = 0;

	assert_true(fd >= 0);
	if (((const struct sockaddr *)address)->sa_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	assert_int_equal(bind(fd, address, bytes), 0);
	return fd;
}

static int listening(const void *address, socklen_t bytes)
{
	int fd = bound(SOCK_STREAM, address, bytes);

	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static bool is_closed(int fd)
{
	return fcntl(fd, F_GETFD) < 0;
}

static void socket_at_the_asked_path_is_handed_out_once(void **state)
{
	struct sockaddr_un other = { .sun_family = AF_UNIX, .sun_path = "/tmp/elsewhere" };
	int fd = listening(&path_address, sizeof(path_address));

	(void)state;
	inherited_take_from(fd, 1);
	assert_int_equal(inherited_find((struct sockaddr *)&other, sizeof(other)), -1);
	assert_int_equal(inherited_find((struct sockaddr *)&path_address, sizeof(path_address)), fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(inherited_find((struct sockaddr *)&path_address, sizeof(path_address)), -1);
	inherited_end();
	assert_false(is_closed(fd));
	close(fd);
}

static void socket_at_the_asked_address_is_handed_out(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, other;
	socklen_t bytes = sizeof(address);
	int fd = listening(&address, sizeof(address));

	(void)state;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	other = address;
	other.sin_addr.s_addr = htonl(INADDR_ANY);
	inherited_take_from(fd, 1);
	assert_int_equal(inherited_find((struct sockaddr *)&other, sizeof(other)), -1);
	assert_int_equal(inherited_find((struct sockaddr *)&address, sizeof(address)), fd);
	close(fd);
}

static void socket_for_both_protocols_serves_who_asks_for_all_of_ipv4(void **state)
{
	struct sockaddr_in6 both = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in asked = { .sin_family = AF_INET };
	socklen_t bytes = sizeof(both);
	int probe = socket(AF_INET6, SOCK_STREAM, 0), fd;

	(void)state;
	if (probe < 0)
		skip();
	close(probe);
	fd = listening(&both, sizeof(both));
	assert_int_equal(getsockname(fd, (struct sockaddr *)&both, &bytes), 0);
	inherited_take_from(fd, 1);
	asked.sin_port = (in_port_t)~both.sin6_port;
	assert_int_equal(inherited_find((struct sockaddr *)&asked, sizeof(asked)), -1);
	asked.sin_port = both.sin6_port;
	asked.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(inherited_find((struct sockaddr *)&asked, sizeof(asked)), -1);
	asked.sin_addr.s_addr = htonl(INADDR_ANY);
	assert_int_equal(inherited_find((struct sockaddr *)&asked, sizeof(asked)), fd);
	close(fd);
}

static void what_nobody_asks_for_is_closed(void **state)
{
	int fd = listening(&path_address, sizeof(path_address));

	(void)state;
	inherited_take_from(fd, 1);
	inherited_end();
	assert_true(is_closed(fd));
}

static void what_does_not_listen_is_not_taken(void **state)
{
	int datagram = bound(SOCK_DGRAM, &path_address, sizeof(path_address)), file, stream;

	(void)state;
	inherited_take_from(datagram, 1);
	assert_true(is_closed(datagram));
	unlink(path_address.sun_path);
	stream = bound(SOCK_STREAM, &path_address, sizeof(path_address));
	inherited_take_from(stream, 1);
	assert_true(is_closed(stream));
	file = open("/dev/null", O_RDONLY);
	inherited_take_from(file, 1);
	assert_true(is_closed(file));
	assert_int_equal(inherited_find((struct sockaddr *)&path_address, sizeof(path_address)), -1);
}

static void variables_of_another_process_or_without_sense_are_ignored(void **state)
{
	static const char *const wrong[][2] = { { "1", "1" }, { NULL, "1" }, { "", "x" }, { "", "17" }, { "", "" } };
	char pid[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		unsetenv("LISTEN_PID");
		if (wrong[i][0])
			setenv("LISTEN_PID", wrong[i][0][0] != '\0' ? wrong[i][0] : pid, 1);
		setenv("LISTEN_FDS", wrong[i][1], 1);
		inherited_take();
		assert_null(getenv("LISTEN_PID"));
		assert_null(getenv("LISTEN_FDS"));
		assert_int_equal(inherited_find((struct sockaddr *)&path_address, sizeof(path_address)), -1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(socket_at_the_asked_path_is_handed_out_once),
		TEST(socket_at_the_asked_address_is_handed_out),
		TEST(socket_for_both_protocols_serves_who_asks_for_all_of_ipv4),
		TEST(what_nobody_asks_for_is_closed),
		TEST(what_does_not_listen_is_not_taken),
		TEST(variables_of_another_process_or_without_sense_are_ignored),
	};

	return cmocka_run_group_tests_name("inherited", tests, NULL, NULL);
}
