/* SPDX-License-Identifier: Apache-2.0
 *
 * HA 28: HostOpen and HostStatus, the device that a host has open, and the news of its link. Loop thread only. The hard
 * thing: both sides answer one question, in any order and perhaps at once, so a question counts its answers and only
 * the last of them replies.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/rate.h"
#include "primary/host_session.h"
#include "wire/conn.h"

#define LINK_TIMEOUT_DEFAULT_MS 30000

static struct host *host_of(void *arg)
{
	struct host *host = arg;
	assert(host->magic == HOST_MAGIC);
	return host;
}

/* ---- Questions ---- */

/* What the reply is filled with when both sides are well. */
static void describe(const struct host *host, struct msg_host_open_reply *reply)
{
	reply->status = STATUS_OK;
	reply->track_bytes = host->local_answer.track_bytes;
	reply->local = host->local_answer.info;
	reply->remote = host->remote_answer.info;
	reply->digest_only = host->remote_answer.digest_only;
	reply->digests = remote_digests(host->remote);
	reply->relinks = remote_relinks(host->remote);
	reply->max_lag_ms = host->device->max_lag_ms;
	reply->throttled_ms = local_throttled_ms(host->local) + remote_throttled_ms(host->remote);
}

/* Fills in the reply from what both sides said. */
static void judge(const struct host *host, struct msg_host_open_reply *reply)
{
	const struct side_answer *local = &host->local_answer, *remote = &host->remote_answer;
	const struct side_answer *failed = local->status != STATUS_OK ? local : remote->status != STATUS_OK ? remote : NULL;

	if (failed) {
		reply->status = failed->status;
		reply->failed_side = failed == local ? SIDE_LOCAL : SIDE_REMOTE;
		memcpy(reply->detail, failed->detail, sizeof(reply->detail));
	} else if (local->track_bytes != remote->track_bytes) {
		reply->status = STATUS_BAD_REQUEST;
		snprintf(reply->detail, sizeof(reply->detail),
			"the track size is %u bytes at the primary and %u bytes at the secondary: they must be equal",
			local->track_bytes, remote->track_bytes);
	} else {
		describe(host, reply);
	}
}

static void query_answered(struct host *host)
{
	if (--host->query_pending > 0)
		return;
	host->out.type = MESSAGE_HOST_OPEN_REPLY;
	host->out.host_open_reply = (struct msg_host_open_reply){
		.tag = host->query_tag,
		.wire_bytes = remote_wire_bytes(host->device->remote),
	};
	judge(host, &host->out.host_open_reply);
	if (host->state == HOST_OPENING) {
		bool is_open = host->out.host_open_reply.status == STATUS_OK;
		host_set_state(host, is_open ? HOST_OPEN : HOST_READY, status_name(host->out.host_open_reply.status));
		if (!is_open)
			host_detach(host);
	}
	host_send(host);
}

static void side_answered(struct host *host, struct side_answer *answer, enum status status, uint32_t track_bytes,
	const struct volume_info *info, const char *detail)
{
	answer->status = status;
	answer->track_bytes = track_bytes;
	if (info)
		answer->info = *info;
	snprintf(answer->detail, sizeof(answer->detail), "%s", detail);
	query_answered(host);
}

static void on_local_info(void *arg, enum status status, const struct volume_info *info, const char *detail)
{
	struct host *host = host_of(arg);
	side_answered(host, &host->local_answer, status, local_track_bytes(host->device->local), info, detail);
}

static void on_remote_info(void *arg, enum status status, const struct remote_about *about, const char *detail)
{
	struct host *host = host_of(arg);
	host->remote_answer.digest_only = about && about->digest_only;
	side_answered(host, &host->remote_answer, status, about ? about->track_bytes : 0, about ? about->info : NULL,
		detail);
}

/* Asks both sides at once. */
static void query(struct host *host, uint32_t tag)
{
	host->query_tag = tag;
	host->query_pending = 2;
	enum status remote = remote_query(host->remote, on_remote_info, host);
	enum status local = local_query(host->local, on_local_info, host);
	if (remote != STATUS_OK)
		side_answered(host, &host->remote_answer, remote, 0, NULL, host_remote_words(remote));
	if (local != STATUS_OK)
		side_answered(host, &host->local_answer, local, 0, NULL, "an earlier request to the volume hangs");
}

static void refuse(struct host *host, uint32_t tag, enum side side, enum status status, const char *detail)
{
	host->out.type = MESSAGE_HOST_OPEN_REPLY;
	host->out.host_open_reply = (struct msg_host_open_reply){ .tag = tag, .status = status, .failed_side = side };
	snprintf(host->out.host_open_reply.detail, sizeof(host->out.host_open_reply.detail), "%s", detail);
	host_send(host);
}

