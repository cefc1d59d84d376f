/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame header: its exact bytes, and each way in which it can be wrong.
 */
#include "wire/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t golden[FRAME_HEADER_BYTES] = { 0x52, 0x41, 0x01, 0x07, 0x34, 0x12, 0x00, 0x00, 0x00, 0x00, 0x10,
	0x00, 0x00, 0x00, 0x00, 0x00 };

static void header_has_the_bytes_of_the_protocol(void **state)
{
	const struct frame_header header = { .type = 7, .message_bytes = 0x1234, .payload_bytes = 0x100000 };
	uint8_t out[FRAME_HEADER_BYTES];

	(void)state;
	memset(out, 0xff, sizeof(out));
	frame_encode(&header, out);
	assert_memory_equal(out, golden, sizeof(golden));
}

static void bytes_of_the_protocol_are_decoded(void **state)
{
	struct frame_header header;
	const char *why;

	(void)state;
	assert_int_equal(frame_decode(golden, &header, &why), 0);
	assert_int_equal(header.type, 7);
	assert_int_equal(header.message_bytes, 0x1234);
	assert_int_equal(header.payload_bytes, 0x100000);
}

static void refuse(unsigned at, uint8_t byte, const char *word)
{
	uint8_t in[FRAME_HEADER_BYTES];
	struct frame_header header;
	const char *why = "";

	memcpy(in, golden, sizeof(in));
	in[at] = byte;
	assert_int_equal(frame_decode(in, &header, &why), -EPROTO);
	assert_non_null(strstr(why, word));
}

static void wrong_fields_are_refused(void **state)
{
	(void)state;
	refuse(0, 0x53, "magic");
	refuse(1, 0x42, "magic");
	refuse(2, 2, "version");
	refuse(2, 0, "version");
	refuse(12, 1, "reserved");
	refuse(15, 0x80, "reserved");
}

static void lengths_at_the_limit_are_taken_and_one_more_is_refused(void **state)
{
	struct frame_header header = { .type = 7, .message_bytes = FRAME_MESSAGE_BYTES_MAX,
		.payload_bytes = FRAME_PAYLOAD_BYTES_MAX };
	uint8_t bytes[FRAME_HEADER_BYTES];
	const char *why = "";

	(void)state;
	frame_encode(&header, bytes);
	assert_int_equal(frame_decode(bytes, &header, &why), 0);
	header.message_bytes++;
	frame_encode(&header, bytes);
	assert_int_equal(frame_decode(bytes, &header, &why), -EPROTO);
	assert_non_null(strstr(why, "message"));
	header.message_bytes = 0;
	header.payload_bytes++;
	frame_encode(&header, bytes);
	assert_int_equal(frame_decode(bytes, &header, &why), -EPROTO);
	assert_non_null(strstr(why, "payload"));
	header.payload_bytes = UINT32_MAX;
	frame_encode(&header, bytes);
	assert_int_equal(frame_decode(bytes, &header, &why), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_has_the_bytes_of_the_protocol),
		cmocka_unit_test(bytes_of_the_protocol_are_decoded),
		cmocka_unit_test(wrong_fields_are_refused),
		cmocka_unit_test(lengths_at_the_limit_are_taken_and_one_more_is_refused),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
