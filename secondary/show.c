/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of what a secondary is doing: see show.h. It only reads. Keys are those that ra-ctl(8) names; what is not known
 * is left out.
 */
#include "secondary/show.h"

#include <inttypes.h>
#include <stdio.h>

#include <utlist.h>

#include "base/log.h"
#include "local/show.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/volume.h"
#include "wire/conn.h"

static void add(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) != 0)
		log_abort("no memory for an answer to ra-ctl");
}

static void append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		log_abort("no memory for an answer to ra-ctl");
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *seconds_since(const struct ra *ra, int64_t since_ms)
{
	return json_real((double)(clock_now_ms(ra->clock) - since_ms) / 1000);
}

/* ---- Devices and jobs ---- */

static json_t *device_json(const struct ra *ra, uint32_t index)
{
	struct device *device = device_array_record(ra->devices, index);
	const char *path = volume_path(device_array_volume(ra->devices, index));
	bool is_reserved = device != NULL && device->parameters.reserved_by != NULL;
	json_t *json = json_object();

	add(json, "name", show_text(device_array_name(ra->devices, index)));
	add(json, "number", number(index));
	if (path != NULL)
		add(json, "path", show_text(path));
	add(json, "state", show_text(device == NULL ? "closed" : device_state_name(device->state)));
	add(json, "ready", json_boolean(device == NULL || !device->parameters.is_hung));
	add(json, "users", number(device != NULL ? device->attach_count : 0));
	add(json, "jobs", number(device != NULL ? device->job_count : 0));
	add(json, "reserved_by", is_reserved ? show_text(device->parameters.owner) : json_null());
	add(json, "limit", show_rate(device_array_rate(ra->devices, index)));
	if (device != NULL && device->state == DEVICE_OPEN)
		add(json, "volume", show_volume(device_info(device)));
	return json;
}

json_t *secondary_show_devices(const struct ra *ra)
{
	json_t *json = json_object(), *devices = json_array();

	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		append(devices, device_json(ra, i));
	add(json, "devices", devices);
	return json;
}

static json_t *job_json(const struct ra *ra, const struct job *job)
{
	bool is_link = job->specific.kind == JOB_LINK;
	json_t *json = json_object();
	char link_id[24];

	add(json, "index", number(job->index));
	add(json, "kind", show_text(job_kind_name(job->specific.kind)));
	add(json, "state", show_text(job_state_name(job->specific.state)));
	add(json, "active", json_boolean(job->shared->active == job));
	if (is_link) {
		snprintf(link_id, sizeof(link_id), "0x%016" PRIx64, link_id_of(ra->config.secondary_id, job));
		add(json, "link_id", show_text(link_id));
		add(json, "peer", show_text(session_peer(job->specific.session)));
	}
	if (job->specific.state != JOB_STATE_IDLE) {
		add(json, "first_track", number(job->tracks[0].number));
		add(json, "tracks", number(job->track_count));
	}
	add(json, "age_seconds", seconds_since(ra, job->created_ms));
	return json;
}

static json_t *ring_json(const struct ra *ra, uint32_t index)
{
	struct device *device = device_array_record(ra->devices, index);
	json_t *json = json_object(), *jobs = json_array();
	struct job *job;

	add(json, "name", show_text(device_array_name(ra->devices, index)));
	add(json, "number", number(index));
	add(json, "job_count", number(device != NULL ? device->job_count : 0));
	if (device != NULL)
		RING_FOREACH(device, job, forward)
			append(jobs, job_json(ra, job));
	add(json, "jobs", jobs);
	return json;
}

json_t *secondary_show_jobs(const struct ra *ra, const char *device)
{
	int wanted = device != NULL ? device_array_find(ra->devices, device) : -1;
	json_t *json, *devices;

	if (device != NULL && wanted < 0)
		return NULL;
	json = json_object();
	devices = json_array();
	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		if (device != NULL ? (uint32_t)wanted == i : device_array_record(ra->devices, i) != NULL)
			append(devices, ring_json(ra, i));
	add(json, "devices", devices);
	return json;
}

json_t *secondary_show_cache(const struct ra *ra)
{
	json_t *json = json_object(), *cache = json_object();
	struct cache_counts counts;

	cache_count(ra->cache, &counts);
	add(cache, "bytes", number(counts.slots * ra->config.track_bytes));
	add(cache, "slots", number(counts.slots));
	add(cache, "slots_free", number(counts.slots_free));
	add(cache, "slots_locked", number(counts.slots_locked));
	add(cache, "entries", number(counts.entries));
	add(cache, "hits", number(counts.hits));
	add(cache, "misses", number(counts.misses));
	add(cache, "evicted", number(counts.evicted));
	add(json, "cache", cache);
	return json;
}

/* ---- Links and limits ---- */

static json_t *link_json(const struct ra *ra, const struct session *session)
{
	json_t *json = json_object(), *devices = json_array();

	if (session->peer != NULL)
		add(json, "peer", show_text(session->peer->name));
	if (conn_peer_key(session->conn)[0] != '\0')
		add(json, "key", show_text(conn_peer_key(session->conn)));
	add(json, "from", show_text(session->from));
	add(json, "state", show_text(session_state_name(session->state)));
	add(json, "since_seconds", seconds_since(ra, session->since_ms));
	add(json, "wire_bytes", number(conn_wire_bytes(session->conn)));
	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		if (session->has_device[i])
			append(devices, show_text(device_array_name(ra->devices, i)));
	add(json, "devices", devices);
	add(json, "jobs", number(session->jobs));
	add(json, "reads_connected", number(session->connected_reads));
	add(json, "window", number(ra->config.window_reads));
	add(json, "locked_tracks", number(session->locked_tracks));
	add(json, "fetches", number(session->fetches));
	return json;
}

static json_t *peer_json(const struct peer *peer)
{
	json_t *json = json_object();

	add(json, "name", show_text(peer->name));
	add(json, "links", number(peer->links));
	add(json, "links_max", number(peer->links_max));
	add(json, "jobs", number(peer->jobs));
	add(json, "jobs_max", number(peer->jobs_max));
	add(json, "links_refused", number(peer->links_refused));
	if (peer->rate != NULL)
		add(json, "limit", show_rate(peer->rate));
	return json;
}

json_t *secondary_show_links(const struct ra *ra, const struct peer_list *peers)
{
	json_t *json = json_object(), *links = json_array(), *list = json_array();
	const struct session *session;

	DL_FOREACH(ra->sessions, session)
		append(links, link_json(ra, session));
	for (const struct peer *peer = peer_list_first(peers); peer != NULL; peer = peer->next)
		append(list, peer_json(peer));
	add(json, "links", links);
	add(json, "peers", list);
	return json;
}

json_t *secondary_show_limits(const struct ra *ra, const struct peer_list *peers)
{
	json_t *json = json_object(), *devices = json_object(), *list = json_object();

	add(json, "total", show_rate(ra->total_rate));
	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		add(devices, device_array_name(ra->devices, i), show_rate(device_array_rate(ra->devices, i)));
	for (const struct peer *peer = peer_list_first(peers); peer != NULL; peer = peer->next)
		if (peer->rate != NULL)
			add(list, peer->name, show_rate(peer->rate));
	add(json, "devices", devices);
	add(json, "peers", list);
	return json;
}
