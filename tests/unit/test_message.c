/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages as bytes: the exact ones of some messages, each type there and back, and bytes that are no message or want
 * to take more memory than they may. The rules of the fields are in test_message_rules.c.
 */
#include "wire/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <protobuf-c/protobuf-c.h>

#include "base/alloc.h"
#include "ra.pb-c.h"

static const char key[] = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static char why[DETAIL_MAX + 1];
static struct message got;

/* One valid message of each type, with every field set that may be. */
static const struct message valid[] = {
	{ MESSAGE_HELLO, .hello = { 1, 2, 3, "ra 0.1.0" } },
	{ MESSAGE_HELLO_REPLY, .hello_reply = { STATUS_OK, 1, 5, 32, 7, "ra 0.1.0" } },
	{ MESSAGE_DEVICE_QUERY, .device_query = { 9, "web1" } },
	{ MESSAGE_DEVICE_REPLY, .device_reply = { 9, STATUS_OK, 255, 65536, { INT64_MAX, VOLUME_KIND_FILE, IO_MODE_DIRECT,
		UINT64_MAX, 2, 3, "/dev/a\nb", INT64_MAX, 512, true, "file 801:7" }, "none", true } },
	{ MESSAGE_DETACH, .detach = { 1, 2 } },
	{ MESSAGE_READ, .read = { 1, UINT64_MAX, 3, UINT64_MAX - 64, 64, DELIVERY_HOLD, 8, true } },
	{ MESSAGE_READ_REPLY, .read_reply = { 1, STATUS_RECONNECT, 0, 4, 5, { 1, 2, 3, 4, 5 }, "five", 6, 7, 8 } },
	{ MESSAGE_RELEASE, .release = { 1, 2 } },
	{ MESSAGE_DONE, .done = { UINT32_MAX, STATUS_BAD_LINK_ID } },
	{ MESSAGE_PING, .ping = { 77 } },
	{ MESSAGE_PONG, .pong = { 78 } },
	{ MESSAGE_HOST_HELLO, .host_hello = { 1, 1, 16, 4194304, "ra" } },
	{ MESSAGE_HOST_HELLO_REPLY, .host_hello_reply = { STATUS_OK, 1, "ra" } },
	{ MESSAGE_HOST_OPEN, .host_open = { 1, "volume", 900000, UINT64_MAX, true, "me", true } },
	{ MESSAGE_HOST_STATUS, .host_status = { 1 } },
	{ MESSAGE_HOST_OPEN_REPLY, .host_open_reply = { 1, STATUS_OK, SIDE_UNSET, 4096,
		{ 1, VOLUME_KIND_FILE, IO_MODE_BUFFERED, 2, 3, 4, "a" },
		{ 5, VOLUME_KIND_BLOCK, IO_MODE_DIRECT, 6, 7, 0, "b", 9, 4, true, "dm x" }, 99, "both", 2, true, 3, 5000 } },
	{ MESSAGE_HOST_READ, .host_read = { 1, SIDE_REMOTE, 63, 2, 64, 1023, DELIVERY_POLL, 5, true } },
	{ MESSAGE_HOST_READ_REPLY, .host_read_reply = { 1, STATUS_OK, 0, 1, { 2 }, true, true, "one", 7, 8, 9 } },
	{ MESSAGE_HOST_RELEASE, .host_release = { 3 } },
	{ MESSAGE_SETUP, .setup = { "/tmp/x", "-----BEGIN\n", "", 1048576, 1, IO_MODE_AUTO, true, 1 } },
	{ MESSAGE_RESERVE, .reserve = { 1, 2, "ra-compare[3] on a", true } },
	{ MESSAGE_RESERVE_REPLY, .reserve_reply = { 1, STATUS_OK, 4, "granted", true } },
	{ MESSAGE_INVALID, .invalid = { 1, 2 } },
	{ MESSAGE_INVALID_REPLY, .invalid_reply = { 1, STATUS_NO_SUCH_DEVICE, "gone" } },
	{ MESSAGE_HOST_LOAD, .host_load = { 1, RECORD_LAYOUT } },
	{ MESSAGE_HOST_SAVE, .host_save = { 1, RECORD_REPORT } },
	{ MESSAGE_HOST_RECORD_REPLY, .host_record_reply = { 1, STATUS_BUSY, "taken" } },
	{ MESSAGE_HOST_PROGRESS, .host_progress = { "settling", 1, 2, 3, 4, 5, 6, "link", 7, 8 } },
	{ MESSAGE_UNRESERVE, .unreserve = { 1, 2, 4 } },
	{ MESSAGE_HOST_LINK, .host_link = { true, 2, "reset", true } },
	{ MESSAGE_CONTROL, .control = { 1, 1, VERB_LIMIT, "web1", SCOPE_DEVICE, true, 2, true, UINT64_MAX,
		TRACKS_CLEAR, 9, 10, 4 } },
	{ MESSAGE_CONTROL_REPLY, .control_reply = { 1, STATUS_NOT_PERMITTED, "only root" } },
	{ MESSAGE_SETUP_REPLY, .setup_reply = { STATUS_VERSION, 2, "ra 9" } },
};
#define VALID_COUNT (sizeof(valid) / sizeof(valid[0]))

