/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of proto/ra.proto as plain structs, and the border where they are checked: a message that
 * message_unpack returns is valid (enums in range, names well formed, counts within the limits), so the code behind it
 * asserts. Only message*.c know the generated protobuf code. Fields are explained in ra.proto.
 * check-style: long because each message has its struct here.
 */
#ifndef RA_WIRE_MESSAGE_H
#define RA_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/volume_info.h"
#include "wire/frame.h"

enum message_type {
	MESSAGE_HELLO = 1,
	MESSAGE_HELLO_REPLY = 2,
	MESSAGE_DEVICE_QUERY = 3,
	MESSAGE_DEVICE_REPLY = 4,
	MESSAGE_DETACH = 5,
	MESSAGE_READ = 6,
	MESSAGE_READ_REPLY = 7, /* carries payload */
	MESSAGE_RELEASE = 8,
	MESSAGE_DONE = 9,
	MESSAGE_PING = 10,
	MESSAGE_PONG = 11,
	MESSAGE_RESERVE = 12,
	MESSAGE_RESERVE_REPLY = 13,
	MESSAGE_UNRESERVE = 14,
	MESSAGE_INVALID = 15,
	MESSAGE_INVALID_REPLY = 16, /* carries payload */
	MESSAGE_HOST_HELLO = 32,
	MESSAGE_HOST_HELLO_REPLY = 33,
	MESSAGE_HOST_OPEN = 34,
	MESSAGE_HOST_STATUS = 35,
	MESSAGE_HOST_OPEN_REPLY = 36,
	MESSAGE_HOST_READ = 37,
	MESSAGE_HOST_READ_REPLY = 38,
	MESSAGE_HOST_RELEASE = 39,
	MESSAGE_HOST_LINK = 40,
	MESSAGE_HOST_LOAD = 41,
	MESSAGE_HOST_SAVE = 42, /* carries payload */
	MESSAGE_HOST_RECORD_REPLY = 43, /* carries payload */
	MESSAGE_HOST_PROGRESS = 44,
	MESSAGE_CONTROL = 48, /* carries payload */
	MESSAGE_CONTROL_REPLY = 49, /* carries payload */
	MESSAGE_SETUP = 64,
	MESSAGE_SETUP_REPLY = 65,
};

#define PEER_KEY_CHARS 71u /* "sha256:" and 64 hex digits */
#define IDENTITY_PEM_BYTES_MAX 8192u
#define OWNER_MAX 95u /* characters */
#define CONTROL_PAYLOAD_BYTES_MAX (1u * MIB)

enum control_verb {
	VERB_UNSET = 0,
	VERB_STATUS = 1,
	VERB_DEVICES = 2,
	VERB_JOBS = 3,
	VERB_ERRORS = 4,
	VERB_CACHE = 5,
	VERB_LINKS = 6,
	VERB_LIMIT = 7,
	VERB_PROBE = 8,
	VERB_TRACKS = 9,
	VERB_PROOF = 10,
	VERB_REPORTS = 11,
	VERB_REPORT = 12,
	VERB_LOG_LEVEL = 13,
	VERB_COUNT
};

enum tracks_action { TRACKS_UNSET = 0, TRACKS_LIST = 1, TRACKS_MARK = 2, TRACKS_CLEAR = 3, TRACKS_ACTION_COUNT };

enum record { RECORD_UNSET = 0, RECORD_LEDGER = 1, RECORD_INVALID = 2, RECORD_LAYOUT = 3, RECORD_REPORT = 4,
	RECORD_COUNT };

#define REPORT_BYTES_MAX (512u * KIB) /* of a record REPORT: an answer to Control has room for it */

/* Feature bits of Hello and HelloReply. */
#define FEATURE_INVALID 1u /* Invalid; Reserve.exclusive */

/* A payload that is a set of tracks. */
#define TRACK_SET_PAYLOAD_BYTES_MAX (TRACK_SET_RANGES_MAX * 16u)

enum limit_scope { SCOPE_UNSET = 0, SCOPE_TOTAL = 1, SCOPE_DEVICE = 2, SCOPE_PEER = 3, SCOPE_COUNT };

struct msg_hello {
	uint32_t protocol_min, protocol_max;
	uint64_t features;
	char software[SOFTWARE_MAX + 1];
	uint64_t digests;
};

