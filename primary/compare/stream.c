/* SPDX-License-Identifier: Apache-2.0
 *
 * A run has two readers, one per volume, each with one slot and at most one request in flight. An answer may cover only
 * the first tracks: `next` moves over those that both have, then the side that has run out is asked for the rest. Of a
 * run FIRST only the local volume is read; of a run SECOND the remote one, and only then the local one. Local
 * data, or digests, have each track at its place, remote ones are packed: `packed_bytes` is where the next remote track
 * begins. Nothing here is done for each track that a whole stretch of equal ones can share: a run may have 1024. The
 * hard thing is a slot that was lost: a disk may still write into it, so it is replaced before anything else is asked.
 * check-style: long because a run and its two readers are one state machine.
 */
#include "primary/compare/stream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/post.h"
#include "local/client.h"
#include "local/shm.h"
#include "primary/compare/options.h"

#define READER_MAGIC 0x52454144u
#define RETRIES_MAX 3u
#define BACK_OFF_FIRST_MS 500 /* then 1 s, 2 s */

enum reader_state {
	READER_IDLE,    /* its answer, if any, is being compared */
	READER_ASKED,   /* the slot is the primary's */
	READER_DELAYED, /* Fig. 3, step 66, or the back-off of a retry */
};

struct reader {
	uint32_t magic;
	enum reader_state state;
	struct stream *stream;
	enum side side;
	uint32_t slot;
	bool has_slot;
	/* The answer: track_count is 0 when there is none. */
	uint64_t first_track;
	uint32_t track_count;
	uint8_t states[RUN_DIGESTS_MAX];
	uint64_t hole_tracks;  /* behind it */
	uint64_t packed_bytes; /* remote: where the stream's next track stands */
	/* The question, kept for asking again. */
	uint64_t floor;
	bool reread;
	unsigned retries;
	bool is_polling;
	int64_t poll_delay_ms; /* the last; 0: none */
	int64_t poll_end_ms; /* with is_polling; active_ms goes by it */
	bool is_asked;       /* for tracks that have not come */
	int64_t asked_ms;    /* with is_asked: since */
	int64_t came_ms;     /* the last answer */
	struct timer timer;
};

/* Consecutive unreadable tracks of one side and kind: one error for all of them. */
struct unreadable {
	uint64_t first_track;
	uint32_t track_count; /* 0: none */
	enum side side;
	enum track_state state;
};

struct stream {
	const struct stream_shared *shared;
	uint32_t number;
	struct reader local, remote;
	struct stream_run run;
	uint64_t next, end; /* what is left of it */
	uint32_t place_bytes; /* of a track in a slot */
	int64_t begun_ms;   /* active_ms goes by it; later, by what it delayed itself */
	bool is_broken;     /* something of it was given up */
	bool is_busy;       /* it has a run */
	struct unreadable unreadable;
	bool is_abandoned; /* by the engine: nothing is told any more */
};

static void advance(struct stream *stream);

static const char *side_name(enum side side)
{
	return side == SIDE_LOCAL ? "local" : "remote";
}

static void set_state(struct reader *reader, enum reader_state state, const char *reason)
{
	static const char *const names[] = { "idle", "asked", "delayed" };

	log_debug("stream %" PRIu32 " %s: %s -> %s: %s", reader->stream->number, side_name(reader->side),
		names[reader->state], names[state], reason);
	reader->state = state;
}

static void post(const struct stream *stream, enum status status, const struct unreadable *where, const char *text)
{
	const struct post_where place = { .first_track = where->first_track, .track_count = where->track_count };

	post_error(report_post(stream->shared->report), status, &place, "%s volume: %s", side_name(where->side), text);
}

/* ---- Comparing ---- */

static void flush_unreadable(struct stream *stream)
{
	struct unreadable *where = &stream->unreadable;

	if (where->track_count == 0)
		return;
	post(stream, STATUS_VOLUME_ERROR, where,
		where->state == TRACK_SHRUNK ? "it now ends before these tracks" : "these tracks cannot be read");
	where->track_count = 0;
}

