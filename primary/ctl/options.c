/* SPDX-License-Identifier: Apache-2.0
 *
 * Command line of ra-ctl: options, a verb, and what that verb takes. Names are checked here, so that a mistyped one is
 * told before a daemon is asked. One thread.
 */
#include "primary/ctl/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"

#define READS_MAX 1000000000u

const char ctl_help[] =
	"Usage: ra-ctl [OPTION]... VERB [ARGUMENT]...\n"
	"Look into ra-primaryd or ra-secondaryd, whichever runs on this host, or change what may change while it runs.\n"
	"\n"
	"  keygen --out FILE NAME   make the key of host NAME, print what the other host needs (asks no daemon)\n"
	"  check [DEVICE]           does everything fit, and how fast is it; changes nothing\n"
	"  status                   what runs, and how it is\n"
	"  devices                  the volumes\n"
	"  jobs [DEVICE]            what is being read\n"
	"  errors                   the last 256 posted errors, the newest last\n"
	"  cache                    the cache (ra-secondaryd)\n"
	"  links                    who is connected\n"
	"  proof DEVICE             how long ago what of it was proven identical (ra-primaryd)\n"
	"  metrics [--write FILE]   all of it for Prometheus\n"
	"  report list [DEVICE]     the reports of the last runs (ra-primaryd)\n"
	"  report show DEVICE [NUMBER]      one of them: the newest\n"
	"  report diff DEVICE [OLD [NEW]]   what is newly different, and what is identical again\n"
	"  limit                    the limits\n"
	"  limit total RATE         change one until the daemon ends: bytes per second, such as 100M, or none\n"
	"  limit device NAME RATE\n"
	"  limit peer NAME RATE\n"
	"  tracks DEVICE list       the tracks known to be invalid: their copy is not up to date\n"
	"  tracks DEVICE mark RANGES    RANGES such as 0-99,200; tracks count from 0\n"
	"  tracks DEVICE clear RANGES   or: clear all\n"
	"  tracks DEVICE import FILE    marks those in FILE, one range a line; - is standard input\n"
	"  tracks DEVICE export         prints such a file\n"
	"  log-level [LEVEL]        what is logged; LEVEL, until the daemon ends: error, warning, info or debug\n"
	"\n"
	"  --socket PATH            of the daemon (/run/ra/primary.sock; where that is not, /run/ra/secondary.sock)\n"
	"  --json                   print the answer as JSON\n"
	"  --out FILE               keygen: the new file\n"
	"  --write FILE             metrics: replace this file at once, rather than print\n"
	"  --reads N                limit: reads per second, or none, besides RATE or instead of it\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 good, 1 check found something wrong, 2 usage, or not permitted, 4 no daemon or no link, 6 busy.\n";

enum option_code {
	OPTION_SOCKET = 256, OPTION_JSON, OPTION_OUT, OPTION_WRITE, OPTION_READS, OPTION_HELP, OPTION_VERSION
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "out", required_argument, NULL, OPTION_OUT },
	{ "write", required_argument, NULL, OPTION_WRITE },
	{ "reads", required_argument, NULL, OPTION_READS },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char *const verbs[CTL_VERB_COUNT] = {
	[CTL_KEYGEN] = "keygen",   [CTL_CHECK] = "check",   [CTL_STATUS] = "status", [CTL_DEVICES] = "devices",
	[CTL_JOBS] = "jobs",	   [CTL_ERRORS] = "errors", [CTL_CACHE] = "cache",   [CTL_LINKS] = "links",
	[CTL_LIMIT] = "limit",	   [CTL_TRACKS] = "tracks", [CTL_PROOF] = "proof",
	[CTL_METRICS] = "metrics", [CTL_REPORT] = "report", [CTL_LOG_LEVEL] = "log-level",
};

/* For "return": false, after writing why. */
#define refuse(why, ...) (snprintf((why), CTL_WHY_BYTES, __VA_ARGS__), false)

/* ---- Verbs ---- */

static bool take_name(struct ctl_options *options, const char *what, const char *name, char *why)
{
	if (!device_name_is_valid(name))
		return refuse(why, "'%.80s' is no name of a %s: expected 1 to 63 of A-Z a-z 0-9 . _ -, not beginning with . "
			"or -", name, what);
	options->name = name;
	return true;
}

static bool take_keygen(struct ctl_options *options, int count, char *const words[], char *why)
{
	if (!options->out || count != 1)
		return refuse(why, "expected: keygen --out FILE NAME, where NAME is what the other host shall call this one");
	if (options->out[0] == '\0')
		return refuse(why, "--out: the name of a file is missing");
	return take_name(options, "host", words[0], why);
}

