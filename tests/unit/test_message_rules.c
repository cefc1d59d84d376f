/* SPDX-License-Identifier: Apache-2.0
 *
 * Each rule of the border, with a message that breaks it and one that just does not. They are made by the generated
 * code, which knows no rules.
 */
#include "wire/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <protobuf-c/protobuf-c.h>

#include "ra.pb-c.h"

static const char key[] = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static char why[DETAIL_MAX + 1];
static struct message got;

/* Packs a message as it stands, rules or not. */
static size_t raw_pack(const void *wire, uint8_t *out, size_t room)
{
	size_t bytes = protobuf_c_message_get_packed_size(wire);

	assert_true(bytes <= room);
	return protobuf_c_message_pack(wire, out);
}

static int unpack_raw(enum message_type type, const void *wire)
{
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];

	why[0] = '\0';
	return message_unpack(type, bytes, raw_pack(wire, bytes, sizeof(bytes)), &got, why);
}

#define ACCEPTED(type, wire) assert_int_equal(unpack_raw((type), (wire)), 0)
/* The words name the field. */
#define REFUSED(type, wire, field) \
	do { \
		assert_int_equal(unpack_raw((type), (wire)), -EPROTO); \
		if (!strstr(why, (field))) \
			fail_msg("\"%s\" does not name %s", why, (field)); \
	} while (0)

static void hello_rules(void **state)
{
	Ra__Hello hello = RA__HELLO__INIT;
	Ra__HelloReply reply = RA__HELLO_REPLY__INIT;

	(void)state;
	hello.protocol_min = hello.protocol_max = 1;
	ACCEPTED(MESSAGE_HELLO, &hello);
	hello.protocol_min = 2;
	REFUSED(MESSAGE_HELLO, &hello, "Hello.protocol_max is 1");
	hello.protocol_min = 0;
	REFUSED(MESSAGE_HELLO, &hello, "Hello.protocol_min is 0");

	reply.status = RA__STATUS__STATUS_VERSION;
	ACCEPTED(MESSAGE_HELLO_REPLY, &reply);
	reply.status = RA__STATUS__STATUS_BUSY;
	ACCEPTED(MESSAGE_HELLO_REPLY, &reply);
	reply.status = RA__STATUS__STATUS_OK;
	REFUSED(MESSAGE_HELLO_REPLY, &reply, "protocol");
	reply.protocol = 1;
	REFUSED(MESSAGE_HELLO_REPLY, &reply, "window_reads");
	reply.window_reads = 1024;
	REFUSED(MESSAGE_HELLO_REPLY, &reply, "secondary_id");
	reply.secondary_id = 65535;
	ACCEPTED(MESSAGE_HELLO_REPLY, &reply);
	reply.secondary_id = 65536;
	REFUSED(MESSAGE_HELLO_REPLY, &reply, "secondary_id is 65536");
	reply.secondary_id = 1;
	reply.window_reads = 1025;
	REFUSED(MESSAGE_HELLO_REPLY, &reply, "window_reads is 1025");
	reply.window_reads = 1;
	reply.status = RA__STATUS__STATUS_QUEUE_FULL;
	REFUSED(MESSAGE_HELLO_REPLY, &reply, "HelloReply.status is 6");
}

static void device_rules(void **state)
{
	Ra__DeviceReply reply = RA__DEVICE_REPLY__INIT;
	Ra__Volume volume = RA__VOLUME__INIT;

	(void)state;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "status is 0");
	reply.status = RA__STATUS__STATUS_OK;
	reply.track_bytes = 65536;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "Volume.kind is 0");
	reply.volume = &volume;
	volume.kind = RA__VOLUME_KIND__VOLUME_KIND_BLOCK;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "Volume.io is 0");
	volume.io = RA__IO_MODE__IO_MODE_AUTO;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "Volume.io is 3");
	volume.io = RA__IO_MODE__IO_MODE_DIRECT;
	ACCEPTED(MESSAGE_DEVICE_REPLY, &reply);
	volume.size_bytes = (uint64_t)INT64_MAX + 1;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "size_bytes");
	volume.size_bytes = 0;
	reply.device_number = 256;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "device_number is 256");
	reply.device_number = 0;
	static const uint32_t wrong[] = { 0, 1, 2048, 4095, 4097, 65535, 1048577, 2097152 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		reply.track_bytes = wrong[i];
		REFUSED(MESSAGE_DEVICE_REPLY, &reply, "track_bytes");
	}
	reply.track_bytes = 4096;
	reply.status = (Ra__Status)18;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "status is 18");
	reply.status = (Ra__Status)-1;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "status");
	reply.status = RA__STATUS__STATUS_DISCONNECT;
	REFUSED(MESSAGE_DEVICE_REPLY, &reply, "status");
}

