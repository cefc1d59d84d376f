/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of invalid tracks, on real files and real DA threads: what is answered when, what a file that cannot be
 * used does, a disk that is full or hangs, and changes that come while another is being written. Reads and writes of
 * the file are let through, held or failed here. Time is virtual.
 * check-style: long because it plays the disk.
 */
#include "storage/invalid_table.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/post.h"
#include "base/track_set.h"
#include "storage/invalid_file.h"
#include "tests/support/da_bed.h"

#define TRACK_BYTES (64u * KIB)

/* What came of one request. */
struct outcome {
	unsigned answers;
	enum status status;
	char detail[STATE_WHY_BYTES];
	struct track_set *set; /* OK */
};

static char folder[64], path[96];
static struct clock *table_clock;
static struct post *table_post;
static struct invalid_table *table;

/* ---- The disk ---- */

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t change;
	bool holds;     /* reads and writes wait */
	unsigned held;  /* that wait now */
	unsigned reads, writes;
	int write_error, lock_error;
} disk = { .mutex = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

int __wrap_state_read(const char *file_path, size_t bytes_max, uint8_t **file, size_t *file_bytes);
int __wrap_state_write(const char *file_path, const uint8_t *file, size_t file_bytes);
int __wrap_state_lock(const char *file_path);
int __real_state_read(const char *file_path, size_t bytes_max, uint8_t **file, size_t *file_bytes);
int __real_state_write(const char *file_path, const uint8_t *file, size_t file_bytes);
int __real_state_lock(const char *file_path);

/* On a DA thread. */
static void pass_disk(unsigned *counter)
{
	pthread_mutex_lock(&disk.mutex);
	++*counter;
	disk.held++;
	pthread_cond_broadcast(&disk.change);
	while (disk.holds)
		pthread_cond_wait(&disk.change, &disk.mutex);
	disk.held--;
	pthread_mutex_unlock(&disk.mutex);
}

int __wrap_state_read(const char *file_path, size_t bytes_max, uint8_t **file, size_t *file_bytes)
{
	pass_disk(&disk.reads);
	return __real_state_read(file_path, bytes_max, file, file_bytes);
}

int __wrap_state_write(const char *file_path, const uint8_t *file, size_t file_bytes)
{
	pass_disk(&disk.writes);
	return disk.write_error != 0 ? disk.write_error : __real_state_write(file_path, file, file_bytes);
}

int __wrap_state_lock(const char *file_path)
{
	return disk.lock_error != 0 ? disk.lock_error : __real_state_lock(file_path);
}

static void hold_disk(bool holds)
{
	pthread_mutex_lock(&disk.mutex);
	disk.holds = holds;
	pthread_cond_broadcast(&disk.change);
	pthread_mutex_unlock(&disk.mutex);
}

static void wait_until_held(void)
{
	pthread_mutex_lock(&disk.mutex);
	while (disk.held == 0)
		pthread_cond_wait(&disk.change, &disk.mutex);
	pthread_mutex_unlock(&disk.mutex);
}

/* ---- The table ---- */

static struct invalid_table *open_table(uint32_t track_bytes, uint64_t offset_bytes)
{
	const struct invalid_config config = { .clock = table_clock, .da = da_bed.da, .post = table_post, .state = folder,
		.device = "web1", .track_bytes = track_bytes, .offset_bytes = offset_bytes };

	return invalid_table_new(&config);
}

static int set_up(void **state)
{
	log_start("test", LOG_LEVEL_ERROR);
	da_bed_set_up(state);
	table_clock = clock_new_virtual();
	table_post = post_new();
	disk.reads = disk.writes = 0;
	disk.write_error = disk.lock_error = 0;
	snprintf(folder, sizeof(folder), "/tmp/ra-invalid.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/web1/invalid", folder);
	table = open_table(TRACK_BYTES, 0);
	return 0;
}

static void remove_below(const char *name)
{
	char *text = xasprintf("%s/web1%s", folder, name);

	if (name[0] != '\0')
		unlink(text);
	else
		rmdir(text);
	free(text);
}

static int tear_down(void **state)
{
	hold_disk(false);
	invalid_table_end(table);
	da_bed_tear_down(state);
	invalid_table_free(table);
	post_free(table_post);
	clock_free(table_clock);
	remove_below("/invalid");
	remove_below("/invalid.lock");
	remove_below("");
	return rmdir(folder); /* no other file is left */
}

/* Another daemon, after this one. */
static void restart(uint32_t track_bytes, uint64_t offset_bytes)
{
	invalid_table_free(table);
	table = open_table(track_bytes, offset_bytes);
}

static void on_outcome(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	struct outcome *outcome = arg;

	assert_true((status == STATUS_OK) == (set != NULL));
	outcome->answers++;
	outcome->status = status;
	snprintf(outcome->detail, sizeof(outcome->detail), "%s", detail);
	if (set == NULL)
		return;
	outcome->set = track_set_new();
	track_set_add_all(outcome->set, set);
}

static void forget(struct outcome *outcome)
{
	track_set_free(outcome->set);
	*outcome = (struct outcome){ 0 };
}

static struct track_set *one_range(uint64_t first, uint64_t count)
{
	struct track_set *set = track_set_new();

	track_set_add(set, first, count);
	return set;
}

static void mark(struct outcome *outcome, uint64_t first, uint64_t count)
{
	invalid_table_do(table, INVALID_MARK, one_range(first, count), on_outcome, outcome);
}

static void clear(struct outcome *outcome, uint64_t first, uint64_t count)
{
	invalid_table_do(table, INVALID_CLEAR, one_range(first, count), on_outcome, outcome);
}

static void clear_all(struct outcome *outcome)
{
	invalid_table_do(table, INVALID_CLEAR, one_range(0, UINT64_MAX), on_outcome, outcome);
}

static void ask(struct outcome *outcome)
{
	invalid_table_do(table, INVALID_ASK, NULL, on_outcome, outcome);
}

static void assert_told(struct outcome *outcome, enum status status, const char *words)
{
	da_bed_run_until(&outcome->answers, 1);
	assert_int_equal(outcome->status, status);
	if (strstr(outcome->detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", outcome->detail, words);
	forget(outcome);
}

/* Pairs of first and count. */
static void assert_set(struct outcome *outcome, const uint64_t *ranges, size_t count)
{
	da_bed_run_until(&outcome->answers, 1);
	if (outcome->status != STATUS_OK)
		fail_msg("%s", outcome->detail);
	assert_int_equal(track_set_ranges(outcome->set), count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(track_set_range(outcome->set, i).first, ranges[2 * i]);
		assert_int_equal(track_set_range(outcome->set, i).count, ranges[2 * i + 1]);
	}
	forget(outcome);
}

#define ASSERT_SET(outcome, ...) \
	assert_set(outcome, (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 16)
#define ASSERT_EMPTY(outcome) assert_set(outcome, NULL, 0)

static size_t read_file(uint8_t bytes[4096])
{
	FILE *file = fopen(path, "r");
	size_t count;

	assert_non_null(file);
	count = fread(bytes, 1, 4096, file);
	fclose(file);
	return count;
}

static void write_file(const uint8_t *bytes, size_t count)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	fclose(file);
}

/* ---- Tests ---- */

static void table_without_a_file_has_no_tracks(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	assert_null(invalid_table_known(table));
	assert_int_equal(disk.reads, 0); /* not before it is needed */
	ask(&outcome);
	ASSERT_EMPTY(&outcome);
	assert_non_null(invalid_table_known(table));
	ask(&outcome);
	ASSERT_EMPTY(&outcome);
	assert_int_equal(disk.reads, 1);
}

static void what_was_marked_and_not_cleared_is_there_after_a_restart(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	mark(&outcome, 10, 20);
	ASSERT_SET(&outcome, 10, 20);
	mark(&outcome, 100, 1);
	ASSERT_SET(&outcome, 10, 20, 100, 1);
	clear(&outcome, 15, 5);
	ASSERT_SET(&outcome, 10, 5, 20, 10, 100, 1);
	restart(TRACK_BYTES, 0);
	ask(&outcome);
	ASSERT_SET(&outcome, 10, 5, 20, 10, 100, 1);
	clear_all(&outcome);
	ASSERT_EMPTY(&outcome);
	restart(TRACK_BYTES, 0);
	ask(&outcome);
	ASSERT_EMPTY(&outcome);
	assert_int_equal(post_total(table_post), 0);
}

static void mark_is_answered_and_shown_when_it_is_on_the_disk(void **state)
{
	struct outcome marked = { 0 }, asked = { 0 };

	(void)state;
	ask(&asked);
	ASSERT_EMPTY(&asked);
	hold_disk(true);
	mark(&marked, 1, 1);
	wait_until_held();
	mailbox_drain(da_bed.mailbox);
	assert_int_equal(marked.answers, 0);
	assert_int_equal(track_set_tracks(invalid_table_known(table)), 0);
	hold_disk(false);
	ASSERT_SET(&marked, 1, 1);
	assert_int_equal(track_set_tracks(invalid_table_known(table)), 1);
}

static void changes_that_come_during_a_save_are_saved_together_after_it(void **state)
{
	struct outcome first = { 0 }, second = { 0 }, third = { 0 }, asked = { 0 }, last = { 0 };

	(void)state;
	ask(&asked);
	ASSERT_EMPTY(&asked);
	hold_disk(true);
	mark(&first, 1, 1);
	wait_until_held();
	mark(&second, 10, 10);
	clear(&third, 12, 2);
	ask(&asked); /* behind them: it sees them */
	mark(&last, 50, 1);
	hold_disk(false);
	ASSERT_SET(&first, 1, 1);
	assert_int_equal(second.answers, 0);
	da_bed_run_until(&second.answers, 1);
	assert_int_equal(third.answers, 1);
	ASSERT_SET(&second, 1, 1, 10, 2, 14, 6);
	ASSERT_SET(&third, 1, 1, 10, 2, 14, 6);
	ASSERT_SET(&asked, 1, 1, 10, 2, 14, 6);
	ASSERT_SET(&last, 1, 1, 10, 2, 14, 6, 50, 1);
	assert_int_equal(disk.writes, 3);
}

/* Every way in which the file can be damaged: told by name, and left as it is. */
static void assert_damaged(const uint8_t *bytes, size_t count)
{
	struct outcome outcome = { 0 };
	uint8_t after[4096];

	write_file(bytes, count);
	restart(TRACK_BYTES, 0);
	ask(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, path);
	assert_null(invalid_table_known(table));
	mark(&outcome, 3, 1);
	assert_told(&outcome, STATUS_VOLUME_ERROR, path);
	clear(&outcome, 0, 1000);
	assert_told(&outcome, STATUS_VOLUME_ERROR, path);
	assert_int_equal(read_file(after), count);
	assert_memory_equal(after, bytes, count);
}

static void damaged_file_is_told_and_left_alone(void **state)
{
	struct outcome outcome = { 0 };
	uint8_t good[4096], bad[4096];
	size_t count;

	(void)state;
	mark(&outcome, 7, 3);
	ASSERT_SET(&outcome, 7, 3);
	count = read_file(good);
	for (size_t length = 0; length < count; length++)
		assert_damaged(good, length);
	for (size_t i = 0; i < count; i++) {
		memcpy(bad, good, count);
		bad[i] ^= 0x10;
		assert_damaged(bad, count);
	}
	assert_int_equal(disk.writes, 1);
	assert_true(post_count(table_post, STATUS_VOLUME_ERROR) > 0);
	write_file(good, count); /* somebody brings it back: no restart is needed */
	ask(&outcome);
	ASSERT_SET(&outcome, 7, 3);
}

/* The checksum is right, and what is in it is not a set of these tracks. */
static void file_of_other_content_is_damaged(void **state)
{
	static const uint64_t contents[][6] = { { 0, 0, 5, 1, 5, 1 }, { 0, 0, 5, 0, 9, 1 }, { 0, 0, 9, 1, 5, 1 },
		{ 0, 0, 5, 1, 9, TRACKS_END - 8 } };
	struct outcome outcome = { 0 };
	size_t file_bytes;
	uint8_t *file;

	(void)state;
	mark(&outcome, 7, 3); /* makes the folder */
	ASSERT_SET(&outcome, 7, 3);
	file = state_wrap(STATE_INVALID, 1, (const uint8_t *)"short", 5, &file_bytes);
	assert_damaged(file, file_bytes);
	free(file);
	for (unsigned i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		uint64_t content[6];

		memcpy(content, contents[i], sizeof(content));
		content[0] = TRACK_BYTES;
		file = state_wrap(STATE_INVALID, 1, (const uint8_t *)content, sizeof(content), &file_bytes);
		assert_damaged(file, file_bytes);
		free(file);
	}
}

static void file_that_is_too_long_is_damaged(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	mark(&outcome, 7, 3);
	ASSERT_SET(&outcome, 7, 3);
	assert_int_equal(truncate(path, 3 * MIB), 0);
	restart(TRACK_BYTES, 0);
	ask(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, "more than");
}

static void file_of_other_tracks_is_not_taken_for_these(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	mark(&outcome, 7, 3);
	ASSERT_SET(&outcome, 7, 3);
	restart(TRACK_BYTES / 2, 0);
	ask(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, "made for tracks of 65536 bytes from byte 0 on, now 32768 and 0");
	restart(TRACK_BYTES, 512);
	ask(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, "made for tracks of 65536 bytes from byte 0 on, now 65536 and 512");
	restart(TRACK_BYTES, 0);
	ask(&outcome);
	ASSERT_SET(&outcome, 7, 3);
}

static void only_clearing_all_replaces_a_damaged_file(void **state)
{
	struct outcome before = { 0 }, all = { 0 }, after = { 0 };

	(void)state;
	mark(&before, 7, 3);
	ASSERT_SET(&before, 7, 3);
	write_file((const uint8_t *)"nothing", 7);
	restart(TRACK_BYTES, 0);
	hold_disk(true);
	mark(&before, 1, 1);
	clear_all(&all);
	mark(&after, 2, 2);
	hold_disk(false);
	assert_told(&before, STATUS_VOLUME_ERROR, path);
	ASSERT_SET(&all, 2, 2); /* both are written at once */
	ASSERT_SET(&after, 2, 2);
	restart(TRACK_BYTES, 0);
	ask(&after);
	ASSERT_SET(&after, 2, 2);
}

static void damaged_file_that_cannot_be_replaced_stays_damaged(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	mark(&outcome, 7, 3);
	ASSERT_SET(&outcome, 7, 3);
	write_file((const uint8_t *)"nothing", 7);
	restart(TRACK_BYTES, 0);
	disk.write_error = -ENOSPC;
	clear_all(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, "No space left on device");
	ask(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, path);
}

static void change_that_a_full_disk_does_not_take_is_told_and_not_made(void **state)
{
	struct outcome first = { 0 }, second = { 0 };

	(void)state;
	mark(&first, 5, 1);
	ASSERT_SET(&first, 5, 1);
	disk.write_error = -ENOSPC;
	mark(&first, 9, 1);
	clear_all(&second);
	assert_told(&first, STATUS_VOLUME_ERROR, "No space left on device");
	assert_told(&second, STATUS_VOLUME_ERROR, path);
	ask(&first);
	ASSERT_SET(&first, 5, 1);
	assert_int_equal(post_count(table_post, STATUS_VOLUME_ERROR), 2);
	disk.write_error = 0;
	mark(&first, 9, 1);
	ASSERT_SET(&first, 5, 1, 9, 1);
}

static void table_has_so_many_ranges_at_most(void **state)
{
	struct outcome outcome = { 0 }, later = { 0 };
	struct track_set *set = track_set_new();

	(void)state;
	for (uint64_t i = 0; i < TRACK_SET_RANGES_MAX; i++)
		track_set_add(set, 2 * i, 1);
	invalid_table_do(table, INVALID_MARK, set, on_outcome, &outcome);
	da_bed_run_until(&outcome.answers, 1);
	assert_int_equal(outcome.status, STATUS_OK);
	forget(&outcome);
	mark(&outcome, 2 * TRACK_SET_RANGES_MAX, 1);
	assert_told(&outcome, STATUS_BAD_REQUEST, "the table of web1 would have more than 131072 ranges");
	assert_int_equal(disk.writes, 1);
	/* What would fit is taken though it comes with what does not. */
	hold_disk(true);
	mark(&outcome, 1, 1); /* two become one */
	wait_until_held();
	hold_disk(false);
	da_bed_run_until(&outcome.answers, 1);
	forget(&outcome);
	clear(&outcome, 2 * TRACK_SET_RANGES_MAX - 3, 1); /* no change; begins a save */
	mark(&later, 3 * TRACK_SET_RANGES_MAX, 1);
	da_bed_run_until(&later.answers, 1);
	assert_int_equal(later.status, STATUS_OK);
	assert_int_equal(track_set_ranges(later.set), TRACK_SET_RANGES_MAX);
	da_bed_run_until(&outcome.answers, 1);
	forget(&outcome);
	forget(&later);
	restart(TRACK_BYTES, 0);
	ask(&outcome);
	da_bed_run_until(&outcome.answers, 1);
	assert_int_equal(track_set_ranges(outcome.set), TRACK_SET_RANGES_MAX);
	forget(&outcome);
}

static void what_does_not_fit_is_refused_and_what_came_with_it_is_saved(void **state)
{
	struct outcome first = { 0 }, too_many = { 0 }, fits = { 0 };
	struct track_set *set = track_set_new();

	(void)state;
	mark(&first, 1, 1);
	ASSERT_SET(&first, 1, 1);
	hold_disk(true);
	mark(&first, 1, 1);
	wait_until_held();
	for (uint64_t i = 0; i < TRACK_SET_RANGES_MAX; i++)
		track_set_add(set, 10 + 2 * i, 1);
	invalid_table_do(table, INVALID_MARK, set, on_outcome, &too_many);
	mark(&fits, 4, 1);
	hold_disk(false);
	ASSERT_SET(&first, 1, 1);
	assert_told(&too_many, STATUS_BAD_REQUEST, "more than");
	ASSERT_SET(&fits, 1, 1, 4, 1);
}

static void table_that_another_process_has_is_not_touched(void **state)
{
	struct outcome outcome = { 0 };
	struct invalid_table *own;

	(void)state;
	mark(&outcome, 5, 1);
	ASSERT_SET(&outcome, 5, 1);
	own = table;
	table = open_table(TRACK_BYTES, 0);
	ask(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, "another process has it");
	clear_all(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, "another process has it");
	assert_int_equal(disk.writes, 1);
	invalid_table_free(own);
	ask(&outcome);
	ASSERT_SET(&outcome, 5, 1);
}

/* What cannot be locked can be read, and is not written: another may have written meanwhile. */
static void folder_that_cannot_be_written_to_is_read_only(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	mark(&outcome, 5, 1);
	ASSERT_SET(&outcome, 5, 1);
	restart(TRACK_BYTES, 0);
	disk.lock_error = -EROFS;
	ask(&outcome);
	ASSERT_SET(&outcome, 5, 1);
	mark(&outcome, 6, 1);
	assert_told(&outcome, STATUS_VOLUME_ERROR, "Read-only file system");
	ask(&outcome);
	ASSERT_SET(&outcome, 5, 1);
	disk.lock_error = 0;
	mark(&outcome, 6, 1);
	assert_told(&outcome, STATUS_VOLUME_ERROR, path); /* it is read again first */
	mark(&outcome, 6, 1);
	ASSERT_SET(&outcome, 5, 2);
	assert_int_equal(disk.writes, 2);
}

static void file_that_cannot_be_read_is_told(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	mark(&outcome, 5, 1);
	ASSERT_SET(&outcome, 5, 1);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	restart(TRACK_BYTES, 0);
	ask(&outcome);
	assert_told(&outcome, STATUS_VOLUME_ERROR, path);
	clear_all(&outcome); /* it is not damaged: a disk that fails may come back */
	assert_told(&outcome, STATUS_VOLUME_ERROR, path);
	assert_int_equal(rmdir(path), 0);
}

static void save_that_hangs_is_given_up_and_its_outcome_read_later(void **state)
{
	struct outcome marked = { 0 }, waiting = { 0 }, refused = { 0 };

	(void)state;
	ask(&waiting);
	ASSERT_EMPTY(&waiting);
	hold_disk(true);
	mark(&marked, 3, 1);
	wait_until_held();
	ask(&waiting);
	clock_advance(table_clock, DA_TIMEOUT_MS - 1);
	assert_int_equal(marked.answers + waiting.answers, 0);
	clock_advance(table_clock, 1);
	assert_told(&marked, STATUS_TIMEOUT, "whether it was written is not known");
	assert_told(&waiting, STATUS_TIMEOUT, path);
	assert_int_equal(post_count(table_post, STATUS_TIMEOUT), 1);
	ask(&refused);
	assert_int_equal(refused.answers, 1); /* at once */
	assert_told(&refused, STATUS_NOT_READY, "hangs");
	hold_disk(false);
	do {
		forget(&waiting);
		ask(&waiting);
		da_bed_run_until(&waiting.answers, 1);
		mailbox_wait(da_bed.mailbox, 10);
		mailbox_drain(da_bed.mailbox);
	} while (waiting.status == STATUS_NOT_READY);
	ASSERT_SET(&waiting, 3, 1); /* it was written */
	assert_int_equal(disk.reads, 2);
}

static void load_that_hangs_is_given_up(void **state)
{
	struct outcome outcome = { 0 };

	(void)state;
	hold_disk(true);
	ask(&outcome);
	wait_until_held();
	clock_advance(table_clock, DA_TIMEOUT_MS);
	assert_told(&outcome, STATUS_TIMEOUT, path);
	assert_null(strstr(outcome.detail, "written"));
	hold_disk(false);
	do {
		forget(&outcome);
		ask(&outcome);
		da_bed_run_until(&outcome.answers, 1);
		mailbox_wait(da_bed.mailbox, 10);
		mailbox_drain(da_bed.mailbox);
	} while (outcome.status == STATUS_NOT_READY);
	ASSERT_EMPTY(&outcome);
}

/* All threads are busy elsewhere: it has not begun, so nothing is stuck. */
static void work_that_no_thread_takes_is_given_up_and_begun_anew(void **state)
{
	struct da_order *orders[DA_BED_ELEMENTS];
	struct outcome outcome = { 0 };

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++)
		faulty_volume_hang_reads(da_bed.faulty[i], true);
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++)
		orders[i] = da_bed_submit_read(i, 1);
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++)
		assert_true(faulty_volume_wait_stuck(da_bed.faulty[i], 1, DA_BED_WAIT_MS));
	ask(&outcome);
	clock_advance(table_clock, DA_TIMEOUT_MS);
	assert_told(&outcome, STATUS_TIMEOUT, path);
	assert_int_equal(disk.reads, 0);
	ask(&outcome);
	assert_int_equal(outcome.answers, 0); /* in the queue */
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++)
		faulty_volume_hang_reads(da_bed.faulty[i], false);
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++)
		da_bed_finish_read(orders[i]);
	ASSERT_EMPTY(&outcome);
}

