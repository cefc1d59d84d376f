/* SPDX-License-Identifier: Apache-2.0
 *
 * The secondary's remote adapter (RA 32): the struct that ties its parts together, and its settings. Loop thread only.
 */
#ifndef RA_SECONDARY_RA_H
#define RA_SECONDARY_RA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"

struct cache;
struct da;
struct device_array;
struct job_array;
struct mailbox;
struct post;
struct rate;
struct read;
struct session;
struct throttle;

struct ra_config {
	uint16_t secondary_id; /* not 0 */
	uint32_t jobs;         /* elements of the job array; half of them can be link jobs */
	uint32_t track_bytes;
	size_t cache_bytes;    /* at least da_threads * 4 MiB */
	unsigned da_threads, da_extra_threads, da_queue_elements;
	uint32_t window_reads;
	uint32_t fetches_per_peer;
	int64_t request_timeout_ms, da_timeout_ms, wait_task_timeout_ms;
};

struct ra_counts {
	uint64_t reads, data_not_found, disconnects, reconnects, timeouts;
};

struct ra {
	struct ra_config config;
	struct clock *clock;     /* the caller's, as are mailbox and post */
	struct mailbox *mailbox;
	struct post *post;
	struct cache *cache;
	struct da *da;
	struct device_array *devices;
	struct job_array *jobs;
	struct throttle *throttle; /* all limits; peers have theirs from it too */
	struct rate *total_rate;   /* no limit until one is set */
	struct session *sessions;     /* list */
	struct read *element_waiters; /* Reads after step 180: they wait for a free DA element or fetch job, oldest first */
	uint32_t reservations;        /* the number of the last one */
	struct timer kick_timer;      /* set while DA requests may be waiting for slots */
	uint32_t locks_per_peer;      /* tracks: a quarter of the cache's slots */
	struct ra_counts counts;
};

void ra_config_default(struct ra_config *config);
/* How many da_threads there are with such a cache, when nobody says. */
unsigned ra_threads_for(uint64_t cache_bytes);
/* NULL when something cannot be had or the cache is too small (logged). */
struct ra *ra_new(const struct ra_config *config, struct clock *clock, struct mailbox *mailbox, struct post *post);
/* Ends all sessions; peers and their rates are not used any more after it and may go before ra_free. */
void ra_end_sessions(struct ra *ra);
/* Ends all sessions. false: DA threads are stuck in a volume; then the memory stays and the process should _exit. */
bool ra_free(struct ra *ra);
/* A DA request was queued: looks after it from time to time, in case slots become free by age alone. */
void ra_watch_slots(struct ra *ra);
/* An element of the DA or of the job array has become free: the Reads that wait for one go on, until one must wait
 * again (others may find what they need in the cache). The peer with the fewest fetches goes first. */
void ra_element_is_free(struct ra *ra);
/* Devices with their rings, the cache and the DA, to the log (SIGUSR2). */
void ra_dump(struct ra *ra);

#endif
