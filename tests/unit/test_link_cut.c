/* SPDX-License-Identifier: Apache-2.0
 *
 * The link of two hosts is cut after every byte of a conversation, both ways, in each delivery. Whatever is cut, the
 * host gets all its data, right, each read answered once, and both ends are back where they began.
 *
 * A conversation is 22 KiB, nearly all of it data. In the middle of its larger TLS records one byte is like the next
 * one: there every 509th is tried, elsewhere each. In the sanitizer builds, where a handshake takes many times as long,
 * it is every STRIDEth of these; strides have no common factor with what comes in a fixed order (ways, ends).
 * check-style: long because each way to be cut has its test here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "primary/remote.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "tests/support/cut_host.h"
#include "tests/unit/frame_watch.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 13u
#else
#define STRIDE 1u
#endif

#define BULK_BYTES 1024u      /* of a TLS record */
#define BULK_EDGE_BYTES 24u   /* at its begin and end each byte is tried: header, tag, and some data */
#define BULK_STEP 509u
#define RECORD_HEADER_BYTES 5u
#define HANDSHAKE_VARIES_BYTES 8u /* signatures do */
#define CONVERSATION_BYTES_MAX 80000u

/* Which bytes of a way are worth a cut after them. Begins between two TLS records. */
struct map {
	bool is_worth[CONVERSATION_BYTES_MAX];
	uint32_t bytes;
	uint8_t header[RECORD_HEADER_BYTES];
	uint32_t record_at, record_bytes; /* 0: its header is not complete */
};

static struct cut_bed *cut_bed;
static struct cut_host host;
static struct map maps[RELAY_WAYS];

static int setup(void **state)
{
	(void)state;
	cut_bed = cut_bed_new();
	watch_frames(cut_bed->relay);
	CUT_UNTIL(cut_bed, remote_view(cut_bed->remote).is_up && cut_bed_is_quiet(cut_bed));
	return 0;
}

/* After a failure something may be left. */
static int teardown(void **state)
{
	(void)state;
	if (cut_bed->host != NULL && host.device != NULL)
		cut_host_leave(&host);
	cut_bed->host = NULL;
	byte_relay_cut(cut_bed->relay, RELAY_RESET);
	for (unsigned i = 0; i < 100 && !cut_bed_is_quiet(cut_bed); i++)
		cut_bed_pass(cut_bed);
	cut_bed_free(cut_bed);
	return 0;
}

/* ---- Where to cut ---- */

static bool is_worth(const struct map *map)
{
	return map->record_bytes < BULK_BYTES || map->record_at <= BULK_EDGE_BYTES ||
		map->record_bytes - map->record_at <= BULK_EDGE_BYTES || map->bytes % BULK_STEP == 0;
}

static void map_byte(struct map *map, uint8_t byte)
{
	assert_true(map->bytes < CONVERSATION_BYTES_MAX);
	if (map->record_at < RECORD_HEADER_BYTES)
		map->header[map->record_at] = byte;
	map->record_at++;
	if (map->record_at == RECORD_HEADER_BYTES)
		map->record_bytes = RECORD_HEADER_BYTES + ((uint32_t)map->header[3] << 8 | map->header[4]);
	map->is_worth[map->bytes++] = is_worth(map);
	if (map->record_at == map->record_bytes)
		map->record_at = map->record_bytes = 0;
}

static void watch(void *arg, enum relay_way way, const uint8_t *data, size_t bytes)
{
	(void)arg;
	for (size_t i = 0; i < bytes; i++)
		map_byte(&maps[way], data[i]);
}

static void begin_maps(void)
{
	memset(maps, 0, sizeof(maps));
	cut_bed->relay->watch = watch;
}

static void end_maps(void)
{
	cut_bed->relay->watch = NULL;
}

/* ---- Which frames were cut ---- */

#define QUESTIONS (BIT(MESSAGE_DEVICE_QUERY) | BIT(MESSAGE_INVALID))
#define THERE_ALWAYS (QUESTIONS | BIT(MESSAGE_READ) | BIT(MESSAGE_RELEASE) | BIT(MESSAGE_DETACH))
#define ANSWERS (BIT(MESSAGE_DEVICE_REPLY) | BIT(MESSAGE_INVALID_REPLY))
#define BACK_ALWAYS (ANSWERS | BIT(MESSAGE_READ_REPLY) | BIT(MESSAGE_DONE))
#define THERE_RESERVED (BIT(MESSAGE_RESERVE) | BIT(MESSAGE_UNRESERVE))
#define BACK_RESERVED BIT(MESSAGE_RESERVE_REPLY)
#define PINGS (BIT(MESSAGE_PING) | BIT(MESSAGE_PONG))

