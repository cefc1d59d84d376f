/* SPDX-License-Identifier: Apache-2.0
 *
 * Command line of ra-compare: getopt_long and one small parser per kind of value. A wrong option does not end the
 * parsing: the rest is still read, so that a --json that comes later is known when the error is told.
 */
#include "primary/compare/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define TIME_MS_MAX (3600 * 1000u)
#define CACHE_BYTES_MIN (DA_THREADS_DEFAULT * (uint64_t)RUN_BYTES_MAX)
#define CACHE_BYTES_MAX (1ull << 40)
#define REPEAT_MAX 1000000000ull
#define EXACT_MAX 1000000000ull
#define SPARE_SLOTS 2u

const char options_help[] =
	"Usage: ra-compare [OPTION]... A B\n"
	"Compare volume A with volume B (files or block devices), track by track, and prove that they are identical.\n"
	"Nothing is written to either. The last line on standard output is the verdict.\n"
	"\n"
	"What to compare:\n"
	"  --tracks A-B          only these tracks (also A, or A- for A to the end)\n"
	"  --track-size SIZE     unit of comparison, 4K to 1M, a power of two (64K)\n"
	"  --repeat N|forever    so many passes, each reads everything again (1)\n"
	"\n"
	"How to read:\n"
	"  --delivery WAY        disconnect, poll or hold (disconnect)\n"
	"  --jobs N              reads at a time, 1 to 64 (8)\n"
	"  --run N               tracks in one read, 1 to 64 (1 MiB worth)\n"
	"  --io MODE             auto, buffered or direct (auto)\n"
	"  --cache SIZE          memory of the remote side, 16M or more (64M)\n"
	"  --retry-delay TIME    poll: time before asking again (100ms)\n"
	"  --read-timeout TIME   poll: how long to ask for one run (60s)\n"
	"\n"
	"What to print:\n"
	"  --exact N             exact bytes for the first N differing tracks (1024)\n"
	"  --json                one JSON document on standard output, nothing else\n"
	"  --progress[=WHEN]     auto, always or never; alone: always (auto)\n"
	"  -q, --quiet           only errors and warnings, and the exit status tells\n"
	"  -v, --verbose         also what the daemons log\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 identical, 1 different, 2 usage, 3 not proven, 4 a daemon or the link was lost, 5 a volume could\n"
	"not be read.\n";

enum option_code {
	OPTION_DELIVERY = 256,
	OPTION_JOBS,
	OPTION_RUN,
	OPTION_RETRY_DELAY,
	OPTION_READ_TIMEOUT,
	OPTION_TRACKS,
	OPTION_REPEAT,
	OPTION_TRACK_SIZE,
	OPTION_CACHE,
	OPTION_IO,
	OPTION_EXACT,
	OPTION_JSON,
	OPTION_PROGRESS,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "delivery", required_argument, NULL, OPTION_DELIVERY },
	{ "jobs", required_argument, NULL, OPTION_JOBS },
	{ "run", required_argument, NULL, OPTION_RUN },
	{ "retry-delay", required_argument, NULL, OPTION_RETRY_DELAY },
	{ "read-timeout", required_argument, NULL, OPTION_READ_TIMEOUT },
	{ "tracks", required_argument, NULL, OPTION_TRACKS },
	{ "repeat", required_argument, NULL, OPTION_REPEAT },
	{ "track-size", required_argument, NULL, OPTION_TRACK_SIZE },
	{ "cache", required_argument, NULL, OPTION_CACHE },
	{ "io", required_argument, NULL, OPTION_IO },
	{ "exact", required_argument, NULL, OPTION_EXACT },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "progress", optional_argument, NULL, OPTION_PROGRESS },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* The first error is kept: those after it may be its consequence. */
