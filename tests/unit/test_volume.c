/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes: what may be opened and what is said of it, reads to and beyond the end, holes. Real files in a temporary
 * directory; the faulty volume where a disk would have to misbehave.
 */
#include "storage/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/faulty_volume.h"

#define PAGE 4096u
#define BUFFER_BYTES (8u * PAGE)

static char directory[256];
static char path[300];
static struct volume_info info;
static _Alignas(4096) char buffer[BUFFER_BYTES];
static char expected[BUFFER_BYTES];

static int make_directory(void **state)
{
	const char *parent = getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/ra-volume-XXXXXX", parent ? parent : "/tmp");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/v", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* A file with content that differs from byte to byte; it is kept in expected as far as that goes. */
static void make_file(size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && bytes <= sizeof(expected));
	for (size_t i = 0; i < bytes; i++)
		expected[i] = (char)(i * 7 + i / 251 + 1);
	assert_int_equal(write(fd, expected, bytes), bytes);
	close(fd);
}

static struct volume *open_file(enum io_mode io)
{
	struct volume *volume = volume_new(path, io);

	assert_int_equal(volume_open(volume, &info), 0);
	return volume;
}

static void close_and_free(struct volume *volume)
{
	volume_close(volume);
	volume_free(volume);
}

static ssize_t read_at(struct volume *volume, size_t bytes, uint64_t offset)
{
	struct iovec iov[2] = { { buffer, PAGE }, { buffer + PAGE, bytes - PAGE } };

	memset(buffer, 0x55, sizeof(buffer));
	return volume_read(volume, iov, 2, offset);
}

/* The descriptor that path is open as, -1 when it is not open. */
static int find_descriptor(void)
{
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *entry;
	int found = -1;

	assert_non_null(list);
	while ((entry = readdir(list))) {
		char name[300], target[sizeof(path)];
		ssize_t bytes;

		snprintf(name, sizeof(name), "/proc/self/fd/%s", entry->d_name);
		bytes = readlink(name, target, sizeof(target));
		if (bytes == (ssize_t)strlen(path) && memcmp(target, path, (size_t)bytes) == 0)
			found = atoi(entry->d_name);
	}
	closedir(list);
	return found;
}

static void assert_refused(const char *name, enum io_mode io, int error)
{
	struct volume *volume = volume_new(name, io);

	assert_int_equal(volume_open(volume, &info), error);
	assert_int_equal(find_descriptor(), -1);
	volume_free(volume);
}

static void a_file_is_described(void **state)
{
	struct volume *volume;
	struct stat st;

	(void)state;
	make_file(5000);
	volume = open_file(IO_MODE_AUTO);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(info.size_bytes, 5000);
	assert_int_equal(info.kind, VOLUME_KIND_FILE);
	assert_int_equal(info.io, IO_MODE_BUFFERED);
	assert_int_equal(info.device_id, st.st_dev);
	assert_int_equal(info.inode, st.st_ino);
	assert_int_not_equal(info.host_id, 0);
	assert_string_equal(info.path, path);
	close_and_free(volume);
}

static void it_is_opened_for_reading_and_not_inherited(void **state)
{
	struct volume *volume;
	int fd;

	(void)state;
	make_file(PAGE);
	volume = open_file(IO_MODE_AUTO);
	fd = find_descriptor();
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	volume_close(volume);
	assert_int_equal(find_descriptor(), -1);
	assert_int_equal(volume_open(volume, &info), 0);
	close_and_free(volume);
}

static void two_names_of_one_file_are_the_same(void **state)
{
	struct volume_info first;
	char link_path[320];
	struct volume *volume;

	(void)state;
	make_file(PAGE);
	close_and_free(open_file(IO_MODE_AUTO));
	first = info;
	snprintf(link_path, sizeof(link_path), "%s.link", path);
	assert_int_equal(link(path, link_path), 0);
	volume = volume_new(link_path, IO_MODE_AUTO);
	assert_int_equal(volume_open(volume, &info), 0);
	unlink(link_path);
	assert_true(volume_info_is_same(&first, &info));
	close_and_free(volume);
	volume = volume_new("/proc/self/exe", IO_MODE_BUFFERED);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_false(volume_info_is_same(&first, &info));
	close_and_free(volume);
}

