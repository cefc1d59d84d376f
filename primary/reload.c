/* SPDX-License-Identifier: Apache-2.0
 *
 * SIGHUP: the configuration and what it names are read and checked whole, and only then put in the place of the old
 * ones. Loop thread only. The hard thing is the order: who is let in is asked of the new settings as soon as they are
 * in force, hosts of a device that goes or moves end before its link does, and old settings are freed when nobody has
 * text of theirs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/notify.h"
#include "base/plural.h"
#include "local/expiry.h"
#include "local/named.h"
#include "local/program.h"
#include "primary/remote.h"
#include "primary/service_parts.h"
#include "wire/tls.h"

#define MAIN "primary"

/* What was read, until it is in force or thrown away. */
struct fresh {
	struct primary_settings *settings;
	struct tls_identity *identity;
	struct service_peer **peers; /* as many as in its settings: known ones, and new ones without a link */
	struct tls_context **tls;    /* likewise, for them */
};

static void throw_away(struct fresh *fresh)
{
	for (unsigned i = 0; fresh->settings && i < fresh->settings->peer_count; i++) {
		tls_context_free(fresh->tls[i]);
		if (fresh->peers[i] && !fresh->peers[i]->remote)
			service_peer_free(fresh->peers[i]);
	}
	free(fresh->peers);
	free(fresh->tls);
	tls_identity_free(fresh->identity);
	primary_settings_free(fresh->settings);
}

/* Those that were ever listed stay until the end. */
static bool has_room(const struct service *service, const struct primary_settings *settings)
{
	const struct service_device *device;
	unsigned count = settings->daemon.device_count;
	DL_FOREACH(service->made, device) {
		bool is_listed = false;
		for (unsigned i = 0; i < settings->daemon.device_count; i++)
			is_listed |= strcmp(settings->daemon.devices[i].name, device->made_with->name) == 0;
		count += !is_listed;
	}
	if (count > DEVICES_MAX)
		log_error("%s: with those that are not listed any more this daemon would have %u devices, and %u is its most: "
			"restart it", settings->daemon.path, count, DEVICES_MAX);
	return count <= DEVICES_MAX;
}

/* false (logged): something is wrong with it. */
static bool read_fresh(struct service *service, struct fresh *fresh)
{
	char why[CONFIG_WHY_BYTES];
	if (primary_settings_load(service->started_with->daemon.path, &fresh->settings, why) != 0) {
		log_error("%s", why);
		return false;
	}
	const struct primary_settings *settings = fresh->settings;
	fresh->peers = xcalloc(settings->peer_count, sizeof(struct service_peer *));
	fresh->tls = xcalloc(settings->peer_count, sizeof(struct tls_context *));
	fresh->identity = named_identity(settings->daemon.config, MAIN);
	if (!fresh->identity || !named_groups_exist(settings->daemon.config, MAIN) || !has_room(service, settings))
		return false;
	for (unsigned i = 0; i < settings->peer_count; i++) {
		fresh->peers[i] = service_find_peer(service, settings->peers[i].name);
		if (!fresh->peers[i])
			fresh->peers[i] = service_peer_new(service, &settings->peers[i]);
		fresh->tls[i] = service_peer_tls(settings, fresh->identity, fresh->peers[i]);
		if (!fresh->tls[i])
			return false;
	}
	return true;
}

/* ---- In force ---- */

static void warn_of_fixed(const struct service *service, const struct primary_settings *settings)
{
	static const char *const keys[] = { CONFIG_DAEMON_FIXED, NULL };
	daemon_settings_warn_fixed(&service->started_with->daemon, &settings->daemon, keys);
}

/* The link of a new peer begins, that of a known one goes on if it may. */
static void change_peer(struct service_peer *peer, const struct primary_peer_settings *settings,
	struct tls_context *context)
{
	struct tls_context *old = peer->tls;
	peer->settings = settings;
	peer->tls = context;
	limit_pair_set(&peer->limit, &settings->limit);
	if (peer->remote)
		remote_set_peer(peer->remote, settings->address, context);
	else
		service_peer_link(peer);
	tls_context_free(old);
}

