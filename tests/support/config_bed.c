/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder under TMPDIR with configuration files in it, and what tests do with the text of such files.
 */
#include "tests/support/config_bed.h"

#include <ctype.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/config.h"

#define PATHS 4u

static char folder[256];

void config_bed_new(void)
{
	const char *top = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/ra-config.XXXXXX", top != NULL ? top : "/tmp");
	assert_non_null(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status, (void)kind, (void)where;
	return remove(path);
}

void config_bed_free(void)
{
	assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *config_bed_path(const char *name)
{
	static char paths[PATHS][512];
	static unsigned turn;
	char *path = paths[turn++ % PATHS];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

void config_bed_write_bytes(const char *name, const void *bytes, size_t count)
{
	const char *slash = strrchr(name, '/');
	char parent[64];
	FILE *file;

	if (slash != NULL) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name), name);
		mkdir(config_bed_path(parent), 0700); /* may be there */
	}
	file = fopen(config_bed_path(name), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

const char *config_bed_write(const char *name, const char *text)
{
	config_bed_write_bytes(name, text, strlen(text));
	return config_bed_path(name);
}

char *config_bed_read(const char *path)
{
	const size_t bytes_max = 1u << 20;
	char *text = xcalloc(bytes_max + 1, 1);
	FILE *file = fopen(path, "r");

	if (file == NULL)
		fail_msg("cannot open %s", path);
	assert_true(fread(text, 1, bytes_max + 1, file) <= bytes_max);
	fclose(file);
	return text;
}

char *config_bed_uncomment(const char *text)
{
	char *copy = xcalloc(strlen(text) + 1, 1), *out = copy;
	char before = '\n';

	for (; *text != '\0'; before = *text++)
		if (before != '\n' || text[0] != '#' || (!islower((unsigned char)text[1]) && text[1] != '['))
			*out++ = *text;
	return copy;
}

void config_bed_check_sample(const char *path, const struct config_table *table)
{
	char *sample = config_bed_read(path), *heading = xasprintf("\n[%s]", table->main_section), *expected;
	const char *scratch = config_bed_path("table");
	FILE *out = fopen(scratch, "w");

	assert_non_null(out);
	config_sample(table, out);
	assert_int_equal(fclose(out), 0);
	expected = config_bed_read(scratch);
	assert_non_null(strstr(sample, heading));
	assert_string_equal(strstr(sample, heading) + 1, expected);
	free(expected);
	free(heading);
	free(sample);
}

/* A line ".BR da\-threads " (2 to 64, default 4)"" below a heading ".SS" that has "[primary]" or "[peer NAME]". */
static bool page_has(const char *page, const char *section, const char *key, const char *words)
{
	char *copy = xstrdup(page), *rest = copy, *line, *begin = xasprintf(".BR %s \" (", key);
	bool is_below = false, found = false;

	while (!found && (line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, ".S", 2) == 0)
			is_below = strncmp(line, ".SS", 3) == 0 && strstr(line, section) != NULL;
		found = is_below && strncmp(line, begin, strlen(begin)) == 0 && strstr(line, words) != NULL;
	}
	free(begin);
	free(copy);
	return found;
}

void config_bed_check_manual(const struct config_table *table)
{
	char *page = config_bed_read("conf/ra.conf.5");

	for (unsigned i = 0; i < table->key_count; i++) {
		const struct config_key *key = &table->keys[i];
		bool is_main = strcmp(key->section, table->main_section) == 0;
		char *section = xasprintf("[%s%s]", key->section, is_main ? "" : " NAME"), name[64] = "";
		char *words = key->fallback == NULL ? xstrdup("must be given") :
						      xasprintf("%s", key->fallback[0] ? key->fallback : "none");

		for (const char *at = key->name; *at != '\0'; at++)
			strncat(name, *at == '-' ? "\\-" : (const char[]){ *at, '\0' }, sizeof(name) - strlen(name) - 1);
		if (!page_has(page, section, name, words))
			fail_msg("conf/ra.conf.5 lacks %s with \"%s\" below %s", key->name, words, section);
		free(words);
		free(section);
	}
	free(page);
}
