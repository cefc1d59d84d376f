/* SPDX-License-Identifier: Apache-2.0
 *
 * Reservation: one session has a device for itself, as far as this secondary goes (a flag in the shared parameters).
 * Other sessions make no link jobs on it meanwhile. An exclusive one also locks the volume, as lock.h says, so that its
 * answer comes later; until then it counts as taken. Loop thread only.
 */
#ifndef RA_SECONDARY_RESERVE_H
#define RA_SECONDARY_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct msg_reserve;
struct session;

/* Answers a Reserve of the session, now or later: OK with a number, and the device's floor is now; or BUSY with words
 * that name who has the device or reads it, or why its volume could not be locked. A session that has it already gets a
 * new number in place of the old one. device: NULL when it is not attached. */
void reserve_take(struct session *session, struct device *device, const struct msg_reserve *message);
/* false: the session has no reservation with this number. */
bool reserve_end(struct session *session, struct device *device, uint32_t number);
/* The session gives the device back, or its link has ended. */
void reserve_drop(struct session *session, struct device *device);
/* May this session make link jobs on the device? */
bool reserve_admits(const struct device *device, const struct session *session);

#endif