static bool take_device(struct ctl_options *options, int count, char *const words[], char *why)
{
	if (count > 1)
		return refuse(why, "%s takes one device at most", verbs[options->verb]);
	return count == 0 || take_name(options, "device", words[0], why);
}

/* What stands behind the scope and its name: a rate, which --reads makes unnecessary. */
static bool take_rate(struct ctl_options *options, int count, char *const words[], char *why)
{
	if (count > 1 || (count == 0 && !options->sets_reads))
		return refuse(why, "expected: limit total RATE, limit device NAME RATE or limit peer NAME RATE");
	if (count == 0)
		return true;
	if (!config_parse_rate(words[0], &options->bytes_per_s))
		return refuse(why, "'%.80s' is no rate: expected bytes per second up to 1T, such as 100M, or none", words[0]);
	options->sets_bytes = true;
	return true;
}

static bool take_limit(struct ctl_options *options, int count, char *const words[], char *why)
{
	if (count == 0 && options->sets_reads)
		return refuse(why, "--reads needs to know which limit: total, device NAME or peer NAME");
	if (count == 0)
		return true;
	if (strcmp(words[0], "total") == 0) {
		options->scope = SCOPE_TOTAL;
		return take_rate(options, count - 1, words + 1, why);
	}
	if (strcmp(words[0], "device") == 0)
		options->scope = SCOPE_DEVICE;
	else if (strcmp(words[0], "peer") == 0)
		options->scope = SCOPE_PEER;
	else
		return refuse(why, "'%.80s': expected limit total, limit device NAME or limit peer NAME", words[0]);
	if (count < 2)
		return refuse(why, "limit %s: a name is missing", words[0]);
	return take_name(options, words[0], words[1], why) && take_rate(options, count - 2, words + 2, why);
}

static bool take_tracks(struct ctl_options *options, int count, char *const words[], char *why)
{
	static const struct {
		const char *name;
		int words;
	} actions[] = {
		[CTL_TRACKS_LIST] = { "list", 0 },	   [CTL_TRACKS_MARK] = { "mark", 1 },
		[CTL_TRACKS_CLEAR] = { "clear", 1 },   [CTL_TRACKS_IMPORT] = { "import", 1 },
		[CTL_TRACKS_EXPORT] = { "export", 0 },
	};

	if (count < 2)
		return refuse(why, "expected: tracks DEVICE list, mark RANGES, clear RANGES, clear all, import FILE or export");
	if (!take_name(options, "device", words[0], why))
		return false;
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(words[1], actions[i].name) != 0)
			continue;
		if (count - 2 != actions[i].words)
			return refuse(why, "tracks %s takes %s", actions[i].name, actions[i].words == 0 ? "no argument" :
				i == CTL_TRACKS_IMPORT ? "one argument: the name of a file, or -" :
				"one argument: ranges of tracks, such as 0-99,200");
		if (options->json && i == CTL_TRACKS_EXPORT)
			return refuse(why, "export prints ranges: --json is for list");
		options->tracks = (enum ctl_tracks)i;
		options->tracks_text = words[2];
		return true;
	}
	return refuse(why, "'%.80s': expected tracks DEVICE list, mark, clear, import or export", words[1]);
}

static bool take_number(uint64_t *number, const char *word, char *why)
{
	size_t digits = strspn(word, "0123456789");

	*number = strtoull(word, NULL, 10);
	if (digits == 0 || digits > 10 || word[digits] != '\0' || *number == 0)
		return refuse(why, "'%.80s' is no number of a report: expected one that report list shows", word);
	return true;
}

static bool take_report(struct ctl_options *options, int count, char *const words[], char *why)
{
	static const struct {
		const char *name, *form;
		int words_min, words_max;
	} actions[] = {
		[CTL_REPORT_LIST] = { "list", "report list [DEVICE]", 0, 1 },
		[CTL_REPORT_SHOW] = { "show", "report show DEVICE [NUMBER]", 1, 2 },
		[CTL_REPORT_DIFF] = { "diff", "report diff DEVICE [OLD [NEW]]", 1, 3 },
	};
	unsigned action = 0;

	while (count > 0 && action < 3 && strcmp(words[0], actions[action].name) != 0)
		action++;
	if (count == 0 || action == 3)
		return refuse(why, "expected: report list [DEVICE], report show DEVICE [NUMBER] or report diff DEVICE "
			"[OLD [NEW]]");
	count--;
	words++;
	if (count < actions[action].words_min || count > actions[action].words_max)
		return refuse(why, "expected: %s", actions[action].form);
	options->report = (enum ctl_report)action;
	if (count > 0 && !take_name(options, "device", words[0], why))
		return false;
	for (int i = 1; i < count; i++)
		if (!take_number(&options->reports[i - 1], words[i], why))
			return false;
	return true;
}

