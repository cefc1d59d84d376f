/* SPDX-License-Identifier: Apache-2.0
 *
 * A Read on the secondary and its scratch buffer: what it was asked, how far it is, and what it sends: cache slots,
 * locked until TLS has taken the last byte, or digests. This module has the steps that Figs. 4 and 7 share and Fig. 4
 * itself (poll); delivery.h has Fig. 7. Loop thread only.
 *
 *   THROTTLED --> LOOKING                    limits let it begin; most begin at once
 *   LOOKING --> SENDING --> freed            in the cache
 *   LOOKING --> WAITING_TURN --> LOOKING     the peer has its share of locks or of fetches
 *   LOOKING --> WAITING_ELEMENT --> LOOKING  no free DA element or fetch job (182)
 *   LOOKING --> WAITING_DISK (186) --> WAITING_PLACE (194) --> LOOKING
 */
#ifndef RA_SECONDARY_READ_H
#define RA_SECONDARY_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rate.h"
#include "secondary/peer.h"
#include "secondary/wanted.h"
#include "storage/cache.h"
#include "wire/message.h"

struct fetch;
struct job;
struct ra;
struct session;

enum read_state {
	READ_THROTTLED,
	READ_LOOKING,
	READ_WAITING_TURN,
	READ_WAITING_ELEMENT,
	READ_WAITING_DISK,
	READ_WAITING_PLACE,
	READ_SENDING
};

/* Its place in the window: as a Read that was received, as an answer after RECONNECT, or none. */
enum read_place { READ_PLACE_NONE, READ_PLACE_READ, READ_PLACE_ANSWER };

/* The scratch buffer of one command (72, 152). */
struct read {
	uint32_t magic;
	struct ra *ra;
	struct session *session;
	struct job *job; /* NULL once the reply is queued */
	struct msg_read parameters; /* 74, 154 */
	struct wanted wanted;       /* the same */
	uint64_t floor;
	int64_t started_ms; /* when the limits let it begin; time-outs count from here */
	enum read_state state; /* written by read_enter only, as the next two; says which list prev and next are of */
	int64_t entered_ms;    /* it */
	int64_t disk_ms;       /* spent waiting for the disk so far */
	enum read_place place;
	struct rate_waiter throttle; /* THROTTLED */
	uint64_t charged_bytes;      /* by the limits */
	enum share_kind waits_for;   /* WAITING_TURN */
	uint32_t turn_tracks;        /* then: so many locks */
	bool was_disconnected; /* DISCONNECT was sent: the answer is RECONNECT */
	bool has_timed_out;    /* step 156 said yes; posted */
	bool disk_timed_out;   /* step 186 said yes for its latest DA request */
	struct fetch *fetch;   /* WAITING_DISK */
	struct timer request_timer; /* 156 */
	struct timer da_timer;      /* 186 */
	uint64_t da_progress;       /* of its DA request when that was set */
	struct read *prev, *next;
	uint8_t *digests;           /* SENDING: those of the answer; NULL without any */
	uint32_t lock_count;        /* so many of the entries, from the first on, are locked */
	struct cache_ref entries[]; /* one per track that it asks for, as found at 76, 160 */
};

/* Steps 72 and 74, or 152 and 154; then, as soon as the limits let it, on by the Read's delivery. message is valid and
 * within the device. */
void read_start(struct ra *ra, struct session *session, struct job *job, const struct msg_read *message);
/* The Read ends without an answer: its job was released or its link is lost. Not for one that is SENDING. */
void read_cancel(struct read *read);
/* A waiting Read looks at the cache again. It has left its list. */
void read_look_again(struct read *read);

/* The steps that the figures share: */
/* 76, 160: how many tracks from the first on are in the cache. */
uint32_t read_find(struct read *read);
/* 78, 162 */
void read_lock(struct read *read, uint32_t track_count);
/* 80, 164: how many of the locked tracks, from the first on, are still the ones that were found; the locks of the rest
 * are given back (90, 166). */
uint32_t read_still_there(struct read *read, uint32_t track_count);
/* 82 and 86, or 168 and 172: answers with the locked tracks. The scratch buffer is freed (88, 174) when they are
 * sent. */
void read_reply_data(struct read *read, uint32_t track_count);
/* 86 and 88, or 172 and 174, for an answer without tracks. The Read is gone after it. */
void read_reply_status(struct read *read, enum status status, const char *detail);
/* The Read needs its place in the window no more (176, or the answer is queued or sent). */
void read_give_place_back(struct read *read);
/* The only writer of a Read's state. */
void read_enter(struct read *read, enum read_state state, const char *reason);
/* Takes a waiting Read off its list. */
void read_leave_list(struct read *read);
/* Posts an error with this Read's device, tracks, link id and peer. */
void read_post(const struct read *read, enum status status, const char *text);

#endif
