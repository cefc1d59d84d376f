/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's end of the socket against a primary that the test plays.
 * check-style: long because one bed serves every kind of answer.
 */
#include "local/client.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/shm.h"
#include "tests/support/pair.h"

struct fixture {
	struct pair *pair; /* b is the primary */
	struct shm *shm;
	struct shm *received; /* what the primary mapped */
	struct client *client;
	unsigned ups, losts, opens, reads, releases, links;
	struct msg_host_link link;
	bool frees_in_reply;
	char reason[DETAIL_MAX + 1];
	struct msg_host_open_reply open;
	struct msg_host_read_reply read;
	unsigned records;
	struct msg_host_record_reply record;
	char payload[64]; uint32_t payload_bytes; /* that came with it */
	uint8_t received_payload[64]; /* at the primary */
};

static void on_up(void *arg)
{
	struct fixture *f = arg;
	f->ups++;
}

static void on_lost(void *arg, const char *reason)
{
	struct fixture *f = arg;
	f->losts++;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
}

static void on_open(void *arg, const struct msg_host_open_reply *reply)
{
	struct fixture *f = arg;
	f->opens++;
	f->open = *reply;
	if (f->frees_in_reply) {
		client_free(f->client);
		f->client = NULL;
	}
}

static void on_read(void *arg, const struct msg_host_read_reply *reply)
{
	struct fixture *f = arg;
	f->reads++;
	f->read = *reply;
}

static void on_release(void *arg)
{
	struct fixture *f = arg;
	f->releases++;
}

static void on_record(void *arg, const struct msg_host_record_reply *reply, const uint8_t *payload, uint32_t bytes)
{
	struct fixture *f = arg;
	f->records++;
	f->record = *reply;
	f->payload_bytes = bytes;
	assert_true(bytes < sizeof(f->payload) && (bytes == 0) == (payload == NULL));
	if (f->frees_in_reply) {
		client_free(f->client);
		f->client = NULL;
	}
	if (payload)
		memcpy(f->payload, payload, bytes);
}

static void on_link(void *arg, const struct msg_host_link *link)
{
	struct fixture *f = arg;
	f->links++;
	f->link = *link;
}

static struct client_ops ops = { .up = on_up, .lost = on_lost, .link = on_link };
static const struct msg_host_open volume_open = { .device = "volume" };

static struct fixture *the_fixture;

static int primary_frame(struct end *end, const struct message *message)
{
	if (message->type != MESSAGE_HOST_HELLO)
		return 0;
	int fd = conn_take_fd(end->conn);
	int error = shm_accept(fd, message->host_hello.slot_count, message->host_hello.slot_bytes,
		&the_fixture->received);
	close(fd);
	return error;
}

static void send_from_primary(struct fixture *f, const struct message *message)
{
	conn_send(f->pair->b.conn, message, NULL, 0, NULL, NULL);
	pair_settle(f->pair);
}

static void answer_hello(struct fixture *f, enum status status)
{
	struct message message = { .type = MESSAGE_HOST_HELLO_REPLY };
	if (status == STATUS_BUSY)
		strcpy(message.host_hello_reply.detail, "too many programs");
	message.host_hello_reply.status = status;
	message.host_hello_reply.protocol = RA_PROTOCOL_VERSION;
	send_from_primary(f, &message);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2], memory_fd;
	the_fixture = f;
	f->pair = pair_new();
	f->pair->b.on_frame = primary_frame;
	f->pair->b.payload = f->received_payload;
	f->pair->b.payload_bytes_max = sizeof(f->received_payload);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pair_plain_b(f->pair, fds[1]);
	assert_int_equal(shm_create(2, 8192, &f->shm, &memory_fd), 0);
	f->client = client_new(f->pair->base, f->pair->clock, fds[0], f->shm, memory_fd, &ops, f);
	close(memory_fd);
	pair_settle(f->pair);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	client_free(f->client);
	shm_unref(f->shm);
	shm_unref(f->received);
	pair_free(f->pair);
	free(f);
	return 0;
}

