/* SPDX-License-Identifier: Apache-2.0
 *
 * Invalid tracks, asked for or changed: see tracks.h. A list may have more ranges than an answer has room for, so it
 * begins where it was asked to and says where the next one begins. No state.
 */
#include "local/tracks.h"

#include <assert.h>
#include <inttypes.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/track_set.h"
#include "local/server.h"
#include "local/show.h"

bool control_tracks(struct control_request *request, struct track_set **change)
{
	const struct msg_control *control = control_message(request);
	uint32_t bytes;
	const uint8_t *payload = control_payload(request, &bytes);

	assert(control->verb == VERB_TRACKS);
	*change = NULL;
	if (control->action == TRACKS_LIST)
		return true;
	if (control->action != TRACKS_MARK && control->action != TRACKS_CLEAR) {
		control_refuse(request, STATUS_BAD_REQUEST, "tracks are listed, marked or cleared");
		return false;
	}
	*change = track_set_unpack(payload, bytes, TRACK_SET_RANGES_MAX);
	if (*change == NULL) {
		control_refuse(request, STATUS_BAD_REQUEST, "the payload is no set of tracks");
		return false;
	}
	if (control->action == TRACKS_MARK && track_set_end(*change) > TRACKS_END) {
		control_refuse(request, STATUS_BAD_REQUEST, "no volume has a track %" PRIu64, track_set_end(*change) - 1);
		track_set_free(*change);
		return false;
	}
	log_info("uid %u %s tracks of device %s: %" PRIu64 " in %zu ranges", control_uid(request),
		control->action == TRACKS_MARK ? "marks invalid" : "clears of invalid", control->name,
		track_set_tracks(*change), track_set_ranges(*change));
	return true;
}

/* The ranges from there on, as many as an answer has room for, and where the next begins. */
static void list(json_t *json, const struct track_set *set, uint64_t from)
{
	json_t *ranges = json_array();
	struct track_range range;

	while (json_array_size(ranges) < TRACKS_LIST_RANGES && track_set_next(set, from, &range)) {
		json_array_append_new(ranges, json_pack("[I, I]", (json_int_t)range.first, (json_int_t)range.count));
		from = range.first + range.count;
	}
	json_object_set_new(json, "ranges", ranges);
	json_object_set_new(json, "next", track_set_next(set, from, &range) ? json_integer((json_int_t)range.first) :
		json_null());
}

void control_answer_tracks(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	struct control_request *request = arg;
	const struct msg_control *control = control_message(request);
	json_t *json;

	if (status != STATUS_OK) {
		control_refuse(request, status, "%s", detail);
		return;
	}
	json = json_object();
	show_set_text(json, "device", control->name);
	show_set_count(json, "tracks", track_set_tracks(set));
	if (control->action == TRACKS_LIST)
		list(json, set, control->first_track);
	control_answer(request, json);
}
