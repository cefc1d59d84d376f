/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of a primary: see command.h. A device that the peer may not read gets the answer of one that does not
 * exist, word for word: nobody learns from it what there is.
 */
#include "secondary/command.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/invalid.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/read.h"
#include "secondary/reserve.h"
#include "secondary/session.h"
#include "secondary/wanted.h"
#include "storage/cache.h"
#include "wire/conn.h"

/* A DeviceQuery whose open or size is on the DA. */
struct query {
	struct session *session;
	struct attach *attach;
	uint32_t tag;
	uint32_t number;
	bool counted; /* the session had the device already */
	struct query *prev, *next;
};

/* ---- Devices ---- */

static void name_replaced(const struct device_array *devices, uint32_t number, char words[DETAIL_MAX + 1])
{
	snprintf(words, DETAIL_MAX + 1, DEVICE_REPLACED_WORDS, device_array_name(devices, number));
}

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
		reply->digest_only = session->peer->is_digest_only;
	}
	snprintf(reply->detail, sizeof(reply->detail), "%s", detail);
	if (status == STATUS_OK && device_array_listing(session->ra->devices, number) == DEVICE_REPLACED) {
		reply->replaced = true;
		name_replaced(session->ra->devices, number, reply->detail);
	}
	conn_send(session->conn, &message, NULL, 0, NULL, NULL);
}

static void query_free(struct query *query)
{
	query->session->peer->queries--;
	DL_DELETE(query->session->queries, query);
	free(query);
}

/* One of this session's link jobs on the device, or NULL: walks the ring. */
static struct job *find_link_job(const struct session *session, const struct device *device)
{
	struct job *job;

	RING_FOREACH(device, job, forward)
		if (job->specific.kind == JOB_LINK && job->specific.session == session)
			return job;
	return NULL;
}

/* A session without jobs is told the size that its jobs will go by; one that has jobs, the size of now. */
static void query_answered(void *arg, enum status status, uint32_t number, const struct volume_info *info,
	const char *detail)
{
	struct query *query = arg;
	struct session *session = query->session;
	struct device *device = device_array_record(session->ra->devices, number);
	struct volume_info told = { 0 };

	assert(query->number == number);
	if (status == STATUS_OK) {
		told = *info;
		if (find_link_job(session, device) == NULL)
			told.size_bytes = device->constants.size_bytes;
	}
	if (status == STATUS_OK && !query->counted) {
		if (session->has_device[number])
			device_detach(device); /* two queries at once: the session has it only once */
		session->has_device[number] = true;
	}
	reply_device(session, query->tag, status, number, &told, detail);
	query_free(query);
}

static void on_device_query(struct session *session, const struct msg_device_query *message)
{
	const struct post_where where = { .device = message->device, .peer = session_peer(session) };
	int number = device_array_find(session->ra->devices, message->device);
	bool may_read = peer_may_read(session->peer, message->device);
	char words[DETAIL_MAX + 1];
	struct query *query;

	if (number < 0 || !may_read) {
		post_error(session->ra->post, STATUS_NO_SUCH_DEVICE, &where, "%s",
			number < 0 ? "a device that does not exist was asked for" :
				     "a device that this peer may not read was asked for");
		reply_device(session, message->tag, STATUS_NO_SUCH_DEVICE, 0, NULL, "there is no such device");
		return;
	}
	if (device_array_listing(session->ra->devices, (uint32_t)number) == DEVICE_REPLACED &&
	    !session->has_device[number]) {
		name_replaced(session->ra->devices, (uint32_t)number, words);
		post_error(session->ra->post, STATUS_NOT_PERMITTED, &where, "%s", words);
		reply_device(session, message->tag, STATUS_NOT_PERMITTED, 0, NULL, words);
		return;
	}
	if (session->peer->queries >= QUERIES_PER_PEER) {
		reply_device(session, message->tag, STATUS_QUEUE_FULL, 0, NULL, "the peer has its most queries");
		return;
	}
	query = xcalloc(1, sizeof(*query));
	query->session = session;
	query->tag = message->tag;
	query->number = (uint32_t)number;
	query->counted = session->has_device[number];
	session->peer->queries++;
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
	session->jobs--;
	session->peer->jobs--;
}

