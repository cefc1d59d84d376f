/* SPDX-License-Identifier: Apache-2.0
 *
 * A comparison reads both sides at the same time, so the slower one binds: its disk, its link, or a limit. One thread.
 */
#include "primary/ctl/speed.h"

#include <assert.h>
#include <stddef.h>

#include "primary/ctl/host.h"

#define NEAR 0.9 /* of a limit: it is that which binds */

bool ctl_side_take(struct ctl_side *side, const struct ctl_measure *measure)
{
	double seconds = measure->seconds;

	side->is_brief = measure->is_whole && seconds < CTL_SECONDS_MIN;
	if (side->is_brief)
		seconds = CTL_SECONDS_MIN;
	side->bytes_per_s = (double)measure->bytes / seconds;
	side->bytes_per_read = (double)measure->bytes / (double)measure->reads;
	side->is_held = measure->is_held;
	return measure->is_whole || measure->is_held || measure->reads >= CTL_STREAMS;
}

/* The lowest of its limits, in bytes per second; NULL when it has none. */
static const char *lowest_limit(const struct ctl_side *side, double *bytes_per_s)
{
	const char *name = NULL;

	*bytes_per_s = 0;
	for (unsigned i = 0; i < CTL_LIMITS_MAX; i++) {
		double limits[] = { (double)side->limits[i].bytes_per_s,
			(double)side->limits[i].reads_per_s * side->bytes_per_read };

		for (unsigned k = 0; k < 2; k++) {
			if (limits[k] <= 0 || (name != NULL && limits[k] >= *bytes_per_s))
				continue;
			*bytes_per_s = limits[k];
			name = side->limits[i].name;
		}
	}
	return name;
}

struct ctl_speed ctl_speed(uint64_t bytes, const struct ctl_side *local, const struct ctl_side *remote)
{
	bool is_local = remote->is_brief || (!local->is_brief && local->bytes_per_s < remote->bytes_per_s);
	const struct ctl_side *slower = is_local ? local : remote;
	struct ctl_speed speed = { .bytes_per_s = slower->bytes_per_s };
	double limit;
	const char *limit_name = lowest_limit(slower, &limit);

	assert(slower->bytes_per_s > 0 && !slower->is_brief);
	if (limit_name != NULL && slower->bytes_per_s >= NEAR * limit) {
		speed.binds = limit_name;
		if (speed.bytes_per_s > limit) /* it lets some through at once */
			speed.bytes_per_s = limit;
	} else if (is_local) {
		speed.binds = "the local disk";
	} else {
		speed.binds = slower->is_held ? "a limit of the secondary" : "the remote side or the link";
	}
	speed.seconds = (double)bytes / speed.bytes_per_s;
	return speed;
}
