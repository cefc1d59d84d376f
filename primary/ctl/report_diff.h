/* SPDX-License-Identifier: Apache-2.0
 *
 * What has become of the differences of one report in another, by whole tracks: one of the two may know the bytes, the
 * other only digests of tracks.
 */
#ifndef RA_CTL_REPORT_DIFF_H
#define RA_CTL_REPORT_DIFF_H

#include <jansson.h>
#include <stdio.h>

/* Both as ra-ctl report show gets them: {"number","report"}. The caller's. */
json_t *ctl_report_diff(const char *device, const json_t *old, const json_t *new);
void ctl_show_report_diff(const json_t *diff, FILE *out);

#endif
