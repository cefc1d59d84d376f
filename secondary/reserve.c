/* SPDX-License-Identifier: Apache-2.0
 *
 * Reservation: see reserve.h. Whoever reserves must be alone: the check walks the ring of the device for link jobs of
 * others. Fetch jobs belong to nobody and do not count.
 */
#include "secondary/reserve.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/ra.h"
#include "secondary/session.h"

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

enum status reserve_take(struct session *session, struct device *device, const char *owner, uint32_t *number,
	char detail[DETAIL_MAX + 1])
{
	struct device_shared_parameters *parameters = &device->parameters;
	struct ra *ra = device->ra;
	struct job *job = job_of_another(device, session);

	if (!reserve_admits(device, session) || job != NULL) {
		if (!reserve_admits(device, session))
			snprintf(detail, DETAIL_MAX + 1, "reserved by %s", parameters->owner);
		else
			snprintf(detail, DETAIL_MAX + 1, "being read by %s", session_peer(job->specific.session));
		log_info("device %s: not reserved for %s (%s): %s", device->constants.name, session_peer(session), owner,
			detail);
		return STATUS_BUSY;
	}
	if (++ra->reservations == 0)
		ra->reservations = 1;
	parameters->reserved_by = session;
	parameters->reservation = ra->reservations;
	snprintf(parameters->owner, sizeof(parameters->owner), "%s", owner[0] != '\0' ? owner : session_peer(session));
	parameters->floor = cache_next_sequence(ra->cache);
	log_info("device %s: reserved by %s (%s), number %" PRIu32, device->constants.name, session_peer(session),
		parameters->owner, parameters->reservation);
	*number = parameters->reservation;
	return STATUS_OK;
}

void reserve_drop(struct session *session, struct device *device)
{
	struct device_shared_parameters *parameters = &device->parameters;

	if (parameters->reserved_by != session)
		return;
	log_info("device %s: reservation %" PRIu32 " of %s ended", device->constants.name, parameters->reservation,
		parameters->owner);
	parameters->reserved_by = NULL;
	parameters->reservation = 0;
	parameters->owner[0] = '\0';
}

bool reserve_end(struct session *session, struct device *device, uint32_t number)
{
	if (device->parameters.reserved_by != session || device->parameters.reservation != number)
		return false;
	reserve_drop(session, device);
	return true;
}
