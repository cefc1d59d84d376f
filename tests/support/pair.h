/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of connections: an event base that never waits, a virtual clock, two identities, and ends that write down
 * what their connection did. One thread. Also: what was logged, and a TLS client that is no part of RA.
 */
#ifndef RA_TESTS_SUPPORT_PAIR_H
#define RA_TESTS_SUPPORT_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "wire/conn.h"
#include "wire/tls.h"

struct event_base;
struct pair;

/* The owner of one connection. Hooks may be NULL. */
struct end {
	struct pair *pair;
	struct conn *conn; /* NULL when freed */
	void (*on_up)(struct end *end);
	int (*on_frame)(struct end *end, const struct message *message);
	void (*on_closed)(struct end *end);
	uint8_t *payload; /* where payload goes; NULL: it is refused */
	size_t payload_bytes_max;
	unsigned ups, frames, payloads, closes;
	uint32_t last_payload_bytes;
	struct message last;
	char reason[DETAIL_MAX + 1];
	bool clean;
};

struct pair {
	struct event_base *base;
	struct clock *clock;
	struct tls_identity *identity_a, *identity_b;
	char key_a[PEER_KEY_CHARS + 1], key_b[PEER_KEY_CHARS + 1];
	const char *admitted_by_a, *admitted_by_b; /* keys; at first each other's */
	struct end a, b;
	unsigned admit_calls;
};

struct pair *pair_new(void);
void pair_free(struct pair *pair); /* the connections too */
/* For cmocka: *state is a new pair, the note is empty. The second asserts that no descriptor was left open. */
int pair_set_up(void **state);
int pair_tear_down(void **state);

/* Connections on given descriptors; a is the TLS client. */
void pair_tls_a(struct pair *pair, int fd_in, int fd_out);
void pair_tls_b(struct pair *pair, int fd_in, int fd_out);
void pair_plain_a(struct pair *pair, int fd);
void pair_plain_b(struct pair *pair, int fd);
/* Both ends of a new socket pair. */
void pair_connect_tls(struct pair *pair);
void pair_connect_plain(struct pair *pair);
/* b on one end, plain or TLS; returns the other end, non-blocking. */
int pair_raw_to_b(struct pair *pair, bool is_tls);
void end_free_conn(struct end *end);
/* Closed once, with these words. */
void end_expect_closed(struct end *end, const char *reason, bool clean);

/* Which done callbacks came, as the first letters of their arguments. */
struct pair_note {
	char order[16];
	unsigned count, sent;
};
extern struct pair_note pair_note;
void pair_note_reset(void);
void pair_note_done(void *arg, bool sent);

/* FRAME_PAYLOAD_BYTES_MAX bytes, always the same. */
const uint8_t *pair_noise(void);
/* A ReadReply with pair_noise as payload, in 64 pieces. */
void end_send_big(struct end *end, void (*done)(void *arg, bool sent), const char *name);
/* A frame by hand, valid or not; message may be NULL. Returns its bytes without payload. */
size_t pair_put_frame(uint8_t *out, unsigned type, const void *message, size_t message_bytes, uint32_t payload_bytes);

/* Calls the loop until the condition holds; false after a great many. */
#define PAIR_RUN_UNTIL(pair, condition) \
	({ \
		unsigned passes_ = 0; \
		while (!(condition) && passes_++ < 100000) \
			pair_pass(pair); \
		(condition); \
	})
/* One call of the loop: until no event is active. */
void pair_pass(struct pair *pair);
/* Until all that is on its way has arrived. */
void pair_settle(struct pair *pair);

/* Standard error goes to a file until capture_end, which returns it; to be freed. */
void capture_start(void);
char *capture_end(void);
unsigned line_count(const char *text);
unsigned open_descriptor_count(void);

/* A TLS client of plain OpenSSL on fd: identity may be NULL (no certificate). */
struct raw_client;
struct raw_client *raw_client_new(int fd, const struct tls_identity *identity, int max_version);
void raw_client_step(struct raw_client *client); /* handshake, or a read */
void raw_client_free(struct raw_client *client);

#endif
