/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers on the virtual clock: order, time, and what a callback may do to timers, its own too. And on the real one:
 * that libevent is armed for whichever timer is first, whatever was set, moved or cancelled before.
 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"

#define PROBES_MAX 8

/* A timer that writes down when it ran, and may then do something to another one or itself. */
struct probe {
	struct timer timer;
	char name;
	void (*then)(struct probe *probe);
	struct probe *other;
	int runs;
};

struct fixture {
	struct event_base *base; /* real clock only */
	struct clock *clock;
	struct probe probes[PROBES_MAX];
	char ran[64];            /* names, in order */
	int64_t ran_ms[64];
};

static struct fixture *fixture;

static void on_probe(void *arg)
{
	struct probe *probe = arg;
	size_t count = strlen(fixture->ran);

	assert_true(count < sizeof(fixture->ran) - 1);
	assert_false(probe->timer.is_set);
	fixture->ran[count] = probe->name;
	fixture->ran_ms[count] = clock_now_ms(fixture->clock);
	probe->runs++;
	if (probe->then)
		probe->then(probe);
}

static void start(struct event_base *base)
{
	fixture = xcalloc(1, sizeof(*fixture));
	fixture->base = base;
	fixture->clock = base ? clock_new(base) : clock_new_virtual();
	for (int i = 0; i < PROBES_MAX; i++) {
		fixture->probes[i].name = (char)('a' + i);
		timer_init(&fixture->probes[i].timer, fixture->clock, on_probe, &fixture->probes[i]);
	}
}

static int virtual_setup(void **state)
{
	(void)state;
	start(NULL);
	return 0;
}

static int real_setup(void **state)
{
	(void)state;
	start(event_base_new());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_free(fixture->clock);
	if (fixture->base)
		event_base_free(fixture->base);
	free(fixture);
	return 0;
}

static struct timer *timer_of(char name)
{
	return &fixture->probes[name - 'a'].timer;
}

static void then(char name, void (*fn)(struct probe *probe), char other)
{
	fixture->probes[name - 'a'].then = fn;
	fixture->probes[name - 'a'].other = &fixture->probes[other - 'a'];
}

static void cancel_other(struct probe *probe)
{
	timer_cancel(&probe->other->timer);
}

static void set_other_in_5(struct probe *probe)
{
	timer_set(&probe->other->timer, 5);
}

static void set_other_now_once(struct probe *probe)
{
	if (probe->runs == 1)
		timer_set(&probe->other->timer, 0);
}

static void timers_run_in_due_order_at_their_due_time(void **state)
{
	(void)state;
	timer_set(timer_of('a'), 30);
	timer_set(timer_of('b'), 10);
	timer_set(timer_of('c'), 20);
	timer_set(timer_of('d'), 40);
	clock_advance(fixture->clock, 35);
	assert_string_equal(fixture->ran, "bca");
	assert_int_equal(fixture->ran_ms[0], 10);
	assert_int_equal(fixture->ran_ms[1], 20);
	assert_int_equal(fixture->ran_ms[2], 30);
	assert_int_equal(clock_now_ms(fixture->clock), 35);
	clock_advance(fixture->clock, 5);
	assert_string_equal(fixture->ran, "bcad");
}

static void equal_times_run_in_the_order_of_setting(void **state)
{
	(void)state;
	timer_set(timer_of('b'), 10);
	timer_set(timer_of('c'), 20);
	timer_set(timer_of('a'), 10);
	timer_set(timer_of('e'), 20);
	timer_set(timer_of('d'), 10);
	clock_advance(fixture->clock, 20);
	assert_string_equal(fixture->ran, "badce");
}

static void a_timer_does_not_run_before_its_time(void **state)
{
	(void)state;
	timer_set(timer_of('a'), 10);
	clock_advance(fixture->clock, 9);
	assert_string_equal(fixture->ran, "");
	clock_advance(fixture->clock, 1);
	assert_string_equal(fixture->ran, "a");
	clock_advance(fixture->clock, 1000);
	assert_string_equal(fixture->ran, "a");
}

static void setting_a_set_timer_moves_it(void **state)
{
	(void)state;
	timer_set(timer_of('a'), 10);
	timer_set(timer_of('b'), 20);
	timer_set(timer_of('a'), 30);
	clock_advance(fixture->clock, 40);
	assert_string_equal(fixture->ran, "ba");
	assert_int_equal(fixture->ran_ms[1], 30);
}

static void a_cancelled_timer_does_not_run(void **state)
{
	(void)state;
	timer_cancel(timer_of('a')); /* not set: harmless */
	timer_set(timer_of('a'), 10);
	timer_set(timer_of('b'), 20);
	timer_cancel(timer_of('a'));
	assert_false(timer_of('a')->is_set);
	clock_advance(fixture->clock, 40);
	assert_string_equal(fixture->ran, "b");
}

static void a_callback_may_set_a_timer_within_the_same_advance(void **state)
{
	(void)state;
	then('a', set_other_in_5, 'b');
	timer_set(timer_of('a'), 10);
	timer_set(timer_of('c'), 17);
	clock_advance(fixture->clock, 20);
	assert_string_equal(fixture->ran, "abc");
	assert_int_equal(fixture->ran_ms[1], 15);
}

