/* SPDX-License-Identifier: Apache-2.0
 *
 * Invalid: see invalid.h. What a peer may let wait is limited in number, the sets that it lets lie unread in bytes;
 * data of Reads that lies before them counts nothing here.
 */
#include "secondary/invalid.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/track_set.h"
#include "secondary/device.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/invalid_table.h"
#include "wire/conn.h"

#define UNSENT_BYTES_MAX (4u * MIB) /* sets of a link */

/* An Invalid whose table is being read. */
struct invalid_question {
	struct session *session;
	struct invalid_table *table;
	uint32_t tag;
	struct invalid_question *prev, *next;
};

static void refuse(struct session *session, uint32_t tag, enum status status, const char *detail)
{
	struct message message = { .type = MESSAGE_INVALID_REPLY, .invalid_reply = { .tag = tag, .status = status } };

	snprintf(message.invalid_reply.detail, sizeof(message.invalid_reply.detail), "%s", detail);
	conn_send(session->conn, &message, NULL, 0, NULL, NULL);
}

/* A set on its way. */
struct invalid_sent {
	struct session *session;
	size_t bytes;
	uint8_t packed[];
};

static void on_sent(void *arg, bool is_sent)
{
	struct invalid_sent *sent = arg;

	(void)is_sent;
	sent->session->invalid_unsent_bytes -= sent->bytes;
	free(sent);
}

/* set NULL: there are none. */
static void reply(struct session *session, uint32_t tag, const struct track_set *set)
{
	const struct message message = { .type = MESSAGE_INVALID_REPLY,
		.invalid_reply = { .tag = tag, .status = STATUS_OK } };
	size_t bytes = set != NULL ? track_set_ranges(set) * TRACK_SET_PACKED_BYTES : 0;
	struct invalid_sent *sent;

	if (bytes == 0) {
		conn_send(session->conn, &message, NULL, 0, NULL, NULL);
		return;
	}
	if (session->invalid_unsent_bytes + bytes > UNSENT_BYTES_MAX) {
		refuse(session, tag, STATUS_QUEUE_FULL, "too much waits to be sent");
		return;
	}
	sent = xcalloc(1, sizeof(*sent) + bytes);
	sent->session = session;
	sent->bytes = bytes;
	track_set_pack(set, sent->packed);
	session->invalid_unsent_bytes += bytes;
	conn_send(session->conn, &message, &(struct conn_piece){ sent->packed, bytes }, 1, on_sent, sent);
}

static void question_free(struct invalid_question *question)
{
	question->session->peer->queries--;
	DL_DELETE(question->session->invalid_questions, question);
	free(question);
}

static void on_answer(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	struct invalid_question *question = arg;

	if (status != STATUS_OK)
		refuse(question->session, question->tag, status, detail);
	else
		reply(question->session, question->tag, set);
	question_free(question);
}

void invalid_ask(struct session *session, const struct device *device, const struct msg_invalid *message)
{
	struct invalid_table *table = device != NULL ?
		device_array_invalid(session->ra->devices, device->constants.number) : NULL;
	struct invalid_question *question;

	if (device == NULL) {
		refuse(session, message->tag, STATUS_NO_SUCH_DEVICE, "not attached");
		return;
	}
	if (table == NULL) { /* a private pair keeps nothing */
		reply(session, message->tag, NULL);
		return;
	}
	if (session->peer->queries >= QUERIES_PER_PEER) {
		refuse(session, message->tag, STATUS_QUEUE_FULL, "the peer has its most queries");
		return;
	}
	question = xcalloc(1, sizeof(*question));
	question->session = session;
	question->table = table;
	question->tag = message->tag;
	session->peer->queries++;
	DL_APPEND(session->invalid_questions, question);
	invalid_table_do(table, INVALID_ASK, NULL, on_answer, question);
}

void invalid_forget_session(struct session *session)
{
	while (session->invalid_questions != NULL) {
		invalid_table_forget(session->invalid_questions->table, session->invalid_questions);
		question_free(session->invalid_questions);
	}
}
