/* SPDX-License-Identifier: Apache-2.0
 *
 * Carries messages between plain structs and protobuf, driven by the table of message_table.c, and checks each field
 * on the way in. No state, any thread.
 *
 * The hard thing is that protobuf-c takes memory as the sender likes (a field of two bytes costs it dozens) and hides
 * the length of strings: so it unpacks into a capped arena that also knows how long each block is.
 */
#include "wire/message.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "wire/message_table.h"

#define ARENA_BYTES (64u * KIB)

struct arena {
	uint8_t *memory;
	size_t used_bytes;
	bool is_full;
};

/* Before each block. */
struct block {
	alignas(max_align_t) size_t bytes;
};

static void *arena_alloc(void *data, size_t bytes)
{
	struct arena *arena = data;
	size_t left = ARENA_BYTES - arena->used_bytes;
	struct block *block = (struct block *)(void *)(arena->memory + arena->used_bytes);
	size_t taken;

	if (bytes > left || (taken = sizeof(*block) + (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) *
			alignof(max_align_t)) > left) {
		arena->is_full = true;
		return NULL;
	}
	arena->used_bytes += taken;
	memset(block, 0, taken);
	block->bytes = bytes;
	return block + 1;
}

static void arena_free(void *data, void *block)
{
	(void)data, (void)block;
}

/* The length that stood on the wire: a string with a zero byte in it is longer than strlen says. */
static size_t arena_string_bytes(const struct arena *arena, const char *string)
{
	uintptr_t at = (uintptr_t)string, begin = (uintptr_t)arena->memory;

	if (at < begin || at >= begin + arena->used_bytes)
		return strlen(string); /* the default of an absent field */
	return ((const struct block *)(const void *)string - 1)->bytes - 1;
}

static uint64_t load(const void *from, size_t bytes)
{
	uint64_t u64;
	uint32_t u32;

	if (bytes == sizeof(bool))
		return *(const bool *)from ? 1 : 0;
	if (bytes == sizeof(u32)) {
		memcpy(&u32, from, sizeof(u32));
		return u32;
	}
	assert(bytes == sizeof(u64));
	memcpy(&u64, from, sizeof(u64));
	return u64;
}

static void store(void *to, size_t bytes, uint64_t value)
{
	uint32_t u32 = (uint32_t)value;

	if (bytes == sizeof(bool)) {
		*(bool *)to = value != 0;
	} else if (bytes == sizeof(u32)) {
		memcpy(to, &u32, sizeof(u32));
	} else {
		assert(bytes == sizeof(value));
		memcpy(to, &value, sizeof(value));
	}
}

/* A number in a generated struct. */
static size_t wire_number_bytes(const ProtobufCFieldDescriptor *descriptor)
{
	return descriptor->type == PROTOBUF_C_TYPE_UINT64 ? sizeof(uint64_t) : sizeof(uint32_t);
}

static bool is_ok(const struct message_field *field, const uint8_t *plain)
{
	return load(plain + field->other_offset, sizeof(enum status)) == STATUS_OK;
}

bool device_name_is_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strnlen(name, DEVICE_NAME_MAX + 1);

	return length >= 1 && length <= DEVICE_NAME_MAX && strspn(name, allowed) == length && name[0] != '.' &&
		name[0] != '-';
}

bool peer_key_is_valid(const char *key)
{
	return strnlen(key, PEER_KEY_CHARS + 1) == PEER_KEY_CHARS && strncmp(key, "sha256:", 7) == 0 &&
		strspn(key + 7, "0123456789abcdef") == PEER_KEY_CHARS - 7;
}

static int check_string(const char *type, const char *name, const struct message_field *field, const char *string,
	char *why)
{
	size_t length = strnlen(string, field->bytes);

	if (length < field->min || length > field->max)
		return message_refuse(why, "%s.%s has %zu bytes, not %llu to %llu", type, name, length,
			(unsigned long long)field->min, (unsigned long long)field->max);
	if (field->kind == FIELD_NAME && !device_name_is_valid(string))
		return message_refuse(why, "%s.%s is \"%s\", not a device name", type, name, string);
	if (field->kind == FIELD_KEY && !peer_key_is_valid(string))
		return message_refuse(why, "%s.%s is \"%s\", not a key", type, name, string);
	return 0;
}

