/* SPDX-License-Identifier: Apache-2.0
 *
 * Monotonic time and timers of the loop thread. A real clock is driven by one libevent timer; a virtual one only by
 * clock_advance, so that tests of time-outs wait for nothing.
 */
#ifndef RA_BASE_CLOCK_H
#define RA_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct clock;

/* Embedded in what it times. Never copied while set. */
struct timer {
	struct clock *clock;
	void (*fn)(void *arg);
	void *arg;
	int64_t due_ms;
	bool is_set;
	struct timer *prev, *next;
};

struct clock *clock_new(struct event_base *base);
struct clock *clock_new_virtual(void);
/* No timer may still be set (asserted). */
void clock_free(struct clock *clock);
int64_t clock_now_ms(const struct clock *clock); /* any thread */
/* Processor time of the calling thread so far. */
int64_t clock_thread_cpu_ms(void);
/* Virtual only: moves time on, running each timer at its due time, in order. */
void clock_advance(struct clock *clock, int64_t ms);

void timer_init(struct timer *timer, struct clock *clock, void (*fn)(void *arg), void *arg);
/* One shot; setting a set timer moves it. delay_ms >= 0. */
void timer_set(struct timer *timer, int64_t delay_ms);
void timer_cancel(struct timer *timer); /* harmless when not set */

#endif
