/* SPDX-License-Identifier: Apache-2.0
 *
 * A DA for tests, with faulty volumes and orders that keep what came of a request. The tests wait for what happens
 * (the mailbox, a hung call), never for time to pass; DA_BED_WAIT_MS only ends a test that has failed. For the test's
 * thread.
 */
#ifndef RA_TESTS_DA_BED_H
#define RA_TESTS_DA_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "storage/da.h"
#include "tests/support/faulty_volume.h"
#include "tests/support/track_sink.h"

#define DA_BED_TRACK 4096u /* bytes */
#define DA_BED_VOLUMES 4u
#define DA_BED_VOLUME_BYTES (64u * DA_BED_TRACK)
#define DA_BED_THREADS 4u
#define DA_BED_EXTRA_THREADS 1u
#define DA_BED_ELEMENTS 8u
#define DA_BED_WAIT_MS 20000

struct da_bed {
	struct mailbox *mailbox;
	struct da *da;
	struct faulty_volume *faulty[DA_BED_VOLUMES];
	struct volume *volumes[DA_BED_VOLUMES];
};

/* One request and what came of it. */
struct da_order {
	struct track_sink *sink;
	const void *owner;          /* of reads; NULL unless the test sets it */
	enum digest digest;         /* of reads; of bytes unless the test sets it */
	struct da_request *request; /* NULL as soon as it is not ours any more */
	struct da_result result;
	unsigned done, returned;
};

extern struct da_bed da_bed;

int da_bed_set_up(void **state);
int da_bed_set_up_two_threads(void **state);
int da_bed_set_up_long_queue(void **state); /* two threads, DA_QUEUE_ELEMENTS */
int da_bed_set_up_many_threads(void **state); /* 64, DA_QUEUE_ELEMENTS */
int da_bed_tear_down(void **state);
struct da_counts da_bed_count(void);
/* Without the DA, for tests of reads. */
void da_bed_open_volumes(void);

struct da_spec da_bed_spec(struct da_order *order, enum da_kind kind, unsigned volume);
void da_bed_submit(struct da_order *order, enum da_kind kind, unsigned volume);
/* Reads the first track_count tracks of a volume; false when the queue is full. */
bool da_bed_try_read(struct da_order *order, unsigned volume, uint32_t track_count);
struct da_order *da_bed_new_order(void);
struct da_order *da_bed_submit_read(unsigned volume, uint32_t track_count);
void da_bed_free_order(struct da_order *order); /* no slot may be out */
/* Drains the mailbox until the counter is there. */
void da_bed_run_until(const unsigned *counter, unsigned value);
/* Waits for done, then frees the order. */
void da_bed_finish_read(struct da_order *order);

#endif
