/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's answers of a configured primary: read from the parts as they are now, nothing is kept here. Loop thread
 * only.
 */
#include "primary/show.h"

#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/post.h"
#include "base/rate.h"
#include "base/track_set.h"
#include "local/expiry.h"
#include "local/show.h"
#include "primary/local.h"
#include "primary/remote.h"
#include "primary/service_parts.h"
#include "storage/da.h"
#include "storage/invalid_table.h"

/* One limit: what it held back on either side. */
static json_t *limit_of(const struct rate *local, const struct rate *remote)
{
	json_t *json = show_rate(remote);
	if (local)
		show_set_ms(json, "throttled_seconds", (int64_t)(rate_throttled_ms(local) + rate_throttled_ms(remote)));
	return json;
}

static json_t *limit(const struct limit_pair *pair)
{
	return limit_of(pair->local, pair->remote);
}

/* That of a run; NULL: it has none. */
static json_t *host_limit(const struct host *host)
{
	const struct rate *local, *remote;
	host_rates(host, &local, &remote);
	return remote ? limit_of(local, remote) : NULL;
}

/* ---- Status ---- */

static void set_progress(json_t *json, const struct msg_host_progress *progress)
{
	show_set_text(json, "phase", progress->phase);
	show_set_count(json, "done_tracks", progress->done_tracks);
	show_set_count(json, "total_tracks", progress->total_tracks);
	show_set_count(json, "different_tracks", progress->different_tracks);
	show_set_count(json, "settling_tracks", progress->settling_tracks);
	show_set_count(json, "local_bytes_per_second", progress->local_bytes_per_s);
	show_set_count(json, "remote_bytes_per_second", progress->remote_bytes_per_s);
	show_set_text(json, "binds", progress->binds);
	if (progress->left_s > 0)
		show_set_count(json, "left_seconds", progress->left_s);
	show_set_count(json, "elapsed_seconds", progress->elapsed_s);
}

/* The hosts that have a device open, as they say themselves how they get on. */
static json_t *runs(const struct service *service)
{
	json_t *runs = json_array();
	const struct service_host *host;
	DL_FOREACH(service->hosts, host) {
		const struct msg_host_progress *progress = host_progress(host->host);
		if (!host_device(host->host))
			continue;
		json_t *json = json_object();
		show_set_text(json, "device", host_device(host->host)->name);
		show_set_text(json, "host", host_owner(host->host));
		if (progress)
			set_progress(json, progress);
		json_array_append_new(runs, json);
	}
	return runs;
}

json_t *show_status(const struct service *service)
{
	const struct primary_settings *settings = service->settings;
	const struct core *core = &service->core;
	json_t *json = show_daemon("ra-primaryd", &service->started_with->daemon, settings->daemon.device_count,
		service->key, clock_now_ms(core->clock) - service->started_ms, core->post);
	const struct service_host *host;
	struct da_counts da;
	unsigned links_up = 0, hosts = 0;
	for (unsigned i = 0; i < settings->peer_count; i++)
		links_up += remote_view(service->peers[i]->remote).is_up;
	DL_COUNT(service->hosts, host, hosts);
	json_object_set_new(json, "limit", limit(&service->limit));
	show_set_count(json, "peers", settings->peer_count);
	show_set_count(json, "links_up", links_up);
	show_set_count(json, "hosts", hosts);
	json_object_set_new(json, "runs", runs(service));
	da_count(core->da, &da);
	json_object_set_new(json, "da",
		show_da(da.threads, da.extra_threads, da.queued, da.running, da.abandoned, &da.read_times));
	if (service->expiry && expiry_ends_s(service->expiry) > 0)
		show_set_utc(json, "certificate_ends", expiry_ends_s(service->expiry));
	return json;
}

/* ---- Devices and jobs ---- */

static json_t *jobs_of(const struct service *service, const struct primary_device *device)
{
	json_t *jobs = json_array();
	const struct service_host *host;
	DL_FOREACH(service->hosts, host) {
		for (unsigned i = 0; host_device(host->host) == device && i < STREAMS_MAX; i++) {
			const struct remote_job *job = host_job(host->host, i);
			if (!job)
				continue;
			struct remote_job_view view = remote_job_view(job);
			json_t *json = json_object();
			show_set_text(json, "host", host_owner(host->host));
			show_set_text(json, "state", view.state);
			show_set_link_id(json, view.link_id);
			show_set_text(json, "read", view.read);
			if (view.track_count > 0) {
				show_set_count(json, "first_track", view.first_track);
				show_set_count(json, "tracks", view.track_count);
			}
			show_set_ms(json, "age_seconds", view.age_ms);
			json_object_set_new(json, "limit", host_limit(host->host)); /* NULL: nothing is set */
			json_array_append_new(jobs, json);
		}
	}
	return jobs;
}

