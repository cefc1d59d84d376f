/* SPDX-License-Identifier: Apache-2.0
 *
 * Command line of ra-compare: getopt_long, one table of the options, and what goes together. A wrong option does not
 * end the parsing: the rest is still read, so that a --json that comes later is known when the error is told.
 */
#include "primary/compare/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/plural.h"
#include "primary/compare/options_value.h"
#include "wire/message.h"

/* Unless --jobs says another, by measurement. Fewer of data: what is under way then fits the processor's cache. */
#define JOBS_DIGEST 8u
#define JOBS_DATA 4u

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
	{ "by", KIND_OWN, .parse = option_by },
	{ "digest", KIND_OWN, .parse = option_digest },
	{ "delivery", KIND_OWN, .parse = option_delivery },
	{ "jobs", KIND_COUNT, .max = STREAMS_MAX, .offset = offsetof(struct options, jobs) },
	{ "run", KIND_COUNT, .max = RUN_DIGESTS_MAX, .offset = offsetof(struct options, run_tracks) },
	{ "retry-delay", KIND_TIME, .offset = offsetof(struct options, retry_delay_ms) },
	{ "read-timeout", KIND_TIME, .offset = offsetof(struct options, read_timeout_ms) },
	{ "tracks", KIND_OWN, .parse = option_tracks },
	{ "repeat", KIND_OWN, .parse = option_repeat },
	{ "track-size", KIND_OWN, .parse = option_track_size, .not_of_device = "both daemons' configuration says it" },
	{ "cache", KIND_OWN, .parse = option_cache, .not_of_device = "the secondary's configuration says it" },
	{ "io", KIND_OWN, .parse = option_io, .not_of_device = "the configuration says it for each side" },
	{ "socket", KIND_OWN, .parse = option_socket, .of_device = "two volumes need no configured primary" },
	{ "limit", KIND_OWN, .parse = option_limit },
	{ "link-timeout", KIND_TIME, .offset = offsetof(struct options, link_timeout_ms),
		.of_device = "only its link is made again" },
	{ "common-size", KIND_FLAG, .offset = offsetof(struct options, common_size) },
	{ "reserve", KIND_OPTIONAL, .parse = option_reserve },
	{ "settle", KIND_OWN, .parse = option_settle },
	{ "settle-delay", KIND_TIME, .offset = offsetof(struct options, settle_delay_ms) },
	{ "max-lag", KIND_OWN, .parse = option_max_lag },
	{ "stop-after", KIND_OWN, .parse = option_stop_after },
	{ "accept-trimmed", KIND_FLAG, .offset = offsetof(struct options, accept_trimmed) },
	{ "state", KIND_OWN, .parse = option_state },
	{ "restart", KIND_FLAG, .offset = offsetof(struct options, restart) },
	{ "max-duration", KIND_OWN, .parse = option_max_duration },
	{ "until", KIND_OWN, .parse = option_until },
	{ "older-than", KIND_OWN, .parse = option_older_than },
	{ "invalid", KIND_OWN, .parse = option_invalid, .of_device = "of two volumes nobody keeps invalid tracks" },
	{ "mark", KIND_FLAG, .offset = offsetof(struct options, mark),
		.of_device = "of two volumes nobody keeps invalid tracks" },
	{ "exact", KIND_OWN, .parse = option_exact },
	{ "json", KIND_FLAG, .offset = offsetof(struct options, json) },
	{ "progress", KIND_OPTIONAL, .parse = option_progress },
	{ "status-fd", KIND_OWN, .parse = option_status_fd },
	{ "quiet", KIND_FLAG, .letter = 'q', .offset = offsetof(struct options, quiet) },
	{ "verbose", KIND_FLAG, .letter = 'v', .offset = offsetof(struct options, verbose) },
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
#define SETTLE_ROUNDS_DEFAULT 3u
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
		option_count(parser, rule->name, optarg, rule->max, field);
		break;
	case KIND_TIME:
		option_time(parser, rule->name, optarg, field);
		break;
	case KIND_OWN:
	case KIND_OPTIONAL:
		rule->parse(parser, optarg);
		break;
	}
}

