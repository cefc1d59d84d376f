/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to base/config*.c: one value of a configuration file, from its text to what the settings take.
 */
#ifndef RA_BASE_CONFIG_VALUE_H
#define RA_BASE_CONFIG_VALUE_H

#include <stddef.h>

#include "base/config.h"

#define CONFIG_EXPECTED_BYTES 256u

struct config_value {
	char *text; /* as written */
	uint64_t number;
	char **words; /* of a list, NULL-terminated; NULL for other kinds */
};

/* false: text is no such value, and out is not touched. "" is unset, good where it is the default. */
bool config_value_parse(const struct config_key *key, const char *text, struct config_value *out);
void config_value_clear(struct config_value *value);
/* "a number from 2 to 64" */
void config_value_expected(const struct config_key *key, char out[CONFIG_EXPECTED_BYTES]);

const struct config_table *config_table_of(const struct config *config);
bool config_kind_is_list(enum config_kind kind);
bool config_name_is_valid(const char *name);

#endif
