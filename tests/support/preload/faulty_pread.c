/* SPDX-License-Identifier: Apache-2.0
 *
 * LD_PRELOAD library that makes one volume of a real program fail, hang or be slow in a range, and touches nothing
 * else:
 *   RA_FAULT_FILE     the end of the path of the file
 *   RA_FAULT          eio:OFFSET-END, hang:OFFSET-END, slow:OFFSET-END or busy:OFFSET-END, in bytes, END not included
 *   RA_FAULT_RELEASE  a path: hung reads go on when it exists; the first of them makes that path with .hangs behind it
 *   RA_FAULT_MS       what a slow read takes; they come one after the other, as on a disk. A busy one takes it, too,
 *                     beside others, and those elsewhere in the file take a twentieth
 * Any thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <dlfcn.h>

#define POLL_NS (20 * 1000000L)

static const char *fault_file; /* NULL: no fault */
static const char *release_file;
static bool is_hang, is_busy;
static int64_t slow_ms; /* 0: not slow */
static uint64_t fault_begin, fault_end;

static __attribute__((constructor)) void read_environment(void)
{
	const char *fault = getenv("RA_FAULT");
	char kind[5];

	fault_file = getenv("RA_FAULT_FILE");
	release_file = getenv("RA_FAULT_RELEASE");
	if (!fault || !fault_file) {
		fault_file = NULL;
		return;
	}
	if (sscanf(fault, "%4[a-z]:%" SCNu64 "-%" SCNu64, kind, &fault_begin, &fault_end) != 3)
		kind[0] = '\0';
	is_hang = strcmp(kind, "hang") == 0 && release_file;
	is_busy = strcmp(kind, "busy") == 0;
	if ((is_busy || strcmp(kind, "slow") == 0) && getenv("RA_FAULT_MS"))
		slow_ms = atoi(getenv("RA_FAULT_MS"));
	if (!is_hang && slow_ms <= 0 && strcmp(kind, "eio") != 0) {
		fprintf(stderr, "faulty_pread: RA_FAULT=%s: expected eio:OFFSET-END, or hang:OFFSET-END and "
			"RA_FAULT_RELEASE, or slow:OFFSET-END or busy:OFFSET-END and RA_FAULT_MS\n", fault);
		abort();
	}
}

static bool is_fault_file(int fd)
{
	char link[64], path[PATH_MAX];
	size_t name_bytes = strlen(fault_file);
	ssize_t bytes;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	bytes = readlink(link, path, sizeof(path));
	return bytes >= 0 && (size_t)bytes >= name_bytes &&
		memcmp(path + (size_t)bytes - name_bytes, fault_file, name_bytes) == 0;
}

/* A disk that serves one read after the other: each is told when it ends as it comes. */
static void wait_for_disk(void)
{
	static _Atomic int64_t busy_until_ms;
	int64_t before_ms = busy_until_ms, now_ms, end_ms;
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now_ms = time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
	do
		end_ms = (before_ms > now_ms ? before_ms : now_ms) + slow_ms;
	while (!atomic_compare_exchange_weak(&busy_until_ms, &before_ms, end_ms));
	time = (struct timespec){ end_ms / 1000, end_ms % 1000 * 1000000 };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void tell_that_it_hangs(void)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s.hangs", release_file);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/* Returns true when the read is to fail with EIO. */
static bool meets_fault(int fd, uint64_t offset, size_t bytes)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	bool is_inside = offset < fault_end && offset + bytes > fault_begin;

	if (!fault_file || (!is_inside && !is_busy) || !is_fault_file(fd))
		return false;
	if (is_busy) {
		int64_t ms = is_inside ? slow_ms : slow_ms / 20;

		nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
		return false;
	}
	if (slow_ms > 0)
		wait_for_disk();
	else if (!is_hang)
		return true;
	if (is_hang)
		tell_that_it_hangs();
	while (is_hang && access(release_file, F_OK) != 0)
		nanosleep(&pause, NULL);
	return false;
}

static size_t iov_bytes(const struct iovec *iov, int count)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

static ssize_t faulty_pread(const char *name, int fd, void *data, size_t bytes, off64_t offset)
{
	ssize_t (*next)(int, void *, size_t, off64_t);

	if (meets_fault(fd, (uint64_t)offset, bytes)) {
		errno = EIO;
		return -1;
	}
	*(void **)&next = dlsym(RTLD_NEXT, name);
	return next(fd, data, bytes, offset);
}

static ssize_t faulty_preadv(const char *name, int fd, const struct iovec *iov, int count, off64_t offset)
{
	ssize_t (*next)(int, const struct iovec *, int, off64_t);

	if (meets_fault(fd, (uint64_t)offset, iov_bytes(iov, count))) {
		errno = EIO;
		return -1;
	}
	*(void **)&next = dlsym(RTLD_NEXT, name);
	return next(fd, iov, count, offset);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
	return faulty_pread("pread", fd, data, bytes, offset);
}

ssize_t pread64(int fd, void *data, size_t bytes, off64_t offset)
{
	return faulty_pread("pread64", fd, data, bytes, offset);
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	return faulty_preadv("preadv", fd, iov, count, offset);
}

ssize_t preadv64(int fd, const struct iovec *iov, int count, off64_t offset)
{
	return faulty_preadv("preadv64", fd, iov, count, offset);
}
