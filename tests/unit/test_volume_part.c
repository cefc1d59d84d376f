/* SPDX-License-Identifier: Apache-2.0
 *
 * A part of a volume: what is said of it, where it begins and ends, when it does not fit, direct reads. Real files in a
 * temporary directory, the faulty volume, and the block device that RA_BLOCK_VOLUME names (see
 * tests/functional/volume_part.sh), whose content is that of the file RA_BLOCK_FILE.
 */
#include "storage/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/faulty_volume.h"

#define PAGE 4096u
#define BUFFER_BYTES (8u * PAGE)

static char path[300];
static struct volume_info info;
static _Alignas(4096) char buffer[BUFFER_BYTES];
static char expected[4 * BUFFER_BYTES];

static int make_file(void **state)
{
	const char *parent = getenv("TMPDIR");
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/ra-volume-XXXXXX", parent ? parent : "/tmp");
	fd = mkstemp(path);
	for (size_t i = 0; i < sizeof(expected); i++)
		expected[i] = (char)(i * 7 + i / 251 + 1);
	if (fd < 0 || write(fd, expected, sizeof(expected)) != sizeof(expected))
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static struct volume *part_of(const char *name, enum io_mode io, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct volume *volume = volume_new(name, io);

	volume_set_part(volume, offset_bytes, length_bytes, false);
	return volume;
}

static struct volume *open_part(uint64_t offset_bytes, uint64_t length_bytes)
{
	struct volume *volume = part_of(path, IO_MODE_AUTO, offset_bytes, length_bytes);

	assert_int_equal(volume_open(volume, &info), 0);
	return volume;
}

static void close_and_free(struct volume *volume)
{
	volume_close(volume);
	volume_free(volume);
}

static void assert_open_fails(struct volume *volume, int error)
{
	assert_int_equal(volume_open(volume, &info), error);
	volume_close(volume); /* nothing is open */
	volume_free(volume);
}

/* Reads bytes at offset; got of them must come, and be those of the file from file_offset on. */
static void assert_read(struct volume *volume, size_t bytes, uint64_t offset, ssize_t got, uint64_t file_offset)
{
	struct iovec iov[2] = { { buffer, PAGE }, { buffer + PAGE, bytes - PAGE } };

	memset(buffer, 0x55, sizeof(buffer));
	assert_int_equal(volume_read(volume, iov, 2, offset), got);
	assert_memory_equal(buffer, expected + file_offset, (size_t)got);
}

static uint64_t size_of(struct volume *volume)
{
	uint64_t size_bytes;

	assert_int_equal(volume_size(volume, &size_bytes), 0);
	return size_bytes;
}

static uint64_t next_data(struct volume *volume, uint64_t offset)
{
	uint64_t data_offset;

	assert_int_equal(volume_next_data(volume, offset, &data_offset), 0);
	return data_offset;
}

static void without_a_part_all_is_told(void **state)
{
	struct volume *volume = volume_new(path, IO_MODE_AUTO);

	(void)state;
	memset(&info, 0x55, sizeof(info));
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(info.size_bytes, sizeof(expected));
	assert_int_equal(info.whole_bytes, sizeof(expected));
	assert_int_equal(info.offset_bytes, 0);
	assert_false(info.is_common);
	close_and_free(volume);
}

static void a_part_is_told_beside_the_whole(void **state)
{
	struct volume *volume = volume_new(path, IO_MODE_AUTO);

	(void)state;
	volume_set_part(volume, 512, 3 * PAGE + 7, true);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(info.size_bytes, 3 * PAGE + 7);
	assert_int_equal(info.whole_bytes, sizeof(expected));
	assert_int_equal(info.offset_bytes, 512);
	assert_true(info.is_common);
	assert_int_equal(size_of(volume), 3 * PAGE + 7);
	volume_close(volume);
	volume_set_part(volume, 2 * PAGE, 0, false);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(info.size_bytes, sizeof(expected) - 2 * PAGE);
	assert_int_equal(info.offset_bytes, 2 * PAGE);
	assert_false(info.is_common);
	assert_int_equal(size_of(volume), sizeof(expected) - 2 * PAGE);
	close_and_free(volume);
}

static void reads_count_from_the_begin_of_the_part(void **state)
{
	struct volume *volume = open_part(1536, 6 * PAGE);

	(void)state;
	assert_read(volume, 2 * PAGE, 0, 2 * PAGE, 1536);
	assert_read(volume, 3 * PAGE, PAGE, 3 * PAGE, 1536 + PAGE);
	close_and_free(volume);
}

static void a_read_ends_where_the_part_ends(void **state)
{
	struct volume *volume = open_part(512, 3 * PAGE + 5);

	(void)state;
	assert_read(volume, 8 * PAGE, 0, 3 * PAGE + 5, 512);
	assert_read(volume, 2 * PAGE, 3 * PAGE, 5, 512 + 3 * PAGE);
	assert_read(volume, 2 * PAGE, 2 * PAGE, PAGE + 5, 512 + 2 * PAGE);
	assert_read(volume, 2 * PAGE, 4 * PAGE, 0, 0);
	close_and_free(volume);
}

static void a_part_without_length_ends_where_the_volume_ends(void **state)
{
	struct volume *volume = open_part(sizeof(expected) - 3 * PAGE + 512, 0);

	(void)state;
	assert_int_equal(info.size_bytes, 3 * PAGE - 512);
	assert_read(volume, 8 * PAGE, 0, 3 * PAGE - 512, sizeof(expected) - 3 * PAGE + 512);
	close_and_free(volume);
}

static void a_part_may_end_with_the_volume_and_not_behind_it(void **state)
{
	(void)state;
	close_and_free(open_part(PAGE, sizeof(expected) - PAGE));
	close_and_free(open_part(sizeof(expected), 0));
	assert_int_equal(info.size_bytes, 0);
	assert_open_fails(part_of(path, IO_MODE_AUTO, PAGE, sizeof(expected) - PAGE + 1), -ERANGE);
	assert_open_fails(part_of(path, IO_MODE_AUTO, 0, sizeof(expected) + 1), -ERANGE);
	assert_open_fails(part_of(path, IO_MODE_AUTO, sizeof(expected) + 512, 0), -ERANGE);
	assert_open_fails(part_of(path, IO_MODE_AUTO, sizeof(expected), 1), -ERANGE);
	assert_open_fails(part_of(path, IO_MODE_AUTO, UINT64_MAX - 511, UINT64_MAX), -ERANGE);
	assert_open_fails(part_of(path, IO_MODE_AUTO, 512, UINT64_MAX), -ERANGE);
	assert_non_null(strstr(volume_error_text(-ERANGE), "offset and length"));
}

static void an_open_that_does_not_fit_leaves_nothing_open(void **state)
{
	struct faulty_volume *faulty = faulty_volume_new(2 * PAGE, 1);
	struct volume *volume = faulty_volume_volume(faulty);

	(void)state;
	volume_set_part(volume, PAGE, 2 * PAGE, false);
	assert_int_equal(volume_open(volume, &info), -ERANGE);
	assert_int_equal(faulty_volume_count(faulty).closes, 1);
	faulty_volume_set_size(faulty, 3 * PAGE);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(info.whole_bytes, 3 * PAGE);
	assert_int_equal(info.size_bytes, 2 * PAGE);
	close_and_free(volume);
	assert_int_equal(faulty_volume_count(faulty).closes, 2);
	faulty_volume_free(faulty);
}

static void what_is_left_of_a_part_is_told(void **state)
{
	struct faulty_volume *faulty = faulty_volume_new(8 * PAGE, 1);
	struct volume *volume = faulty_volume_volume(faulty);
	struct iovec iov = { buffer, 4 * PAGE };

	(void)state;
	volume_set_part(volume, 2 * PAGE, 4 * PAGE, false);
	assert_int_equal(volume_open(volume, &info), 0);
	faulty_volume_set_size(faulty, 5 * PAGE);
	assert_int_equal(size_of(volume), 3 * PAGE);
	assert_int_equal(volume_read(volume, &iov, 1, 0), 3 * PAGE);
	faulty_volume_set_size(faulty, PAGE);
	assert_int_equal(size_of(volume), 0);
	assert_int_equal(volume_read(volume, &iov, 1, 0), 0);
	faulty_volume_set_size(faulty, 100 * PAGE);
	assert_int_equal(size_of(volume), 4 * PAGE);
	close_and_free(volume);
	faulty_volume_free(faulty);
}

static void an_error_behind_the_part_is_not_met(void **state)
{
	struct faulty_volume *faulty = faulty_volume_new(8 * PAGE, 1);
	struct volume *volume = faulty_volume_volume(faulty);
	struct iovec iov = { buffer, PAGE };

	(void)state;
	faulty_volume_set_error(faulty, 4 * PAGE, 5 * PAGE, EIO);
	volume_set_part(volume, 2 * PAGE, 2 * PAGE, false);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(volume_read(volume, &iov, 1, PAGE), PAGE);
	assert_int_equal(volume_read(volume, &iov, 1, 2 * PAGE), 0);
	close_and_free(volume);
	volume = faulty_volume_volume(faulty);
	volume_set_part(volume, 2 * PAGE, 0, false);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(volume_read(volume, &iov, 1, 2 * PAGE), -EIO);
	close_and_free(volume);
	faulty_volume_free(faulty);
}

static void holes_are_those_of_the_part(void **state)
{
	struct faulty_volume *faulty = faulty_volume_new(20 * PAGE, 1);
	struct volume *volume = faulty_volume_volume(faulty);

	(void)state;
	faulty_volume_set_hole(faulty, 5 * PAGE, 10 * PAGE);
	volume_set_part(volume, 2 * PAGE, 6 * PAGE, false);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(next_data(volume, 0), 0);
	assert_int_equal(next_data(volume, 3 * PAGE), 6 * PAGE); /* to the end of the part */
	assert_int_equal(next_data(volume, 6 * PAGE), 6 * PAGE);
	assert_int_equal(next_data(volume, 9 * PAGE), 9 * PAGE);
	volume_close(volume);
	volume_set_part(volume, 2 * PAGE, 0, false);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(next_data(volume, 3 * PAGE), 8 * PAGE);
	faulty_volume_set_size(faulty, 7 * PAGE);
	assert_int_equal(next_data(volume, 4 * PAGE), 5 * PAGE); /* to the present end */
	assert_int_equal(next_data(volume, 6 * PAGE), 6 * PAGE);
	close_and_free(volume);
	faulty_volume_free(faulty);
}

static void direct_reads_need_an_offset_of_whole_blocks(void **state)
{
	struct volume *volume;

	(void)state;
	assert_open_fails(part_of(path, IO_MODE_DIRECT, 512, 0), -EDOM);
	assert_non_null(strstr(volume_error_text(-EDOM), "multiple of 4096"));
	volume = part_of(path, IO_MODE_DIRECT, PAGE, 2 * PAGE + 100);
	if (volume_open(volume, &info) == -EOPNOTSUPP) {
		volume_free(volume);
		skip();
	}
	assert_int_equal(info.io, IO_MODE_DIRECT);
	assert_read(volume, 4 * PAGE, 0, 2 * PAGE + 100, PAGE);
	close_and_free(volume);
}

static void read_block_device(enum io_mode io, uint64_t offset_bytes, enum io_mode in_force)
{
	const char *name = getenv("RA_BLOCK_VOLUME"), *file = getenv("RA_BLOCK_FILE");
	struct volume *volume;
	int fd;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, expected, sizeof(expected)), sizeof(expected));
	close(fd);
	volume = part_of(name, io, offset_bytes, 3 * PAGE + 512);
	assert_int_equal(volume_open(volume, &info), 0);
	assert_int_equal(info.kind, VOLUME_KIND_BLOCK);
	assert_int_equal(info.io, in_force);
	assert_int_equal(info.size_bytes, 3 * PAGE + 512);
	assert_true(info.whole_bytes > sizeof(expected));
	assert_read(volume, 2 * PAGE, 0, 2 * PAGE, offset_bytes);
	assert_read(volume, 4 * PAGE, PAGE, 2 * PAGE + 512, offset_bytes + PAGE);
	close_and_free(volume);
	assert_open_fails(part_of(name, io, offset_bytes, info.whole_bytes), -ERANGE);
}

