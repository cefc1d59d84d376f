/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages as a table, and the rules between the fields of one message. A rule here is about the message alone:
 * whether a track lies inside the device, or a link id exists, is the session's question. No state, any thread.
 * check-style: long because it is one table of all messages.
 */
#include "wire/message_table.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "ra.pb-c.h"

#define SAME(ours, generated) static_assert((unsigned)(ours) == (unsigned)(generated), #ours)

SAME(STATUS_UNSET, RA__STATUS__STATUS_UNSPECIFIED);
SAME(STATUS_OK, RA__STATUS__STATUS_OK);
SAME(STATUS_DATA_NOT_FOUND, RA__STATUS__STATUS_DATA_NOT_FOUND);
SAME(STATUS_DISCONNECT, RA__STATUS__STATUS_DISCONNECT);
SAME(STATUS_RECONNECT, RA__STATUS__STATUS_RECONNECT);
SAME(STATUS_TIMEOUT, RA__STATUS__STATUS_TIMEOUT);
SAME(STATUS_QUEUE_FULL, RA__STATUS__STATUS_QUEUE_FULL);
SAME(STATUS_NO_FREE_JOB, RA__STATUS__STATUS_NO_FREE_JOB);
SAME(STATUS_NOT_READY, RA__STATUS__STATUS_NOT_READY);
SAME(STATUS_BUSY, RA__STATUS__STATUS_BUSY);
SAME(STATUS_BAD_LINK_ID, RA__STATUS__STATUS_BAD_LINK_ID);
SAME(STATUS_NO_SUCH_DEVICE, RA__STATUS__STATUS_NO_SUCH_DEVICE);
SAME(STATUS_BAD_REQUEST, RA__STATUS__STATUS_BAD_REQUEST);
SAME(STATUS_VOLUME_ERROR, RA__STATUS__STATUS_VOLUME_ERROR);
SAME(STATUS_LINK_LOST, RA__STATUS__STATUS_LINK_LOST);
SAME(STATUS_VERSION, RA__STATUS__STATUS_VERSION);
SAME(STATUS_NOT_PERMITTED, RA__STATUS__STATUS_NOT_PERMITTED);
SAME(STATUS_VOLUME_CHANGED, RA__STATUS__STATUS_VOLUME_CHANGED);
SAME(STATUS_COUNT, RA__STATUS__STATUS_VOLUME_CHANGED + 1);
SAME(VERB_STATUS, RA__VERB__VERB_STATUS);
SAME(VERB_LIMIT, RA__VERB__VERB_LIMIT);
SAME(VERB_COUNT, RA__VERB__VERB_LOG_LEVEL + 1);
SAME(TRACKS_LIST, RA__TRACKS_ACTION__TRACKS_ACTION_LIST);
SAME(TRACKS_ACTION_COUNT, RA__TRACKS_ACTION__TRACKS_ACTION_CLEAR + 1);
SAME(RECORD_LEDGER, RA__RECORD__RECORD_LEDGER);
SAME(RECORD_COUNT, RA__RECORD__RECORD_REPORT + 1);
SAME(SCOPE_TOTAL, RA__SCOPE__SCOPE_TOTAL);
SAME(SCOPE_DEVICE, RA__SCOPE__SCOPE_DEVICE);
SAME(SCOPE_PEER, RA__SCOPE__SCOPE_PEER);
SAME(SCOPE_COUNT, RA__SCOPE__SCOPE_PEER + 1);
SAME(TRACK_UNSET, RA__TRACK_STATE__TRACK_STATE_UNSPECIFIED);
SAME(TRACK_DATA, RA__TRACK_STATE__TRACK_STATE_DATA);
SAME(TRACK_ZERO, RA__TRACK_STATE__TRACK_STATE_ZERO);
SAME(TRACK_HOLE, RA__TRACK_STATE__TRACK_STATE_HOLE);
SAME(TRACK_EIO, RA__TRACK_STATE__TRACK_STATE_EIO);
SAME(TRACK_SHRUNK, RA__TRACK_STATE__TRACK_STATE_SHRUNK);
SAME(TRACK_STATE_COUNT, RA__TRACK_STATE__TRACK_STATE_SHRUNK + 1);
SAME(DELIVERY_DISCONNECT, RA__DELIVERY__DELIVERY_DISCONNECT);
SAME(DELIVERY_POLL, RA__DELIVERY__DELIVERY_POLL);
SAME(DELIVERY_HOLD, RA__DELIVERY__DELIVERY_HOLD);
SAME(DELIVERY_COUNT, RA__DELIVERY__DELIVERY_HOLD + 1);
SAME(DIGEST_XXH3_128, RA__DIGEST__DIGEST_XXH3_128);
SAME(DIGEST_SHA256, RA__DIGEST__DIGEST_SHA256);
SAME(DIGEST_COUNT, RA__DIGEST__DIGEST_SHA256 + 1);
SAME(SIDE_LOCAL, RA__SIDE__SIDE_LOCAL);
SAME(SIDE_REMOTE, RA__SIDE__SIDE_REMOTE);
SAME(SIDE_COUNT, RA__SIDE__SIDE_REMOTE + 1);
SAME(VOLUME_KIND_FILE, RA__VOLUME_KIND__VOLUME_KIND_FILE);
SAME(VOLUME_KIND_BLOCK, RA__VOLUME_KIND__VOLUME_KIND_BLOCK);
SAME(VOLUME_KIND_COUNT, RA__VOLUME_KIND__VOLUME_KIND_BLOCK + 1);
SAME(IO_MODE_BUFFERED, RA__IO_MODE__IO_MODE_BUFFERED);
SAME(IO_MODE_DIRECT, RA__IO_MODE__IO_MODE_DIRECT);
SAME(IO_MODE_AUTO, RA__IO_MODE__IO_MODE_AUTO);
SAME(IO_MODE_COUNT, RA__IO_MODE__IO_MODE_AUTO + 1);
static_assert(sizeof(enum status) == 4 && sizeof(enum delivery) == 4, "the table copies enums as 32 bits");

