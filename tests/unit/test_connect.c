/* SPDX-License-Identifier: Apache-2.0
 *
 * The socket of the primary: there, not there, and there without a daemon.
 */
#include "primary/compare/connect.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64], path[80], why[512];

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "%s/ra-connect.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	rmdir(directory);
	return 0;
}

static int new_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void a_primary_that_listens_is_reached(void **state)
{
	int listener = new_socket(), fd;

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	fd = connect_primary(path, why, sizeof(why));
	assert_true(fd >= 0);
	close(fd);
	close(listener);
}

static void without_a_socket_the_daemon_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(connect_primary(path, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, path));
	assert_non_null(strstr(why, "is ra-primaryd running?"));
}

static void a_socket_that_a_dead_daemon_left_is_told_so(void **state)
{
	(void)state;
	close(new_socket());
	assert_int_equal(connect_primary(path, why, sizeof(why)), -ECONNREFUSED);
	assert_non_null(strstr(why, "is ra-primaryd running?"));
}

static void a_socket_of_others_names_the_group(void **state)
{
	int listener = new_socket(), rc;
	bool is_root = geteuid() == 0;

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(chmod(path, 0), 0);
	if (is_root) /* root may connect to any: be nobody for this call */
		assert_int_equal(chmod(directory, 0755) | seteuid(65534), 0);
	rc = connect_primary(path, why, sizeof(why));
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(rc, -EACCES);
	assert_non_null(strstr(why, "socket-group"));
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_primary_that_listens_is_reached, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_socket_the_daemon_is_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_that_a_dead_daemon_left_is_told_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_of_others_names_the_group, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
