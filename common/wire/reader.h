/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/: takes a stream of bytes apart into frames. It tells where the next bytes go and how many it wants,
 * so payload is read straight to its place. It reads nothing itself. Any thread, one at a time.
 */
#ifndef RA_WIRE_READER_H
#define RA_WIRE_READER_H

#include "wire/message.h"

struct reader;

enum reader_event {
	READER_MORE,    /* read on */
	READER_PAYLOAD, /* the message is here, reader_set_payload is wanted */
	READER_FRAME,   /* a whole frame is here; the next reader_want begins another */
};

/* message_bytes_max: for frames from now on, at most FRAME_MESSAGE_BYTES_MAX. */
struct reader *reader_new(uint32_t message_bytes_max);
void reader_free(struct reader *reader);
void reader_set_message_bytes_max(struct reader *reader, uint32_t message_bytes_max);

/* Where the next bytes go; returns how many are wanted, at least 1. */
size_t reader_want(struct reader *reader, void **at);
/* That many have been put there. An enum reader_event, or -EPROTO with words in why. */
int reader_took(struct reader *reader, size_t bytes, char why[DETAIL_MAX + 1]);
void reader_set_payload(struct reader *reader, void *payload);

/* Valid after PAYLOAD and FRAME until the next reader_want. */
const struct message *reader_message(const struct reader *reader);
uint32_t reader_payload_bytes(const struct reader *reader);
bool reader_is_between_frames(const struct reader *reader);

#endif
