/* SPDX-License-Identifier: Apache-2.0
 *
 * Accepting: see accept.h. It keeps no list of its own: the list of sessions is in the order of their arrival, and says
 * of each whether it is up. A stranger that is silent is ended by its conn (hello deadline); here only the crowd is
 * limited, so that it neither takes all memory and descriptors nor keeps a known peer out.
 */
#include "secondary/accept.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "wire/conn.h"
#include "wire/listener.h"
#include "wire/tls.h"

#define ACCEPT_MAGIC 0x41434350u

struct accept {
	uint32_t magic;
	struct ra *ra;
	struct event_base *base;
	struct tls_context *tls;
	struct listener **listeners;
	unsigned listener_count;
	struct accept_counts counts; /* those so far */
};

struct accept *accept_new(struct ra *ra, struct event_base *base, struct tls_context *tls)
{
	struct accept *accept = xcalloc(1, sizeof(*accept));

	accept->magic = ACCEPT_MAGIC;
	accept->ra = ra;
	accept->base = base;
	accept->tls = tls;
	return accept;
}

void accept_free(struct accept *accept)
{
	if (accept == NULL)
		return;
	for (unsigned i = 0; i < accept->listener_count; i++)
		listener_free(accept->listeners[i]);
	free(accept->listeners);
	accept->magic = 0;
	free(accept);
}

void accept_set_tls(struct accept *accept, struct tls_context *tls)
{
	accept->tls = tls;
}

void accept_count(const struct accept *accept, struct accept_counts *counts)
{
	const struct session *session;

	*counts = accept->counts;
	DL_FOREACH(accept->ra->sessions, session) {
		counts->connections++;
		if (session->state != SESSION_UP)
			counts->strangers++;
	}
}

/* ---- The crowd ---- */

static struct session *longest_stranger(const struct accept *accept)
{
	struct session *session;

	DL_FOREACH(accept->ra->sessions, session)
		if (session->state != SESSION_UP)
			return session;
	return NULL;
}

/* Is there room for one more? */
static bool make_room(struct accept *accept, const char *from)
{
	struct accept_counts counts;
	struct session *stranger;

	accept_count(accept, &counts);
	if (counts.connections < CONNECTIONS_MAX && counts.strangers < STRANGERS_MAX)
		return true;
	stranger = longest_stranger(accept);
	if (stranger == NULL) {
		accept->counts.refused++;
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "%s: refused, there are too many connections", from);
		return false;
	}
	accept->counts.dropped++;
	log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING,
		"%s: dropped, it has said no Hello and too many others come", stranger->from);
	session_free(stranger);
	return true;
}

/* ---- Connections ---- */

void accept_connection(struct accept *accept, int fd, const char *from)
{
	struct ra *ra = accept->ra;
	struct session *session;
	struct conn *conn;

	if (!make_room(accept, from)) {
		close(fd);
		return;
	}
	accept->counts.accepted++;
	log_debug("%s: connected", from);
	session = session_new(ra, from, NULL, NULL, NULL);
	conn = conn_new_tls(accept->base, ra->clock, tls_new(accept->tls, fd, fd), fd, fd, from, &session_conn_ops,
		session);
	conn_set_stranger(conn, true);
	session_start(session, conn);
}

static void on_connection(void *arg, int fd, const char *from)
{
	struct accept *accept = arg;

	assert(accept->magic == ACCEPT_MAGIC);
	accept_connection(accept, fd, from);
}

bool accept_listen(struct accept *accept, const char *address, char *why, size_t why_bytes)
{
	struct listener *listener = listener_new_tcp(accept->base, accept->ra->clock, address, on_connection, accept, why,
		why_bytes);

	if (listener == NULL)
		return false;
	accept->listeners = xrealloc(accept->listeners, accept->listener_count + 1, sizeof(struct listener *));
	accept->listeners[accept->listener_count++] = listener;
	return true;
}

const char *accept_address(const struct accept *accept, unsigned index)
{
	return index < accept->listener_count ? listener_address(accept->listeners[index]) : NULL;
}
