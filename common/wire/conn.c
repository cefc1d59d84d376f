/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of one connection: its states, events and back-pressure. Bytes are moved by transport, taken apart by reader
 * and queued by output; time-outs stand in conn_deadline.c; what a frame means is the owner's business. Loop thread
 * only.
 *
 * The hard thing: any callback may free the connection, and TLS may hold bytes that no event will announce. So whoever
 * enters from the loop holds the connection until it leaves, looks at is_open after each callback, and reading that
 * stops early comes back by the work event, a timer of 0 s, which lets the other descriptors of the loop go first.
 * check-style: long because it is one state machine.
 */
#include "wire/conn_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

#define CONN_MAGIC 0x434f4e4eu
#define PASS_BYTES_MAX (1u * MIB)     /* read, and written, in one call from the loop, unless set lower */
#define BURST_PASSES 4u               /* written at once when all was sent before: who asks for little waits little */
#define FRAME_WORTH_BYTES (8u * KIB)  /* a frame takes as much of a pass: what tiny ones ask for takes time too */
#define OUTPUT_PAUSE_BYTES (4u * MIB) /* more queued than this: the peer is not read from */
#define OUTPUT_PAUSE_FRAMES 4096u     /* likewise: a peer that asks with tiny frames must not fill the memory */
#define UPDATE_BYTES_DEFAULT (64ull * 1024 * MIB)

static const char *state_name(enum conn_state state)
{
	static const char *const names[] = { "new", "handshake", "up", "finishing", "closed" };

	return names[state];
}

static void set_state(struct conn *conn, enum conn_state state, const char *why)
{
	log_debug("%s: %s -> %s: %s", conn->name, state_name(conn->state), state_name(state), why);
	conn->state = state;
}

static bool is_open(const struct conn *conn)
{
	return !conn->is_freed && conn->state == CONN_UP;
}

bool conn_is_over(const struct conn *conn)
{
	return conn->is_freed || conn->state == CONN_CLOSED;
}

bool conn_is_paused(const struct conn *conn)
{
	return !conn->is_output_closed && (output_queued_bytes(conn->output) > OUTPUT_PAUSE_BYTES ||
		output_queued_frames(conn->output) > OUTPUT_PAUSE_FRAMES);
}

static void destroy(struct conn *conn)
{
	reader_free(conn->reader);
	output_free(conn->output);
	free(conn->name);
	conn->magic = 0;
	free(conn);
}

void conn_hold(struct conn *conn)
{
	assert(conn->magic == CONN_MAGIC);
	conn->holds++;
}

void conn_release(struct conn *conn)
{
	assert(conn->holds > 0);
	if (--conn->holds == 0 && conn->is_freed)
		destroy(conn);
}

static void schedule(struct conn *conn)
{
	static const struct timeval now = { 0, 0 };
	int rc = conn_is_over(conn) ? 0 : event_add(conn->work, &now);

	assert(rc == 0);
}

static void stop(struct conn *conn)
{
	event_del(conn->readable);
	event_del(conn->writable);
	event_del(conn->work);
	conn_deadlines_stop(conn);
}

static void report_sent(struct conn *conn, bool is_end)
{
	void (*done)(void *arg, bool sent);
	void *arg;
	bool sent;

	/* Without is_end it leaves the rest to whoever frees the connection in a callback. */
	while ((is_end || !conn_is_over(conn)) && output_pop(conn->output, is_end, &done, &arg, &sent)) {
		if (done != NULL)
			done(arg, sent);
	}
}

void conn_send_ping(struct conn *conn, enum message_type type, uint32_t tag, void (*done)(void *arg, bool sent))
{
	conn->ping.type = type;
	conn->ping.ping.tag = tag;
	conn_send(conn, &conn->ping, NULL, 0, done, conn);
}

void conn_end(struct conn *conn, enum conn_end how, const char *format, ...)
{
	va_list args;

	assert(conn->holds > 0 && !conn_is_over(conn));
	va_start(args, format);
	vsnprintf(conn->reason, sizeof(conn->reason), format, args);
	va_end(args);
	if (how == END_FAILED && conn->is_quiet)
		log_debug("%s: %s", conn->name, conn->reason);
	else if (how == END_FAILED && conn->is_stranger)
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "%s: %s", conn->name, conn->reason);
	else if (how == END_FAILED)
		log_warning("%s: %s", conn->name, conn->reason);
	else if (how == END_CLEAN && !conn->is_stranger)
		log_info("%s: %s", conn->name, conn->reason);
	set_state(conn, CONN_CLOSED, conn->reason);
	stop(conn);
	report_sent(conn, true);
	if (!conn->is_freed)
		conn->ops->closed(conn->arg, conn->reason, how == END_CLEAN);
}