static int check_states(const char *type, const char *name, const uint8_t *states, uint64_t count, char *why)
{
	if (count > RUN_DIGESTS_MAX)
		return message_refuse(why, "%s.%s has %llu bytes, not 0 to %u", type, name, (unsigned long long)count,
			RUN_DIGESTS_MAX);
	for (uint64_t i = 0; i < count; i++) {
		if (states[i] == TRACK_UNSET || states[i] >= TRACK_STATE_COUNT)
			return message_refuse(why, "%s.%s has the value %u, not 1 to %u", type, name, states[i],
				TRACK_STATE_COUNT - 1u);
	}
	return 0;
}

/* Each field of the plain struct alone. */
static int check_fields(const struct message_row *row, const uint8_t *plain, char *why)
{
	const char *type = row->descriptor->short_name;
	int rc = 0;

	for (unsigned i = 0; i < row->field_count && rc == 0; i++) {
		const struct message_field *field = &row->fields[i];
		const char *name = row->descriptor->fields[i].name;
		const uint8_t *at = plain + field->offset;
		uint64_t number;

		switch (field->kind) {
		case FIELD_NUMBER:
			number = load(at, field->bytes);
			if (number < field->min || number > field->max)
				rc = message_refuse(why, "%s.%s is %llu, not %llu to %llu", type, name, (unsigned long long)number,
					(unsigned long long)field->min, (unsigned long long)field->max);
			break;
		case FIELD_STATES:
			rc = check_states(type, name, at, load(plain + field->other_offset, sizeof(uint32_t)), why);
			break;
		case FIELD_VOLUME:
			if (is_ok(field, plain))
				rc = check_fields(&message_volume_row, at, why);
			break;
		case FIELD_TEXT:
		case FIELD_VERBATIM:
		case FIELD_NAME:
		case FIELD_KEY:
			rc = check_string(type, name, field, (const char *)at, why);
			break;
		}
	}
	return rc;
}

static int check_message(const struct message_row *row, const struct message *message, char *why)
{
	int rc = check_fields(row, (const uint8_t *)&message->hello, why);

	return rc == 0 && row->check != NULL ? row->check(message, why) : rc;
}

/* A generated struct that points into the plain one; wire_free it. */
static ProtobufCMessage *wire_new(const struct message_row *row, const uint8_t *plain)
{
	uint8_t *wire = xcalloc(1, row->descriptor->sizeof_message);

	protobuf_c_message_init(row->descriptor, wire);
	assert(row->field_count == row->descriptor->n_fields);
	for (unsigned i = 0; i < row->field_count; i++) {
		const struct message_field *field = &row->fields[i];
		const ProtobufCFieldDescriptor *descriptor = &row->descriptor->fields[i];
		const uint8_t *from = plain + field->offset;
		void *to = wire + descriptor->offset;

		switch (field->kind) {
		case FIELD_NUMBER:
			store(to, wire_number_bytes(descriptor), load(from, field->bytes));
			break;
		case FIELD_STATES:
			*(ProtobufCBinaryData *)to = (ProtobufCBinaryData){
				.len = load(plain + field->other_offset, sizeof(uint32_t)), .data = (uint8_t *)from };
			break;
		case FIELD_VOLUME:
			if (is_ok(field, plain))
				*(ProtobufCMessage **)to = wire_new(&message_volume_row, from);
			break;
		case FIELD_TEXT:
		case FIELD_VERBATIM:
		case FIELD_NAME:
		case FIELD_KEY:
			*(char **)to = (char *)from;
			break;
		}
	}
	return (ProtobufCMessage *)(void *)wire;
}

static void wire_free(const struct message_row *row, ProtobufCMessage *wire)
{
	for (unsigned i = 0; i < row->field_count; i++) {
		void *at = (uint8_t *)wire + row->descriptor->fields[i].offset;

		if (row->fields[i].kind == FIELD_VOLUME && *(ProtobufCMessage **)at != NULL)
			wire_free(&message_volume_row, *(ProtobufCMessage **)at);
	}
	free(wire);
}

static int copy_string(const char *type, const char *name, const struct message_field *field, const struct arena *arena,
	const char *from, char *to, char *why)
{
	size_t length = arena_string_bytes(arena, from);

	if (length > field->max)
		return message_refuse(why, "%s.%s has %zu bytes, at most %llu are allowed", type, name, length,
			(unsigned long long)field->max);
	if (strlen(from) != length)
		return message_refuse(why, "%s.%s has a zero byte at %zu", type, name, strlen(from));
	memcpy(to, from, length + 1);
	for (size_t i = 0; field->kind == FIELD_TEXT && i < length; i++) {
		if ((unsigned char)to[i] < 32 || to[i] == 127)
			to[i] = '?';
	}
	return 0;
}

