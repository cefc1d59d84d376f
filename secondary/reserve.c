/* SPDX-License-Identifier: Apache-2.0
 *
 * Reservation: see reserve.h. Whoever reserves must be alone: the check walks the ring of the device for link jobs of
 * others. Fetch jobs belong to nobody and do not count.
 */
#include "secondary/reserve.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/cache.h"
#include "wire/conn.h"

/* A link job of another session; NULL: there is none. */
static struct job *job_of_another(struct device *device, const struct session *session)
{
	struct job *job;

	RING_FOREACH(device, job, forward)
		if (job->specific.kind == JOB_LINK && job->specific.session != session)
			return job;
	return NULL;
}

bool reserve_admits(const struct device *device, const struct session *session)
{
	return device->parameters.reserved_by == NULL || device->parameters.reserved_by == session;
}

static void reply(struct session *session, uint32_t tag, enum status status, uint32_t number, const char *detail,
	bool by_program)
{
	struct message answer = { .type = MESSAGE_RESERVE_REPLY };

	if (session->conn == NULL) /* its link has ended */
		return;
	answer.reserve_reply.tag = tag;
	answer.reserve_reply.status = status;
	answer.reserve_reply.reservation = number;
	answer.reserve_reply.by_program = by_program;
	snprintf(answer.reserve_reply.detail, sizeof(answer.reserve_reply.detail), "%s", detail);
	conn_send(session->conn, &answer, NULL, 0, NULL, NULL);
}

/* ---- Taking ---- */

/* Why the session cannot have it; false: it can. */
static bool is_taken(struct session *session, struct device *device, char detail[DETAIL_MAX + 1])
{
	const struct device_shared_parameters *parameters = &device->parameters;
	const struct job *job = job_of_another(device, session);

	if (!reserve_admits(device, session))
		snprintf(detail, DETAIL_MAX + 1, "reserved by %s", parameters->owner);
	else if (job != NULL)
		snprintf(detail, DETAIL_MAX + 1, "being read by %s", session_peer(job->specific.session));
	else if (parameters->is_pending)
		snprintf(detail, DETAIL_MAX + 1, "being reserved by %s", parameters->owner);
	else
		return false;
	return true;
}

static void set_owner(struct session *session, struct device *device, const struct msg_reserve *message)
{
	struct device_shared_parameters *parameters = &device->parameters;
	struct ra *ra = device->ra;

	if (++ra->reservations == 0)
		ra->reservations = 1;
	parameters->reserved_by = session;
	parameters->reservation = ra->reservations;
	parameters->is_exclusive = message->exclusive;
	snprintf(parameters->owner, sizeof(parameters->owner), "%s",
		message->owner[0] != '\0' ? message->owner : session_peer(session));
}

static void clear_owner(struct device *device)
{
	struct device_shared_parameters *parameters = &device->parameters;

	parameters->reserved_by = NULL;
	parameters->reservation = 0;
	parameters->is_exclusive = parameters->is_pending = false;
	parameters->owner[0] = '\0';
}

static void refuse(struct session *session, struct device *device, uint32_t tag, const char *owner, enum status status,
	const char *detail, bool by_program)
{
	log_info("device %s: not reserved for %s (%s): %s", device->constants.name, session_peer(session), owner, detail);
	reply(session, tag, status, 0, detail, by_program);
}

static void grant(struct device *device, uint32_t tag)
{
	struct device_shared_parameters *parameters = &device->parameters;

	parameters->floor = cache_next_sequence(device->ra->cache);
	log_info("device %s: reserved%s by %s (%s), number %" PRIu32, device->constants.name,
		parameters->is_exclusive ? " exclusively" : "", session_peer(parameters->reserved_by), parameters->owner,
		parameters->reservation);
	reply(parameters->reserved_by, tag, STATUS_OK, parameters->reservation, "", false);
}

static void lock_is_decided(struct device *device, enum status status, const char *words)
{
	struct device_shared_parameters *parameters = &device->parameters;
	struct session *session = parameters->reserved_by;
	char owner[OWNER_MAX + 1];

	assert(parameters->is_pending);
	parameters->is_pending = false;
	if (status == STATUS_OK) {
		grant(device, parameters->pending_tag);
		return;
	}
	memcpy(owner, parameters->owner, sizeof(owner));
	clear_owner(device);
	refuse(session, device, parameters->pending_tag, owner, status, words, status == STATUS_BUSY);
}

void reserve_take(struct session *session, struct device *device, const struct msg_reserve *message)
{
	char detail[DETAIL_MAX + 1];

	if (device == NULL) {
		reply(session, message->tag, STATUS_NO_SUCH_DEVICE, 0, "not attached", false);
	} else if (is_taken(session, device, detail)) {
		refuse(session, device, message->tag, message->owner, STATUS_BUSY, detail, false);
	} else if (message->exclusive && !device_is_ready(device)) {
		refuse(session, device, message->tag, message->owner, STATUS_NOT_READY,
			"an earlier request to the volume hangs", false);
	} else {
		set_owner(session, device, message);
		device->parameters.pending_tag = message->tag;
		if (!message->exclusive)
			device_lock_drop(device); /* of an exclusive one in whose place this comes */
		else
			device->parameters.is_pending = !device_lock_take(device, lock_is_decided);
		if (!device->parameters.is_pending)
			grant(device, message->tag);
	}
}

/* ---- The end ---- */

void reserve_drop(struct session *session, struct device *device)
{
	struct device_shared_parameters *parameters = &device->parameters;

	if (parameters->reserved_by != session)
		return;
	log_info("device %s: reservation %" PRIu32 " of %s ended", device->constants.name, parameters->reservation,
		parameters->owner);
	if (parameters->is_pending)
		reply(session, parameters->pending_tag, STATUS_NO_SUCH_DEVICE, 0, "given back meanwhile", false);
	clear_owner(device);
	device_lock_drop(device);
}

bool reserve_end(struct session *session, struct device *device, uint32_t number)
{
	if (device->parameters.reserved_by != session || device->parameters.reservation != number)
		return false;
	reserve_drop(session, device);
	return true;
}
