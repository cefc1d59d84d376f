/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes of two volumes that are to be equal. The first day's trouble is here: DRBD keeps its metadata behind the data,
 * and volume managers round up. One thread.
 */
#include "primary/ctl/geometry.h"

#include <inttypes.h>

#include "primary/ctl/words.h"

static void check_outside(struct ctl_points *points, const char *device, const char *side,
	const struct volume_info *info, uint64_t compared_bytes)
{
	struct volume_outside outside = volume_info_outside(info, compared_bytes);

	if (outside.before_bytes != 0)
		ctl_point_good(points, device, "not compared: the first %s of the %s volume",
			ctl_count(outside.before_bytes, "byte", "bytes"), side);
	if (outside.after_bytes != 0)
		ctl_point_good(points, device, "not compared: the last %s of the %s volume",
			ctl_count(outside.after_bytes, "byte", "bytes"), side);
}

static void check_volume(struct ctl_points *points, const char *device, const char *side,
	const struct volume_info *info)
{
	if (info->size_bytes == 0 && info->whole_bytes > 0)
		ctl_point_failed(points, CTL_WRONG, device, "the %s volume %s has nothing to compare: it has %" PRIu64
			" bytes, and offset leaves them out", side, info->path, info->whole_bytes);
	else if (info->size_bytes == 0)
		ctl_point_failed(points, CTL_WRONG, device, "the %s volume %s has nothing to compare: it is empty", side,
			info->path);
	else
		ctl_point_good(points, device, "%s volume %s: %s, %s, %s io", side, info->path, volume_kind_name(info->kind),
			ctl_bytes((double)info->size_bytes), io_mode_name(info->io));
}

void ctl_check_geometry(struct ctl_points *points, const char *device, const struct volume_info *local,
	const struct volume_info *remote, uint32_t track_bytes)
{
	bool is_common = local->is_common || remote->is_common;
	uint64_t smaller = volume_info_common_bytes(local, remote);
	uint64_t compared = volume_info_compared_bytes(local, remote, is_common);
	bool is_local_larger = local->size_bytes > remote->size_bytes;

	check_volume(points, device, "local", local);
	check_volume(points, device, "remote", remote);
	if (volume_info_is_same(local, remote))
		ctl_point_failed(points, CTL_WRONG, device,
			"both sides are one and the same volume: change volume on one of them");
	if (smaller == 0)
		return; /* nothing that could be made to fit */
	if (local->size_bytes == remote->size_bytes || is_common)
		ctl_point_good(points, device, "%s %s compared, %s of %s", ctl_count(compared, "byte", "bytes"),
			compared == 1 ? "is" : "are",
			ctl_count(compared / track_bytes + (compared % track_bytes != 0), "track", "tracks"),
			ctl_bytes(track_bytes));
	else
		ctl_point_failed(points, CTL_WRONG, device, "the %s volume is %s longer, which is a difference: "
			"length = common in [device %s] leaves that out, or length = %" PRIu64 " on the %s side",
			is_local_larger ? "local" : "remote",
			ctl_count(compared - smaller, "byte", "bytes"), device,
			smaller, is_local_larger ? "local" : "remote");
	check_outside(points, device, "local", local, compared);
	check_outside(points, device, "remote", remote, compared);
}
