/* SPDX-License-Identifier: Apache-2.0
 *
 * A link that goes and comes back: what is asked for again, what is repeated, and that no count is wrong after it,
 * wherever the conversation was cut.
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

/* ---- Coming back ---- */

static void link_comes_up_by_itself_and_is_shown(void **state)
{
	struct relink_bed *bed = *state;
	struct remote_view view = remote_view(bed->remote);
	assert_string_equal(view.state, "waiting");
	assert_string_equal(view.key, "");
	relink_advance(bed, 0);
	view = remote_view(bed->remote);
	assert_true(view.is_up);
	assert_string_equal(view.state, "up");
	assert_string_equal(view.key, bed->key);
	assert_string_equal(view.error, "");
	assert_int_equal(view.retry_in_ms, -1);
	assert_int_equal(view.relinks, 0);
	assert_int_equal(view.window_reads, 8);
	assert_true(view.wire_bytes > 100);
	relink_advance(bed, 700);
	assert_int_equal(remote_view(bed->remote).since_ms, 700);
}

static void idle_link_comes_back_without_a_host(void **state)
{
	struct relink_bed *bed = *state;
	relink_advance(bed, 0);
	uint64_t wire_bytes = remote_wire_bytes(bed->remote);
	relink_drop(bed);
	assert_string_equal(remote_view(bed->remote).error, "the peer closed the connection");
	assert_int_equal(post_count(bed->world->post, STATUS_LINK_LOST), 1);
	relink_come_back(bed);
	assert_int_equal(remote_view(bed->remote).relinks, 1);
	assert_true(remote_wire_bytes(bed->remote) > wire_bytes + 100);
	assert_int_equal(bed->queries, 0);
}

