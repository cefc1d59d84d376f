/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's end of the socket: the words when there is no daemon, no permission, no answer or a senseless one. The
 * daemon is a descriptor of this process that has its answer ready, so nothing waits but for a time limit.
 */
#include "local/control_client.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/pair.h"
#include "wire/conn.h"

#define TIMEOUT_MS 20

struct fixture {
	char folder[64];
	char path[96];
	int daemon, fd; /* a socket pair */
	char why[256];
	json_t *json;
	unsigned descriptors;
	struct message message;
};

/* Requests are numbered through the life of the process. */
static uint32_t requests_made;

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	int fds[2];

	fixture->descriptors = open_descriptor_count();
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/ra-client.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	assert_int_equal(chmod(fixture->folder, 0755), 0);
	snprintf(fixture->path, sizeof(fixture->path), "%s/primary.sock", fixture->folder);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fixture->daemon = fds[0];
	fixture->fd = fds[1];
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	json_decref(fixture->json);
	if (fixture->daemon >= 0)
		close(fixture->daemon);
	close(fixture->fd);
	assert_int_equal(rmdir(fixture->folder), 0);
	assert_int_equal(open_descriptor_count(), fixture->descriptors);
	free(fixture);
	return 0;
}

static int bind_socket(const char *path, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void expect_no_connection(struct fixture *fixture, int error, const char *path, const char *format)
{
	char expected[256];

	snprintf(expected, sizeof(expected), "%s%s", path, format);
	assert_int_equal(control_connect(path, NULL, fixture->why, sizeof(fixture->why)), error);
	assert_string_equal(fixture->why, expected);
}

static enum status call(struct fixture *fixture, enum control_verb verb)
{
	struct msg_control request = { .verb = verb, .name = "web1" };

	requests_made++;
	json_decref(fixture->json);
	return control_call(fixture->fd, &request, NULL, 0, TIMEOUT_MS, &fixture->json, fixture->why, sizeof(fixture->why));
}

/* What the daemon has said by the time it is asked. */
static void answer(struct fixture *fixture, uint32_t tag, enum status status, const char *detail, const char *json)
{
	uint8_t frame[FRAME_HEADER_BYTES + FRAME_MESSAGE_BYTES_MAX];
	size_t message_bytes;

	fixture->message.type = MESSAGE_CONTROL_REPLY;
	fixture->message.control_reply = (struct msg_control_reply){ .tag = tag, .status = status };
	snprintf(fixture->message.control_reply.detail, DETAIL_MAX + 1, "%s", detail);
	message_bytes = message_pack(&fixture->message, frame + FRAME_HEADER_BYTES);
	frame_encode(&(struct frame_header){ .type = MESSAGE_CONTROL_REPLY, .message_bytes = (uint32_t)message_bytes,
		.payload_bytes = (uint32_t)strlen(json) }, frame);
	assert_int_equal(write(fixture->daemon, frame, FRAME_HEADER_BYTES + message_bytes),
		FRAME_HEADER_BYTES + message_bytes);
	assert_int_equal(write(fixture->daemon, json, strlen(json)), strlen(json));
}

static void answer_is_given_as_json(void **state)
{
	struct fixture *fixture = *state;

	answer(fixture, requests_made + 1, STATUS_OK, "", "{\"hosts\":3}");
	assert_int_equal(call(fixture, VERB_JOBS), STATUS_OK);
	assert_int_equal(json_integer_value(json_object_get(fixture->json, "hosts")), 3);
	assert_int_equal(conn_read_one(fixture->daemon, MESSAGE_CONTROL, &fixture->message), 0);
	assert_int_equal(fixture->message.control.protocol, RA_PROTOCOL_VERSION);
	assert_int_equal(fixture->message.control.verb, VERB_JOBS);
	assert_string_equal(fixture->message.control.name, "web1");
	/* And once more on the same connection. */
	answer(fixture, requests_made + 1, STATUS_OK, "", "{\"hosts\":4}");
	assert_int_equal(call(fixture, VERB_STATUS), STATUS_OK);
	assert_int_equal(json_integer_value(json_object_get(fixture->json, "hosts")), 4);
}

static void payload_goes_with_the_request(void **state)
{
	struct fixture *fixture = *state;
	struct msg_control request = { .verb = VERB_TRACKS, .action = TRACKS_MARK };
	uint8_t head[FRAME_HEADER_BYTES], text[256];
	struct frame_header header;
	const char *words;

	answer(fixture, ++requests_made, STATUS_OK, "", "{}");
	assert_int_equal(control_call(fixture->fd, &request, "some bytes", 10, TIMEOUT_MS, &fixture->json, fixture->why,
		sizeof(fixture->why)), STATUS_OK);
	assert_int_equal(read(fixture->daemon, head, sizeof(head)), sizeof(head));
	assert_int_equal(frame_decode(head, &header, &words), 0);
	assert_int_equal(header.payload_bytes, 10);
	assert_int_equal(read(fixture->daemon, text, sizeof(text)), header.message_bytes + 10);
	assert_memory_equal(text + header.message_bytes, "some bytes", 10);
}

static void refusal_is_given_with_its_words(void **state)
{
	struct fixture *fixture = *state;

	answer(fixture, requests_made + 1, STATUS_NOT_PERMITTED, "only root may change a limit", "");
	assert_int_equal(call(fixture, VERB_LIMIT), STATUS_NOT_PERMITTED);
	assert_string_equal(fixture->why, "only root may change a limit");
	assert_null(fixture->json);
}

static void silent_daemon_is_waited_for_until_the_limit(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(call(fixture, VERB_STATUS), STATUS_LINK_LOST);
	assert_string_equal(fixture->why, "no answer within 0.02 s: is the daemon stopped?");
}

static void daemon_that_stops_inside_an_answer_is_waited_for_until_the_limit(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write(fixture->daemon, "RA\1", 3), 3);
	assert_int_equal(call(fixture, VERB_STATUS), STATUS_LINK_LOST);
	assert_string_equal(fixture->why, "no answer within 0.02 s: is the daemon stopped?");
}

