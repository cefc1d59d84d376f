/* SPDX-License-Identifier: Apache-2.0
 *
 * The values of the options of ra-compare: one small parser per kind, with words that name the option, the value and
 * what was expected.
 */
#include "primary/compare/options_value.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "base/config.h"
#include "base/limits.h"
#include "primary/compare/until.h"
#include "wire/message.h"

#define TIME_MS_MAX (3600 * 1000u)
#define CACHE_BYTES_MIN (DA_THREADS_SMALL_CACHE * (uint64_t)RUN_BYTES_MAX)
#define CACHE_BYTES_MAX (1ull << 40)
#define SOCKET_PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define REPEAT_MAX 1000000000ull
#define EXACT_MAX 1000000000ull
#define DURATION_MS_MAX (366 * 24 * 3600 * 1000ull)
#define AGE_MS_MAX (100 * DURATION_MS_MAX)
#define SETTLE_ROUNDS_MAX 100u
#define FD_MAX 1048575ull

void options_refuse(struct options_parser *parser, const char *format, ...)
{
	va_list args;

	if (parser->is_bad)
		return;
	parser->is_bad = true;
	va_start(args, format);
	vsnprintf(parser->why, OPTIONS_WHY_BYTES, format, args);
	va_end(args);
}

static void parse_number(struct options_parser *parser, const char *name, const char *text, uint64_t min, uint64_t max,
	uint64_t *out)
{
	const char *rest;
	uint64_t value;

	if (!config_parse_digits(text, &value, &rest) || *rest != '\0' || value < min || value > max)
		options_refuse(parser, "--%s %.40s: expected a number from %llu to %llu", name, text, (unsigned long long)min,
			(unsigned long long)max);
	else
		*out = value;
}

void option_track_size(struct options_parser *parser, const char *text)
{
	uint64_t bytes;

	if (!config_parse_size(text, &bytes) || bytes < TRACK_BYTES_MIN || bytes > TRACK_BYTES_MAX ||
		(bytes & (bytes - 1)) != 0)
		options_refuse(parser, "--track-size %.40s: expected a power of two from 4K to 1M", text);
	else
		parser->options->track_bytes = (uint32_t)bytes;
}

void option_cache(struct options_parser *parser, const char *text)
{
	uint64_t bytes;

	if (!config_parse_size(text, &bytes) || bytes < CACHE_BYTES_MIN || bytes > CACHE_BYTES_MAX)
		options_refuse(parser, "--cache %.40s: expected a size from 16M to 1T, such as 64M", text);
	else
		parser->options->cache_bytes = bytes;
}

void option_limit(struct options_parser *parser, const char *text)
{
	if (!config_parse_rate(text, &parser->options->limit_bytes_per_s))
		options_refuse(parser, "--limit %.40s: expected bytes a second, such as 100M, or none", text);
}

void option_time(struct options_parser *parser, const char *name, const char *text, int64_t *out_ms)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms == 0 || value_ms > TIME_MS_MAX)
		options_refuse(parser, "--%s %.40s: expected a time from 1ms to 1h, such as 100ms or 4s", name, text);
	else
		*out_ms = (int64_t)value_ms;
}

void option_tracks(struct options_parser *parser, const char *text)
{
	struct options *options = parser->options;
	uint64_t first, last;
	const char *rest;
	bool is_good;

	is_good = config_parse_digits(text, &first, &rest);
	last = first;
	if (is_good && rest[0] == '-' && rest[1] == '\0')
		last = UINT64_MAX;
	else if (is_good && rest[0] == '-')
		is_good = config_parse_digits(rest + 1, &last, &rest) && *rest == '\0';
	else
		is_good = is_good && *rest == '\0';
	if (!is_good || first > last || first == UINT64_MAX) {
		options_refuse(parser, "--tracks %.60s: expected A-B, A or A-, counted from 0", text);
		return;
	}
	options->has_tracks = true;
	options->first_track = first;
	options->last_track = last;
}

/* words: NULL-terminated; returns the index, or -1 after refusing. */
static int parse_word(struct options_parser *parser, const char *name, const char *text, const char *const words[],
	const char *expected)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	options_refuse(parser, "--%s %.40s: expected %s", name, text, expected);
	return -1;
}

void option_by(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "digest", "data", NULL };
	int i = parse_word(parser, "by", text, words, "digest or data");

	if (i >= 0)
		parser->is_by_data = i == 1;
}

void option_digest(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "xxh3-128", "sha256", NULL };
	static const enum digest values[] = { DIGEST_XXH3_128, DIGEST_SHA256 };
	int i = parse_word(parser, "digest", text, words, "xxh3-128 or sha256");

	if (i >= 0)
		parser->options->digest = values[i];
}

void option_delivery(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "disconnect", "poll", "hold", NULL };
	static const enum delivery values[] = { DELIVERY_DISCONNECT, DELIVERY_POLL, DELIVERY_HOLD };
	int i = parse_word(parser, "delivery", text, words, "disconnect, poll or hold");

	if (i >= 0)
		parser->options->delivery = values[i];
}

