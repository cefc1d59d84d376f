/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets on which a service manager listens already (sd_listen_fds(3)): who is asked to listen at the same address
 * takes them instead of making one of its own. So the configuration says where a daemon listens, with and without a
 * manager. There is one set of them in a process. Loop thread only.
 */
#ifndef RA_WIRE_INHERITED_H
#define RA_WIRE_INHERITED_H

#include <sys/socket.h>

#define INHERITED_MAX 16u

/* At the start: takes those that $LISTEN_PID and $LISTEN_FDS tell of, and these variables out of the environment. */
void inherited_take(void);
/* Likewise, descriptors first_fd to first_fd + count - 1. One that is no listening stream socket is closed, with a
 * warning. */
void inherited_take_from(int first_fd, unsigned count);
/* One that is bound to this address, or to [::] with the same port when that takes IPv4 too and 0.0.0.0 is asked for.
 * Non-blocking, close-on-exec, the caller's from now on. -1: there is none. */
int inherited_find(const struct sockaddr *address, socklen_t bytes);
/* When all have been asked for: those that nobody wanted are closed, with a warning for each. */
void inherited_end(void);

#endif