static void daemon_that_closes_is_told(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(shutdown(fixture->daemon, SHUT_WR), 0);
	assert_int_equal(call(fixture, VERB_STATUS), STATUS_LINK_LOST);
	assert_string_equal(fixture->why, "the daemon closed the connection without an answer");
}

static void daemon_that_is_gone_is_an_error_and_no_signal(void **state)
{
	struct fixture *fixture = *state;

	signal(SIGPIPE, SIG_DFL);
	close(fixture->daemon);
	fixture->daemon = -1;
	assert_int_equal(call(fixture, VERB_STATUS), STATUS_LINK_LOST);
	assert_string_equal(fixture->why, "the request cannot be sent: the daemon closed the connection");
}

static void expect_no_sense(struct fixture *fixture)
{
	char *log;

	capture_start();
	assert_int_equal(call(fixture, VERB_STATUS), STATUS_LINK_LOST);
	log = capture_end();
	free(log);
	assert_string_equal(fixture->why, "the answer makes no sense");
}

static void answer_that_makes_no_sense_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write(fixture->daemon, "HTTP/1.1 400 Bad Request", 24), 24);
	expect_no_sense(fixture);
}

static void answer_to_another_request_is_refused(void **state)
{
	struct fixture *fixture = *state;

	answer(fixture, requests_made + 2, STATUS_OK, "", "{}");
	expect_no_sense(fixture);
}

static void answer_of_another_type_is_refused(void **state)
{
	static const struct message done = { MESSAGE_DONE, .done = { .tag = 1, .status = STATUS_OK } };
	struct fixture *fixture = *state;

	assert_int_equal(conn_write_one(fixture->daemon, &done), 0);
	expect_no_sense(fixture);
}

