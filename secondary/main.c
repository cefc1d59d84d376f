/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-secondaryd: what its command line starts. The daemon of a private pair stands in once.c, the configured one in
 * service.c.
 */
#include "local/program.h"
#include "secondary/once.h"
#include "secondary/service.h"
#include "secondary/settings.h"

static int load(const char *path, void **settings, const struct config **config, char why[CONFIG_WHY_BYTES])
{
	struct secondary_settings *loaded;
	int rc = secondary_settings_load(path, &loaded, why);

	if (rc != 0)
		return rc;
	*settings = loaded;
	*config = loaded->daemon.config;
	return 0;
}

static void unload(void *settings)
{
	secondary_settings_free(settings);
}

static int run(const void *settings)
{
	return secondary_service_run(settings);
}

int main(int argc, char **argv)
{
	static const struct program program = {
		.name = "ra-secondaryd",
		.section = "secondary",
		.config_default = "/etc/ra/secondary.conf",
		.purpose = "Serves the volumes of this host to the primaries that its configuration names.",
		.once = "serve one primary on standard input and output",
		.load = load,
		.unload = unload,
		.run = run,
		.run_once = secondary_once_run,
	};

	return program_main(&program, argc, argv);
}
