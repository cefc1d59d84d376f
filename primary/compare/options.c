/* SPDX-License-Identifier: Apache-2.0
 *
 * Command line of ra-compare: getopt_long, one table of the options, and one small parser per kind of value. A wrong
 * option does not end the parsing: the rest is still read, so that a --json that comes later is known when the error is
 * told.
 */
#include "primary/compare/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "base/config.h"
#include "base/limits.h"
#include "primary/compare/options_private.h"
#include "primary/compare/until.h"
#include "wire/message.h"

#define TIME_MS_MAX (3600 * 1000u)
#define CACHE_BYTES_MIN (DA_THREADS_DEFAULT * (uint64_t)RUN_BYTES_MAX)
#define CACHE_BYTES_MAX (1ull << 40)
#define SOCKET_PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define REPEAT_MAX 1000000000ull
#define EXACT_MAX 1000000000ull
#define DURATION_MS_MAX (366 * 24 * 3600 * 1000ull)
#define AGE_MS_MAX (100 * DURATION_MS_MAX)
#define SETTLE_ROUNDS_MAX 100u
#define FD_MAX 1048575ull

__attribute__((format(printf, 2, 3))) void options_refuse(struct options_parser *parser, const char *format, ...)
{
	va_list args;

	if (parser->is_bad)
		return;
	parser->is_bad = true;
	va_start(args, format);
	vsnprintf(parser->why, OPTIONS_WHY_BYTES, format, args);
	va_end(args);
}

/* Digits only: strtoull alone would take signs, blanks and an empty text. */
static bool parse_digits(const char *text, uint64_t *value, const char **rest)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	*rest = end;
	return errno == 0;
}

static void parse_number(struct options_parser *parser, const char *name, const char *text, uint64_t min, uint64_t max,
	uint64_t *out)
{
	const char *rest;
	uint64_t value;

	if (!parse_digits(text, &value, &rest) || *rest != '\0' || value < min || value > max)
		options_refuse(parser, "--%s %.40s: expected a number from %llu to %llu", name, text, (unsigned long long)min,
			(unsigned long long)max);
	else
		*out = value;
}

static void parse_track_size(struct options_parser *parser, const char *text)
{
	uint64_t bytes;

	if (!config_parse_size(text, &bytes) || bytes < TRACK_BYTES_MIN || bytes > TRACK_BYTES_MAX ||
		(bytes & (bytes - 1)) != 0)
		options_refuse(parser, "--track-size %.40s: expected a power of two from 4K to 1M", text);
	else
		parser->options->track_bytes = (uint32_t)bytes;
}

static void parse_cache(struct options_parser *parser, const char *text)
{
	uint64_t bytes;

	if (!config_parse_size(text, &bytes) || bytes < CACHE_BYTES_MIN || bytes > CACHE_BYTES_MAX)
		options_refuse(parser, "--cache %.40s: expected a size from 16M to 1T, such as 64M", text);
	else
		parser->options->cache_bytes = bytes;
}

static void parse_limit(struct options_parser *parser, const char *text)
{
	if (!config_parse_rate(text, &parser->options->limit_bytes_per_s))
		options_refuse(parser, "--limit %.40s: expected bytes a second, such as 100M, or none", text);
}

static void parse_time(struct options_parser *parser, const char *name, const char *text, int64_t *out_ms)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms == 0 || value_ms > TIME_MS_MAX)
		options_refuse(parser, "--%s %.40s: expected a time from 1ms to 1h, such as 100ms or 4s", name, text);
	else
		*out_ms = (int64_t)value_ms;
}

static void parse_tracks(struct options_parser *parser, const char *text)
{
	struct options *options = parser->options;
	uint64_t first, last;
	const char *rest;
	bool is_good;

	is_good = parse_digits(text, &first, &rest);
	last = first;
	if (is_good && rest[0] == '-' && rest[1] == '\0')
		last = UINT64_MAX;
	else if (is_good && rest[0] == '-')
		is_good = parse_digits(rest + 1, &last, &rest) && *rest == '\0';
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

static void parse_delivery(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "disconnect", "poll", "hold", NULL };
	static const enum delivery values[] = { DELIVERY_DISCONNECT, DELIVERY_POLL, DELIVERY_HOLD };
	int i = parse_word(parser, "delivery", text, words, "disconnect, poll or hold");

	if (i >= 0)
		parser->options->delivery = values[i];
}

