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
#define MAX_LAG_MAX_MS 3600000
#define REPORTS_MAX 1000

static const char *const named_sections[] = { "peer", "device", NULL };
static const char *const example_names[] = { "b", "web1" };

static const struct config_key keys[] = {
	CONFIG_DAEMON_KEYS(MAIN, "/run/ra/primary.sock", "/var/lib/ra"),
	{ MAIN, "reports", CONFIG_NUMBER, 0, REPORTS_MAX, NULL, "30",
		"How many reports of runs are kept of each device, the last ones; 0: none.", NULL },
	{ "peer", "address", CONFIG_ADDRESS, 0, 0, NULL, NULL, "Where its ra-secondaryd listens.", "b.example:7447" },
	{ "peer", "key", CONFIG_KEYS, 0, 0, NULL, "",
		"Its public key, as ra-ctl keygen printed it on that host; two while a key is changed.", CONFIG_EXAMPLE_KEY },
	{ "peer", "name", CONFIG_NAMES, 0, 253, NULL, "",
		"DNS name in its certificate, which the CA proves: known by that, where there is no key.", NULL },
	CONFIG_PEER_LIMIT_KEYS,
	CONFIG_DEVICE_KEYS("/dev/vg0/web1"),
	{ "device", "peer", CONFIG_NAME, 0, 0, NULL, NULL, "The [peer] that has the other volume, under the same name.",
		"b" },
	{ "device", "max-lag", CONFIG_TIME, 0, MAX_LAG_MAX_MS, NULL, "0ms",
		"The longest time that the copy may be behind: a difference is believed only when it lasts longer.", NULL },
};

const struct config_table primary_config_table = {
	.main_section = MAIN,
	.named_sections = named_sections,
	.example_names = example_names,
	.keys = keys,
	.key_count = sizeof(keys) / sizeof(keys[0]),
};

static void take_peers(struct primary_settings *settings)
{
	const struct config *config = settings->daemon.config;

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

/* What only the primary has of devices; of each the index of its peer. -EINVAL when there is no such [peer]. */
static int take_devices(struct primary_settings *settings, char why[CONFIG_WHY_BYTES])
{
	const struct daemon_settings *daemon = &settings->daemon;

	settings->device_peers = xcalloc(daemon->device_count, sizeof(*settings->device_peers));
	settings->device_max_lag_ms = xcalloc(daemon->device_count, sizeof(*settings->device_max_lag_ms));
	for (unsigned i = 0; i < daemon->device_count; i++) {
		const char *device = daemon->devices[i].name, *peer = config_text(daemon->config, "device", device, "peer");
		unsigned *index = &settings->device_peers[i];

		settings->device_max_lag_ms[i] = (uint32_t)config_number(daemon->config, "device", device, "max-lag");
		while (*index < settings->peer_count && strcmp(settings->peers[*index].name, peer) != 0)
			++*index;
		if (*index == settings->peer_count)
			return config_refuse(daemon->config, "device", device, "peer", why,
				"expected the name of a [peer]; there is no [peer %s]", peer);
	}
	return 0;
}

int primary_settings_load(const char *path, struct primary_settings **out, char why[CONFIG_WHY_BYTES])
{
	struct primary_settings *settings = xcalloc(1, sizeof(*settings));
	int rc = daemon_settings_load(&primary_config_table, path, &settings->daemon, why);

	if (rc == 0) {
		settings->reports = (unsigned)config_number(settings->daemon.config, MAIN, NULL, "reports");
		take_peers(settings);
		rc = take_devices(settings, why);
	}
	if (rc == 0)
		*out = settings;
	else
		primary_settings_free(settings);
	return rc;
}

void primary_settings_free(struct primary_settings *settings)
{
	if (settings == NULL)
		return;
	free(settings->peers);
	free(settings->device_peers);
	free(settings->device_max_lag_ms);
	daemon_settings_free(&settings->daemon);
	free(settings);
}
