/* SPDX-License-Identifier: Apache-2.0
 *
 * A primary for tests of the host program: the functions of local/client.h, defined in the test itself, so that the
 * linker leaves the real ones out. Requests are kept until the test answers them. Two volumes in memory, behind which
 * larger ones have holes; a read is answered from them, or with a status that the test chooses. Include it once per
 * program.
 * check-style: long because the functions of local/client.h are defined here.
 */
#ifndef RA_TESTS_UNIT_FAKE_CLIENT_H
#define RA_TESTS_UNIT_FAKE_CLIENT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "local/client.h"
#include "local/shm.h"

#define FAKE_READS_MAX 256u
#define FAKE_TRACK_BYTES 4096u
#define FAKE_TRACKS 64u
#define FAKE_VOLUME_BYTES (FAKE_TRACKS * FAKE_TRACK_BYTES)

struct fake_read {
	struct msg_host_read request;
	void (*reply)(void *arg, const struct msg_host_read_reply *reply);
	void *arg;
};

struct client {
	struct shm *shm;
	struct fake_read reads[FAKE_READS_MAX]; /* without an answer, oldest first */
	unsigned read_count;
	unsigned reads_sent;
	unsigned opens, statuses, releases; /* without an answer */
	unsigned releases_sent;
	struct msg_host_open open; /* the last */
	void (*open_reply)(void *arg, const struct msg_host_open_reply *reply);
	void (*release_reply)(void *arg);
	/* The load or save without an answer, RECORD_UNSET: none; and what was saved last. */
	enum record record;
	bool is_save;
	client_record_fn *record_reply;
	void *record_arg;
	uint8_t *saved;
	uint32_t saved_bytes;
	unsigned saves;
	void *arg;
	uint64_t local_bytes, remote_bytes, wire_bytes;
	uint64_t remote_offset_bytes, remote_whole_bytes; /* told only; remote begins at the offset */
	bool remote_is_common, digest_only;
	char detail[DETAIL_MAX + 1]; /* of what does not answer OK */
	enum side failed_side;
	uint32_t track_bytes;        /* told by open; 0: the fake's */
	uint32_t throttled_ms, disk_ms; /* of each read that is answered from now on */
	uint64_t cpu_ms;                /* likewise */
	uint8_t local[FAKE_VOLUME_BYTES], remote[FAKE_VOLUME_BYTES];
	uint8_t local_states[FAKE_TRACKS], remote_states[FAKE_TRACKS]; /* TRACK_UNSET: data */
	bool odd_digests[FAKE_TRACKS]; /* of the remote volume: not those of its data */
	bool has_zero_digests;         /* all are zeros */
	bool tells_holes;              /* behind an answer */
};

struct client *client_new(struct event_base *base, struct clock *clock, int fd, struct shm *shm, int memory_fd,
	const struct client_ops *ops, void *arg)
{
	struct client *client = calloc(1, sizeof(*client));

	(void)base, (void)clock, (void)fd, (void)memory_fd, (void)ops, (void)arg;
	assert(client);
	client->shm = shm;
	client->local_bytes = client->remote_bytes = FAKE_VOLUME_BYTES;
	for (size_t i = 0; i < FAKE_VOLUME_BYTES; i++)
		client->local[i] = client->remote[i] = (uint8_t)(i / FAKE_TRACK_BYTES * 7 + i % 251 + 1);
	return client;
}

void client_free(struct client *client)
{
	if (client)
		free(client->saved);
	free(client);
}

void client_owner(const char *program, char owner[OWNER_MAX + 1])
{
	snprintf(owner, OWNER_MAX + 1, "%s[%d] on a host", program, (int)getpid());
}

void client_open(struct client *client, const struct msg_host_open *open,
	void (*reply)(void *arg, const struct msg_host_open_reply *), void *arg)
{
	client->open = *open;
	client->opens++;
	client->open_reply = reply;
	client->arg = arg;
}

void client_status(struct client *client, void (*reply)(void *arg, const struct msg_host_open_reply *), void *arg)
{
	client->statuses++;
	client->open_reply = reply;
	client->arg = arg;
}

void client_release(struct client *client, void (*reply)(void *arg), void *arg)
{
	client->releases++;
	client->releases_sent++;
	client->release_reply = reply;
	client->arg = arg;
}

void client_read(struct client *client, const struct msg_host_read *request,
	void (*reply)(void *arg, const struct msg_host_read_reply *), void *arg)
{
	assert(client->read_count < FAKE_READS_MAX);
	assert(request->track_count >= 1);
	assert(request->track_count <= (request->digest == DIGEST_NONE ? RUN_TRACKS_MAX : RUN_DIGESTS_MAX));
	assert((request->digest == DIGEST_NONE) == (request->end_bytes == 0));
	assert(request->end_bytes <= client->local_bytes && request->end_bytes <= client->remote_bytes);
	assert(!client->digest_only || request->digest != DIGEST_NONE);
	client->reads[client->read_count++] = (struct fake_read){ *request, reply, arg };
	client->reads_sent++;
}

