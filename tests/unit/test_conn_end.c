/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that their owner ends: freed in each callback, refused, finished after a last frame. And the single frame
 * of a set-up on a blocking descriptor.
 */
#include "wire/conn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/pair.h"

static const struct message hello = { MESSAGE_HELLO, .hello = { 1, 1, 0, "ra" } };
static const struct message release = { MESSAGE_RELEASE, .release = { 1, 2 } };

static void free_in_up(struct end *end)
{
	end_free_conn(end);
}

static int free_in_frame(struct end *end, const struct message *message)
{
	end_free_conn(end);
	assert_true(message->type == MESSAGE_RELEASE); /* still valid */
	return -EPROTO;
}

static void free_in_done(void *arg, bool sent)
{
	struct end *end = arg;

	assert_true(sent);
	end_free_conn(end);
}

static void freed_in_up(void **state)
{
	struct pair *pair = *state;

	pair->a.on_up = pair->b.on_up = free_in_up;
	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.conn == NULL));
	pair_settle(pair);
	assert_int_equal(pair->a.closes, 0);
}

static void freed_in_frame(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	pair->b.on_frame = free_in_frame;
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.conn == NULL && pair->a.closes == 1));
	assert_int_equal(pair->b.frames, 1);
	assert_int_equal(pair->b.closes, 0);
}

static void freed_in_done(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, free_in_done, &pair->a);
	conn_send(pair->a.conn, &release, NULL, 0, pair_note_done, (void *)"b");
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.conn == NULL));
	assert_int_equal(pair->a.closes, 0);
	assert_int_equal(pair_note.count, 1);
}

static void freed_in_closed(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	pair->b.on_closed = free_in_up;
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.ups == 1));
	end_free_conn(&pair->a);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.conn == NULL));
	assert_int_equal(pair->b.closes, 1);
}

static void freed_in_closed_at_a_deadline(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair->b.on_closed = free_in_up;
	pair_settle(pair);
	clock_advance(pair->clock, HELLO_DEADLINE_MS);
	assert_null(pair->b.conn);
	assert_int_equal(pair->b.closes, 1);
	close(fd);
}

static int refuse_frame(struct end *end, const struct message *message)
{
	(void)end, (void)message;
	return -EPROTO;
}

static void refusal_by_the_owner_is_not_logged_again(void **state)
{
	struct pair *pair = *state;
	char *log;

	pair->b.on_frame = refuse_frame;
	pair_connect_plain(pair);
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	capture_start();
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	log = capture_end();
	end_expect_closed(&pair->b, "Hello was refused", false);
	assert_int_equal(pair->b.frames, 1);
	assert_int_equal(line_count(log), 0);
	free(log);
}

static int answer_and_finish(struct end *end, const struct message *message)
{
	(void)message;
	conn_send(end->conn, &release, NULL, 0, pair_note_done, (void *)"a");
	conn_finish(end->conn, "no common version");
	conn_finish(end->conn, "only the first counts");
	return 0;
}

static void finish_sends_the_last_frame_and_reads_no_more(void **state)
{
	struct pair *pair = *state;

	pair->b.on_frame = answer_and_finish;
	pair->b.on_closed = free_in_up;
	pair_connect_tls(pair);
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.closes == 1));
	end_expect_closed(&pair->b, "no common version", false);
	assert_int_equal(pair->b.frames, 1);
	assert_int_equal(pair_note.sent, 1);
	assert_int_equal(pair->a.frames, 1);
	end_expect_closed(&pair->a, "the peer closed the connection", true);
}

static void finish_before_up_closes(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, true);

	pair_settle(pair);
	conn_finish(pair->b.conn, "stopping");
	assert_int_equal(pair->b.closes, 0);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	end_expect_closed(&pair->b, "stopping", false);
	close(fd);
}

static void finish_does_not_wait_for_ever(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair_settle(pair);
	conn_accept(pair->b.conn);
	end_send_big(&pair->b, NULL, NULL);
	conn_finish(pair->b.conn, "stopping");
	pair_settle(pair);
	assert_int_equal(pair->b.closes, 0);
	clock_advance(pair->clock, OUTPUT_STALL_MS);
	end_expect_closed(&pair->b, "the peer took no output for 10 s", false);
	close(fd);
}

static void one_frame_is_taken_and_not_a_byte_more(void **state)
{
	struct message *setup = xcalloc(1, sizeof(*setup)), *got = xcalloc(1, sizeof(*got));
	char rest[8] = "";
	int fds[2];

	(void)state;
	*setup = (struct message){ MESSAGE_SETUP, .setup = { .volume_path = "/x", .identity_pem = "pem",
		.peer_key = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", .track_bytes = 65536,
		.io = IO_MODE_AUTO } };
	memset(setup->setup.identity_pem, 'p', IDENTITY_PEM_BYTES_MAX - 1); /* more than 4 KiB */
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(conn_write_one(fds[1], setup), 0);
	assert_int_equal(write(fds[1], "rest", 4), 4);
	close(fds[1]);
	assert_int_equal(conn_read_one(fds[0], MESSAGE_SETUP, got), 0);
	assert_memory_equal(got, setup, sizeof(*got));
	assert_int_equal(read(fds[0], rest, sizeof(rest)), 4);
	assert_string_equal(rest, "rest");
	assert_int_equal(conn_read_one(fds[0], MESSAGE_SETUP, got), -ENODATA);
	close(fds[0]);
	free(setup);
	free(got);
}

static void expect_not_one(const void *bytes, size_t count, const char *reason)
{
	struct message *got = xcalloc(1, sizeof(*got));
	int fds[2], rc;
	char *log;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], bytes, count), count);
	close(fds[1]);
	capture_start();
	rc = conn_read_one(fds[0], MESSAGE_SETUP, got);
	log = capture_end();
	assert_int_equal(rc, -EPROTO);
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, reason));
	free(log);
	close(fds[0]);
	free(got);
}

static void something_else_than_the_one_frame_is_refused(void **state)
{
	uint8_t bytes[64];
	size_t count;

	(void)state;
	count = pair_put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0);
	expect_not_one(bytes, count, "Hello instead of Setup");
	expect_not_one(bytes, count - 1, "ends inside a frame");
	expect_not_one(bytes, 1, "ends inside a frame");
	expect_not_one("this is not a frame", 19, "magic");
	count = pair_put_frame(bytes, MESSAGE_READ_REPLY, "\x10\x01\x2a\x01\x01", 5, 9);
	expect_not_one(bytes, count, "payload");
}

static void write_of_one_frame_reports_its_error(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(conn_write_one(fds[1], &hello), -EPIPE);
	close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(freed_in_up),
		TEST(freed_in_frame),
		TEST(freed_in_done),
		TEST(freed_in_closed),
		TEST(freed_in_closed_at_a_deadline),
		TEST(refusal_by_the_owner_is_not_logged_again),
		TEST(finish_sends_the_last_frame_and_reads_no_more),
		TEST(finish_before_up_closes),
		TEST(finish_does_not_wait_for_ever),
		TEST(one_frame_is_taken_and_not_a_byte_more),
		TEST(something_else_than_the_one_frame_is_refused),
		TEST(write_of_one_frame_reports_its_error),
	};

	return cmocka_run_group_tests_name("conn_end", tests, NULL, NULL);
}
