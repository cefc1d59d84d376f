/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration files: INI (inih), one file and, beside it, those of conf.d in the order of their names. One table of
 * keys per program says what may stand there; everything is checked here, in words that name file, line, value and what
 * was expected, so the settings behind it take values as good. No state but the loaded one; loop thread.
 */
#ifndef RA_BASE_CONFIG_H
#define RA_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_WHY_BYTES 5120u /* a path may stand in it */

enum config_kind {
	CONFIG_PATH,    /* absolute; max: its bytes, 0: those of a path */
	CONFIG_NAME,    /* of a device, peer or group: 1 to 63 of A-Z a-z 0-9 . _ - */
	CONFIG_NAMES,   /* several, separated by blanks or commas; max: the characters of one, 0: 63 */
	CONFIG_KEYS,    /* "sha256:…", several */
	CONFIG_ADDRESS, /* HOST:PORT, [IPv6]:PORT */
	CONFIG_ADDRESSES, /* numeric ones, several */
	CONFIG_NUMBER,  /* min to max */
	CONFIG_SIZE,    /* bytes, min to max: 64K 1M 4G 1T */
	CONFIG_RATE,    /* bytes a second, as a size; 0 or "none": no limit */
	CONFIG_LENGTH,  /* a size, or "common" (CONFIG_COMMON), or "all" (0) */
	CONFIG_TIME,    /* milliseconds, min to max: 100ms 4s 15m */
	CONFIG_MODE,    /* octal permissions: 0660 */
	CONFIG_CHOICE,  /* one of the words of choices; its number is its index */
};
#define CONFIG_COMMON UINT64_MAX

struct config_key {
	const char *section; /* "primary", "secondary", "peer", "device" */
	const char *name;
	enum config_kind kind;
	uint64_t min, max;
	const char *const *choices; /* NULL-terminated */
	const char *fallback;       /* the default as text; "" : unset; NULL: must be given */
	const char *sentence;       /* what it is, for the samples */
	const char *example;        /* what the sample has where the default would not do; NULL: the default */
};

struct config_table {
	const char *main_section;        /* its keys are of the program; it may be absent */
	const char *const *named_sections; /* NULL-terminated: "peer", "device": [peer NAME] */
	const char *const *example_names;  /* of those, for the sample: "b", "web1" */
	const struct config_key *keys;
	unsigned key_count;
};

struct config;

/* 0; or -errno with why: unreadable, unknown section or key, twice the same key, a value that does not fit, a key that
 * must be given. table outlives the result. */
int config_load(const struct config_table *table, const char *path, struct config **out, char why[CONFIG_WHY_BYTES]);
void config_free(struct config *config); /* NULL is fine */

const char *config_path(const struct config *config); /* of the main file, as given */
const char *config_main_section(const struct config *config);
/* Names of the sections [section NAME], in the order of the files; NULL after the last. */
const char *config_section(const struct config *config, const char *section, unsigned index);
/* The value, or the default. name: of the section [section NAME], NULL for the main section. text: as written. */
const char *config_text(const struct config *config, const char *section, const char *name, const char *key);
uint64_t config_number(const struct config *config, const char *section, const char *name, const char *key);
/* The words of a list, NULL-terminated. Valid as long as the config. */
const char *const *config_list(const struct config *config, const char *section, const char *name, const char *key);
/* Another default than the table's, of a key that is not set. It fits (asserted). */
void config_set_default(struct config *config, const char *section, const char *name, const char *key,
	const char *text);
bool config_is_set(const struct config *config, const char *section, const char *name, const char *key);
/* The key has the same value in both, whose tables are the same; the section is in both. */
bool config_is_same(const struct config *one, const struct config *other, const char *section, const char *name,
	const char *key);
/* "FILE:LINE" of the key, or of the section when key is NULL or not set, for errors between keys. Valid as long as the
 * config. */
const char *config_where(const struct config *config, const char *section, const char *name, const char *key);

/* An error between keys: "FILE:LINE: key = value: ..." into why; key NULL: of the section. Returns -EINVAL. */
int config_refuse(const struct config *config, const char *section, const char *name, const char *key,
	char why[CONFIG_WHY_BYTES], const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Every key of every section with the value in force, as a file that could be loaded; defaults stand behind a '#'. */
void config_dump(const struct config *config, FILE *out);
/* The table as a commented sample: each key at its default, after its sentence and what it may be. */
void config_sample(const struct config_table *table, FILE *out);

/* The parsers, for command lines: false when text is no such value. */
bool config_parse_size(const char *text, uint64_t *bytes);
bool config_parse_rate(const char *text, uint64_t *bytes_per_s);
/* A number that begins the text; rest: what follows it. False: it begins with no digit, or is too large. */
bool config_parse_digits(const char *text, uint64_t *value, const char **rest);
bool config_parse_time(const char *text, uint64_t *ms);

#endif
