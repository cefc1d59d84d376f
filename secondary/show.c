/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of what a secondary is doing: see show.h. It only reads. Keys are those that ra-ctl(8) names; what is not known
 * is left out.
 */
#include "secondary/show.h"

#include <utlist.h>

#include "base/clock.h"
#include "base/track_set.h"
#include "local/show.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/cache.h"
#include "storage/invalid_table.h"
#include "storage/volume.h"
#include "wire/conn.h"

/* ---- Devices and jobs ---- */

static json_t *device_json(const struct ra *ra, uint32_t index)
{
	struct device *device = device_array_record(ra->devices, index);
	const struct volume *volume = device_array_volume(ra->devices, index);
	bool is_reserved = device != NULL && device->parameters.reserved_by != NULL;
	const struct invalid_table *table = device_array_invalid(ra->devices, index);
	const struct track_set *invalid = table != NULL ? invalid_table_known(table) : NULL;
	json_t *json = json_object();

	show_set_text(json, "name", device_array_name(ra->devices, index));
	show_set_count(json, "number", index);
	show_set_text(json, "path", volume_path(volume));
	show_set_text(json, "state", device == NULL ? "closed" : device_state_name(device->state));
	json_object_set_new(json, "ready", json_boolean(device == NULL || !device->parameters.is_hung));
	show_set_count(json, "users", device != NULL ? device->attach_count : 0);
	show_set_count(json, "jobs", device != NULL ? device->job_count : 0);
	json_object_set_new(json, "reserved_by", is_reserved ? show_text(device->parameters.owner) : json_null());
	json_object_set_new(json, "exclusive", json_boolean(is_reserved && device->parameters.is_exclusive));
	json_object_set_new(json, "replaced",
		json_boolean(device_array_listing(ra->devices, index) == DEVICE_REPLACED));
	json_object_set_new(json, "limit", show_rate(device_array_rate(ra->devices, index)));
	show_set_count(json, "read_bytes", volume_read_bytes(volume));
	if (volume_yielded_ms(volume) >= 0)
		show_set_ms(json, "yielded_seconds", volume_yielded_ms(volume));
	if (device != NULL && device->state == DEVICE_OPEN)
		json_object_set_new(json, "volume", show_volume(device_info(device)));
	if (invalid != NULL)
		show_set_count(json, "invalid_tracks", track_set_tracks(invalid));
	return json;
}

json_t *secondary_show_devices(const struct ra *ra)
{
	json_t *json = json_object(), *devices = json_array();

	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		if (device_array_listing(ra->devices, i) != DEVICE_NOT_LISTED)
			json_array_append_new(devices, device_json(ra, i));
	json_object_set_new(json, "devices", devices);
	return json;
}

static json_t *job_json(const struct ra *ra, const struct job *job)
{
	bool is_link = job->specific.kind == JOB_LINK;
	json_t *json = json_object();

	show_set_count(json, "index", job->index);
	show_set_text(json, "kind", job_kind_name(job->specific.kind));
	show_set_text(json, "state", job_state_name(job->specific.state));
	json_object_set_new(json, "active", json_boolean(job->shared->active == job));
	if (is_link) {
		show_set_link_id(json, link_id_of(ra->config.secondary_id, job));
		show_set_text(json, "peer", session_peer(job->specific.session));
	}
	if (job->specific.state != JOB_STATE_IDLE) {
		show_set_count(json, "first_track", job->tracks[0].number);
		show_set_count(json, "tracks", job->track_count);
	}
	show_set_ms(json, "age_seconds", clock_now_ms(ra->clock) - job->created_ms);
	return json;
}

static json_t *ring_json(const struct ra *ra, uint32_t index)
{
	struct device *device = device_array_record(ra->devices, index);
	json_t *json = json_object(), *jobs = json_array();
	struct job *job;

	show_set_text(json, "name", device_array_name(ra->devices, index));
	show_set_count(json, "number", index);
	show_set_count(json, "job_count", device != NULL ? device->job_count : 0);
	if (device != NULL)
		RING_FOREACH(device, job, forward)
			json_array_append_new(jobs, job_json(ra, job));
	json_object_set_new(json, "jobs", jobs);
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
			json_array_append_new(devices, ring_json(ra, i));
	json_object_set_new(json, "devices", devices);
	return json;
}

