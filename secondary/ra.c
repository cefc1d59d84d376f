/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes and ends the parts of the secondary, in order, and passes on what becomes free: see ra.h.
 */
#include "secondary/ra.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/rate.h"
#include "secondary/delivery.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/read.h"
#include "secondary/session.h"
#include "storage/cache.h"
#include "storage/da.h"

#define KICK_PERIOD_MS 1000
#define FETCHES_PER_PEER 64u
#define END_WAIT_MS 2000

void ra_config_default(struct ra_config *config)
{
	*config = (struct ra_config){ .secondary_id = 1, .jobs = JOBS_MAX_DEFAULT, .track_bytes = TRACK_BYTES_DEFAULT,
		.cache_bytes = CACHE_BYTES_DEFAULT, .da_threads = DA_THREADS_DEFAULT,
		.da_extra_threads = DA_EXTRA_THREADS_MAX, .da_queue_elements = DA_QUEUE_ELEMENTS,
		.window_reads = WINDOW_READS_DEFAULT, .fetches_per_peer = FETCHES_PER_PEER,
		.request_timeout_ms = REQUEST_TIMEOUT_MS, .da_timeout_ms = DA_TIMEOUT_MS,
		.wait_task_timeout_ms = WAIT_TASK_TIMEOUT_MS };
}

unsigned ra_threads_for(uint64_t cache_bytes)
{
	return cache_bytes < (uint64_t)DA_THREADS_DEFAULT * RUN_BYTES_MAX ? DA_THREADS_SMALL_CACHE : DA_THREADS_DEFAULT;
}

/* Any thread: a slot may be free for a request that found none. */
static void slot_is_free(void *arg)
{
	struct ra *ra = arg;

	da_kick(ra->da);
}

static void kick_timer(void *arg)
{
	struct ra *ra = arg;
	struct da_counts counts;

	da_count(ra->da, &counts);
	if (counts.queued + counts.running == 0)
		return;
	da_kick(ra->da);
	timer_set(&ra->kick_timer, KICK_PERIOD_MS);
}

void ra_watch_slots(struct ra *ra)
{
	if (!ra->kick_timer.is_set)
		timer_set(&ra->kick_timer, KICK_PERIOD_MS);
}

/* The oldest one of the peer with the fewest fetches: a peer that has many Reads waiting gets no more than one that has
 * few. Sessions that are being freed are passed over. */
static struct read *choose_waiter(const struct ra *ra)
{
	struct read *read, *best = NULL;

	DL_FOREACH(ra->element_waiters, read)
		if (read->session->conn != NULL &&
			(best == NULL || read->session->peer->fetches < best->session->peer->fetches))
			best = read;
	return best;
}

void ra_element_is_free(struct ra *ra)
{
	struct read *read;
	unsigned waiting, left, after;

	device_array_retry(ra->devices);
	DL_COUNT(ra->element_waiters, read, waiting);
	for (left = waiting; left > 0 && (read = choose_waiter(ra)) != NULL; left--) {
		DL_DELETE(ra->element_waiters, read);
		read_enter(read, READ_LOOKING, "an element is free");
		delivery_go_on(read);
		DL_COUNT(ra->element_waiters, read, after);
		if (after >= waiting) /* it waits again */
			return;
		waiting = after;
	}
}

static void da_element_is_free(void *arg)
{
	ra_element_is_free(arg);
}

static bool config_is_valid(const struct ra_config *config)
{
	size_t least_bytes = (size_t)config->da_threads * RUN_BYTES_MAX;

	assert(config->secondary_id != 0 && config->jobs >= 2 && config->window_reads >= 1);
	if (config->cache_bytes >= least_bytes)
		return true;
	log_error("the cache of %zu bytes is too small: %u DA threads need at least %zu", config->cache_bytes,
		config->da_threads, least_bytes);
	return false;
}

struct ra *ra_new(const struct ra_config *config, struct clock *clock, struct mailbox *mailbox, struct post *post)
{
	const struct da_config da_config = { .threads = config->da_threads, .extra_threads = config->da_extra_threads,
		.queue_elements = config->da_queue_elements };
	struct cache_counts counts;
	struct ra *ra;

