/* SPDX-License-Identifier: Apache-2.0
 *
 * The socket of a daemon: who is handed over, answered, refused or closed, answers that come late or to nobody, and who
 * may change a limit. Clients are descriptors of this process, or a child that becomes somebody else. Time is virtual.
 * check-style: long because it plays the daemon, its hosts and its clients.
 */
#include "local/server.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "local/control_client.h"
#include "tests/support/pair.h"
#include "wire/conn.h"

#define KEPT_MAX 32u
#define NOBODY 65534u

struct fixture {
	struct event_base *base;
	struct clock *clock;
	struct server *server;
	char folder[64];
	char path[96];
	unsigned descriptors;
	/* What the daemon did. */
	bool keeps; /* requests are answered by the test */
	struct control_request *kept[KEPT_MAX];
	unsigned request_count;
	unsigned rows; /* of an answer */
	int host_rc;
	unsigned host_count;
	unsigned hosts, hosts_of_user; /* that it says it has; of hosts_user */
	uid_t hosts_user, host_uid;
	struct conn *host_conn;
	unsigned host_frames, host_closes;
	struct message message;
};

static void on_host_up(void *arg)
{
	(void)arg;
}

static int on_host_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct fixture *fixture = arg;

	(void)payload_bytes;
	assert_int_equal(message->type, MESSAGE_HOST_STATUS);
	fixture->host_frames++;
	return 0;
}

static void on_host_closed(void *arg, const char *reason, bool clean)
{
	struct fixture *fixture = arg;

	(void)reason, (void)clean;
	fixture->host_closes++;
	conn_free(fixture->host_conn);
	fixture->host_conn = NULL;
}

static int on_host(void *arg, struct conn *conn, uid_t uid, const struct msg_host_hello *hello)
{
	static const struct conn_ops ops = { .up = on_host_up, .frame = on_host_frame, .closed = on_host_closed };
	struct fixture *fixture = arg;

	fixture->host_count++;
	fixture->host_uid = uid;
	assert_int_equal(hello->slot_count, 7);
	if (fixture->host_rc != 0)
		return fixture->host_rc;
	conn_accept(conn);
	conn_set_owner(conn, &ops, fixture);
	fixture->host_conn = conn;
	return 0;
}

static unsigned count_hosts(void *arg, uid_t uid)
{
	const struct fixture *fixture = arg;

	return uid == SERVER_ANYBODY ? fixture->hosts : uid == fixture->hosts_user ? fixture->hosts_of_user : 0;
}

static void on_control(void *arg, struct control_request *request)
{
	struct fixture *fixture = arg;
	json_t *json = json_pack("{s:i,s:[]}", "verb", (int)control_message(request)->verb, "rows"), *rows;

	fixture->request_count++;
	if (fixture->keeps) {
		json_decref(json);
		fixture->kept[fixture->request_count - 1] = request;
		return;
	}
	rows = json_object_get(json, "rows");
	for (unsigned i = 0; i < fixture->rows; i++)
		json_array_append_new(rows, json_string("about twenty bytes"));
	control_answer(request, json);
}

static const struct server_ops ops = { .host = on_host, .hosts = count_hosts, .control = on_control };
static const struct server_ops ops_without_hosts = { .control = on_control };

static struct server *start(struct fixture *fixture, const struct server_ops *server_ops, const char *group,
	const char *admin_group, char why[256])
{
	const struct server_config config = { .base = fixture->base, .clock = fixture->clock, .path = fixture->path,
		.mode = 0666, .group = group, .admin_group = admin_group };

	return server_new(&config, server_ops, fixture, why, 256);
}

static void start_again(struct fixture *fixture, const struct server_ops *server_ops, const char *admin_group)
{
	char why[256];

	server_free(fixture->server);
	fixture->server = start(fixture, server_ops, "", admin_group, why);
	assert_non_null(fixture->server);
}

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	fixture->descriptors = open_descriptor_count();
	fixture->base = event_base_new();
	fixture->clock = clock_new_virtual();
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/ra-server.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	assert_int_equal(chmod(fixture->folder, 0755), 0);
	snprintf(fixture->path, sizeof(fixture->path), "%s/primary.sock", fixture->folder);
	start_again(fixture, &ops, "");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	conn_free(fixture->host_conn);
	server_free(fixture->server);
	clock_free(fixture->clock);
	event_base_free(fixture->base);
	assert_int_equal(rmdir(fixture->folder), 0);
	assert_int_equal(open_descriptor_count(), fixture->descriptors);
	free(fixture);
	return 0;
}

