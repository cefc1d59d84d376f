/* SPDX-License-Identifier: Apache-2.0
 *
 * The window is a ring of samples on a clock that stands still while the link is down; the last one of them that is as
 * old as the window, or the first of all, is what the latest is measured against. A new pass or phase begins anew,
 * because what was before says nothing of what comes.
 */
#include "primary/compare/pace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define SAMPLE_GAP_MS 250 /* less than that apart, one replaces the other */
#define SAMPLES (PACE_WINDOW_MS / SAMPLE_GAP_MS + 2u)
#define SPAN_LEAST_MS 2000 /* a shorter window tells nothing of the rest */
#define BUSY_SHARE 90      /* percent of a processor */
#define SHARED_SHARE 60    /* likewise, of all loops together, when they share a machine and no disk is slow */

struct sample {
	int64_t active_ms;
	uint64_t done_tracks;
	struct report_waits waits;
	int64_t cpu_ms;
};

struct pace {
	int64_t begun_ms, now_ms;
	int64_t active_ms; /* so far; without the time that the link was down */
	struct pace_input last;
	struct sample ring[SAMPLES]; /* the oldest at first; not the latest sample, that is made of last */
	unsigned first, count;
};

const char *pace_phase_name(enum pace_phase phase)
{
	static const char *const names[PACE_PHASE_COUNT] = { [PACE_OPENING] = "opening",
		[PACE_WAITING] = "waiting for the link", [PACE_COMPARING] = "comparing", [PACE_SETTLING] = "settling",
		[PACE_FINISHING] = "finishing" };

	return names[phase];
}

const char *pace_binds_name(enum pace_binds binds)
{
	static const char *const names[PACE_BINDS_COUNT] = { [PACE_UNKNOWN] = "", [PACE_LOCAL_DISK] = "local disk",
		[PACE_REMOTE_DISK] = "remote disk", [PACE_LINK] = "link", [PACE_PROCESSOR] = "processor",
		[PACE_LIMIT] = "limit" };

	return names[binds];
}

/* ---- What binds ---- */

static bool is_half(int64_t part, int64_t whole)
{
	return part * 2 >= whole;
}

static bool is_share(int64_t part, int64_t whole, int percent)
{
	return part * 100 >= whole * percent;
}

/* One of the loops, which have a thread each, has no time left. */
static bool is_busy(const struct pace_span *span)
{
	const uint64_t *cpu_ms = span->waits.cpu_ms;

	return is_share(span->cpu_ms, span->ms, BUSY_SHARE) ||
		is_share((int64_t)cpu_ms[SIDE_LOCAL], span->ms, BUSY_SHARE) ||
		is_share((int64_t)cpu_ms[SIDE_REMOTE], span->ms, BUSY_SHARE);
}

/* The way between two programs of one machine is their work, and they take the processors from each other. */
static enum pace_binds way_of(const struct pace_span *span)
{
	const uint64_t *cpu_ms = span->waits.cpu_ms;
	int64_t all_ms = span->cpu_ms + (int64_t)(cpu_ms[SIDE_LOCAL] + cpu_ms[SIDE_REMOTE]);

	return span->is_one_host && is_share(all_ms, span->ms, SHARED_SHARE) ? PACE_PROCESSOR : PACE_LINK;
}

/* The side that the other was there without, for a quarter of the time and clearly more than the reverse. */
static enum side slower_side(const struct report_waits *waits)
{
	enum side side = waits->alone_ms[SIDE_LOCAL] > waits->alone_ms[SIDE_REMOTE] ? SIDE_LOCAL : SIDE_REMOTE;
	enum side other = side == SIDE_LOCAL ? SIDE_REMOTE : SIDE_LOCAL;

	if (waits->alone_ms[side] <= 0 || waits->alone_ms[side] * 4 < waits->asked_ms[side] ||
		waits->alone_ms[side] < 2 * waits->alone_ms[other])
		return SIDE_UNSET;
	return side;
}

static enum pace_binds binds_of(const struct pace_span *span, enum side side)
{
	const struct report_waits *waits = &span->waits;
	int64_t asked_ms = waits->asked_ms[side], throttled_ms = waits->throttled_ms[side];

	if (is_half(throttled_ms, asked_ms))
		return PACE_LIMIT;
	if (is_half(waits->delayed_ms[side], asked_ms))
		return PACE_UNKNOWN; /* its own delays hide what was to be waited for */
	if (side == SIDE_LOCAL)
		return PACE_LOCAL_DISK;
	return is_half(waits->disk_ms, asked_ms - throttled_ms) ? PACE_REMOTE_DISK : way_of(span);
}

enum pace_binds pace_binds(const struct pace_span *span)
{
	const struct report_waits *waits = &span->waits;
	int64_t asked_ms = waits->asked_ms[SIDE_LOCAL] + waits->asked_ms[SIDE_REMOTE];
	enum side side;

	if (span->ms <= 0 || asked_ms <= 0)
		return PACE_UNKNOWN;
	if (is_half(waits->throttled_ms[SIDE_LOCAL] + waits->throttled_ms[SIDE_REMOTE], asked_ms))
		return PACE_LIMIT;
	if (is_busy(span))
		return PACE_PROCESSOR;
	side = slower_side(waits);
	return side == SIDE_UNSET ? PACE_UNKNOWN : binds_of(span, side);
}

/* ---- The window ---- */

