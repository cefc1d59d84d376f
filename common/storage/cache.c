/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache: slots in one mapping, a pool of entries, an index and four eviction lists (with or without a slot, claimed
 * or not), all under one mutex. It does not read disks and waits for nothing. The memory of slots and entries is taken
 * on first use and is never unmapped before cache_free.
 *
 * The hard thing is that a ref may be locked after its entry was replaced: locking is then still safe, because an
 * entry's memory stays an entry. The lock count belongs to the memory, not to the track: it outlives a replacement and
 * a reuse, so that an unlock undoes exactly its lock. A stale lock only pins what now lives there.
 * check-style: long because all of it is under the one mutex.
 */
#include "storage/cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"

#define uthash_fatal(message) log_abort("cache index: %s", (message))
#include <uthash.h>
#include <utlist.h>

#define PAGE_BYTES 4096u
/* Digests, zeros, holes and errors need no slot. Extra: what the 64 unfinished fetches of one peer may bring. */
#define ENTRIES_PER_SLOT 4u
#define ENTRIES_EXTRA (64u * RUN_DIGESTS_MAX)
/* From so many without a slot on, the claimed ones go for new ones: a thread that digests leaves no room for more in
 * the processor's cache. */
#define SLOTLESS_KEPT 1024u

enum entry_place { ENTRY_FREE, ENTRY_INDEXED, ENTRY_DETACHED };

struct cache_entry {
	struct cache_key key;
	struct cache_entry *prev, *next; /* in an eviction list (indexed and not locked) or in the free list */
	uint64_t sequence;
	uint32_t locks;
	enum entry_place place;
	enum track_state state;
	enum status status;
	bool is_claimed;
	uint64_t generation;
	int64_t published_ms;
	void *slot; /* NULL unless state is TRACK_DATA and the key's digest is NONE */
	uint64_t hole_tracks;
	uint8_t digest[DIGEST_BYTES_MAX]; /* set if state is TRACK_DATA and the key has a digest */
	UT_hash_handle hh;
};

struct cache {
	atomic_uint_fast64_t last_sequence;
	uint32_t track_bytes;
	size_t slot_count;
	size_t entry_count;

	pthread_mutex_t mutex; /* all below */
	char *slots;
	size_t slots_used; /* slots from here on were never taken */
	uint32_t *free_slots; /* a stack of indexes of slots that came back */
	size_t free_slot_count;
	bool *slot_is_owned; /* taken, neither published nor given back */
	size_t owned_count;
	uint8_t *slot_owner;
	bool *slot_is_shared; /* counts in its owner's share: from its taking until it is claimed or free */
	size_t shares[CACHE_OWNERS], share_max;

	struct cache_entry *entries;
	size_t entries_used; /* like slots_used */
	size_t slotless_count; /* entries that are not free and have no slot */
	struct cache_entry *free_entries;
	struct cache_entry *index;
	struct cache_entry *evictable[2][2]; /* [has slot][is claimed], first to go first */

	uint64_t slots_locked, hits, misses, evicted;
	bool is_starved;    /* cache_take_slots said no since room was last told */
	bool may_have_room; /* something happened since it said no */
	void (*on_room)(void *arg);
	void *on_room_arg;
};

static void lock(struct cache *cache)
{
	int error = pthread_mutex_lock(&cache->mutex);

	assert(error == 0);
}

static void unlock(struct cache *cache)
{
	int error = pthread_mutex_unlock(&cache->mutex);

	assert(error == 0);
}

/* Every function that may make room ends with this. */
static void unlock_and_tell_room(struct cache *cache)
{
	void (*fn)(void *arg) = NULL;
	void *arg = NULL;

	if (cache->is_starved && cache->may_have_room && cache->on_room) {
		cache->is_starved = false;
		fn = cache->on_room;
		arg = cache->on_room_arg;
	}
	unlock(cache);
	if (fn)
		fn(arg);
}