static void settle(struct fixture *fixture)
{
	for (unsigned i = 0; i < 20; i++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

static int connect_to(struct fixture *fixture)
{
	char why[256];
	int fd = control_connect(fixture->path, NULL, why, sizeof(why));

	assert_true(fd >= 0);
	return fd;
}

static void ask(struct fixture *fixture, int fd, uint32_t tag, unsigned verb)
{
	fixture->message.type = MESSAGE_CONTROL;
	fixture->message.control = (struct msg_control){ .tag = tag, .protocol = RA_PROTOCOL_VERSION,
		.verb = (enum control_verb)verb };
	assert_int_equal(conn_write_one(fd, &fixture->message), 0);
	settle(fixture);
}

static void expect_answer(struct fixture *fixture, int fd, uint32_t tag, const char *json)
{
	uint8_t *payload;
	uint32_t bytes;

	settle(fixture);
	assert_int_equal(conn_read_one_payload(fd, MESSAGE_CONTROL_REPLY, 0, &fixture->message, &payload, &bytes), 0);
	assert_int_equal(fixture->message.control_reply.status, STATUS_OK);
	assert_int_equal(fixture->message.control_reply.tag, tag);
	assert_int_equal(bytes, strlen(json));
	assert_memory_equal(payload, json, bytes);
	free(payload);
}

static void expect_refusal(struct fixture *fixture, int fd, enum status status, const char *words)
{
	uint8_t *payload;
	uint32_t bytes;

	settle(fixture);
	assert_int_equal(conn_read_one_payload(fd, MESSAGE_CONTROL_REPLY, 0, &fixture->message, &payload, &bytes), 0);
	assert_int_equal(fixture->message.control_reply.status, status);
	assert_string_equal(fixture->message.control_reply.detail, words);
	assert_null(payload);
}

static void expect_nothing(struct fixture *fixture, int fd)
{
	char byte;

	settle(fixture);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t taken = recv(fd, &byte, 1, MSG_DONTWAIT);

	return taken == 0 || (taken < 0 && errno == ECONNRESET);
}

static void send_host_hello(struct fixture *fixture, int fd)
{
	fixture->message.type = MESSAGE_HOST_HELLO;
	fixture->message.host_hello = (struct msg_host_hello){ .protocol_min = 1, .protocol_max = 1, .slot_count = 7,
		.slot_bytes = 4096, .software = "test" };
	assert_int_equal(conn_write_one(fd, &fixture->message), 0);
	settle(fixture);
}

/* ---- Requests ---- */

static void requests_of_one_connection_are_answered_in_turn(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	ask(fixture, fd, 5, VERB_STATUS);
	expect_answer(fixture, fd, 5, "{\"verb\":1,\"rows\":[]}");
	ask(fixture, fd, 6, VERB_LINKS);
	ask(fixture, fd, 7, VERB_JOBS);
	expect_answer(fixture, fd, 6, "{\"verb\":6,\"rows\":[]}");
	expect_answer(fixture, fd, 7, "{\"verb\":3,\"rows\":[]}");
	close(fd);
}

static void client_has_ten_seconds_from_an_answer_to_its_next_request(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	for (uint32_t tag = 1; tag <= 3; tag++) {
		ask(fixture, fd, tag, VERB_STATUS);
		expect_answer(fixture, fd, tag, "{\"verb\":1,\"rows\":[]}");
		clock_advance(fixture->clock, HELLO_DEADLINE_MS - 1);
		expect_nothing(fixture, fd);
	}
	assert_int_equal(write(fd, "R", 1), 1); /* no whole request */
	settle(fixture);
	clock_advance(fixture->clock, 1);
	settle(fixture);
	assert_true(is_closed(fd));
	close(fd);
}

static void client_whose_request_waits_is_not_late(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	fixture->keeps = true;
	ask(fixture, fd, 1, VERB_PROBE);
	ask(fixture, fd, 2, VERB_PROBE);
	control_answer(fixture->kept[0], json_object());
	expect_answer(fixture, fd, 1, "{}");
	clock_advance(fixture->clock, 60000);
	expect_nothing(fixture, fd);
	control_answer(fixture->kept[1], json_object());
	expect_answer(fixture, fd, 2, "{}");
	close(fd);
}

/* What waits for it keeps neither its memory nor its place for ever. */
static void client_that_does_not_take_its_answer_is_closed(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);
	uint8_t *payload;
	uint32_t bytes;
	char *log;

	fixture->rows = 40000; /* more than the socket takes */
	ask(fixture, fd, 1, VERB_STATUS);
	clock_advance(fixture->clock, OUTPUT_STALL_MS - 1);
	settle(fixture);
	capture_start();
	clock_advance(fixture->clock, 1);
	settle(fixture);
	log = capture_end();
	assert_non_null(strstr(log, "the peer took no output for 10 s"));
	free(log);
	assert_int_equal(conn_read_one_payload(fd, MESSAGE_CONTROL_REPLY, 0, &fixture->message, &payload, &bytes), -EPROTO);
	close(fd); /* it was cut short */
}

static void answers_may_come_later_and_overtake_each_other(void **state)
{
	struct fixture *fixture = *state;
	int one = connect_to(fixture), two = connect_to(fixture);

	fixture->keeps = true;
	ask(fixture, one, 1, VERB_PROBE);
	ask(fixture, one, 2, VERB_STATUS);
	ask(fixture, two, 3, VERB_PROBE);
	expect_nothing(fixture, one);
	control_answer(fixture->kept[1], json_pack("{s:i}", "a", 2));
	expect_answer(fixture, one, 2, "{\"a\":2}");
	control_refuse(fixture->kept[2], STATUS_NOT_READY, "the volume of %s hangs", "web1");
	control_answer(fixture->kept[0], json_pack("{s:f}", "a", 0.1));
	expect_answer(fixture, one, 1, "{\"a\":0.1}");
	expect_refusal(fixture, two, STATUS_NOT_READY, "the volume of web1 hangs");
	close(one);
	close(two);
}

static void client_that_went_before_its_answers_is_forgotten(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	fixture->keeps = true;
	ask(fixture, fd, 1, VERB_PROBE);
	ask(fixture, fd, 2, VERB_PROBE);
	ask(fixture, fd, 3, VERB_PROBE);
	close(fd);
	settle(fixture);
	assert_int_equal(control_message(fixture->kept[1])->tag, 2); /* still good */
	control_answer(fixture->kept[0], json_object());
	control_refuse(fixture->kept[1], STATUS_TIMEOUT, "too late");
	control_answer(fixture->kept[2], json_object());
	fd = connect_to(fixture);
	fixture->keeps = false;
	ask(fixture, fd, 4, VERB_STATUS);
	expect_answer(fixture, fd, 4, "{\"verb\":1,\"rows\":[]}");
	close(fd);
}

static void client_that_closes_with_an_answer_on_its_way_does_no_harm(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	fixture->keeps = true;
	ask(fixture, fd, 1, VERB_STATUS);
	control_answer(fixture->kept[0], json_object());
	close(fd);
	settle(fixture);
}

static void too_many_requests_at_once_are_busy(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	fixture->keeps = true;
	for (uint32_t i = 1; i <= 17; i++)
		ask(fixture, fd, i, VERB_PROBE);
	assert_int_equal(fixture->request_count, 16);
	expect_refusal(fixture, fd, STATUS_BUSY, "16 requests wait for their answers already");
	control_answer(fixture->kept[0], json_object());
	expect_answer(fixture, fd, 1, "{}");
	ask(fixture, fd, 18, VERB_PROBE);
	assert_int_equal(fixture->request_count, 17);
	for (unsigned i = 1; i < 17; i++)
		control_refuse(fixture->kept[i], STATUS_TIMEOUT, "-");
	close(fd);
}

static void unknown_verb_and_other_protocol_are_told(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	ask(fixture, fd, 1, 99);
	expect_refusal(fixture, fd, STATUS_BAD_REQUEST, "this daemon (ra " RA_VERSION ") does not know verb 99");
	ask(fixture, fd, 2, VERB_COUNT);
	expect_refusal(fixture, fd, STATUS_BAD_REQUEST, "this daemon (ra " RA_VERSION ") does not know verb 14");
	fixture->message.type = MESSAGE_CONTROL;
	fixture->message.control = (struct msg_control){ .tag = 3, .protocol = 2, .verb = VERB_STATUS };
	assert_int_equal(conn_write_one(fd, &fixture->message), 0);
	expect_refusal(fixture, fd, STATUS_VERSION, "this daemon (ra " RA_VERSION ") speaks protocol 1, not 2");
	assert_int_equal(fixture->message.control_reply.tag, 3);
	assert_int_equal(fixture->request_count, 0);
	close(fd);
}

/* ---- First frames ---- */

static void host_is_handed_over_with_its_later_frames(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	send_host_hello(fixture, fd);
	assert_int_equal(fixture->host_count, 1);
	fixture->message.type = MESSAGE_HOST_STATUS;
	fixture->message.host_status.tag = 1;
	assert_int_equal(conn_write_one(fd, &fixture->message), 0);
	settle(fixture);
	assert_int_equal(fixture->host_frames, 1);
	server_free(fixture->server); /* handed over connections stay */
	fixture->server = NULL;
	assert_int_equal(conn_write_one(fd, &fixture->message), 0);
	settle(fixture);
	assert_int_equal(fixture->host_frames, 2);
	close(fd);
	settle(fixture);
	assert_int_equal(fixture->host_closes, 1);
}

static void host_that_is_refused_is_closed(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);

	fixture->host_rc = -EPROTO;
	send_host_hello(fixture, fd);
	assert_int_equal(fixture->host_count, 1);
	assert_int_equal(fixture->host_closes, 0);
	assert_true(is_closed(fd));
	close(fd);
}

