/* SPDX-License-Identifier: Apache-2.0
 *
 * What the secondary knows of tracks (in memory 38 of Fig. 1): an index from (device, track, what was asked of it) to
 * an entry: data in a slot, a digest, all zero, a hole, or an error; each with the sequence number of the moment its
 * disk read began. One mutex inside, held for lookups and moves of pointers and digests only, so that DA threads
 * publish while the loop looks up and steps 76 -> 78 -> 80 of Fig. 4 (160 -> 162 -> 164 of Fig. 7) ask a real question.
 *
 * Eviction: claimed entries (answered at least once) go first, least recently used first. One that was never answered
 * is kept CACHE_CLAIM_MS for the Read it was fetched for, so that small caches make progress; then it may go too.
 * Locked entries never go. A locked entry that is replaced leaves the index and is freed at its unlock.
 *
 * Slots are taken for an owner (a number). What one owner has taken and nobody has claimed is limited to a share, so
 * that one who asks for much and fetches little leaves room for the others.
 */
#ifndef RA_STORAGE_CACHE_H
#define RA_STORAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define CACHE_CLAIM_MS 5000
#define CACHE_ERROR_MS 10000 /* how long an error answers */
#define CACHE_OWNERS 256u    /* owners beyond share the shares of those before */

struct cache;
struct cache_entry;

/* What an entry is about. The bytes of a track and each of its digests are entries of their own, as is each length of
 * the track where the device is taken to end in it. No padding: hashed and compared as bytes. */
struct cache_key {
	uint64_t track;
	uint32_t device;
	uint32_t valid_bytes; /* of the track, from its begin on: all but for the last one */
	uint64_t digest;      /* enum digest */
};

/* What is known of a track. */
struct cache_track {
	enum track_state state;
	enum status status;    /* STATUS_OK, or the error that answers every asker (state TRACK_UNSET then) */
	void *slot;            /* TRACK_DATA, digest NONE: the bytes; else NULL */
	const uint8_t *digest; /* TRACK_DATA, any other digest; else NULL */
	uint64_t hole_tracks;  /* so many whole tracks behind it, before its read's end, were holes */
};

/* A find's result: an entry and which use of it was meant. Plain data, may be kept and dropped freely. */
struct cache_ref {
	struct cache_entry *entry;
	uint64_t sequence;
	uint64_t generation; /* of the entry's memory: differs when it has been reused */
};

struct cache_counts {
	uint64_t slots, slots_free, slots_locked, entries, hits, misses, evicted;
};

/* Time comes from the callers (cache_find, cache_take_slots …: now_ms) so that it can be virtual. NULL: no memory. */
struct cache *cache_new(size_t cache_bytes, uint32_t track_bytes);
void cache_free(struct cache *cache); /* nothing may be locked (asserted) */
/* Called, on any thread and without the mutex, when a slot may have become free after cache_take_slots said no. */
void cache_on_room(struct cache *cache, void (*fn)(void *arg), void *arg);

/* At most so many slots of one owner are not claimed yet; at first all. */
void cache_set_share(struct cache *cache, size_t slots);

/* The next sequence number: 1, 2, … Any thread. */
uint64_t cache_next_sequence(struct cache *cache);

/* Loop thread. Is there an entry with sequence >= floor that has not expired? (Steps 76, 160.) */
bool cache_find(struct cache *cache, const struct cache_key *key, uint64_t floor, int64_t now_ms,
	struct cache_ref *ref);
/* Locks the entry of a find, whatever has become of it. (Steps 78, 162.) Each lock needs its unlock. */
void cache_lock(struct cache *cache, const struct cache_ref *ref);
/* Is it still the entry that was found? (Steps 80, 164.) */
bool cache_is_still_there(struct cache *cache, const struct cache_ref *ref);
/* What is known, of a locked entry that is still there. Marks it claimed. (Steps 82, 168.) slot, which is only to be
 * read, and digest stay valid until the unlock. */
void cache_load(struct cache *cache, const struct cache_ref *ref, struct cache_track *track);
/* (Steps 84, 90, 166, 170.) */
void cache_unlock(struct cache *cache, const struct cache_ref *ref);

/* DA threads. Slots of track_bytes, page aligned, the caller's until published or given back: so many, or none while
 * the owner's share has no room for all of them, or fewer, when they are more than a share or all others are locked,
 * taken or still waiting to be claimed. */
uint32_t cache_take_slots(struct cache *cache, uint32_t owner, uint32_t count, int64_t now_ms, void *slots[]);
void cache_give_back(struct cache *cache, void *slot);
/* Puts the outcome of a read in place: slot is taken over, digest is copied. Never replaces an entry with a higher
 * sequence (the slot is then freed), nor, at the same sequence, anything but an error. Any thread. */
void cache_publish(struct cache *cache, const struct cache_key *key, const struct cache_track *track, uint64_t sequence,
	int64_t now_ms);
/* Forgets what is known of a device (it was detached); locked entries go at their unlock. Loop thread. */
void cache_drop_device(struct cache *cache, uint32_t device);
void cache_count(struct cache *cache, struct cache_counts *counts);

#endif
