/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks between keys that both daemons make, and the values both take in the same way. Loop thread, at start.
 */
#include "base/config_daemon.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define SECTOR_BYTES 512u

const char *const config_io_words[] = { "auto", "buffered", "direct", NULL };
const char *const config_identity_words[] = { "volume", "name", NULL };
const char *const config_switch_words[] = { "off", "on", NULL };
const char *const config_level_words[] = { "error", "warning", "info", "debug", NULL };

static int check_track_size(const struct config *config, const char *section, char why[CONFIG_WHY_BYTES])
{
	uint64_t bytes = config_number(config, section, NULL, "track-size");

	if ((bytes & (bytes - 1)) != 0)
		return config_refuse(config, section, NULL, "track-size", why, "expected a power of two from 4K to 1M");
	return 0;
}

static bool has_word(const char *const *words, const char *word)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

/* Neither peer's list of this key has a word of the other's. */
static int check_pair(const struct config *config, const char *one, const char *other, const char *key,
	char why[CONFIG_WHY_BYTES])
{
	const char *const *words = config_list(config, "peer", one, key);

	for (; *words != NULL; words++)
		if (has_word(config_list(config, "peer", other, key), *words))
			return config_refuse(config, "peer", other, key, why, "expected one of its own; [peer %s] has it at %s",
				one, config_where(config, "peer", one, key));
	return 0;
}

/* A name that nothing proves is an error even beside a key: it would do nothing. */
static int check_known(const struct config *config, const char *section, const char *peer, char why[CONFIG_WHY_BYTES])
{
	bool has_key = config_list(config, "peer", peer, "key")[0] != NULL;
	bool has_name = config_list(config, "peer", peer, "name")[0] != NULL;

	if (!has_key && !has_name)
		return config_refuse(config, "peer", peer, NULL, why, "needs key = sha256:... (ra-ctl keygen prints it), or "
			"name = DNS name with ca in [%s]", section);
	if (has_name && config_text(config, section, NULL, "ca")[0] == '\0')
		return config_refuse(config, "peer", peer, "name", why, "expected ca in [%s], which proves it; else only a key",
			section);
	return 0;
}

/* Each peer has a key, or a name and the main section a ca; no key and no name is that of two peers. */
static int check_peers(const struct config *config, const char *section, char why[CONFIG_WHY_BYTES])
{
	const char *one, *other;
	int rc = 0;

	for (unsigned i = 0; (one = config_section(config, "peer", i)) != NULL && rc == 0; i++) {
		rc = check_known(config, section, one, why);
		for (unsigned j = i + 1; rc == 0 && (other = config_section(config, "peer", j)) != NULL; j++) {
			rc = check_pair(config, one, other, "key", why);
			if (rc == 0)
				rc = check_pair(config, one, other, "name", why);
		}
	}
	return rc;
}

/* At most DEVICES_MAX; their offsets. */
static int check_devices(const struct config *config, char why[CONFIG_WHY_BYTES])
{
	const char *device;

	for (unsigned i = 0; (device = config_section(config, "device", i)) != NULL; i++) {
		if (i == DEVICES_MAX)
			return config_refuse(config, "device", device, NULL, why, "expected at most %u devices", DEVICES_MAX);
		if (config_number(config, "device", device, "offset") % SECTOR_BYTES != 0)
			return config_refuse(config, "device", device, "offset", why, "expected a multiple of %u", SECTOR_BYTES);
	}
	return 0;
}

unsigned config_count(const struct config *config, const char *section)
{
	unsigned count = 0;

	while (config_section(config, section, count) != NULL)
		count++;
	return count;
}

struct rate_limit config_limit(const struct config *config, const char *section, const char *name)
{
	return (struct rate_limit){
		.bytes_per_s = config_number(config, section, name, "limit"),
		.reads_per_s = config_number(config, section, name, "limit-reads"),
	};
}

static enum io_mode io_of(const struct config *config, const char *device)
{
	static const enum io_mode modes[] = { IO_MODE_AUTO, IO_MODE_BUFFERED, IO_MODE_DIRECT };

	return modes[config_number(config, "device", device, "io")];
}

