/* SPDX-License-Identifier: Apache-2.0
 *
 * A daemon's command line: see program.h.
 */
#include "local/program.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "local/named.h"

#define EXIT_USAGE 2

struct options {
	const char *config; /* NULL: not given */
	bool is_once, checks, dumps;
	int verbose; /* how often -v */
};

static void usage(const struct program *program, FILE *out)
{
	fprintf(out, "Usage: %s [--config FILE] [--check-config | --dump-config] [-v]\n"
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
		program->name, program->name, program->purpose, program->config_default, program->once);
}

/* -1: go on; else the exit code. */
static int parse(const struct program *program, int argc, char **argv, struct options *options)
{
	static const struct option names[] = { { "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'C' }, { "dump-config", no_argument, NULL, 'D' },
		{ "once", no_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ "verbose", no_argument, NULL, 'v' }, { NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "v", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'C':
			options->checks = true;
			break;
		case 'D':
			options->dumps = true;
			break;
		case 'o':
			options->is_once = true;
			break;
		case 'v':
			options->verbose++;
			break;
		case 'h':
			usage(program, stdout);
			return 0;
		case 'V':
			printf("%s %s\n", program->name, RA_VERSION);
			return 0;
		default:
			usage(program, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc)
		log_error("unexpected argument '%s'", argv[optind]);
	else if (options->is_once && (options->config || options->checks || options->dumps))
		log_error("--once has no configuration");
	else if (options->checks && options->dumps)
		log_error("--check-config and --dump-config exclude each other");
	else
		return -1;
	usage(program, stderr);
	return EXIT_USAGE;
}

static int run_configured(const struct program *program, const struct options *options)
{
	const char *path = options->config ? options->config : program->config_default;
	const struct config *config;
	char why[CONFIG_WHY_BYTES];
	void *settings;
	int level, code;

	if (program->load(path, &settings, &config, why) != 0) {
		log_error("%s", why);
		return EXIT_USAGE;
	}
	level = (int)config_number(config, program->section, NULL, "log-level") + options->verbose;
	log_start(program->name, level < LOG_LEVEL_DEBUG ? (enum log_level)level : LOG_LEVEL_DEBUG);
	if (options->dumps) {
		config_dump(config, stdout);
		code = fflush(stdout) == 0 ? 0 : EXIT_FAILURE;
	} else if (options->checks) {
		code = named_are_usable(config, program->section) ? 0 : EXIT_USAGE;
	} else {
		code = program->run(settings);
	}
	program->unload(settings);
	return code;
}

int program_main(const struct program *program, int argc, char **argv)
{
	struct options options = { 0 };
	int code;

	log_start(program->name, LOG_LEVEL_WARNING);
	code = parse(program, argc, argv, &options);
	if (code >= 0)
		return code;
	return options.is_once ? program->run_once() : run_configured(program, &options);
}
