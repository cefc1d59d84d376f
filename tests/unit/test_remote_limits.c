/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote reads that a limit holds back: before they are sent, over a loss of the link, and what they are given back.
 */
#include "tests/support/relink_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 30000

static struct relink_host *host_of(void **state)
{
	struct relink_bed *bed = *state;
	return &bed->hosts[0];
}

static struct rate *limited_host(struct relink_bed *bed, uint64_t bytes_per_s)
{
	struct relink_host *host = &bed->hosts[0];
	struct rate *rate = rate_new(bed->throttle, &(struct rate_limit){ .bytes_per_s = bytes_per_s });
	relink_attach_limited(host, PATIENCE_MS, rate);
	relink_query(host);
	relink_advance(bed, 0);
	relink_jobs(host);
	return rate;
}

/* Of one track a second: a burst of a tenth passes at once and takes a whole read with it. */
static void limited_read_waits_before_it_is_sent(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	struct rate *rate = limited_host(bed, RELINK_TRACK);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(host->reads[0].throttled_ms, 0);
	relink_read(host, 0, 1, 1, DELIVERY_HOLD);
	relink_advance(bed, 890);
	assert_int_equal(bed->reads, 1);
	assert_string_equal(remote_job_view(host->jobs[0]).read, "throttled");
	assert_int_equal(remote_view(bed->remote).reads_connected, 0);
	relink_advance(bed, 20);
	relink_expect_read(host, 0, 2, STATUS_OK);
	assert_in_range(host->reads[0].throttled_ms, 890, 910);
	assert_in_range(remote_throttled_ms(host->device), 890, 910);
	relink_give_up(host);
	rate_free(rate);
}

static void wait_at_both_sides_is_told(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	struct rate *rate = limited_host(bed, RELINK_TRACK);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	bed->is_mute = true;
	relink_advance(bed, 1000);
	struct message reply = { .type = MESSAGE_READ_REPLY };
	reply.read_reply = (struct msg_read_reply){ .tag = fake_secondary_take(bed->secondary)->read.tag,
		.status = STATUS_OK, .track_count = 1, .states = { TRACK_ZERO }, .throttled_ms = 50000 };
	fake_secondary_send(bed->secondary, &reply, NULL, 0);
	relink_settle(bed);
	assert_in_range(host->reads[0].throttled_ms, 50890, 50910);
	assert_true(remote_throttled_ms(host->device) < 1000); /* of this side only */
	relink_give_up(host);
	rate_free(rate);
}

/* What was not read is given back, so the next read need not wait. */
static void answer_with_less_gives_the_rest_back(void **state)
{
	static const struct {
		enum status status;
		uint8_t states[4];
		uint32_t track_count;
		bool is_free; /* does a read of 4 tracks pass at once after it? */
	} answers[] = {
		{ STATUS_DATA_NOT_FOUND, { 0 }, 0, true },
		{ STATUS_TIMEOUT, { 0 }, 0, true },
		{ STATUS_OK, { TRACK_HOLE, TRACK_HOLE, TRACK_HOLE, TRACK_HOLE }, 4, true },
		{ STATUS_OK, { TRACK_HOLE }, 1, true },
		{ STATUS_OK, { TRACK_ZERO, TRACK_ZERO, TRACK_ZERO, TRACK_ZERO }, 4, false },
		{ STATUS_OK, { TRACK_EIO, TRACK_HOLE, TRACK_HOLE, TRACK_HOLE }, 4, false },
		{ STATUS_OK, { TRACK_ZERO }, 1, false },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		void *one;
		relink_set_up(&one);
		struct relink_bed *bed = one;
		struct relink_host *host = &bed->hosts[0];
		struct rate *rate = limited_host(bed, 100);
		bed->create_status = STATUS_OK;
		relink_read(host, 0, 0, 4, DELIVERY_POLL);
		bed->is_mute = true;
		relink_settle(bed);
		fake_secondary_job(bed->secondary, fake_secondary_take(bed->secondary)->read.tag, 0x70001);
		relink_settle(bed);
		struct message reply = { .type = MESSAGE_READ_REPLY };
		reply.read_reply = (struct msg_read_reply){ .tag = fake_secondary_take(bed->secondary)->read.tag,
			.status = answers[i].status, .track_count = answers[i].track_count,
			.floor = answers[i].status == STATUS_DATA_NOT_FOUND ? 9 : 0 };
		memcpy(reply.read_reply.states, answers[i].states, 4);
		fake_secondary_send(bed->secondary, &reply, NULL, 0);
		relink_settle(bed);
		assert_int_equal(host->reads[0].count, 1);
		relink_read(host, 0, 0, 4, DELIVERY_HOLD);
		assert_string_equal(remote_job_view(host->jobs[0]).read, answers[i].is_free ? "requested" : "throttled");
		relink_give_up(host);
		rate_free(rate);
		relink_tear_down(&one);
	}
}

static void throttled_read_survives_the_loss_and_is_charged_once(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	struct rate *rate = limited_host(bed, RELINK_TRACK);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD); /* is sent, lost and repeated: charged once */
	bed->is_mute = true;
	relink_settle(bed);
	relink_read(host, 1, 1, 1, DELIVERY_HOLD); /* is held back */
	relink_drop(bed);
	assert_string_equal(remote_job_view(host->jobs[1]).read, "throttled");
	bed->is_mute = false;
	relink_come_back(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	relink_expect_read(host, 1, 0, STATUS_UNSET);
	relink_drop(bed);
	relink_advance(bed, 910); /* it is let through while the link is down */
	assert_string_equal(remote_job_view(host->jobs[1]).read, "waiting");
	relink_come_back(bed);
	relink_expect_read(host, 1, 1, STATUS_OK);
	relink_give_up(host);
	rate_free(rate);
}

static void throttled_read_ends_with_patience_or_its_owner(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	struct rate *rate = limited_host(bed, 1);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_read(host, 1, 1, 1, DELIVERY_HOLD);
	relink_read(host, 2, 1, 1, DELIVERY_HOLD);
	remote_job_free(host->jobs[2]);
	host->jobs[2] = NULL;
	relink_drop(bed);
	relink_advance(bed, PATIENCE_MS);
	relink_expect_read(host, 1, 1, STATUS_LINK_LOST);
	assert_in_range(host->reads[1].throttled_ms, PATIENCE_MS, PATIENCE_MS + 100);
	assert_int_equal(host->reads[2].count, 0);
	relink_give_up(host);
	rate_free(rate); /* asserts that nobody waits */
}

/* The limit of a run goes with its host, though the answer is still to come. */
static void limit_may_go_while_a_read_is_under_way(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	struct rate *rate = limited_host(bed, RELINK_TRACK);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	bed->is_mute = true;
	relink_settle(bed);
	relink_read(host, 1, 0, 1, DELIVERY_HOLD);
	relink_give_up(host);
	rate_free(rate);
	bed->is_mute = false;
	relink_settle(bed);
	assert_int_equal(host->reads[0].count + host->reads[1].count, 0);
	assert_int_equal(bed->detaches, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relink_set_up, relink_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(limited_read_waits_before_it_is_sent),
		TEST(wait_at_both_sides_is_told),
		cmocka_unit_test(answer_with_less_gives_the_rest_back),
		TEST(throttled_read_survives_the_loss_and_is_charged_once),
		TEST(throttled_read_ends_with_patience_or_its_owner),
		TEST(limit_may_go_while_a_read_is_under_way),
	};
	return cmocka_run_group_tests_name("remote_limits", tests, NULL, NULL);
}
