/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to HOST:PORT, without keeping the loop waiting: the name is looked up on a thread of glibc, and each
 * of its addresses is tried in turn. Loop thread only.
 */
#ifndef RA_PRIMARY_DIAL_H
#define RA_PRIMARY_DIAL_H

#define DIAL_ATTEMPT_MS 10000 /* for the look-up, and for each address */

struct clock;
struct dial;
struct event_base;

/* fd: connected, non-blocking, the callee's; or -1 and why, with the address: "b.example:7447: Connection refused". */
typedef void dial_fn(void *arg, int fd, const char *why);

/* address: HOST:PORT or [HOST]:PORT, valid (it comes from the configuration). fn comes once, from the loop; the dial
 * may be freed in it. */
struct dial *dial_new(struct event_base *base, struct clock *clock, const char *address, dial_fn *fn, void *arg);
/* At any time; fn does not come after it. NULL is fine. */
void dial_free(struct dial *dial);

#endif