struct msg_hello_reply {
	enum status status;
	uint32_t protocol;
	uint64_t features;
	uint32_t window_reads;
	uint32_t secondary_id;
	char software[SOFTWARE_MAX + 1];
	uint64_t digests;
};

struct msg_device_query {
	uint32_t tag;
	char device[DEVICE_NAME_MAX + 1];
};

struct msg_device_reply {
	uint32_t tag;
	enum status status;
	uint32_t device_number;
	uint32_t track_bytes;
	struct volume_info volume; /* all zero unless status is OK */
	char detail[DETAIL_MAX + 1];
	bool digest_only;
	bool replaced;
};

struct msg_detach {
	uint32_t tag;
	uint32_t device_number;
};

struct msg_read {
	uint32_t tag;
	uint64_t link_id;
	uint32_t device_number;
	uint64_t first_track;
	uint32_t track_count; /* 0 only with link_id 0 */
	enum delivery delivery;
	uint64_t floor;
	bool reread;
	enum digest digest;
	uint64_t end_bytes; /* 0 without a digest */
};

struct msg_read_reply {
	uint32_t tag;
	enum status status;
	uint64_t link_id;
	uint64_t floor;
	uint32_t track_count; /* how many states */
	uint8_t states[RUN_DIGESTS_MAX]; /* enum track_state */
	char detail[DETAIL_MAX + 1];
	uint32_t throttled_ms;
	uint32_t disk_ms;
	uint64_t cpu_ms;
	uint64_t hole_tracks;
};

struct msg_reserve {
	uint32_t tag;
	uint32_t device_number;
	char owner[OWNER_MAX + 1];
	bool exclusive;
};

struct msg_reserve_reply {
	uint32_t tag;
	enum status status;
	uint32_t reservation;
	char detail[DETAIL_MAX + 1];
	bool by_program;
};

struct msg_unreserve {
	uint32_t tag;
	uint32_t device_number;
	uint32_t reservation;
};

struct msg_invalid {
	uint32_t tag;
	uint32_t device_number;
};

struct msg_invalid_reply {
	uint32_t tag;
	enum status status;
	char detail[DETAIL_MAX + 1];
};

struct msg_release {
	uint32_t tag;
	uint64_t link_id;
};

struct msg_done {
	uint32_t tag;
	enum status status;
};

struct msg_ping { /* and Pong */
	uint32_t tag;
};

struct msg_host_hello {
	uint32_t protocol_min, protocol_max;
	uint32_t slot_count;
	uint32_t slot_bytes;
	char software[SOFTWARE_MAX + 1];
};

struct msg_host_hello_reply {
	enum status status;
	uint32_t protocol;
	char software[SOFTWARE_MAX + 1];
	char detail[DETAIL_MAX + 1];
};

struct msg_host_open {
	uint32_t tag;
	char device[DEVICE_NAME_MAX + 1];
	uint32_t link_timeout_ms;
	uint64_t limit_bytes_per_s;
	bool reserve;
	char owner[OWNER_MAX + 1];
	bool exclusive;
};

struct msg_host_status {
	uint32_t tag;
};

struct msg_host_open_reply {
	uint32_t tag;
	enum status status;
	enum side failed_side;
	uint32_t track_bytes;
	struct volume_info local, remote; /* all zero unless status is OK */
	uint64_t wire_bytes;
	char detail[DETAIL_MAX + 1];
	uint32_t relinks;
	bool digest_only;
	uint64_t throttled_ms;
	uint32_t max_lag_ms;
	uint64_t digests;
};

struct msg_host_read {
	uint32_t tag;
	enum side side;
	uint32_t stream;
	uint64_t first_track;
	uint32_t track_count;
	uint32_t slot;
	enum delivery delivery;
	uint64_t floor;
	bool reread;
	enum digest digest;
	uint64_t end_bytes;
};

struct msg_host_read_reply {
	uint32_t tag;
	enum status status;
	uint64_t floor;
	uint32_t track_count;
	uint8_t states[RUN_DIGESTS_MAX];
	bool disconnected;
	bool slot_lost;
	char detail[DETAIL_MAX + 1];
	uint32_t throttled_ms;
	uint32_t disk_ms;
	uint64_t cpu_ms;
	uint64_t hole_tracks;
};

struct msg_host_link {
	bool is_up;
	uint32_t relinks;
	char detail[DETAIL_MAX + 1];
	bool unreserved;
};

struct msg_host_load {
	uint32_t tag;
	enum record record;
};

