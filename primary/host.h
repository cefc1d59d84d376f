/* SPDX-License-Identifier: Apache-2.0
 *
 * The host adapter (HA 28 of Fig. 1): one session of one host program on its Unix socket. The local volumes and the
 * links are lent to it; its slots, streams, limits and what it asked for are its own. Loop thread only.
 */
#ifndef RA_PRIMARY_HOST_H
#define RA_PRIMARY_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct clock;
struct conn;
struct event_base;
struct host;
struct invalid_table;
struct keep;
struct local;
struct msg_host_hello;
struct msg_host_progress;
struct payload_room;
struct rate;
struct remote;
struct remote_job;
struct reports;
struct throttle;

/* A device that hosts may open: the volume of this name on both sides. */
struct primary_device {
	const char *name;
	struct local *local;
	struct remote *remote;
	struct rate *remote_rate; /* limit of its remote reads; NULL: none. (That of local ones is with local.) */
	struct invalid_table *invalid; /* tracks of the local volume; NULL: none are kept */
	struct keep *keep;        /* NULL: nothing is kept of it (a private pair) */
	struct reports *reports;  /* likewise */
	uint32_t max_lag_ms;      /* how long its copy may be behind */
	bool is_replaced;         /* the configuration names another volume by now: nobody else opens it */
};

/* All of it outlives the session. */
struct host_config {
	struct event_base *base;
	struct clock *clock;
	struct throttle *throttle; /* of the limits that hosts ask for */
	/* The device of this name; NULL: there is none. It stays where it is while a host has it open. */
	const struct primary_device *(*find_device)(void *arg, const char *name);
	void *find_arg;
	struct payload_room *payloads; /* of all hosts together; NULL: each has its own */
};

struct host_ops {
	/* The host has gone, once; clean: between two frames, by its own will. The session may be freed here. */
	void (*gone)(void *arg, bool clean);
};

/* Takes over the descriptor. */
struct host *host_new(const struct host_config *config, int fd, const struct host_ops *ops, void *arg);
/* Releases everything of the host; memory that a disk or the link may still write stays mapped. NULL is fine. */
void host_free(struct host *host);
/* It loses its device, and its reads of the remote side end with these words; its connection ends when it was told. */
void host_finish(struct host *host, const char *reason);
/* Takes over a connection that said HostHello, in its frame callback. 0 and the session in *out, which may be ending
 * already; or -EPROTO (logged): nothing was taken over. */
int host_adopt(const struct host_config *config, struct conn *conn, const struct msg_host_hello *hello,
	const struct host_ops *ops, void *arg, struct host **out);
/* Who it is, for people; the device that it has open, NULL: none. */
const char *host_owner(const struct host *host);
const struct primary_device *host_device(const struct host *host);
/* Its own limit on either side, which it asked for with the device; NULL: none. */
void host_rates(const struct host *host, const struct rate **local, const struct rate **remote);
/* What it told last of how its run gets on; NULL: nothing. */
const struct msg_host_progress *host_progress(const struct host *host);
/* The link job of a stream; NULL: none. */
const struct remote_job *host_job(const struct host *host, unsigned stream);
void host_dump(const struct host *host); /* to the log, whatever its level */

#endif
