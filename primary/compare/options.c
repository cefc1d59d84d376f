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

#define RULES_MAX 48u

/* The first error is kept: those after it may be its consequence. */
struct parser {
	struct options *options;
	char *why;
	bool is_bad;
	bool is_given[RULES_MAX]; /* by rule */
};

__attribute__((format(printf, 2, 3))) static void refuse(struct parser *parser, const char *format, ...)
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

static void parse_number(struct parser *parser, const char *name, const char *text, uint64_t min, uint64_t max,
	uint64_t *out)
{
	const char *rest;
	uint64_t value;

	if (!parse_digits(text, &value, &rest) || *rest != '\0' || value < min || value > max)
		refuse(parser, "--%s %.40s: expected a number from %llu to %llu", name, text, (unsigned long long)min,
			(unsigned long long)max);
	else
		*out = value;
}

static void parse_track_size(struct parser *parser, const char *text)
{
	uint64_t bytes;

	if (!config_parse_size(text, &bytes) || bytes < TRACK_BYTES_MIN || bytes > TRACK_BYTES_MAX ||
		(bytes & (bytes - 1)) != 0)
		refuse(parser, "--track-size %.40s: expected a power of two from 4K to 1M", text);
	else
		parser->options->track_bytes = (uint32_t)bytes;
}

static void parse_cache(struct parser *parser, const char *text)
{
	uint64_t bytes;

	if (!config_parse_size(text, &bytes) || bytes < CACHE_BYTES_MIN || bytes > CACHE_BYTES_MAX)
		refuse(parser, "--cache %.40s: expected a size from 16M to 1T, such as 64M", text);
	else
		parser->options->cache_bytes = bytes;
}

static void parse_limit(struct parser *parser, const char *text)
{
	if (!config_parse_rate(text, &parser->options->limit_bytes_per_s))
		refuse(parser, "--limit %.40s: expected bytes a second, such as 100M, or none", text);
}

static void parse_time(struct parser *parser, const char *name, const char *text, int64_t *out_ms)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms == 0 || value_ms > TIME_MS_MAX)
		refuse(parser, "--%s %.40s: expected a time from 1ms to 1h, such as 100ms or 4s", name, text);
	else
		*out_ms = (int64_t)value_ms;
}

static void parse_tracks(struct parser *parser, const char *text)
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
		refuse(parser, "--tracks %.60s: expected A-B, A or A-, counted from 0", text);
		return;
	}
	options->has_tracks = true;
	options->first_track = first;
	options->last_track = last;
}

/* words: NULL-terminated; returns the index, or -1 after refusing. */
static int parse_word(struct parser *parser, const char *name, const char *text, const char *const words[],
	const char *expected)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	refuse(parser, "--%s %.40s: expected %s", name, text, expected);
	return -1;
}

static void parse_delivery(struct parser *parser, const char *text)
{
	static const char *const words[] = { "disconnect", "poll", "hold", NULL };
	static const enum delivery values[] = { DELIVERY_DISCONNECT, DELIVERY_POLL, DELIVERY_HOLD };
	int i = parse_word(parser, "delivery", text, words, "disconnect, poll or hold");

	if (i >= 0)
		parser->options->delivery = values[i];
}

static void parse_io(struct parser *parser, const char *text)
{
	static const char *const words[] = { "auto", "buffered", "direct", NULL };
	static const enum io_mode values[] = { IO_MODE_AUTO, IO_MODE_BUFFERED, IO_MODE_DIRECT };
	int i = parse_word(parser, "io", text, words, "auto, buffered or direct");

	if (i >= 0)
		parser->options->io = values[i];
}

