/* SPDX-License-Identifier: Apache-2.0
 *
 * A loaded configuration: sections, each with one entry per key its table has for it. Values are parsed when all files
 * are read, because a list may go on over several lines. Whatever is wrong ends the loading with the first error found.
 * Loop thread only.
 */
#include "base/config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config_file.h"
#include "base/config_value.h"

#define LOADING_MAGIC 0x4c4f4144u
#define SECTIONS_MAX 1024u

struct entry {
	char *written; /* NULL: not in the files */
	char *where;
	struct config_value value;
};

struct section {
	const char *kind; /* the table's text */
	char *name;       /* "" for the main section */
	char *where;
	struct entry *entries; /* one per key of the table; those of other kinds stay empty */
};

struct config {
	const struct config_table *table;
	char *path; /* of the main file */
	struct section *sections;
	unsigned section_count;
};

/* One pass over the files. */
struct loading {
	uint32_t magic;
	struct config *config;
	const char *path; /* of this file */
	struct section *section;        /* that the lines are in; NULL before the first */
	const struct config_key *key;   /* of the line above; NULL at the start of a section */
	char *why;
};

static struct loading *loading_of(void *arg)
{
	struct loading *loading = arg;

	assert(loading->magic == LOADING_MAGIC);
	return loading;
}

/* For "return": false, after writing why. */
__attribute__((format(printf, 3, 4))) static bool refuse_line(struct loading *loading, unsigned line,
	const char *format, ...)
{
	int used = snprintf(loading->why, CONFIG_WHY_BYTES, "%s:%u: ", loading->path, line);
	va_list args;

	if (used >= 0 && (unsigned)used < CONFIG_WHY_BYTES) {
		va_start(args, format);
		vsnprintf(loading->why + used, CONFIG_WHY_BYTES - (unsigned)used, format, args);
		va_end(args);
	}
	return false;
}

static struct section *find_section(const struct config *config, const char *kind, const char *name)
{
	for (unsigned i = 0; i < config->section_count; i++)
		if (strcmp(config->sections[i].kind, kind) == 0 && strcmp(config->sections[i].name, name) == 0)
			return &config->sections[i];
	return NULL;
}

