/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of primaries: listened for, accepted, and made sessions. Those whose Hello was not accepted yet are
 * strangers; there is room for a limited number of them, and the one that has been here longest makes room for the
 * next. Loop thread only.
 */
#ifndef RA_SECONDARY_ACCEPT_H
#define RA_SECONDARY_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONNECTIONS_MAX 1024u
#define STRANGERS_MAX 512u

struct accept;
struct event_base;
struct ra;
struct tls_context;

struct accept_counts {
	unsigned connections, strangers; /* of now */
	/* so far */
	uint64_t accepted;
	uint64_t dropped; /* strangers that made room */
	uint64_t refused; /* at once: every connection was up */
};

struct accept *accept_new(struct ra *ra, struct event_base *base, struct tls_context *tls);
/* For connections that come from now on; outlives them. */
void accept_set_tls(struct accept *accept, struct tls_context *tls);
/* false with words in why. */
bool accept_listen(struct accept *accept, const char *address, char *why, size_t why_bytes);
const char *accept_address(const struct accept *accept, unsigned index); /* with its port; NULL after the last */
void accept_count(const struct accept *accept, struct accept_counts *counts);
/* Sessions stay; NULL is fine. */
void accept_free(struct accept *accept);

/* What a listener does with a connection; fd is taken over. For tests too. */
void accept_connection(struct accept *accept, int fd, const char *from);

#endif