static void end_hosts(const struct service *service, const struct service_device *device, const char *reason)
{
	char words[DETAIL_MAX + 1];
	struct service_host *host;
	snprintf(words, sizeof(words), "the configuration of ra-primaryd was changed: %s", reason);
	DL_FOREACH(service->hosts, host) {
		if (host_device(host->host) != &device->device)
			continue;
		log_warning("%s: the run of %s ends: %s", device->device.name, host_owner(host->host), reason);
		host_finish(host->host, words);
	}
}

/* Where a device was, and is no more. peers: those of the settings. */
static void leave_peers(const struct service *service, const struct primary_settings *settings,
	struct service_peer **peers)
{
	struct service_device *device;
	DL_FOREACH(service->made, device) {
		struct service_peer *peer = NULL;
		for (unsigned i = 0; i < settings->daemon.device_count; i++) {
			if (strcmp(settings->daemon.devices[i].name, device->made_with->name) == 0)
				peer = peers[settings->device_peers[i]];
		}
		if (device->peer == peer)
			continue;
		end_hosts(service, device, peer ? "its device has another peer now" : "its device is not configured any more");
		service_device_join(device, NULL);
	}
}

static void free_peers_but(struct service *service, struct service_peer *const *peers, unsigned count)
{
	for (unsigned i = 0; i < service->settings->peer_count; i++) {
		bool stays = false;
		for (unsigned k = 0; k < count; k++)
			stays |= peers[k] == service->peers[i];
		if (stays)
			continue;
		log_info("peer %s is not configured any more: its link ends", service->peers[i]->settings->name);
		service_peer_free(service->peers[i]);
	}
}

/* Nothing can fail from here on. */
static void put_in_force(struct service *service, struct fresh *fresh)
{
	const struct primary_settings *old = service->settings, *settings = fresh->settings;
	warn_of_fixed(service, settings);
	leave_peers(service, settings, fresh->peers);
	free_peers_but(service, fresh->peers, settings->peer_count);
	free(service->peers);
	service->peers = fresh->peers;
	service->settings = settings;
	for (unsigned i = 0; i < settings->peer_count; i++)
		change_peer(service->peers[i], &settings->peers[i], fresh->tls[i]);
	free(fresh->tls);
	free(service->devices);
	service->devices = xcalloc(settings->daemon.device_count, sizeof(struct service_device *));
	for (unsigned i = 0; i < settings->daemon.device_count; i++) {
		service->devices[i] = service_device_take(service, settings, i);
		service_device_join(service->devices[i], service->peers[settings->device_peers[i]]);
	}
	limit_pair_set(&service->limit, &settings->daemon.limit);
	tls_identity_key(fresh->identity, service->key);
	expiry_free(service->expiry);
	service->expiry = expiry_new(service->core.clock, fresh->identity,
		config_text(settings->daemon.config, MAIN, NULL, "identity"),
		config_text(settings->daemon.config, MAIN, NULL, "ca"));
	log_set_level(program_log_level(service->program, settings->daemon.config));
	if (old != service->started_with)
		primary_settings_free((struct primary_settings *)old);
}

void service_reload(struct service *service)
{
	struct fresh fresh = { 0 };
	unsigned devices, peers;
	notify_reloading(service->notify);
	if (!read_fresh(service, &fresh)) {
		throw_away(&fresh);
		log_error("%s is not taken: the configuration stays as it was", service->started_with->daemon.path);
	} else {
		put_in_force(service, &fresh);
		devices = service->settings->daemon.device_count;
		peers = service->settings->peer_count;
		log_info("configuration %s read again: %u %s, %u %s, key %s", service->started_with->daemon.path, devices,
			plural(devices, "device", "devices"), peers, plural(peers, "peer", "peers"), service->key);
	}
	notify_ready(service->notify);
}
