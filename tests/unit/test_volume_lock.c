/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks of volumes that are files, against locks that others have or want: of another descriptor, of another process,
 * and of the older kind that belongs to a process. Of block devices, as root and where there are loop devices: whole
 * and partitioned, mounted and not.
 */
#include "storage/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[300];
static struct volume *volume;
static char holder[HOLDER_BYTES];

static int open_again(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int set_up(void **state)
{
	const char *parent = getenv("TMPDIR");
	struct volume_info info;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/ra-lock-XXXXXX", parent ? parent : "/tmp");
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, 8192) < 0)
		return -1;
	close(fd);
	volume = volume_new(path, IO_MODE_BUFFERED);
	holder[0] = '\0';
	return volume_open(volume, &info);
}

static int tear_down(void **state)
{
	(void)state;
	volume_close(volume);
	volume_free(volume);
	return unlink(path);
}

/* 0 or -errno of a lock on these bytes; length 0: to the end of all files. */
static int lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock wanted = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, command, &wanted) < 0 ? -errno : 0;
}

/* "in use by COMM[PID]" */
static void assert_holder(pid_t pid)
{
	char expected[HOLDER_BYTES], comm[32];
	FILE *file = fopen("/proc/self/comm", "re");

	assert_non_null(file);
	assert_non_null(fgets(comm, sizeof(comm), file));
	fclose(file);
	snprintf(expected, sizeof(expected), "in use by %.*s[%d]", (int)strcspn(comm, "\n"), comm, (int)pid);
	assert_string_equal(holder, expected);
}

static void a_locked_file_gives_nobody_a_write_lock(void **state)
{
	int other = open_again();

	(void)state;
	assert_int_equal(volume_lock(volume, holder), 0);
	assert_int_equal(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), -EAGAIN);
	assert_int_equal(lock(other, F_OFD_SETLK, F_WRLCK, 1000000, 1), -EAGAIN); /* beyond its end, too */
	volume_unlock(volume);
	volume_unlock(volume);
	assert_int_equal(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	close(other);
}

static void a_lock_ends_with_the_open(void **state)
{
	struct volume_info info;
	int other = open_again();

	(void)state;
	assert_int_equal(volume_lock(volume, holder), 0);
	volume_close(volume);
	assert_int_equal(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	close(other);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(volume_lock(volume, holder), 0); /* it may be taken again */
}

/* Each kind of lock of somebody else, on one byte that need not exist. */
static void a_file_that_anybody_has_locked_is_busy(void **state)
{
	static const short types[] = { F_RDLCK, F_WRLCK };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		int other = open_again(), third = open_again();

		assert_int_equal(lock(other, F_OFD_SETLK, types[i], 100000, 1), 0);
		holder[0] = '\0';
		assert_int_equal(volume_lock(volume, holder), -EBUSY);
		assert_holder(getpid());
		assert_int_equal(lock(third, F_OFD_SETLK, F_WRLCK, 0, 100), 0); /* its own lock was given up again */
		close(third);
		close(other);
		assert_int_equal(volume_lock(volume, holder), 0);
		volume_unlock(volume);
	}
}

static void two_volumes_of_one_file_cannot_both_be_locked(void **state)
{
	struct volume *second = volume_new(path, IO_MODE_BUFFERED);
	struct volume_info info;
	int other = open_again();

	(void)state;
	assert_int_equal(volume_open(second, &info), 0);
	assert_int_equal(volume_lock(volume, holder), 0);
	assert_int_equal(volume_lock(second, holder), -EBUSY);
	assert_int_equal(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), -EAGAIN); /* the first is still locked */
	close(other);
	volume_close(second);
	volume_free(second);
}

