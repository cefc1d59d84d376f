/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for the link: the back-off, keys that are refused, how long hosts wait in each state of the link, and what
 * may happen in each.
 */
#include "tests/support/relink_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/post.h"

#define PATIENCE_MS 30000

static struct relink_host *host_of(void **state)
{
	struct relink_bed *bed = *state;
	return &bed->hosts[0];
}

/* ---- Back-off ---- */

static void expect_delay(struct relink_bed *bed, int64_t ms)
{
	int64_t retry_ms = remote_view(bed->remote).retry_in_ms;
	assert_in_range(retry_ms, ms * 3 / 4, ms * 5 / 4);
}

static void delay_doubles_to_ten_seconds_and_begins_anew_after_hello_reply(void **state)
{
	struct relink_bed *bed = *state;
	static const int64_t delays_ms[] = { 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000 };
	fake_secondary_close_port(bed->secondary);
	relink_advance(bed, 0);
	for (unsigned i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		relink_expect(bed, "waiting");
		expect_delay(bed, delays_ms[i]);
		relink_advance(bed, remote_view(bed->remote).retry_in_ms);
	}
	assert_non_null(strstr(remote_view(bed->remote).error, ": Connection refused"));
	assert_int_equal(post_count(bed->world->post, STATUS_LINK_LOST), 1); /* once, not at each try */
	fake_secondary_open_port(bed->secondary);
	relink_advance(bed, remote_view(bed->remote).retry_in_ms);
	relink_expect(bed, "up");
	relink_drop(bed);
	expect_delay(bed, 100);
}

static void delays_differ(void **state)
{
	struct relink_bed *bed = *state;
	bool differs = false;
	fake_secondary_close_port(bed->secondary);
	relink_advance(bed, 0);
	while (remote_view(bed->remote).retry_in_ms < 7000) /* up to the longest */
		relink_advance(bed, remote_view(bed->remote).retry_in_ms);
	int64_t first_ms = remote_view(bed->remote).retry_in_ms;
	for (unsigned i = 0; i < 20; i++) {
		relink_advance(bed, remote_view(bed->remote).retry_in_ms);
		differs = differs || remote_view(bed->remote).retry_in_ms != first_ms;
	}
	assert_true(differs);
}

static void hello_that_is_not_answered_is_no_success(void **state)
{
	struct relink_bed *bed = *state;
	static const int64_t delays_ms[] = { 100, 200, 400 };
	fake_secondary_set_window(bed->secondary, 0);
	relink_advance(bed, 0);
	for (unsigned i = 0; i < 3; i++) {
		relink_expect(bed, "hello");
		relink_advance(bed, 10000);
		relink_expect(bed, "waiting");
		assert_string_equal(remote_view(bed->remote).error, "no Hello within 10 s");
		expect_delay(bed, delays_ms[i]);
		relink_advance(bed, remote_view(bed->remote).retry_in_ms);
	}
}

static void host_that_attaches_makes_the_next_try_happen_at_once(void **state)
{
	struct relink_bed *bed = *state;
	fake_secondary_close_port(bed->secondary);
	relink_advance(bed, 0);
	for (unsigned i = 0; i < 8; i++)
		relink_advance(bed, remote_view(bed->remote).retry_in_ms);
	expect_delay(bed, 10000);
	fake_secondary_open_port(bed->secondary);
	relink_open(host_of(state), PATIENCE_MS, false);
	assert_true(remote_view(bed->remote).is_up);
}

/* ---- Keys ---- */

static void secondary_with_another_key_is_not_let_in(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	char words[DETAIL_MAX + 1];
	relink_open(host, 3000, false);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	fake_secondary_set_identity(bed->secondary, bed->others);
	fake_secondary_open_port(bed->secondary);
	relink_advance(bed, remote_view(bed->remote).retry_in_ms);
	relink_expect(bed, "waiting");
	assert_string_equal(remote_view(bed->remote).key, bed->key); /* of the one that was there */
	relink_advance(bed, 3000);
	relink_expect_read(host, 0, 1, STATUS_LINK_LOST);
	snprintf(words, sizeof(words), "no link to b for 3 s: the peer's key %s is not known here", bed->other_key);
	assert_string_equal(host->reads[0].detail, words);
	fake_secondary_set_identity(bed->secondary, bed->theirs);
	relink_give_up(host);
	relink_open(host, 3000, false); /* the right one comes later */
}