static const struct config_key *find_key(const struct config_table *table, const char *kind, const char *name)
{
	for (unsigned i = 0; i < table->key_count; i++)
		if (strcmp(table->keys[i].section, kind) == 0 && strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	return NULL;
}

/* The table's own text of a kind of named sections. */
static const char *named_kind(const struct config_table *table, const char *kind)
{
	for (unsigned i = 0; table->named_sections[i] != NULL; i++)
		if (strcmp(table->named_sections[i], kind) == 0)
			return table->named_sections[i];
	return NULL;
}

static struct section *add_section(struct config *config, const char *kind, const char *name, char *where)
{
	struct section *section;

	config->sections = xrealloc(config->sections, config->section_count + 1, sizeof(*section));
	section = &config->sections[config->section_count++];
	*section = (struct section){
		.kind = kind,
		.name = xstrdup(name),
		.where = where,
		.entries = xcalloc(config->table->key_count, sizeof(*section->entries)),
	};
	return section;
}

/* "[primary], [peer NAME] or [device NAME]" */
static const char *known_sections(const struct config_table *table, char out[CONFIG_EXPECTED_BYTES])
{
	size_t used = (size_t)snprintf(out, CONFIG_EXPECTED_BYTES, "[%s]", table->main_section);

	for (unsigned i = 0; table->named_sections[i] != NULL && used < CONFIG_EXPECTED_BYTES; i++)
		used += (size_t)snprintf(out + used, CONFIG_EXPECTED_BYTES - used, "%s[%s NAME]",
			table->named_sections[i + 1] == NULL ? " or " : ", ", table->named_sections[i]);
	return out;
}

static bool on_section(void *arg, unsigned line, const char *kind, const char *name)
{
	struct loading *loading = loading_of(arg);
	struct config *config = loading->config;
	const char *known = named_kind(config->table, kind);
	char expected[CONFIG_EXPECTED_BYTES];
	struct section *twin;

	if (known == NULL && strcmp(kind, config->table->main_section) == 0 && name[0] == '\0')
		known = config->table->main_section;
	if (known == NULL)
		return refuse_line(loading, line, "[%.100s%s%.100s]: unknown section; expected %s", kind,
			name[0] != '\0' ? " " : "", name, known_sections(config->table, expected));
	if (known != config->table->main_section && !config_name_is_valid(name))
		return refuse_line(loading, line, "[%s%s%.100s]: expected [%s NAME], NAME 1 to 63 of A-Z a-z 0-9 . _ -, "
			"beginning with none of . -", known, name[0] != '\0' ? " " : "", name, known);
	twin = find_section(config, known, name);
	if (twin != NULL)
		return refuse_line(loading, line, "[%s%s%s]: stands at %s already", known, name[0] != '\0' ? " " : "", name,
			twin->where);
	if (config->section_count == SECTIONS_MAX)
		return refuse_line(loading, line, "more than %u sections", SECTIONS_MAX);
	loading->section = add_section(config, known, name, xasprintf("%s:%u", loading->path, line));
	loading->key = NULL;
	return true;
}

/* It is a key of another section, or of none. */
static bool refuse_key(struct loading *loading, unsigned line, const char *name)
{
	const struct config_table *table = loading->config->table;
	const char *kind = loading->section->kind;
	char known[1024] = "";
	size_t used = 0;

	for (unsigned i = 0; i < table->key_count; i++)
		if (strcmp(table->keys[i].name, name) == 0)
			return refuse_line(loading, line, "%s: no key of [%s]; it belongs in [%s%s]", name, kind,
				table->keys[i].section, named_kind(table, table->keys[i].section) != NULL ? " NAME" : "");
	for (unsigned i = 0; i < table->key_count && used < sizeof(known); i++)
		if (strcmp(table->keys[i].section, kind) == 0)
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used != 0 ? ", " : "",
				table->keys[i].name);
	return refuse_line(loading, line, "%.200s: unknown key; [%s] has %s", name, kind, known);
}

static struct entry *entry_of(const struct config *config, const struct section *section, const struct config_key *key)
{
	return &section->entries[key - config->table->keys];
}

static bool on_key(void *arg, unsigned line, const char *name, const char *value)
{
	struct loading *loading = loading_of(arg);
	const struct config *config = loading->config;
	const struct config_key *key;
	struct entry *entry;

	if (loading->section == NULL)
		return refuse_line(loading, line, "%.200s: stands before the first section, [%s] for example", name,
			config->table->main_section);
	key = find_key(config->table, loading->section->kind, name);
	if (key == NULL)
		return refuse_key(loading, line, name);
	entry = entry_of(config, loading->section, key);
	if (entry->written != NULL)
		return refuse_line(loading, line, "%s = %.200s: stands at %s already", name, value, entry->where);
	entry->written = xstrdup(value);
	entry->where = xasprintf("%s:%u", loading->path, line);
	loading->key = key;
	return true;
}

static bool may_continue(void *arg)
{
	const struct loading *loading = loading_of(arg);

	return loading->key != NULL && config_kind_is_list(loading->key->kind);
}

static bool on_more(void *arg, unsigned line, const char *value)
{
	struct loading *loading = loading_of(arg);
	struct entry *entry = entry_of(loading->config, loading->section, loading->key);
	char *whole = xasprintf("%s%s%s", entry->written, entry->written[0] != '\0' ? " " : "", value);

	(void)line;
	free(entry->written);
	entry->written = whole;
	return true;
}

static int load_file(struct config *config, const char *path, char why[CONFIG_WHY_BYTES])
{
	static const struct config_file_ops ops = { on_section, on_key, on_more, may_continue };
	struct loading loading = { .magic = LOADING_MAGIC, .config = config, .path = path, .why = why };

	return config_file_read(path, &ops, &loading, why);
}