static bool take_log_level(struct ctl_options *options, int count, char *const words[], char *why)
{
	if (count > 1)
		return refuse(why, "log-level takes one level at most");
	for (unsigned level = 0; count == 1 && level < LOG_LEVEL_COUNT; level++)
		if (strcmp(words[0], log_level_name((enum log_level)level)) == 0)
			options->log_level = level + 1;
	if (count == 1 && options->log_level == 0)
		return refuse(why, "'%.80s' is no log level: expected error, warning, info or debug", words[0]);
	return true;
}

static bool take_verb(struct ctl_options *options, int count, char *const words[], char *why)
{
	if (count == 0)
		return refuse(why, "a verb is missing");
	options->verb = CTL_VERB_COUNT;
	for (unsigned i = 0; i < CTL_VERB_COUNT; i++)
		if (strcmp(words[0], verbs[i]) == 0)
			options->verb = (enum ctl_verb)i;
	if (options->verb == CTL_VERB_COUNT)
		return refuse(why, "'%.80s' is no verb", words[0]);
	if (options->out && options->verb != CTL_KEYGEN)
		return refuse(why, "--out is for keygen");
	if (options->sets_reads && options->verb != CTL_LIMIT)
		return refuse(why, "--reads is for limit");
	if (options->write && options->verb != CTL_METRICS)
		return refuse(why, "--write is for metrics");
	count--;
	words++;
	switch (options->verb) {
	case CTL_KEYGEN:
		if (options->json || options->socket)
			return refuse(why, "keygen asks no daemon: --socket and --json are not for it");
		return take_keygen(options, count, words, why);
	case CTL_JOBS:
	case CTL_CHECK:
		return take_device(options, count, words, why);
	case CTL_PROOF:
		if (count == 0)
			return refuse(why, "proof: the name of a device is missing");
		return take_device(options, count, words, why);
	case CTL_LIMIT:
		return take_limit(options, count, words, why);
	case CTL_METRICS:
		if (options->json)
			return refuse(why, "metrics is text for Prometheus: --json is not for it");
		if (options->write && options->write[0] == '\0')
			return refuse(why, "--write: the name of a file is missing");
		return count == 0 || refuse(why, "metrics takes no argument");
	case CTL_TRACKS:
		return take_tracks(options, count, words, why);
	case CTL_REPORT:
		return take_report(options, count, words, why);
	case CTL_LOG_LEVEL:
		return take_log_level(options, count, words, why);
	default:
		return count == 0 || refuse(why, "%s takes no argument", verbs[options->verb]);
	}
}

/* ---- Options ---- */

static bool take_reads(struct ctl_options *options, const char *text, char *why)
{
	size_t digits = strspn(text, "0123456789");

	options->sets_reads = true;
	if (strcmp(text, "none") == 0)
		return true;
	options->reads_per_s = digits < 11 ? strtoull(text, NULL, 10) : READS_MAX + 1ull;
	if (digits == 0 || text[digits] != '\0' || options->reads_per_s > READS_MAX)
		return refuse(why, "--reads %.40s: expected reads per second up to %u, or none", text, READS_MAX);
	return true;
}

static bool take_option(struct ctl_options *options, int code, char *const argv[], char *why)
{
	switch (code) {
	case OPTION_SOCKET:
		options->socket = optarg;
		return true;
	case OPTION_JSON:
		options->json = true;
		return true;
	case OPTION_OUT:
		options->out = optarg;
		return true;
	case OPTION_WRITE:
		options->write = optarg;
		return true;
	case OPTION_READS:
		return take_reads(options, optarg, why);
	case ':':
		return refuse(why, "%.80s: a value is missing", argv[optind - 1]);
	default:
		if (optopt > 0 && optopt < 256)
			return refuse(why, "-%c: unknown option", optopt);
		return refuse(why, "%.80s: unknown option, or one that takes no value", argv[optind - 1]);
	}
}

enum ctl_result ctl_options_parse(int argc, char *argv[], struct ctl_options *options, char why[CTL_WHY_BYTES])
{
	int code;

	*options = (struct ctl_options){ .name = "" };
	why[0] = '\0';
	opterr = 0;
	optind = 0; /* GNU: a full restart, also after an earlier call */
	while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (code == OPTION_HELP)
			return CTL_HELP;
		if (code == OPTION_VERSION)
			return CTL_VERSION;
		if (!take_option(options, code, argv, why))
			return CTL_BAD;
	}
	return take_verb(options, argc - optind, argv + optind, why) ? CTL_RUN : CTL_BAD;
}