static void take_frame(struct conn *conn)
{
	const struct message *message = reader_message(conn->reader);
	int fd, rc = 0;

	if (message->type == MESSAGE_PING)
		conn_send_ping(conn, MESSAGE_PONG, message->ping.tag, NULL);
	else if (message->type == MESSAGE_PONG)
		conn->pings_unanswered = 0;
	else
		rc = conn->ops->frame(conn->arg, message, reader_payload_bytes(conn->reader));
	if (conn->is_freed)
		return;
	fd = transport_take_fd(conn->transport);
	if (fd >= 0)
		close(fd);
	if (rc != 0)
		conn_end(conn, END_BY_OWNER, "%s was refused", message_name(message->type));
}

static void take_payload_place(struct conn *conn)
{
	const struct message *message = reader_message(conn->reader);
	uint32_t bytes = reader_payload_bytes(conn->reader);
	void *place = conn->ops->payload != NULL ? conn->ops->payload(conn->arg, message, bytes) : NULL;

	if (!is_open(conn))
		return;
	if (place != NULL)
		reader_set_payload(conn->reader, place);
	else
		conn_end(conn, END_FAILED, "%s with a payload of %u bytes was not expected",
			message_name(message->type), bytes);
}

static void read_ended(struct conn *conn, int rc)
{
	if (rc != -ENODATA)
		conn_end(conn, END_FAILED, "%s", transport_error(conn->transport));
	else if (reader_is_between_frames(conn->reader))
		conn_end(conn, END_CLEAN, "the peer closed the connection");
	else
		conn_end(conn, END_FAILED, "the peer closed the connection inside a frame");
}

static void read_frames(struct conn *conn)
{
	size_t budget_bytes = conn->pass_bytes;
	size_t budget_frames = (conn->pass_bytes + FRAME_WORTH_BYTES - 1) / FRAME_WORTH_BYTES;
	char why[DETAIL_MAX + 1];

	conn->reads_again = false;
	conn->reads_after_write = false;
	while (is_open(conn) && !conn_is_paused(conn) && budget_bytes > 0 && budget_frames > 0) {
		void *at;
		size_t wanted = reader_want(conn->reader, &at);
		ssize_t taken = transport_read(conn->transport, at, wanted < budget_bytes ? wanted : budget_bytes);
		int event;

		if (taken == -EAGAIN) {
			conn->reads_after_write = transport_wants_write(conn->transport);
			return;
		}
		if (taken < 0) {
			read_ended(conn, (int)taken);
			return;
		}
		budget_bytes -= (size_t)taken;
		event = reader_took(conn->reader, (size_t)taken, why);
		if (event < 0) {
			conn_end(conn, END_FAILED, "%s", why);
		} else if (event == READER_PAYLOAD) {
			take_payload_place(conn);
		} else if (event == READER_FRAME) {
			take_frame(conn);
			budget_frames--;
		}
	}
	if (conn_is_paused(conn))
		conn->was_paused = true; /* also when this very pass writes it away: what was read ahead has no event */
	if (is_open(conn) && (budget_bytes == 0 || budget_frames == 0) && transport_has_pending(conn->transport)) {
		conn->reads_again = true;
		schedule(conn);
	}
}

/* Within its turn, or as much as it has saved. */
static int write_output(struct conn *conn)
{
	size_t queued_bytes = output_queued_bytes(conn->output), sent_bytes;
	int rc = output_write(conn->output, conn->transport,
		conn->burst_bytes > conn->pass_bytes ? conn->burst_bytes : conn->pass_bytes);

	sent_bytes = queued_bytes - output_queued_bytes(conn->output);
	conn->burst_bytes -= sent_bytes < conn->burst_bytes ? sent_bytes : conn->burst_bytes;
	if (output_is_idle(conn->output))
		conn->burst_bytes = BURST_PASSES * conn->pass_bytes;
	if (conn->burst_bytes > PASS_BYTES_MAX)
		conn->burst_bytes = PASS_BYTES_MAX;
	return rc;
}

