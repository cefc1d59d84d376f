/* SPDX-License-Identifier: Apache-2.0
 *
 * The answers of a daemon as tables for people, one file per verb. What is missing in an answer is left out.
 */
#ifndef RA_CTL_SHOW_H
#define RA_CTL_SHOW_H

#include <jansson.h>
#include <stdio.h>

void ctl_show_status(const json_t *answer, FILE *out);
void ctl_show_devices(const json_t *answer, FILE *out);
void ctl_show_jobs(const json_t *answer, FILE *out);
void ctl_show_errors(const json_t *answer, FILE *out);
void ctl_show_cache(const json_t *answer, FILE *out);
void ctl_show_links(const json_t *answer, FILE *out);
void ctl_show_limit(const json_t *answer, FILE *out);
void ctl_show_proof(const json_t *answer, FILE *out);
void ctl_show_log_level(const json_t *answer, FILE *out);

#endif
