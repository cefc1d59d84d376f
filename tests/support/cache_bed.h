/* SPDX-License-Identifier: Apache-2.0
 *
 * A small cache for tests, with the time that it is told and the steps that most tests take. For the test's thread.
 */
#ifndef RA_TESTS_CACHE_BED_H
#define RA_TESTS_CACHE_BED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/cache.h"

#define CACHE_BED_TRACK_BYTES 4096u
#define CACHE_BED_SLOTS 4u
#define CACHE_BED_DEVICE 1u

struct cache_bed {
	struct cache *cache;
	int64_t now_ms;
	atomic_uint room_calls; /* room is told on any thread */
};

extern struct cache_bed cache_bed;

int cache_bed_set_up(void **state);
int cache_bed_tear_down(void **state);
struct cache_counts cache_bed_count(void);
void *cache_bed_take_slot(struct cache *cache, uint32_t owner, int64_t now_ms); /* NULL: there is none */

/* Of the bytes of a whole track. */
struct cache_key cache_bed_key(uint64_t track);
void cache_bed_publish(struct cache_key key, struct cache_track track, uint64_t sequence);
bool cache_bed_find_key(struct cache_key key, uint64_t floor, struct cache_ref *ref);

/* XXH3-128; each of its bytes is the given one. */
struct cache_key cache_bed_digest_key(uint64_t track);
void cache_bed_publish_digest(uint64_t track, uint64_t sequence, uint8_t byte);

void cache_bed_publish_data(uint64_t track, uint64_t sequence, char byte);
void cache_bed_publish_state(uint64_t track, uint64_t sequence, enum track_state state);
void cache_bed_publish_timeout(uint64_t track, uint64_t sequence);
bool cache_bed_find(uint64_t track, struct cache_ref *ref);
bool cache_bed_is_known(uint64_t track);
/* It must be there. */
struct cache_ref cache_bed_find_and_lock(uint64_t track);
/* The first byte of a locked entry of data. */
char cache_bed_load_byte(const struct cache_ref *ref);
/* Answers a Read with the track: the entry is claimed then. */
void cache_bed_claim(uint64_t track);
struct cache_track cache_bed_claim_key(struct cache_key key); /* slot and digest may be something else's by now */

#endif