static void volume_of_a_failed_reply_is_dropped(void **state)
{
	Ra__DeviceReply reply = RA__DEVICE_REPLY__INIT;
	Ra__Volume volume = RA__VOLUME__INIT;
	const struct volume_info zero = { 0 };

	(void)state;
	reply.status = RA__STATUS__STATUS_VOLUME_ERROR;
	reply.volume = &volume;
	volume.size_bytes = 7;
	ACCEPTED(MESSAGE_DEVICE_REPLY, &reply);
	assert_memory_equal(&got.device_reply.volume, &zero, sizeof(zero));
}

static void name_rules(void **state)
{
	static const char *const good[] = { "a", "web1", "A.b_c-9", "_x" };
	static const char *const bad[] = { "", ".", "..", "-x", ".x", "a/b", "a b", "a\n", "\xc3\xa4" };
	char long_name[65];
	Ra__DeviceQuery query = RA__DEVICE_QUERY__INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		query.device = (char *)good[i];
		ACCEPTED(MESSAGE_DEVICE_QUERY, &query);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		query.device = (char *)bad[i];
		REFUSED(MESSAGE_DEVICE_QUERY, &query, "DeviceQuery.device");
		REFUSED(MESSAGE_HOST_OPEN, &query, "HostOpen.device");
	}
	memset(long_name, 'x', sizeof(long_name));
	long_name[63] = '\0';
	query.device = long_name;
	ACCEPTED(MESSAGE_DEVICE_QUERY, &query);
	long_name[63] = 'x';
	long_name[64] = '\0';
	REFUSED(MESSAGE_DEVICE_QUERY, &query, "device has 64 bytes");
	assert_false(device_name_is_valid(long_name));
}

static void read_rules(void **state)
{
	Ra__Read read = RA__READ__INIT;

	(void)state;
	ACCEPTED(MESSAGE_READ, &read); /* only makes a job */
	read.track_count = 1;
	REFUSED(MESSAGE_READ, &read, "link_id is 0");
	read.track_count = 0;
	read.reread = 1;
	REFUSED(MESSAGE_READ, &read, "link_id is 0");
	read.reread = 0;
	read.end_bytes = 1;
	REFUSED(MESSAGE_READ, &read, "link_id is 0");
	read.end_bytes = 0;
	read.digest = RA__DIGEST__DIGEST_SHA256;
	REFUSED(MESSAGE_READ, &read, "link_id is 0");
	read.digest = RA__DIGEST__DIGEST_UNSPECIFIED;
	read.link_id = 1;
	REFUSED(MESSAGE_READ, &read, "delivery is 0");
	read.delivery = (Ra__Delivery)4;
	REFUSED(MESSAGE_READ, &read, "delivery is 4");
	read.delivery = RA__DELIVERY__DELIVERY_POLL;
	REFUSED(MESSAGE_READ, &read, "track_count is 0");
	read.track_count = 65;
	REFUSED(MESSAGE_READ, &read, "track_count is 65");
	read.digest = (Ra__Digest)3;
	REFUSED(MESSAGE_READ, &read, "digest is 3");
	read.digest = RA__DIGEST__DIGEST_XXH3_128;
	REFUSED(MESSAGE_READ, &read, "end_bytes is 0 with digest 1");
	read.end_bytes = (uint64_t)INT64_MAX + 1;
	REFUSED(MESSAGE_READ, &read, "end_bytes");
	read.end_bytes = 1;
	read.track_count = RUN_DIGESTS_MAX;
	ACCEPTED(MESSAGE_READ, &read);
	read.track_count++;
	REFUSED(MESSAGE_READ, &read, "track_count is 1025");
	read.track_count = 64;
	read.digest = RA__DIGEST__DIGEST_UNSPECIFIED;
	REFUSED(MESSAGE_READ, &read, "end_bytes is 1 with digest 0");
	read.end_bytes = 0;
	read.first_track = UINT64_MAX - 64;
	ACCEPTED(MESSAGE_READ, &read);
	read.first_track++;
	REFUSED(MESSAGE_READ, &read, "first_track");
	read.first_track = 0;
	read.device_number = 256;
	REFUSED(MESSAGE_READ, &read, "device_number");
}

