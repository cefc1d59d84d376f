/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: a configuration file, of the primary when its first byte is 'p', else of the secondary. What is refused
 * says why; what is taken is dumped, and the dump is taken too and dumps to the same values.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "primary/settings.h"
#include "secondary/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int memory_file = -1;
static char path[64]; /* in /proc/self/fd, where there is no conf.d */

static void put(const void *text, size_t bytes)
{
	ssize_t written;

	if (memory_file < 0) {
		memory_file = memfd_create("config", MFD_CLOEXEC);
		assert(memory_file >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", memory_file);
	}
	if (ftruncate(memory_file, 0) != 0)
		abort();
	written = pwrite(memory_file, text, bytes, 0);
	assert(written == (ssize_t)bytes);
}

/* The dump of what is in the memory file; NULL when it is refused. */
static char *dump_of(bool is_primary)
{
	struct secondary_settings *secondary = NULL;
	struct primary_settings *primary = NULL;
	char why[CONFIG_WHY_BYTES];
	char *dump = NULL;
	size_t dump_bytes;
	int rc = is_primary ? primary_settings_load(path, &primary, why) : secondary_settings_load(path, &secondary, why);

	if (rc == 0) {
		FILE *out = open_memstream(&dump, &dump_bytes);

		assert(out != NULL);
		config_dump(is_primary ? primary->daemon.config : secondary->daemon.config, out);
		fclose(out);
	} else {
		assert(strncmp(why, path, strlen(path)) == 0 && strlen(why) > strlen(path) + 2);
	}
	primary_settings_free(primary);
	secondary_settings_free(secondary);
	return dump;
}

/* Lines that say where a section stands differ. */
static void drop_places(char *dump)
{
	char *from = dump, *to = dump;

	while (*from != '\0') {
		size_t line = strcspn(from, "\n");

		line += from[line] == '\n';
		if (strncmp(from, "# /proc", 7) != 0) {
			memmove(to, from, line);
			to += line;
		}
		from += line;
	}
	*to = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *first, *second;
	bool is_primary;

	if (bytes == 0)
		return 0;
	is_primary = data[0] == 'p';
	put(data + 1, bytes - 1);
	first = dump_of(is_primary);
	if (first == NULL)
		return 0;
	put(first, strlen(first));
	second = dump_of(is_primary);
	assert(second != NULL);
	drop_places(first);
	drop_places(second);
	assert(strcmp(first, second) == 0);
	free(first);
	free(second);
	return 0;
}
