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
			ctl_point_failed(points, CTL_NO_DAEMON, NULL, "peer %s has no link: does ra-primaryd run there, with key = %s "
				"in its [peer] for this host, and can it reach this one?", name, ctl_text_of(status, "key"));
		if (refused > 0)
			ctl_point_failed(points, CTL_WRONG, NULL, "%s of peer %s had to be refused: max-links is %" PRIu64,
				ctl_count(refused, "link", "links"), name, ctl_integer_of(peer, "links_max"));
	}
	if (answer != NULL && json_array_size(peers) == 0)
		ctl_point_failed(points, CTL_WRONG, NULL, "%s has no [peer]: nobody may read anything",
			ctl_text_of(status, "config"));
	json_decref(answer);
}

static void judge_probe(struct ctl_points *points, const char *device, const json_t *probe)
{
	const json_t *volume = json_object_get(probe, "volume");
	uint64_t unreadable = ctl_integer_of(probe, "unreadable_tracks");

	if (volume != NULL)
		ctl_point_good(points, device, "volume %s: %s, %s, %s io", ctl_text_of(volume, "path"),
			ctl_text_of(volume, "kind"), ctl_bytes(ctl_number_of(volume, "bytes")), ctl_text_of(volume, "io"));
	if (ctl_has(probe, "error"))
		ctl_point_failed(points, CTL_WRONG, device, "%s: %s. Look at volume in [device %s]",
			volume != NULL ? "it cannot be read" : "the volume cannot be opened", ctl_text_of(probe, "error"), device);
	else if (unreadable > 0)
		ctl_point_failed(points, CTL_WRONG, device, "%s cannot be read: look at its disk",
			ctl_count(unreadable, "track", "tracks"));
	else
		ctl_point_good(points, device, "it is read at %s: %s in %s", ctl_rate(ctl_number_of(probe, "bytes_per_second")),
			ctl_bytes(ctl_number_of(probe, "bytes_read")), ctl_age(ctl_number_of(probe, "seconds")));
}

static void check_device(struct ctl_points *points, const char *socket, const char *device)
{
	struct msg_control request = { .verb = VERB_PROBE };
	char why[CTL_WHY_BYTES] = "";
	json_t *answer;
	enum status status;

	strncat(request.name, device, sizeof(request.name) - 1);
	status = ctl_call(socket, &request, PROBE_MS, &answer, why);
	if (status == STATUS_OK)
		judge_probe(points, device, answer);
	else
		ctl_point_failed(points, status == STATUS_NO_SUCH_DEVICE ? CTL_WRONG : ctl_exit_of(status), device, "%s", why);
	if (answer != NULL)
		ctl_points_add(points, json_incref(answer));
	json_decref(answer);
}

void ctl_check_secondary(struct ctl_points *points, const char *socket, const json_t *status, const char *device)
{
	json_t *answer;
	const json_t *one;
	size_t index;

	check_listen(points, status);
	check_peers(points, socket, status);
	if (device[0] != '\0') {
		check_device(points, socket, device);
		return;
	}
	answer = ctl_check_ask(points, socket, VERB_DEVICES);
	json_array_foreach(json_object_get(answer, "devices"), index, one)
		check_device(points, socket, ctl_text_of(one, "name"));
	if (answer != NULL && json_array_size(json_object_get(answer, "devices")) == 0)
		ctl_point_failed(points, CTL_WRONG, NULL, "%s has no [device]: nothing can be read", ctl_text_of(status, "config"));
	json_decref(answer);
}
