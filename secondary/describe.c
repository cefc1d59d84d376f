/* SPDX-License-Identifier: Apache-2.0
 *
 * The secondary in JSON: see describe.h. Keys and units are those that ra-ctl(8) documents; what is not known is left
 * out. Loop thread only, so all of an answer is of one moment.
 */
#include "secondary/describe.h"

#include <inttypes.h>
#include <stdio.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/post.h"
#include "local/show.h"
#include "secondary/accept.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/service.h"
#include "secondary/session.h"
#include "secondary/settings.h"
#include "storage/cache.h"
#include "storage/da.h"
#include "wire/conn.h"

static json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *seconds_since(const struct ra *ra, int64_t then_ms)
{
	return json_real((double)(clock_now_ms(ra->clock) - then_ms) / 1000);
}

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
	struct accept_counts counts;

	accept_count(accept, &counts);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "open", integer(counts.connections), "strangers",
		integer(counts.strangers), "accepted", integer(counts.accepted), "dropped", integer(counts.dropped),
		"refused", integer(counts.refused));
}

static json_t *describe_da(struct da *da)
{
	struct da_counts counts;

	da_count(da, &counts);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "threads", integer(counts.threads), "extra_threads",
		integer(counts.extra_threads), "queued", integer(counts.queued), "running", integer(counts.running),
		"abandoned", integer(counts.abandoned));
}

static json_t *describe_job_counts(const struct ra *ra)
{
	uint32_t link_jobs = job_array_used(ra->jobs, JOB_LINK), fetch_jobs = job_array_used(ra->jobs, JOB_FETCH);

	return json_pack("{s:o, s:o, s:o}", "link", integer(link_jobs), "fetch", integer(fetch_jobs), "free",
		integer(ra->config.jobs - link_jobs - fetch_jobs));
}

static unsigned count_links_up(const struct ra *ra)
{
	const struct session *session;
	unsigned count = 0;

	DL_FOREACH(ra->sessions, session)
		count += session->state == SESSION_UP;
	return count;
}

json_t *describe_status(const struct service *service)
{
	const struct ra *ra = service->ra;
	const struct secondary_settings *settings = service->settings;
	json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "format", "ra-ctl/1", "daemon", "ra-secondaryd",
		"version", RA_VERSION, "uptime_seconds", seconds_since(ra, service->started_ms), "config",
		show_text(settings->path), "key", service->key, "socket", show_text(settings->socket));

	json_object_set_new(json, "listen", describe_addresses(service->accept));
	json_object_set_new(json, "connections", describe_connections(service->accept));
	json_object_set_new(json, "limit", show_rate(ra->total_rate));
	json_object_set_new(json, "devices", integer(settings->device_count));
	json_object_set_new(json, "peers", integer(settings->peer_count));
	json_object_set_new(json, "links_up", integer(count_links_up(ra)));
	json_object_set_new(json, "jobs", describe_job_counts(ra));
	json_object_set_new(json, "da", describe_da(ra->da));
	json_object_set_new(json, "errors", show_error_counts(ra->post));
	json_object_set_new(json, "errors_total", integer(post_total(ra->post)));
	return json;
}

/* ---- Devices ---- */

static json_t *describe_reservation(const struct device *device)
{
	const struct device_shared_parameters *parameters = &device->parameters;

	return parameters->reserved_by != NULL ? show_text(parameters->owner) : json_null();
}

static json_t *describe_device(const struct service *service, uint32_t number)
{
	const struct device_array *devices = service->ra->devices;
	struct device *device = device_array_record(devices, number);
	json_t *json = json_pack("{s:s, s:o, s:o}", "name", device_array_name(devices, number), "number", integer(number),
		"path", show_text(service->settings->devices[number].volume));

	json_object_set_new(json, "state", json_string(device != NULL ? device_state_name(device->state) : "closed"));
	if (device != NULL)
		json_object_set_new(json, "ready", json_boolean(device_is_ready(device)));
	json_object_set_new(json, "users", integer(device != NULL ? device->attach_count : 0));
	json_object_set_new(json, "jobs", integer(device != NULL ? device->job_count : 0));
	json_object_set_new(json, "reserved_by", device != NULL ? describe_reservation(device) : json_null());
	json_object_set_new(json, "limit", show_rate(device_array_rate(devices, number)));
	if (device != NULL && device->state == DEVICE_OPEN)
		json_object_set_new(json, "volume", show_volume(device_info(device)));
	return json;
}

json_t *describe_devices(const struct service *service)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < device_array_count(service->ra->devices); i++)
		json_array_append_new(list, describe_device(service, i));
	return json_pack("{s:o}", "devices", list);
}

/* ---- Jobs ---- */

/* Whose job it is; a fetch counts in the share of the peer whose Read began it. */
static const char *peer_of(const struct job *job)
{
	if (job->specific.kind == JOB_LINK)
		return session_peer(job->specific.session);
	return job->specific.fetch->peer != NULL ? job->specific.fetch->peer->name : NULL;
}

