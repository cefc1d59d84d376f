/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-secondaryd: what its command line starts. The daemon of a private pair stands in once.c, the configured one in
 * service.c.
 */
#include "base/log.h"
#include "local/program.h"
#include "secondary/once.h"
#include "secondary/service.h"
#include "secondary/settings.h"

int main(int argc, char **argv)
{
	struct program program = { .name = "ra-secondaryd", .section = "secondary", .config = "/etc/ra/secondary.conf",
		.purpose = "Serves the volumes of this host to the primaries that its configuration names.",
		.once = "serve one primary on standard input and output" };
	struct secondary_settings *settings;
	char why[CONFIG_WHY_BYTES];
	int code = program_parse(&program, argc, argv);

	if (code >= 0)
		return code;
	if (program.is_once)
		return secondary_once_run();
	if (secondary_settings_load(program.config, &settings, why) != 0) {
		log_error("%s", why);
		return 2;
	}
	code = program_begin(&program, settings->daemon.config);
	if (code < 0)
		code = secondary_service_run(&program, settings);
	secondary_settings_free(settings);
	return code;
}
