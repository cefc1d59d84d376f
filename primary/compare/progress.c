/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress of a pass: a timer, a line and the figures of the report. A pass is recognised by its number, and its time
 * counts from the first look at it. Nothing here changes what is compared.
 */
#include "primary/compare/progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/plural.h"
#include "primary/compare/report.h"

#define PROGRESS_MAGIC 0x50524f47u
#define CLEAR_LINE "\r\033[K"

struct progress {
	uint32_t magic;
	struct clock *clock;
	struct timer timer;
	FILE *out;
	const struct report *(*current)(void *arg);
	void *arg;
	bool is_shown;
	bool is_link_down;
	int64_t down_ms; /* since */
	char down_why[PROGRESS_LINE_BYTES];
};

static void format_bytes(uint64_t bytes, char text[32])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes / KIB;
	size_t unit = 0;

	while (value >= 1000.0 && unit + 2 < sizeof(units)) {
		value /= KIB;
		unit++;
	}
	snprintf(text, 32, "%.1f %ciB", value, units[unit]);
}

static uint64_t done_tracks(const struct report_figures *figures)
{
	uint64_t done = 0;

	for (int state = 0; state < REPORT_STATE_COUNT; state++)
		done += figures->tracks[state];
	return done;
}

void progress_format(const struct report *report, int64_t elapsed_ms, char line[PROGRESS_LINE_BYTES])
{
	const struct report_figures *figures = report_figures(report);
	uint64_t done = done_tracks(figures);
	double share = figures->total_tracks > 0 ? (double)done / (double)figures->total_tracks : 1.0;
	char compared[32], rate[32];

	format_bytes(figures->compared_bytes, compared);
	format_bytes(elapsed_ms > 0 ? figures->compared_bytes * 1000 / (uint64_t)elapsed_ms : 0, rate);
	snprintf(line, PROGRESS_LINE_BYTES,
		"pass %" PRIu64 ": %3.0f %%, %s compared, %s/s, %" PRIu64 " %s, %" PRIu64 " unreadable",
		figures->setup.pass, share * 100.0, compared, rate, figures->tracks[REPORT_DIFFERENT],
		plural(figures->tracks[REPORT_DIFFERENT], "track differs", "tracks differ"),
		figures->tracks[REPORT_UNREADABLE]);
}

static void format_down(const struct progress *progress, const struct report *report, int64_t now_ms,
	char line[PROGRESS_LINE_BYTES])
{
	const struct report_figures *figures = report ? report_figures(report) : NULL;
	int64_t down_s = (now_ms - progress->down_ms) / 1000;

	if (figures && figures->total_tracks > 0)
		snprintf(line, PROGRESS_LINE_BYTES, "pass %" PRIu64 ": %3.0f %%, link down for %" PRId64 " s: %.100s",
			figures->setup.pass, (double)done_tracks(figures) / (double)figures->total_tracks * 100.0, down_s,
			progress->down_why);
	else
		snprintf(line, PROGRESS_LINE_BYTES, "link down for %" PRId64 " s: %.100s", down_s, progress->down_why);
}

/* False: no pass runs, and none waits for the link. */
static bool format_now(struct progress *progress, char line[PROGRESS_LINE_BYTES])
{
	const struct report *report = progress->current(progress->arg);
	int64_t now_ms = clock_now_ms(progress->clock);

	if (progress->is_link_down) {
		format_down(progress, report, now_ms, line);
		return true;
	}
	if (!report)
		return false;
	progress_format(report, now_ms - report_figures(report)->setup.started_ms, line);
	return true;
}

static void on_timer(void *arg)
{
	struct progress *progress = arg;
	char line[PROGRESS_LINE_BYTES];

	assert(progress->magic == PROGRESS_MAGIC);
	if (format_now(progress, line)) {
		fprintf(progress->out, CLEAR_LINE "%s", line);
		fflush(progress->out);
		progress->is_shown = true;
	}
	timer_set(&progress->timer, PROGRESS_PERIOD_MS);
}

struct progress *progress_new(struct clock *clock, bool is_on, FILE *out, const struct report *(*current)(void *arg),
	void *arg)
{
	struct progress *progress = xcalloc(1, sizeof(*progress));

	progress->magic = PROGRESS_MAGIC;
	progress->clock = clock;
	progress->out = out;
	progress->current = current;
	progress->arg = arg;
	timer_init(&progress->timer, clock, on_timer, progress);
	if (is_on)
		timer_set(&progress->timer, PROGRESS_PERIOD_MS);
	return progress;
}

void progress_set_link(struct progress *progress, bool is_up, const char *why)
{
	if (!is_up && !progress->is_link_down)
		progress->down_ms = clock_now_ms(progress->clock);
	progress->is_link_down = !is_up;
	snprintf(progress->down_why, sizeof(progress->down_why), "%s", why);
}

void progress_clear(struct progress *progress)
{
	if (!progress->is_shown)
		return;
	fputs(CLEAR_LINE, progress->out);
	fflush(progress->out);
	progress->is_shown = false;
}

void progress_free(struct progress *progress)
{
	if (!progress)
		return;
	progress_clear(progress);
	timer_cancel(&progress->timer);
	progress->magic = 0;
	free(progress);
}

void progress_print_once(struct progress *progress)
{
	char line[PROGRESS_LINE_BYTES];

	progress_clear(progress);
	if (format_now(progress, line))
		fprintf(progress->out, "ra-compare: %s\n", line);
	else
		fprintf(progress->out, "ra-compare: no pass is running\n");
	fflush(progress->out);
}
