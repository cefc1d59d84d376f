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
#include "local/named.h"
#include "local/server.h"
#include "primary/control.h"
#include "primary/keep.h"
#include "primary/local.h"
#include "primary/proof.h"
#include "primary/remote.h"
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

static int on_host(void *arg, struct conn *conn, uid_t uid, const struct msg_host_hello *hello)
{
	static const struct host_ops ops = { .gone = on_host_gone };
	struct service *service = service_of(arg);
	struct host_config config = {
		.base = service->core.base,
		.clock = service->core.clock,
		.throttle = service->core.throttle,
		.devices = service->devices,
		.device_count = service->settings->daemon.device_count,
		.payloads = &service->host_payloads,
		.refused = &service->refused,
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
	for (unsigned i = 0; i < service->settings->daemon.device_count; i++)
		invalid_table_end(service->devices[i].invalid);
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
		on_host_gone(service->hosts, false);
	core_end(&service->core, 0);
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
		remote_dump(service->peers[i].remote);
}

/* ---- The service manager ---- */

static void say_status(void *arg, char text[NOTIFY_STATUS_BYTES])
{
	const struct service *service = service_of(arg);
	unsigned devices = service->settings->daemon.device_count, peers = service->settings->peer_count, up = 0;
	unsigned hosts = count_hosts(arg, SERVER_ANYBODY);
	for (unsigned i = 0; i < peers; i++)
		up += remote_view(service->peers[i].remote).is_up;
	snprintf(text, NOTIFY_STATUS_BYTES, "%u %s, %u of %u %s linked, %u %s", devices,
		plural(devices, "device", "devices"), up, peers, plural(peers, "peer", "peers"), hosts,
		plural(hosts, "host", "hosts"));
}

/* ---- Parts ---- */

static struct limit_pair limit_new(struct service *service, const struct rate_limit *limit, bool is_local)
{
	return (struct limit_pair){
		.local = is_local ? rate_new(service->core.throttle, limit) : NULL,
		.remote = rate_new(service->core.throttle, limit),
	};
}

static void limit_free(struct limit_pair *limit)
{
	rate_free(limit->local);
	rate_free(limit->remote);
}

/* Logged when it is another key or outcome than the last time: a peer that refuses this side is met every 10 s. */
static void *judge_peer(struct service_peer *peer, const char *key, bool is_let_in, const char *proven_name)
{
	const struct primary_peer_settings *settings = peer->settings;
	bool is_news = peer->is_let_in != is_let_in || strcmp(peer->key, key) != 0;
	peer->is_let_in = is_let_in;
	snprintf(peer->key, sizeof(peer->key), "%s", key);
	if (is_news && !is_let_in)
		log_warning("%s does not answer as peer %s: its key is %s, which is not expected there", settings->address,
			settings->name, key);
	else if (is_news && proven_name)
		log_info("peer %s is let in: its certificate proves the name %s (key %s)", settings->name, proven_name, key);
	else if (is_news)
		log_info("peer %s is let in: its key is %s", settings->name, key);
	return is_let_in ? peer : NULL;
}

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct service_peer *peer = arg;
	const struct primary_peer_settings *settings = peer->settings;
	assert(peer->magic == SERVICE_PEER_MAGIC);
	for (unsigned i = 0; settings->keys[i]; i++) {
		if (strcmp(settings->keys[i], key) == 0)
			return judge_peer(peer, key, true, NULL);
	}
	for (unsigned i = 0; settings->dns_names[i]; i++) {
		if (tls_proof_has_name(proof, settings->dns_names[i]))
			return judge_peer(peer, key, true, settings->dns_names[i]);
	}
	return judge_peer(peer, key, false, NULL);
}

/* false (logged) when the configuration is to blame. */
static bool build_peer(struct service *service, const struct tls_identity *identity, unsigned index)
{
	struct service_peer *peer = &service->peers[index];
	peer->magic = SERVICE_PEER_MAGIC;
	peer->settings = &service->settings->peers[index];
	peer->limit = limit_new(service, &peer->settings->limit, false);
	peer->tls = named_context(service->settings->daemon.config, MAIN, identity, TLS_CLIENT, admit, peer);
	return peer->tls;
}

