/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: see session.h. A frame is handled to its end in one pass; what must wait is a Read (read.h) or a query of
 * a device. The end of the conn frees its queued answers first, so no scratch buffer outlives the session.
 */
#include "secondary/session.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "secondary/command.h"
#include "secondary/fetch.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/read.h"
#include "storage/da.h"
#include "wire/conn.h"

#define SESSION_MAGIC 0x53455353u
/* Of all links of a peer together, in one pass of the loop: more of it makes the others wait, less of it costs time. */
#define PEER_PASS_BYTES (256u * KIB)
#define LINK_PASS_BYTES_MIN (64u * KIB)

const char *session_peer(const struct session *session)
{
	return session->peer != NULL ? session->peer->name : session->from;
}

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = { [SESSION_HANDSHAKE] = "handshake", [SESSION_HELLO] = "hello",
		[SESSION_UP] = "up" };

	return names[state];
}

static void enter(struct session *session, enum session_state state, const char *reason)
{
	log_debug("%s: link from %s: %s -> %s (%s)", session_peer(session), session->from,
		session_state_name(session->state), session_state_name(state), reason);
	session->state = state;
	session->since_ms = clock_now_ms(session->ra->clock);
}

/* ---- Window ---- */

bool session_take_place(struct session *session)
{
	if (session->connected_reads + session->reconnected_reads >= session->ra->config.window_reads)
		return false;
	session->reconnected_reads++;
	return true;
}

void session_place_is_free(struct session *session)
{
	while (session->conn != NULL && session->place_waiters != NULL && session_take_place(session)) {
		struct read *read = session->place_waiters;

		DL_DELETE(session->place_waiters, read);
		read->place = READ_PLACE_ANSWER;
		read_enter(read, READ_LOOKING, "got a place");
		read_look_again(read);
	}
}

/* ---- The link ---- */

/* A link of the peer was admitted or has gone: they share a peer's turn of the loop. */
static void count_links(struct ra *ra, struct peer *peer, int more)
{
	struct session *session;
	size_t bytes;

	peer->links += (unsigned)more;
	if (peer->links == 0)
		da_forget_owner(ra->da, peer);
	bytes = peer->links > 0 ? PEER_PASS_BYTES / peer->links : PEER_PASS_BYTES;
	if (bytes < LINK_PASS_BYTES_MIN)
		bytes = LINK_PASS_BYTES_MIN;
	DL_FOREACH(ra->sessions, session)
		if (session->peer == peer && session->conn != NULL)
			conn_set_pass_bytes(session->conn, bytes);
}

/* message: its Hello; NULL: it is not waited for. */
static void say_hello_reply(struct session *session, enum status status, const struct msg_hello *message)
{
	struct message answer = { .type = MESSAGE_HELLO_REPLY };
	struct msg_hello_reply *reply = &answer.hello_reply;

	reply->status = status;
	reply->protocol = RA_PROTOCOL_VERSION;
	reply->features = message != NULL ? message->features & FEATURE_INVALID : 0;
	reply->window_reads = session->ra->config.window_reads;
	reply->secondary_id = session->ra->config.secondary_id;
	reply->digests = session->digests;
	snprintf(reply->software, sizeof(reply->software), "ra %s", RA_VERSION);
	conn_send(session->conn, &answer, NULL, 0, NULL, NULL);
}

static int on_hello(struct session *session, const struct msg_hello *message)
{
	bool common = message->protocol_min <= RA_PROTOCOL_VERSION && message->protocol_max >= RA_PROTOCOL_VERSION;

	if ((message->digests & 1u << DIGEST_XXH3_128) != 0) /* who knows any knows that one */
		session->digests = message->digests & DIGESTS_KNOWN;
	say_hello_reply(session, common ? STATUS_OK : STATUS_VERSION, message);
	if (!common) {
		log_warning("%s: speaks protocol %" PRIu32 " to %" PRIu32 ", this secondary only %u",
			session_peer(session), message->protocol_min, message->protocol_max, RA_PROTOCOL_VERSION);
		conn_finish(session->conn, "no common protocol version");
		return 0;
	}
	log_info("%s: Hello accepted (%s)", session_peer(session), message->software);
	enter(session, SESSION_UP, "Hello accepted");
	conn_accept(session->conn);
	conn_start_ping(session->conn);
	return 0;
}

