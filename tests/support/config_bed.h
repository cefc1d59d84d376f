/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder for configuration files, for tests that load them. One at a time.
 */
#ifndef RA_TESTS_CONFIG_BED_H
#define RA_TESTS_CONFIG_BED_H

#include <stddef.h>

void config_bed_new(void);
void config_bed_free(void); /* with all that is in it */
/* Its path; valid until the next call but one. */
const char *config_bed_path(const char *name);
/* Writes the file, in a sub-folder if name says so, and returns its path. */
const char *config_bed_write(const char *name, const char *text);
void config_bed_write_bytes(const char *name, const void *bytes, size_t count);

/* All of a file of the tree or the bed, with a NUL; the caller's. */
char *config_bed_read(const char *path);
/* The text with the '#' directly before a key or a section taken away; the caller's. */
char *config_bed_uncomment(const char *text);

struct config_table;
/* The sample at path ends with what config_sample says of the table. */
void config_bed_check_sample(const char *path, const struct config_table *table);
/* conf/ra.conf.5 has each key of the table below a heading with its section, with its default. */
void config_bed_check_manual(const struct config_table *table);

#endif
