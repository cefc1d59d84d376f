/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers that mean harm, or are broken: each is refused for its own reason, in one line of the log, at once or at the
 * Hello deadline. And where a stream may end.
 */
#include "wire/conn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "tests/support/pair.h"

static const struct message release = { MESSAGE_RELEASE, .release = { 1, 2 } };

static void server_refuses_an_unknown_key(void **state)
{
	struct pair *pair = *state;
	char *log, *reason;

	pair->admitted_by_b = pair->key_b;
	capture_start();
	pair_connect_tls(pair);
	pair_settle(pair);
	log = capture_end();
	reason = xasprintf("the peer's key %s is not known here", pair->key_a);
	end_expect_closed(&pair->b, reason, false);
	assert_int_equal(pair->b.ups, 0);
	end_expect_closed(&pair->a, "the peer does not know this side's key", false);
	assert_int_equal(line_count(log), 2); /* one of each end */
	assert_non_null(strstr(log, reason));
	free(reason);
	free(log);
}

static void client_refuses_an_unknown_key(void **state)
{
	struct pair *pair = *state;
	char *log, *reason;

	pair->admitted_by_a = pair->key_a;
	capture_start();
	pair_connect_tls(pair);
	pair_settle(pair);
	log = capture_end();
	reason = xasprintf("the peer's key %s is not known here", pair->key_b);
	end_expect_closed(&pair->a, reason, false);
	assert_int_equal(pair->a.ups, 0);
	end_expect_closed(&pair->b, "the peer does not know this side's key", false);
	assert_int_equal(line_count(log), 2);
	free(reason);
	free(log);
}

/* b must close for this reason, log it in one line, and say nothing else. */
static void expect_refused(struct pair *pair, bool is_tls, const void *bytes, size_t count, const char *reason)
{
	int fd = pair_raw_to_b(pair, is_tls);
	char *log;

	capture_start();
	assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), count);
	pair_settle(pair);
	log = capture_end();
	assert_int_equal(pair->b.closes, 1);
	if (!strstr(pair->b.reason, reason))
		fail_msg("\"%s\" does not say \"%s\"", pair->b.reason, reason);
	assert_false(pair->b.clean);
	assert_int_equal(pair->b.frames, 0);
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, "warning: b: "));
	assert_non_null(strstr(log, reason));
	free(log);
	close(fd);
}

static void plain_text_instead_of_tls_is_refused(void **state)
{
	expect_refused(*state, true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, "plain text instead of TLS");
}

static void frames_without_tls_are_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, true, bytes, pair_put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0),
		"plain text instead of TLS");
}

static void wrong_magic_is_refused(void **state)
{
	expect_refused(*state, false, "GET / HTTP/1.1\r\n\r\n", 18,
		"frame magic is wrong (header 474554202f20485454502f312e310d0a)");
}

static void unknown_type_is_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, false, bytes, pair_put_frame(bytes, 77, NULL, 0, 0), "frame type 77 is unknown");
}

static void message_too_long_before_hello_is_refused_at_its_header(void **state)
{
	uint8_t bytes[64];

	pair_put_frame(bytes, MESSAGE_HELLO, NULL, 4097, 0);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "Hello has a message of 4097 bytes, at most 4096");
}

static void message_too_long_ever_is_refused_at_its_header(void **state)
{
	uint8_t bytes[64];

	pair_put_frame(bytes, MESSAGE_HELLO, NULL, 16385, 0);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "message is longer than 16 KiB");
}

static void payload_too_long_is_refused_at_its_header(void **state)
{
	uint8_t bytes[64];

	pair_put_frame(bytes, MESSAGE_READ_REPLY, NULL, 0, FRAME_PAYLOAD_BYTES_MAX + 1);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "payload is longer than 4 MiB");
}

static void payload_on_a_type_without_is_refused(void **state)
{
	uint8_t bytes[64];

	pair_put_frame(bytes, MESSAGE_HELLO, NULL, 4, 1);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "Hello has a payload of 1 bytes");
}

static void payload_nobody_waits_for_is_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, false, bytes, pair_put_frame(bytes, MESSAGE_READ_REPLY, "\x10\x01\x2a\x01\x01", 5, 1000),
		"ReadReply with a payload of 1000 bytes was not expected");
}

static void broken_rule_is_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, false, bytes, pair_put_frame(bytes, MESSAGE_HELLO, "\x08\x00", 2, 0),
		"Hello.protocol_min is 0");
}

static void amplification_is_refused(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES + 4096], fields[4096];

	for (size_t i = 0; i < sizeof(fields); i += 2) {
		fields[i] = 0x78;
		fields[i + 1] = 0x01;
	}
	expect_refused(*state, false, bytes, pair_put_frame(bytes, MESSAGE_HELLO, fields, sizeof(fields), 0),
		"takes more than 65536 bytes");
}