static struct message *valid_copy(enum message_type type)
{
	struct message *copy = xcalloc(1, sizeof(*copy));

	for (size_t i = 0; i < VALID_COUNT; i++) {
		if (valid[i].type == type)
			*copy = valid[i];
	}
	if (type == MESSAGE_SETUP)
		strcpy(copy->setup.peer_key, key);
	assert_int_equal(copy->type, type);
	return copy;
}

static void each_type_goes_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALID_COUNT; i++) {
		struct message *message = valid_copy(valid[i].type);
		uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];
		size_t count = message_pack(message, bytes);

		memset(&got, 0xa5, sizeof(got));
		assert_int_equal(message_unpack(message->type, bytes, count, &got, why), 0);
		assert_memory_equal(&got, message, sizeof(got));
		free(message);
	}
}

static void read_has_its_golden_bytes(void **state)
{
	static const uint8_t golden[] = {
		0x08, 0x05, 0x10, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0x01, 0x18, 0x02, 0x20,
		0xac, 0x02, 0x28, 0x10, 0x30, 0x01, 0x38, 0x09, 0x40, 0x01 };
	const struct message message = { MESSAGE_READ, .read = { .tag = 5, .link_id = 0x0003000000000001,
		.device_number = 2,
		.first_track = 300, .track_count = 16, .delivery = DELIVERY_DISCONNECT, .floor = 9, .reread = true } };
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];

	(void)state;
	assert_int_equal(message_pack(&message, bytes), sizeof(golden));
	assert_memory_equal(bytes, golden, sizeof(golden));
}

static void read_reply_has_its_golden_bytes(void **state)
{
	static const uint8_t golden[] = {
		0x08, 0x05, 0x10, 0x01, 0x2a, 0x03, 0x01, 0x02, 0x04, 0x32, 0x02, 'h', 'i' };
	const struct message message = { MESSAGE_READ_REPLY, .read_reply = { .tag = 5, .status = STATUS_OK,
		.track_count = 3, .states = { TRACK_DATA, TRACK_ZERO, TRACK_EIO }, .detail = "hi" } };
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];

	(void)state;
	assert_int_equal(message_pack(&message, bytes), sizeof(golden));
	assert_memory_equal(bytes, golden, sizeof(golden));
}

static void hello_has_its_golden_bytes(void **state)
{
	static const uint8_t golden[] = {
		0x08, 0x01, 0x10, 0x02, 0x18, 0x80, 0x01, 0x22, 0x02, 'r', 'a' };
	const struct message message = { MESSAGE_HELLO, .hello = { 1, 2, 128, "ra" } };
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];

	(void)state;
	assert_int_equal(message_pack(&message, bytes), sizeof(golden));
	assert_memory_equal(bytes, golden, sizeof(golden));
}

static void message_without_set_fields_has_no_bytes(void **state)
{
	const struct message message = { MESSAGE_PING, .ping = { 0 } };
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];

	(void)state;
	assert_int_equal(message_pack(&message, bytes), 0);
	assert_int_equal(message_unpack(MESSAGE_PING, bytes, 0, &got, why), 0);
	assert_int_equal(got.type, MESSAGE_PING);
}

static uint32_t payload_bytes_of(unsigned type)
{
	switch (type) {
	case MESSAGE_READ_REPLY:
	case MESSAGE_HOST_SAVE:
	case MESSAGE_HOST_RECORD_REPLY:
		return FRAME_PAYLOAD_BYTES_MAX;
	case MESSAGE_CONTROL:
	case MESSAGE_CONTROL_REPLY:
		return CONTROL_PAYLOAD_BYTES_MAX;
	case MESSAGE_INVALID_REPLY:
		return TRACK_SET_PAYLOAD_BYTES_MAX;
	default:
		return 0;
	}
}