void client_load(struct client *client, enum record record, client_record_fn *reply, void *arg)
{
	assert(client->record == RECORD_UNSET);
	client->record = record;
	client->is_save = false;
	client->record_reply = reply;
	client->record_arg = arg;
}

void client_save(struct client *client, enum record record, const uint8_t *payload, uint32_t bytes,
	client_record_fn *reply, void *arg)
{
	client_load(client, record, reply, arg);
	client->is_save = true;
	client->saves++;
	free(client->saved);
	client->saved = malloc(bytes);
	memcpy(client->saved, payload, bytes);
	client->saved_bytes = bytes;
}

/* ---- For the test ---- */

/* Answers the load or save. */
static inline void fake_answer_record(struct client *client, enum status status, const uint8_t *payload, uint32_t bytes)
{
	struct msg_host_record_reply reply = { .status = status };

	assert(client->record != RECORD_UNSET);
	client->record = RECORD_UNSET;
	snprintf(reply.detail, sizeof(reply.detail), "%s", client->detail);
	client->record_reply(client->record_arg, &reply, payload, bytes);
}

/* The oldest read of that side without an answer; NULL when there is none. */
static inline const struct msg_host_read *fake_pending(const struct client *client, enum side side)
{
	for (unsigned i = 0; i < client->read_count; i++)
		if (client->reads[i].request.side == side)
			return &client->reads[i].request;
	return NULL;
}

static inline struct fake_read fake_take(struct client *client, enum side side)
{
	unsigned i = 0;
	struct fake_read read;

	while (i < client->read_count && client->reads[i].request.side != side)
		i++;
	assert(i < client->read_count);
	read = client->reads[i];
	client->read_count--;
	memmove(&client->reads[i], &client->reads[i + 1], (client->read_count - i) * sizeof(read));
	return read;
}

static inline uint32_t fake_track_bytes(uint64_t volume_bytes, uint64_t track)
{
	uint64_t left = volume_bytes - track * FAKE_TRACK_BYTES;

	return left < FAKE_TRACK_BYTES ? (uint32_t)left : FAKE_TRACK_BYTES;
}

static inline bool fake_is_zero(const uint8_t *bytes, uint32_t count)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

/* A volume as a read sees it. */
struct fake_view {
	const uint8_t *bytes, *states;
	uint64_t end_bytes;
	const struct client *client;
	enum digest digest;
	bool is_remote;
};

static inline struct fake_view fake_view(const struct client *client, const struct msg_host_read *read)
{
	bool is_remote = read->side == SIDE_REMOTE;

	return (struct fake_view){
		.bytes = is_remote ? client->remote : client->local,
		.states = is_remote ? client->remote_states : client->local_states,
		.end_bytes = read->end_bytes ? read->end_bytes : is_remote ? client->remote_bytes : client->local_bytes,
		.client = client,
		.digest = read->digest,
		.is_remote = is_remote,
	};
}

/* Data of zeros has no digest. */
static inline enum track_state fake_state(const struct fake_view *view, uint64_t track)
{
	if (track >= FAKE_TRACKS)
		return TRACK_HOLE;
	if (view->states[track] != TRACK_UNSET)
		return (enum track_state)view->states[track];
	return view->digest != DIGEST_NONE && fake_is_zero(view->bytes + track * FAKE_TRACK_BYTES,
		fake_track_bytes(view->end_bytes, track)) ? TRACK_ZERO : TRACK_DATA;
}

/* Puts the data, or the digest, of the track there; returns its bytes. */
static inline uint32_t fake_put(const struct fake_view *view, uint64_t track, uint8_t *to)
{
	const uint8_t *data = view->bytes + track * FAKE_TRACK_BYTES;
	uint32_t bytes = fake_track_bytes(view->end_bytes, track), digested = digest_bytes(view->digest);
	XXH128_canonical_t digest;

	if (view->digest == DIGEST_NONE) {
		memcpy(to, data, bytes);
		return bytes;
	}
	XXH128_canonicalFromHash(&digest, XXH3_128bits(data, bytes));
	for (uint32_t i = 0; i < digested; i++)
		to[i] = view->client->has_zero_digests ? 0 : (uint8_t)(digest.digest[i % 16] + i / 16);
	to[digested - 1] ^= view->is_remote && view->client->odd_digests[track];
	return digested;
}