/* ---- Operands ---- */

static void take_device(struct options_parser *parser, const char *name)
{
	parser->options->form = FORM_DEVICE;
	parser->options->device = name;
	parser->options->track_bytes = 0;
	if (!device_name_is_valid(name))
		options_refuse(parser, "two volumes are needed: ra-compare A B (and %.80s is no name of a device: those have "
			       "at most %u of A-Z a-z 0-9 . _ -)", name, DEVICE_NAME_MAX);
}

static void take_volumes(struct options_parser *parser, char *const operands[2])
{
	struct options *options = parser->options;
	char why[OPTIONS_WHY_BYTES];

	options->path_local = operands[0];
	options->path_remote = options->name_remote = operands[1];
	for (int i = 0; i < 2; i++)
		if (operands[i][0] == '\0' || strlen(operands[i]) >= PATH_BYTES_MAX)
			options_refuse(parser, "the name of volume %c is %s", i == 0 ? 'A' : 'B',
				operands[i][0] == '\0' ? "empty" : "longer than 4095 bytes");
	if (operand_is_remote(operands[0]))
		options_refuse(parser, "volume A (%.80s) must be on this host, only B may be on another; a local file with a "
			       "colon is ./%.80s", operands[0], operands[0]);
	if (!operand_is_remote(operands[1]))
		return;
	options->form = FORM_SSH;
	if (!operand_split(operands[1], options->host, &options->path_remote, why, sizeof(why)))
		options_refuse(parser, "%s", why);
}

static void take_operands(struct options_parser *parser, int count, char *const operands[])
{
	if (count == 1)
		take_device(parser, operands[0]);
	else if (count == 2)
		take_volumes(parser, operands);
	else
		options_refuse(parser, count == 0 ? "two volumes or a device are needed: ra-compare A B, or ra-compare DEVICE" :
									"there are more than two volumes; quote names with blanks");
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
	if (!is_device && parser->options->reserve == RESERVE_RA)
		options_refuse(parser, "--reserve=ra goes with a DEVICE only: no other user of RA meets these two volumes; "
			"--reserve=exclusive keeps other programs away");
}

static void check_by(struct options_parser *parser)
{
	struct options *options = parser->options;

	if (parser->is_by_data && options->digest != DIGEST_NONE)
		options_refuse(parser, "--digest %s does not go with --by data, which compares the data itself",
			digest_name(options->digest));
	if (parser->is_by_data && options->run_tracks > RUN_TRACKS_MAX)
		options_refuse(parser, "--run %u: with --by data a number from 1 to %u is expected", options->run_tracks,
			RUN_TRACKS_MAX);
	if (!parser->is_by_data && options->digest == DIGEST_NONE)
		options->digest = DIGEST_XXH3_128;
	if (options->jobs == 0)
		options->jobs = parser->is_by_data ? JOBS_DATA : JOBS_DIGEST;
}

/* Not for DEVICE: its track size comes later, and options_run_tracks judges then. */
static void check_memory(struct options_parser *parser)
{
	const struct options *options = parser->options;
	bool is_asked = options->run_tracks > 0 && options->digest == DIGEST_NONE;
	uint64_t run_tracks = is_asked ? options->run_tracks : 1; /* without --run by as many as there is room for */
	uint64_t run_bytes = run_tracks * options->track_bytes, memory_bytes = 2 * run_bytes * options->jobs;

	if (run_bytes > RUN_BYTES_MAX)
		options_refuse(parser, "--run %u with --track-size %u: a run is %llu bytes, at most %u are possible",
			options->run_tracks, options->track_bytes, (unsigned long long)run_bytes, RUN_BYTES_MAX);
	else if (memory_bytes > HOST_MEMORY_BYTES_MAX)
		options_refuse(parser,
			"--jobs %u with runs of %llu %s of %u bytes needs %llu bytes of memory, at most %u are possible",
			options->jobs, (unsigned long long)run_tracks, plural(run_tracks, "track", "tracks"), options->track_bytes,
			(unsigned long long)memory_bytes, HOST_MEMORY_BYTES_MAX);
}