/* What the tests expect to be cut, taken together, is what the protocol has for a link: types below those of hosts. */
static void all_frames_of_a_link_are_among_those_cut(void **state)
{
	uint32_t types = BIT(MESSAGE_HELLO) | BIT(MESSAGE_HELLO_REPLY) | PINGS | THERE_ALWAYS | THERE_RESERVED |
		BACK_ALWAYS | BACK_RESERVED;

	(void)state;
	for (unsigned type = 0; type < MESSAGE_HOST_HELLO; type++)
		if (((types & BIT(type)) != 0) != (strcmp(message_name(type), "unknown") != 0))
			fail_msg("type %u (%s)", type, message_name(type));
}

/* ---- Cuts ---- */

struct tally {
	unsigned positions, cuts, relinks;
};

/* Both ends closed in order, or reset. */
static enum relay_end end_of(uint32_t at)
{
	return at / STRIDE % 2 == 0 ? RELAY_FIN : RELAY_RESET;
}

/* The link is up, and has come back so often. */
static void expect_relinks(unsigned relinks_before, unsigned least, unsigned most)
{
	CUT_UNTIL(cut_bed, remote_view(cut_bed->remote).is_up && cut_bed_is_quiet(cut_bed));
	assert_in_range(remote_view(cut_bed->remote).relinks - relinks_before, least, most);
}

static void run_with_cut(struct tally *tally, enum relay_way way, uint32_t bytes, enum delivery delivery, bool reserve,
	enum cut_leave leave)
{
	struct byte_relay *relay = cut_bed->relay;
	unsigned cuts_before = relay->cuts, relinks_before = remote_view(cut_bed->remote).relinks;

	faulty_volume_set_version(cut_bed->bed->volumes[0], bytes);
	relay->budget_bytes[way] = relay->carried_bytes[way] + bytes;
	relay->end = end_of(bytes);
	cut_host_start(&host, cut_bed, delivery, reserve, leave);
	cut_host_run(&host);
	relay->budget_bytes[way] = RELAY_ALL;
	assert_in_range(relay->cuts - cuts_before, 0, 1);
	assert_true(host.downs <= relay->cuts - cuts_before);
	expect_relinks(relinks_before, relay->cuts - cuts_before, relay->cuts - cuts_before);
	tally->positions++;
	tally->cuts += relay->cuts - cuts_before;
	tally->relinks += host.ups;
}

/* A conversation without a cut, to know what there is to cut. */
static void measure(enum delivery delivery, bool reserve)
{
	begin_maps();
	cut_host_start(&host, cut_bed, delivery, reserve, LEAVE_NEVER);
	cut_host_run(&host);
	end_maps();
	assert_true(host.downs == 0 && (host.data_not_found > 0) == (delivery == DELIVERY_POLL) &&
		(host.disconnected > 0) == (delivery == DELIVERY_DISCONNECT));
}

static void cut_everywhere(struct tally *tally, enum relay_way way, enum delivery delivery, bool reserve,
	enum cut_leave leave, uint32_t stride)
{
	struct map *map = xcalloc(1, sizeof(*map));
	uint32_t worth = 0;

	measure(delivery, reserve);
	*map = maps[way];
	for (uint32_t i = 0; i < map->bytes; i++)
		if (map->is_worth[i] && worth++ % stride == 0)
			run_with_cut(tally, way, i + 1, delivery, reserve, leave);
	free(map);
}

static void cut_both_ways(enum delivery delivery, bool reserve)
{
	const uint32_t hits[] = {
		[RELAY_THERE] = THERE_ALWAYS | (reserve ? THERE_RESERVED : 0),
		[RELAY_BACK] = BACK_ALWAYS | (reserve ? BACK_RESERVED : 0),
	};

	for (unsigned way = 0; way < RELAY_WAYS; way++) {
		struct tally tally = { 0 };

		forget_hits((enum relay_way)way);
		cut_everywhere(&tally, (enum relay_way)way, delivery, reserve, LEAVE_NEVER, STRIDE);
		expect_hits((enum relay_way)way, hits[way]);
		print_message("%s, %s: %u positions, %u cuts, %u times the reads went on\n", delivery_name(delivery),
			way == RELAY_THERE ? "there" : "back", tally.positions, tally.cuts, tally.relinks);
		/* A conversation that is some bytes shorter than the measured one ends before the last cuts. */
		assert_true(tally.cuts >= tally.positions * 9 / 10 && tally.relinks >= tally.cuts / 2);
	}
}

