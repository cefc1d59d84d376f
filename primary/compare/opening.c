/* SPDX-License-Identifier: Apache-2.0
 *
 * HostOpen and the answers to it. Each status that keeps a pass from beginning has its exit code here: 2 for what the
 * administrator must change, 4 for a link or daemon that is not there, 5 for a volume, 6 for one that somebody has.
 */
#include "primary/compare/opening.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/plural.h"
#include "local/client.h"
#include "primary/compare/options.h"
#include "storage/ledger.h"
#include "wire/message.h"

#define PRIVATE_DEVICE "volume" /* as both daemons call it with --once */

static const char *device_of(const struct options *options)
{
	return options->device ? options->device : PRIVATE_DEVICE;
}

void opening_request(const struct options *options, struct msg_host_open *out)
{
	*out = (struct msg_host_open){
		.link_timeout_ms = (uint32_t)options->link_timeout_ms,
		.limit_bytes_per_s = options->limit_bytes_per_s,
		.reserve = options->reserve != RESERVE_NONE,
		.exclusive = options->reserve == RESERVE_EXCLUSIVE,
	};
	snprintf(out->device, sizeof(out->device), "%s", device_of(options));
	client_owner("ra-compare", out->owner);
}

bool opening_is_common(const struct options *options, const struct msg_host_open_reply *reply)
{
	return options->common_size || reply->local.is_common || reply->remote.is_common;
}

uint64_t opening_total_bytes(const struct options *options, const struct msg_host_open_reply *reply)
{
	return volume_info_compared_bytes(&reply->local, &reply->remote, opening_is_common(options, reply));
}

#define refuse(why, exit_code, ...) (snprintf((why), OPENING_WHY_BYTES, __VA_ARGS__), (exit_code))

void opening_add_hint(const struct options *options, char *why, size_t why_bytes)
{
	size_t length = strlen(why);

	if (options->form == FORM_DEVICE && access(options->device, F_OK) == 0)
		snprintf(why + length, why_bytes - length, " (There is a file %s here. To compare two volumes, which needs no "
			"configuration, name both: ra-compare %s B)", options->device, options->device);
}

/* What a secondary that is too old to say its identity tells of it. */
static void name_identity(const struct volume_info *volume, char out[LEDGER_TEXT_BYTES])
{
	if (volume->identity[0])
		snprintf(out, LEDGER_TEXT_BYTES, "%s", volume->identity);
	else
		snprintf(out, LEDGER_TEXT_BYTES, "%.400s, device %llu, inode %llu", volume->path,
			(unsigned long long)volume->device_id, (unsigned long long)volume->inode);
}

void opening_binding(const struct options *options, const struct msg_host_open_reply *reply,
	struct ledger_binding *out)
{
	*out = (struct ledger_binding){
		.local_bytes = reply->local.size_bytes,
		.remote_bytes = reply->remote.size_bytes,
		.local_offset = reply->local.offset_bytes,
		.remote_offset = reply->remote.offset_bytes,
		.track_bytes = reply->track_bytes,
		.is_common = opening_is_common(options, reply),
	};
	snprintf(out->digest, sizeof(out->digest), "%s", digest_name(options->digest));
	snprintf(out->device, sizeof(out->device), "%.64s%s%.400s", device_of(options), options->host[0] ? " on " : "",
		options->host);
	name_identity(&reply->local, out->local_identity);
	name_identity(&reply->remote, out->remote_identity);
}

static int refuse_device(const struct options *options, const struct msg_host_open_reply *reply, char *why)
{
	const char *device = device_of(options);
	int exit_code;

	if (reply->failed_side == SIDE_REMOTE)
		return refuse(why, 2, "the secondary has no device %s for this primary: its configuration has no [device %s], "
				      "or \"devices\" of its [peer] does not list it", device, device);
	exit_code = refuse(why, 2, "the primary has no device %s: its configuration has no [device %s]", device, device);
	opening_add_hint(options, why, OPENING_WHY_BYTES);
	return exit_code;
}

