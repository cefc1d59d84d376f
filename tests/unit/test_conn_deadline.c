/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection does when its peer does nothing: the Hello deadline, output that is not taken, pings. Time is
 * virtual.
 */
#include "wire/conn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/pair.h"
#include "wire/conn_internal.h"

static const struct message hello = { MESSAGE_HELLO, .hello = { 1, 1, 0, "ra" } };
static const struct message release = { MESSAGE_RELEASE, .release = { 1, 2 } };

static void expect_refused_at_the_hello_deadline(struct pair *pair, bool is_tls, const void *bytes, size_t count)
{
	int fd = pair_raw_to_b(pair, is_tls);
	char *log;

	if (count > 0)
		assert_int_equal(write(fd, bytes, count), count);
	pair_settle(pair);
	clock_advance(pair->clock, HELLO_DEADLINE_MS - 1);
	pair_settle(pair);
	assert_int_equal(pair->b.closes, 0);
	capture_start();
	clock_advance(pair->clock, 1);
	log = capture_end();
	end_expect_closed(&pair->b, "no Hello within 10 s", false);
	assert_int_equal(line_count(log), 1);
	free(log);
	close(fd);
}

static void silence_is_refused_at_the_hello_deadline(void **state)
{
	expect_refused_at_the_hello_deadline(*state, true, "", 0);
}

static void half_a_client_hello_is_refused_at_the_hello_deadline(void **state)
{
	expect_refused_at_the_hello_deadline(*state, true, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
}

static void half_a_hello_is_refused_at_the_hello_deadline(void **state)
{
	uint8_t bytes[64];
	size_t count = pair_put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0);

	expect_refused_at_the_hello_deadline(*state, false, bytes, count - 1);
}

static void drip_of_bytes_does_not_move_the_hello_deadline(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];

	pair_put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(pair->b.closes, 0);
		assert_int_equal(write(fd, bytes + i, 1), 1);
		pair_settle(pair);
		clock_advance(pair->clock, HELLO_DEADLINE_MS / 10);
	}
	end_expect_closed(&pair->b, "no Hello within 10 s", false);
	close(fd);
}

static int accept_hello(struct end *end, const struct message *message)
{
	assert_true(message->type == MESSAGE_HELLO);
	conn_accept(end->conn);
	return 0;
}

static void accepted_hello_ends_the_deadline(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	conn_accept(pair->a.conn);
	pair->b.on_frame = accept_hello;
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 1));
	clock_advance(pair->clock, 10 * HELLO_DEADLINE_MS);
	assert_int_equal(pair->a.closes + pair->b.closes, 0);
}

static void peer_that_takes_no_output_is_dropped(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	char *log;

	pair_settle(pair);
	conn_accept(pair->b.conn);
	end_send_big(&pair->b, pair_note_done, "a");
	pair_settle(pair);
	clock_advance(pair->clock, OUTPUT_STALL_MS - 1);
	pair_settle(pair);
	assert_int_equal(pair->b.closes, 0);
	capture_start();
	clock_advance(pair->clock, 1);
	log = capture_end();
	end_expect_closed(&pair->b, "the peer took no output for 10 s", false);
	assert_int_equal(line_count(log), 1);
	assert_string_equal(pair_note.order, "a");
	free(log);
	close(fd);
}

static void more_output_does_not_move_the_stall_deadline(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair_settle(pair);
	conn_accept(pair->b.conn);
	end_send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pair->b.closes, 0);
		conn_send(pair->b.conn, &release, NULL, 0, NULL, NULL);
		pair_settle(pair);
		clock_advance(pair->clock, OUTPUT_STALL_MS / 10);
	}
	end_expect_closed(&pair->b, "the peer took no output for 10 s", false);
	close(fd);
}

static void slow_peer_is_not_dropped(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	char *sink = xcalloc(1, MIB);

	pair_settle(pair);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->b.conn);
	end_send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	while (output_queued_bytes(pair->b.conn->output) > KIB) { /* less is its unanswered pings */
		assert_true(read(fd, sink, 256 * KIB) > 0);
		pair_settle(pair);
		clock_advance(pair->clock, OUTPUT_STALL_MS - 1);
		assert_int_equal(pair->b.closes, 0);
	}
	assert_int_equal(pair->b.closes, 0);
	free(sink);
	close(fd);
}

/* b writes to a socket that holds little, so that what is read from it is what b may write. */
static int small_socket_to_b(struct pair *pair)
{
	const int bytes = 4 * KIB;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	pair_plain_b(pair, fds[1]);
	pair_settle(pair);
	conn_accept(pair->b.conn);
	return fds[0];
}

/* So much at the end of each second; what was taken when it was over, or all was. */
static size_t drip_from_b(struct pair *pair, int fd, size_t bytes_per_s)
{
	char *sink = xcalloc(1, bytes_per_s);
	size_t taken_bytes = 0;

	while (pair->b.closes == 0 && output_queued_bytes(pair->b.conn->output) > 0) {
		size_t due_bytes = bytes_per_s;

		clock_advance(pair->clock, 1000);
		while (due_bytes > 0 && pair->b.closes == 0) {
			ssize_t taken = read(fd, sink, due_bytes);

			if (taken < 0)
				break;
			due_bytes -= (size_t)taken;
			taken_bytes += (size_t)taken;
			pair_settle(pair);
		}
	}
	free(sink);
	return taken_bytes;
}

