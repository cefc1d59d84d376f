/* SPDX-License-Identifier: Apache-2.0
 *
 * What local.c (the device, its users and control requests), local_read.c (reads) and local_layout.c (what is found on
 * the volume) share. Nobody else includes this.
 */
#ifndef RA_PRIMARY_LOCAL_DEVICE_H
#define RA_PRIMARY_LOCAL_DEVICE_H

#include "base/clock.h"
#include "base/rate.h"
#include "primary/local.h"
#include "wire/message.h" /* OWNER_MAX */

#define LOCAL_MAGIC 0x4c4f434cu

enum local_state { LOCAL_CLOSED, LOCAL_OPENING, LOCAL_OPEN, LOCAL_CLOSING, LOCAL_TIMED_OUT };

struct local {
	uint32_t magic;
	enum local_state state;
	struct clock *clock;
	struct da *da;
	struct post *post;
	char device[DEVICE_NAME_MAX + 1];
	char path[PATH_BYTES_MAX];
	struct volume *volume;
	uint32_t track_bytes;
	struct volume_info info;    /* OPEN: as the last open or size saw it */
	struct da_request *control; /* the open, size, lock, unlock or close that is at the DA */
	struct timer retry;         /* the DA queue was full when a control request was due */
	unsigned stuck;             /* abandoned requests that a thread is still in */
	unsigned reads;             /* reads and searches at the DA, stuck ones included */
	struct throttle *throttle;
	struct rate *device_rate, *total_rate;
	struct local_user *users;
	struct local_user *holder; /* who has it reserved; NULL: nobody */
	bool is_exclusive;         /* the holder wants the volume locked */
	bool is_locking;           /* control is that of a lock */
	bool is_locked;            /* it is, or may be */
	void (*on_idle)(void *arg);
	void *on_idle_arg;
};

struct local_user {
	uint32_t magic;
	struct local *local;
	char owner[OWNER_MAX + 1];
	struct rate *run_rate;
	bool is_reading;
	uint64_t throttled_ms;
	bool is_told; /* the size: end_bytes is fixed */
	uint64_t end_bytes;
	local_info_fn *info_fn; /* NULL: no query waits */
	void *info_arg;
	struct timer timer; /* of the query */
	struct local_read *reads;
	struct local_layout *layout; /* NULL: it has not asked */
	struct local_user *prev, *next;
};

/* Sends the control request that is due, if any. The last thing done in a callback: the device may be freed in it. */
void local_step(struct local *local);
/* The user goes: a read that runs ends by itself, within its time; one that waits or is queued is freed at once. */
void local_leave_reads(struct local_user *user);
void local_leave_layout(struct local_user *user);
void local_dump_reads(const struct local_user *user);

#endif
