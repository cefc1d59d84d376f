/* SPDX-License-Identifier: Apache-2.0
 *
 * A test bed (bed.h) that listens: sessions over TLS on a TCP port of 127.0.0.1, for two peers with keys of their own.
 * Loop thread only; it accepts when it is told to.
 */
#ifndef RA_TESTS_TLS_BED_H
#define RA_TESTS_TLS_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/bed.h"
#include "wire/tls.h"

#define TLS_BED_PEERS 2u

struct tls_bed {
	struct bed *bed;
	int listener;
	uint16_t port;
	struct tls_context *server;
	struct {
		struct peer *peer; /* the first is bed->peer, the second "other" with the same rights */
		struct tls_context *client;
		char key[PEER_KEY_CHARS + 1];
	} peers[TLS_BED_PEERS];
};

struct tls_bed *tls_bed_new(const struct ra_config *config, uint64_t tracks_each);
void tls_bed_free(struct tls_bed *tls_bed); /* as bed_free */
/* A primary of the peer on a socket pair, Hello done. Its end is looked after by a base of its own, so it neither reads
 * nor writes but when that is looped. */
struct primary *tls_bed_primary(struct tls_bed *tls_bed, unsigned peer, struct event_base *base);
/* Makes sessions of the connections that wait. True: there was one. */
bool tls_bed_accept(struct tls_bed *tls_bed);

#endif