static void parse_progress(struct parser *parser, const char *text)
{
	static const char *const words[] = { "auto", "always", "never", NULL };
	static const enum progress_mode values[] = { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
	int i = text ? parse_word(parser, "progress", text, words, "auto, always or never") : 1;

	if (i >= 0)
		parser->options->progress = values[i];
}

static void parse_status_fd(struct parser *parser, const char *text)
{
	uint64_t fd = 0;
	int flags;

	parse_number(parser, "status-fd", text, 1, FD_MAX, &fd);
	if (fd == 0)
		return;
	flags = fcntl((int)fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		refuse(parser, "--status-fd %.40s: this descriptor is not open%s", text, flags < 0 ? "" : " for writing");
	else
		parser->options->status_fd = (int)fd;
}

static void parse_reserve(struct parser *parser, const char *text)
{
	static const char *const words[] = { "ra", "exclusive", NULL };
	static const enum reserve_mode values[] = { RESERVE_RA, RESERVE_EXCLUSIVE };
	int i = text ? parse_word(parser, "reserve", text, words, "ra or exclusive") : 0;

	if (i >= 0)
		parser->options->reserve = values[i];
}

static void parse_settle(struct parser *parser, const char *text)
{
	uint64_t rounds = 0;

	parse_number(parser, "settle", text, 0, SETTLE_ROUNDS_MAX, &rounds);
	parser->options->settle_rounds = (uint32_t)rounds;
}

static void parse_max_lag(struct parser *parser, const char *text)
{
	uint64_t value_ms = 0;

	if (!config_parse_time(text, &value_ms) || value_ms > TIME_MS_MAX)
		refuse(parser, "--max-lag %.40s: expected a time up to 1h, such as 5s", text);
	parser->options->has_max_lag = true;
	parser->options->max_lag_ms = (int64_t)value_ms;
}

static void parse_stop_after(struct parser *parser, const char *text)
{
	parse_number(parser, "stop-after", text, 1, EXACT_MAX, &parser->options->stop_after);
}

static void parse_state(struct parser *parser, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= PATH_BYTES_MAX - sizeof(".lock"))
		refuse(parser, "--state %.60s: expected the path of a file, or none", text);
	parser->options->no_state = strcmp(text, "none") == 0;
	parser->options->state_path = parser->options->no_state ? NULL : text;
}

/* The earlier of two ends counts. */
static void end_after(struct options *options, int64_t duration_ms)
{
	if (options->max_duration_ms == 0 || duration_ms < options->max_duration_ms)
		options->max_duration_ms = duration_ms;
}

static void parse_max_duration(struct parser *parser, const char *text)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms == 0 || value_ms > DURATION_MS_MAX)
		refuse(parser, "--max-duration %.40s: expected a time up to 366d, such as 90m or 8h", text);
	else
		end_after(parser->options, (int64_t)value_ms);
}

static void parse_until(struct parser *parser, const char *text)
{
	int64_t seconds = until_s(text, time(NULL));

	if (seconds < 0)
		refuse(parser, "--until %.40s: expected HH:MM", text);
	else
		end_after(parser->options, seconds * 1000);
}

static void parse_older_than(struct parser *parser, const char *text)
{
	uint64_t value_ms;

	if (!config_parse_time(text, &value_ms) || value_ms < 1000 || value_ms > AGE_MS_MAX)
		refuse(parser, "--older-than %.40s: expected an age from 1s on, such as 30d or 12h", text);
	else
		parser->options->older_than_s = (int64_t)(value_ms / 1000);
}

static void parse_invalid(struct parser *parser, const char *text)
{
	static const char *const words[] = { "skip", "refuse", "check", NULL };
	static const enum invalid_mode values[] = { INVALID_SKIP, INVALID_REFUSE, INVALID_CHECK };
	int i = parse_word(parser, "invalid", text, words, "skip, refuse or check");

	if (i >= 0)
		parser->options->invalid = values[i];
}

static void parse_repeat(struct parser *parser, const char *text)
{
	if (strcmp(text, "forever") == 0)
		parser->options->repeat = OPTIONS_REPEAT_FOREVER;
	else
		parse_number(parser, "repeat", text, 1, REPEAT_MAX, &parser->options->repeat);
}

