/* SPDX-License-Identifier: Apache-2.0
 *
 * The tracks stand in lists by what they wait for: the delay of their round, or the lag. All of a list wait equally
 * long, so each list is in order of time, and neighbours that were found together are read together. One timer, for
 * the earliest head of a list. Of local data only its hash is kept.
 */
#include "primary/compare/settle.h"

#include <assert.h>
#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define SETTLE_MAGIC 0x5345544cu
#define ROUNDS_MAX 100u

enum item_state { ITEM_WAITING, ITEM_FIRST, ITEM_LAGGING, ITEM_SECOND };

struct item {
	uint64_t track;
	enum item_state state;
	uint32_t round; /* from 0 */
	bool is_begun_again; /* the local data was seen to change, and the rounds began again */
	uint32_t failures; /* rounds whose reads did not come */
	int64_t due_ms; /* WAITING, LAGGING */
	/* The local data of the latest FIRST, and since when it is known to be the same, over how many rounds that found
	 * the remote data not equal. */
	XXH128_hash_t local;
	bool is_local_known;
	uint16_t confirmed;
	int64_t same_since_ms, first_ms;
	struct item *prev, *next; /* WAITING, LAGGING */
	UT_hash_handle hh;
};

struct settle {
	uint32_t magic;
	struct settle_config config;
	struct timer timer;
	struct item *items; /* all, by track */
	struct item **waiting; /* by round */
	struct item *lagging;
};

static void set_state(struct item *item, enum item_state state, const char *reason)
{
	static const char *const names[] = { "waiting", "first", "lagging", "second" };

	log_debug("settle track %llu, round %u: %s -> %s: %s", (unsigned long long)item->track, item->round + 1,
		names[item->state], names[state], reason);
	item->state = state;
}

static void on_timer(void *arg)
{
	struct settle *settle = arg;

	assert(settle->magic == SETTLE_MAGIC);
	settle->config.ready(settle->config.arg);
}

/* The list whose head is due first; NULL: all are empty. */
static struct item **earliest(struct settle *settle)
{
	struct item **first = settle->lagging ? &settle->lagging : NULL;

	for (uint32_t round = 0; round < settle->config.rounds; round++) {
		struct item **list = &settle->waiting[round];

		if (*list && (!first || (*list)->due_ms < (*first)->due_ms))
			first = list;
	}
	return first;
}

static void set_timer(struct settle *settle)
{
	struct item **list = earliest(settle);
	int64_t now_ms = clock_now_ms(settle->config.clock);

	timer_cancel(&settle->timer);
	if (list)
		timer_set(&settle->timer, (*list)->due_ms > now_ms ? (*list)->due_ms - now_ms : 0);
}

struct settle *settle_new(const struct settle_config *config)
{
	struct settle *settle = xcalloc(1, sizeof(*settle));

	assert(config->rounds >= 1 && config->rounds <= ROUNDS_MAX);
	settle->magic = SETTLE_MAGIC;
	settle->config = *config;
	settle->waiting = xcalloc(config->rounds, sizeof(struct item *));
	timer_init(&settle->timer, config->clock, on_timer, settle);
	return settle;
}

void settle_free(struct settle *settle)
{
	struct item *item, *next;

	if (!settle)
		return;
	HASH_ITER(hh, settle->items, item, next) {
		HASH_DEL(settle->items, item);
		free(item);
	}
	timer_cancel(&settle->timer);
	free(settle->waiting);
	settle->magic = 0;
	free(settle);
}

uint64_t settle_tracks(const struct settle *settle)
{
	return HASH_COUNT(settle->items);
}

static struct item *find(const struct settle *settle, uint64_t track)
{
	struct item *item;

	HASH_FIND(hh, settle->items, &track, sizeof(track), item);
	assert(item);
	return item;
}

static void remove_item(struct settle *settle, struct item *item)
{
	HASH_DEL(settle->items, item);
	free(item);
}

/* Delays double, but no further than to a day. */
static int64_t delay_of(const struct settle *settle, uint32_t round)
{
	int64_t delay_ms = settle->config.delay_ms;

	for (uint32_t i = 0; i < round && delay_ms < 24 * 3600 * 1000; i++)
		delay_ms *= 2;
	return delay_ms;
}

static void wait_for_round(struct settle *settle, struct item *item, const char *reason)
{
	item->due_ms = clock_now_ms(settle->config.clock) + delay_of(settle, item->round);
	set_state(item, ITEM_WAITING, reason);
	DL_APPEND(settle->waiting[item->round], item);
	set_timer(settle);
}