static void disconnect_survives_a_cut_after_each_byte(void **state)
{
	(void)state;
	cut_both_ways(DELIVERY_DISCONNECT, false);
}

static void poll_survives_a_cut_after_each_byte(void **state)
{
	(void)state;
	cut_both_ways(DELIVERY_POLL, false);
}

static void hold_with_a_reservation_survives_a_cut_after_each_byte(void **state)
{
	(void)state;
	cut_both_ways(DELIVERY_HOLD, true);
}

static void handshake_and_hello_survive_a_cut_after_each_byte(void **state)
{
	struct byte_relay *relay = cut_bed->relay;

	(void)state;
	begin_maps();
	cut_bed_cut(cut_bed, RELAY_FIN);
	CUT_UNTIL(cut_bed, relay->connections == 2 && remote_view(cut_bed->remote).is_up && cut_bed_is_quiet(cut_bed));
	end_maps();
	for (unsigned way = 0; way < RELAY_WAYS; way++) {
		forget_hits((enum relay_way)way);
		for (uint32_t bytes = 1; bytes < maps[way].bytes; bytes += STRIDE) {
			unsigned cuts_before = relay->cuts, relinks_before = remote_view(cut_bed->remote).relinks;

			cut_bed_cut(cut_bed, RELAY_RESET);
			relay->next_budget_bytes[way] = bytes;
			relay->next_end = end_of(bytes);
			cut_host_start(&host, cut_bed, DELIVERY_DISCONNECT, false, LEAVE_NEVER);
			cut_host_run(&host);
			relay->budget_bytes[way] = RELAY_ALL;
			assert_int_equal(relay->cuts, cuts_before + 2);
			/* After the last bytes it may have been up for a moment. */
			expect_relinks(relinks_before, 1, bytes + HANDSHAKE_VARIES_BYTES < maps[way].bytes ? 1 : 2);
		}
		/* After a handshake with a shorter signature the last bytes are of the frame after Hello. */
		frames.hit[way] &= ~(BIT(MESSAGE_DEVICE_QUERY) | BIT(MESSAGE_DEVICE_REPLY));
		expect_hits((enum relay_way)way, BIT(way == RELAY_THERE ? MESSAGE_HELLO : MESSAGE_HELLO_REPLY));
	}
}

/* Both ends ask whether the other is there, and are answered. */
static void let_pings_pass(void)
{
	clock_advance(cut_bed->bed->clock, 5000);
	cut_bed->idle_passes = 0;
	CUT_UNTIL(cut_bed, cut_bed_is_quiet(cut_bed));
}

static void pings_survive_a_cut_after_each_byte(void **state)
{
	struct byte_relay *relay = cut_bed->relay;

	(void)state;
	begin_maps();
	let_pings_pass();
	end_maps();
	for (unsigned way = 0; way < RELAY_WAYS; way++) {
		forget_hits((enum relay_way)way);
		for (uint32_t bytes = 1; bytes < maps[way].bytes; bytes++) {
			unsigned relinks_before = remote_view(cut_bed->remote).relinks;

			relay->budget_bytes[way] = relay->carried_bytes[way] + bytes;
			relay->end = end_of(bytes);
			let_pings_pass();
			expect_relinks(relinks_before, 1, 1);
			cut_host_start(&host, cut_bed, DELIVERY_DISCONNECT, false, LEAVE_NEVER);
			cut_host_run(&host);
		}
		expect_hits((enum relay_way)way, PINGS);
	}
}

static void host_that_goes_away_at_the_loss_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned way = 0; way < RELAY_WAYS; way++) {
		struct tally tally = { 0 };

		for (unsigned delivery = DELIVERY_DISCONNECT; delivery <= DELIVERY_HOLD; delivery++)
			cut_everywhere(&tally, (enum relay_way)way, (enum delivery)delivery, delivery == DELIVERY_HOLD,
				LEAVE_AT_LOSS, 19 * STRIDE);
		assert_true(tally.cuts >= tally.positions * 9 / 10 && tally.relinks == 0);
	}
}

