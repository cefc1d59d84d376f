/* SPDX-License-Identifier: Apache-2.0
 *
 * A finished report as text for people and as the JSON document "ra-compare/1". passes is how many passes were made;
 * the report printed is one of them.
 */
#ifndef RA_COMPARE_REPORT_PRINT_H
#define RA_COMPARE_REPORT_PRINT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct report;
struct where;

/* The verdict: one line, one sentence. */
void report_print_sentence(const struct report *report, uint64_t passes, FILE *out);
/* The first ranges, notes, what to do next, and the verdict as last line. where: NULL when nothing is known. */
void report_print_text(const struct report *report, const struct where *where, uint64_t passes, FILE *out);
/* "identical", "different" or "not-proven" */
const char *report_result_name(const struct report *report);
/* At most so many ranges; "ranges_omitted" says how many are missing. */
void report_print_json(const struct report *report, const struct where *where, uint64_t passes, size_t ranges_max,
	FILE *out);
/* The same as text of at most bytes_max bytes, with fewer ranges when it must be; to be freed. NULL: it has not even
 * room for all but them. */
char *report_dump_json(const struct report *report, const struct where *where, uint64_t passes, size_t bytes_max,
	size_t *bytes);
/* The document when there is no report: text says why. */
void report_print_json_error(const char *text, FILE *out);

#endif