static void secondary_that_does_not_know_this_side_is_told_so(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	fake_secondary_admit(bed->secondary, false);
	relink_attach(host, 1500, false);
	relink_query(host);
	relink_advance(bed, 0);
	relink_expect(bed, "waiting");
	relink_advance(bed, 1500);
	assert_int_equal(host->infos, 1);
	assert_int_equal(host->info_status, STATUS_LINK_LOST);
	assert_string_equal(host->info_detail, "no link to b for 1 s: the peer does not know this side's key");
}

/* ---- Patience ---- */

enum place { WAITING, DIALING, SHAKING_HANDS, HELLO, ASKING, RESERVING, READY, PLACES };
static const char *const place_names[] = {
	"waiting", "dialing", "shaking hands", "hello", "asking", "reserving", "ready"
};

/* Brings a link with a reserved device to a place after it was lost once. */
static void bring_to(struct relink_bed *bed, enum place place)
{
	static const char *const states[] = { "waiting", "connecting", "connecting", "hello", "up", "up", "up" };
	struct message reply = { .type = MESSAGE_DEVICE_REPLY, .device_reply = bed->volume };
	relink_drop(bed);
	if (place == WAITING)
		return;
	fake_secondary_open_port(bed->secondary);
	fake_secondary_ignore(bed->secondary, place == SHAKING_HANDS);
	fake_secondary_set_window(bed->secondary, place == HELLO ? 0 : 8);
	bed->is_mute = place == ASKING || place == RESERVING;
	remote_try_now(bed->remote);
	clock_advance(bed->world->clock, 0);
	if (place == DIALING) /* its first step comes with the next pass */
		return;
	relink_expect(bed, states[place]);
	if (place == RESERVING) {
		reply.device_reply.tag = fake_secondary_take(bed->secondary)->device_query.tag;
		fake_secondary_send(bed->secondary, &reply, NULL, 0);
		relink_settle(bed);
	}
}

/* From any place: the secondary is there and answers. */
static void heal(struct relink_bed *bed)
{
	bed->is_mute = false;
	fake_secondary_ignore(bed->secondary, false);
	fake_secondary_set_window(bed->secondary, 8);
	relink_settle(bed);
	if (remote_view(bed->remote).is_up)
		return;
	fake_secondary_hang_up(bed->secondary);
	fake_secondary_close_port(bed->secondary);
	fake_secondary_open_port(bed->secondary);
	for (unsigned i = 0; i < 50 && !remote_view(bed->remote).is_up; i++) {
		remote_try_now(bed->remote);
		relink_advance(bed, 500);
	}
	relink_expect(bed, "up");
}

static void patience_ends_in_each_state_of_the_link(void **state)
{
	(void)state;
	for (enum place place = WAITING; place < READY; place++) {
		void *one;
		relink_set_up(&one);
		struct relink_bed *bed = one;
		struct relink_host *host = &bed->hosts[0], *other = &bed->hosts[1];
		relink_open(host, 5000, true);
		relink_open(other, PATIENCE_MS, false);
		relink_read(host, 0, 0, 1, DELIVERY_HOLD);
		relink_read(other, 0, 1, 1, DELIVERY_HOLD);
		relink_settle(bed);
		bring_to(bed, place);
		relink_read(host, 0, 0, 1, DELIVERY_HOLD);
		relink_read(other, 0, 1, 1, DELIVERY_HOLD);
		relink_query(host);
		clock_advance(bed->world->clock, 4999);
		if (place == WAITING) /* its tries fail */
			relink_settle(bed);
		assert_int_equal(host->reads[0].count, 1);
		clock_advance(bed->world->clock, 1);
		if (host->reads[0].count != 2 || strncmp(host->reads[0].detail, "no link to b for 5 s: ", 22) != 0)
			fail_msg("%s: %u, %s", place_names[place], host->reads[0].count, host->reads[0].detail);
		relink_expect_read(host, 0, 2, STATUS_LINK_LOST);
		assert_int_equal(host->infos, 2);
		assert_int_equal(host->info_status, STATUS_LINK_LOST);
		assert_int_equal(other->reads[0].count, 1);
		heal(bed);
		relink_expect_read(other, 0, 2, STATUS_OK); /* it had more */
		relink_read(host, 0, 0, 1, DELIVERY_HOLD);
		relink_advance(bed, 0);
		relink_expect_read(host, 0, 3, STATUS_LINK_LOST); /* for good */
		assert_int_equal(host->ups, 0);
		relink_give_up(host);
		relink_give_up(other);
		relink_settle(bed);
		assert_true(bed->detaches >= 1);
		relink_tear_down(&one);
	}
}

