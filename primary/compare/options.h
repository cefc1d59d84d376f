/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of ra-compare. Everything a person typed is checked here, with words that name the option, the
 * value and what was expected; the parts behind it take the numbers as good.
 */
#ifndef RA_COMPARE_OPTIONS_H
#define RA_COMPARE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/volume_info.h"
#include "primary/compare/operand.h"

#define OPTIONS_REPEAT_FOREVER UINT64_MAX
#define OPTIONS_WHY_BYTES 512u
#define OPTIONS_SOCKET_DEFAULT "/run/ra/primary.sock"

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

/* Both volumes for this run alone: among the users of RA, or among other programs, too. */
enum reserve_mode { RESERVE_NONE, RESERVE_RA, RESERVE_EXCLUSIVE };

/* What is compared: two volumes by a private pair, the second perhaps over ssh, or a device of the primary. */
enum form { FORM_PAIR, FORM_SSH, FORM_DEVICE };

struct options {
	enum form form;
	const char *device;      /* DEVICE only; this and the next three are of argv */
	const char *path_local;  /* A and B, as typed; not DEVICE */
	const char *name_remote;
	const char *path_remote; /* B without HOST */
	char host[OPERAND_HOST_BYTES]; /* SSH only */
	const char *socket_path;
	enum delivery delivery;
	uint32_t jobs;
	uint32_t track_bytes; /* DEVICE: 0, the configuration says it */
	uint32_t run_tracks;  /* times track_bytes: at most RUN_BYTES_MAX; DEVICE: 0 unless asked for */
	int64_t retry_delay_ms;
	int64_t read_timeout_ms;
	bool has_tracks;
	uint64_t first_track; /* with has_tracks */
	uint64_t last_track;  /* inclusive; UINT64_MAX: to the end */
	uint64_t repeat;      /* passes; OPTIONS_REPEAT_FOREVER */
	uint64_t cache_bytes;
	enum io_mode io;
	uint64_t limit_bytes_per_s; /* 0: none */
	int64_t link_timeout_ms;
	bool common_size;
	enum reserve_mode reserve;
	uint64_t exact_tracks;
	enum progress_mode progress;
	bool json;
	bool quiet;
	bool verbose;
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD };

/* OPTIONS_BAD: why has the reason; json, quiet and verbose are set all the same. Uses getopt's global state. */
enum options_result options_parse(int argc, char *argv[], struct options *options, char why[OPTIONS_WHY_BYTES]);

/* Size of the slots that the shared memory has: a run. Of DEVICE the track size is not known before it is open. */
uint32_t options_slot_bytes(const struct options *options);
/* Slots: two per job, and spares where HOST_MEMORY_BYTES_MAX allows. */
uint32_t options_slot_count(const struct options *options);
/* Tracks of a run, when the track size is known; 0: such a run does not fit into a slot. */
uint32_t options_run_tracks(const struct options *options, uint32_t track_bytes);

extern const char options_help[];

#endif
