/* SPDX-License-Identifier: Apache-2.0
 *
 * What a read of digests tells the system that it will read: enough to keep a disk busy, and nothing while the volume
 * is in memory. The system's calls are the test's own: each read is as slow as is wanted, each advice is noted.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/da.h"
#include "storage/da_read.h"
#include "storage/digest.h"
#include "storage/volume.h"

#define TRACK (64u * KIB)
#define FILE_BYTES (16u * MIB)
#define AHEAD_BYTES (4u * MIB)

static char path[300];
static struct volume *volume;
static bool is_disk_slow;
static uint64_t read_to; /* the last read's offset */
static uint64_t told_from, told_to; /* advice, which has no gap */
static unsigned advices;

/* In place of the C library's. */
int posix_fadvise(int fd, off_t offset, off_t bytes, int advice)
{
	(void)fd;
	if (advice != POSIX_FADV_WILLNEED)
		return 0;
	assert_true(bytes > 0);
	if (advices++ == 0)
		told_from = (uint64_t)offset;
	else
		assert_int_equal(offset, told_to);
	told_to = (uint64_t)offset + (uint64_t)bytes;
	return 0;
}

ssize_t preadv(int fd, const struct iovec *iov, int iov_count, off_t offset)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	if (is_disk_slow)
		assert_int_equal(nanosleep(&pause, NULL), 0);
	if (advices > 0)
		assert_true(told_to <= (uint64_t)offset + AHEAD_BYTES);
	read_to = (uint64_t)offset;
	return (ssize_t)syscall(SYS_preadv, fd, iov, iov_count, offset, 0);
}

static int set_up(void **state)
{
	const char *parent = getenv("TMPDIR");
	char *data = malloc(FILE_BYTES);
	int fd;

	(void)state;
	assert_non_null(data);
	snprintf(path, sizeof(path), "%s/ra-ahead-XXXXXX", parent ? parent : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	memset(data, 'x', FILE_BYTES);
	assert_int_equal(write(fd, data, FILE_BYTES), FILE_BYTES);
	close(fd);
	free(data);
	is_disk_slow = true;
	advices = 0;
	told_from = told_to = read_to = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	volume_close(volume);
	volume_free(volume);
	volume = NULL;
	return unlink(path);
}

static bool is_wanted(void *arg)
{
	(void)arg;
	return true;
}

static void has_read(void *arg)
{
	(void)arg;
}

static void *slot(void *arg, uint64_t track)
{
	(void)track;
	return arg;
}

static void publish(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence)
{
	(void)arg;
	(void)track;
	(void)found;
	(void)sequence;
}

static void read_tracks(enum io_mode io, enum digest digest, uint64_t first_track, uint32_t track_count)
{
	static _Alignas(4096) uint8_t memory[TRACK];
	const struct da_sink sink = { .slot = slot, .publish = publish };
	struct da_reader reader = { .sequence = 1, .is_wanted = is_wanted, .has_read = has_read,
		.digester = digester_new() };
	struct da_spec spec = { .kind = DA_READ, .first_track = first_track, .track_count = track_count,
		.track_bytes = TRACK, .end_bytes = FILE_BYTES, .digest = digest, .sink = &sink, .sink_arg = memory };
	struct volume_info info;

	if (!volume) {
		volume = volume_new(path, io);
		assert_int_equal(volume_open(volume, &info), 0);
	}
	spec.volume = volume;
	assert_int_equal(da_read_tracks(&spec, &reader), track_count);
	digester_free(reader.digester);
}

static void a_slow_disk_is_told_to_the_end_of_the_request_in_long_pieces(void **state)
{
	(void)state;
	read_tracks(IO_MODE_BUFFERED, DIGEST_XXH3_128, 0, 200);
	/* Two reads show that it is one. */
	assert_true(told_from > 0 && told_from <= MIB);
	assert_int_equal(told_to, 200 * TRACK);
	assert_true(advices <= 2 + 200 * TRACK / (AHEAD_BYTES / 2));
}

static void the_next_request_is_told_from_its_begin(void **state)
{
	(void)state;
	read_tracks(IO_MODE_BUFFERED, DIGEST_XXH3_128, 0, 100);
	advices = 0;
	read_tracks(IO_MODE_BUFFERED, DIGEST_XXH3_128, 150, 10);
	assert_int_equal(told_from, 150 * TRACK);
	assert_int_equal(told_to, 160 * TRACK);
	assert_int_equal(advices, 1);
}

static void a_volume_in_memory_is_told_nothing(void **state)
{
	(void)state;
	is_disk_slow = false;
	read_tracks(IO_MODE_BUFFERED, DIGEST_XXH3_128, 0, FILE_BYTES / TRACK);
	assert_true(read_to >= FILE_BYTES / 2);
	assert_int_equal(advices, 0);
}

static void a_read_of_bytes_is_one_piece_and_tells_nothing(void **state)
{
	(void)state;
	read_tracks(IO_MODE_BUFFERED, DIGEST_NONE, 0, 100);
	assert_int_equal(advices, 0);
}

static void direct_reads_tell_nothing(void **state)
{
	struct volume_info info;

	(void)state;
	volume = volume_new(path, IO_MODE_DIRECT);
	if (volume_open(volume, &info) != 0)
		skip(); /* not on this file system */
	read_tracks(IO_MODE_DIRECT, DIGEST_XXH3_128, 0, 100);
	assert_int_equal(advices, 0);
}

static void a_hole_is_left_out(void **state)
{
	(void)state;
	/* All but the first 3 MiB. */
	assert_int_equal(truncate(path, 3 * MIB), 0);
	assert_int_equal(truncate(path, FILE_BYTES), 0);
	read_tracks(IO_MODE_BUFFERED, DIGEST_XXH3_128, 0, FILE_BYTES / TRACK);
	assert_int_equal(advices, 1);
	assert_int_equal(told_to, 3 * MIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_slow_disk_is_told_to_the_end_of_the_request_in_long_pieces),
		TEST(the_next_request_is_told_from_its_begin),
		TEST(a_volume_in_memory_is_told_nothing),
		TEST(a_read_of_bytes_is_one_piece_and_tells_nothing),
		TEST(direct_reads_tell_nothing),
		TEST(a_hole_is_left_out),
	};

	return cmocka_run_group_tests_name("read_ahead", tests, NULL, NULL);
}
