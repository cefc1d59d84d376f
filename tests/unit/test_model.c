/* SPDX-License-Identifier: Apache-2.0
 *
 * A secondary against a simple model: several primaries send thousands of random commands, right and wrong ones, while
 * time goes on, volumes change, fail, shrink and hang, limits come and go and links are lost. After each step every
 * answer and every count must be one that the model allows, exactly where that is determined, and no Read may wait
 * without a reason; at the end nothing may be left. Sockets are real, clock and disk adapter (model_da.h) are not, so a
 * seed repeats its run: RA_SEED=N runs that one and tells each step, RA_MODEL_ROUNDS=N runs more seeds. With RA_LONG
 * the seeds are new ones each time.
 * check-style: long because it is one model.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/mailbox.h"
#include "base/post.h"
#include "base/rate.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/read.h"
#include "secondary/session.h"
#include "secondary/wanted.h"
#include "tests/support/bed.h"
#include "tests/unit/model_da.h"
#include "wire/conn.h"

#define ROUNDS 8u
#define ROUNDS_LONG 24u
#define STEPS 6000u
#define TRACK 4096u
#define TRACKS 1500u
#define HOT_TRACKS 40u
#define HOLE_TRACK 20u /* to 23, and zeros from there to 27 */
#define PEERS 3u
#define SESSIONS_MAX 5u
#define TAGS 200u
#define MODEL_JOBS 64u
#define EPOCHS_MAX 2000u
#define CHUNK_MS 4000 /* less than a ping period */

enum kind { NONE, QUERY, CREATE, READ, RELEASE, DETACH, RESERVE, UNRESERVE, INVALID, DROPPED };

/* What a volume is from one change to the next. */
struct epoch {
	uint32_t version;
	uint64_t size_bytes, bad_begin, bad_end;
	bool open_fails;
};

struct model_device {
	struct epoch epochs[EPOCHS_MAX];
	unsigned now, floor;
	uint64_t constants_bytes;
	bool hangs, was_hung, is_hung, was_not_ready;
	int64_t open_since_ms; /* of an open that was on its way when time last went on; INT64_MAX: none */
	struct model_session *reserved_by;
	uint32_t reservation;
	struct volume *volume;
	struct faulty_volume *shadow; /* for what an epoch's content was */
};

struct model_job {
	bool exists;
	struct model_session *session;
	uint32_t device;
	uint64_t link_id; /* 0: its answer is not here yet */
	unsigned floor;
	int tag;          /* of the Read it has; -1: none */
	uint64_t dnf_floor; /* of the last DATA_NOT_FOUND, its run and what may answer it */
	uint64_t dnf_first;
	uint32_t dnf_count;
	enum digest dnf_digest;
	uint64_t dnf_end_bytes;
	unsigned dnf_epoch;
};

struct request {
	enum kind kind;
	unsigned allowed; /* 1 << status, when it must be answered at once; 0: see check_pending */
	bool may_be_busy; /* a Read of the same burst may still be there */
	uint32_t device, number;
	struct model_job *job;
	int64_t sent_ms, begin_low_ms, begin_high_ms;
	unsigned sent_epoch, floor;
	bool counted, is_throttled, was_throttled, is_disconnected;
	uint64_t first;
	uint32_t count;
	enum delivery delivery;
	enum digest digest;
	uint64_t end_bytes; /* with a digest */
};

struct model_session {
	struct primary *primary; /* NULL: not there */
	struct model_peer *peer;
	uint64_t digests; /* that it knows */
	bool attached[BED_DEVICES];
	struct request requests[TAGS];
	unsigned seen[TAGS]; /* replies of a tag when its request was over */
	unsigned next_tag, burst_reads;
	bool burst_frees; /* a command of this burst makes room for Reads that wait */
};

struct model_peer {
	struct peer *peer;
	bool may_read[BED_DEVICES];
	uint32_t links, links_refused;
};

static struct {
	uint64_t random;
	unsigned seed, step;
	bool tells;
	struct bed *bed;
	struct ra_config config;
	struct model_device devices[BED_DEVICES];
	struct model_peer peers[PEERS];
	struct model_session sessions[SESSIONS_MAX];
	struct model_job jobs[MODEL_JOBS];
	uint32_t generations[MODEL_JOBS];
	uint64_t stale[16]; /* link ids of the past */
	uint32_t reservations;
	bool was_full, was_array_full;
	uint64_t timeouts;
	int64_t last_timeout_ms;
	uint64_t posted[STATUS_COUNT];
	unsigned long answers;
} m;

/* Over all rounds: what was tested at all. */
static unsigned long statuses[STATUS_COUNT], read_statuses[STATUS_COUNT], states[TRACK_STATE_COUNT];
static unsigned long evicted, links_lost, digests[DIGEST_COUNT], holes_told;

static _Noreturn void failed(int line, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));
static _Noreturn void failed(int line, const char *what, const char *format, ...)
{
	char words[256];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	print_error("line %d: not so: %s (%s); repeat with RA_SEED=%u, step %u\n", line, what, words, m.seed, m.step);
	_fail(__FILE__, line);
	abort();
}
#define CHECK(condition, ...) ((condition) ? (void)0 : failed(__LINE__, #condition, __VA_ARGS__))

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
	va_list args;

	if (!m.tells)
		return;
	va_start(args, format);
	printf("%5u %8" PRId64 " ", m.step, clock_now_ms(m.bed->clock));
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

static uint32_t any(uint32_t below)
{
	uint64_t x = m.random += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((x ^ (x >> 31)) % below);
}

static bool once_in(uint32_t times)
{
	return any(times) == 0;
}

static int64_t now_ms(void)
{
	return clock_now_ms(m.bed->clock);
}

static struct epoch *epoch_of(uint32_t device)
{
	return &m.devices[device].epochs[m.devices[device].now];
}

/* ---- What the real one has ---- */

static struct da *da(void)
{
	return m.bed->ra->da;
}

static unsigned da_reads(uint32_t device)
{
	const struct da_request *request;
	unsigned count = 0;

	DL_FOREACH(da()->live, request)
		count += request->spec.kind == DA_READ && request->state != DA_ABANDONED &&
			request->spec.volume == m.devices[device].volume;
	return count;
}

/* From when a thread is late until all that were abandoned have returned. */
static bool is_hung(uint32_t index)
{
	struct model_device *device = &m.devices[index];
	const struct da_request *request;
	unsigned abandoned = 0;

	DL_FOREACH(da()->live, request)
		if (request->state == DA_ABANDONED && request->spec.volume == device->volume) {
			abandoned++;
			device->is_hung = device->is_hung || request->is_late;
		}
	device->is_hung = device->is_hung && abandoned > 0;
	return device->is_hung;
}

static bool da_is_full(void)
{
	return da()->used == da()->config.queue_elements;
}

static uint32_t jobs_used(void)
{
	return job_array_used(m.bed->ra->jobs, JOB_LINK) + job_array_used(m.bed->ra->jobs, JOB_FETCH);
}

static struct job *real_job(const struct model_job *job)
{
	struct job *real = link_id_resolve(m.bed->ra->jobs, m.config.secondary_id, job->link_id,
		job->session->primary->session, NULL);

	CHECK(real != NULL, "link id %016" PRIx64, job->link_id);
	return real;
}

