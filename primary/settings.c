/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of ra-primaryd, the checks between them, and the struct that the daemon is built from. Loop thread, at
 * start.
 */
#include "primary/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config_daemon.h"

#define MAIN "primary"

static const char *const named_sections[] = { "peer", "device", NULL };
static const char *const example_names[] = { "b", "web1" };

static const struct config_key keys[] = {
	CONFIG_DAEMON_KEYS(MAIN, "/run/ra/primary.sock"),
	{ "peer", "address", CONFIG_ADDRESS, 0, 0, NULL, NULL, "Where its ra-secondaryd listens.", "b.example:7447" },
	{ "peer", "key", CONFIG_KEYS, 0, 0, NULL, "",
		"Its public key, as ra-ctl keygen printed it on that host; two while a key is changed.", CONFIG_EXAMPLE_KEY },
	{ "peer", "name", CONFIG_NAMES, 0, 253, NULL, "",
		"DNS name in its certificate, which the CA proves: known by that, where there is no key.", NULL },
	CONFIG_PEER_LIMIT_KEYS,
	CONFIG_DEVICE_KEYS("/dev/vg0/web1"),
	{ "device", "peer", CONFIG_NAME, 0, 0, NULL, NULL, "The [peer] that has the other volume, under the same name.",
		"b" },
};

const struct config_table primary_config_table = {
	.main_section = MAIN,
	.named_sections = named_sections,
	.example_names = example_names,
	.keys = keys,
	.key_count = sizeof(keys) / sizeof(keys[0]),
};

static void take_main(struct primary_settings *settings, const struct config *config)
{
	settings->identity = config_text(config, MAIN, NULL, "identity");
	settings->ca = config_text(config, MAIN, NULL, "ca");
	settings->socket = config_text(config, MAIN, NULL, "socket");
	settings->socket_group = config_text(config, MAIN, NULL, "socket-group");
	settings->admin_group = config_text(config, MAIN, NULL, "admin-group");
	settings->socket_mode = (unsigned)config_number(config, MAIN, NULL, "socket-mode");
	settings->track_bytes = (uint32_t)config_number(config, MAIN, NULL, "track-size");
	settings->da_threads = (uint32_t)config_number(config, MAIN, NULL, "da-threads");
	settings->limit = config_limit(config, MAIN, NULL);
	settings->log_level = (enum log_level)config_number(config, MAIN, NULL, "log-level");
}

static void take_peers(struct primary_settings *settings, const struct config *config)
{
	settings->peer_count = config_count(config, "peer");
	settings->peers = xcalloc(settings->peer_count, sizeof(*settings->peers));
	for (unsigned i = 0; i < settings->peer_count; i++) {
		const char *name = config_section(config, "peer", i);

		settings->peers[i] = (struct primary_peer_settings){
			.name = name,
			.address = config_text(config, "peer", name, "address"),
			.keys = config_list(config, "peer", name, "key"),
			.dns_names = config_list(config, "peer", name, "name"),
			.limit = config_limit(config, "peer", name),
		};
	}
}

/* -EINVAL when there is no such [peer]. */
static int find_peer(const struct primary_settings *settings, const char *device, unsigned *index,
	char why[CONFIG_WHY_BYTES])
{
	const char *peer = config_text(settings->config, "device", device, "peer");

	for (*index = 0; *index < settings->peer_count; ++*index)
		if (strcmp(settings->peers[*index].name, peer) == 0)
			return 0;
	return config_refuse(settings->config, "device", device, "peer", why,
		"expected the name of a [peer]; there is no [peer %s]", peer);
}

static int take_devices(struct primary_settings *settings, const struct config *config, char why[CONFIG_WHY_BYTES])
{
	int rc = 0;

	settings->device_count = config_count(config, "device");
	settings->devices = xcalloc(settings->device_count, sizeof(*settings->devices));
	for (unsigned i = 0; i < settings->device_count && rc == 0; i++) {
		const char *name = config_section(config, "device", i);
		uint64_t length = config_number(config, "device", name, "length");

		settings->devices[i] = (struct primary_device_settings){
			.name = name,
			.volume = config_text(config, "device", name, "volume"),
			.io = config_io(config, name),
			.offset_bytes = config_number(config, "device", name, "offset"),
			.length_bytes = length == CONFIG_COMMON ? 0 : length,
			.is_common = length == CONFIG_COMMON,
			.limit = config_limit(config, "device", name),
		};
		rc = find_peer(settings, name, &settings->devices[i].peer, why);
	}
	return rc;
}

int primary_settings_load(const char *path, struct primary_settings **out, char why[CONFIG_WHY_BYTES])
{
	struct primary_settings *settings = xcalloc(1, sizeof(*settings));
	int rc = config_load(&primary_config_table, path, &settings->config, why);

	if (rc != 0)
		goto out;
	settings->path = config_path(settings->config);
	take_main(settings, settings->config);
	take_peers(settings, settings->config);
	rc = config_check_track_size(settings->config, MAIN, why);
	if (rc == 0)
		rc = config_check_peers(settings->config, MAIN, why);
	if (rc == 0)
		rc = config_check_devices(settings->config, why);
	if (rc == 0)
		rc = take_devices(settings, settings->config, why);
out:
	if (rc != 0) {
		primary_settings_free(settings);
		return rc;
	}
	*out = settings;
	return 0;
}

void primary_settings_free(struct primary_settings *settings)
{
	if (settings == NULL)
		return;
	free(settings->peers);
	free(settings->devices);
	config_free(settings->config);
	free(settings);
}
