/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns of connections on one loop: how much one of them may write and read before the others go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>

#include "tests/support/pair.h"
#include "wire/conn_internal.h"

#define TURN_BYTES (16u * KIB)
#define TINY_FRAMES 300u

/* One pass of the loop, with one turn for each event. */
static void turn(struct pair *pair)
{
	event_base_loop(pair->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* Bytes of the output that one pass writes. */
static size_t written_in_a_turn(struct pair *pair)
{
	size_t before = output_queued_bytes(pair->a.conn->output);

	turn(pair);
	return before - output_queued_bytes(pair->a.conn->output);
}

static struct pair *connected(void **state)
{
	static uint8_t payload[FRAME_PAYLOAD_BYTES_MAX];
	struct pair *pair = *state;

	pair_connect_plain(pair);
	pair_settle(pair);
	pair->b.payload = payload;
	pair->b.payload_bytes_max = sizeof(payload);
	return pair;
}

static void no_more_is_written_than_the_turn_lets(void **state)
{
	struct pair *pair = connected(state);

	conn_set_pass_bytes(pair->a.conn, TURN_BYTES);
	end_send_big(&pair->a, NULL, "1");
	for (unsigned i = 0; i < 20; i++)
		assert_true(written_in_a_turn(pair) <= TURN_BYTES);
	assert_true(output_queued_bytes(pair->a.conn->output) > 0);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 1)); /* and all of it comes */
}

static void first_output_after_silence_may_be_four_turns(void **state)
{
	struct pair *pair = connected(state);
	size_t most = 0;

	conn_set_pass_bytes(pair->a.conn, TURN_BYTES);
	end_send_big(&pair->a, NULL, "1");
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 1));
	end_send_big(&pair->a, NULL, "2");
	for (unsigned i = 0; i < 3 && most == 0; i++)
		most = written_in_a_turn(pair);
	assert_int_equal(most, 4 * TURN_BYTES);
	for (unsigned i = 0; i < 20; i++) /* that was saved once */
		assert_true(written_in_a_turn(pair) <= TURN_BYTES);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 2));
}

static void two_that_have_much_to_write_take_turns(void **state)
{
	struct pair *pair = connected(state);

	conn_set_pass_bytes(pair->a.conn, TURN_BYTES);
	conn_set_pass_bytes(pair->b.conn, TURN_BYTES);
	pair->a.payload = pair->b.payload;
	pair->a.payload_bytes_max = pair->b.payload_bytes_max;
	end_send_big(&pair->a, NULL, "1");
	end_send_big(&pair->b, NULL, "2");
	for (unsigned i = 0; i < 100; i++) {
		size_t a, b;

		turn(pair);
		a = output_queued_bytes(pair->a.conn->output);
		b = output_queued_bytes(pair->b.conn->output);
		assert_true((a > b ? a - b : b - a) <= TURN_BYTES);
	}
}

/* One for each 8 KiB of the turn. */
static void assert_tiny_frames_a_turn(struct pair *pair, unsigned most)
{
	const struct message release = { .type = MESSAGE_HOST_RELEASE, .host_release = { .tag = 1 } };
	unsigned before = pair->b.frames, end = before + TINY_FRAMES, turns = 0;

	for (unsigned i = 0; i < TINY_FRAMES; i++)
		conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	for (; pair->b.frames < end && turns < 200; turns++) {
		turn(pair);
		assert_true(pair->b.frames - before <= most);
		before = pair->b.frames;
	}
	assert_int_equal(pair->b.frames, end);
}

static void tiny_frames_are_read_a_few_at_a_time(void **state)
{
	struct pair *pair = connected(state);

	assert_tiny_frames_a_turn(pair, 128);
	conn_set_pass_bytes(pair->b.conn, TURN_BYTES);
	assert_tiny_frames_a_turn(pair, 2);
}

/* What TLS has read ahead has no event: the connection comes back for it by itself. */
static void tiny_frames_that_tls_has_read_ahead_all_come(void **state)
{
	struct pair *pair = *state;
	const struct message release = { .type = MESSAGE_HOST_RELEASE, .host_release = { .tag = 1 } };

	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	for (unsigned i = 0; i < TINY_FRAMES; i++)
		conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == TINY_FRAMES));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = { T(no_more_is_written_than_the_turn_lets),
		T(first_output_after_silence_may_be_four_turns), T(two_that_have_much_to_write_take_turns),
		T(tiny_frames_are_read_a_few_at_a_time), T(tiny_frames_that_tls_has_read_ahead_all_come) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