static void names_and_payload_limits_follow_the_type(void **state)
{
	(void)state;
	assert_string_equal(message_name(MESSAGE_READ_REPLY), "ReadReply");
	assert_string_equal(message_name(MESSAGE_SETUP), "Setup");
	for (unsigned type = 0; type <= 300; type++) {
		bool is_known = false;

		for (size_t i = 0; i < VALID_COUNT; i++)
			is_known = is_known || valid[i].type == type;
		assert_int_equal(strcmp(message_name(type), "unknown") != 0, is_known);
		assert_int_equal(message_payload_bytes_max(type), payload_bytes_of(type));
	}
}

static void unknown_type_is_refused(void **state)
{
	(void)state;
	assert_int_equal(message_unpack(77, (const uint8_t *)"", 0, &got, why), -EPROTO);
	assert_non_null(strstr(why, "77"));
	assert_int_equal(message_unpack(0, (const uint8_t *)"", 0, &got, why), -EPROTO);
	assert_int_equal(message_unpack(UINT32_MAX, (const uint8_t *)"", 0, &got, why), -EPROTO);
}

static void walk(const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
	assert_true(depth <= 2);
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		assert_int_equal(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF, 0);
		assert_int_not_equal(field->label, PROTOBUF_C_LABEL_REPEATED);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			walk(field->descriptor, depth + 1);
	}
}

static void no_message_is_recursive_or_has_a_oneof_or_repeats(void **state)
{
	static const ProtobufCMessageDescriptor *const all[] = { &ra__hello__descriptor, &ra__hello_reply__descriptor,
		&ra__device_query__descriptor, &ra__device_reply__descriptor, &ra__detach__descriptor, &ra__read__descriptor,
		&ra__read_reply__descriptor, &ra__release__descriptor, &ra__done__descriptor, &ra__ping__descriptor,
		&ra__pong__descriptor, &ra__host_hello__descriptor, &ra__host_hello_reply__descriptor,
		&ra__host_open__descriptor, &ra__host_status__descriptor, &ra__host_open_reply__descriptor,
		&ra__host_read__descriptor, &ra__host_read_reply__descriptor, &ra__host_release__descriptor,
		&ra__setup__descriptor, &ra__reserve__descriptor, &ra__reserve_reply__descriptor,
		&ra__invalid__descriptor, &ra__invalid_reply__descriptor, &ra__host_load__descriptor,
		&ra__host_save__descriptor, &ra__host_record_reply__descriptor, &ra__host_progress__descriptor,
		&ra__unreserve__descriptor, &ra__host_link__descriptor, &ra__control__descriptor,
		&ra__control_reply__descriptor, &ra__setup_reply__descriptor };

	(void)state;
	assert_int_equal(sizeof(all) / sizeof(all[0]), VALID_COUNT);
	for (size_t i = 0; i < VALID_COUNT; i++) {
		assert_string_equal(all[i]->short_name, message_name(valid[i].type));
		walk(all[i], 1);
	}
}

static void peer_keys_are_exactly_prefix_and_lower_case_hex(void **state)
{
	char other[PEER_KEY_CHARS + 2];

	(void)state;
	assert_true(peer_key_is_valid(key));
	assert_false(peer_key_is_valid(""));
	strcpy(other, key);
	other[10] = 'A';
	assert_false(peer_key_is_valid(other));
	strcpy(other, key);
	other[0] = 'S';
	assert_false(peer_key_is_valid(other));
	strcpy(other, key);
	strcat(other, "0");
	assert_false(peer_key_is_valid(other));
	other[PEER_KEY_CHARS - 1] = '\0';
	assert_false(peer_key_is_valid(other));
}

static void zero_byte_inside_a_string_is_refused(void **state)
{
	static const uint8_t in_name[] = { 0x12, 0x04, 'w', 0, 'b', '1' };
	static const uint8_t at_end[] = { 0x12, 0x04, 'w', 'e', 'b', 0 };
	static const uint8_t only_zero[] = { 0x08, 0x01, 0x10, 0x01, 0x22, 0x01, 0x00 };

	(void)state;
	assert_int_equal(message_unpack(MESSAGE_DEVICE_QUERY, in_name, sizeof(in_name), &got, why), -EPROTO);
	assert_non_null(strstr(why, "device has a zero byte at 1"));
	assert_int_equal(message_unpack(MESSAGE_DEVICE_QUERY, at_end, sizeof(at_end), &got, why), -EPROTO);
	assert_non_null(strstr(why, "zero byte at 3"));
	assert_int_equal(message_unpack(MESSAGE_HELLO, only_zero, sizeof(only_zero), &got, why), -EPROTO);
	assert_non_null(strstr(why, "software has a zero byte"));
}