#define PLACE(part, member) .offset = offsetof(struct part, member), .bytes = sizeof(((struct part *)NULL)->member)
#define NUMBER(part, member, low, high) { .kind = FIELD_NUMBER, PLACE(part, member), .min = (low), .max = (high) }
#define U32(part, member) NUMBER(part, member, 0, UINT32_MAX)
#define U64(part, member) NUMBER(part, member, 0, UINT64_MAX)
#define BOOL(part, member) NUMBER(part, member, 0, 1)
#define STRING(as, part, member, low) \
	{ .kind = (as), PLACE(part, member), .min = (low), .max = sizeof(((struct part *)NULL)->member) - 1 }
#define TEXT(part, member) STRING(FIELD_TEXT, part, member, 0)
#define STATES(part, member, count) \
	{ .kind = FIELD_STATES, PLACE(part, member), .other_offset = offsetof(struct part, count), .max = RUN_DIGESTS_MAX }
#define VOLUME(part, member) \
	{ .kind = FIELD_VOLUME, PLACE(part, member), .other_offset = offsetof(struct part, status) }
#define STATUS(part) NUMBER(part, status, STATUS_OK, STATUS_COUNT - 1)

static const struct message_field volume_fields[] = {
	NUMBER(volume_info, size_bytes, 0, INT64_MAX),
	NUMBER(volume_info, kind, VOLUME_KIND_FILE, VOLUME_KIND_COUNT - 1),
	NUMBER(volume_info, io, IO_MODE_BUFFERED, IO_MODE_DIRECT),
	U64(volume_info, host_id),
	U64(volume_info, device_id),
	U64(volume_info, inode),
	STRING(FIELD_VERBATIM, volume_info, path, 0),
	NUMBER(volume_info, whole_bytes, 0, INT64_MAX),
	NUMBER(volume_info, offset_bytes, 0, INT64_MAX),
	BOOL(volume_info, is_common),
	STRING(FIELD_VERBATIM, volume_info, identity, 0),
};

