/* SPDX-License-Identifier: Apache-2.0
 *
 * A state file is there whole, old or new: every system call of a write fails once, is interrupted or is the last that
 * the process makes; no byte of it can be changed, added or missing; and only one has its lock.
 */
#include "storage/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OLD "what was there"
#define NEW "what is to be there from now on"

/* ---- System calls that fail: wrapped by the linker ---- */

enum fault { FAULT_NONE, FAULT_ERROR, FAULT_CRASH };

static struct faults {
	enum fault fault;
	int at;       /* of the calls below, from 1 on */
	int calls;    /* so far */
	bool is_slow; /* a write takes one byte, or is interrupted */
} faults;

int __real_fsync(int fd);
int __real_rename(const char *old, const char *new);
ssize_t __real_write(int fd, const void *bytes, size_t count);
int __wrap_fsync(int fd);
int __wrap_rename(const char *old, const char *new);
ssize_t __wrap_write(int fd, const void *bytes, size_t count);

static bool fails(void)
{
	faults.calls++;
	if (faults.fault == FAULT_NONE || faults.calls != faults.at)
		return false;
	if (faults.fault == FAULT_CRASH)
		_exit(0);
	errno = EDQUOT;
	return true;
}

int __wrap_fsync(int fd)
{
	return fails() ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *old, const char *new)
{
	return fails() ? -1 : __real_rename(old, new);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t count)
{
	if (fails())
		return -1;
	if (!faults.is_slow)
		return __real_write(fd, bytes, count);
	if (faults.calls % 2 == 1) {
		errno = EINTR;
		return -1;
	}
	return __real_write(fd, bytes, 1);
}

/* ---- A folder for each test ---- */

static char folder[64], path[96], beside[104];