/* The link comes back and is lost again while devices are asked for and jobs are made anew. */
static void second_cut_on_the_way_back_is_survived(void **state)
{
	struct byte_relay *relay = cut_bed->relay;
	struct tally tally = { 0 };

	(void)state;
	for (unsigned way = 0; way < RELAY_WAYS; way++) {
		uint32_t handshake_bytes;

		cut_bed_cut(cut_bed, RELAY_FIN);
		CUT_UNTIL(cut_bed, !remote_view(cut_bed->remote).is_up);
		expect_relinks(remote_view(cut_bed->remote).relinks, 1, 1);
		handshake_bytes = (uint32_t)relay->carried_bytes[way] + HANDSHAKE_VARIES_BYTES;
		measure(DELIVERY_DISCONNECT, true);
		for (uint32_t bytes = 0; bytes < maps[way].bytes; bytes += (bytes < 1000 ? 7 : 257) * STRIDE) {
			unsigned cuts_before = relay->cuts, relinks_before = remote_view(cut_bed->remote).relinks;

			relay->budget_bytes[RELAY_BACK] = relay->carried_bytes[RELAY_BACK] + maps[RELAY_BACK].bytes / 4;
			relay->end = RELAY_RESET;
			relay->next_budget_bytes[way] = handshake_bytes + bytes;
			relay->next_end = end_of(bytes);
			cut_host_start(&host, cut_bed, DELIVERY_DISCONNECT, true, LEAVE_NEVER);
			cut_host_run(&host);
			relay->budget_bytes[way] = RELAY_ALL;
			assert_in_range(relay->cuts - cuts_before, 1, 2);
			expect_relinks(relinks_before, relay->cuts - cuts_before, relay->cuts - cuts_before);
			tally.positions++;
			tally.cuts += relay->cuts - cuts_before;
			tally.relinks += host.ups;
		}
	}
	assert_true(tally.cuts >= tally.positions * 3 / 2 && tally.relinks >= tally.positions * 5 / 4);
}

static void host_that_goes_away_at_an_answer_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned delivery = DELIVERY_DISCONNECT; delivery <= DELIVERY_HOLD; delivery++) {
		cut_host_start(&host, cut_bed, (enum delivery)delivery, delivery == DELIVERY_HOLD, LEAVE_AT_ANSWER);
		cut_host_run(&host);
		assert_int_equal(host.downs, 0);
	}
}

/* The bytes stop after `bytes`; then the host goes away; then some more come, and the link is cut. */
static void leave_in_the_middle(enum relay_way way, uint32_t bytes, enum delivery delivery)
{
	struct byte_relay *relay = cut_bed->relay;
	unsigned relinks_before = remote_view(cut_bed->remote).relinks;
	uint64_t stop_bytes = relay->carried_bytes[way] + bytes;

	relay->budget_bytes[way] = stop_bytes;
	relay->end = RELAY_STALL;
	cut_host_start(&host, cut_bed, delivery, delivery == DELIVERY_HOLD, LEAVE_NEVER);
	CUT_UNTIL(cut_bed, relay->carried_bytes[way] == stop_bytes);
	if (host.device != NULL)
		cut_host_leave(&host);
	relay->budget_bytes[way] = stop_bytes + bytes % 97;
	for (unsigned i = 0; i < bytes % 5; i++)
		cut_bed_pass(cut_bed);
	cut_bed_cut(cut_bed, end_of(bytes));
	host.leave = LEAVE_AT_LOSS; /* it has gone: its reads need not be answered */
	cut_host_run(&host);
	assert_int_equal(host.downs, 0);
	expect_relinks(relinks_before, 1, 1);
}

static void host_that_goes_away_before_the_loss_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned delivery = DELIVERY_DISCONNECT; delivery <= DELIVERY_HOLD; delivery++)
		for (unsigned way = 0; way < RELAY_WAYS; way++) {
			measure((enum delivery)delivery, delivery == DELIVERY_HOLD);
			for (uint32_t bytes = 1; bytes < maps[way].bytes * 3 / 4; bytes += way == RELAY_THERE ? 7 : 131)
				leave_in_the_middle((enum relay_way)way, bytes, (enum delivery)delivery);
		}
}

static unsigned session_count(void)
{
	unsigned count = 0;

	for (const struct session *session = cut_bed->bed->ra->sessions; session != NULL; session = session->next)
		count++;
	return count;
}