static size_t slot_index(const struct cache *cache, const void *slot)
{
	size_t offset = (size_t)((const char *)slot - cache->slots);

	assert(offset % cache->track_bytes == 0 && offset / cache->track_bytes < cache->slots_used);
	return offset / cache->track_bytes;
}

static void leave_share(struct cache *cache, const void *slot)
{
	size_t index = slot_index(cache, slot);

	if (!cache->slot_is_shared[index])
		return;
	cache->slot_is_shared[index] = false;
	cache->shares[cache->slot_owner[index]]--;
	cache->may_have_room = true;
}

static void free_slot(struct cache *cache, void *slot)
{
	assert(cache->free_slot_count < cache->slot_count);
	leave_share(cache, slot);
	cache->free_slots[cache->free_slot_count++] = (uint32_t)slot_index(cache, slot);
	cache->may_have_room = true;
}

static void *take_free_slot(struct cache *cache, uint8_t owner)
{
	size_t index;

	if (cache->free_slot_count > 0)
		index = cache->free_slots[--cache->free_slot_count];
	else if (cache->slots_used < cache->slot_count)
		index = cache->slots_used++;
	else
		return NULL;
	assert(!cache->slot_is_owned[index]);
	cache->slot_is_owned[index] = true;
	cache->owned_count++;
	cache->slot_owner[index] = owner;
	cache->slot_is_shared[index] = true;
	cache->shares[owner]++;
	return cache->slots + index * cache->track_bytes;
}

/* The caller of cache_take_slot has it no more. */
static void disown(struct cache *cache, const void *slot)
{
	size_t index = slot_index(cache, slot);

	assert(cache->slot_is_owned[index]);
	cache->slot_is_owned[index] = false;
	cache->owned_count--;
}

static bool is_error(const struct cache_entry *entry)
{
	return entry->status != STATUS_OK || track_is_unreadable(entry->state);
}

static struct cache_entry **eviction_list(struct cache *cache, const struct cache_entry *entry)
{
	return &cache->evictable[entry->slot != NULL][entry->is_claimed];
}

/* By age, from the newest: an entry that was locked without being claimed goes back to its place. */
static void insert_by_age(struct cache_entry **list, struct cache_entry *entry)
{
	struct cache_entry *older = *list ? (*list)->prev : NULL;

	while (older && older->published_ms > entry->published_ms)
		older = older == *list ? NULL : older->prev;
	DL_APPEND_ELEM(*list, older, entry);
}

static void make_evictable(struct cache *cache, struct cache_entry *entry)
{
	struct cache_entry **list = eviction_list(cache, entry);

	if (entry->is_claimed) {
		DL_APPEND(*list, entry);
		cache->may_have_room = true;
	} else {
		insert_by_age(list, entry);
	}
}

static void free_entry(struct cache *cache, struct cache_entry *entry)
{
	if (entry->slot)
		free_slot(cache, entry->slot);
	else
		cache->slotless_count--;
	entry->slot = NULL;
	entry->place = ENTRY_FREE;
	LL_PREPEND(cache->free_entries, entry);
}

static struct cache_entry *look_up(const struct cache *cache, const struct cache_key *key)
{
	struct cache_entry *entry;

	HASH_FIND(hh, cache->index, key, sizeof(*key), entry);
	return entry;
}

/* From here on refs to the entry are stale. A locked one keeps its slot until its unlock. */
static void leave_index(struct cache *cache, struct cache_entry *entry)
{
	assert(entry->place == ENTRY_INDEXED);
	HASH_DELETE(hh, cache->index, entry);
	entry->generation++;
	if (entry->locks > 0) {
		entry->place = ENTRY_DETACHED;
		return;
	}
	DL_DELETE(*eviction_list(cache, entry), entry);
	free_entry(cache, entry);
}

/* The first to go among those with, or those without a slot; NULL when all are locked or wait to be claimed. */
static struct cache_entry *find_victim(const struct cache *cache, bool with_slot, int64_t now_ms)
{
	struct cache_entry *claimed = cache->evictable[with_slot][true];
	struct cache_entry *unclaimed = cache->evictable[with_slot][false];

