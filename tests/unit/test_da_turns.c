/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter's queue: owners take turns. With two threads a volume gets one, so what it serves comes one after
 * the other, and is told in that order. With four it gets two, and who comes back finds one of them. With many, one
 * owner goes by what the others have.
 */
#include "storage/da.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/da_bed.h"

#define SERVED_MAX 600u

static const char greedy[] = "A", polite[] = "B", third[] = "C";
static char served[SERVED_MAX + 1]; /* the owners' letters in the order in which they were served; '-': no owner */
static unsigned numbers[SERVED_MAX];
static unsigned served_count;
static unsigned submitted[128]; /* by letter */
static unsigned submit_again; /* so many more, each time one was served that is not of the greedy one */

struct ticket {
	const char *owner;
	unsigned number;
};

static struct ticket tickets[SERVED_MAX];
static unsigned ticket_count;

static void forget(void)
{
	memset(served, 0, sizeof(served));
	memset(submitted, 0, sizeof(submitted));
	served_count = ticket_count = submit_again = 0;
}

static int set_up(void **state)
{
	forget();
	return da_bed_set_up_long_queue(state);
}

static int set_up_four_threads(void **state)
{
	forget();
	return da_bed_set_up(state);
}

static int set_up_many_threads(void **state)
{
	forget();
	return da_bed_set_up_many_threads(state);
}

static char letter_of(const char *owner)
{
	return owner ? owner[0] : '-';
}

static void submit(const char *owner, unsigned volume, const struct da_sink *sink);

static void on_served(void *arg, struct da_request *request, const struct da_result *result)
{
	const struct ticket *ticket = arg;

	(void)result;
	assert_true(served_count < SERVED_MAX);
	numbers[served_count] = ticket->number;
	served[served_count++] = letter_of(ticket->owner);
	da_release(da_bed.da, request);
	if (ticket->owner == greedy || submit_again == 0)
		return;
	submit_again--;
	submit(ticket->owner, 0, NULL);
}

/* Without a sink it asks the size. */
static void submit(const char *owner, unsigned volume, const struct da_sink *sink)
{
	struct ticket *ticket = &tickets[ticket_count++];
	const struct da_spec spec = { .kind = sink ? DA_READ : DA_SIZE, .volume = da_bed.volumes[volume], .owner = owner,
		.track_count = 1, .track_bytes = DA_BED_TRACK, .end_bytes = DA_BED_VOLUME_BYTES, .sink = sink,
		.sink_arg = ticket, .done = on_served, .arg = ticket };

	*ticket = (struct ticket){ owner, submitted[(unsigned char)letter_of(owner)]++ };
	assert_non_null(da_submit(da_bed.da, &spec));
}

static void submit_many(const char *owner, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		submit(owner, 0, NULL);
}

/* A read of the volume that hangs: what is submitted from here on queues behind it. */
static struct da_order *hold(const void *owner)
{
	struct da_order *order = da_bed_new_order();

	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	order->owner = owner;
	assert_true(da_bed_try_read(order, 0, 1));
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	return order;
}

static void let_go(struct da_order *order, unsigned count)
{
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_run_until(&served_count, count);
	da_bed_finish_read(order);
}

static void assert_order_within_each_owner(void)
{
	unsigned next[128] = { 0 };

	for (unsigned i = 0; i < served_count; i++)
		assert_int_equal(numbers[i], next[(unsigned char)served[i]]++);
}

static void one_request_is_not_behind_two_hundred(void **state)
{
	struct da_order *first = hold(greedy);

	(void)state;
	submit_many(greedy, 200);
	submit_many(polite, 1);
	let_go(first, 201);
	assert_memory_equal(served, "ABAAAA", 6);
	assert_order_within_each_owner();
}

static void owners_take_turns_and_no_owner_is_one(void **state)
{
	struct da_order *first = hold(third);

	(void)state;
	submit_many(greedy, 4);
	submit_many(polite, 3);
	submit_many(NULL, 2);
	submit_many(third, 1);
	let_go(first, 10);
	assert_string_equal(served, "AB-CAB-ABA");
	assert_order_within_each_owner();
}

/* Those who come back at once are not served twice before one who waits. */
static void owners_that_come_back_do_not_starve_one_with_many(void **state)
{
	struct da_order *first = hold(greedy);
	unsigned others = 0;

	(void)state;
	submit_many(greedy, 100);
	submit_many(polite, 1);
	submit_many(third, 1);
	submit_again = 300;
	let_go(first, 402);
	for (unsigned i = 0, left = 100; i < served_count && left > 0; i++) {
		others = served[i] == 'A' ? 0 : others + 1;
		left -= served[i] == 'A';
		assert_true(others <= 2);
	}
	assert_order_within_each_owner();
}

