/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/message*.c: the table that ties each message type to its generated descriptor, and each protobuf
 * field to its place and limits in the plain struct. Fields stand in the order of their numbers in ra.proto.
 */
#ifndef RA_WIRE_MESSAGE_TABLE_H
#define RA_WIRE_MESSAGE_TABLE_H

#include <errno.h>
#include <stdio.h>

#include <protobuf-c/protobuf-c.h>

#include "wire/message.h"

enum field_kind {
	FIELD_NUMBER,   /* uint32, uint64, enum, bool */
	FIELD_TEXT,     /* words for people: control bytes become '?' */
	FIELD_VERBATIM, /* a path or PEM text: kept byte by byte */
	FIELD_NAME,     /* a device name */
	FIELD_KEY,      /* a peer key */
	FIELD_STATES,   /* one enum track_state per byte */
	FIELD_VOLUME,   /* struct volume_info; there only when the message's status is OK */
};

struct message_field {
	enum field_kind kind;
	size_t offset; /* in the plain struct */
	size_t bytes;
	size_t other_offset; /* STATES: of their count; VOLUME: of the status */
	uint64_t min, max;   /* NUMBER: its value; strings and STATES: their length */
};

struct message_row {
	const ProtobufCMessageDescriptor *descriptor;
	const struct message_field *fields;
	unsigned field_count;
	/* What holds between fields; each alone is within its limits already. NULL: nothing. */
	int (*check)(const struct message *message, char why[DETAIL_MAX + 1]);
	uint32_t payload_bytes_max;
};

#define MESSAGE_TYPES_END (MESSAGE_SETUP_REPLY + 1u)

/* NULL for a type that is not defined. */
const struct message_row *message_row(unsigned type);
extern const struct message_row message_volume_row;

/* Writes the words and returns -EPROTO. */
#define message_refuse(why, ...) (snprintf((why), DETAIL_MAX + 1, __VA_ARGS__), -EPROTO)

#endif
