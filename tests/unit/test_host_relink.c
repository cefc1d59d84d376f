/* SPDX-License-Identifier: Apache-2.0
 *
 * A host while its dialed link goes and comes back: what it is told, that its reads go on, and when they end. The link
 * is real, the secondary and the clock are not.
 */
#include "primary/host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "local/shm.h"
#include "primary/local.h"
#include "tests/support/host_bed.h"
#include "tests/support/relink_bed.h"

struct fixture {
	struct relink_bed *bed;
	struct primary_device device;
	struct host_end first; /* what others are like; no host itself */
	struct host_end *end;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_int_equal(relink_set_up((void **)&f->bed), 0);
	world_add_local(f->bed->world, f->bed->volume.volume.size_bytes);
	f->device = (struct primary_device){ .name = "volume", .local = f->bed->world->local, .remote = f->bed->remote };
	f->first = (struct host_end){ .world = f->bed->world, .secondary = f->bed->secondary, .device = &f->device };
	f->end = host_end_new(&f->first, true);
	host_end_hello(f->end);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	host_end_free(f->end);
	relink_settle(f->bed);
	relink_tear_down((void **)&f->bed);
	free(f);
	return 0;
}

/* The next thing it is told; the secondary answers meanwhile. */
static const struct message *told(struct fixture *f, enum message_type type)
{
	for (unsigned i = 0; i < 1000 && host_end_unread(f->end) == 0; i++)
		relink_advance(f->bed, 0);
	return host_end_reply(f->end, type);
}

static const struct msg_host_open_reply *open_exclusively(struct fixture *f)
{
	struct msg_host_open *open = &host_end_out(f->end, MESSAGE_HOST_OPEN)->host_open;
	open->tag = 50;
	strcpy(open->device, "volume");
	strcpy(open->owner, "a test");
	open->reserve = open->exclusive = true;
	host_end_send(f->end);
	return &told(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply;
}

static const struct msg_host_open_reply *open_with(struct fixture *f, uint32_t link_timeout_ms, bool reserve)
{
	struct msg_host_open *open = &host_end_out(f->end, MESSAGE_HOST_OPEN)->host_open;
	open->tag = 50;
	strcpy(open->device, "volume");
	strcpy(open->owner, "a test");
	open->link_timeout_ms = link_timeout_ms;
	open->reserve = reserve;
	host_end_send(f->end);
	return &told(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply;
}

static const struct msg_host_open_reply *ask_status(struct fixture *f)
{
	host_end_out(f->end, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	host_end_send(f->end);
	return &told(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply;
}

static const struct msg_host_read_reply *read_told(struct fixture *f, enum status status)
{
	const struct msg_host_read_reply *reply = &told(f, MESSAGE_HOST_READ_REPLY)->host_read_reply;
	assert_string_equal(status_name(reply->status), status_name(status));
	return reply;
}

static void host_is_told_that_the_link_is_down_and_up_again(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_with(f, 0, false)->status, STATUS_OK);
	relink_drop(f->bed);
	const struct msg_host_link *link = &told(f, MESSAGE_HOST_LINK)->host_link;
	assert_false(link->is_up);
	assert_int_equal(link->relinks, 0);
	assert_true(link->detail[0] != '\0');
	host_end_send_read(f->end, 1, SIDE_REMOTE, 2, 2, 0); /* waits */
	relink_settle(f->bed);
	assert_int_equal(host_end_unread(f->end), 0);
	host_end_send_read(f->end, 2, SIDE_LOCAL, 2, 1, 1); /* does not */
	assert_int_equal(read_told(f, STATUS_OK)->tag, 2);
	relink_come_back(f->bed);
	link = &told(f, MESSAGE_HOST_LINK)->host_link;
	assert_true(link->is_up);
	assert_int_equal(link->relinks, 1);
	assert_int_equal(read_told(f, STATUS_OK)->tag, 1);
	assert_int_equal(((const uint8_t *)shm_slot(f->end->shm, 0))[WORLD_TRACK_BYTES], 4);
	assert_int_equal(ask_status(f)->relinks, 1);
}

static void link_that_stays_away_ends_the_reads_of_who_said_so(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_with(f, 2000, false)->status, STATUS_OK);
	relink_drop(f->bed);
	told(f, MESSAGE_HOST_LINK);
	host_end_send_read(f->end, 1, SIDE_REMOTE, 2, 2, 0);
	relink_advance(f->bed, 1900);
	assert_int_equal(host_end_unread(f->end), 0);
	relink_advance(f->bed, 200);
	read_told(f, STATUS_LINK_LOST);
	assert_int_equal(f->end->gone, 0);
}

static void host_that_says_nothing_waits_for_half_a_minute(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_with(f, 0, false)->status, STATUS_OK);
	relink_drop(f->bed);
	told(f, MESSAGE_HOST_LINK);
	host_end_send_read(f->end, 1, SIDE_REMOTE, 2, 2, 0);
	for (unsigned s = 0; s < 29; s++)
		relink_advance(f->bed, 1000);
	assert_int_equal(host_end_unread(f->end), 0);
	relink_advance(f->bed, 1100);
	read_told(f, STATUS_LINK_LOST);
}

static void volume_that_changed_ends_reads_and_status(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_with(f, 0, false)->status, STATUS_OK);
	host_end_send_read(f->end, 1, SIDE_REMOTE, 2, 2, 0);
	read_told(f, STATUS_OK);
	relink_drop(f->bed);
	told(f, MESSAGE_HOST_LINK);
	host_end_send_read(f->end, 2, SIDE_REMOTE, 2, 2, 0);
	f->bed->volume.volume.inode++;
	relink_come_back(f->bed);
	read_told(f, STATUS_VOLUME_CHANGED); /* and not that the link is up */
	const struct msg_host_open_reply *reply = ask_status(f);
	assert_int_equal(reply->status, STATUS_VOLUME_CHANGED);
	assert_int_equal(reply->failed_side, SIDE_REMOTE);
	assert_true(reply->detail[0] != '\0');
}

