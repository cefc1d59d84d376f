/* SPDX-License-Identifier: Apache-2.0
 *
 * The test bed: see bed.h.
 */
#include "tests/support/bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "tests/support/table_bed.h"
#include "wire/conn.h"

#define INNER_TAG 255u /* of attach, link and release */

static const char *const all_devices[] = { "d0", "d1", "d2", NULL };

void bed_config(struct ra_config *config)
{
	ra_config_default(config);
	config->secondary_id = 7;
	config->jobs = 64;
	config->cache_bytes = 16 * MIB;
	config->da_threads = DA_THREADS_SMALL_CACHE;
}

struct bed *bed_new(const struct ra_config *config, uint64_t tracks_each)
{
	struct bed *bed = xcalloc(1, sizeof(*bed));

	log_level_max = LOG_LEVEL_ERROR;
	bed->base = event_base_new();
	bed->clock = clock_new_virtual();
	bed->mailbox = mailbox_new(NULL);
	bed->post = post_new();
	bed->ra = ra_new(config, bed->clock, bed->mailbox, bed->post);
	assert_non_null(bed->ra);
	bed->peers = peer_list_new(bed->ra->throttle);
	bed->peer = bed_add_peer(bed, "bed", all_devices, false, 64, 256);
	for (uint32_t i = 0; i < BED_DEVICES; i++) {
		char name[8];

		snprintf(name, sizeof(name), "d%u", i);
		bed->volumes[i] = faulty_volume_new(tracks_each * config->track_bytes, i + 1);
		assert_int_equal(device_array_add(bed->ra->devices, name, faulty_volume_volume(bed->volumes[i])), i);
	}
	return bed;
}

struct peer *bed_add_peer(struct bed *bed, const char *name, const char *const *devices, bool is_digest_only,
	uint32_t links_max, uint32_t jobs_max)
{
	const struct peer_config config = { .name = name, .devices = devices, .is_digest_only = is_digest_only,
		.links_max = links_max, .jobs_max = jobs_max };

	return peer_list_add(bed->peers, &config);
}

void bed_pass(struct bed *bed)
{
	event_base_loop(bed->base, EVLOOP_NONBLOCK);
	mailbox_wait(bed->mailbox, 1);
	mailbox_drain(bed->mailbox);
	event_base_loop(bed->base, EVLOOP_NONBLOCK);
}

void bed_advance(struct bed *bed, int64_t ms)
{
	clock_advance(bed->clock, ms);
	bed_pass(bed);
}

struct da_counts bed_da(struct bed *bed)
{
	struct da_counts counts;

	da_count(bed->ra->da, &counts);
	return counts;
}

struct cache_counts bed_cache(struct bed *bed)
{
	struct cache_counts counts;

	cache_count(bed->ra->cache, &counts);
	return counts;
}

struct fetch *bed_fetch(struct bed *bed)
{
	const struct job *job;

	for (uint32_t i = 0; (job = job_array_element(bed->ra->jobs, i)) != NULL; i++)
		if (job->specific.kind == JOB_FETCH)
			return job->specific.fetch;
	return NULL;
}

static bool peers_have_nothing(const struct bed *bed)
{
	for (const struct peer *peer = peer_list_first(bed->peers); peer != NULL; peer = peer->next)
		if (peer->jobs > 0 || peer->queries > 0 || peer->fetches > 0 || peer->locked_tracks > 0 ||
			peer->turns[SHARE_LOCKS].waiters != NULL || peer->turns[SHARE_FETCHES].waiters != NULL)
			return false;
	return true;
}

bool bed_is_quiet(struct bed *bed)
{
	return peers_have_nothing(bed) &&
		job_array_used(bed->ra->jobs, JOB_LINK) == 0 && job_array_used(bed->ra->jobs, JOB_FETCH) == 0 &&
		bed_da(bed).elements_used == 0 && bed_cache(bed).slots_locked == 0 &&
		bed->ra->element_waiters == NULL && device_array_is_idle(bed->ra->devices);
}

