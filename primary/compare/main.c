/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-compare: builds the parts in order, runs the loop, ends them in the opposite order, prints what was found. What
 * is printed waits until the daemons have ended, because only their exit says why a connection was lost. One thread.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/limits.h"
#include "base/log.h"
#include "local/client.h"
#include "local/control_client.h"
#include "local/shm.h"
#include "primary/compare/engine.h"
#include "primary/compare/opening.h"
#include "primary/compare/options.h"
#include "primary/compare/pace.h"
#include "primary/compare/pair.h"
#include "primary/compare/progress.h"
#include "primary/compare/report.h"
#include "primary/compare/report_print.h"
#include "primary/compare/where.h"

#define COMPARE_MAGIC 0x434d5052u
#define EXIT_USAGE 2
#define EXIT_NOT_PROVEN 3
#define EXIT_LOST 4
/* A signal to the whole process group ends the daemons too; it must be seen here before the loss that follows. */
#define LOST_DELAY_MS 100
#define KEEP_TIMEOUT_MS 15000 /* for what the primary does with the report, and for LAYOUT before; told as 15 s */

struct compare {
	uint32_t magic;
	struct options options;
	struct daemon *daemon;
	struct shm *shm;
	struct pair *pair; /* NULL for a device */
	struct client *client;
	struct engine *engine;
	struct progress *progress;
	struct timer lost_timer;
	char lost_reason[PAIR_WHY_BYTES];
	bool is_up;
	bool is_lost;
	bool was_signalled;
	bool is_link_down;
	int64_t link_down_ms; /* since */
	bool is_ending; /* the engine is done: what is awaited, LAYOUT and REPORT, is not for the result */
	struct timer keep_timer;
	char kept_why[DETAIL_MAX + 1]; /* why the report is not kept; "": it is, or need not be */
	struct where *where; /* NULL: no differences, or nobody wants to know */
};

static struct compare *compare_of(void *arg)
{
	struct compare *compare = arg;

	assert(compare->magic == COMPARE_MAGIC);
	return compare;
}

/* ---- Events ---- */

static void on_up(void *arg)
{
	struct compare *compare = compare_of(arg);

	compare->is_up = true;
	engine_start(compare->engine);
}

static void on_lost(void *arg, const char *reason)
{
	struct compare *compare = compare_of(arg);
	const char *where = "", *colon = "";

	if (compare->options.form == FORM_DEVICE) {
		where = compare->is_up ? "the connection to ra-primaryd was lost" : compare->options.socket_path;
		colon = ": ";
	}
	snprintf(compare->lost_reason, sizeof(compare->lost_reason), "%s%s%s", where, colon, reason);
	timer_set(&compare->lost_timer, LOST_DELAY_MS);
}

static void on_lost_timer(void *arg)
{
	struct compare *compare = compare_of(arg);

	if (compare->is_ending) {
		daemon_stop(compare->daemon, 0); /* the result is there */
		return;
	}
	compare->is_lost = true;
	engine_lost(compare->engine, compare->lost_reason);
}

static bool wants_progress(const struct options *options)
{
	if (options->progress == PROGRESS_AUTO)
		return !options->quiet && isatty(STDERR_FILENO) != 0;
	return options->progress == PROGRESS_ALWAYS;
}

/* The progress line says that the link is down; where there is none, one line does. */
static void on_link(void *arg, const struct msg_host_link *link)
{
	struct compare *compare = compare_of(arg);
	const struct options *options = &compare->options;
	int64_t now_ms = clock_now_ms(daemon_clock(compare->daemon));

	progress_set_link(compare->progress, link->is_up, link->detail);
	if (!link->is_up && !compare->is_link_down) {
		compare->link_down_ms = now_ms;
		if (!wants_progress(options))
			log_warning("the link is down: %s; waiting for it, at most %lld s", link->detail,
				(long long)(options->link_timeout_ms + 999) / 1000);
	} else if (link->is_up && compare->is_link_down) {
		progress_clear(compare->progress);
		log_warning("the link is up again after %.1f s", (double)(now_ms - compare->link_down_ms) / 1000.0);
	}
	compare->is_link_down = !link->is_up;
	engine_link(compare->engine, link);
}

