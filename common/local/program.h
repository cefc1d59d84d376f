/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of a daemon, the same for both: a configuration, which may be checked or printed instead, or --once.
 */
#ifndef RA_LOCAL_PROGRAM_H
#define RA_LOCAL_PROGRAM_H

#include <stdbool.h>

#include "base/log.h"

struct config;

struct program {
	const char *name;
	const char *section; /* the main one of its configuration */
	const char *config;  /* its path, unless another one is given */
	const char *purpose, *once; /* words of --help */
	bool is_once, checks, dumps;
	int verbose; /* how often -v */
};

/* Both: -1: go on; else the exit code. */
int program_parse(struct program *program, int argc, char **argv);
/* What is logged by the configuration and -v. */
enum log_level program_log_level(const struct program *program, const struct config *config);
/* Logs so; and the end, when it was to be printed or checked only. */
int program_begin(const struct program *program, const struct config *config);

#endif