static void hello_carries_the_memory(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(f->pair->b.last.type, MESSAGE_HOST_HELLO);
	assert_non_null(f->received);
	*(uint8_t *)shm_slot(f->received, 1) = 77;
	assert_int_equal(*(uint8_t *)shm_slot(f->shm, 1), 77);
	assert_int_equal(f->ups, 0);
	answer_hello(f, STATUS_OK);
	assert_int_equal(f->ups, 1);
}

static void a_refused_hello_ends_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_VERSION);
	assert_int_equal(f->ups, 0);
	assert_int_equal(f->losts, 1);
	assert_non_null(strstr(f->reason, "install the same version"));
}

static void a_daemon_without_hosts_is_told(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_BAD_REQUEST);
	assert_int_equal(f->ups, 0);
	assert_int_equal(f->losts, 1);
	assert_string_equal(f->reason, "this is the socket of ra-secondaryd, and that of ra-primaryd is needed");
}

static void a_refusal_in_words_is_the_reason(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_BUSY);
	assert_int_equal(f->losts, 1);
	assert_string_equal(f->reason, "it was refused: too many programs");
}

static void each_reply_finds_its_request(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	struct msg_host_read request = { .side = SIDE_LOCAL, .track_count = 2, .slot = 1 };
	client_read(f->client, &request, on_read, f);
	pair_settle(f->pair);
	uint32_t read_tag = f->pair->b.last.host_read.tag;
	assert_int_equal(f->pair->b.last.host_read.slot, 1);
	client_status(f->client, on_open, f);
	pair_settle(f->pair);
	uint32_t status_tag = f->pair->b.last.host_status.tag;
	assert_int_not_equal(read_tag, status_tag);

	struct message message = { .type = MESSAGE_HOST_OPEN_REPLY };
	message.host_open_reply.tag = status_tag;
	message.host_open_reply.status = STATUS_TIMEOUT;
	send_from_primary(f, &message);
	assert_int_equal(f->opens, 1);
	assert_int_equal(f->open.status, STATUS_TIMEOUT);
	assert_int_equal(f->reads, 0);

	message = (struct message){ .type = MESSAGE_HOST_READ_REPLY };
	message.host_read_reply.tag = read_tag;
	message.host_read_reply.status = STATUS_OK;
	message.host_read_reply.track_count = 1;
	message.host_read_reply.states[0] = TRACK_HOLE;
	send_from_primary(f, &message);
	assert_int_equal(f->reads, 1);
	assert_int_equal(f->read.states[0], TRACK_HOLE);
	assert_int_equal(f->losts, 0);
}

static void release_is_answered_by_done(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	client_release(f->client, on_release, f);
	pair_settle(f->pair);
	struct message message = { .type = MESSAGE_DONE };
	message.done.tag = f->pair->b.last.host_release.tag;
	message.done.status = STATUS_OK;
	send_from_primary(f, &message);
	assert_int_equal(f->releases, 1);
}

static void an_answer_without_a_request_ends_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	struct message message = { .type = MESSAGE_DONE };
	message.done.tag = 99;
	message.done.status = STATUS_OK;
	send_from_primary(f, &message);
	assert_int_equal(f->losts, 1);
}

static void an_answer_of_another_type_ends_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	client_open(f->client, &volume_open, on_open, f);
	pair_settle(f->pair);
	assert_string_equal(f->pair->b.last.host_open.device, "volume");
	struct message message = { .type = MESSAGE_DONE };
	message.done.tag = f->pair->b.last.host_open.tag;
	message.done.status = STATUS_OK;
	send_from_primary(f, &message);
	assert_int_equal(f->opens, 0);
	assert_int_equal(f->losts, 1);
}