static const struct client_ops client_ops = { .up = on_up, .lost = on_lost, .link = on_link };

static void on_pass(void *arg, const struct report *report, uint64_t pass)
{
	struct compare *compare = compare_of(arg);

	progress_clear(compare->progress);
	if (compare->options.repeat > 1 && !compare->options.quiet) {
		fprintf(stderr, "pass %llu: ", (unsigned long long)pass);
		report_print_sentence(report, 1, stderr);
	}
}

/* why: the report is not kept, unless something better comes; of two volumes nobody keeps any. */
static void set_kept_why(struct compare *compare, const char *why)
{
	if (compare->options.form == FORM_DEVICE)
		snprintf(compare->kept_why, sizeof(compare->kept_why), "%s", why);
}

static void on_kept(void *arg, const struct msg_host_record_reply *reply, const uint8_t *record, uint32_t bytes)
{
	struct compare *compare = compare_of(arg);

	(void)record, (void)bytes;
	set_kept_why(compare, reply->status == STATUS_OK ? "" : status_words(reply->status, reply->detail));
	daemon_stop(compare->daemon, 0);
}

static void on_keep_timer(void *arg)
{
	struct compare *compare = compare_of(arg);

	set_kept_why(compare, "the primary does not answer within 15 s");
	daemon_stop(compare->daemon, 0);
}

/* The primary of a device keeps the report. Nothing that comes of it changes the result. */
static void keep_report(struct compare *compare)
{
	size_t bytes;
	char *text = report_dump_json(engine_report(compare->engine), compare->where, engine_passes(compare->engine),
		REPORT_BYTES_MAX, &bytes);

	if (text) {
		client_save(compare->client, RECORD_REPORT, (const uint8_t *)text, (uint32_t)bytes, on_kept, compare);
	} else {
		set_kept_why(compare, "it is too long");
		daemon_stop(compare->daemon, 0);
	}
	free(text);
}

/* What is known of the result is known. */
static void end(struct compare *compare)
{
	if (compare->options.form == FORM_DEVICE)
		keep_report(compare);
	else
		daemon_stop(compare->daemon, 0);
}

static void on_layout(void *arg, const struct msg_host_record_reply *reply, const uint8_t *record,
	uint32_t bytes)
{
	struct compare *compare = compare_of(arg);
	const struct report *report = engine_report(compare->engine);
	const struct report_figures *figures = report_figures(report);
	const struct report_setup *setup = &figures->setup;

	if (reply->status != STATUS_OK)
		log_info("partitions and file systems are not known: %s", reply->detail);
	compare->where = where_new(reply->status == STATUS_OK ? record : NULL, bytes, &setup->local,
		setup->device ? setup->local.path : setup->name_local, "/sys");
	for (size_t i = 0; i < figures->range_count; i++) {
		const struct report_range *range = report_range(report, i);

		if (range->state == REPORT_DIFFERENT)
			where_note(compare->where, range->offset_bytes, range->length_bytes);
	}
	end(compare);
}

/* What differs is looked for in the local volume, if that is going to be printed or kept. */
static void on_done(void *arg)
{
	struct compare *compare = compare_of(arg);
	const struct report *report = engine_report(compare->engine);

	bool is_device = compare->options.form == FORM_DEVICE;

	if (!report || compare->is_lost) {
		daemon_stop(compare->daemon, 0);
		return;
	}
	compare->is_ending = true;
	set_kept_why(compare, "the connection to ra-primaryd has ended");
	if (is_device)
		timer_set(&compare->keep_timer, KEEP_TIMEOUT_MS);
	if (report_figures(report)->tracks[REPORT_DIFFERENT] > 0 && (is_device || !compare->options.quiet))
		client_load(compare->client, RECORD_LAYOUT, on_layout, compare);
	else
		end(compare);
}

static const struct engine_ops engine_ops = { .pass = on_pass, .done = on_done };

static void on_end_signal(int signal_number, void *arg)
{
	struct compare *compare = compare_of(arg);

	if (compare->is_ending) {
		set_kept_why(compare, "a signal came before");
		daemon_stop(compare->daemon, 0);
		return;
	}
	if (compare->was_signalled)
		_exit(128 + signal_number); /* the daemons die with this process */
	compare->was_signalled = true;
	engine_interrupt(compare->engine);
}