static const struct message_field hello_fields[] = {
	NUMBER(msg_hello, protocol_min, 1, UINT32_MAX),
	NUMBER(msg_hello, protocol_max, 1, UINT32_MAX),
	U64(msg_hello, features),
	TEXT(msg_hello, software),
	U64(msg_hello, digests),
};

static const struct message_field hello_reply_fields[] = {
	STATUS(msg_hello_reply),
	U32(msg_hello_reply, protocol),
	U64(msg_hello_reply, features),
	NUMBER(msg_hello_reply, window_reads, 0, WINDOW_READS_MAX),
	NUMBER(msg_hello_reply, secondary_id, 0, UINT16_MAX),
	TEXT(msg_hello_reply, software),
	U64(msg_hello_reply, digests),
};

static const struct message_field device_query_fields[] = {
	U32(msg_device_query, tag),
	STRING(FIELD_NAME, msg_device_query, device, 1),
};

static const struct message_field device_reply_fields[] = {
	U32(msg_device_reply, tag),
	STATUS(msg_device_reply),
	NUMBER(msg_device_reply, device_number, 0, DEVICES_MAX - 1),
	NUMBER(msg_device_reply, track_bytes, 0, TRACK_BYTES_MAX),
	VOLUME(msg_device_reply, volume),
	TEXT(msg_device_reply, detail),
	BOOL(msg_device_reply, digest_only),
	BOOL(msg_device_reply, replaced),
};

static const struct message_field detach_fields[] = {
	U32(msg_detach, tag),
	NUMBER(msg_detach, device_number, 0, DEVICES_MAX - 1),
};

static const struct message_field read_fields[] = {
	U32(msg_read, tag),
	U64(msg_read, link_id),
	NUMBER(msg_read, device_number, 0, DEVICES_MAX - 1),
	U64(msg_read, first_track),
	NUMBER(msg_read, track_count, 0, RUN_DIGESTS_MAX),
	NUMBER(msg_read, delivery, 0, DELIVERY_COUNT - 1),
	U64(msg_read, floor),
	BOOL(msg_read, reread),
	NUMBER(msg_read, digest, 0, DIGEST_COUNT - 1),
	NUMBER(msg_read, end_bytes, 0, INT64_MAX),
};

static const struct message_field read_reply_fields[] = {
	U32(msg_read_reply, tag),
	STATUS(msg_read_reply),
	U64(msg_read_reply, link_id),
	U64(msg_read_reply, floor),
	STATES(msg_read_reply, states, track_count),
	TEXT(msg_read_reply, detail),
	U32(msg_read_reply, throttled_ms),
	U32(msg_read_reply, disk_ms),
	U64(msg_read_reply, cpu_ms),
	U64(msg_read_reply, hole_tracks),
};

static const struct message_field reserve_fields[] = {
	U32(msg_reserve, tag),
	NUMBER(msg_reserve, device_number, 0, DEVICES_MAX - 1),
	TEXT(msg_reserve, owner),
	BOOL(msg_reserve, exclusive),
};

static const struct message_field reserve_reply_fields[] = {
	U32(msg_reserve_reply, tag),
	STATUS(msg_reserve_reply),
	U32(msg_reserve_reply, reservation),
	TEXT(msg_reserve_reply, detail),
	BOOL(msg_reserve_reply, by_program),
};

static const struct message_field unreserve_fields[] = {
	U32(msg_unreserve, tag),
	NUMBER(msg_unreserve, device_number, 0, DEVICES_MAX - 1),
	U32(msg_unreserve, reservation),
};

static const struct message_field invalid_fields[] = {
	U32(msg_invalid, tag),
	NUMBER(msg_invalid, device_number, 0, DEVICES_MAX - 1),
};

static const struct message_field invalid_reply_fields[] = {
	U32(msg_invalid_reply, tag),
	STATUS(msg_invalid_reply),
	TEXT(msg_invalid_reply, detail),
};

static const struct message_field release_fields[] = {
	U32(msg_release, tag),
	U64(msg_release, link_id),
};

static const struct message_field done_fields[] = {
	U32(msg_done, tag),
	STATUS(msg_done),
};

static const struct message_field ping_fields[] = { U32(msg_ping, tag) };

