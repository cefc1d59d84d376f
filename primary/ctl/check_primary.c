/* SPDX-License-Identifier: Apache-2.0
 *
 * check of a primary: each device is opened as ra-compare would open it, and what refuses that is told with what to do.
 * Then both sides are read for two seconds at most. One thread.
 */
#include <inttypes.h>
#include <string.h>

#include "primary/ctl/ask.h"
#include "primary/ctl/check.h"
#include "primary/ctl/geometry.h"
#include "primary/ctl/host.h"
#include "primary/ctl/speed.h"
#include "primary/ctl/words.h"

#define LINK_TIMEOUT_MS 5000u
#define MEASURE_MS 2000

struct check {
	struct ctl_points *points;
	const char *socket;
	const char *key;    /* of this host */
	const char *device, *peer, *path; /* its local volume */
};

/* ---- Link and permission ---- */

static void explain_link(const struct check *check, const json_t *link)
{
	const char *address = ctl_text_of(link, "address"), *error = ctl_text_of(link, "error");
	const char *refused_key = ctl_text_of(link, "refused_key");
	const char *words = error[0] != '\0' ? error : ctl_text_of(link, "state");
	const char *where = strstr(error, address) == NULL ? address : "", *colon = where[0] != '\0' ? ": " : "";

	if (refused_key[0] != '\0')
		ctl_point_failed(check->points, CTL_NO_DAEMON, check->device,
			"no link to %s: %s%s%s. Is this the key that ra-ctl status shows on %s? Then [peer %s] here needs it",
			check->peer, where, colon, words, check->peer, check->peer);
	else
		ctl_point_failed(check->points, CTL_NO_DAEMON, check->device,
			"no link to %s: %s%s%s. On %s: does ra-secondaryd run, and has it a [peer] with key = %s?", check->peer,
			where, colon, words, check->peer, check->key);
}

/* False: it is down, and that was told. */
static bool check_link(const struct check *check)
{
	json_t *answer = ctl_check_ask(check->points, check->socket, VERB_LINKS);
	const json_t *link = ctl_check_find(json_object_get(answer, "links"), "peer", check->peer);
	bool is_up = strcmp(ctl_text_of(link, "state"), "up") == 0;

	if (is_up)
		ctl_point_good(check->points, check->device, "the link to %s at %s is up, for %s", check->peer,
			ctl_text_of(link, "address"), ctl_age(ctl_number_of(link, "since_seconds")));
	else if (answer != NULL)
		explain_link(check, link);
	json_decref(answer);
	return is_up;
}

static void explain_volume(const struct check *check, const struct msg_host_open_reply *reply)
{
	const char *detail = status_words(reply->status, reply->detail);

	if (reply->failed_side == SIDE_REMOTE)
		ctl_point_failed(check->points, CTL_WRONG, check->device, "the remote volume cannot be opened: %s. Look at "
			"volume in [device %s] on %s", detail, check->device, check->peer);
	else
		ctl_point_failed(check->points, CTL_WRONG, check->device, "the local volume %s cannot be opened: %s. Look at "
			"volume in [device %s]", check->path, detail, check->device);
}

/* Why the device cannot be opened, and what to do. */
static void explain(const struct check *check, const struct msg_host_open_reply *reply)
{
	struct ctl_points *points = check->points;
	const char *device = check->device, *detail = status_words(reply->status, reply->detail);

	switch (reply->status) {
	case STATUS_NO_SUCH_DEVICE:
		ctl_point_failed(points, CTL_WRONG, device, "%s has no device %s for this host: it needs a [device %s], and "
			"that name in devices of the [peer] with key = %s", check->peer, device, device, check->key);
		break;
	case STATUS_NOT_PERMITTED:
		ctl_point_failed(points, CTL_WRONG, device, "%s does not permit it: %s",
			reply->failed_side == SIDE_LOCAL ? "this daemon" : check->peer, detail);
		break;
	case STATUS_BUSY:
		ctl_point_failed(points, CTL_BUSY, device, "busy: %s. Try again later", detail);
		break;
	case STATUS_BAD_REQUEST:
		ctl_point_failed(points, CTL_WRONG, device, "%s (track-size in both configurations)", detail);
		break;
	case STATUS_VERSION:
		ctl_point_failed(points, CTL_WRONG, device, "%s. Install the same version on both hosts", detail);
		break;
	case STATUS_LINK_LOST:
		ctl_point_failed(points, CTL_NO_DAEMON, device, "%s", detail);
		break;
	default:
		explain_volume(check, reply);
	}
}

