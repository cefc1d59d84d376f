/* SPDX-License-Identifier: Apache-2.0
 *
 * The points of check on what of two volumes is compared, and what lies outside.
 */
#ifndef RA_CTL_GEOMETRY_H
#define RA_CTL_GEOMETRY_H

#include <stdint.h>

#include "base/volume_info.h"
#include "primary/ctl/points.h"

/* The points on both volumes of an open device. */
void ctl_check_geometry(struct ctl_points *points, const char *device, const struct volume_info *local,
	const struct volume_info *remote, uint32_t track_bytes);

#endif
