/* SPDX-License-Identifier: Apache-2.0
 *
 * What one peer may have at once of what all share, over all its links: locks in the cache and fetches. Reads past that
 * wait their turn, device by device; polls wait for locks only. Loop thread only.
 */
#ifndef RA_SECONDARY_SHARE_H
#define RA_SECONDARY_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct peer;
struct read;

/* How many of these tracks the Read may lock now. Locks of digests, which no answer keeps, are in no share. */
uint32_t share_of_locks(const struct read *read, uint32_t track_count);
bool share_allows_fetch(const struct read *read);
/* If not: the Read waits until there is one to spare. */
void share_wait_for_locks(struct read *read, uint32_t track_count);
void share_wait_for_fetch(struct read *read);
/* It waits no longer. */
void share_leave(struct read *read);
/* A lock or a fetch of the peer ended: those who wait go on. */
void share_next_turn(struct peer *peer);

#endif