json_t *secondary_show_cache(const struct ra *ra)
{
	json_t *json = json_object(), *cache = json_object();
	struct cache_counts counts;

	cache_count(ra->cache, &counts);
	show_set_count(cache, "bytes", counts.slots * ra->config.track_bytes);
	show_set_count(cache, "slots", counts.slots);
	show_set_count(cache, "slots_free", counts.slots_free);
	show_set_count(cache, "slots_locked", counts.slots_locked);
	show_set_count(cache, "entries", counts.entries);
	show_set_count(cache, "hits", counts.hits);
	show_set_count(cache, "misses", counts.misses);
	show_set_count(cache, "evicted", counts.evicted);
	json_object_set_new(json, "cache", cache);
	return json;
}

/* ---- Links and limits ---- */

static json_t *link_json(const struct ra *ra, const struct session *session)
{
	json_t *json = json_object(), *devices = json_array();

	if (session->peer != NULL)
		show_set_text(json, "peer", session->peer->name);
	show_set_text(json, "key", conn_peer_key(session->conn));
	show_set_text(json, "from", session->from);
	show_set_text(json, "state", session_state_name(session->state));
	show_set_ms(json, "since_seconds", clock_now_ms(ra->clock) - session->since_ms);
	show_set_count(json, "wire_bytes", conn_wire_bytes(session->conn));
	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		if (session->has_device[i])
			json_array_append_new(devices, show_text(device_array_name(ra->devices, i)));
	json_object_set_new(json, "devices", devices);
	show_set_count(json, "jobs", session->jobs);
	show_set_count(json, "reads_connected", session->connected_reads);
	show_set_count(json, "window", ra->config.window_reads);
	show_set_count(json, "locked_tracks", session->locked_tracks);
	show_set_count(json, "fetches", session->fetches);
	return json;
}

static json_t *peer_json(const struct ra *ra, const struct peer *peer)
{
	json_t *json = json_object();
	uint64_t wire_bytes = peer->wire_bytes;
	const struct session *session;

	DL_FOREACH(ra->sessions, session)
		wire_bytes += session->peer == peer ? conn_wire_bytes(session->conn) : 0;

	show_set_text(json, "name", peer->name);
	show_set_count(json, "links", peer->links);
	show_set_count(json, "links_max", peer->links_max);
	show_set_count(json, "jobs", peer->jobs);
	show_set_count(json, "jobs_max", peer->jobs_max);
	show_set_count(json, "links_refused", peer->links_refused);
	show_set_count(json, "wire_bytes", wire_bytes);
	if (peer->rate != NULL)
		json_object_set_new(json, "limit", show_rate(peer->rate));
	return json;
}

json_t *secondary_show_links(const struct ra *ra, const struct peer_list *peers)
{
	json_t *json = json_object(), *links = json_array(), *list = json_array();
	const struct session *session;

	DL_FOREACH(ra->sessions, session)
		json_array_append_new(links, link_json(ra, session));
	for (const struct peer *peer = peer_list_first(peers); peer != NULL; peer = peer->next)
		json_array_append_new(list, peer_json(ra, peer));
	json_object_set_new(json, "links", links);
	json_object_set_new(json, "peers", list);
	return json;
}

json_t *secondary_show_limits(const struct ra *ra, const struct peer_list *peers)
{
	json_t *json = json_object(), *devices = json_object(), *list = json_object();

	json_object_set_new(json, "total", show_rate(ra->total_rate));
	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		if (device_array_listing(ra->devices, i) != DEVICE_NOT_LISTED)
			json_object_set_new(devices, device_array_name(ra->devices, i),
				show_rate(device_array_rate(ra->devices, i)));
	for (const struct peer *peer = peer_list_first(peers); peer != NULL; peer = peer->next)
		if (peer->rate != NULL)
			json_object_set_new(list, peer->name, show_rate(peer->rate));
	json_object_set_new(json, "devices", devices);
	json_object_set_new(json, "peers", list);
	return json;
}
