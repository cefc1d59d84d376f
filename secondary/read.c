/* SPDX-License-Identifier: Apache-2.0
 *
 * The common steps of a Read, and Fig. 4: see read.h. The figures unlock the cache slot (84, 170) before the reply, and
 * so it is where digests were copied. Else the lock passes to the scratch buffer, because the reply is sent from the
 * slot itself, and the slot is unlocked when the transport has taken the last byte.
 */
#include "secondary/read.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "secondary/delivery.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "secondary/share.h"
#include "secondary/wait.h"
#include "wire/conn.h"

#define READ_MAGIC 0x52454144u

static void poll_look(struct read *read);

static const char *read_state_name(enum read_state state)
{
	static const char *const names[] = { [READ_THROTTLED] = "throttled", [READ_LOOKING] = "looking",
		[READ_WAITING_TURN] = "waiting for its turn",
		[READ_WAITING_ELEMENT] = "waiting for a free element", [READ_WAITING_DISK] = "waiting for the disk",
		[READ_WAITING_PLACE] = "waiting for a place", [READ_SENDING] = "sending" };

	return names[state];
}

void read_enter(struct read *read, enum read_state state, const char *reason)
{
	int64_t now_ms = clock_now_ms(read->ra->clock);

	log_debug("device %s, tracks %" PRIu64 "+%" PRIu32 ", link id 0x%016" PRIx64 ", peer %s: read %s -> %s (%s)",
		read->job != NULL ? read->job->constants.name : "?", read->parameters.first_track,
		read->parameters.track_count, read->parameters.link_id, session_peer(read->session),
		read_state_name(read->state), read_state_name(state), reason);
	if (read->state == READ_WAITING_DISK || read->state == READ_WAITING_ELEMENT)
		read->disk_ms += now_ms - read->entered_ms;
	read->entered_ms = now_ms;
	read->state = state;
}

void read_post(const struct read *read, enum status status, const char *text)
{
	const struct post_where where = { .device = read->job->constants.name, .peer = session_peer(read->session),
		.first_track = read->parameters.first_track, .track_count = read->parameters.track_count,
		.link_id = read->parameters.link_id };

	if (status == STATUS_TIMEOUT)
		read->ra->counts.timeouts++;
	post_error(read->ra->post, status, &where, "%s", text);
}

/* The moment that disk reads must not be older than. A floor from the peer cannot lie in the future. */
static uint64_t floor_of(struct ra *ra, const struct job *job, const struct msg_read *message)
{
	uint64_t now = cache_next_sequence(ra->cache);
	uint64_t floor = message->floor > job->specific.floor ? message->floor : job->specific.floor;

	if (job->shared->parameters.floor > floor)
		floor = job->shared->parameters.floor;
	return (message->reread && message->floor == 0) || floor > now ? now : floor;
}

/* What limits the Read. */
static void rates_of(const struct read *read, struct rate *rates[RATES_MAX])
{
	const struct job *job = read->job;

	memset(rates, 0, RATES_MAX * sizeof(*rates));
	rates[0] = device_array_rate(read->ra->devices, job->constants.number);
	rates[1] = read->session->peer->rate;
	rates[2] = read->ra->total_rate;
}

/* The limits let the Read begin: its time-outs, and "now" for a reread, count from here. */
static void begin(void *arg)
{
	struct read *read = arg;
	struct ra *ra = read->ra;

	assert(read->magic == READ_MAGIC);
	read_enter(read, READ_LOOKING, "begins");
	read->floor = floor_of(ra, read->job, &read->parameters);
	read->started_ms = clock_now_ms(ra->clock);
	job_enter(read->job, JOB_STATE_READING, delivery_name(read->parameters.delivery));
	job_activate(read->job);
	ra->counts.reads++;
	if (read->parameters.delivery != DELIVERY_POLL)
		timer_set(&read->request_timer, ra->config.request_timeout_ms);
	read_look_again(read);
}

/* Charges the limits with the run, unless that was done when the same run was answered DATA_NOT_FOUND. false: waits. */
static bool pass_limits(struct read *read)
{
	struct job_specific *specific = &read->job->specific;
	const struct msg_read *message = &read->parameters;
	struct rate *rates[RATES_MAX];
	bool is_paid = specific->paid_track_count == message->track_count &&
		specific->paid_first_track == message->first_track &&
		specific->paid_wanted.digest == read->wanted.digest &&
		specific->paid_wanted.end_bytes == read->wanted.end_bytes;

	specific->paid_track_count = 0;
	read->charged_bytes = wanted_bytes(&read->wanted, message->first_track, message->track_count);
	rates_of(read, rates);
	return is_paid || rate_enter(read->ra->throttle, &read->throttle, rates, read->session->peer, read->charged_bytes,
		begin, read);
}

