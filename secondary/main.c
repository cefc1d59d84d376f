/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-secondaryd: its options. The configured daemon is in service.c, the one that serves a single primary on its
 * standard input and output in once.c.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "secondary/once.h"
#include "secondary/service.h"
#include "secondary/settings.h"

#define CONFIG_DEFAULT "/etc/ra/secondary.conf"
#define EXIT_USAGE 2

struct options {
	const char *config; /* NULL: not given */
	bool is_once, checks, dumps;
	int verbose; /* how often -v */
};

static void print_help(void)
{
	printf("Usage: ra-secondaryd [--config FILE] [--check-config | --dump-config] [-v]\n"
	       "       ra-secondaryd --once\n"
	       "Serves the volumes of this host to the primaries that its configuration names.\n"
	       "  --config FILE   read the configuration from FILE and from conf.d beside it\n"
	       "                  (default: " CONFIG_DEFAULT ")\n"
	       "  --check-config  say what is wrong with the configuration, and end\n"
	       "  --dump-config   print every key with the value in force, and end\n"
	       "  -v, --verbose   log one level more than the configuration says; may be repeated\n"
	       "  --once          serve one primary on standard input and output;\n"
	       "                  ra-compare starts it so\n"
	       "  --help          show this text\n"
	       "  --version       show the version\n");
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct options *options)
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
			print_help();
			return 0;
		case 'V':
			printf("ra-secondaryd %s\n", RA_VERSION);
			return 0;
		default:
			fputs("Try 'ra-secondaryd --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc)
		log_error("unexpected argument '%s'", argv[optind]);
	else if (options->is_once && (options->config || options->checks || options->dumps || options->verbose > 0))
		log_error("--once goes with no other option");
	else if (options->checks && options->dumps)
		log_error("--check-config and --dump-config exclude each other");
	else
		return -1;
	fputs("Try 'ra-secondaryd --help'.\n", stderr);
	return EXIT_USAGE;
}

static int run_configured(const struct options *options)
{
	const char *path = options->config ? options->config : CONFIG_DEFAULT;
	struct secondary_settings *settings;
	char why[CONFIG_WHY_BYTES];
	int level, code;

	if (secondary_settings_load(path, &settings, why) != 0) {
		log_error("%s", why);
		return EXIT_USAGE;
	}
	level = (int)settings->log_level + options->verbose;
	log_start("ra-secondaryd", level < LOG_LEVEL_DEBUG ? (enum log_level)level : LOG_LEVEL_DEBUG);
	if (options->dumps) {
		config_dump(settings->config, stdout);
		code = fflush(stdout) == 0 ? 0 : EXIT_FAILURE;
	} else {
		code = options->checks ? secondary_service_check(settings) : secondary_service_run(settings);
	}
	secondary_settings_free(settings);
	return code;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int code;

	log_start("ra-secondaryd", LOG_LEVEL_WARNING);
	code = parse(argc, argv, &options);
	if (code >= 0)
		return code;
	return options.is_once ? secondary_once_run() : run_configured(&options);
}
