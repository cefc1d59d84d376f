/* SPDX-License-Identifier: Apache-2.0
 *
 * The lock of a device's volume, which keeps other programs away while the device is reserved exclusively. It is taken
 * and given up on DA threads, one after the other; what is wanted meanwhile is done next. Loop thread only.
 *
 *   NONE --> TAKING --> HELD --> DROPPING --> NONE     TAKING --> STUCK --> NONE: it was late
 */
#ifndef RA_SECONDARY_LOCK_H
#define RA_SECONDARY_LOCK_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/status.h"

struct da_request;
struct device;

enum device_lock_state { LOCK_NONE, LOCK_TAKING, LOCK_HELD, LOCK_DROPPING, LOCK_STUCK };

/* OK; BUSY: another program has the volume, and words go on after "it is"; TIMEOUT and VOLUME_ERROR, both posted. */
typedef void device_lock_fn(struct device *device, enum status status, const char *words);

struct device_lock {
	enum device_lock_state state; /* written by lock.c only; a volume is closed only in NONE */
	bool is_wanted;
	device_lock_fn *fn; /* NULL: nobody waits for it */
	struct da_request *request;
	struct timer timer; /* set while somebody waits */
};

void device_lock_init(struct device *device);
/* true: it is held. false: fn is called once, later, unless the lock is dropped before. Not while somebody waits. */
bool device_lock_take(struct device *device, device_lock_fn *fn);
/* It is not wanted any more, or never was; it is given up at once, or as soon as it has been taken. */
void device_lock_drop(struct device *device);
/* A DA element became free: what found the queue full is tried again. */
void device_lock_retry(struct device *device);

#endif