/* The Read is answered: what it was charged and did not read is given back. */
static void give_back(struct read *read, uint64_t read_bytes, unsigned reads)
{
	struct rate *rates[RATES_MAX];

	rates_of(read, rates);
	rate_give_back(rates, read->charged_bytes - read_bytes, reads);
}

void read_start(struct ra *ra, struct session *session, struct job *job, const struct msg_read *message)
{
	struct read *read = xcalloc(1, sizeof(*read) + message->track_count * sizeof(*read->entries)); /* 72, 152 */

	assert(job->specific.kind == JOB_LINK && job->specific.read == NULL);
	assert(message->track_count >= 1);
	read->magic = READ_MAGIC;
	read->ra = ra;
	read->session = session;
	read->job = job;
	read->parameters = *message; /* 74, 154 */
	read->wanted = wanted_by(&job->constants, message);
	assert(message->track_count <= wanted_tracks_left(&read->wanted, message->first_track));
	read->place = READ_PLACE_READ;
	read->state = READ_THROTTLED;
	timer_init(&read->request_timer, ra->clock, delivery_request_timer, read);
	timer_init(&read->da_timer, ra->clock, delivery_da_timer, read);
	job->specific.read = read;
	job_set_tracks(job, message->first_track, message->track_count);
	if (pass_limits(read))
		begin(read);
	else
		job_enter(job, JOB_STATE_THROTTLED, "a limit");
}

void read_look_again(struct read *read)
{
	assert(read->magic == READ_MAGIC && read->state == READ_LOOKING);
	if (read->parameters.delivery == DELIVERY_POLL)
		poll_look(read);
	else
		delivery_look(read);
}

void read_leave_list(struct read *read)
{
	switch (read->state) {
	case READ_THROTTLED:
		rate_leave(&read->throttle);
		break;
	case READ_WAITING_TURN:
		share_leave(read);
		break;
	case READ_WAITING_ELEMENT:
		DL_DELETE(read->ra->element_waiters, read);
		break;
	case READ_WAITING_DISK:
		timer_cancel(&read->da_timer);
		fetch_leave(read->fetch, read);
		break;
	case READ_WAITING_PLACE:
		DL_DELETE(read->session->place_waiters, read);
		break;
	case READ_LOOKING:
	case READ_SENDING:
		break;
	}
}

void read_give_place_back(struct read *read)
{
	enum read_place place = read->place;

	read->place = READ_PLACE_NONE;
	if (place == READ_PLACE_READ)
		read->session->connected_reads--;
	else if (place == READ_PLACE_ANSWER)
		read->session->reconnected_reads--;
	if (place != READ_PLACE_NONE)
		session_place_is_free(read->session);
}

/* Steps 88, 174: frees the scratch buffer. */
static void read_free(struct read *read)
{
	assert(read->magic == READ_MAGIC && read->lock_count == 0 && read->place == READ_PLACE_NONE);
	timer_cancel(&read->request_timer);
	timer_cancel(&read->da_timer);
	read->magic = 0;
	free(read->digests);
	free(read);
}

/* The job is free for its next command. */
static void leave_job(struct read *read, const char *reason)
{
	struct job *job = read->job;

	assert(job->specific.read == read);
	job->specific.read = NULL;
	job_enter(job, JOB_STATE_IDLE, reason);
	read->job = NULL;
}

void read_cancel(struct read *read)
{
	struct fetch *fetch = read->state == READ_WAITING_DISK ? read->fetch : NULL;
	/* Nothing was read for it. Leaving the throttled gives back by itself; behind a disk read the charge is due. */
	bool is_unused = read->state == READ_WAITING_TURN || read->state == READ_WAITING_ELEMENT;

	assert(read->magic == READ_MAGIC && read->state != READ_SENDING);
	read_leave_list(read);
	read_enter(read, READ_LOOKING, "cancelled");
	if (fetch != NULL)
		fetch_survive(fetch);
	if (is_unused)
		give_back(read, 0, 1);
	leave_job(read, "cancelled");
	read_give_place_back(read);
	read_free(read);
}

