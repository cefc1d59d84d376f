/* SPDX-License-Identifier: Apache-2.0
 *
 * The output queue. A frame is one piece more than its payload: piece 0 is its header and message, which stand behind
 * the pieces in the same block.
 *
 * The hard thing is TLS: after -EAGAIN the same bytes must be given again, and a key may be renewed only when none are
 * pending. Position moves only by what was taken, and a key is renewed only before the first byte of a frame.
 */
#include "wire/output.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "base/alloc.h"
#include "wire/transport.h"

struct out_frame {
	struct out_frame *prev, *next;
	void (*done)(void *arg, bool sent);
	void *arg;
	int fd; /* goes with the first byte, or -1 */
	unsigned piece, piece_count;
	size_t offset; /* in the piece */
	struct conn_piece pieces[];
};

struct output {
	struct out_frame *waiting, *sent;
	size_t queued_bytes;
	unsigned queued_frames;
	bool is_flush_due;
	uint64_t update_bytes, since_update_bytes;
};

struct output *output_new(uint64_t update_bytes)
{
	struct output *output = xcalloc(1, sizeof(*output));

	output->update_bytes = update_bytes;
	return output;
}

void output_free(struct output *output)
{
	if (output == NULL)
		return;
	assert(output->waiting == NULL && output->sent == NULL);
	free(output);
}

void output_set_update_bytes(struct output *output, uint64_t update_bytes)
{
	output->update_bytes = update_bytes;
}

void output_push(struct output *output, const struct message *message, const struct conn_piece *pieces,
	unsigned piece_count, int fd, void (*done)(void *arg, bool sent), void *arg)
{
	uint8_t packed[FRAME_HEADER_BYTES + FRAME_MESSAGE_BYTES_MAX];
	size_t message_bytes = message_pack(message, packed + FRAME_HEADER_BYTES);
	size_t head_bytes = FRAME_HEADER_BYTES + message_bytes, payload_bytes = 0;
	size_t pieces_bytes = (piece_count + 1) * sizeof(struct conn_piece);
	struct out_frame *frame;

	assert(piece_count <= RUN_TRACKS_MAX);
	frame = xcalloc(1, sizeof(*frame) + pieces_bytes + head_bytes);
	for (unsigned i = 0; i < piece_count; i++) {
		frame->pieces[i + 1] = pieces[i];
		payload_bytes += pieces[i].bytes;
	}
	assert(payload_bytes <= message_payload_bytes_max(message->type));
	frame_encode(&(struct frame_header){ .type = (uint8_t)message->type, .message_bytes = (uint32_t)message_bytes,
		.payload_bytes = (uint32_t)payload_bytes }, packed);
	frame->pieces[0].data = memcpy((uint8_t *)frame->pieces + pieces_bytes, packed, head_bytes);
	frame->pieces[0].bytes = head_bytes;
	frame->piece_count = piece_count + 1;
	frame->fd = fd;
	frame->done = done;
	frame->arg = arg;
	output->queued_bytes += head_bytes + payload_bytes;
	output->queued_frames++;
	DL_APPEND(output->waiting, frame);
}

static void close_fd(struct out_frame *frame)
{
	if (frame->fd >= 0)
		close(frame->fd);
	frame->fd = -1;
}

/* 0 when the frame is sent. */
static int write_frame(struct output *output, struct out_frame *frame, struct transport *transport,
	size_t *budget_bytes)
{
	while (frame->piece < frame->piece_count) {
		const struct conn_piece *piece = &frame->pieces[frame->piece];
		size_t bytes = piece->bytes - frame->offset;
		ssize_t taken;

		if (bytes == 0) {
			frame->piece++;
			frame->offset = 0;
			continue;
		}
		if (*budget_bytes == 0)
			return -EINPROGRESS;
		if (bytes > *budget_bytes)
			bytes = *budget_bytes;
		taken = transport_write(transport, (const uint8_t *)piece->data + frame->offset, bytes, frame->fd);
		if (taken < 0)
			return (int)taken;
		close_fd(frame);
		frame->offset += (size_t)taken;
		*budget_bytes -= (size_t)taken;
		output->queued_bytes -= (size_t)taken;
		output->since_update_bytes += (uint64_t)taken;
		output->is_flush_due = true;
	}
	return 0;
}

int output_write(struct output *output, struct transport *transport, size_t budget_bytes)
{
	struct out_frame *frame;
	int rc = 0;

	while ((frame = output->waiting) != NULL) {
		if (output->since_update_bytes >= output->update_bytes && frame->piece == 0 && frame->offset == 0) {
			rc = transport_update_key(transport);
			if (rc != 0)
				return rc;
			output->since_update_bytes = 0;
			output->is_flush_due = true;
		}
		rc = write_frame(output, frame, transport, &budget_bytes);
		if (rc != 0)
			return rc;
		DL_DELETE(output->waiting, frame);
		DL_APPEND(output->sent, frame);
		output->queued_frames--;
	}
	if (output->is_flush_due) {
		rc = transport_flush(transport);
		output->is_flush_due = rc != 0;
	}
	return rc;
}

static size_t unsent_bytes(const struct out_frame *frame)
{
	size_t bytes = 0;

	for (unsigned i = frame->piece; i < frame->piece_count; i++)
		bytes += frame->pieces[i].bytes;
	return bytes - frame->offset;
}

bool output_pop(struct output *output, bool is_end, void (**done)(void *arg, bool sent), void **arg, bool *sent)
{
	struct out_frame *frame = output->sent;

	*sent = frame != NULL;
	if (frame != NULL) {
		DL_DELETE(output->sent, frame);
	} else if (is_end && output->waiting != NULL) {
		frame = output->waiting;
		DL_DELETE(output->waiting, frame);
		output->queued_bytes -= unsent_bytes(frame);
		output->queued_frames--;
	} else {
		return false;
	}
	*done = frame->done;
	*arg = frame->arg;
	close_fd(frame);
	free(frame);
	return true;
}

size_t output_queued_bytes(const struct output *output)
{
	return output->queued_bytes;
}

unsigned output_queued_frames(const struct output *output)
{
	return output->queued_frames;
}

bool output_is_idle(const struct output *output)
{
	return output->waiting == NULL && !output->is_flush_due;
}