static void on_progress_signal(int signal_number, void *arg)
{
	(void)signal_number;
	progress_print_once(compare_of(arg)->progress);
}

static void on_progress(void *arg, const struct msg_host_progress *progress)
{
	const struct compare *compare = compare_of(arg);

	if (compare->client)
		client_progress(compare->client, progress);
}

static enum pace_phase phase_of(const struct pace_input *input, bool is_running)
{
	if (input->pass == 0)
		return PACE_OPENING;
	if (!is_running || input->done_tracks == input->total_tracks)
		return PACE_FINISHING;
	return input->done_tracks + input->settling_tracks < input->total_tracks ? PACE_COMPARING : PACE_SETTLING;
}

/* Of the pass that runs; between passes and at the end, of the worst so far. */
static void count(void *arg, struct pace_input *input)
{
	const struct compare *compare = compare_of(arg);
	const struct report *report = NULL;
	bool is_running = false;

	if (compare->engine) {
		is_running = engine_current(compare->engine) != NULL;
		report = is_running ? engine_current(compare->engine) : engine_report(compare->engine);
	}
	if (report) {
		const struct report_figures *figures = report_figures(report);

		for (int state = 0; state < REPORT_STATE_COUNT; state++) {
			input->tracks[state] = figures->tracks[state];
			input->done_tracks += figures->tracks[state];
		}
		input->pass = figures->setup.pass;
		input->total_tracks = figures->total_tracks;
		input->settling_tracks = engine_settling_tracks(compare->engine);
		input->compared_bytes = figures->compared_bytes;
		input->waits = figures->link.waits;
		input->is_one_host = figures->setup.local.host_id != 0 &&
			figures->setup.local.host_id == figures->setup.remote.host_id;
	}
	input->cpu_ms = clock_thread_cpu_ms();
	input->phase = phase_of(input, is_running);
}

static struct progress *new_progress(struct compare *compare)
{
	const struct progress_spec spec = {
		.is_on = wants_progress(&compare->options),
		.out = stderr,
		.status_fd = compare->options.status_fd,
		.figures = count,
		.tell = on_progress,
		.arg = compare,
	};

	return progress_new(daemon_clock(compare->daemon), &spec);
}

/* ---- Building and ending ---- */

/* The socket of the primary, private or configured: 0, or -errno with words in why. */
static int reach_primary(struct compare *compare, int *host_fd, char why[PAIR_WHY_BYTES])
{
	if (compare->options.form != FORM_DEVICE)
		return pair_start(&compare->options, &compare->pair, host_fd, why);
	*host_fd = control_connect(compare->options.socket_path, "ra-primaryd", why, PAIR_WHY_BYTES);
	if (*host_fd >= 0)
		return 0;
	opening_add_hint(&compare->options, why, PAIR_WHY_BYTES);
	return *host_fd;
}

/* 0, or -errno with words in why. */
static int build(struct compare *compare, char why[PAIR_WHY_BYTES])
{
	const struct options *options = &compare->options;
	int memory_fd = -1, host_fd = -1;
	struct clock *clock;
	int rc;

	compare->magic = COMPARE_MAGIC;
	compare->daemon = daemon_new();
	clock = daemon_clock(compare->daemon);
	timer_init(&compare->lost_timer, clock, on_lost_timer, compare);
	timer_init(&compare->keep_timer, clock, on_keep_timer, compare);
	/* A signal that comes before the loop runs is seen by it. */
	daemon_on_signal(compare->daemon, SIGINT, on_end_signal, compare);
	daemon_on_signal(compare->daemon, SIGTERM, on_end_signal, compare);
	compare->progress = new_progress(compare);
	daemon_on_signal(compare->daemon, SIGUSR1, on_progress_signal, compare);
	rc = shm_create(options_slot_count(options), options_slot_bytes(options), &compare->shm, &memory_fd);
	if (rc != 0) {
		snprintf(why, PAIR_WHY_BYTES, "no shared memory: %s", strerror(-rc));
		return rc;
	}
	rc = reach_primary(compare, &host_fd, why);
	if (rc != 0)
		goto out;
	compare->client = client_new(daemon_base(compare->daemon), clock, host_fd, compare->shm, memory_fd, &client_ops,
		compare);
	compare->engine = engine_new(compare->client, clock, compare->shm, options, &engine_ops, compare);
out:
	close(memory_fd);
	return rc;
}

