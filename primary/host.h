/* SPDX-License-Identifier: Apache-2.0
 *
 * The host adapter (HA 28 of Fig. 1): one session of one host program on its Unix socket. The local volume and the
 * link are lent to it; its slots, streams and what it asked for are its own. Loop thread only.
 */
#ifndef RA_PRIMARY_HOST_H
#define RA_PRIMARY_HOST_H

#include <stdbool.h>

struct clock;
struct event_base;
struct host;
struct local;
struct remote;

struct host_config {
	struct event_base *base;
	struct clock *clock;
	const char *device; /* the name that HostOpen must give; stays valid */
	struct local *local;
	struct remote *remote;
};

struct host_ops {
	/* The host has gone, once; clean: between two frames, by its own will. The session may be freed here. */
	void (*gone)(void *arg, bool clean);
};

/* Takes over the descriptor. */
struct host *host_new(const struct host_config *config, int fd, const struct host_ops *ops, void *arg);
/* Releases everything of the host; memory that a disk or the link may still write stays mapped. NULL is fine. */
void host_free(struct host *host);
void host_dump(const struct host *host); /* to the log, whatever its level */

#endif