static void full_queue_of_the_disk_adapter_is_waited_for(void **state)
{
	struct da_order *orders[DA_BED_ELEMENTS];
	struct outcome outcome = { 0 };

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++)
		orders[i] = da_bed_submit_read(0, 1);
	mark(&outcome, 4, 1);
	clock_advance(table_clock, 10 * RETRY_DELAY_MS);
	assert_int_equal(outcome.answers, 0);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++)
		da_bed_finish_read(orders[i]);
	clock_advance(table_clock, RETRY_DELAY_MS);
	ASSERT_SET(&outcome, 4, 1);
}

static void who_has_gone_is_not_told_and_his_change_is_made(void **state)
{
	struct outcome gone = { 0 }, outcome = { 0 };

	(void)state;
	mark(&gone, 4, 1);
	mark(&outcome, 8, 1);
	invalid_table_forget(table, &gone);
	ASSERT_SET(&outcome, 4, 1, 8, 1);
	assert_int_equal(gone.answers, 0);
}

static void end_is_told_to_all_who_wait_and_who_come_later(void **state)
{
	struct outcome marked = { 0 }, asked = { 0 }, late = { 0 };

	(void)state;
	hold_disk(true);
	mark(&marked, 4, 1);
	ask(&asked);
	wait_until_held();
	invalid_table_end(table);
	assert_told(&marked, STATUS_LINK_LOST, "the daemon ends");
	assert_told(&asked, STATUS_LINK_LOST, "the daemon ends");
	mark(&late, 4, 1);
	assert_told(&late, STATUS_LINK_LOST, "the daemon ends");
	hold_disk(false); /* what is on the DA ends with it, or before: tear_down */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(table_without_a_file_has_no_tracks),
		TEST(what_was_marked_and_not_cleared_is_there_after_a_restart),
		TEST(mark_is_answered_and_shown_when_it_is_on_the_disk),
		TEST(changes_that_come_during_a_save_are_saved_together_after_it),
		TEST(damaged_file_is_told_and_left_alone),
		TEST(file_of_other_content_is_damaged),
		TEST(file_that_is_too_long_is_damaged),
		TEST(file_of_other_tracks_is_not_taken_for_these),
		TEST(only_clearing_all_replaces_a_damaged_file),
		TEST(damaged_file_that_cannot_be_replaced_stays_damaged),
		TEST(change_that_a_full_disk_does_not_take_is_told_and_not_made),
		TEST(table_has_so_many_ranges_at_most),
		TEST(what_does_not_fit_is_refused_and_what_came_with_it_is_saved),
		TEST(table_that_another_process_has_is_not_touched),
		TEST(folder_that_cannot_be_written_to_is_read_only),
		TEST(file_that_cannot_be_read_is_told),
		TEST(save_that_hangs_is_given_up_and_its_outcome_read_later),
		TEST(load_that_hangs_is_given_up),
		TEST(work_that_no_thread_takes_is_given_up_and_begun_anew),
		TEST(full_queue_of_the_disk_adapter_is_waited_for),
		TEST(who_has_gone_is_not_told_and_his_change_is_made),
		TEST(end_is_told_to_all_who_wait_and_who_come_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
