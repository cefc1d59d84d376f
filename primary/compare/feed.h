/* SPDX-License-Identifier: Apache-2.0
 *
 * --status-fd: progress as one JSON object per line on a descriptor, for programs. Whoever reads it cannot hold the run
 * up: a line that there is no room for is left out, and a reader that has gone is not missed. Loop thread only.
 */
#ifndef RA_COMPARE_FEED_H
#define RA_COMPARE_FEED_H

struct feed;
struct pace_figures;

/* fd stays open and stays the caller's; from 3 on, no program that is started has it. SIGPIPE must be ignored. */
struct feed *feed_new(int fd);
void feed_free(struct feed *feed); /* NULL is fine */
void feed_tell(struct feed *feed, const struct pace_figures *figures);
/* The last line: phase "finished". */
void feed_end(struct feed *feed, const struct pace_figures *figures, const char *result, int exit_status);

#endif