static void what_is_not_a_volume_is_refused(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char long_path[PATH_BYTES_MAX + 100];
	int fd;

	(void)state;
	assert_refused(directory, IO_MODE_AUTO, -EISDIR);
	assert_refused("/dev/null", IO_MODE_AUTO, -EINVAL);
	assert_refused(path, IO_MODE_AUTO, -ENOENT);
	memset(long_path, '/', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	assert_refused(long_path, IO_MODE_AUTO, -ENAMETOOLONG);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_refused(path, IO_MODE_AUTO, -EINVAL);
	close(fd);
}

static void a_fifo_is_refused_at_once(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(path, IO_MODE_AUTO, -EINVAL);
}

static void direct_that_is_refused_is_an_error(void **state)
{
	(void)state;
	assert_refused("/proc/version", IO_MODE_DIRECT, -EOPNOTSUPP);
}

static void a_read_ends_where_the_file_ends(void **state)
{
	struct volume *volume;

	(void)state;
	make_file(2 * PAGE + 5);
	volume = open_file(IO_MODE_BUFFERED);
	assert_false(volume_is_direct(volume));
	assert_int_equal(read_at(volume, 4 * PAGE, 0), 2 * PAGE + 5);
	assert_memory_equal(buffer, expected, 2 * PAGE + 5);
	assert_int_equal(read_at(volume, 2 * PAGE, PAGE), PAGE + 5);
	assert_memory_equal(buffer, expected + PAGE, PAGE + 5);
	assert_int_equal(read_at(volume, 2 * PAGE, 3 * PAGE), 0);
	close_and_free(volume);
}

static void a_direct_read_ends_where_the_file_ends(void **state)
{
	struct volume *volume;

	(void)state;
	make_file(2 * PAGE + 5);
	volume = volume_new(path, IO_MODE_DIRECT);
	if (volume_open(volume, &info) == -EOPNOTSUPP) {
		volume_free(volume);
		skip();
	}
	assert_int_equal(info.io, IO_MODE_DIRECT);
	assert_true(volume_is_direct(volume));
	assert_true(fcntl(find_descriptor(), F_GETFL) & O_DIRECT);
	assert_int_equal(read_at(volume, 4 * PAGE, 0), 2 * PAGE + 5);
	assert_memory_equal(buffer, expected, 2 * PAGE + 5);
	close_and_free(volume);
}

static void the_size_follows_the_file(void **state)
{
	struct volume *volume;
	uint64_t size_bytes;

	(void)state;
	make_file(3 * PAGE);
	volume = open_file(IO_MODE_AUTO);
	assert_int_equal(truncate(path, PAGE), 0);
	assert_int_equal(volume_size(volume, &size_bytes), 0);
	assert_int_equal(size_bytes, PAGE);
	assert_int_equal(read_at(volume, 3 * PAGE, 0), PAGE);
	close_and_free(volume);
}

static uint64_t next_data(struct volume *volume, uint64_t offset)
{
	uint64_t data_offset;

	assert_int_equal(volume_next_data(volume, offset, &data_offset), 0);
	return data_offset;
}

static void holes_are_found_up_to_the_present_end(void **state)
{
	struct volume *volume;
	int fd;

	(void)state;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 100 * PAGE), 0);
	assert_int_equal(pwrite(fd, "x", 1, 50 * PAGE), 1);
	if (lseek(fd, 0, SEEK_DATA) == 0) {
		close(fd);
		skip(); /* this file system does not know holes */
	}
	volume = open_file(IO_MODE_AUTO);
	assert_int_equal(next_data(volume, 0), 50 * PAGE);
	assert_int_equal(next_data(volume, 50 * PAGE), 50 * PAGE);
	assert_int_equal(next_data(volume, 60 * PAGE), 100 * PAGE);
	assert_int_equal(ftruncate(fd, 70 * PAGE), 0);
	assert_int_equal(next_data(volume, 60 * PAGE), 70 * PAGE);
	assert_int_equal(next_data(volume, 80 * PAGE), 80 * PAGE);
	close(fd);
	close_and_free(volume);
}

static void a_full_file_is_all_data(void **state)
{
	struct volume *volume;

	(void)state;
	make_file(2 * PAGE);
	volume = open_file(IO_MODE_AUTO);
	assert_int_equal(next_data(volume, PAGE), PAGE);
	assert_int_equal(next_data(volume, 5 * PAGE), 5 * PAGE);
	close_and_free(volume);
}

static void short_reads_are_put_together(void **state)
{
	struct faulty_volume *faulty = faulty_volume_new(BUFFER_BYTES, 1);
	struct volume *volume = faulty_volume_volume(faulty);

	(void)state;
	faulty_volume_set_read_bytes_max(faulty, 1000);
	faulty_volume_expect(faulty, expected, BUFFER_BYTES, 0);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(read_at(volume, BUFFER_BYTES, 0), BUFFER_BYTES);
	assert_memory_equal(buffer, expected, BUFFER_BYTES);
	assert_int_equal(faulty_volume_count(faulty).reads, (BUFFER_BYTES + 999) / 1000);
	close_and_free(volume);
	faulty_volume_free(faulty);
}

