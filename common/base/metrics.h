/* SPDX-License-Identifier: Apache-2.0
 *
 * How often something took how long: counts in fixed buckets, and the sum. Whoever has it guards it.
 */
#ifndef RA_BASE_METRICS_H
#define RA_BASE_METRICS_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 14u

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* of each bucket alone; the last: longer than all bounds */
	int64_t sum_ns;
};

/* Ascending; what took just so long is in the bucket. */
int64_t histogram_bound_ns(unsigned bucket);
void histogram_add(struct histogram *histogram, int64_t took_ns);

#endif