struct parser {
	struct options *options;
	char *why;
	bool is_bad;
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

static bool parse_unit(const char *text, unsigned *shift)
{
	static const char units[] = "KMGT";
	const char *unit;

	*shift = 0;
	if (text[0] == '\0')
		return true;
	unit = strchr(units, toupper((unsigned char)text[0]));
	if (!unit || text[1] != '\0')
		return false;
	*shift = 10u * (unsigned)(unit - units + 1);
	return true;
}

static bool parse_size(const char *text, uint64_t *out)
{
	const char *rest;
	uint64_t value;
	unsigned shift;

	if (!parse_digits(text, &value, &rest) || !parse_unit(rest, &shift) || value > UINT64_MAX >> shift)
		return false;
	*out = value << shift;
	return true;
}

static void parse_track_size(struct parser *parser, const char *text)
{
	uint64_t bytes;

	if (!parse_size(text, &bytes) || bytes < TRACK_BYTES_MIN || bytes > TRACK_BYTES_MAX || (bytes & (bytes - 1)) != 0)
		refuse(parser, "--track-size %.40s: expected a power of two from 4K to 1M", text);
	else
		parser->options->track_bytes = (uint32_t)bytes;
}

static void parse_cache(struct parser *parser, const char *text)
{
	uint64_t bytes;

	if (!parse_size(text, &bytes) || bytes < CACHE_BYTES_MIN || bytes > CACHE_BYTES_MAX)
		refuse(parser, "--cache %.40s: expected a size from 16M to 1T, such as 64M", text);
	else
		parser->options->cache_bytes = bytes;
}

static void parse_time(struct parser *parser, const char *name, const char *text, int64_t *out_ms)
{
	const char *rest;
	uint64_t value, unit_ms = 0;

	if (parse_digits(text, &value, &rest))
		unit_ms = strcmp(rest, "ms") == 0 ? 1 : strcmp(rest, "s") == 0 ? 1000 : 0;
	if (unit_ms == 0 || value == 0 || value > TIME_MS_MAX / unit_ms)
		refuse(parser, "--%s %.40s: expected a time from 1ms to 3600s, such as 100ms or 4s", name, text);
	else
		*out_ms = (int64_t)(value * unit_ms);
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

static void parse_repeat(struct parser *parser, const char *text)
{
	if (strcmp(text, "forever") == 0)
		parser->options->repeat = OPTIONS_REPEAT_FOREVER;
	else
		parse_number(parser, "repeat", text, 1, REPEAT_MAX, &parser->options->repeat);
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

static void take_option(struct parser *parser, int code, char *const argv[])
{
	struct options *options = parser->options;

	switch (code) {
	case OPTION_DELIVERY:
		parse_delivery(parser, optarg);
		break;
	case OPTION_JOBS:
		parse_count(parser, "jobs", optarg, STREAMS_MAX, &options->jobs);
		break;
	case OPTION_RUN:
		parse_count(parser, "run", optarg, RUN_TRACKS_MAX, &options->run_tracks);
		break;
	case OPTION_RETRY_DELAY:
		parse_time(parser, "retry-delay", optarg, &options->retry_delay_ms);
		break;
	case OPTION_READ_TIMEOUT:
		parse_time(parser, "read-timeout", optarg, &options->read_timeout_ms);
		break;
	case OPTION_TRACKS:
		parse_tracks(parser, optarg);
		break;
	case OPTION_REPEAT:
		parse_repeat(parser, optarg);
		break;
	case OPTION_TRACK_SIZE:
		parse_track_size(parser, optarg);
		break;
	case OPTION_CACHE:
		parse_cache(parser, optarg);
		break;
	case OPTION_IO:
		parse_io(parser, optarg);
		break;
	case OPTION_EXACT:
		parse_number(parser, "exact", optarg, 0, EXACT_MAX, &options->exact_tracks);
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_PROGRESS:
		parse_progress(parser, optarg);
		break;
	case 'q':
		options->quiet = true;
		break;
	case 'v':
		options->verbose = true;
		break;
	default:
		refuse_option(parser, code, argv);
	}
}

static void take_volumes(struct parser *parser, int argc, char *argv[])
{
	if (argc - optind != 2) {
		refuse(parser, argc - optind < 2 ? "two volumes are needed: ra-compare A B" :
						   "there are more than two volumes; quote names with blanks");
		return;
	}
	parser->options->path_local = argv[optind];
	parser->options->path_remote = argv[optind + 1];
	for (int i = optind; i < argc; i++)
		if (argv[i][0] == '\0' || strlen(argv[i]) >= PATH_BYTES_MAX)
			refuse(parser, "the name of volume %c is %s", i == optind ? 'A' : 'B',
				argv[i][0] == '\0' ? "empty" : "longer than 4095 bytes");
}

static void check_together(struct parser *parser)
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
	if (options->quiet && options->json)
		refuse(parser, "--quiet and --json exclude each other");
}

enum options_result options_parse(int argc, char *argv[], struct options *options, char why[OPTIONS_WHY_BYTES])
{
	struct parser parser = { .options = options, .why = why };
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
		.exact_tracks = 1024,
	};
	why[0] = '\0';
	opterr = 0;
	optind = 0; /* GNU: a full restart, also after an earlier call */
	while ((code = getopt_long(argc, argv, ":qv", long_options, NULL)) != -1) {
		if (code == OPTION_HELP)
			return OPTIONS_HELP;
		if (code == OPTION_VERSION)
			return OPTIONS_VERSION;
		take_option(&parser, code, argv);
	}
	take_volumes(&parser, argc, argv);
	check_together(&parser);
	return parser.is_bad ? OPTIONS_BAD : OPTIONS_RUN;
}

uint32_t options_slot_count(const struct options *options)
{
	uint64_t run_bytes = (uint64_t)options->run_tracks * options->track_bytes;
	uint64_t room = HOST_MEMORY_BYTES_MAX / run_bytes;
	uint32_t needed = 2 * options->jobs;

	assert(needed <= room && needed + SPARE_SLOTS <= HOST_SLOTS_MAX);
	return room - needed < SPARE_SLOTS ? (uint32_t)room : needed + SPARE_SLOTS;
}
