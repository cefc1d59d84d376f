/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is let in at the door of a secondary, and who makes room for whom. Strangers are socket pairs that say nothing.
 */
#include "secondary/accept.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <utlist.h>

#include "base/log.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "tests/support/bed.h"
#include "tests/support/pair.h"
#include "wire/tls.h"

#define DESCRIPTORS (2u * CONNECTIONS_MAX + 200u)

static struct bed *bed;
static struct tls_context *tls;
static struct accept *accept_;
static int strangers[2 * CONNECTIONS_MAX]; /* their ends */

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	(void)arg, (void)key, (void)proof;
	return NULL;
}

static int setup(void **state)
{
	struct tls_identity *identity;
	struct ra_config config;

	(void)state;
	bed_config(&config);
	bed = bed_new(&config, 16);
	assert_int_equal(tls_identity_generate(&identity), 0);
	tls = tls_context_new(identity, TLS_SERVER, admit, NULL);
	tls_identity_free(identity);
	accept_ = accept_new(bed->ra, bed->base, tls);
	memset(strangers, -1, sizeof(strangers));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	accept_free(accept_);
	for (unsigned i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		if (strangers[i] >= 0)
			close(strangers[i]);
	bed_free(bed);
	tls_context_free(tls);
	return 0;
}

static void stranger_comes(unsigned index)
{
	char from[32];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	strangers[index] = fds[1];
	snprintf(from, sizeof(from), "stranger %u", index);
	accept_connection(accept_, fds[0], from);
}

static bool is_closed(unsigned index)
{
	char byte;

	return read(strangers[index], &byte, 1) == 0;
}

static struct accept_counts count(void)
{
	struct accept_counts counts;

	accept_count(accept_, &counts);
	return counts;
}

/* So many links that are up. */
static void links_are_up(unsigned links)
{
	static const char *const none[] = { NULL };
	struct peer *peer = bed_add_peer(bed, "many", none, false, links, 1);
	struct session *session;

	for (unsigned i = 0; i < links; i++)
		strangers[i] = bed_raw_session_of(bed, peer, &session);
	bed_pass(bed);
	assert_int_equal(peer->links, links);
	DL_FOREACH(bed->ra->sessions, session)
		session->state = SESSION_UP;
}

static void a_stranger_is_a_session_in_its_handshake(void **state)
{
	(void)state;
	stranger_comes(0);
	assert_int_equal(count().connections, 1);
	assert_int_equal(count().strangers, 1);
	assert_int_equal(count().accepted, 1);
	assert_string_equal(bed->ra->sessions->from, "stranger 0");
	close(strangers[0]);
	strangers[0] = -1;
	BED_UNTIL(bed, count().connections == 0);
	assert_int_equal(count().accepted, 1);
}

static void a_stranger_that_says_nothing_is_ended_after_ten_seconds(void **state)
{
	(void)state;
	stranger_comes(0);
	bed_pass(bed);
	bed_advance(bed, HELLO_DEADLINE_MS - 1);
	assert_false(is_closed(0));
	bed_advance(bed, 1);
	BED_UNTIL(bed, count().connections == 0);
	assert_true(is_closed(0));
	assert_int_equal(count().dropped, 0);
}

static void the_longest_stranger_makes_room_and_no_link(void **state)
{
	struct primary *primary = primary_new(bed);

	(void)state;
	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		stranger_comes(i);
	assert_int_equal(count().strangers, STRANGERS_MAX);
	assert_int_equal(count().dropped, 0);
	assert_false(is_closed(0));
	stranger_comes(STRANGERS_MAX);
	assert_int_equal(count().strangers, STRANGERS_MAX);
	assert_int_equal(count().dropped, 1);
	assert_true(is_closed(0));
	assert_false(is_closed(1));
	assert_false(is_closed(STRANGERS_MAX));
	assert_true(bed_has_session(bed, primary->session));
	primary_drop(primary);
}

static void strangers_make_room_when_all_connections_are_taken(void **state)
{
	(void)state;
	links_are_up(CONNECTIONS_MAX - 1);
	stranger_comes(CONNECTIONS_MAX - 1);
	assert_int_equal(count().connections, CONNECTIONS_MAX);
	stranger_comes(CONNECTIONS_MAX);
	assert_int_equal(count().connections, CONNECTIONS_MAX);
	assert_int_equal(count().dropped, 1);
	assert_true(is_closed(CONNECTIONS_MAX - 1));
	assert_false(is_closed(CONNECTIONS_MAX));
}

static void a_connection_is_refused_when_all_are_up(void **state)
{
	(void)state;
	links_are_up(CONNECTIONS_MAX);
	stranger_comes(CONNECTIONS_MAX);
	assert_true(is_closed(CONNECTIONS_MAX));
	assert_int_equal(count().refused, 1);
	assert_int_equal(count().connections, CONNECTIONS_MAX);
	assert_int_equal(count().strangers, 0);
}

static void a_crowd_is_a_few_lines(void **state)
{
	char *text;

	(void)state;
	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		stranger_comes(i);
	bed_pass(bed);
	log_level_max = LOG_LEVEL_WARNING;
	capture_start();
	for (unsigned i = 0; i < 3 * LOG_STRANGER_LINES; i++)
		stranger_comes(STRANGERS_MAX + i);
	log_level_max = LOG_LEVEL_ERROR;
	text = capture_end();
	assert_int_equal(line_count(text), LOG_STRANGER_LINES);
	assert_non_null(strstr(text, "stranger 0: dropped"));
	free(text);
}

static void strangers_that_fail_are_a_few_lines(void **state)
{
	char *text;

	(void)state;
	for (unsigned i = 0; i < 3 * LOG_STRANGER_LINES; i++) {
		stranger_comes(i);
		assert_int_equal(write(strangers[i], "GET / HTTP/1.0\r\n\r\n", 18), 18);
	}
	log_level_max = LOG_LEVEL_WARNING;
	capture_start();
	for (unsigned i = 0; i < 20; i++)
		bed_pass(bed);
	log_level_max = LOG_LEVEL_ERROR;
	text = capture_end();
	assert_int_equal(count().connections, 0);
	assert_int_equal(line_count(text), LOG_STRANGER_LINES);
	assert_non_null(strstr(text, "stranger 0: "));
	free(text);
}

static void it_listens_where_it_is_told(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char why[256] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(accept_listen(accept_, "127.0.0.1:0", why, sizeof(why)));
	assert_true(accept_listen(accept_, "127.0.0.1:0", why, sizeof(why)));
	assert_int_equal(strncmp(accept_address(accept_, 0), "127.0.0.1:", 10), 0);
	assert_string_not_equal(accept_address(accept_, 0), accept_address(accept_, 1));
	assert_null(accept_address(accept_, 2));
	assert_false(accept_listen(accept_, accept_address(accept_, 0), why, sizeof(why)));
	assert_non_null(strstr(why, accept_address(accept_, 0)));
	to.sin_port = htons((uint16_t)atoi(accept_address(accept_, 1) + 10));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	BED_UNTIL(bed, count().connections == 1);
	assert_int_equal(strncmp(bed->ra->sessions->from, "127.0.0.1:", 10), 0);
	close(fd);
	BED_UNTIL(bed, count().connections == 0);
}

static int fd_of_session(void)
{
	struct sockaddr_in peer;
	socklen_t bytes = sizeof(peer);

	for (int fd = 3; fd < 100; fd++)
		if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 && peer.sin_family == AF_INET)
			return fd;
	return -1;
}

