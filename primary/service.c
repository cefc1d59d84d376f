/* SPDX-License-Identifier: Apache-2.0
 *
 * The configured primary's parts, built in order from the settings, and taken down in the opposite one when a signal
 * comes. What hosts do stands in host*.c, what ra-ctl asks in control.c. Loop thread only. The hard thing is who lives
 * longer: hosts use devices, limits and links; links and devices use limits and the core; so hosts go first, then
 * links, local devices, limits, core.
 */
#include "primary/service.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/plural.h"
#include "base/rate.h"
#include "local/expiry.h"
#include "local/named.h"
#include "local/server.h"
#include "primary/control.h"
#include "primary/proof.h"
#include "primary/remote.h"
#include "primary/reports.h"
#include "primary/service_parts.h"
#include "storage/invalid_table.h"
#include "wire/inherited.h"
#include "wire/tls.h"

#define MAIN "primary"

static struct service *service_of(void *arg)
{
	struct service *service = arg;
	assert(service->magic == SERVICE_MAGIC);
	return service;
}

/* ---- Hosts ---- */

static void on_host_gone(void *arg, bool clean)
{
	struct service_host *host = arg;
	assert(host->magic == SERVICE_HOST_MAGIC);
	(void)clean; /* its connection has logged why */
	DL_DELETE(host->service->hosts, host);
	host_free(host->host);
	host->magic = 0;
	free(host);
}

void service_end_host(struct service_host *host)
{
	on_host_gone(host, false);
}

static const struct primary_device *find_device(void *arg, const char *name)
{
	const struct service_device *device = service_find_device(service_of(arg), name);
	return device ? &device->device : NULL;
}

static int on_host(void *arg, struct conn *conn, uid_t uid, const struct msg_host_hello *hello)
{
	static const struct host_ops ops = { .gone = on_host_gone };
	struct service *service = service_of(arg);
	struct host_config config = {
		.base = service->core.base,
		.clock = service->core.clock,
		.throttle = service->core.throttle,
		.find_device = find_device,
		.find_arg = service,
		.payloads = &service->host_payloads,
	};
	struct service_host *host = xcalloc(1, sizeof(*host));
	host->magic = SERVICE_HOST_MAGIC;
	host->service = service;
	host->uid = uid;
	int error = host_adopt(&config, conn, hello, &ops, host, &host->host);
	if (error)
		free(host);
	else
		DL_APPEND(service->hosts, host);
	return error;
}

static unsigned count_hosts(void *arg, uid_t uid)
{
	const struct service_host *host;
	unsigned count = 0;
	DL_FOREACH(service_of(arg)->hosts, host)
		count += uid == SERVER_ANYBODY || host->uid == uid;
	return count;
}

static void on_control(void *arg, struct control_request *request)
{
	control_serve(service_of(arg), request);
}

/* Requests are answered before their server ends. */
static void end_control(struct service *service)
{
	proofs_free(service->proofs);
	service->proofs = NULL;
	const struct service_device *device;
	DL_FOREACH(service->made, device) {
		invalid_table_end(device->device.invalid);
		reports_end(device->device.reports);
	}
	server_free(service->server);
	service->server = NULL;
}

/* ---- Signals ---- */

static void on_stop(int signal_number, void *arg)
{
	struct service *service = service_of(arg);
	if (service->core.is_ending)
		return;
	log_info("signal %d: ending", signal_number);
	notify_stopping(service->notify);
	end_control(service);
	while (service->hosts)
		service_end_host(service->hosts);
	core_end(&service->core, 0);
}

static void on_hangup(int signal_number, void *arg)
{
	struct service *service = service_of(arg);
	(void)signal_number;
	if (!service->core.is_ending)
		service_reload(service);
}

static void on_dump(int signal_number, void *arg)
{
	const struct service *service = service_of(arg);
	const struct service_host *host;
	(void)signal_number;
	DL_FOREACH(service->hosts, host)
		host_dump(host->host);
	core_dump(&service->core);
	for (unsigned i = 0; i < service->settings->peer_count; i++)
		remote_dump(service->peers[i]->remote);
}

/* ---- The service manager ---- */

static void say_status(void *arg, char text[NOTIFY_STATUS_BYTES])
{
	const struct service *service = service_of(arg);
	unsigned devices = service->settings->daemon.device_count, peers = service->settings->peer_count, up = 0;
	unsigned hosts = count_hosts(arg, SERVER_ANYBODY);
	for (unsigned i = 0; i < peers; i++)
		up += remote_view(service->peers[i]->remote).is_up;
	snprintf(text, NOTIFY_STATUS_BYTES, "%u %s, %u of %u %s linked, %u %s", devices,
		plural(devices, "device", "devices"), up, peers, plural(peers, "peer", "peers"), hosts,
		plural(hosts, "host", "hosts"));
}