static void build_device(struct service *service, unsigned index)
{
	const struct device_settings *settings = &service->settings->daemon.devices[index];
	struct limit_pair *limit = &service->device_limits[index];
	struct volume *volume = volume_new(settings->volume, settings->io);
	struct keep_config keep = {
		.clock = service->core.clock,
		.da = service->core.da,
		.post = service->core.post,
		.folder = service->settings->daemon.state,
		.device = settings->name,
	};
	*limit = limit_new(service, &settings->limit, true);
	volume_set_part(volume, settings->offset_bytes, settings->length_bytes, settings->is_common);
	if (settings->is_known_by_name)
		volume_set_known_by_name(volume);
	if (settings->is_yielding)
		volume_set_yielding(volume);
	service->devices[index] = (struct primary_device){
		.name = settings->name,
		.local = core_add_local(&service->core, settings->name, settings->volume, volume,
			service->settings->daemon.track_bytes, limit->local, service->limit.local),
		.remote_rate = limit->remote,
		.invalid = core_add_table(&service->core, service->settings->daemon.state, settings->name,
			service->settings->daemon.track_bytes, settings->offset_bytes),
		.keep = keep_new(&keep),
		.max_lag_ms = service->settings->device_max_lag_ms[index],
	};
}

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

/* Each device knows the link of its peer from here on. */
static void build_links(struct service *service)
{
	const struct primary_settings *settings = service->settings;
	for (unsigned i = 0; i < settings->peer_count; i++) {
		struct service_peer *peer = &service->peers[i];
		struct remote_config config = {
			.base = service->core.base,
			.clock = service->core.clock,
			.post = service->core.post,
			.peer_key = peer->settings->name,
			.throttle = service->core.throttle,
			.peer_rate = peer->limit.remote,
			.total_rate = service->limit.remote,
		};
		peer->remote = remote_new_dialed(&config, peer->settings->address, peer->tls);
	}
	for (unsigned i = 0; i < settings->daemon.device_count; i++)
		service->devices[i].remote = service->peers[settings->device_peers[i]].remote;
}

/* 0, or the exit code (logged). */
static int build(struct service *service)
{
	const struct primary_settings *settings = service->settings;
	struct tls_identity *identity = named_identity(settings->daemon.config, MAIN);
	if (!identity)
		return 2;
	tls_identity_key(identity, service->key);
	service->certificate_ends_s = tls_identity_ends(identity);
	int error = core_start(&service->core, settings->daemon.da_threads);
	if (error) {
		log_error("the disk adapter cannot be started: %s", strerror(-error));
		tls_identity_free(identity);
		return 1;
	}
	daemon_prepare_service(service->core.daemon);
	service->notify = notify_new(service->core.clock, say_status, service);
	service->proofs = proofs_new(service->core.da);
	service->started_ms = clock_now_ms(service->core.clock);
	service->limit = limit_new(service, &settings->daemon.limit, true);
	for (unsigned i = 0; i < settings->daemon.device_count; i++)
		build_device(service, i);
	bool is_built = named_groups_exist(settings->daemon.config, MAIN);
	for (unsigned i = 0; is_built && i < settings->peer_count; i++)
		is_built = build_peer(service, identity, i);
	tls_identity_free(identity);
	if (!is_built)
		return 2;
	inherited_take();
	bool has_server = build_server(service);
	inherited_end();
	if (!has_server)
		return 1;
	build_links(service);
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
	for (unsigned i = 0; i < service->settings->peer_count; i++) {
		remote_free(service->peers[i].remote);
		tls_context_free(service->peers[i].tls);
	}
	if (!core_free_locals(&service->core))
		return false;
	for (unsigned i = 0; i < service->settings->peer_count; i++)
		limit_free(&service->peers[i].limit);
	for (unsigned i = 0; i < service->settings->daemon.device_count; i++) {
		limit_free(&service->device_limits[i]);
		keep_free(service->devices[i].keep);
	}
	payload_room_end(&service->host_payloads);
	limit_free(&service->limit);
	return core_free(&service->core);
}

int service_run(const struct primary_settings *settings)
{
	struct service service = { .magic = SERVICE_MAGIC, .settings = settings };
	service.peers = xcalloc(settings->peer_count, sizeof(*service.peers));
	service.devices = xcalloc(settings->daemon.device_count, sizeof(*service.devices));
	service.device_limits = xcalloc(settings->daemon.device_count, sizeof(*service.device_limits));
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
	free(service.device_limits);
	free(service.devices);
	free(service.peers);
	return code;
}
