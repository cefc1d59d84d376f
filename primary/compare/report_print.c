/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of a finished report. Reads figures only, decides nothing: the result comes from report_exit_code.
 */
#include "primary/compare/report_print.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/plural.h"
#include "local/show.h"
#include "primary/compare/report.h"
#include "primary/compare/where.h"

#define TEXT_RANGES_MAX 100u

static const char *const reason_words[REASON_COUNT] = {
	[REASON_NOT_ASKED] = "outside --tracks",
	[REASON_INTERRUPTED] = "interrupted",
	[REASON_TIMED_OUT] = "timed out",
	[REASON_REFUSED] = "refused for want of room",
	[REASON_NOT_READY] = "on a volume that hangs",
	[REASON_NOT_FOUND] = "not found within --read-timeout",
	[REASON_NO_MEMORY] = "without memory: reads hang, or there is none",
	[REASON_LOST] = "after the link or a daemon was lost",
	[REASON_CHANGED] = "after the remote volume came back as another one",
	[REASON_BUSY] = "because somebody else had the device",
	[REASON_PROVEN] = "proven later than --older-than asks for",
	[REASON_TIME_OVER] = "when the time was over",
	[REASON_STOPPED] = "after --stop-after was reached",
};

static void print_names(const struct report_setup *setup, FILE *out)
{
	show_clean(setup->name_local, out);
	fputs(" and ", out);
	show_clean(setup->name_remote, out);
}

static const char *track_word(uint64_t count)
{
	return plural(count, "track", "tracks");
}

static const char *byte_word(uint64_t count)
{
	return plural(count, "byte", "bytes");
}

static void print_head(const struct report *report, FILE *out)
{
	const struct report_figures *figures = report_figures(report);
	uint64_t identical = figures->tracks[REPORT_IDENTICAL], different = figures->tracks[REPORT_DIFFERENT];
	uint64_t asked = figures->total_tracks - figures->reasons[REASON_NOT_ASKED];

	switch (report_exit_code(report)) {
	case 0:
		fprintf(out, "IDENTICAL: %" PRIu64 " %s (%" PRIu64 " %s) of ", figures->compared_bytes,
			byte_word(figures->compared_bytes), identical, track_word(identical));
		print_names(&figures->setup, out);
		fputs(" are equal", out);
		return;
	case 1:
		fprintf(out, "DIFFERENT: %" PRIu64 " of %" PRIu64 " %s of ", different, figures->total_tracks,
			track_word(figures->total_tracks));
		print_names(&figures->setup, out);
		fprintf(out, " %s (%s%" PRIu64 " %s)", different == 1 ? "differs" : "differ",
			figures->different_ranges_inexact ? "at most " : "", figures->different_bytes,
			byte_word(figures->different_bytes));
		return;
	default:
		if (figures->setup.has_tracks && identical == asked)
			fprintf(out, "NOT PROVEN: the %" PRIu64 " %s asked for of ", identical, track_word(identical));
		else
			fprintf(out, "NOT PROVEN: %" PRIu64 " of %" PRIu64 " %s of ", identical, figures->total_tracks,
				track_word(figures->total_tracks));
		print_names(&figures->setup, out);
		fputs(identical == 1 ? " is identical" : " are identical", out);
	}
}

static void print_not_compared(const struct report_figures *figures, FILE *out)
{
	uint64_t count = figures->tracks[REPORT_NOT_COMPARED];
	const char *before = " (";

	fprintf(out, ", %" PRIu64 " %s not compared", count, count == 1 ? "was" : "were");
	for (int reason = 0; reason < REASON_COUNT; reason++) {
		if (figures->reasons[reason] == 0)
			continue;
		fprintf(out, "%s%" PRIu64 " %s", before, figures->reasons[reason], reason_words[reason]);
		before = ", ";
	}
	fputc(')', out);
}

static void print_size_change(const char *name, uint64_t before, uint64_t after, FILE *out)
{
	if (before == after)
		return;
	fputs(", ", out);
	show_clean(name, out);
	fprintf(out, " %s from %" PRIu64 " to %" PRIu64 " %s during the run%s", after > before ? "grew" : "shrank",
		before, after, byte_word(after), after > before ? " and the new part was not compared" : "");
}

static uint64_t common_bytes(uint64_t local_bytes, uint64_t remote_bytes)
{
	return local_bytes < remote_bytes ? local_bytes : remote_bytes;
}

