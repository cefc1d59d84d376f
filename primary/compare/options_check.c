/* SPDX-License-Identifier: Apache-2.0
 *
 * The operands, and what goes together: looked at when all options are known. And which of them a ledger remembers.
 */
#include "primary/compare/options_private.h"

#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/limits.h"
#include "wire/message.h"

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

void options_take_operands(struct options_parser *parser, int count, char *const operands[])
{
	if (count == 1)
		take_device(parser, operands[0]);
	else if (count == 2)
		take_volumes(parser, operands);
	else
		options_refuse(parser, count == 0 ? "two volumes or a device are needed: ra-compare A B, or ra-compare DEVICE" :
									"there are more than two volumes; quote names with blanks");
}

/* Not for DEVICE: its track size comes later, and options_run_tracks judges then. */
static void check_memory(struct options_parser *parser)
{
	struct options *options = parser->options;
	uint64_t run_bytes, memory_bytes;

	if (options->run_tracks == 0)
		options->run_tracks = options->track_bytes >= RUN_BYTES_DEFAULT / RUN_TRACKS_MAX ?
			RUN_BYTES_DEFAULT / options->track_bytes : RUN_TRACKS_MAX;
	run_bytes = (uint64_t)options->run_tracks * options->track_bytes;
	memory_bytes = 2 * run_bytes * options->jobs;
	if (run_bytes > RUN_BYTES_MAX)
		options_refuse(parser, "--run %u with --track-size %u: a run is %llu bytes, at most %u are possible",
			options->run_tracks, options->track_bytes, (unsigned long long)run_bytes, RUN_BYTES_MAX);
	else if (memory_bytes > HOST_MEMORY_BYTES_MAX)
		options_refuse(parser,
			"--jobs %u with --run %u and --track-size %u needs %llu bytes of memory, at most %u are possible",
			options->jobs, options->run_tracks, options->track_bytes, (unsigned long long)memory_bytes,
			HOST_MEMORY_BYTES_MAX);
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

void options_check(struct options_parser *parser)
{
	const struct options *options = parser->options;

	check_state(parser);
	if (options->form != FORM_DEVICE && options->reserve == RESERVE_RA)
		options_refuse(parser, "--reserve=ra goes with a DEVICE only: no other user of RA meets these two volumes; "
			"--reserve=exclusive keeps other programs away");
	if (options->form != FORM_DEVICE)
		check_memory(parser);
	if (options->quiet && options->json)
		options_refuse(parser, "--quiet and --json exclude each other");
	if (options->json && options->status_fd == 1)
		options_refuse(parser, "--status-fd 1 and --json exclude each other: standard output has the document alone");
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
