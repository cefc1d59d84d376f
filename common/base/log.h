/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event on standard error: "ra-secondaryd: warning: text". Any thread may log. A level that is off costs
 * one comparison. Bytes below 32 and 127 in the text are written as '?', so a peer cannot forge lines.
 */
#ifndef RA_BASE_LOG_H
#define RA_BASE_LOG_H

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

/* For what cannot happen and start-up without a way on: logs an error and aborts / exits. */
_Noreturn void log_abort(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