static void note_unreadable(struct stream *stream, uint64_t track, enum side side, enum track_state state)
{
	struct unreadable *where = &stream->unreadable;

	if (where->track_count > 0 && where->side == side && where->state == state &&
		where->first_track + where->track_count == track) {
		where->track_count++;
		return;
	}
	flush_unreadable(stream);
	*where = (struct unreadable){ .first_track = track, .track_count = 1, .side = side, .state = state };
}

static bool has_track(const struct reader *reader, uint64_t track)
{
	return reader->state == READER_IDLE && track >= reader->first_track &&
		track - reader->first_track < reader->track_count;
}

static enum track_state state_of(const struct reader *reader, uint64_t track)
{
	return (enum track_state)reader->states[track - reader->first_track];
}

/* The data, or the digest. */
static const uint8_t *data_of(const struct reader *reader, uint64_t track)
{
	const struct stream *stream = reader->stream;
	const uint8_t *slot = shm_slot(stream->shared->shm, reader->slot);

	if (state_of(reader, track) != TRACK_DATA)
		return stream->shared->zeros;
	if (reader->side == SIDE_REMOTE)
		return slot + reader->packed_bytes;
	return slot + (track - reader->first_track) * stream->place_bytes;
}

static void skip_packed(struct reader *remote, uint64_t track)
{
	const struct stream *stream = remote->stream;
	uint64_t left = stream->shared->remote_bytes - track * stream->shared->track_bytes;

	if (state_of(remote, track) == TRACK_DATA)
		remote->packed_bytes += stream->run.digest == DIGEST_NONE && left < stream->place_bytes ? left :
			stream->place_bytes;
}

/* Zeros have no digest, so none of data is theirs. */
static bool is_equal(const struct stream *stream, const struct stream_track *track)
{
	const uint8_t *zeros = stream->shared->zeros;

	if (track->local == track->remote)
		return true;
	if (stream->run.digest == DIGEST_NONE)
		return memcmp(track->local, track->remote, report_common_bytes(stream->shared->report, track->track)) == 0;
	return track->local != zeros && track->remote != zeros &&
		memcmp(track->local, track->remote, stream->place_bytes) == 0;
}

static bool is_unreadable(struct stream *stream, uint64_t track, enum track_state local, enum track_state remote)
{
	if (track_is_unreadable(local))
		note_unreadable(stream, track, SIDE_LOCAL, local);
	if (track_is_unreadable(remote))
		note_unreadable(stream, track, SIDE_REMOTE, remote);
	return track_is_unreadable(local) || track_is_unreadable(remote);
}

/* Equal tracks that are not told yet. */
struct stretch {
	uint64_t first_track, count;
	bool is_hole;
};

static void tell_equal(struct stream *stream, struct stretch *equal)
{
	const struct stream_shared *shared = stream->shared;

	if (equal->count > 0)
		shared->equal(shared->arg, &stream->run, equal->first_track, equal->count, equal->is_hole);
	equal->count = 0;
}

/* 48: is the data the same? What follows from it is the engine's business. */
static void compare_track(struct stream *stream, uint64_t track, struct stretch *equal)
{
	const struct stream_shared *shared = stream->shared;
	const struct reader *local = &stream->local, *remote = stream->run.kind == RUN_FIRST ? NULL : &stream->remote;
	enum track_state local_state = state_of(local, track), remote_state = remote ? state_of(remote, track) : TRACK_DATA;
	struct stream_track result = {
		.track = track,
		.is_hole = local_state == TRACK_HOLE || remote_state == TRACK_HOLE,
	};

	if (is_unreadable(stream, track, local_state, remote_state)) {
		tell_equal(stream, equal);
		shared->unreadable(shared->arg, &stream->run, track);
		return;
	}
	result.local = data_of(local, track);
	result.remote = remote ? data_of(remote, track) : NULL;
	if (!remote || !is_equal(stream, &result)) {
		tell_equal(stream, equal);
		shared->compared(shared->arg, &stream->run, &result);
		return;
	}
	if (equal->count > 0 && equal->is_hole != result.is_hole)
		tell_equal(stream, equal);
	if (equal->count == 0)
		*equal = (struct stretch){ .first_track = track, .is_hole = result.is_hole };
	equal->count++;
}