void bed_free(struct bed *bed)
{
	for (uint32_t i = 0; i < BED_DEVICES; i++)
		faulty_volume_hang_reads(bed->volumes[i], false);
	ra_end_sessions(bed->ra);
	BED_UNTIL_IN_TIME(bed, bed_is_quiet(bed));
	peer_list_free(bed->peers); /* asserts that no link, job, query, fetch or lock is left */
	assert_true(ra_free(bed->ra));
	for (uint32_t i = 0; i < BED_DEVICES; i++)
		faulty_volume_free(bed->volumes[i]);
	post_free(bed->post);
	mailbox_free(bed->mailbox);
	clock_free(bed->clock);
	event_base_free(bed->base);
	bed_remove_tables(bed);
	free(bed);
}

/* ---- A primary ---- */

static void *primary_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct primary *primary = arg;
	uint32_t tag = message->type == MESSAGE_READ_REPLY ? message->read_reply.tag : message->invalid_reply.tag;
	struct answer *answer = &primary->answers[tag % BED_TAGS];

	free(answer->payload);
	answer->payload = xcalloc(1, payload_bytes);
	answer->payload_bytes = payload_bytes;
	return answer->payload;
}

static void take_read_reply(struct primary *primary, const struct msg_read_reply *reply)
{
	struct answer *answer = &primary->answers[reply->tag % BED_TAGS];

	if (reply->status == STATUS_DISCONNECT) {
		answer->is_disconnected = true;
		return;
	}
	answer->replies++;
	answer->status = reply->status;
	answer->link_id = reply->link_id;
	answer->floor = reply->floor;
	answer->track_count = reply->track_count;
	answer->throttled_ms = reply->throttled_ms;
	answer->disk_ms = reply->disk_ms;
	answer->cpu_ms = reply->cpu_ms;
	memcpy(answer->detail, reply->detail, sizeof(answer->detail));
	memcpy(answer->states, reply->states, sizeof(answer->states));
	answer->hole_tracks = reply->hole_tracks;
}

static int primary_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct primary *primary = arg;
	struct answer *answer;

	(void)payload_bytes;
	switch (message->type) {
	case MESSAGE_HELLO_REPLY:
		primary->is_up = message->hello_reply.status == STATUS_OK;
		primary->features = message->hello_reply.features;
		primary->digests = message->hello_reply.digests;
		conn_accept(primary->conn);
		break;
	case MESSAGE_DEVICE_REPLY:
		answer = &primary->answers[message->device_reply.tag % BED_TAGS];
		answer->replies++;
		answer->status = message->device_reply.status;
		answer->number = message->device_reply.device_number;
		answer->volume = message->device_reply.volume;
		answer->track_bytes = message->device_reply.track_bytes;
		answer->is_digest_only = message->device_reply.digest_only;
		answer->is_replaced = message->device_reply.replaced;
		memcpy(answer->detail, message->device_reply.detail, sizeof(answer->detail));
		break;
	case MESSAGE_RESERVE_REPLY:
		answer = &primary->answers[message->reserve_reply.tag % BED_TAGS];
		answer->replies++;
		answer->status = message->reserve_reply.status;
		answer->reservation = message->reserve_reply.reservation;
		answer->by_program = message->reserve_reply.by_program;
		memcpy(answer->detail, message->reserve_reply.detail, sizeof(answer->detail));
		break;
	case MESSAGE_INVALID_REPLY:
		answer = &primary->answers[message->invalid_reply.tag % BED_TAGS];
		answer->replies++;
		answer->status = message->invalid_reply.status;
		memcpy(answer->detail, message->invalid_reply.detail, sizeof(answer->detail));
		break;
	case MESSAGE_READ_REPLY:
		take_read_reply(primary, &message->read_reply);
		break;
	case MESSAGE_DONE:
		answer = &primary->answers[message->done.tag % BED_TAGS];
		answer->replies++;
		answer->status = message->done.status;
		break;
	default:
		return -1;
	}
	return 0;
}

