/* SPDX-License-Identifier: Apache-2.0
 *
 * What both daemons show through ra-ctl, as JSON, and its text within the size of an answer. Paths and words of peers
 * may have any bytes, and JSON may not. Loop thread only.
 */
#include "local/show.h"

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/config_daemon.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/post.h"
#include "base/rate.h"

json_t *show_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json)
		return json;
	copy = xstrdup(text);
	for (char *at = copy; *at; at++)
		if ((unsigned char)*at >= 128)
			*at = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

/* U+0080 to U+009F are control characters too. */
void show_clean(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text, next = (unsigned char)text[1];

		if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
			fputc('?', out);
			text++;
		} else {
			fputc(byte < ' ' || byte == 0x7f ? '?' : byte, out);
		}
	}
}

void show_utc(int64_t wall_s, char text[SHOW_UTC_CHARS])
{
	time_t when = (time_t)wall_s;
	struct tm parts;

	if (!gmtime_r(&when, &parts) || strftime(text, SHOW_UTC_CHARS, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		snprintf(text, SHOW_UTC_CHARS, "an unknown time");
}

void show_set_text(json_t *object, const char *key, const char *text)
{
	if (text && text[0])
		json_object_set_new(object, key, show_text(text));
}

void show_set_utc(json_t *object, const char *key, int64_t wall_s)
{
	char text[SHOW_UTC_CHARS];

	show_utc(wall_s, text);
	show_set_text(object, key, text);
}

void show_set_count(json_t *object, const char *key, uint64_t count)
{
	json_object_set_new(object, key, json_integer((json_int_t)count));
}

void show_set_ms(json_t *object, const char *key, int64_t ms)
{
	json_object_set_new(object, key, json_real((double)ms / 1000));
}

void show_set_link_id(json_t *object, uint64_t link_id)
{
	char text[sizeof("0x") + 16];

	if (link_id == 0)
		return;
	snprintf(text, sizeof(text), "0x%016" PRIx64, link_id);
	json_object_set_new(object, "link_id", json_string(text));
}

static json_t *show_error(const struct posted_error *error)
{
	json_t *json = json_object();

	show_set_count(json, "number", error->number);
	show_set_utc(json, "time", error->wall_s);
	json_object_set_new(json, "status", json_string(status_name(error->status)));
	show_set_text(json, "device", error->device);
	show_set_text(json, "peer", error->peer);
	if (error->track_count > 0) {
		show_set_count(json, "first_track", error->first_track);
		show_set_count(json, "tracks", error->track_count);
	}
	show_set_link_id(json, error->link_id);
	json_object_set_new(json, "text", show_text(error->text));
	return json;
}

json_t *show_errors(const struct post *post)
{
	json_t *errors = json_array();
	const struct posted_error *error;

	for (unsigned back = 0; (error = post_recent(post, back)); back++)
		json_array_append_new(errors, show_error(error));
	return json_pack("{s:o}", "errors", errors);
}

json_t *show_error_counts(const struct post *post)
{
	json_t *counts = json_object();

	for (enum status status = STATUS_OK; status < STATUS_COUNT; status++)
		if (post_count(post, status) > 0)
			show_set_count(counts, status_name(status), post_count(post, status));
	return counts;
}

json_t *show_rate(const struct rate *rate)
{
	struct rate_limit limit = { 0 };
	json_t *json = json_object();

	if (rate)
		limit = rate_limit(rate);
	show_set_count(json, "bytes_per_second", limit.bytes_per_s);
	show_set_count(json, "reads_per_second", limit.reads_per_s);
	show_set_ms(json, "throttled_seconds", rate ? (int64_t)rate_throttled_ms(rate) : 0);
	return json;
}

json_t *show_daemon(const char *name, const struct daemon_settings *settings, unsigned device_count, const char *key,
	int64_t uptime_ms, const struct post *post)
{
	json_t *json = json_object();

	show_set_text(json, "format", "ra-ctl/1");
	show_set_text(json, "daemon", name);
	show_set_text(json, "version", RA_VERSION);
	show_set_ms(json, "uptime_seconds", uptime_ms);
	show_set_text(json, "config", settings->path);
	show_set_text(json, "key", key);
	show_set_text(json, "socket", settings->socket);
	show_set_count(json, "devices", device_count);
	json_object_set_new(json, "errors", show_error_counts(post));
	show_set_count(json, "errors_total", post_total(post));
	return json;
}

/* Each bucket by itself; the last has no bound. */
static json_t *describe_times(const struct histogram *times)
{
	json_t *buckets = json_array();

	for (unsigned i = 0; i <= HISTOGRAM_BUCKETS; i++) {
		json_t *bucket = json_object();

		if (i < HISTOGRAM_BUCKETS)
			json_object_set_new(bucket, "seconds", json_real((double)histogram_bound_ns(i) / 1e9));
		show_set_count(bucket, "reads", times->counts[i]);
		json_array_append_new(buckets, bucket);
	}
	return json_pack("{s:o, s:f}", "buckets", buckets, "seconds", (double)times->sum_ns / 1e9);
}

json_t *show_da(unsigned threads, unsigned extra_threads, unsigned queued, unsigned running, unsigned abandoned,
	const struct histogram *read_times)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:o}", "threads", (int)threads, "extra_threads", (int)extra_threads,
		"queued", (int)queued, "running", (int)running, "abandoned", (int)abandoned, "read_times",
		describe_times(read_times));
}

