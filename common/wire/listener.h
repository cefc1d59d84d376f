/* SPDX-License-Identifier: Apache-2.0
 *
 * A listening socket: TCP or Unix, of its own or inherited (inherited.h). Out of descriptors it stops accepting for a
 * moment and goes on by itself. Loop thread only.
 */
#ifndef RA_WIRE_LISTENER_H
#define RA_WIRE_LISTENER_H

#include <stddef.h>
#include <sys/types.h>

struct clock;
struct event_base;
struct listener;

/* A connection was accepted: non-blocking, close-on-exec, the callee's from now on. from: its address as text. */
typedef void listener_fn(void *arg, int fd, const char *from);

/* address: numeric "A.B.C.D:PORT" or "[IPv6]:PORT", port 0 for any. NULL with words in why. */
struct listener *listener_new_tcp(struct event_base *base, struct clock *clock, const char *address, listener_fn *fn,
	void *arg, char *why, size_t why_bytes);
/* A socket file that nobody listens on is replaced; one in use is not. group (gid_t)-1: not changed. */
struct listener *listener_new_unix(struct event_base *base, struct clock *clock, const char *path, mode_t mode,
	gid_t group, listener_fn *fn, void *arg, char *why, size_t why_bytes);
/* What every TCP connection has; accepted ones have it already. */
void listener_set_tcp_options(int fd);
void listener_free(struct listener *listener); /* removes its socket file; NULL is fine */
const char *listener_address(const struct listener *listener); /* with the port in force; or the path */

#endif
