/* SPDX-License-Identifier: Apache-2.0
 *
 * What both kinds of primary, that of a private pair and the configured one, are made of: the loop, the disk adapter
 * with the local volumes behind it, posted errors, limits; and how they end. Loop thread only.
 */
#ifndef RA_PRIMARY_CORE_H
#define RA_PRIMARY_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"
#include "storage/volume.h"

struct daemon;
struct da;
struct event_base;
struct invalid_table;
struct local;
struct mailbox;
struct post;
struct rate;
struct throttle;

struct core {
	struct daemon *daemon;
	struct event_base *base; /* of the daemon, as is clock */
	struct clock *clock;
	struct mailbox *mailbox;
	struct da *da;
	struct post *post;
	struct throttle *throttle;
	struct local *locals[DEVICES_MAX];
	unsigned local_count;
	struct invalid_table *tables[DEVICES_MAX];
	unsigned table_count;
	/* the end: */
	bool is_ending;
	int exit_code;
	struct timer grace;
};

/* 0 or -errno; core_free in either case. */
int core_start(struct core *core, unsigned da_threads);
/* A local device. volume is taken over; the rates outlive the core. At most DEVICES_MAX. */
struct local *core_add_local(struct core *core, const char *device, const char *path, struct volume *volume,
	uint32_t track_bytes, struct rate *device_rate, struct rate *total_rate);
/* A table of invalid tracks of a local device, in the folder `state`. At most DEVICES_MAX. */
struct invalid_table *core_add_table(struct core *core, const char *state, const char *device, uint32_t track_bytes,
	uint64_t offset_bytes);
/* All hosts have gone: the daemon stops with this code when every volume is closed, or after a moment. */
void core_end(struct core *core, int exit_code);
/* False: a thread is stuck in a volume, and memory that it may use is still there: the process should _exit. Links and
 * hosts must be freed before, rates after core_free_locals. */
bool core_free_locals(struct core *core);
bool core_free(struct core *core);
void core_dump(const struct core *core); /* to the log, whatever its level */

#endif
