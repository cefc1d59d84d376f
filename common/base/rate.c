/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits: see rate.h. Each has a level for bytes and one for reads, in thousandths, so that a millisecond of a rate is
 * a whole number and nothing is rounded away. It lets a read through while its levels are above 0 and may go below by
 * that read: what it lets through in a long time is exact whatever the reads' sizes and however late the loop is.
 *
 * The hard thing is a read with several limits: if it needed all of them open in one moment, others with one limit each
 * could keep it waiting for ever. So it passes them one after the other, and is charged with each when it passes.
 * And what is called back may end any wait and free any limit: nothing of a limit is touched after that.
 */
#include "base/rate.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define uthash_fatal(message) log_abort("turns of a limit: %s", (message))
#include <uthash.h>

#define RATE_MAGIC 0x52415445u
#define UNITS 1000               /* of a level, in a byte or a read */
#define BURST_UNITS (UNITS / 10) /* a tenth of a second, per byte or read a second */
#define COUNT_MAX (1ULL << 50)   /* faster, or more at once, is counted as this: levels stay within 64 bits */
#define WAKE_MS_MAX 3600000

struct meter {
	int64_t per_s; /* 0: no limit */
	int64_t level; /* at most per_s * BURST_UNITS */
};

/* A group that waits for a limit. */
struct turn {
	const void *group;
	struct rate_waiter *waiters; /* oldest first, at least one */
	UT_hash_handle hh;
};

struct rate {
	uint32_t magic;
	struct throttle *throttle;
	struct rate_limit limit;
	struct meter bytes, reads;
	int64_t levels_ms;      /* the time of which the levels are */
	uint64_t throttled_ms;  /* of waits that are over */
	unsigned waiting_count; /* reads that wait and have this limit, for this or for another one */
	struct turn *turns;     /* by group; the order in the hash is the order of turns */
	struct timer timer;     /* set while there are turns */
};

struct throttle {
	struct clock *clock;
	unsigned rate_count;
	struct rate_waiter *passed; /* charged by all their limits, fn not called yet */
};

/* ---- Levels ---- */

static int64_t clamped(uint64_t count)
{
	return (int64_t)(count < COUNT_MAX ? count : COUNT_MAX);
}

static void meter_set(struct meter *meter, uint64_t per_s)
{
	bool was_none = meter->per_s == 0;
	int64_t full;

	meter->per_s = clamped(per_s);
	full = meter->per_s * BURST_UNITS;
	if (was_none || meter->level > full)
		meter->level = full;
}

static void meter_refill(struct meter *meter, int64_t elapsed_ms)
{
	int64_t full = meter->per_s * BURST_UNITS;

	if (meter->per_s == 0)
		return;
	if (elapsed_ms > (full - meter->level) / meter->per_s)
		meter->level = full;
	else
		meter->level += meter->per_s * elapsed_ms;
}

static void meter_add(struct meter *meter, int64_t count)
{
	int64_t full = meter->per_s * BURST_UNITS;

	if (meter->per_s == 0)
		return;
	meter->level += count * UNITS;
	if (meter->level > full)
		meter->level = full;
}

/* Until it lets a read through. */
static int64_t meter_wait_ms(const struct meter *meter)
{
	if (meter->per_s == 0 || meter->level > 0)
		return 0;
	return -meter->level / meter->per_s + 1;
}

static void refill(struct rate *rate)
{
	int64_t now_ms = clock_now_ms(rate->throttle->clock);

	meter_refill(&rate->bytes, now_ms - rate->levels_ms);
	meter_refill(&rate->reads, now_ms - rate->levels_ms);
	rate->levels_ms = now_ms;
}

static int64_t wait_ms(struct rate *rate)
{
	int64_t bytes_ms, reads_ms;

	refill(rate);
	bytes_ms = meter_wait_ms(&rate->bytes);
	reads_ms = meter_wait_ms(&rate->reads);
	return bytes_ms > reads_ms ? bytes_ms : reads_ms;
}