static void parse_exact(struct parser *parser, const char *text)
{
	parse_number(parser, "exact", text, 0, EXACT_MAX, &parser->options->exact_tracks);
}

static void parse_socket(struct parser *parser, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= SOCKET_PATH_BYTES)
		refuse(parser, "--socket %.60s: expected a path of 1 to %zu bytes", text, SOCKET_PATH_BYTES - 1);
	else
		parser->options->socket_path = text;
}

static void parse_count(struct parser *parser, const char *name, const char *text, uint32_t max, uint32_t *out)
{
	uint64_t value = *out;

	parse_number(parser, name, text, 1, max, &value);
	*out = (uint32_t)value;
}

static void refuse_option(struct parser *parser, int code, char *const argv[])
{
	/* A long option stands one before optind; a short one may stand among others in the same word. */
	if (code == ':')
		refuse(parser, "%.80s: a value is missing", argv[optind - 1]);
	else if (optopt > 0 && optopt < 256)
		refuse(parser, "-%c: unknown option", optopt);
	else
		refuse(parser, "%.80s: unknown option, or one that takes no value", argv[optind - 1]);
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
	void (*parse)(struct parser *parser, const char *text);
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
_Static_assert(RULE_COUNT <= RULES_MAX, "each rule has its is_given");

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

static void take_option(struct parser *parser, int code, char *const argv[])
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

/* ---- Operands ---- */

static void take_device(struct parser *parser, const char *name)
{
	parser->options->form = FORM_DEVICE;
	parser->options->device = name;
	parser->options->track_bytes = 0;
	if (!device_name_is_valid(name))
		refuse(parser, "two volumes are needed: ra-compare A B (and %.80s is no name of a device: those have at most "
			       "%u of A-Z a-z 0-9 . _ -)", name, DEVICE_NAME_MAX);
}

static void take_volumes(struct parser *parser, char *const operands[2])
{
	struct options *options = parser->options;
	char why[OPTIONS_WHY_BYTES];

	options->path_local = operands[0];
	options->path_remote = options->name_remote = operands[1];
	for (int i = 0; i < 2; i++)
		if (operands[i][0] == '\0' || strlen(operands[i]) >= PATH_BYTES_MAX)
			refuse(parser, "the name of volume %c is %s", i == 0 ? 'A' : 'B',
				operands[i][0] == '\0' ? "empty" : "longer than 4095 bytes");
	if (operand_is_remote(operands[0]))
		refuse(parser, "volume A (%.80s) must be on this host, only B may be on another; a local file with a colon is "
			       "./%.80s", operands[0], operands[0]);
	if (!operand_is_remote(operands[1]))
		return;
	options->form = FORM_SSH;
	if (!operand_split(operands[1], options->host, &options->path_remote, why, sizeof(why)))
		refuse(parser, "%s", why);
}

static void take_operands(struct parser *parser, int count, char *const operands[])
{
	if (count == 1)
		take_device(parser, operands[0]);
	else if (count == 2)
		take_volumes(parser, operands);
	else
		refuse(parser, count == 0 ? "two volumes or a device are needed: ra-compare A B, or ra-compare DEVICE" :
									"there are more than two volumes; quote names with blanks");
}

/* ---- What goes together ---- */

/* Options that mean nothing for a form are no harmless extra: somebody believes in their effect. */
static void check_form(struct parser *parser)
{
	bool is_device = parser->options->form == FORM_DEVICE;

	for (size_t i = 0; i < RULE_COUNT; i++) {
		if (parser->is_given[i] && is_device && rules[i].not_of_device)
			refuse(parser, "--%s does not go with a DEVICE: %s", rules[i].name, rules[i].not_of_device);
		if (parser->is_given[i] && !is_device && rules[i].of_device)
			refuse(parser, "--%s goes with a DEVICE only: %s", rules[i].name, rules[i].of_device);
	}
	if (!is_device && parser->options->reserve == RESERVE_RA)
		refuse(parser, "--reserve=ra goes with a DEVICE only: no other user of RA meets these two volumes; "
			"--reserve=exclusive keeps other programs away");
}

/* Not for DEVICE: its track size comes later, and options_run_tracks judges then. */
static void check_memory(struct parser *parser)
{
	struct options *options = parser->options;
	uint64_t run_bytes, memory_bytes;

	if (options->run_tracks == 0)
		options->run_tracks = options->track_bytes >= RUN_BYTES_DEFAULT / RUN_TRACKS_MAX ?
			RUN_BYTES_DEFAULT / options->track_bytes : RUN_TRACKS_MAX;
	run_bytes = (uint64_t)options->run_tracks * options->track_bytes;
	memory_bytes = 2 * run_bytes * options->jobs;
	if (run_bytes > RUN_BYTES_MAX)
		refuse(parser, "--run %u with --track-size %u: a run is %llu bytes, at most %u are possible",
			options->run_tracks, options->track_bytes, (unsigned long long)run_bytes, RUN_BYTES_MAX);
	else if (memory_bytes > HOST_MEMORY_BYTES_MAX)
		refuse(parser,
			"--jobs %u with --run %u and --track-size %u needs %llu bytes of memory, at most %u are possible",
			options->jobs, options->run_tracks, options->track_bytes, (unsigned long long)memory_bytes,
			HOST_MEMORY_BYTES_MAX);
}

/* What needs a ledger, and where it is. */
static void check_state(struct parser *parser)
{
	const struct options *options = parser->options;
	bool is_device = options->form == FORM_DEVICE;

	if (is_device && options->state_path)
		refuse(parser, "--state %.60s: the primary keeps the ledger of a DEVICE; only --state none is possible",
			options->state_path);
	if (!is_device && options->no_state)
		refuse(parser, "--state none goes with a DEVICE only: of two volumes nothing is kept unless --state names a "
			       "file");
	if (is_device ? !options->no_state : options->state_path != NULL)
		return;
	if (options->restart)
		refuse(parser, "--restart needs a ledger%s", is_device ? "" : ": --state FILE");
	if (options->older_than_s > 0)
		refuse(parser, "--older-than needs a ledger%s", is_device ? "" : ": --state FILE");
}

static void check_together(struct parser *parser)
{
	check_form(parser);
	check_state(parser);
	if (parser->options->form != FORM_DEVICE)
		check_memory(parser);
	if (parser->options->quiet && parser->options->json)
		refuse(parser, "--quiet and --json exclude each other");
	if (parser->options->json && parser->options->status_fd == 1)
		refuse(parser, "--status-fd 1 and --json exclude each other: standard output has the document alone");
}

enum options_result options_parse(int argc, char *argv[], struct options *options, char why[OPTIONS_WHY_BYTES])
{
	struct parser parser = { .options = options, .why = why };
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
	take_operands(&parser, argc - optind, argv + optind);
	check_together(&parser);
	return parser.is_bad ? OPTIONS_BAD : OPTIONS_RUN;
}

void options_words(const struct options *options, char *out, size_t bytes)
{
	static const char *const modes[] = { [INVALID_SKIP] = "", [INVALID_REFUSE] = " --invalid refuse",
		[INVALID_CHECK] = " --invalid check" };
	char tracks[64] = "", older[64] = "";

	if (options->has_tracks && options->last_track == UINT64_MAX)
		snprintf(tracks, sizeof(tracks), " --tracks %llu-", (unsigned long long)options->first_track);
	else if (options->has_tracks)
		snprintf(tracks, sizeof(tracks), " --tracks %llu-%llu", (unsigned long long)options->first_track,
			(unsigned long long)options->last_track);
	if (options->older_than_s > 0)
		snprintf(older, sizeof(older), " --older-than %llds", (long long)options->older_than_s);
	snprintf(out, bytes, "%s%s%s", tracks, older, modes[options->invalid]);
	if (out[0] == ' ')
		memmove(out, out + 1, strlen(out));
}
