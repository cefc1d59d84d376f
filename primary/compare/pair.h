/* SPDX-License-Identifier: Apache-2.0
 *
 * The private pair: ra-primaryd --once and ra-secondaryd --once as children, the second perhaps by ssh on another host,
 * joined by sockets and a pipe, with identities that exist for this run only. The children end with their connections;
 * they are killed when ra-compare dies.
 */
#ifndef RA_COMPARE_PAIR_H
#define RA_COMPARE_PAIR_H

#include <stddef.h>

#define PAIR_WHY_BYTES 1200u

struct options;
struct pair;

/* Until both daemons have answered; may last as long as ssh asks for a password. 0 and the host socket, for the caller
 * to close; or -errno with words in why, -EINTR for SIGINT and SIGTERM, whose handlers run then. */
int pair_start(const struct options *options, struct pair **out, int *host_fd, char why[PAIR_WHY_BYTES]);
/* The host socket must be closed. Waits for both, at most 2 s, then kills; does not wait for one that cannot be
 * killed. */
void pair_stop(struct pair *pair);
/* After pair_stop: which daemon ended in a way that it should not, and how; "" when both ended well. */
void pair_explain(const struct pair *pair, char *text, size_t text_bytes);
void pair_free(struct pair *pair); /* NULL is fine; stopped before */

#endif