static void daemon_without_hosts_says_so(void **state)
{
	struct fixture *fixture = *state;
	char *log;
	int fd;

	start_again(fixture, &ops_without_hosts, "");
	fd = connect_to(fixture);
	capture_start();
	send_host_hello(fixture, fd);
	log = capture_end();
	assert_int_equal(conn_read_one(fd, MESSAGE_HOST_HELLO_REPLY, &fixture->message), 0);
	assert_int_equal(fixture->message.host_hello_reply.status, STATUS_BAD_REQUEST);
	assert_true(is_closed(fd));
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, "a host program (test) came to a daemon that has no hosts"));
	free(log);
	close(fd);
}

static void other_first_frames_are_closed_with_a_line(void **state)
{
	static const struct message done = { MESSAGE_DONE, .done = { .tag = 1, .status = STATUS_OK } };
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);
	char *log;

	capture_start();
	assert_int_equal(conn_write_one(fd, &done), 0);
	settle(fixture);
	log = capture_end();
	assert_true(is_closed(fd));
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, "Done on the socket: HostHello or Control was expected"));
	free(log);
	close(fd);
}

static void host_hello_after_control_is_closed(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);
	char *log;

	fixture->keeps = true;
	ask(fixture, fd, 1, VERB_PROBE);
	capture_start();
	send_host_hello(fixture, fd);
	log = capture_end();
	assert_true(is_closed(fd));
	assert_int_equal(fixture->host_count, 0);
	assert_non_null(strstr(log, "HostHello on the socket: Control was expected"));
	control_answer(fixture->kept[0], json_object());
	free(log);
	close(fd);
}

