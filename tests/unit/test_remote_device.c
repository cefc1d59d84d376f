/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices over a link that comes back: a volume that is another one, a device that has gone, reservations, and owners
 * that give up, in callbacks too.
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

/* ---- Another volume ---- */

struct change {
	const char *words;
	void (*make)(struct msg_device_reply *volume);
};

static void bigger(struct msg_device_reply *volume)
{
	volume->volume.size_bytes = 50000;
}

static void other_track_size(struct msg_device_reply *volume)
{
	volume->track_bytes = 65536;
}

static void other_identity(struct msg_device_reply *volume)
{
	strcpy(volume->volume.identity, "dm LVM-y");
}

static void other_inode(struct msg_device_reply *volume)
{
	volume->volume.inode = 78;
}

static void other_device(struct msg_device_reply *volume)
{
	volume->volume.device_id = 6;
}

static void other_path(struct msg_device_reply *volume)
{
	strcpy(volume->volume.path, "/elsewhere");
}

static void other_offset(struct msg_device_reply *volume)
{
	volume->volume.offset_bytes = 512;
}

static void other_kind(struct msg_device_reply *volume)
{
	volume->volume.kind = VOLUME_KIND_BLOCK;
	volume->volume.inode = 0;
}

static void volume_that_came_back_as_another_one_ends_its_reads(void **state)
{
	static const struct change changes[] = {
		{ "its size changed from 39960 to 50000", bigger },
		{ "its track size changed from 4096 to 65536", other_track_size },
		{ "it was dm LVM-x and is dm LVM-y", other_identity },
		{ "its inode changed from 77 to 78", other_inode },
		{ "its device changed from 5 to 6", other_device },
		{ "its path changed from /remote to /elsewhere", other_path },
		{ "its offset changed from 0 to 512", other_offset },
		{ "its inode changed from 77 to 0, it changed from file to block device", other_kind },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		void *one;
		relink_set_up(&one);
		struct relink_bed *bed = one;
		struct relink_host *host = &bed->hosts[0];
		relink_open(host, PATIENCE_MS, false);
		relink_drop(bed);
		relink_read(host, 0, 0, 1, DELIVERY_HOLD);
		relink_read(host, 1, 1, 1, DELIVERY_HOLD);
		changes[i].make(&bed->volume);
		relink_come_back(bed);
		for (unsigned job = 0; job < 2; job++) {
			relink_expect_read(host, job, 1, STATUS_VOLUME_CHANGED);
			assert_string_equal(host->reads[job].detail, changes[i].words);
		}
		assert_int_equal(host->ups, 0);
		assert_int_equal(post_count(bed->world->post, STATUS_VOLUME_CHANGED), 1); /* not per read */
		relink_read(host, 0, 0, 1, DELIVERY_HOLD); /* and all that comes later */
		relink_query(host);
		relink_settle(bed);
		relink_expect_read(host, 0, 1, STATUS_VOLUME_CHANGED); /* not from inside */
		relink_advance(bed, 0);
		relink_expect_read(host, 0, 2, STATUS_VOLUME_CHANGED);
		assert_int_equal(host->info_status, STATUS_VOLUME_CHANGED);
		assert_string_equal(host->info_detail, changes[i].words);
		assert_int_equal(bed->creates, 0);
		relink_give_up(host);
		relink_settle(bed);
		assert_int_equal(bed->detaches, 1);
		relink_open(host, PATIENCE_MS, false); /* for a new host it is as it is */
		relink_tear_down(&one);
	}
}

static void device_that_is_not_there_any_more_ends_the_reads_and_may_come_back(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	bed->volume.status = STATUS_NO_SUCH_DEVICE;
	relink_come_back(bed);
	relink_expect_read(host, 0, 1, STATUS_NO_SUCH_DEVICE);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 2, STATUS_NO_SUCH_DEVICE);
	assert_int_equal(bed->queries, 3);
	assert_int_equal(host->ups, 0);
	relink_advance(bed, 2 * PATIENCE_MS); /* the link is not down: nobody loses patience */
	bed->volume.status = STATUS_OK;
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 3, STATUS_OK);
	assert_int_equal(host->ups, 1);
}