static void free_link_jobs(struct session *session, struct device *device)
{
	struct job *job;

	while ((job = find_link_job(session, device)) != NULL)
		free_link_job(session, job);
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
	reserve_drop(session, device);
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

	if (device != NULL) {
		detach(session, device);
		ra_element_is_free(session->ra); /* in the job array */
	}
	reply_done(session, message->tag, device != NULL ? STATUS_OK : STATUS_NO_SUCH_DEVICE);
}

static void on_unreserve(struct session *session, const struct msg_unreserve *message)
{
	struct device *device = attached_device(session, message->device_number);
	enum status status = STATUS_NO_SUCH_DEVICE;

	if (device != NULL)
		status = reserve_end(session, device, message->reservation) ? STATUS_OK : STATUS_BAD_REQUEST;
	reply_done(session, message->tag, status);
}

/* ---- Reads: Fig. 14 ---- */

static void reply_read(struct session *session, uint32_t tag, enum status status, uint64_t link_id, const char *format,
	...) __attribute__((format(printf, 5, 6)));

static void reply_read(struct session *session, uint32_t tag, enum status status, uint64_t link_id, const char *format,
	...)
{
	struct message message = { .type = MESSAGE_READ_REPLY };
	struct msg_read_reply *reply = &message.read_reply;
	va_list args;

	reply->tag = tag;
	reply->status = status;
	reply->link_id = link_id;
	va_start(args, format);
	vsnprintf(reply->detail, sizeof(reply->detail), format, args);
	va_end(args);
	conn_send(session->conn, &message, NULL, 0, NULL, NULL);
}

/* Steps 306 to 312: a new job and its link id. */
static void create_link(struct session *session, struct device *device, const struct msg_read *message)
{
	struct ra *ra = session->ra;
	struct peer *peer = session->peer;
	const struct job_specific specific = { .kind = JOB_LINK, .session = session,
		.floor = cache_next_sequence(ra->cache) };
	const struct post_where where = { .device = device->constants.name, .peer = peer->name };
	struct job *job;

	if (!reserve_admits(device, session)) {
		reply_read(session, message->tag, STATUS_BUSY, 0, "reserved by %s", device->parameters.owner);
		return;
	}
	if (peer->jobs >= peer->jobs_max) {
		post_error(ra->post, STATUS_NO_FREE_JOB, &where, "the peer has its most jobs (%" PRIu32 ")", peer->jobs_max);
		reply_read(session, message->tag, STATUS_NO_FREE_JOB, 0, "the peer has its most jobs (%" PRIu32 ")",
			peer->jobs_max);
		return;
	}
	job = job_create(ra, device, &specific); /* 306 */
	if (job == NULL) {                       /* 308; posted at 326, which is 310 */
		reply_read(session, message->tag, STATUS_NO_FREE_JOB, 0, "the job array is full");
		return;
	}
	session->jobs++;
	peer->jobs++;
	reply_read(session, message->tag, STATUS_OK, link_id_of(ra->config.secondary_id, job), "%s", ""); /* 312 */
}

/* A Read for digests may say where the device is taken to end. */
static bool is_inside(const struct device_constants *constants, const struct msg_read *message)
{
	const struct wanted wanted = wanted_by(constants, message);
	uint64_t tracks = wanted_tracks_left(&wanted, 0);

	return wanted.end_bytes <= constants->size_bytes && message->first_track < tracks &&
		message->track_count <= tracks - message->first_track;
}

/* An error that the primary has made. */
static void refuse_read(struct session *session, const struct device *device, const struct msg_read *message,
	enum status status, const char *text)
{
	const struct post_where where = { .device = device->constants.name, .peer = session_peer(session),
		.first_track = message->first_track, .track_count = message->track_count, .link_id = message->link_id };

	post_error(session->ra->post, status, &where, "%s", text);
	reply_read(session, message->tag, status, 0, "%s", text);
}

