/* SPDX-License-Identifier: Apache-2.0
 *
 * The primaries that a secondary knows: by public key, or by a name that the CA proves; and what each may do. Deny by
 * default: a device that a peer does not list does not exist for it. Loop thread only.
 */
#ifndef RA_SECONDARY_PEER_H
#define RA_SECONDARY_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rate.h"

struct peer_list;
struct read;
struct tls_proof;

struct peer_config {
	const char *name;
	const char *const *keys;      /* "sha256:…", NULL-terminated */
	const char *const *dns_names; /* NULL-terminated */
	const char *const *devices;   /* NULL-terminated */
	bool is_digest_only;          /* data = never */
	struct rate_limit limit;
	uint32_t links_max, jobs_max;
};

/* What one peer may have at once of what all share. */
enum share_kind { SHARE_LOCKS, SHARE_FETCHES, SHARE_KINDS };

struct peer {
	char *name;
	char **keys, **dns_names, **devices; /* NULL-terminated */
	bool is_digest_only;
	struct rate *rate; /* NULL: none (private pair) */
	uint32_t links_max, jobs_max;
	/* of now: all its links together (session.c, command.c, read.c, fetch.c) */
	uint32_t links, jobs, queries, fetches, locked_tracks;
	struct {
		struct read *waiters;
		uint32_t device; /* that had the last turn */
	} turns[SHARE_KINDS];        /* see share.h */
	struct read *turn_read;      /* whose turn it is just now */
	uint32_t number;           /* so many were there before it, removed or not */
	/* so far */
	uint64_t links_refused;
	uint64_t wire_bytes; /* of its links that are over */
	struct peer *next;
};

/* throttle may be NULL: then peers have no rate (private pair). */
struct peer_list *peer_list_new(struct throttle *throttle);
void peer_list_free(struct peer_list *list); /* no links (asserted) */
struct peer *peer_list_add(struct peer_list *list, const struct peer_config *config);
/* Another configuration of the same name; what it has in use stays. True: it may do less than before with devices, so
 * that its links must end. */
bool peer_list_change(struct peer_list *list, struct peer *peer, const struct peer_config *config);
void peer_list_remove(struct peer_list *list, struct peer *peer); /* no links (asserted) */
struct peer *peer_list_first(const struct peer_list *list); /* then ->next */
struct peer *peer_list_find(const struct peer_list *list, const char *name);
/* Whose key or proven name this is; NULL: nobody's. For tls_admit_fn. */
struct peer *peer_list_admit(const struct peer_list *list, const char *key, const struct tls_proof *proof);
bool peer_may_read(const struct peer *peer, const char *device);

#endif
