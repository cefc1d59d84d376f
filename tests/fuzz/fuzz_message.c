/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: the first byte is a message type, the rest its protobuf bytes. A message that is accepted must be one
 * that can be packed (its rules are asserted there), and from then on it must stay the same bytes.
 */
#include "wire/message.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct message message, again;
	static uint8_t packed[FRAME_MESSAGE_BYTES_MAX], packed_again[FRAME_MESSAGE_BYTES_MAX];
	char why[DETAIL_MAX + 1];
	size_t packed_bytes;
	int rc;

	if (bytes == 0)
		return 0;
	rc = message_unpack(data[0], data + 1, bytes - 1, &message, why);
	if (rc != 0) {
		assert(strlen(why) > 0);
		return 0;
	}
	packed_bytes = message_pack(&message, packed);
	rc = message_unpack(data[0], packed, packed_bytes, &again, why);
	assert(rc == 0);
	assert(memcmp(&message, &again, sizeof(message)) == 0);
	assert(message_pack(&again, packed_again) == packed_bytes);
	assert(memcmp(packed, packed_again, packed_bytes) == 0);
	return 0;
}
