/* SPDX-License-Identifier: Apache-2.0
 *
 * The Unix socket of a daemon: each connection is a visitor until its first frame says what it is. Then it has a
 * place, or is told that there is none. A host is handed over; the Control requests of all others are checked here and
 * answered by the daemon, now or later, in any order. Loop thread only.
 *
 * The hard thing: a request outlives its visitor when that goes before the answer. So requests belong to the daemon,
 * and a visitor that goes only takes itself out of them.
 */
#include "local/server.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "local/admin.h"
#include "local/payload.h"
#include "local/show.h"
#include "wire/conn.h"
#include "wire/listener.h"

#define SERVER_MAGIC 0x53525652u
#define VISITOR_MAGIC 0x56495354u
#define REQUEST_MAGIC 0x43524551u
#define SILENT_MAX 64u   /* visitors that have said nothing: one goes when another comes */
#define REQUESTS_MAX 16u /* of one visitor, without an answer */
/* Of those that have said something, hosts included. */
#define PLACES_MAX 256u
#define PLACES_OF_ROOT 8u       /* of these, for root's requests alone */
#define PLACES_OF_USER_MAX 128u /* of each user but root */
#define IDLE_MS HELLO_DEADLINE_MS /* from an answer, or from the first frame, to the next request */

struct visitor {
	uint32_t magic;
	struct server *server;
	struct conn *conn;
	uid_t uid;
	bool has_spoken;
	struct payload payload; /* of the frame that is coming */
	struct timer idle; /* set when it has spoken and no request waits */
	struct control_request *requests;
	unsigned request_count;
	struct visitor *prev, *next;
};

struct control_request {
	uint32_t magic;
	struct server *server;
	struct visitor *visitor; /* NULL when gone */
	struct msg_control message;
	struct payload payload;
	struct control_request *prev, *next; /* of the visitor */
};

struct server {
	uint32_t magic;
	struct event_base *base;
	struct clock *clock;
	const struct server_ops *ops;
	void *arg;
	struct listener *listener;
	gid_t admin_gid;       /* -1: none */
	char who[DETAIL_MAX + 1]; /* may change something */
	struct visitor *visitors; /* oldest first */
	unsigned silent_count;
	bool is_crowd_told;     /* false again when nobody is silent */
	unsigned request_count; /* without an answer */
	struct payload_room payloads;
	struct message out;
};

static struct visitor *visitor_of(void *arg)
{
	struct visitor *visitor = arg;

	assert(visitor->magic == VISITOR_MAGIC);
	return visitor;
}

/* ---- Visitors ---- */

static void note_spoken(struct visitor *visitor)
{
	struct server *server = visitor->server;

	if (visitor->has_spoken)
		return;
	visitor->has_spoken = true;
	server->silent_count--;
	if (server->silent_count == 0)
		server->is_crowd_told = false;
}

/* Its requests are answered to nobody. The connection is the caller's business. */
static void forget_visitor(struct visitor *visitor)
{
	struct control_request *request, *next;

	note_spoken(visitor);
	timer_cancel(&visitor->idle);
	payload_drop(&visitor->server->payloads, &visitor->payload);
	DL_FOREACH_SAFE(visitor->requests, request, next) {
		DL_DELETE(visitor->requests, request);
		request->visitor = NULL;
	}
	DL_DELETE(visitor->server->visitors, visitor);
	visitor->magic = 0;
	free(visitor);
}

static void drop_visitor(struct visitor *visitor)
{
	conn_free(visitor->conn);
	forget_visitor(visitor);
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	(void)reason, (void)clean;
	drop_visitor(visitor_of(arg));
}

static void on_up(void *arg)
{
	(void)visitor_of(arg);
}

/* An answer to HostHello, and the end. */
static void refuse_host(struct visitor *visitor, enum status status, const char *why)
{
	struct message *out = &visitor->server->out;

	out->type = MESSAGE_HOST_HELLO_REPLY;
	out->host_hello_reply = (struct msg_host_hello_reply){ .status = status, .protocol = RA_PROTOCOL_VERSION,
		.software = "ra " RA_VERSION };
	snprintf(out->host_hello_reply.detail, sizeof(out->host_hello_reply.detail), "%s", why);
	conn_send(visitor->conn, out, NULL, 0, NULL, NULL);
	conn_finish(visitor->conn, why);
}

