/* SPDX-License-Identifier: Apache-2.0
 *
 * Aligned columns. A column that is empty in every row is left out; what a daemon says cannot steer a terminal.
 */
#ifndef RA_CTL_TABLE_H
#define RA_CTL_TABLE_H

#include <stdio.h>

struct ctl_table;

/* headings: of the columns, NULL-terminated; one that begins with '>' is of a column aligned to the right. "" for all:
 * no line of headings. Kept, not copied. */
struct ctl_table *ctl_table_new(const char *const *headings);
void ctl_table_free(struct ctl_table *table);
/* The next cell, from left to right, row by row. */
void ctl_table_add(struct ctl_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
unsigned ctl_table_rows(const struct ctl_table *table);
/* Every line after indent. Rows must be whole (asserted). */
void ctl_table_print(const struct ctl_table *table, const char *indent, FILE *out);

#endif
