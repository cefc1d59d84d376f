/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter (DA 35, 36 of Fig. 1): a queue of DA requests and the threads that serve it. All open, size, read,
 * lock and close calls on volumes happen here, and what else of files may take as long as a disk. Results come to the
 * loop thread through the mailbox.
 *
 * A request is QUEUED, RUNNING, DONE (its done is in the mailbox or was called) and at last released by its owner; or
 * ABANDONED by its owner while a thread is stuck in it: then done is never called, what the read still brings
 * (of digests from the next disk read on) is discarded, and the element is freed when the thread comes back. All
 * functions but those of da_sink: loop thread.
 *
 * Threads: at most half of them work for one volume. While another owner reads there, or had one of the last 64 reads
 * of all and is not forgotten, half of those, or as few as the others ask for (but one), work for one owner. The last
 * idle thread only takes a volume that has none. Within that, owners with queued requests take turns, each with its
 * oldest first. An abandoned request's thread is replaced, at most extra_threads times at once.
 * A call counts for the volume that it names. Those that name none take nothing of any volume's share, and are to
 * each other as requests for one volume.
 */
#ifndef RA_STORAGE_DA_H
#define RA_STORAGE_DA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/metrics.h"
#include "base/status.h"
#include "base/volume_info.h"
#include "storage/holder.h"

struct da;
struct da_request;
struct mailbox;
struct volume;

enum da_kind { DA_OPEN, DA_SIZE, DA_READ, DA_LOCK, DA_UNLOCK, DA_CLOSE, DA_CALL };
enum da_state { DA_FREE, DA_QUEUED, DA_RUNNING, DA_DONE, DA_ABANDONED };

/* What a read found of a track. */
struct da_track {
	enum track_state state;
	void *slot;            /* TRACK_DATA of a read of bytes: the sink's again; else NULL (drop came before) */
	const uint8_t *digest; /* TRACK_DATA of a read of digests: digest_bytes of them, until publish returns; else NULL */
	/* With the last track of the request, if it could be read: so many whole tracks behind it, before end_bytes, are
	 * holes. */
	uint64_t hole_tracks;
};

/* Where the tracks of a read go. slot, publish and drop are called on DA threads. */
struct da_sink {
	/* A thread starts (or starts again after it found no slot). Returns this read's sequence number, at least 1. NULL:
	 * it has none. */
	uint64_t (*begin)(void *arg);
	/* Page-aligned memory for this track, or NULL: none now. Not called by a read of digests. */
	void *(*slot)(void *arg, uint64_t track);
	/* The outcome of a track, in ascending order. */
	void (*publish)(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence);
	/* The memory is not needed after all. NULL: it need not be told. */
	void (*drop)(void *arg, uint64_t track, void *slot);
	/* Loop thread, when the element is freed, however it ended: arg is not used any more. May be NULL. */
	void (*finished)(void *arg);
};

struct da_result {
	int error;             /* 0, or -errno of open, size and lock; what a call returned; reads: 0 */
	uint32_t tracks_done;  /* reads: published from first_track on; less than asked when slots ran out */
	struct volume_info info; /* open: all of it; size: size_bytes */
	char holder[HOLDER_BYTES]; /* lock, with -EBUSY: who has the volume */
};

struct da_spec {
	enum da_kind kind;
	struct volume *volume; /* of a call: for whom it counts, not touched, or NULL */
	const void *owner; /* for whom: owners with queued requests take turns; never looked into */
	/* calls: on a DA thread, with call_arg, which is the call's until done or sink->finished (its sink may have that
	 * alone; nothing else tells that the DA has ended). */
	int (*call)(void *call_arg);
	void *call_arg;
	/* reads: */
	uint64_t first_track;
	uint32_t track_count; /* of digests at most RUN_DIGESTS_MAX */
	uint32_t track_bytes;
	uint64_t end_bytes; /* where the device is taken to end: the last track is short there */
	enum digest digest; /* NONE: the bytes, into the sink's slots */
	const struct da_sink *sink;
	void *sink_arg;
	/* Loop thread, once, unless abandoned. The owner then releases the request; result is valid until it does. */
	void (*done)(void *arg, struct da_request *request, const struct da_result *result);
	void *arg;
	/* Loop thread, once, after da_abandon of a RUNNING request, when its thread came back; the element is then freed by
	 * the DA. The volume may be used and freed again from here on; an open or lock is undone. May be NULL. */
	void (*returned)(void *returned_arg);
	void *returned_arg;
};

struct da_config {
	unsigned threads;       /* 2 to 64 */
	unsigned extra_threads; /* at most DA_EXTRA_THREADS_MAX */
	unsigned queue_elements;
};

struct da_counts {
	unsigned elements_used, queued, running, abandoned, threads, extra_threads;
	unsigned pausing; /* threads whose volume yields, of those with a running request */
	uint64_t reads_started; /* read requests that a thread has taken since start, each once */
	/* Reads that threads are through with, from da_submit on: one that was given up counts when its thread is back. */
	struct histogram read_times;
};

/* NULL with errno when threads cannot be started. */
struct da *da_new(const struct da_config *config, struct mailbox *mailbox);
/* Requests that are QUEUED, and results not delivered yet, are dropped without done (finished and returned are called).
 * Joins the threads; false when some are stuck in a volume, abandoned or for 2 s: then the memory stays and the process
 * should _exit (calling again is allowed). Not from a callback of the DA. */
bool da_free(struct da *da);

/* Allocates an element and queues it in one step (steps 96, 178). NULL: the queue is full (98, 180). spec is copied. */
struct da_request *da_submit(struct da *da, const struct da_spec *spec);
/* The owner of a DONE request gives its element back (steps 116, 192). */
void da_release(struct da *da, struct da_request *request);
/* The owner of a QUEUED or RUNNING request wants it no more. QUEUED: freed at once. RUNNING: see above; returns true
 * then. A DONE request whose done was not called yet is released; done is not called. On false finished was called. */
bool da_abandon(struct da *da, struct da_request *request);
/* The owner wants it no more, unless a thread has or had it. True: it was QUEUED and is freed, finished was called. */
bool da_cancel_queued(struct da *da, struct da_request *request);
enum da_state da_request_state(const struct da_request *request);
/* 0 until a thread has started it, then what sink->begin returned. */
uint64_t da_request_sequence(const struct da_request *request);
/* Of a QUEUED or RUNNING read: differs from an earlier answer when it has got on since. RUNNING: a disk read of it has
 * ended; QUEUED: any disk read of its volume has. One that gets on has not timed out. */
uint64_t da_request_progress(const struct da_request *request);
/* This owner has gone: nothing is kept free for it any more. What it has queued or running is the caller's still. */
void da_forget_owner(struct da *da, const void *owner);
/* Requests that found no slot look again. Any thread. */
void da_kick(struct da *da);
/* fn runs on the loop thread each time an element becomes free after da_submit returned NULL, until one is left
 * over. */
void da_on_free_element(struct da *da, void (*fn)(void *arg), void *arg);
void da_count(struct da *da, struct da_counts *counts);

#endif
