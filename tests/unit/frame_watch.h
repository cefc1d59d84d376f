/* SPDX-License-Identifier: Apache-2.0
 *
 * Sees each frame leave one end of a link and arrive at the other, both in this process and with a byte_relay between
 * them, and says which frames its cuts have hit. The program is linked with --wrap=output_push and --wrap=reader_took.
 * Include it once per program.
 */
#ifndef RA_TESTS_UNIT_FRAME_WATCH_H
#define RA_TESTS_UNIT_FRAME_WATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/byte_relay.h"
#include "wire/output.h"
#include "wire/reader.h"

#define FRAMES_KEPT 256u /* that were sent and have not arrived */
#define BIT(type) (1u << (type))

/* The frames of the present connection, from its Hello on, at both ends: the ends are known by their output and reader.
 * Frames arrive in the order they were sent, so the first that has not arrived is the one that a cut has hit. */
static struct {
	const struct byte_relay *relay;
	const void *outputs[RELAY_WAYS], *readers[RELAY_WAYS];
	enum message_type sent[RELAY_WAYS][FRAMES_KEPT];
	unsigned sent_count[RELAY_WAYS], arrived_count[RELAY_WAYS];
	enum relay_way way; /* that is cut */
	unsigned cuts;      /* of the relay, that were looked at */
	uint32_t hit[RELAY_WAYS]; /* sets of BIT(type) */
} frames;

/* A connection begins, or nothing more comes of the last one. */
static void count_hit(void)
{
	enum relay_way way = frames.way;

	if (frames.relay->cuts > frames.cuts && frames.sent_count[way] > frames.arrived_count[way])
		frames.hit[way] |= BIT(frames.sent[way][frames.arrived_count[way] % FRAMES_KEPT]);
	frames.cuts = frames.relay->cuts;
	for (unsigned i = 0; i < RELAY_WAYS; i++) {
		frames.outputs[i] = frames.readers[i] = NULL;
		frames.sent_count[i] = frames.arrived_count[i] = 0;
	}
}

void __real_output_push(struct output *output, const struct message *message, const struct conn_piece *pieces,
	unsigned piece_count, int fd, void (*done)(void *arg, bool sent), void *arg);
void __wrap_output_push(struct output *output, const struct message *message, const struct conn_piece *pieces,
	unsigned piece_count, int fd, void (*done)(void *arg, bool sent), void *arg);
void __wrap_output_push(struct output *output, const struct message *message, const struct conn_piece *pieces,
	unsigned piece_count, int fd, void (*done)(void *arg, bool sent), void *arg)
{
	if (message->type == MESSAGE_HELLO) {
		count_hit();
		frames.outputs[RELAY_THERE] = output;
	} else if (message->type == MESSAGE_HELLO_REPLY) {
		frames.outputs[RELAY_BACK] = output;
	}
	for (unsigned way = 0; way < RELAY_WAYS; way++)
		if (frames.outputs[way] == output)
			frames.sent[way][frames.sent_count[way]++ % FRAMES_KEPT] = message->type;
	__real_output_push(output, message, pieces, piece_count, fd, done, arg);
}

int __real_reader_took(struct reader *reader, size_t bytes, char why[DETAIL_MAX + 1]);
int __wrap_reader_took(struct reader *reader, size_t bytes, char why[DETAIL_MAX + 1]);
int __wrap_reader_took(struct reader *reader, size_t bytes, char why[DETAIL_MAX + 1])
{
	int rc = __real_reader_took(reader, bytes, why);

	if (rc != READER_FRAME)
		return rc;
	if (reader_message(reader)->type == MESSAGE_HELLO)
		frames.readers[RELAY_THERE] = reader;
	else if (reader_message(reader)->type == MESSAGE_HELLO_REPLY)
		frames.readers[RELAY_BACK] = reader;
	for (unsigned way = 0; way < RELAY_WAYS; way++)
		if (frames.readers[way] == reader) {
			assert_true(frames.arrived_count[way] < frames.sent_count[way]);
			assert_int_equal(frames.sent[way][frames.arrived_count[way] % FRAMES_KEPT], reader_message(reader)->type);
			frames.arrived_count[way]++;
		}
	return rc;
}

/* Before its first connection. */
static void watch_frames(const struct byte_relay *relay)
{
	memset(&frames, 0, sizeof(frames));
	frames.relay = relay;
}

static void forget_hits(enum relay_way way)
{
	frames.way = way;
	frames.hit[way] = 0;
	frames.cuts = frames.relay->cuts;
}

/* Since forget_hits just these were hit. */
static void expect_hits(enum relay_way way, uint32_t types)
{
	for (unsigned type = 0; type < 32; type++)
		if (((frames.hit[way] ^ types) & BIT(type)) != 0)
			fail_msg("%s: %s was %scut", way == RELAY_THERE ? "there" : "back", message_name(type),
				frames.hit[way] & BIT(type) ? "" : "never ");
}

#endif
