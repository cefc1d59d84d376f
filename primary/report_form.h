/* SPDX-License-Identifier: Apache-2.0
 *
 * The border where a report, the JSON document of ra-compare(1), is checked before it is kept, and again when it is
 * read from the disk: what is read from it later is there, and of its kind. Members that are not known here may be
 * there too. conf/report.schema.json says the same and more. No state, any thread.
 */
#ifndef RA_PRIMARY_REPORT_FORM_H
#define RA_PRIMARY_REPORT_FORM_H

#include <jansson.h>
#include <stddef.h>

#include "base/limits.h"

/* The document, the caller's; NULL with words in why: it is no report of this device. */
json_t *report_form_read(const void *bytes, size_t count, const char *device, char why[DETAIL_MAX + 1]);
/* Of such a document what a list says of it; the caller's. */
json_t *report_form_summary(const json_t *report);

#endif