uint32_t read_find(struct read *read)
{
	struct job *job = read->job;
	int64_t now_ms = clock_now_ms(read->ra->clock);
	uint32_t found = 0;

	for (; found < job->track_count; found++) {
		struct job_track *track = &job->tracks[found];
		const struct cache_key key = wanted_key(&read->wanted, track->number);

		track->state = JOB_TRACK_WANTED;
		if (!cache_find(read->ra->cache, &key, read->floor, now_ms, &read->entries[found]))
			break;
		track->state = JOB_TRACK_FOUND;
	}
	return found;
}

/* As share_of_locks goes by. */
static void count_locks(struct read *read, uint32_t more, uint32_t less)
{
	if (read->wanted.digest != DIGEST_NONE)
		return;
	read->session->locked_tracks += more - less;
	read->session->peer->locked_tracks += more - less;
}

void read_lock(struct read *read, uint32_t track_count)
{
	assert(read->lock_count == 0);
	for (uint32_t i = 0; i < track_count; i++)
		cache_lock(read->ra->cache, &read->entries[i]);
	read->lock_count = track_count;
	count_locks(read, track_count, 0);
}

/* Unlocks all but the first `keep` tracks. */
static void unlock_after(struct read *read, uint32_t keep)
{
	assert(keep <= read->lock_count);
	count_locks(read, keep, read->lock_count);
	while (read->lock_count > keep)
		cache_unlock(read->ra->cache, &read->entries[--read->lock_count]);
}

uint32_t read_still_there(struct read *read, uint32_t track_count)
{
	uint32_t there = 0;

	while (there < track_count && cache_is_still_there(read->ra->cache, &read->entries[there]))
		there++;
	unlock_after(read, there); /* 90, 166 */
	return there;
}

/* The transport took the last byte, or the link has ended. */
static void read_is_sent(void *arg, bool sent)
{
	struct read *read = arg;
	struct peer *peer = read->session->peer;

	(void)sent;
	assert(read->magic == READ_MAGIC && read->state == READ_SENDING);
	unlock_after(read, 0); /* 84, 170 */
	read_give_place_back(read);
	read_free(read); /* 88, 174 */
	share_next_turn(peer);
}

/* What follows the states of an answer. */
struct payload {
	struct conn_piece pieces[RUN_TRACKS_MAX];
	unsigned piece_count;
	uint64_t read_bytes; /* of tracks that are no holes: what it has cost */
};

static void add_piece(struct payload *payload, const void *data, size_t bytes)
{
	payload->pieces[payload->piece_count++] = (struct conn_piece){ .data = data, .bytes = bytes };
}

/* Steps 82, 168: states and data, or digests, of the locked tracks up to the first one that is an error of the request,
 * not of the track. Returns how many; 0 with *error when the first one is. */
static uint32_t load(struct read *read, struct msg_read_reply *reply, struct payload *payload, enum status *error)
{
	const size_t each_bytes = digest_bytes(read->wanted.digest);
	struct job_track *tracks = read->job->tracks;
	uint32_t loaded = 0, digests = 0;

	if (each_bytes > 0)
		read->digests = xcalloc(read->lock_count, each_bytes);
	for (; loaded < read->lock_count; loaded++) {
		uint64_t bytes = wanted_bytes(&read->wanted, tracks[loaded].number, 1);
		struct cache_track known;

		cache_load(read->ra->cache, &read->entries[loaded], &known);
		*error = known.status;
		if (known.state == TRACK_UNSET)
			break;
		reply->states[loaded] = (uint8_t)known.state;
		reply->hole_tracks = known.hole_tracks;
		tracks[loaded].state = JOB_TRACK_LOADED;
		if (known.digest != NULL)
			memcpy(read->digests + each_bytes * digests++, known.digest, each_bytes);
		else if (known.state == TRACK_DATA)
			add_piece(payload, known.slot, bytes);
		if (known.state != TRACK_HOLE)
			payload->read_bytes += bytes;
	}
	if (digests > 0)
		add_piece(payload, read->digests, each_bytes * digests);
	reply->track_count = loaded;
	return loaded;
}

/* Holes behind the answer are told when it is the whole run, and as far as this Read takes the device to go. */
static void limit_holes(const struct read *read, struct msg_read_reply *reply)
{
	uint64_t left = wanted_tracks_left(&read->wanted, read->parameters.first_track + reply->track_count);

	if (reply->track_count < read->parameters.track_count)
		reply->hole_tracks = 0;
	else if (reply->hole_tracks > left)
		reply->hole_tracks = left;
}