void settle_add(struct settle *settle, uint64_t track)
{
	struct item *item = xcalloc(1, sizeof(*item));

	assert(HASH_COUNT(settle->items) < SETTLE_TRACKS_MAX);
	item->track = track;
	HASH_ADD(hh, settle->items, track, sizeof(item->track), item);
	wait_for_round(settle, item, "it differed");
}

bool settle_next_run(struct settle *settle, struct stream_run *run)
{
	int64_t now_ms = clock_now_ms(settle->config.clock);
	struct item **list = earliest(settle), *item;

	if (!list || (*list)->due_ms > now_ms)
		return false;
	*run = (struct stream_run){ .kind = list == &settle->lagging ? RUN_SECOND : RUN_FIRST,
		.first_track = (*list)->track };
	while ((item = *list) && item->due_ms <= now_ms && run->track_count < settle->config.run_tracks &&
		item->track == run->first_track + run->track_count) {
		DL_DELETE(*list, item);
		set_state(item, run->kind == RUN_FIRST ? ITEM_FIRST : ITEM_SECOND, "its time has come");
		run->track_count++;
	}
	set_timer(settle);
	return true;
}

void settle_first(struct settle *settle, uint64_t track, const uint8_t *local, uint32_t bytes)
{
	struct item *item = find(settle, track);
	XXH128_hash_t hash = XXH3_128bits(local, bytes);

	assert(item->state == ITEM_FIRST);
	item->first_ms = clock_now_ms(settle->config.clock);
	if (!item->is_local_known || !XXH128_isEqual(hash, item->local)) {
		item->same_since_ms = item->first_ms;
		item->confirmed = 0;
	}
	item->local = hash;
	item->is_local_known = true;
	item->due_ms = item->first_ms + settle->config.max_lag_ms;
	set_state(item, ITEM_LAGGING, "local data read");
	DL_APPEND(settle->lagging, item);
	set_timer(settle);
}

/* All rounds must agree. The first that does not, because the local data changed in it or before it, is the end of
 * those so far: they begin again, once. */
static enum settle_verdict end_round(struct settle *settle, struct item *item, struct report_confirm *confirm)
{
	enum settle_verdict verdict = SETTLE_UNSETTLED;

	item->round++;
	if (item->confirmed < item->round && !item->is_begun_again) {
		item->is_begun_again = true;
		item->round = item->confirmed;
	}
	if (item->round < settle->config.rounds) {
		wait_for_round(settle, item, "the round is over");
		return SETTLE_GOES_ON;
	}
	if (item->confirmed == settle->config.rounds) {
		int64_t over_ms = clock_now_ms(settle->config.clock) - item->same_since_ms;

		*confirm = (struct report_confirm){ item->confirmed, over_ms < UINT32_MAX ? (uint32_t)over_ms : UINT32_MAX };
		verdict = SETTLE_DIFFERENT;
	}
	remove_item(settle, item);
	return verdict;
}

void settle_equal(struct settle *settle, uint64_t track)
{
	struct item *item = find(settle, track);

	assert(item->state == ITEM_SECOND);
	remove_item(settle, item);
}

enum settle_verdict settle_second(struct settle *settle, uint64_t track, const uint8_t *local, uint32_t bytes,
	struct report_confirm *confirm)
{
	struct item *item = find(settle, track);

	assert(item->state == ITEM_SECOND);
	if (XXH128_isEqual(XXH3_128bits(local, bytes), item->local)) {
		item->confirmed++;
	} else {
		item->confirmed = 0;
		item->is_local_known = false;
	}
	return end_round(settle, item, confirm);
}

enum settle_verdict settle_nothing(struct settle *settle, uint64_t track)
{
	struct item *item = find(settle, track);

	assert(item->state == ITEM_FIRST || item->state == ITEM_SECOND);
	if (++item->failures > settle->config.rounds) {
		remove_item(settle, item);
		return SETTLE_UNSETTLED;
	}
	wait_for_round(settle, item, "a read did not come");
	return SETTLE_GOES_ON;
}

void settle_forget(struct settle *settle, uint64_t track)
{
	struct item *item = find(settle, track);

	assert(item->state == ITEM_FIRST || item->state == ITEM_SECOND);
	remove_item(settle, item);
}

bool settle_give_up(struct settle *settle, uint64_t *track)
{
	struct item **list = earliest(settle), *item;

	if (!list)
		return false;
	item = *list;
	DL_DELETE(*list, item);
	*track = item->track;
	remove_item(settle, item);
	set_timer(settle);
	return true;
}