static json_t *device_json(const struct service *service, const struct service_device *known)
{
	const struct primary_device *device = &known->device;
	struct local_view view = local_view(device->local);
	const struct track_set *invalid = invalid_table_known(device->invalid);
	json_t *json = json_object(), *jobs = jobs_of(service, device);
	show_set_text(json, "name", device->name);
	show_set_text(json, "path", view.path);
	show_set_text(json, "state", view.state);
	json_object_set_new(json, "ready", json_boolean(view.is_ready));
	show_set_count(json, "users", view.users);
	show_set_count(json, "jobs", json_array_size(jobs));
	json_object_set_new(json, "reserved_by", view.reserved_by ? show_text(view.reserved_by) : json_null());
	json_object_set_new(json, "exclusive", json_boolean(view.is_exclusive));
	json_object_set_new(json, "replaced", json_boolean(device->is_replaced));
	show_set_text(json, "peer", known->peer->settings->name);
	json_object_set_new(json, "limit", limit(&known->limit));
	show_set_count(json, "read_bytes", view.read_bytes);
	if (view.yielded_ms >= 0)
		show_set_ms(json, "yielded_seconds", view.yielded_ms);
	if (view.info)
		json_object_set_new(json, "volume", show_volume(view.info));
	if (invalid)
		show_set_count(json, "invalid_tracks", track_set_tracks(invalid));
	json_decref(jobs);
	return json;
}

json_t *show_devices(const struct service *service)
{
	json_t *devices = json_array();
	for (unsigned i = 0; i < service->settings->daemon.device_count; i++)
		json_array_append_new(devices, device_json(service, service->devices[i]));
	return json_pack("{s:o}", "devices", devices);
}

json_t *show_jobs(const struct service *service, const char *name)
{
	json_t *devices = json_array();
	for (unsigned i = 0; i < service->settings->daemon.device_count; i++) {
		const struct primary_device *device = &service->devices[i]->device;
		if (!name[0] || strcmp(device->name, name) == 0)
			json_array_append_new(devices,
				json_pack("{s:s, s:o}", "name", device->name, "jobs", jobs_of(service, device)));
	}
	return json_pack("{s:o}", "devices", devices);
}

/* ---- Links and limits ---- */

static json_t *link_to(const struct service_peer *peer)
{
	struct remote_view view = remote_view(peer->remote);
	json_t *json = json_object();
	show_set_text(json, "peer", peer->settings->name);
	show_set_text(json, "address", peer->settings->address);
	show_set_text(json, "key", view.key);
	show_set_text(json, "state", view.state);
	show_set_ms(json, "since_seconds", view.since_ms);
	show_set_count(json, "relinks", view.relinks);
	show_set_count(json, "wire_bytes", view.wire_bytes);
	show_set_count(json, "read_bytes", view.read_bytes);
	show_set_count(json, "reads_connected", view.reads_connected);
	if (view.is_up)
		show_set_count(json, "window", view.window_reads);
	else
		show_set_text(json, "error", view.error);
	show_set_text(json, "refused_key", view.refused_key);
	if (view.retry_in_ms >= 0)
		show_set_ms(json, "retry_in_seconds", view.retry_in_ms);
	json_object_set_new(json, "limit", limit(&peer->limit));
	return json;
}

json_t *show_links(const struct service *service)
{
	json_t *links = json_array();
	for (unsigned i = 0; i < service->settings->peer_count; i++)
		json_array_append_new(links, link_to(service->peers[i]));
	return json_pack("{s:o}", "links", links);
}

json_t *show_limits(const struct service *service)
{
	json_t *devices = json_object(), *peers = json_object(), *hosts = json_array();
	const struct service_host *host;
	for (unsigned i = 0; i < service->settings->daemon.device_count; i++)
		json_object_set_new(devices, service->devices[i]->device.name, limit(&service->devices[i]->limit));
	for (unsigned i = 0; i < service->settings->peer_count; i++)
		json_object_set_new(peers, service->peers[i]->settings->name, limit(&service->peers[i]->limit));
	DL_FOREACH(service->hosts, host) {
		json_t *json = host_limit(host->host);
		if (!json)
			continue;
		show_set_text(json, "host", host_owner(host->host));
		json_array_append_new(hosts, json);
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "total", limit(&service->limit), "devices", devices, "peers", peers,
		"hosts", hosts);
}