static void patience_of_a_link_that_was_never_up_begins_with_attach(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	fake_secondary_close_port(bed->secondary);
	relink_advance(bed, 60000);
	relink_attach(host, 2000, false);
	relink_query(host);
	relink_advance(bed, 1999);
	assert_int_equal(host->infos, 0);
	assert_int_equal(host->downs, 1); /* once, at the first try that failed */
	assert_non_null(strstr(host->why, ": Connection refused"));
	relink_advance(bed, 1);
	assert_int_equal(host->infos, 1);
	assert_int_equal(host->info_status, STATUS_LINK_LOST);
	assert_memory_equal(host->info_detail, "no link to b for 2 s: 127.0.0.1:", 32);
	assert_non_null(strstr(host->info_detail, ": Connection refused"));
	assert_int_equal(host->downs, 1);
}

static void time_without_a_link_is_told_in_whole_units(void **state)
{
	static const struct {
		int64_t ms;
		const char *words;
	} cases[] = { { 1, "less than a second" }, { 999, "less than a second" }, { 1999, "1 s" }, { 119999, "119 s" },
		{ 900000, "15 min" } };
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	char words[DETAIL_MAX + 1];
	fake_secondary_close_port(bed->secondary);
	relink_advance(bed, 60000);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(words, sizeof(words), "no link to b for %s: 127.0.0.1:", cases[i].words);
		relink_attach(host, cases[i].ms, false);
		relink_query(host);
		relink_advance(bed, cases[i].ms);
		assert_int_equal(host->info_status, STATUS_LINK_LOST);
		assert_memory_equal(host->info_detail, words, strlen(words));
		relink_give_up(host);
	}
}

static void link_that_comes_and_goes_uses_up_no_patience(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, 3000, false);
	for (unsigned i = 1; i <= 5; i++) {
		relink_drop(bed);
		relink_read(host, 0, 0, 1, DELIVERY_HOLD);
		relink_advance(bed, 2900);
		relink_come_back(bed);
		relink_expect_read(host, 0, i, STATUS_OK);
	}
	assert_int_equal(host->relinks, 5);
	relink_advance(bed, 60000);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 6, STATUS_OK);
}

/* It comes up, and goes before the device was answered for: that is no progress. */
static void link_that_brings_nothing_uses_up_patience(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, 3000, false);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	bed->is_mute = true;
	for (unsigned i = 0; i < 2; i++) {
		relink_advance(bed, 1400);
		relink_come_back(bed);
		relink_drop(bed);
	}
	assert_int_equal(host->reads[0].count, 0);
	relink_advance(bed, 200);
	relink_expect_read(host, 0, 1, STATUS_LINK_LOST);
	assert_int_equal(host->downs, 1);
}

static void device_that_answers_after_patience_has_ended_is_given_back(void **state)
{
	(void)state;
	for (enum place place = ASKING; place <= RESERVING; place++) {
		void *one;
		relink_set_up(&one);
		struct relink_bed *bed = one;
		struct relink_host *host = &bed->hosts[0];
		relink_open(host, 5000, true);
		bring_to(bed, place);
		relink_advance(bed, 5000);
		relink_query(host); /* ends by itself: the answer is not for it */
		bed->is_mute = false;
		relink_settle(bed);
		assert_int_equal(host->infos, 1);
		relink_advance(bed, 0);
		assert_int_equal(host->infos, 2);
		assert_int_equal(host->info_status, STATUS_LINK_LOST);
		relink_give_up(host);
		relink_settle(bed);
		assert_int_equal(bed->unreserves, place == RESERVING);
		assert_int_equal(bed->detaches, 1);
		relink_tear_down(&one);
	}
}

/* ---- Each event in each state ---- */