static int refuse_volume(const struct options *options, const struct msg_host_open_reply *reply, char *why)
{
	bool is_local = reply->failed_side == SIDE_LOCAL;
	const char *detail = status_words(reply->status, reply->detail);
	const char *name = is_local ? options->path_local : options->name_remote;
	const char *path = is_local ? options->path_local : options->path_remote;

	if (options->form == FORM_DEVICE)
		return refuse(why, 5, "%s volume of %s: %s", is_local ? "local" : "remote", options->device, detail);
	if (strstr(detail, path) && options->form == FORM_SSH && !is_local)
		return refuse(why, 5, "volume B on %s: %s", options->host, detail);
	if (strstr(detail, path))
		return refuse(why, 5, "volume %c: %s", is_local ? 'A' : 'B', detail);
	return refuse(why, 5, "volume %c: cannot open %s: %s", is_local ? 'A' : 'B', name, detail);
}

static int judge_status(const struct options *options, const struct msg_host_open_reply *reply, char *why)
{
	const char *detail = status_words(reply->status, reply->detail);

	switch (reply->status) {
	case STATUS_OK:
		return 0;
	case STATUS_BUSY:
		return refuse(why, 6, "busy: %s", detail);
	case STATUS_NO_SUCH_DEVICE:
		return refuse_device(options, reply, why);
	case STATUS_NOT_PERMITTED:
		return refuse(why, 2, "not permitted by the %s: %s",
			reply->failed_side == SIDE_REMOTE ? "secondary" : "primary", detail);
	case STATUS_BAD_REQUEST: /* above all: unequal track sizes */
		return refuse(why, 2, "%s", detail);
	case STATUS_VOLUME_CHANGED:
		return refuse(why, 3, "the remote volume is not the one it was: %s", detail);
	case STATUS_LINK_LOST:
		return refuse(why, 4, "the volumes cannot be opened: %s", detail);
	default:
		if (reply->failed_side != SIDE_UNSET)
			return refuse_volume(options, reply, why);
		return refuse(why, 4, "the volumes cannot be opened: %s", detail);
	}
}

static int judge_tracks(const struct options *options, const struct msg_host_open_reply *reply, char *why)
{
	uint64_t total_bytes = opening_total_bytes(options, reply);
	uint64_t tracks = total_bytes / reply->track_bytes + (total_bytes % reply->track_bytes != 0);
	uint64_t needed = options->last_track == UINT64_MAX ? options->first_track : options->last_track;

	if (options->track_bytes != 0 && reply->track_bytes != options->track_bytes)
		return refuse(why, 2, "the track size is %u here and %u at the primary", options->track_bytes,
			reply->track_bytes);
	if (options_run_tracks(options, reply->track_bytes) == 0)
		return refuse(why, 2, "--jobs %u with runs of %u tracks of %u bytes needs more than %u bytes of memory",
			options->jobs, options->digest == DIGEST_NONE && options->run_tracks > 0 ? options->run_tracks : 1,
			reply->track_bytes,
			HOST_MEMORY_BYTES_MAX);
	if (options->has_tracks && needed >= tracks)
		return refuse(why, 2, "--tracks: there is no track %llu; %s has %llu %s, counted from 0",
			(unsigned long long)needed, opening_is_common(options, reply) ? "the common part" : "the larger volume",
			(unsigned long long)tracks, plural(tracks, "track", "tracks"));
	return 0;
}

/* What may be read of the device, and what the two daemons can say of it. */
static int judge_digest(const struct options *options, const struct msg_host_open_reply *reply, char *why)
{
	const char *device = device_of(options);

	if (options->digest == DIGEST_NONE && reply->digest_only)
		return refuse(why, 2, "the secondary gives this primary digests of %s only (data = never): --by data is not "
				      "possible", device);
	if (options->digest == DIGEST_NONE || (reply->digests & 1u << options->digest) != 0)
		return 0;
	return refuse(why, 2, "%s cannot be compared by %s: ra-primaryd or ra-secondaryd does not know it; %s", device,
		digest_name(options->digest), reply->digest_only ?
		"data = never leaves nothing else, so install this version on both hosts" : "--by data does without");
}

int opening_judge(const struct options *options, const struct msg_host_open_reply *reply, char why[OPENING_WHY_BYTES])
{
	int exit_code = judge_status(options, reply, why);

	if (exit_code != 0)
		return exit_code;
	exit_code = judge_digest(options, reply, why);
	if (exit_code != 0)
		return exit_code;
	if (opening_total_bytes(options, reply) == 0 && reply->local.size_bytes != reply->remote.size_bytes)
		return refuse(why, 2, "the two volumes have nothing in common: %s has 0 bytes to compare",
			reply->local.size_bytes == 0 ? "the local one" : "the remote one");
	return judge_tracks(options, reply, why);
}
