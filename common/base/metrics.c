/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounds go from what a fast disk takes to what a request is given before it has timed out.
 */
#include "base/metrics.h"

#include <assert.h>

#define MS INT64_C(1000000)

static const int64_t bounds_ns[HISTOGRAM_BUCKETS] = { MS / 4, MS / 2, 1 * MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS,
	50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS, 2500 * MS, 8000 * MS };

int64_t histogram_bound_ns(unsigned bucket)
{
	assert(bucket < HISTOGRAM_BUCKETS);
	return bounds_ns[bucket];
}

void histogram_add(struct histogram *histogram, int64_t took_ns)
{
	unsigned bucket = 0;

	while (bucket < HISTOGRAM_BUCKETS && took_ns > bounds_ns[bucket])
		bucket++;
	histogram->counts[bucket]++;
	histogram->sum_ns += took_ns;
}