static void a_connection_is_watched_by_the_kernel(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int client = fcntl(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), F_DUPFD_CLOEXEC, 200), fd, value = 0;
	socklen_t bytes = sizeof(value);
	char why[256];

	(void)state;
	assert_true(accept_listen(accept_, "127.0.0.1:0", why, sizeof(why)));
	to.sin_port = htons((uint16_t)atoi(accept_address(accept_, 0) + 10));
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	close(fd_of_session()); /* the one that was duplicated */
	BED_UNTIL(bed, count().connections == 1);
	fd = fd_of_session();
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &bytes), 0);
	assert_int_equal(value, 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &bytes), 0);
	assert_int_equal(value, 1);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &bytes), 0);
	assert_int_equal(value, 30000);
	close(client);
	BED_UNTIL(bed, count().connections == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stranger_is_a_session_in_its_handshake),
		TEST(a_stranger_that_says_nothing_is_ended_after_ten_seconds),
		TEST(the_longest_stranger_makes_room_and_no_link),
		TEST(strangers_make_room_when_all_connections_are_taken),
		TEST(a_connection_is_refused_when_all_are_up),
		TEST(a_crowd_is_a_few_lines),
		TEST(strangers_that_fail_are_a_few_lines),
		TEST(it_listens_where_it_is_told),
		TEST(a_connection_is_watched_by_the_kernel),
	};
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS && limit.rlim_max >= DESCRIPTORS) {
		limit.rlim_cur = DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