enum event {
	READ,
	QUERY,
	ATTACH,
	FREE_JOB,
	RELEASE,
	GIVE_UP,
	TRY_NOW,
	HANG_UP,
	CLOSE_PORT,
	TIME_OUT,
	END,
	EVENTS
};
static const char *const event_names[] = { "read", "query", "attach", "free job", "release", "give up", "try now",
	"hang up", "close port", "time out", "end" };

static void on_released(void *arg)
{
	struct relink_host *host = arg;
	host->released++;
}

static void happen(struct relink_bed *bed, enum event event)
{
	struct relink_host *host = &bed->hosts[0];
	switch (event) {
	case READ:
		relink_read(host, 2, 4, 2, DELIVERY_DISCONNECT);
		break;
	case QUERY:
		relink_query(host);
		break;
	case ATTACH:
		relink_attach(&bed->hosts[1], PATIENCE_MS, false);
		relink_query(&bed->hosts[1]);
		break;
	case FREE_JOB:
		remote_job_free(host->jobs[0]);
		host->jobs[0] = NULL;
		break;
	case RELEASE:
		if (remote_job_release(host->jobs[1], on_released, host))
			host->released--;
		host->jobs[1] = NULL;
		break;
	case GIVE_UP:
	case END:
		relink_give_up(host);
		break;
	case TRY_NOW:
		remote_try_now(bed->remote);
		break;
	case HANG_UP:
	case CLOSE_PORT:
		if (event == CLOSE_PORT)
			fake_secondary_close_port(bed->secondary);
		fake_secondary_hang_up(bed->secondary);
		break;
	default:
		clock_advance(bed->world->clock, PATIENCE_MS);
	}
}

static void each_event_may_come_in_each_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PLACES * EVENTS; i++) {
		enum place place = (enum place)(i / EVENTS);
		enum event event = (enum event)(i % EVENTS);
		void *one;
		relink_set_up(&one);
		struct relink_bed *bed = one;
		struct relink_host *host = &bed->hosts[0];
		relink_open(host, PATIENCE_MS, true);
		bring_to(bed, place);
		bool is_mute = bed->is_mute;
		bed->is_mute = is_mute || place == READY; /* the read stays under way */
		relink_read(host, 0, 0, 1, DELIVERY_HOLD);
		if (place != DIALING)
			relink_settle(bed);
		happen(bed, event);
		if (event == END) { /* without a pass of the loop */
			relink_tear_down(&one);
			continue;
		}
		clock_advance(bed->world->clock, 0);
		heal(bed);
		relink_advance(bed, 0);
		bool is_lost = event == TIME_OUT && place != READY;
		bool is_gone = event == FREE_JOB || event == GIVE_UP;
		if (host->reads[0].count != !is_gone)
			fail_msg("%s in %s: %u answers", event_names[event], place_names[place], host->reads[0].count);
		if (!is_gone)
			relink_expect_read(host, 0, 1, is_lost ? STATUS_LINK_LOST : STATUS_OK);
		if (event == READ)
			relink_expect_read(host, 2, 1, STATUS_OK);
		if (event == QUERY)
			assert_int_equal(host->infos, 2);
		if (event == ATTACH)
			assert_int_equal(bed->hosts[1].info_status, STATUS_OK);
		assert_int_equal(host->released, 0);
		assert_int_equal(remote_view(bed->remote).reads_connected, 0);
		relink_tear_down(&one);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relink_set_up, relink_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delay_doubles_to_ten_seconds_and_begins_anew_after_hello_reply),
		TEST(delays_differ),
		TEST(hello_that_is_not_answered_is_no_success),
		TEST(host_that_attaches_makes_the_next_try_happen_at_once),
		TEST(secondary_with_another_key_is_not_let_in),
		TEST(secondary_that_does_not_know_this_side_is_told_so),
		cmocka_unit_test(patience_ends_in_each_state_of_the_link),
		TEST(patience_of_a_link_that_was_never_up_begins_with_attach),
		TEST(time_without_a_link_is_told_in_whole_units),
		TEST(link_that_comes_and_goes_uses_up_no_patience),
		TEST(link_that_brings_nothing_uses_up_patience),
		cmocka_unit_test(device_that_answers_after_patience_has_ended_is_given_back),
		cmocka_unit_test(each_event_may_come_in_each_state),
	};
	return cmocka_run_group_tests_name("remote_wait", tests, NULL, NULL);
}