static int hand_over(struct visitor *visitor, const struct msg_host_hello *hello)
{
	struct server *server = visitor->server;
	int rc;

	if (!server->ops->host) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "a host program (%s) came to a daemon that has no hosts",
			hello->software);
		refuse_host(visitor, STATUS_BAD_REQUEST, "this daemon has no hosts");
		return 0;
	}
	conn_set_stranger(visitor->conn, false);
	rc = server->ops->host(server->arg, visitor->conn, visitor->uid, hello);
	if (rc == 0)
		forget_visitor(visitor); /* the connection has another owner */
	return rc;
}

/* ---- Requests ---- */

static bool takes_payload(const struct msg_control *control)
{
	return control->verb == VERB_TRACKS && (control->action == TRACKS_MARK || control->action == TRACKS_CLEAR);
}

/* What, in words; NULL: nothing. */
static const char *names_change(const struct msg_control *control)
{
	if (takes_payload(control))
		return "invalid tracks";
	if (control->verb == VERB_LOG_LEVEL)
		return control->log_level > 0 ? "the log level" : NULL;
	return control->verb == VERB_LIMIT && control->scope != SCOPE_UNSET ? "a limit" : NULL;
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct visitor *visitor = visitor_of(arg);
	struct server *server = visitor->server;

	if (message->type != MESSAGE_CONTROL)
		return NULL; /* what does not belong here closes the connection */
	return payload_place(&server->payloads,
		takes_payload(&message->control) && admin_is_peer(visitor->conn, server->admin_gid), payload_bytes,
		&visitor->payload);
}

static struct control_request *new_request(struct visitor *visitor, const struct msg_control *control)
{
	struct control_request *request = xcalloc(1, sizeof(*request));

	request->magic = REQUEST_MAGIC;
	request->server = visitor->server;
	request->visitor = visitor;
	request->message = *control;
	request->payload = visitor->payload;
	visitor->payload = (struct payload){ 0 };
	timer_cancel(&visitor->idle);
	DL_APPEND(visitor->requests, request);
	visitor->request_count++;
	visitor->server->request_count++;
	return request;
}

static void serve(struct visitor *visitor, const struct msg_control *control, uint32_t payload_bytes)
{
	struct server *server = visitor->server;
	const char *change = names_change(control);
	bool is_one_too_many = visitor->request_count == REQUESTS_MAX;
	struct control_request *request = new_request(visitor, control);

	if (control->protocol != RA_PROTOCOL_VERSION) {
		control_refuse(request, STATUS_VERSION, "this daemon (ra %s) speaks protocol %u, not %u", RA_VERSION,
			RA_PROTOCOL_VERSION, control->protocol);
	} else if (control->verb >= VERB_COUNT) {
		control_refuse(request, STATUS_BAD_REQUEST, "this daemon (ra %s) does not know verb %u", RA_VERSION,
			(unsigned)control->verb);
	} else if (is_one_too_many) {
		control_refuse(request, STATUS_BUSY, "%u requests wait for their answers already", REQUESTS_MAX);
	} else if (change && !admin_is_peer(visitor->conn, server->admin_gid)) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_INFO, "uid %u may not change %s", visitor->uid, change);
		control_refuse(request, STATUS_NOT_PERMITTED, "only %s may change %s", server->who, change);
	} else if (payload_bytes > 0 && !takes_payload(control)) {
		control_refuse(request, STATUS_BAD_REQUEST, "only tracks to be marked or cleared come as a payload");
	} else if (payload_bytes != request->payload.count) {
		control_refuse(request, STATUS_BUSY, "too many changes of invalid tracks wait");
	} else {
		server->ops->control(server->arg, request);
	}
}

/* ---- Places ---- */

static unsigned count_places(const struct server *server, uid_t uid)
{
	unsigned count = server->ops->hosts ? server->ops->hosts(server->arg, uid) : 0;
	const struct visitor *visitor;

	DL_FOREACH(server->visitors, visitor)
		count += visitor->has_spoken && (uid == SERVER_ANYBODY || visitor->uid == uid);
	return count;
}

