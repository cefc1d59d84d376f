/* SPDX-License-Identifier: Apache-2.0
 *
 * The primary asks for the secondary's invalid tracks: what is answered, a link that is lost meanwhile, devices that
 * fail or are given up, answers that make no sense, and secondaries that are too old.
 */
#include "tests/support/relink_bed.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/post.h"
#include "base/track_set.h"

#define PATIENCE_MS 30000

static struct {
	unsigned count;
	enum status status;
	uint64_t tracks;
	struct track_range first;
	char detail[DETAIL_MAX + 1];
} told;

static void on_invalid(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	struct relink_host *host = arg;

	assert_non_null(host->device); /* nothing comes after it was given up */
	assert_int_equal(status == STATUS_OK, set != NULL);
	told.count++;
	told.status = status;
	told.tracks = set ? track_set_tracks(set) : 0;
	if (set && track_set_ranges(set) > 0)
		told.first = track_set_range(set, 0);
	snprintf(told.detail, sizeof(told.detail), "%s", detail);
	if (host->then)
		host->then(host);
}

static enum status ask(struct relink_host *host)
{
	return remote_invalid(host->device, on_invalid, host);
}

static void expect_told(struct relink_bed *bed, enum status status)
{
	relink_settle(bed);
	assert_int_equal(told.count, 1);
	assert_string_equal(status_name(told.status), status_name(status));
	told.count = 0;
}

/* What the secondary answers: OK with these tracks. */
static void set_range(struct relink_bed *bed, uint64_t first, uint64_t count)
{
	const uint64_t packed[] = { htole64(first), htole64(count) };

	bed->invalid_status = STATUS_OK;
	memcpy(bed->invalid, packed, sizeof(packed));
	bed->invalid_bytes = sizeof(packed);
}

static int set_up(void **state)
{
	struct relink_bed *bed;

	memset(&told, 0, sizeof(told));
	relink_set_up(state);
	bed = *state;
	set_range(bed, 3, 4);
	return 0;
}

static void tracks_of_the_secondary_are_told(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	assert_int_equal(bed->invalids, 0);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	assert_int_equal(told.count, 0); /* not from inside */
	expect_told(bed, STATUS_OK);
	assert_int_equal(told.first.first, 3);
	assert_int_equal(told.first.count, 4);
	bed->invalid_bytes = 0; /* none at all */
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	expect_told(bed, STATUS_OK);
	assert_int_equal(told.tracks, 0);
	assert_int_equal(bed->invalids, 2);
}

static void refusal_is_told_and_posted(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	bed->invalid_status = STATUS_VOLUME_ERROR;
	bed->invalid_bytes = 0;
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	expect_told(bed, STATUS_VOLUME_ERROR);
	assert_string_equal(told.detail, "its file is damaged");
	assert_int_equal(post_count(bed->world->post, STATUS_VOLUME_ERROR), 1);
	set_range(bed, 1, 1);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK); /* the device is as good as before */
	expect_told(bed, STATUS_OK);
}

static void question_is_asked_again_after_the_link_was_lost(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	bed->invalid_status = STATUS_UNSET;
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	relink_settle(bed);
	assert_int_equal(bed->invalids, 1);
	relink_drop(bed);
	assert_int_equal(told.count, 0);
	set_range(bed, 5, 1);
	relink_come_back(bed);
	expect_told(bed, STATUS_OK);
	assert_int_equal(told.first.first, 5);
	assert_int_equal(bed->invalids, 2);
}

static void question_that_comes_while_the_link_is_down_waits_for_it(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, true);
	relink_drop(bed);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	relink_advance(bed, 1000);
	assert_int_equal(told.count + bed->invalids, 0);
	relink_come_back(bed);
	expect_told(bed, STATUS_OK);
}

static void question_ends_when_the_link_stays_away(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	relink_drop(bed);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	relink_advance(bed, PATIENCE_MS);
	expect_told(bed, STATUS_LINK_LOST);
	assert_non_null(strstr(told.detail, "no link to b for 30 s"));
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK); /* and each later one */
	assert_int_equal(told.count, 0);
	relink_advance(bed, 0);
	expect_told(bed, STATUS_LINK_LOST);
}

static void question_ends_when_the_device_came_back_as_another(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	relink_drop(bed);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	bed->volume.volume.inode++;
	relink_come_back(bed);
	expect_told(bed, STATUS_VOLUME_CHANGED);
	assert_int_equal(bed->invalids, 0);
}