/* The track from which on the reader has none, at the next one or behind it. */
static uint64_t end_of(const struct reader *reader)
{
	uint64_t next = reader->stream->next;

	return has_track(reader, next) ? reader->first_track + reader->track_count : next;
}

/* What both sides have. */
static void compare_tracks(struct stream *stream)
{
	bool has_remote = stream->run.kind != RUN_FIRST;
	uint64_t end = end_of(&stream->local);
	struct stretch equal = { .count = 0 };

	if (has_remote && end_of(&stream->remote) < end)
		end = end_of(&stream->remote);
	for (; stream->next < end; stream->next++) {
		compare_track(stream, stream->next, &equal);
		if (has_remote)
			skip_packed(&stream->remote, stream->next);
	}
	tell_equal(stream, &equal);
}

/* ---- Asking ---- */

static void give_up(struct stream *stream, enum report_reason reason)
{
	const struct stream_shared *shared = stream->shared;
	uint64_t first = stream->next;

	stream->next = stream->end;
	stream->is_broken = true;
	if (first < stream->end)
		shared->gave_up(shared->arg, &stream->run, first, stream->end - first, reason);
}

static void forget_question(struct reader *reader)
{
	reader->floor = 0;
	reader->reread = false;
	reader->retries = 0;
	reader->poll_delay_ms = 0;
	reader->is_polling = reader->is_asked = false;
}

static void on_reply(void *arg, const struct msg_host_read_reply *reply);

/* The clock without the time that the link was down. */
static int64_t active_ms(const struct stream_shared *shared)
{
	const struct stream_pause *pause = &shared->pause;
	int64_t end_ms = pause->is_on ? pause->since_ms : clock_now_ms(shared->clock);

	return end_ms - pause->total_ms;
}

/* A run SECOND reads of the local volume only what the remote one has answered before. */
static uint32_t tracks_wanted(const struct reader *reader)
{
	const struct stream *stream = reader->stream;
	const struct reader *remote = &stream->remote;
	uint64_t end = stream->end;

	if (stream->run.kind == RUN_SECOND && reader->side == SIDE_LOCAL)
		end = remote->first_track + remote->track_count;
	return (uint32_t)(end - stream->next);
}

/* Of the remote volume: what the cache has is too old, because it is what differed. */
static bool reads_anew(const struct stream *stream)
{
	return stream->run.kind == RUN_SECOND || stream->run.kind == RUN_EXACT;
}

/* 62: the read data system call; for the local volume 46. */
static void ask(struct reader *reader)
{
	struct stream *stream = reader->stream;
	const struct stream_shared *shared = stream->shared;
	const struct msg_host_read request = {
		.side = reader->side,
		.stream = reader->side == SIDE_REMOTE ? stream->number : 0,
		.first_track = stream->next,
		.track_count = tracks_wanted(reader),
		.slot = reader->slot,
		.delivery = reader->side == SIDE_REMOTE ? shared->options->delivery : DELIVERY_UNSET,
		.floor = reader->floor,
		.reread = reader->reread ||
			(reader->side == SIDE_REMOTE && reads_anew(stream) && reader->floor == 0),
		.digest = stream->run.digest,
		.end_bytes = stream->run.digest != DIGEST_NONE ? shared->common_bytes : 0,
	};

	reader->first_track = stream->next;
	reader->track_count = 0;
	if (!reader->is_asked)
		reader->asked_ms = active_ms(shared);
	reader->is_asked = true;
	if (reader->side == SIDE_REMOTE) {
		report_link(shared->report)->reads++;
		if (shared->options->delivery == DELIVERY_POLL && !reader->is_polling) {
			reader->is_polling = true;
			reader->poll_end_ms = active_ms(shared) + shared->options->read_timeout_ms;
		}
	}
	set_state(reader, READER_ASKED, "the next tracks");
	client_read(shared->client, &request, on_reply, reader);
}

static struct report_waits *waits_of(const struct reader *reader)
{
	return &report_link(reader->stream->shared->report)->waits;
}

