/* SPDX-License-Identifier: Apache-2.0
 *
 * The words for the numbers of status.h. A number from outside was checked where it came in (wire/message), so one
 * without a name is a defect of ours.
 */
#include "base/status.h"

#include <assert.h>

static const char *const status_names[STATUS_COUNT] = {
	[STATUS_UNSET] = "UNSET",
	[STATUS_OK] = "OK",
	[STATUS_DATA_NOT_FOUND] = "DATA_NOT_FOUND",
	[STATUS_DISCONNECT] = "DISCONNECT",
	[STATUS_RECONNECT] = "RECONNECT",
	[STATUS_TIMEOUT] = "TIMEOUT",
	[STATUS_QUEUE_FULL] = "QUEUE_FULL",
	[STATUS_NO_FREE_JOB] = "NO_FREE_JOB",
	[STATUS_NOT_READY] = "NOT_READY",
	[STATUS_BUSY] = "BUSY",
	[STATUS_BAD_LINK_ID] = "BAD_LINK_ID",
	[STATUS_NO_SUCH_DEVICE] = "NO_SUCH_DEVICE",
	[STATUS_BAD_REQUEST] = "BAD_REQUEST",
	[STATUS_VOLUME_ERROR] = "VOLUME_ERROR",
	[STATUS_LINK_LOST] = "LINK_LOST",
	[STATUS_VERSION] = "VERSION",
	[STATUS_NOT_PERMITTED] = "NOT_PERMITTED",
	[STATUS_VOLUME_CHANGED] = "VOLUME_CHANGED",
};

static const char *const delivery_names[DELIVERY_COUNT] = {
	[DELIVERY_UNSET] = "unset",
	[DELIVERY_DISCONNECT] = "disconnect",
	[DELIVERY_POLL] = "poll",
	[DELIVERY_HOLD] = "hold",
};

static const char *const digest_names[DIGEST_COUNT] = {
	[DIGEST_NONE] = "data",
	[DIGEST_XXH3_128] = "xxh3-128",
	[DIGEST_SHA256] = "sha256",
};

const char *status_name(enum status status)
{
	assert((unsigned)status < STATUS_COUNT);
	return status_names[status];
}

const char *status_words(enum status status, const char *detail)
{
	return detail[0] ? detail : status_name(status);
}

const char *delivery_name(enum delivery delivery)
{
	assert((unsigned)delivery < DELIVERY_COUNT);
	return delivery_names[delivery];
}

const char *digest_name(enum digest digest)
{
	assert((unsigned)digest < DIGEST_COUNT);
	return digest_names[digest];
}

uint32_t digest_bytes(enum digest digest)
{
	static const uint8_t bytes[DIGEST_COUNT] = { [DIGEST_XXH3_128] = 16, [DIGEST_SHA256] = 32 };

	assert((unsigned)digest < DIGEST_COUNT);
	return bytes[digest];
}

bool track_is_unreadable(enum track_state state)
{
	return state == TRACK_EIO || state == TRACK_SHRUNK;
}