static void read_reply_rules(void **state)
{
	uint8_t states[RUN_DIGESTS_MAX + 1];
	Ra__ReadReply reply = RA__READ_REPLY__INIT;

	(void)state;
	memset(states, TRACK_ZERO, sizeof(states));
	reply.states.data = states;
	reply.status = RA__STATUS__STATUS_OK;
	REFUSED(MESSAGE_READ_REPLY, &reply, "states has 0 bytes");
	reply.link_id = 1; /* a job was made */
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
	reply.states.len = 1;
	REFUSED(MESSAGE_READ_REPLY, &reply, "states has 1 bytes");
	reply.link_id = 0;
	reply.states.len = RUN_DIGESTS_MAX;
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
	assert_int_equal(got.read_reply.track_count, RUN_DIGESTS_MAX);
	reply.states.len++;
	REFUSED(MESSAGE_READ_REPLY, &reply, "states has 1025 bytes");
	reply.states.len = 2;
	reply.hole_tracks = 1;
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
	states[1] = TRACK_EIO;
	REFUSED(MESSAGE_READ_REPLY, &reply, "hole_tracks is 1");
	states[1] = TRACK_HOLE;
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
	reply.hole_tracks = TRACKS_END + 1;
	REFUSED(MESSAGE_READ_REPLY, &reply, "hole_tracks");
	reply.hole_tracks = 0;
	reply.states.len = 2;
	states[1] = 0;
	REFUSED(MESSAGE_READ_REPLY, &reply, "states has the value 0");
	states[1] = 6;
	REFUSED(MESSAGE_READ_REPLY, &reply, "states has the value 6");
	states[1] = 5;
	reply.status = RA__STATUS__STATUS_RECONNECT;
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
	reply.status = RA__STATUS__STATUS_DATA_NOT_FOUND;
	REFUSED(MESSAGE_READ_REPLY, &reply, "states has 2 bytes");
	reply.states.len = 0;
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
	reply.link_id = 1;
	REFUSED(MESSAGE_READ_REPLY, &reply, "link_id");
	reply.link_id = 0;
	reply.status = RA__STATUS__STATUS_RECONNECT;
	REFUSED(MESSAGE_READ_REPLY, &reply, "states has 0 bytes");
	reply.status = RA__STATUS__STATUS_LINK_LOST;
	REFUSED(MESSAGE_READ_REPLY, &reply, "status");
}

static void host_hello_rules(void **state)
{
	Ra__HostHello hello = RA__HOST_HELLO__INIT;

	(void)state;
	hello.protocol_min = hello.protocol_max = 1;
	hello.slot_count = 1024;
	hello.slot_bytes = 65536;
	ACCEPTED(MESSAGE_HOST_HELLO, &hello); /* exactly 64 MiB */
	hello.slot_bytes = 69632;
	REFUSED(MESSAGE_HOST_HELLO, &hello, "slot_count");
	hello.slot_count = 1025;
	REFUSED(MESSAGE_HOST_HELLO, &hello, "slot_count is 1025");
	hello.slot_count = 0;
	REFUSED(MESSAGE_HOST_HELLO, &hello, "slot_count is 0");
	hello.slot_count = 1;
	hello.slot_bytes = 0;
	REFUSED(MESSAGE_HOST_HELLO, &hello, "slot_bytes is 0");
	hello.slot_bytes = 4097;
	REFUSED(MESSAGE_HOST_HELLO, &hello, "slot_bytes is 4097");
	hello.slot_bytes = 4194304 + 4096;
	REFUSED(MESSAGE_HOST_HELLO, &hello, "slot_bytes");
	hello.slot_bytes = 4096;
	hello.protocol_min = 3;
	REFUSED(MESSAGE_HOST_HELLO, &hello, "protocol_max");
}

static void host_reply_rules(void **state)
{
	Ra__HostHelloReply hello = RA__HOST_HELLO_REPLY__INIT;
	Ra__HostOpenReply open = RA__HOST_OPEN_REPLY__INIT;
	Ra__HostReadReply read = RA__HOST_READ_REPLY__INIT;
	uint8_t data_state = TRACK_DATA;

	(void)state;
	hello.status = RA__STATUS__STATUS_OK;
	REFUSED(MESSAGE_HOST_HELLO_REPLY, &hello, "protocol");
	open.status = RA__STATUS__STATUS_TIMEOUT;
	open.failed_side = (Ra__Side)3;
	REFUSED(MESSAGE_HOST_OPEN_REPLY, &open, "failed_side is 3");
	open.failed_side = RA__SIDE__SIDE_REMOTE;
	ACCEPTED(MESSAGE_HOST_OPEN_REPLY, &open);
	open.track_bytes = 5000;
	REFUSED(MESSAGE_HOST_OPEN_REPLY, &open, "track_bytes is 5000");
	open.status = RA__STATUS__STATUS_OK;
	open.track_bytes = 4096;
	REFUSED(MESSAGE_HOST_OPEN_REPLY, &open, "Volume.kind");
	read.status = RA__STATUS__STATUS_OK;
	REFUSED(MESSAGE_HOST_READ_REPLY, &read, "states");
	read.states = (ProtobufCBinaryData){ .len = 1, .data = &data_state };
	ACCEPTED(MESSAGE_HOST_READ_REPLY, &read);
	read.status = RA__STATUS__STATUS_DISCONNECT;
	REFUSED(MESSAGE_HOST_READ_REPLY, &read, "status is 3");
}