struct pace *pace_new(int64_t now_ms)
{
	struct pace *pace = xcalloc(1, sizeof(*pace));

	pace->begun_ms = pace->now_ms = now_ms;
	return pace;
}

void pace_free(struct pace *pace)
{
	free(pace);
}

static struct sample *sample_at(struct pace *pace, unsigned index)
{
	assert(index < pace->count);
	return &pace->ring[(pace->first + index) % SAMPLES];
}

static struct sample sample_of(const struct pace *pace)
{
	const struct pace_input *input = &pace->last;

	return (struct sample){ .active_ms = pace->active_ms, .done_tracks = input->done_tracks, .waits = input->waits,
		.cpu_ms = input->cpu_ms };
}

static void keep_sample(struct pace *pace)
{
	if (pace->count > 0 && pace->active_ms - sample_at(pace, pace->count - 1)->active_ms < SAMPLE_GAP_MS)
		return;
	/* The second is as old as the window: the first is not needed. */
	while (pace->count > 1 && pace->active_ms - sample_at(pace, 1)->active_ms >= PACE_WINDOW_MS) {
		pace->first = (pace->first + 1) % SAMPLES;
		pace->count--;
	}
	assert(pace->count < SAMPLES);
	pace->count++;
	*sample_at(pace, pace->count - 1) = sample_of(pace);
}

/* The first time that a daemon tells its processor time: what it used before is no part of the window. */
static void meet_loop(struct pace *pace, enum side side, uint64_t cpu_ms)
{
	if (pace->last.waits.cpu_ms[side] != 0)
		return;
	for (unsigned i = 0; i < pace->count; i++)
		sample_at(pace, i)->waits.cpu_ms[side] = cpu_ms;
}

void pace_take(struct pace *pace, int64_t now_ms, const struct pace_input *input)
{
	assert(now_ms >= pace->now_ms);
	if (input->pass != pace->last.pass || input->phase != pace->last.phase)
		pace->count = 0;
	if (!pace->last.is_link_down)
		pace->active_ms += now_ms - pace->now_ms;
	pace->now_ms = now_ms;
	meet_loop(pace, SIDE_LOCAL, input->waits.cpu_ms[SIDE_LOCAL]);
	meet_loop(pace, SIDE_REMOTE, input->waits.cpu_ms[SIDE_REMOTE]);
	pace->last = *input;
	keep_sample(pace);
}

/* ---- Figures ---- */

/* A count that is another process's may begin anew. */
static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void subtract(struct report_waits *to, const struct report_waits *from)
{
	for (enum side side = SIDE_LOCAL; side < SIDE_COUNT; side++) {
		to->read_bytes[side] = grown(from->read_bytes[side], to->read_bytes[side]);
		to->asked_ms[side] -= from->asked_ms[side];
		to->alone_ms[side] -= from->alone_ms[side];
		to->throttled_ms[side] -= from->throttled_ms[side];
		to->delayed_ms[side] -= from->delayed_ms[side];
		to->cpu_ms[side] = grown(from->cpu_ms[side], to->cpu_ms[side]);
	}
	to->disk_ms -= from->disk_ms;
}

static uint64_t per_second(uint64_t bytes, int64_t ms)
{
	return ms > 0 ? (uint64_t)((double)bytes * 1000.0 / (double)ms) : 0;
}

static uint64_t left_s(const struct pace_input *input, uint64_t done_tracks, int64_t ms)
{
	double tracks = (double)(input->total_tracks - input->done_tracks), seconds;

	if (input->done_tracks >= input->total_tracks || done_tracks == 0)
		return 0;
	seconds = tracks * (double)ms / 1000.0 / (double)done_tracks;
	if (seconds > PACE_LEFT_MAX_S)
		return 0;
	return seconds < 1 ? 1 : (uint64_t)(seconds + 0.5);
}

static void measure(const struct pace *pace, struct pace_figures *out)
{
	const struct sample *from = &pace->ring[pace->first];
	struct sample to = sample_of(pace);
	struct pace_span span = { .ms = to.active_ms - from->active_ms, .waits = to.waits,
		.cpu_ms = to.cpu_ms - from->cpu_ms, .is_one_host = pace->last.is_one_host };

	subtract(&span.waits, &from->waits);
	out->local_bytes_per_s = per_second(span.waits.read_bytes[SIDE_LOCAL], span.ms);
	out->remote_bytes_per_s = per_second(span.waits.read_bytes[SIDE_REMOTE], span.ms);
	if (span.ms < SPAN_LEAST_MS)
		return;
	out->binds = pace_binds(&span);
	out->left_s = left_s(&pace->last, grown(from->done_tracks, to.done_tracks), span.ms);
}

void pace_figures(const struct pace *pace, struct pace_figures *out)
{
	const struct pace_input *input = &pace->last;

	*out = (struct pace_figures){
		.phase = input->is_link_down ? PACE_WAITING : input->phase,
		.pass = input->pass,
		.done_tracks = input->done_tracks,
		.total_tracks = input->total_tracks,
		.settling_tracks = input->settling_tracks,
		.compared_bytes = input->compared_bytes,
		.elapsed_s = (uint64_t)(pace->now_ms - pace->begun_ms) / 1000,
	};
	memcpy(out->tracks, input->tracks, sizeof(out->tracks));
	if (!input->is_link_down && pace->count > 0)
		measure(pace, out);
}
