/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of the members that a report must have, and its ranges one by one.
 */
#include "primary/report_form.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX 16384u /* of a path, or of a sentence */

enum form { FORM_TEXT, FORM_TIME, FORM_COUNT, FORM_NUMBER, FORM_BOOL, FORM_OBJECT, FORM_ARRAY };

struct member {
	const char *name;
	enum form form;
};

static const struct member report_members[] = {
	{ "format", FORM_TEXT }, { "result", FORM_TEXT }, { "complete", FORM_BOOL }, { "started", FORM_TIME },
	{ "ended", FORM_TIME }, { "device", FORM_TEXT }, { "verdict", FORM_TEXT }, { "track_size", FORM_COUNT },
	{ "local", FORM_OBJECT }, { "remote", FORM_OBJECT }, { "seconds", FORM_NUMBER }, { "tracks", FORM_OBJECT },
	{ "ranges", FORM_ARRAY }, { NULL, FORM_TEXT },
};
static const struct member volume_members[] = {
	{ "path", FORM_TEXT }, { "size_bytes", FORM_COUNT }, { NULL, FORM_TEXT },
};
static const struct member tracks_members[] = {
	{ "total", FORM_COUNT }, { "identical", FORM_COUNT }, { "different", FORM_COUNT }, { "unsettled", FORM_COUNT },
	{ "invalid", FORM_COUNT }, { "unreadable", FORM_COUNT }, { "not_compared", FORM_COUNT }, { NULL, FORM_TEXT },
};
static const struct member range_members[] = {
	{ "state", FORM_TEXT }, { "offset", FORM_COUNT }, { "length", FORM_COUNT }, { NULL, FORM_TEXT },
};

/* "2026-11-24T12:00:00Z" */
static bool is_time(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00Z";

	for (size_t i = 0; i < sizeof(form); i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

static bool has_form(const json_t *value, enum form form)
{
	switch (form) {
	case FORM_TEXT:
		return json_is_string(value) && json_string_length(value) <= TEXT_BYTES_MAX;
	case FORM_TIME:
		return json_is_string(value) && is_time(json_string_value(value));
	case FORM_COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case FORM_NUMBER:
		return json_is_number(value) && json_number_value(value) >= 0;
	case FORM_BOOL:
		return json_is_boolean(value);
	case FORM_OBJECT:
		return json_is_object(value);
	case FORM_ARRAY:
		return json_is_array(value);
	}
	return false;
}

#define refuse(why, ...) (snprintf((why), DETAIL_MAX + 1, __VA_ARGS__), false)

/* where: "", or the name of the object with a dot. */
static bool has_members(const json_t *object, const struct member *members, const char *where, char *why)
{
	for (; members->name != NULL; members++)
		if (!has_form(json_object_get(object, members->name), members->form))
			return refuse(why, "its %s%s is missing, or not what it should be", where, members->name);
	return true;
}

static bool has_word(const json_t *object, const char *name, const char *const *words, char *why)
{
	const char *word = json_string_value(json_object_get(object, name));

	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return refuse(why, "its %s '%.80s' is not known", name, word);
}

/* In order, never overlapping, none empty. */
static bool has_ranges(const json_t *ranges, char *why)
{
	static const char *const states[] = { "different", "unsettled", "invalid", "unreadable", "not_compared", NULL };
	const json_t *range;
	json_int_t end = 0;
	size_t index;

	json_array_foreach(ranges, index, range) {
		if (!has_members(range, range_members, "ranges.", why) || !has_word(range, "state", states, why))
			return false;
		json_int_t offset = json_integer_value(json_object_get(range, "offset"));
		json_int_t length = json_integer_value(json_object_get(range, "length"));
		if (offset < end || length == 0 || length > INT64_MAX - offset)
			return refuse(why, "its range %zu does not follow the one before", index);
		end = offset + length;
	}
	return true;
}

static bool has_report_form(const json_t *report, const char *device, char *why)
{
	static const char *const formats[] = { "ra-compare/1", NULL };
	static const char *const results[] = { "identical", "different", "not-proven", NULL };
	const char *const devices[] = { device, NULL };
	json_int_t track_bytes;

	if (!has_members(report, report_members, "", why) || !has_word(report, "format", formats, why) ||
		!has_word(report, "result", results, why) || !has_word(report, "device", devices, why) ||
		!has_members(json_object_get(report, "local"), volume_members, "local.", why) ||
		!has_members(json_object_get(report, "remote"), volume_members, "remote.", why) ||
		!has_members(json_object_get(report, "tracks"), tracks_members, "tracks.", why))
		return false;
	track_bytes = json_integer_value(json_object_get(report, "track_size"));
	if (track_bytes < TRACK_BYTES_MIN || track_bytes > TRACK_BYTES_MAX || (track_bytes & (track_bytes - 1)) != 0)
		return refuse(why, "its track_size is no power of two from 4 KiB to 1 MiB");
	return has_ranges(json_object_get(report, "ranges"), why);
}

json_t *report_form_read(const void *bytes, size_t count, const char *device, char why[DETAIL_MAX + 1])
{
	json_error_t error;
	json_t *report = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &error);

	if (report == NULL)
		snprintf(why, DETAIL_MAX + 1, "no JSON: line %d: %.100s", error.line, error.text);
	if (report == NULL || has_report_form(report, device, why))
		return report;
	json_decref(report);
	return NULL;
}

json_t *report_form_summary(const json_t *report)
{
	static const char *const kept[] = { "started", "ended", "seconds", "result", "complete", "verdict", "tracks" };
	json_t *summary = json_object();

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		json_object_set(summary, kept[i], json_object_get(report, kept[i]));
	return summary;
}
