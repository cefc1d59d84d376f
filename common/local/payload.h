/* SPDX-License-Identifier: Apache-2.0
 *
 * The payloads that clients of a socket send: on their way, and while they wait for their turn. All together they have
 * PAYLOAD_ROOM_BYTES; what is more, or not wanted, is read and thrown away.
 */
#ifndef RA_LOCAL_PAYLOAD_H
#define RA_LOCAL_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"

#define PAYLOAD_ROOM_BYTES (8u * CONTROL_PAYLOAD_BYTES_MAX)

struct payload {
	uint8_t *bytes; /* NULL: there is none */
	uint32_t count;
};

/* All zero at first. */
struct payload_room {
	size_t used_bytes;
	uint8_t *sink; /* NULL until something was thrown away */
};

/* Where count bytes go, at most FRAME_PAYLOAD_BYTES_MAX. *payload has them only if is_wanted and there is room. */
void *payload_place(struct payload_room *room, bool is_wanted, uint32_t count, struct payload *payload);
/* The bytes, NULL when there are none: the caller's from now on, to be freed. */
uint8_t *payload_take(struct payload_room *room, struct payload *payload);
void payload_drop(struct payload_room *room, struct payload *payload); /* harmless when there is none */
void payload_room_end(struct payload_room *room);                      /* all must have been dropped */

#endif
