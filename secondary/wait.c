/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 5, driven by events instead of polling: the timer asks 112, the end of the disk read asks 120. After a time-out
 * the tracks that a disk was busy with get an error entry in the cache, so that the next poll is told TIMEOUT and not
 * DATA_NOT_FOUND for ever.
 */
#include "secondary/wait.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/post.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/cache.h"
#include "storage/da.h"

#define WAIT_TASK_MAGIC 0x57414954u

struct wait_task {
	uint32_t magic;
	struct fetch *fetch;
	struct timer timer;
	uint64_t progress; /* of the DA request when that was set */
};

/* Step 114. */
static void post_time_out(const struct fetch *fetch)
{
	struct ra *ra = fetch->ra;
	const struct cache_track late = { .state = TRACK_UNSET, .status = STATUS_TIMEOUT };
	const struct post_where where = { .device = fetch->job->constants.name, .first_track = fetch->first_track,
		.track_count = fetch->track_count, .peer = fetch->session != NULL ? session_peer(fetch->session) : NULL };

	ra->counts.timeouts++;
	post_error(ra->post, STATUS_TIMEOUT, &where, "the wait task saw no disk read in time");
	if (da_request_state(fetch->request) == DA_QUEUED)
		return; /* no thread has taken it: that says nothing of the volume, and others may fare better */
	for (uint32_t i = 0; i < fetch->track_count; i++) {
		const struct cache_key key = wanted_key(&fetch->wanted, fetch->first_track + i);

		cache_publish(ra->cache, &key, &late, fetch_sequence(fetch), clock_now_ms(ra->clock));
	}
}

/* Step 112: yes, unless the DA request has got on since this was last asked. */
static void wait_task_timer(void *arg)
{
	struct wait_task *task = arg;
	struct fetch *fetch = task->fetch;

	assert(task->magic == WAIT_TASK_MAGIC && fetch->wait_task == task);
	if (fetch_gets_on(fetch, &task->progress)) {
		timer_set(&task->timer, fetch->ra->config.wait_task_timeout_ms);
		return;
	}
	post_time_out(fetch); /* 114 */
	wait_task_free(task);
	fetch->wait_task = NULL;
	fetch_give_up_if_unwanted(fetch); /* 116, 118 */
}

void wait_task_add(struct fetch *fetch)
{
	struct wait_task *task = xcalloc(1, sizeof(*task));

	assert(fetch->wait_task == NULL);
	task->magic = WAIT_TASK_MAGIC;
	task->fetch = fetch;
	timer_init(&task->timer, fetch->ra->clock, wait_task_timer, task);
	fetch_gets_on(fetch, &task->progress);
	timer_set(&task->timer, fetch->ra->config.wait_task_timeout_ms);
	timer_cancel(&fetch->orphan_timer);
	fetch->wait_task = task;
}

void wait_task_disk_was_read(struct wait_task *task)
{
	assert(task->magic == WAIT_TASK_MAGIC);
	task->fetch->wait_task = NULL;
	wait_task_free(task);
}

void wait_task_free(struct wait_task *task)
{
	if (task == NULL)
		return;
	timer_cancel(&task->timer);
	task->magic = 0;
	free(task);
}