static void an_error_after_a_short_read_is_an_error(void **state)
{
	struct faulty_volume *faulty = faulty_volume_new(BUFFER_BYTES, 1);
	struct volume *volume = faulty_volume_volume(faulty);
	struct iovec iov = { buffer, PAGE };

	(void)state;
	faulty_volume_set_read_bytes_max(faulty, PAGE);
	faulty_volume_set_error(faulty, PAGE, PAGE + 1, EIO);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(read_at(volume, 4 * PAGE, 0), -EIO);
	assert_int_equal(volume_read_bytes(volume), 0);
	assert_int_equal(volume_reads_ended(volume), 1); /* whatever came of it, and in however many calls */
	assert_int_equal(volume_read(volume, &iov, 1, 0), PAGE);
	assert_int_equal(volume_reads_ended(volume), 2);
	assert_int_equal(volume_read_bytes(volume), PAGE);
	assert_false(volume_is_direct(volume));
	close_and_free(volume);
	faulty_volume_free(faulty);
}

static unsigned interruptions;

static int calm_open(void *arg, struct volume_info *out)
{
	(void)arg;
	*out = (struct volume_info){ .size_bytes = PAGE };
	return 0;
}

static int calm_size(void *arg, uint64_t *size_bytes)
{
	(void)arg;
	*size_bytes = PAGE;
	return 0;
}

static ssize_t interrupted_read(void *arg, const struct iovec *iov, int iov_count, uint64_t offset)
{
	(void)arg;
	if (interruptions > 0) {
		interruptions--;
		return -EINTR;
	}
	if (offset >= PAGE)
		return 0;
	assert_int_equal(iov_count, 2);
	memset(iov[0].iov_base, 'x', PAGE);
	return PAGE;
}

static int calm_next_data(void *arg, uint64_t offset, uint64_t *data_offset)
{
	(void)arg;
	*data_offset = offset;
	return 0;
}

static int calm_lock(void *arg, char holder[HOLDER_BYTES])
{
	(void)arg;
	(void)holder;
	return 0;
}

static void calm_close(void *arg)
{
	(void)arg;
}

static void an_interrupted_read_is_repeated(void **state)
{
	static const struct volume_ops ops = { calm_open, calm_size, interrupted_read, calm_next_data, calm_lock,
		calm_close, calm_close };
	struct volume *volume = volume_new_with_ops(&ops, NULL);

	(void)state;
	interruptions = 3;
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(read_at(volume, 2 * PAGE, 0), PAGE);
	assert_int_equal(interruptions, 0);
	assert_int_equal(buffer[PAGE - 1], 'x');
	close_and_free(volume);
}

static void a_failed_open_leaves_nothing_to_close(void **state)
{
	struct faulty_volume *faulty = faulty_volume_new(PAGE, 1);
	struct volume *volume = faulty_volume_volume(faulty);

	(void)state;
	faulty_volume_set_open_error(faulty, EIO);
	assert_int_equal(volume_open(volume, &info), -EIO);
	volume_close(volume);
	assert_int_equal(faulty_volume_count(faulty).closes, 0);
	volume_free(volume);
	faulty_volume_free(faulty);
	volume_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_file_is_described, remove_file),
		cmocka_unit_test_teardown(it_is_opened_for_reading_and_not_inherited, remove_file),
		cmocka_unit_test_teardown(two_names_of_one_file_are_the_same, remove_file),
		cmocka_unit_test_teardown(what_is_not_a_volume_is_refused, remove_file),
		cmocka_unit_test_teardown(a_fifo_is_refused_at_once, remove_file),
		cmocka_unit_test(direct_that_is_refused_is_an_error),
		cmocka_unit_test_teardown(a_read_ends_where_the_file_ends, remove_file),
		cmocka_unit_test_teardown(a_direct_read_ends_where_the_file_ends, remove_file),
		cmocka_unit_test_teardown(the_size_follows_the_file, remove_file),
		cmocka_unit_test_teardown(holes_are_found_up_to_the_present_end, remove_file),
		cmocka_unit_test_teardown(a_full_file_is_all_data, remove_file),
		cmocka_unit_test(short_reads_are_put_together),
		cmocka_unit_test(an_error_after_a_short_read_is_an_error),
		cmocka_unit_test(an_interrupted_read_is_repeated),
		cmocka_unit_test(a_failed_open_leaves_nothing_to_close),
	};

	return cmocka_run_group_tests_name("volume", tests, make_directory, remove_directory);
}
