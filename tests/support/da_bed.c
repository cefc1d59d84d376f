/* SPDX-License-Identifier: Apache-2.0
 *
 * The DA of its tests: real threads, faulty volumes, a mailbox that the test drains.
 */
#include "tests/support/da_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "storage/volume.h"

struct da_bed da_bed;

static void start(unsigned threads, unsigned queue_elements)
{
	const struct da_config config = { threads, DA_BED_EXTRA_THREADS, queue_elements };

	da_bed.mailbox = mailbox_new(NULL);
	assert_non_null(da_bed.mailbox);
	da_bed.da = da_new(&config, da_bed.mailbox);
	assert_non_null(da_bed.da);
	for (uint32_t i = 0; i < DA_BED_VOLUMES; i++) {
		da_bed.faulty[i] = faulty_volume_new(DA_BED_VOLUME_BYTES, i + 1);
		da_bed.volumes[i] = faulty_volume_volume(da_bed.faulty[i]);
	}
}

int da_bed_set_up(void **state)
{
	(void)state;
	start(DA_BED_THREADS, DA_BED_ELEMENTS);
	return 0;
}

int da_bed_set_up_two_threads(void **state)
{
	(void)state;
	start(2, DA_BED_ELEMENTS);
	return 0;
}

int da_bed_set_up_long_queue(void **state)
{
	(void)state;
	start(2, DA_QUEUE_ELEMENTS);
	return 0;
}

int da_bed_set_up_many_threads(void **state)
{
	(void)state;
	start(64, DA_QUEUE_ELEMENTS);
	return 0;
}

int da_bed_tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++) {
		faulty_volume_hang_reads(da_bed.faulty[i], false);
		faulty_volume_hang_open(da_bed.faulty[i], false);
	}
	assert_true(da_free(da_bed.da));
	mailbox_free(da_bed.mailbox);
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++) {
		volume_close(da_bed.volumes[i]);
		volume_free(da_bed.volumes[i]);
		faulty_volume_free(da_bed.faulty[i]);
	}
	return 0;
}

struct da_counts da_bed_count(void)
{
	struct da_counts counts;

	da_count(da_bed.da, &counts);
	return counts;
}

void da_bed_open_volumes(void)
{
	struct volume_info info;

	for (unsigned i = 0; i < DA_BED_VOLUMES; i++)
		assert_int_equal(volume_open(da_bed.volumes[i], &info), 0);
}

static void on_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct da_order *order = arg;

	assert_ptr_equal(request, order->request);
	assert_int_equal(da_request_state(request), DA_DONE);
	order->done++;
	order->result = *result;
	order->request = NULL;
	da_release(da_bed.da, request);
}

static void on_returned(void *arg)
{
	struct da_order *order = arg;

	order->returned++;
}

struct da_spec da_bed_spec(struct da_order *order, enum da_kind kind, unsigned volume)
{
	return (struct da_spec){
		.kind = kind,
		.volume = da_bed.volumes[volume],
		.done = on_done,
		.arg = order,
		.returned = on_returned,
		.returned_arg = order,
	};
}

void da_bed_submit(struct da_order *order, enum da_kind kind, unsigned volume)
{
	struct da_spec spec = da_bed_spec(order, kind, volume);

	order->request = da_submit(da_bed.da, &spec);
	assert_non_null(order->request);
}

bool da_bed_try_read(struct da_order *order, unsigned volume, uint32_t track_count)
{
	struct da_spec spec = da_bed_spec(order, DA_READ, volume);

	spec.owner = order->owner;
	spec.track_count = track_count;
	spec.track_bytes = DA_BED_TRACK;
	spec.end_bytes = DA_BED_VOLUME_BYTES;
	spec.sink = &track_sink_ops;
	spec.sink_arg = order->sink;
	spec.digest = order->digest;
	track_sink_set_digest(order->sink, order->digest);
	order->request = da_submit(da_bed.da, &spec);
	return order->request != NULL;
}

struct da_order *da_bed_new_order(void)
{
	struct da_order *order = xcalloc(1, sizeof(*order));

	order->sink = track_sink_new(0, DA_BED_TRACK);
	return order;
}

struct da_order *da_bed_submit_read(unsigned volume, uint32_t track_count)
{
	struct da_order *order = da_bed_new_order();

	assert_true(da_bed_try_read(order, volume, track_count));
	return order;
}

void da_bed_free_order(struct da_order *order)
{
	assert_int_equal(track_sink_count(order->sink).slots_out, 0);
	track_sink_free(order->sink);
	free(order);
}

void da_bed_run_until(const unsigned *counter, unsigned value)
{
	while (*counter < value) {
		assert_true(mailbox_wait(da_bed.mailbox, DA_BED_WAIT_MS));
		mailbox_drain(da_bed.mailbox);
	}
}

void da_bed_finish_read(struct da_order *order)
{
	da_bed_run_until(&order->done, 1);
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	da_bed_free_order(order);
}
