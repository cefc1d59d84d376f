/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices that are reserved exclusively over a link that comes back: what is asked of the secondary, and how a run goes
 * on when another program has the volume by then.
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

static int set_up(void **state)
{
	int rc = relink_set_up(state);
	struct relink_bed *bed = *state;
	fake_secondary_set_features(bed->secondary, FEATURE_INVALID);
	return rc;
}

static void ask(struct relink_host *host)
{
	relink_attach_exclusively(host, PATIENCE_MS);
	relink_query(host);
	relink_advance(host->bed, 0);
	assert_int_equal(host->infos, 1);
}

static void open_device(struct relink_host *host)
{
	ask(host);
	assert_int_equal(host->info_status, STATUS_OK);
	relink_jobs(host);
}

/* With a read that waits for the link. */
static void lose_and_come_back(struct relink_host *host)
{
	relink_drop(host->bed);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_come_back(host->bed);
}

static void reserve_says_that_it_is_exclusive(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	open_device(host);
	assert_int_equal(bed->reserves, 1);
	assert_true(bed->exclusive_seen);
	lose_and_come_back(host);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(bed->reserves, 2);
	assert_true(bed->exclusive_seen);
	assert_int_equal(host->ups, 1);
	assert_string_equal(host->why, ""); /* nothing is amiss */
	relink_give_up(host);
	relink_settle(bed);
	assert_int_equal(bed->unreserves, 1);
	relink_open(&bed->hosts[1], PATIENCE_MS, true);
	assert_false(bed->exclusive_seen);
}

static void secondary_that_cannot_is_not_asked(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	fake_secondary_set_features(bed->secondary, 0);
	ask(host);
	assert_int_equal(host->info_status, STATUS_BAD_REQUEST);
	assert_string_equal(host->info_detail, "the secondary cannot reserve exclusively");
	assert_int_equal(bed->reserves, 0);
	relink_give_up(host);
	relink_open(host, PATIENCE_MS, true); /* among the users of RA it can */
}

static void volume_of_another_program_is_busy(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	bed->reserve_status = STATUS_BUSY;
	bed->is_by_program = true;
	ask(host);
	assert_int_equal(host->info_status, STATUS_BUSY);
	assert_string_equal(host->info_detail, "the remote volume is in use by editor[9]");
	relink_give_up(host);
	relink_settle(bed);
	assert_int_equal(bed->unreserves, 0);
	assert_int_equal(bed->detaches, 1);
}

static void expect_unreserved(struct relink_host *host, const char *words)
{
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(host->ups, 1);
	assert_string_equal(host->why, words);
	assert_int_equal(post_count(host->bed->world->post, STATUS_BUSY), 1);
}

static void run_goes_on_when_another_program_has_the_volume_after_a_loss(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	open_device(host);
	bed->reserve_status = STATUS_BUSY;
	bed->is_by_program = true;
	lose_and_come_back(host);
	expect_unreserved(host, "the remote volume is in use by editor[9]");
	relink_advance(bed, PATIENCE_MS);
	assert_int_equal(bed->reserves, 2);
	/* Others had it meanwhile: it is not asked for any more, and said again. */
	bed->reserve_status = STATUS_OK;
	relink_drop(bed);
	assert_int_equal(host->downs, 2);
	relink_come_back(bed);
	assert_int_equal(host->ups, 2);
	assert_string_equal(host->why, "the remote volume is in use by editor[9]");
	assert_int_equal(bed->reserves, 2);
	relink_give_up(host);
	relink_settle(bed);
	assert_int_equal(bed->unreserves, 0);
	assert_int_equal(bed->detaches, 1);
}

static void run_goes_on_when_the_volume_cannot_be_locked_after_a_loss(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	open_device(host);
	bed->reserve_status = STATUS_TIMEOUT;
	lose_and_come_back(host);
	expect_unreserved(host, "reserved by somebody");
}

static void run_goes_on_when_the_secondary_cannot_any_more(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	open_device(host);
	fake_secondary_set_features(bed->secondary, 0);
	lose_and_come_back(host);
	expect_unreserved(host, "the secondary cannot reserve exclusively");
	assert_int_equal(bed->reserves, 1);
}

/* That may be its own last connection. */
static void user_of_ra_is_waited_for_after_a_loss(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	open_device(host);
	bed->reserve_status = STATUS_BUSY;
	lose_and_come_back(host);
	relink_advance(bed, 1000);
	assert_int_equal(bed->reserves, 3);
	assert_true(bed->exclusive_seen);
	assert_int_equal(host->ups, 0);
	bed->reserve_status = STATUS_OK;
	relink_advance(bed, 1000);
	relink_expect_read(host, 0, 1, STATUS_OK);
	assert_int_equal(host->ups, 1);
	assert_string_equal(host->why, "");
}

static void plain_reservation_that_fails_after_a_loss_ends_the_reads(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	relink_open(host, PATIENCE_MS, true);
	bed->reserve_status = STATUS_NO_SUCH_DEVICE;
	lose_and_come_back(host);
	relink_expect_read(host, 0, 1, STATUS_NO_SUCH_DEVICE);
	assert_string_equal(host->reads[0].detail, "the reservation was lost with the link: reserved by somebody");
	assert_int_equal(host->ups, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, relink_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reserve_says_that_it_is_exclusive),
		TEST(secondary_that_cannot_is_not_asked),
		TEST(volume_of_another_program_is_busy),
		TEST(run_goes_on_when_another_program_has_the_volume_after_a_loss),
		TEST(run_goes_on_when_the_volume_cannot_be_locked_after_a_loss),
		TEST(run_goes_on_when_the_secondary_cannot_any_more),
		TEST(user_of_ra_is_waited_for_after_a_loss),
		TEST(plain_reservation_that_fails_after_a_loss_ends_the_reads),
	};
	return cmocka_run_group_tests_name("remote_exclusive", tests, NULL, NULL);
}