static void take_main(struct daemon_settings *settings, const char *section)
{
	const struct config *config = settings->config;

	settings->path = config_path(config);
	settings->socket = config_text(config, section, NULL, "socket");
	settings->socket_group = config_text(config, section, NULL, "socket-group");
	settings->admin_group = config_text(config, section, NULL, "admin-group");
	settings->state = config_text(config, section, NULL, "state");
	settings->socket_mode = (unsigned)config_number(config, section, NULL, "socket-mode");
	settings->track_bytes = (uint32_t)config_number(config, section, NULL, "track-size");
	settings->da_threads = (uint32_t)config_number(config, section, NULL, "da-threads");
	settings->limit = config_limit(config, section, NULL);
}

static void take_devices(struct daemon_settings *settings)
{
	const struct config *config = settings->config;

	settings->device_count = config_count(config, "device");
	settings->devices = xcalloc(settings->device_count, sizeof(*settings->devices));
	for (unsigned i = 0; i < settings->device_count; i++) {
		const char *name = config_section(config, "device", i);
		uint64_t length = config_number(config, "device", name, "length");

		settings->devices[i] = (struct device_settings){
			.name = name,
			.volume = config_text(config, "device", name, "volume"),
			.io = io_of(config, name),
			.offset_bytes = config_number(config, "device", name, "offset"),
			.length_bytes = length == CONFIG_COMMON ? 0 : length,
			.is_common = length == CONFIG_COMMON,
			.is_known_by_name = config_number(config, "device", name, "identity") == 1,
			.is_yielding = config_number(config, "device", name, "yield") == 1,
			.limit = config_limit(config, "device", name),
		};
	}
}

int daemon_settings_load(const struct config_table *table, const char *path, struct daemon_settings *settings,
	char why[CONFIG_WHY_BYTES])
{
	int rc;

	*settings = (struct daemon_settings){ 0 };
	rc = config_load(table, path, &settings->config, why);
	if (rc != 0)
		return rc;
	take_main(settings, table->main_section);
	take_devices(settings);
	rc = check_track_size(settings->config, table->main_section, why);
	if (rc == 0)
		rc = check_peers(settings->config, table->main_section, why);
	return rc != 0 ? rc : check_devices(settings->config, why);
}

/* ---- What cannot change while the daemon runs ---- */

static void warn_fixed(const struct config *config, const char *section, const char *name, const char *key)
{
	log_warning("%s: %s of [%s%s%s] holds from the next start of the daemon on",
		config_where(config, section, name, key), key, section, name != NULL ? " " : "", name != NULL ? name : "");
}

void daemon_settings_warn_fixed(const struct daemon_settings *in_force, const struct daemon_settings *fresh,
	const char *const *keys)
{
	const char *section = config_main_section(fresh->config);

	for (; *keys != NULL; keys++)
		if (!config_is_same(in_force->config, fresh->config, section, NULL, *keys))
			warn_fixed(fresh->config, section, NULL, *keys);
}

struct device_settings *device_settings_copy(const struct device_settings *settings)
{
	struct device_settings *copy = xcalloc(1, sizeof(*copy));

	*copy = *settings;
	copy->name = xstrdup(settings->name);
	copy->volume = xstrdup(settings->volume);
	return copy;
}

void device_settings_free(struct device_settings *settings)
{
	if (settings == NULL)
		return;
	free((char *)settings->name);
	free((char *)settings->volume);
	free(settings);
}

bool device_settings_warn_fixed(const struct device_settings *in_force, const struct daemon_settings *fresh,
	const struct device_settings *wanted)
{
	const struct {
		const char *key;
		bool is_same, is_how; /* how it is read, not what */
	} fixed[] = {
		{ "volume", strcmp(in_force->volume, wanted->volume) == 0, false },
		{ "io", in_force->io == wanted->io, true },
		{ "identity", in_force->is_known_by_name == wanted->is_known_by_name, false },
		{ "offset", in_force->offset_bytes == wanted->offset_bytes, false },
		{ "length", in_force->length_bytes == wanted->length_bytes && in_force->is_common == wanted->is_common, false },
		{ "yield", in_force->is_yielding == wanted->is_yielding, true },
	};
	bool is_replaced = false;

	for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (fixed[i].is_same)
			continue;
		warn_fixed(fresh->config, "device", wanted->name, fixed[i].key);
		is_replaced |= !fixed[i].is_how;
	}
	if (is_replaced)
		log_warning("device %s is another one in the configuration: until the daemon is restarted nobody can open it",
			wanted->name);
	return is_replaced;
}

void daemon_settings_free(struct daemon_settings *settings)
{
	free(settings->devices);
	config_free(settings->config);
}
