/* SPDX-License-Identifier: Apache-2.0
 *
 * check of a secondary: who is connected, and whether each volume can be read. One thread.
 */
#include <inttypes.h>
#include <string.h>

#include "primary/ctl/ask.h"
#include "primary/ctl/check.h"
#include "primary/ctl/words.h"

#define PROBE_MS 90000 /* two seconds of reading, and a disk that takes its time */

struct check {
	struct ctl_points *points;
	const char *socket;
};

static void check_listen(struct ctl_points *points, const json_t *status)
{
	const json_t *address;
	size_t index;

	json_array_foreach(json_object_get(status, "listen"), index, address)
		ctl_point_good(points, NULL, "listens at %s", json_string_value(address));
}

static void check_peers(struct ctl_points *points, const char *socket, const json_t *status)
{
	json_t *answer = ctl_check_ask(points, socket, VERB_LINKS);
	const json_t *peers = json_object_get(answer, "peers"), *peer;
	size_t index;

	json_array_foreach((json_t *)peers, index, peer) {
		const char *name = ctl_text_of(peer, "name");
		uint64_t links = ctl_integer_of(peer, "links"), refused = ctl_integer_of(peer, "links_refused");

		if (links > 0)
			ctl_point_good(points, NULL, "peer %s has %s", name, ctl_count(links, "link", "links"));
		else
			ctl_point_failed(points, CTL_NO_DAEMON, NULL, "peer %s has no link: does ra-primaryd run there, with "
				"key = %s in its [peer] for this host, and can it reach this one?", name, ctl_text_of(status, "key"));
		if (refused > 0)
			ctl_point_failed(points, CTL_WRONG, NULL, "%s of peer %s had to be refused: max-links is %" PRIu64,
				ctl_count(refused, "link", "links"), name, ctl_integer_of(peer, "links_max"));
	}
	if (answer != NULL && json_array_size(peers) == 0)
		ctl_point_failed(points, CTL_WRONG, NULL, "%s has no [peer]: nobody may read anything",
			ctl_text_of(status, "config"));
	json_decref(answer);
}

/* about: what DEVICES says of it. */
static void judge_probe(struct ctl_points *points, const json_t *about, const json_t *probe)
{
	const char *device = ctl_text_of(about, "name");
	const json_t *volume = json_object_get(probe, "volume");
	uint64_t unreadable = ctl_integer_of(probe, "unreadable_tracks");

	if (volume != NULL)
		ctl_point_good(points, device, "volume %s: %s, %s, %s io", ctl_text_of(volume, "path"),
			ctl_text_of(volume, "kind"), ctl_bytes(ctl_number_of(volume, "bytes")), ctl_text_of(volume, "io"));
	if (ctl_has(probe, "error"))
		ctl_point_failed(points, CTL_WRONG, device, "the volume %s cannot be %s: %s. Look at volume in [device %s]",
			ctl_text_of(about, "path"), volume != NULL ? "read" : "opened", ctl_text_of(probe, "error"), device);
	else if (unreadable > 0)
		ctl_point_failed(points, CTL_WRONG, device, "%s cannot be read: look at its disk",
			ctl_count(unreadable, "track", "tracks"));
	else if (ctl_integer_of(volume, "bytes") == 0)
		ctl_point_failed(points, CTL_WRONG, device, "the volume has nothing to compare: %s",
			ctl_integer_of(volume, "whole_bytes") > 0 ? "offset leaves all of it out" : "it is empty");
	else if (ctl_integer_of(probe, "bytes_read") == 0)
		ctl_point_good(points, device, "nothing had to be read: only holes were found");
	else
		ctl_point_good(points, device, "it is read at %s: %s in %s%s%s%s",
			ctl_rate(ctl_number_of(probe, "bytes_per_second")), ctl_bytes(ctl_number_of(probe, "bytes_read")),
			ctl_age(ctl_number_of(probe, "seconds")), ctl_has(probe, "binds") ? "; " : "",
			ctl_text_of(probe, "binds"), ctl_has(probe, "binds") ? " binds" : "");
}

static void check_device(void *arg, const json_t *device)
{
	const struct check *check = arg;
	struct ctl_points *points = check->points;
	struct msg_control request = { .verb = VERB_PROBE };
	const char *name = ctl_text_of(device, "name");
	char why[CTL_WHY_BYTES] = "";
	json_t *answer;
	enum status status;

	strncat(request.name, name, sizeof(request.name) - 1);
	status = ctl_call(check->socket, &request, PROBE_MS, &answer, why);
	if (status != STATUS_OK) {
		ctl_point_failed(points, ctl_exit_of(status), name, "%s", why);
		return;
	}
	judge_probe(points, device, answer);
	ctl_points_add(points, answer);
}

void ctl_check_secondary(struct ctl_points *points, const char *socket, const json_t *status, const char *device)
{
	struct check check = { points, socket };

	check_listen(points, status);
	check_peers(points, socket, status);
	ctl_check_devices(points, socket, status, device, check_device, &check);
}
