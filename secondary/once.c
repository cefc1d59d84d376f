/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-secondaryd --once: takes its set-up from the first frame on standard input, answers it, serves one primary there
 * over TLS, and ends with the connection. Loop thread only. It knows one peer, by key, and one device.
 */
#include "secondary/once.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/volume.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define ONCE_DEVICE "volume"
#define ONCE_PEER "primary"

struct once {
	struct daemon *daemon;
	struct mailbox *mailbox;
	struct post *post;
	struct ra *ra;
	struct tls_context *tls;
	struct peer_list *peers; /* one */
};

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct once *once = arg;

	return peer_list_admit(once->peers, key, proof);
}

static void link_ended(void *arg)
{
	struct once *once = arg;

	daemon_stop(once->daemon, 0);
}

static void on_stop(int signal_number, void *arg)
{
	struct once *once = arg;

	log_info("signal %d: ending", signal_number);
	daemon_stop(once->daemon, 0);
}

static void on_dump(int signal_number, void *arg)
{
	struct once *once = arg;

	(void)signal_number;
	ra_dump(once->ra);
}

/* The primary of the private pair, with the one device. */
static void add_peer(struct once *once, const struct msg_setup *setup)
{
	const char *const keys[] = { setup->peer_key, NULL };
	static const char *const devices[] = { ONCE_DEVICE, NULL };
	const struct peer_config config = { .name = ONCE_PEER, .keys = keys, .devices = devices, .links_max = 1,
		.jobs_max = once->ra->config.jobs };

	once->peers = peer_list_new(NULL);
	peer_list_add(once->peers, &config);
}

static bool build(struct once *once, const struct msg_setup *setup)
{
	struct ra_config config;
	struct tls_identity *identity = NULL;
	struct session *session;
	struct tls *tls;

	ra_config_default(&config);
	config.secondary_id = link_id_new_secondary();
	config.track_bytes = setup->track_bytes;
	config.cache_bytes = setup->cache_bytes;
	config.da_threads = ra_threads_for(setup->cache_bytes);
	if (tls_identity_from_pem(setup->identity_pem, &identity) != 0)
		return false;
	once->tls = tls_context_new(identity, TLS_SERVER, admit, once);
	tls_identity_free(identity);
	if (once->tls == NULL)
		return false;
	once->mailbox = mailbox_new(daemon_base(once->daemon));
	if (once->mailbox == NULL)
		return false;
	once->ra = ra_new(&config, daemon_clock(once->daemon), once->mailbox, once->post);
	if (once->ra == NULL)
		return false;
	add_peer(once, setup);
	device_array_add(once->ra->devices, ONCE_DEVICE, volume_new(setup->volume_path, setup->io));
	tls = tls_new(once->tls, STDIN_FILENO, STDOUT_FILENO);
	if (tls == NULL)
		return false;
	if (setup->return_pipe)
		tls_lend_pages(tls);
	session = session_new(once->ra, "standard input", NULL, link_ended, once);
	session_start(session, conn_new_tls(daemon_base(once->daemon), daemon_clock(once->daemon), tls, STDIN_FILENO,
		STDOUT_FILENO, ONCE_PEER, &session_conn_ops, session));
	return true;
}

int secondary_once_run(void)
{
	struct message *setup = xcalloc(1, sizeof(*setup));
	struct once once = { .daemon = daemon_new(), .post = post_new() };
	int code = 1;

	if (!conn_take_setup("ra-secondaryd", STDOUT_FILENO, setup))
		goto out;
	daemon_on_signal(once.daemon, SIGTERM, on_stop, &once);
	daemon_on_signal(once.daemon, SIGUSR2, on_dump, &once);
	if (build(&once, &setup->setup))
		code = daemon_run(once.daemon);
out:
	explicit_bzero(setup, sizeof(*setup));
	free(setup);
	if (once.ra != NULL)
		ra_end_sessions(once.ra);
	peer_list_free(once.peers);
	if (!ra_free(once.ra)) {
		log_warning("a disk read hangs: leaving it behind");
		_exit(code);
	}
	tls_context_free(once.tls);
	mailbox_free(once.mailbox);
	post_free(once.post);
	daemon_free(once.daemon);
	return code;
}