static uint64_t wire_bytes(void)
{
	const struct session *session;
	uint64_t bytes = 0;

	DL_FOREACH(m.bed->ra->sessions, session)
		bytes += conn_wire_bytes(session->conn) + 1;
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (m.sessions[i].primary != NULL)
			bytes += conn_wire_bytes(m.sessions[i].primary->conn);
	return bytes;
}

/* Until all that was sent has arrived and was answered. */
static void settle(void)
{
	uint64_t before = UINT64_MAX;

	for (unsigned quiet = 0; quiet < 6; quiet = wire_bytes() == before ? quiet + 1 : 0) {
		before = wire_bytes();
		event_base_loop(m.bed->base, EVLOOP_NONBLOCK);
	}
}

/* ---- The model's records ---- */

static unsigned links_on(uint32_t device, const struct model_session *but)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MODEL_JOBS; i++)
		count += m.jobs[i].exists && m.jobs[i].device == device && m.jobs[i].session != but;
	return count;
}

static unsigned jobs_of_peer(const struct model_peer *peer)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MODEL_JOBS; i++)
		count += m.jobs[i].exists && m.jobs[i].session->peer == peer;
	return count;
}

static unsigned link_jobs(void)
{
	return links_on(0, NULL) + links_on(1, NULL) + links_on(2, NULL);
}

/* Reads that have a place in the window. */
static unsigned connected(const struct model_session *session)
{
	unsigned count = 0;

	for (unsigned tag = 0; tag < TAGS; tag++) {
		const struct request *request = &session->requests[tag];

		count += request->kind == READ && request->allowed == 0 && !request->is_disconnected;
	}
	return count;
}

static bool was_open_error(uint32_t device, unsigned since)
{
	for (unsigned i = since; i <= m.devices[device].now; i++)
		if (m.devices[device].epochs[i].open_fails)
			return true;
	return false;
}

static void forget_job(struct model_job *job)
{
	struct model_session *session = job->session;

	for (unsigned tag = 0; tag < TAGS; tag++) {
		struct request *request = &session->requests[tag];

		if (request->kind == READ && request->job == job)
			request->kind = DROPPED;
		if (request->job == job)
			request->job = NULL;
	}
	m.stale[any(16)] = job->link_id;
	job->exists = false;
}

static void forget_device(struct model_session *session, uint32_t device)
{
	for (unsigned i = 0; i < MODEL_JOBS; i++)
		if (m.jobs[i].exists && m.jobs[i].session == session && m.jobs[i].device == device)
			forget_job(&m.jobs[i]);
	if (m.devices[device].reserved_by == session)
		m.devices[device].reserved_by = NULL;
	session->attached[device] = false;
}

/* ---- Answers ---- */

/* Where the tracks that are asked for end. */
static uint64_t end_of(const struct request *request)
{
	return request->digest != DIGEST_NONE ? request->end_bytes : real_job(request->job)->constants.size_bytes;
}

/* The epoch's content of a track, its digest or its error is what was answered. */
static bool is_track_of(const struct request *request, const struct epoch *epoch, uint64_t track, uint64_t end_bytes,
	enum track_state state, const uint8_t *payload)
{
	struct faulty_volume *shadow = m.devices[request->device].shadow;
	uint64_t begin = track * TRACK, end = begin + TRACK < end_bytes ? begin + TRACK : end_bytes;
	bool is_hole = track >= HOLE_TRACK && track < HOLE_TRACK + 4;
	bool is_zero = is_hole || (track >= HOLE_TRACK + 4 && track < HOLE_TRACK + 8);
	bool is_bad = begin < epoch->bad_end && epoch->bad_begin < end;
	uint8_t expected[TRACK], digest[DIGEST_BYTES_MAX];

	switch (state) {
	case TRACK_HOLE:
		return is_hole;
	case TRACK_EIO:
		return is_bad;
	case TRACK_SHRUNK:
		return epoch->size_bytes < end;
	case TRACK_ZERO:
		return is_zero && !is_bad && epoch->size_bytes >= end;
	case TRACK_DATA:
		if (is_zero || is_bad || epoch->size_bytes < end)
			return false;
		faulty_volume_set_version(shadow, epoch->version);
		faulty_volume_expect(shadow, expected, end - begin, begin);
		if (request->digest == DIGEST_NONE)
			return memcmp(expected, payload, end - begin) == 0;
		bed_digest(request->digest, expected, end - begin, digest);
		return memcmp(digest, payload, digest_bytes(request->digest)) == 0;
	default:
		return false;
	}
}

static void check_holes(const struct request *request, const struct answer *answer)
{
	uint64_t last = request->first + answer->track_count - 1;

	if (answer->hole_tracks == 0)
		return;
	CHECK(answer->track_count == request->count, "%u tracks of %u", answer->track_count, request->count);
	CHECK(last + 1 >= HOLE_TRACK && last + answer->hole_tracks < HOLE_TRACK + 4 &&
		(last + answer->hole_tracks) * TRACK < end_of(request), "%" PRIu64 " behind %" PRIu64, answer->hole_tracks,
		last);
	holes_told++;
}

static void check_tracks(const struct request *request, const struct answer *answer)
{
	const struct model_device *device = &m.devices[request->device];
	const struct wanted wanted = { .track_bytes = TRACK, .end_bytes = end_of(request) };
	const uint8_t *payload = answer->payload;

	CHECK(answer->track_count >= 1 && answer->track_count <= request->count, "%u tracks", answer->track_count);
	for (uint32_t i = 0; i < answer->track_count; i++) {
		uint64_t track = request->first + i;
		unsigned epoch = device->now;

		while (!is_track_of(request, &device->epochs[epoch], track, wanted.end_bytes, answer->states[i], payload)) {
			CHECK(epoch > request->floor, "device %u, track %" PRIu64 " is in state %u of no epoch from %u to %u",
				request->device, track, answer->states[i], request->floor, device->now);
			epoch--;
		}
		if (answer->states[i] == TRACK_DATA)
			payload += request->digest != DIGEST_NONE ? digest_bytes(request->digest) : wanted_bytes(&wanted, track, 1);
		states[answer->states[i]]++;
		digests[request->digest] += answer->states[i] == TRACK_DATA;
	}
	CHECK(payload == answer->payload + answer->payload_bytes, "%u bytes of payload", answer->payload_bytes);
	check_holes(request, answer);
}

