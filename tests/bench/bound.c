/* SPDX-License-Identifier: Apache-2.0
 *
 * See bound.h.
 */
#include "tests/bench/bound.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE_BYTES 4096

void bound_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

void bound_open(struct bound_volume volumes[2], char *const paths[2])
{
	for (int i = 0; i < 2; i++) {
		off_t size;

		volumes[i].path = paths[i];
		volumes[i].fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		size = volumes[i].fd < 0 ? -1 : lseek(volumes[i].fd, 0, SEEK_END);
		if (size < 0)
			bound_fail("%s: %s", paths[i], strerror(errno));
		volumes[i].size_bytes = (uint64_t)size;
	}
	if (volumes[0].size_bytes != volumes[1].size_bytes)
		bound_fail("%s and %s are of unequal size", paths[0], paths[1]);
}

size_t bound_piece(const struct bound_volume *volume, uint64_t offset, size_t limit_bytes)
{
	uint64_t left = volume->size_bytes - offset;

	return left < limit_bytes ? (size_t)left : limit_bytes;
}

void bound_pread(const struct bound_volume *volume, void *buffer, size_t bytes, uint64_t offset)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t rc = pread(volume->fd, (char *)buffer + done, bytes - done, (off_t)(offset + done));

		if (rc == 0)
			bound_fail("%s ends at %" PRIu64, volume->path, offset + done);
		if (rc < 0 && errno != EINTR)
			bound_fail("%s: %s", volume->path, strerror(errno));
		done += rc < 0 ? 0 : (size_t)rc;
	}
}

void *bound_buffer(size_t bytes)
{
	void *buffer = aligned_alloc(PAGE_BYTES, (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);

	if (buffer == NULL)
		bound_fail("no memory");
	return buffer;
}

void bound_end(pid_t child, uint64_t different_at)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		bound_fail("the other process was lost");
	if (WEXITSTATUS(status) != 0)
		exit(2);
	if (different_at != UINT64_MAX) {
		printf("different at %" PRIu64 "\n", different_at);
		exit(1);
	}
	puts("identical");
	exit(0);
}