static void write_frames(struct conn *conn)
{
	int rc = 0;

	conn->is_write_blocked = false;
	if (!conn->is_output_closed && !output_is_idle(conn->output))
		rc = write_output(conn);
	if (rc == -EAGAIN)
		conn->is_write_blocked = transport_wants_write(conn->transport);
	else if (rc == -ENODATA)
		conn->is_output_closed = true; /* the cause stands in the input, if anywhere */
	conn_watch_output(conn);
	report_sent(conn, false);
	if (conn_is_over(conn))
		return;
	if (rc == -EINPROGRESS)
		schedule(conn);
	else if (rc < 0 && rc != -EAGAIN && rc != -ENODATA)
		conn_end(conn, END_FAILED, "%s", transport_error(conn->transport));
	else if (conn->state == CONN_FINISHING && (conn->is_output_closed || output_is_idle(conn->output)))
		conn_end(conn, END_BY_OWNER, "%s", conn->finish_reason);
}

static void become_up(struct conn *conn, const char *why)
{
	set_state(conn, CONN_UP, why);
	conn->reads_again = true; /* the handshake may have read more than its own bytes */
	conn->ops->up(conn->arg);
}

static void shake_hands(struct conn *conn)
{
	int rc = transport_handshake(conn->transport);

	conn->reads_after_write = rc == -EAGAIN && transport_wants_write(conn->transport);
	if (rc == 0)
		become_up(conn, transport_peer_key(conn->transport));
	else if (rc == -ENODATA)
		conn_end(conn, END_FAILED, "the peer closed the connection during the TLS handshake");
	else if (rc != -EAGAIN)
		conn_end(conn, END_FAILED, "%s", transport_error(conn->transport));
}

static int set_event(struct event *event, bool *is_set, bool wanted)
{
	if (*is_set == wanted)
		return 0;
	*is_set = wanted;
	return wanted ? event_add(event, NULL) : event_del(event);
}

static void update_events(struct conn *conn)
{
	bool paused = conn_is_paused(conn);
	bool reads = conn->state == CONN_HANDSHAKE || (conn->state == CONN_UP && !paused);

	if (conn->was_paused && !paused) {
		conn->reads_again = true;
		schedule(conn);
	}
	conn->was_paused = paused;
	if (set_event(conn->readable, &conn->is_readable_set, reads && !conn->reads_after_write) != 0 ||
	    set_event(conn->writable, &conn->is_writable_set, conn->is_write_blocked || conn->reads_after_write) != 0)
		conn_end(conn, END_FAILED, "the descriptor is of a kind that cannot be waited for");
}

/* One pass over the connection, entered from the loop. */
static void run(struct conn *conn, bool reads)
{
	conn_hold(conn);
	if (conn->fd_error != 0 && !conn_is_over(conn))
		conn_end(conn, END_FAILED, "cannot send a descriptor: %s", strerror(conn->fd_error));
	if (!conn_is_over(conn) && conn->state == CONN_NEW) {
		if (transport_is_tls(conn->transport))
			set_state(conn, CONN_HANDSHAKE, "start");
		else
			become_up(conn, "plain");
	}
	if (!conn_is_over(conn) && conn->state == CONN_HANDSHAKE)
		shake_hands(conn);
	if (is_open(conn) && (reads || conn->reads_again))
		read_frames(conn);
	if (!conn_is_over(conn) && (conn->state == CONN_UP || conn->state == CONN_FINISHING))
		write_frames(conn);
	if (!conn_is_over(conn))
		update_events(conn);
	conn_release(conn);
}

struct conn *conn_checked(void *arg)
{
	struct conn *conn = arg;

	assert(conn->magic == CONN_MAGIC);
	return conn;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	run(conn_checked(arg), true);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = conn_checked(arg);

	(void)fd, (void)what;
	run(conn, conn->reads_after_write);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	run(conn_checked(arg), false);
}

static struct conn *new_conn(struct event_base *base, struct clock *clock, struct transport *transport,
	const char *name, const struct conn_ops *ops, void *arg)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->magic = CONN_MAGIC;
	conn->name = xstrdup(name);
	conn->ops = ops;
	conn->arg = arg;
	conn->transport = transport;
	conn->pass_bytes = PASS_BYTES_MAX;
	conn->reader = reader_new(FRAME_MESSAGE_BYTES_MAX_BEFORE_HELLO);
	conn->output = output_new(UPDATE_BYTES_DEFAULT);
	conn->readable = event_new(base, transport_fd_in(transport), EV_READ | EV_PERSIST, on_readable, conn);
	conn->writable = event_new(base, transport_fd_out(transport), EV_WRITE | EV_PERSIST, on_writable, conn);
	conn->work = evtimer_new(base, on_work, conn);
	if (conn->readable == NULL || conn->writable == NULL || conn->work == NULL)
		log_abort("%s: no memory for its events", name);
	conn_deadlines_start(conn, clock);
	schedule(conn);
	return conn;
}