static void primary_closed(void *arg, const char *reason, bool clean)
{
	struct primary *primary = arg;

	(void)reason;
	(void)clean;
	primary->is_closed = true;
}

static void primary_up(void *arg)
{
	(void)arg;
}

const struct conn_ops primary_conn_ops = { .up = primary_up, .payload = primary_payload, .frame = primary_frame,
	.closed = primary_closed };

int bed_raw_session_of(struct bed *bed, struct peer *peer, struct session **session)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*session = session_new(bed->ra, "bed", peer, NULL, NULL);
	session_start(*session,
		conn_new_plain(bed->base, bed->clock, fds[0], "session", &session_conn_ops, *session));
	return fds[1];
}

int bed_raw_session(struct bed *bed, struct session **session)
{
	return bed_raw_session_of(bed, bed->peer, session);
}

static struct primary *new_silent(struct bed *bed, struct peer *peer)
{
	struct primary *primary = xcalloc(1, sizeof(*primary));
	int fd = bed_raw_session_of(bed, peer, &primary->session);

	primary->bed = bed;
	primary->conn = conn_new_plain(bed->base, bed->clock, fd, "primary", &primary_conn_ops, primary);
	return primary;
}

struct primary *primary_new_silent(struct bed *bed)
{
	return new_silent(bed, bed->peer);
}

struct primary *primary_new(struct bed *bed)
{
	return primary_new_of(bed, bed->peer);
}

struct primary *primary_new_of(struct bed *bed, struct peer *peer)
{
	return primary_new_knowing(bed, peer, UINT64_MAX);
}

struct primary *primary_new_knowing(struct bed *bed, struct peer *peer, uint64_t digests)
{
	const struct message hello = { .type = MESSAGE_HELLO, .hello = { .protocol_min = 1, .protocol_max = 1,
		.features = UINT64_MAX, .software = "bed", .digests = digests } };
	struct primary *primary = new_silent(bed, peer);

	primary_send(primary, &hello);
	BED_UNTIL(bed, primary->is_up);
	return primary;
}

bool bed_has_session(const struct bed *bed, const struct session *session)
{
	const struct session *at = bed->ra->sessions;

	while (at != NULL && at != session)
		at = at->next;
	return at != NULL;
}

void primary_drop(struct primary *primary)
{
	struct bed *bed = primary->bed;

	conn_free(primary->conn);
	while (bed_has_session(bed, primary->session))
		bed_pass(bed);
	for (unsigned i = 0; i < BED_TAGS; i++)
		free(primary->answers[i].payload);
	free(primary);
}

void primary_send(struct primary *primary, const struct message *message)
{
	conn_send(primary->conn, message, NULL, 0, NULL, NULL);
}

static struct answer *clear(struct primary *primary, uint32_t tag)
{
	struct answer *answer = &primary->answers[tag];

	free(answer->payload);
	*answer = (struct answer){ .replies = 0 };
	return answer;
}

struct answer *primary_wait(struct primary *primary, uint32_t tag)
{
	struct answer *answer = &primary->answers[tag];

	BED_UNTIL(primary->bed, answer->replies > 0);
	return answer;
}

struct answer *primary_query(struct primary *primary, uint32_t tag, const char *device)
{
	struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = tag } };

	clear(primary, tag);
	snprintf(query.device_query.device, sizeof(query.device_query.device), "%s", device);
	primary_send(primary, &query);
	return primary_wait(primary, tag);
}

static void ask_reserve(struct primary *primary, uint32_t tag, uint32_t device, const char *owner, bool exclusive)
{
	struct message reserve = { .type = MESSAGE_RESERVE,
		.reserve = { .tag = tag, .device_number = device, .exclusive = exclusive } };

	clear(primary, tag);
	snprintf(reserve.reserve.owner, sizeof(reserve.reserve.owner), "%s", owner);
	primary_send(primary, &reserve);
}

