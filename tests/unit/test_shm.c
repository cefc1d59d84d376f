/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory: what one end makes the other takes, and each way in which a host may send something else is refused
 * with one line.
 */
#include "local/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/support/pair.h"

#define SLOTS 4u
#define SLOT_BYTES 8192u

static int memory(off_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Also closes fd. */
static void assert_refused(int fd, const char *words)
{
	struct shm *shm = NULL;
	capture_start();
	int error = shm_accept(fd, SLOTS, SLOT_BYTES, &shm);
	char *log = capture_end();
	assert_int_equal(error, -EPROTO);
	assert_null(shm);
	assert_non_null(strstr(log, words));
	assert_int_equal(line_count(log), 1);
	free(log);
	if (fd >= 0)
		close(fd);
}

static void both_ends_see_the_same_bytes(void **state)
{
	(void)state;
	struct shm *host, *primary;
	int fd;
	assert_int_equal(shm_create(SLOTS, SLOT_BYTES, &host, &fd), 0);
	assert_int_equal(shm_accept(fd, SLOTS, SLOT_BYTES, &primary), 0);
	close(fd);
	assert_int_equal(shm_slot_count(primary), SLOTS);
	assert_int_equal(shm_slot_bytes(primary), SLOT_BYTES);
	for (uint32_t i = 0; i < SLOTS; i++)
		memset(shm_slot(primary, i), (int)i + 1, SLOT_BYTES);
	for (uint32_t i = 0; i < SLOTS; i++) {
		const uint8_t *slot = shm_slot(host, i);
		assert_int_equal(slot[0], i + 1);
		assert_int_equal(slot[SLOT_BYTES - 1], i + 1);
	}
	shm_unref(host);
	shm_unref(primary);
}

static void what_is_made_cannot_be_resized(void **state)
{
	(void)state;
	struct shm *shm;
	int fd;
	assert_int_equal(shm_create(SLOTS, SLOT_BYTES, &shm, &fd), 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 2 * SLOTS * SLOT_BYTES), -1);
	close(fd);
	shm_unref(shm);
}

static uint64_t bytes_of(int fd)
{
	struct stat file;
	assert_int_equal(fstat(fd, &file), 0);
	return (uint64_t)file.st_blocks * 512;
}

static void a_slot_costs_what_is_filled_of_it(void **state)
{
	(void)state;
	struct shm *shm;
	int fd;
	assert_int_equal(shm_create(SLOTS, SLOT_BYTES, &shm, &fd), 0);
	assert_int_equal(bytes_of(fd), 0);
	assert_int_equal(shm_fill(shm, 1, 100), 0);
	assert_int_equal(bytes_of(fd), 4096);
	assert_int_equal(shm_fill(shm, 1, 50), 0);
	assert_int_equal(shm_fill(shm, 1, SLOT_BYTES), 0);
	assert_int_equal(shm_fill(shm, SLOTS - 1, 1), 0);
	assert_int_equal(bytes_of(fd), SLOT_BYTES + 4096);
	memset(shm_slot(shm, 1), 1, SLOT_BYTES);
	memset(shm_slot(shm, SLOTS - 1), 1, 4096);
	assert_int_equal(bytes_of(fd), SLOT_BYTES + 4096);
	close(fd);
	shm_unref(shm);
}

static void memory_stays_until_the_last_reference_goes(void **state)
{
	(void)state;
	struct shm *shm;
	int fd;
	assert_int_equal(shm_create(SLOTS, SLOT_BYTES, &shm, &fd), 0);
	close(fd);
	uint8_t *slot = shm_slot(shm, SLOTS - 1);
	assert_ptr_equal(shm_ref(shm), shm);
	shm_unref(shm);
	slot[0] = 5;
	assert_int_equal(slot[0], 5);
	shm_unref(shm);
	unsigned char in_core;
	void *page = (void *)((uintptr_t)slot & ~(uintptr_t)4095);
	assert_int_equal(mincore(page, 4096, &in_core), -1);
	assert_int_equal(errno, ENOMEM);
}

static void unsealed_memory_is_refused(void **state)
{
	(void)state;
	assert_refused(memory(SLOTS * SLOT_BYTES, 0), "not sealed");
}

static void memory_that_may_shrink_is_refused(void **state)
{
	(void)state;
	assert_refused(memory(SLOTS * SLOT_BYTES, F_SEAL_GROW), "not sealed");
}

static void memory_that_may_grow_is_refused(void **state)
{
	(void)state;
	assert_refused(memory(SLOTS * SLOT_BYTES, F_SEAL_SHRINK), "not sealed");
}

static void memory_of_another_size_is_refused(void **state)
{
	(void)state;
	assert_refused(memory(SLOTS * SLOT_BYTES - 1, F_SEAL_SHRINK | F_SEAL_GROW), "its size is 32767");
	assert_refused(memory(SLOTS * SLOT_BYTES + 4096, F_SEAL_SHRINK | F_SEAL_GROW), "its size is 36864");
	assert_refused(memory(0, F_SEAL_SHRINK | F_SEAL_GROW), "its size is 0");
}

static void memory_that_cannot_be_written_is_refused(void **state)
{
	(void)state;
	assert_refused(memory(SLOTS * SLOT_BYTES, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), "cannot be mapped");
	int fd = memory(SLOTS * SLOT_BYTES, F_SEAL_SHRINK | F_SEAL_GROW);
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int read_only = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read_only >= 0);
	close(fd);
	assert_refused(read_only, "cannot be mapped");
}

static void what_is_no_memory_is_refused(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_refused(fds[0], "not a memfd");
	close(fds[1]);
	assert_refused(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "not a memfd");
	assert_refused(-1, "no descriptor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_see_the_same_bytes),
		cmocka_unit_test(what_is_made_cannot_be_resized),
		cmocka_unit_test(a_slot_costs_what_is_filled_of_it),
		cmocka_unit_test(memory_stays_until_the_last_reference_goes),
		cmocka_unit_test(unsealed_memory_is_refused),
		cmocka_unit_test(memory_that_may_shrink_is_refused),
		cmocka_unit_test(memory_that_may_grow_is_refused),
		cmocka_unit_test(memory_of_another_size_is_refused),
		cmocka_unit_test(memory_that_cannot_be_written_is_refused),
		cmocka_unit_test(what_is_no_memory_is_refused),
	};
	return cmocka_run_group_tests_name("shm", tests, NULL, NULL);
}
