/* SPDX-License-Identifier: Apache-2.0
 *
 * Reservation: one session has a device for itself, as far as this secondary goes (a flag in the shared parameters; the
 * volume itself is not locked). Other sessions make no link jobs on it meanwhile. Loop thread only.
 */
#ifndef RA_SECONDARY_RESERVE_H
#define RA_SECONDARY_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

struct device;
struct session;

/* STATUS_OK with its number, and the device's floor is now; or STATUS_BUSY with words that name who has the device or
 * reads it. A session that has it already gets a new number in place of the old one. */
enum status reserve_take(struct session *session, struct device *device, const char *owner, uint32_t *number,
	char detail[DETAIL_MAX + 1]);
/* false: the session has no reservation with this number. */
bool reserve_end(struct session *session, struct device *device, uint32_t number);
/* The session gives the device back, or its link has ended. */
void reserve_drop(struct session *session, struct device *device);
/* May this session make link jobs on the device? */
bool reserve_admits(const struct device *device, const struct session *session);

#endif
