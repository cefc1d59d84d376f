/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of ra-ctl: see control.h. Who may change something was asked by the server already. A name is a device's or
 * a peer's of the settings, or the request is refused by that name.
 */
#include "secondary/control.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/post.h"
#include "base/rate.h"
#include "local/expiry.h"
#include "local/limit.h"
#include "local/log_level.h"
#include "local/server.h"
#include "local/show.h"
#include "local/tracks.h"
#include "secondary/accept.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/probe.h"
#include "secondary/ra.h"
#include "secondary/service.h"
#include "secondary/session.h"
#include "secondary/settings.h"
#include "secondary/show.h"
#include "storage/da.h"
#include "storage/invalid_table.h"

#define CONTROL_MAGIC 0x4354524cu
#define ASKED_MAGIC 0x41534b44u
#define PROBE_TIME_MS 2000
#define PROBES_MAX 8u /* at once, of different devices */

/* A probe and who asked for it. */
struct asked {
	uint32_t magic;
	struct control *control;
	struct control_request *request;
	struct probe *probe;
	uint32_t device;
	struct asked *prev, *next;
};

struct control {
	uint32_t magic;
	const struct service *service;
	struct server *server;
	struct asked *probes;
	unsigned probe_count;
};

/* ---- Status ---- */

static json_t *describe_addresses(const struct accept *accept)
{
	json_t *json = json_array();
	const char *address;

	for (unsigned i = 0; (address = accept_address(accept, i)) != NULL; i++)
		json_array_append_new(json, json_string(address));
	return json;
}

static json_t *describe_connections(const struct accept *accept)
{
	json_t *json = json_object();
	struct accept_counts counts;

	accept_count(accept, &counts);
	show_set_count(json, "open", counts.connections);
	show_set_count(json, "strangers", counts.strangers);
	show_set_count(json, "accepted", counts.accepted);
	show_set_count(json, "dropped", counts.dropped);
	show_set_count(json, "refused", counts.refused);
	return json;
}

static json_t *describe_job_counts(const struct ra *ra)
{
	json_t *json = json_object();
	uint32_t link_jobs = job_array_used(ra->jobs, JOB_LINK), fetch_jobs = job_array_used(ra->jobs, JOB_FETCH);

	show_set_count(json, "link", link_jobs);
	show_set_count(json, "fetch", fetch_jobs);
	show_set_count(json, "free", ra->config.jobs - link_jobs - fetch_jobs);
	return json;
}

static unsigned count_links_up(const struct ra *ra)
{
	const struct session *session;
	unsigned count = 0;

	DL_FOREACH(ra->sessions, session)
		count += session->state == SESSION_UP;
	return count;
}

static json_t *describe_status(const struct service *service)
{
	const struct ra *ra = service->ra;
	const struct secondary_settings *settings = service->settings;
	struct da_counts da;
	json_t *json = show_daemon("ra-secondaryd", &service->started_with->daemon, settings->daemon.device_count,
		service->key, clock_now_ms(ra->clock) - service->started_ms, ra->post);

	json_object_set_new(json, "listen", describe_addresses(service->accept));
	json_object_set_new(json, "connections", describe_connections(service->accept));
	json_object_set_new(json, "limit", show_rate(ra->total_rate));
	show_set_count(json, "peers", settings->peer_count);
	show_set_count(json, "links_up", count_links_up(ra));
	json_object_set_new(json, "jobs", describe_job_counts(ra));
	da_count(ra->da, &da);
	json_object_set_new(json, "da",
		show_da(da.threads, da.extra_threads, da.queued, da.running, da.abandoned, &da.read_times));
	if (service->expiry && expiry_ends_s(service->expiry) > 0)
		show_set_utc(json, "certificate_ends", expiry_ends_s(service->expiry));
	return json;
}

/* ---- Names ---- */

/* The device of the request; refuses the request when there is none. */
static bool find_device(const struct control *control, struct control_request *request, uint32_t *number)
{
	const char *name = control_message(request)->name;
	int found = device_array_find(control->service->ra->devices, name);

	if (found < 0)
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "ra-secondaryd has no device %s", name);
	else
		*number = (uint32_t)found;
	return found >= 0;
}