static void a_callback_may_set_its_own_timer_again(void **state)
{
	(void)state;
	then('a', set_other_in_5, 'a');
	timer_set(timer_of('a'), 5);
	clock_advance(fixture->clock, 20);
	assert_string_equal(fixture->ran, "aaaa");
	timer_cancel(timer_of('a'));
}

static void a_callback_may_cancel_a_timer_due_at_the_same_time(void **state)
{
	(void)state;
	then('a', cancel_other, 'b');
	timer_set(timer_of('a'), 10);
	timer_set(timer_of('b'), 10);
	timer_set(timer_of('c'), 10);
	clock_advance(fixture->clock, 10);
	assert_string_equal(fixture->ran, "ac");
}

static void a_delay_of_0_runs_at_the_next_advance(void **state)
{
	(void)state;
	then('a', set_other_now_once, 'a');
	timer_set(timer_of('a'), 0);
	assert_string_equal(fixture->ran, "");
	clock_advance(fixture->clock, 0);
	assert_string_equal(fixture->ran, "aa");
}

struct owned {
	struct timer timer;
	struct owned *other;
};

static int owned_runs;

static void free_both(void *arg)
{
	struct owned *owned = arg;

	owned_runs++;
	timer_cancel(&owned->other->timer);
	free(owned->other);
	free(owned);
}

static void a_callback_may_free_its_own_timer_and_the_next(void **state)
{
	struct owned *first = xcalloc(1, sizeof(*first));
	struct owned *second = xcalloc(1, sizeof(*second));

	(void)state;
	owned_runs = 0;
	first->other = second;
	second->other = first;
	timer_init(&first->timer, fixture->clock, free_both, first);
	timer_init(&second->timer, fixture->clock, free_both, second);
	timer_set(&first->timer, 10);
	timer_set(&second->timer, 10);
	timer_set(timer_of('a'), 10);
	clock_advance(fixture->clock, 10);
	assert_int_equal(owned_runs, 1);
	assert_string_equal(fixture->ran, "a");
}

/* Runs the loop until as many timers have run; a clock that is not armed hangs here, or ends the loop. */
static void run_until(size_t count)
{
	while (strlen(fixture->ran) < count)
		assert_int_equal(event_base_loop(fixture->base, EVLOOP_ONCE), 0);
}

static void a_real_timer_is_never_early(void **state)
{
	(void)state;
	int64_t start_ms = clock_now_ms(fixture->clock);

	timer_set(timer_of('b'), 25);
	timer_set(timer_of('a'), 10);
	run_until(2);
	assert_string_equal(fixture->ran, "ab");
	assert_true(fixture->ran_ms[0] - start_ms >= 10);
	assert_true(fixture->ran_ms[1] - start_ms >= 25);
}

static void a_nearer_real_timer_is_not_held_up_by_a_far_one(void **state)
{
	(void)state;
	timer_set(timer_of('b'), 3600 * 1000);
	timer_set(timer_of('a'), 1);
	run_until(1);
	assert_string_equal(fixture->ran, "a");
	timer_set(timer_of('b'), 1); /* the first of the list moves nearer and stays the first */
	run_until(2);
	assert_string_equal(fixture->ran, "ab");
}

static void the_next_real_timer_runs_when_the_first_is_cancelled(void **state)
{
	(void)state;
	timer_set(timer_of('a'), 5);
	timer_set(timer_of('b'), 10);
	timer_cancel(timer_of('a'));
	run_until(1);
	assert_string_equal(fixture->ran, "b");
}

static void a_real_timer_set_by_a_callback_runs(void **state)
{
	(void)state;
	then('a', set_other_in_5, 'b');
	timer_set(timer_of('a'), 1);
	run_until(2);
	assert_string_equal(fixture->ran, "ab");
}

static void no_real_timer_keeps_the_loop_when_none_is_set(void **state)
{
	(void)state;
	timer_set(timer_of('a'), 3600 * 1000);
	timer_cancel(timer_of('a'));
	assert_int_equal(event_base_loop(fixture->base, 0), 1); /* 1: no events left */
}

int main(void)
{
#define VIRTUAL(name) cmocka_unit_test_setup_teardown(name, virtual_setup, teardown)
#define REAL(name) cmocka_unit_test_setup_teardown(name, real_setup, teardown)
	const struct CMUnitTest tests[] = {
		VIRTUAL(timers_run_in_due_order_at_their_due_time),
		VIRTUAL(equal_times_run_in_the_order_of_setting),
		VIRTUAL(a_timer_does_not_run_before_its_time),
		VIRTUAL(setting_a_set_timer_moves_it),
		VIRTUAL(a_cancelled_timer_does_not_run),
		VIRTUAL(a_callback_may_set_a_timer_within_the_same_advance),
		VIRTUAL(a_callback_may_set_its_own_timer_again),
		VIRTUAL(a_callback_may_cancel_a_timer_due_at_the_same_time),
		VIRTUAL(a_delay_of_0_runs_at_the_next_advance),
		VIRTUAL(a_callback_may_free_its_own_timer_and_the_next),
		REAL(a_real_timer_is_never_early),
		REAL(a_nearer_real_timer_is_not_held_up_by_a_far_one),
		REAL(the_next_real_timer_runs_when_the_first_is_cancelled),
		REAL(a_real_timer_set_by_a_callback_runs),
		REAL(no_real_timer_keeps_the_loop_when_none_is_set),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
