/* SPDX-License-Identifier: Apache-2.0
 *
 * What the configurations of both daemons have in common: keys of their tables, and what they become.
 */
#ifndef RA_BASE_CONFIG_DAEMON_H
#define RA_BASE_CONFIG_DAEMON_H

#include "base/config.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/volume_info.h"

#define CONFIG_EXAMPLE_KEY "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define CONFIG_SOCKET_BYTES_MAX 107u /* sun_path with its NUL is 108 */

extern const char *const config_io_words[];    /* auto, buffered, direct */
extern const char *const config_identity_words[]; /* volume, name */
extern const char *const config_switch_words[]; /* off, on */
extern const char *const config_level_words[]; /* in the order of enum log_level */

/* Of the daemon itself. */
#define CONFIG_DAEMON_KEYS(section, socket_path, state_path) \
	{ section, "identity", CONFIG_PATH, 0, 0, NULL, "/etc/ra/identity.pem", \
		"Private key and certificate of this host, made by ra-ctl keygen; for its owner alone.", NULL }, \
	{ section, "ca", CONFIG_PATH, 0, 0, NULL, "", \
		"Certificates (PEM) of a CA that proves the names of peers; without it a peer is its key.", NULL }, \
	{ section, "socket", CONFIG_PATH, 0, CONFIG_SOCKET_BYTES_MAX, NULL, socket_path, \
		"The Unix socket for local programs.", NULL }, \
	{ section, "socket-group", CONFIG_NAME, 0, 0, NULL, "", \
		"Group that the socket is given to; unset: that of the daemon.", NULL }, \
	{ section, "socket-mode", CONFIG_MODE, 0, 0, NULL, "0660", \
		"Permissions of the socket: who may connect.", NULL }, \
	{ section, "admin-group", CONFIG_NAME, 0, 0, NULL, "", \
		"Group that may change limits, invalid tracks and the log level by ra-ctl, as root may; unset: nobody else.", \
		NULL }, \
	{ section, "state", CONFIG_PATH, 0, 0, NULL, state_path, \
		"Folder of what must outlast the daemon.", NULL }, \
	{ section, "track-size", CONFIG_SIZE, TRACK_BYTES_MIN, TRACK_BYTES_MAX, NULL, "64K", \
		"Unit of comparison, a power of two; the same on both hosts.", NULL }, \
	{ section, "da-threads", CONFIG_NUMBER, 2, 64, NULL, "8", \
		"Threads that read volumes, of which one device takes at most half.", NULL }, \
	{ section, "limit", CONFIG_RATE, 0, 0, NULL, "none", \
		"What this daemon reads, all devices together.", NULL }, \
	{ section, "limit-reads", CONFIG_NUMBER, 0, CONFIG_READS_MAX, NULL, "0", \
		"Reads per second of this daemon, all devices together; 0: no limit.", NULL }, \
	{ section, "log-level", CONFIG_CHOICE, 0, 0, config_level_words, "info", \
		"What is logged: this and what is worse.", NULL }

#define CONFIG_PEER_LIMIT_KEYS \
	{ "peer", "limit", CONFIG_RATE, 0, 0, NULL, "none", "What is read for this peer, all devices together.", NULL }, \
	{ "peer", "limit-reads", CONFIG_NUMBER, 0, CONFIG_READS_MAX, NULL, "0", \
		"Reads per second for this peer, all devices together; 0: no limit.", NULL }

#define CONFIG_DEVICE_KEYS(volume_example) \
	{ "device", "volume", CONFIG_PATH, 0, 0, NULL, NULL, "The file or block device; it is only read.", \
		volume_example }, \
	{ "device", "io", CONFIG_CHOICE, 0, 0, config_io_words, "auto", \
		"How it is read: direct passes the page cache by; auto is direct for block devices, buffered for files.", \
		NULL }, \
	{ "device", "identity", CONFIG_CHOICE, 0, 0, config_identity_words, "volume", \
		"What it is known by: name, its path, is for one that leads to a new snapshot in each run.", NULL }, \
	{ "device", "offset", CONFIG_SIZE, 0, CONFIG_OFFSET_MAX, NULL, "0", \
		"Where in the volume the comparison begins, a multiple of 512 bytes.", NULL }, \
	{ "device", "length", CONFIG_LENGTH, 0, 0, NULL, "all", \
		"How much is compared from offset on: all to the end, common as much as both sides have.", NULL }, \
	{ "device", "limit", CONFIG_RATE, 0, 0, NULL, "none", "What is read of this device.", NULL }, \
	{ "device", "limit-reads", CONFIG_NUMBER, 0, CONFIG_READS_MAX, NULL, "0", \
		"Reads per second of this device; 0: no limit.", NULL }, \
	{ "device", "yield", CONFIG_CHOICE, 0, 0, config_switch_words, "off", \
		"Whether reads step back while the volume takes far longer for them than as a rule.", NULL }

#define CONFIG_READS_MAX 1000000000u
#define CONFIG_OFFSET_MAX (1ull << 50)

struct device_settings {
	const char *name;
	const char *volume;
	enum io_mode io;
	uint64_t offset_bytes, length_bytes; /* length 0: to the end */
	bool is_common;
	bool is_known_by_name;
	bool is_yielding;
	struct rate_limit limit;
};

struct daemon_settings {
	struct config *config; /* owns all text */
	const char *path;
	const char *socket, *socket_group, *admin_group, *state;
	unsigned socket_mode;
	uint32_t track_bytes, da_threads;
	struct rate_limit limit;
	struct device_settings *devices;
	unsigned device_count;
};

/* Reads and checks what both have: 0, or -errno with why: file, line, and what was expected. daemon_settings_free in
 * either case. */
int daemon_settings_load(const struct config_table *table, const char *path, struct daemon_settings *settings,
	char why[CONFIG_WHY_BYTES]);
void daemon_settings_free(struct daemon_settings *settings);

/* The keys of the main section that hold from the start of the daemon to its end, and those of a device. */
#define CONFIG_DAEMON_FIXED "socket", "socket-group", "socket-mode", "admin-group", "state", "track-size", "da-threads"
/* Warns of each of these keys (NULL-terminated) of the main section that is another one in fresh than in force. */
void daemon_settings_warn_fixed(const struct daemon_settings *in_force, const struct daemon_settings *fresh,
	const char *const *keys);
/* Its own, with its own text, as long as the device is there. Freed by device_settings_free, NULL is fine. */
struct device_settings *device_settings_copy(const struct device_settings *settings);
void device_settings_free(struct device_settings *settings);
/* The same for what a device was made with, by name one of fresh. True: volume, identity, offset or length are others,
 * so that whoever opened it now would get what the configuration does not say. */
bool device_settings_warn_fixed(const struct device_settings *in_force, const struct daemon_settings *fresh,
	const struct device_settings *wanted);

unsigned config_count(const struct config *config, const char *section); /* [section NAME]s */
struct rate_limit config_limit(const struct config *config, const char *section, const char *name);

#endif