static void secondary_that_is_busy_is_told_with_its_words(void **state)
{
	struct fixture *f = *state;
	f->bed->reserve_status = STATUS_BUSY;
	const struct msg_host_open_reply *reply = open_with(f, 0, true);
	assert_int_equal(reply->status, STATUS_BUSY);
	assert_int_equal(reply->failed_side, SIDE_REMOTE);
	assert_string_equal(reply->detail, "reserved by somebody");
	/* Nothing is kept of it at this side either. */
	assert_null(local_view(f->bed->world->local).reserved_by);
	f->bed->reserve_status = STATUS_OK;
	assert_int_equal(open_with(f, 0, true)->status, STATUS_OK);
	assert_string_equal(local_view(f->bed->world->local).reserved_by, "a test");
}

/* Is anything of it reserved, locked or attached? */
static void expect_all_given_back(struct fixture *f)
{
	relink_settle(f->bed);
	assert_null(local_view(f->bed->world->local).reserved_by);
	assert_true(WORLD_UNTIL(f->bed->world, !world_is_locked(f->bed->world)));
	assert_int_equal(f->bed->detaches, 1);
	f->bed->detaches = 0;
}

static void both_volumes_are_locked_or_none(void **state)
{
	struct fixture *f = *state;
	const struct msg_host_open_reply *reply;
	fake_secondary_set_features(f->bed->secondary, FEATURE_INVALID);

	world_fail_lock(f->bed->world, -EBUSY);
	reply = open_exclusively(f);
	assert_int_equal(reply->status, STATUS_BUSY);
	assert_int_equal(reply->failed_side, SIDE_LOCAL);
	assert_string_equal(reply->detail, "/memory is in use by editor[7]");
	expect_all_given_back(f);
	assert_int_equal(f->bed->unreserves, 1);

	world_fail_lock(f->bed->world, 0);
	f->bed->reserve_status = STATUS_BUSY;
	f->bed->is_by_program = true;
	reply = open_exclusively(f);
	assert_int_equal(reply->status, STATUS_BUSY);
	assert_int_equal(reply->failed_side, SIDE_REMOTE);
	assert_string_equal(reply->detail, "the remote volume is in use by editor[9]");
	expect_all_given_back(f);

	f->bed->reserve_status = STATUS_OK;
	assert_int_equal(open_exclusively(f)->status, STATUS_OK);
	assert_true(world_is_locked(f->bed->world));
	assert_true(f->bed->exclusive_seen);
}