/* Another process that has a lock until it is killed. */
static pid_t start_holder(int command, short type)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(path, O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
		if (fd < 0 || lock(fd, command, type, 10, 10) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void the_process_that_has_the_lock_is_named(void **state)
{
	static const struct {
		int command;
		short type;
	} kinds[] = { { F_OFD_SETLK, F_RDLCK }, { F_OFD_SETLK, F_WRLCK }, { F_SETLK, F_RDLCK }, { F_SETLK, F_WRLCK } };

	(void)state;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pid_t pid = start_holder(kinds[i].command, kinds[i].type);

		holder[0] = '\0';
		assert_int_equal(volume_lock(volume, holder), -EBUSY);
		assert_holder(pid);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(volume_lock(volume, holder), 0);
		volume_unlock(volume);
	}
}

/* Only descriptors that have a lock on this very file count. */
static void a_lock_on_another_file_is_not_in_the_way(void **state)
{
	char name[320];
	int other;

	(void)state;
	snprintf(name, sizeof(name), "%s.other", path);
	other = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(other >= 0);
	assert_int_equal(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	assert_int_equal(volume_lock(volume, holder), 0);
	close(other);
	unlink(name);
}

static void a_holder_that_is_not_known_is_another_program(void **state)
{
	int fd = open_again();

	(void)state;
	holder_of_file(fd, -1, holder);
	assert_string_equal(holder, "in use by another program");
	holder_of_file(fd, 0, holder);
	assert_string_equal(holder, "in use by another program");
	assert_int_equal(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0), 0); /* that of the descriptor itself */
	holder_of_file(fd, -1, holder);
	assert_string_equal(holder, "in use by another program");
	close(fd);
	holder_of_device(0, holder);
	assert_string_equal(holder, "in use by another program or the kernel");
}

/* ---- Block devices ---- */

/* Runs a command and keeps its first line; false when it failed. */
static __attribute__((format(printf, 2, 3))) bool run(char line[256], const char *format, ...)
{
	char command[1024];
	va_list args;
	FILE *pipe;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	line[0] = '\0';
	pipe = popen(command, "re");
	assert_non_null(pipe);
	if (fgets(line, 256, pipe) != NULL)
		line[strcspn(line, "\n")] = '\0';
	while (fgetc(pipe) != EOF)
		;
	return pclose(pipe) == 0;
}

/* A loop device of the file: its name, and path is a link to it. */
static void make_device(char device[256], char link_path[320], const char *options)
{
	if (geteuid() != 0 || !run(device, "losetup -f --show %s '%s' 2>/dev/null", options, path))
		skip();
	snprintf(link_path, 320, "%s.link", path);
	assert_int_equal(symlink(device, link_path), 0);
}

static struct volume *open_device(const char *device_path)
{
	struct volume *of_device = volume_new(device_path, IO_MODE_BUFFERED);
	struct volume_info info;

	assert_int_equal(volume_open(of_device, &info), 0);
	assert_int_equal(info.kind, VOLUME_KIND_BLOCK);
	return of_device;
}

static void close_device(struct volume *of_device)
{
	volume_close(of_device);
	volume_free(of_device);
}

static void a_locked_device_cannot_be_taken(void **state)
{
	char device[256], link_path[320], line[256];
	struct volume *first, *second;

	(void)state;
	make_device(device, link_path, "");
	first = open_device(link_path);
	second = open_device(device);
	assert_int_equal(volume_lock(first, holder), 0);
	assert_int_equal(volume_lock(second, holder), -EBUSY);
	assert_string_equal(holder, "in use by another program or the kernel");
	assert_int_equal(open(device, O_RDONLY | O_EXCL), -1);
	volume_unlock(first);
	assert_int_equal(volume_lock(second, holder), 0);
	close_device(second);
	assert_int_equal(volume_lock(first, holder), 0);
	close_device(first);
	unlink(link_path);
	assert_true(run(line, "losetup -d %s", device));
}

static void a_path_that_names_another_device_is_not_locked(void **state)
{
	char device[256], other[256], link_path[320], line[256];
	struct volume *of_device;
	int fd;

	(void)state;
	make_device(device, link_path, "");
	of_device = open_device(link_path);
	assert_true(run(other, "losetup -f --show '%s'", path));
	unlink(link_path);
	assert_int_equal(symlink(other, link_path), 0);
	assert_int_equal(volume_lock(of_device, holder), -ESTALE);
	assert_string_equal(volume_error_text(-ESTALE), "its path names another device by now");
	fd = open(other, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0); /* it was given up again */
	close(fd);
	assert_true(run(line, "losetup -d %s", other));
	unlink(link_path);
	assert_int_equal(symlink(device, link_path), 0);
	assert_int_equal(volume_lock(of_device, holder), 0);
	close_device(of_device);
	unlink(link_path);
	assert_true(run(line, "losetup -d %s", device));
}

/* Of a device, and of its first partition. */
static void a_mounted_device_says_where(void **state)
{
	char device[256], link_path[320], line[256], expected[HOLDER_BYTES];
	struct volume *of_device;
	bool is_mounted;

	(void)state;
	for (unsigned partition = 0; partition < 2; partition++) {
		assert_int_equal(truncate(path, 16 << 20), 0);
		make_device(device, link_path, "-P");
		if (partition == 1)
			run(line, "addpart %s 1 2048 30720 2>&1", device);
		is_mounted = run(line, "mkdir '%s.m' && { mkfs.ext4 -q %s%s && mount %s%s '%s.m'; } 2>&1", path, device,
			partition == 1 ? "p1" : "", device, partition == 1 ? "p1" : "", path);
		of_device = open_device(link_path);
		if (is_mounted) {
			assert_int_equal(volume_lock(of_device, holder), -EBUSY);
			snprintf(expected, sizeof(expected), "mounted on %.120s.m", path);
			assert_string_equal(holder, expected);
			assert_true(run(line, "umount '%s.m'", path));
			assert_int_equal(volume_lock(of_device, holder), 0);
		}
		close_device(of_device);
		unlink(link_path);
		run(line, "rmdir '%s.m'; losetup -d %s", path, device);
		if (!is_mounted)
			skip();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_locked_file_gives_nobody_a_write_lock),
		TEST(a_lock_ends_with_the_open),
		TEST(a_file_that_anybody_has_locked_is_busy),
		TEST(two_volumes_of_one_file_cannot_both_be_locked),
		TEST(the_process_that_has_the_lock_is_named),
		TEST(a_lock_on_another_file_is_not_in_the_way),
		TEST(a_holder_that_is_not_known_is_another_program),
		TEST(a_locked_device_cannot_be_taken),
		TEST(a_path_that_names_another_device_is_not_locked),
		TEST(a_mounted_device_says_where),
	};

	return cmocka_run_group_tests_name("volume_lock", tests, NULL, NULL);
}
