/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl tracks: a list comes in answers of limited length, a change goes in payloads of limited length, so both may
 * take several requests. One thread.
 */
#include "primary/ctl/tracks.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/track_set.h"
#include "primary/ctl/ask.h"
#include "primary/ctl/ranges.h"
#include "primary/ctl/words.h"

#define PIECE_RANGES (CONTROL_PAYLOAD_BYTES_MAX / TRACK_SET_PACKED_BYTES)

static struct msg_control request_of(const struct ctl_options *options, enum tracks_action action)
{
	struct msg_control request = { .verb = VERB_TRACKS, .action = action };

	snprintf(request.name, sizeof(request.name), "%s", options->name);
	return request;
}

static void print_count(const struct ctl_options *options, uint64_t tracks, FILE *out)
{
	if (tracks == 0)
		fprintf(out, "%s: no invalid tracks\n", options->name);
	else
		fprintf(out, "%s: %s\n", options->name, ctl_count(tracks, "invalid track", "invalid tracks"));
}

/* ---- Lists ---- */

/* The ranges of one answer; false: they make no sense. *next: where to go on, or UINT64_MAX at the end. */
static bool take_page(struct track_set *set, const json_t *answer, uint64_t from, uint64_t *next)
{
	const json_t *ranges = json_object_get(answer, "ranges"), *range;
	size_t index;

	*next = ctl_has(answer, "next") ? ctl_integer_of(answer, "next") : UINT64_MAX;
	if (!json_is_array(ranges) || *next <= from)
		return false;
	json_array_foreach(ranges, index, range) {
		json_int_t first = json_integer_value(json_array_get(range, 0));
		json_int_t count = json_integer_value(json_array_get(range, 1));

		if (first < 0 || count <= 0)
			return false;
		track_set_add(set, (uint64_t)first, (uint64_t)count);
	}
	return true;
}

static enum ctl_exit ask_for_all(const struct ctl_options *options, struct track_set *set)
{
	struct msg_control request = request_of(options, TRACKS_LIST);
	uint64_t next = 0;
	bool is_good = true;

	while (is_good && next != UINT64_MAX) {
		json_t *answer;
		enum ctl_exit code;

		request.first_track = next;
		code = ctl_ask(options, &request, NULL, 0, &answer);
		if (code != CTL_GOOD)
			return code;
		is_good = take_page(set, answer, request.first_track, &next);
		json_decref(answer);
	}
	if (is_good)
		return CTL_GOOD;
	log_error("the answer makes no sense");
	return CTL_NO_DAEMON;
}

static void print_list_json(const struct ctl_options *options, const struct track_set *set)
{
	json_t *ranges = json_array();
	json_t *json = json_pack("{s:s, s:I, s:o}", "device", options->name, "tracks",
		(json_int_t)track_set_tracks(set), "ranges", ranges);

	for (size_t i = 0; i < track_set_ranges(set); i++) {
		struct track_range range = track_set_range(set, i);

		json_array_append_new(ranges, json_pack("[I, I]", (json_int_t)range.first, (json_int_t)range.count));
	}
	ctl_print_json(json, stdout);
	json_decref(json);
}

static enum ctl_exit list(const struct ctl_options *options)
{
	struct track_set *set = track_set_new();
	enum ctl_exit code = ask_for_all(options, set);

	if (code == CTL_GOOD && options->tracks == CTL_TRACKS_EXPORT) {
		ctl_ranges_print(set, "", stdout);
	} else if (code == CTL_GOOD && options->json) {
		print_list_json(options, set);
	} else if (code == CTL_GOOD) {
		print_count(options, track_set_tracks(set), stdout);
		ctl_ranges_print(set, "  ", stdout);
	}
	track_set_free(set);
	return code;
}

/* ---- Changes ---- */

/* Piece by piece; with the answer to the last. */
static enum ctl_exit send_change(const struct ctl_options *options, enum tracks_action action,
	const struct track_set *set, json_t **answer)
{
	size_t ranges = track_set_ranges(set), sent = 0;
	uint8_t *packed = xcalloc(ranges + 1, TRACK_SET_PACKED_BYTES);
	enum ctl_exit code;

	track_set_pack(set, packed);
	do {
		struct msg_control request = request_of(options, action);
		size_t piece = ranges - sent < PIECE_RANGES ? ranges - sent : PIECE_RANGES;

		if (sent > 0)
			json_decref(*answer);
		code = ctl_ask(options, &request, packed + sent * TRACK_SET_PACKED_BYTES,
			(uint32_t)(piece * TRACK_SET_PACKED_BYTES), answer);
		if (code != CTL_GOOD && sent > 0)
			log_error("the first %zu of %zu ranges were taken", sent, ranges);
		sent += piece;
	} while (code == CTL_GOOD && sent < ranges);
	free(packed);
	return code;
}

static enum ctl_exit change(const struct ctl_options *options, enum tracks_action action, const struct track_set *set)
{
	json_t *answer;
	enum ctl_exit code = send_change(options, action, set, &answer);

	if (code != CTL_GOOD)
		return code;
	if (options->json)
		ctl_print_json(answer, stdout);
	else
		print_count(options, ctl_integer_of(answer, "tracks"), stdout);
	json_decref(answer);
	return CTL_GOOD;
}

static bool read_file(struct track_set *set, const char *path, char why[CTL_WHY_BYTES])
{
	bool is_input = strcmp(path, "-") == 0, is_good;
	FILE *in = is_input ? stdin : fopen(path, "re");

	if (in == NULL) {
		snprintf(why, CTL_WHY_BYTES, "%.300s: %s", path, strerror(errno));
		return false;
	}
	is_good = ctl_ranges_read(set, in, is_input ? "standard input" : path, why);
	if (!is_input)
		fclose(in);
	return is_good;
}

/* What is to be changed; false with words in why. */
static bool take_set(const struct ctl_options *options, struct track_set *set, char why[CTL_WHY_BYTES])
{
	if (options->tracks == CTL_TRACKS_IMPORT)
		return read_file(set, options->tracks_text, why);
	if (options->tracks != CTL_TRACKS_CLEAR || strcmp(options->tracks_text, "all") != 0)
		return ctl_ranges_take(set, options->tracks_text, why);
	track_set_add(set, 0, UINT64_MAX);
	return true;
}

enum ctl_exit ctl_run_tracks(const struct ctl_options *options)
{
	struct track_set *set;
	char why[CTL_WHY_BYTES];
	enum ctl_exit code = CTL_USAGE;

	if (options->tracks == CTL_TRACKS_LIST || options->tracks == CTL_TRACKS_EXPORT)
		return list(options);
	set = track_set_new();
	if (take_set(options, set, why))
		code = change(options, options->tracks == CTL_TRACKS_CLEAR ? TRACKS_CLEAR : TRACKS_MARK, set);
	else
		log_error("%s", why);
	track_set_free(set);
	return code;
}
