/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress: one timer that feeds the pace, and those who are told its figures. Nothing here changes what is compared.
 */
#include "primary/compare/progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/plural.h"
#include "primary/compare/feed.h"
#include "primary/compare/pace.h"
#include "wire/message.h"

#define PROGRESS_MAGIC 0x50524f47u
#define CLEAR_LINE "\r\033[K"
#define TELL_TICKS 2u /* the primary and the feed are told at every second tick */

struct progress {
	uint32_t magic;
	struct clock *clock;
	struct progress_spec spec;
	struct pace *pace;
	struct feed *feed; /* NULL: none */
	struct timer timer;
	unsigned ticks;
	bool is_shown;
	bool is_link_down;
	int64_t down_ms; /* since */
	char down_why[PROGRESS_LINE_BYTES];
};

/* ---- Words ---- */

__attribute__((format(printf, 2, 3))) static void add(char line[PROGRESS_LINE_BYTES], const char *format, ...)
{
	size_t used = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + used, PROGRESS_LINE_BYTES - used, format, args);
	va_end(args);
}

static void add_rate(char line[PROGRESS_LINE_BYTES], uint64_t bytes_per_s, const char *side)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes_per_s / KIB;
	size_t unit = 0;

	for (; value >= 1000.0 && unit + 2 < sizeof(units); unit++)
		value /= KIB;
	add(line, ", %.1f %ciB/s %s", value, units[unit], side);
}

static void add_left(char line[PROGRESS_LINE_BYTES], uint64_t left_s)
{
	if (left_s == 0)
		return;
	if (left_s < 120)
		add(line, ", %" PRIu64 " s left", left_s);
	else if (left_s < 7200)
		add(line, ", %" PRIu64 " min left", (left_s + 30) / 60);
	else if (left_s < 172800)
		add(line, ", %" PRIu64 " h left", (left_s + 1800) / 3600);
	else
		add(line, ", %" PRIu64 " days left", (left_s + 43200) / 86400);
}

/* "comparing:  50 %"; never 100 before the last track is done. */
static void add_phase(char line[PROGRESS_LINE_BYTES], const struct pace_figures *figures)
{
	if (figures->pass > 1)
		add(line, "pass %" PRIu64 ", ", figures->pass);
	add(line, "%s", pace_phase_name(figures->phase));
	if (figures->total_tracks > 0)
		add(line, ": %3u %%", figures->done_tracks >= figures->total_tracks ? 100u :
			(unsigned)((double)figures->done_tracks / (double)figures->total_tracks * 100.0));
}

void progress_format(const struct pace_figures *figures, char line[PROGRESS_LINE_BYTES])
{
	line[0] = '\0';
	add_phase(line, figures);
	if (figures->total_tracks == 0)
		return;
	add(line, ", %" PRIu64 " %s", figures->tracks[REPORT_DIFFERENT],
		plural(figures->tracks[REPORT_DIFFERENT], "track differs", "tracks differ"));
	if (figures->tracks[REPORT_UNREADABLE] > 0)
		add(line, ", %" PRIu64 " unreadable", figures->tracks[REPORT_UNREADABLE]);
	if (figures->settling_tracks > 0)
		add(line, ", %" PRIu64 " settling", figures->settling_tracks);
	add_left(line, figures->left_s);
	add_rate(line, figures->local_bytes_per_s, "local");
	add_rate(line, figures->remote_bytes_per_s, "remote");
	if (figures->binds != PACE_UNKNOWN)
		add(line, ", %s binds", pace_binds_name(figures->binds));
}

static void format_now(const struct progress *progress, const struct pace_figures *figures,
	char line[PROGRESS_LINE_BYTES])
{
	if (!progress->is_link_down) {
		progress_format(figures, line);
		return;
	}
	line[0] = '\0';
	add_phase(line, figures);
	add(line, ", down for %" PRId64 " s: %.150s", (clock_now_ms(progress->clock) - progress->down_ms) / 1000,
		progress->down_why);
}

/* ---- Telling ---- */

static void look(struct progress *progress, struct pace_figures *figures)
{
	struct pace_input input = { 0 };

	progress->spec.figures(progress->spec.arg, &input);
	input.is_link_down = progress->is_link_down;
	pace_take(progress->pace, clock_now_ms(progress->clock), &input);
	pace_figures(progress->pace, figures);
}

