/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to conn.c and conn_deadline.c: the connection, and what they need of each other.
 */
#ifndef RA_WIRE_CONN_INTERNAL_H
#define RA_WIRE_CONN_INTERNAL_H

#include <event2/event.h>

#include "base/clock.h"
#include "wire/conn.h"
#include "wire/output.h"
#include "wire/reader.h"
#include "wire/transport.h"

enum conn_state { CONN_NEW, CONN_HANDSHAKE, CONN_UP, CONN_FINISHING, CONN_CLOSED };

enum conn_end {
	END_CLEAN,
	END_FAILED,
	END_BY_OWNER, /* who has logged why */
};

struct conn {
	uint32_t magic;
	enum conn_state state;
	unsigned holds;
	bool is_freed;
	char *name;
	const struct conn_ops *ops;
	void *arg;
	struct transport *transport;
	struct reader *reader;
	struct output *output;
	struct event *readable, *writable, *work;
	bool is_readable_set, is_writable_set;
	bool reads_after_write; /* the transport must write before it can read */
	bool is_write_blocked;
	bool reads_again; /* bytes may wait that no event announces */
	bool was_paused;
	bool is_output_closed; /* the peer takes no more; its end is still to be read */
	size_t pass_bytes;     /* read, and written, in one call from the loop */
	size_t burst_bytes;    /* that may be written in spite of pass_bytes */
	int fd_error;          /* errno of a descriptor that could not be duplicated for sending */
	bool is_stranger; /* see conn_set_stranger */
	bool is_quiet;           /* its owner tells a failure */
	struct timer hello_deadline, stall_deadline, ping_timer;
	uint64_t stall_sent_bytes;    /* on the wire when the stall deadline was set */
	uint64_t ping_received_bytes; /* on the wire at the last tick */
	unsigned pings_unanswered;
	bool is_ping_queued;
	char reason[DETAIL_MAX + 1];
	char finish_reason[DETAIL_MAX + 1]; /* of conn_finish */
	struct message ping; /* what Ping and Pong are packed from */
};

/* Asserts that a callback's argument is a connection. */
struct conn *conn_checked(void *arg);
/* Whoever enters from the loop holds the connection until it leaves: a callback may free it. */
void conn_hold(struct conn *conn);
void conn_release(struct conn *conn);
/* Freed or closed: nothing may be done with it any more. */
bool conn_is_over(const struct conn *conn);
/* So much output is queued that the peer is not read from. */
bool conn_is_paused(const struct conn *conn);
/* Closes, logs and tells the owner. Held, and not over. */
void conn_end(struct conn *conn, enum conn_end how, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A Ping or Pong. */
void conn_send_ping(struct conn *conn, enum message_type type, uint32_t tag, void (*done)(void *arg, bool sent));

/* conn_deadline.c */
void conn_deadlines_start(struct conn *conn, struct clock *clock);
void conn_deadlines_stop(struct conn *conn);
/* After each attempt to write. */
void conn_watch_output(struct conn *conn);

#endif
