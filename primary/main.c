/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-primaryd: what its command line starts. The daemon of a private pair stands in once.c, the configured one in
 * service.c.
 */
#include "local/program.h"
#include "primary/once.h"
#include "primary/service.h"
#include "primary/settings.h"

static int load(const char *path, void **settings, const struct config **config, char why[CONFIG_WHY_BYTES])
{
	struct primary_settings *loaded;
	int rc = primary_settings_load(path, &loaded, why);

	if (rc != 0)
		return rc;
	*settings = loaded;
	*config = loaded->daemon.config;
	return 0;
}

static void unload(void *settings)
{
	primary_settings_free(settings);
}

static int run(const void *settings)
{
	return service_run(settings);
}

int main(int argc, char **argv)
{
	static const struct program program = {
		.name = "ra-primaryd",
		.section = "primary",
		.config_default = "/etc/ra/primary.conf",
		.purpose = "Reads local volumes and their remote copies for ra-compare.",
		.once = "serve one host on standard input over one link on descriptor 3",
		.load = load,
		.unload = unload,
		.run = run,
		.run_once = once_run,
	};

	return program_main(&program, argc, argv);
}
