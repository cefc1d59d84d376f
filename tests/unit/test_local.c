/* SPDX-License-Identifier: Apache-2.0
 *
 * Local devices: opening, sizes, reads into a host's memory, time-outs, volumes that hang, giving up. The DA and its
 * threads are real, the clock is not.
 */
#include "primary/local.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "local/shm.h"
#include "storage/da.h"
#include "tests/support/local_bed.h"

static void volume_is_open_only_while_attached(void **state)
{
	struct local_bed *f = *state;
	assert_int_equal(world_opens(f->world), 0);
	local_bed_open(f);
	assert_int_equal(f->info.status, STATUS_OK);
	assert_int_equal(f->info.size_bytes, SIZE_BYTES);
	assert_int_equal(local_end_bytes(f->user), SIZE_BYTES);
	assert_true(world_is_open(f->world));
	local_detach(f->user);
	f->user = NULL;
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_false(world_is_open(f->world));
}

static void two_users_share_one_open(void **state)
{
	struct local_bed *f = *state;
	struct local_user *other = local_attach(f->world->local, &(struct local_attach_spec){ .owner = "a host" });
	struct local_bed_info info = { 0 };
	assert_int_equal(local_query(other, local_bed_on_info, &info), STATUS_OK);
	local_bed_open(f);
	assert_true(WORLD_UNTIL(f->world, info.count == 1));
	assert_int_equal(info.status, STATUS_OK);
	assert_int_equal(world_opens(f->world), 1);
	local_detach(f->user);
	f->user = NULL;
	world_settle(f->world);
	assert_true(world_is_open(f->world));
	local_detach(other);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
}

static void failed_open_says_why_and_may_be_repeated(void **state)
{
	struct local_bed *f = *state;
	world_fail_open(f->world, -ENOENT);
	local_bed_open(f);
	assert_int_equal(f->info.status, STATUS_VOLUME_ERROR);
	assert_string_equal(f->info.detail, "cannot open /memory: No such file or directory");
	assert_int_equal(post_count(f->world->post, STATUS_VOLUME_ERROR), 1);
	world_fail_open(f->world, 0);
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->info.count == 2));
	assert_int_equal(f->info.status, STATUS_OK);
}

static void second_query_tells_the_size_of_now(void **state)
{
	struct local_bed *f = *state;
	local_bed_open(f);
	world_resize(f->world, SIZE_BYTES + 5000);
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->info.count == 2));
	assert_int_equal(f->info.size_bytes, SIZE_BYTES + 5000);
	assert_int_equal(local_end_bytes(f->user), SIZE_BYTES); /* reads go by the first */
	assert_int_equal(world_opens(f->world), 1);
}

static void each_track_stands_at_its_own_place(void **state)
{
	struct local_bed *f = *state;
	local_bed_open(f);
	assert_int_equal(local_bed_read(f, TRACKS - 3, 3, &f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.result.status, STATUS_OK);
	assert_int_equal(f->outcome.result.track_count, 3);
	const uint8_t *memory = shm_slot(f->shm, TRACKS - 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(f->outcome.states[i], TRACK_DATA);
		assert_int_equal(memory[i * WORLD_TRACK_BYTES], world_byte(TRACKS - 3 + i));
	}
	assert_int_equal(memory[3 * WORLD_TRACK_BYTES - 1001], world_byte(TRACKS - 1));
	assert_int_equal(memory[3 * WORLD_TRACK_BYTES - 1000], 0); /* beyond the end */
}

static void shrunk_tracks_are_posted(void **state)
{
	struct local_bed *f = *state;
	local_bed_open(f);
	world_resize(f->world, WORLD_TRACK_BYTES);
	assert_int_equal(local_bed_read(f, 0, 3, &f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.result.status, STATUS_OK);
	assert_int_equal(f->outcome.states[0], TRACK_DATA);
	assert_int_equal(f->outcome.states[1], TRACK_SHRUNK);
	const struct posted_error *posted = post_recent(f->world->post, 0);
	assert_int_equal(posted->status, STATUS_VOLUME_ERROR);
	assert_string_equal(posted->device, "volume");
	assert_int_equal(posted->track_count, 3);
}

static void hung_read_times_out_and_its_memory_is_lost(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome other = { 0 };
	local_bed_open(f);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read(f, 0, 2, &f->outcome), STATUS_OK);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS - 1);
	assert_int_equal(f->outcome.count, 0);
	clock_advance(f->world->clock, 1);
	assert_int_equal(f->outcome.count, 1);
	assert_int_equal(f->outcome.result.status, STATUS_TIMEOUT);
	assert_true(f->outcome.result.memory_lost);
	assert_int_equal(post_count(f->world->post, STATUS_TIMEOUT), 1);
	assert_int_equal(post_recent(f->world->post, 0)->track_count, 2);

	/* Nothing more of it until the read returns. */
	assert_int_equal(local_bed_read(f, 4, 1, &other), STATUS_NOT_READY);
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_NOT_READY);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_bed_read(f, 4, 1, &other) == STATUS_OK));
	assert_true(WORLD_UNTIL(f->world, other.count == 1));
	assert_int_equal(other.result.status, STATUS_OK);
	assert_int_equal(f->outcome.count, 1); /* what came late was discarded */
}