static void more_tracks_than_asked_for_end_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	struct msg_host_read request = { .side = SIDE_LOCAL, .track_count = 1 };
	client_read(f->client, &request, on_read, f);
	pair_settle(f->pair);
	struct message message = { .type = MESSAGE_HOST_READ_REPLY };
	message.host_read_reply.tag = f->pair->b.last.host_read.tag;
	message.host_read_reply.status = STATUS_OK;
	message.host_read_reply.track_count = 2;
	memset(message.host_read_reply.states, TRACK_ZERO, 2);
	send_from_primary(f, &message);
	assert_int_equal(f->reads, 0);
	assert_int_equal(f->losts, 1);
}

static void answer_open(struct fixture *f, uint32_t tag, enum status status)
{
	struct message message = { .type = MESSAGE_HOST_OPEN_REPLY };
	message.host_open_reply.tag = tag;
	message.host_open_reply.status = status;
	if (status == STATUS_OK) {
		message.host_open_reply.track_bytes = 4096;
		message.host_open_reply.local.kind = message.host_open_reply.remote.kind = VOLUME_KIND_FILE;
		message.host_open_reply.local.io = message.host_open_reply.remote.io = IO_MODE_BUFFERED;
	}
	send_from_primary(f, &message);
}

static void progress_is_told_only_while_a_device_is_open(void **state)
{
	struct fixture *f = *state;
	const struct msg_host_progress progress = { .phase = "comparing", .done_tracks = 5, .left_s = 9 };
	client_progress(f->client, &progress); /* before HostHelloReply */
	answer_hello(f, STATUS_OK);
	client_progress(f->client, &progress);
	client_open(f->client, &volume_open, on_open, f);
	client_progress(f->client, &progress);
	pair_settle(f->pair);
	assert_int_equal(f->pair->b.last.type, MESSAGE_HOST_OPEN);
	answer_open(f, 1, STATUS_BUSY);
	client_progress(f->client, &progress);
	client_open(f->client, &volume_open, on_open, f);
	pair_settle(f->pair);
	assert_int_equal(f->pair->b.last.type, MESSAGE_HOST_OPEN);
	answer_open(f, 2, STATUS_OK);
	client_status(f->client, on_open, f);
	pair_settle(f->pair);
	answer_open(f, 3, STATUS_TIMEOUT); /* of the sizes; it is open all the same */
	client_progress(f->client, &progress);
	pair_settle(f->pair);
	assert_int_equal(f->pair->b.last.type, MESSAGE_HOST_PROGRESS);
	assert_string_equal(f->pair->b.last.host_progress.phase, "comparing");
	assert_int_equal(f->pair->b.last.host_progress.done_tracks, 5);
	assert_int_equal(f->pair->b.last.host_progress.left_s, 9);
	assert_int_equal(f->losts, 0);
	end_free_conn(&f->pair->b);
	pair_settle(f->pair);
	client_progress(f->client, &progress); /* nothing breaks */
	assert_int_equal(f->losts, 1);
}

static void requests_end_without_reply_when_the_primary_goes(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	client_open(f->client, &volume_open, on_open, f);
	end_free_conn(&f->pair->b);
	pair_settle(f->pair);
	assert_int_equal(f->opens, 0);
	assert_int_equal(f->losts, 1);
	assert_string_equal(f->reason, "the peer closed the connection");
	client_status(f->client, on_open, f); /* nothing more comes, and nothing breaks */
	client_release(f->client, on_release, f);
	client_load(f->client, RECORD_LEDGER, on_record, f);
	client_save(f->client, RECORD_LEDGER, (const uint8_t *)"r", 1, on_record, f);
	pair_settle(f->pair);
	assert_int_equal(f->opens, 0);
	assert_int_equal(f->losts, 1);
}