	if (claimed)
		return claimed;
	if (unclaimed && now_ms - unclaimed->published_ms >= CACHE_CLAIM_MS)
		return unclaimed;
	return NULL;
}

/* NULL when the pool is empty and nothing may go. */
static struct cache_entry *take_entry(struct cache *cache, int64_t now_ms)
{
	bool has_enough = cache->slotless_count >= SLOTLESS_KEPT && cache->evictable[false][true];
	struct cache_entry *entry;

	if (!has_enough && !cache->free_entries && cache->entries_used < cache->entry_count)
		return &cache->entries[cache->entries_used++];
	if (has_enough || !cache->free_entries) {
		entry = find_victim(cache, false, now_ms);
		if (!entry)
			entry = find_victim(cache, true, now_ms);
		if (!entry)
			return NULL;
		leave_index(cache, entry);
		cache->evicted++;
	}
	entry = cache->free_entries;
	LL_DELETE(cache->free_entries, entry);
	entry->generation++;
	return entry;
}

/* ---- Life ---- */

static void free_memory(struct cache *cache)
{
	if (cache->slots != MAP_FAILED)
		munmap(cache->slots, cache->slot_count * cache->track_bytes);
	free(cache->free_slots);
	free(cache->slot_is_owned);
	free(cache->slot_owner);
	free(cache->slot_is_shared);
	free(cache->entries);
	free(cache);
}

/* It is held so shortly that a thread which finds it taken had better spin for a moment than sleep. */
static void init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;
	int error = pthread_mutexattr_init(&attributes);

	assert(error == 0);
	error = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
	assert(error == 0);
	error = pthread_mutex_init(mutex, &attributes);
	assert(error == 0);
	error = pthread_mutexattr_destroy(&attributes);
	assert(error == 0);
}

struct cache *cache_new(size_t cache_bytes, uint32_t track_bytes)
{
	struct cache *cache;

	assert(track_bytes >= PAGE_BYTES && track_bytes % PAGE_BYTES == 0);
	assert(cache_bytes >= track_bytes && cache_bytes / track_bytes <= UINT32_MAX);
	cache = xcalloc(1, sizeof(*cache));
	atomic_init(&cache->last_sequence, 0);
	cache->track_bytes = track_bytes;
	cache->slot_count = cache->share_max = cache_bytes / track_bytes;
	cache->entry_count = cache->slot_count * ENTRIES_PER_SLOT + ENTRIES_EXTRA;
	cache->slots = mmap(NULL, cache->slot_count * track_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	cache->entries = calloc(cache->entry_count, sizeof(*cache->entries));
	cache->free_slots = calloc(cache->slot_count, sizeof(*cache->free_slots));
	cache->slot_is_owned = calloc(cache->slot_count, sizeof(*cache->slot_is_owned));
	cache->slot_owner = calloc(cache->slot_count, sizeof(*cache->slot_owner));
	cache->slot_is_shared = calloc(cache->slot_count, sizeof(*cache->slot_is_shared));
	if (cache->slots == MAP_FAILED || !cache->entries || !cache->free_slots || !cache->slot_is_owned ||
		!cache->slot_owner || !cache->slot_is_shared)
		goto fail;
	init_mutex(&cache->mutex);
	return cache;

fail:
	free_memory(cache);
	return NULL;
}

void cache_free(struct cache *cache)
{
	int error;

	if (!cache)
		return;
	assert(cache->owned_count == 0);
	for (size_t i = 0; i < cache->entries_used; i++)
		assert(cache->entries[i].locks == 0);
	HASH_CLEAR(hh, cache->index);
	error = pthread_mutex_destroy(&cache->mutex);
	assert(error == 0);
	free_memory(cache);
}

void cache_on_room(struct cache *cache, void (*fn)(void *arg), void *arg)
{
	lock(cache);
	cache->on_room = fn;
	cache->on_room_arg = arg;
	unlock(cache);
}

void cache_set_share(struct cache *cache, size_t slots)
{
	lock(cache);
	cache->share_max = slots;
	unlock(cache);
}

uint64_t cache_next_sequence(struct cache *cache)
{
	return atomic_fetch_add(&cache->last_sequence, 1) + 1;
}

/* ---- The loop's side ---- */

bool cache_find(struct cache *cache, const struct cache_key *key, uint64_t floor, int64_t now_ms,
	struct cache_ref *ref)
{
	struct cache_entry *entry;
	bool is_found;