static const struct message_field host_hello_fields[] = {
	NUMBER(msg_host_hello, protocol_min, 1, UINT32_MAX),
	NUMBER(msg_host_hello, protocol_max, 1, UINT32_MAX),
	NUMBER(msg_host_hello, slot_count, 1, HOST_SLOTS_MAX),
	NUMBER(msg_host_hello, slot_bytes, 1, RUN_BYTES_MAX),
	TEXT(msg_host_hello, software),
};

static const struct message_field host_hello_reply_fields[] = {
	STATUS(msg_host_hello_reply),
	U32(msg_host_hello_reply, protocol),
	TEXT(msg_host_hello_reply, software),
	TEXT(msg_host_hello_reply, detail),
};

static const struct message_field host_open_fields[] = {
	U32(msg_host_open, tag),
	STRING(FIELD_NAME, msg_host_open, device, 1),
	U32(msg_host_open, link_timeout_ms),
	U64(msg_host_open, limit_bytes_per_s),
	BOOL(msg_host_open, reserve),
	TEXT(msg_host_open, owner),
	BOOL(msg_host_open, exclusive),
};

static const struct message_field host_status_fields[] = { U32(msg_host_status, tag) };

static const struct message_field host_open_reply_fields[] = {
	U32(msg_host_open_reply, tag),
	STATUS(msg_host_open_reply),
	NUMBER(msg_host_open_reply, failed_side, 0, SIDE_COUNT - 1),
	NUMBER(msg_host_open_reply, track_bytes, 0, TRACK_BYTES_MAX),
	VOLUME(msg_host_open_reply, local),
	VOLUME(msg_host_open_reply, remote),
	U64(msg_host_open_reply, wire_bytes),
	TEXT(msg_host_open_reply, detail),
	U32(msg_host_open_reply, relinks),
	BOOL(msg_host_open_reply, digest_only),
	U64(msg_host_open_reply, throttled_ms),
	U32(msg_host_open_reply, max_lag_ms),
	U64(msg_host_open_reply, digests),
};

static const struct message_field host_read_fields[] = {
	U32(msg_host_read, tag),
	NUMBER(msg_host_read, side, SIDE_LOCAL, SIDE_COUNT - 1),
	NUMBER(msg_host_read, stream, 0, STREAMS_MAX - 1),
	U64(msg_host_read, first_track),
	NUMBER(msg_host_read, track_count, 1, RUN_DIGESTS_MAX),
	NUMBER(msg_host_read, slot, 0, HOST_SLOTS_MAX - 1),
	NUMBER(msg_host_read, delivery, 0, DELIVERY_COUNT - 1),
	U64(msg_host_read, floor),
	BOOL(msg_host_read, reread),
	NUMBER(msg_host_read, digest, 0, DIGEST_COUNT - 1),
	NUMBER(msg_host_read, end_bytes, 0, INT64_MAX),
};

static const struct message_field host_read_reply_fields[] = {
	U32(msg_host_read_reply, tag),
	STATUS(msg_host_read_reply),
	U64(msg_host_read_reply, floor),
	STATES(msg_host_read_reply, states, track_count),
	BOOL(msg_host_read_reply, disconnected),
	BOOL(msg_host_read_reply, slot_lost),
	TEXT(msg_host_read_reply, detail),
	U32(msg_host_read_reply, throttled_ms),
	U32(msg_host_read_reply, disk_ms),
	U64(msg_host_read_reply, cpu_ms),
	U64(msg_host_read_reply, hole_tracks),
};

static const struct message_field host_link_fields[] = {
	BOOL(msg_host_link, is_up),
	U32(msg_host_link, relinks),
	TEXT(msg_host_link, detail),
	BOOL(msg_host_link, unreserved),
};

static const struct message_field host_load_fields[] = {
	U32(msg_host_load, tag),
	NUMBER(msg_host_load, record, RECORD_LEDGER, RECORD_COUNT - 1),
};

static const struct message_field host_save_fields[] = {
	U32(msg_host_save, tag),
	NUMBER(msg_host_save, record, RECORD_LEDGER, RECORD_COUNT - 1),
};