static void a_reply_may_free_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	f->frees_in_reply = true;
	client_open(f->client, &volume_open, on_open, f);
	client_status(f->client, on_open, f);
	pair_settle(f->pair);
	struct message message = { .type = MESSAGE_HOST_OPEN_REPLY };
	message.host_open_reply.tag = 1;
	message.host_open_reply.status = STATUS_NO_SUCH_DEVICE;
	send_from_primary(f, &message);
	assert_int_equal(f->opens, 1);
	assert_null(f->client);
	assert_int_equal(f->losts, 0);
}

static void a_primary_that_stops_answering_is_lost(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	end_free_conn(&f->pair->b);
	int fds[2]; /* keeps the other end open and silent */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	client_free(f->client);
	int memory_fd;
	struct shm *shm;
	assert_int_equal(shm_create(1, 4096, &shm, &memory_fd), 0);
	f->client = client_new(f->pair->base, f->pair->clock, fds[0], shm, memory_fd, &ops, f);
	close(memory_fd);
	pair_settle(f->pair);
	clock_advance(f->pair->clock, HELLO_DEADLINE_MS);
	pair_settle(f->pair);
	assert_int_equal(f->losts, 1);
	shm_unref(shm);
	close(fds[1]);
}

static void an_open_carries_what_was_asked_for(void **state)
{
	struct fixture *f = *state;
	const struct msg_host_open open = { .tag = 77, .device = "web1", .link_timeout_ms = 5, .limit_bytes_per_s = 6,
		.reserve = true, .owner = "me" };
	answer_hello(f, STATUS_OK);
	client_open(f->client, &open, on_open, f);
	pair_settle(f->pair);
	const struct msg_host_open *sent = &f->pair->b.last.host_open;
	assert_string_equal(sent->device, "web1");
	assert_int_equal(sent->link_timeout_ms, 5);
	assert_int_equal(sent->limit_bytes_per_s, 6);
	assert_true(sent->reserve);
	assert_string_equal(sent->owner, "me");
	assert_int_not_equal(sent->tag, 77); /* tags are the client's */
}

static void news_of_the_link_come_unasked(void **state)
{
	struct fixture *f = *state;
	struct message message = { .type = MESSAGE_HOST_LINK };
	answer_hello(f, STATUS_OK);
	message.host_link.relinks = 3;
	strcpy(message.host_link.detail, "cut");
	send_from_primary(f, &message);
	assert_int_equal(f->links, 1);
	assert_false(f->link.is_up);
	assert_int_equal(f->link.relinks, 3);
	assert_string_equal(f->link.detail, "cut");
	ops.link = NULL; /* and need not be wanted */
	send_from_primary(f, &message);
	ops.link = on_link;
	assert_int_equal(f->links, 1);
	assert_int_equal(f->losts, 0);
}

static void news_of_the_link_before_hello_end_the_client(void **state)
{
	struct fixture *f = *state;
	struct message message = { .type = MESSAGE_HOST_LINK };
	send_from_primary(f, &message);
	assert_int_equal(f->links, 0);
	assert_int_equal(f->losts, 1);
}

static void answer_record(struct fixture *f, uint32_t tag, enum status status, const char *payload)
{
	struct message message = { .type = MESSAGE_HOST_RECORD_REPLY };
	message.host_record_reply.tag = tag;
	message.host_record_reply.status = status;
	strcpy(message.host_record_reply.detail, "some words");
	conn_send(f->pair->b.conn, &message, &(struct conn_piece){ payload, strlen(payload) }, payload[0] != 0, NULL, NULL);
	pair_settle(f->pair);
}