static json_t *describe_job(const struct ra *ra, const struct job *job)
{
	const char *peer = peer_of(job);
	json_t *json = json_pack("{s:o, s:s, s:s, s:b}", "index", integer(job->index), "kind",
		job_kind_name(job->specific.kind), "state", job_state_name(job->specific.state), "active",
		job->shared->active == job);
	char id[24];

	if (job->specific.kind == JOB_LINK) {
		snprintf(id, sizeof(id), "0x%016" PRIx64, link_id_of(ra->config.secondary_id, job));
		json_object_set_new(json, "link_id", json_string(id));
	}
	if (peer != NULL)
		json_object_set_new(json, "peer", show_text(peer));
	if (job->specific.state != JOB_STATE_IDLE && job->track_count > 0) {
		json_object_set_new(json, "first_track", integer(job->tracks[0].number));
		json_object_set_new(json, "tracks", integer(job->track_count));
	}
	json_object_set_new(json, "age_seconds", seconds_since(ra, job->created_ms));
	return json;
}

static json_t *describe_ring(const struct ra *ra, uint32_t number)
{
	const struct device *device = device_array_record(ra->devices, number);
	const struct job *job;
	json_t *jobs = json_array();

	if (device != NULL)
		RING_FOREACH(device, job, forward)
			json_array_append_new(jobs, describe_job(ra, job));
	return json_pack("{s:s, s:o, s:o, s:o}", "name", device_array_name(ra->devices, number), "number", integer(number),
		"job_count", integer(device != NULL ? device->job_count : 0), "jobs", jobs);
}

json_t *describe_jobs(const struct service *service, uint32_t device)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < device_array_count(service->ra->devices); i++)
		if (device == DESCRIBE_ALL || device == i)
			json_array_append_new(list, describe_ring(service->ra, i));
	return json_pack("{s:o}", "devices", list);
}

/* ---- Cache ---- */

json_t *describe_cache(const struct service *service)
{
	struct cache_counts counts;

	cache_count(service->ra->cache, &counts);
	return json_pack("{s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}}", "cache", "bytes",
		integer(service->ra->config.cache_bytes), "slots", integer(counts.slots), "slots_free",
		integer(counts.slots_free), "slots_locked", integer(counts.slots_locked), "entries", integer(counts.entries),
		"hits", integer(counts.hits), "misses", integer(counts.misses), "evicted", integer(counts.evicted));
}

/* ---- Links ---- */

static json_t *describe_link(const struct ra *ra, const struct session *session)
{
	json_t *json = json_object(), *devices = json_array();

	if (session->peer != NULL)
		json_object_set_new(json, "peer", show_text(session->peer->name));
	if (conn_peer_key(session->conn)[0] != '\0')
		json_object_set_new(json, "key", json_string(conn_peer_key(session->conn)));
	json_object_set_new(json, "from", show_text(session->from));
	json_object_set_new(json, "state", json_string(session_state_name(session->state)));
	json_object_set_new(json, "since_seconds", seconds_since(ra, session->since_ms));
	json_object_set_new(json, "wire_bytes", integer(conn_wire_bytes(session->conn)));
	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		if (session->has_device[i])
			json_array_append_new(devices, json_string(device_array_name(ra->devices, i)));
	json_object_set_new(json, "devices", devices);
	json_object_set_new(json, "jobs", integer(session->jobs));
	json_object_set_new(json, "reads_connected", integer(session->connected_reads + session->reconnected_reads));
	json_object_set_new(json, "window", integer(ra->config.window_reads));
	json_object_set_new(json, "locked_tracks", integer(session->locked_tracks));
	json_object_set_new(json, "fetches", integer(session->fetches));
	return json;
}

static json_t *describe_peer(const struct peer *peer)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", peer->name, "links", integer(peer->links),
		"links_max", integer(peer->links_max), "jobs", integer(peer->jobs), "jobs_max", integer(peer->jobs_max),
		"links_refused", integer(peer->links_refused), "limit", show_rate(peer->rate));
}

json_t *describe_links(const struct service *service)
{
	json_t *links = json_array(), *peers = json_array();
	const struct session *session;

	DL_FOREACH(service->ra->sessions, session)
		json_array_append_new(links, describe_link(service->ra, session));
	for (const struct peer *peer = peer_list_first(service->peers); peer != NULL; peer = peer->next)
		json_array_append_new(peers, describe_peer(peer));
	return json_pack("{s:o, s:o}", "links", links, "peers", peers);
}

/* ---- Limits ---- */

json_t *describe_limits(const struct service *service)
{
	const struct device_array *array = service->ra->devices;
	json_t *devices = json_object(), *peers = json_object();

	for (uint32_t i = 0; i < device_array_count(array); i++)
		json_object_set_new(devices, device_array_name(array, i), show_rate(device_array_rate(array, i)));
	for (const struct peer *peer = peer_list_first(service->peers); peer != NULL; peer = peer->next)
		json_object_set_new(peers, peer->name, show_rate(peer->rate));
	return json_pack("{s:o, s:o, s:o}", "total", show_rate(service->ra->total_rate), "devices", devices, "peers", peers);
}
