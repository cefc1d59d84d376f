/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration and its table as text: what is in force, and the sample that shows every key. Both are files that
 * config_load takes. No state; loop thread.
 */
#include "base/config.h"

#include <string.h>

#include "base/config_value.h"

/* A list has one word a line, so that it fits however long it is. */
static void dump_key(const struct config *config, const struct config_key *key, const char *name, FILE *out)
{
	fprintf(out, "%s%s =", config_is_set(config, key->section, name, key->name) ? "" : "#", key->name);
	if (config_kind_is_list(key->kind)) {
		const char *const *words = config_list(config, key->section, name, key->name);

		for (unsigned i = 0; words[i] != NULL; i++)
			fprintf(out, "%s%s", i == 0 ? " " : "\n\t", words[i]);
	} else if (config_text(config, key->section, name, key->name)[0] != '\0') {
		fprintf(out, " %s", config_text(config, key->section, name, key->name));
	}
	fputc('\n', out);
}

static void dump_section(const struct config *config, const char *kind, const char *name, FILE *out)
{
	const struct config_table *table = config_table_of(config);

	fprintf(out, "\n# %s\n[%s%s%s]\n", config_where(config, kind, name, NULL), kind, name != NULL ? " " : "",
		name != NULL ? name : "");
	for (unsigned i = 0; i < table->key_count; i++)
		if (strcmp(table->keys[i].section, kind) == 0)
			dump_key(config, &table->keys[i], name, out);
}

void config_dump(const struct config *config, FILE *out)
{
	const struct config_table *table = config_table_of(config);
	const char *name;

	fprintf(out, "# Every key with the value in force; those behind a '#' have it by default.\n");
	dump_section(config, table->main_section, NULL, out);
	for (unsigned i = 0; table->named_sections[i] != NULL; i++)
		for (unsigned n = 0; (name = config_section(config, table->named_sections[i], n)) != NULL; n++)
			dump_section(config, table->named_sections[i], name, out);
}

static void sample_keys(const struct config_table *table, const char *kind, FILE *out)
{
	char expected[CONFIG_EXPECTED_BYTES];
	const char *value;

	for (unsigned i = 0; i < table->key_count; i++) {
		const struct config_key *key = &table->keys[i];

		if (strcmp(key->section, kind) != 0)
			continue;
		config_value_expected(key, expected);
		value = key->example != NULL ? key->example : key->fallback;
		fprintf(out, "\n# %s\n# %s: %s.\n#%s =%s%s\n", key->sentence, key->fallback == NULL ? "Must be given" : "Takes",
			expected, key->name, value[0] != '\0' ? " " : "", value);
	}
}

void config_sample(const struct config_table *table, FILE *out)
{
	fprintf(out, "[%s]\n", table->main_section);
	sample_keys(table, table->main_section, out);
	for (unsigned i = 0; table->named_sections[i] != NULL; i++) {
		fprintf(out, "\n#[%s %s]\n", table->named_sections[i], table->example_names[i]);
		sample_keys(table, table->named_sections[i], out);
	}
}