	lock(cache);
	entry = look_up(cache, key);
	if (entry && is_error(entry) && now_ms - entry->published_ms >= CACHE_ERROR_MS) {
		leave_index(cache, entry);
		entry = NULL;
	}
	is_found = entry && entry->sequence >= floor;
	if (is_found) {
		*ref = (struct cache_ref){ entry, entry->sequence, entry->generation };
		cache->hits++;
	} else {
		cache->misses++;
	}
	unlock(cache);
	return is_found;
}

void cache_lock(struct cache *cache, const struct cache_ref *ref)
{
	struct cache_entry *entry = ref->entry;

	lock(cache);
	if (entry->locks == 0 && entry->place == ENTRY_INDEXED)
		DL_DELETE(*eviction_list(cache, entry), entry);
	if (entry->locks == 0 && entry->slot)
		cache->slots_locked++;
	entry->locks++;
	assert(entry->locks > 0);
	unlock(cache);
}

bool cache_is_still_there(struct cache *cache, const struct cache_ref *ref)
{
	bool is_there;

	lock(cache);
	is_there = ref->entry->generation == ref->generation;
	assert(!is_there || (ref->entry->place == ENTRY_INDEXED && ref->entry->sequence == ref->sequence));
	unlock(cache);
	return is_there;
}

static bool has_digest(const struct cache_key *key, enum track_state state)
{
	return state == TRACK_DATA && key->digest != DIGEST_NONE;
}

void cache_load(struct cache *cache, const struct cache_ref *ref, struct cache_track *track)
{
	struct cache_entry *entry = ref->entry;

	lock(cache);
	assert(entry->locks > 0 && entry->place != ENTRY_FREE);
	/* It may have left the index since the caller asked, but its lock keeps it from being reused. */
	assert(entry->generation - ref->generation <= 1);
	entry->is_claimed = true;
	if (entry->slot)
		leave_share(cache, entry->slot);
	*track = (struct cache_track){
		.state = entry->state,
		.status = entry->status,
		.slot = entry->slot,
		.digest = has_digest(&entry->key, entry->state) ? entry->digest : NULL,
		.hole_tracks = entry->hole_tracks,
	};
	unlock_and_tell_room(cache);
}

void cache_unlock(struct cache *cache, const struct cache_ref *ref)
{
	struct cache_entry *entry = ref->entry;

	lock(cache);
	assert(entry->locks > 0);
	entry->locks--;
	if (entry->locks == 0) {
		if (entry->slot)
			cache->slots_locked--;
		if (entry->place == ENTRY_INDEXED)
			make_evictable(cache, entry);
		else if (entry->place == ENTRY_DETACHED)
			free_entry(cache, entry);
	}
	unlock_and_tell_room(cache);
}

void cache_drop_device(struct cache *cache, uint32_t device)
{
	struct cache_entry *entry, *next;

	lock(cache);
	HASH_ITER(hh, cache->index, entry, next) {
		if (entry->key.device == device)
			leave_index(cache, entry);
	}
	unlock_and_tell_room(cache);
}

/* ---- The disk threads' side ---- */

/* An owner whose share has no room for so many more loses what it did not claim in time. */
static void evict_own_unclaimed(struct cache *cache, uint8_t owner, uint32_t count, int64_t now_ms)
{
	struct cache_entry *entry, *next;

	DL_FOREACH_SAFE(cache->evictable[true][false], entry, next) {
		if (now_ms - entry->published_ms < CACHE_CLAIM_MS || cache->shares[owner] + count <= cache->share_max)
			return;
		if (cache->slot_owner[slot_index(cache, entry->slot)] != owner)
			continue;
		leave_index(cache, entry);
		cache->evicted++;
	}
}

/* NULL: all are locked, taken or wait to be claimed. */
static void *take_slot(struct cache *cache, uint8_t owner, int64_t now_ms)
{
	void *slot = take_free_slot(cache, owner);
	struct cache_entry *victim = slot ? NULL : find_victim(cache, true, now_ms);

	if (!victim)
		return slot;
	leave_index(cache, victim);
	cache->evicted++;
	return take_free_slot(cache, owner);
}

uint32_t cache_take_slots(struct cache *cache, uint32_t owner_number, uint32_t count, int64_t now_ms, void *slots[])
{
	uint8_t owner = (uint8_t)(owner_number % CACHE_OWNERS);
	uint32_t taken = 0;

	lock(cache);
	evict_own_unclaimed(cache, owner, count, now_ms);
	if (cache->shares[owner] == 0 && count > cache->share_max)
		count = (uint32_t)cache->share_max;
	if (cache->shares[owner] + count <= cache->share_max)
		while (taken < count && (slots[taken] = take_slot(cache, owner, now_ms)) != NULL)
			taken++;
	if (taken == 0) {
		cache->is_starved = true;
		cache->may_have_room = false;
	}
	unlock(cache);
	return taken;
}

void cache_give_back(struct cache *cache, void *slot)
{
	lock(cache);
	disown(cache, slot);
	free_slot(cache, slot);
	unlock_and_tell_room(cache);
}

static void check_track(const struct cache_key *key, const struct cache_track *track)
{
	assert((track->slot != NULL) == (track->state == TRACK_DATA && key->digest == DIGEST_NONE));
	assert((track->digest != NULL) == has_digest(key, track->state));
	assert((track->state != TRACK_UNSET && !track_is_unreadable(track->state)) || track->hole_tracks == 0);
	assert((track->state == TRACK_UNSET) == (track->status != STATUS_OK));
}

void cache_publish(struct cache *cache, const struct cache_key *key, const struct cache_track *track, uint64_t sequence,
	int64_t now_ms)
{
	struct cache_entry *entry, *old;
	void *slot = track->slot;
	bool is_newer;

	check_track(key, track);
	lock(cache);
	if (slot)
		disown(cache, slot);
	old = look_up(cache, key);
	is_newer = !old || sequence > old->sequence || (sequence == old->sequence && is_error(old));
	if (old && is_newer)
		leave_index(cache, old);
	entry = is_newer ? take_entry(cache, now_ms) : NULL;
	if (!entry) {
		if (slot)
			free_slot(cache, slot);
		unlock_and_tell_room(cache);
		return;
	}
	entry->key = *key;
	entry->sequence = sequence;
	entry->published_ms = now_ms;
	entry->slot = slot;
	cache->slotless_count += !slot;
	entry->hole_tracks = track->hole_tracks;
	if (track->digest)
		memcpy(entry->digest, track->digest, digest_bytes((enum digest)key->digest));
	entry->state = track->state;
	entry->status = track->status;
	entry->is_claimed = false;
	entry->place = ENTRY_INDEXED;
	HASH_ADD(hh, cache->index, key, sizeof(entry->key), entry);
	if (entry->locks == 0)
		make_evictable(cache, entry);
	else if (slot)
		cache->slots_locked++; /* a stale lock pins it from the start */
	unlock_and_tell_room(cache);
}

void cache_count(struct cache *cache, struct cache_counts *counts)
{
	lock(cache);
	*counts = (struct cache_counts){
		.slots = cache->slot_count,
		.slots_free = cache->slot_count - cache->slots_used + cache->free_slot_count,
		.slots_locked = cache->slots_locked,
		.entries = HASH_COUNT(cache->index),
		.hits = cache->hits,
		.misses = cache->misses,
		.evicted = cache->evicted,
	};
	unlock(cache);
}
