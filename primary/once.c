/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-primaryd --once: takes its set-up from the first frame on the host socket, answers it, builds the parts around the
 * core, and takes them down in the opposite order. Loop thread only. The end is the core's business.
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
#include "base/daemon.h"
#include "base/log.h"
#include "primary/core.h"
#include "primary/host.h"
#include "primary/local.h"
#include "primary/remote.h"
#include "storage/volume.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define ONCE_DEVICE "volume"
#define HOST_FD STDIN_FILENO

struct once {
	struct core core;
	struct tls_context *tls_context;
	char peer_key[PEER_KEY_CHARS + 1];
	struct primary_device device;
	struct host *host;
};

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct once *once = arg;

	(void)proof;
	return strcmp(once->peer_key, key) == 0 ? once : NULL;
}

static void begin_end(struct once *once, int exit_code)
{
	struct host *host = once->host;
	once->host = NULL;
	host_free(host);
	core_end(&once->core, exit_code);
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
	core_dump(&once->core);
	remote_dump(once->device.remote);
}

static int take_link_fd(int fd)
{
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		return 0;
	int error = -errno;
	log_error("the link on descriptor %d cannot be used: %s", fd, strerror(-error));
	return error;
}

static int build_link(struct once *once, const struct msg_setup *setup)
{
	struct tls_identity *identity = NULL;
	int fd_in = setup->return_pipe ? SETUP_RETURN_FD : SETUP_LINK_FD;
	int error = take_link_fd(SETUP_LINK_FD);
	if (error == 0)
		error = take_link_fd(fd_in);
	if (error == 0)
		error = tls_identity_from_pem(setup->identity_pem, &identity);
	if (error)
		return error;
	memcpy(once->peer_key, setup->peer_key, sizeof(once->peer_key));
	once->tls_context = tls_context_new(identity, TLS_CLIENT, admit, once);
	tls_identity_free(identity);
	struct tls *tls = once->tls_context ? tls_new(once->tls_context, fd_in, SETUP_LINK_FD) : NULL;
	if (!tls)
		return -EPROTO;
	struct remote_config config = {
		.base = once->core.base,
		.clock = once->core.clock,
		.post = once->core.post,
		.peer_key = once->peer_key,
		.throttle = once->core.throttle,
	};
	once->device.remote = remote_new(&config, tls, fd_in, SETUP_LINK_FD);
	return 0;
}

static const struct primary_device *find_device(void *arg, const char *name)
{
	const struct once *once = arg;
	return strcmp(name, once->device.name) == 0 ? &once->device : NULL;
}

static void build_host(struct once *once)
{
	static const struct host_ops ops = { .gone = on_host_gone };
	struct host_config config = {
		.base = once->core.base,
		.clock = once->core.clock,
		.throttle = once->core.throttle,
		.find_device = find_device,
		.find_arg = once,
	};
	once->host = host_new(&config, HOST_FD, &ops, once);
	daemon_on_signal(once->core.daemon, SIGTERM, on_stop, once);
	daemon_on_signal(once->core.daemon, SIGUSR2, on_dump, once);
}

static int build(struct once *once, const struct msg_setup *setup)
{
	int error = core_start(&once->core, DA_THREADS_DEFAULT);
	if (error) {
		log_error("the disk adapter cannot be started: %s", strerror(-error));
		return error;
	}
	once->device.name = ONCE_DEVICE;
	once->device.local = core_add_local(&once->core, ONCE_DEVICE, setup->volume_path,
		volume_new(setup->volume_path, setup->io), setup->track_bytes, NULL, NULL);
	error = build_link(once, setup);
	if (error)
		return error;
	build_host(once);
	return 0;
}

int once_run(void)
{
	struct once once = { 0 };
	struct message *setup = xcalloc(1, sizeof(*setup));
	int code = 1;
	if (!conn_take_setup("ra-primaryd", HOST_FD, setup))
		goto out;
	if (build(&once, &setup->setup) == 0)
		code = daemon_run(once.core.daemon);
	remote_free(once.device.remote);
	tls_context_free(once.tls_context);
	if (!core_free(&once.core)) {
		log_warning("a request to the volume hangs: leaving it behind");
		_exit(code);
	}
out:
	explicit_bzero(setup, sizeof(*setup));
	free(setup);
	return code;
}