static inline uint64_t fake_holes_from(const struct fake_view *view, uint64_t track)
{
	uint64_t end = view->end_bytes / FAKE_TRACK_BYTES + (view->end_bytes % FAKE_TRACK_BYTES != 0), at = track;

	while (at < end && at < FAKE_TRACKS && view->states[at] == TRACK_HOLE)
		at++;
	return at < FAKE_TRACKS ? at - track : end - track;
}

/* Answers the oldest read of the side with the first tracks (at most) of what it asked for. */
static inline void fake_answer_some(struct client *client, enum side side, uint32_t most)
{
	struct fake_read read = fake_take(client, side);
	struct msg_host_read_reply reply = { .status = STATUS_OK, .throttled_ms = client->throttled_ms,
		.disk_ms = client->disk_ms, .cpu_ms = client->cpu_ms };
	const struct fake_view view = fake_view(client, &read.request);
	uint32_t place_bytes = view.digest == DIGEST_NONE ? FAKE_TRACK_BYTES : digest_bytes(view.digest);
	uint8_t *slot = shm_slot(client->shm, read.request.slot), *packed = slot;

	assert((size_t)read.request.track_count * place_bytes <= shm_slot_bytes(client->shm));
	memset(slot, 0xee, (size_t)read.request.track_count * place_bytes);
	reply.track_count = read.request.track_count < most ? read.request.track_count : most;
	for (uint32_t i = 0; i < reply.track_count; i++) {
		uint64_t track = read.request.first_track + i;

		assert(track * FAKE_TRACK_BYTES < view.end_bytes);
		reply.states[i] = fake_state(&view, track);
		if (reply.states[i] == TRACK_DATA)
			packed += fake_put(&view, track, view.is_remote ? packed : slot + (size_t)i * place_bytes);
	}
	if (client->tells_holes && reply.track_count == read.request.track_count &&
		!track_is_unreadable((enum track_state)reply.states[reply.track_count - 1]))
		reply.hole_tracks = fake_holes_from(&view, read.request.first_track + reply.track_count);
	read.reply(read.arg, &reply);
}

static inline void fake_answer(struct client *client, enum side side)
{
	fake_answer_some(client, side, RUN_DIGESTS_MAX);
}

static inline void fake_answer_status(struct client *client, enum side side, enum status status, uint64_t floor,
	bool slot_lost)
{
	struct fake_read read = fake_take(client, side);
	struct msg_host_read_reply reply = { .status = status, .floor = floor, .slot_lost = slot_lost,
		.throttled_ms = client->throttled_ms, .disk_ms = client->disk_ms, .cpu_ms = client->cpu_ms };

	snprintf(reply.detail, sizeof(reply.detail), "%s", client->detail);

	read.reply(read.arg, &reply);
}

/* Answers reads, oldest first, until there are none. */
static inline void fake_answer_all(struct client *client)
{
	while (client->read_count > 0)
		fake_answer(client, client->reads[0].request.side);
}

/* Answers HostOpen or HostStatus. */
static inline void fake_answer_open(struct client *client, enum status status)
{
	static struct msg_host_open_reply reply;

	assert(client->opens + client->statuses == 1);
	client->opens = client->statuses = 0;
	reply = (struct msg_host_open_reply){ .status = status, .failed_side = client->failed_side,
		.track_bytes = client->track_bytes ? client->track_bytes : FAKE_TRACK_BYTES };
	snprintf(reply.detail, sizeof(reply.detail), "%s", client->detail);
	client->wire_bytes += 1000;
	reply.wire_bytes = client->wire_bytes;
	reply.local = (struct volume_info){ .size_bytes = client->local_bytes, .kind = VOLUME_KIND_FILE,
		.io = IO_MODE_BUFFERED, .host_id = 1, .device_id = 2, .inode = 3, .identity = "file 2:3" };
	reply.remote = (struct volume_info){ .size_bytes = client->remote_bytes, .kind = VOLUME_KIND_FILE,
		.io = IO_MODE_BUFFERED, .host_id = 1, .device_id = 2, .inode = 4, .whole_bytes = client->remote_whole_bytes,
		.offset_bytes = client->remote_offset_bytes, .is_common = client->remote_is_common,
		.identity = "file 2:4" };
	reply.digest_only = client->digest_only;
	reply.digests = DIGESTS_KNOWN;
	strcpy(reply.local.path, "/dev/a");
	strcpy(reply.remote.path, "/dev/b");
	client->open_reply(client->arg, &reply);
}

static inline void fake_answer_release(struct client *client)
{
	assert(client->releases == 1);
	client->releases = 0;
	client->release_reply(client->arg);
}

#endif