/* ---- Speed ---- */

static void set_limit(struct ctl_side *side, unsigned index, const char *name, const json_t *limit)
{
	side->limits[index].name = name;
	side->limits[index].bytes_per_s = ctl_integer_of(limit, "bytes_per_second");
	side->limits[index].reads_per_s = ctl_integer_of(limit, "reads_per_second");
}

static void take_limits(const struct check *check, struct ctl_side *local, struct ctl_side *remote)
{
	json_t *answer = ctl_check_ask(check->points, check->socket, VERB_LIMIT);

	for (struct ctl_side *side = local; side != NULL; side = side == local ? remote : NULL) {
		set_limit(side, 0, "the limit of this daemon (total)", json_object_get(answer, "total"));
		set_limit(side, 1, "the limit of the device",
			json_object_get(json_object_get(answer, "devices"), check->device));
	}
	set_limit(remote, 2, "the limit of the peer", json_object_get(json_object_get(answer, "peers"), check->peer));
	json_decref(answer);
}

/* Nothing, or not all of it was good: false. */
static bool judge_measure(const struct check *check, const char *side, const struct ctl_measure *measure)
{
	if (measure->status == STATUS_OK && measure->bytes > 0)
		return true;
	ctl_point_failed(check->points, measure->status == STATUS_LINK_LOST ? CTL_NO_DAEMON : CTL_WRONG, check->device,
		"reading the %s side fails: %s", side, measure->status == STATUS_OK ? "no data came" : measure->detail);
	return false;
}

/* What was read of one side; false: too little to tell how long a comparison takes. */
static bool judge_side(const struct check *check, const char *side, const struct ctl_measure *measure,
	struct ctl_side *out)
{
	bool is_enough = ctl_side_take(out, measure);

	if (measure->unreadable_tracks > 0)
		ctl_point_failed(check->points, CTL_WRONG, check->device,
			"%s of the %s volume cannot be read, the first is track %" PRIu64 ": look at its disk",
			ctl_count(measure->unreadable_tracks, "track", "tracks"), side, measure->first_unreadable);
	else if (out->is_brief)
		ctl_point_good(check->points, check->device, "the %s side is read to its end, %s, in less than a second", side,
			ctl_bytes((double)measure->bytes));
	else if (!is_enough)
		ctl_point_good(check->points, check->device, "the %s side begins slowly: only %s came in %s", side,
			ctl_bytes((double)measure->bytes), ctl_age(measure->seconds));
	else
		ctl_point_good(check->points, check->device, "the %s side is read at %s: %s in %s", side,
			ctl_rate(out->bytes_per_s), ctl_bytes((double)measure->bytes), ctl_age(measure->seconds));
	return is_enough;
}

static json_t *rate_of(const struct ctl_side *side)
{
	return side->is_brief ? json_null() : json_real(side->bytes_per_s);
}

/* bytes: as many as a comparison reads of either side. */
static void tell_speed(const struct check *check, uint64_t bytes, const struct ctl_side *local,
	const struct ctl_side *remote)
{
	json_t *figures = json_pack("{s:s, s:I, s:o, s:o}", "device", check->device, "bytes", (json_int_t)bytes,
		"local_bytes_per_second", rate_of(local), "remote_bytes_per_second", rate_of(remote));
	struct ctl_speed speed;

	if (local->is_brief && remote->is_brief) {
		ctl_point_good(check->points, check->device,
			"a comparison takes a moment; that is too little to tell a rate or what binds");
	} else {
		speed = ctl_speed(bytes, local, remote);
		ctl_point_good(check->points, check->device, "a comparison takes about %s, at %s: %s binds",
			ctl_age(speed.seconds), ctl_rate(speed.bytes_per_s), speed.binds);
		json_object_set_new(figures, "seconds", json_real(speed.seconds));
		json_object_set_new(figures, "binds", json_string(speed.binds));
	}
	ctl_points_add(check->points, figures);
}

