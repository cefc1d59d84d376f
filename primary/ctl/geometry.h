/* SPDX-License-Identifier: Apache-2.0
 *
 * What of two volumes is compared, and what lies outside. Pure.
 */
#ifndef RA_CTL_GEOMETRY_H
#define RA_CTL_GEOMETRY_H

#include <stdint.h>

#include "base/volume_info.h"
#include "primary/ctl/points.h"

/* What of this volume is left out when common_bytes of its part are compared. */
struct ctl_outside {
	uint64_t before, behind;
};

uint64_t ctl_smaller_bytes(const struct volume_info *local, const struct volume_info *remote);
uint64_t ctl_compared_bytes(const struct volume_info *local, const struct volume_info *remote);
struct ctl_outside ctl_outside(const struct volume_info *info, uint64_t compared_bytes);
/* The points on both volumes of an open device. */
void ctl_check_geometry(struct ctl_points *points, const char *device, const struct volume_info *local,
	const struct volume_info *remote, uint32_t track_bytes);

#endif
