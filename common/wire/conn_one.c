/* SPDX-License-Identifier: Apache-2.0
 *
 * One frame over a blocking descriptor, for the set-up of a daemon started with --once and for programs without an
 * event loop. It takes not one byte more than its frame: what follows on the same descriptor belongs to the connection
 * made next.
 */
#include "wire/conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "wire/reader.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0 when something can be read, or -ETIMEDOUT. until_ms < 0: read waits. */
static int wait_until(int fd, int64_t until_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int64_t left_ms;
	int rc;

	if (until_ms < 0)
		return 0;
	do {
		left_ms = until_ms - now_ms();
		rc = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (rc < 0 && errno == EINTR);
	return rc == 0 ? -ETIMEDOUT : 0;
}

/* Bytes, 0 at the end, or -errno. */
static ssize_t read_some(int fd, void *at, size_t bytes, int64_t until_ms)
{
	ssize_t taken;
	int rc = wait_until(fd, until_ms);

	if (rc != 0)
		return rc;
	do
		taken = read(fd, at, bytes);
	while (taken < 0 && errno == EINTR);
	return taken < 0 ? -errno : taken;
}

/* 0 when a whole frame is in the reader. payload NULL: none is taken. */
static int read_frame(int fd, struct reader *reader, int64_t until_ms, uint8_t **payload, char why[DETAIL_MAX + 1])
{
	int event = READER_MORE;

	while (event != READER_FRAME) {
		void *at;
		size_t wanted = reader_want(reader, &at);
		ssize_t taken = read_some(fd, at, wanted, until_ms);

		if (taken == 0 && reader_is_between_frames(reader))
			return -ENODATA;
		if (taken <= 0) {
			snprintf(why, DETAIL_MAX + 1, "%s", taken == 0 ? "the input ends inside a frame" : strerror((int)-taken));
			return taken == -ETIMEDOUT ? -ETIMEDOUT : -EPROTO;
		}
		event = reader_took(reader, (size_t)taken, why);
		if (event < 0)
			return -EPROTO;
		if (event == READER_PAYLOAD && !payload) {
			snprintf(why, DETAIL_MAX + 1, "a payload was not expected");
			return -EPROTO;
		}
		if (event == READER_PAYLOAD) {
			*payload = xcalloc(reader_payload_bytes(reader), 1); /* as much as its type may have */
			reader_set_payload(reader, *payload);
		}
	}
	return 0;
}

static int read_one(int fd, enum message_type type, int timeout_ms, struct message *message, uint8_t **payload,
	uint32_t *payload_bytes)
{
	struct reader *reader = reader_new(FRAME_MESSAGE_BYTES_MAX);
	char why[DETAIL_MAX + 1];
	int rc = read_frame(fd, reader, timeout_ms < 0 ? -1 : now_ms() + timeout_ms, payload, why);

	if (rc == 0 && reader_message(reader)->type != type) {
		snprintf(why, sizeof(why), "%s instead of %s", message_name(reader_message(reader)->type), message_name(type));
		rc = -EPROTO;
	}
	if (rc == 0) {
		*message = *reader_message(reader);
		if (payload)
			*payload_bytes = reader_payload_bytes(reader);
	} else if (rc == -EPROTO) {
		log_warning("descriptor %d: %s", fd, why);
	}
	reader_free(reader);
	return rc;
}

int conn_read_one(int fd, enum message_type type, struct message *message)
{
	return read_one(fd, type, -1, message, NULL, NULL);
}

int conn_read_one_payload(int fd, enum message_type type, int timeout_ms, struct message *message, uint8_t **payload,
	uint32_t *payload_bytes)
{
	int rc;

	*payload = NULL;
	*payload_bytes = 0;
	rc = read_one(fd, type, timeout_ms, message, payload, payload_bytes);
	if (rc != 0) {
		free(*payload);
		*payload = NULL;
	}
	return rc;
}

/* A reader that is gone is an error here, not a signal. */
static ssize_t write_some(int fd, const void *data, size_t bytes)
{
	ssize_t taken = send(fd, data, bytes, MSG_NOSIGNAL);

	return taken < 0 && errno == ENOTSOCK ? write(fd, data, bytes) : taken;
}

static int write_all(int fd, const void *data, size_t bytes)
{
	size_t position = 0;

	while (position < bytes) {
		ssize_t taken = write_some(fd, (const uint8_t *)data + position, bytes - position);

		if (taken >= 0)
			position += (size_t)taken;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int conn_write_one_payload(int fd, const struct message *message, const void *payload, uint32_t payload_bytes)
{
	uint8_t frame[FRAME_HEADER_BYTES + FRAME_MESSAGE_BYTES_MAX];
	size_t message_bytes = message_pack(message, frame + FRAME_HEADER_BYTES);
	int rc;

	assert(payload_bytes <= message_payload_bytes_max(message->type));
	frame_encode(&(struct frame_header){ .type = (uint8_t)message->type, .message_bytes = (uint32_t)message_bytes,
		.payload_bytes = payload_bytes }, frame);
	rc = write_all(fd, frame, FRAME_HEADER_BYTES + message_bytes);
	if (rc == 0)
		rc = write_all(fd, payload, payload_bytes);
	explicit_bzero(frame, sizeof(frame)); /* Setup has a private key */
	return rc;
}

int conn_write_one(int fd, const struct message *message)
{
	return conn_write_one_payload(fd, message, NULL, 0);
}

/* Tells whoever sent Setup that this is a daemon which understood it. */
static bool answer_setup(const struct msg_setup *setup, int fd)
{
	bool speaks = setup->protocol == RA_PROTOCOL_VERSION;
	const struct message answer = { .type = MESSAGE_SETUP_REPLY,
		.setup_reply = { .status = speaks ? STATUS_OK : STATUS_VERSION, .protocol = RA_PROTOCOL_VERSION,
			.software = "ra " RA_VERSION } };
	int rc = conn_write_one(fd, &answer);

	if (rc != 0)
		log_error("nobody takes the answer to Setup: %s", strerror(-rc));
	else if (!speaks)
		log_error("the other end speaks protocol %u, this program only %u", setup->protocol, RA_PROTOCOL_VERSION);
	return rc == 0 && speaks;
}

bool conn_take_setup(const char *program, int fd, struct message *setup)
{
	if (conn_read_one(STDIN_FILENO, MESSAGE_SETUP, setup) != 0) {
		log_error("no Setup on standard input: %s --once is started by ra-compare", program);
		return false;
	}
	/* ra-compare tells what goes wrong, in fewer words. */
	log_start(program, setup->setup.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
	/* ^C in a terminal reaches the whole process group: ra-compare decides, and closes the connection. */
	signal(SIGINT, SIG_IGN);
	return answer_setup(&setup->setup, fd);
}