static void a_part_of_a_block_device_is_read_directly(void **state)
{
	(void)state;
	read_block_device(IO_MODE_AUTO, 2 * PAGE, IO_MODE_DIRECT);
}

static void a_part_of_a_block_device_at_an_odd_offset_is_read_buffered(void **state)
{
	(void)state;
	read_block_device(IO_MODE_AUTO, 2 * PAGE + 512, IO_MODE_BUFFERED);
	assert_open_fails(part_of(getenv("RA_BLOCK_VOLUME"), IO_MODE_DIRECT, 512, 0), -EDOM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_part_all_is_told),
		TEST(a_part_is_told_beside_the_whole),
		TEST(reads_count_from_the_begin_of_the_part),
		TEST(a_read_ends_where_the_part_ends),
		TEST(a_part_without_length_ends_where_the_volume_ends),
		TEST(a_part_may_end_with_the_volume_and_not_behind_it),
		TEST(an_open_that_does_not_fit_leaves_nothing_open),
		TEST(what_is_left_of_a_part_is_told),
		TEST(an_error_behind_the_part_is_not_met),
		TEST(holes_are_those_of_the_part),
		TEST(direct_reads_need_an_offset_of_whole_blocks),
		TEST(a_part_of_a_block_device_is_read_directly),
		TEST(a_part_of_a_block_device_at_an_odd_offset_is_read_buffered),
	};

	if (!getenv("RA_BLOCK_VOLUME") || !getenv("RA_BLOCK_FILE"))
		cmocka_set_skip_filter("a_part_of_a_block_device_*");
	return cmocka_run_group_tests_name("volume_part", tests, NULL, NULL);
}
