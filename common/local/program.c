/* SPDX-License-Identifier: Apache-2.0
 *
 * A daemon's command line: see program.h.
 */
#include "local/program.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/limits.h"
#include "base/log.h"
#include "local/named.h"

#define EXIT_USAGE 2

static void print_help(const struct program *program)
{
	printf("Usage: %s [--config FILE] [--check-config | --dump-config] [-v]\n"
	       "       %s --once\n"
	       "%s\n"
	       "  --config FILE   read the configuration from FILE and from conf.d beside it\n"
	       "                  (default: %s)\n"
	       "  --check-config  say what is wrong with the configuration, and end\n"
	       "  --dump-config   print every key with the value in force, and end\n"
	       "  -v, --verbose   log one level more than the configuration says; may be repeated\n"
	       "  --once          %s;\n"
	       "                  ra-compare starts it so\n"
	       "  --help          show this text\n"
	       "  --version       show the version\n",
		program->name, program->name, program->purpose, program->config, program->once);
}

int program_parse(struct program *program, int argc, char **argv)
{
	static const struct option names[] = { { "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'C' }, { "dump-config", no_argument, NULL, 'D' },
		{ "once", no_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ "verbose", no_argument, NULL, 'v' }, { NULL, 0, NULL, 0 } };
	bool is_config_given = false;
	int option;

	log_start(program->name, LOG_LEVEL_WARNING);
	while ((option = getopt_long(argc, argv, "v", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			program->config = optarg;
			is_config_given = true;
			break;
		case 'C':
			program->checks = true;
			break;
		case 'D':
			program->dumps = true;
			break;
		case 'o':
			program->is_once = true;
			break;
		case 'v':
			program->verbose++;
			break;
		case 'h':
			print_help(program);
			return 0;
		case 'V':
			printf("%s %s\n", program->name, RA_VERSION);
			return 0;
		default:
			fprintf(stderr, "Try '%s --help'.\n", program->name);
			return EXIT_USAGE;
		}
	}
	if (optind != argc)
		log_error("unexpected argument '%s'", argv[optind]);
	else if (program->is_once && (is_config_given || program->checks || program->dumps || program->verbose > 0))
		log_error("--once goes with no other option");
	else if (program->checks && program->dumps)
		log_error("--check-config and --dump-config exclude each other");
	else
		return -1;
	fprintf(stderr, "Try '%s --help'.\n", program->name);
	return EXIT_USAGE;
}

enum log_level program_log_level(const struct program *program, const struct config *config)
{
	int level = (int)config_number(config, program->section, NULL, "log-level") + program->verbose;

	return level < LOG_LEVEL_DEBUG ? (enum log_level)level : LOG_LEVEL_DEBUG;
}

int program_begin(const struct program *program, const struct config *config)
{
	log_start(program->name, program_log_level(program, config));
	if (program->checks)
		return named_are_usable(config, program->section) ? 0 : EXIT_USAGE;
	if (!program->dumps)
		return -1;
	config_dump(config, stdout);
	return fflush(stdout) == 0 ? 0 : EXIT_FAILURE;
}