/* ---- Parts ---- */

static bool build_server(struct service *service)
{
	static const struct server_ops ops = { .host = on_host, .hosts = count_hosts, .control = on_control };
	const struct primary_settings *settings = service->settings;
	char why[DETAIL_MAX + 1];
	struct server_config config = {
		.base = service->core.base,
		.clock = service->core.clock,
		.path = settings->daemon.socket,
		.mode = settings->daemon.socket_mode,
		.group = settings->daemon.socket_group,
		.admin_group = settings->daemon.admin_group,
	};
	service->server = server_new(&config, &ops, service, why, sizeof(why));
	if (!service->server)
		log_error("%s", why);
	return service->server;
}

/* false (logged) when the configuration is to blame. */
static bool build_peers(struct service *service, const struct tls_identity *identity)
{
	for (unsigned i = 0; i < service->settings->peer_count; i++) {
		struct service_peer *peer = service->peers[i] = service_peer_new(service, &service->settings->peers[i]);
		peer->tls = service_peer_tls(service->settings, identity, peer);
		if (!peer->tls)
			return false;
	}
	return named_groups_exist(service->settings->daemon.config, MAIN);
}

/* 0, or the exit code (logged). */
static int build(struct service *service)
{
	const struct primary_settings *settings = service->settings;
	struct tls_identity *identity = named_identity(settings->daemon.config, MAIN);
	if (!identity)
		return 2;
	tls_identity_key(identity, service->key);
	int error = core_start(&service->core, settings->daemon.da_threads);
	if (error) {
		log_error("the disk adapter cannot be started: %s", strerror(-error));
		tls_identity_free(identity);
		return 1;
	}
	service->expiry = expiry_new(service->core.clock, identity,
		config_text(settings->daemon.config, MAIN, NULL, "identity"),
		config_text(settings->daemon.config, MAIN, NULL, "ca"));
	daemon_raise_descriptors();
	service->notify = notify_new(service->core.clock, say_status, service);
	service->proofs = proofs_new(service->core.da);
	service->started_ms = clock_now_ms(service->core.clock);
	service->limit = limit_pair_new(service, &settings->daemon.limit, true);
	daemon_on_signal(service->core.daemon, SIGHUP, on_hangup, service);
	if (!build_peers(service, identity))
		return 2;
	for (unsigned i = 0; i < settings->daemon.device_count; i++)
		service->devices[i] = service_device_take(service, settings, i);
	inherited_take();
	bool has_server = build_server(service);
	inherited_end();
	if (!has_server)
		return 1;
	for (unsigned i = 0; i < settings->peer_count; i++)
		service_peer_link(service->peers[i]);
	for (unsigned i = 0; i < settings->daemon.device_count; i++)
		service_device_join(service->devices[i], service->peers[settings->device_peers[i]]);
	daemon_on_signal(service->core.daemon, SIGTERM, on_stop, service);
	daemon_on_signal(service->core.daemon, SIGINT, on_stop, service);
	daemon_on_signal(service->core.daemon, SIGUSR2, on_dump, service);
	return 0;
}

/* false: something of it must stay, because a thread is stuck in a volume. */
static bool take_down(struct service *service)
{
	end_control(service);
	notify_free(service->notify);
	expiry_free(service->expiry);
	for (unsigned i = 0; i < service->settings->peer_count; i++)
		service_peer_free(service->peers[i]);
	if (!core_free_locals(&service->core))
		return false;
	service_devices_free(service);
	payload_room_end(&service->host_payloads);
	limit_pair_free(&service->limit);
	return core_free(&service->core);
}

int service_run(const struct program *program, const struct primary_settings *settings)
{
	struct service service = { .magic = SERVICE_MAGIC, .program = program, .started_with = settings,
		.settings = settings };
	service.peers = xcalloc(settings->peer_count, sizeof(struct service_peer *));
	service.devices = xcalloc(settings->daemon.device_count, sizeof(struct service_device *));
	log_info("version %s, configuration %s", RA_VERSION, settings->daemon.path);
	int code = build(&service);
	if (code == 0) {
		log_info("ready: %u %s, %u %s, socket %s, key %s", settings->daemon.device_count,
			plural(settings->daemon.device_count, "device", "devices"), settings->peer_count,
			plural(settings->peer_count, "peer", "peers"), settings->daemon.socket, service.key);
		notify_ready(service.notify);
		code = daemon_run(service.core.daemon);
	}
	if (!take_down(&service)) {
		log_warning("a request to a volume hangs: leaving it behind");
		_exit(code);
	}
	free(service.devices);
	free(service.peers);
	if (service.settings != service.started_with)
		primary_settings_free((struct primary_settings *)service.settings);
	return code;
}
