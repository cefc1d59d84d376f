/* SPDX-License-Identifier: Apache-2.0
 *
 * Searches for what is on a local volume: answers, a volume that hangs in one, a full queue, users that go. The linker
 * wraps layout_probe; the DA and its threads are real, the clock is not.
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
#include "storage/da.h"
#include "storage/layout.h"
#include "tests/support/local_bed.h"


struct outcome {
	unsigned count;
	enum status status;
	char *record;
	char detail[DETAIL_MAX + 1];
};

static struct outcome found;

/* ---- The wrapped search: on DA threads ---- */

static int hang[2], begun[2];
static bool hangs;
static int probe_error;

int __wrap_layout_probe(const char *path, uint64_t part_offset_bytes, struct layout *layout);

int __wrap_layout_probe(const char *path, uint64_t part_offset_bytes, struct layout *layout)
{
	char byte = 'b';

	if (strcmp(path, "/memory") != 0 || write(begun[1], &byte, 1) != 1 ||
		(hangs && read(hang[0], &byte, 1) != 0))
		abort();
	layout->count = 1;
	layout->entries[0] = (struct layout_entry){ .start_bytes = part_offset_bytes, .size_bytes = 1234,
		.filesystem = "ext4" };
	return probe_error;
}

static void wait_until_begun(void)
{
	char byte;

	assert_int_equal(read(begun[0], &byte, 1), 1);
}

static void let_go(void)
{
	close(hang[1]);
	hang[1] = -1;
}

/* ---- The bed ---- */

static int prepare(void)
{
	memset(&found, 0, sizeof(found));
	hangs = false;
	probe_error = 0;
	return pipe(hang) != 0 || pipe(begun) != 0 ? -1 : 0;
}

static int set_up(void **state)
{
	return prepare() != 0 ? -1 : local_bed_set_up(state);
}

static int set_up_small_queue(void **state)
{
	return prepare() != 0 ? -1 : local_bed_set_up_small_queue(state);
}

static int tear_down(void **state)
{
	if (hang[1] >= 0)
		let_go();
	local_bed_tear_down(state);
	close(hang[0]);
	close(begun[0]);
	close(begun[1]);
	free(found.record);
	return 0;
}

static void on_layout(void *arg, enum status status, char *record, const char *detail)
{
	struct outcome *outcome = arg;

	outcome->count++;
	outcome->status = status;
	free(outcome->record);
	outcome->record = record;
	strcpy(outcome->detail, detail);
}

static void ask(struct local_bed *f)
{
	assert_int_equal(local_layout(f->user, on_layout, &found), STATUS_OK);
	assert_int_equal(found.count, 0);
}

static void ask_and_hang(struct local_bed *f)
{
	local_bed_open(f);
	hangs = true;
	ask(f);
	wait_until_begun();
}

/* ---- Tests ---- */

static void what_is_found_is_told_once(void **state)
{
	struct local_bed *f = *state;
	struct da_counts counts;

	local_bed_open(f);
	ask(f);
	assert_true(WORLD_UNTIL(f->world, found.count == 1));
	assert_int_equal(found.status, STATUS_OK);
	assert_string_equal(found.record, "[{\"partition\":0,\"start\":0,\"bytes\":1234,\"filesystem\":\"ext4\"}]");
	assert_string_equal(found.detail, "");
	da_count(f->world->da, &counts);
	assert_int_equal(counts.elements_used, 0);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(found.count, 1);
	found.count = 0;
	ask(f);
	assert_true(WORLD_UNTIL(f->world, found.count == 1));
}

static void a_search_that_fails_says_why(void **state)
{
	struct local_bed *f = *state;

	local_bed_open(f);
	probe_error = -EIO;
	ask(f);
	assert_true(WORLD_UNTIL(f->world, found.count == 1));
	assert_int_equal(found.status, STATUS_VOLUME_ERROR);
	assert_null(found.record);
	assert_string_equal(found.detail, "cannot look for file systems on /memory: Input/output error");
	assert_int_equal(post_count(f->world->post, STATUS_VOLUME_ERROR), 1);
}

static void a_search_that_hangs_times_out_and_the_device_is_not_ready_until_it_returns(void **state)
{
	struct local_bed *f = *state;

	ask_and_hang(f);
	clock_advance(f->world->clock, DA_TIMEOUT_MS - 1);
	assert_int_equal(found.count, 0);
	clock_advance(f->world->clock, 1);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.status, STATUS_TIMEOUT);
	assert_null(found.record);
	assert_string_equal(found.detail, "no file systems found on /memory within 8 s");
	assert_int_equal(post_count(f->world->post, STATUS_TIMEOUT), 1);
	assert_int_equal(local_layout(f->user, on_layout, &found), STATUS_NOT_READY);
	assert_int_equal(local_bed_read(f, 0, 1, &f->outcome), STATUS_NOT_READY);
	let_go();
	assert_true(WORLD_UNTIL(f->world, local_bed_read(f, 0, 1, &f->outcome) == STATUS_OK));
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(found.count, 1);
}

static void a_search_that_ended_as_it_timed_out_leaves_the_device_ready(void **state)
{
	struct local_bed *f = *state;

	local_bed_open(f);
	ask(f);
	assert_true(mailbox_wait(f->world->mailbox, 10000)); /* done is there, and not delivered */
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(found.status, STATUS_TIMEOUT);
	assert_int_equal(local_bed_read(f, 0, 1, &f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
}

static void a_full_queue_is_said_at_once(void **state)
{
	struct local_bed *f = *state;

	local_bed_open(f);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read(f, 0, 1, &f->outcome), STATUS_OK);
	assert_int_equal(local_layout(f->user, on_layout, &found), STATUS_QUEUE_FULL);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	ask(f);
	assert_true(WORLD_UNTIL(f->world, found.count == 1));
}

static void a_user_that_goes_is_not_told_and_the_volume_is_closed_when_the_search_is_over(void **state)
{
	struct local_bed *f = *state;

	ask_and_hang(f);
	local_detach(f->user);
	f->user = NULL;
	world_settle(f->world);
	assert_true(world_is_open(f->world));
	let_go();
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_int_equal(found.count, 0);
}

static void a_search_whose_user_has_gone_still_times_out(void **state)
{
	struct local_bed *f = *state;

	ask_and_hang(f);
	local_detach(f->user);
	f->user = NULL;
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_false(local_view(f->world->local).is_ready);
	assert_int_equal(found.count, 0);
	let_go();
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
}

static void a_queued_search_goes_with_its_user(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome others[2] = { { 0 } };
	struct da_counts counts;

	local_bed_open(f);
	world_hang_reads(f->world);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(local_bed_read(f, i, 1, &others[i]), STATUS_OK);
	world_wait_hung(f->world, 2);
	ask(f);
	local_detach(f->user);
	f->user = NULL;
	da_count(f->world->da, &counts);
	assert_int_equal(counts.elements_used, 2);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, local_is_idle(f->world->local)));
	assert_int_equal(found.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_found_is_told_once),
		TEST(a_search_that_fails_says_why),
		TEST(a_search_that_hangs_times_out_and_the_device_is_not_ready_until_it_returns),
		TEST(a_search_that_ended_as_it_timed_out_leaves_the_device_ready),
		cmocka_unit_test_setup_teardown(a_full_queue_is_said_at_once, set_up_small_queue, tear_down),
		TEST(a_user_that_goes_is_not_told_and_the_volume_is_closed_when_the_search_is_over),
		TEST(a_search_whose_user_has_gone_still_times_out),
		TEST(a_queued_search_goes_with_its_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
