/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event on standard error: "ra-secondaryd: warning: text". Any thread may log. A level that is off costs
 * one comparison. Bytes below 32 and 127 in the text are written as '?', so a peer cannot forge lines.
 */
#ifndef RA_BASE_LOG_H
#define RA_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

extern enum log_level log_level_max;

/* program: what each line begins with; kept, not copied. */
void log_start(const char *program, enum log_level max);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_at(level, ...) ((level) <= log_level_max ? log_write((level), __VA_ARGS__) : (void)0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For lines that strangers can cause as often as they like. Zero at first; of one thread. */
#define LOG_QUOTA_LINES 20u /* a minute */

struct log_quota {
	int64_t minute_s;  /* monotonic: when the present minute began */
	unsigned logged;   /* in it */
	uint64_t unlogged; /* since the last line */
};

/* May this one be logged? Then *unlogged is how many since the last one were not. */
bool log_quota_take(struct log_quota *quota, uint64_t *unlogged);
/* A line within the quota (NULL: there is none); it says how many were left out before it. */
void log_limited(struct log_quota *quota, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* For what cannot happen and start-up without a way on: logs an error and aborts / exits. */
_Noreturn void log_abort(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