static void print_size_changes(const struct report_figures *figures, FILE *out)
{
	const struct report_setup *setup = &figures->setup;
	const struct report_end *end = &figures->end;

	if (end->is_changed) {
		fputs(", the remote volume came back as another one", out);
	} else if (!end->has_sizes) {
		fputs(", whether a size changed is not known", out);
	} else if (setup->is_common) {
		print_size_change("the common part", common_bytes(setup->local.size_bytes, setup->remote.size_bytes),
			common_bytes(end->local_bytes, end->remote_bytes), out);
	} else {
		print_size_change(setup->name_local, setup->local.size_bytes, end->local_bytes, out);
		print_size_change(setup->name_remote, setup->remote.size_bytes, end->remote_bytes, out);
	}
}

/* words stands before the first piece that is left out; returns what stands before the next. */
static const char *print_outside(const struct report_setup *setup, const struct volume_info *volume, const char *name,
	const char *words, FILE *out)
{
	const struct volume_outside outside = report_outside(setup, volume);

	if (outside.before_bytes > 0) {
		fprintf(out, "%sthe first %" PRIu64 " %s of ", words, outside.before_bytes, byte_word(outside.before_bytes));
		show_clean(name, out);
		words = " and ";
	}
	if (outside.after_bytes > 0) {
		fprintf(out, "%sthe last %" PRIu64 " %s of ", words, outside.after_bytes, byte_word(outside.after_bytes));
		show_clean(name, out);
		fprintf(out, " (from offset %" PRIu64 ")", outside.after_offset);
		words = " and ";
	}
	return words;
}

/* The alarm first: what differs though nobody knew of it. */
static void print_cross_table(const struct report_figures *figures, FILE *out)
{
	uint64_t alarm = figures->tracks[REPORT_DIFFERENT] - figures->marked_different;

	if (!figures->setup.checks_invalid)
		return;
	fprintf(out, ", %" PRIu64 " %s though marked valid, %" PRIu64 " %s and %s known to be invalid, %" PRIu64
		" %s equal though marked invalid", alarm, alarm == 1 ? "differs" : "differ", figures->marked_different,
		figures->marked_different == 1 ? "differs" : "differ", figures->marked_different == 1 ? "is" : "are",
		figures->marked_identical, figures->marked_identical == 1 ? "is" : "are");
}

static void print_trimmed(const struct report_figures *figures, FILE *out)
{
	uint64_t trimmed = figures->trimmed_tracks;
	bool is_one = trimmed == 1;

	if (trimmed == 0)
		return;
	if (figures->setup.accept_trimmed)
		fprintf(out, ", %" PRIu64 " %s and %s zero on one side (trimmed, or never written), which was accepted",
			trimmed, is_one ? "differs" : "differ", is_one ? "is" : "are");
	else
		fprintf(out, ", %" PRIu64 " of those that differ %s zero on one side (trimmed, or never written)", trimmed,
			is_one ? "is" : "are");
}

static void print_parts(const struct report *report, FILE *out)
{
	const struct report_figures *figures = report_figures(report);
	const struct report_setup *setup = &figures->setup;
	const char *words = ", outside what is compared: ";
	uint64_t unreadable = figures->tracks[REPORT_UNREADABLE], unsettled = figures->tracks[REPORT_UNSETTLED];

	print_cross_table(figures, out);
	print_trimmed(figures, out);
	if (unsettled > 0)
		fprintf(out, ", %" PRIu64 " differed and did not settle", unsettled);
	if (figures->tracks[REPORT_INVALID] > 0)
		fprintf(out, ", %" PRIu64 " %s skipped, known to be invalid", figures->tracks[REPORT_INVALID],
			figures->tracks[REPORT_INVALID] == 1 ? "was" : "were");
	if (unreadable > 0)
		fprintf(out, ", %" PRIu64 " could not be read", unreadable);
	if (figures->tracks[REPORT_NOT_COMPARED] > 0)
		print_not_compared(figures, out);
	print_size_changes(figures, out);
	words = print_outside(setup, &setup->local, setup->name_local, words, out);
	print_outside(setup, &setup->remote, setup->name_remote, words, out);
}

void report_print_sentence(const struct report *report, uint64_t passes, FILE *out)
{
	const struct report_figures *figures = report_figures(report);
	const struct report_setup *setup = &figures->setup;
	char started[SHOW_UTC_CHARS], ended[SHOW_UTC_CHARS];

	show_utc(setup->started_wall_s, started);
	show_utc(figures->end.ended_wall_s, ended);
	print_head(report, out);
	print_parts(report, out);
	if (report_is_of_moment(report))
		fprintf(out, ", both reserved exclusively from %s to %s (", started, ended);
	else
		fprintf(out, ", each track read between %s and %s (", started, ended);
	fprintf(out, "%s%slocal %s, remote %s; by %s", setup->device ? setup->device : "", setup->device ? ": " : "",
		io_mode_name(setup->local.io), io_mode_name(setup->remote.io), digest_name(setup->digest));
	if (setup->reserve == RESERVE_EXCLUSIVE && figures->end.was_unreserved)
		fputs("; not reserved all the time", out);
	if (passes > 1)
		fprintf(out, "; pass %" PRIu64 " of %" PRIu64, setup->pass, passes);
	fputs(").\n", out);
}

