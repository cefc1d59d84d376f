/* SPDX-License-Identifier: Apache-2.0
 *
 * A DA thread's pause before a disk read, when its volume yields (storage/yield.h). It holds no slot meanwhile, and
 * ends at once when its request is given up or the DA ends.
 *
 * The hard thing is that others wait, too: for this request, for those queued behind it, and for the thread. Once
 * anything that is asked of the DA has been there for PAUSED_NS_MAX of pauses, all threads' summed, there are none
 * until it has gone; so no time-out comes from yielding alone.
 */
#include "storage/da_private.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include <utlist.h>

#include "storage/volume.h"
#include "storage/yield.h"

#define S_NS INT64_C(1000000000)
#define PAUSED_NS_MAX (DA_TIMEOUT_MS / 1000 * S_NS) /* what hangs then has not timed out by pauses alone */

/* Has a request that somebody waits for been held back for so long as may be? Those that wait for a slot are not held
 * back by pauses. Under the mutex. */
static bool is_enough(const struct da *da)
{
	const struct da_request *request;

	DL_FOREACH(da->pending, request)
		if (!request->is_starved && da->paused_ns - request->paused_before_ns >= PAUSED_NS_MAX)
			return true;
	DL_FOREACH(da->active, request)
		if (request->state == DA_RUNNING && da->paused_ns - request->paused_before_ns >= PAUSED_NS_MAX)
			return true;
	return false;
}

/* Under the mutex, which is released meanwhile. Returns how long it took. */
static int64_t pause_for(struct da_request *request, int64_t pause_ns)
{
	struct da *da = request->da;
	int64_t began_ns = da_now_ns(), took_ns, end_ns = began_ns + pause_ns;
	struct timespec end = { .tv_sec = end_ns / S_NS, .tv_nsec = end_ns % S_NS };
	int error = 0;

	da->pausing_count++;
	while (request->state == DA_RUNNING && !da->is_stopping && error == 0)
		error = pthread_cond_timedwait(&da->pause_ends, &da->mutex, &end);
	assert(error == 0 || error == ETIMEDOUT);
	da->pausing_count--;
	took_ns = da_now_ns() - began_ns;
	da->paused_ns += took_ns;
	return took_ns;
}

bool da_pause(struct da_request *request)
{
	struct da *da = request->da;
	struct yield *yield = volume_yield(request->spec.volume);
	int64_t pause_ns = yield ? yield_pause_ns(yield) : 0;
	bool is_running;

	if (pause_ns == 0)
		return true;
	da_lock(da);
	pause_ns = is_enough(da) ? 0 : pause_for(request, pause_ns);
	is_running = request->state == DA_RUNNING && !da->is_stopping;
	da_unlock(da);
	yield_add_paused(yield, pause_ns);
	return is_running;
}
