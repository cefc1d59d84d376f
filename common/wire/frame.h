/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16 bytes before each message: magic u16, version u8, type u8, message_length u32, payload_length u32,
 * reserved u32, little-endian (PROTOCOL.md, "Frames").
 */
#ifndef RA_WIRE_FRAME_H
#define RA_WIRE_FRAME_H

#include <stdint.h>

#define FRAME_HEADER_BYTES 16u
#define FRAME_MAGIC 0x4152u /* "RA" */
#define FRAME_VERSION 1u
#define FRAME_MESSAGE_BYTES_MAX 16384u
#define FRAME_MESSAGE_BYTES_MAX_BEFORE_HELLO 4096u
#define FRAME_PAYLOAD_BYTES_MAX (4u * 1024u * 1024u)

struct frame_header {
	uint8_t type; /* enum message_type, not yet checked */
	uint32_t message_bytes;
	uint32_t payload_bytes;
};

void frame_encode(const struct frame_header *header, uint8_t out[FRAME_HEADER_BYTES]);
/* 0, or -EPROTO with *why pointing to constant words. Checks all but the type. */
int frame_decode(const uint8_t in[FRAME_HEADER_BYTES], struct frame_header *header, const char **why);

#endif