static int is_drop_in(const struct dirent *item)
{
	size_t length = strlen(item->d_name);

	return item->d_name[0] != '.' && length > 5 && strcmp(item->d_name + length - 5, ".conf") == 0;
}

/* By bytes: the order must not depend on a locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Those of the folder conf.d beside the file. */
static int load_drop_ins(struct config *config, const char *path, char why[CONFIG_WHY_BYTES])
{
	const char *slash = strrchr(path, '/');
	char *folder = xasprintf("%.*sconf.d", slash != NULL ? (int)(slash - path + 1) : 0, path);
	struct dirent **items = NULL;
	int count = scandir(folder, &items, is_drop_in, by_name);
	int rc = count < 0 && errno != ENOENT ? -errno : 0;

	if (rc != 0)
		snprintf(why, CONFIG_WHY_BYTES, "%s: %s", folder, strerror(-rc));
	for (int i = 0; i < count; i++) {
		char *file = xasprintf("%s/%s", folder, items[i]->d_name);

		if (rc == 0)
			rc = load_file(config, file, why);
		free(file);
		free(items[i]);
	}
	free(items);
	free(folder);
	return rc;
}

static int parse_entry(const struct config *config, const struct section *section, const struct config_key *key,
	char why[CONFIG_WHY_BYTES])
{
	struct entry *entry = entry_of(config, section, key);
	const char *gap = section->name[0] != '\0' ? " " : "";
	char expected[CONFIG_EXPECTED_BYTES];

	config_value_expected(key, expected);
	if (entry->written == NULL && key->fallback == NULL) {
		snprintf(why, CONFIG_WHY_BYTES, "%s: [%s%s%s]: needs %s, %s", section->where, section->kind, gap, section->name,
			key->name, expected);
		return -EINVAL;
	}
	if (!config_value_parse(key, entry->written != NULL ? entry->written : key->fallback, &entry->value)) {
		assert(entry->written != NULL); /* defaults are good */
		snprintf(why, CONFIG_WHY_BYTES, "%s: %s = %.200s: expected %s", entry->where, key->name, entry->written,
			expected);
		return -EINVAL;
	}
	return 0;
}

static int parse_sections(struct config *config, char why[CONFIG_WHY_BYTES])
{
	int rc = 0;

	for (unsigned i = 0; i < config->section_count; i++)
		for (unsigned k = 0; k < config->table->key_count && rc == 0; k++)
			if (strcmp(config->table->keys[k].section, config->sections[i].kind) == 0)
				rc = parse_entry(config, &config->sections[i], &config->table->keys[k], why);
	return rc;
}

int config_load(const struct config_table *table, const char *path, struct config **out, char why[CONFIG_WHY_BYTES])
{
	struct config *config = xcalloc(1, sizeof(*config));
	int rc;

	config->table = table;
	config->path = xstrdup(path);
	why[0] = '\0';
	rc = load_file(config, path, why);
	if (rc == 0)
		rc = load_drop_ins(config, path, why);
	if (rc == 0 && find_section(config, table->main_section, "") == NULL)
		add_section(config, table->main_section, "", xstrdup(path));
	if (rc == 0)
		rc = parse_sections(config, why);
	if (rc != 0) {
		config_free(config);
		return rc;
	}
	*out = config;
	return 0;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (unsigned i = 0; i < config->section_count; i++) {
		struct section *section = &config->sections[i];

		for (unsigned k = 0; k < config->table->key_count; k++) {
			free(section->entries[k].written);
			free(section->entries[k].where);
			config_value_clear(&section->entries[k].value);
		}
		free(section->name);
		free(section->where);
		free(section->entries);
	}
	free(config->sections);
	free(config->path);
	free(config);
}

const struct config_table *config_table_of(const struct config *config)
{
	return config->table;
}

const char *config_path(const struct config *config)
{
	return config->path;
}

const char *config_main_section(const struct config *config)
{
	return config->table->main_section;
}