/* ---- Those who say nothing ---- */

static void silent_connection_ends_at_the_hello_deadline(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(fixture);
	char *log;

	settle(fixture);
	clock_advance(fixture->clock, HELLO_DEADLINE_MS - 1);
	expect_nothing(fixture, fd);
	capture_start();
	clock_advance(fixture->clock, 1);
	settle(fixture);
	log = capture_end();
	assert_true(is_closed(fd));
	assert_non_null(strstr(log, "no Hello within 10 s"));
	free(log);
	close(fd);
}

static void crowd_of_silent_connections_does_not_keep_others_out(void **state)
{
	struct fixture *fixture = *state;
	int fds[70], honest = connect_to(fixture);
	char *log;

	ask(fixture, honest, 1, VERB_STATUS);
	expect_answer(fixture, honest, 1, "{\"verb\":1,\"rows\":[]}");
	capture_start();
	for (unsigned i = 0; i < 70; i++) {
		fds[i] = connect_to(fixture);
		settle(fixture);
	}
	log = capture_end();
	for (unsigned i = 0; i < 70; i++)
		assert_int_equal(is_closed(fds[i]), i < 6); /* the oldest went, 64 are left */
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, "64 connections have said nothing"));
	free(log);
	ask(fixture, honest, 2, VERB_STATUS); /* older than all, but it has spoken */
	expect_answer(fixture, honest, 2, "{\"verb\":1,\"rows\":[]}");
	ask(fixture, fds[6], 3, VERB_STATUS);
	expect_answer(fixture, fds[6], 3, "{\"verb\":1,\"rows\":[]}");
	for (unsigned i = 0; i < 70; i++)
		close(fds[i]);
	close(honest);
	settle(fixture);
}