static void parse_io(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "auto", "buffered", "direct", NULL };
	static const enum io_mode values[] = { IO_MODE_AUTO, IO_MODE_BUFFERED, IO_MODE_DIRECT };
	int i = parse_word(parser, "io", text, words, "auto, buffered or direct");

	if (i >= 0)
		parser->options->io = values[i];
}

static void parse_progress(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "auto", "always", "never", NULL };
	static const enum progress_mode values[] = { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
	int i = text ? parse_word(parser, "progress", text, words, "auto, always or never") : 1;

	if (i >= 0)
		parser->options->progress = values[i];
}

static void parse_status_fd(struct options_parser *parser, const char *text)
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

static void parse_reserve(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "ra", "exclusive", NULL };
	static const enum reserve_mode values[] = { RESERVE_RA, RESERVE_EXCLUSIVE };
	int i = text ? parse_word(parser, "reserve", text, words, "ra or exclusive") : 0;

	if (i >= 0)
		parser->options->reserve = values[i];
}

static void parse_settle(struct options_parser *parser, const char *text)
{
	uint64_t rounds = 0;

	parse_number(parser, "settle", text, 0, SETTLE_ROUNDS_MAX, &rounds);
	parser->options->settle_rounds = (uint32_t)rounds;
}

static void parse_max_lag(struct options_parser *parser, const char *text)
{
	uint64_t value_ms = 0;

	if (!config_parse_time(text, &value_ms) || value_ms > TIME_MS_MAX)
		options_refuse(parser, "--max-lag %.40s: expected a time up to 1h, such as 5s", text);
	parser->options->has_max_lag = true;
	parser->options->max_lag_ms = (int64_t)value_ms;
}

static void parse_stop_after(struct options_parser *parser, const char *text)
{
	parse_number(parser, "stop-after", text, 1, EXACT_MAX, &parser->options->stop_after);
}

static void parse_state(struct options_parser *parser, const char *text)
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

static void parse_max_duration(struct options_parser *parser, const char *text)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms == 0 || value_ms > DURATION_MS_MAX)
		options_refuse(parser, "--max-duration %.40s: expected a time up to 366d, such as 90m or 8h", text);
	else
		end_after(parser->options, (int64_t)value_ms);
}

static void parse_until(struct options_parser *parser, const char *text)
{
	int64_t seconds = until_s(text, time(NULL));

	if (seconds < 0)
		options_refuse(parser, "--until %.40s: expected HH:MM", text);
	else
		end_after(parser->options, seconds * 1000);
}

static void parse_older_than(struct options_parser *parser, const char *text)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms < 1000 || value_ms > AGE_MS_MAX)
		options_refuse(parser, "--older-than %.40s: expected an age from 1s on, such as 30d or 12h", text);
	else
		parser->options->older_than_s = (int64_t)(value_ms / 1000);
}

static void parse_invalid(struct options_parser *parser, const char *text)
{
	static const char *const words[] = { "skip", "refuse", "check", NULL };
	static const enum invalid_mode values[] = { INVALID_SKIP, INVALID_REFUSE, INVALID_CHECK };
	int i = parse_word(parser, "invalid", text, words, "skip, refuse or check");

	if (i >= 0)
		parser->options->invalid = values[i];
}

static void parse_repeat(struct options_parser *parser, const char *text)
{
	if (strcmp(text, "forever") == 0)
		parser->options->repeat = OPTIONS_REPEAT_FOREVER;
	else
		parse_number(parser, "repeat", text, 1, REPEAT_MAX, &parser->options->repeat);
}

static void parse_exact(struct options_parser *parser, const char *text)
{
	parse_number(parser, "exact", text, 0, EXACT_MAX, &parser->options->exact_tracks);
}

static void parse_socket(struct options_parser *parser, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= SOCKET_PATH_BYTES)
		options_refuse(parser, "--socket %.60s: expected a path of 1 to %zu bytes", text, SOCKET_PATH_BYTES - 1);
	else
		parser->options->socket_path = text;
}

