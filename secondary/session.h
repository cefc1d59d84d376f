/* SPDX-License-Identifier: Apache-2.0
 *
 * One primary on one link: Hello, its devices, Fig. 14 for each Read, the window, and its share of cache locks and
 * fetches. When the link ends, all that belongs to it is freed. Loop thread only.
 */
#ifndef RA_SECONDARY_SESSION_H
#define RA_SECONDARY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct conn;
struct conn_ops;
struct query;
struct ra;
struct read;

struct session {
	uint32_t magic;
	struct ra *ra;
	struct conn *conn;
	char peer[96]; /* who it is, for messages */
	bool is_up;    /* Hello was accepted */
	bool has_device[DEVICES_MAX];
	struct query *queries; /* DeviceQuery in progress */
	/* Window: Reads received and neither answered nor disconnected; answers after RECONNECT being sent. */
	uint32_t connected_reads;
	uint32_t reconnected_reads;
	struct read *place_waiters; /* Reads at step 194, oldest first */
	/* Share: */
	uint32_t locked_tracks;
	uint32_t fetches;
	struct read *turn_waiters;
	uint32_t turn_device; /* the device that had the last turn */
	void (*ended)(void *arg);
	void *arg;
	struct session *prev, *next;
};

/* What the conn of a session is made with (arg: the session). */
extern const struct conn_ops session_conn_ops;

/* ended is called once, from the loop, when the link has ended; the session frees itself after it. */
struct session *session_new(struct ra *ra, const char *peer, void (*ended)(void *arg), void *arg);
void session_start(struct session *session, struct conn *conn); /* takes conn over */
void session_free(struct session *session); /* without ended */
const char *session_peer(const struct session *session);

/* Step 194 / its reverse: an answer takes a place in the window; false: none is free. */
bool session_take_place(struct session *session);
void session_place_is_free(struct session *session);
/* A lock or a fetch of the link ended: Reads that wait their turn go on, device by device. */
void session_next_turn(struct session *session);

#endif
