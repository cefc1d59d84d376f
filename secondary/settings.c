/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of ra-secondaryd, the checks between them, and the struct that the daemon is built from. Loop thread, at
 * start.
 */
#include "secondary/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config_daemon.h"
#include "secondary/ra.h"

#define MAIN "secondary"
#define CACHE_BYTES_MIN (8ull * MIB) /* two threads of 4 MiB */
#define CACHE_BYTES_MAX (1ull << 40)
#define JOBS_MIN 16u
#define JOBS_MAX 65536u
#define LINKS_MAX 1024u

static const char *const named_sections[] = { "peer", "device", NULL };
static const char *const example_names[] = { "a", "web1" };
static const char *const data_words[] = { "always", "never", NULL };

static const struct config_key keys[] = {
	CONFIG_DAEMON_KEYS(MAIN, "/run/ra/secondary.sock", "/var/lib/ra-secondary"),
	{ MAIN, "listen", CONFIG_ADDRESSES, 0, 0, NULL, "0.0.0.0:7447", "Where primaries connect to.", NULL },
	{ MAIN, "cache", CONFIG_SIZE, CACHE_BYTES_MIN, CACHE_BYTES_MAX, NULL, "64M",
		"Memory for data that was read, at least 4M for each of da-threads.", NULL },
	{ MAIN, "jobs", CONFIG_NUMBER, JOBS_MIN, JOBS_MAX, NULL, "2048",
		"Elements of the job array, of which half is kept for disk reads.", NULL },
	{ MAIN, "window", CONFIG_NUMBER, 1, WINDOW_READS_MAX, NULL, "32",
		"Reads that a link may have open at a time; those that stepped aside do not count.", NULL },
	{ "peer", "key", CONFIG_KEYS, 0, 0, NULL, "",
		"Its public key, as ra-ctl keygen printed it on that host; two while a key is changed.", CONFIG_EXAMPLE_KEY },
	{ "peer", "name", CONFIG_NAMES, 0, 253, NULL, "",
		"DNS name in its certificate, which the CA proves: known by that, where there is no key.", NULL },
	{ "peer", "devices", CONFIG_NAMES, 0, 0, NULL, "",
		"The devices it may read; others do not exist for it.", "web1" },
	{ "peer", "data", CONFIG_CHOICE, 0, 0, data_words, "always",
		"Whether it gets the data of its devices; never: it is served digests only.", NULL },
	CONFIG_PEER_LIMIT_KEYS,
	{ "peer", "max-jobs", CONFIG_NUMBER, 1, JOBS_MAX, NULL, "512", "Link jobs that it may have at a time.", NULL },
	{ "peer", "max-links", CONFIG_NUMBER, 1, LINKS_MAX, NULL, "4", "Links that it may have at a time.", NULL },
	CONFIG_DEVICE_KEYS("/dev/vg0/web1"),
};

const struct config_table secondary_config_table = {
	.main_section = MAIN,
	.named_sections = named_sections,
	.example_names = example_names,
	.keys = keys,
	.key_count = sizeof(keys) / sizeof(keys[0]),
};

static int check_cache(const struct secondary_settings *settings, char why[CONFIG_WHY_BYTES])
{
	const struct daemon_settings *daemon = &settings->daemon;

	if (settings->cache_bytes < (uint64_t)daemon->da_threads * RUN_BYTES_MAX)
		return config_refuse(daemon->config, MAIN, NULL, "cache", why,
			"expected at least %uM, 4M for each of da-threads = %u (%s)", daemon->da_threads * (RUN_BYTES_MAX / MIB),
			daemon->da_threads, config_where(daemon->config, MAIN, NULL, "da-threads"));
	return 0;
}

/* A small cache that names no number of threads starts with fewer of them. */
static void take_threads(struct secondary_settings *settings)
{
	struct daemon_settings *daemon = &settings->daemon;
	char text[16];

	if (config_is_set(daemon->config, MAIN, NULL, "da-threads"))
		return;
	daemon->da_threads = ra_threads_for(settings->cache_bytes);
	snprintf(text, sizeof(text), "%u", daemon->da_threads);
	config_set_default(daemon->config, MAIN, NULL, "da-threads", text);
}

static int take_main(struct secondary_settings *settings, char why[CONFIG_WHY_BYTES])
{
	const struct config *config = settings->daemon.config;

	settings->listen = config_list(config, MAIN, NULL, "listen");
	settings->jobs = (uint32_t)config_number(config, MAIN, NULL, "jobs");
	settings->window_reads = (uint32_t)config_number(config, MAIN, NULL, "window");
	settings->cache_bytes = config_number(config, MAIN, NULL, "cache");
	take_threads(settings);
	return check_cache(settings, why);
}

static bool has_device(const struct daemon_settings *daemon, const char *name)
{
	for (unsigned i = 0; i < daemon->device_count; i++)
		if (strcmp(daemon->devices[i].name, name) == 0)
			return true;
	return false;
}

/* Peer by peer; each device that one lists must be there. */
static int take_peers(struct secondary_settings *settings, char why[CONFIG_WHY_BYTES])
{
	const struct config *config = settings->daemon.config;

	settings->peer_count = config_count(config, "peer");
	settings->peers = xcalloc(settings->peer_count, sizeof(*settings->peers));
	for (unsigned i = 0; i < settings->peer_count; i++) {
		const char *name = config_section(config, "peer", i);

		settings->peers[i] = (struct peer_config){
			.name = name,
			.keys = config_list(config, "peer", name, "key"),
			.dns_names = config_list(config, "peer", name, "name"),
			.devices = config_list(config, "peer", name, "devices"),
			.is_digest_only = config_number(config, "peer", name, "data") == 1,
			.limit = config_limit(config, "peer", name),
			.links_max = (uint32_t)config_number(config, "peer", name, "max-links"),
			.jobs_max = (uint32_t)config_number(config, "peer", name, "max-jobs"),
		};
		for (const char *const *device = settings->peers[i].devices; *device != NULL; device++)
			if (!has_device(&settings->daemon, *device))
				return config_refuse(config, "peer", name, "devices", why,
					"expected names of [device]s; there is no [device %s]", *device);
	}
	return 0;
}

int secondary_settings_load(const char *path, struct secondary_settings **out, char why[CONFIG_WHY_BYTES])
{
	struct secondary_settings *settings = xcalloc(1, sizeof(*settings));
	int rc = daemon_settings_load(&secondary_config_table, path, &settings->daemon, why);

	if (rc == 0)
		rc = take_main(settings, why);
	if (rc == 0)
		rc = take_peers(settings, why);
	if (rc == 0)
		*out = settings;
	else
		secondary_settings_free(settings);
	return rc;
}

void secondary_settings_free(struct secondary_settings *settings)
{
	if (settings == NULL)
		return;
	free(settings->peers);
	daemon_settings_free(&settings->daemon);
	free(settings);
}
