/* SPDX-License-Identifier: Apache-2.0
 *
 * Words for numbers. Sizes have three digits at least where they are not whole, so that two that differ look different.
 * One thread.
 */
#include "primary/ctl/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/plural.h"

#define TEXTS 8u
#define TEXT_BYTES 96u

static char *next_text(void)
{
	static char texts[TEXTS][TEXT_BYTES];
	static unsigned turn;

	return texts[turn++ % TEXTS];
}

static void write_size(char *text, double bytes, const char *behind)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	const char *name;
	unsigned unit = 0;
	bool is_whole;

	for (; bytes >= 1024 && unit < 6; unit++)
		bytes /= 1024;
	is_whole = bytes == (double)(uint64_t)bytes || bytes >= 100;
	name = unit == 0 && bytes == 1 ? "byte" : units[unit];
	snprintf(text, TEXT_BYTES, "%.*f %s%s", is_whole ? 0 : bytes < 10 ? 2 : 1, bytes, name, behind);
}

const char *ctl_bytes(double bytes)
{
	char *text = next_text();

	write_size(text, bytes, "");
	return text;
}

const char *ctl_rate(double bytes)
{
	char *text = next_text();

	write_size(text, bytes, "/s");
	return text;
}

const char *ctl_age(double seconds)
{
	static const struct {
		double below_s, unit_s;
		const char *name;
	} units[] = { { 120, 1, "s" }, { 7200, 60, "min" }, { 172800, 3600, "h" } };
	char *text = next_text();

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds < units[i].below_s) {
			snprintf(text, TEXT_BYTES, "%.*f %s", seconds < 9.95 ? 1 : 0, seconds / units[i].unit_s, units[i].name);
			return text;
		}
	}
	snprintf(text, TEXT_BYTES, "%.0f days", seconds / 86400);
	return text;
}

const char *ctl_count(uint64_t number, const char *one, const char *many)
{
	char *text = next_text();

	snprintf(text, TEXT_BYTES, "%" PRIu64 " %s", number, plural(number, one, many));
	return text;
}

const char *ctl_tracks(uint64_t first, uint64_t count)
{
	char *text = next_text();

	if (count == 0)
		text[0] = '\0';
	else if (count == 1)
		snprintf(text, TEXT_BYTES, "%" PRIu64, first);
	else
		snprintf(text, TEXT_BYTES, "%" PRIu64 "-%" PRIu64, first, first + count - 1);
	return text;
}

void ctl_print_json(const json_t *json, FILE *out)
{
	json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	fputc('\n', out);
}

const char *ctl_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

double ctl_number_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

uint64_t ctl_integer_of(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

bool ctl_has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value != NULL && !json_is_null(value);
}

const char *ctl_limit_of(const json_t *object)
{
	uint64_t bytes = ctl_integer_of(object, "bytes_per_second"), reads = ctl_integer_of(object, "reads_per_second");
	char *text = next_text();

	text[0] = '\0';
	if (bytes != 0)
		write_size(text, (double)bytes, reads != 0 ? "/s, " : "/s");
	if (reads != 0)
		snprintf(text + strlen(text), TEXT_BYTES - strlen(text), "%" PRIu64 " %s/s", reads,
			plural(reads, "read", "reads"));
	return text;
}