static void a_turn_that_its_volume_does_not_allow_goes_to_the_next(void **state)
{
	struct da_order *first = hold(greedy);

	(void)state;
	submit(polite, 0, NULL); /* its turn, but the volume has its thread */
	submit(polite, 0, NULL);
	submit(third, 1, NULL);
	da_bed_run_until(&served_count, 1);
	assert_string_equal(served, "C");
	submit(polite, 1, NULL); /* not the oldest of its owner, but the oldest that may be taken */
	da_bed_run_until(&served_count, 2);
	let_go(first, 4);
	assert_string_equal(served, "CBBB");
	assert_int_equal(numbers[1], 2);
	assert_int_equal(numbers[2], 0);
	assert_int_equal(numbers[3], 1);
}

/* ---- With reads ---- */

static _Atomic unsigned slots, refusals;
static _Alignas(4096) char slot_memory[DA_BED_TRACK];

static _Atomic bool hangs_at_begin;

static uint64_t begin(void *arg)
{
	(void)arg;
	if (hangs_at_begin)
		faulty_volume_hang_reads(da_bed.faulty[0], true);
	return 1;
}

static void *take_slot(void *arg, uint64_t track)
{
	(void)arg;
	(void)track;
	if (slots > 0)
		return slot_memory;
	refusals++;
	return NULL;
}

static void publish(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence)
{
	(void)arg;
	(void)track;
	(void)found;
	(void)sequence;
}

static void drop(void *arg, uint64_t track, void *slot)
{
	(void)arg;
	(void)track;
	(void)slot;
}

static const struct da_sink scarce_sink = { .begin = begin, .slot = take_slot, .publish = publish, .drop = drop };

static void requests_without_a_slot_hold_up_nobody_and_keep_their_places(void **state)
{
	struct da_order *first = hold(third);

	(void)state;
	slots = refusals = 0;
	submit(greedy, 0, &scarce_sink);
	submit(greedy, 0, &scarce_sink);
	submit_many(polite, 3);
	let_go(first, 3);
	assert_int_equal(refusals, 1); /* the other one would not have fared better: it was not tried */
	assert_string_equal(served, "BBB");
	slots = 1;
	da_kick(da_bed.da);
	da_bed_run_until(&served_count, 5);
	assert_string_equal(served, "BBBAA");
	assert_order_within_each_owner();
}

static void a_newcomer_does_not_overtake_those_who_wait(void **state)
{
	struct da_order *first = hold(third);

	(void)state;
	slots = 1;
	submit(greedy, 0, &scarce_sink);
	submit(greedy, 0, NULL);
	hangs_at_begin = true;
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_finish_read(first);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS)); /* its owner has had a turn */
	hangs_at_begin = false;
	submit(polite, 0, NULL);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_run_until(&served_count, 3);
	assert_string_equal(served, "AAB");
}

/* ---- Two threads for a volume ---- */

static struct da_order *read_of(const void *owner, unsigned volume)
{
	struct da_order *order = da_bed_new_order();

	order->owner = owner;
	assert_true(da_bed_try_read(order, volume, 1));
	return order;
}

static void serve_reads(const void *owner, unsigned volume, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		da_bed_finish_read(read_of(owner, volume));
}

