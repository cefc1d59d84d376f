/* SPDX-License-Identifier: Apache-2.0
 *
 * From what was read for a moment to how long a comparison takes and what binds it. Pure.
 */
#ifndef RA_CTL_SPEED_H
#define RA_CTL_SPEED_H

#include <stdbool.h>
#include <stdint.h>

#define CTL_LIMITS_MAX 3u /* total, device, peer */

#define CTL_SECONDS_MIN 0.5 /* less is mostly start-up */

struct ctl_measure;

struct ctl_side {
	bool is_brief; /* it was read to its end before there was a rate: bytes_per_s is the least it can do */
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

/* False: too little was read for a rate, and something is left that was not read. Limits are not touched. */
bool ctl_side_take(struct ctl_side *side, const struct ctl_measure *measure);
/* local and remote have taken what was read; not both of them briefly. */
struct ctl_speed ctl_speed(uint64_t bytes, const struct ctl_side *local, const struct ctl_side *remote);

#endif