static int session_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct session *session = arg;
	bool is_up = session->state == SESSION_UP;

	assert(session->magic == SESSION_MAGIC && payload_bytes == 0);
	if (is_up != (message->type != MESSAGE_HELLO)) {
		log_warning("%s: %s %s Hello", session_peer(session), message_name(message->type),
			is_up ? "after an accepted" : "before");
		return -EPROTO;
	}
	return message->type == MESSAGE_HELLO ? on_hello(session, &message->hello) : command_run(session, message);
}

/* TLS has proven who it is. */
static void session_up(void *arg)
{
	struct session *session = arg;
	const char *key = conn_peer_key(session->conn);
	struct peer *peer;

	assert(session->magic == SESSION_MAGIC);
	if (session->peer == NULL)
		session->peer = conn_peer(session->conn);
	peer = session->peer;
	assert(peer != NULL);
	if (peer->links >= peer->links_max) {
		peer->links_refused++;
		log_warning("%s: a link from %s is refused, it has its most (%" PRIu32 "): key %s", peer->name,
			session->from, peer->links_max, key);
		say_hello_reply(session, STATUS_BUSY, NULL);
		conn_finish(session->conn, "the peer has its most links");
		return;
	}
	count_links(session->ra, peer, 1);
	enter(session, SESSION_HELLO, "its key is known");
	log_info("%s: a link from %s is admitted: key %s", peer->name, session->from, key);
}

static void session_closed(void *arg, const char *reason, bool clean)
{
	struct session *session = arg;
	void (*ended)(void *) = session->ended;
	void *ended_arg = session->arg;

	assert(session->magic == SESSION_MAGIC);
	if (clean)
		log_info("%s: the link ended (%s)", session_peer(session), reason);
	session_free(session);
	if (ended != NULL)
		ended(ended_arg);
}

const struct conn_ops session_conn_ops = { .up = session_up, .frame = session_frame, .closed = session_closed };

struct session *session_new(struct ra *ra, const char *from, struct peer *peer, void (*ended)(void *arg), void *arg)
{
	struct session *session = xcalloc(1, sizeof(*session));

	session->magic = SESSION_MAGIC;
	session->ra = ra;
	session->peer = peer;
	session->ended = ended;
	session->arg = arg;
	snprintf(session->from, sizeof(session->from), "%s", from);
	enter(session, SESSION_HANDSHAKE, "accepted");
	DL_APPEND(ra->sessions, session);
	return session;
}

void session_start(struct session *session, struct conn *conn)
{
	session->conn = conn;
}

/* What a lost link leaves behind is freed here: answers being sent, Reads, jobs, reservations, devices, queries. */
void session_free(struct session *session)
{
	struct conn *conn;

	if (session == NULL)
		return;
	assert(session->magic == SESSION_MAGIC);
	conn = session->conn;
	session->conn = NULL; /* no Read goes on from here */
	if (session->peer != NULL)
		session->peer->wire_bytes += conn_wire_bytes(conn);
	conn_free(conn);
	command_forget_session(session);
	fetch_forget_session(session->ra, session);
	assert(session->locked_tracks == 0 && session->connected_reads == 0 && session->reconnected_reads == 0);
	assert(session->jobs == 0 && session->queries == NULL && session->invalid_questions == NULL);
	assert(session->invalid_unsent_bytes == 0);
	if (session->state != SESSION_HANDSHAKE)
		count_links(session->ra, session->peer, -1);
	DL_DELETE(session->ra->sessions, session);
	session->magic = 0;
	free(session);
}