static void delay(struct reader *reader, int64_t delay_ms, enum status status)
{
	waits_of(reader)->delayed_ms[reader->side] += delay_ms;
	set_state(reader, READER_DELAYED, status_name(status));
	timer_set(&reader->timer, delay_ms);
}

static void on_timer(void *arg)
{
	struct reader *reader = arg;

	assert(reader->magic == READER_MAGIC && reader->state == READER_DELAYED);
	set_state(reader, READER_IDLE, "the delay is over");
	advance(reader->stream);
}

static enum report_reason reason_of(enum status status)
{
	if (status == STATUS_TIMEOUT)
		return REASON_TIMED_OUT;
	return status == STATUS_NOT_READY ? REASON_NOT_READY : REASON_REFUSED;
}

/* Posts why the rest of the run will not come; false when the other side has already ended the run. */
static bool post_rest(struct reader *reader, enum status status, const char *text)
{
	const struct stream *stream = reader->stream;
	const struct unreadable rest = {
		.first_track = stream->next,
		.track_count = (uint32_t)(stream->end - stream->next),
		.side = reader->side,
	};

	if (rest.track_count > 0)
		post(stream, status, &rest, text);
	return rest.track_count > 0;
}

static void fail(struct reader *reader, enum status status, enum report_reason reason, const char *text)
{
	if (post_rest(reader, status, text))
		give_up(reader->stream, reason);
}

/* 64 -> 66: data_not_found; ask again after the delay, with the floor that came back, but not for ever. */
static void poll_again(struct reader *reader, uint64_t floor)
{
	const struct stream_shared *shared = reader->stream->shared;

	report_link(shared->report)->data_not_found++;
	if (active_ms(shared) + shared->options->retry_delay_ms > reader->poll_end_ms) {
		fail(reader, STATUS_DATA_NOT_FOUND, REASON_NOT_FOUND, "the data did not come within --read-timeout");
		return;
	}
	reader->floor = floor;
	reader->reread = false; /* the floor says it; once more would ask for a later moment each time */
	reader->poll_delay_ms = shared->options->retry_delay_ms;
	delay(reader, shared->options->retry_delay_ms, STATUS_DATA_NOT_FOUND);
}

static void retry(struct reader *reader, enum status status, const char *detail)
{
	bool *is_hanging = &reader->stream->shared->is_hanging[reader->side];
	char text[DETAIL_MAX + 1];

	if (status == STATUS_NOT_READY && *is_hanging) {
		give_up(reader->stream, REASON_NOT_READY); /* posted for the first run */
		return;
	}
	if (reader->retries == RETRIES_MAX) {
		*is_hanging = status == STATUS_NOT_READY;
		snprintf(text, sizeof(text), "%s, asked %u times%s%.180s", status_name(status), RETRIES_MAX + 1,
			detail[0] ? ": " : "", detail);
		fail(reader, status, reason_of(status), text);
		return;
	}
	if (status == STATUS_TIMEOUT && reader->side == SIDE_REMOTE) {
		reader->reread = true;
		reader->floor = 0;
	}
	delay(reader, (int64_t)BACK_OFF_FIRST_MS << reader->retries, status);
	reader->retries++;
}

/* The volume cannot be asked at all: no track of the rest is readable. */
static void fail_volume(struct reader *reader, const char *detail)
{
	struct stream *stream = reader->stream;

	if (!post_rest(reader, STATUS_VOLUME_ERROR, detail))
		return;
	stream->is_broken = true;
	for (; stream->next < stream->end; stream->next++)
		stream->shared->unreadable(stream->shared->arg, &stream->run, stream->next);
}

static void replace_slot(struct reader *reader)
{
	const struct stream_shared *shared = reader->stream->shared;

	log_info("%s volume: a read that hangs keeps slot %" PRIu32, side_name(reader->side), reader->slot);
	reader->has_slot = shared->spare_slot(shared->arg, &reader->slot);
}