static void check_read(struct request *request, const struct answer *answer)
{
	struct model_device *device = &m.devices[request->device];
	int64_t age_ms = now_ms() - request->begin_low_ms;
	bool is_poll = request->delivery == DELIVERY_POLL;
	bool may_have_been_full = model_da.time_goes_on || request->job->session->burst_frees; /* at some moment within */
	bool timed_out = (!is_poll && age_ms >= DA_TIMEOUT_MS) ||
		(m.timeouts > 0 && now_ms() - m.last_timeout_ms <= CACHE_ERROR_MS);

	if (request->was_throttled)
		CHECK(answer->throttled_ms >= request->begin_low_ms - request->sent_ms &&
			answer->throttled_ms <= request->begin_high_ms - request->sent_ms, "%u ms", answer->throttled_ms);
	else
		CHECK(answer->throttled_ms == 0, "%u ms", answer->throttled_ms);
	switch (answer->status) {
	case STATUS_OK:
	case STATUS_RECONNECT:
		CHECK((answer->status == STATUS_RECONNECT) == request->is_disconnected, "%s", status_name(answer->status));
		check_tracks(request, answer);
		break;
	case STATUS_DATA_NOT_FOUND:
		CHECK(is_poll && answer->floor != 0, "floor %" PRIu64, answer->floor);
		request->job->dnf_floor = answer->floor;
		request->job->dnf_first = request->first;
		request->job->dnf_count = request->count;
		request->job->dnf_digest = request->digest;
		request->job->dnf_end_bytes = request->end_bytes;
		request->job->dnf_epoch = request->floor;
		break;
	case STATUS_TIMEOUT:
		CHECK(timed_out, "after %" PRId64 " ms", age_ms);
		break;
	case STATUS_NOT_READY:
		CHECK(device->was_not_ready || is_hung(request->device), "device %u", request->device);
		break;
	case STATUS_QUEUE_FULL:
		CHECK(is_poll && (m.was_full || da_is_full() || may_have_been_full), "%u elements", da()->used);
		break;
	case STATUS_NO_FREE_JOB:
		CHECK(is_poll && (m.was_array_full || jobs_used() == m.config.jobs || may_have_been_full), "%u jobs",
			jobs_used());
		break;
	case STATUS_BUSY:
		CHECK(request->may_be_busy, "the job had no Read");
		return; /* it never was the job's Read */
	default:
		CHECK(false, "%s", status_name(answer->status));
	}
	request->job->tag = -1;
}

static void check_query(struct model_session *session, struct request *request, const struct answer *answer)
{
	struct model_device *device = &m.devices[request->device];
	bool has_links = links_on(request->device, session) < links_on(request->device, NULL);

	switch (answer->status) {
	case STATUS_OK:
		if (links_on(request->device, NULL) + da_reads(request->device) == 0)
			device->constants_bytes = epoch_of(request->device)->size_bytes;
		CHECK(answer->number == request->device && answer->track_bytes == TRACK, "number %u", answer->number);
		CHECK(answer->volume.size_bytes ==
			(has_links ? epoch_of(request->device)->size_bytes : device->constants_bytes),
			"%" PRIu64 " bytes", answer->volume.size_bytes);
		CHECK(answer->is_digest_only == session->peer->peer->is_digest_only, "%s", session->peer->peer->name);
		session->attached[request->device] = true;
		break;
	case STATUS_VOLUME_ERROR:
		CHECK(was_open_error(request->device, request->sent_epoch), "device %u", request->device);
		break;
	case STATUS_TIMEOUT:
		CHECK(now_ms() - request->sent_ms >= DA_TIMEOUT_MS || now_ms() - device->open_since_ms >= DA_TIMEOUT_MS,
			"after %" PRId64 " ms", now_ms() - request->sent_ms);
		break;
	default:
		CHECK(false, "%s", status_name(answer->status));
	}
}

static void check_create(struct request *request, const struct answer *answer)
{
	uint32_t index = (uint32_t)(answer->link_id >> 32) & 0xffff, generation = (uint32_t)answer->link_id;

	if (answer->status != STATUS_OK) {
		if (answer->status == STATUS_NO_FREE_JOB)
			m.posted[STATUS_NO_FREE_JOB]++;
		if (request->job != NULL)
			request->job->exists = false;
		return;
	}
	CHECK(answer->link_id >> 48 == m.config.secondary_id && index < m.config.jobs, "%016" PRIx64, answer->link_id);
	CHECK(generation > m.generations[index], "%016" PRIx64, answer->link_id);
	m.generations[index] = generation;
	if (request->job != NULL)
		request->job->link_id = answer->link_id;
}

static void check_answer(struct model_session *session, unsigned tag)
{
	struct request *request = &session->requests[tag];
	struct answer *answer = &session->primary->answers[tag];

	m.answers++;
	statuses[answer->status]++;
	if (request->kind == READ && request->allowed == 0)
		read_statuses[answer->status]++;
	tell("  session %td tag %u: %s %s", session - m.sessions, tag, status_name(answer->status), answer->detail);
	CHECK(answer->replies == 1, "%u replies", answer->replies);
	if (request->allowed != 0)
		CHECK((1u << answer->status & request->allowed) != 0, "%s", status_name(answer->status));
	if (request->kind == CREATE)
		check_create(request, answer);
	else if (request->kind == READ && request->allowed == 0)
		check_read(request, answer);
	else if (request->kind == QUERY && request->allowed == 0)
		check_query(session, request, answer);
	else if (request->kind == RESERVE)
		CHECK(answer->reservation == request->number, "number %u", answer->reservation);
	request->kind = NONE;
	session->seen[tag] = 1;
}

/* A Read that is not answered: why not? */
static void check_pending_read(struct model_session *session, struct request *request)
{
	const struct read *read;
	struct job *real;

	request->may_be_busy = false;
	request->job->tag = (int)(request - session->requests);
	real = real_job(request->job);
	read = real->specific.read;
	CHECK(read != NULL && read->parameters.tag == (uint32_t)request->job->tag, "job %u", real->index);
	CHECK(now_ms() - request->begin_high_ms < REQUEST_TIMEOUT_MS || request->is_throttled ||
		request->delivery == DELIVERY_POLL, "since %" PRId64 " ms", now_ms() - request->begin_high_ms);
	switch (read->state) {
	case READ_THROTTLED:
		CHECK(request->is_throttled && real->specific.state == JOB_STATE_THROTTLED, "%s",
			job_state_name(real->specific.state));
		break;
	case READ_WAITING_TURN:
		CHECK(read->waits_for == SHARE_FETCHES && session->peer->peer->fetches == m.config.fetches_per_peer,
			"%u fetches", session->peer->peer->fetches);
		break;
	case READ_WAITING_ELEMENT:
		CHECK(da_is_full() || jobs_used() == m.config.jobs, "%u elements", da()->used);
		break;
	case READ_WAITING_DISK:
		CHECK(read->fetch->request != NULL && request->delivery != DELIVERY_POLL, "no request");
		break;
	case READ_WAITING_PLACE:
		CHECK(session->primary->session->connected_reads == m.config.window_reads, "%u connected",
			session->primary->session->connected_reads);
		break;
	default:
		CHECK(false, "state %u", read->state);
	}
}

/* Has it begun since it was last looked at? earliest_ms: it cannot have before. */
static void look_at_throttle(struct request *request, int64_t earliest_ms)
{
	bool is_throttled = real_job(request->job)->specific.state == JOB_STATE_THROTTLED;

	if (request->is_throttled && !is_throttled) {
		request->begin_low_ms = earliest_ms;
		request->begin_high_ms = now_ms();
	}
	request->was_throttled = request->was_throttled || is_throttled;
	request->is_throttled = is_throttled;
	if (is_throttled)
		request->begin_high_ms = now_ms();
}