/* Its device is detached only when the answer is here. */
static void host_that_goes_with_a_question_hears_nothing(void **state)
{
	struct relink_bed *bed = *state;
	const struct message reply = { .type = MESSAGE_INVALID_REPLY,
		.invalid_reply = { .tag = 2, .status = STATUS_OK } }; /* after the query */

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	bed->invalid_status = STATUS_UNSET;
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	relink_settle(bed);
	relink_give_up(&bed->hosts[0]);
	relink_settle(bed);
	assert_int_equal(bed->detaches, 0);
	fake_secondary_send(bed->secondary, &reply, NULL, 0);
	relink_settle(bed);
	assert_int_equal(bed->detaches, 1);
	assert_int_equal(told.count, 0);
	assert_true(remote_view(bed->remote).is_up);
}

static void link_that_is_lost_frees_what_a_host_left_with_its_question(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	bed->invalid_status = STATUS_UNSET;
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	relink_settle(bed);
	relink_give_up(&bed->hosts[0]);
	relink_drop(bed);
	relink_come_back(bed);
	assert_int_equal(bed->invalids, 1);
	assert_int_equal(bed->queries, 1); /* nobody wants the device */
}

static void host_may_go_when_it_is_told(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	bed->hosts[0].then = relink_give_up;
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	expect_told(bed, STATUS_OK);
	assert_int_equal(bed->detaches, 1);
}

static void expect_refused(struct relink_bed *bed, const char *words)
{
	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	fake_secondary_close_port(bed->secondary);
	relink_settle(bed);
	assert_int_equal(told.count, 0);
	assert_string_equal(remote_view(bed->remote).state, "waiting");
	if (!strstr(remote_view(bed->remote).error, words))
		fail_msg("%s", remote_view(bed->remote).error);
}

static void payload_that_is_no_set_ends_the_link(void **state)
{
	struct relink_bed *bed = *state;

	set_range(bed, 3, 0);
	expect_refused(bed, "InvalidReply of volume: 16 bytes that are no set of tracks");
}

static void payload_with_a_refusal_ends_the_link(void **state)
{
	struct relink_bed *bed = *state;

	bed->invalid_status = STATUS_NOT_READY;
	expect_refused(bed, "InvalidReply from the secondary carries payload, but its status is NOT_READY");
}

static void answer_to_no_question_ends_the_link(void **state)
{
	struct relink_bed *bed = *state;
	struct message reply = { .type = MESSAGE_INVALID_REPLY, .invalid_reply = { .tag = 99, .status = STATUS_OK } };

	for (uint32_t bytes = 0; bytes <= 16; bytes += 16) {
		relink_open(&bed->hosts[0], PATIENCE_MS, false);
		fake_secondary_close_port(bed->secondary);
		fake_secondary_send(bed->secondary, &reply, bed->invalid, bytes);
		relink_settle(bed);
		assert_string_equal(remote_view(bed->remote).error,
			"InvalidReply from the secondary answers no request (tag 99)");
		relink_come_back(bed);
		relink_give_up(&bed->hosts[0]);
	}
}

static void old_secondary_is_not_asked(void **state)
{
	struct relink_bed *bed = *state;

	fake_secondary_set_features(bed->secondary, ~(uint64_t)FEATURE_INVALID);
	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_VERSION);
	relink_settle(bed);
	assert_int_equal(told.count + bed->invalids, 0);
}

static void secondary_that_comes_back_as_an_old_one_is_not_asked(void **state)
{
	struct relink_bed *bed = *state;

	relink_open(&bed->hosts[0], PATIENCE_MS, false);
	relink_drop(bed);
	assert_int_equal(ask(&bed->hosts[0]), STATUS_OK);
	fake_secondary_set_features(bed->secondary, 0);
	relink_come_back(bed);
	expect_told(bed, STATUS_VERSION);
	assert_int_equal(bed->invalids, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, relink_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tracks_of_the_secondary_are_told),
		TEST(refusal_is_told_and_posted),
		TEST(question_is_asked_again_after_the_link_was_lost),
		TEST(question_that_comes_while_the_link_is_down_waits_for_it),
		TEST(question_ends_when_the_link_stays_away),
		TEST(question_ends_when_the_device_came_back_as_another),
		TEST(host_that_goes_with_a_question_hears_nothing),
		TEST(link_that_is_lost_frees_what_a_host_left_with_its_question),
		TEST(host_may_go_when_it_is_told),
		TEST(payload_that_is_no_set_ends_the_link),
		TEST(payload_with_a_refusal_ends_the_link),
		TEST(answer_to_no_question_ends_the_link),
		TEST(old_secondary_is_not_asked),
		TEST(secondary_that_comes_back_as_an_old_one_is_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