static void crowds_that_come_and_go_are_a_few_lines(void **state)
{
	struct fixture *fixture = *state;
	int fds[65];
	char *log;

	log_start("ra", LOG_LEVEL_WARNING); /* nothing is counted yet */
	capture_start();
	for (unsigned crowd = 0; crowd < 2 * LOG_STRANGER_LINES; crowd++) {
		for (unsigned i = 0; i < 65; i++)
			fds[i] = connect_to(fixture);
		settle(fixture);
		for (unsigned i = 0; i < 65; i++)
			close(fds[i]);
		settle(fixture);
	}
	log = capture_end();
	assert_int_equal(line_count(log), LOG_STRANGER_LINES);
	free(log);
}

static void hundred_that_come_at_once_are_all_answered(void **state)
{
	struct fixture *fixture = *state;
	int fds[100];

	fixture->message.type = MESSAGE_CONTROL;
	fixture->message.control = (struct msg_control){ .tag = 1, .protocol = 1, .verb = VERB_STATUS };
	for (unsigned i = 0; i < 100; i++) {
		fds[i] = connect_to(fixture);
		assert_int_equal(conn_write_one(fds[i], &fixture->message), 0);
	}
	for (unsigned i = 0; i < 100; i++) {
		expect_answer(fixture, fds[i], 1, "{\"verb\":1,\"rows\":[]}");
		close(fds[i]);
	}
}

/* ---- Places ---- */

#define USER 4003u /* or this one, when it is not root: some user but root */

static uid_t some_user(void)
{
	return getuid() == 0 ? USER : getuid();
}

static int connect_as(struct fixture *fixture, uid_t uid)
{
	int fd;

	assert_int_equal(seteuid(uid), 0);
	fd = connect_to(fixture);
	assert_int_equal(seteuid(getuid()), 0);
	settle(fixture);
	return fd;
}

static int connect_and_ask(struct fixture *fixture, uid_t uid)
{
	int fd = connect_as(fixture, uid);

	ask(fixture, fd, 9, VERB_STATUS);
	return fd;
}

static void expect_served(struct fixture *fixture, int fd)
{
	expect_answer(fixture, fd, 9, "{\"verb\":1,\"rows\":[]}");
	close(fd);
	settle(fixture);
}

static void expect_turned_away(struct fixture *fixture, int fd, const char *words)
{
	expect_refusal(fixture, fd, STATUS_BUSY, words);
	assert_int_equal(fixture->message.control_reply.tag, 9);
	assert_true(is_closed(fd));
	close(fd);
}

static void crowd_of_one_user_drives_out_its_own(void **state)
{
	struct fixture *fixture = *state;
	int fds[70], other, third;

	if (getuid() != 0)
		skip();
	other = connect_as(fixture, NOBODY);
	for (unsigned i = 0; i < 70; i++)
		fds[i] = connect_as(fixture, USER);
	expect_nothing(fixture, other);
	for (unsigned i = 0; i < 70; i++)
		assert_int_equal(is_closed(fds[i]), i < 7);
	close(connect_as(fixture, NOBODY));
	third = connect_as(fixture, 0);
	expect_nothing(fixture, other);
	for (unsigned i = 0; i < 70; i++)
		assert_int_equal(is_closed(fds[i]), i < 8); /* the place of the one that went was free */
	for (unsigned i = 0; i < 70; i++)
		close(fds[i]);
	close(other);
	close(third);
}

static void user_has_so_many_places(void **state)
{
	struct fixture *fixture = *state;
	int fds[128];
	char words[128];

	snprintf(words, sizeof(words), "too many programs of uid %u are connected to this daemon: 128", some_user());
	for (unsigned i = 0; i < 128; i++) {
		fds[i] = connect_and_ask(fixture, some_user());
		expect_answer(fixture, fds[i], 9, "{\"verb\":1,\"rows\":[]}");
	}
	for (unsigned i = 0; i < 2; i++)
		expect_turned_away(fixture, connect_and_ask(fixture, some_user()), words);
	if (getuid() == 0)
		expect_served(fixture, connect_and_ask(fixture, NOBODY));
	close(fds[0]);
	settle(fixture);
	expect_served(fixture, connect_and_ask(fixture, some_user()));
	for (unsigned i = 1; i < 128; i++)
		close(fds[i]);
}