static void read_that_was_sent_is_repeated_on_a_new_link_job(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	bed->is_mute = true;
	relink_read(host, 0, 2, 3, DELIVERY_HOLD);
	relink_settle(bed);
	relink_drop(bed);
	relink_expect_read(host, 0, 0, STATUS_UNSET);
	assert_int_equal(host->downs, 1);
	assert_string_equal(host->why, "the peer closed the connection");
	bed->is_mute = false;
	relink_come_back(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(host->reads[0].track_count, 3);
	assert_int_equal(host->ups, 1);
	assert_int_equal(host->relinks, 1);
	assert_int_equal(remote_relinks(host->device), 1);
	assert_int_equal(bed->queries, 2);
	relink_read(host, 0, 9, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 2, STATUS_OK);
}

static void read_that_comes_while_the_link_is_down_waits_for_it(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	relink_drop(bed);
	relink_read(host, 0, 0, 2, DELIVERY_DISCONNECT);
	relink_query(host);
	relink_settle(bed);
	relink_expect_read(host, 0, 0, STATUS_UNSET);
	assert_int_equal(host->infos, 1);
	relink_come_back(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_true(host->reads[0].disconnected);
	assert_int_equal(host->infos, 2);
	assert_int_equal(host->info_status, STATUS_OK);
	assert_int_equal(bed->queries, 2); /* the question of the new link answers that of the host */
}

static void query_in_flight_is_asked_again(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_advance(bed, 0);
	bed->is_mute = true;
	relink_attach(host, PATIENCE_MS, false);
	relink_query(host);
	relink_settle(bed);
	relink_drop(bed);
	bed->volume.volume.size_bytes += 5; /* nothing was told before: nothing has changed */
	bed->is_mute = false;
	relink_come_back(bed);
	assert_int_equal(host->infos, 1);
	assert_int_equal(host->info_status, STATUS_OK);
	assert_int_equal(host->size_bytes, bed->volume.volume.size_bytes);
	assert_true(host->downs == 1 && host->ups == 1); /* its owner hears why there is no answer yet */
}

static void disconnected_read_that_is_answered_at_once_was_not_disconnected(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD); /* makes the job */
	relink_settle(bed);
	bed->is_mute = true;
	relink_read(host, 0, 4, 2, DELIVERY_DISCONNECT);
	relink_settle(bed);
	fake_secondary_status(bed->secondary, fake_secondary_take(bed->secondary)->read.tag, STATUS_DISCONNECT, 0);
	relink_settle(bed);
	assert_string_equal(remote_job_view(host->jobs[0]).read, "disconnected");
	relink_drop(bed);
	assert_string_equal(remote_job_view(host->jobs[0]).read, "waiting");
	assert_string_equal(remote_job_view(host->jobs[0]).state, "new");
	assert_int_equal(remote_job_view(host->jobs[0]).link_id, 0);
	relink_come_back(bed);
	uint32_t tag = fake_secondary_take(bed->secondary)->device_query.tag;
	struct message reply = { .type = MESSAGE_DEVICE_REPLY, .device_reply = bed->volume };
	reply.device_reply.tag = tag;
	fake_secondary_send(bed->secondary, &reply, NULL, 0);
	relink_settle(bed);
	fake_secondary_job(bed->secondary, fake_secondary_take(bed->secondary)->read.tag, 0x70000);
	relink_settle(bed);
	fake_secondary_data(bed->secondary, fake_secondary_take(bed->secondary)->read.tag, STATUS_OK, 1, 5, RELINK_TRACK);
	relink_settle(bed);
	relink_expect_read(host, 0, 1 + 1, STATUS_OK);
	assert_false(host->reads[0].disconnected);
}

/* The floor of an earlier connection may be that of another process: it must neither make an answer valid nor wait. */
static void floor_of_an_earlier_link_is_not_sent(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	relink_read(host, 0, 0, 1, DELIVERY_POLL);
	relink_settle(bed);
	relink_expect_read(host, 0, 1, STATUS_DATA_NOT_FOUND);
	uint64_t floor = host->reads[0].floor;
	assert_true(floor > 0);
	relink_read_from(host, 0, 0, 1, DELIVERY_POLL, floor, false);
	relink_settle(bed);
	assert_int_equal(bed->floor_seen, floor);
	relink_expect_read(host, 0, 2, STATUS_OK);

	relink_read(host, 0, 1, 1, DELIVERY_POLL);
	relink_settle(bed);
	floor = host->reads[0].floor;
	relink_drop(bed);
	relink_come_back(bed);
	relink_read_from(host, 0, 1, 1, DELIVERY_POLL, floor, true); /* the retry of before */
	relink_settle(bed);
	assert_int_equal(bed->floor_seen, 0);
	assert_true(bed->reread_seen);
	relink_expect_read(host, 0, 4, STATUS_DATA_NOT_FOUND);
	assert_true(host->reads[0].floor > floor);
	relink_read_from(host, 0, 1, 1, DELIVERY_POLL, host->reads[0].floor, true);
	relink_settle(bed);
	assert_true(bed->floor_seen > floor);
	relink_expect_read(host, 0, 5, STATUS_OK);
}

static void retry_that_was_sent_with_its_floor_is_repeated_without(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	relink_read(host, 0, 0, 1, DELIVERY_POLL);
	relink_settle(bed);
	bed->is_mute = true;
	relink_read_from(host, 0, 0, 1, DELIVERY_POLL, host->reads[0].floor, false);
	relink_settle(bed);
	assert_true(fake_secondary_take(bed->secondary)->read.floor > 0);
	bed->is_mute = false;
	relink_drop(bed);
	relink_come_back(bed);
	assert_int_equal(bed->floor_seen, 0);
	relink_expect_read(host, 0, 2, STATUS_DATA_NOT_FOUND);
}

static void window_is_exact_after_a_relink(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	fake_secondary_set_window(bed->secondary, 2);
	relink_open(host, PATIENCE_MS, false);
	bed->is_mute = true;
	for (unsigned i = 0; i < RELINK_JOBS; i++)
		relink_read(host, i, i, 1, DELIVERY_HOLD);
	relink_settle(bed);
	assert_int_equal(remote_view(bed->remote).reads_connected, 2);
	relink_drop(bed);
	assert_int_equal(remote_view(bed->remote).reads_connected, 0);
	fake_secondary_set_window(bed->secondary, 3);
	relink_come_back(bed);
	assert_int_equal(remote_view(bed->remote).reads_connected, 0); /* the device was not answered for yet */
	assert_int_equal(fake_secondary_count(bed->secondary), 1);
	struct message reply = { .type = MESSAGE_DEVICE_REPLY, .device_reply = bed->volume };
	reply.device_reply.tag = fake_secondary_take(bed->secondary)->device_query.tag;
	fake_secondary_send(bed->secondary, &reply, NULL, 0);
	relink_settle(bed);
	assert_int_equal(remote_view(bed->remote).reads_connected, 3);
	assert_int_equal(fake_secondary_count(bed->secondary), 3);
	bed->is_mute = false;
	relink_settle(bed);
	for (unsigned i = 0; i < RELINK_JOBS; i++)
		relink_expect_read(host, i, 1, STATUS_OK);
	assert_int_equal(remote_view(bed->remote).reads_connected, 0);
}

/* ---- What the secondary counts of the last connection, whose end it has not seen ---- */

static void come_back_refused(struct relink_host *host, int64_t link_timeout_ms, enum status status)
{
	struct relink_bed *bed = host->bed;
	relink_open(host, link_timeout_ms, false);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(bed->creates, 1);
	relink_drop(bed);
	for (unsigned i = 0; i < RELINK_JOBS; i++)
		relink_read(host, i, i, 1, DELIVERY_DISCONNECT);
	bed->create_status = status;
	relink_come_back(bed);
	assert_int_equal(host->ups, 1);
	assert_int_equal(bed->creates, 1 + RELINK_JOBS);
}

static void link_jobs_that_are_refused_after_a_loss_are_asked_for_again(void **state)
{
	static const enum status statuses[] = { STATUS_NO_FREE_JOB, STATUS_BUSY };
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	for (unsigned i = 0; i < 2; i++) {
		come_back_refused(host, PATIENCE_MS, statuses[i]);
		for (unsigned second = 1; second <= 20; second++) {
			relink_advance(bed, 1000);
			assert_int_equal(bed->creates, 1 + (1 + second) * RELINK_JOBS);
			assert_int_equal(remote_view(bed->remote).reads_connected, 0);
			assert_int_equal(host->reads[0].count, 1);
		}
		assert_string_equal(remote_job_view(host->jobs[0]).read, "waiting");
		bed->create_status = STATUS_OK;
		relink_advance(bed, 1000);
		relink_expect_read(host, 0, 2, STATUS_OK);
		for (unsigned job = 1; job < RELINK_JOBS; job++)
			relink_expect_read(host, job, 1, STATUS_OK);
		assert_int_equal(post_count(bed->world->post, statuses[i]), 0);
		relink_give_up(host);
		relink_settle(bed);
		memset(host->reads, 0, sizeof(host->reads));
		bed->creates = host->ups = 0;
	}
}

static void link_jobs_that_are_refused_for_long_are_no_leftovers(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	come_back_refused(host, PATIENCE_MS, STATUS_NO_FREE_JOB);
	relink_advance(bed, 24000);
	relink_expect_read(host, 1, 0, STATUS_UNSET);
	relink_advance(bed, 2000);
	for (unsigned job = 1; job < RELINK_JOBS; job++)
		relink_expect_read(host, job, 1, STATUS_NO_FREE_JOB);
	relink_read(host, 1, 0, 1, DELIVERY_HOLD); /* as it was before the loss */
	relink_settle(bed);
	relink_expect_read(host, 1, 2, STATUS_NO_FREE_JOB);
}

static void link_jobs_that_are_refused_are_waited_for_within_link_timeout(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	come_back_refused(host, 3000, STATUS_NO_FREE_JOB);
	relink_advance(bed, 2000);
	relink_expect_read(host, 1, 0, STATUS_UNSET);
	relink_advance(bed, 1000);
	relink_expect_read(host, 1, 1, STATUS_NO_FREE_JOB);
}

static void other_refusals_of_a_link_job_are_told_at_once(void **state)
{
	struct relink_host *host = host_of(state);
	come_back_refused(host, PATIENCE_MS, STATUS_NO_SUCH_DEVICE);
	relink_expect_read(host, 1, 1, STATUS_NO_SUCH_DEVICE);
}

static void link_job_that_is_refused_without_a_loss_is_told_at_once(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	bed->create_status = STATUS_NO_FREE_JOB;
	relink_open(host, PATIENCE_MS, false);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 1, STATUS_NO_FREE_JOB);
}

