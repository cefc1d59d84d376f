/* SPDX-License-Identifier: Apache-2.0
 *
 * The Unix socket of a daemon: hosts (HostHello first; primary only) and ra-ctl (Control). Reading verbs are for all
 * who can connect, changing verbs for root, the daemon's own user and the members of the admin group. Connections are
 * limited in number, altogether and of each user, hosts included; ra-ctl's also in time. Loop thread only.
 */
#ifndef RA_LOCAL_SERVER_H
#define RA_LOCAL_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire/message.h"

struct clock;
struct conn;
struct control_request; /* one Control that waits for its answer */
struct event_base;
struct server;

#define SERVER_ANYBODY ((uid_t)-1)

struct server_ops {
	/* A host says HostHello, which passed no check but that of its fields: the callee becomes owner of the connection
	 * (conn_set_owner). NULL: this daemon has no hosts, and says so (BAD_REQUEST). -EPROTO: refused (logged), the
	 * connection closes. */
	int (*host)(void *arg, struct conn *conn, uid_t uid, const struct msg_host_hello *hello);
	/* How many of those that were handed over are still there; of this user or of SERVER_ANYBODY. NULL like host. */
	unsigned (*hosts)(void *arg, uid_t uid);
	/* To be answered by control_answer or control_refuse, now or later. A changing verb that this user may not use does
	 * not come here. */
	void (*control)(void *arg, struct control_request *request);
};

struct server_config {
	struct event_base *base;
	struct clock *clock;
	const char *path;
	mode_t mode;
	const char *group;       /* of the socket file; "": not changed */
	const char *admin_group; /* "": only root and the daemon's user */
};

/* NULL with words in why. */
struct server *server_new(const struct server_config *config, const struct server_ops *ops, void *arg, char *why,
	size_t why_bytes);
/* Connections that were handed over stay; requests without an answer are answered by nobody: none may be left. */
void server_free(struct server *server);

const struct msg_control *control_message(const struct control_request *request);
/* What came with it: only with MARK and CLEAR of TRACKS. Valid until it is answered. */
const uint8_t *control_payload(const struct control_request *request, uint32_t *bytes);
uid_t control_uid(const struct control_request *request); /* who asks; in control only */
/* The answer; takes over json. The request is gone, and when its client is, so is the answer. */
void control_answer(struct control_request *request, json_t *json);
void control_refuse(struct control_request *request, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
