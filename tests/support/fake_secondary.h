/* SPDX-License-Identifier: Apache-2.0
 *
 * A secondary that says what a test tells it to: TLS and frames are real, every answer is the test's. Frames are kept
 * in the order they came. One thread.
 */
#ifndef RA_TESTS_SUPPORT_FAKE_SECONDARY_H
#define RA_TESTS_SUPPORT_FAKE_SECONDARY_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/message.h"

struct clock;
struct event_base;
struct fake_secondary;
struct tls_identity;

/* Serves fd. Hello is answered with this window; 0: not at all. */
struct fake_secondary *fake_secondary_new(struct event_base *base, struct clock *clock,
	const struct tls_identity *identity, int fd, uint32_t window_reads);
/* Serves whoever connects to its port of 127.0.0.1, one link at a time: a new one ends the old one. Frames of an old
 * link are forgotten. */
struct fake_secondary *fake_secondary_new_listening(struct event_base *base, struct clock *clock,
	const struct tls_identity *identity, uint32_t window_reads);
uint16_t fake_secondary_port(const struct fake_secondary *fake);
void fake_secondary_close_port(struct fake_secondary *fake); /* who connects is refused */
void fake_secondary_open_port(struct fake_secondary *fake);  /* again, the same one */
/* While the port is open: who connects is not even accepted. */
void fake_secondary_ignore(struct fake_secondary *fake, bool ignores);
/* For the links to come. */
void fake_secondary_set_identity(struct fake_secondary *fake, const struct tls_identity *identity);
void fake_secondary_set_window(struct fake_secondary *fake, uint32_t window_reads);
/* That it knows, for the links to come: all at first. */
void fake_secondary_set_features(struct fake_secondary *fake, uint64_t features);
void fake_secondary_set_digests(struct fake_secondary *fake, uint64_t digests);
/* Hello is answered with BUSY: no further link. */
void fake_secondary_set_full(struct fake_secondary *fake, bool is_full);
void fake_secondary_admit(struct fake_secondary *fake, bool admits);
unsigned fake_secondary_links(const struct fake_secondary *fake); /* accepted so far */
/* Ends the link when so many frames, of both directions, have come or gone; 0: not any more. */
void fake_secondary_cut_after(struct fake_secondary *fake, unsigned frames);
void fake_secondary_free(struct fake_secondary *fake);
/* Ends the link. */
void fake_secondary_hang_up(struct fake_secondary *fake);
bool fake_secondary_is_closed(const struct fake_secondary *fake);
/* Frames but Hello that were received and not taken. */
unsigned fake_secondary_count(const struct fake_secondary *fake);
/* The oldest of them; valid until the next call. NULL: there is none. */
const struct message *fake_secondary_take(struct fake_secondary *fake);

void fake_secondary_send(struct fake_secondary *fake, const struct message *message, const void *payload,
	uint32_t payload_bytes);
/* Answers to the request with this tag. */
void fake_secondary_volume(struct fake_secondary *fake, uint32_t tag, uint64_t size_bytes, uint32_t track_bytes);
void fake_secondary_refuse_query(struct fake_secondary *fake, uint32_t tag, enum status status, const char *detail);
void fake_secondary_job(struct fake_secondary *fake, uint32_t tag, uint64_t link_id);
void fake_secondary_status(struct fake_secondary *fake, uint32_t tag, enum status status, uint64_t floor);
/* OK or RECONNECT with DATA tracks, each byte of which, or of their digests, is this; bytes: the payload's length. */
void fake_secondary_data(struct fake_secondary *fake, uint32_t tag, enum status status, uint32_t track_count, int byte,
	uint32_t bytes);
void fake_secondary_done(struct fake_secondary *fake, uint32_t tag);

#endif