/* The client first: its end closes the host socket, by which the daemons know that they are done. */
static void stop(struct compare *compare)
{
	progress_stop(compare->progress);
	client_free(compare->client);
	compare->client = NULL;
	if (compare->pair)
		pair_stop(compare->pair);
}

static void destroy(struct compare *compare)
{
	progress_free(compare->progress);
	where_free(compare->where);
	engine_free(compare->engine);
	pair_free(compare->pair);
	shm_unref(compare->shm);
	timer_cancel(&compare->lost_timer);
	timer_cancel(&compare->keep_timer);
	daemon_free(compare->daemon);
}

/* ---- Output ---- */

/* A result that did not reach its reader is no result. */
static int flush_output(int exit_code)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return exit_code;
	log_error("standard output cannot be written: %s", strerror(errno));
	return EXIT_USAGE;
}

static int fail(const struct options *options, int exit_code, const char *text)
{
	log_error("%s", text);
	if (options->json)
		report_print_json_error(text, stdout);
	return flush_output(exit_code);
}

static int print_result(const struct compare *compare)
{
	const struct engine *engine = compare->engine;
	const struct report *report = engine_report(engine);
	const char *error = engine_error(engine);
	int exit_code = engine_exit_code(engine);
	char ended[PAIR_WHY_BYTES] = "", text[PATH_BYTES_MAX + PAIR_WHY_BYTES];

	if (compare->pair && (exit_code == EXIT_LOST || compare->is_lost))
		pair_explain(compare->pair, ended, sizeof(ended));
	snprintf(text, sizeof(text), "%s%s%s", error, error[0] && ended[0] ? ": " : "", ended);
	if (!report)
		return fail(&compare->options, exit_code, text);
	if (error[0])
		log_error("%s", text);
	if (compare->kept_why[0])
		log_warning("this report is not kept for ra-ctl report: %s", compare->kept_why);
	if (compare->options.json)
		report_print_json(report, compare->where, engine_passes(engine), SIZE_MAX, stdout);
	else if (!compare->options.quiet)
		report_print_text(report, compare->where, engine_passes(engine), stdout);
	return flush_output(exit_code);
}

static int run(const struct options *options)
{
	struct compare *compare = xcalloc(1, sizeof(*compare));
	char why[PAIR_WHY_BYTES] = "";
	const struct report *report;
	int exit_code, rc;

	compare->options = *options;
	rc = build(compare, why);
	if (rc != 0) {
		exit_code = fail(options, rc == -EINTR ? EXIT_NOT_PROVEN : EXIT_LOST, why);
	} else {
		daemon_run(compare->daemon);
		stop(compare);
		exit_code = print_result(compare);
	}
	report = compare->engine ? engine_report(compare->engine) : NULL;
	progress_end(compare->progress, report ? report_result_name(report) : "error", exit_code);
	destroy(compare);
	free(compare);
	return exit_code;
}

int main(int argc, char *argv[])
{
	struct options options;
	char why[OPTIONS_WHY_BYTES];
	int rc;

	log_start("ra-compare", LOG_LEVEL_WARNING);
	switch (options_parse(argc, argv, &options, why)) {
	case OPTIONS_HELP:
		fputs(options_help, stdout);
		return flush_output(0);
	case OPTIONS_VERSION:
		printf("ra-compare %s\n", RA_VERSION);
		return flush_output(0);
	case OPTIONS_BAD:
		rc = fail(&options, EXIT_USAGE, why);
		fputs("Try 'ra-compare --help'.\n", stderr);
		return rc;
	case OPTIONS_RUN:
		break;
	}
	if (options.verbose)
		log_start("ra-compare", LOG_LEVEL_INFO);
	return run(&options);
}