static void queued_read_times_out_without_losing_memory(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome first[2] = { { 0 } }, queued = { 0 };
	local_bed_open(f);
	world_hang_reads(f->world);
	/* One volume gets half of the four threads. */
	assert_int_equal(local_bed_read(f, 0, 1, &first[0]), STATUS_OK);
	assert_int_equal(local_bed_read(f, 1, 1, &first[1]), STATUS_OK);
	world_wait_hung(f->world, 2);
	assert_int_equal(local_bed_read(f, 2, 1, &queued), STATUS_OK);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_true(first[0].result.memory_lost);
	assert_int_equal(queued.count, 1);
	assert_int_equal(queued.result.status, STATUS_TIMEOUT);
	assert_false(queued.result.memory_lost);
}

static void full_queue_is_said_at_once(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome other = { 0 };
	local_bed_open(f);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read(f, 0, 1, &f->outcome), STATUS_OK);
	assert_int_equal(local_bed_read(f, 1, 1, &other), STATUS_QUEUE_FULL);
	assert_int_equal(post_count(f->world->post, STATUS_QUEUE_FULL), 1);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(local_bed_read(f, 1, 1, &other), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, other.count == 1));
}

static void query_waits_for_a_free_request(void **state)
{
	struct local_bed *f = *state;
	local_bed_open(f);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read(f, 0, 1, &f->outcome), STATUS_OK);
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->info.count, 1);
	clock_advance(f->world->clock, RETRY_DELAY_MS);
	assert_true(WORLD_UNTIL(f->world, f->info.count == 2));
	assert_int_equal(f->info.status, STATUS_OK);
}

static void hung_open_times_out_and_may_be_repeated_when_it_returns(void **state)
{
	struct local_bed *f = *state;
	world_hang_opens(f->world);
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(f->info.count, 1);
	assert_int_equal(f->info.status, STATUS_TIMEOUT);
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_NOT_READY);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_query(f->user, local_bed_on_info, &f->info) == STATUS_OK));
	assert_true(WORLD_UNTIL(f->world, f->info.count == 2));
	assert_int_equal(f->info.status, STATUS_OK);
	assert_int_equal(world_opens(f->world), 2);
}

static void open_that_ended_as_it_timed_out_is_closed(void **state)
{
	struct local_bed *f = *state;
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	assert_true(mailbox_wait(f->world->mailbox, 10000)); /* done is there, and not delivered */
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(f->info.status, STATUS_TIMEOUT);
	assert_true(WORLD_UNTIL(f->world, !world_is_open(f->world)));
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->info.count == 2));
	assert_int_equal(f->info.status, STATUS_OK);
}

static void hung_open_is_closed_also_when_nobody_waits_any_more(void **state)
{
	struct local_bed *f = *state;
	world_hang_opens(f->world);
	assert_int_equal(local_query(f->user, local_bed_on_info, &f->info), STATUS_OK);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	local_detach(f->user);
	f->user = NULL;
	world_settle(f->world);
	assert_false(local_is_idle(f->world->local));
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_false(world_is_open(f->world));
}

static void detached_user_is_called_no_more_and_its_memory_stays(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome queued[3] = { { 0 } };
	struct da_counts counts;
	local_bed_open(f);
	world_hang_reads(f->world);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(local_bed_read(f, i, 1, &queued[i]), STATUS_OK);
	world_wait_hung(f->world, 2);
	local_detach(f->user);
	f->user = NULL;
	shm_unref(f->shm); /* the reads hold it */
	f->shm = NULL;
	da_count(f->world->da, &counts);
	assert_int_equal(counts.elements_used, 2); /* the one that had not begun is gone */
	assert_false(local_is_idle(f->world->local));
	assert_true(world_is_open(f->world));
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_false(world_is_open(f->world));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(queued[i].count, 0);
}

static void on_idle(void *arg)
{
	++*(unsigned *)arg;
}

static void idle_is_told_when_the_volume_is_closed(void **state)
{
	struct local_bed *f = *state;
	unsigned idle = 0;
	local_on_idle(f->world->local, on_idle, &idle);
	local_bed_open(f);
	assert_int_equal(idle, 0);
	local_detach(f->user);
	f->user = NULL;
	assert_int_equal(idle, 0);
	assert_true(WORLD_UNTIL(f->world, idle == 1));
	local_on_idle(f->world->local, NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, local_bed_set_up, local_bed_tear_down)
#define TEST_SMALL_QUEUE(name) cmocka_unit_test_setup_teardown(name, local_bed_set_up_small_queue, local_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(volume_is_open_only_while_attached),
		TEST(two_users_share_one_open),
		TEST(failed_open_says_why_and_may_be_repeated),
		TEST(second_query_tells_the_size_of_now),
		TEST(each_track_stands_at_its_own_place),
		TEST(shrunk_tracks_are_posted),
		TEST(hung_read_times_out_and_its_memory_is_lost),
		TEST(queued_read_times_out_without_losing_memory),
		TEST_SMALL_QUEUE(full_queue_is_said_at_once),
		TEST_SMALL_QUEUE(query_waits_for_a_free_request),
		TEST(hung_open_times_out_and_may_be_repeated_when_it_returns),
		TEST(open_that_ended_as_it_timed_out_is_closed),
		TEST(hung_open_is_closed_also_when_nobody_waits_any_more),
		TEST(detached_user_is_called_no_more_and_its_memory_stays),
		TEST(idle_is_told_when_the_volume_is_closed),
	};
	return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