static void unknown_fields_are_ignored(void **state)
{
	static const uint8_t bytes[] = { 0x08, 0x4d, 0xf8, 0x07, 0x05, 0xfa, 0x07, 0x03, 'a', 'b', 'c' };

	(void)state;
	assert_int_equal(message_unpack(MESSAGE_PING, bytes, sizeof(bytes), &got, why), 0);
	assert_int_equal(got.ping.tag, 77);
}

static void message_cut_short_anywhere_never_passes_as_another(void **state)
{
	struct message *message = valid_copy(MESSAGE_HOST_OPEN_REPLY);
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];
	size_t count = message_pack(message, bytes);

	(void)state;
	for (size_t cut = 0; cut < count; cut++) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1); /* the sanitizer sees a read beyond it */

		assert_non_null(exact);
		memcpy(exact, bytes, cut);
		if (message_unpack(MESSAGE_HOST_OPEN_REPLY, exact, cut, &got, why) == 0)
			assert_memory_not_equal(&got, message, sizeof(got));
		free(exact);
	}
	free(message);
}

static void amplification_is_refused(void **state)
{
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];

	(void)state;
	/* Unknown fields of two bytes each, which the library keeps with dozens of bytes. */
	for (size_t i = 0; i < sizeof(bytes); i += 2) {
		bytes[i] = 0x78;
		bytes[i + 1] = 0x01;
	}
	assert_int_equal(message_unpack(MESSAGE_PING, bytes, sizeof(bytes), &got, why), -EPROTO);
	assert_non_null(strstr(why, "65536"));
	/* A submessage that is sent again and again is merged, and allocated each time. */
	for (size_t i = 0; i < sizeof(bytes); i += 2) {
		bytes[i] = 0x2a;
		bytes[i + 1] = 0x00;
	}
	assert_int_equal(message_unpack(MESSAGE_DEVICE_REPLY, bytes, sizeof(bytes), &got, why), -EPROTO);
	assert_non_null(strstr(why, "65536"));
}

static void nested_groups_are_refused(void **state)
{
	uint8_t bytes[FRAME_MESSAGE_BYTES_MAX];

	(void)state;
	memset(bytes, 0x7b, sizeof(bytes)); /* start group, 16 Ki deep */
	assert_int_equal(message_unpack(MESSAGE_PING, bytes, sizeof(bytes), &got, why), -EPROTO);
	memset(bytes, 0x2a, sizeof(bytes)); /* a volume in a volume in … */
	assert_int_equal(message_unpack(MESSAGE_DEVICE_REPLY, bytes, sizeof(bytes), &got, why), -EPROTO);
}

static void field_of_another_wire_type_is_refused(void **state)
{
	static const uint8_t tag_as_string[] = { 0x0a, 0x01, 'x' };

	(void)state;
	assert_int_equal(message_unpack(MESSAGE_PING, tag_as_string, sizeof(tag_as_string), &got, why), -EPROTO);
}

static void message_beyond_16_kib_is_refused(void **state)
{
	uint8_t *bytes = xcalloc(1, FRAME_MESSAGE_BYTES_MAX + 1);

	(void)state;
	assert_int_equal(message_unpack(MESSAGE_PING, bytes, FRAME_MESSAGE_BYTES_MAX + 1, &got, why), -EPROTO);
	assert_non_null(strstr(why, "16385"));
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_goes_there_and_back),
		cmocka_unit_test(read_has_its_golden_bytes),
		cmocka_unit_test(read_reply_has_its_golden_bytes),
		cmocka_unit_test(hello_has_its_golden_bytes),
		cmocka_unit_test(message_without_set_fields_has_no_bytes),
		cmocka_unit_test(names_and_payload_limits_follow_the_type),
		cmocka_unit_test(unknown_type_is_refused),
		cmocka_unit_test(no_message_is_recursive_or_has_a_oneof_or_repeats),
		cmocka_unit_test(peer_keys_are_exactly_prefix_and_lower_case_hex),
		cmocka_unit_test(zero_byte_inside_a_string_is_refused),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(message_cut_short_anywhere_never_passes_as_another),
		cmocka_unit_test(amplification_is_refused),
		cmocka_unit_test(nested_groups_are_refused),
		cmocka_unit_test(field_of_another_wire_type_is_refused),
		cmocka_unit_test(message_beyond_16_kib_is_refused),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
