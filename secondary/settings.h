/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of ra-secondaryd as a struct: read, checked and owned here.
 */
#ifndef RA_SECONDARY_SETTINGS_H
#define RA_SECONDARY_SETTINGS_H

#include "base/config.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/volume_info.h"
#include "secondary/peer.h"

struct secondary_device_settings {
	const char *name;
	const char *volume;
	enum io_mode io;
	uint64_t offset_bytes, length_bytes; /* length 0: to the end */
	bool is_common;
	struct rate_limit limit;
};

struct secondary_settings {
	struct config *config; /* owns all text */
	const char *path;
	const char *identity, *ca; /* ca "": none */
	const char *const *listen; /* numeric addresses, NULL-terminated */
	const char *socket, *socket_group, *admin_group;
	unsigned socket_mode;
	uint32_t track_bytes, jobs, window_reads, da_threads;
	uint64_t cache_bytes;
	struct rate_limit limit;
	enum log_level log_level;
	struct peer_config *peers;
	unsigned peer_count;
	struct secondary_device_settings *devices;
	unsigned device_count;
};

extern const struct config_table secondary_config_table;

/* 0, or -errno with why: file, line, and what was expected. */
int secondary_settings_load(const char *path, struct secondary_settings **out, char why[CONFIG_WHY_BYTES]);
void secondary_settings_free(struct secondary_settings *settings);

#endif
