/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: see session.h. A frame is handled to its end in one pass; what must wait is a Read (read.h) or a query of
 * a device. The end of the conn frees its queued answers first, so no scratch buffer outlives the session.
 */
#include "secondary/session.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "secondary/delivery.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/ra.h"
#include "secondary/read.h"
#include "wire/conn.h"

#define SESSION_MAGIC 0x53455353u
#define QUERIES_MAX 64u

/* A DeviceQuery whose open or size is on the DA. */
struct query {
	struct session *session;
	struct attach *attach;
	uint32_t tag;
	uint32_t number;
	bool counted; /* the session had the device already */
	struct query *prev, *next;
};

const char *session_peer(const struct session *session)
{
	return session->peer;
}

/* ---- Devices ---- */

static void reply_device(struct session *session, uint32_t tag, enum status status, uint32_t number,
	const struct volume_info *info, const char *detail)
{
	struct message message = { .type = MESSAGE_DEVICE_REPLY };
	struct msg_device_reply *reply = &message.device_reply;

	reply->tag = tag;
	reply->status = status;
	if (status == STATUS_OK) {
		reply->device_number = number;
		reply->track_bytes = session->ra->config.track_bytes;
		reply->volume = *info;
	}
	snprintf(reply->detail, sizeof(reply->detail), "%s", detail);
	conn_send(session->conn, &message, NULL, 0, NULL, NULL);
}

static void query_free(struct query *query)
{
	DL_DELETE(query->session->queries, query);
	free(query);
}

static void query_answered(void *arg, enum status status, uint32_t number, const struct volume_info *info,
	const char *detail)
{
	struct query *query = arg;
	struct session *session = query->session;

	assert(session->magic == SESSION_MAGIC && query->number == number);
	if (status == STATUS_OK && !query->counted) {
		struct device *device = device_array_record(session->ra->devices, number);

		if (session->has_device[number])
			device_detach(device); /* two queries at once: the session has it only once */
		session->has_device[number] = true;
	}
	reply_device(session, query->tag, status, number, info, detail);
	query_free(query);
}

static void on_device_query(struct session *session, const struct msg_device_query *message)
{
	int number = device_array_find(session->ra->devices, message->device);
	struct query *query;
	unsigned waiting;

	DL_COUNT(session->queries, query, waiting);
	if (number < 0 || waiting >= QUERIES_MAX) {
		reply_device(session, message->tag, number < 0 ? STATUS_NO_SUCH_DEVICE : STATUS_QUEUE_FULL, 0, NULL, "");
		return;
	}
	query = xcalloc(1, sizeof(*query));
	query->session = session;
	query->tag = message->tag;
	query->number = (uint32_t)number;
	query->counted = session->has_device[number];
	DL_APPEND(session->queries, query);
	query->attach = device_attach(session->ra->devices, query->number, query->counted, query_answered, query);
}

/* The device record of a number, if this session has attached it. */
static struct device *attached_device(struct session *session, uint32_t number)
{
	if (number >= DEVICES_MAX || !session->has_device[number])
		return NULL;
	return device_array_record(session->ra->devices, number);
}

static void free_link_job(struct session *session, struct job *job)
{
	if (job->specific.read != NULL)
		read_cancel(job->specific.read);
	job_free(session->ra, job);
}

/* Frees this session's link jobs on the device: walks the ring again from the start after each one. */
static void free_link_jobs(struct session *session, struct device *device)
{
	struct job *job, *found;

	do {
		found = NULL;
		RING_FOREACH(device, job, forward)
			if (job->specific.kind == JOB_LINK && job->specific.session == session) {
				found = job;
				break;
			}
		if (found != NULL)
			free_link_job(session, found);
	} while (found != NULL);
}

static void detach(struct session *session, struct device *device)
{
	struct query *query, *next;

	DL_FOREACH_SAFE(session->queries, query, next)
		if (query->number == device->constants.number && query->counted) {
			attach_cancel(query->attach);
			reply_device(session, query->tag, STATUS_NO_SUCH_DEVICE, 0, NULL, "detached");
			query_free(query);
		}
	free_link_jobs(session, device);
	session->has_device[device->constants.number] = false;
	device_detach(device);
}

static void reply_done(struct session *session, uint32_t tag, enum status status)
{
	const struct message message = { .type = MESSAGE_DONE, .done = { .tag = tag, .status = status } };

	conn_send(session->conn, &message, NULL, 0, NULL, NULL);
}

static void on_detach(struct session *session, const struct msg_detach *message)
{
	struct device *device = attached_device(session, message->device_number);

	if (device != NULL)
		detach(session, device);
	reply_done(session, message->tag, device != NULL ? STATUS_OK : STATUS_NO_SUCH_DEVICE);
}

/* ---- Reads: Fig. 14 ---- */