static void a_load_is_answered_with_the_record_or_without_one(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	client_load(f->client, RECORD_LEDGER, on_record, f);
	pair_settle(f->pair);
	assert_int_equal(f->pair->b.last.type, MESSAGE_HOST_LOAD);
	assert_int_equal(f->pair->b.last.host_load.record, RECORD_LEDGER);
	answer_record(f, f->pair->b.last.host_load.tag, STATUS_OK, "the record");
	assert_int_equal(f->records, 1);
	assert_int_equal(f->payload_bytes, 10);
	assert_memory_equal(f->payload, "the record", 10);
	client_load(f->client, RECORD_LAYOUT, on_record, f);
	pair_settle(f->pair);
	assert_int_equal(f->pair->b.last.host_load.record, RECORD_LAYOUT);
	answer_record(f, f->pair->b.last.host_load.tag, STATUS_BUSY, "");
	assert_int_equal(f->records, 2);
	assert_int_equal(f->payload_bytes, 0);
	assert_int_equal(f->record.status, STATUS_BUSY);
	assert_string_equal(f->record.detail, "some words");
	assert_int_equal(f->losts, 0);
}

static void a_save_takes_its_own_copy_of_the_record(void **state)
{
	struct fixture *f = *state;
	uint8_t record[] = "the record";
	answer_hello(f, STATUS_OK);
	client_save(f->client, RECORD_LEDGER, record, 10, on_record, f);
	memset(record, 'x', sizeof(record));
	pair_settle(f->pair);
	assert_int_equal(f->pair->b.last.type, MESSAGE_HOST_SAVE);
	assert_int_equal(f->pair->b.last.host_save.record, RECORD_LEDGER);
	assert_int_equal(f->pair->b.last_payload_bytes, 10);
	assert_memory_equal(f->received_payload, "the record", 10);
	answer_record(f, f->pair->b.last.host_save.tag, STATUS_OK, "");
	assert_int_equal(f->records, 1);
}

static void bytes_that_answer_a_save_end_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	client_save(f->client, RECORD_LEDGER, (const uint8_t *)"r", 1, on_record, f);
	pair_settle(f->pair);
	answer_record(f, f->pair->b.last.host_save.tag, STATUS_OK, "bytes");
	assert_int_equal(f->records, 0);
	assert_int_equal(f->losts, 1);
}

static void bytes_that_answer_nothing_end_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	client_load(f->client, RECORD_LEDGER, on_record, f);
	pair_settle(f->pair);
	answer_record(f, f->pair->b.last.host_load.tag + 1, STATUS_OK, "bytes");
	assert_int_equal(f->records, 0);
	assert_int_equal(f->losts, 1);
}

static void a_reply_with_a_record_may_free_the_client(void **state)
{
	struct fixture *f = *state;
	answer_hello(f, STATUS_OK);
	f->frees_in_reply = true;
	client_load(f->client, RECORD_LEDGER, on_record, f);
	pair_settle(f->pair);
	answer_record(f, f->pair->b.last.host_load.tag, STATUS_OK, "the record");
	assert_null(f->client);
	assert_memory_equal(f->payload, "the record", 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello_carries_the_memory),
		TEST(a_refused_hello_ends_the_client),
		TEST(a_daemon_without_hosts_is_told),
		TEST(a_refusal_in_words_is_the_reason),
		TEST(each_reply_finds_its_request),
		TEST(an_open_carries_what_was_asked_for),
		TEST(news_of_the_link_come_unasked),
		TEST(news_of_the_link_before_hello_end_the_client),
		TEST(release_is_answered_by_done),
		TEST(progress_is_told_only_while_a_device_is_open),
		TEST(a_load_is_answered_with_the_record_or_without_one),
		TEST(a_save_takes_its_own_copy_of_the_record),
		TEST(bytes_that_answer_a_save_end_the_client),
		TEST(bytes_that_answer_nothing_end_the_client),
		TEST(a_reply_with_a_record_may_free_the_client),
		TEST(an_answer_without_a_request_ends_the_client),
		TEST(an_answer_of_another_type_ends_the_client),
		TEST(more_tracks_than_asked_for_end_the_client),
		TEST(requests_end_without_reply_when_the_primary_goes),
		TEST(a_reply_may_free_the_client),
		TEST(a_primary_that_stops_answering_is_lost),
	};
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
