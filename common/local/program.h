/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of a daemon, the same for both: a configuration, which may be checked or printed instead, or --once.
 */
#ifndef RA_LOCAL_PROGRAM_H
#define RA_LOCAL_PROGRAM_H

#include "base/config.h"

struct program {
	const char *name;
	const char *section; /* the main one of its configuration */
	const char *config_default;
	const char *purpose, *once; /* words of --help */
	/* 0, or -errno with why; *config belongs to the settings. */
	int (*load)(const char *path, void **settings, const struct config **config, char why[CONFIG_WHY_BYTES]);
	void (*unload)(void *settings);
	/* Both return the exit code. */
	int (*run)(const void *settings);
	int (*run_once)(void);
};

int program_main(const struct program *program, int argc, char **argv); /* the exit code */

#endif