void option_io(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "auto", "buffered", "direct", NULL };
	static const enum io_mode values[] = { IO_MODE_AUTO, IO_MODE_BUFFERED, IO_MODE_DIRECT };
	int i = parse_word(parser, "io", text, words, "auto, buffered or direct");

	if (i >= 0)
		parser->options->io = values[i];
}

void option_progress(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "auto", "always", "never", NULL };
	static const enum progress_mode values[] = { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
	int i = text ? parse_word(parser, "progress", text, words, "auto, always or never") : 1;

	if (i >= 0)
		parser->options->progress = values[i];
}

void option_status_fd(struct options_parser *parser, const char *text)
{
	uint64_t fd = 0;
	int flags;

	parse_number(parser, "status-fd", text, 1, FD_MAX, &fd);
	if (fd == 0)
		return;
	flags = fcntl((int)fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		options_refuse(parser, "--status-fd %.40s: this descriptor is not open%s", text,
			flags < 0 ? "" : " for writing");
	else
		parser->options->status_fd = (int)fd;
}

void option_reserve(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "ra", "exclusive", NULL };
	static const enum reserve_mode values[] = { RESERVE_RA, RESERVE_EXCLUSIVE };
	int i = text ? parse_word(parser, "reserve", text, words, "ra or exclusive") : 0;

	if (i >= 0)
		parser->options->reserve = values[i];
}

void option_settle(struct options_parser *parser, const char *text)
{
	uint64_t rounds = 0;

	parse_number(parser, "settle", text, 0, SETTLE_ROUNDS_MAX, &rounds);
	parser->options->settle_rounds = (uint32_t)rounds;
}

void option_max_lag(struct options_parser *parser, const char *text)
{
	uint64_t value_ms = 0;

	if (!config_parse_time(text, &value_ms) || value_ms > TIME_MS_MAX)
		options_refuse(parser, "--max-lag %.40s: expected a time up to 1h, such as 5s", text);
	parser->options->has_max_lag = true;
	parser->options->max_lag_ms = (int64_t)value_ms;
}

void option_stop_after(struct options_parser *parser, const char *text)
{
	parse_number(parser, "stop-after", text, 1, EXACT_MAX, &parser->options->stop_after);
}

void option_state(struct options_parser *parser, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= PATH_BYTES_MAX - sizeof(".lock"))
		options_refuse(parser, "--state %.60s: expected the path of a file, or none", text);
	parser->options->no_state = strcmp(text, "none") == 0;
	parser->options->state_path = parser->options->no_state ? NULL : text;
}

/* The earlier of two ends counts. */
static void end_after(struct options *options, int64_t duration_ms)
{
	if (options->max_duration_ms == 0 || duration_ms < options->max_duration_ms)
		options->max_duration_ms = duration_ms;
}

void option_max_duration(struct options_parser *parser, const char *text)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms == 0 || value_ms > DURATION_MS_MAX)
		options_refuse(parser, "--max-duration %.40s: expected a time up to 366d, such as 90m or 8h", text);
	else
		end_after(parser->options, (int64_t)value_ms);
}

void option_until(struct options_parser *parser, const char *text)
{
	int64_t seconds = until_s(text, time(NULL));

	if (seconds < 0)
		options_refuse(parser, "--until %.40s: expected HH:MM", text);
	else
		end_after(parser->options, seconds * 1000);
}

void option_older_than(struct options_parser *parser, const char *text)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms < 1000 || value_ms > AGE_MS_MAX)
		options_refuse(parser, "--older-than %.40s: expected an age from 1s on, such as 30d or 12h", text);
	else
		parser->options->older_than_s = (int64_t)(value_ms / 1000);
}

void option_invalid(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "skip", "refuse", "check", NULL };
	static const enum invalid_mode values[] = { INVALID_SKIP, INVALID_REFUSE, INVALID_CHECK };
	int i = parse_word(parser, "invalid", text, words, "skip, refuse or check");

	if (i >= 0)
		parser->options->invalid = values[i];
}

void option_repeat(struct options_parser *parser, const char *text)
{
	if (strcmp(text, "forever") == 0)
		parser->options->repeat = OPTIONS_REPEAT_FOREVER;
	else
		parse_number(parser, "repeat", text, 1, REPEAT_MAX, &parser->options->repeat);
}

void option_exact(struct options_parser *parser, const char *text)
{
	parse_number(parser, "exact", text, 0, EXACT_MAX, &parser->options->exact_tracks);
}

void option_socket(struct options_parser *parser, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= SOCKET_PATH_BYTES)
		options_refuse(parser, "--socket %.60s: expected a path of 1 to %zu bytes", text, SOCKET_PATH_BYTES - 1);
	else
		parser->options->socket_path = text;
}

void option_count(struct options_parser *parser, const char *name, const char *text, uint32_t max, uint32_t *out)
{
	uint64_t value = *out;

	parse_number(parser, name, text, 1, max, &value);
	*out = (uint32_t)value;
}
