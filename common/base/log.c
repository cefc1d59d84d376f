/* SPDX-License-Identifier: Apache-2.0
 *
 * Formats a line into a buffer on the stack and hands it to one write(2), so that lines of several threads, and of
 * several processes that share standard error, do not mix. A line that could not be written is lost; errno is kept.
 * program and is_journal are set by log_start before there are threads, and only read afterwards; what is counted has a
 * lock, which no caller's code runs under.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/repeats.h"

/* With the line feed; what a pipe takes in one piece. */
#define LINE_BYTES_MAX ((size_t)PIPE_BUF)

static const char cut_mark[] = "...";

static const char *program = "ra";
static bool is_journal;
atomic_int log_level_max = LOG_LEVEL_WARNING;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct repeats repeats; /* under the lock */

/* Does $JOURNAL_STREAM, "device:inode", name standard error? */
static bool finds_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat status;

	if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return strcmp(stream, own) == 0;
}

void log_start(const char *name, enum log_level max)
{
	program = name;
	is_journal = finds_journal();
	log_set_level(max);
	pthread_mutex_lock(&lock);
	memset(&repeats, 0, sizeof(repeats));
	pthread_mutex_unlock(&lock);
}

void log_set_level(enum log_level max)
{
	atomic_store_explicit(&log_level_max, (int)max, memory_order_relaxed);
}

enum log_level log_level(void)
{
	return (enum log_level)atomic_load_explicit(&log_level_max, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[LOG_LEVEL_COUNT] = { "error", "warning", "info", "debug" };

	return names[level];
}

static int write_head(enum log_level level, char *line, size_t bytes)
{
	static const unsigned char priorities[LOG_LEVEL_COUNT] = { 3, 4, 6, 7 }; /* of sd-daemon(3) */

	if (is_journal)
		return snprintf(line, bytes, "<%u>%s: %s: ", priorities[level], program, log_level_name(level));
	return snprintf(line, bytes, "%s: %s: ", program, log_level_name(level));
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
	int head = write_head(level, line, sizeof(line));

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

static void write_text(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void write_text(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(level, format, arguments);
	va_end(arguments);
}

/* ---- Counts ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell_count(const struct repeat *repeat, int64_t window_ms)
{
	int64_t seconds = (window_ms + 999) / 1000;

	if (repeat == &repeats.others && log_has(LOG_LEVEL_WARNING))
		write_text(LOG_LEVEL_WARNING, "and %" PRIu64 " more lines of too many kinds in %" PRId64 " s",
			repeat->untold, seconds);
	else if (repeat != &repeats.others && log_has(repeat->level))
		write_text((enum log_level)repeat->level, "%s (and %" PRIu64 " more like it in %" PRId64 " s)",
			repeat->text, repeat->untold, seconds);
}

void log_tell_counts(bool is_all)
{
	int saved_errno = errno;

	pthread_mutex_lock(&lock);
	repeats_end(&repeats, is_all, now_ms(), tell_count);
	pthread_mutex_unlock(&lock);
	errno = saved_errno;
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	log_tell_counts(false);
	va_start(arguments, format);
	write_line(level, format, arguments);
	va_end(arguments);
}

/* By the format's place and the text of about. */
static uint64_t kind_of(const char *format, const char *about)
{
	return XXH3_64bits_withSeed(about, strlen(about), (uintptr_t)format);
}

static void keep_text(struct repeat *repeat, enum log_level level, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

static void keep_text(struct repeat *repeat, enum log_level level, const char *format, va_list arguments)
{
	int length = vsnprintf(repeat->text, sizeof(repeat->text), format, arguments);

	repeat->level = (int)level;
	if (length >= (int)sizeof(repeat->text))
		strcpy(repeat->text + sizeof(repeat->text) - sizeof(cut_mark), cut_mark);
}

void log_limited(unsigned lines, const char *about, enum log_level level, const char *format, ...)
{
	int saved_errno = errno;
	struct repeat *repeat;
	va_list arguments;

	if (!log_has(level))
		return;
	pthread_mutex_lock(&lock);
	repeat = repeats_take(&repeats, kind_of(format, about), lines, now_ms(), tell_count);
	errno = saved_errno; /* for %m */
	if (repeat != NULL) {
		va_start(arguments, format);
		keep_text(repeat, level, format, arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&lock);
	if (repeat != NULL) {
		va_start(arguments, format);
		write_line(level, format, arguments);
		va_end(arguments);
	}
	errno = saved_errno;
}

void log_abort(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_ERROR, format, arguments);
	va_end(arguments);
	abort();
}
