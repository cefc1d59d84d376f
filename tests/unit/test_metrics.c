/* SPDX-License-Identifier: Apache-2.0
 *
 * Histograms: which bucket a time falls into.
 */
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void bounds_ascend(void **state)
{
	(void)state;
	for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++)
		assert_true(histogram_bound_ns(i) > histogram_bound_ns(i - 1));
}

static void a_bound_is_in_its_bucket_and_what_is_longer_in_the_next(void **state)
{
	struct histogram histogram = { .sum_ns = 0 };
	int64_t sum_ns = 0;

	(void)state;
	histogram_add(&histogram, 0);
	assert_int_equal(histogram.counts[0], 1);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t before = histogram.counts[i];

		histogram_add(&histogram, histogram_bound_ns(i));
		assert_int_equal(histogram.counts[i], before + 1);
		histogram_add(&histogram, histogram_bound_ns(i) + 1);
		assert_int_equal(histogram.counts[i + 1], 1);
		sum_ns += 2 * histogram_bound_ns(i) + 1;
	}
	assert_int_equal(histogram.sum_ns, sum_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_ascend),
		cmocka_unit_test(a_bound_is_in_its_bucket_and_what_is_longer_in_the_next),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