static const struct message_field host_record_reply_fields[] = {
	U32(msg_host_record_reply, tag),
	STATUS(msg_host_record_reply),
	TEXT(msg_host_record_reply, detail),
};

static const struct message_field host_progress_fields[] = {
	TEXT(msg_host_progress, phase),
	U64(msg_host_progress, done_tracks),
	U64(msg_host_progress, total_tracks),
	U64(msg_host_progress, different_tracks),
	U64(msg_host_progress, settling_tracks),
	U64(msg_host_progress, local_bytes_per_s),
	U64(msg_host_progress, remote_bytes_per_s),
	TEXT(msg_host_progress, binds),
	U64(msg_host_progress, left_s),
	U64(msg_host_progress, elapsed_s),
};

static const struct message_field control_fields[] = {
	U32(msg_control, tag),
	NUMBER(msg_control, protocol, 1, UINT32_MAX),
	NUMBER(msg_control, verb, VERB_STATUS, UINT32_MAX), /* one that this version does not know is answered */
	TEXT(msg_control, name),
	NUMBER(msg_control, scope, 0, SCOPE_COUNT - 1),
	BOOL(msg_control, sets_bytes),
	U64(msg_control, bytes_per_s),
	BOOL(msg_control, sets_reads),
	U64(msg_control, reads_per_s),
	NUMBER(msg_control, action, 0, TRACKS_ACTION_COUNT - 1),
	U64(msg_control, first_track),
	U64(msg_control, report),
	NUMBER(msg_control, log_level, 0, LOG_LEVEL_COUNT),
};

static const struct message_field control_reply_fields[] = {
	U32(msg_control_reply, tag),
	STATUS(msg_control_reply),
	TEXT(msg_control_reply, detail),
};

static const struct message_field host_release_fields[] = { U32(msg_host_release, tag) };

static const struct message_field setup_fields[] = {
	STRING(FIELD_VERBATIM, msg_setup, volume_path, 1),
	STRING(FIELD_VERBATIM, msg_setup, identity_pem, 1),
	STRING(FIELD_KEY, msg_setup, peer_key, PEER_KEY_CHARS),
	NUMBER(msg_setup, track_bytes, 0, TRACK_BYTES_MAX),
	U64(msg_setup, cache_bytes),
	NUMBER(msg_setup, io, IO_MODE_BUFFERED, IO_MODE_COUNT - 1),
	BOOL(msg_setup, verbose),
	U32(msg_setup, protocol),
	BOOL(msg_setup, return_pipe),
};

static const struct message_field setup_reply_fields[] = {
	STATUS(msg_setup_reply),
	U32(msg_setup_reply, protocol),
	TEXT(msg_setup_reply, software),
};

static int check_versions(const char *type, uint32_t low, uint32_t high, char *why)
{
	if (low > high)
		return message_refuse(why, "%s.protocol_max is %u, less than protocol_min %u", type, high, low);
	return 0;
}

static int check_track_bytes(const char *type, uint32_t track_bytes, char *why)
{
	if (track_bytes < TRACK_BYTES_MIN || track_bytes > TRACK_BYTES_MAX || (track_bytes & (track_bytes - 1)) != 0)
		return message_refuse(why, "%s.track_bytes is %u, not a power of two from 4 KiB to 1 MiB", type, track_bytes);
	return 0;
}

/* not_allowed: a set of 1 << status. */
static int check_status(const char *type, enum status status, unsigned not_allowed, char *why)
{
	if ((1u << status & not_allowed) != 0)
		return message_refuse(why, "%s.status is %u, which this message cannot have", type, (unsigned)status);
	return 0;
}

/* Statuses that only a ReadReply has, or that only it does not have. */
#define READ_ONLY (1u << STATUS_DATA_NOT_FOUND | 1u << STATUS_DISCONNECT | 1u << STATUS_RECONNECT)
#define NOT_ON_LINK (1u << STATUS_LINK_LOST | 1u << STATUS_VOLUME_CHANGED)
#define NOT_AFTER_HELLO (1u << STATUS_VERSION)