static void hosts_take_places_too(void **state)
{
	struct fixture *fixture = *state;
	char words[128];

	snprintf(words, sizeof(words), "too many programs of uid %u are connected to this daemon: 128", some_user());
	fixture->hosts_user = some_user();
	fixture->hosts = fixture->hosts_of_user = 127;
	expect_served(fixture, connect_and_ask(fixture, some_user()));
	fixture->hosts = fixture->hosts_of_user = 128;
	expect_turned_away(fixture, connect_and_ask(fixture, some_user()), words);
	fixture->hosts_of_user = 0;
	fixture->hosts = 247;
	expect_served(fixture, connect_and_ask(fixture, some_user()));
	fixture->hosts = 248;
	expect_turned_away(fixture, connect_and_ask(fixture, some_user()),
		"too many programs are connected to this daemon: 248");
}

static void host_without_a_place_is_told(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_as(fixture, some_user());

	fixture->hosts = 248;
	send_host_hello(fixture, fd);
	assert_int_equal(fixture->host_count, 0);
	assert_int_equal(conn_read_one(fd, MESSAGE_HOST_HELLO_REPLY, &fixture->message), 0);
	assert_int_equal(fixture->message.host_hello_reply.status, STATUS_BUSY);
	assert_string_equal(fixture->message.host_hello_reply.detail,
		"too many programs are connected to this daemon: 248");
	assert_true(is_closed(fd));
	close(fd);
	fixture->hosts = 247;
	fd = connect_as(fixture, some_user());
	send_host_hello(fixture, fd);
	assert_int_equal(fixture->host_count, 1);
	assert_int_equal(fixture->host_uid, some_user());
	close(fd);
	settle(fixture);
}

static void root_has_places_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	if (getuid() != 0)
		skip();
	fixture->hosts = 255;
	expect_served(fixture, connect_and_ask(fixture, 0));
	fd = connect_to(fixture);
	send_host_hello(fixture, fd); /* these places are no host's */
	assert_int_equal(fixture->host_count, 0);
	close(fd);
	fixture->hosts = 256;
	expect_turned_away(fixture, connect_and_ask(fixture, 0), "too many programs are connected to this daemon: 256");
}

static void hundred_that_are_turned_away_are_a_few_lines(void **state)
{
	struct fixture *fixture = *state;
	char *log;

	fixture->hosts = 256;
	log_start("ra", LOG_LEVEL_WARNING); /* nothing is counted yet */
	capture_start();
	for (unsigned i = 0; i < 100; i++)
		close(connect_and_ask(fixture, some_user()));
	settle(fixture);
	log = capture_end();
	assert_int_equal(line_count(log), LOG_STRANGER_LINES);
	assert_non_null(strstr(log, "is turned away: too many programs are connected to this daemon: 256"));
	free(log);
}

static void clients_that_come_and_go_are_no_lines(void **state)
{
	struct fixture *fixture = *state;
	char *log;

	log_level_max = LOG_LEVEL_INFO;
	capture_start();
	expect_served(fixture, connect_and_ask(fixture, some_user()));
	close(connect_to(fixture));
	settle(fixture);
	log = capture_end();
	log_level_max = LOG_LEVEL_WARNING;
	assert_string_equal(log, "");
	free(log);
}

static void clients_that_fail_are_a_few_lines(void **state)
{
	struct fixture *fixture = *state;
	char *log;
	int fd;

	log_start("ra", LOG_LEVEL_WARNING); /* nothing is counted yet */
	capture_start();
	for (unsigned i = 0; i < 2 * LOG_STRANGER_LINES; i++) {
		fd = i % 2 == 0 ? connect_and_ask(fixture, some_user()) : connect_to(fixture);
		assert_int_equal(write(fd, "this is no frame", 16), 16);
		settle(fixture);
		close(fd);
	}
	log = capture_end();
	assert_int_equal(line_count(log), LOG_STRANGER_LINES);
	free(log);
}

/* ---- Somebody else ---- */

struct asked {
	uid_t uid;
	gid_t gid, group; /* group 0: no supplementary one */
	struct msg_control request;
};

