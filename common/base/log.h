/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event on standard error: "ra-secondaryd: warning: text". Any thread may log. A level that is off costs
 * one comparison. Bytes below 32 and 127 in the text are written as '?', so a peer cannot forge lines. Where standard
 * error is the journal, its priority stands before the line as "<4>", which the journal takes off again.
 */
#ifndef RA_BASE_LOG_H
#define RA_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_COUNT };

/* enum log_level; may be changed at any time, by any thread. */
extern atomic_int log_level_max;

/* Before there are threads. program: what each line begins with; kept, not copied. Counts of before are forgotten. */
void log_start(const char *program, enum log_level max);
enum log_level log_level(void); /* in force */
void log_set_level(enum log_level max); /* any thread */
const char *log_level_name(enum log_level level);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_has(level) ((int)(level) <= atomic_load_explicit(&log_level_max, memory_order_relaxed))
#define log_at(level, ...) (log_has(level) ? log_write((level), __VA_ARGS__) : (void)0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For lines that may come as often as a broken disk or a stranger likes: so many of a kind are written in a minute, the
 * others counted. The count comes with the text of the last that was written, "(and 12345 more like it in 60 s)",
 * before the next line of any kind, or by log_tell_counts. Lines are of one kind when format and about are the same. */
void log_limited(unsigned lines, const char *about, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
#define LOG_STRANGER_LINES 20u /* a minute: of strangers each may be another one */
/* Counts whose minute is over; is_all: of all, because the program ends. */
void log_tell_counts(bool is_all);

/* For what cannot happen and start-up without a way on: logs an error and aborts / exits. */
_Noreturn void log_abort(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
