/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame reader. Each limit is checked at the header, before a byte of what follows is taken. The memory for one
 * message is part of the reader; memory for payload is the owner's.
 */
#include "wire/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum reader_step { STEP_HEADER, STEP_MESSAGE, STEP_PAYLOAD_PLACE, STEP_PAYLOAD, STEP_END };

struct reader {
	enum reader_step step;
	uint32_t message_bytes_max;
	size_t position; /* bytes of this step that are here */
	struct frame_header header;
	uint8_t *payload;
	uint8_t header_bytes[FRAME_HEADER_BYTES];
	uint8_t message_bytes[FRAME_MESSAGE_BYTES_MAX];
	struct message message;
};

struct reader *reader_new(uint32_t message_bytes_max)
{
	struct reader *reader = xcalloc(1, sizeof(*reader));

	reader_set_message_bytes_max(reader, message_bytes_max);
	return reader;
}

void reader_free(struct reader *reader)
{
	if (reader == NULL)
		return;
	explicit_bzero(reader, sizeof(*reader)); /* Setup has a private key */
	free(reader);
}

void reader_set_message_bytes_max(struct reader *reader, uint32_t message_bytes_max)
{
	assert(message_bytes_max <= FRAME_MESSAGE_BYTES_MAX);
	reader->message_bytes_max = message_bytes_max;
}

static void enter_step(struct reader *reader, enum reader_step step)
{
	reader->step = step;
	reader->position = 0;
}

/* The bytes of the step, and where the first of them goes. */
static size_t step_place(struct reader *reader, uint8_t **place)
{
	switch (reader->step) {
	case STEP_HEADER:
		*place = reader->header_bytes;
		return FRAME_HEADER_BYTES;
	case STEP_MESSAGE:
		*place = reader->message_bytes;
		return reader->header.message_bytes;
	case STEP_PAYLOAD:
		*place = reader->payload;
		return reader->header.payload_bytes;
	case STEP_PAYLOAD_PLACE:
	case STEP_END:
		break;
	}
	assert(!"bytes are wanted here");
	return 0;
}

size_t reader_want(struct reader *reader, void **at)
{
	uint8_t *place;
	size_t bytes;

	if (reader->step == STEP_END)
		enter_step(reader, STEP_HEADER);
	bytes = step_place(reader, &place);
	*at = place + reader->position;
	return bytes - reader->position;
}

static int take_header(struct reader *reader, char *why)
{
	struct frame_header *header = &reader->header;
	const char *words;

	if (frame_decode(reader->header_bytes, header, &words) != 0) {
		char hex[FRAME_HEADER_BYTES * 2 + 1];

		for (unsigned i = 0; i < FRAME_HEADER_BYTES; i++)
			snprintf(hex + i * 2, 3, "%02x", reader->header_bytes[i]);
		snprintf(why, DETAIL_MAX + 1, "%s (header %s)", words, hex);
		return -EPROTO;
	}
	if (strcmp(message_name(header->type), "unknown") == 0) {
		snprintf(why, DETAIL_MAX + 1, "frame type %u is unknown", header->type);
		return -EPROTO;
	}
	if (header->message_bytes > reader->message_bytes_max) {
		snprintf(why, DETAIL_MAX + 1, "%s has a message of %u bytes, at most %u are allowed now",
			message_name(header->type), header->message_bytes, reader->message_bytes_max);
		return -EPROTO;
	}
	if (header->payload_bytes > message_payload_bytes_max(header->type)) {
		snprintf(why, DETAIL_MAX + 1, "%s has a payload of %u bytes, at most %u are allowed",
			message_name(header->type), header->payload_bytes, message_payload_bytes_max(header->type));
		return -EPROTO;
	}
	enter_step(reader, STEP_MESSAGE);
	return 0;
}

static int take_message(struct reader *reader, char *why)
{
	int rc = message_unpack(reader->header.type, reader->message_bytes, reader->header.message_bytes, &reader->message,
		why);

	if (rc != 0)
		return rc;
	if (reader->header.payload_bytes > 0) {
		enter_step(reader, STEP_PAYLOAD_PLACE);
		return READER_PAYLOAD;
	}
	enter_step(reader, STEP_END);
	return READER_FRAME;
}

int reader_took(struct reader *reader, size_t bytes, char why[DETAIL_MAX + 1])
{
	uint8_t *place;
	size_t wanted = step_place(reader, &place);
	int rc;

	assert(bytes <= wanted - reader->position);
	reader->position += bytes;
	if (reader->position < wanted)
		return READER_MORE;
	if (reader->step == STEP_HEADER) {
		rc = take_header(reader, why);
		if (rc != 0 || reader->header.message_bytes > 0)
			return rc != 0 ? rc : READER_MORE;
		/* A message whose fields are all unset has no bytes. */
	}
	if (reader->step == STEP_MESSAGE)
		return take_message(reader, why);
	enter_step(reader, STEP_END);
	return READER_FRAME;
}

void reader_set_payload(struct reader *reader, void *payload)
{
	assert(reader->step == STEP_PAYLOAD_PLACE && payload != NULL);
	reader->payload = payload;
	enter_step(reader, STEP_PAYLOAD);
}

const struct message *reader_message(const struct reader *reader)
{
	return &reader->message;
}

uint32_t reader_payload_bytes(const struct reader *reader)
{
	return reader->header.payload_bytes;
}

bool reader_is_between_frames(const struct reader *reader)
{
	return reader->step == STEP_END || (reader->step == STEP_HEADER && reader->position == 0);
}
