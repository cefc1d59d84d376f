/* SPDX-License-Identifier: Apache-2.0
 *
 * Words for a volume's kind and io mode, and whether two volumes are one. Nothing here looks at a disk.
 */
#include "base/volume_info.h"

#include <assert.h>

static const char *const io_mode_names[IO_MODE_COUNT] = {
	[IO_MODE_UNSET] = "unset",
	[IO_MODE_BUFFERED] = "buffered",
	[IO_MODE_DIRECT] = "direct",
	[IO_MODE_AUTO] = "auto",
};

static const char *const volume_kind_names[VOLUME_KIND_COUNT] = {
	[VOLUME_KIND_UNSET] = "unset",
	[VOLUME_KIND_FILE] = "file",
	[VOLUME_KIND_BLOCK] = "block device",
};

const char *io_mode_name(enum io_mode io)
{
	assert((unsigned)io < IO_MODE_COUNT);
	return io_mode_names[io];
}

const char *volume_kind_name(enum volume_kind kind)
{
	assert((unsigned)kind < VOLUME_KIND_COUNT);
	return volume_kind_names[kind];
}

bool volume_info_is_same(const struct volume_info *a, const struct volume_info *b)
{
	/* A machine whose boot id could not be read has host_id 0: nothing is known then. */
	if (a->host_id == 0 || a->host_id != b->host_id || a->kind != b->kind || a->device_id != b->device_id)
		return false;
	return a->kind == VOLUME_KIND_BLOCK || a->inode == b->inode;
}
