/* SPDX-License-Identifier: Apache-2.0
 *
 * The surroundings of a primary's parts in one process: a loop that never waits but for a DA thread, a virtual clock, a
 * DA with real threads, a volume in memory that can hang or fail, a link to a fake secondary. Test thread only.
 */
#ifndef RA_TESTS_SUPPORT_WORLD_H
#define RA_TESTS_SUPPORT_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "wire/message.h"

#define WORLD_TRACK_BYTES 4096u

struct world_volume;

struct world {
	struct event_base *base;
	struct clock *clock;
	struct mailbox *mailbox;
	struct post *post;
	struct throttle *throttle;
	struct rate *device_rate, *total_rate; /* of the local device; no limits at first */
	struct da *da;
	struct world_volume *volume;
	struct local *local;
	struct tls_context *context;
	struct remote *remote;
	struct fake_secondary *secondary;
	char secondary_key[PEER_KEY_CHARS + 1];
};

/* The DA queue has as many elements as asked for. No local device and no link yet. */
struct world *world_new(unsigned queue_elements);
/* Waits for the local device to become idle, then frees everything that is there. */
void world_free(struct world *world);

/* A device "volume" of this size; track t is filled with byte world_byte(t). */
void world_add_local(struct world *world, uint64_t size_bytes);
uint8_t world_byte(uint64_t track);
void world_fail_open(struct world *world, int error); /* from now on; 0: no more */
void world_fail_lock(struct world *world, int error); /* the same; -EBUSY: "in use by editor[7]" */
/* From now on reads, opens, or locks and unlocks hang until released. */
void world_hang_reads(struct world *world);
void world_hang_opens(struct world *world);
void world_hang_locks(struct world *world);
void world_wait_hung(struct world *world, unsigned count); /* until so many calls hang */
void world_let_pass(struct world *world); /* the reads that hang now go on; returns when they have */
void world_release(struct world *world);
void world_punch(struct world *world, uint64_t begin_bytes, uint64_t end_bytes); /* a hole, the only one */
void world_resize(struct world *world, uint64_t size_bytes);
bool world_is_open(struct world *world);
bool world_is_locked(struct world *world);
unsigned world_opens(struct world *world);

/* remote and secondary, not yet connected to each other. */
void world_add_link(struct world *world, uint32_t window_reads);

/* One pass: what the loop and the mailbox have now. */
void world_pass(struct world *world);
void world_settle(struct world *world); /* so many that nothing of the loop is left to do */
/* Passes until the condition holds; false after about 10 s. */
#define WORLD_UNTIL(world, condition) \
	({ \
		bool met_ = false; \
		for (unsigned passes_ = 0; !(met_ = (condition)) && passes_ < 10000; passes_++) \
			world_wait(world); \
		met_; \
	})
void world_wait(struct world *world); /* a pass, and at most 1 ms for a DA thread when there was nothing */

#endif