/* Of its first frame. False with words in why. */
static bool take_place(struct visitor *visitor, bool is_host, char why[DETAIL_MAX + 1])
{
	const struct server *server = visitor->server;
	unsigned count = count_places(server, SERVER_ANYBODY), own_count = count_places(server, visitor->uid);
	bool is_roots = visitor->uid == 0;

	if (count >= (is_roots && !is_host ? PLACES_MAX : PLACES_MAX - PLACES_OF_ROOT))
		snprintf(why, DETAIL_MAX + 1, "too many programs are connected to this daemon: %u", count);
	else if (!is_roots && own_count >= PLACES_OF_USER_MAX)
		snprintf(why, DETAIL_MAX + 1, "too many programs of uid %u are connected to this daemon: %u", visitor->uid,
			own_count);
	else
		return true;
	return false;
}

/* It is answered in its own words, and that is the end. */
static void turn_away(struct visitor *visitor, const struct message *message, const char *why)
{
	log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "uid %u is turned away: %s", visitor->uid, why);
	if (message->type == MESSAGE_HOST_HELLO) {
		refuse_host(visitor, STATUS_BUSY, why);
		return;
	}
	control_refuse(new_request(visitor, &message->control), STATUS_BUSY, "%s", why);
	conn_finish(visitor->conn, why);
}

/* ---- Frames ---- */

static int on_first_frame(struct visitor *visitor, const struct message *message, uint32_t payload_bytes)
{
	bool is_host = message->type == MESSAGE_HOST_HELLO;
	char why[DETAIL_MAX + 1];

	if (!take_place(visitor, is_host, why)) {
		turn_away(visitor, message, why);
		return 0;
	}
	note_spoken(visitor);
	if (is_host)
		return hand_over(visitor, &message->host_hello);
	conn_accept(visitor->conn);
	conn_set_stranger(visitor->conn, true);
	serve(visitor, &message->control, payload_bytes);
	return 0;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct visitor *visitor = visitor_of(arg);
	bool is_first = !visitor->has_spoken;

	if (message->type != MESSAGE_CONTROL && (!is_first || message->type != MESSAGE_HOST_HELLO)) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "%s on the socket: %s was expected",
			message_name(message->type), is_first ? "HostHello or Control" : "Control");
		return -EPROTO;
	}
	if (is_first)
		return on_first_frame(visitor, message, payload_bytes);
	serve(visitor, &message->control, payload_bytes);
	return 0;
}

const struct msg_control *control_message(const struct control_request *request)
{
	assert(request->magic == REQUEST_MAGIC);
	return &request->message;
}

const uint8_t *control_payload(const struct control_request *request, uint32_t *bytes)
{
	assert(request->magic == REQUEST_MAGIC);
	*bytes = request->payload.count;
	return request->payload.bytes;
}

uid_t control_uid(const struct control_request *request)
{
	assert(request->magic == REQUEST_MAGIC && request->visitor);
	return request->visitor->uid;
}

static void on_answer_sent(void *arg, bool sent)
{
	(void)sent;
	free(arg);
}

/* The request is over; text, if any, is the payload and is freed when it was sent. */
static void reply(struct control_request *request, enum status status, const char *detail, char *text)
{
	struct visitor *visitor = request->visitor;
	struct server *server = request->server;

	assert(request->magic == REQUEST_MAGIC);
	if (visitor) {
		const struct conn_piece piece = { text, text ? strlen(text) : 0 };

		server->out.type = MESSAGE_CONTROL_REPLY;
		server->out.control_reply = (struct msg_control_reply){ .tag = request->message.tag, .status = status };
		snprintf(server->out.control_reply.detail, sizeof(server->out.control_reply.detail), "%s", detail);
		conn_send(visitor->conn, &server->out, &piece, text ? 1 : 0, on_answer_sent, text);
		DL_DELETE(visitor->requests, request);
		if (--visitor->request_count == 0)
			timer_set(&visitor->idle, IDLE_MS);
	} else {
		free(text);
	}
	server->request_count--;
	payload_drop(&server->payloads, &request->payload);
	request->magic = 0;
	free(request);
}

