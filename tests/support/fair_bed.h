/* SPDX-License-Identifier: Apache-2.0
 *
 * A greedy primary with 4 links and 256 link jobs, all with a Read, beside a polite one with one link and one job. Both
 * are processes; the secondary is real (TLS, loop, disk threads) but for its volumes. Turns in which the polite one is
 * alone and turns beside the greedy one follow each other, so that other programs of the machine disturb both; what
 * counts is the ratio of their medians.
 */
#ifndef RA_TESTS_FAIR_BED_H
#define RA_TESTS_FAIR_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/message.h"

struct fair_plan {
	unsigned read_ms;    /* what one read of a volume takes; 0: as fast as a page cache */
	bool is_one_by_one;  /* a volume serves one read at a time */
	uint32_t run_tracks; /* of each Read */
	int turn_ms;
};

void fair_bed_start(const struct fair_plan *plan);
void fair_bed_end(void);
/* What the polite one keeps of its throughput alone; prints it. */
double fair_kept_percent(enum delivery of_polite, enum delivery of_greedy);

#endif
