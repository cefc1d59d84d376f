/* SPDX-License-Identifier: Apache-2.0
 *
 * Encodes and decodes frame headers. Pure functions: no memory, no descriptor, any thread. Whether the type exists, and
 * what limits it has, is the reader's question.
 */
#include "wire/frame.h"

#include <errno.h>

static void put_le32(uint8_t *out, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_le32(const uint8_t *in)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value |= (uint32_t)in[i] << (8 * i);
	return value;
}

void frame_encode(const struct frame_header *header, uint8_t out[FRAME_HEADER_BYTES])
{
	out[0] = FRAME_MAGIC & 0xff;
	out[1] = FRAME_MAGIC >> 8;
	out[2] = FRAME_VERSION;
	out[3] = header->type;
	put_le32(out + 4, header->message_bytes);
	put_le32(out + 8, header->payload_bytes);
	put_le32(out + 12, 0);
}

int frame_decode(const uint8_t in[FRAME_HEADER_BYTES], struct frame_header *header, const char **why)
{
	if ((in[0] | in[1] << 8) != FRAME_MAGIC) {
		*why = "the frame magic is wrong";
		return -EPROTO;
	}
	if (in[2] != FRAME_VERSION) {
		*why = "the frame version is not 1";
		return -EPROTO;
	}
	header->type = in[3];
	header->message_bytes = get_le32(in + 4);
	header->payload_bytes = get_le32(in + 8);
	if (header->message_bytes > FRAME_MESSAGE_BYTES_MAX) {
		*why = "the frame's message is longer than 16 KiB";
		return -EPROTO;
	}
	if (header->payload_bytes > FRAME_PAYLOAD_BYTES_MAX) {
		*why = "the frame's payload is longer than 4 MiB";
		return -EPROTO;
	}
	if (get_le32(in + 12) != 0) {
		*why = "the frame's reserved field is not 0";
		return -EPROTO;
	}
	return 0;
}