struct answer *primary_reserve(struct primary *primary, uint32_t tag, uint32_t device, const char *owner)
{
	ask_reserve(primary, tag, device, owner, false);
	return primary_wait(primary, tag);
}

void primary_ask_exclusive(struct primary *primary, uint32_t tag, uint32_t device, const char *owner)
{
	ask_reserve(primary, tag, device, owner, true);
}

enum status primary_unreserve(struct primary *primary, uint32_t device, uint32_t reservation)
{
	const struct message unreserve = { .type = MESSAGE_UNRESERVE,
		.unreserve = { .tag = INNER_TAG, .device_number = device, .reservation = reservation } };

	clear(primary, INNER_TAG);
	primary_send(primary, &unreserve);
	return primary_wait(primary, INNER_TAG)->status;
}

enum status primary_detach(struct primary *primary, uint32_t device)
{
	const struct message detach = { .type = MESSAGE_DETACH,
		.detach = { .tag = INNER_TAG, .device_number = device } };

	clear(primary, INNER_TAG);
	primary_send(primary, &detach);
	return primary_wait(primary, INNER_TAG)->status;
}

uint32_t primary_attach(struct primary *primary, const char *device)
{
	struct answer *answer = primary_query(primary, INNER_TAG, device);

	assert_int_equal(answer->status, STATUS_OK);
	return answer->number;
}

uint64_t primary_link(struct primary *primary, uint32_t device)
{
	struct answer *answer;

	primary_read(primary, INNER_TAG, 0, device, 0, 0, DELIVERY_UNSET);
	answer = primary_wait(primary, INNER_TAG);
	assert_int_equal(answer->status, STATUS_OK);
	return answer->link_id;
}

void primary_ask(struct primary *primary, const struct msg_read *read)
{
	const struct message message = { .type = MESSAGE_READ, .read = *read };

	clear(primary, read->tag);
	primary_send(primary, &message);
}

void primary_read_again(struct primary *primary, uint32_t tag, uint64_t link_id, uint32_t device, uint64_t first_track,
	uint32_t track_count, enum delivery delivery, uint64_t floor, bool reread)
{
	const struct msg_read read = { .tag = tag, .link_id = link_id, .device_number = device,
		.first_track = first_track, .track_count = track_count, .delivery = delivery, .floor = floor,
		.reread = reread };

	primary_ask(primary, &read);
}

void primary_read(struct primary *primary, uint32_t tag, uint64_t link_id, uint32_t device, uint64_t first_track,
	uint32_t track_count, enum delivery delivery)
{
	primary_read_again(primary, tag, link_id, device, first_track, track_count, delivery, 0, false);
}

struct answer *primary_poll(struct primary *primary, uint32_t tag, uint64_t link_id, uint32_t device,
	uint64_t first_track, uint32_t track_count, unsigned times)
{
	struct answer *answer = NULL;
	uint64_t floor = 0;

	for (unsigned i = 0; i < times; i++) {
		primary_read_again(primary, tag, link_id, device, first_track, track_count, DELIVERY_POLL, floor, false);
		answer = primary_wait(primary, tag);
		if (answer->status != STATUS_DATA_NOT_FOUND)
			break;
		floor = answer->floor;
		BED_UNTIL(primary->bed, bed_da(primary->bed).queued + bed_da(primary->bed).running == 0 ||
			bed_da(primary->bed).running > 0);
		bed_pass(primary->bed);
	}
	return answer;
}

void primary_release(struct primary *primary, uint64_t link_id)
{
	const struct message release = { .type = MESSAGE_RELEASE, .release = { .tag = INNER_TAG, .link_id = link_id } };

	clear(primary, INNER_TAG);
	primary_send(primary, &release);
	assert_int_equal(primary_wait(primary, INNER_TAG)->status, STATUS_OK);
}
