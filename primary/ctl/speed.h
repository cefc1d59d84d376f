/* SPDX-License-Identifier: Apache-2.0
 *
 * From what was read for a moment to how long a comparison takes and what binds it. Pure.
 */
#ifndef RA_CTL_SPEED_H
#define RA_CTL_SPEED_H

#include <stdbool.h>
#include <stdint.h>

#define CTL_LIMITS_MAX 3u /* total, device, peer */

struct ctl_side {
	double bytes_per_s; /* measured */
	double bytes_per_read;
	bool is_held; /* a limit held it back, whosever it is */
	struct {
		const char *name; /* "the limit of device web1" */
		uint64_t bytes_per_s, reads_per_s; /* 0: none */
	} limits[CTL_LIMITS_MAX];
};

struct ctl_speed {
	double bytes_per_s, seconds;
	const char *binds; /* words */
};

/* local and remote have read something. */
struct ctl_speed ctl_speed(uint64_t bytes, const struct ctl_side *local, const struct ctl_side *remote);

#endif
