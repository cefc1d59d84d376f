/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection does when nothing happens: the deadline for the Hello, the one for output that the peer does not
 * take, and the pings. Loop thread only; the clock may be a virtual one.
 */
#include "wire/conn_internal.h"

#include <assert.h>
#include <inttypes.h>

/* On the wire, from the peer. */
static uint64_t received_bytes(const struct conn *conn)
{
	return transport_wire_bytes(conn->transport) - transport_sent_bytes(conn->transport);
}

/* Moves the stall deadline when the wire took enough since it was set. A byte now and then is not enough: what is
 * queued holds locks in the cache. */
void conn_watch_output(struct conn *conn)
{
	uint64_t sent_bytes = transport_sent_bytes(conn->transport);

	if (output_is_idle(conn->output)) {
		timer_cancel(&conn->stall_deadline);
	} else if (!conn->stall_deadline.is_set || sent_bytes - conn->stall_sent_bytes >= OUTPUT_STALL_BYTES) {
		timer_set(&conn->stall_deadline, OUTPUT_STALL_MS);
		conn->stall_sent_bytes = sent_bytes;
	}
}

static void on_hello_deadline(void *arg)
{
	struct conn *conn = conn_checked(arg);

	conn_hold(conn);
	conn_end(conn, END_FAILED, "no Hello within %d s", HELLO_DEADLINE_MS / 1000);
	conn_release(conn);
}

static void on_stall_deadline(void *arg)
{
	struct conn *conn = conn_checked(arg);
	uint64_t sent_bytes = transport_sent_bytes(conn->transport) - conn->stall_sent_bytes;

	conn_hold(conn);
	if (sent_bytes == 0)
		conn_end(conn, END_FAILED, "the peer took no output for %d s", OUTPUT_STALL_MS / 1000);
	else
		conn_end(conn, END_FAILED, "the peer took only %" PRIu64 " bytes of output in %d s", sent_bytes,
			OUTPUT_STALL_MS / 1000);
	conn_release(conn);
}

static void on_ping_sent(void *arg, bool sent)
{
	(void)sent;
	conn_checked(arg)->is_ping_queued = false;
}

/* Counts pings, not time. Bytes that arrive are an answer too: a Pong may stand behind many of them. While this side
 * does not read, or its Ping is still queued, the silence is its own: the stall deadline has those cases. */
static void on_ping_timer(void *arg)
{
	struct conn *conn = conn_checked(arg);

	conn_hold(conn);
	if (received_bytes(conn) != conn->ping_received_bytes || conn_is_paused(conn))
		conn->pings_unanswered = 0;
	conn->ping_received_bytes = received_bytes(conn);
	if (conn->pings_unanswered == PINGS_UNANSWERED_MAX) {
		conn_end(conn, END_FAILED, "no answer to %d pings", PINGS_UNANSWERED_MAX);
	} else {
		if (!conn->is_ping_queued && conn->state == CONN_UP) {
			conn->is_ping_queued = true;
			conn->pings_unanswered++;
			conn_send_ping(conn, MESSAGE_PING, conn->pings_unanswered, on_ping_sent);
		}
		timer_set(&conn->ping_timer, PING_PERIOD_MS);
	}
	conn_release(conn);
}

void conn_deadlines_start(struct conn *conn, struct clock *clock)
{
	timer_init(&conn->hello_deadline, clock, on_hello_deadline, conn);
	timer_init(&conn->stall_deadline, clock, on_stall_deadline, conn);
	timer_init(&conn->ping_timer, clock, on_ping_timer, conn);
	timer_set(&conn->hello_deadline, HELLO_DEADLINE_MS);
}

void conn_deadlines_stop(struct conn *conn)
{
	timer_cancel(&conn->hello_deadline);
	timer_cancel(&conn->stall_deadline);
	timer_cancel(&conn->ping_timer);
}

void conn_start_ping(struct conn *conn)
{
	assert(!conn_is_over(conn));
	conn->ping_received_bytes = received_bytes(conn);
	timer_set(&conn->ping_timer, PING_PERIOD_MS);
}