struct conn *conn_new_tls(struct event_base *base, struct clock *clock, struct tls *tls, int fd_in, int fd_out,
	const char *name, const struct conn_ops *ops, void *arg)
{
	return new_conn(base, clock, transport_new_tls(tls, fd_in, fd_out), name, ops, arg);
}

struct conn *conn_new_plain(struct event_base *base, struct clock *clock, int fd, const char *name,
	const struct conn_ops *ops, void *arg)
{
	return new_conn(base, clock, transport_new_plain(fd), name, ops, arg);
}

void conn_free(struct conn *conn)
{
	if (conn == NULL)
		return;
	assert(conn->magic == CONN_MAGIC && !conn->is_freed);
	conn->is_freed = true;
	stop(conn);
	event_free(conn->readable);
	event_free(conn->writable);
	event_free(conn->work);
	transport_free(conn->transport);
	report_sent(conn, true);
	if (conn->holds == 0)
		destroy(conn);
}

void conn_finish(struct conn *conn, const char *reason)
{
	if (conn_is_over(conn) || conn->state == CONN_FINISHING)
		return;
	snprintf(conn->finish_reason, sizeof(conn->finish_reason), "%s", reason);
	if (conn->state != CONN_UP)
		conn->is_output_closed = true; /* nothing can be said yet */
	set_state(conn, CONN_FINISHING, reason);
	schedule(conn);
}

void conn_set_stranger(struct conn *conn, bool is_stranger)
{
	conn->is_stranger = is_stranger;
}

void conn_set_quiet(struct conn *conn)
{
	conn->is_quiet = true;
}

void conn_accept(struct conn *conn)
{
	conn->is_stranger = false;
	conn->is_quiet = false;
	timer_cancel(&conn->hello_deadline);
	reader_set_message_bytes_max(conn->reader, FRAME_MESSAGE_BYTES_MAX);
}

void conn_send(struct conn *conn, const struct message *message, const struct conn_piece *pieces, unsigned piece_count,
	void (*done)(void *arg, bool sent), void *arg)
{
	output_push(conn->output, message, pieces, piece_count, -1, done, arg);
	schedule(conn);
}

void conn_send_fd(struct conn *conn, const struct message *message, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	assert(!transport_is_tls(conn->transport));
	if (copy < 0)
		conn->fd_error = errno;
	else
		output_push(conn->output, message, NULL, 0, copy, NULL, NULL);
	schedule(conn);
}

int conn_take_fd(struct conn *conn)
{
	return transport_take_fd(conn->transport);
}

const char *conn_peer_key(const struct conn *conn)
{
	return transport_peer_key(conn->transport);
}

void *conn_peer(const struct conn *conn)
{
	return transport_peer(conn->transport);
}

void *conn_admit_again(const struct conn *conn, const struct tls_context *context)
{
	return transport_admit_again(conn->transport, context);
}

void conn_set_owner(struct conn *conn, const struct conn_ops *ops, void *arg)
{
	assert(!conn_is_over(conn));
	conn->ops = ops;
	conn->arg = arg;
}

int conn_credentials(const struct conn *conn, struct ucred *credentials)
{
	socklen_t bytes = sizeof(*credentials);

	return getsockopt(transport_fd_in(conn->transport), SOL_SOCKET, SO_PEERCRED, credentials, &bytes) == 0 ? 0 : -errno;
}

bool conn_peer_is_in_group(const struct conn *conn, gid_t group)
{
	socklen_t bytes = NGROUPS_MAX * sizeof(gid_t);
	gid_t *groups = xcalloc(1, bytes);
	bool is_in = false;

	if (getsockopt(transport_fd_in(conn->transport), SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) == 0) {
		for (size_t i = 0; i < bytes / sizeof(gid_t) && !is_in; i++)
			is_in = groups[i] == group;
	}
	free(groups);
	return is_in;
}

uint64_t conn_wire_bytes(const struct conn *conn)
{
	return transport_wire_bytes(conn->transport);
}

size_t conn_queued_bytes(const struct conn *conn)
{
	return output_queued_bytes(conn->output);
}

void conn_set_pass_bytes(struct conn *conn, size_t bytes)
{
	assert(bytes > 0 && bytes <= PASS_BYTES_MAX);
	conn->pass_bytes = bytes;
	conn->burst_bytes = 0;
}