const char *config_section(const struct config *config, const char *section, unsigned index)
{
	for (unsigned i = 0; i < config->section_count; i++)
		if (strcmp(config->sections[i].kind, section) == 0 && index-- == 0)
			return config->sections[i].name;
	return NULL;
}

/* Section and key exist: who asks, knows the table and has the name from config_section. */
static const struct section *known_section(const struct config *config, const char *kind, const char *name)
{
	const struct section *section = find_section(config, kind, name != NULL ? name : "");

	assert(section != NULL);
	return section;
}

static const struct entry *known_entry(const struct config *config, const char *section, const char *name,
	const char *key)
{
	const struct config_key *known = find_key(config->table, section, key);

	assert(known != NULL);
	return entry_of(config, known_section(config, section, name), known);
}

const char *config_text(const struct config *config, const char *section, const char *name, const char *key)
{
	return known_entry(config, section, name, key)->value.text;
}

uint64_t config_number(const struct config *config, const char *section, const char *name, const char *key)
{
	return known_entry(config, section, name, key)->value.number;
}

const char *const *config_list(const struct config *config, const char *section, const char *name, const char *key)
{
	const struct entry *entry = known_entry(config, section, name, key);

	assert(entry->value.words != NULL);
	return (const char *const *)entry->value.words;
}

bool config_is_set(const struct config *config, const char *section, const char *name, const char *key)
{
	return known_entry(config, section, name, key)->written != NULL;
}

bool config_is_same(const struct config *one, const struct config *other, const char *section, const char *name,
	const char *key)
{
	const struct entry *a = known_entry(one, section, name, key), *b = known_entry(other, section, name, key);
	enum config_kind kind = find_key(one->table, section, key)->kind;

	if (kind == CONFIG_PATH || kind == CONFIG_NAME || kind == CONFIG_ADDRESS)
		return strcmp(a->value.text, b->value.text) == 0;
	if (!config_kind_is_list(kind))
		return a->value.number == b->value.number;
	for (unsigned i = 0;; i++) {
		if (a->value.words[i] == NULL || b->value.words[i] == NULL)
			return a->value.words[i] == b->value.words[i];
		if (strcmp(a->value.words[i], b->value.words[i]) != 0)
			return false;
	}
}

void config_set_default(struct config *config, const char *section, const char *name, const char *key,
	const char *text)
{
	const struct config_key *known = find_key(config->table, section, key);
	struct entry *entry = entry_of(config, known_section(config, section, name), known);
	struct config_value value;
	bool is_good = config_value_parse(known, text, &value);

	assert(is_good && entry->written == NULL);
	config_value_clear(&entry->value);
	entry->value = value;
}

const char *config_where(const struct config *config, const char *section, const char *name, const char *key)
{
	const char *where = key != NULL ? known_entry(config, section, name, key)->where : NULL;

	return where != NULL ? where : known_section(config, section, name)->where;
}

int config_refuse(const struct config *config, const char *section, const char *name, const char *key,
	char why[CONFIG_WHY_BYTES], const char *format, ...)
{
	int used = snprintf(why, CONFIG_WHY_BYTES, "%s: ", config_where(config, section, name, key));
	va_list args;

	assert(used > 0);
	if ((unsigned)used < CONFIG_WHY_BYTES && key != NULL)
		used += snprintf(why + used, CONFIG_WHY_BYTES - (unsigned)used, "%s = %.200s: ", key,
			config_text(config, section, name, key));
	else if ((unsigned)used < CONFIG_WHY_BYTES)
		used += snprintf(why + used, CONFIG_WHY_BYTES - (unsigned)used, "[%s%s%s]: ", section,
			name != NULL ? " " : "", name != NULL ? name : "");
	if ((unsigned)used < CONFIG_WHY_BYTES) {
		va_start(args, format);
		vsnprintf(why + used, CONFIG_WHY_BYTES - (unsigned)used, format, args);
		va_end(args);
	}
	return -EINVAL;
}