static void check_requests(struct model_session *session, int64_t earliest_ms)
{
	CHECK(!session->primary->is_closed, "the link of session %td", session - m.sessions);
	for (unsigned tag = 0; tag < TAGS; tag++) {
		struct request *request = &session->requests[tag];
		const struct answer *answer = &session->primary->answers[tag];

		if (request->kind == DROPPED) { /* it may have been answered before it was dropped, in the same burst */
			session->seen[tag] = answer->replies;
			request->kind = NONE;
		}
		if (request->kind == NONE) {
			CHECK(answer->replies == session->seen[tag], "an answer to tag %u, which is over", tag);
			continue;
		}
		if (request->kind == READ && request->allowed == 0) {
			if (answer->is_disconnected)
				CHECK(request->delivery == DELIVERY_DISCONNECT, "%s", delivery_name(request->delivery));
			request->is_disconnected = answer->is_disconnected;
			if (answer->replies > 0 && request->is_throttled) { /* it began in this step */
				request->begin_low_ms = earliest_ms;
				request->begin_high_ms = now_ms();
			}
		}
		if (answer->replies > 0) {
			check_answer(session, tag);
			continue;
		}
		CHECK(request->allowed == 0, "tag %u of kind %u has no answer", tag, request->kind);
		if (request->kind == READ) {
			look_at_throttle(request, earliest_ms);
			check_pending_read(session, request);
		} else {
			CHECK(now_ms() - request->sent_ms < DA_TIMEOUT_MS, "query since %" PRId64 " ms",
				now_ms() - request->sent_ms);
		}
	}
	session->burst_reads = 0;
	session->burst_frees = false;
}

/* ---- Counts ---- */

static void check_ring(struct device *device, unsigned expected)
{
	struct job *job;
	unsigned forward = 0, backward = 0;

	CHECK(device->job_count == expected, "%u jobs in the ring, not %u", device->job_count, expected);
	CHECK((device->active == NULL) == (expected == 0), "active");
	RING_FOREACH(device, job, forward) {
		CHECK(job->shared == device && job->forward->backward == job, "job %u", job->index);
		forward++;
	}
	RING_FOREACH(device, job, backward)
		backward++;
	CHECK(forward == expected && backward == expected, "%u forward, %u backward", forward, backward);
	if (device->active != NULL)
		CHECK(device->active->forward == device->active || expected > 1, "%u", expected);
}

static void check_device(uint32_t index)
{
	struct device *device = device_array_record(m.bed->ra->devices, index);
	const struct model_device *model = &m.devices[index];
	unsigned users = 0;

	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		users += m.sessions[i].primary != NULL && m.sessions[i].attached[index];
		if (m.sessions[i].primary != NULL)
			CHECK(m.sessions[i].primary->session->has_device[index] == m.sessions[i].attached[index],
				"session %u, device %u", i, index);
	}
	if (device == NULL) {
		CHECK(users == 0 && links_on(index, NULL) == 0 && da_reads(index) == 0, "device %u has no record", index);
		return;
	}
	CHECK(device->attach_count == users, "%u users, not %u", device->attach_count, users);
	check_ring(device, links_on(index, NULL) + da_reads(index));
	if (links_on(index, NULL) > 0)
		CHECK(device->constants.size_bytes == model->constants_bytes, "%" PRIu64, device->constants.size_bytes);
	CHECK(device->parameters.is_hung == is_hung(index), "%u abandoned", device->parameters.abandoned_requests);
	CHECK(device->parameters.reserved_by ==
		(model->reserved_by != NULL ? model->reserved_by->primary->session : NULL), "device %u", index);
	CHECK(model->reserved_by == NULL || device->parameters.reservation == model->reservation, "device %u", index);
}

static void check_peer(const struct model_peer *model)
{
	const struct peer *peer = model->peer;
	unsigned queries = 0;

	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (m.sessions[i].primary != NULL && m.sessions[i].peer == model)
			for (unsigned tag = 0; tag < TAGS; tag++)
				queries += m.sessions[i].requests[tag].kind == QUERY;
	CHECK(peer->links == model->links && peer->links_refused == model->links_refused, "%u links", peer->links);
	CHECK(peer->jobs == jobs_of_peer(model), "%u jobs", peer->jobs);
	CHECK(peer->queries == queries, "%u queries, not %u", peer->queries, queries);
	CHECK(peer->locked_tracks == 0 && peer->fetches <= m.config.fetches_per_peer, "%u fetches", peer->fetches);
}

static void check_counts(void)
{
	static const enum status posted[] = { STATUS_BAD_LINK_ID, STATUS_BAD_REQUEST, STATUS_NOT_PERMITTED,
		STATUS_NO_SUCH_DEVICE };
	struct ra *ra = m.bed->ra;
	uint32_t fetches = 0, reads = 0;

	for (unsigned i = 0; i < PEERS; i++) {
		check_peer(&m.peers[i]);
		fetches += m.peers[i].peer->fetches;
	}
	for (uint32_t i = 0; i < BED_DEVICES; i++) {
		check_device(i);
		reads += da_reads(i);
	}
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		const struct model_session *session = &m.sessions[i];

		if (session->primary == NULL)
			continue;
		CHECK(session->primary->session->connected_reads == connected(session), "session %u: %u connected, not %u", i,
			session->primary->session->connected_reads, connected(session));
		CHECK(session->primary->session->reconnected_reads == 0, "session %u", i);
	}
	CHECK(job_array_used(ra->jobs, JOB_LINK) == link_jobs(), "%u", job_array_used(ra->jobs, JOB_LINK));
	CHECK(job_array_used(ra->jobs, JOB_FETCH) == reads && fetches == reads, "%u of %u", fetches, reads);
	CHECK(bed_cache(m.bed).slots_locked == 0, "locked");
	for (unsigned i = 0; i < sizeof(posted) / sizeof(posted[0]); i++)
		CHECK(post_count(m.bed->post, posted[i]) == m.posted[posted[i]], "%" PRIu64 " of %s",
			post_count(m.bed->post, posted[i]), status_name(posted[i]));
}

/* A disk read that nobody waits for must end some time. */
static void check_fetches(void)
{
	for (uint32_t i = 0; i < m.config.jobs; i++) {
		const struct job *job = job_array_element(m.bed->ra->jobs, i);
		const struct fetch *fetch = job->specific.fetch;

		if (job->specific.kind == JOB_FETCH)
			CHECK(fetch->readers != NULL || fetch->wait_task != NULL || fetch->orphan_timer.is_set, "fetch job %u", i);
	}
}

/* Before a step: what may explain its answers afterwards. */
static void note_before(void)
{
	const struct da_request *request;

	m.was_full = da_is_full();
	m.was_array_full = jobs_used() == m.config.jobs;
	for (uint32_t i = 0; i < BED_DEVICES; i++) {
		m.devices[i].was_not_ready = is_hung(i);
		m.devices[i].open_since_ms = INT64_MAX;
	}
	DL_FOREACH(da()->live, request)
		for (uint32_t i = 0; i < BED_DEVICES; i++)
			if (request->spec.kind == DA_OPEN && request->state != DA_ABANDONED &&
				request->spec.volume == m.devices[i].volume)
				m.devices[i].open_since_ms = request->submitted_ms;
}

static void check_all(int64_t earliest_ms)
{
	settle();
	if (post_count(m.bed->post, STATUS_TIMEOUT) != m.timeouts) {
		m.timeouts = post_count(m.bed->post, STATUS_TIMEOUT);
		m.last_timeout_ms = now_ms();
	}
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (m.sessions[i].primary != NULL)
			check_requests(&m.sessions[i], earliest_ms);
	check_counts();
	check_fetches();
}

