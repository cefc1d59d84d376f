/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command line of ra-ctl says.
 */
#ifndef RA_CTL_OPTIONS_H
#define RA_CTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/message.h"

#define CTL_WHY_BYTES 512u

enum ctl_verb {
	CTL_KEYGEN,
	CTL_CHECK,
	CTL_STATUS,
	CTL_DEVICES,
	CTL_JOBS,
	CTL_ERRORS,
	CTL_CACHE,
	CTL_LINKS,
	CTL_LIMIT,
	CTL_TRACKS,
	CTL_PROOF,
	CTL_METRICS,
	CTL_REPORT,
	CTL_LOG_LEVEL,
	CTL_VERB_COUNT
};

enum ctl_tracks { CTL_TRACKS_LIST, CTL_TRACKS_MARK, CTL_TRACKS_CLEAR, CTL_TRACKS_IMPORT, CTL_TRACKS_EXPORT };

enum ctl_report { CTL_REPORT_LIST, CTL_REPORT_SHOW, CTL_REPORT_DIFF };

enum ctl_exit {
	CTL_GOOD = 0,
	CTL_WRONG = 1,     /* check found something */
	CTL_USAGE = 2,     /* and what is not permitted or not there */
	CTL_NO_DAEMON = 4, /* or no link */
	CTL_BUSY = 6,
};

struct ctl_options {
	enum ctl_verb verb;
	const char *socket; /* NULL: not given */
	bool json;
	const char *out;         /* keygen */
	const char *write;       /* metrics: a file; NULL: to standard output */
	const char *name;        /* keygen: of the host; else a device or peer, "" for all */
	enum limit_scope scope;  /* limit; UNSET: show */
	bool sets_bytes, sets_reads;
	uint64_t bytes_per_s, reads_per_s; /* 0: none */
	enum ctl_tracks tracks;
	const char *tracks_text; /* mark, clear: ranges; import: a file */
	enum ctl_report report;
	uint64_t reports[2];     /* show: one; diff: the older and the newer; 0: not given */
	uint32_t log_level;      /* 1 more than enum log_level; 0: show it */
};

enum ctl_result { CTL_RUN, CTL_HELP, CTL_VERSION, CTL_BAD };

extern const char ctl_help[];

/* CTL_BAD with words in why. */
enum ctl_result ctl_options_parse(int argc, char *argv[], struct ctl_options *options, char why[CTL_WHY_BYTES]);

#endif
