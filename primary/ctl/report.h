/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl report: the reports of runs that the primary of this host keeps, as a list, one of them, or two compared.
 */
#ifndef RA_CTL_REPORT_H
#define RA_CTL_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "primary/ctl/options.h"

enum ctl_exit ctl_run_report(const struct ctl_options *options);

/* {"devices":[{"device","reports"},…]} */
void ctl_show_reports(const json_t *lists, FILE *out);
/* {"device","number","report"} */
void ctl_show_report(const json_t *kept, FILE *out);

#endif