static int check_run(const char *type, uint64_t first_track, uint32_t track_count, enum digest digest,
	uint64_t end_bytes, char *why)
{
	uint32_t most = digest == DIGEST_NONE ? RUN_TRACKS_MAX : RUN_DIGESTS_MAX;

	if (track_count == 0 || track_count > most)
		return message_refuse(why, "%s.track_count is %u, not 1 to %u", type, track_count, most);
	if ((digest == DIGEST_NONE) != (end_bytes == 0))
		return message_refuse(why, "%s.end_bytes is %llu with digest %u", type, (unsigned long long)end_bytes,
			(unsigned)digest);
	if (first_track > UINT64_MAX - track_count)
		return message_refuse(why, "%s.first_track is %llu, too large for %u tracks", type,
			(unsigned long long)first_track, track_count);
	return 0;
}

static int check_state_count(const char *type, enum status status, uint32_t track_count, bool is_expected, char *why)
{
	if (is_expected != (track_count > 0))
		return message_refuse(why, "%s.states has %u bytes with status %u", type, track_count, (unsigned)status);
	return 0;
}

/* Nothing is known behind a track that could not be read. */
static int check_holes(const char *type, const uint8_t *states, uint32_t track_count, uint64_t hole_tracks, char *why)
{
	if (hole_tracks > 0 && (track_count == 0 || track_is_unreadable((enum track_state)states[track_count - 1]) ||
		hole_tracks > TRACKS_END))
		return message_refuse(why, "%s.hole_tracks is %llu: too many, or the last of %u tracks cannot be read",
			type, (unsigned long long)hole_tracks, track_count);
	return 0;
}

static int check_hello(const struct message *message, char *why)
{
	return check_versions("Hello", message->hello.protocol_min, message->hello.protocol_max, why);
}

static int check_hello_reply(const struct message *message, char *why)
{
	const struct msg_hello_reply *reply = &message->hello_reply;

	if (reply->status == STATUS_VERSION || reply->status == STATUS_BUSY)
		return 0;
	if (reply->status != STATUS_OK)
		return message_refuse(why, "HelloReply.status is %u, not OK, VERSION or BUSY", (unsigned)reply->status);
	if (reply->protocol == 0)
		return message_refuse(why, "HelloReply.protocol is 0 with status OK");
	if (reply->window_reads == 0)
		return message_refuse(why, "HelloReply.window_reads is 0, not 1 to %u", WINDOW_READS_MAX);
	if (reply->secondary_id == 0)
		return message_refuse(why, "HelloReply.secondary_id is 0, not 1 to %u", UINT16_MAX);
	return 0;
}

static int check_device_reply(const struct message *message, char *why)
{
	const struct msg_device_reply *reply = &message->device_reply;
	int rc = check_status("DeviceReply", reply->status, READ_ONLY | NOT_ON_LINK | NOT_AFTER_HELLO, why);

	if (rc == 0 && (reply->status == STATUS_OK || reply->track_bytes != 0))
		rc = check_track_bytes("DeviceReply", reply->track_bytes, why);
	return rc;
}

static int check_read(const struct message *message, char *why)
{
	const struct msg_read *read = &message->read;

	if (read->link_id == 0) {
		if (read->first_track != 0 || read->track_count != 0 || read->delivery != 0 || read->floor != 0 ||
			read->reread || read->digest != DIGEST_NONE || read->end_bytes != 0)
			return message_refuse(why, "Read.link_id is 0, and a field other than device_number is set");
		return 0;
	}
	if (read->delivery == DELIVERY_UNSET)
		return message_refuse(why, "Read.delivery is 0, not 1 to %u", DELIVERY_COUNT - 1u);
	return check_run("Read", read->first_track, read->track_count, read->digest, read->end_bytes, why);
}

static int check_read_reply(const struct message *message, char *why)
{
	const struct msg_read_reply *reply = &message->read_reply;
	int rc = check_status("ReadReply", reply->status, NOT_ON_LINK | NOT_AFTER_HELLO, why);
	bool has_tracks = reply->status == STATUS_RECONNECT || (reply->status == STATUS_OK && reply->link_id == 0);

	if (rc == 0 && reply->link_id != 0 && reply->status != STATUS_OK)
		rc = message_refuse(why, "ReadReply.link_id is set with status %u", (unsigned)reply->status);
	if (rc == 0)
		rc = check_state_count("ReadReply", reply->status, reply->track_count, has_tracks, why);
	return rc == 0 ? check_holes("ReadReply", reply->states, reply->track_count, reply->hole_tracks, why) : rc;
}