	if (!config_is_valid(config))
		return NULL;
	ra = xcalloc(1, sizeof(*ra));
	ra->config = *config;
	ra->clock = clock;
	ra->mailbox = mailbox;
	ra->post = post;
	ra->throttle = throttle_new(clock);
	ra->total_rate = rate_new(ra->throttle, &(struct rate_limit){ 0 });
	timer_init(&ra->kick_timer, clock, kick_timer, ra);
	ra->jobs = job_array_new(config->jobs, config->jobs / 2);
	ra->devices = device_array_new(ra);
	ra->cache = cache_new(config->cache_bytes, config->track_bytes);
	if (ra->cache == NULL) {
		log_error("no memory for a cache of %zu bytes", config->cache_bytes);
		goto fail;
	}
	ra->da = da_new(&da_config, mailbox);
	if (ra->da == NULL) {
		log_error("cannot start %u DA threads: %s", config->da_threads, strerror(errno));
		goto fail;
	}
	cache_on_room(ra->cache, slot_is_free, ra);
	da_on_free_element(ra->da, da_element_is_free, ra);
	cache_count(ra->cache, &counts);
	ra->locks_per_peer = (uint32_t)(counts.slots / 4);
	cache_set_share(ra->cache, counts.slots / 4);
	return ra;
fail:
	ra_free(ra);
	return NULL;
}

/* Lets disk reads and closes that are under way end. */
static void wait_until_idle(struct ra *ra)
{
	for (int waited_ms = 0; waited_ms < END_WAIT_MS && !device_array_is_idle(ra->devices); waited_ms += 10) {
		mailbox_wait(ra->mailbox, 10);
		mailbox_drain(ra->mailbox);
	}
}

void ra_end_sessions(struct ra *ra)
{
	while (ra->sessions != NULL)
		session_free(ra->sessions);
	fetch_forget_peer(ra, NULL);
}

bool ra_free(struct ra *ra)
{
	if (ra == NULL)
		return true;
	ra_end_sessions(ra);
	wait_until_idle(ra);
	if (!device_array_is_idle(ra->devices))
		return false;
	timer_cancel(&ra->kick_timer);
	if (ra->da != NULL && !da_free(ra->da))
		return false;
	device_array_free(ra->devices);
	job_array_free(ra->jobs);
	cache_free(ra->cache);
	rate_free(ra->total_rate);
	throttle_free(ra->throttle);
	free(ra);
	return true;
}

static void dump_device(const struct ra *ra, struct device *device)
{
	struct job *job;

	log_write(LOG_LEVEL_INFO, "device %" PRIu32 " %s: %s, attached %u, jobs %u", device->constants.number,
		device->constants.name, device_is_ready(device) ? "ready" : "not ready", device->attach_count,
		device->job_count);
	RING_FOREACH(device, job, forward) {
		uint64_t first = job->track_count > 0 ? job->tracks[0].number : 0;

		log_write(LOG_LEVEL_INFO, "  job %" PRIu32 "%s: %s, %s, link id 0x%016" PRIx64 ", %" PRIu32
			" tracks from %" PRIu64 ", peer %s", job->index, job == device->active ? " (active)" : "",
			job_kind_name(job->specific.kind), job_state_name(job->specific.state),
			job->specific.kind == JOB_LINK ? link_id_of(ra->config.secondary_id, job) : LINK_ID_INVALID,
			job->track_count, first,
			job->specific.session != NULL ? session_peer(job->specific.session) : "-");
	}
}

void ra_dump(struct ra *ra)
{
	struct cache_counts cache;
	struct da_counts da;

	cache_count(ra->cache, &cache);
	da_count(ra->da, &da);
	log_write(LOG_LEVEL_INFO, "jobs: link %" PRIu32 ", fetch %" PRIu32 " of %" PRIu32,
		job_array_used(ra->jobs, JOB_LINK), job_array_used(ra->jobs, JOB_FETCH), ra->config.jobs);
	log_write(LOG_LEVEL_INFO, "cache: slots %" PRIu64 ", free %" PRIu64 ", locked %" PRIu64 ", entries %" PRIu64,
		cache.slots, cache.slots_free, cache.slots_locked, cache.entries);
	log_write(LOG_LEVEL_INFO, "DA: queued %u, running %u, abandoned %u, threads %u and %u extra", da.queued,
		da.running, da.abandoned, da.threads, da.extra_threads);
	for (uint32_t i = 0; i < device_array_count(ra->devices); i++)
		if (device_array_record(ra->devices, i) != NULL)
			dump_device(ra, device_array_record(ra->devices, i));
}