static void reply_read(struct session *session, uint32_t tag, enum status status, uint64_t link_id, const char *detail)
{
	struct message message = { .type = MESSAGE_READ_REPLY };
	struct msg_read_reply *reply = &message.read_reply;

	reply->tag = tag;
	reply->status = status;
	reply->link_id = link_id;
	snprintf(reply->detail, sizeof(reply->detail), "%s", detail);
	conn_send(session->conn, &message, NULL, 0, NULL, NULL);
}

/* Steps 306 to 312: a new job and its link id. */
static void create_link(struct session *session, struct device *device, const struct msg_read *message)
{
	struct ra *ra = session->ra;
	const struct job_specific specific = { .kind = JOB_LINK, .session = session,
		.floor = cache_next_sequence(ra->cache) };
	struct job *job = job_create(ra, device, &specific); /* 306 */

	if (job == NULL) { /* 308; posted at 326, which is 310 */
		reply_read(session, message->tag, STATUS_NO_FREE_JOB, 0, "the job array is full");
		return;
	}
	reply_read(session, message->tag, STATUS_OK, link_id_of(ra->config.secondary_id, job), ""); /* 312 */
}

/* Does the run lie within the device and the limits? */
static bool run_is_valid(const struct device_constants *constants, const struct msg_read *message)
{
	return message->first_track < constants->track_count &&
		message->track_count <= constants->track_count - message->first_track &&
		(uint64_t)message->track_count * constants->track_bytes <= RUN_BYTES_MAX;
}

/* Step 304: the command is processed on the established link. */
static void run_command(struct session *session, struct device *device, const struct msg_read *message)
{
	struct ra *ra = session->ra;
	struct job *job = link_id_resolve(ra->jobs, ra->config.secondary_id, message->link_id, session, device);
	const struct post_where where = { .device = device->constants.name, .peer = session->peer,
		.first_track = message->first_track, .track_count = message->track_count, .link_id = message->link_id };

	if (job == NULL) {
		post_error(ra->post, STATUS_BAD_LINK_ID, &where, "no such link job of this session and device");
		reply_read(session, message->tag, STATUS_BAD_LINK_ID, 0, "");
	} else if (job->specific.read != NULL) {
		reply_read(session, message->tag, STATUS_BUSY, 0, "this link job has a Read already");
	} else if (!run_is_valid(&job->constants, message)) {
		post_error(ra->post, STATUS_BAD_REQUEST, &where, "the run lies outside the device or is over 4 MiB");
		reply_read(session, message->tag, STATUS_BAD_REQUEST, 0, "the run lies outside the device or is over 4 MiB");
	} else {
		session->connected_reads++;
		read_start(ra, session, job, message);
	}
}

static int on_read(struct session *session, const struct msg_read *message)
{
	struct device *device = attached_device(session, message->device_number);

	if (session->connected_reads >= session->ra->config.window_reads) {
		log_warning("%s: more than %" PRIu32 " Reads at once: the link is dropped", session->peer,
			session->ra->config.window_reads);
		return -EPROTO;
	}
	if (device == NULL)
		reply_read(session, message->tag, STATUS_NO_SUCH_DEVICE, 0, "not attached");
	else if (message->link_id == LINK_ID_INVALID) /* 302 */
		create_link(session, device, message);
	else
		run_command(session, device, message); /* 304 */
	return 0;
}

static void on_release(struct session *session, const struct msg_release *message)
{
	struct ra *ra = session->ra;
	struct job *job = link_id_resolve(ra->jobs, ra->config.secondary_id, message->link_id, session, NULL);

	if (job != NULL)
		free_link_job(session, job);
	reply_done(session, message->tag, job != NULL ? STATUS_OK : STATUS_BAD_LINK_ID);
}

/* ---- Window and turns ---- */

bool session_take_place(struct session *session)
{
	if (session->connected_reads + session->reconnected_reads >= session->ra->config.window_reads)
		return false;
	session->reconnected_reads++;
	return true;
}

void session_place_is_free(struct session *session)
{
	while (session->conn != NULL && session->place_waiters != NULL && session_take_place(session)) {
		struct read *read = session->place_waiters;

		DL_DELETE(session->place_waiters, read);
		read->place = READ_PLACE_ANSWER;
		read_enter(read, READ_LOOKING, "got a place");
		read_look_again(read);
	}
}

/* The waiting Read whose device comes next after the one that had the last turn. */
static struct read *choose_turn(struct session *session)
{
	struct read *read, *best = NULL;
	uint32_t best_distance = DEVICES_MAX;

	DL_FOREACH(session->turn_waiters, read) {
		uint32_t distance = (read->job->constants.number + DEVICES_MAX - session->turn_device - 1) % DEVICES_MAX;

		if (distance < best_distance) {
			best = read;
			best_distance = distance;
		}
	}
	return best;
}

void session_next_turn(struct session *session)
{
	struct ra *ra = session->ra;

	while (session->conn != NULL && session->turn_waiters != NULL &&
		session->locked_tracks < ra->locks_per_link && session->fetches < ra->config.fetches_per_link) {
		struct read *read = choose_turn(session);

		session->turn_device = read->job->constants.number;
		DL_DELETE(session->turn_waiters, read);
		read_enter(read, READ_LOOKING, "its turn");
		if (read->parameters.delivery == DELIVERY_POLL)
			read_look_again(read);
		else
			delivery_go_on(read);
	}
}

