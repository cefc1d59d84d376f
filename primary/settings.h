/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of ra-primaryd as a struct: read, checked and owned here.
 */
#ifndef RA_PRIMARY_SETTINGS_H
#define RA_PRIMARY_SETTINGS_H

#include "base/config.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/volume_info.h"

struct primary_peer_settings {
	const char *name;
	const char *address;          /* HOST:PORT */
	const char *const *keys;      /* NULL-terminated */
	const char *const *dns_names; /* NULL-terminated */
	struct rate_limit limit;
};

struct primary_device_settings {
	const char *name;
	const char *volume;
	unsigned peer; /* index in peers */
	enum io_mode io;
	uint64_t offset_bytes, length_bytes; /* length 0: to the end */
	bool is_common;
	struct rate_limit limit;
};

struct primary_settings {
	struct config *config; /* owns all text */
	const char *path;
	const char *identity, *ca; /* ca "": none */
	const char *socket, *socket_group, *admin_group;
	unsigned socket_mode;
	uint32_t track_bytes, da_threads;
	struct rate_limit limit;
	enum log_level log_level;
	struct primary_peer_settings *peers;
	unsigned peer_count;
	struct primary_device_settings *devices;
	unsigned device_count;
};

extern const struct config_table primary_config_table;

/* 0, or -errno with why: file, line, and what was expected. */
int primary_settings_load(const char *path, struct primary_settings **out, char why[CONFIG_WHY_BYTES]);
void primary_settings_free(struct primary_settings *settings);

#endif
