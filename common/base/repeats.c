/* SPDX-License-Identifier: Apache-2.0
 *
 * A window per kind, found by a walk: kinds are few but when something is very wrong. When all places are taken, what
 * is new is told no more than what goes on, so that nobody who invents kinds can fill a disk.
 */
#include "base/repeats.h"

#include <stddef.h>

/* false: forget it. */
static bool end_window(struct repeat *repeat, int64_t now_ms, repeats_fn *tell)
{
	bool goes_on = repeat->untold > 0 && now_ms - repeat->since_ms < 2 * REPEATS_WINDOW_MS;

	if (repeat->untold > 0)
		tell(repeat, now_ms - repeat->since_ms);
	repeat->untold = 0;
	repeat->since_ms = now_ms;
	return goes_on;
}

void repeats_end(struct repeats *repeats, bool is_all, int64_t now_ms, repeats_fn *tell)
{
	for (unsigned i = repeats->count; i-- > 0;) {
		struct repeat *repeat = &repeats->kinds[i];

		if (!is_all && now_ms - repeat->since_ms < REPEATS_WINDOW_MS)
			continue;
		if (!end_window(repeat, now_ms, tell))
			*repeat = repeats->kinds[--repeats->count];
	}
	if (is_all || now_ms - repeats->others.since_ms >= REPEATS_WINDOW_MS)
		end_window(&repeats->others, now_ms, tell);
}

struct repeat *repeats_take(struct repeats *repeats, uint64_t kind, unsigned lines, int64_t now_ms, repeats_fn *tell)
{
	struct repeat *repeat = NULL;

	repeats_end(repeats, false, now_ms, tell);
	for (unsigned i = 0; i < repeats->count && repeat == NULL; i++)
		if (repeats->kinds[i].kind == kind)
			repeat = &repeats->kinds[i];
	if (repeat == NULL && repeats->count == REPEATS_KINDS) {
		repeats->others.untold++;
		return NULL;
	}
	if (repeat == NULL) {
		repeat = &repeats->kinds[repeats->count++];
		*repeat = (struct repeat){ .kind = kind, .since_ms = now_ms };
	}
	if (repeat->told == lines) {
		repeat->untold++;
		return NULL;
	}
	repeat->told++;
	return repeat;
}