static void tell_waits(const struct read *read, struct msg_read_reply *reply)
{
	reply->throttled_ms = read->throttle.waited_ms;
	reply->disk_ms = (uint32_t)read->disk_ms;
	reply->cpu_ms = (uint64_t)clock_thread_cpu_ms();
}

void read_reply_data(struct read *read, uint32_t track_count)
{
	struct message message = { .type = MESSAGE_READ_REPLY };
	struct msg_read_reply *reply = &message.read_reply;
	struct payload payload = { .piece_count = 0 };
	enum status error = STATUS_OK;

	assert(track_count == read->lock_count && track_count > 0);
	if (load(read, reply, &payload, &error) == 0) {
		unlock_after(read, 0);
		read_reply_status(read, error, "an earlier disk read of these tracks failed");
		return;
	}
	unlock_after(read, read->wanted.digest == DIGEST_NONE ? reply->track_count : 0); /* digests were copied: 84, 170 */
	limit_holes(read, reply);
	give_back(read, payload.read_bytes, 0);
	reply->tag = read->parameters.tag;
	tell_waits(read, reply);
	reply->status = read->was_disconnected ? STATUS_RECONNECT : STATUS_OK;
	if (read->was_disconnected)
		read->ra->counts.reconnects++;
	timer_cancel(&read->request_timer);
	read_enter(read, READ_SENDING, status_name(reply->status));
	leave_job(read, "answered");
	if (read->place == READ_PLACE_READ)
		read_give_place_back(read);
	conn_send(read->session->conn, &message, payload.pieces, payload.piece_count, read_is_sent, read); /* 86, 172 */
	share_next_turn(read->session->peer);
}

void read_reply_status(struct read *read, enum status status, const char *detail)
{
	struct message message = { .type = MESSAGE_READ_REPLY };
	struct msg_read_reply *reply = &message.read_reply;
	struct session *session = read->session;

	assert(read->lock_count == 0);
	reply->tag = read->parameters.tag;
	reply->status = status;
	tell_waits(read, reply);
	if (status == STATUS_DATA_NOT_FOUND) {
		reply->floor = read->floor;
		read->ra->counts.data_not_found++;
		read->job->specific.paid_first_track = read->parameters.first_track;
		read->job->specific.paid_track_count = read->parameters.track_count;
		read->job->specific.paid_wanted = read->wanted;
	} else {
		give_back(read, 0, 1);
	}
	if (detail != NULL)
		strncpy(reply->detail, detail, sizeof(reply->detail) - 1);
	leave_job(read, status_name(status));
	conn_send(session->conn, &message, NULL, 0, NULL, NULL); /* 86, 172 */
	read_give_place_back(read);
	read_free(read); /* 88, 174 */
}

/* Steps 92 to 106: sees to it that the tracks are being fetched and have a wait task, and answers DATA_NOT_FOUND. */
static void poll_fetch(struct read *read)
{
	struct device *device = read->job->shared;
	struct fetch *fetch = fetch_find(read);
	enum status status;

	if (fetch == NULL || fetch->wait_task == NULL) { /* 92 */
		if (fetch == NULL) {
			if (!device_is_ready(device)) {
				read_reply_status(read, STATUS_NOT_READY, "a read of this volume hangs");
				return;
			}
			if (!share_allows_fetch(read)) { /* a poll that waited would keep one from its place that can be answered */
				read_reply_status(read, STATUS_DATA_NOT_FOUND, NULL);
				return;
			}
			status = fetch_start(read, &fetch); /* 94, 96 */
			if (status != STATUS_OK) {          /* 98 */
				if (status == STATUS_QUEUE_FULL)
					read_post(read, status, "the DA queue is full"); /* 100 */
				read_reply_status(read, status, NULL);                   /* 102 is done; 86, 88 */
				return;
			}
		}
		wait_task_add(fetch); /* 104 */
	}
	read_reply_status(read, STATUS_DATA_NOT_FOUND, NULL); /* 106, 86, 88 */
}

/* Fig. 4 from step 76 on. */
static void poll_look(struct read *read)
{
	uint32_t found = read_find(read), tracks; /* 76 */

	read_enter(read, READ_LOOKING, "poll");
	if (found > 0) {
		tracks = share_of_locks(read, found);
		if (tracks == 0) {
			share_wait_for_locks(read, found);
			return;
		}
		read_lock(read, tracks);                 /* 78 */
		tracks = read_still_there(read, tracks); /* 80, 90 */
		if (tracks > 0) {
			read_reply_data(read, tracks); /* 82 to 88 */
			return;
		}
	}
	poll_fetch(read);
}
