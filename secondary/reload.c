/* SPDX-License-Identifier: Apache-2.0
 *
 * SIGHUP: the configuration and what it names are read and checked whole, and only then put in the place of the old
 * ones. Links that the new rules do not allow end; those of a peer that may do less end too, and come back with less.
 * Loop thread only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/config_daemon.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/plural.h"
#include "local/expiry.h"
#include "local/named.h"
#include "local/program.h"
#include "secondary/accept.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/service.h"
#include "secondary/session.h"
#include "secondary/settings.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define MAIN "secondary"

/* What was read, until it is in force or thrown away. */
struct fresh {
	struct secondary_settings *settings;
	struct tls_identity *identity;
	struct tls_context *tls;
};

/* Those that were ever configured stay until the end. */
static bool has_room(const struct service *service, const struct secondary_settings *settings)
{
	const struct device_array *devices = service->ra->devices;
	uint32_t count = device_array_count(devices);

	for (unsigned i = 0; i < settings->daemon.device_count; i++)
		count += device_array_find_any(devices, settings->daemon.devices[i].name) == -ENOENT;
	if (count > DEVICES_MAX)
		log_error("%s: with those that are not listed any more this daemon would have %u devices, and %u is its most: "
			"restart it", settings->daemon.path, count, DEVICES_MAX);
	return count <= DEVICES_MAX;
}

/* false (logged): something is wrong with it. */
static bool read_fresh(struct service *service, struct fresh *fresh)
{
	char why[CONFIG_WHY_BYTES];

	if (secondary_settings_load(service->started_with->daemon.path, &fresh->settings, why) != 0) {
		log_error("%s", why);
		return false;
	}
	fresh->identity = named_identity(fresh->settings->daemon.config, MAIN);
	if (fresh->identity == NULL || !named_groups_exist(fresh->settings->daemon.config, MAIN) ||
	    !has_room(service, fresh->settings))
		return false;
	fresh->tls = secondary_service_tls(service, fresh->settings, fresh->identity);
	return fresh->tls != NULL;
}

static void warn_of_fixed(const struct service *service, const struct secondary_settings *settings)
{
	static const char *const keys[] = { CONFIG_DAEMON_FIXED, "listen", "cache", "jobs", "window", NULL };

	daemon_settings_warn_fixed(&service->started_with->daemon, &settings->daemon, keys);
}

/* ---- In force ---- */

static void end_links(struct service *service, const struct peer *peer, const char *reason)
{
	struct session *session, *next;

	DL_FOREACH_SAFE(service->ra->sessions, session, next) {
		if (session->peer != peer)
			continue;
		log_warning("%s: the link from %s ends: %s", peer->name, session->from, reason);
		session_free(session);
	}
}

static const struct peer_config *find_config(const struct secondary_settings *settings, const char *name)
{
	for (unsigned i = 0; i < settings->peer_count; i++)
		if (strcmp(settings->peers[i].name, name) == 0)
			return &settings->peers[i];
	return NULL;
}

static void change_peers(struct service *service, const struct secondary_settings *settings)
{
	struct peer *peer, *next;

	for (peer = peer_list_first(service->peers); peer != NULL; peer = next) {
		const struct peer_config *config = find_config(settings, peer->name);

		next = peer->next;
		if (config == NULL) {
			end_links(service, peer, "its peer is not configured any more");
			fetch_forget_peer(service->ra, peer);
			peer_list_remove(service->peers, peer);
		} else if (peer_list_change(service->peers, peer, config)) {
			end_links(service, peer, "its peer may read less than before");
		}
	}
	for (unsigned i = 0; i < settings->peer_count; i++)
		if (peer_list_find(service->peers, settings->peers[i].name) == NULL)
			peer_list_add(service->peers, &settings->peers[i]);
}

/* Who is still in a handshake has met the old rules, and tries again. */
static void check_links(struct service *service)
{
	struct session *session, *next;

	DL_FOREACH_SAFE(service->ra->sessions, session, next) {
		if (session->peer != NULL && conn_admit_again(session->conn, service->tls) == session->peer)
			continue;
		if (session->peer != NULL)
			log_warning("%s: the link from %s ends: its key %s is not that of the peer any more", session->peer->name,
				session->from, conn_peer_key(session->conn));
		session_free(session);
	}
}

static void change_devices(struct service *service, const struct secondary_settings *settings)
{
	struct device_array *devices = service->ra->devices;

	for (uint32_t i = 0; i < device_array_count(devices); i++)
		device_array_set_listing(devices, i, DEVICE_NOT_LISTED);
	for (unsigned i = 0; i < settings->daemon.device_count; i++)
		secondary_service_take_device(service, settings, i);
}

/* Nothing can fail from here on. */
static void put_in_force(struct service *service, const struct fresh *fresh)
{
	const struct secondary_settings *old = service->settings, *settings = fresh->settings;
	struct tls_context *old_tls = service->tls;

	warn_of_fixed(service, settings);
	service->settings = settings;
	service->tls = fresh->tls;
	change_devices(service, settings);
	change_peers(service, settings);
	accept_set_tls(service->accept, service->tls);
	check_links(service);
	tls_context_free(old_tls);
	rate_set(service->ra->total_rate, &settings->daemon.limit);
	tls_identity_key(fresh->identity, service->key);
	expiry_free(service->expiry);
	service->expiry = expiry_new(service->ra->clock, fresh->identity,
		config_text(settings->daemon.config, MAIN, NULL, "identity"),
		config_text(settings->daemon.config, MAIN, NULL, "ca"));
	log_set_level(program_log_level(service->program, settings->daemon.config));
	if (old != service->started_with)
		secondary_settings_free((struct secondary_settings *)old);
}

void secondary_service_reload(struct service *service)
{
	const char *path = service->started_with->daemon.path;
	struct fresh fresh = { 0 };

	notify_reloading(service->notify);
	if (!read_fresh(service, &fresh)) {
		tls_identity_free(fresh.identity);
		secondary_settings_free(fresh.settings);
		log_error("%s is not taken: the configuration stays as it was", path);
	} else {
		unsigned devices = fresh.settings->daemon.device_count, peers = fresh.settings->peer_count;

		put_in_force(service, &fresh);
		log_info("configuration %s read again: %u %s, %u %s, key %s", path, devices,
			plural(devices, "device", "devices"), peers, plural(peers, "peer", "peers"), service->key);
	}
	notify_ready(service->notify);
}
