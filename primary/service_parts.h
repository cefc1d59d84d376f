/* SPDX-License-Identifier: Apache-2.0
 *
 * What service.c (the parts and their life), service_peer.c, service_device.c and service_limit.c (what the
 * configuration lists), reload.c (when it is read again), control.c (ra-ctl's requests) and show.c (their answers)
 * share. Nobody else includes this.
 */
#ifndef RA_PRIMARY_SERVICE_PARTS_H
#define RA_PRIMARY_SERVICE_PARTS_H

#include <sys/types.h>

#include "base/rate.h"
#include "local/payload.h"
#include "primary/core.h"
#include "primary/host.h"
#include "primary/service.h"
#include "primary/settings.h"
#include "wire/message.h"

struct expiry;
struct program;
struct tls_context;
struct tls_identity;

#define SERVICE_MAGIC 0x53525643u
#define SERVICE_PEER_MAGIC 0x53525050u
#define SERVICE_HOST_MAGIC 0x53525648u

/* A limit holds for local and remote reads each by itself. */
struct limit_pair {
	struct rate *local, *remote; /* local NULL: of a peer, whose reads are all remote */
};

struct service_peer {
	uint32_t magic;
	struct service *service;
	const struct primary_peer_settings *settings; /* of the service's */
	struct tls_context *tls;
	struct remote *remote;
	struct limit_pair limit;
	char key[PEER_KEY_CHARS + 1]; /* that it showed last; "" before */
	bool is_let_in;               /* with that */
};

struct service_device {
	struct primary_device device;
	struct device_settings *made_with; /* own; all but its limit stays so */
	struct limit_pair limit;
	struct service_peer *peer; /* whose link device.remote is; NULL: the settings have it no more */
	struct service_device *prev, *next;
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
	const struct program *program;
	const struct primary_settings *started_with; /* the caller's: what holds to the end */
	const struct primary_settings *settings;     /* in force: those, or read again and own */
	int64_t started_ms;
	char key[PEER_KEY_CHARS + 1]; /* its own */
	struct expiry *expiry;        /* of the identity behind it */
	struct limit_pair limit;      /* in total */
	struct service_peer **peers;     /* as many as in settings, in their order */
	struct service_device **devices; /* likewise */
	struct service_device *made;     /* all that were ever in the settings, as long as it runs */
	struct service_host *hosts;
	struct payload_room host_payloads;
	struct server *server;
	struct proofs *proofs; /* that ra-ctl asked for; NULL when it ends */
	struct notify *notify;
};

/* service_limit.c */
struct limit_pair limit_pair_new(struct service *service, const struct rate_limit *limit, bool is_local);
void limit_pair_set(const struct limit_pair *pair, const struct rate_limit *limit);
void limit_pair_free(struct limit_pair *pair);

/* service_peer.c: without a tls context and a link yet. */
struct service_peer *service_peer_new(struct service *service, const struct primary_peer_settings *settings);
/* Who is let in by its settings, and as whom this daemon comes; NULL (logged): what they name is not usable. */
struct tls_context *service_peer_tls(const struct primary_settings *settings, const struct tls_identity *identity,
	struct service_peer *peer);
void service_peer_link(struct service_peer *peer);
void service_peer_free(struct service_peer *peer); /* no host has a device of it (asserted); NULL is fine */
struct service_peer *service_find_peer(const struct service *service, const char *name); /* NULL: there is none */

/* service_device.c: the device of the settings with this index, made or known from before. */
struct service_device *service_device_take(struct service *service, const struct primary_settings *settings,
	unsigned index);
/* Its link is that of this peer from here on; NULL: it has none and is not there for hosts. */
void service_device_join(struct service_device *device, struct service_peer *peer);
struct service_device *service_find_device(const struct service *service, const char *name); /* NULL: there is none */
void service_devices_free(struct service *service);

/* service.c: the session of a host ends. */
void service_end_host(struct service_host *host);

/* reload.c: reads the configuration again. */
void service_reload(struct service *service);

#endif
