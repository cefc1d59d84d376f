/* SPDX-License-Identifier: Apache-2.0
 *
 * Formats a line into a buffer on the stack and hands it to one write(2), so that lines of several threads, and of
 * several processes that share standard error, do not mix. A line that could not be written is lost; errno is kept.
 * program and log_level_max are set by log_start before there are threads, and only read afterwards.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* With the line feed; what a pipe takes in one piece. */
#define LINE_BYTES_MAX ((size_t)PIPE_BUF)

static const char cut_mark[] = "...";

static const char *program = "ra";
enum log_level log_level_max = LOG_LEVEL_WARNING;

void log_start(const char *name, enum log_level max)
{
	program = name;
	log_level_max = max;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "debug";
}

static void replace_control_bytes(char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte < 32 || byte == 127)
			text[i] = '?';
	}
}

static void write_line(enum log_level level, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void write_line(enum log_level level, const char *format, va_list arguments)
{
	char line[LINE_BYTES_MAX]; /* the line feed takes the place of vsnprintf's NUL */
	int saved_errno = errno;
	int head = snprintf(line, sizeof(line), "%s: %s: ", program, level_name(level));

	assert(head > 0 && (size_t)head < sizeof(line) / 2);
	size_t used = (size_t)head;
	size_t room = sizeof(line) - used;

	errno = saved_errno; /* for %m */
	int text = vsnprintf(line + used, room, format, arguments);

	if (text > 0 && (size_t)text < room) {
		used += (size_t)text;
	} else if (text > 0) {
		used = sizeof(line) - 1;
		memcpy(line + used - strlen(cut_mark), cut_mark, strlen(cut_mark));
	}
	replace_control_bytes(line, used);
	line[used++] = '\n';
	while (write(STDERR_FILENO, line, used) < 0 && errno == EINTR)
		;
	errno = saved_errno;
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(level, format, arguments);
	va_end(arguments);
}

bool log_quota_take(struct log_quota *quota, uint64_t *unlogged)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (quota->logged == 0 || now.tv_sec - quota->minute_s >= 60) {
		quota->minute_s = now.tv_sec;
		quota->logged = 0;
	}
	if (quota->logged == LOG_QUOTA_LINES) {
		quota->unlogged++;
		return false;
	}
	quota->logged++;
	*unlogged = quota->unlogged;
	quota->unlogged = 0;
	return true;
}

void log_limited(struct log_quota *quota, enum log_level level, const char *format, ...)
{
	char text[LINE_BYTES_MAX / 2];
	uint64_t unlogged = 0;
	va_list arguments;

	if (level > log_level_max || (quota && !log_quota_take(quota, &unlogged)))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (unlogged == 0)
		log_write(level, "%s", text);
	else
		log_write(level, "%s (and %" PRIu64 " more like it before)", text, unlogged);
}

void log_abort(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_ERROR, format, arguments);
	va_end(arguments);
	abort();
}