static void charge(struct rate *rate, uint64_t bytes)
{
	meter_add(&rate->bytes, -clamped(bytes));
	meter_add(&rate->reads, -1);
}

/* When those who wait are to be looked at has changed. */
static void arm(struct rate *rate)
{
	int64_t delay_ms = wait_ms(rate);

	if (rate->turns)
		timer_set(&rate->timer, delay_ms < WAKE_MS_MAX ? delay_ms : WAKE_MS_MAX);
	else
		timer_cancel(&rate->timer);
}

static void give_back(struct rate *rate, uint64_t bytes, unsigned reads)
{
	refill(rate);
	meter_add(&rate->bytes, clamped(bytes));
	meter_add(&rate->reads, reads);
	arm(rate);
}

/* ---- Turns ---- */

static void queue(struct rate *rate, struct rate_waiter *waiter)
{
	struct turn *turn;

	HASH_FIND_PTR(rate->turns, &waiter->group, turn);
	if (!turn) {
		turn = xcalloc(1, sizeof(*turn));
		turn->group = waiter->group;
		HASH_ADD_PTR(rate->turns, group, turn);
	}
	DL_APPEND(turn->waiters, waiter);
	waiter->queued_ms = clock_now_ms(rate->throttle->clock);
	if (!rate->timer.is_set)
		arm(rate);
}

static void unqueue(struct rate *rate, struct turn *turn, struct rate_waiter *waiter)
{
	rate->throttled_ms += (uint64_t)(clock_now_ms(rate->throttle->clock) - waiter->queued_ms);
	DL_DELETE(turn->waiters, waiter);
	if (turn->waiters)
		return;
	HASH_DEL(rate->turns, turn);
	free(turn);
}

/* Takes the one whose turn it is; its group has the last turn from then on. */
static struct rate_waiter *next_waiter(struct rate *rate)
{
	struct turn *turn = rate->turns;
	struct rate_waiter *waiter = turn->waiters;

	if (waiter->next) {
		HASH_DEL(rate->turns, turn);
		HASH_ADD_PTR(rate->turns, group, turn);
	}
	unqueue(rate, turn, waiter);
	return waiter;
}

/* ---- Waits ---- */

/* Passes limit after limit up to the first that lets nothing through or for which others wait already; there it queues.
 * True: there was none. */
static bool go_on(struct rate_waiter *waiter)
{
	for (; waiter->at < RATES_MAX; waiter->at++) {
		struct rate *rate = waiter->rates[waiter->at];

		if (!rate)
			continue;
		if (rate->turns || wait_ms(rate) > 0) {
			queue(rate, waiter);
			return false;
		}
		charge(rate, waiter->bytes);
	}
	return true;
}

static void set_waiting(struct rate_waiter *waiter, bool is_waiting)
{
	waiter->is_waiting = is_waiting;
	for (unsigned i = 0; i < RATES_MAX; i++) {
		if (!waiter->rates[i])
			continue;
		if (is_waiting)
			waiter->rates[i]->waiting_count++;
		else
			waiter->rates[i]->waiting_count--;
	}
}

static void end_wait(struct rate_waiter *waiter)
{
	int64_t waited_ms = clock_now_ms(waiter->throttle->clock) - waiter->since_ms;

	waiter->waited_ms = waited_ms < UINT32_MAX ? (uint32_t)waited_ms : UINT32_MAX;
	set_waiting(waiter, false);
}

static void on_timer(void *arg)
{
	struct rate *rate = arg;
	struct throttle *throttle = rate->throttle;

	assert(rate->magic == RATE_MAGIC);
	while (rate->turns && wait_ms(rate) == 0) {
		struct rate_waiter *waiter = next_waiter(rate);

		charge(rate, waiter->bytes);
		waiter->at++;
		if (go_on(waiter))
			DL_APPEND(throttle->passed, waiter);
	}
	arm(rate);
	while (throttle->passed) {
		struct rate_waiter *waiter = throttle->passed;

		DL_DELETE(throttle->passed, waiter);
		end_wait(waiter);
		waiter->fn(waiter->arg);
	}
}

