/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-primaryd: what its command line starts. The daemon of a private pair stands in once.c, the configured one in
 * service.c.
 */
#include "base/log.h"
#include "local/program.h"
#include "primary/once.h"
#include "primary/service.h"
#include "primary/settings.h"

int main(int argc, char **argv)
{
	struct program program = { .name = "ra-primaryd", .section = "primary", .config = "/etc/ra/primary.conf",
		.purpose = "Reads local volumes and their remote copies for ra-compare.",
		.once = "serve one host on standard input over one link on descriptor 3" };
	struct primary_settings *settings;
	char why[CONFIG_WHY_BYTES];
	int code = program_parse(&program, argc, argv);

	if (code >= 0)
		return code;
	if (program.is_once)
		return once_run();
	if (primary_settings_load(program.config, &settings, why) != 0) {
		log_error("%s", why);
		return 2;
	}
	code = program_begin(&program, settings->daemon.config);
	if (code < 0)
		code = service_run(&program, settings);
	primary_settings_free(settings);
	return code;
}
