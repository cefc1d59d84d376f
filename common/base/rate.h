/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits: bytes and reads per second of a device, a peer, a run or a whole daemon, and those who wait for them. A read
 * passes its limits one after the other, is charged with each, and may be given back what it did not need. A limit
 * lets a tenth of a second's worth, rounded up to a whole read, through at once. Groups (peers, hosts) that wait for
 * the same limit take turns. Loop thread only.
 */
#ifndef RA_BASE_RATE_H
#define RA_BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATES_MAX 4u /* limits of one read */

struct clock;
struct rate;     /* one limit */
struct throttle; /* all limits of a daemon, and who waits for them */

struct rate_limit {
	uint64_t bytes_per_s; /* 0: none */
	uint64_t reads_per_s; /* 0: none */
};

/* Embedded in what waits. Zero before its first use. Its fields are rate.c's. */
struct rate_waiter {
	struct throttle *throttle;
	struct rate *rates[RATES_MAX]; /* NULL-filled */
	const void *group;
	uint64_t bytes;
	unsigned at;       /* the limit it waits for; RATES_MAX: it has passed all */
	int64_t since_ms;  /* all of the wait */
	int64_t queued_ms; /* the wait for this limit */
	bool is_waiting;
	uint32_t waited_ms; /* of the last wait, when it is over */
	void (*fn)(void *arg);
	void *arg;
	struct rate_waiter *prev, *next;
};

struct throttle *throttle_new(struct clock *clock);
/* Nobody waits, every rate is freed (asserted); not from a fn. NULL is fine. */
void throttle_free(struct throttle *throttle);

struct rate *rate_new(struct throttle *throttle, const struct rate_limit *limit);
void rate_free(struct rate *rate); /* nobody waits for it (asserted); NULL is fine */
/* Those who wait are looked at again from the loop: at once, or when the new limit lets one through. */
void rate_set(struct rate *rate, const struct rate_limit *limit);
struct rate_limit rate_limit(const struct rate *rate);
/* Time that reads have waited for it, summed over all reads, those that still wait included. */
uint64_t rate_throttled_ms(const struct rate *rate);

/* A read of so many bytes. rates: RATES_MAX of them, NULL where there is none; they outlive the wait. True: it may
 * begin, and is charged. False: it waits; fn is called from the loop when it may begin and has been charged. */
bool rate_enter(struct throttle *throttle, struct rate_waiter *waiter, struct rate *const rates[RATES_MAX],
	const void *group, uint64_t bytes, void (*fn)(void *arg), void *arg);
/* It waits no more and is not charged; harmless when it does not wait. Waited_ms counts up to here. */
void rate_leave(struct rate_waiter *waiter);
/* The limit that it waits for; NULL: it waits for none. */
const struct rate *rate_waits_for(const struct rate_waiter *waiter);
/* It did not read so many bytes of what it was charged; reads: 1 when it read nothing at all. */
void rate_give_back(struct rate *const rates[RATES_MAX], uint64_t bytes, unsigned reads);

#endif
