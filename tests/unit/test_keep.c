/* SPDX-License-Identifier: Apache-2.0
 *
 * What the primary keeps of a device: who has it, what is written and what is not, what an error says, and that users
 * who go leave nothing held and nothing undone.
 * check-style: long because one bed, with files that hang, serves every rule.
 */
#include "primary/keep.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/post.h"
#include "storage/da.h"
#include "storage/ledger.h"
#include "storage/state_file.h"
#include "tests/support/world.h"

/* ---- Files that hang or fail: wrapped by the linker, called on DA threads ---- */

static int hang[2] = { -1, -1 }; /* a pipe: reads and writes of state files wait until its end is closed */
static int begun[2];             /* each tells that it has begun */
static int write_error;

int __real_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes);
int __real_state_write(const char *path, const uint8_t *file, size_t file_bytes);
int __wrap_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes);
int __wrap_state_write(const char *path, const uint8_t *file, size_t file_bytes);

static void wait_if_told(void)
{
	char byte = 'b';

	if (hang[0] >= 0 && (write(begun[1], &byte, 1) != 1 || read(hang[0], &byte, 1) != 0))
		abort();
}

int __wrap_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes)
{
	wait_if_told();
	return __real_state_read(path, bytes_max, file, file_bytes);
}

int __wrap_state_write(const char *path, const uint8_t *file, size_t file_bytes)
{
	wait_if_told();
	return write_error ? write_error : __real_state_write(path, file, file_bytes);
}

/* ---- The bed ---- */

struct user {
	unsigned answers;
	enum status status;
	char detail[DETAIL_MAX + 1];
	uint8_t *bytes;
	size_t count;
};

static struct world *world;
static struct keep *keep;
static char folder[64], state_folder[80], file[128];
static struct user one, two;

static void open_keep(void)
{
	struct keep_config config = { .clock = world->clock, .da = world->da, .post = world->post,
		.folder = state_folder, .device = "web1" };

	keep = keep_new(&config);
	assert_string_equal(keep_path(keep), file);
}

static int set_up_queue(unsigned elements)
{
	strcpy(folder, "/tmp/ra-keep-XXXXXX");
	if (mkdtemp(folder) == NULL || pipe(begun) != 0)
		return -1;
	snprintf(state_folder, sizeof(state_folder), "%s/state", folder);
	snprintf(file, sizeof(file), "%s/web1/ledger", state_folder);
	one = two = (struct user){ 0 };
	world = world_new(elements);
	open_keep();
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_queue(8);
}