static int check_done(const struct message *message, char *why)
{
	return check_status("Done", message->done.status, READ_ONLY | NOT_AFTER_HELLO, why);
}

static int check_host_hello(const struct message *message, char *why)
{
	const struct msg_host_hello *hello = &message->host_hello;

	if (hello->slot_bytes % 4096 != 0)
		return message_refuse(why, "HostHello.slot_bytes is %u, not a multiple of 4096", hello->slot_bytes);
	if ((uint64_t)hello->slot_count * hello->slot_bytes > HOST_MEMORY_BYTES_MAX)
		return message_refuse(why, "HostHello.slot_count is %u: with slot_bytes %u that is more than 64 MiB",
			hello->slot_count, hello->slot_bytes);
	return check_versions("HostHello", hello->protocol_min, hello->protocol_max, why);
}

static int check_host_hello_reply(const struct message *message, char *why)
{
	const struct msg_host_hello_reply *reply = &message->host_hello_reply;
	int rc = check_status("HostHelloReply", reply->status, READ_ONLY, why);

	if (rc == 0 && reply->status == STATUS_OK && reply->protocol == 0)
		rc = message_refuse(why, "HostHelloReply.protocol is 0 with status OK");
	return rc;
}

static int check_host_open_reply(const struct message *message, char *why)
{
	const struct msg_host_open_reply *reply = &message->host_open_reply;
	int rc = check_status("HostOpenReply", reply->status, READ_ONLY, why);

	if (rc == 0 && (reply->status == STATUS_OK || reply->track_bytes != 0))
		rc = check_track_bytes("HostOpenReply", reply->track_bytes, why);
	return rc;
}

static int check_host_read(const struct message *message, char *why)
{
	const struct msg_host_read *read = &message->host_read;

	if (read->side == SIDE_REMOTE && read->delivery == DELIVERY_UNSET)
		return message_refuse(why, "HostRead.delivery is 0, not 1 to %u", DELIVERY_COUNT - 1u);
	return check_run("HostRead", read->first_track, read->track_count, read->digest, read->end_bytes, why);
}

static int check_host_read_reply(const struct message *message, char *why)
{
	const struct msg_host_read_reply *reply = &message->host_read_reply;
	int rc = check_status("HostReadReply", reply->status,
		1u << STATUS_DISCONNECT | 1u << STATUS_RECONNECT | NOT_AFTER_HELLO, why);

	if (rc == 0)
		rc = check_state_count("HostReadReply", reply->status, reply->track_count, reply->status == STATUS_OK, why);
	return rc == 0 ? check_holes("HostReadReply", reply->states, reply->track_count, reply->hole_tracks, why) : rc;
}

static int check_reserve_reply(const struct message *message, char *why)
{
	const struct msg_reserve_reply *reply = &message->reserve_reply;
	int rc = check_status("ReserveReply", reply->status, READ_ONLY | NOT_ON_LINK | NOT_AFTER_HELLO, why);

	if (rc == 0 && (reply->status == STATUS_OK) != (reply->reservation != 0))
		rc = message_refuse(why, "ReserveReply.reservation is %u with status %u", reply->reservation,
			(unsigned)reply->status);
	return rc;
}

static int check_invalid_reply(const struct message *message, char *why)
{
	return check_status("InvalidReply", message->invalid_reply.status, READ_ONLY | NOT_ON_LINK | NOT_AFTER_HELLO, why);
}

static int check_host_record_reply(const struct message *message, char *why)
{
	return check_status("HostRecordReply", message->host_record_reply.status, READ_ONLY | NOT_AFTER_HELLO, why);
}

static int check_control(const struct message *message, char *why)
{
	const struct msg_control *control = &message->control;

	if (control->name[0] != '\0' && !device_name_is_valid(control->name))
		return message_refuse(why, "Control.name is \"%s\", not a name", control->name);
	return 0;
}