struct outcome {
	enum status status;
	char words[512]; /* of a refusal, or the JSON */
};

static void be(const struct asked *asked)
{
	if (asked->uid != getuid() && (seteuid(getuid()) != 0 || setgroups(asked->group ? 1 : 0, &asked->group) != 0 ||
		setresgid(asked->gid, asked->gid, asked->gid) != 0 || setresuid(asked->uid, asked->uid, asked->uid) != 0))
		_exit(1);
}

/* A child asks with ra-ctl's own code; the rest of the JSON is left out. */
static void ask_as(struct fixture *fixture, const struct asked *asked, struct outcome *outcome)
{
	int results[2], child_status = 0;
	pid_t child;

	assert_int_equal(pipe(results), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct msg_control request = asked->request;
		json_t *json;

		be(asked);
		alarm(60);
		int fd = control_connect(fixture->path, NULL, outcome->words, sizeof(outcome->words));
		outcome->status = fd < 0 ? STATUS_UNSET : control_call(fd, &request, NULL, 0, 30000, &json, outcome->words,
			sizeof(outcome->words));
		if (outcome->status == STATUS_OK)
			snprintf(outcome->words, sizeof(outcome->words), "%d rows, %d left out",
				(int)json_array_size(json_object_get(json, "rows")),
				(int)json_integer_value(json_object_get(json, "rows_left_out")));
		_exit(write(results[1], outcome, sizeof(*outcome)) != sizeof(*outcome));
	}
	while (waitpid(child, &child_status, WNOHANG) == 0)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	assert_int_equal(child_status, 0);
	assert_int_equal(read(results[0], outcome, sizeof(*outcome)), sizeof(*outcome));
	close(results[0]);
	close(results[1]);
}

static void long_list_is_cut_to_fit_and_says_so(void **state)
{
	struct fixture *fixture = *state;
	const struct asked asked = { .uid = getuid(), .request = { .verb = VERB_JOBS } };
	struct outcome outcome;

	fixture->rows = 40000; /* of 21 bytes each: still fits */
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_OK);
	assert_string_equal(outcome.words, "40000 rows, 0 left out");
	fixture->rows = 60000;
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_OK);
	assert_string_equal(outcome.words, "30000 rows, 30000 left out");
}

static void answer_that_cannot_be_cut_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char *text = xcalloc(CONTROL_PAYLOAD_BYTES_MAX + 1, 1);
	int fd = connect_to(fixture);

	memset(text, 'x', CONTROL_PAYLOAD_BYTES_MAX);
	fixture->keeps = true;
	ask(fixture, fd, 1, VERB_STATUS);
	control_answer(fixture->kept[0], json_pack("{s:s}", "a", text));
	expect_refusal(fixture, fd, STATUS_BAD_REQUEST, "the answer has more than 1048576 bytes");
	free(text);
	close(fd);
}

static const struct msg_control limit = { .verb = VERB_LIMIT, .scope = SCOPE_TOTAL, .sets_bytes = true,
	.bytes_per_s = 1000000 };

static void everybody_may_read_and_only_some_may_change(void **state)
{
	struct fixture *fixture = *state;
	struct asked asked = { .uid = NOBODY, .gid = 4001, .group = 4002, .request = { .verb = VERB_LIMIT } };
	struct outcome outcome;

	if (getuid() != 0)
		skip();
	ask_as(fixture, &asked, &outcome); /* LIMIT without scope only shows */
	assert_int_equal(outcome.status, STATUS_OK);
	asked.request = limit;
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_NOT_PERMITTED);
	assert_string_equal(outcome.words, "only root may change a limit");
	assert_int_equal(fixture->request_count, 1);
	asked.request = (struct msg_control){ .verb = VERB_LOG_LEVEL, .log_level = 4 };
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_NOT_PERMITTED);
	assert_string_equal(outcome.words, "only root may change the log level");
	assert_int_equal(fixture->request_count, 1);
	asked.request = limit;
	asked.uid = getuid();
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_OK);
	assert_int_equal(fixture->request_count, 2);
}