static void who_had_a_turn_finds_a_place_beside_one_with_many(void **state)
{
	struct da_order *orders[4];

	(void)state;
	da_bed_open_volumes();
	serve_reads(polite, 0, 1);
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	for (unsigned i = 0; i < 3; i++)
		orders[i] = read_of(greedy, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	serve_reads(greedy, 1, 3); /* all idle threads have looked at the queue */
	assert_int_equal(da_bed_count().queued, 2);
	orders[3] = read_of(polite, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	assert_int_equal(da_request_state(orders[3]->request), DA_RUNNING);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < 4; i++)
		da_bed_finish_read(orders[i]);
}

static void assert_greedy_gets_both_places(void)
{
	struct da_order *orders[2];

	faulty_volume_hang_reads(da_bed.faulty[0], true);
	for (unsigned i = 0; i < 2; i++)
		orders[i] = read_of(greedy, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < 2; i++)
		da_bed_finish_read(orders[i]);
}

static void the_place_of_one_who_stays_away_is_taken(void **state)
{
	(void)state;
	da_bed_open_volumes();
	serve_reads(polite, 0, 1);
	serve_reads(greedy, 0, 64);
	assert_greedy_gets_both_places();
}

static void the_place_of_one_who_has_gone_is_taken(void **state)
{
	(void)state;
	da_bed_open_volumes();
	serve_reads(polite, 0, 1);
	da_forget_owner(da_bed.da, polite);
	assert_greedy_gets_both_places();
}

static void a_turn_at_another_volume_or_for_its_size_keeps_no_place(void **state)
{
	(void)state;
	da_bed_open_volumes();
	serve_reads(polite, 1, 1);
	submit(polite, 0, NULL);
	da_bed_run_until(&served_count, 1);
	assert_greedy_gets_both_places();
}

/* ---- Many threads for a volume ---- */

static unsigned count_running(struct da_order *const *orders, unsigned count)
{
	unsigned running = 0;

	for (unsigned i = 0; i < count; i++)
		running += da_request_state(orders[i]->request) == DA_RUNNING;
	return running;
}

static void one_with_many_has_no_more_at_a_time_than_the_others(void **state)
{
	struct da_order *of_greedy[5], *of_polite[3];

	(void)state;
	da_bed_open_volumes();
	serve_reads(polite, 0, 1);
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	of_polite[0] = read_of(polite, 0);
	for (unsigned i = 0; i < 5; i++)
		of_greedy[i] = read_of(greedy, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	serve_reads(greedy, 1, 3); /* idle threads have looked at the queue */
	assert_int_equal(count_running(of_greedy, 5), 1);
	for (unsigned i = 1; i < 3; i++)
		of_polite[i] = read_of(polite, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 6, DA_BED_WAIT_MS));
	serve_reads(greedy, 1, 3);
	assert_int_equal(count_running(of_greedy, 5), 3);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < 3; i++)
		da_bed_finish_read(of_polite[i]);
	for (unsigned i = 0; i < 5; i++)
		da_bed_finish_read(of_greedy[i]);
}

static void one_whose_read_runs_is_not_forgotten(void **state)
{
	struct da_order *of_greedy[5], *of_polite;

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	of_polite = read_of(polite, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	serve_reads(greedy, 1, 100); /* so many turns later */
	for (unsigned i = 0; i < 5; i++)
		of_greedy[i] = read_of(greedy, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	serve_reads(greedy, 1, 3); /* idle threads have looked at the queue */
	assert_int_equal(count_running(of_greedy, 5), 1);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_finish_read(of_polite);
	for (unsigned i = 0; i < 5; i++)
		da_bed_finish_read(of_greedy[i]);
}

static void two_with_many_have_half_of_the_places_each(void **state)
{
	struct da_order *of_greedy[40], *of_polite[40];

	(void)state;
	da_bed_open_volumes();
	serve_reads(polite, 0, 1);
	serve_reads(greedy, 0, 1);
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	for (unsigned i = 0; i < 40; i++) {
		of_greedy[i] = read_of(greedy, 0);
		of_polite[i] = read_of(polite, 0);
	}
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 32, DA_BED_WAIT_MS));
	assert_int_equal(count_running(of_greedy, 40), 16);
	assert_int_equal(count_running(of_polite, 40), 16);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < 40; i++) {
		da_bed_finish_read(of_greedy[i]);
		da_bed_finish_read(of_polite[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, da_bed_tear_down)
#define TEST_MANY(name) cmocka_unit_test_setup_teardown(name, set_up_many_threads, da_bed_tear_down)
#define TEST_FOUR(name) cmocka_unit_test_setup_teardown(name, set_up_four_threads, da_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_request_is_not_behind_two_hundred),
		TEST(owners_take_turns_and_no_owner_is_one),
		TEST(owners_that_come_back_do_not_starve_one_with_many),
		TEST(a_turn_that_its_volume_does_not_allow_goes_to_the_next),
		TEST(a_newcomer_does_not_overtake_those_who_wait),
		TEST(requests_without_a_slot_hold_up_nobody_and_keep_their_places),
		TEST_FOUR(who_had_a_turn_finds_a_place_beside_one_with_many),
		TEST_FOUR(the_place_of_one_who_stays_away_is_taken),
		TEST_FOUR(the_place_of_one_who_has_gone_is_taken),
		TEST_FOUR(a_turn_at_another_volume_or_for_its_size_keeps_no_place),
		TEST_MANY(one_with_many_has_no_more_at_a_time_than_the_others),
		TEST_MANY(one_whose_read_runs_is_not_forgotten),
		TEST_MANY(two_with_many_have_half_of_the_places_each),
	};

	return cmocka_run_group_tests_name("da_turns", tests, NULL, NULL);
}