static void recursion_is_refused(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES + 4096], fields[4096];

	memset(fields, 0x2a, sizeof(fields));
	expect_refused(*state, false, bytes, pair_put_frame(bytes, MESSAGE_DEVICE_REPLY, fields, sizeof(fields), 0),
		"DeviceReply ");
}

/* Lets a raw client shake hands with b, which refuses it. */
static void expect_client_refused(struct pair *pair, const struct tls_identity *identity, int max_version,
	const char *reason)
{
	int fd = pair_raw_to_b(pair, true);
	struct raw_client *client = raw_client_new(fd, identity, max_version);
	char *log;

	capture_start();
	for (int i = 0; i < 20; i++) {
		raw_client_step(client);
		pair_pass(pair);
	}
	log = capture_end();
	end_expect_closed(&pair->b, reason, false);
	assert_int_equal(pair->b.ups, 0);
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, reason));
	free(log);
	raw_client_free(client);
	close(fd);
}

static void client_without_certificate_is_refused(void **state)
{
	expect_client_refused(*state, NULL, TLS1_3_VERSION, "the peer has no certificate");
}

static void client_of_tls_1_2_is_refused(void **state)
{
	struct pair *pair = *state;

	expect_client_refused(pair, pair->identity_a, TLS1_2_VERSION, "the peer does not speak TLS 1.3");
}

static void end_of_a_stream_is_clean_only_between_frames(void **state)
{
	uint8_t bytes[256], payload[32];
	size_t message_only, count;

	message_only = pair_put_frame(bytes, MESSAGE_RELEASE, "\x08\x01\x10\x02", 4, 0);
	count = message_only;
	count += pair_put_frame(bytes + count, MESSAGE_READ_REPLY, "\x10\x01\x2a\x01\x01", 5, sizeof(payload));
	memset(bytes + count, 'p', sizeof(payload));
	count += sizeof(payload);
	for (size_t cut = 0; cut <= count; cut++) {
		struct pair *pair = *state;
		bool is_between = cut == 0 || cut == message_only || cut == count;
		int fd = pair_raw_to_b(pair, false);
		char *log;

		pair->b.payload = payload;
		pair->b.payload_bytes_max = sizeof(payload);
		assert_int_equal(write(fd, bytes, cut), cut);
		close(fd);
		capture_start();
		assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
		log = capture_end();
		assert_int_equal(pair->b.clean, is_between);
		assert_int_equal(line_count(log), is_between ? 0 : 1);
		assert_int_equal(pair->b.frames, cut == count ? 2 : cut >= message_only ? 1 : 0);
		free(log);
		pair_tear_down(state);
		pair_set_up(state);
	}
}

static void frames_may_come_byte_by_byte(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];
	size_t count = pair_put_frame(bytes, MESSAGE_RELEASE, "\x08\x01\x10\x02", 4, 0);

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(pair->b.frames, 0);
		assert_int_equal(write(fd, bytes + i, 1), 1);
		pair_pass(pair);
		pair_pass(pair);
	}
	assert_int_equal(pair->b.frames, 1);
	assert_memory_equal(&pair->b.last, &release, sizeof(release));
	close(fd);
}

static void peer_that_vanishes_in_the_handshake_is_a_failure(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, true);

	pair_settle(pair);
	close(fd);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	end_expect_closed(&pair->b, "the peer closed the connection during the TLS handshake", false);
}

static void file_instead_of_a_socket_is_a_failure(void **state)
{
	struct pair *pair = *state;
	char *log;

	capture_start(); /* libevent complains too */
	pair_tls_b(pair, open("/dev/null", O_RDWR | O_CLOEXEC), open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	log = capture_end();
	assert_false(pair->b.clean);
	free(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(server_refuses_an_unknown_key),
		TEST(client_refuses_an_unknown_key),
		TEST(plain_text_instead_of_tls_is_refused),
		TEST(frames_without_tls_are_refused),
		TEST(wrong_magic_is_refused),
		TEST(unknown_type_is_refused),
		TEST(message_too_long_before_hello_is_refused_at_its_header),
		TEST(message_too_long_ever_is_refused_at_its_header),
		TEST(payload_too_long_is_refused_at_its_header),
		TEST(payload_on_a_type_without_is_refused),
		TEST(payload_nobody_waits_for_is_refused),
		TEST(broken_rule_is_refused),
		TEST(amplification_is_refused),
		TEST(recursion_is_refused),
		TEST(client_without_certificate_is_refused),
		TEST(client_of_tls_1_2_is_refused),
		TEST(end_of_a_stream_is_clean_only_between_frames),
		TEST(frames_may_come_byte_by_byte),
		TEST(peer_that_vanishes_in_the_handshake_is_a_failure),
		TEST(file_instead_of_a_socket_is_a_failure),
	};

	return cmocka_run_group_tests_name("conn_hostile", tests, NULL, NULL);
}
