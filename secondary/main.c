/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-secondaryd: its options. The configured daemon is in service.c, the one that serves a single primary on its
 * standard input and output in once.c.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "secondary/once.h"
#include "secondary/service.h"
#include "secondary/settings.h"

#define CONFIG_PATH_DEFAULT "/etc/ra/secondary.conf"
#define EXIT_USAGE 2

struct options {
	bool is_once, is_verbose, checks, dumps;
	const char *config; /* NULL: not given */
};

static void usage(FILE *out)
{
	fprintf(out, "Usage: ra-secondaryd [--config FILE] [--check-config | --dump-config] [-v]\n"
		     "       ra-secondaryd --once\n"
		     "Serves the volumes of this host to the primaries that its configuration names.\n"
		     "  --config FILE   the configuration (" CONFIG_PATH_DEFAULT ")\n"
		     "  --check-config  check it, the key and the groups it names, and end\n"
		     "  --dump-config   show every key with the value in force, and end\n"
		     "  -v              log everything\n"
		     "  --once          serve one primary on standard input and output; ra-compare starts it\n"
		     "  --help          show this text\n"
		     "  --version       show the version\n");
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = { { "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'C' }, { "dump-config", no_argument, NULL, 'D' },
		{ "once", no_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 } };
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
			options->is_verbose = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			printf("ra-secondaryd %s\n", RA_VERSION);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc)
		log_error("%s: no argument was expected", argv[optind]);
	else if (options->checks && options->dumps)
		log_error("--check-config and --dump-config exclude each other");
	else if (options->is_once && (options->config || options->checks || options->dumps || options->is_verbose))
		log_error("--once takes no other option");
	else
		return -1;
	usage(stderr);
	return EXIT_USAGE;
}

static int run_configured(const struct options *options)
{
	const char *path = options->config ? options->config : CONFIG_PATH_DEFAULT;
	struct secondary_settings *settings;
	char why[CONFIG_WHY_BYTES];
	int code = 0;

	if (secondary_settings_load(path, &settings, why) != 0) {
		log_error("%s", why);
		return EXIT_USAGE;
	}
	log_start("ra-secondaryd", options->is_verbose ? LOG_LEVEL_DEBUG : settings->log_level);
	if (options->dumps)
		config_dump(settings->config, stdout);
	else if (options->checks)
		code = service_check(settings);
	else
		code = service_run(settings);
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
	return options.is_once ? once_run() : run_configured(&options);
}