/* ---- Commands ---- */

/* A free tag with its request, for a message of this kind. */
static struct request *new_request(struct model_session *session, enum kind kind, uint32_t device, uint32_t *tag)
{
	struct request *request;

	do
		*tag = session->next_tag++ % TAGS;
	while (session->requests[*tag].kind != NONE);
	free(session->primary->answers[*tag].payload);
	session->primary->answers[*tag] = (struct answer){ .replies = 0 };
	session->seen[*tag] = 0;
	request = &session->requests[*tag];
	*request = (struct request){ .kind = kind, .device = device, .sent_ms = now_ms(), .begin_low_ms = now_ms(),
		.begin_high_ms = now_ms(), .sent_epoch = device < BED_DEVICES ? m.devices[device].now : 0 };
	return request;
}

static bool has_device(const struct model_session *session, uint32_t device)
{
	return device < BED_DEVICES && session->attached[device];
}

/* One that the session has, mostly. */
static uint32_t pick_device(const struct model_session *session)
{
	uint32_t device = any(BED_DEVICES + 1);

	for (unsigned i = 0; i < 4 && !has_device(session, device) && !once_in(20); i++)
		device = any(BED_DEVICES + 1);
	return device;
}

static void say(struct model_session *session, const char *what, uint32_t device, uint32_t tag)
{
	tell("session %td (%s) %s device %u, tag %u", session - m.sessions, session->peer->peer->name, what, device, tag);
}

static void query(struct model_session *session)
{
	struct message message = { .type = MESSAGE_DEVICE_QUERY };
	uint32_t device = any(BED_DEVICES + 1), tag;
	struct request *request;

	if (session->peer->peer->queries > 40)
		return;
	request = new_request(session, QUERY, device, &tag);
	message.device_query.tag = tag;
	snprintf(message.device_query.device, sizeof(message.device_query.device), "d%u", device);
	request->counted = has_device(session, device);
	if (device >= BED_DEVICES || !session->peer->may_read[device]) {
		request->allowed = 1u << STATUS_NO_SUCH_DEVICE;
		m.posted[STATUS_NO_SUCH_DEVICE]++;
	}
	say(session, "query", device, tag);
	primary_send(session->primary, &message);
}

static struct model_job *free_job(void)
{
	for (unsigned i = 0; i < MODEL_JOBS; i++)
		if (!m.jobs[i].exists)
			return &m.jobs[i];
	return NULL;
}

static void create(struct model_session *session)
{
	uint32_t device = pick_device(session), tag;
	struct request *request = new_request(session, CREATE, device, &tag);
	const struct message message = { .type = MESSAGE_READ, .read = { .tag = tag, .device_number = device } };
	const struct model_device *model = device < BED_DEVICES ? &m.devices[device] : NULL;
	struct model_job *job = free_job();

	if (connected(session) + session->burst_reads >= m.config.window_reads) {
		request->kind = NONE;
		return;
	}
	if (!has_device(session, device)) {
		request->allowed = 1u << STATUS_NO_SUCH_DEVICE;
	} else if (model->reserved_by != NULL && model->reserved_by != session) {
		request->allowed = 1u << STATUS_BUSY;
	} else if (jobs_of_peer(session->peer) >= session->peer->peer->jobs_max || link_jobs() >= m.config.jobs / 2) {
		request->allowed = 1u << STATUS_NO_FREE_JOB;
	} else {
		bool may_be_full = jobs_used() + link_jobs() + 8 >= m.config.jobs; /* with what this burst may begin */

		request->allowed = 1u << STATUS_OK | (may_be_full ? 1u << STATUS_NO_FREE_JOB : 0);
		request->job = job;
		*job = (struct model_job){ .exists = true, .session = session, .device = device, .tag = -1,
			.floor = model->now };
	}
	say(session, "new link job on", device, tag);
	primary_send(session->primary, &message);
}

/* One of this session's jobs, or now and then a link id that is not its, or 0. */
static struct model_job *pick_job(const struct model_session *session, uint64_t *link_id)
{
	struct model_job *own[MODEL_JOBS];
	unsigned count = 0;
	bool is_one_unknown = false; /* made in this burst: a guess might hit it */

	for (unsigned i = 0; i < MODEL_JOBS; i++) {
		if (!m.jobs[i].exists || m.jobs[i].session != session)
			continue;
		if (m.jobs[i].link_id != 0)
			own[count++] = &m.jobs[i];
		else
			is_one_unknown = true;
	}
	if (count > 0 && !once_in(20)) {
		struct model_job *job = own[any(count)];

		*link_id = job->link_id;
		return job;
	}
	if (is_one_unknown || !once_in(4)) {
		*link_id = 0;
		return NULL;
	}
	switch (any(4)) {
	case 0:
		*link_id = m.stale[any(16)];
		break;
	case 1:
		*link_id = (uint64_t)m.config.secondary_id << 48 | (uint64_t)any(m.config.jobs) << 32 | (1 + any(40));
		break;
	case 2:
		*link_id = m.jobs[any(MODEL_JOBS)].link_id;
		break;
	default:
		*link_id = (uint64_t)any(UINT32_MAX) << 32 | any(UINT32_MAX);
	}
	for (unsigned i = 0; i < MODEL_JOBS; i++)
		if (m.jobs[i].exists && m.jobs[i].session == session && m.jobs[i].link_id == *link_id && *link_id != 0)
			return &m.jobs[i];
	return NULL;
}

static bool is_within(uint64_t bytes, const struct request *request)
{
	uint64_t tracks = (end_of(request) + TRACK - 1) / TRACK;

	return end_of(request) <= bytes && request->first < tracks && request->count <= tracks - request->first;
}

/* What the Read may be answered at once because it is wrong; 0: it is accepted. */
static unsigned read_is_refused(struct model_session *session, struct request *request, struct model_job *job)
{
	if (!has_device(session, request->device))
		return 1u << STATUS_NO_SUCH_DEVICE;
	if (job == NULL || job->device != request->device) {
		m.posted[STATUS_BAD_LINK_ID]++;
		return 1u << STATUS_BAD_LINK_ID;
	}
	if (request->digest != DIGEST_NONE && (session->digests & 1u << request->digest) == 0) {
		m.posted[STATUS_BAD_REQUEST]++;
		return 1u << STATUS_BAD_REQUEST;
	}
	if (request->digest == DIGEST_NONE && session->peer->peer->is_digest_only) {
		m.posted[STATUS_NOT_PERMITTED]++;
		return 1u << STATUS_NOT_PERMITTED;
	}
	if (job->tag >= 0 && !session->requests[job->tag].may_be_busy)
		return 1u << STATUS_BUSY;
	if (!is_within(real_job(job)->constants.size_bytes, request)) {
		m.posted[STATUS_BAD_REQUEST]++;
		return 1u << STATUS_BAD_REQUEST;
	}
	return 0;
}

/* Mostly all of the device; else an end that others choose too, any, or one too far. */
static uint64_t choose_end(const struct model_job *job)
{
	uint64_t size_bytes = job != NULL ? real_job(job)->constants.size_bytes : TRACKS * TRACK;

	if (once_in(30))
		return size_bytes + 1 + any(TRACK);
	if (once_in(2) && size_bytes > HOT_TRACKS * TRACK)
		return once_in(4) ? 1 + any(HOT_TRACKS * TRACK) : 12 * TRACK + 512 * any(3);
	return once_in(4) ? 1 + any((uint32_t)size_bytes) : size_bytes;
}