static void parse_count(struct options_parser *parser, const char *name, const char *text, uint32_t max, uint32_t *out)
{
	uint64_t value = *out;

	parse_number(parser, name, text, 1, max, &value);
	*out = (uint32_t)value;
}

static void refuse_option(struct options_parser *parser, int code, char *const argv[])
{
	/* A long option stands one before optind; a short one may stand among others in the same word. */
	if (code == ':')
		options_refuse(parser, "%.80s: a value is missing", argv[optind - 1]);
	else if (optopt > 0 && optopt < 256)
		options_refuse(parser, "-%c: unknown option", optopt);
	else
		options_refuse(parser, "%.80s: unknown option, or one that takes no value", argv[optind - 1]);
}

/* ---- Rules ---- */

enum kind {
	KIND_FLAG,     /* bool */
	KIND_COUNT,    /* uint32_t from 1 to max */
	KIND_TIME,     /* int64_t, in ms */
	KIND_OWN,      /* parse */
	KIND_OPTIONAL, /* parse, perhaps with NULL */
};

static const struct rule {
	const char *name;
	enum kind kind;
	char letter;
	uint32_t max;
	size_t offset; /* in struct options; not with parse */
	void (*parse)(struct options_parser *parser, const char *text);
	const char *not_of_device, *of_device; /* words for those who give it for the other forms */
} rules[] = {
	{ "delivery", KIND_OWN, .parse = parse_delivery },
	{ "jobs", KIND_COUNT, .max = STREAMS_MAX, .offset = offsetof(struct options, jobs) },
	{ "run", KIND_COUNT, .max = RUN_TRACKS_MAX, .offset = offsetof(struct options, run_tracks) },
	{ "retry-delay", KIND_TIME, .offset = offsetof(struct options, retry_delay_ms) },
	{ "read-timeout", KIND_TIME, .offset = offsetof(struct options, read_timeout_ms) },
	{ "tracks", KIND_OWN, .parse = parse_tracks },
	{ "repeat", KIND_OWN, .parse = parse_repeat },
	{ "track-size", KIND_OWN, .parse = parse_track_size, .not_of_device = "both daemons' configuration says it" },
	{ "cache", KIND_OWN, .parse = parse_cache, .not_of_device = "the secondary's configuration says it" },
	{ "io", KIND_OWN, .parse = parse_io, .not_of_device = "the configuration says it for each side" },
	{ "socket", KIND_OWN, .parse = parse_socket, .of_device = "two volumes need no configured primary" },
	{ "limit", KIND_OWN, .parse = parse_limit },
	{ "link-timeout", KIND_TIME, .offset = offsetof(struct options, link_timeout_ms),
		.of_device = "only its link is made again" },
	{ "common-size", KIND_FLAG, .offset = offsetof(struct options, common_size) },
	{ "reserve", KIND_OPTIONAL, .parse = parse_reserve },
	{ "settle", KIND_OWN, .parse = parse_settle },
	{ "settle-delay", KIND_TIME, .offset = offsetof(struct options, settle_delay_ms) },
	{ "max-lag", KIND_OWN, .parse = parse_max_lag },
	{ "stop-after", KIND_OWN, .parse = parse_stop_after },
	{ "accept-trimmed", KIND_FLAG, .offset = offsetof(struct options, accept_trimmed) },
	{ "state", KIND_OWN, .parse = parse_state },
	{ "restart", KIND_FLAG, .offset = offsetof(struct options, restart) },
	{ "max-duration", KIND_OWN, .parse = parse_max_duration },
	{ "until", KIND_OWN, .parse = parse_until },
	{ "older-than", KIND_OWN, .parse = parse_older_than },
	{ "invalid", KIND_OWN, .parse = parse_invalid, .of_device = "of two volumes nobody keeps invalid tracks" },
	{ "mark", KIND_FLAG, .offset = offsetof(struct options, mark),
		.of_device = "of two volumes nobody keeps invalid tracks" },
	{ "exact", KIND_OWN, .parse = parse_exact },
	{ "json", KIND_FLAG, .offset = offsetof(struct options, json) },
	{ "progress", KIND_OPTIONAL, .parse = parse_progress },
	{ "status-fd", KIND_OWN, .parse = parse_status_fd },
	{ "quiet", KIND_FLAG, .letter = 'q', .offset = offsetof(struct options, quiet) },
	{ "verbose", KIND_FLAG, .letter = 'v', .offset = offsetof(struct options, verbose) },
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
#define OPTION_HELP 256
#define OPTION_VERSION 257
#define OPTION_FIRST 258 /* of the first rule without a letter */
_Static_assert(RULE_COUNT <= OPTIONS_RULES_MAX, "each rule has its is_given");

static int code_of(size_t rule)
{
	return rules[rule].letter ? rules[rule].letter : OPTION_FIRST + (int)rule;
}

static void list_options(struct option out[RULE_COUNT + 3])
{
	size_t count = 0;

	for (; count < RULE_COUNT; count++) {
		enum kind kind = rules[count].kind;

		out[count] = (struct option){ rules[count].name, kind == KIND_FLAG ? no_argument :
			kind == KIND_OPTIONAL ? optional_argument : required_argument, NULL, code_of(count) };
	}
	out[count++] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	out[count++] = (struct option){ "version", no_argument, NULL, OPTION_VERSION };
	out[count] = (struct option){ NULL, 0, NULL, 0 };
}

static void take_option(struct options_parser *parser, int code, char *const argv[])
{
	const struct rule *rule = rules;
	void *field;

	while (rule < rules + RULE_COUNT && code_of((size_t)(rule - rules)) != code)
		rule++;
	if (rule == rules + RULE_COUNT) {
		refuse_option(parser, code, argv);
		return;
	}
	parser->is_given[rule - rules] = true;
	field = (char *)parser->options + rule->offset;
	switch (rule->kind) {
	case KIND_FLAG:
		*(bool *)field = true;
		break;
	case KIND_COUNT:
		parse_count(parser, rule->name, optarg, rule->max, field);
		break;
	case KIND_TIME:
		parse_time(parser, rule->name, optarg, field);
		break;
	case KIND_OWN:
	case KIND_OPTIONAL:
		rule->parse(parser, optarg);
		break;
	}
}

/* ---- What goes together ---- */

/* Options that mean nothing for a form are no harmless extra: somebody believes in their effect. */
static void check_form(struct options_parser *parser)
{
	bool is_device = parser->options->form == FORM_DEVICE;

	for (size_t i = 0; i < RULE_COUNT; i++) {
		if (parser->is_given[i] && is_device && rules[i].not_of_device)
			options_refuse(parser, "--%s does not go with a DEVICE: %s", rules[i].name, rules[i].not_of_device);
		if (parser->is_given[i] && !is_device && rules[i].of_device)
			options_refuse(parser, "--%s goes with a DEVICE only: %s", rules[i].name, rules[i].of_device);
	}
}

enum options_result options_parse(int argc, char *argv[], struct options *options, char why[OPTIONS_WHY_BYTES])
{
	struct options_parser parser = { .options = options, .why = why };
	struct option long_options[RULE_COUNT + 3];
	int code;

	*options = (struct options){
		.delivery = DELIVERY_DISCONNECT,
		.jobs = 8,
		.track_bytes = TRACK_BYTES_DEFAULT,
		.retry_delay_ms = RETRY_DELAY_MS,
		.read_timeout_ms = 60000,
		.repeat = 1,
		.cache_bytes = CACHE_BYTES_DEFAULT,
		.io = IO_MODE_AUTO,
		.socket_path = OPTIONS_SOCKET_DEFAULT,
		.link_timeout_ms = 30000,
		.settle_rounds = 3,
		.settle_delay_ms = 200,
		.exact_tracks = 1024,
		.status_fd = -1,
	};
	why[0] = '\0';
	list_options(long_options);
	opterr = 0;
	optind = 0; /* GNU: a full restart, also after an earlier call */
	while ((code = getopt_long(argc, argv, ":qv", long_options, NULL)) != -1) {
		if (code == OPTION_HELP)
			return OPTIONS_HELP;
		if (code == OPTION_VERSION)
			return OPTIONS_VERSION;
		take_option(&parser, code, argv);
	}
	options_take_operands(&parser, argc - optind, argv + optind);
	check_form(&parser);
	options_check(&parser);
	return parser.is_bad ? OPTIONS_BAD : OPTIONS_RUN;
}
