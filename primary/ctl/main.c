/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl: looks into a daemon of this host. Each verb is one question, whose answer is printed as it came (--json) or
 * as a table; keygen asks nobody; check, metrics, tracks and report have their own files. One thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "primary/ctl/ask.h"
#include "primary/ctl/check.h"
#include "primary/ctl/keygen.h"
#include "primary/ctl/metrics.h"
#include "primary/ctl/options.h"
#include "primary/ctl/report.h"
#include "primary/ctl/show.h"
#include "primary/ctl/tracks.h"
#include "primary/ctl/words.h"

static const struct {
	enum control_verb verb;
	void (*show)(const json_t *answer, FILE *out);
} questions[CTL_VERB_COUNT] = {
	[CTL_STATUS] = { VERB_STATUS, ctl_show_status },
	[CTL_DEVICES] = { VERB_DEVICES, ctl_show_devices },
	[CTL_JOBS] = { VERB_JOBS, ctl_show_jobs },
	[CTL_ERRORS] = { VERB_ERRORS, ctl_show_errors },
	[CTL_CACHE] = { VERB_CACHE, ctl_show_cache },
	[CTL_LINKS] = { VERB_LINKS, ctl_show_links },
	[CTL_LIMIT] = { VERB_LIMIT, ctl_show_limit },
	[CTL_PROOF] = { VERB_PROOF, ctl_show_proof },
	[CTL_LOG_LEVEL] = { VERB_LOG_LEVEL, ctl_show_log_level },
};

static enum ctl_exit ask_and_show(const struct ctl_options *options)
{
	struct msg_control request = {
		.verb = questions[options->verb].verb,
		.scope = options->scope,
		.sets_bytes = options->sets_bytes,
		.bytes_per_s = options->bytes_per_s,
		.sets_reads = options->sets_reads,
		.reads_per_s = options->reads_per_s,
		.log_level = options->log_level,
	};
	json_t *answer;
	enum ctl_exit code;

	snprintf(request.name, sizeof(request.name), "%s", options->name);
	code = ctl_ask(options, &request, NULL, 0, &answer);
	if (code != CTL_GOOD)
		return code;
	if (options->json)
		ctl_print_json(answer, stdout);
	else
		questions[options->verb].show(answer, stdout);
	json_decref(answer);
	return CTL_GOOD;
}

static enum ctl_exit run(const struct ctl_options *options)
{
	switch (options->verb) {
	case CTL_KEYGEN:
		return ctl_keygen(options);
	case CTL_CHECK:
		return ctl_check(options);
	case CTL_METRICS:
		return ctl_run_metrics(options);
	case CTL_TRACKS:
		return ctl_run_tracks(options);
	case CTL_REPORT:
		return ctl_run_report(options);
	default:
		return ask_and_show(options);
	}
}

/* An answer that did not reach its reader is none. */
static int flush_output(enum ctl_exit code)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return (int)code;
	log_error("standard output cannot be written: %s", strerror(errno));
	return CTL_USAGE;
}

int main(int argc, char *argv[])
{
	struct ctl_options options;
	char why[CTL_WHY_BYTES];

	log_start("ra-ctl", LOG_LEVEL_WARNING);
	switch (ctl_options_parse(argc, argv, &options, why)) {
	case CTL_HELP:
		fputs(ctl_help, stdout);
		return flush_output(CTL_GOOD);
	case CTL_VERSION:
		printf("ra-ctl %s\n", RA_VERSION);
		return flush_output(CTL_GOOD);
	case CTL_BAD:
		log_error("%s", why);
		fputs("Try 'ra-ctl --help'.\n", stderr);
		return CTL_USAGE;
	case CTL_RUN:
		break;
	}
	return flush_output(run(&options));
}
