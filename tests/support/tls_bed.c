/* SPDX-License-Identifier: Apache-2.0
 *
 * See tls_bed.h.
 */
#include "tests/support/tls_bed.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"
#include "secondary/session.h"
#include "tests/support/byte_relay.h"
#include "wire/conn.h"

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct tls_bed *tls_bed = arg;

	(void)proof;
	for (unsigned i = 0; i < TLS_BED_PEERS; i++)
		if (strcmp(key, tls_bed->peers[i].key) == 0)
			return tls_bed->peers[i].peer;
	return NULL;
}

static void *admit_anybody(void *arg, const char *key, const struct tls_proof *proof)
{
	static char anybody;

	(void)arg, (void)key, (void)proof;
	return &anybody;
}

static struct tls_context *new_context(enum tls_role role, tls_admit_fn *fn, void *arg, char key[PEER_KEY_CHARS + 1])
{
	struct tls_identity *identity;
	struct tls_context *context;
	int rc = tls_identity_generate(&identity);

	assert(rc == 0);
	tls_identity_key(identity, key);
	context = tls_context_new(identity, role, fn, arg);
	assert(context != NULL);
	tls_identity_free(identity);
	return context;
}

struct tls_bed *tls_bed_new(const struct ra_config *config, uint64_t tracks_each)
{
	static const char *const all_devices[] = { "d0", "d1", "d2", NULL };
	struct tls_bed *tls_bed = xcalloc(1, sizeof(*tls_bed));
	char key[PEER_KEY_CHARS + 1];

	signal(SIGPIPE, SIG_IGN);
	tls_bed->bed = bed_new(config, tracks_each);
	tls_bed->listener = byte_relay_listen(&tls_bed->port);
	tls_bed->server = new_context(TLS_SERVER, admit, tls_bed, key);
	for (unsigned i = 0; i < TLS_BED_PEERS; i++)
		tls_bed->peers[i].client = new_context(TLS_CLIENT, admit_anybody, NULL, tls_bed->peers[i].key);
	tls_bed->peers[0].peer = tls_bed->bed->peer;
	tls_bed->peers[1].peer = bed_add_peer(tls_bed->bed, "other", all_devices, false, 64, 256);
	return tls_bed;
}

void tls_bed_free(struct tls_bed *tls_bed)
{
	bed_free(tls_bed->bed);
	tls_context_free(tls_bed->server);
	for (unsigned i = 0; i < TLS_BED_PEERS; i++)
		tls_context_free(tls_bed->peers[i].client);
	close(tls_bed->listener);
	free(tls_bed);
}

static struct session *new_session(struct tls_bed *tls_bed, int fd)
{
	struct bed *bed = tls_bed->bed;
	struct session *session = session_new(bed->ra, "bed", NULL, NULL, NULL);

	session_start(session, conn_new_tls(bed->base, bed->clock, tls_new(tls_bed->server, fd, fd), fd, fd, "session",
		&session_conn_ops, session));
	return session;
}

bool tls_bed_accept(struct tls_bed *tls_bed)
{
	const int on = 1;
	bool has_accepted = false;
	int fd;

	while ((fd = accept4(tls_bed->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		new_session(tls_bed, fd);
		has_accepted = true;
	}
	return has_accepted;
}

struct primary *tls_bed_primary(struct tls_bed *tls_bed, unsigned peer, struct event_base *base)
{
	const struct message hello = { .type = MESSAGE_HELLO,
		.hello = { .protocol_min = 1, .protocol_max = 1, .software = "tls_bed" } };
	struct bed *bed = tls_bed->bed;
	struct primary *primary = xcalloc(1, sizeof(*primary));
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	primary->bed = bed;
	primary->session = new_session(tls_bed, fds[0]);
	primary->conn = conn_new_tls(base, bed->clock, tls_new(tls_bed->peers[peer].client, fds[1], fds[1]), fds[1], fds[1],
		"primary", &primary_conn_ops, primary);
	primary_send(primary, &hello);
	for (unsigned i = 0; i < 1000 && !primary->is_up; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		bed_pass(bed);
	}
	assert_true(primary->is_up);
	return primary;
}