void control_refuse(struct control_request *request, enum status status, const char *format, ...)
{
	char detail[DETAIL_MAX + 1];
	va_list args;

	assert(status != STATUS_OK && status != STATUS_UNSET);
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	reply(request, status, detail, NULL);
}

void control_answer(struct control_request *request, json_t *json)
{
	char *text = show_dump(json, CONTROL_PAYLOAD_BYTES_MAX);

	json_decref(json);
	if (text)
		reply(request, STATUS_OK, "", text);
	else
		control_refuse(request, STATUS_BAD_REQUEST, "the answer has more than %u bytes", CONTROL_PAYLOAD_BYTES_MAX);
}

/* ---- The socket ---- */

static unsigned count_silent(const struct server *server, uid_t uid)
{
	const struct visitor *visitor;
	unsigned count = 0;

	DL_FOREACH(server->visitors, visitor)
		count += !visitor->has_spoken && visitor->uid == uid;
	return count;
}

/* The oldest of the user who has most of them makes room, so that a user's crowd drives nobody else out. */
static struct visitor *oldest_of_crowd(const struct server *server)
{
	struct visitor *visitor, *oldest = NULL;
	unsigned most = 0;

	DL_FOREACH(server->visitors, visitor) {
		unsigned count = visitor->has_spoken ? 0 : count_silent(server, visitor->uid);

		if (count > most) {
			most = count;
			oldest = visitor;
		}
	}
	return oldest;
}

static void make_room(struct server *server)
{
	if (server->silent_count < SILENT_MAX)
		return;
	if (!server->is_crowd_told)
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING,
			"%s: %u connections have said nothing: the oldest are closed for new ones",
			listener_address(server->listener), SILENT_MAX);
	server->is_crowd_told = true;
	drop_visitor(oldest_of_crowd(server));
}

/* What it does not take has its own deadline. */
static void on_idle(void *arg)
{
	struct visitor *visitor = visitor_of(arg);

	if (conn_queued_bytes(visitor->conn) > 0)
		timer_set(&visitor->idle, IDLE_MS);
	else
		drop_visitor(visitor);
}

static const struct conn_ops conn_ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };

static void on_visitor(void *arg, int fd, const char *from)
{
	struct server *server = arg;
	struct visitor *visitor;
	struct ucred peer;

	assert(server->magic == SERVER_MAGIC);
	visitor = xcalloc(1, sizeof(*visitor));
	visitor->magic = VISITOR_MAGIC;
	visitor->server = server;
	visitor->conn = conn_new_plain(server->base, server->clock, fd, from, &conn_ops, visitor);
	conn_set_stranger(visitor->conn, true);
	visitor->uid = conn_credentials(visitor->conn, &peer) == 0 ? peer.uid : SERVER_ANYBODY;
	timer_init(&visitor->idle, server->clock, on_idle, visitor);
	make_room(server);
	DL_APPEND(server->visitors, visitor);
	server->silent_count++;
}

struct server *server_new(const struct server_config *config, const struct server_ops *ops, void *arg, char *why,
	size_t why_bytes)
{
	struct server *server = xcalloc(1, sizeof(*server));
	gid_t gid;

	server->magic = SERVER_MAGIC;
	server->base = config->base;
	server->clock = config->clock;
	server->ops = ops;
	server->arg = arg;
	admin_name(config->admin_group, server->who, sizeof(server->who)); /* once: it may be slow */
	if (admin_find_group("socket-group", config->group, &gid, why, why_bytes) &&
	    admin_find_group("admin-group", config->admin_group, &server->admin_gid, why, why_bytes))
		server->listener = listener_new_unix(config->base, config->clock, config->path, config->mode, gid, on_visitor,
			server, why, why_bytes);
	if (server->listener)
		return server;
	server_free(server);
	return NULL;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	assert(server->magic == SERVER_MAGIC && server->request_count == 0);
	listener_free(server->listener);
	while (server->visitors)
		drop_visitor(server->visitors);
	payload_room_end(&server->payloads);
	server->magic = 0;
	free(server);
}