static void check_speed(const struct check *check, struct ctl_host *host, uint64_t bytes)
{
	struct ctl_side local = { 0 }, remote = { 0 };
	struct ctl_measure local_measure, remote_measure;
	bool is_good, is_enough;

	ctl_host_measure(host, SIDE_LOCAL, bytes, MEASURE_MS, &local_measure);
	is_good = judge_measure(check, "local", &local_measure);
	is_enough = is_good && judge_side(check, "local", &local_measure, &local);
	ctl_host_measure(host, SIDE_REMOTE, bytes, MEASURE_MS, &remote_measure);
	if (!judge_measure(check, "remote", &remote_measure))
		return;
	is_enough = judge_side(check, "remote", &remote_measure, &remote) && is_enough;
	if (!is_good)
		return;
	if (!is_enough) {
		ctl_point_good(check->points, check->device,
			"how long a comparison takes cannot be told: too little was read. Check again");
		return;
	}
	take_limits(check, &local, &remote);
	tell_speed(check, bytes, &local, &remote);
}

/* ---- Devices ---- */

/* False: this host can neither have data of the device nor digests. */
static bool check_data(const struct check *check, const struct msg_host_open_reply *reply)
{
	bool is_by_digest = reply->digests & 1u << DIGEST_XXH3_128;

	if (reply->digest_only && !is_by_digest)
		ctl_point_failed(check->points, CTL_WRONG, check->device, "%s gives this host no data of it (data = never), "
			"and is too old to give digests. Install the same version on both hosts", check->peer);
	else if (reply->digest_only)
		ctl_point_good(check->points, check->device, "%s lets this host compare it by digest, and gives no data of it "
			"(data = never)", check->peer);
	else
		ctl_point_good(check->points, check->device, "%s lets this host read it%s", check->peer,
			is_by_digest ? "" : ", and is too old to give digests: only ra-compare --by data works");
	return !reply->digest_only || is_by_digest;
}

static void check_open(const struct check *check, struct ctl_host *host)
{
	const struct msg_host_open_reply *reply = ctl_host_open(host, check->device, LINK_TIMEOUT_MS);
	uint64_t bytes;
	bool is_readable;

	if (!check_link(check) && reply->status == STATUS_LINK_LOST)
		return; /* that says it all */
	if (reply->status != STATUS_OK) {
		explain(check, reply);
		return;
	}
	is_readable = check_data(check, reply);
	ctl_check_geometry(check->points, check->device, &reply->local, &reply->remote, reply->track_bytes);
	bytes = volume_info_common_bytes(&reply->local, &reply->remote); /* of a longer one the rest is not read */
	if (is_readable && bytes > 0)
		check_speed(check, host, bytes);
}

static void check_device(void *arg, const json_t *device)
{
	struct check *check = arg;
	char why[CTL_WHY_BYTES] = "";
	struct ctl_host *host;

	check->device = ctl_text_of(device, "name");
	check->peer = ctl_text_of(device, "peer");
	check->path = ctl_text_of(device, "path");
	host = ctl_host_new(check->socket, why);
	if (host == NULL)
		ctl_point_failed(check->points, CTL_NO_DAEMON, check->device, "%s", why);
	else
		check_open(check, host);
	ctl_host_free(host);
}

void ctl_check_primary(struct ctl_points *points, const char *socket, const json_t *status, const char *device)
{
	struct check check = { .points = points, .socket = socket, .key = ctl_text_of(status, "key") };

	ctl_check_devices(points, socket, status, device, check_device, &check);
}
