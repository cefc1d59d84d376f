/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose connection it is: one that is handed over from inside a callback, what admit returned, and who is at the other
 * end of a Unix socket. Time is virtual, and each test leaves no descriptor behind.
 */
#include "wire/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/pair.h"

static const struct message release = { MESSAGE_RELEASE, .release = { 1, 2 } };
static const struct message query = { MESSAGE_DEVICE_QUERY, .device_query = { 9, "web1" } };

/* Takes over b in a frame. */
static struct heir {
	int rc;           /* of each of its frames */
	bool takes_fd;    /* in the frame that hands over */
	bool frees;       /* likewise */
	unsigned frames, closes;
	enum message_type last;
	int fd;
	char reason[DETAIL_MAX + 1];
} heir;

static void heir_up(void *arg)
{
	(void)arg;
	fail(); /* it was up before */
}

static int heir_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	assert_ptr_equal(arg, &heir);
	assert_int_equal(payload_bytes, 0);
	heir.frames++;
	heir.last = message->type;
	return heir.rc;
}

static void heir_closed(void *arg, const char *reason, bool clean)
{
	(void)clean;
	assert_ptr_equal(arg, &heir);
	heir.closes++;
	snprintf(heir.reason, sizeof(heir.reason), "%s", reason);
}

static const struct conn_ops heir_ops = { .up = heir_up, .frame = heir_frame, .closed = heir_closed };

static int hand_over(struct end *end, const struct message *message)
{
	assert_int_equal(message->type, MESSAGE_RELEASE);
	if (heir.takes_fd)
		heir.fd = conn_take_fd(end->conn);
	if (heir.frees)
		end_free_conn(end);
	else
		conn_set_owner(end->conn, &heir_ops, &heir);
	return heir.rc;
}

static void start(struct pair *pair)
{
	heir = (struct heir){ .fd = -1 };
	pair->b.on_frame = hand_over;
}

static void expect_inheritance(struct pair *pair)
{
	/* All three may come in one read. */
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &query, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &query, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, heir.frames == 2));
	assert_int_equal(heir.last, MESSAGE_DEVICE_QUERY);
	assert_int_equal(pair->b.frames, 1);
	end_free_conn(&pair->a);
	assert_true(PAIR_RUN_UNTIL(pair, heir.closes == 1));
	assert_string_equal(heir.reason, "the peer closed the connection");
	assert_int_equal(pair->b.closes, 0);
}

static void new_owner_has_all_that_comes_after_the_frame(void **state)
{
	start(*state);
	pair_connect_plain(*state);
	expect_inheritance(*state);
}

static void new_owner_has_all_that_comes_after_the_frame_by_tls(void **state)
{
	start(*state);
	pair_connect_tls(*state);
	expect_inheritance(*state);
}

static void descriptor_of_the_frame_can_be_taken_while_it_is_handed_over(void **state)
{
	struct pair *pair = *state;
	int fds[2];

	start(pair);
	heir.takes_fd = true;
	pair_connect_plain(pair);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	conn_send_fd(pair->a.conn, &release, fds[1]);
	pair_settle(pair);
	assert_true(heir.fd >= 0);
	assert_int_equal(write(heir.fd, "x", 1), 1);
	assert_int_equal(read(fds[0], &(char){ 0 }, 1), 1);
	close(heir.fd);
	close(fds[0]);
	close(fds[1]);
}

static void what_the_old_owner_sent_is_still_reported(void **state)
{
	struct pair *pair = *state;

	start(pair);
	pair_connect_plain(pair);
	conn_send(pair->b.conn, &release, NULL, 0, pair_note_done, "x");
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	pair_settle(pair);
	assert_string_equal(pair_note.order, "x");
	assert_int_equal(pair_note.sent, 1);
	assert_int_equal(pair->a.frames, 1);
}

static void new_owner_may_refuse_a_later_frame(void **state)
{
	struct pair *pair = *state;

	start(pair);
	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	pair_settle(pair);
	heir.rc = -EPROTO;
	conn_send(pair->a.conn, &query, NULL, 0, NULL, NULL);
	pair_settle(pair);
	assert_int_equal(heir.closes, 1);
	assert_string_equal(heir.reason, "DeviceQuery was refused");
	assert_int_equal(pair->b.closes, 0);
	end_free_conn(&pair->b);
	pair_settle(pair);
	end_expect_closed(&pair->a, "the peer closed the connection", true);
}

static void connection_may_be_freed_instead_of_handed_over(void **state)
{
	struct pair *pair = *state;

	start(pair);
	heir.frees = true;
	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &query, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.closes == 1));
	assert_int_equal(pair->b.frames, 1);
	assert_int_equal(pair->b.closes, 0);
}

static void peer_is_what_admit_returned(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	assert_null(conn_peer(pair->a.conn)); /* nobody was asked yet */
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	assert_ptr_equal(conn_peer(pair->a.conn), pair);
	assert_ptr_equal(conn_peer(pair->b.conn), pair);
}

static void plain_connection_has_no_peer(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	pair_settle(pair);
	assert_null(conn_peer(pair->a.conn));
	assert_string_equal(conn_peer_key(pair->a.conn), "");
}

static void process_at_the_other_end_is_known(void **state)
{
	struct pair *pair = *state;
	struct ucred credentials;

	pair_connect_plain(pair);
	assert_int_equal(conn_credentials(pair->b.conn, &credentials), 0);
	assert_int_equal(credentials.pid, getpid());
	assert_int_equal(credentials.uid, geteuid());
	assert_int_equal(credentials.gid, getegid());
}

static void its_supplementary_groups_are_known(void **state)
{
	static const gid_t mine[] = { 4711, 4712, 4713 };
	struct pair *pair = *state;
	gid_t before[64];
	int before_count = getgroups(64, before);

	if (getuid() != 0 || before_count < 0)
		skip();
	assert_int_equal(setgroups(3, mine), 0);
	pair_connect_plain(pair);
	assert_int_equal(setgroups((size_t)before_count, before), 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(conn_peer_is_in_group(pair->b.conn, mine[i]));
	assert_false(conn_peer_is_in_group(pair->b.conn, 4714));
	assert_false(conn_peer_is_in_group(pair->b.conn, 0));
}

static void pipe_tells_nothing_of_its_other_end(void **state)
{
	struct pair *pair = *state;
	struct ucred credentials;
	int to_b[2], to_a[2];

	assert_int_equal(pipe2(to_b, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to_a, O_CLOEXEC), 0);
	pair_tls_a(pair, to_a[0], to_b[1]);
	pair_tls_b(pair, to_b[0], to_a[1]);
	assert_int_equal(conn_credentials(pair->b.conn, &credentials), -ENOTSOCK);
	assert_false(conn_peer_is_in_group(pair->b.conn, getegid()));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_owner_has_all_that_comes_after_the_frame),
		TEST(new_owner_has_all_that_comes_after_the_frame_by_tls),
		TEST(descriptor_of_the_frame_can_be_taken_while_it_is_handed_over),
		TEST(what_the_old_owner_sent_is_still_reported),
		TEST(new_owner_may_refuse_a_later_frame),
		TEST(connection_may_be_freed_instead_of_handed_over),
		TEST(peer_is_what_admit_returned),
		TEST(plain_connection_has_no_peer),
		TEST(process_at_the_other_end_is_known),
		TEST(its_supplementary_groups_are_known),
		TEST(pipe_tells_nothing_of_its_other_end),
	};

	return cmocka_run_group_tests_name("conn_owner", tests, NULL, NULL);
}
