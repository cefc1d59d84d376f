/* SPDX-License-Identifier: Apache-2.0
 *
 * One primary on one link: who it is, Hello, its devices and the window. What it may ask is in command.h. When the link
 * ends, all that belongs to it is freed. Loop thread only.
 *
 *   HANDSHAKE --> HELLO --> UP    HELLO: its peer is known and has a link to spare; UP: its Hello was accepted
 */
#ifndef RA_SECONDARY_SESSION_H
#define RA_SECONDARY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct conn;
struct conn_ops;
struct invalid_question;
struct peer;
struct query;
struct ra;
struct read;

enum session_state { SESSION_HANDSHAKE, SESSION_HELLO, SESSION_UP };

struct session {
	uint32_t magic;
	struct ra *ra;
	struct conn *conn; /* NULL: it is being freed, no Read goes on */
	char from[96];     /* where it comes from, for messages */
	struct peer *peer; /* whose link it is; NULL until TLS has proven that */
	enum session_state state; /* written by enter of session.c only; counted in peer->links from HELLO on */
	int64_t since_ms;         /* of the state */
	uint64_t digests;         /* that both ends know, since its Hello; a set of 1 << enum digest */
	bool has_device[DEVICES_MAX];
	struct query *queries; /* DeviceQuery in progress */
	struct invalid_question *invalid_questions; /* Invalid in progress */
	size_t invalid_unsent_bytes; /* of sets that the peer has not taken */
	/* Window: Reads received and neither answered nor disconnected; answers after RECONNECT being sent. */
	uint32_t connected_reads;
	uint32_t reconnected_reads;
	struct read *place_waiters; /* Reads at step 194, oldest first */
	/* Its part of what its peer has: */
	uint32_t jobs, locked_tracks, fetches;
	void (*ended)(void *arg);
	void *arg;
	struct session *prev, *next;
};

/* What the conn of a session is made with (arg: the session). */
extern const struct conn_ops session_conn_ops;

/* from: its address, for messages. peer: whose link it is, or NULL: the struct peer * that conn_peer has after TLS; it
 * outlives the session. ended is called once, from the loop, when the link has ended; the session frees itself after
 * it. */
struct session *session_new(struct ra *ra, const char *from, struct peer *peer, void (*ended)(void *arg), void *arg);
void session_start(struct session *session, struct conn *conn); /* takes conn over */
void session_free(struct session *session); /* without ended */
const char *session_peer(const struct session *session); /* its peer's name, or where it comes from */
const char *session_state_name(enum session_state state);

/* Step 194 / its reverse: an answer takes a place in the window; false: none is free. */
bool session_take_place(struct session *session);
void session_place_is_free(struct session *session);

#endif
