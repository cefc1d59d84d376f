/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress: one source of figures, told twice a second as a line on a terminal, once a second to the primary and to the
 * descriptor of --status-fd, and as a whole line when a signal asks for it. Loop thread only.
 */
#ifndef RA_COMPARE_PROGRESS_H
#define RA_COMPARE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRESS_PERIOD_MS 500
#define PROGRESS_LINE_BYTES 256u

struct clock;
struct msg_host_progress;
struct pace_figures;
struct pace_input;
struct progress;

struct progress_spec {
	bool is_on; /* rewrite the line on out periodically */
	FILE *out;
	int status_fd; /* -1: none */
	/* What was counted so far; is_link_down is progress_set_link's. */
	void (*figures)(void *arg, struct pace_input *input);
	/* Once a second, for the primary. */
	void (*tell)(void *arg, const struct msg_host_progress *progress);
	void *arg;
};

/* elapsed_s counts from here. */
struct progress *progress_new(struct clock *clock, const struct progress_spec *spec);
void progress_free(struct progress *progress); /* NULL is fine */
/* Nothing is told any more but by progress_end; the line is cleared. */
void progress_stop(struct progress *progress);
/* The last line of --status-fd. */
void progress_end(struct progress *progress, const char *result, int exit_status);
/* While the link is down the line says so, since when and why (words are copied). */
void progress_set_link(struct progress *progress, bool is_up, const char *why);
/* Clears the line, so that something else can be printed; it comes back by itself. */
void progress_clear(struct progress *progress);
/* One whole line with the state of now, whether is_on or not. */
void progress_print_once(struct progress *progress);

/* The figures in words, the most important first. */
void progress_format(const struct pace_figures *figures, char line[PROGRESS_LINE_BYTES]);

#endif
