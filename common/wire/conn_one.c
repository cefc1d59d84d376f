/* SPDX-License-Identifier: Apache-2.0
 *
 * One frame over a blocking descriptor, for the set-up of a daemon started with --once. It takes not one byte more than
 * its frame: what follows on the same descriptor belongs to the connection made next. Before the event loop.
 */
#include "wire/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/reader.h"

/* Bytes, 0 at the end, or -errno. */
static ssize_t read_some(int fd, void *at, size_t bytes)
{
	ssize_t taken;

	do
		taken = read(fd, at, bytes);
	while (taken < 0 && errno == EINTR);
	return taken < 0 ? -errno : taken;
}

/* 0 when a whole frame is in the reader. */
static int read_frame(int fd, struct reader *reader, char why[DETAIL_MAX + 1])
{
	int event = READER_MORE;

	while (event == READER_MORE) {
		void *at;
		size_t wanted = reader_want(reader, &at);
		ssize_t taken = read_some(fd, at, wanted);

		if (taken == 0 && reader_is_between_frames(reader))
			return -ENODATA;
		if (taken <= 0) {
			snprintf(why, DETAIL_MAX + 1, "%s", taken == 0 ? "the input ends inside a frame" : strerror((int)-taken));
			return -EPROTO;
		}
		event = reader_took(reader, (size_t)taken, why);
	}
	if (event == READER_PAYLOAD)
		snprintf(why, DETAIL_MAX + 1, "a payload was not expected");
	return event == READER_FRAME ? 0 : -EPROTO;
}

int conn_read_one(int fd, enum message_type type, struct message *message)
{
	struct reader *reader = reader_new(FRAME_MESSAGE_BYTES_MAX);
	char why[DETAIL_MAX + 1];
	int rc = read_frame(fd, reader, why);

	if (rc == 0 && reader_message(reader)->type != type) {
		snprintf(why, sizeof(why), "%s instead of %s", message_name(reader_message(reader)->type), message_name(type));
		rc = -EPROTO;
	}
	if (rc == 0)
		*message = *reader_message(reader);
	else if (rc == -EPROTO)
		log_warning("descriptor %d: %s", fd, why);
	reader_free(reader);
	return rc;
}

int conn_write_one(int fd, const struct message *message)
{
	uint8_t frame[FRAME_HEADER_BYTES + FRAME_MESSAGE_BYTES_MAX];
	size_t message_bytes = message_pack(message, frame + FRAME_HEADER_BYTES);
	size_t bytes = FRAME_HEADER_BYTES + message_bytes, position = 0;
	int rc = 0;

	frame_encode(&(struct frame_header){ .type = (uint8_t)message->type, .message_bytes = (uint32_t)message_bytes },
		frame);
	while (position < bytes && rc == 0) {
		ssize_t taken = write(fd, frame + position, bytes - position);

		if (taken >= 0)
			position += (size_t)taken;
		else if (errno != EINTR)
			rc = -errno;
	}
	explicit_bzero(frame, sizeof(frame)); /* Setup has a private key */
	return rc;
}