/* ---- Limits ---- */

/* NULL: the request is refused. */
static struct rate *find_rate(const struct control *control, struct control_request *request)
{
	const struct msg_control *message = control_message(request);
	const struct peer *peer;
	uint32_t number;

	switch (message->scope) {
	case SCOPE_TOTAL:
		return control->service->ra->total_rate;
	case SCOPE_DEVICE:
		return find_device(control, request, &number) ?
			device_array_rate(control->service->ra->devices, number) : NULL;
	case SCOPE_PEER:
		peer = peer_list_find(control->service->peers, message->name);
		if (peer != NULL)
			return peer->rate;
		control_refuse(request, STATUS_NO_SUCH_DEVICE, "ra-secondaryd has no peer %s", message->name);
		return NULL;
	default:
		control_refuse(request, STATUS_BAD_REQUEST, "limits are of the total, a device or a peer");
		return NULL;
	}
}

static void on_limit(struct control *control, struct control_request *request)
{
	struct rate *rate;

	if (control_message(request)->scope != SCOPE_UNSET) {
		rate = find_rate(control, request);
		if (rate == NULL)
			return;
		control_set_limit(request, rate, NULL);
	}
	control_answer(request, secondary_show_limits(control->service->ra, control->service->peers));
}

/* ---- Probes ---- */

/* Takes it off the list; the request is the caller's from now on. */
static struct control_request *asked_free(struct asked *asked)
{
	struct control_request *request = asked->request;

	DL_DELETE(asked->control->probes, asked);
	asked->control->probe_count--;
	asked->magic = 0;
	free(asked);
	return request;
}

/* Bytes per second. What a limit lets through at once counts for little, but it is more than the limit. */
static uint64_t probe_speed(const struct probe_result *result)
{
	uint64_t speed = (uint64_t)((double)result->bytes_read * 1000 / (double)result->elapsed_ms);
	uint64_t limit = result->held_by != NULL ? rate_limit(result->held_by).bytes_per_s : 0;

	return limit > 0 && limit < speed ? limit : speed;
}

static json_t *describe_probe(const struct ra *ra, const char *device, const struct probe_result *result)
{
	json_t *json = json_pack("{s:s}", "device", device);
	double seconds = (double)result->elapsed_ms / 1000;
	bool is_held = result->throttled_ms > result->elapsed_ms; /* by a limit, not by chance */

	if (result->is_open) {
		json_object_set_new(json, "volume", show_volume(&result->info));
		show_set_count(json, "bytes_read", result->bytes_read);
		json_object_set_new(json, "seconds", json_real(seconds));
		if (result->elapsed_ms > 0)
			show_set_count(json, "bytes_per_second", probe_speed(result));
		show_set_count(json, "unreadable_tracks", result->unreadable_tracks);
		if (is_held)
			json_object_set_new(json, "binds", json_string(result->held_by == ra->total_rate ?
				"the limit of this daemon (total)" : "the limit of the device"));
	}
	if (result->status != STATUS_OK)
		json_object_set_new(json, "error", show_text(result->detail));
	return json;
}

static void on_probe_done(void *arg, const struct probe_result *result)
{
	struct asked *asked = arg;
	const struct ra *ra = asked->control->service->ra;
	uint32_t device = asked->device;

	assert(asked->magic == ASKED_MAGIC);
	control_answer(asked_free(asked), describe_probe(ra, device_array_name(ra->devices, device), result));
}

static void on_probe(struct control *control, struct control_request *request)
{
	struct asked *asked;
	uint32_t device;

	if (!find_device(control, request, &device))
		return;
	if (device_array_listing(control->service->ra->devices, device) == DEVICE_REPLACED) {
		control_refuse(request, STATUS_NOT_PERMITTED, DEVICE_REPLACED_WORDS, control_message(request)->name);
		return;
	}
	DL_FOREACH(control->probes, asked)
		if (asked->device == device)
			break;
	if (asked != NULL || control->probe_count == PROBES_MAX) {
		control_refuse(request, STATUS_BUSY, asked != NULL ? "the device is being checked for somebody else" :
			"too many devices are being checked at once");
		return;
	}
	asked = xcalloc(1, sizeof(*asked));
	asked->magic = ASKED_MAGIC;
	asked->control = control;
	asked->request = request;
	asked->device = device;
	DL_APPEND(control->probes, asked);
	control->probe_count++;
	asked->probe = probe_start(control->service->ra, device, PROBE_TIME_MS, on_probe_done, asked);
}