static void exclusive_means_nothing_without_a_reservation(void **state)
{
	struct fixture *f = *state;
	struct msg_host_open *open = &host_end_out(f->end, MESSAGE_HOST_OPEN)->host_open;
	strcpy(open->device, "volume");
	open->exclusive = true;
	host_end_send(f->end);
	assert_int_equal(told(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
	assert_int_equal(f->bed->reserves, 0);
	assert_false(world_is_locked(f->bed->world));
}

static void host_is_told_that_it_goes_on_unreserved(void **state)
{
	struct fixture *f = *state;
	const struct msg_host_link *link;
	fake_secondary_set_features(f->bed->secondary, FEATURE_INVALID);
	assert_int_equal(open_exclusively(f)->status, STATUS_OK);
	for (unsigned i = 0; i < 2; i++) {
		relink_drop(f->bed);
		link = &told(f, MESSAGE_HOST_LINK)->host_link;
		assert_false(link->is_up || link->unreserved);
		if (i == 1) {
			f->bed->reserve_status = STATUS_BUSY;
			f->bed->is_by_program = true;
		}
		relink_come_back(f->bed);
		link = &told(f, MESSAGE_HOST_LINK)->host_link;
		assert_true(link->is_up);
		assert_int_equal(link->unreserved, i);
		assert_string_equal(link->detail, i == 1 ? "the remote volume is in use by editor[9]" : "");
		assert_true(world_is_locked(f->bed->world)); /* that stays as it was */
	}
	host_end_send_read(f->end, 1, SIDE_REMOTE, 2, 2, 0);
	read_told(f, STATUS_OK);
}

/* No verdict comes of it: the host is told what became of its reads, and of its device. */
static void digest_that_the_next_link_does_not_know_ends_reads_and_status(void **state)
{
	static const char words[] = "since the link came back the secondary does not know the digest xxh3-128";
	struct fixture *f = *state;
	const struct msg_host_open_reply *open = open_with(f, 0, false);
	assert_int_equal(open->digests, DIGESTS_KNOWN);
	relink_drop(f->bed);
	told(f, MESSAGE_HOST_LINK);
	host_end_send_digest_read(f->end, 1, SIDE_REMOTE, 2, 2, 0, DIGEST_XXH3_128, open->remote.size_bytes);
	fake_secondary_set_digests(f->bed->secondary, 0);
	relink_come_back(f->bed);
	assert_string_equal(read_told(f, STATUS_BAD_REQUEST)->detail, words);
	host_end_send_digest_read(f->end, 2, SIDE_REMOTE, 2, 2, 0, DIGEST_XXH3_128, open->remote.size_bytes);
	assert_string_equal(read_told(f, STATUS_BAD_REQUEST)->detail,
		"the secondary does not know the digest xxh3-128");
	open = ask_status(f);
	assert_int_equal(open->status, STATUS_BAD_REQUEST);
	assert_int_equal(open->failed_side, SIDE_REMOTE);
	assert_string_equal(open->detail, words);
}

static void digests_only_is_told(void **state)
{
	struct fixture *f = *state;
	f->bed->volume.digest_only = true;
	assert_true(open_with(f, 0, false)->digest_only);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(host_is_told_that_the_link_is_down_and_up_again),
		TEST(link_that_stays_away_ends_the_reads_of_who_said_so),
		TEST(host_that_says_nothing_waits_for_half_a_minute),
		TEST(volume_that_changed_ends_reads_and_status),
		TEST(secondary_that_is_busy_is_told_with_its_words),
		TEST(both_volumes_are_locked_or_none),
		TEST(exclusive_means_nothing_without_a_reservation),
		TEST(host_is_told_that_it_goes_on_unreserved),
		TEST(digest_that_the_next_link_does_not_know_ends_reads_and_status),
		TEST(digests_only_is_told),
	};
	return cmocka_run_group_tests_name("host_relink", tests, NULL, NULL);
}
