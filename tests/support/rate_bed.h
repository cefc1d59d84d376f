/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of limits: a virtual clock, up to RATES_MAX limits, and readers that note when they were let through.
 */
#ifndef RA_TESTS_RATE_BED_H
#define RA_TESTS_RATE_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rate.h"

#define RATE_READERS_MAX 2000u

/* One that reads: as often as it is let, or once. */
struct rate_reader {
	struct rate_waiter waiter;
	struct rate *rates[RATES_MAX];
	const void *group;
	uint64_t bytes;
	bool is_eager; /* enters again at once */
	unsigned passes;
	void (*then)(struct rate_reader *reader);
};

struct rate_bed {
	struct clock *clock;
	struct throttle *throttle;
	struct rate *rates[RATES_MAX];
	struct rate_reader readers[RATE_READERS_MAX];
	const struct rate_reader *order[RATE_READERS_MAX]; /* the first passes that waited */
	unsigned passes;                                   /* that waited */
};

extern struct rate_bed rate_bed;

int rate_bed_set_up(void **state);
int rate_bed_tear_down(void **state);
/* Makes or changes a limit. */
void rate_bed_limit(unsigned index, uint64_t bytes_per_s, uint64_t reads_per_s);
/* Sets reader number index: all limits that there are. */
struct rate_reader *rate_bed_reader(unsigned index, const void *group, uint64_t bytes);
/* Once, or while it is eager as often as it need not wait. */
void rate_bed_enter(struct rate_reader *reader);
void rate_bed_enter_many(unsigned first, unsigned count, const void *group, uint64_t bytes);

#endif