/* Tracks before the end, mostly. */
static void choose_digests(struct request *request, const struct model_job *job)
{
	uint64_t tracks;

	request->end_bytes = choose_end(job);
	tracks = (request->end_bytes + TRACK - 1) / TRACK;
	if (once_in(10))
		request->count = 1 + any(RUN_DIGESTS_MAX);
	if (once_in(8))
		return;
	if (request->first >= tracks)
		request->first = any((uint32_t)tracks);
	if (request->count > tracks - request->first)
		request->count = (uint32_t)(tracks - request->first);
}

static void choose_run(struct request *request, struct msg_read *message, const struct model_job *job)
{
	request->count = once_in(3) ? 1 + any(RUN_TRACKS_MAX) : 1 + any(8);
	request->first = once_in(3) ? any(TRACKS + TRACKS / 8) : any(HOT_TRACKS);
	request->digest = (enum digest)(once_in(2) ? DIGEST_NONE : any(DIGEST_COUNT));
	if (request->digest != DIGEST_NONE)
		choose_digests(request, job);
	request->delivery = (enum delivery)(1 + any(DELIVERY_COUNT - 1));
	message->reread = once_in(6);
	if (job != NULL && job->dnf_count > 0 && !once_in(4)) { /* the retry */
		request->first = job->dnf_first;
		request->count = job->dnf_count;
		request->digest = job->dnf_digest;
		request->end_bytes = job->dnf_end_bytes;
		request->delivery = DELIVERY_POLL;
		message->floor = job->dnf_floor;
	} else if (once_in(20)) {
		message->floor = (uint64_t)any(UINT32_MAX) << any(32);
	}
}

static void read_some(struct model_session *session)
{
	uint64_t link_id;
	struct model_job *job = pick_job(session, &link_id);
	uint32_t device = job != NULL && !once_in(20) ? job->device : any(BED_DEVICES), tag;
	struct message message = { .type = MESSAGE_READ };
	struct msg_read *read = &message.read;
	struct request *request;
	const struct model_device *model = &m.devices[device];

	if (link_id == 0 || connected(session) + session->burst_reads >= m.config.window_reads)
		return;
	if (job != NULL && job->tag >= 0 && (session->burst_frees || session->requests[job->tag].may_be_busy))
		return; /* its Read may be answered in this burst: what becomes of this one is not determined */
	request = new_request(session, READ, device, &tag);
	choose_run(request, read, job);
	request->job = job;
	request->allowed = read_is_refused(session, request, job);
	*read = (struct msg_read){ .tag = tag, .link_id = link_id, .device_number = device, .first_track = request->first,
		.track_count = request->count, .delivery = request->delivery, .floor = read->floor, .reread = read->reread,
		.digest = request->digest, .end_bytes = request->end_bytes };
	tell("session %td read device %u link %016" PRIx64 " %u from %" PRIu64 " %s %s%s to %" PRIu64 ", tag %u",
		session - m.sessions, device, link_id, request->count, request->first, delivery_name(request->delivery),
		digest_name(request->digest), read->reread ? " again" : "", request->end_bytes, tag);
	if (request->allowed == 0) {
		request->floor = job->floor > model->floor ? job->floor : model->floor;
		if (read->floor == 0 && read->reread)
			request->floor = model->now;
		else if (read->floor != 0 && read->floor == job->dnf_floor && job->dnf_epoch > request->floor)
			request->floor = job->dnf_epoch;
		request->may_be_busy = true; /* until the burst is over: it may be answered at once */
		job->tag = (int)tag;
		job->dnf_count = 0;
		session->burst_reads++;
	}
	primary_send(session->primary, &message);
}

static void release(struct model_session *session)
{
	uint64_t link_id;
	struct model_job *job = pick_job(session, &link_id);
	struct message message = { .type = MESSAGE_RELEASE };
	struct request *request;
	uint32_t tag;

	if (link_id == 0)
		return;
	request = new_request(session, RELEASE, 0, &tag);
	message.release = (struct msg_release){ .tag = tag, .link_id = link_id };
	request->allowed = 1u << (job != NULL ? STATUS_OK : STATUS_BAD_LINK_ID);
	if (job != NULL)
		forget_job(job);
	session->burst_frees = true;
	say(session, "release", 0, tag);
	primary_send(session->primary, &message);
}

static void detach(struct model_session *session)
{
	uint32_t device = any(BED_DEVICES + 1), tag;
	struct request *request = new_request(session, DETACH, device, &tag);
	const struct message message = { .type = MESSAGE_DETACH, .detach = { .tag = tag, .device_number = device } };

	request->allowed = 1u << (has_device(session, device) ? STATUS_OK : STATUS_NO_SUCH_DEVICE);
	if (has_device(session, device)) {
		for (unsigned i = 0; i < TAGS; i++)
			if (session->requests[i].kind == QUERY && session->requests[i].device == device &&
				session->requests[i].counted && session->requests[i].allowed == 0)
				session->requests[i].allowed = 1u << STATUS_NO_SUCH_DEVICE;
		forget_device(session, device);
		session->burst_frees = true;
	}
	say(session, "detach", device, tag);
	primary_send(session->primary, &message);
}

static void reserve(struct model_session *session)
{
	uint32_t device = pick_device(session), tag;
	struct request *request = new_request(session, RESERVE, device, &tag);
	struct message message = { .type = MESSAGE_RESERVE, .reserve = { .tag = tag, .device_number = device } };
	struct model_device *model = device < BED_DEVICES ? &m.devices[device] : NULL;

	if (!has_device(session, device)) {
		request->allowed = 1u << STATUS_NO_SUCH_DEVICE;
	} else if ((model->reserved_by != NULL && model->reserved_by != session) || links_on(device, session) > 0) {
		request->allowed = 1u << STATUS_BUSY;
	} else {
		request->allowed = 1u << STATUS_OK;
		request->number = model->reservation = ++m.reservations;
		model->reserved_by = session;
		model->floor = model->now;
	}
	say(session, "reserve", device, tag);
	primary_send(session->primary, &message);
}

static void unreserve(struct model_session *session)
{
	uint32_t device = pick_device(session) % BED_DEVICES, tag;
	struct request *request = new_request(session, UNRESERVE, device, &tag);
	struct model_device *model = &m.devices[device];
	uint32_t number = once_in(3) ? any(m.reservations + 2) : model->reservation;
	const struct message message = { .type = MESSAGE_UNRESERVE,
		.unreserve = { .tag = tag, .device_number = device, .reservation = number } };

	if (!has_device(session, device)) {
		request->allowed = 1u << STATUS_NO_SUCH_DEVICE;
	} else if (model->reserved_by == session && model->reservation == number) {
		request->allowed = 1u << STATUS_OK;
		model->reserved_by = NULL;
	} else {
		request->allowed = 1u << STATUS_BAD_REQUEST;
	}
	say(session, "unreserve", device, tag);
	primary_send(session->primary, &message);
}