/* Neither the host that has gone nor a second loss leaves a timer behind; the other jobs of the device go on. */
static void jobs_that_wait_for_a_link_job_may_go_or_lose_the_link_again(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	come_back_refused(host, PATIENCE_MS, STATUS_NO_FREE_JOB);
	relink_drop(bed);
	bed->create_status = STATUS_OK;
	relink_come_back(bed);
	relink_expect_read(host, 3, 1, STATUS_OK);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_come_back(bed); /* the first has its job */
	relink_expect_read(host, 0, 3, STATUS_OK);
	bed->create_status = STATUS_NO_FREE_JOB;
	relink_read(host, 1, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	assert_int_equal(host->reads[1].count, 1); /* it waits */
	relink_read(host, 0, 5, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 4, STATUS_OK);
	relink_give_up(host);
	relink_settle(bed);
	unsigned creates = bed->creates;
	relink_advance(bed, PATIENCE_MS);
	assert_int_equal(bed->creates, creates);
	assert_int_equal(bed->detaches, 1);
}

static void link_too_many_after_a_loss_is_tried_again_every_second(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	fake_secondary_set_full(bed->secondary, true);
	fake_secondary_open_port(bed->secondary);
	unsigned links = fake_secondary_links(bed->secondary);
	for (unsigned half = 0; half < 40; half++)
		relink_advance(bed, 500);
	assert_in_range(fake_secondary_links(bed->secondary) - links, 12, 30); /* with a quarter of jitter */
	assert_string_equal(remote_view(bed->remote).error,
		"the secondary has its most links of this primary (max-links there)");
	assert_int_equal(post_count(bed->world->post, STATUS_LINK_LOST), 2); /* the loss, and this once */
	assert_true(remote_view(bed->remote).retry_in_ms <= 1250);
	fake_secondary_set_full(bed->secondary, false);
	relink_advance(bed, 1250);
	relink_expect_read(host, 0, 1, STATUS_OK);
}

static void link_too_many_without_a_loss_is_tried_again_ever_more_slowly(void **state)
{
	struct relink_bed *bed = *state;
	fake_secondary_set_full(bed->secondary, true);
	relink_advance(bed, 0);
	for (unsigned i = 0; i < 8; i++)
		relink_advance(bed, remote_view(bed->remote).retry_in_ms);
	assert_in_range(remote_view(bed->remote).retry_in_ms, 7500, 12500);
}

/* ---- Cut everywhere ---- */

/* A conversation with all that there is: two hosts, one of them alone on the device, reads in each delivery. */
static void converse(struct relink_bed *bed)
{
	struct relink_host *host = &bed->hosts[0];
	for (unsigned i = 0; i < 400; i++) { /* each step goes on when the one before it is through */
		if (host->infos == 0 && !host->device) {
			relink_attach(host, PATIENCE_MS, true);
			relink_query(host);
		} else if (host->infos == 1 && !host->jobs[0]) {
			relink_jobs(host);
			relink_read(host, 0, 0, 2, DELIVERY_HOLD);
			relink_read(host, 1, 2, 3, DELIVERY_DISCONNECT);
			relink_read(host, 2, 5, 2, DELIVERY_POLL);
			relink_read_digests(host, 3, 1, 8, DIGEST_SHA256, host->size_bytes);
		} else if (host->reads[2].count > 0 && host->reads[2].status == STATUS_DATA_NOT_FOUND &&
			!remote_job_has_read(host->jobs[2])) {
			relink_read_from(host, 2, 5, 2, DELIVERY_POLL, host->reads[2].floor, false);
		}
		relink_settle(bed);
		if (!remote_view(bed->remote).is_up) {
			remote_try_now(bed->remote);
			relink_advance(bed, 0);
		}
		if (host->reads[0].count && host->reads[1].count && host->reads[2].count &&
			host->reads[2].status == STATUS_OK && host->reads[3].count)
			return;
	}
	fail_msg("the conversation does not come to its end");
}

static void conversation_cut_after_each_frame_comes_to_the_same_end(void **state)
{
	unsigned cuts = 0;
	(void)state;
	for (unsigned frames = 1; frames < 60; frames++) {
		void *one;
		relink_set_up(&one);
		struct relink_bed *bed = one;
		struct relink_host *host = &bed->hosts[0];
		fake_secondary_cut_after(bed->secondary, frames);
		converse(bed);
		relink_expect_read(host, 0, 1, STATUS_OK);
		relink_expect_read(host, 1, 1, STATUS_OK);
		relink_expect_read(host, 3, 1, STATUS_OK);
		assert_int_equal(host->infos, 1);
		assert_int_equal(host->ups, host->downs);
		assert_int_equal(host->ups, remote_relinks(host->device));
		assert_int_equal(remote_view(bed->remote).reads_connected, 0);
		bool was_cut = fake_secondary_links(bed->secondary) > 1;
		cuts += was_cut;
		relink_give_up(host); /* the cut may come in what follows, too */
		relink_settle(bed);
		if (!remote_view(bed->remote).is_up) {
			remote_try_now(bed->remote);
			relink_advance(bed, 0);
			was_cut = true;
		}
		relink_expect(bed, "up");
		assert_int_equal(remote_view(bed->remote).reads_connected, 0);
		relink_tear_down(&one);
		if (!was_cut) {
			assert_true(cuts > 15);
			return;
		}
	}
	fail_msg("it was never through before it was cut");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relink_set_up, relink_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(link_comes_up_by_itself_and_is_shown),
		TEST(idle_link_comes_back_without_a_host),
		TEST(read_that_was_sent_is_repeated_on_a_new_link_job),
		TEST(read_that_comes_while_the_link_is_down_waits_for_it),
		TEST(query_in_flight_is_asked_again),
		TEST(disconnected_read_that_is_answered_at_once_was_not_disconnected),
		TEST(floor_of_an_earlier_link_is_not_sent),
		TEST(retry_that_was_sent_with_its_floor_is_repeated_without),
		TEST(window_is_exact_after_a_relink),
		TEST(link_jobs_that_are_refused_after_a_loss_are_asked_for_again),
		TEST(link_jobs_that_are_refused_for_long_are_no_leftovers),
		TEST(link_jobs_that_are_refused_are_waited_for_within_link_timeout),
		TEST(other_refusals_of_a_link_job_are_told_at_once),
		TEST(link_job_that_is_refused_without_a_loss_is_told_at_once),
		TEST(jobs_that_wait_for_a_link_job_may_go_or_lose_the_link_again),
		TEST(link_too_many_after_a_loss_is_tried_again_every_second),
		TEST(link_too_many_without_a_loss_is_tried_again_ever_more_slowly),
		cmocka_unit_test(conversation_cut_after_each_frame_comes_to_the_same_end),
	};
	return cmocka_run_group_tests_name("remote_relink", tests, NULL, NULL);
}
