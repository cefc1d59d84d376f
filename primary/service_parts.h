/* SPDX-License-Identifier: Apache-2.0
 *
 * What service.c (the parts and their life), control.c (ra-ctl's requests) and show.c (their answers) share. Nobody
 * else includes this.
 */
#ifndef RA_PRIMARY_SERVICE_PARTS_H
#define RA_PRIMARY_SERVICE_PARTS_H

#include <sys/types.h>

#include "base/log.h"
#include "local/payload.h"
#include "primary/core.h"
#include "primary/host.h"
#include "primary/service.h"
#include "primary/settings.h"
#include "wire/message.h"

#define SERVICE_MAGIC 0x53525643u
#define SERVICE_PEER_MAGIC 0x53525050u
#define SERVICE_HOST_MAGIC 0x53525648u

/* A limit holds for local and remote reads each by itself. */
struct limit_pair {
	struct rate *local, *remote; /* local NULL: of a peer, whose reads are all remote */
};

struct service_peer {
	uint32_t magic;
	const struct primary_peer_settings *settings;
	struct tls_context *tls;
	struct remote *remote;
	struct limit_pair limit;
	char key[PEER_KEY_CHARS + 1]; /* that it showed last; "" before */
	bool is_let_in;               /* with that */
};

/* A host that the socket handed over. */
struct service_host {
	uint32_t magic;
	struct service *service;
	struct host *host;
	uid_t uid;
	struct service_host *prev, *next;
};

struct service {
	uint32_t magic;
	struct core core;
	const struct primary_settings *settings;
	int64_t started_ms;
	char key[PEER_KEY_CHARS + 1]; /* its own */
	int64_t certificate_ends_s;   /* of its own, of a CA; 0: none */
	struct limit_pair limit;      /* in total */
	struct service_peer *peers;     /* as many as in settings, in their order */
	struct primary_device *devices; /* likewise */
	struct limit_pair *device_limits; /* likewise */
	struct service_host *hosts;
	struct payload_room host_payloads;
	struct log_quota refused; /* hosts that were not accepted */
	struct server *server;
	struct proofs *proofs; /* that ra-ctl asked for; NULL when it ends */
	struct notify *notify;
};

#endif
