/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of an open volume: made by storage/volume, carried by wire/message, shown by the programs.
 */
#ifndef RA_BASE_VOLUME_INFO_H
#define RA_BASE_VOLUME_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

#define VOLUME_IDENTITY_BYTES 512u /* with the final NUL */

enum volume_kind { VOLUME_KIND_UNSET = 0, VOLUME_KIND_FILE = 1, VOLUME_KIND_BLOCK = 2, VOLUME_KIND_COUNT };

/* AUTO is only asked for: direct for block devices, buffered for files. */
enum io_mode { IO_MODE_UNSET = 0, IO_MODE_BUFFERED = 1, IO_MODE_DIRECT = 2, IO_MODE_AUTO = 3, IO_MODE_COUNT };

struct volume_info {
	uint64_t size_bytes; /* of the part that is compared: whole_bytes less what lies outside offset and length */
	enum volume_kind kind;
	enum io_mode io;    /* in force: BUFFERED or DIRECT */
	uint64_t host_id;   /* hash of the boot id: the other two compare only when it is equal */
	uint64_t device_id; /* file: st_dev; block device: st_rdev */
	uint64_t inode;     /* file only */
	char path[PATH_BYTES_MAX];
	uint64_t whole_bytes;  /* all of the volume; 0 from a peer that does not say */
	uint64_t offset_bytes; /* where track 0 begins */
	bool is_common;        /* length = common */
	/* Stays the same when the daemon or the machine starts again: "file MAJOR:MINOR:INODE", "dm UUID", "wwid …",
	 * "serial …", "block MAJOR:MINOR", "name PATH". "" from a peer that does not say. */
	char identity[VOLUME_IDENTITY_BYTES];
};

/* What of a volume is not compared. */
struct volume_outside {
	uint64_t before_bytes; /* from 0 on */
	uint64_t after_bytes;
	uint64_t after_offset; /* where those begin */
};

const char *io_mode_name(enum io_mode io);              /* "direct" */
const char *volume_kind_name(enum volume_kind kind);    /* "file", "block device" */
/* Both are the same file or device of the same machine. */
bool volume_info_is_same(const struct volume_info *a, const struct volume_info *b);
/* Of two parts: what both have; what a comparison accounts for, which is that or the larger one. */
uint64_t volume_info_common_bytes(const struct volume_info *a, const struct volume_info *b);
uint64_t volume_info_compared_bytes(const struct volume_info *a, const struct volume_info *b, bool is_common);
/* compared_bytes: what is compared of its part, which may be shorter. */
struct volume_outside volume_info_outside(const struct volume_info *info, uint64_t compared_bytes);

#endif
