/* SPDX-License-Identifier: Apache-2.0
 *
 * See rate_bed.h.
 */
#include "tests/support/rate_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct rate_bed rate_bed;

int rate_bed_set_up(void **state)
{
	(void)state;
	memset(&rate_bed, 0, sizeof(rate_bed));
	rate_bed.clock = clock_new_virtual();
	rate_bed.throttle = throttle_new(rate_bed.clock);
	return 0;
}

int rate_bed_tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RATE_READERS_MAX; i++)
		rate_leave(&rate_bed.readers[i].waiter);
	for (unsigned i = 0; i < RATES_MAX; i++)
		rate_free(rate_bed.rates[i]);
	throttle_free(rate_bed.throttle);
	clock_free(rate_bed.clock);
	return 0;
}

void rate_bed_limit(unsigned index, uint64_t bytes_per_s, uint64_t reads_per_s)
{
	const struct rate_limit limit = { bytes_per_s, reads_per_s };

	if (rate_bed.rates[index])
		rate_set(rate_bed.rates[index], &limit);
	else
		rate_bed.rates[index] = rate_new(rate_bed.throttle, &limit);
}

static void on_pass(void *arg)
{
	struct rate_reader *reader = arg;

	assert_false(reader->waiter.is_waiting);
	if (rate_bed.passes < RATE_READERS_MAX)
		rate_bed.order[rate_bed.passes] = reader;
	rate_bed.passes++;
	reader->passes++;
	if (reader->then)
		reader->then(reader);
	if (reader->is_eager)
		rate_bed_enter(reader);
}

struct rate_reader *rate_bed_reader(unsigned index, const void *group, uint64_t bytes)
{
	struct rate_reader *reader = &rate_bed.readers[index];

	memcpy(reader->rates, rate_bed.rates, sizeof(reader->rates));
	reader->group = group;
	reader->bytes = bytes;
	return reader;
}

void rate_bed_enter(struct rate_reader *reader)
{
	bool passed;

	do {
		passed = rate_enter(rate_bed.throttle, &reader->waiter, reader->rates, reader->group, reader->bytes, on_pass,
			reader);
		reader->passes += passed;
	} while (passed && reader->is_eager);
}

void rate_bed_enter_many(unsigned first, unsigned count, const void *group, uint64_t bytes)
{
	for (unsigned i = first; i < first + count; i++)
		rate_bed_enter(rate_bed_reader(i, group, bytes));
}
