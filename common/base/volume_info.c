/* SPDX-License-Identifier: Apache-2.0
 *
 * Words for a volume's kind and io mode, whether two volumes are one, and what of two is compared. Nothing here looks
 * at a disk.
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

uint64_t volume_info_common_bytes(const struct volume_info *a, const struct volume_info *b)
{
	return a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes;
}

uint64_t volume_info_compared_bytes(const struct volume_info *a, const struct volume_info *b, bool is_common)
{
	return (a->size_bytes < b->size_bytes) == is_common ? a->size_bytes : b->size_bytes;
}

struct volume_outside volume_info_outside(const struct volume_info *info, uint64_t compared_bytes)
{
	uint64_t part_bytes = info->size_bytes < compared_bytes ? info->size_bytes : compared_bytes;
	uint64_t part_end = info->offset_bytes + info->size_bytes, after_offset = info->offset_bytes + part_bytes;
	/* A peer that does not say how large the whole is has told its size as part. */
	uint64_t end = info->whole_bytes > part_end ? info->whole_bytes : part_end;

	return (struct volume_outside){
		.before_bytes = info->offset_bytes,
		.after_bytes = end - after_offset,
		.after_offset = after_offset,
	};
}
