/* SPDX-License-Identifier: Apache-2.0
 *
 * Setup goes out, SetupReply comes back. Over ssh the answer may be anything that a login shell prints, so the bytes
 * are looked at as they come: the first that fits no SetupReply ends the wait, and what arrives within a moment after
 * it is kept to be shown. Keys exist in memory only and are wiped.
 */
#include "primary/compare/setup.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "primary/compare/options.h"
#include "wire/conn.h"
#include "wire/frame.h"
#include "wire/tls.h"

#define GARBAGE_MS 300 /* for the rest of the words */
#define SHOWN_MAX 100u

struct answer {
	uint8_t bytes[FRAME_HEADER_BYTES + FRAME_MESSAGE_BYTES_MAX_BEFORE_HELLO];
	size_t count;
};

/* ---- Setup ---- */

struct setup {
	struct tls_identity *identities[SIDE_COUNT];
	bool return_pipe;
};

int setup_new(bool return_pipe, struct setup **out)
{
	struct setup *setup = xcalloc(1, sizeof(*setup));
	int rc = tls_identity_generate(&setup->identities[SIDE_LOCAL]);

	setup->return_pipe = return_pipe;
	if (rc == 0)
		rc = tls_identity_generate(&setup->identities[SIDE_REMOTE]);
	if (rc != 0) {
		setup_free(setup);
		setup = NULL;
	}
	*out = setup;
	return rc;
}

void setup_free(struct setup *setup)
{
	if (!setup)
		return;
	tls_identity_free(setup->identities[SIDE_LOCAL]);
	tls_identity_free(setup->identities[SIDE_REMOTE]);
	free(setup);
}

static void fill(struct msg_setup *out, const struct setup *setup, const struct options *options, enum side side)
{
	bool is_local = side == SIDE_LOCAL;
	char *pem = tls_identity_to_pem(setup->identities[side]);

	snprintf(out->volume_path, sizeof(out->volume_path), "%s", is_local ? options->path_local : options->path_remote);
	snprintf(out->identity_pem, sizeof(out->identity_pem), "%s", pem);
	tls_identity_key(setup->identities[is_local ? SIDE_REMOTE : SIDE_LOCAL], out->peer_key);
	out->track_bytes = options->track_bytes;
	out->cache_bytes = options->cache_bytes;
	out->io = options->io;
	out->verbose = options->verbose;
	out->protocol = RA_PROTOCOL_VERSION;
	out->return_pipe = setup->return_pipe;
	explicit_bzero(pem, strlen(pem));
	free(pem);
}

int setup_send(const struct setup *setup, const struct options *options, enum side side, int fd)
{
	struct message *message = xcalloc(1, sizeof(*message));
	int rc;

	message->type = MESSAGE_SETUP;
	fill(&message->setup, setup, options, side);
	rc = conn_write_one(fd, message);
	explicit_bzero(message, sizeof(*message));
	free(message);
	return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc; /* the wait for the answer finds out */
}

/* ---- SetupReply ---- */

/* The first bytes of each SetupReply. */
static const uint8_t answer_begin[] = { FRAME_MAGIC & 0xff, FRAME_MAGIC >> 8, FRAME_VERSION, MESSAGE_SETUP_REPLY };

/* How long the answer is, as far as it is known; 0 when its bytes are those of no SetupReply. */
static size_t answer_bytes(const struct answer *answer)
{
	size_t known = answer->count < sizeof(answer_begin) ? answer->count : sizeof(answer_begin);
	struct frame_header header;
	const char *why;

	if (memcmp(answer->bytes, answer_begin, known) != 0)
		return 0;
	if (answer->count < FRAME_HEADER_BYTES)
		return FRAME_HEADER_BYTES;
	if (frame_decode(answer->bytes, &header, &why) != 0 || header.payload_bytes != 0 ||
		header.message_bytes > FRAME_MESSAGE_BYTES_MAX_BEFORE_HELLO)
		return 0;
	return FRAME_HEADER_BYTES + header.message_bytes;
}

/* Bytes, 0 at the end, or -errno: -EINTR for signal_fd, -ETIME. timeout_ms -1: for ever. */
static ssize_t take(int fd, int signal_fd, int timeout_ms, void *at, size_t bytes)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
	ssize_t taken;

	for (;;) {
		int ready = poll(fds, 2, timeout_ms);

		if (ready == 0)
			return -ETIME;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready > 0)
			break;
	}
	if (fds[1].revents)
		return -EINTR;
	taken = read(fd, at, bytes);
	return taken < 0 ? -errno : taken;
}

/* Something that a terminal and one line can take. The answer itself may follow the words of a shell. */
static void show(const struct answer *answer, char words[SETUP_WORDS_BYTES])
{
	const uint8_t *end = memmem(answer->bytes, answer->count, answer_begin, sizeof(answer_begin));
	size_t count = end ? (size_t)(end - answer->bytes) : answer->count, length = 0;

	for (size_t i = 0; i < count && length < SHOWN_MAX; i++) {
		uint8_t byte = answer->bytes[i];
		bool is_blank = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';

		if (is_blank && (length == 0 || words[length - 1] == ' '))
			continue;
		words[length++] = is_blank ? ' ' : byte < 32 || byte > 126 ? '?' : (char)byte;
	}
	if (length > 0 && words[length - 1] == ' ')
		length--;
	words[length] = '\0';
}

static enum setup_answer take_garbage(struct answer *answer, int fd, int signal_fd, char words[SETUP_WORDS_BYTES])
{
	while (answer->count < 2 * SHOWN_MAX) {
		ssize_t taken = take(fd, signal_fd, GARBAGE_MS, answer->bytes + answer->count, 2 * SHOWN_MAX - answer->count);

		if (taken == -EINTR)
			return SETUP_INTERRUPTED;
		if (taken <= 0)
			break;
		answer->count += (size_t)taken;
	}
	show(answer, words);
	return SETUP_GARBAGE;
}

static enum setup_answer judge(const struct answer *answer, char words[SETUP_WORDS_BYTES])
{
	struct message *message = xcalloc(1, sizeof(*message));
	const struct msg_setup_reply *reply = &message->setup_reply;
	enum setup_answer result = SETUP_OK;
	char why[DETAIL_MAX + 1];

	if (message_unpack(MESSAGE_SETUP_REPLY, answer->bytes + FRAME_HEADER_BYTES, answer->count - FRAME_HEADER_BYTES,
		    message, why) != 0) {
		snprintf(words, SETUP_WORDS_BYTES, "%s", why);
		result = SETUP_GARBAGE;
	} else if (reply->status != STATUS_OK || reply->protocol != RA_PROTOCOL_VERSION) {
		snprintf(words, SETUP_WORDS_BYTES, "%s, which speaks protocol %u", reply->software, reply->protocol);
		result = SETUP_VERSION;
	}
	free(message);
	return result;
}

enum setup_answer setup_wait(int fd, int signal_fd, char words[SETUP_WORDS_BYTES])
{
	struct answer answer = { .count = 0 };
	size_t wanted = FRAME_HEADER_BYTES;
	ssize_t taken;

	words[0] = '\0';
	while (answer.count < wanted) {
		taken = take(fd, signal_fd, -1, answer.bytes + answer.count, wanted - answer.count);
		if (taken == -EINTR)
			return SETUP_INTERRUPTED;
		if (taken <= 0)
			break;
		answer.count += (size_t)taken;
		wanted = answer_bytes(&answer);
	}
	if (answer.count < wanted)
		return SETUP_ENDED;
	return wanted == 0 ? take_garbage(&answer, fd, signal_fd, words) : judge(&answer, words);
}
