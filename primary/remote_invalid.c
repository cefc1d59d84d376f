/* SPDX-License-Identifier: Apache-2.0
 *
 * The invalid tracks that the secondary knows of its volume. The question waits until the device is there, is asked
 * again on each new connection until it is answered, and ends with the device. Loop thread only. The hard thing: its
 * request is not the device's own, which may be under way at the same time, so a device that is given up waits for
 * both.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/post.h"
#include "base/track_set.h"
#include "primary/remote_link.h"

static void send(struct remote_device *device)
{
	struct remote *remote = device->remote;
	remote_add_request(remote, &device->invalid.request, REQUEST_INVALID);
	remote->out.type = MESSAGE_INVALID;
	remote->out.invalid = (struct msg_invalid){ .tag = device->invalid.request.tag, .device_number = device->number };
	remote_send(remote);
}

void remote_invalid_end(struct remote_device *device, enum status status, const struct track_set *set,
	const char *detail)
{
	remote_invalid_fn *fn = device->invalid.fn;
	device->invalid.fn = NULL;
	if (fn)
		fn(device->invalid.arg, status, set, detail);
}

void remote_invalid_want(struct remote_device *device)
{
	if (!device->invalid.fn || device->invalid.request.tag != 0)
		return;
	assert(device->state == DEVICE_READY);
	if (device->remote->features & FEATURE_INVALID)
		send(device);
	else
		remote_invalid_end(device, STATUS_VERSION, NULL, "the secondary is too old to know of invalid tracks");
}

void remote_invalid_lose(struct remote_device *device)
{
	remote_remove_request(device->remote, &device->invalid.request);
	free(device->invalid.payload);
	device->invalid.payload = NULL;
}

void *remote_invalid_payload(struct remote_device *device, const struct msg_invalid_reply *reply,
	uint32_t payload_bytes)
{
	if (reply->status != STATUS_OK) {
		remote_refuse(device->remote, "InvalidReply from the secondary carries payload, but its status is %s",
			status_name(reply->status));
		return NULL;
	}
	device->invalid.payload = xcalloc(payload_bytes, 1);
	return device->invalid.payload;
}

int remote_on_invalid_reply(struct remote_device *device, const struct msg_invalid_reply *reply,
	uint32_t payload_bytes)
{
	struct post_where where = { .device = device->name, .peer = device->remote->peer };
	struct track_set *set = track_set_unpack(device->invalid.payload, payload_bytes, TRACK_SET_RANGES_MAX);
	remote_invalid_lose(device); /* it is answered */
	if (!set)
		return remote_refuse(device->remote, "InvalidReply of %s: %u bytes that are no set of tracks", device->name,
			payload_bytes);
	if (reply->status != STATUS_OK && device->invalid.fn)
		post_error(device->remote->config.post, reply->status, &where, "the secondary does not tell invalid tracks%s%s",
			reply->detail[0] ? ": " : "", reply->detail);
	device->holds++;
	remote_invalid_end(device, reply->status, reply->status == STATUS_OK ? set : NULL, reply->detail);
	device->holds--;
	track_set_free(set);
	remote_device_settle(device);
	return 0;
}

enum status remote_invalid(struct remote_device *device, remote_invalid_fn *fn, void *arg)
{
	assert(!device->invalid.fn && fn && !device->is_given_up && device->is_known);
	if (device->remote->state == LINK_LOST)
		return STATUS_LINK_LOST;
	if (device->state == DEVICE_READY && !(device->remote->features & FEATURE_INVALID))
		return STATUS_VERSION;
	device->invalid.fn = fn;
	device->invalid.arg = arg;
	if (device->state == DEVICE_READY)
		remote_invalid_want(device);
	else if (device->state == DEVICE_FAILED)
		timer_set(&device->timer, 0);
	else
		remote_device_want(device);
	return STATUS_OK;
}