static int set_up(void **state)
{
	(void)state;
	memset(&faults, 0, sizeof(faults));
	strcpy(folder, "/tmp/ra-state-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(beside, sizeof(beside), "%s.new", path);
	return 0;
}

static int tear_down(void **state)
{
	char *command;

	(void)state;
	return asprintf(&command, "rm -rf %s", folder) < 0 || system(command) != 0 ? -1 : (free(command), 0);
}

static int write_text(const char *text)
{
	return state_write(path, (const uint8_t *)text, strlen(text));
}

static void assert_text(const char *expected)
{
	uint8_t *file = NULL;
	size_t bytes = 0;

	assert_int_equal(state_read(path, 1000, &file, &bytes), 0);
	assert_int_equal(bytes, strlen(expected));
	assert_memory_equal(file, expected, bytes);
	free(file);
}

static bool is_there(const char *name)
{
	struct stat status;

	return lstat(name, &status) == 0;
}

/* ---- Writing ---- */

static void a_write_replaces_all_of_the_file_and_keeps_it_private(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(write_text(NEW), 0);
	assert_text(NEW);
	assert_int_equal(write_text(OLD), 0);
	assert_text(OLD);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_false(is_there(beside));
	assert_int_equal(write_text(""), 0);
	assert_text("");
}

static void each_call_that_fails_leaves_the_old_file_and_nothing_beside_it(void **state)
{
	(void)state;
	assert_int_equal(write_text(OLD), 0);
	assert_int_equal(faults.calls, 4); /* write, fsync, rename, fsync of the folder */
	faults.fault = FAULT_ERROR;
	for (faults.at = 1; faults.at <= 3; faults.at++) {
		faults.calls = 0;
		assert_int_equal(write_text(NEW), -EDQUOT);
		assert_text(OLD);
		assert_false(is_there(beside));
	}
	faults.calls = 0;
	assert_int_equal(write_text(NEW), -EDQUOT);
	assert_text(NEW);
	assert_false(is_there(beside));
}

static void a_crash_at_each_call_leaves_the_old_file_or_the_new_one(void **state)
{
	(void)state;
	for (int at = 1; at <= 4; at++) {
		pid_t child;
		int status;

		assert_int_equal(write_text(OLD), 0);
		child = fork();
		if (child == 0) {
			faults.fault = FAULT_CRASH;
			faults.at = at;
			faults.calls = 0;
			write_text(NEW);
			_exit(1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		assert_text(at <= 3 ? OLD : NEW);
		/* What the crash left beside it is no obstacle. */
		assert_int_equal(is_there(beside), at <= 3);
		assert_int_equal(write_text(NEW), 0);
		assert_text(NEW);
	}
}

static void short_and_interrupted_writes_go_on(void **state)
{
	(void)state;
	faults.is_slow = true;
	assert_int_equal(write_text(NEW), 0);
	assert_text(NEW);
	assert_true(faults.calls >= 2 * (int)strlen(NEW));
}

static void a_disk_that_is_full_in_the_middle_leaves_the_old_file(void **state)
{
	static uint8_t much[100000];
	struct rlimit before, limit;

	(void)state;
	assert_int_equal(write_text(OLD), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 50000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(state_write(path, much, sizeof(much)), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_text(OLD);
	assert_false(is_there(beside));
}

static void nothing_beside_is_followed_or_written_through(void **state)
{
	char other[104];

	(void)state;
	snprintf(other, sizeof(other), "%s/other", folder);
	assert_int_equal(symlink(other, beside), 0);
	assert_int_equal(write_text(NEW), 0);
	assert_text(NEW);
	assert_false(is_there(other));
	assert_int_equal(mkdir(beside, 0700), 0);
	assert_int_equal(write_text(OLD), -EISDIR);
	assert_text(NEW);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/none/file", folder);
	assert_int_equal(write_text(NEW), -ENOENT);
	assert_int_equal(state_lock(path), -ENOENT);
}

static void a_path_may_be_without_a_folder_or_in_the_root(void **state)
{
	char *here = getcwd(NULL, 0);

	(void)state;
	assert_non_null(here);
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(state_write("file", (const uint8_t *)NEW, strlen(NEW)), 0);
	assert_int_equal(chdir(here), 0);
	free(here);
	assert_text(NEW);
}

static void a_full_and_a_read_only_file_system_leave_the_old_file(void **state)
{
	static uint8_t much[100000];

	(void)state;
	assert_int_equal(write_text(OLD), 0);
	/* For this process alone. */
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			mount("none", folder, "tmpfs", 0, "size=64k") != 0) {
		print_message("no read-only file system: mount needs root (%s)\n", strerror(errno));
		skip();
	}
	assert_int_equal(write_text(OLD), 0);
	faults.calls = 0;
	assert_int_equal(state_write(path, much, sizeof(much)), -ENOSPC);
	assert_text(OLD);
	assert_false(is_there(beside));
	assert_int_equal(mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(write_text(NEW), -EROFS);
	assert_int_equal(state_lock(path), -EROFS);
	assert_text(OLD);
	assert_int_equal(umount(folder), 0);
}

/* ---- Reading ---- */

static void only_a_regular_file_of_bounded_size_is_read(void **state)
{
	uint8_t *file = NULL;
	size_t bytes;
	char other[104];

	(void)state;
	assert_int_equal(state_read(path, 1000, &file, &bytes), -ENOENT);
	assert_int_equal(write_text(OLD), 0);
	assert_int_equal(state_read(path, strlen(OLD) - 1, &file, &bytes), -EFBIG);
	assert_int_equal(state_read(path, strlen(OLD), &file, &bytes), 0);
	free(file);
	snprintf(other, sizeof(other), "%s/other", folder);
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(state_read(other, 1000, &file, &bytes), -ELOOP);
	assert_int_equal(state_read(folder, 1000, &file, &bytes), -EINVAL);
	unlink(other);
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_int_equal(state_read(other, 1000, &file, &bytes), -EINVAL);
}

/* ---- The lock ---- */

static void one_has_the_lock_until_it_is_closed(void **state)
{
	int mine = state_lock(path), other;

	(void)state;
	assert_true(mine >= 0);
	assert_int_equal(fcntl(mine, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(state_lock(path), -EBUSY);
	/* Writing the file does not give the lock away. */
	assert_int_equal(write_text(NEW), 0);
	assert_int_equal(state_lock(path), -EBUSY);
	close(mine);
	other = state_lock(path);
	assert_true(other >= 0);
	close(other);
}

/* ---- Head and checksum ---- */

static int unwrap(const uint8_t *file, size_t bytes, char why[STATE_WHY_BYTES])
{
	const uint8_t *content;
	size_t content_bytes;
	int rc = state_unwrap(STATE_LEDGER, 1, file, bytes, &content, &content_bytes, why);

	assert_int_equal(*why == '\0', rc == 0);
	return rc;
}

static void what_was_wrapped_is_unwrapped(void **state)
{
	size_t bytes, content_bytes;
	uint8_t *file = state_wrap(STATE_LEDGER, 1, (const uint8_t *)NEW, strlen(NEW), &bytes);
	const uint8_t *content;
	char why[STATE_WHY_BYTES];

	(void)state;
	assert_int_equal(bytes, 40 + strlen(NEW));
	assert_memory_equal(file, "RASTATE\0\1\0\0\0\1\0\0\0", 16);
	assert_int_equal(state_unwrap(STATE_LEDGER, 1, file, bytes, &content, &content_bytes, why), 0);
	assert_int_equal(content_bytes, strlen(NEW));
	assert_memory_equal(content, NEW, content_bytes);
	free(file);
	file = state_wrap(STATE_INVALID, 1, NULL, 0, &bytes);
	assert_int_equal(bytes, 40);
	assert_int_equal(state_unwrap(STATE_INVALID, 1, file, bytes, &content, &content_bytes, why), 0);
	assert_int_equal(content_bytes, 0);
	free(file);
}

static void every_length_but_its_own_is_refused(void **state)
{
	size_t bytes;
	uint8_t *file = state_wrap(STATE_LEDGER, 1, (const uint8_t *)NEW, strlen(NEW), &bytes);
	char why[STATE_WHY_BYTES];

	(void)state;
	for (size_t length = 0; length < bytes; length++) {
		assert_int_equal(unwrap(file, length, why), -EBADMSG);
		assert_non_null(strstr(why, "truncated"));
	}
	file = realloc(file, bytes + 1);
	file[bytes] = 0;
	assert_int_equal(unwrap(file, bytes + 1, why), -EBADMSG);
	assert_non_null(strstr(why, "longer than it says"));
	assert_int_equal(unwrap(file, bytes, why), 0);
	free(file);
}

static void what_begins_otherwise_is_somebody_elses(void **state)
{
	(void)state;
	assert_true(state_is_one((const uint8_t *)"", 0));
	assert_true(state_is_one((const uint8_t *)"RAS", 3));
	assert_true(state_is_one((const uint8_t *)"RASTATE\0and damaged", 19));
	assert_false(state_is_one((const uint8_t *)"RASTATE ", 8));
	assert_false(state_is_one((const uint8_t *)"S", 1));
}

static void every_bit_that_flips_is_seen(void **state)
{
	size_t bytes;
	uint8_t *file = state_wrap(STATE_LEDGER, 1, (const uint8_t *)NEW, strlen(NEW), &bytes);
	char why[STATE_WHY_BYTES];

	(void)state;
	for (size_t i = 0; i < bytes * 8; i++) {
		file[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(unwrap(file, bytes, why), -EBADMSG);
		file[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(unwrap(file, bytes, why), 0);
	free(file);
}

static void another_kind_or_version_is_named(void **state)
{
	static const struct {
		enum state_kind kind;
		uint32_t version;
		const char *words;
	} cases[] = {
		{ STATE_INVALID, 1, "it is of kind 2, not 1" },
		{ STATE_LEDGER, 7, "it has version 7, known here is 1" },
	};
	char why[STATE_WHY_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t bytes;
		uint8_t *file = state_wrap(cases[i].kind, cases[i].version, (const uint8_t *)NEW, strlen(NEW), &bytes);

		assert_int_equal(unwrap(file, bytes, why), -EBADMSG);
		assert_string_equal(why, cases[i].words);
		free(file);
	}
	assert_int_equal(unwrap((const uint8_t *)"root:x:0:0:root:/root:/bin/bash daemon:x:1:1:", 45, why), -EBADMSG);
	assert_string_equal(why, "it is no state file of RA");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_write_replaces_all_of_the_file_and_keeps_it_private),
		TEST(each_call_that_fails_leaves_the_old_file_and_nothing_beside_it),
		TEST(a_crash_at_each_call_leaves_the_old_file_or_the_new_one),
		TEST(short_and_interrupted_writes_go_on),
		TEST(a_disk_that_is_full_in_the_middle_leaves_the_old_file),
		TEST(nothing_beside_is_followed_or_written_through),
		TEST(a_folder_that_is_not_there_is_an_error),
		TEST(a_path_may_be_without_a_folder_or_in_the_root),
		TEST(a_full_and_a_read_only_file_system_leave_the_old_file),
		TEST(only_a_regular_file_of_bounded_size_is_read),
		TEST(one_has_the_lock_until_it_is_closed),
		cmocka_unit_test(what_was_wrapped_is_unwrapped),
		cmocka_unit_test(every_length_but_its_own_is_refused),
		cmocka_unit_test(what_begins_otherwise_is_somebody_elses),
		cmocka_unit_test(every_bit_that_flips_is_seen),
		cmocka_unit_test(another_kind_or_version_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