static int copy_states(const char *type, const char *name, const ProtobufCBinaryData *from, uint8_t *to, uint8_t *count,
	char *why)
{
	if (from->len > RUN_DIGESTS_MAX)
		return message_refuse(why, "%s.%s has %zu bytes, not 0 to %u", type, name, from->len, RUN_DIGESTS_MAX);
	if (from->len > 0)
		memcpy(to, from->data, from->len);
	store(count, sizeof(uint32_t), from->len);
	return 0;
}

/* Copies what fits; values are checked after. plain is all zero before. */
static int copy_fields(const struct message_row *row, const struct arena *arena, const ProtobufCMessage *wire,
	uint8_t *plain, char *why)
{
	const char *type = row->descriptor->short_name;
	int rc = 0;

	assert(row->field_count == row->descriptor->n_fields);
	for (unsigned i = 0; i < row->field_count && rc == 0; i++) {
		const struct message_field *field = &row->fields[i];
		const ProtobufCFieldDescriptor *descriptor = &row->descriptor->fields[i];
		const void *from = (const uint8_t *)wire + descriptor->offset;
		uint8_t *to = plain + field->offset;

		switch (field->kind) {
		case FIELD_NUMBER:
			store(to, field->bytes, load(from, wire_number_bytes(descriptor)));
			break;
		case FIELD_STATES:
			rc = copy_states(type, descriptor->name, from, to, plain + field->other_offset, why);
			break;
		case FIELD_VOLUME:
			if (is_ok(field, plain) && *(ProtobufCMessage *const *)from != NULL)
				rc = copy_fields(&message_volume_row, arena, *(ProtobufCMessage *const *)from, to, why);
			break;
		case FIELD_TEXT:
		case FIELD_VERBATIM:
		case FIELD_NAME:
		case FIELD_KEY:
			rc = copy_string(type, descriptor->name, field, arena, *(char *const *)from, (char *)to, why);
			break;
		}
	}
	return rc;
}

const char *message_name(unsigned type)
{
	const struct message_row *row = message_row(type);

	return row != NULL ? row->descriptor->short_name : "unknown";
}

uint32_t message_payload_bytes_max(unsigned type)
{
	const struct message_row *row = message_row(type);

	return row != NULL ? row->payload_bytes_max : 0;
}

size_t message_pack(const struct message *message, uint8_t out[FRAME_MESSAGE_BYTES_MAX])
{
	const struct message_row *row = message_row(message->type);
	char why[DETAIL_MAX + 1];
	ProtobufCMessage *wire;
	size_t bytes;

	assert(row != NULL);
	if (check_message(row, message, why) != 0)
		log_abort("a message of this program is not valid: %s", why);
	wire = wire_new(row, (const uint8_t *)&message->hello);
	bytes = protobuf_c_message_get_packed_size(wire);
	assert(bytes <= FRAME_MESSAGE_BYTES_MAX);
	protobuf_c_message_pack(wire, out);
	wire_free(row, wire);
	return bytes;
}

int message_unpack(unsigned type, const uint8_t *in, size_t in_bytes, struct message *message,
	char why[DETAIL_MAX + 1])
{
	const struct message_row *row = message_row(type);
	struct arena arena = { .memory = NULL };
	ProtobufCAllocator allocator = { .alloc = arena_alloc, .free = arena_free, .allocator_data = &arena };
	ProtobufCMessage *wire;
	int rc;

	if (row == NULL)
		return message_refuse(why, "frame type %u is unknown", type);
	if (in_bytes > FRAME_MESSAGE_BYTES_MAX)
		return message_refuse(why, "%s has %zu bytes, at most %u are allowed", message_name(type), in_bytes,
			FRAME_MESSAGE_BYTES_MAX);
	arena.memory = xrealloc(NULL, ARENA_BYTES, 1);
	memset(message, 0, sizeof(*message));
	message->type = (enum message_type)type;
	wire = protobuf_c_message_unpack(row->descriptor, &allocator, in_bytes, in);
	if (wire == NULL && arena.is_full)
		rc = message_refuse(why, "%s takes more than %u bytes to unpack", message_name(type), ARENA_BYTES);
	else if (wire == NULL)
		rc = message_refuse(why, "%s is not well formed", message_name(type));
	else
		rc = copy_fields(row, &arena, wire, (uint8_t *)&message->hello, why);
	if (rc == 0)
		rc = check_message(row, message, why);
	explicit_bzero(arena.memory, arena.used_bytes); /* Setup has a private key */
	free(arena.memory);
	return rc;
}
