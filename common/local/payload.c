/* SPDX-License-Identifier: Apache-2.0
 *
 * Payloads of clients: see payload.h. What is thrown away goes into one piece of memory for all.
 */
#include "local/payload.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

void *payload_place(struct payload_room *room, bool is_wanted, uint32_t count, struct payload *payload)
{
	assert(count <= FRAME_PAYLOAD_BYTES_MAX && !payload->bytes);
	if (is_wanted && room->used_bytes + count <= PAYLOAD_ROOM_BYTES) {
		*payload = (struct payload){ xcalloc(count, 1), count };
		room->used_bytes += count;
		return payload->bytes;
	}
	if (!room->sink)
		room->sink = xcalloc(FRAME_PAYLOAD_BYTES_MAX, 1);
	return room->sink;
}

uint8_t *payload_take(struct payload_room *room, struct payload *payload)
{
	uint8_t *bytes = payload->bytes;

	room->used_bytes -= payload->count;
	*payload = (struct payload){ 0 };
	return bytes;
}

void payload_drop(struct payload_room *room, struct payload *payload)
{
	free(payload_take(room, payload));
}

void payload_room_end(struct payload_room *room)
{
	assert(room->used_bytes == 0);
	free(room->sink);
}