/* None has a table. */
static void ask_invalid(struct model_session *session)
{
	uint32_t device = pick_device(session), tag;
	struct request *request = new_request(session, INVALID, device, &tag);
	const struct message message = { .type = MESSAGE_INVALID, .invalid = { .tag = tag, .device_number = device } };

	request->allowed = 1u << (has_device(session, device) ? STATUS_OK : STATUS_NO_SUCH_DEVICE);
	say(session, "invalid", device, tag);
	primary_send(session->primary, &message);
}

/* ---- Links ---- */

static void connect_one(void)
{
	struct model_peer *peer = &m.peers[any(PEERS)];
	struct model_session *session = NULL;
	struct session *refused;
	int fd;

	for (unsigned i = 0; i < SESSIONS_MAX && session == NULL; i++)
		if (m.sessions[i].primary == NULL)
			session = &m.sessions[i];
	tell("connect %s", peer->peer->name);
	if (peer->links == peer->peer->links_max) {
		fd = bed_raw_session_of(m.bed, peer->peer, &refused);
		settle();
		CHECK(!bed_has_session(m.bed, refused), "a link too many");
		close(fd);
		peer->links_refused++;
	} else if (session != NULL) {
		memset(session, 0, sizeof(*session));
		session->digests = once_in(4) ? any(4) << DIGEST_XXH3_128 : UINT64_MAX;
		session->primary = primary_new_knowing(m.bed, peer->peer, session->digests);
		if ((session->digests & 1u << DIGEST_XXH3_128) == 0)
			session->digests = 0;
		CHECK(session->primary->digests == (session->digests & DIGESTS_KNOWN), "%" PRIu64, session->primary->digests);
		session->peer = peer;
		peer->links++;
	}
}

static void forget_session(struct model_session *session)
{
	links_lost++;
	for (uint32_t i = 0; i < BED_DEVICES; i++)
		forget_device(session, i);
	session->peer->links--;
	primary_drop(session->primary);
	session->primary = NULL;
}

static void lose(struct model_session *session)
{
	tell("session %td is lost", session - m.sessions);
	forget_session(session);
}

/* One Read more than the window: that ends the link. The last one shows whether the window is really full. */
static void exceed_window(struct model_session *session)
{
	struct message message = { .type = MESSAGE_READ, .read = { .device_number = BED_DEVICES, .tag = TAGS } };

	tell("session %td exceeds its window, %u of %u", session - m.sessions, connected(session), m.config.window_reads);
	primary_send(session->primary, &message);
	settle();
	CHECK(session->primary->is_closed == (connected(session) >= m.config.window_reads), "%u connected",
		connected(session));
	if (session->primary->is_closed)
		forget_session(session);
}

/* ---- The world ---- */

static bool volume_hangs(const struct volume *volume)
{
	for (unsigned i = 0; i < BED_DEVICES; i++)
		if (m.devices[i].volume == volume)
			return m.devices[i].hangs;
	return false;
}

static void apply_epoch(uint32_t index)
{
	struct faulty_volume *volume = m.bed->volumes[index];
	const struct epoch *epoch = epoch_of(index);

	faulty_volume_set_version(volume, epoch->version);
	faulty_volume_set_size(volume, epoch->size_bytes);
	faulty_volume_set_error(volume, epoch->bad_begin, epoch->bad_end, EIO);
	faulty_volume_set_open_error(volume, epoch->open_fails ? ENOENT : 0);
}

static void change_volume(void)
{
	uint32_t index = any(BED_DEVICES);
	struct model_device *device = &m.devices[index];
	struct epoch *epoch;

	if (device->now + 1 == EPOCHS_MAX)
		return;
	device->epochs[device->now + 1] = device->epochs[device->now];
	device->now++;
	epoch = epoch_of(index);
	switch (any(8)) {
	case 0:
		epoch->bad_begin = (uint64_t)any(once_in(2) ? HOT_TRACKS : TRACKS) * TRACK;
		epoch->bad_end = epoch->bad_begin + (uint64_t)any(8) * TRACK;
		break;
	case 1:
		epoch->bad_begin = epoch->bad_end = 0;
		break;
	case 2:
		epoch->size_bytes = (uint64_t)TRACKS * TRACK + 512 - 512u * any(200);
		if (once_in(3))
			epoch->size_bytes = TRACK + 512u * any(8 * HOT_TRACKS);
		break;
	case 3:
		epoch->open_fails = once_in(4);
		break;
	default:
		epoch->version++;
	}
	apply_epoch(index);
	tell("device %u changes: version %u, %" PRIu64 " bytes, bad %" PRIu64 "-%" PRIu64 "%s", index, epoch->version,
		epoch->size_bytes, epoch->bad_begin / TRACK, epoch->bad_end / TRACK,
		epoch->open_fails ? ", fails to open" : "");
}

static void hang_some(void)
{
	struct model_device *device = &m.devices[any(BED_DEVICES)];

	device->hangs = once_in(3);
	tell("device %td %s", device - m.devices, device->hangs ? "hangs" : "does not hang");
}

static void set_some_limit(void)
{
	struct rate *rates[] = { m.bed->ra->total_rate, m.peers[any(PEERS)].peer->rate,
		device_array_rate(m.bed->ra->devices, any(BED_DEVICES)) };
	struct rate_limit limit = { 0 };
	uint32_t which = any(3);

	if (once_in(3))
		limit.bytes_per_s = (20 + any(1000)) * TRACK;
	if (once_in(5))
		limit.reads_per_s = 1 + any(40);
	tell("limit %u: %" PRIu64 " bytes, %" PRIu64 " reads a second", which, limit.bytes_per_s, limit.reads_per_s);
	rate_set(rates[which], &limit);
}

static void let_time_go_on(int64_t ms)
{
	while (ms > 0) {
		int64_t chunk_ms = ms < CHUNK_MS ? ms : CHUNK_MS, begin_ms = now_ms();

		tell("%" PRId64 " ms", chunk_ms);
		note_before();
		model_da.time_goes_on = true;
		clock_advance(m.bed->clock, chunk_ms);
		check_all(begin_ms);
		model_da.time_goes_on = false;
		ms -= chunk_ms;
	}
}

/* One step of a disk thread; false: there is none to do. */
static bool step_disk(void)
{
	struct da_request *request, *able[512];
	unsigned count = 0;

	DL_FOREACH(da()->live, request)
		if (model_da_can_step(request))
			able[count++] = request;
	if (count == 0)
		return false;
	request = able[any(count)];
	note_before();
	if (request->state == DA_RUNNING && request->spec.kind == DA_READ && once_in(3)) {
		tell("disk: request of kind %u gets on", request->spec.kind);
		model_da_has_read(request);
	} else {
		tell("disk: request of kind %u, state %u", request->spec.kind, request->state);
		model_da_step(request);
	}
	check_all(now_ms());
	return true;
}

/* ---- Rounds ---- */

static void command(struct model_session *session)
{
	static const struct {
		void (*fn)(struct model_session *session);
		uint32_t weight;
	} commands[] = { { query, 12 }, { create, 16 }, { read_some, 80 }, { release, 10 }, { detach, 1 }, { reserve, 2 },
		{ unreserve, 2 }, { ask_invalid, 2 } };
	uint32_t at = any(125);
	unsigned i = 0;

	for (; at >= commands[i].weight; i++)
		at -= commands[i].weight;
	commands[i].fn(session);
}

