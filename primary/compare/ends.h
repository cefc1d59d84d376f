/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptors by which ra-compare and the two daemons of a private pair are joined, all close-on-exec. Each is -1
 * once it was closed or given away.
 */
#ifndef RA_PRIMARY_COMPARE_ENDS_H
#define RA_PRIMARY_COMPARE_ENDS_H

#include <signal.h>
#include <stdbool.h>

struct ends {
	int host, primary_host;           /* a socket pair of ra-compare and the primary */
	int primary_link, secondary_link; /* one of the primary and the secondary */
	int return_in, return_out;        /* a pipe for what the secondary sends; -1 with ssh, or where none is to be had */
	int signal;                       /* the signals that wait */
};

/* 0 or -errno; what there is then is the caller's to close in either case. */
int ends_make(struct ends *ends, bool is_ssh, const sigset_t *signals);
/* All but host. */
void ends_close_children(struct ends *ends);
void ends_close(int *fd);
/* Away from the low numbers, which a child gives new meanings. -1: there are none. */
void ends_move_up(int *fd);

#endif
