/* SPDX-License-Identifier: Apache-2.0
 *
 * A primary that asks for many MiB and reads none of the answers: it is dropped after 10 s, all that it held comes
 * back, and a primary of another peer beside it does not feel it. TLS over socket pairs, virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "tests/support/tls_bed.h"
#include "wire/conn_internal.h"

#define SILENT_PEER 1u
#define SILENT_JOBS 16u
#define SILENT_RUN 16u /* tracks: 1 MiB */
#define RUN 4u
#define JOBS 8u
#define TRACKS 256u
#define ROUNDS 20u

static struct tls_bed *tls_bed;
static struct bed *bed;
static struct event_base *silent_base;
static struct primary *primary, *silent;
static uint64_t link_ids[JOBS];

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	tls_bed = tls_bed_new(&config, TRACKS);
	bed = tls_bed->bed;
	silent_base = event_base_new();
	primary = tls_bed_primary(tls_bed, 0, bed->base);
	assert_int_equal(primary_attach(primary, "d0"), 0);
	for (unsigned i = 0; i < JOBS; i++)
		link_ids[i] = primary_link(primary, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	primary_drop(primary);
	if (silent != NULL)
		primary_drop(silent);
	silent = NULL;
	tls_bed_free(tls_bed);
	event_base_free(silent_base);
	return 0;
}

static struct answer *wait_for_silent(uint32_t tag)
{
	for (unsigned pass = 0; pass < 20000 && silent->answers[tag].replies == 0; pass++) {
		event_base_loop(silent_base, EVLOOP_NONBLOCK);
		bed_pass(bed);
	}
	assert_int_equal(silent->answers[tag].status, STATUS_OK);
	return &silent->answers[tag];
}

/* It listens until its jobs are made, asks for 16 MiB, and is not looked after any more. */
static void fall_silent(enum delivery delivery)
{
	static const struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .device = "d1" } };
	uint64_t silent_ids[SILENT_JOBS];
	uint32_t number;

	silent = tls_bed_primary(tls_bed, SILENT_PEER, silent_base);
	primary_send(silent, &query);
	number = wait_for_silent(0)->number;
	for (uint32_t i = 0; i < SILENT_JOBS; i++) {
		primary_read(silent, i, 0, number, 0, 0, DELIVERY_UNSET);
		silent_ids[i] = wait_for_silent(i)->link_id;
	}
	for (uint32_t i = 0; i < SILENT_JOBS; i++)
		primary_read(silent, i, silent_ids[i], number, i * SILENT_RUN, SILENT_RUN, delivery);
	while (output_queued_bytes(silent->conn->output) > 0)
		event_base_loop(silent_base, EVLOOP_NONBLOCK);
}

static void read_rest(unsigned job, uint64_t first, uint32_t done)
{
	primary_read_again(primary, job, link_ids[job], 0, first + done, RUN - done, DELIVERY_DISCONNECT, 0, true);
}

/* Each job reads a run from the disk, all at the same time; the answers come without any time. */
static void read_all_runs(unsigned round)
{
	int64_t began_ms = clock_now_ms(bed->clock);
	uint32_t done[JOBS] = { 0 };
	unsigned left = JOBS;

	for (unsigned i = 0; i < JOBS; i++)
		read_rest(i, (round * JOBS + i) * RUN % TRACKS, 0);
	while (left > 0) {
		left = 0;
		for (unsigned i = 0; i < JOBS; i++) {
			uint64_t first = (round * JOBS + i) * RUN % TRACKS;
			struct answer *answer;

			if (done[i] == RUN)
				continue;
			answer = primary_wait(primary, i);
			assert_tracks(bed, 0, answer, first + done[i]);
			done[i] += answer->track_count;
			if (done[i] < RUN)
				read_rest(i, first, done[i]);
			left += done[i] < RUN;
		}
	}
	assert_true(clock_now_ms(bed->clock) == began_ms);
}

/* How often the disk was read for it. */
static unsigned read_for_10_s(void)
{
	unsigned before = faulty_volume_count(bed->volumes[0]).reads;

	for (unsigned round = 0; round < ROUNDS; round++) {
		read_all_runs(round);
		bed_advance(bed, round == 0 ? OUTPUT_STALL_MS / ROUNDS - 1 : OUTPUT_STALL_MS / ROUNDS);
	}
	return faulty_volume_count(bed->volumes[0]).reads - before;
}

static void expect_drop_after_10_s(enum delivery delivery)
{
	struct peer *peer = tls_bed->peers[SILENT_PEER].peer;
	unsigned reads_alone = read_for_10_s(), reads_beside;

	bed_advance(bed, 1);
	fall_silent(delivery);
	BED_UNTIL(bed, peer->locked_tracks == bed->ra->locks_per_peer && bed_da(bed).running == 0);
	reads_beside = read_for_10_s();
	assert_in_range(reads_beside, reads_alone, reads_alone + ROUNDS);
	assert_int_equal(peer->locked_tracks, bed->ra->locks_per_peer);
	assert_true(bed_has_session(bed, silent->session));
	bed_advance(bed, 1);
	BED_UNTIL(bed, !bed_has_session(bed, silent->session));
	assert_int_equal(bed_cache(bed).slots_locked, 0);
	assert_int_equal(peer->links + peer->jobs + peer->locked_tracks, 0);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), JOBS);
	read_all_runs(0);
	bed_advance(bed, bed->ra->config.da_timeout_ms); /* disk reads that nobody waits for, and that find no slot */
	BED_UNTIL(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 0);
	assert_int_equal(peer->fetches, 0);
}

static void silent_peer_of_hold_is_dropped_after_10_s(void **state)
{
	(void)state;
	expect_drop_after_10_s(DELIVERY_HOLD);
}

static void silent_peer_of_disconnect_is_dropped_after_10_s(void **state)
{
	(void)state;
	expect_drop_after_10_s(DELIVERY_DISCONNECT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(silent_peer_of_hold_is_dropped_after_10_s),
		T(silent_peer_of_disconnect_is_dropped_after_10_s) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
