/* SPDX-License-Identifier: Apache-2.0
 *
 * A probe (ra-ctl check): opens a device as a session would, reads it for a moment from its beginning, 4 MiB at a time,
 * and tells how that went. Nothing of it goes through the cache; the limits of the device and of the daemon hold it.
 * Loop thread only.
 */
#ifndef RA_SECONDARY_PROBE_H
#define RA_SECONDARY_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/volume_info.h"

struct probe;
struct ra;
struct rate;

struct probe_result {
	enum status status; /* OK, or why it could not be opened or read to the end of the time */
	char detail[DETAIL_MAX + 1]; /* words, unless OK */
	bool is_open;                /* it could be opened: all below */
	struct volume_info info;
	uint64_t bytes_read; /* without holes */
	int64_t elapsed_ms;  /* of reading */
	uint64_t unreadable_tracks;
	int64_t throttled_ms;       /* that reads waited for limits, summed over all */
	const struct rate *held_by; /* the limit that a read waited for last; NULL: none did */
};

/* Reads for time_ms; a volume that ends earlier is read again from its beginning, unless it is all holes. done is
 * called once, later. */
struct probe *probe_start(struct ra *ra, uint32_t device_number, int64_t time_ms,
	void (*done)(void *arg, const struct probe_result *result), void *arg);
void probe_cancel(struct probe *probe); /* done is not called */

#endif
