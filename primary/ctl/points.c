/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of points. Their order is that of the causes: what fails first explains what fails after it. One thread.
 */
#include "primary/ctl/points.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "local/show.h"
#include "primary/ctl/words.h"

#define TEXT_BYTES 8192u /* a path may stand in it */

struct ctl_points {
	bool is_json;
	FILE *out;
	json_t *points, *devices;
	bool has_failed[CTL_BUSY + 1]; /* by code */
};

struct ctl_points *ctl_points_new(bool is_json, FILE *out)
{
	struct ctl_points *points = xcalloc(1, sizeof(*points));

	points->is_json = is_json;
	points->out = out;
	points->points = json_array();
	points->devices = json_array();
	return points;
}

void ctl_points_free(struct ctl_points *points)
{
	if (points == NULL)
		return;
	json_decref(points->points);
	json_decref(points->devices);
	free(points);
}

static void add(struct ctl_points *points, bool is_good, const char *device, const char *text)
{
	json_t *point = json_pack("{s:b}", "ok", is_good);

	if (device != NULL)
		json_object_set_new(point, "device", show_text(device));
	json_object_set_new(point, "text", show_text(text));
	json_array_append_new(points->points, point);
	if (points->is_json)
		return;
	fprintf(points->out, "%s%s%s", is_good ? "ok      " : "FAILED  ", device != NULL ? device : "",
		device != NULL ? ": " : "");
	show_clean(text, points->out);
	fputc('\n', points->out);
	fflush(points->out);
}

void ctl_point_good(struct ctl_points *points, const char *device, const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add(points, true, device, text);
}

void ctl_point_failed(struct ctl_points *points, enum ctl_exit code, const char *device, const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	points->has_failed[code] = true;
	add(points, false, device, text);
}

void ctl_points_add(struct ctl_points *points, json_t *json)
{
	json_array_append_new(points->devices, json);
}

static enum ctl_exit exit_of(const struct ctl_points *points)
{
	static const enum ctl_exit order[] = { CTL_NO_DAEMON, CTL_USAGE, CTL_WRONG, CTL_BUSY };

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (points->has_failed[order[i]])
			return order[i];
	return CTL_GOOD;
}

enum ctl_exit ctl_points_end(const struct ctl_points *points)
{
	enum ctl_exit code = exit_of(points);
	json_t *document;

	if (points->is_json) {
		document = json_pack("{s:s, s:b, s:O, s:O}", "format", "ra-ctl/1", "ok", code == CTL_GOOD, "points",
			points->points, "devices", points->devices);
		ctl_print_json(document, points->out);
		json_decref(document);
	}
	return code;
}