static int check_setup(const struct message *message, char *why)
{
	return check_track_bytes("Setup", message->setup.track_bytes, why);
}

#define FIELDS(table) .fields = (table), .field_count = sizeof(table) / sizeof((table)[0])
#define ROW(part, ...) { .descriptor = &ra__##part##__descriptor, FIELDS(part##_fields), __VA_ARGS__ }

const struct message_row message_volume_row = { .descriptor = &ra__volume__descriptor, FIELDS(volume_fields) };

static const struct message_row rows[MESSAGE_TYPES_END] = {
	[MESSAGE_HELLO] = ROW(hello, .check = check_hello),
	[MESSAGE_HELLO_REPLY] = ROW(hello_reply, .check = check_hello_reply),
	[MESSAGE_DEVICE_QUERY] = ROW(device_query),
	[MESSAGE_DEVICE_REPLY] = ROW(device_reply, .check = check_device_reply),
	[MESSAGE_DETACH] = ROW(detach),
	[MESSAGE_READ] = ROW(read, .check = check_read),
	[MESSAGE_READ_REPLY] = ROW(read_reply, .check = check_read_reply, .payload_bytes_max = FRAME_PAYLOAD_BYTES_MAX),
	[MESSAGE_RELEASE] = ROW(release),
	[MESSAGE_DONE] = ROW(done, .check = check_done),
	[MESSAGE_PING] = ROW(ping),
	[MESSAGE_PONG] = { .descriptor = &ra__pong__descriptor, FIELDS(ping_fields) },
	[MESSAGE_RESERVE] = ROW(reserve),
	[MESSAGE_RESERVE_REPLY] = ROW(reserve_reply, .check = check_reserve_reply),
	[MESSAGE_UNRESERVE] = ROW(unreserve),
	[MESSAGE_INVALID] = ROW(invalid),
	[MESSAGE_INVALID_REPLY] = ROW(invalid_reply, .check = check_invalid_reply,
		.payload_bytes_max = TRACK_SET_PAYLOAD_BYTES_MAX),
	[MESSAGE_HOST_HELLO] = ROW(host_hello, .check = check_host_hello),
	[MESSAGE_HOST_HELLO_REPLY] = ROW(host_hello_reply, .check = check_host_hello_reply),
	[MESSAGE_HOST_OPEN] = ROW(host_open),
	[MESSAGE_HOST_STATUS] = ROW(host_status),
	[MESSAGE_HOST_OPEN_REPLY] = ROW(host_open_reply, .check = check_host_open_reply),
	[MESSAGE_HOST_READ] = ROW(host_read, .check = check_host_read),
	[MESSAGE_HOST_READ_REPLY] = ROW(host_read_reply, .check = check_host_read_reply),
	[MESSAGE_HOST_RELEASE] = ROW(host_release),
	[MESSAGE_HOST_LINK] = ROW(host_link),
	[MESSAGE_HOST_LOAD] = ROW(host_load),
	[MESSAGE_HOST_SAVE] = ROW(host_save, .payload_bytes_max = FRAME_PAYLOAD_BYTES_MAX),
	[MESSAGE_HOST_RECORD_REPLY] = ROW(host_record_reply, .check = check_host_record_reply,
		.payload_bytes_max = FRAME_PAYLOAD_BYTES_MAX),
	[MESSAGE_HOST_PROGRESS] = ROW(host_progress),
	[MESSAGE_CONTROL] = ROW(control, .check = check_control, .payload_bytes_max = CONTROL_PAYLOAD_BYTES_MAX),
	[MESSAGE_CONTROL_REPLY] = ROW(control_reply, .payload_bytes_max = CONTROL_PAYLOAD_BYTES_MAX),
	[MESSAGE_SETUP] = ROW(setup, .check = check_setup),
	[MESSAGE_SETUP_REPLY] = ROW(setup_reply),
};

const struct message_row *message_row(unsigned type)
{
	return type < MESSAGE_TYPES_END && rows[type].descriptor != NULL ? &rows[type] : NULL;
}
