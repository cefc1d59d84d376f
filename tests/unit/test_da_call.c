/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls on DA threads: what they return, that calls which hang leave threads to the volumes and volumes leave threads
 * to them, and that what a call uses is given back however it ends.
 */
#include "storage/da.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/da_bed.h"

struct call {
	struct da_order order;
	int error;
	int hang[2]; /* a pipe: the call ends when it is closed; -1: it does not hang */
	int begun[2];
	pthread_t thread;
	unsigned finished;
};

static int run(void *arg)
{
	struct call *call = arg;
	char byte = 'b';

	call->thread = pthread_self();
	if (write(call->begun[1], &byte, 1) != 1 || (call->hang[0] >= 0 && read(call->hang[0], &byte, 1) != 0))
		return -EIO;
	return call->error;
}

static void on_finished(void *arg)
{
	struct call *call = arg;

	call->finished++;
}

static const struct da_sink sink = { .finished = on_finished };

static void submit_for(struct call *call, bool hangs, struct volume *volume)
{
	struct da_spec spec = da_bed_spec(&call->order, DA_CALL, 0);

	call->hang[0] = call->hang[1] = -1;
	assert_int_equal(pipe(call->begun), 0);
	if (hangs)
		assert_int_equal(pipe(call->hang), 0);
	spec.volume = volume;
	spec.call = run;
	spec.call_arg = call;
	spec.sink = &sink;
	spec.sink_arg = call;
	call->order.request = da_submit(da_bed.da, &spec);
	assert_non_null(call->order.request);
}

static void submit(struct call *call, bool hangs)
{
	submit_for(call, hangs, NULL);
}

static void wait_until_begun(struct call *call)
{
	char byte;

	assert_int_equal(read(call->begun[0], &byte, 1), 1);
}

static void let_go(struct call *call)
{
	close(call->hang[1]);
	da_bed_run_until(&call->order.done, 1);
}

static void close_pipes(struct call *call)
{
	close(call->begun[0]);
	close(call->begun[1]);
	if (call->hang[0] >= 0)
		close(call->hang[0]);
}

static void a_call_runs_on_a_thread_of_the_da_and_tells_its_error(void **state)
{
	struct call call = { .error = -ENOSPC };

	(void)state;
	submit(&call, false);
	da_bed_run_until(&call.order.done, 1);
	assert_int_equal(call.order.result.error, -ENOSPC);
	assert_false(pthread_equal(call.thread, pthread_self()));
	assert_int_equal(call.finished, 1);
	assert_int_equal(da_bed_count().elements_used, 0);
	close_pipes(&call);
}

static void calls_that_hang_take_half_of_the_threads_and_no_volumes_share(void **state)
{
	struct call calls[3] = { { .error = 0 } };

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < 3; i++)
		submit(&calls[i], true);
	wait_until_begun(&calls[0]);
	wait_until_begun(&calls[1]);
	assert_int_equal(da_request_state(calls[2].order.request), DA_QUEUED);
	for (unsigned volume = 0; volume < 2; volume++)
		da_bed_finish_read(da_bed_submit_read(volume, 1));
	assert_int_equal(da_request_state(calls[2].order.request), DA_QUEUED);
	let_go(&calls[0]);
	wait_until_begun(&calls[2]);
	let_go(&calls[1]);
	let_go(&calls[2]);
	for (unsigned i = 0; i < 3; i++)
		close_pipes(&calls[i]);
}

static void a_call_goes_on_beside_a_volume_that_hangs(void **state)
{
	struct call call = { .error = 0 };
	struct da_order *reads[2];

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	for (unsigned i = 0; i < 2; i++)
		reads[i] = da_bed_submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	submit(&call, false);
	da_bed_run_until(&call.order.done, 1);
	assert_int_equal(reads[0]->done + reads[1]->done, 0);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < 2; i++)
		da_bed_finish_read(reads[i]);
	close_pipes(&call);
}

static void a_call_that_names_a_volume_takes_of_its_share(void **state)
{
	struct call calls[3] = { { .error = 0 } };
	struct da_order *read;

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < 2; i++)
		submit_for(&calls[i], true, da_bed.volumes[0]);
	wait_until_begun(&calls[0]);
	wait_until_begun(&calls[1]);
	read = da_bed_submit_read(0, 1);
	da_bed_finish_read(da_bed_submit_read(1, 1));
	assert_int_equal(da_request_state(read->request), DA_QUEUED);
	submit(&calls[2], false);
	da_bed_run_until(&calls[2].order.done, 1);
	let_go(&calls[0]);
	da_bed_finish_read(read);
	let_go(&calls[1]);
	for (unsigned i = 0; i < 3; i++)
		close_pipes(&calls[i]);
}

static void a_call_that_is_not_begun_when_the_da_ends_gives_back_what_it_uses(void **state)
{
	struct call calls[3] = { { .error = 0 } };
	struct da_config config = { .threads = DA_BED_THREADS, .queue_elements = DA_BED_ELEMENTS };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		submit(&calls[i], true);
	wait_until_begun(&calls[0]);
	wait_until_begun(&calls[1]);
	close(calls[0].hang[1]);
	close(calls[1].hang[1]);
	close(calls[2].hang[1]);
	assert_true(da_free(da_bed.da));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(calls[i].order.done, 0);
		assert_int_equal(calls[i].finished, 1);
		close_pipes(&calls[i]);
	}
	da_bed.da = da_new(&config, da_bed.mailbox);
	assert_non_null(da_bed.da);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, da_bed_set_up, da_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_runs_on_a_thread_of_the_da_and_tells_its_error),
		TEST(calls_that_hang_take_half_of_the_threads_and_no_volumes_share),
		TEST(a_call_goes_on_beside_a_volume_that_hangs),
		TEST(a_call_that_names_a_volume_takes_of_its_share),
		TEST(a_call_that_is_not_begun_when_the_da_ends_gives_back_what_it_uses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