/* How long the answer that has just come was waited for, and by whom. */
static void count_answer(struct reader *reader)
{
	struct stream *stream = reader->stream;
	const struct reader *other = reader->side == SIDE_LOCAL ? &stream->remote : &stream->local;
	struct report_waits *waits = waits_of(reader);
	uint64_t bytes = 0;

	reader->came_ms = active_ms(stream->shared);
	waits->asked_ms[reader->side] += reader->came_ms - reader->asked_ms;
	if (has_track(other, stream->next))
		waits->alone_ms[reader->side] += reader->came_ms -
			(other->came_ms > reader->asked_ms ? other->came_ms : reader->asked_ms);
	for (uint32_t i = 0; i < reader->track_count; i++) {
		if (reader->states[i] == TRACK_DATA || reader->states[i] == TRACK_ZERO)
			bytes += report_common_bytes(stream->shared->report, reader->first_track + i);
		stream->run.has_data = stream->run.has_data || reader->states[i] != TRACK_HOLE;
	}
	waits->read_bytes[reader->side] += bytes;
}

static void take_answer(struct reader *reader, const struct msg_host_read_reply *reply)
{
	reader->track_count = reply->track_count;
	memcpy(reader->states, reply->states, reply->track_count);
	reader->hole_tracks = reply->hole_tracks;
	reader->packed_bytes = 0;
	reader->stream->begun_ms += reader->poll_delay_ms; /* it may have been there as long */
	count_answer(reader);
	forget_question(reader);
}

static void count_reply(struct reader *reader, const struct msg_host_read_reply *reply)
{
	struct report_link *link = report_link(reader->stream->shared->report);

	link->throttled_ms += reply->throttled_ms;
	link->waits.throttled_ms[reader->side] += reply->throttled_ms;
	if (reply->cpu_ms > 0)
		link->waits.cpu_ms[reader->side] = reply->cpu_ms;
	link->waits.disk_ms += reply->disk_ms;
	reader->poll_end_ms += reply->throttled_ms;
	if (reader->side != SIDE_REMOTE)
		return;
	link->disconnects += reply->disconnected;
	link->reconnects += reply->disconnected && reply->status == STATUS_OK;
	link->timeouts += reply->status == STATUS_TIMEOUT;
}

/* False: the comparison is over, nothing may be touched. */
static bool take_reply(struct reader *reader, const struct msg_host_read_reply *reply)
{
	const struct stream_shared *shared = reader->stream->shared;

	switch (reply->status) {
	case STATUS_OK: /* 68 */
		shared->is_hanging[reader->side] = false;
		take_answer(reader, reply);
		return true;
	case STATUS_DATA_NOT_FOUND:
		poll_again(reader, reply->floor);
		return true;
	case STATUS_TIMEOUT:
	case STATUS_QUEUE_FULL:
	case STATUS_NO_FREE_JOB:
	case STATUS_NOT_READY:
		retry(reader, reply->status, reply->detail);
		return true;
	case STATUS_VOLUME_ERROR:
		fail_volume(reader, reply->detail);
		return true;
	default:
		shared->fatal(shared->arg, reply->status, reply->detail);
		return false;
	}
}

static void on_reply(void *arg, const struct msg_host_read_reply *reply)
{
	struct reader *reader = arg;
	struct stream *stream = reader->stream;

	assert(reader->magic == READER_MAGIC && reader->state == READER_ASKED);
	set_state(reader, READER_IDLE, status_name(reply->status));
	if (stream->is_abandoned)
		return;
	count_reply(reader, reply);
	if (reply->slot_lost)
		replace_slot(reader);
	if (take_reply(reader, reply))
		advance(stream);
}

/* ---- The run ---- */

/* A slot, as much of it as the question needs. A stream that does not get that stops. */
static bool has_memory(struct reader *reader)
{
	int rc = reader->has_slot ? shm_fill(reader->stream->shared->shm, reader->slot,
		tracks_wanted(reader) * reader->stream->place_bytes) : 0;

	if (rc != 0)
		log_error("no memory for reads of the %s volume: %s", side_name(reader->side), strerror(-rc));
	reader->has_slot = reader->has_slot && rc == 0;
	return reader->has_slot;
}

/* Sees to it that the side will have the next track. */
static void want(struct reader *reader)
{
	struct stream *stream = reader->stream;

	if (reader->state != READER_IDLE || stream->next == stream->end || has_track(reader, stream->next))
		return;
	if (!has_memory(reader))
		give_up(stream, REASON_NO_MEMORY);
	else
		ask(reader);
}

