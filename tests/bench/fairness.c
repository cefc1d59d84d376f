/* SPDX-License-Identifier: Apache-2.0
 *
 * A greedy primary beside a polite one, and volumes as fast as a page cache: the processors bind. What the polite one
 * keeps of its throughput alone depends on how many there are, and on who else uses them: a figure to look at, not a
 * test. tests/unit/test_fairness.c has the case in which the disks bind.
 */
#include "tests/support/fair_bed.h"

static const struct fair_plan fast = { .run_tracks = 16, .turn_ms = 150 };

int main(void)
{
	static const enum delivery deliveries[] = { DELIVERY_DISCONNECT, DELIVERY_POLL, DELIVERY_HOLD };

	fair_bed_start(&fast);
	for (unsigned i = 0; i < 3; i++)
		fair_kept_percent(DELIVERY_DISCONNECT, deliveries[i]);
	fair_bed_end();
	return 0;
}
