/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress line on standard error: rewritten twice a second on a terminal, or printed once when asked for by a
 * signal. Loop thread only.
 */
#ifndef RA_COMPARE_PROGRESS_H
#define RA_COMPARE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRESS_PERIOD_MS 500
#define PROGRESS_LINE_BYTES 160u

struct clock;
struct progress;
struct report;

/* The line for a pass that runs since elapsed_ms; never longer than a terminal line should be. */
void progress_format(const struct report *report, int64_t elapsed_ms, char line[PROGRESS_LINE_BYTES]);

/* current returns the report of the pass that runs, or NULL. is_on: rewrite the line periodically. */
struct progress *progress_new(struct clock *clock, bool is_on, FILE *out, const struct report *(*current)(void *arg),
	void *arg);
void progress_free(struct progress *progress); /* clears the line first; NULL is fine */
/* While the link is down the line says so, since when and why (words are copied). */
void progress_set_link(struct progress *progress, bool is_up, const char *why);
/* Clears the line, so that something else can be printed; it comes back by itself. */
void progress_clear(struct progress *progress);
/* One whole line with the state of now, whether is_on or not. */
void progress_print_once(struct progress *progress);

#endif
