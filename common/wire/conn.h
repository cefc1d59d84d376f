/* SPDX-License-Identifier: Apache-2.0
 *
 * One framed connection, over TLS or over a plain Unix socket. It reads frames, checks them (frame, message), brings
 * payload straight to where its owner wants it, writes queued frames, and keeps the deadlines: hello, output stall,
 * ping. Loop thread only.
 *
 * Life: conn_new_* -> (TLS: handshake) -> up -> frames -> closed -> conn_free by the owner. closed is called exactly
 * once unless the owner frees first, never from inside conn_send, and nothing is called after it. conn_free may be
 * called from any callback.
 */
#ifndef RA_WIRE_CONN_H
#define RA_WIRE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/message.h"

struct clock;
struct conn;
struct event_base;
struct tls;
struct tls_context;

struct conn_ops {
	/* The transport is ready: TLS handshake done and the peer's key let in. Plain: at the first loop pass. */
	void (*up)(void *arg);
	/* The message of a frame with payload is here, the payload is not. Returns where payload_bytes bytes go (it must
	 * stay valid until frame or closed), or NULL: protocol error, the connection closes. NULL op: no payload taken. */
	void *(*payload)(void *arg, const struct message *message, uint32_t payload_bytes);
	/* One whole frame. Not 0 (-EPROTO): the owner, who has logged why, wants the connection closed. The message is
	 * valid only during the call. */
	int (*frame)(void *arg, const struct message *message, uint32_t payload_bytes);
	/* The connection is over; reason is words for a person, valid during the call. clean: the peer closed between
	 * two frames. */
	void (*closed)(void *arg, const char *reason, bool clean);
};

/* Both take over the descriptors (closed by conn_free) and make them non-blocking; tls is taken over too. name is for
 * log lines. The hello deadline runs from here until conn_accept. */
struct conn *conn_new_tls(struct event_base *base, struct clock *clock, struct tls *tls, int fd_in, int fd_out,
	const char *name, const struct conn_ops *ops, void *arg);
struct conn *conn_new_plain(struct event_base *base, struct clock *clock, int fd, const char *name,
	const struct conn_ops *ops, void *arg);
/* Frames still queued are dropped, their done is called with sent = false. NULL is fine. */
void conn_free(struct conn *conn);
/* Stops reading, writes what is queued, then closes: for a last frame before the end. closed follows. The owner logs
 * why; every other end is logged here, in one line. */
void conn_finish(struct conn *conn, const char *reason);

/* From somebody who may come as often as he likes: failures are logged within LOG_STRANGER_LINES, and a clean end not
 * at all. Until conn_accept, or false. */
void conn_set_stranger(struct conn *conn, bool is_stranger);
/* Its owner tells a failure, where it is news: until conn_accept none is logged here but for those who debug. */
void conn_set_quiet(struct conn *conn);
/* The peer's Hello was accepted: the hello deadline ends, messages may be 16 KiB. */
void conn_accept(struct conn *conn);
/* A Ping every 5 s; three unanswered ones close the connection. A process that was stopped and continued gets its
 * full three. Pings of the peer are always answered, and seen by nobody else. */
void conn_start_ping(struct conn *conn);

struct conn_piece {
	const void *data; /* stays valid and unchanged until done */
	size_t bytes;
};

/* Queues one frame. done (may be NULL) is called on a later loop pass, when the transport has taken the last byte or
 * the connection has ended; never from inside conn_send. At most RUN_TRACKS_MAX pieces. */
void conn_send(struct conn *conn, const struct message *message, const struct conn_piece *pieces, unsigned piece_count,
	void (*done)(void *arg, bool sent), void *arg);
/* Plain only: the descriptor goes with the frame (SCM_RIGHTS); it stays the caller's. */
void conn_send_fd(struct conn *conn, const struct message *message, int fd);
/* Plain only, in frame: the descriptor that came with this frame, now the caller's, or -1. One that is not taken is
 * closed. */
int conn_take_fd(struct conn *conn);

const char *conn_peer_key(const struct conn *conn); /* TLS: "sha256:…" after up; plain: "" */
void *conn_peer(const struct conn *conn);           /* TLS: what admit returned, after up; plain: NULL */
void *conn_admit_again(const struct conn *conn, const struct tls_context *context); /* TLS: see tls_admit_again */
/* From a callback of the present owner: the rest of the connection is another's. No payload may be on its way. */
void conn_set_owner(struct conn *conn, const struct conn_ops *ops, void *arg);
/* Plain only: who is at the other end (SO_PEERCRED). 0 or -errno. */
struct ucred;
int conn_credentials(const struct conn *conn, struct ucred *credentials);
/* Plain only: it is one of the other end's supplementary groups (SO_PEERGROUPS). */
bool conn_peer_is_in_group(const struct conn *conn, gid_t group);
uint64_t conn_wire_bytes(const struct conn *conn);  /* on the descriptors, both ways */
size_t conn_queued_bytes(const struct conn *conn);  /* that the other end has not taken */

/* At most so many bytes are read, and written, before the other connections have their turn: at first 1 MiB; and one
 * frame is read for each 8 KiB of it. Of what is written first after all was sent, four times as many, up to 1 MiB. */
void conn_set_pass_bytes(struct conn *conn, size_t bytes);

/* Before an event loop exists (--once set-up): reads exactly one frame of the given type from a blocking descriptor.
 * 0, -ENODATA at end of file, -EPROTO (logged). */
int conn_read_one(int fd, enum message_type type, struct message *message);
/* The same with the payload that the type may have (NULL: none came), to be freed, and a time for all of it:
 * -ETIMEDOUT. */
int conn_read_one_payload(int fd, enum message_type type, int timeout_ms, struct message *message, uint8_t **payload,
	uint32_t *payload_bytes);
/* The other end of it: writes one frame to a blocking descriptor; 0 or -errno. */
int conn_write_one(int fd, const struct message *message);
int conn_write_one_payload(int fd, const struct message *message, const void *payload, uint32_t payload_bytes);
/* Reads Setup from standard input (setup: cleared and freed by the caller, whatever comes of it) and answers it on fd.
 * False (logged): there is none, or the other end does not speak what this program does. */
bool conn_take_setup(const char *program, int fd, struct message *setup);

#endif