/* What is known of a difference, after its place. */
static void print_difference(const struct report_range *range, FILE *out)
{
	static const char *const seen[] = { [SEEN_NEW] = ", new (suspect what writes)",
		[SEEN_AGAIN] = ", again (suspect the medium)" };

	if (!range->is_exact)
		fputs(" (whole tracks)", out);
	if (range->shape == SHAPE_LOCAL_ZERO || range->shape == SHAPE_REMOTE_ZERO)
		fprintf(out, ", the %s side is zero", range->shape == SHAPE_LOCAL_ZERO ? "local" : "remote");
	if (range->confirm.times > 0)
		fprintf(out, ", confirmed %u %s over %.1f s", range->confirm.times,
			plural(range->confirm.times, "time", "times"), (double)range->confirm.over_ms / 1000.0);
	if (range->is_marked)
		fputs(", known to be invalid", out);
	if (range->seen != SEEN_UNKNOWN)
		fputs(seen[range->seen], out);
}

static void print_range(const struct report_range *range, const struct where *where, FILE *out)
{
	struct where_place place;

	fprintf(out, "%s: offset %" PRIu64 ", %" PRIu64 " %s",
		range->state == REPORT_NOT_COMPARED ? "not compared" : report_state_name(range->state), range->offset_bytes,
		range->length_bytes, byte_word(range->length_bytes));
	if (range->state == REPORT_DIFFERENT)
		print_difference(range, out);
	if (where && report_state_was_read(range->state) &&
		where_find(where, range->offset_bytes, range->length_bytes, &place))
		where_print(&place, out);
	fputc('\n', out);
}

/* What of this run is not of now. */
static void print_history(const struct report_figures *figures, FILE *out)
{
	if (figures->settled_tracks > 0)
		fprintf(out, "note: %" PRIu64 " %s differed at first and %s equal when read again\n", figures->settled_tracks,
			track_word(figures->settled_tracks), figures->settled_tracks == 1 ? "was" : "were");
	if (figures->resumed_tracks > 0)
		fprintf(out, "note: %" PRIu64 " %s were compared before an interruption and not read again\n",
			figures->resumed_tracks, track_word(figures->resumed_tracks));
}

static void print_throttled(const struct report_figures *figures, FILE *out)
{
	uint64_t throttled_ms = figures->link.throttled_ms;

	if (throttled_ms > 0)
		fprintf(out, "note: held back by limits for %.*f s, summed over all reads\n", throttled_ms < 10000 ? 1 : 0,
			(double)throttled_ms / 1000.0);
}

static void print_unequal(const struct report_figures *figures, FILE *out)
{
	const struct report_setup *setup = &figures->setup;
	bool is_local_larger = setup->local.size_bytes > setup->remote.size_bytes;

	if (setup->is_common || setup->local.size_bytes == setup->remote.size_bytes)
		return;
	fputs("note: unequal sizes: ", out);
	show_clean(setup->name_local, out);
	fprintf(out, " has %" PRIu64 " %s, ", setup->local.size_bytes, byte_word(setup->local.size_bytes));
	show_clean(setup->name_remote, out);
	fprintf(out, " has %" PRIu64 "\n", setup->remote.size_bytes);
	if (!figures->is_only_tail || setup->local.size_bytes == 0 || setup->remote.size_bytes == 0)
		return;
	fputs("note: no difference was found but the tail of ", out);
	show_clean(is_local_larger ? setup->name_local : setup->name_remote, out);
	fputs(": it may be metadata of the replication (DRBD keeps it at the end of a disk) or a size that was rounded up "
	      "(LVM, ZFS); --common-size leaves it out\n", out);
}

void report_print_text(const struct report *report, const struct where *where, uint64_t passes, FILE *out)
{
	const struct report_figures *figures = report_figures(report);
	size_t shown = figures->range_count < TEXT_RANGES_MAX ? figures->range_count : TEXT_RANGES_MAX;
	uint64_t more = figures->range_count - shown + figures->ranges_omitted;

	for (size_t i = 0; i < shown; i++)
		print_range(report_range(report, i), where, out);
	if (more > 0)
		fprintf(out, "and %" PRIu64 " more (--json lists %s)\n", more,
			figures->ranges_omitted > 0 ? "those that were kept" : "them");
	print_history(figures, out);
	print_throttled(figures, out);
	print_unequal(figures, out);
	if (where)
		where_print_commands(where, out);
	report_print_sentence(report, passes, out);
}