struct msg_host_save {
	uint32_t tag;
	enum record record;
};

struct msg_host_record_reply {
	uint32_t tag;
	enum status status;
	char detail[DETAIL_MAX + 1];
};

#define PROGRESS_WORD_BYTES 32u

struct msg_host_progress {
	char phase[PROGRESS_WORD_BYTES];
	uint64_t done_tracks, total_tracks;
	uint64_t different_tracks, settling_tracks;
	uint64_t local_bytes_per_s, remote_bytes_per_s;
	char binds[PROGRESS_WORD_BYTES];
	uint64_t left_s;
	uint64_t elapsed_s;
};

struct msg_control {
	uint32_t tag;
	uint32_t protocol;
	enum control_verb verb;
	char name[DEVICE_NAME_MAX + 1]; /* "" or a valid device name */
	enum limit_scope scope;
	bool sets_bytes;
	uint64_t bytes_per_s;
	bool sets_reads;
	uint64_t reads_per_s;
	enum tracks_action action;
	uint64_t first_track;
	uint64_t report;
	uint32_t log_level; /* 0, or 1 more than enum log_level */
};

struct msg_control_reply {
	uint32_t tag;
	enum status status;
	char detail[DETAIL_MAX + 1];
};

struct msg_host_release {
	uint32_t tag;
};

/* Descriptors of a primary started with --once, beside its standard input. */
#define SETUP_LINK_FD 3
#define SETUP_RETURN_FD 4 /* with return_pipe: what the secondary sends */

struct msg_setup {
	char volume_path[PATH_BYTES_MAX];
	char identity_pem[IDENTITY_PEM_BYTES_MAX];
	char peer_key[PEER_KEY_CHARS + 1];
	uint32_t track_bytes;
	uint64_t cache_bytes;
	enum io_mode io;
	bool verbose;
	uint32_t protocol;
	bool return_pipe;
};

struct msg_setup_reply {
	enum status status;
	uint32_t protocol;
	char software[SOFTWARE_MAX + 1];
};

/* About 13 KiB because of Setup and the paths: one per connection, on the stack only in tests. */
struct message {
	enum message_type type;
	union {
		struct msg_hello hello;
		struct msg_hello_reply hello_reply;
		struct msg_device_query device_query;
		struct msg_device_reply device_reply;
		struct msg_detach detach;
		struct msg_read read;
		struct msg_read_reply read_reply;
		struct msg_release release;
		struct msg_done done;
		struct msg_ping ping;
		struct msg_ping pong;
		struct msg_host_hello host_hello;
		struct msg_host_hello_reply host_hello_reply;
		struct msg_host_open host_open;
		struct msg_host_status host_status;
		struct msg_host_open_reply host_open_reply;
		struct msg_host_read host_read;
		struct msg_host_read_reply host_read_reply;
		struct msg_host_release host_release;
		struct msg_setup setup;
		struct msg_reserve reserve;
		struct msg_reserve_reply reserve_reply;
		struct msg_unreserve unreserve;
		struct msg_host_link host_link;
		struct msg_invalid invalid;
		struct msg_invalid_reply invalid_reply;
		struct msg_host_load host_load;
		struct msg_host_save host_save;
		struct msg_host_record_reply host_record_reply;
		struct msg_host_progress host_progress;
		struct msg_control control;
		struct msg_control_reply control_reply;
		struct msg_setup_reply setup_reply;
	};
};

const char *message_name(unsigned type); /* "Read"; "unknown" for a type that is not defined */
/* The most payload that may follow this type; 0 for most and for unknown types. */
uint32_t message_payload_bytes_max(unsigned type);
/* Bytes written to out, at most FRAME_MESSAGE_BYTES_MAX. The message must be valid (asserted). */
size_t message_pack(const struct message *message, uint8_t out[FRAME_MESSAGE_BYTES_MAX]);
/* 0, or -EPROTO with words in why that name the field and the value. Takes at most 64 KiB while it works. */
int message_unpack(unsigned type, const uint8_t *in, size_t in_bytes, struct message *message,
	char why[DETAIL_MAX + 1]);

bool device_name_is_valid(const char *name); /* 1 to 63 of A-Z a-z 0-9 . _ -, not beginning with '.' or '-' */
bool peer_key_is_valid(const char *key);     /* "sha256:" and 64 lower-case hex digits */

#endif
