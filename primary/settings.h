/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of ra-primaryd as a struct: read, checked and owned here.
 */
#ifndef RA_PRIMARY_SETTINGS_H
#define RA_PRIMARY_SETTINGS_H

#include "base/config_daemon.h"

struct primary_peer_settings {
	const char *name;
	const char *address;          /* HOST:PORT */
	const char *const *keys;      /* NULL-terminated */
	const char *const *dns_names; /* NULL-terminated */
	struct rate_limit limit;
};

struct primary_settings {
	struct daemon_settings daemon;
	unsigned reports; /* kept of each device */
	struct primary_peer_settings *peers;
	unsigned peer_count;
	unsigned *device_peers; /* of each device the index of its peer */
	uint32_t *device_max_lag_ms; /* likewise */
};

extern const struct config_table primary_config_table;

/* 0, or -errno with why: file, line, and what was expected. */
int primary_settings_load(const char *path, struct primary_settings **out, char why[CONFIG_WHY_BYTES]);
void primary_settings_free(struct primary_settings *settings);

#endif
