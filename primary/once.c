/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-primaryd --once: takes its set-up from the first frame on the host socket, builds the parts in order, and takes
 * them down in the opposite one. Loop thread only. The hard thing is the end: the volume is closed on a DA thread,
 * which may hang as long as a disk hangs, so the wait for it is limited.
 */
#include "primary/once.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "primary/host.h"
#include "primary/local.h"
#include "primary/remote.h"
#include "storage/da.h"
#include "storage/volume.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define ONCE_DEVICE "volume"
#define HOST_FD STDIN_FILENO
#define LINK_FD 3
#define END_GRACE_MS 1000 /* for the disk, when the host has gone */

struct once {
	struct daemon *daemon;
	struct mailbox *mailbox;
	struct da *da;
	struct post *post;
	struct local *local;
	struct tls_context *tls_context;
	char peer_key[PEER_KEY_CHARS + 1];
	struct remote *remote;
	struct host *host;
	struct timer grace;
	int exit_code;
};

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct once *once = arg;

	(void)proof;
	return strcmp(once->peer_key, key) == 0 ? once : NULL;
}

static void on_grace_over(void *arg)
{
	struct once *once = arg;
	daemon_stop(once->daemon, once->exit_code);
}

static void on_local_idle(void *arg)
{
	struct once *once = arg;
	if (!once->host)
		daemon_stop(once->daemon, once->exit_code);
}

static void begin_end(struct once *once, int exit_code)
{
	struct host *host = once->host;
	if (!host)
		return;
	once->host = NULL;
	once->exit_code = exit_code;
	host_free(host);
	if (local_is_idle(once->local))
		daemon_stop(once->daemon, exit_code);
	else
		timer_set(&once->grace, END_GRACE_MS);
}

static void on_host_gone(void *arg, bool clean)
{
	begin_end(arg, clean ? 0 : 1);
}

static void on_stop(int signal_number, void *arg)
{
	log_info("signal %d: ending", signal_number);
	begin_end(arg, 0);
}

static void on_dump(int signal_number, void *arg)
{
	const struct once *once = arg;
	(void)signal_number;
	if (once->host)
		host_dump(once->host);
	local_dump(once->local);
	remote_dump(once->remote);
}

/* The DA, and the volume behind it. */
static int build_disk(struct once *once, const struct msg_setup *setup)
{
	static const struct da_config da_config = {
		.threads = DA_THREADS_DEFAULT,
		.extra_threads = DA_EXTRA_THREADS_MAX,
		.queue_elements = DA_QUEUE_ELEMENTS,
	};
	once->mailbox = mailbox_new(daemon_base(once->daemon));
	if (!once->mailbox)
		return -errno;
	once->da = da_new(&da_config, once->mailbox);
	if (!once->da)
		return -errno;
	struct local_config config = {
		.clock = daemon_clock(once->daemon),
		.da = once->da,
		.post = once->post,
		.device = ONCE_DEVICE,
		.path = setup->volume_path,
		.volume = volume_new(setup->volume_path, setup->io),
		.track_bytes = setup->track_bytes,
	};
	once->local = local_new(&config);
	local_on_idle(once->local, on_local_idle, once);
	return 0;
}

static int build_link(struct once *once, const struct msg_setup *setup)
{
	struct tls_identity *identity = NULL;
	int flags = fcntl(LINK_FD, F_GETFL);
	if (flags < 0 || fcntl(LINK_FD, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(LINK_FD, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	int error = tls_identity_from_pem(setup->identity_pem, &identity);
	if (error)
		return error;
	memcpy(once->peer_key, setup->peer_key, sizeof(once->peer_key));
	once->tls_context = tls_context_new(identity, TLS_CLIENT, admit, once);
	tls_identity_free(identity);
	struct tls *tls = once->tls_context ? tls_new(once->tls_context, LINK_FD, LINK_FD) : NULL;
	if (!tls)
		return -EPROTO;
	struct remote_config config = {
		.base = daemon_base(once->daemon),
		.clock = daemon_clock(once->daemon),
		.post = once->post,
		.peer_key = once->peer_key,
	};
	once->remote = remote_new(&config, tls, LINK_FD, LINK_FD);
	return 0;
}

static void build_host(struct once *once)
{
	static const struct host_ops ops = { .gone = on_host_gone };
	struct host_config config = {
		.base = daemon_base(once->daemon),
		.clock = daemon_clock(once->daemon),
		.device = ONCE_DEVICE,
		.local = once->local,
		.remote = once->remote,
	};
	once->host = host_new(&config, HOST_FD, &ops, once);
	timer_init(&once->grace, config.clock, on_grace_over, once);
	daemon_on_signal(once->daemon, SIGTERM, on_stop, once);
	daemon_on_signal(once->daemon, SIGUSR2, on_dump, once);
}

static int build(struct once *once, const struct msg_setup *setup)
{
	int error = build_disk(once, setup);
	if (error) {
		log_error("the disk adapter cannot be started: %s", strerror(-error));
		return error;
	}
	error = build_link(once, setup);
	if (error) {
		log_error("the link on descriptor %d cannot be used: %s", LINK_FD, strerror(-error));
		return error;
	}
	build_host(once);
	return 0;
}

/* false: a thread is stuck in the volume, and memory that it may use is still there. */
static bool take_down(struct once *once)
{
	remote_free(once->remote);
	tls_context_free(once->tls_context);
	if (once->local) {
		if (!local_is_idle(once->local))
			return false;
		timer_cancel(&once->grace);
		local_free(once->local);
	}
	if (once->da && !da_free(once->da))
		return false;
	mailbox_free(once->mailbox);
	post_free(once->post);
	daemon_free(once->daemon);
	return true;
}

/* ra-compare waits for it. False: nothing more will happen. */
static bool answer_setup(const struct msg_setup *setup)
{
	struct message *reply = xcalloc(1, sizeof(*reply));
	bool is_spoken = setup->protocol == RA_PROTOCOL_VERSION;

	reply->type = MESSAGE_SETUP_REPLY;
	reply->setup_reply.status = is_spoken ? STATUS_OK : STATUS_VERSION;
	reply->setup_reply.protocol = RA_PROTOCOL_VERSION;
	snprintf(reply->setup_reply.software, sizeof(reply->setup_reply.software), "ra %s", RA_VERSION);
	int error = conn_write_one(HOST_FD, reply);
	free(reply);
	return is_spoken && !error;
}

int once_run(void)
{
	struct once once = { .exit_code = 1 };
	struct message *setup = xcalloc(1, sizeof(*setup));
	int code = 1;
	int error = conn_read_one(HOST_FD, MESSAGE_SETUP, setup);
	if (error) {
		log_error("no Setup on standard input: ra-primaryd --once is started by ra-compare");
		goto out;
	}
	/* ra-compare tells what goes wrong, in fewer words. */
	log_start("ra-primaryd", setup->setup.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
	/* ^C in a terminal reaches the whole process group: ra-compare decides, and closes the socket. */
	signal(SIGINT, SIG_IGN);
	once.daemon = daemon_new();
	once.post = post_new();
	if (answer_setup(&setup->setup) && build(&once, &setup->setup) == 0)
		code = daemon_run(once.daemon);
	if (!take_down(&once)) {
		log_warning("a request to the volume hangs: leaving it behind");
		_exit(code);
	}
out:
	explicit_bzero(setup, sizeof(*setup));
	free(setup);
	return code;
}