json_t *show_volume(const struct volume_info *info)
{
	json_t *json = json_object();
	bool is_to_end = info->offset_bytes + info->size_bytes >= info->whole_bytes;

	json_object_set_new(json, "path", show_text(info->path));
	json_object_set_new(json, "kind", json_string(volume_kind_name(info->kind)));
	json_object_set_new(json, "io", json_string(io_mode_name(info->io)));
	show_set_count(json, "bytes", info->size_bytes);
	if (info->whole_bytes > 0)
		show_set_count(json, "whole_bytes", info->whole_bytes);
	show_set_count(json, "offset_bytes", info->offset_bytes);
	json_object_set_new(json, "length", json_string(info->is_common ? "common" : is_to_end ? "all" : "bytes"));
	return json;
}

/* ---- Text ---- */

/* The most elements of any list in it. */
static size_t longest_list(json_t *json)
{
	size_t longest = json_array_size(json), index, inner;
	const char *key;
	json_t *value;

	json_array_foreach(json, index, value) {
		inner = longest_list(value);
		longest = inner > longest ? inner : longest;
	}
	json_object_foreach(json, key, value) {
		inner = longest_list(value);
		longest = inner > longest ? inner : longest;
	}
	return longest;
}

/* Cuts the list, and adds what went to the number that its owner has beside it. */
static void cut_list(json_t *object, const char *key, json_t *list, size_t length_max)
{
	char *left_out_key = xasprintf("%s_left_out", key);
	json_int_t left_out = json_integer_value(json_object_get(object, left_out_key));

	left_out += (json_int_t)(json_array_size(list) - length_max);
	while (json_array_size(list) > length_max)
		json_array_remove(list, json_array_size(list) - 1);
	json_object_set_new(object, left_out_key, json_integer(left_out));
	free(left_out_key);
}

static void cut_lists(json_t *json, size_t length_max)
{
	const char *key;
	json_t *value;
	size_t index;
	bool has_changed;

	json_array_foreach(json, index, value)
		cut_lists(value, length_max);
	do {
		has_changed = false;
		json_object_foreach(json, key, value) {
			if (json_array_size(value) > length_max) {
				cut_list(json, key, value, length_max);
				has_changed = true;
				break; /* a new key ends the walk */
			}
			cut_lists(value, length_max);
		}
	} while (has_changed);
}

char *show_dump(json_t *json, size_t bytes_max)
{
	const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(12);
	size_t length_max = longest_list(json);
	char *text = json_dumps(json, flags);

	while (text && strlen(text) > bytes_max && length_max > 0) {
		length_max /= 2;
		free(text);
		cut_lists(json, length_max);
		text = json_dumps(json, flags);
	}
	if (!text)
		log_abort("no memory for an answer in JSON");
	if (strlen(text) <= bytes_max)
		return text;
	free(text);
	return NULL;
}
