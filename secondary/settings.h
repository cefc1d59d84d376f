/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of ra-secondaryd as a struct: read, checked and owned here.
 */
#ifndef RA_SECONDARY_SETTINGS_H
#define RA_SECONDARY_SETTINGS_H

#include "base/config_daemon.h"
#include "secondary/peer.h"

struct secondary_settings {
	struct daemon_settings daemon;
	const char *const *listen; /* numeric addresses, NULL-terminated */
	uint32_t jobs, window_reads;
	uint64_t cache_bytes;
	struct peer_config *peers;
	unsigned peer_count;
};

extern const struct config_table secondary_config_table;

/* 0, or -errno with why: file, line, and what was expected. */
int secondary_settings_load(const char *path, struct secondary_settings **out, char why[CONFIG_WHY_BYTES]);
void secondary_settings_free(struct secondary_settings *settings);

#endif
