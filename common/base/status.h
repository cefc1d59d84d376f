/* SPDX-License-Identifier: Apache-2.0
 *
 * The one status enum of RA, the states of a track and the digests, with the numbers they have on the wire
 * (proto/ra.proto; wire/message.c asserts that they agree).
 */
#ifndef RA_BASE_STATUS_H
#define RA_BASE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum status {
	STATUS_UNSET = 0,
	STATUS_OK = 1,
	STATUS_DATA_NOT_FOUND = 2,
	STATUS_DISCONNECT = 3,
	STATUS_RECONNECT = 4,
	STATUS_TIMEOUT = 5,
	STATUS_QUEUE_FULL = 6,
	STATUS_NO_FREE_JOB = 7,
	STATUS_NOT_READY = 8,
	STATUS_BUSY = 9,
	STATUS_BAD_LINK_ID = 10,
	STATUS_NO_SUCH_DEVICE = 11,
	STATUS_BAD_REQUEST = 12,
	STATUS_VOLUME_ERROR = 13,
	STATUS_LINK_LOST = 14,
	STATUS_VERSION = 15,
	STATUS_NOT_PERMITTED = 16,
	STATUS_VOLUME_CHANGED = 17,
	STATUS_COUNT
};

enum track_state {
	TRACK_UNSET = 0,
	TRACK_DATA = 1,
	TRACK_ZERO = 2,
	TRACK_HOLE = 3,
	TRACK_EIO = 4,
	TRACK_SHRUNK = 5,
	TRACK_STATE_COUNT
};

/* What is wanted of a track: its bytes (NONE), or a digest of them. A set of them is 1u << digest for each. */
enum digest { DIGEST_NONE = 0, DIGEST_XXH3_128 = 1, DIGEST_SHA256 = 2, DIGEST_COUNT };
#define DIGEST_BYTES_MAX 32u
#define DIGESTS_KNOWN (1u << DIGEST_XXH3_128 | 1u << DIGEST_SHA256)

enum delivery { DELIVERY_UNSET = 0, DELIVERY_DISCONNECT = 1, DELIVERY_POLL = 2, DELIVERY_HOLD = 3, DELIVERY_COUNT };

enum side { SIDE_UNSET = 0, SIDE_LOCAL = 1, SIDE_REMOTE = 2, SIDE_COUNT };

const char *status_name(enum status status); /* "DATA_NOT_FOUND" */
/* The words that came with it, or, when there are none, its name. */
const char *status_words(enum status status, const char *detail);
const char *delivery_name(enum delivery delivery); /* "disconnect" */
const char *digest_name(enum digest digest);       /* "xxh3-128"; of NONE "data" */
uint32_t digest_bytes(enum digest digest);         /* 16; of NONE 0 */
bool track_is_unreadable(enum track_state state);  /* EIO or SHRUNK */

#endif
