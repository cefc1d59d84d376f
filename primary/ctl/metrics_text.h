/* SPDX-License-Identifier: Apache-2.0
 *
 * A daemon's answers as Prometheus text: ra-ctl(8) has the table of all series. What is not known has no series.
 */
#ifndef RA_CTL_METRICS_TEXT_H
#define RA_CTL_METRICS_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* Answers to the verbs of these names, borrowed. */
struct ctl_answers {
	const json_t *status, *devices, *links, *limit;
	const json_t *cache;  /* NULL: a primary has none */
	const json_t *proofs; /* by device: the answer, or null where its ledger cannot be read; NULL: of a secondary */
};

void ctl_write_metrics(const struct ctl_answers *answers, FILE *out);

#endif