static void host_read_rules(void **state)
{
	Ra__HostRead read = RA__HOST_READ__INIT;

	(void)state;
	read.track_count = 1;
	REFUSED(MESSAGE_HOST_READ, &read, "side is 0");
	read.side = RA__SIDE__SIDE_LOCAL;
	ACCEPTED(MESSAGE_HOST_READ, &read);
	read.side = RA__SIDE__SIDE_REMOTE;
	REFUSED(MESSAGE_HOST_READ, &read, "delivery");
	read.delivery = RA__DELIVERY__DELIVERY_HOLD;
	ACCEPTED(MESSAGE_HOST_READ, &read);
	read.stream = 64;
	REFUSED(MESSAGE_HOST_READ, &read, "stream is 64");
	read.stream = 63;
	read.slot = 1024;
	REFUSED(MESSAGE_HOST_READ, &read, "slot is 1024");
	read.slot = 0;
	read.track_count = 0;
	REFUSED(MESSAGE_HOST_READ, &read, "track_count");
	read.track_count = 65;
	REFUSED(MESSAGE_HOST_READ, &read, "track_count is 65");
	read.digest = RA__DIGEST__DIGEST_SHA256;
	REFUSED(MESSAGE_HOST_READ, &read, "end_bytes");
	read.end_bytes = 1;
	ACCEPTED(MESSAGE_HOST_READ, &read);
	read.track_count = 64;
	read.first_track = UINT64_MAX;
	REFUSED(MESSAGE_HOST_READ, &read, "first_track");
}

static void setup_rules(void **state)
{
	char long_text[9000];
	Ra__Setup setup = RA__SETUP__INIT;

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	long_text[IDENTITY_PEM_BYTES_MAX] = '\0';
	setup.volume_path = (char *)"/x";
	setup.identity_pem = (char *)"pem";
	setup.peer_key = (char *)key;
	setup.track_bytes = 65536;
	setup.io = RA__IO_MODE__IO_MODE_AUTO;
	ACCEPTED(MESSAGE_SETUP, &setup);
	setup.volume_path = (char *)"";
	REFUSED(MESSAGE_SETUP, &setup, "volume_path");
	setup.volume_path = long_text + IDENTITY_PEM_BYTES_MAX - PATH_BYTES_MAX;
	REFUSED(MESSAGE_SETUP, &setup, "volume_path has 4096 bytes");
	setup.volume_path++;
	ACCEPTED(MESSAGE_SETUP, &setup);
	setup.identity_pem = long_text;
	REFUSED(MESSAGE_SETUP, &setup, "identity_pem has 8192 bytes");
	setup.identity_pem = long_text + 1;
	ACCEPTED(MESSAGE_SETUP, &setup);
	setup.io = RA__IO_MODE__IO_MODE_UNSPECIFIED;
	REFUSED(MESSAGE_SETUP, &setup, "io is 0");
	setup.io = RA__IO_MODE__IO_MODE_DIRECT;
	setup.track_bytes = 0;
	REFUSED(MESSAGE_SETUP, &setup, "track_bytes is 0");
	setup.track_bytes = 4096;
	setup.peer_key = (char *)"sha256:00";
	REFUSED(MESSAGE_SETUP, &setup, "peer_key");
}

static void control_bytes_in_words_become_question_marks(void **state)
{
	Ra__ReadReply reply = RA__READ_REPLY__INIT;

	(void)state;
	reply.status = RA__STATUS__STATUS_TIMEOUT;
	reply.detail = (char *)"a\nb\x1b[1m\x7f\t\xc3\xa4";
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
	assert_string_equal(got.read_reply.detail, "a?b?[1m??\xc3\xa4");
}

static void words_that_are_too_long_are_refused(void **state)
{
	char text[DETAIL_MAX + 2];
	Ra__ReadReply reply = RA__READ_REPLY__INIT;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[DETAIL_MAX + 1] = '\0';
	reply.status = RA__STATUS__STATUS_TIMEOUT;
	reply.detail = text;
	REFUSED(MESSAGE_READ_REPLY, &reply, "detail has 256 bytes");
	reply.detail = text + 1;
	ACCEPTED(MESSAGE_READ_REPLY, &reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_rules),
		cmocka_unit_test(device_rules),
		cmocka_unit_test(volume_of_a_failed_reply_is_dropped),
		cmocka_unit_test(name_rules),
		cmocka_unit_test(read_rules),
		cmocka_unit_test(read_reply_rules),
		cmocka_unit_test(host_hello_rules),
		cmocka_unit_test(host_reply_rules),
		cmocka_unit_test(host_read_rules),
		cmocka_unit_test(setup_rules),
		cmocka_unit_test(control_bytes_in_words_become_question_marks),
		cmocka_unit_test(words_that_are_too_long_are_refused),
	};

	return cmocka_run_group_tests_name("message_rules", tests, NULL, NULL);
}