static void answer_that_is_no_json_is_refused(void **state)
{
	struct fixture *fixture = *state;

	answer(fixture, requests_made + 1, STATUS_OK, "", "{\"hosts\":");
	assert_int_equal(call(fixture, VERB_STATUS), STATUS_LINK_LOST);
	assert_non_null(strstr(fixture->why, "the answer is no JSON: "));
	answer(fixture, requests_made + 1, STATUS_OK, "", "");
	assert_int_equal(call(fixture, VERB_STATUS), STATUS_LINK_LOST);
	assert_non_null(strstr(fixture->why, "the answer is no JSON: "));
}

/* ---- Connecting ---- */

static void connection_is_made_and_blocking(void **state)
{
	struct fixture *fixture = *state;
	int listening = bind_socket(fixture->path, 1);
	int fd = control_connect(fixture->path, NULL, fixture->why, sizeof(fixture->why));

	assert_true(fd >= 0);
	close(fd);
	close(listening);
	unlink(fixture->path);
}

static void missing_daemon_is_named(void **state)
{
	struct fixture *fixture = *state;

	expect_no_connection(fixture, -ENOENT, fixture->path, " does not exist: is ra-primaryd running?");
	strcpy(strrchr(fixture->path, '/'), "/secondary.sock");
	close(bind_socket(fixture->path, 1)); /* as one that was killed leaves it */
	expect_no_connection(fixture, -ECONNREFUSED, fixture->path, ": nobody listens there: is ra-secondaryd running?");
	unlink(fixture->path);
	strcpy(strrchr(fixture->path, '/'), "/sock");
	expect_no_connection(fixture, -ENOENT, fixture->path, " does not exist: is the daemon running?");
	assert_int_equal(control_connect(fixture->path, "ra-primaryd", fixture->why, sizeof(fixture->why)), -ENOENT);
	assert_non_null(strstr(fixture->why, " does not exist: is ra-primaryd running?"));
}

static void path_too_long_is_told(void **state)
{
	char path[120];

	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	expect_no_connection(*state, -ENAMETOOLONG, path, ": the path of a socket may have 107 bytes at most");
}

static void who_may_connect_is_told_to_others(void **state)
{
	struct fixture *fixture = *state;
	const struct group *group = getgrnam("daemon");
	int listening;

	if (getuid() != 0 || !group)
		skip();
	listening = bind_socket(fixture->path, 1);
	assert_int_equal(chown(fixture->path, 0, group->gr_gid) | chmod(fixture->path, 0660), 0);
	assert_int_equal(seteuid(65534), 0);
	expect_no_connection(fixture, -EACCES, fixture->path, ": only root and members of the group daemon may connect");
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(fixture->path, 0600), 0);
	assert_int_equal(seteuid(65534), 0);
	expect_no_connection(fixture, -EACCES, fixture->path, ": you may not connect; root may "
		"(socket-group in ra.conf lets others)");
	assert_int_equal(seteuid(0), 0);
	close(listening);
	unlink(fixture->path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answer_is_given_as_json),
		TEST(payload_goes_with_the_request),
		TEST(refusal_is_given_with_its_words),
		TEST(silent_daemon_is_waited_for_until_the_limit),
		TEST(daemon_that_stops_inside_an_answer_is_waited_for_until_the_limit),
		TEST(daemon_that_closes_is_told),
		TEST(daemon_that_is_gone_is_an_error_and_no_signal),
		TEST(answer_that_makes_no_sense_is_refused),
		TEST(answer_to_another_request_is_refused),
		TEST(answer_of_another_type_is_refused),
		TEST(answer_that_is_no_json_is_refused),
		TEST(connection_is_made_and_blocking),
		TEST(missing_daemon_is_named),
		TEST(path_too_long_is_told),
		TEST(who_may_connect_is_told_to_others),
	};

	return cmocka_run_group_tests_name("control_client", tests, NULL, NULL);
}