static void admin_group_counts_as_own_and_as_supplementary_group(void **state)
{
	struct fixture *fixture = *state;
	const struct group *group = getgrnam("daemon");
	struct asked asked = { .uid = NOBODY, .gid = 4001, .group = 4002, .request = limit };
	struct outcome outcome;

	if (getuid() != 0 || !group)
		skip();
	asked.group = group->gr_gid;
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_NOT_PERMITTED); /* it is no admin group yet */
	start_again(fixture, &ops, "daemon");
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_OK);
	asked.group = 4002;
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_NOT_PERMITTED);
	assert_string_equal(outcome.words, "only root and members of the group daemon may change a limit");
	asked.group = 0;
	asked.gid = group->gr_gid;
	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_OK);
}

static void own_user_may_change(void **state)
{
	struct fixture *fixture = *state;
	const struct asked asked = { .uid = getuid(), .request = limit };
	struct outcome outcome;

	ask_as(fixture, &asked, &outcome);
	assert_int_equal(outcome.status, STATUS_OK);
	assert_int_equal(fixture->request_count, 1);
}

/* The daemon runs as nobody then. */
static void user_of_the_daemon_may_change_and_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct asked asked = { .uid = NOBODY, .gid = 4001, .request = limit };
	struct outcome own, other;
	char why[256];

	if (getuid() != 0)
		skip();
	assert_int_equal(chown(fixture->folder, NOBODY, (gid_t)-1), 0);
	server_free(fixture->server);
	fixture->server = NULL;
	assert_int_equal(seteuid(NOBODY), 0);
	fixture->server = start(fixture, &ops, "", "", why);
	ask_as(fixture, &asked, &own);
	asked.uid = 4003;
	ask_as(fixture, &asked, &other);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(own.status, STATUS_OK);
	assert_int_equal(other.status, STATUS_NOT_PERMITTED);
	assert_string_equal(other.words, "only root and the user nobody may change a limit");
}

/* ---- Start ---- */

static void unknown_groups_are_refused_by_name(void **state)
{
	struct fixture *fixture = *state;
	char why[256];

	server_free(fixture->server);
	fixture->server = start(fixture, &ops, "no-such-group", "", why);
	assert_null(fixture->server);
	assert_string_equal(why, "socket-group: there is no group no-such-group");
	fixture->server = start(fixture, &ops, "", "nor-this", why);
	assert_null(fixture->server);
	assert_string_equal(why, "admin-group: there is no group nor-this");
}

static void second_server_on_the_path_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char why[256];

	assert_null(start(fixture, &ops, "", "", why));
	assert_non_null(strstr(why, "in use"));
	settle(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_of_one_connection_are_answered_in_turn),
		TEST(client_has_ten_seconds_from_an_answer_to_its_next_request),
		TEST(client_whose_request_waits_is_not_late),
		TEST(client_that_does_not_take_its_answer_is_closed),
		TEST(answers_may_come_later_and_overtake_each_other),
		TEST(client_that_went_before_its_answers_is_forgotten),
		TEST(client_that_closes_with_an_answer_on_its_way_does_no_harm),
		TEST(too_many_requests_at_once_are_busy),
		TEST(unknown_verb_and_other_protocol_are_told),
		TEST(host_is_handed_over_with_its_later_frames),
		TEST(host_that_is_refused_is_closed),
		TEST(daemon_without_hosts_says_so),
		TEST(other_first_frames_are_closed_with_a_line),
		TEST(host_hello_after_control_is_closed),
		TEST(silent_connection_ends_at_the_hello_deadline),
		TEST(crowd_of_silent_connections_does_not_keep_others_out),
		TEST(crowds_that_come_and_go_are_a_few_lines),
		TEST(hundred_that_come_at_once_are_all_answered),
		TEST(crowd_of_one_user_drives_out_its_own),
		TEST(user_has_so_many_places),
		TEST(hosts_take_places_too),
		TEST(host_without_a_place_is_told),
		TEST(root_has_places_of_its_own),
		TEST(hundred_that_are_turned_away_are_a_few_lines),
		TEST(clients_that_come_and_go_are_no_lines),
		TEST(clients_that_fail_are_a_few_lines),
		TEST(long_list_is_cut_to_fit_and_says_so),
		TEST(answer_that_cannot_be_cut_is_refused),
		TEST(everybody_may_read_and_only_some_may_change),
		TEST(admin_group_counts_as_own_and_as_supplementary_group),
		TEST(own_user_may_change),
		TEST(user_of_the_daemon_may_change_and_is_named),
		TEST(unknown_groups_are_refused_by_name),
		TEST(second_server_on_the_path_is_refused),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
