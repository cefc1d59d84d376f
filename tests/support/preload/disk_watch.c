/* SPDX-License-Identifier: Apache-2.0
 *
 * LD_PRELOAD library that notes which thread of a daemon makes the calls that may take as long as a disk:
 *   RA_WATCH_FILE  a part of the paths of the files that are looked at
 *   RA_WATCH_LOG   a file that gets one line per call: "loop CALL" or "other CALL"; loop: the thread that main runs on
 * Programs other than the daemons are left alone. Any thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *watched; /* NULL: nothing is */
static int log_fd = -1;

static __attribute__((constructor)) void read_environment(void)
{
	const char *path = getenv("RA_WATCH_LOG");

	if (!path || !getenv("RA_WATCH_FILE") || (strcmp(program_invocation_short_name, "ra-primaryd") != 0 &&
		strcmp(program_invocation_short_name, "ra-secondaryd") != 0))
		return;
	log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		abort();
	watched = getenv("RA_WATCH_FILE");
}

static void note_path(const char *call, const char *path)
{
	if (watched && path && strstr(path, watched) &&
		dprintf(log_fd, "%s %s\n", gettid() == getpid() ? "loop" : "other", call) < 0)
		abort();
}

static void note_fd(const char *call, int fd)
{
	const int errno_before = errno;
	char link[64], path[PATH_MAX + 1];
	ssize_t bytes;

	if (!watched)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	bytes = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX);
	path[bytes > 0 ? bytes : 0] = '\0';
	note_path(call, path);
	errno = errno_before;
}

#define NEXT(type, call, arguments) \
	type(*next) arguments; \
	*(void **)&next = dlsym(RTLD_NEXT, call)

#define WATCH_FD(type, call, arguments, values) \
	type call arguments \
	{ \
		NEXT(type, #call, arguments); \
		note_fd(#call, fd); \
		return next values; \
	}

#define WATCH_PATH(type, call, arguments, values) \
	type call arguments \
	{ \
		NEXT(type, #call, arguments); \
		note_path(#call, path); \
		return next values; \
	}

#define WATCH_OPEN(call) \
	int call(const char *path, int flags, ...) \
	{ \
		NEXT(int, #call, (const char *, int, ...)); \
		mode_t mode = 0; \
		if (flags & (O_CREAT | __O_TMPFILE)) { \
			va_list arguments; \
			va_start(arguments, flags); \
			mode = va_arg(arguments, mode_t); \
			va_end(arguments); \
		} \
		note_path(#call, path); \
		return next(path, flags, mode); \
	}

WATCH_OPEN(open)
WATCH_OPEN(open64)
WATCH_PATH(int, stat, (const char *restrict path, struct stat *restrict st), (path, st))
WATCH_PATH(int, lstat, (const char *restrict path, struct stat *restrict st), (path, st))
WATCH_PATH(int, access, (const char *path, int mode), (path, mode))
WATCH_FD(int, fstat, (int fd, struct stat *st), (fd, st))
/* What the thread sanitizer makes of fstat. */
int __fxstat(int version, int fd, struct stat *st);
int __fxstat(int version, int fd, struct stat *st)
{
	NEXT(int, "__fxstat", (int, int, struct stat *));
	note_fd("fstat", fd);
	return next(version, fd, st);
}
WATCH_FD(int, close, (int fd), (fd))
WATCH_FD(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
WATCH_FD(ssize_t, pread, (int fd, void *data, size_t bytes, off_t offset), (fd, data, bytes, offset))
WATCH_FD(ssize_t, preadv, (int fd, const struct iovec *iov, int count, off_t offset), (fd, iov, count, offset))
WATCH_FD(int, posix_fadvise, (int fd, off_t offset, off_t bytes, int advice), (fd, offset, bytes, advice))
WATCH_FD(ssize_t, readahead, (int fd, off64_t offset, size_t bytes), (fd, offset, bytes))

int ioctl(int fd, unsigned long request, ...)
{
	NEXT(int, "ioctl", (int, unsigned long, ...));
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	note_fd("ioctl", fd);
	return next(fd, request, argument);
}

int fcntl(int fd, int command, ...)
{
	NEXT(int, "fcntl", (int, int, ...));
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	note_fd("fcntl", fd);
	return next(fd, command, argument);
}