static void forget_answer(struct reader *reader)
{
	reader->track_count = 0;
	reader->hole_tracks = 0;
	forget_question(reader);
}

static bool take_run(struct stream *stream)
{
	struct stream_run *run = &stream->run;

	stream->is_busy = !stream_has_stopped(stream) && stream->shared->next_run(stream->shared->arg, run);
	if (!stream->is_busy)
		return false;
	assert(run->track_count <= (run->digest == DIGEST_NONE ? RUN_TRACKS_MAX : RUN_DIGESTS_MAX));
	run->asked_wall_s = time(NULL);
	run->has_data = false;
	stream->begun_ms = active_ms(stream->shared);
	stream->place_bytes = run->digest == DIGEST_NONE ? stream->shared->track_bytes : digest_bytes(run->digest);
	stream->is_broken = false;
	stream->next = run->first_track;
	stream->end = stream->next + run->track_count;
	forget_answer(&stream->local);
	forget_answer(&stream->remote);
	return true;
}

static void end_run(struct stream *stream)
{
	const struct stream_shared *shared = stream->shared;
	uint64_t local_holes = stream->local.hole_tracks, remote_holes = stream->remote.hole_tracks;

	if (!stream->is_broken) /* the last answers are of its last track */
		shared->answered(shared->arg, &stream->run, active_ms(shared) - stream->begun_ms,
			local_holes < remote_holes ? local_holes : remote_holes);
}

/* A run that was given up need not wait for its delay. */
static void cancel_delay(struct reader *reader)
{
	if (reader->state != READER_DELAYED)
		return;
	timer_cancel(&reader->timer);
	set_state(reader, READER_IDLE, "the run was given up");
}

/* Compares what both sides have, and asks for what is missing. True when the run is over and nothing is in flight. */
static bool advance_run(struct stream *stream)
{
	enum run_kind kind = stream->run.kind;

	compare_tracks(stream);
	if (kind != RUN_FIRST)
		want(&stream->remote); /* 44 */
	if (kind != RUN_SECOND || has_track(&stream->remote, stream->next))
		want(&stream->local); /* 46 */
	if (stream->next < stream->end)
		return false;
	flush_unreadable(stream);
	cancel_delay(&stream->remote);
	cancel_delay(&stream->local);
	return stream->remote.state == READER_IDLE && stream->local.state == READER_IDLE;
}

static void advance(struct stream *stream)
{
	while (advance_run(stream)) {
		end_run(stream);
		if (!take_run(stream)) {
			stream->shared->idle(stream->shared->arg);
			return;
		}
	}
}

bool stream_start(struct stream *stream)
{
	assert(!stream->is_busy && !stream->is_abandoned);
	while (take_run(stream))
		if (!advance_run(stream))
			return true;
	return false;
}

bool stream_is_idle(const struct stream *stream)
{
	return !stream->is_busy;
}

bool stream_has_stopped(const struct stream *stream)
{
	return !stream->local.has_slot || !stream->remote.has_slot;
}

void stream_abandon(struct stream *stream, enum report_reason reason)
{
	flush_unreadable(stream);
	give_up(stream, reason);
	cancel_delay(&stream->local);
	cancel_delay(&stream->remote);
	stream->is_abandoned = true;
}

static void init_reader(struct reader *reader, struct stream *stream, enum side side, uint32_t slot)
{
	*reader = (struct reader){ .magic = READER_MAGIC, .stream = stream, .side = side, .slot = slot, .has_slot = true };
	timer_init(&reader->timer, stream->shared->clock, on_timer, reader);
}

struct stream *stream_new(const struct stream_shared *shared, uint32_t number, uint32_t local_slot,
	uint32_t remote_slot)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));

	stream->shared = shared;
	stream->number = number;
	init_reader(&stream->local, stream, SIDE_LOCAL, local_slot);
	init_reader(&stream->remote, stream, SIDE_REMOTE, remote_slot);
	return stream;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	timer_cancel(&stream->local.timer);
	timer_cancel(&stream->remote.timer);
	free(stream);
}