/* What needs a ledger, and where it is. */
static void check_state(struct options_parser *parser)
{
	const struct options *options = parser->options;
	bool is_device = options->form == FORM_DEVICE;

	if (is_device && options->state_path)
		options_refuse(parser, "--state %.60s: the primary keeps the ledger of a DEVICE; only --state none is possible",
			options->state_path);
	if (!is_device && options->no_state)
		options_refuse(parser, "--state none goes with a DEVICE only: of two volumes nothing is kept unless --state "
			       "names a file");
	if (is_device ? !options->no_state : options->state_path != NULL)
		return;
	if (options->restart)
		options_refuse(parser, "--restart needs a ledger%s", is_device ? "" : ": --state FILE");
	if (options->older_than_s > 0)
		options_refuse(parser, "--older-than needs a ledger%s", is_device ? "" : ": --state FILE");
}

static void check_together(struct options_parser *parser)
{
	check_form(parser);
	check_state(parser);
	check_by(parser);
	if (parser->options->form != FORM_DEVICE)
		check_memory(parser);
	if (parser->options->quiet && parser->options->json)
		options_refuse(parser, "--quiet and --json exclude each other");
	if (parser->options->json && parser->options->status_fd == 1)
		options_refuse(parser, "--status-fd 1 and --json exclude each other: standard output has the document alone");
}

enum options_result options_parse(int argc, char *argv[], struct options *options, char why[OPTIONS_WHY_BYTES])
{
	struct options_parser parser = { .options = options, .why = why };
	struct option long_options[RULE_COUNT + 3];
	int code;

	*options = (struct options){
		.delivery = DELIVERY_DISCONNECT,
		.track_bytes = TRACK_BYTES_DEFAULT,
		.retry_delay_ms = RETRY_DELAY_MS,
		.read_timeout_ms = 60000,
		.repeat = 1,
		.cache_bytes = PRIVATE_CACHE_BYTES,
		.io = IO_MODE_AUTO,
		.socket_path = OPTIONS_SOCKET_DEFAULT,
		.link_timeout_ms = 30000,
		.settle_rounds = SETTLE_ROUNDS_DEFAULT,
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

void options_words(const struct options *options, int64_t max_lag_ms, char *out, size_t bytes)
{
	static const char *const modes[] = { [INVALID_SKIP] = "", [INVALID_REFUSE] = " --invalid refuse",
		[INVALID_CHECK] = " --invalid check" };
	char tracks[64] = "", older[64] = "", settle[64] = "", lag[64] = "";

	if (options->has_tracks && options->last_track == UINT64_MAX)
		snprintf(tracks, sizeof(tracks), " --tracks %llu-", (unsigned long long)options->first_track);
	else if (options->has_tracks)
		snprintf(tracks, sizeof(tracks), " --tracks %llu-%llu", (unsigned long long)options->first_track,
			(unsigned long long)options->last_track);
	if (options->older_than_s > 0)
		snprintf(older, sizeof(older), " --older-than %llds", (long long)options->older_than_s);
	/* What is called different after a shorter look is not so for a run that was to look longer. */
	if (options->settle_rounds != SETTLE_ROUNDS_DEFAULT)
		snprintf(settle, sizeof(settle), " --settle %u", options->settle_rounds);
	if (max_lag_ms > 0)
		snprintf(lag, sizeof(lag), " --max-lag %lldms", (long long)max_lag_ms);
	snprintf(out, bytes, "%s%s%s%s%s", tracks, older, modes[options->invalid], settle, lag);
	if (out[0] == ' ')
		memmove(out, out + 1, strlen(out));
}