static void peer_that_takes_a_little_now_and_then_is_dropped(void **state)
{
	struct pair *pair = *state;
	int fd = small_socket_to_b(pair);

	end_send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	assert_true(drip_from_b(pair, fd, 6 * KIB) < OUTPUT_STALL_BYTES);
	assert_int_equal(pair->b.closes, 1);
	assert_non_null(strstr(pair->b.reason, "the peer took only "));
	assert_int_equal(clock_now_ms(pair->clock), OUTPUT_STALL_MS);
	close(fd);
}

static void peer_that_takes_a_track_in_10_s_is_not_dropped(void **state)
{
	struct pair *pair = *state;
	int fd = small_socket_to_b(pair);

	end_send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	assert_true(drip_from_b(pair, fd, 8 * KIB) > FRAME_PAYLOAD_BYTES_MAX - 64 * KIB);
	assert_int_equal(pair->b.closes, 0);
	assert_true(clock_now_ms(pair->clock) > 30 * OUTPUT_STALL_MS);
	close(fd);
}

static void connection_without_pongs_is_dead_after_three(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	char *log;

	pair_settle(pair);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->b.conn);
	for (int i = 0; i < PINGS_UNANSWERED_MAX; i++) {
		uint8_t ping[FRAME_HEADER_BYTES + 2];

		assert_int_equal(read(fd, ping, sizeof(ping)), -1);
		clock_advance(pair->clock, PING_PERIOD_MS);
		pair_settle(pair);
		assert_int_equal(read(fd, ping, sizeof(ping)), sizeof(ping));
		assert_int_equal(ping[3], MESSAGE_PING);
		assert_int_equal(pair->b.closes, 0);
	}
	capture_start();
	clock_advance(pair->clock, PING_PERIOD_MS);
	log = capture_end();
	end_expect_closed(&pair->b, "no answer to 3 pings", false);
	assert_int_equal(line_count(log), 1);
	free(log);
	close(fd);
}

static void pongs_keep_a_connection_alive(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	conn_accept(pair->a.conn);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->a.conn);
	for (int i = 0; i < 100; i++) {
		uint64_t wire_bytes = conn_wire_bytes(pair->a.conn);

		clock_advance(pair->clock, PING_PERIOD_MS);
		pair_settle(pair);
		assert_true(conn_wire_bytes(pair->a.conn) > wire_bytes);
	}
	assert_int_equal(pair->a.closes + pair->b.closes, 0);
	assert_int_equal(pair->a.frames + pair->b.frames, 0); /* nobody sees them */
}

static void frames_of_the_peer_are_a_sign_of_life_too(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];
	size_t count = pair_put_frame(bytes, MESSAGE_RELEASE, "\x08\x01\x10\x02", 4, 0);

	pair_settle(pair);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->b.conn);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(write(fd, bytes, count), count);
		pair_settle(pair);
		clock_advance(pair->clock, PING_PERIOD_MS);
		assert_int_equal(pair->b.closes, 0);
	}
	close(fd);
}

static void pings_that_were_not_read_for_long_are_no_loss(void **state)
{
	struct pair *pair = *state;

	/* As after SIGSTOP and SIGCONT: many periods have passed, but the timer runs once, and the Pong is read next. */
	pair_connect_plain(pair);
	pair_settle(pair);
	conn_accept(pair->a.conn);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->a.conn);
	for (int i = 0; i < 20; i++) {
		for (int tick = 0; tick < PINGS_UNANSWERED_MAX; tick++)
			clock_advance(pair->clock, PING_PERIOD_MS);
		pair_settle(pair);
		assert_int_equal(pair->a.closes, 0);
	}
}

static void ping_is_answered_with_its_tag(void **state)
{
	static const uint8_t pong[] = { 0x52, 0x41, 1, MESSAGE_PONG, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0xac, 0x02 };
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];
	size_t count = pair_put_frame(bytes, MESSAGE_PING, "\x08\xac\x02", 3, 0);

	assert_int_equal(write(fd, bytes, count), count);
	pair_settle(pair);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(pong));
	assert_memory_equal(bytes, pong, sizeof(pong));
	assert_int_equal(pair->b.frames, 0);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(silence_is_refused_at_the_hello_deadline),
		TEST(half_a_client_hello_is_refused_at_the_hello_deadline),
		TEST(half_a_hello_is_refused_at_the_hello_deadline),
		TEST(drip_of_bytes_does_not_move_the_hello_deadline),
		TEST(accepted_hello_ends_the_deadline),
		TEST(peer_that_takes_no_output_is_dropped),
		TEST(more_output_does_not_move_the_stall_deadline),
		TEST(slow_peer_is_not_dropped),
		TEST(peer_that_takes_a_little_now_and_then_is_dropped),
		TEST(peer_that_takes_a_track_in_10_s_is_not_dropped),
		TEST(connection_without_pongs_is_dead_after_three),
		TEST(pongs_keep_a_connection_alive),
		TEST(frames_of_the_peer_are_a_sign_of_life_too),
		TEST(pings_that_were_not_read_for_long_are_no_loss),
		TEST(ping_is_answered_with_its_tag),
	};

	return cmocka_run_group_tests_name("conn_deadline", tests, NULL, NULL);
}
