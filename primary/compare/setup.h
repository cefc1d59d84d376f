/* SPDX-License-Identifier: Apache-2.0
 *
 * The set-up of daemons that are started with --once: Setup with throw-away keys, and the wait for SetupReply, which
 * takes as long as a person needs for a password. Before the event loop; blocking descriptors.
 */
#ifndef RA_COMPARE_SETUP_H
#define RA_COMPARE_SETUP_H

#define SETUP_WORDS_BYTES 256u

#include "base/status.h"

struct options;
struct setup;

/* The keys of both daemons. return_pipe: what the secondary sends goes through one. 0 or -errno. */
int setup_new(bool return_pipe, struct setup **out);
void setup_free(struct setup *setup); /* NULL is fine */
/* Writes its Setup to the daemon of that side; it fits into the buffer of a socket. 0, also when the daemon has ended
 * already, or -errno. */
int setup_send(const struct setup *setup, const struct options *options, enum side side, int fd);

enum setup_answer {
	SETUP_OK,
	SETUP_ENDED,       /* end of file before an answer */
	SETUP_GARBAGE,     /* other bytes than a frame: words has the first of them, fit to be shown */
	SETUP_VERSION,     /* words: what the daemon is and speaks */
	SETUP_INTERRUPTED, /* signal_fd became readable */
};

/* Waits for the answer on fd, and takes not a byte more. */
enum setup_answer setup_wait(int fd, int signal_fd, char words[SETUP_WORDS_BYTES]);

#endif
