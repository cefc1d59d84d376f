/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of ra-compare. Everything a person typed is checked here, with words that name the option, the
 * value and what was expected; the parts behind it take the numbers as good.
 */
#ifndef RA_COMPARE_OPTIONS_H
#define RA_COMPARE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
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

/* What happens to tracks that are known to be invalid. */
enum invalid_mode { INVALID_SKIP, INVALID_REFUSE, INVALID_CHECK };

struct options {
	enum form form;
	const char *device;      /* DEVICE only; this and the next three are of argv */
	const char *path_local;  /* A and B, as typed; not DEVICE */
	const char *name_remote;
	const char *path_remote; /* B without HOST */
	char host[OPERAND_HOST_BYTES]; /* SSH only */
	const char *socket_path;
	enum digest digest; /* of each track, which is compared; DIGEST_NONE: the data is */
	enum delivery delivery;
	uint32_t jobs;
	uint32_t track_bytes; /* DEVICE: 0, the configuration says it */
	uint32_t run_tracks;  /* 0 unless asked for; by data and not DEVICE: times track_bytes at most RUN_BYTES_MAX */
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
	uint32_t settle_rounds;   /* 0: the first difference is final */
	int64_t settle_delay_ms;  /* before the first round */
	bool has_max_lag;         /* else the configuration of the device says it */
	int64_t max_lag_ms;
	uint64_t stop_after;      /* differing tracks; 0: never */
	const char *state_path;   /* of the ledger; NULL: none, or the primary's */
	bool no_state;            /* DEVICE: nothing is kept */
	bool restart;
	int64_t max_duration_ms;  /* 0: none; --until is in it */
	int64_t older_than_s;     /* 0: all */
	enum invalid_mode invalid;
	bool mark;
	bool accept_trimmed;
	uint64_t exact_tracks;
	enum progress_mode progress;
	int status_fd; /* -1: none; else open for writing */
	bool json;
	bool quiet;
	bool verbose;
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD };

/* OPTIONS_BAD: why has the reason; json, quiet and verbose are set all the same. Uses getopt's global state. */
enum options_result options_parse(int argc, char *argv[], struct options *options, char why[OPTIONS_WHY_BYTES]);

/* Size of the slots that the shared memory has: a run of data; the digests of RUN_DIGESTS_MAX tracks fit, too. The
 * track size of DEVICE is not known before it is open. */
uint32_t options_slot_bytes(const struct options *options);
/* Slots: two per job, and spares where HOST_MEMORY_BYTES_MAX allows. */
uint32_t options_slot_count(const struct options *options);
/* Tracks of a run of data, when the track size is known; 0: such a run does not fit into a slot. By digest, --run is
 * not about these. */
uint32_t options_run_tracks(const struct options *options, uint32_t track_bytes);
/* The most tracks of a run of digests; the first run has *first. */
uint32_t options_digest_tracks(const struct options *options, uint32_t track_bytes, uint32_t *first);

/* Those options that say what is compared and how its outcome counts, as words: both parts of a run have the same.
 * max_lag_ms: that in force. */
void options_words(const struct options *options, int64_t max_lag_ms, char *out, size_t bytes);

extern const char options_help[];

#endif