bool rate_enter(struct throttle *throttle, struct rate_waiter *waiter, struct rate *const rates[RATES_MAX],
	const void *group, uint64_t bytes, void (*fn)(void *arg), void *arg)
{
	assert(!waiter->is_waiting);
	*waiter = (struct rate_waiter){ .throttle = throttle, .group = group, .bytes = bytes, .fn = fn, .arg = arg,
		.since_ms = clock_now_ms(throttle->clock) };
	for (unsigned i = 0; i < RATES_MAX; i++) {
		assert(!rates[i] || rates[i]->throttle == throttle);
		waiter->rates[i] = rates[i];
	}
	if (go_on(waiter))
		return true;
	set_waiting(waiter, true);
	return false;
}

void rate_leave(struct rate_waiter *waiter)
{
	if (!waiter->is_waiting)
		return;
	if (waiter->at < RATES_MAX) {
		struct rate *rate = waiter->rates[waiter->at];
		struct turn *turn;

		HASH_FIND_PTR(rate->turns, &waiter->group, turn);
		unqueue(rate, turn, waiter);
		arm(rate);
	} else {
		DL_DELETE(waiter->throttle->passed, waiter);
	}
	end_wait(waiter);
	for (unsigned i = 0; i < waiter->at; i++)
		if (waiter->rates[i])
			give_back(waiter->rates[i], waiter->bytes, 1);
}

const struct rate *rate_waits_for(const struct rate_waiter *waiter)
{
	return waiter->is_waiting && waiter->at < RATES_MAX ? waiter->rates[waiter->at] : NULL;
}

void rate_give_back(struct rate *const rates[RATES_MAX], uint64_t bytes, unsigned reads)
{
	for (unsigned i = 0; i < RATES_MAX; i++)
		if (rates[i])
			give_back(rates[i], bytes, reads);
}

/* ---- Limits ---- */

struct throttle *throttle_new(struct clock *clock)
{
	struct throttle *throttle = xcalloc(1, sizeof(*throttle));

	throttle->clock = clock;
	return throttle;
}

void throttle_free(struct throttle *throttle)
{
	if (!throttle)
		return;
	assert(throttle->rate_count == 0 && !throttle->passed);
	free(throttle);
}

struct rate *rate_new(struct throttle *throttle, const struct rate_limit *limit)
{
	struct rate *rate = xcalloc(1, sizeof(*rate));

	rate->magic = RATE_MAGIC;
	rate->throttle = throttle;
	throttle->rate_count++;
	timer_init(&rate->timer, throttle->clock, on_timer, rate);
	rate_set(rate, limit);
	return rate;
}

void rate_free(struct rate *rate)
{
	if (!rate)
		return;
	assert(rate->magic == RATE_MAGIC && rate->waiting_count == 0 && !rate->turns);
	timer_cancel(&rate->timer);
	rate->throttle->rate_count--;
	rate->magic = 0;
	free(rate);
}

void rate_set(struct rate *rate, const struct rate_limit *limit)
{
	refill(rate);
	rate->limit = *limit;
	meter_set(&rate->bytes, limit->bytes_per_s);
	meter_set(&rate->reads, limit->reads_per_s);
	arm(rate);
}

struct rate_limit rate_limit(const struct rate *rate)
{
	return rate->limit;
}

uint64_t rate_throttled_ms(const struct rate *rate)
{
	int64_t now_ms = clock_now_ms(rate->throttle->clock);
	uint64_t throttled_ms = rate->throttled_ms;
	const struct turn *turn;
	const struct rate_waiter *waiter;

	for (turn = rate->turns; turn; turn = turn->hh.next)
		DL_FOREACH(turn->waiters, waiter)
			throttled_ms += (uint64_t)(now_ms - waiter->queued_ms);
	return throttled_ms;
}
