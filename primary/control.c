/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's requests: which verb, is what it names there, and the change of a limit or of invalid tracks. The answers
 * are made in show.c and, where files must be read first, proof.c and
 * reports.c. Who may change something is the server's business.
 * Loop thread only.
 */
#include "primary/control.h"

#include <string.h>

#include "local/limit.h"
#include "local/log_level.h"
#include "local/server.h"
#include "local/show.h"
#include "local/tracks.h"
#include "primary/keep.h"
#include "primary/proof.h"
#include "primary/reports.h"
#include "primary/service_parts.h"
#include "primary/show.h"
#include "storage/invalid_table.h"

/* Both: NULL (refused): there is none of this name. */
static struct service_device *find_device(const struct service *service, struct control_request *request)
{
	const char *name = control_message(request)->name;
	struct service_device *device = service_find_device(service, name);
	if (!device)
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "there is no device '%s'", name);
	return device;
}

static struct limit_pair *find_limit(struct service *service, struct control_request *request)
{
	const struct msg_control *control = control_message(request);
	struct service_device *device;
	struct service_peer *peer;
	switch (control->scope) {
	case SCOPE_TOTAL:
		return &service->limit;
	case SCOPE_DEVICE:
		device = find_device(service, request);
		return device ? &device->limit : NULL;
	default:
		peer = service_find_peer(service, control->name);
		if (!peer)
			control_refuse(request, STATUS_NO_SUCH_DEVICE, "there is no peer '%s'", control->name);
		return peer ? &peer->limit : NULL;
	}
}

static void serve_limit(struct service *service, struct control_request *request)
{
	if (control_message(request)->scope != SCOPE_UNSET) {
		struct limit_pair *limit = find_limit(service, request);
		if (!limit)
			return;
		control_set_limit(request, limit->local, limit->remote);
	}
	control_answer(request, show_limits(service));
}

static void serve_jobs(struct service *service, struct control_request *request)
{
	const char *name = control_message(request)->name;
	if (!name[0] || find_device(service, request))
		control_answer(request, show_jobs(service, name));
}

static void serve_tracks(struct service *service, struct control_request *request)
{
	const struct msg_control *control = control_message(request);
	const struct service_device *device = find_device(service, request);
	struct track_set *change;
	if (device && control_tracks(request, &change))
		invalid_table_do(device->device.invalid, control->action == TRACKS_LIST ? INVALID_ASK :
			control->action == TRACKS_MARK ? INVALID_MARK : INVALID_CLEAR, change, control_answer_tracks, request);
}

static void serve_proof(struct service *service, struct control_request *request)
{
	const struct service_device *device = find_device(service, request);
	if (device)
		proofs_serve(service->proofs, device->device.name, keep_path(device->device.keep), request);
}

static void serve_reports(struct service *service, struct control_request *request)
{
	const struct service_device *device = find_device(service, request);
	if (device)
		reports_serve(device->device.reports, request);
}

void control_serve(struct service *service, struct control_request *request)
{
	switch (control_message(request)->verb) {
	case VERB_STATUS:
		control_answer(request, show_status(service));
		break;
	case VERB_DEVICES:
		control_answer(request, show_devices(service));
		break;
	case VERB_JOBS:
		serve_jobs(service, request);
		break;
	case VERB_ERRORS:
		control_answer(request, show_errors(service->core.post));
		break;
	case VERB_LINKS:
		control_answer(request, show_links(service));
		break;
	case VERB_LIMIT:
		serve_limit(service, request);
		break;
	case VERB_TRACKS:
		serve_tracks(service, request);
		break;
	case VERB_PROOF:
		serve_proof(service, request);
		break;
	case VERB_REPORTS:
	case VERB_REPORT:
		serve_reports(service, request);
		break;
	case VERB_LOG_LEVEL:
		control_serve_log_level(request);
		break;
	case VERB_CACHE:
		control_refuse(request, STATUS_BAD_REQUEST, "ra-primaryd has no cache");
		break;
	case VERB_PROBE:
		control_refuse(request, STATUS_BAD_REQUEST,
			"ra-primaryd has no probe: 'ra-ctl check' opens the device as a host does");
		break;
	default:
		control_refuse(request, STATUS_BAD_REQUEST, "this verb is not known here");
	}
}