static void step(void)
{
	struct model_session *session = &m.sessions[any(SESSIONS_MAX)];
	uint32_t choice = any(100);

	if (session->primary == NULL && once_in(2)) {
		note_before();
		connect_one();
		check_all(now_ms());
	} else if (choice < 50 && session->primary != NULL) {
		note_before();
		for (uint32_t burst = 1 + any(5); burst > 0; burst--)
			command(session);
		if (once_in(200)) { /* the commands have left, their answers do not arrive */
			event_base_loop(m.bed->base, EVLOOP_NONBLOCK);
			lose(session);
		}
		check_all(now_ms());
	} else if (choice < 85) {
		for (uint32_t i = 1 + any(8); i > 0 && step_disk(); i--)
			;
	} else if (choice < 91) {
		static const int64_t times_ms[] = { 1, 10, 100, 100, 300, 1000, 2500, 4100, 8100, 31000 };

		let_time_go_on(times_ms[any(once_in(8) ? 10 : 6)]);
	} else if (choice < 96) {
		change_volume();
	} else if (choice < 98) {
		hang_some();
	} else if (once_in(2)) {
		note_before();
		set_some_limit();
		check_all(now_ms());
	} else if (session->primary != NULL && once_in(3)) {
		note_before();
		if (once_in(2))
			lose(session);
		else
			exceed_window(session);
		check_all(now_ms());
	} else {
		note_before();
		connect_one();
		check_all(now_ms());
	}
}

static void start_round(unsigned seed)
{
	static const char *const all[] = { "d0", "d1", "d2", NULL }, *const two[] = { "d0", "d1", NULL };
	static const char *const one[] = { "d0", NULL };
	static const char *const *const devices[PEERS] = { all, two, one };

	memset(&m, 0, sizeof(m));
	m.seed = seed;
	m.random = seed;
	m.tells = getenv("RA_SEED") != NULL;
	bed_config(&m.config);
	m.config.track_bytes = TRACK;
	m.config.da_threads = 0; /* model_da has its own, and a tiny cache is wanted */
	m.config.cache_bytes = (64 + any(200)) * TRACK;
	m.config.jobs = 8 + any(MODEL_JOBS - 8 + 1);
	m.config.da_queue_elements = 2 + any(30);
	m.config.window_reads = 1 + any(12);
	m.config.fetches_per_peer = 1 + any(16);
	model_da.hangs = volume_hangs;
	m.bed = bed_new(&m.config, TRACKS);
	model_da.clock = m.bed->clock;
	for (uint32_t i = 0; i < BED_DEVICES; i++) {
		m.devices[i].volume = device_array_volume(m.bed->ra->devices, i);
		m.devices[i].epochs[0].size_bytes = (uint64_t)TRACKS * TRACK;
		m.devices[i].shadow = faulty_volume_new((uint64_t)TRACKS * TRACK, i + 1);
		faulty_volume_set_hole(m.bed->volumes[i], HOLE_TRACK * TRACK, (HOLE_TRACK + 4) * TRACK);
		faulty_volume_set_zeros(m.bed->volumes[i], (HOLE_TRACK + 4) * TRACK, (HOLE_TRACK + 8) * TRACK);
	}
	for (uint32_t i = 0; i < PEERS; i++) {
		static const char *const names[PEERS] = { "wide", "narrow", "digester" };

		m.peers[i].peer = bed_add_peer(m.bed, names[i], devices[i], i == 2, 1 + (i + 1) % 3, 3 + 4 * i);
		for (uint32_t j = 0; j < BED_DEVICES - i; j++)
			m.peers[i].may_read[j] = true;
	}
}

/* All links go, the disks end what they do, and nothing is left. */
static void end_round(void)
{
	note_before();
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (m.sessions[i].primary != NULL)
			lose(&m.sessions[i]);
	check_all(now_ms());
	for (uint32_t i = 0; i < BED_DEVICES; i++)
		m.devices[i].hangs = false;
	while (da()->live != NULL)
		if (!step_disk())
			let_time_go_on(1000); /* one that found no slot is looked after by time */
	CHECK(bed_is_quiet(m.bed), "something is left");
	evicted += bed_cache(m.bed).evicted;
	for (uint32_t i = 0; i < BED_DEVICES; i++) {
		struct faulty_counts counts = faulty_volume_count(m.bed->volumes[i]);

		CHECK(device_array_record(m.bed->ra->devices, i) == NULL, "device %u", i);
		CHECK(counts.opens >= counts.closes, "device %u", i);
		faulty_volume_free(m.devices[i].shadow);
	}
	bed_free(m.bed); /* faulty_volume_free asserts that each volume is closed */
}

static unsigned number_of(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* A run that does not reach something tests nothing there. */
static void check_coverage(void)
{
	static const enum status of_reads[] = { STATUS_OK, STATUS_DATA_NOT_FOUND, STATUS_RECONNECT, STATUS_TIMEOUT,
		STATUS_QUEUE_FULL, STATUS_NOT_READY };
	static const enum status others[] = { STATUS_NO_FREE_JOB, STATUS_BUSY, STATUS_BAD_LINK_ID, STATUS_NO_SUCH_DEVICE,
		STATUS_BAD_REQUEST, STATUS_VOLUME_ERROR, STATUS_NOT_PERMITTED };

	for (unsigned i = 0; i < sizeof(of_reads) / sizeof(of_reads[0]); i++)
		print_message("%s %lu, ", status_name(of_reads[i]), read_statuses[of_reads[i]]);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		print_message("%s %lu, ", status_name(others[i]), statuses[others[i]]);
	for (unsigned i = TRACK_DATA; i < TRACK_STATE_COUNT; i++)
		print_message("state %u %lu, ", i, states[i]);
	for (enum digest digest = DIGEST_NONE; digest < DIGEST_COUNT; digest++)
		print_message("%s %lu, ", digest_name(digest), digests[digest]);
	print_message("%lu holes told, %lu evicted, %lu links lost\n", holes_told, evicted, links_lost);
	for (unsigned i = 0; i < sizeof(of_reads) / sizeof(of_reads[0]); i++)
		assert_true(read_statuses[of_reads[i]] > 0);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_true(statuses[others[i]] > 0);
	for (unsigned i = TRACK_DATA; i < TRACK_STATE_COUNT; i++)
		assert_true(states[i] > 0);
	for (enum digest digest = DIGEST_NONE; digest < DIGEST_COUNT; digest++)
		assert_true(digests[digest] > 0);
	assert_true(holes_told > 0 && evicted > 0 && links_lost > 0);
}

static void secondary_does_what_the_model_allows(void **state)
{
	const bool is_long = getenv("RA_LONG") != NULL;
	unsigned first = number_of("RA_SEED", is_long ? (unsigned)time(NULL) : 1);
	unsigned rounds = getenv("RA_SEED") != NULL ? 1 : number_of("RA_MODEL_ROUNDS", is_long ? ROUNDS_LONG : ROUNDS);

	(void)state;
	for (unsigned round = 0; round < rounds; round++) {
		print_message("seed %u\n", first + round);
		start_round(first + round);
		for (m.step = 1; m.step <= STEPS; m.step++)
			step();
		end_round();
		print_message("%lu answers\n", m.answers);
	}
	if (rounds >= ROUNDS)
		check_coverage();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(secondary_does_what_the_model_allows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
