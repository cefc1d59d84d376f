/* SPDX-License-Identifier: Apache-2.0
 *
 * The reservation of a device at the secondary: asked for when the volume is known, and again on each new connection.
 * Loop thread only. The hard thing is a reservation that does not come back: a user of RA who has it may be the last
 * connection of this very run, and is waited for; where that does not help, or another program has the volume, the run
 * goes on without.
 */
#include <stdio.h>
#include <string.h>

#include "base/post.h"
#include "primary/remote_link.h"

static void send_reserve(struct remote_device *device)
{
	struct remote *remote = device->remote;
	remote_add_request(remote, &device->request, REQUEST_RESERVE);
	remote->out.type = MESSAGE_RESERVE;
	remote->out.reserve = (struct msg_reserve){ .tag = device->request.tag, .device_number = device->number,
		.exclusive = device->spec.exclusive };
	memcpy(remote->out.reserve.owner, device->owner, sizeof(device->owner));
	remote_send(remote);
}

void remote_unreserve(struct remote_device *device)
{
	struct remote *remote = device->remote;
	remote_add_request(remote, &device->request, REQUEST_UNRESERVE);
	remote->out.type = MESSAGE_UNRESERVE;
	remote->out.unreserve = (struct msg_unreserve){ .tag = device->request.tag, .device_number = device->number,
		.reservation = device->reservation };
	device->reservation = 0;
	remote_send(remote);
}

/* Others were let in meanwhile, so that it is lost for the whole run. */
static void go_on_unreserved(struct remote_device *device, const char *why)
{
	struct post_where where = { .device = device->name, .peer = device->remote->peer };
	post_error(device->remote->config.post, STATUS_BUSY, &where, "not reserved again: %s", why);
	snprintf(device->unreserved, sizeof(device->unreserved), "%s", why);
	remote_device_become_ready(device);
}

/* After a loss, a user of RA has it. */
static void wait_for_user(struct remote_device *device, const char *detail)
{
	/* Perhaps by its own last connection, whose end only the pings of the secondary will see. */
	device->is_taken = true;
	snprintf(device->why, sizeof(device->why), "%s", detail);
	timer_set(&device->again, REMOTE_AGAIN_MS);
}

void remote_reserve_waits_no_more(struct remote_device *device)
{
	char why[DETAIL_MAX + 1];
	memcpy(why, device->why, sizeof(why));
	if (device->request.tag != 0) { /* the answer that is on its way decides */
		memcpy(device->unreserved, why, sizeof(why));
		return;
	}
	timer_cancel(&device->again);
	go_on_unreserved(device, why);
}

static void be_refused(struct remote_device *device, enum status status, bool by_program, const char *detail)
{
	char why[DETAIL_MAX + 1];
	bool is_locked_out = device->spec.exclusive && (by_program || status != STATUS_BUSY);
	snprintf(why, sizeof(why), "%s%.200s", by_program ? "the remote volume is " : "", detail);
	if (!device->is_known) {
		remote_device_fail_question(device, status, why);
	} else if (is_locked_out || (status == STATUS_BUSY && device->unreserved[0])) {
		go_on_unreserved(device, why);
	} else if (status == STATUS_BUSY) {
		wait_for_user(device, detail);
	} else {
		snprintf(why, sizeof(why), "the reservation was lost with the link: %.200s", detail);
		remote_device_fail(device, status, why);
	}
}

void remote_reserve(struct remote_device *device)
{
	if (device->spec.exclusive && !(device->remote->features & FEATURE_INVALID))
		be_refused(device, STATUS_BAD_REQUEST, false, "the secondary cannot reserve exclusively");
	else
		send_reserve(device);
}

int remote_on_reserve_reply(struct remote_device *device, const struct msg_reserve_reply *reply)
{
	remote_remove_request(device->remote, &device->request);
	if (reply->status == STATUS_OK) {
		device->reservation = reply->reservation;
		device->unreserved[0] = '\0';
	}
	if (device->is_given_up || device->state == DEVICE_FAILED)
		remote_device_settle(device);
	else if (reply->status == STATUS_OK)
		remote_device_become_ready(device);
	else
		be_refused(device, reply->status, reply->by_program, reply->detail);
	return 0;
}
