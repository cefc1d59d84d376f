/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables: cells are kept as text, widths are counted in characters when all are there. One thread.
 */
#include "primary/ctl/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "local/show.h"

struct ctl_table {
	const char *const *headings;
	unsigned columns;
	char **cells;
	unsigned cell_count;
};

struct ctl_table *ctl_table_new(const char *const *headings)
{
	struct ctl_table *table = xcalloc(1, sizeof(*table));

	table->headings = headings;
	while (headings[table->columns] != NULL)
		table->columns++;
	assert(table->columns > 0);
	return table;
}

void ctl_table_free(struct ctl_table *table)
{
	if (table == NULL)
		return;
	for (unsigned i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void ctl_table_add(struct ctl_table *table, const char *format, ...)
{
	va_list args;
	int bytes;

	va_start(args, format);
	bytes = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(bytes >= 0);
	table->cells = xrealloc(table->cells, table->cell_count + 1, sizeof(*table->cells));
	table->cells[table->cell_count] = xcalloc((size_t)bytes + 1, 1);
	va_start(args, format);
	vsnprintf(table->cells[table->cell_count], (size_t)bytes + 1, format, args);
	va_end(args);
	table->cell_count++;
}

unsigned ctl_table_rows(const struct ctl_table *table)
{
	return table->cell_count / table->columns;
}

static unsigned width_of(const char *text)
{
	unsigned width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *heading_of(const struct ctl_table *table, unsigned column)
{
	return table->headings[column] + (table->headings[column][0] == '>');
}

/* 0: no row has anything there. */
static unsigned column_width(const struct ctl_table *table, unsigned column)
{
	unsigned width = 0;

	for (unsigned i = column; i < table->cell_count; i += table->columns)
		if (width_of(table->cells[i]) > width)
			width = width_of(table->cells[i]);
	if (width > 0 && width_of(heading_of(table, column)) > width)
		width = width_of(heading_of(table, column));
	return width;
}

static void print_blanks(unsigned count, FILE *out)
{
	fprintf(out, "%*s", (int)count, "");
}

/* cells NULL: the headings. */
static void print_row(const struct ctl_table *table, char *const *cells, const unsigned *widths, const char *indent,
	FILE *out)
{
	unsigned owed = 0; /* blanks that only another cell makes necessary */

	fputs(indent, out);
	for (unsigned i = 0; i < table->columns; i++) {
		const char *text = cells != NULL ? cells[i] : heading_of(table, i);
		unsigned gap = widths[i] - (widths[i] > 0 ? width_of(text) : 0);
		bool is_right = table->headings[i][0] == '>';

		if (widths[i] == 0)
			continue;
		if (text[0] != '\0') {
			print_blanks(owed + (is_right ? gap : 0), out);
			owed = 0;
			show_clean(text, out);
		}
		owed += (is_right && text[0] != '\0' ? 0 : gap) + 2;
	}
	fputc('\n', out);
}

void ctl_table_print(const struct ctl_table *table, const char *indent, FILE *out)
{
	unsigned *widths = xcalloc(table->columns, sizeof(*widths));
	bool has_heading = false;

	assert(table->cell_count % table->columns == 0);
	for (unsigned i = 0; i < table->columns; i++) {
		widths[i] = column_width(table, i);
		has_heading = has_heading || heading_of(table, i)[0] != '\0';
	}
	if (has_heading && table->cell_count > 0)
		print_row(table, NULL, widths, indent, out);
	for (unsigned i = 0; i < table->cell_count; i += table->columns)
		print_row(table, table->cells + i, widths, indent, out);
	free(widths);
}