/* While a host of this link reads, the secondary's constants are fixed, though it tells the size of now. They are what
 * was told last before there was a link job, to whichever host. */
static void second_host_reads_by_the_size_of_the_first_one_while_that_reads(void **state)
{
	struct relink_bed *bed = *state;
	uint64_t size_bytes = bed->volume.volume.size_bytes;
	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	bed->volume.volume.size_bytes += 5000;
	relink_open(&bed->hosts[1], PATIENCE_MS, false); /* no link job yet: nothing is fixed */
	assert_int_equal(bed->hosts[1].size_bytes, size_bytes + 5000);
	assert_int_equal(remote_end_bytes(bed->hosts[0].device), size_bytes + 5000);
	relink_give_up(&bed->hosts[1]);
	relink_read(&bed->hosts[0], 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	bed->volume.volume.size_bytes += 5000;
	relink_open(&bed->hosts[1], PATIENCE_MS, false);
	assert_int_equal(bed->hosts[1].size_bytes, size_bytes + 5000);
	assert_int_equal(remote_end_bytes(bed->hosts[1].device), size_bytes + 5000);
	relink_query(&bed->hosts[1]);
	relink_settle(bed);
	assert_int_equal(bed->hosts[1].size_bytes, size_bytes + 10000);
	assert_int_equal(remote_end_bytes(bed->hosts[1].device), size_bytes + 5000);
}

static void replaced_device_is_refused_to_hosts_that_did_not_have_it(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *first = &bed->hosts[0], *second = &bed->hosts[1];
	relink_open(first, PATIENCE_MS, false);
	bed->volume.replaced = true;
	strcpy(bed->volume.detail, "restart it");
	relink_query(first);
	relink_settle(bed);
	assert_int_equal(first->info_status, STATUS_OK);
	relink_attach(second, PATIENCE_MS, false);
	relink_query(second);
	relink_settle(bed);
	assert_int_equal(second->info_status, STATUS_NOT_PERMITTED);
	assert_string_equal(second->info_detail, "restart it");
	relink_give_up(second);
	relink_settle(bed);
	assert_int_equal(bed->detaches, 0); /* the first one has it */
	relink_read(first, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(first, 0, 1, STATUS_OK);
	relink_attach(second, PATIENCE_MS, false);
	relink_query(second);
	relink_settle(bed);
	relink_give_up(first); /* the other one's session has it too, and is what gives it back */
	relink_settle(bed);
	relink_give_up(second);
	relink_settle(bed);
	assert_int_equal(bed->detaches, 1);
}

/* ---- Reservation ---- */

static void reservation_is_taken_again_and_given_back_at_the_end(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, true);
	assert_int_equal(bed->reserves, 1);
	relink_query(host); /* a later question does not reserve again */
	relink_settle(bed);
	assert_int_equal(bed->reserves, 1);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_come_back(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(bed->reserves, 2);
	relink_give_up(host);
	relink_settle(bed);
	assert_int_equal(bed->unreserves, 1);
	assert_int_equal(bed->releases, 1);
	assert_int_equal(bed->detaches, 1);
}

static void device_of_somebody_else_is_busy(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	bed->reserve_status = STATUS_BUSY;
	relink_attach(host, PATIENCE_MS, true);
	relink_query(host);
	relink_advance(bed, 0);
	assert_int_equal(host->infos, 1);
	assert_int_equal(host->info_status, STATUS_BUSY);
	assert_string_equal(host->info_detail, "reserved by somebody");
	relink_give_up(host);
	relink_settle(bed);
	assert_int_equal(bed->unreserves, 0);
	assert_int_equal(bed->detaches, 1);
}

/* Its own lost connection may hold it until the secondary has seen the end of that. */
static void reservation_that_is_taken_after_a_loss_is_asked_for_again(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, true);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	bed->reserve_status = STATUS_BUSY;
	relink_come_back(bed);
	assert_int_equal(bed->reserves, 2);
	relink_query(host);
	for (unsigned second = 1; second <= 20; second++) {
		relink_advance(bed, 1000);
		assert_int_equal(bed->reserves, 2 + second);
		assert_int_equal(host->ups, 0);
	}
	bed->reserve_status = STATUS_OK;
	relink_advance(bed, 1000);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(host->ups, 1);
	assert_int_equal(host->info_status, STATUS_OK);
	relink_advance(bed, PATIENCE_MS);
	assert_int_equal(bed->reserves, 23);
}

static void reservation_that_does_not_come_back_in_time_is_done_without(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	unsigned reserves;
	relink_open(host, PATIENCE_MS, true);
	relink_drop(bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	bed->reserve_status = STATUS_BUSY;
	relink_come_back(bed);
	relink_expect_read(host, 0, 0, STATUS_OK);
	relink_advance(bed, PATIENCE_MS - 1000);
	assert_int_equal(host->ups, 0);
	relink_advance(bed, 1000);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(host->ups, 1);
	assert_string_equal(host->why, "reserved by somebody");
	bed->reserve_status = STATUS_OK;
	reserves = bed->reserves;
	relink_drop(bed);
	relink_come_back(bed);
	relink_advance(bed, PATIENCE_MS);
	assert_int_equal(bed->reserves, reserves); /* others were let in meanwhile: it is lost for good */
	relink_give_up(host);
	relink_settle(bed);
	assert_int_equal(bed->detaches, 1);
}

static void answer_on_its_way_decides_when_the_time_for_a_reservation_is_over(void **state)
{
	static const enum status answers[] = { STATUS_BUSY, STATUS_OK };
	struct relink_bed *bed = *state;
	for (unsigned i = 0; i < 2; i++) {
		struct relink_host *host = &bed->hosts[i];
		relink_open(host, PATIENCE_MS, true);
		relink_drop(bed);
		bed->reserve_status = STATUS_BUSY;
		relink_come_back(bed);
		bed->reserve_status = STATUS_UNSET;
		relink_advance(bed, 1000); /* it is asked for again */
		relink_advance(bed, PATIENCE_MS);
		assert_int_equal(host->ups, 0);
		bed->reserve_status = answers[i];
		relink_answer_reserve(bed);
		relink_advance(bed, 0);
		assert_int_equal(host->ups, 1);
		assert_string_equal(host->why, i == 0 ? "reserved by somebody" : "");
		bed->reserve_status = STATUS_OK;
		relink_give_up(host);
		relink_settle(bed);
	}
}

/* Neither the host that has gone nor a second loss leaves a timer behind. */
static void reservation_is_not_asked_for_again_when_nobody_wants_it(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, true);
	relink_drop(bed);
	bed->reserve_status = STATUS_BUSY;
	relink_come_back(bed);
	relink_drop(bed);
	relink_come_back(bed);
	assert_int_equal(bed->reserves, 3);
	relink_give_up(host);
	relink_settle(bed);
	relink_advance(bed, PATIENCE_MS);
	assert_int_equal(bed->reserves, 3);
	assert_int_equal(bed->detaches, 1);
}

/* The device stays attached for the second host, so only Unreserve gives it back to the others. */
static void reservation_ends_before_the_device_does(void **state)
{
	struct relink_bed *bed = *state;
	relink_open(&bed->hosts[0], PATIENCE_MS, true);
	relink_open(&bed->hosts[1], PATIENCE_MS, false);
	relink_give_up(&bed->hosts[0]);
	relink_settle(bed);
	assert_int_equal(bed->unreserves, 1);
	assert_int_equal(bed->detaches, 0);
	relink_read(&bed->hosts[1], 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(&bed->hosts[1], 0, 1, STATUS_OK);
	relink_give_up(&bed->hosts[1]);
	relink_settle(bed);
	assert_int_equal(bed->detaches, 1);
}

static void host_whose_question_fails_detaches_for_the_one_before_it(void **state)
{
	struct relink_bed *bed = *state;
	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	bed->is_mute = true;
	relink_attach(&bed->hosts[1], PATIENCE_MS, false);
	relink_query(&bed->hosts[1]);
	relink_settle(bed);
	relink_give_up(&bed->hosts[0]); /* not the last: the second is asking */
	relink_settle(bed);
	assert_int_equal(fake_secondary_count(bed->secondary), 1);
	bed->volume.status = STATUS_VOLUME_ERROR;
	bed->is_mute = false;
	relink_settle(bed);
	assert_int_equal(bed->hosts[1].info_status, STATUS_VOLUME_ERROR);
	relink_give_up(&bed->hosts[1]);
	relink_settle(bed);
	assert_int_equal(bed->detaches, 1);
}

/* ---- Giving up, and callbacks that give up ---- */

static void on_released(void *arg)
{
	struct relink_host *host = arg;
	host->released++;
}

static void what_was_given_up_ends_with_the_link(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	relink_open(host, PATIENCE_MS, false);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_read(host, 1, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	bed->is_mute = true;
	assert_true(remote_job_release(host->jobs[0], on_released, host));
	host->jobs[0] = NULL;
	relink_read(host, 1, 3, 1, DELIVERY_HOLD);
	relink_read(host, 2, 3, 1, DELIVERY_HOLD); /* its job is being made */
	relink_settle(bed);
	for (unsigned i = 1; i < 3; i++) {
		remote_job_free(host->jobs[i]);
		host->jobs[i] = NULL;
	}
	relink_settle(bed);
	assert_int_equal(host->released, 0);
	relink_drop(bed);
	assert_int_equal(host->released, 1);
	bed->is_mute = false;
	relink_come_back(bed);
	assert_int_equal(bed->creates, 2); /* those of before */
	assert_int_equal(host->reads[1].count, 1); /* that of before */
	relink_read(host, 3, 3, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 3, 1, STATUS_OK);
}

static void give_up_all(struct relink_host *host)
{
	for (unsigned i = 0; i < RELINK_HOSTS; i++)
		relink_give_up(&host->bed->hosts[i]);
}

static void callback_may_give_up_every_device(void **state)
{
	(void)state;
	for (unsigned point = 0; point < 4; point++) {
		void *one;
		relink_set_up(&one);
		struct relink_bed *bed = one;
		relink_open(&bed->hosts[0], PATIENCE_MS, true);
		relink_open(&bed->hosts[1], PATIENCE_MS, false);
		relink_read(&bed->hosts[0], 0, 0, 1, DELIVERY_HOLD);
		if (point == 0) /* when it hears of the loss */
			bed->hosts[0].then = give_up_all;
		relink_drop(bed);
		if (point != 0)
			relink_query(&bed->hosts[0]);
		if (point == 1) /* when it hears that it is back, with an answer to its query to come */
			bed->hosts[0].then = give_up_all;
		if (point == 2) { /* when its query fails */
			bed->volume.status = STATUS_NOT_PERMITTED;
			bed->hosts[0].then = give_up_all;
		}
		if (point == 3) {
			bed->volume.volume.inode = 1;
			bed->hosts[1].then = bed->hosts[0].then = give_up_all;
		}
		relink_come_back(bed);
		assert_null(bed->hosts[0].device);
		assert_int_equal(bed->hosts[0].infos, point >= 2 ? 2 : 1);
		relink_settle(bed);
		relink_tear_down(&one);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relink_set_up, relink_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volume_that_came_back_as_another_one_ends_its_reads),
		TEST(device_that_is_not_there_any_more_ends_the_reads_and_may_come_back),
		TEST(second_host_reads_by_the_size_of_the_first_one_while_that_reads),
		TEST(replaced_device_is_refused_to_hosts_that_did_not_have_it),
		TEST(reservation_is_taken_again_and_given_back_at_the_end),
		TEST(device_of_somebody_else_is_busy),
		TEST(reservation_that_is_taken_after_a_loss_is_asked_for_again),
		TEST(answer_on_its_way_decides_when_the_time_for_a_reservation_is_over),
		TEST(reservation_that_does_not_come_back_in_time_is_done_without),
		TEST(reservation_is_not_asked_for_again_when_nobody_wants_it),
		TEST(reservation_ends_before_the_device_does),
		TEST(host_whose_question_fails_detaches_for_the_one_before_it),
		TEST(what_was_given_up_ends_with_the_link),
		cmocka_unit_test(callback_may_give_up_every_device),
	};
	return cmocka_run_group_tests_name("remote_device", tests, NULL, NULL);
}