/* ---- Invalid tracks ---- */

static void on_tracks(const struct control *control, struct control_request *request)
{
	const enum tracks_action asked = control_message(request)->action;
	struct track_set *change;
	uint32_t number;

	if (find_device(control, request, &number) && control_tracks(request, &change))
		invalid_table_do(device_array_invalid(control->service->ra->devices, number),
			asked == TRACKS_LIST ? INVALID_ASK : asked == TRACKS_MARK ? INVALID_MARK : INVALID_CLEAR, change,
			control_answer_tracks, request);
}

/* Those who wait for the disk are told that the daemon ends. */
static void end_tracks(const struct device_array *devices)
{
	for (uint32_t i = 0; i < device_array_count(devices); i++)
		invalid_table_end(device_array_invalid(devices, i));
}

/* ---- Requests ---- */

static void on_jobs(const struct control *control, struct control_request *request)
{
	const char *name = control_message(request)->name;
	uint32_t number;

	if (name[0] == '\0' || find_device(control, request, &number))
		control_answer(request, secondary_show_jobs(control->service->ra, name[0] == '\0' ? NULL : name));
}

static void on_control(void *arg, struct control_request *request)
{
	struct control *control = arg;
	const struct ra *ra = control->service->ra;

	assert(control->magic == CONTROL_MAGIC);
	switch (control_message(request)->verb) {
	case VERB_STATUS:
		control_answer(request, describe_status(control->service));
		break;
	case VERB_DEVICES:
		control_answer(request, secondary_show_devices(ra));
		break;
	case VERB_JOBS:
		on_jobs(control, request);
		break;
	case VERB_ERRORS:
		control_answer(request, show_errors(control->service->post));
		break;
	case VERB_CACHE:
		control_answer(request, secondary_show_cache(ra));
		break;
	case VERB_LINKS:
		control_answer(request, secondary_show_links(ra, control->service->peers));
		break;
	case VERB_LIMIT:
		on_limit(control, request);
		break;
	case VERB_PROBE:
		on_probe(control, request);
		break;
	case VERB_TRACKS:
		on_tracks(control, request);
		break;
	case VERB_PROOF:
		control_refuse(request, STATUS_BAD_REQUEST, "ra-secondaryd keeps no proof: ask ra-primaryd");
		break;
	case VERB_REPORTS:
	case VERB_REPORT:
		control_refuse(request, STATUS_BAD_REQUEST, "ra-secondaryd keeps no reports: ask ra-primaryd");
		break;
	case VERB_LOG_LEVEL:
		control_serve_log_level(request);
		break;
	default:
		control_refuse(request, STATUS_BAD_REQUEST, "ra-secondaryd does not know this request");
	}
}

struct control *control_new(const struct service *service, struct event_base *base, char *why, size_t why_bytes)
{
	static const struct server_ops ops = { .control = on_control };
	const struct secondary_settings *settings = service->settings;
	const struct server_config config = { .base = base, .clock = service->ra->clock,
		.path = settings->daemon.socket, .mode = settings->daemon.socket_mode, .group = settings->daemon.socket_group,
		.admin_group = settings->daemon.admin_group };
	struct control *control = xcalloc(1, sizeof(*control));

	control->magic = CONTROL_MAGIC;
	control->service = service;
	control->server = server_new(&config, &ops, control, why, why_bytes);
	if (control->server != NULL)
		return control;
	free(control);
	return NULL;
}

void control_free(struct control *control)
{
	if (control == NULL)
		return;
	while (control->probes != NULL) {
		probe_cancel(control->probes->probe);
		control_refuse(asked_free(control->probes), STATUS_LINK_LOST, "ra-secondaryd ends");
	}
	end_tracks(control->service->ra->devices);
	server_free(control->server);
	control->magic = 0;
	free(control);
}