static void let_a_second_pass(void)
{
	clock_advance(cut_bed->bed->clock, 1000);
	cut_bed->idle_passes = 0;
	CUT_UNTIL(cut_bed, cut_bed->idle_passes > 2);
}

/* Until the secondary has seen the end of the last connection, and a second more; the host was told so often until
 * then that the link is up. */
static void let_the_old_session_end(unsigned ups)
{
	assert_int_equal(session_count(), 2);
	for (unsigned waited_s = 0; session_count() == 2; waited_s++) {
		assert_true(waited_s < 20);
		assert_int_equal(host.ups, ups);
		let_a_second_pass();
	}
	clock_advance(cut_bed->bed->clock, 1000);
}

/* A router forgets the connection: the primary is told, the secondary finds out by its pings. */
static void lose_for_the_primary_only(uint32_t eighths, bool reserve)
{
	struct byte_relay *relay = cut_bed->relay;

	measure(DELIVERY_DISCONNECT, reserve);
	relay->budget_bytes[RELAY_BACK] = relay->carried_bytes[RELAY_BACK] + maps[RELAY_BACK].bytes * eighths / 8;
	relay->end = RELAY_HALF;
	cut_host_start(&host, cut_bed, DELIVERY_DISCONNECT, reserve, LEAVE_NEVER);
	CUT_UNTIL(cut_bed, host.downs == 1);
}

static void survive_a_loss_for_the_primary_only(uint32_t eighths, bool reserve)
{
	lose_for_the_primary_only(eighths, reserve);
	CUT_UNTIL(cut_bed, remote_view(cut_bed->remote).is_up && cut_bed->idle_passes > 0);
	if (!reserve)
		CUT_UNTIL(cut_bed, host.device == NULL && host.ups == 1); /* it need not wait for that */
	let_the_old_session_end(!reserve);
	cut_host_run(&host);
	assert_int_equal(host.ups, 1);
}

static void loss_that_only_the_primary_sees_is_survived(void **state)
{
	(void)state;
	for (uint32_t eighths = 1; eighths < 8; eighths++) {
		survive_a_loss_for_the_primary_only(eighths, false);
		survive_a_loss_for_the_primary_only(eighths, true);
	}
}

/* The old session has all the jobs that its peer may have, until its pings fail. */
static void jobs_of_the_lost_link_are_waited_for(void **state)
{
	struct peer *peer = cut_bed->tls_bed->peers[0].peer;

	(void)state;
	peer->jobs_max = CUT_STREAMS;
	cut_bed->may_post = STATUS_NO_FREE_JOB;
	for (uint32_t eighths = 2; eighths < 4; eighths++) {
		lose_for_the_primary_only(eighths, false);
		CUT_UNTIL(cut_bed, host.ups == 1 && cut_bed->idle_passes > 2);
		assert_true(peer->jobs == CUT_STREAMS && host.reads > host.answers);
		let_the_old_session_end(1);
		cut_host_run(&host);
	}
}

/* The peer may have one link: the old one. */
static void place_of_the_lost_link_is_waited_for(void **state)
{
	struct peer *peer = cut_bed->tls_bed->peers[0].peer;

	(void)state;
	peer->links_max = 1;
	lose_for_the_primary_only(4, true);
	CUT_UNTIL(cut_bed, peer->links_refused == 5); /* 0.1, 0.2, 0.4, 0.8, 1.6 s */
	assert_string_equal(remote_view(cut_bed->remote).error,
		"the secondary has its most links of this primary (max-links there)");
	for (unsigned waited_s = 0; !remote_view(cut_bed->remote).is_up; waited_s++) {
		assert_true(waited_s < 20);
		let_a_second_pass();
	}
	cut_host_run(&host);
	assert_int_equal(host.ups, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(disconnect_survives_a_cut_after_each_byte),
		T(poll_survives_a_cut_after_each_byte), T(hold_with_a_reservation_survives_a_cut_after_each_byte),
		T(pings_survive_a_cut_after_each_byte), T(handshake_and_hello_survive_a_cut_after_each_byte),
		T(all_frames_of_a_link_are_among_those_cut), T(host_that_goes_away_at_the_loss_leaves_nothing),
		T(second_cut_on_the_way_back_is_survived), T(host_that_goes_away_at_an_answer_leaves_nothing),
		T(host_that_goes_away_before_the_loss_leaves_nothing), T(loss_that_only_the_primary_sees_is_survived),
		T(jobs_of_the_lost_link_are_waited_for), T(place_of_the_lost_link_is_waited_for) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
