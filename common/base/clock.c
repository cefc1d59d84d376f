/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers in one list, sorted by due time; equal ones run in the order in which they were set. A real clock asks
 * CLOCK_MONOTONIC each time (libevent's cached time is as old as the loop pass) and keeps one libevent timer armed for
 * the first of the list; a virtual clock moves only in clock_advance. Loop thread only.
 *
 * The hard thing: a timer's callback may set, cancel or free any timer, its own too. So a timer leaves the list before
 * its callback, is not touched after it, and the list is read anew for the next one.
 */
#include "base/clock.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"

#define CLOCK_MAGIC 0x434c4f4bu

struct clock {
	uint32_t magic;
	bool is_running;       /* inside run_due: it arms the event when it is through */
	struct timer *first;   /* sorted by due_ms */
	struct event *event;   /* real clock only */
	_Atomic int64_t virtual_now_ms; /* DA threads read it too */
};

static void on_event(evutil_socket_t fd, short what, void *arg);

static struct clock *new_clock(void)
{
	struct clock *clock = xcalloc(1, sizeof(*clock));

	clock->magic = CLOCK_MAGIC;
	return clock;
}

struct clock *clock_new(struct event_base *base)
{
	struct clock *clock = new_clock();

	clock->event = evtimer_new(base, on_event, clock);
	if (!clock->event)
		log_abort("no timer event");
	return clock;
}

struct clock *clock_new_virtual(void)
{
	return new_clock();
}

void clock_free(struct clock *clock)
{
	if (!clock)
		return;
	assert(!clock->first && !clock->is_running);
	if (clock->event)
		event_free(clock->event);
	clock->magic = 0;
	free(clock);
}

int64_t clock_now_ms(const struct clock *clock)
{
	struct timespec now;

	if (!clock->event)
		return clock->virtual_now_ms;
	int rc = clock_gettime(CLOCK_MONOTONIC, &now);

	assert(rc == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_thread_cpu_ms(void)
{
	struct timespec used;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0)
		log_abort("no clock of processor time");
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* The first of the list has changed, or the event has fired. */
static void arm(struct clock *clock)
{
	int rc;

	if (!clock->event || clock->is_running)
		return;
	if (clock->first) {
		int64_t wait_ms = clock->first->due_ms - clock_now_ms(clock);

		if (wait_ms < 0)
			wait_ms = 0;
		struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

		rc = event_add(clock->event, &wait);
	} else {
		rc = event_del(clock->event);
	}
	if (rc != 0)
		log_abort("the timer event cannot be armed");
}

static void unlink_timer(struct timer *timer)
{
	DL_DELETE(timer->clock->first, timer);
	timer->is_set = false;
}

static void run_due(struct clock *clock, int64_t until_ms)
{
	assert(!clock->is_running);
	clock->is_running = true;
	while (clock->first && clock->first->due_ms <= until_ms) {
		struct timer *timer = clock->first;

		clock->virtual_now_ms = timer->due_ms;
		unlink_timer(timer);
		timer->fn(timer->arg);
	}
	clock->is_running = false;
}

/* libevent may fire some milliseconds early: then nothing is due, and the event is armed again. */
static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct clock *clock = arg;

	(void)fd;
	(void)what;
	assert(clock->magic == CLOCK_MAGIC);
	run_due(clock, clock_now_ms(clock));
	arm(clock);
}

void clock_advance(struct clock *clock, int64_t ms)
{
	assert(!clock->event && ms >= 0);

	int64_t until_ms = clock->virtual_now_ms + ms;

	run_due(clock, until_ms);
	clock->virtual_now_ms = until_ms;
}

void timer_init(struct timer *timer, struct clock *clock, void (*fn)(void *arg), void *arg)
{
	*timer = (struct timer){.clock = clock, .fn = fn, .arg = arg};
}

/* NULL when all of the list is due later. */
static struct timer *last_due_by(const struct clock *clock, int64_t due_ms)
{
	if (!clock->first || clock->first->due_ms > due_ms)
		return NULL;
	struct timer *timer = clock->first->prev; /* the last of the list: most timers are set for later than others */

	while (timer->due_ms > due_ms)
		timer = timer->prev;
	return timer;
}

void timer_set(struct timer *timer, int64_t delay_ms)
{
	struct clock *clock = timer->clock;
	const struct timer *first = clock->first;

	assert(delay_ms >= 0);
	if (timer->is_set)
		unlink_timer(timer);
	timer->due_ms = clock_now_ms(clock) + delay_ms;
	timer->is_set = true;
	struct timer *before = last_due_by(clock, timer->due_ms);

	DL_APPEND_ELEM(clock->first, before, timer);
	/* A first timer that was moved may still be the first. */
	if (clock->first != first || timer == first)
		arm(clock);
}

void timer_cancel(struct timer *timer)
{
	if (!timer->is_set)
		return;
	bool was_first = timer == timer->clock->first;

	unlink_timer(timer);
	if (was_first)
		arm(timer->clock);
}
