/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service manager is told, in datagrams to $NOTIFY_SOCKET (sd_notify(3)): ready, stopping, a line of status
 * with numbers, and, as long as the loop turns, that it does ($WATCHDOG_USEC). Without a manager nothing is sent.
 * Loop thread only.
 */
#ifndef RA_BASE_NOTIFY_H
#define RA_BASE_NOTIFY_H

#include <stddef.h>

struct clock;
struct notify;

#define NOTIFY_STATUS_BYTES 256u

/* One line, without a newline. */
typedef void notify_status_fn(void *arg, char text[NOTIFY_STATUS_BYTES]);

/* Takes its variables out of the environment: they are this process's alone. */
struct notify *notify_new(struct clock *clock, notify_status_fn *status, void *arg);
void notify_free(struct notify *notify); /* NULL is fine */
/* After the start. From here on the status is told when it has changed, and the watchdog fed. */
void notify_ready(struct notify *notify);
/* The configuration is being read again; notify_ready ends it. */
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify);

#endif
