/* SPDX-License-Identifier: Apache-2.0
 *
 * check as a host of the primary: opens one device like ra-compare would, and reads each side for a moment. Each call
 * runs the event loop until it has its answer.
 */
#ifndef RA_CTL_HOST_H
#define RA_CTL_HOST_H

#include <stdbool.h>

#include "primary/ctl/options.h"
#include "wire/message.h"

#define CTL_STREAMS 8u /* reads at a time, as ra-compare has by default */

struct ctl_host;

struct ctl_measure {
	enum status status; /* OK, or what ended it early */
	char detail[DETAIL_MAX + 1];
	uint64_t bytes, reads;
	double seconds; /* to the millisecond: 0 is possible */
	bool is_whole;  /* all that was asked for was read */
	bool is_held;   /* a limit held it back, whosever it is */
	uint64_t throttled_ms; /* of all reads together */
	uint64_t unreadable_tracks, first_unreadable;
};

/* NULL with words in why: nobody is there, or it is no primary. */
struct ctl_host *ctl_host_new(const char *socket, char why[CTL_WHY_BYTES]);
void ctl_host_free(struct ctl_host *host); /* NULL is fine */
/* Once. LINK_LOST also when the primary went away. */
const struct msg_host_open_reply *ctl_host_open(struct ctl_host *host, const char *device, uint32_t link_timeout_ms);
/* After an open that was OK: reads the first so many bytes of the side, for time_ms unless it is very slow: by digest,
 * like ra-compare, or as data where the link does not know XXH3-128. */
void ctl_host_measure(struct ctl_host *host, enum side side, uint64_t bytes, int time_ms, struct ctl_measure *out);

#endif
