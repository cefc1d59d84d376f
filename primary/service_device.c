/* SPDX-License-Identifier: Apache-2.0
 *
 * A device that the configuration lists, or once did: its local volume, limit, invalid tracks and what is kept of it.
 * Loop thread only. The hard thing: threads may be in its volume and its files, so one that is listed no more stays as
 * it is, without a peer and out of sight, and is the same again when it is listed again; when that names another
 * volume, nobody can open it.
 */
#include <string.h>

#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "primary/keep.h"
#include "primary/local.h"
#include "primary/reports.h"
#include "primary/service_parts.h"
#include "storage/invalid_table.h"
#include "storage/volume.h"

static struct service_device *make(struct service *service, const struct device_settings *wanted)
{
	const struct daemon_settings *daemon = &service->started_with->daemon;
	struct service_device *device = xcalloc(1, sizeof(*device));
	struct device_settings *settings = device->made_with = device_settings_copy(wanted);
	struct volume *volume = volume_new(settings->volume, settings->io);
	struct keep_config keep = {
		.clock = service->core.clock,
		.da = service->core.da,
		.post = service->core.post,
		.folder = daemon->state,
		.device = settings->name,
	};
	struct reports_config reports = {
		.da = service->core.da,
		.post = service->core.post,
		.folder = daemon->state,
		.device = settings->name,
	};
	device->limit = limit_pair_new(service, &settings->limit, true);
	volume_set_part(volume, settings->offset_bytes, settings->length_bytes, settings->is_common);
	if (settings->is_known_by_name)
		volume_set_known_by_name(volume);
	if (settings->is_yielding)
		volume_set_yielding(volume);
	device->device = (struct primary_device){
		.name = settings->name,
		.local = core_add_local(&service->core, settings->name, settings->volume, volume, daemon->track_bytes,
			device->limit.local, service->limit.local),
		.remote_rate = device->limit.remote,
		.invalid = core_add_table(&service->core, daemon->state, settings->name, daemon->track_bytes,
			settings->offset_bytes),
		.keep = keep_new(&keep),
		.reports = reports_new(&reports),
	};
	DL_APPEND(service->made, device);
	return device;
}

static struct service_device *find_made(const struct service *service, const char *name)
{
	struct service_device *device;
	DL_FOREACH(service->made, device) {
		if (strcmp(device->made_with->name, name) == 0)
			return device;
	}
	return NULL;
}

struct service_device *service_device_take(struct service *service, const struct primary_settings *settings,
	unsigned index)
{
	const struct device_settings *wanted = &settings->daemon.devices[index];
	struct service_device *device = find_made(service, wanted->name);
	if (device) {
		device->device.is_replaced = device_settings_warn_fixed(device->made_with, &settings->daemon, wanted);
		limit_pair_set(&device->limit, &wanted->limit);
	} else {
		device = make(service, wanted);
	}
	reports_keep(device->device.reports, settings->reports);
	device->device.max_lag_ms = settings->device_max_lag_ms[index];
	return device;
}

void service_device_join(struct service_device *device, struct service_peer *peer)
{
	device->peer = peer;
	device->device.remote = peer ? peer->remote : NULL;
}

struct service_device *service_find_device(const struct service *service, const char *name)
{
	struct service_device *device = find_made(service, name);
	return device && device->peer ? device : NULL;
}

void service_devices_free(struct service *service)
{
	struct service_device *device, *next;
	DL_FOREACH_SAFE(service->made, device, next) {
		limit_pair_free(&device->limit);
		keep_free(device->device.keep);
		reports_free(device->device.reports);
		device_settings_free(device->made_with);
		free(device);
	}
	service->made = NULL;
}
