/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-primaryd: the command line. What the daemon does stands in once.c.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "primary/once.h"

static void usage(FILE *out)
{
	fprintf(out, "Usage: ra-primaryd --once\n"
		     "Serves one host on standard input over one link on descriptor 3; ra-compare starts it.\n"
		     "  --once     serve one host and end with it\n"
		     "  --help     show this text\n"
		     "  --version  show the version\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "once", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	bool once = false;
	int option;

	log_start("ra-primaryd", LOG_LEVEL_WARNING);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			once = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			printf("ra-primaryd %s\n", RA_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		log_error("unexpected argument '%s'", argv[optind]);
		usage(stderr);
		return 2;
	}
	if (!once) {
		log_error("only --once is supported in this version");
		usage(stderr);
		return 2;
	}
	return once_run();
}