/* ---- The link ---- */

static int on_hello(struct session *session, const struct msg_hello *message)
{
	struct message answer = { .type = MESSAGE_HELLO_REPLY };
	struct msg_hello_reply *reply = &answer.hello_reply;
	bool common = message->protocol_min <= RA_PROTOCOL_VERSION && message->protocol_max >= RA_PROTOCOL_VERSION;

	reply->status = common ? STATUS_OK : STATUS_VERSION;
	reply->protocol = RA_PROTOCOL_VERSION;
	reply->window_reads = session->ra->config.window_reads;
	reply->secondary_id = session->ra->config.secondary_id;
	snprintf(reply->software, sizeof(reply->software), "ra %s", RA_VERSION);
	conn_send(session->conn, &answer, NULL, 0, NULL, NULL);
	if (!common) {
		log_warning("%s: speaks protocol %" PRIu32 " to %" PRIu32 ", this secondary only %u", session->peer,
			message->protocol_min, message->protocol_max, RA_PROTOCOL_VERSION);
		conn_finish(session->conn, "no common protocol version");
		return 0;
	}
	log_info("%s: Hello accepted (%s)", session->peer, message->software);
	session->is_up = true;
	conn_accept(session->conn);
	conn_start_ping(session->conn);
	return 0;
}

static int session_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct session *session = arg;

	assert(session->magic == SESSION_MAGIC && payload_bytes == 0);
	if (session->is_up != (message->type != MESSAGE_HELLO)) {
		log_warning("%s: %s %s Hello", session->peer, message_name(message->type),
			session->is_up ? "after an accepted" : "before");
		return -EPROTO;
	}
	switch (message->type) {
	case MESSAGE_HELLO:
		return on_hello(session, &message->hello);
	case MESSAGE_DEVICE_QUERY:
		on_device_query(session, &message->device_query);
		return 0;
	case MESSAGE_DETACH:
		on_detach(session, &message->detach);
		return 0;
	case MESSAGE_READ:
		return on_read(session, &message->read);
	case MESSAGE_RELEASE:
		on_release(session, &message->release);
		return 0;
	default:
		log_warning("%s: %s is not for a secondary", session->peer, message_name(message->type));
		return -EPROTO;
	}
}

static void session_up(void *arg)
{
	struct session *session = arg;

	assert(session->magic == SESSION_MAGIC);
	if (conn_peer_key(session->conn)[0] != '\0')
		snprintf(session->peer, sizeof(session->peer), "%s", conn_peer_key(session->conn));
}

static void session_closed(void *arg, const char *reason, bool clean)
{
	struct session *session = arg;
	void (*ended)(void *) = session->ended;
	void *ended_arg = session->arg;

	assert(session->magic == SESSION_MAGIC);
	if (clean)
		log_info("%s: the link ended (%s)", session->peer, reason);
	session_free(session);
	if (ended != NULL)
		ended(ended_arg);
}

const struct conn_ops session_conn_ops = { .up = session_up, .frame = session_frame, .closed = session_closed };

struct session *session_new(struct ra *ra, const char *peer, void (*ended)(void *arg), void *arg)
{
	struct session *session = xcalloc(1, sizeof(*session));

	session->magic = SESSION_MAGIC;
	session->ra = ra;
	session->ended = ended;
	session->arg = arg;
	snprintf(session->peer, sizeof(session->peer), "%s", peer);
	DL_APPEND(ra->sessions, session);
	return session;
}

void session_start(struct session *session, struct conn *conn)
{
	session->conn = conn;
}

/* What a lost link leaves behind is freed here: answers being sent, Reads, link jobs, devices, queries. */
void session_free(struct session *session)
{
	struct conn *conn;
	struct query *query, *next;

	if (session == NULL)
		return;
	assert(session->magic == SESSION_MAGIC);
	conn = session->conn;
	session->conn = NULL; /* no Read goes on from here */
	conn_free(conn);
	for (uint32_t i = 0; i < DEVICES_MAX; i++) /* first of all: nothing below may wake a Read of this link */
		if (session->has_device[i])
			free_link_jobs(session, device_array_record(session->ra->devices, i));
	DL_FOREACH_SAFE(session->queries, query, next) {
		attach_cancel(query->attach);
		query_free(query);
	}
	for (uint32_t i = 0; i < DEVICES_MAX; i++)
		if (session->has_device[i])
			detach(session, device_array_record(session->ra->devices, i));
	fetch_forget_session(session->ra, session);
	assert(session->locked_tracks == 0 && session->connected_reads == 0 && session->reconnected_reads == 0);
	DL_DELETE(session->ra->sessions, session);
	session->magic = 0;
	free(session);
}