static void tell_primary(const struct progress *progress, const struct pace_figures *figures)
{
	struct msg_host_progress message = {
		.done_tracks = figures->done_tracks,
		.total_tracks = figures->total_tracks,
		.different_tracks = figures->tracks[REPORT_DIFFERENT],
		.settling_tracks = figures->settling_tracks,
		.local_bytes_per_s = figures->local_bytes_per_s,
		.remote_bytes_per_s = figures->remote_bytes_per_s,
		.left_s = figures->left_s,
		.elapsed_s = figures->elapsed_s,
	};

	snprintf(message.phase, sizeof(message.phase), "%s", pace_phase_name(figures->phase));
	snprintf(message.binds, sizeof(message.binds), "%s", pace_binds_name(figures->binds));
	progress->spec.tell(progress->spec.arg, &message);
}

/* A line that is longer than the terminal is wide could not be rewritten. */
static void cut_to_width(FILE *out, char *line)
{
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && strlen(line) >= size.ws_col)
		line[size.ws_col - 1] = '\0';
}

static void show_line(struct progress *progress, const struct pace_figures *figures)
{
	char line[PROGRESS_LINE_BYTES];

	format_now(progress, figures, line);
	cut_to_width(progress->spec.out, line);
	fprintf(progress->spec.out, CLEAR_LINE "%s", line);
	fflush(progress->spec.out);
	progress->is_shown = true;
}

static void on_timer(void *arg)
{
	struct progress *progress = arg;
	struct pace_figures figures;

	assert(progress->magic == PROGRESS_MAGIC);
	timer_set(&progress->timer, PROGRESS_PERIOD_MS);
	look(progress, &figures);
	/* Before there is something to show somebody may be asked for a password. */
	if (progress->spec.is_on && (figures.pass > 0 || progress->is_link_down))
		show_line(progress, &figures);
	if (++progress->ticks % TELL_TICKS != 0)
		return;
	if (progress->feed)
		feed_tell(progress->feed, &figures);
	tell_primary(progress, &figures);
}

/* ---- For main ---- */

struct progress *progress_new(struct clock *clock, const struct progress_spec *spec)
{
	struct progress *progress = xcalloc(1, sizeof(*progress));

	progress->magic = PROGRESS_MAGIC;
	progress->clock = clock;
	progress->spec = *spec;
	progress->pace = pace_new(clock_now_ms(clock));
	if (spec->status_fd >= 0)
		progress->feed = feed_new(spec->status_fd);
	timer_init(&progress->timer, clock, on_timer, progress);
	timer_set(&progress->timer, PROGRESS_PERIOD_MS);
	return progress;
}

void progress_set_link(struct progress *progress, bool is_up, const char *why)
{
	struct pace_figures figures;

	if (is_up == progress->is_link_down) { /* the window ends, or goes on, now */
		look(progress, &figures);
		progress->is_link_down = !is_up;
		progress->down_ms = clock_now_ms(progress->clock);
		look(progress, &figures);
	}
	snprintf(progress->down_why, sizeof(progress->down_why), "%s", why);
}

void progress_clear(struct progress *progress)
{
	if (!progress->is_shown)
		return;
	fputs(CLEAR_LINE, progress->spec.out);
	fflush(progress->spec.out);
	progress->is_shown = false;
}

void progress_stop(struct progress *progress)
{
	progress_clear(progress);
	timer_cancel(&progress->timer);
}

void progress_end(struct progress *progress, const char *result, int exit_status)
{
	struct pace_figures figures;

	progress_stop(progress);
	if (!progress->feed)
		return;
	look(progress, &figures);
	feed_end(progress->feed, &figures, result, exit_status);
}

void progress_free(struct progress *progress)
{
	if (!progress)
		return;
	progress_stop(progress);
	feed_free(progress->feed);
	pace_free(progress->pace);
	progress->magic = 0;
	free(progress);
}

void progress_print_once(struct progress *progress)
{
	char line[PROGRESS_LINE_BYTES];
	struct pace_figures figures;

	progress_clear(progress);
	look(progress, &figures);
	format_now(progress, &figures, line);
	fprintf(progress->spec.out, "ra-compare: %s\n", line);
	fflush(progress->spec.out);
}
