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

/* The index; -1: there is none. */
static int find_device(const struct service *service, const char *name)
{
	for (unsigned i = 0; i < service->settings->daemon.device_count; i++) {
		if (strcmp(service->devices[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static int find_peer(const struct service *service, const char *name)
{
	for (unsigned i = 0; i < service->settings->peer_count; i++) {
		if (strcmp(service->settings->peers[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* NULL (refused): there is none of this name. */
static struct limit_pair *find_limit(struct service *service, struct control_request *request)
{
	const struct msg_control *control = control_message(request);
	int index;
	if (control->scope == SCOPE_TOTAL)
		return &service->limit;
	index = control->scope == SCOPE_DEVICE ? find_device(service, control->name) : find_peer(service, control->name);
	if (index < 0) {
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "there is no %s '%s'",
			control->scope == SCOPE_DEVICE ? "device" : "peer", control->name);
		return NULL;
	}
	return control->scope == SCOPE_DEVICE ? &service->device_limits[index] : &service->peers[index].limit;
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
	if (name[0] && find_device(service, name) < 0)
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "there is no device '%s'", name);
	else
		control_answer(request, show_jobs(service, name));
}

static void serve_tracks(struct service *service, struct control_request *request)
{
	const struct msg_control *control = control_message(request);
	int index = find_device(service, control->name);
	struct track_set *change;
	if (index < 0)
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "there is no device '%s'", control->name);
	else if (control_tracks(request, &change))
		invalid_table_do(service->devices[index].invalid, control->action == TRACKS_LIST ? INVALID_ASK :
			control->action == TRACKS_MARK ? INVALID_MARK : INVALID_CLEAR, change, control_answer_tracks, request);
}

static void serve_proof(struct service *service, struct control_request *request)
{
	const char *name = control_message(request)->name;
	int index = find_device(service, name);
	if (index < 0)
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "there is no device '%s'", name);
	else
		proofs_serve(service->proofs, name, keep_path(service->devices[index].keep), request);
}

static void serve_reports(struct service *service, struct control_request *request)
{
	const char *name = control_message(request)->name;
	int index = find_device(service, name);
	if (index < 0)
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "there is no device '%s'", name);
	else
		reports_serve(service->devices[index].reports, request);
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
