/* SPDX-License-Identifier: Apache-2.0
 *
 * What da.c (elements, queue, life), da_threads.c (the threads) and da_pause.c (how one yields) share. Nobody else
 * includes this.
 *
 * Three kinds of state: under the mutex (states, lists, counters), of the loop thread alone (free elements, started
 * workers), and of the thread that serves a request until it has posted it (result). No callback runs under the mutex.
 */
#ifndef RA_STORAGE_DA_PRIVATE_H
#define RA_STORAGE_DA_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "storage/da.h"

#define DA_REQUEST_MAGIC 0x44415251u
#define DA_WORKER_MAGIC 0x4441574bu
#define DA_LATEST_READS 64u

struct da_request {
	uint32_t magic;
	struct mailbox_item item;
	struct da *da;
	struct da_spec spec;
	struct da_result result;
	struct da_worker *ended_worker; /* the thread that ended with this request and is to be joined */

	enum da_state state;
	uint64_t sequence;
	/* Disk reads: those of its volume until a thread took it, from there on counted by that thread: to be taken is no
	 * progress, or what hangs in its first disk read would have twice the time. */
	atomic_uint_fast64_t reads_ended;
	int64_t submitted_ns;     /* monotonic */
	int64_t paused_before_ns; /* da->paused_ns when it was submitted */
	uint64_t number;   /* in the order of submission */
	uint64_t turn;     /* when a thread last took one of the same owner, or this came while it had none queued */
	bool is_starved;   /* there was no slot for one of the same owner: waits for da_kick */
	bool is_delivered; /* DONE: done was called */
	struct da_request *prev, *next; /* in pending (QUEUED), active (being served) or free (FREE, next only) */
};

struct da_worker {
	uint32_t magic;
	struct da *da;
	pthread_t thread;
	bool is_started; /* loop thread: to be joined */
	struct digester *digester; /* the thread's own; NULL until it first computes a digest */
};

struct da_latest {
	const struct volume *volume;
	const void *owner;
};

struct da {
	struct da_config config;
	struct mailbox *mailbox;
	struct da_request *elements;
	struct da_worker *workers; /* threads + extra_threads */

	/* Loop thread. */
	struct da_request *free_elements; /* that were used */
	unsigned elements_touched; /* the rest was never used */
	uint64_t submitted;
	bool was_refused; /* da_submit returned NULL and a free element may still be waited for */
	void (*on_free_element)(void *arg);
	void *on_free_element_arg;

	pthread_mutex_t mutex; /* all below */
	pthread_cond_t work;  /* for idle threads: something may be served */
	pthread_cond_t quiet; /* for da_free: a thread has finished a request */
	pthread_cond_t pause_ends; /* for threads that pause: one of their requests was given up, or the DA ends */
	unsigned pausing_count;
	int64_t paused_ns; /* all pauses that are over, summed */
	struct da_request *pending; /* oldest first */
	struct da_request *active;  /* RUNNING, and ABANDONED while a thread is stuck in them */
	unsigned active_count, stuck_count;
	unsigned thread_count; /* serving or idle; not those that ended */
	uint64_t kicks;
	uint64_t turns; /* requests that threads have taken */
	uint64_t reads_served;
	struct da_latest latest[DA_LATEST_READS]; /* only compared: what they point to may have gone */
	uint64_t reads_started;
	struct histogram read_times;
	bool is_stopping;
};

static inline bool da_needs_slots(const struct da_spec *spec)
{
	return spec->kind == DA_READ && spec->digest == DIGEST_NONE;
}

int64_t da_now_ns(void); /* monotonic */
void da_lock(struct da *da);
void da_unlock(struct da *da);
void da_broadcast(pthread_cond_t *cond);
/* Under the mutex. */
void da_set_state(struct da_request *request, enum da_state state, const char *reason);

/* One idle thread is woken if there is a request that it may take; it wakes the next one. Under the mutex. */
void da_wake_one(struct da *da);
/* Before a disk read of the request: waits as long as its volume yields. False: it is not wanted any more. On its
 * thread. */
bool da_pause(struct da_request *request);
/* Starts threads until config.threads of them are not stuck, as far as the limit goes. Loop thread. 0 or an errno. */
int da_start_missing_threads(struct da *da);
/* The thread has ended or is about to. Loop thread. */
void da_join_thread(struct da_worker *worker);
/* Lets all threads end and waits for them: none may be stuck. Loop thread. */
void da_join_all(struct da *da);

#endif