/* ---- The device ---- */

/* The link went down, or came back. */
static void on_link(void *arg, bool is_up, uint32_t relinks, const char *why)
{
	struct host *host = host_of(arg);
	host->out.type = MESSAGE_HOST_LINK;
	host->out.host_link = (struct msg_host_link){ .is_up = is_up, .relinks = relinks,
		.unreserved = is_up && why[0] };
	snprintf(host->out.host_link.detail, sizeof(host->out.host_link.detail), "%s", why);
	host_send(host);
}

static struct rate *run_rate(const struct host *host, uint64_t bytes_per_s)
{
	return bytes_per_s > 0 ? rate_new(host->config.throttle, &(struct rate_limit){ .bytes_per_s = bytes_per_s }) : NULL;
}

/* Who it is, for people; a host that does not say is known by its process. */
static void name_owner(struct host *host, const char *owner)
{
	struct ucred credentials;
	if (owner[0])
		snprintf(host->owner, sizeof(host->owner), "%s", owner);
	else if (conn_credentials(host->conn, &credentials) == 0)
		snprintf(host->owner, sizeof(host->owner), "process %d", (int)credentials.pid);
}

static void attach(struct host *host, const struct primary_device *device, const struct msg_host_open *open)
{
	name_owner(host, open->owner);
	host->device = device;
	host->local_rate = run_rate(host, open->limit_bytes_per_s);
	host->remote_rate = run_rate(host, open->limit_bytes_per_s);
	struct local_attach_spec local = { .owner = host->owner, .run_rate = host->local_rate };
	struct remote_attach_spec remote = {
		.link_timeout_ms = open->link_timeout_ms > 0 ? open->link_timeout_ms : LINK_TIMEOUT_DEFAULT_MS,
		.reserve = open->reserve,
		.exclusive = open->exclusive,
		.owner = host->owner,
		.run_rate = host->remote_rate,
		.device_rate = device->remote_rate,
		.link = on_link,
		.arg = host,
	};
	host->local = local_attach(device->local, &local);
	host->remote = remote_attach(device->remote, device->name, &remote);
}

void host_detach(struct host *host)
{
	record_detach(host);
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		remote_job_free(host->streams[i].job);
		host->streams[i].job = NULL;
	}
	remote_detach(host->remote);
	host->remote = NULL;
	local_detach(host->local);
	host->local = NULL;
	rate_free(host->local_rate);
	rate_free(host->remote_rate);
	host->local_rate = host->remote_rate = NULL;
	host->device = NULL;
}

void host_on_open(struct host *host, const struct msg_host_open *open)
{
	const struct primary_device *device = host->config.find_device(host->config.find_arg, open->device);
	char detail[DETAIL_MAX + 1];
	if (host->state != HOST_READY) {
		refuse(host, open->tag, SIDE_UNSET, STATUS_BAD_REQUEST, "a device is open already");
		return;
	}
	if (!device) {
		refuse(host, open->tag, SIDE_LOCAL, STATUS_NO_SUCH_DEVICE, "there is no device of this name");
		return;
	}
	if (device->is_replaced) {
		snprintf(detail, sizeof(detail), "the volume of %s was changed in the configuration: restart ra-primaryd",
			device->name);
		refuse(host, open->tag, SIDE_LOCAL, STATUS_NOT_PERMITTED, detail);
		return;
	}
	attach(host, device, open);
	enum status status = open->reserve ? local_reserve(host->local, open->exclusive, detail) :
		local_may_use(host->local, detail);
	if (status != STATUS_OK) {
		host_detach(host);
		refuse(host, open->tag, SIDE_LOCAL, status, detail);
		return;
	}
	host_set_state(host, HOST_OPENING, "HostOpen");
	log_info("%s opens %s%s%s", host->owner, device->name, open->reserve ? " for itself alone" : "",
		open->reserve && open->exclusive ? ", exclusively" : "");
	query(host, open->tag);
}

void host_on_status(struct host *host, const struct msg_host_status *status)
{
	if (host->state != HOST_OPEN)
		refuse(host, status->tag, SIDE_UNSET, STATUS_BAD_REQUEST, "no device is open");
	else if (host->query_pending > 0)
		refuse(host, status->tag, SIDE_UNSET, STATUS_BAD_REQUEST, "an earlier HostStatus has no answer yet");
	else
		query(host, status->tag);
}
