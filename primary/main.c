/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-primaryd: the command line. The daemon of a private pair stands in once.c, the configured one in service.c.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "primary/once.h"
#include "primary/service.h"
#include "primary/settings.h"

#define CONFIG_DEFAULT "/etc/ra/primary.conf"

struct command {
	const char *config; /* NULL: not given */
	bool is_once, checks, dumps;
	int verbose; /* how often -v */
};

static void print_help(void)
{
	printf("Usage: ra-primaryd [--config FILE] [--check-config | --dump-config] [-v]\n"
	       "       ra-primaryd --once\n"
	       "Reads local volumes and their remote copies for ra-compare.\n"
	       "  --config FILE   read the configuration from FILE and from conf.d beside it\n"
	       "                  (default: " CONFIG_DEFAULT ")\n"
	       "  --check-config  say what is wrong with the configuration, and end\n"
	       "  --dump-config   print every key with the value in force, and end\n"
	       "  -v, --verbose   log one level more than the configuration says; may be repeated\n"
	       "  --once          serve one host on standard input over one link on descriptor 3;\n"
	       "                  ra-compare starts it so\n"
	       "  --help          show this text\n"
	       "  --version       show the version\n");
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct command *command)
{
	static const struct option options[] = {
		{ "once", no_argument, NULL, 'o' },
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "dump-config", no_argument, NULL, 'd' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, "v", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			command->is_once = true;
			break;
		case 'c':
			command->config = optarg;
			break;
		case 'k':
			command->checks = true;
			break;
		case 'd':
			command->dumps = true;
			break;
		case 'v':
			command->verbose++;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			printf("ra-primaryd %s\n", RA_VERSION);
			return 0;
		default:
			fputs("Try 'ra-primaryd --help'.\n", stderr);
			return 2;
		}
	}
	if (optind != argc)
		log_error("unexpected argument '%s'", argv[optind]);
	else if (command->is_once && (command->config || command->checks || command->dumps || command->verbose > 0))
		log_error("--once goes with no other option");
	else if (command->checks && command->dumps)
		log_error("--check-config and --dump-config exclude each other");
	else
		return -1;
	fputs("Try 'ra-primaryd --help'.\n", stderr);
	return 2;
}

static int run_configured(const struct command *command)
{
	const char *path = command->config ? command->config : CONFIG_DEFAULT;
	struct primary_settings *settings = NULL;
	char *why = xcalloc(1, CONFIG_WHY_BYTES);
	int code = 2;
	if (primary_settings_load(path, &settings, why) != 0) {
		log_error("%s", why);
		goto out;
	}
	int level = (int)settings->log_level + command->verbose;
	log_start("ra-primaryd", level < LOG_LEVEL_DEBUG ? (enum log_level)level : LOG_LEVEL_DEBUG);
	if (command->dumps) {
		config_dump(settings->config, stdout);
		code = fflush(stdout) == 0 ? 0 : 1;
	} else {
		code = command->checks ? service_check(settings) : service_run(settings);
	}
out:
	primary_settings_free(settings);
	free(why);
	return code;
}

int main(int argc, char **argv)
{
	struct command command = { 0 };
	log_start("ra-primaryd", LOG_LEVEL_WARNING);
	int code = parse(argc, argv, &command);
	if (code >= 0)
		return code;
	return command.is_once ? once_run() : run_configured(&command);
}