static void refuse_outside(struct session *session, const struct device *device, const struct msg_read *message)
{
	char end[48] = "", text[DETAIL_MAX + 1];

	if (message->digest != DIGEST_NONE)
		snprintf(end, sizeof(end), " up to byte %" PRIu64, message->end_bytes);
	snprintf(text, sizeof(text), "tracks %" PRIu64 "+%" PRIu32 "%s lie outside the device, which has %" PRIu64 " bytes",
		message->first_track, message->track_count, end, device->constants.size_bytes);
	refuse_read(session, device, message, STATUS_BAD_REQUEST, text);
}

/* Step 304: the command is processed on the established link. */
static void run_command(struct session *session, struct device *device, const struct msg_read *message)
{
	struct ra *ra = session->ra;
	struct job *job = link_id_resolve(ra->jobs, ra->config.secondary_id, message->link_id, session, device);

	if (job == NULL) {
		refuse_read(session, device, message, STATUS_BAD_LINK_ID, "no such link job of this session and device");
	} else if (message->digest != DIGEST_NONE && (session->digests & 1u << message->digest) == 0) {
		refuse_read(session, device, message, STATUS_BAD_REQUEST, "HelloReply did not name this digest");
	} else if (message->digest == DIGEST_NONE && session->peer->is_digest_only) {
		refuse_read(session, device, message, STATUS_NOT_PERMITTED, "this peer gets digests only");
	} else if (job->specific.read != NULL) {
		reply_read(session, message->tag, STATUS_BUSY, 0, "this link job has a Read already");
	} else if (message->digest == DIGEST_NONE &&
		(uint64_t)message->track_count * job->constants.track_bytes > RUN_BYTES_MAX) {
		refuse_read(session, device, message, STATUS_BAD_REQUEST, "the run is over 4 MiB");
	} else if (!is_inside(&job->constants, message)) {
		refuse_outside(session, device, message);
	} else {
		session->connected_reads++;
		read_start(ra, session, job, message);
	}
}

static int on_read(struct session *session, const struct msg_read *message)
{
	struct device *device = attached_device(session, message->device_number);

	if (session->connected_reads >= session->ra->config.window_reads) {
		log_warning("%s: more than %" PRIu32 " Reads at once: the link is dropped", session_peer(session),
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

	if (job != NULL) {
		free_link_job(session, job);
		ra_element_is_free(ra); /* in the job array */
	}
	reply_done(session, message->tag, job != NULL ? STATUS_OK : STATUS_BAD_LINK_ID);
}

/* ---- All ---- */

int command_run(struct session *session, const struct message *message)
{
	switch (message->type) {
	case MESSAGE_DEVICE_QUERY:
		on_device_query(session, &message->device_query);
		return 0;
	case MESSAGE_DETACH:
		on_detach(session, &message->detach);
		return 0;
	case MESSAGE_RESERVE:
		reserve_take(session, attached_device(session, message->reserve.device_number), &message->reserve);
		return 0;
	case MESSAGE_UNRESERVE:
		on_unreserve(session, &message->unreserve);
		return 0;
	case MESSAGE_INVALID:
		invalid_ask(session, attached_device(session, message->invalid.device_number), &message->invalid);
		return 0;
	case MESSAGE_READ:
		return on_read(session, &message->read);
	case MESSAGE_RELEASE:
		on_release(session, &message->release);
		return 0;
	default:
		log_warning("%s: %s is not for a secondary", session_peer(session), message_name(message->type));
		return -EPROTO;
	}
}

void command_forget_session(struct session *session)
{
	struct device_array *devices = session->ra->devices;
	struct query *query, *next;

	for (uint32_t i = 0; i < DEVICES_MAX; i++) /* first of all: nothing below may wake a Read of this link */
		if (session->has_device[i])
			free_link_jobs(session, device_array_record(devices, i));
	invalid_forget_session(session);
	DL_FOREACH_SAFE(session->queries, query, next) {
		attach_cancel(query->attach);
		query_free(query);
	}
	for (uint32_t i = 0; i < DEVICES_MAX; i++)
		if (session->has_device[i])
			detach(session, device_array_record(devices, i));
	ra_element_is_free(session->ra); /* in the job array */
}