static int set_up_one_element(void **state)
{
	(void)state;
	return set_up_queue(1);
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	keep_leave(keep, &one);
	keep_leave(keep, &two);
	keep_free(keep);
	world_free(world);
	free(one.bytes);
	free(two.bytes);
	close(begun[0]);
	close(begun[1]);
	if (hang[0] >= 0)
		close(hang[0]);
	hang[0] = hang[1] = -1;
	write_error = 0;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void on_answer(void *arg, enum status status, const char *detail, uint8_t *bytes, size_t count)
{
	struct user *user = arg;

	user->answers++;
	user->status = status;
	snprintf(user->detail, sizeof(user->detail), "%s", detail);
	free(user->bytes);
	user->bytes = bytes;
	user->count = count;
}

static enum status load(struct user *user)
{
	return keep_load(keep, user == &one ? "one" : "two", on_answer, user, user->detail);
}

static enum status save(struct user *user, const uint8_t *bytes, size_t count)
{
	uint8_t *copy = malloc(count);

	memcpy(copy, bytes, count);
	return keep_save(keep, copy, count, on_answer, user, user->detail);
}

static void wait_answer(struct user *user, enum status status)
{
	unsigned answers = user->answers;

	assert_true(WORLD_UNTIL(world, user->answers > answers));
	assert_string_equal(status_name(user->status), status_name(status));
}

static void load_well(struct user *user)
{
	assert_int_equal(load(user), STATUS_OK);
	wait_answer(user, STATUS_OK);
}

/* A ledger of a device that has so many tracks. */
static uint8_t *ledger_of(const char *device, uint64_t tracks, size_t *count)
{
	struct ledger_binding binding = { .track_bytes = 65536, .digest = "data" };
	struct ledger *ledger;
	uint8_t *bytes;

	snprintf(binding.device, sizeof(binding.device), "%s", device);
	ledger = ledger_new(&binding, tracks);
	bytes = ledger_encode(ledger, count);
	ledger_free(ledger);
	return bytes;
}

static enum status save_ledger(struct user *user, const char *device, uint64_t tracks)
{
	size_t count;
	uint8_t *bytes = ledger_of(device, tracks, &count);
	enum status status = save(user, bytes, count);

	free(bytes);
	return status;
}

/* The file, as it is. */
static void assert_file_is(uint64_t tracks)
{
	size_t count, expected_count;
	uint8_t *bytes, *expected = ledger_of("web1", tracks, &expected_count);

	assert_int_equal(__real_state_read(file, 1 << 20, &bytes, &count), 0);
	assert_int_equal(count, expected_count);
	assert_memory_equal(bytes, expected, count);
	free(bytes);
	free(expected);
}

static void put_file(const char *text)
{
	assert_int_equal(__real_state_write(file, (const uint8_t *)text, strlen(text)), 0);
}

static bool is_unlocked(void)
{
	int lock = state_lock(file);

	if (lock >= 0)
		close(lock);
	return lock >= 0;
}

static void begin_hang(void)
{
	assert_int_equal(pipe(hang), 0);
}

static void wait_until_hung(void)
{
	char byte;

	assert_int_equal(read(begun[0], &byte, 1), 1);
}

static void end_hang(void)
{
	close(hang[1]);
}

/* ---- Who has it, and what there is ---- */

static void the_first_load_makes_private_folders_and_finds_nothing(void **state)
{
	struct stat status;

	(void)state;
	load_well(&one);
	assert_null(one.bytes);
	assert_int_equal(one.count, 0);
	assert_int_equal(stat(state_folder, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_false(is_unlocked());
	load_well(&one); /* again, by the same */
}

static void what_was_saved_is_loaded_by_the_next(void **state)
{
	uint8_t *expected;
	size_t count;

	(void)state;
	load_well(&one);
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	wait_answer(&one, STATUS_OK);
	assert_file_is(7);
	assert_int_equal(save_ledger(&one, "web1", 8), STATUS_OK);
	wait_answer(&one, STATUS_OK);
	assert_file_is(8);
	keep_leave(keep, &one);
	load_well(&two);
	expected = ledger_of("web1", 8, &count);
	assert_int_equal(two.count, count);
	assert_memory_equal(two.bytes, expected, count);
	free(expected);
}

static void another_user_is_told_who_has_it(void **state)
{
	(void)state;
	load_well(&one);
	assert_int_equal(load(&two), STATUS_BUSY);
	assert_string_equal(two.detail, "the ledger of web1 is in use by one");
	assert_int_equal(save_ledger(&two, "web1", 7), STATUS_BAD_REQUEST);
	assert_string_equal(two.detail, "the ledger was not loaded");
	keep_leave(keep, &two); /* which takes nothing from the first */
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	wait_answer(&one, STATUS_OK);
	assert_int_equal(two.answers, 0);
}

static void nothing_is_saved_that_was_not_loaded(void **state)
{
	(void)state;
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_BAD_REQUEST);
	assert_int_equal(access(state_folder, F_OK), -1);
}

static void only_a_ledger_of_this_device_is_written(void **state)
{
	(void)state;
	load_well(&one);
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	wait_answer(&one, STATUS_OK);
	assert_int_equal(save_ledger(&one, "web2", 8), STATUS_OK);
	wait_answer(&one, STATUS_BAD_REQUEST);
	assert_string_equal(one.detail, "this is no ledger of web1");
	assert_int_equal(save(&one, (const uint8_t *)"nonsense", 8), STATUS_OK);
	wait_answer(&one, STATUS_BAD_REQUEST);
	assert_string_equal(one.detail, "this is no ledger: it is truncated: 8 bytes");
	assert_file_is(7);
	assert_int_equal(save_ledger(&one, "web1", 9), STATUS_OK); /* it still has it */
	wait_answer(&one, STATUS_OK);
}

static void a_damaged_file_is_given_as_it_is(void **state)
{
	(void)state;
	load_well(&one);
	put_file("damaged");
	load_well(&one);
	assert_int_equal(one.count, 7);
	assert_memory_equal(one.bytes, "damaged", 7);
}

static void another_process_that_has_the_lock_is_waited_for_by_nobody(void **state)
{
	int lock;

	(void)state;
	load_well(&one);
	keep_leave(keep, &one);
	assert_true(WORLD_UNTIL(world, is_unlocked()));
	lock = state_lock(file);
	assert_true(lock >= 0);
	assert_int_equal(load(&one), STATUS_OK);
	wait_answer(&one, STATUS_BUSY);
	assert_non_null(strstr(one.detail, "another process has the lock of /tmp/ra-keep-"));
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_BAD_REQUEST); /* it does not have it */
	close(lock);
	load_well(&two);
}

/* ---- Errors ---- */

static unsigned posted(void)
{
	return (unsigned)post_count(world->post, STATUS_VOLUME_ERROR);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
	char expected[160];

	(void)state;
	keep_free(keep);
	snprintf(state_folder, sizeof(state_folder), "%s/none/state", folder);
	snprintf(file, sizeof(file), "%s/web1/ledger", state_folder);
	open_keep();
	assert_int_equal(load(&one), STATUS_OK);
	wait_answer(&one, STATUS_VOLUME_ERROR);
	snprintf(expected, sizeof(expected), "cannot make the folder %s: No such file or directory", state_folder);
	assert_string_equal(one.detail, expected);
	assert_int_equal(posted(), 1);
	assert_int_equal(load(&two), STATUS_OK); /* nobody has it */
	wait_answer(&two, STATUS_VOLUME_ERROR);
}

static void a_folder_that_is_no_folder_is_named(void **state)
{
	FILE *out;

	(void)state;
	assert_int_equal(mkdir(state_folder, 0700), 0);
	snprintf(file, sizeof(file), "%s/web1", state_folder);
	out = fopen(file, "w");
	assert_non_null(out);
	fclose(out);
	assert_int_equal(load(&one), STATUS_OK);
	wait_answer(&one, STATUS_VOLUME_ERROR);
	assert_non_null(strstr(one.detail, "cannot lock the ledger in the folder /tmp/ra-keep-"));
	assert_non_null(strstr(one.detail, "/state/web1: Not a directory"));
}

static void a_file_that_cannot_be_read_is_named_and_the_lock_given_up(void **state)
{
	(void)state;
	load_well(&one);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(load(&one), STATUS_OK);
	wait_answer(&one, STATUS_VOLUME_ERROR);
	assert_non_null(strstr(one.detail, "/state/web1/ledger: Invalid argument"));
	assert_true(WORLD_UNTIL(world, is_unlocked()));
}

static void a_full_disk_is_told_and_the_user_keeps_it(void **state)
{
	(void)state;
	load_well(&one);
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	wait_answer(&one, STATUS_OK);
	write_error = -ENOSPC;
	assert_int_equal(save_ledger(&one, "web1", 8), STATUS_OK);
	wait_answer(&one, STATUS_VOLUME_ERROR);
	assert_non_null(strstr(one.detail, "cannot write /tmp/ra-keep-"));
	assert_non_null(strstr(one.detail, "/ledger: No space left on device"));
	assert_int_equal(posted(), 1);
	assert_file_is(7);
	write_error = 0;
	assert_int_equal(save_ledger(&one, "web1", 8), STATUS_OK);
	wait_answer(&one, STATUS_OK);
	assert_file_is(8);
}

/* ---- A disk that does not answer ---- */

/* The user's load, or its save of 7 tracks, hangs until it is told that it does. */
static void give_up(struct user *user, bool is_save)
{
	unsigned answers = user->answers;

	begin_hang();
	assert_int_equal(is_save ? save_ledger(user, "web1", 7) : load(user), STATUS_OK);
	wait_until_hung();
	clock_advance(world->clock, DA_TIMEOUT_MS - 1);
	world_settle(world);
	assert_int_equal(user->answers, answers);
	clock_advance(world->clock, 1);
	world_settle(world);
	assert_int_equal(user->answers, answers + 1);
	assert_int_equal(user->status, STATUS_TIMEOUT);
}

static void a_load_that_hangs_is_answered_and_the_lock_is_free_when_it_is_back(void **state)
{
	(void)state;
	give_up(&one, false);
	assert_non_null(strstr(one.detail, "/web1/ledger: the disk does not answer within 8 s"));
	assert_null(strstr(one.detail, "written"));
	assert_int_equal(post_count(world->post, STATUS_TIMEOUT), 1);
	assert_int_equal(load(&two), STATUS_NOT_READY);
	assert_non_null(strstr(two.detail, "/web1/ledger: an earlier request to the disk hangs"));
	assert_false(is_unlocked());
	end_hang();
	assert_true(WORLD_UNTIL(world, is_unlocked()));
	assert_int_equal(one.answers, 1);
	load_well(&two);
}

static void a_save_that_hangs_is_answered_and_the_user_may_save_again_when_it_is_back(void **state)
{
	(void)state;
	load_well(&one);
	give_up(&one, true);
	assert_non_null(strstr(one.detail, "does not answer within 8 s; whether it was written is not known"));
	assert_int_equal(save_ledger(&one, "web1", 8), STATUS_NOT_READY);
	assert_int_equal(load(&two), STATUS_BUSY); /* it still has it */
	end_hang();
	assert_true(WORLD_UNTIL(world, save_ledger(&one, "web1", 9) == STATUS_OK));
	wait_answer(&one, STATUS_OK);
	assert_file_is(9);
	assert_int_equal(one.answers, 3);
}

static void who_waits_for_a_call_that_hangs_is_told_too(void **state)
{
	(void)state;
	begin_hang();
	assert_int_equal(load(&one), STATUS_OK);
	wait_until_hung();
	keep_leave(keep, &one);
	assert_int_equal(load(&two), STATUS_OK);
	clock_advance(world->clock, DA_TIMEOUT_MS);
	world_settle(world);
	assert_int_equal(two.answers, 1);
	assert_int_equal(two.status, STATUS_TIMEOUT);
	end_hang();
	assert_true(WORLD_UNTIL(world, is_unlocked()));
	load_well(&two);
}

static int hang_a_thread(void *arg)
{
	(void)arg;
	wait_if_told();
	return 0;
}

static void on_thread_back(void *arg, struct da_request *request, const struct da_result *result)
{
	(void)arg, (void)result;
	da_release(world->da, request);
}

static void a_save_that_no_thread_began_in_time_leaves_the_lock_with_its_user(void **state)
{
	struct da_spec spec = { .kind = DA_CALL, .call = hang_a_thread, .done = on_thread_back };

	(void)state;
	load_well(&one);
	begin_hang();
	for (unsigned i = 0; i < 2; i++) { /* calls get half of the threads */
		spec.owner = i == 0 ? &one : &two;
		assert_non_null(da_submit(world->da, &spec));
		wait_until_hung();
	}
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	clock_advance(world->clock, DA_TIMEOUT_MS);
	world_settle(world);
	assert_int_equal(one.answers, 2);
	assert_int_equal(one.status, STATUS_TIMEOUT);
	assert_false(is_unlocked());
	assert_int_equal(save_ledger(&one, "web1", 8), STATUS_OK);
	end_hang();
	wait_answer(&one, STATUS_OK);
	assert_file_is(8);
	assert_false(is_unlocked());
}

static void what_is_kept_may_be_freed_while_a_call_hangs(void **state)
{
	(void)state;
	load_well(&one);
	give_up(&one, true);
	keep_leave(keep, &one);
	keep_free(keep);
	assert_false(is_unlocked());
	end_hang();
	assert_true(WORLD_UNTIL(world, is_unlocked()));
	open_keep();
}

/* ---- Users who go ---- */

static void who_goes_while_it_is_read_hears_nothing_and_the_next_waits(void **state)
{
	(void)state;
	begin_hang();
	assert_int_equal(load(&one), STATUS_OK);
	wait_until_hung();
	keep_leave(keep, &one);
	assert_int_equal(load(&two), STATUS_OK);
	world_settle(world);
	assert_int_equal(two.answers, 0);
	end_hang();
	wait_answer(&two, STATUS_OK);
	assert_int_equal(one.answers, 0);
	assert_false(is_unlocked());
}

static void who_goes_while_it_is_written_has_it_written_and_the_lock_is_given_up(void **state)
{
	(void)state;
	load_well(&one);
	begin_hang();
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	wait_until_hung();
	keep_leave(keep, &one);
	world_settle(world);
	assert_false(is_unlocked());
	end_hang();
	assert_true(WORLD_UNTIL(world, is_unlocked()));
	assert_int_equal(one.answers, 1);
	assert_file_is(7);
}

static void an_answer_that_nobody_waits_for_is_not_given_to_the_same_user_of_later(void **state)
{
	(void)state;
	load_well(&one);
	begin_hang();
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	wait_until_hung();
	keep_leave(keep, &one);
	assert_int_equal(load(&one), STATUS_OK);
	end_hang();
	wait_answer(&one, STATUS_OK);
	assert_int_equal(one.answers, 2);
	assert_non_null(one.bytes); /* the load's */
}

static void a_full_queue_is_waited_for(void **state)
{
	struct keep *other;
	struct user *user = &two;
	struct keep_config config = { .clock = world->clock, .da = world->da, .post = world->post,
		.folder = state_folder, .device = "web2" };

	(void)state;
	other = keep_new(&config);
	begin_hang();
	assert_int_equal(keep_load(other, "two", on_answer, user, user->detail), STATUS_OK);
	wait_until_hung();
	assert_int_equal(load(&one), STATUS_OK);
	end_hang();
	wait_answer(&two, STATUS_OK);
	assert_int_equal(one.answers, 0);
	clock_advance(world->clock, RETRY_DELAY_MS);
	wait_answer(&one, STATUS_OK);
	keep_leave(other, user);
	assert_true(WORLD_UNTIL(world, access(file, F_OK) != 0));
	keep_free(other);
}

static void who_goes_before_it_is_begun_leaves_nothing(void **state)
{
	struct keep *other;
	struct keep_config config = { .clock = world->clock, .da = world->da, .post = world->post,
		.folder = state_folder, .device = "web2" };

	(void)state;
	load_well(&one);
	other = keep_new(&config);
	begin_hang();
	assert_int_equal(keep_load(other, "two", on_answer, &two, two.detail), STATUS_OK);
	wait_until_hung();
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	keep_leave(keep, &one);
	end_hang();
	wait_answer(&two, STATUS_OK);
	clock_advance(world->clock, RETRY_DELAY_MS);
	assert_true(WORLD_UNTIL(world, is_unlocked()));
	assert_int_equal(access(file, F_OK), -1);
	keep_leave(other, &two);
	keep_free(other);
}

static void what_is_kept_may_be_freed_while_a_call_is_under_way(void **state)
{
	(void)state;
	load_well(&one);
	begin_hang();
	assert_int_equal(save_ledger(&one, "web1", 7), STATUS_OK);
	wait_until_hung();
	keep_leave(keep, &one);
	keep_free(keep);
	end_hang();
	assert_true(WORLD_UNTIL(world, is_unlocked()));
	assert_file_is(7);
	open_keep();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_OF_ONE_ELEMENT(name) cmocka_unit_test_setup_teardown(name, set_up_one_element, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_load_makes_private_folders_and_finds_nothing),
		TEST(what_was_saved_is_loaded_by_the_next),
		TEST(another_user_is_told_who_has_it),
		TEST(nothing_is_saved_that_was_not_loaded),
		TEST(only_a_ledger_of_this_device_is_written),
		TEST(a_damaged_file_is_given_as_it_is),
		TEST(another_process_that_has_the_lock_is_waited_for_by_nobody),
		TEST(a_folder_that_cannot_be_made_is_named),
		TEST(a_folder_that_is_no_folder_is_named),
		TEST(a_file_that_cannot_be_read_is_named_and_the_lock_given_up),
		TEST(a_full_disk_is_told_and_the_user_keeps_it),
		TEST(a_load_that_hangs_is_answered_and_the_lock_is_free_when_it_is_back),
		TEST(a_save_that_hangs_is_answered_and_the_user_may_save_again_when_it_is_back),
		TEST(who_waits_for_a_call_that_hangs_is_told_too),
		TEST(a_save_that_no_thread_began_in_time_leaves_the_lock_with_its_user),
		TEST(what_is_kept_may_be_freed_while_a_call_hangs),
		TEST(who_goes_while_it_is_read_hears_nothing_and_the_next_waits),
		TEST(who_goes_while_it_is_written_has_it_written_and_the_lock_is_given_up),
		TEST(an_answer_that_nobody_waits_for_is_not_given_to_the_same_user_of_later),
		TEST_OF_ONE_ELEMENT(a_full_queue_is_waited_for),
		TEST_OF_ONE_ELEMENT(who_goes_before_it_is_begun_leaves_nothing),
		TEST(what_is_kept_may_be_freed_while_a_call_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
