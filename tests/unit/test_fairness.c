/* SPDX-License-Identifier: Apache-2.0
 *
 * A greedy primary with 4 links and 256 link jobs, all with a Read, beside a polite one with one: the polite one keeps
 * at least 40 % of the throughput that it has alone. Real disk threads and sockets, both ends in this thread, so the
 * greedy one's own work counts against the polite one too. Turns with and without the greedy one follow each other, so
 * that other programs of the machine disturb both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/mailbox.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "tests/support/bed.h"

#define TRACKS 16384u /* 1 GiB, more than the cache */
#define RUN 16u
#define LINKS 4u
#define JOBS_PER_LINK 64u
#define TURNS 5u
#define TURN_MS 150
#define KEPT_PERCENT 40
#define TRIES 6u

struct stream {
	uint64_t link_id, next, floor;
	uint32_t device, tag;
	bool is_asked; /* and not answered */
};

static struct bed *bed;
static struct primary *polite, *greedy[LINKS];
static struct stream polite_stream, greedy_streams[LINKS][JOBS_PER_LINK];

static void ask(struct primary *primary, struct stream *stream, enum delivery delivery)
{
	primary_read_again(primary, stream->tag, stream->link_id, stream->device, stream->next, RUN, delivery,
		stream->floor, false);
	stream->is_asked = true;
}

/* Tracks that have come. */
static uint32_t take(struct primary *primary, struct stream *stream)
{
	struct answer *answer = &primary->answers[stream->tag];

	if (!stream->is_asked || answer->replies == 0)
		return 0;
	stream->is_asked = false;
	stream->floor = answer->status == STATUS_DATA_NOT_FOUND ? answer->floor : 0;
	if (answer->status != STATUS_OK && answer->status != STATUS_RECONNECT)
		return 0; /* on a machine that does little else a TIMEOUT may come; it is asked again */
	stream->next = (stream->next + answer->track_count) % (TRACKS - RUN);
	return answer->track_count;
}

/* One link of the greedy one: takes what has come, and asks for as much as its window lets it. */
static uint32_t serve_greedy(unsigned link, enum delivery delivery, bool asks)
{
	struct primary *primary = greedy[link];
	uint32_t tracks = 0, connected = 0;

	for (unsigned j = 0; j < JOBS_PER_LINK; j++) {
		struct stream *stream = &greedy_streams[link][j];

		tracks += take(primary, stream);
		connected += stream->is_asked && !primary->answers[stream->tag].is_disconnected;
	}
	for (unsigned j = 0; asks && j < JOBS_PER_LINK && connected < WINDOW_READS_DEFAULT; j++) {
		if (greedy_streams[link][j].is_asked)
			continue;
		ask(primary, &greedy_streams[link][j], delivery);
		connected++;
	}
	return tracks;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* One pass, as a daemon's loop makes it. The bed's clock goes with the real one. */
static void pass(bool is_alone)
{
	static int64_t last_us;
	int64_t us = now_us();

	if (last_us == 0)
		last_us = us;
	clock_advance(bed->clock, (us - last_us) / 1000);
	last_us += (us - last_us) / 1000 * 1000;
	event_base_loop(bed->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	if (is_alone)
		mailbox_wait(bed->mailbox, 1);
	mailbox_drain(bed->mailbox);
}

/* Tracks a second that the polite one gets; and the greedy one, unless delivery is unset. */
static double turn(enum delivery delivery, double *others)
{
	int64_t begin_us = now_us();
	uint64_t tracks = 0, greedy_tracks = 0;
	double seconds;

	while (now_us() - begin_us < TURN_MS * 1000) {
		pass(delivery == DELIVERY_UNSET);
		tracks += take(polite, &polite_stream);
		if (!polite_stream.is_asked)
			ask(polite, &polite_stream, DELIVERY_DISCONNECT);
		for (unsigned i = 0; i < LINKS; i++)
			greedy_tracks += serve_greedy(i, delivery, delivery != DELIVERY_UNSET);
	}
	seconds = (double)(now_us() - begin_us) / 1e6;
	*others = (double)greedy_tracks / seconds;
	return (double)tracks / seconds;
}

/* What the greedy one has asked for comes. */
static void calm_down(void)
{
	for (bool is_idle = false; !is_idle; pass(false)) {
		is_idle = true;
		for (unsigned i = 0; i < LINKS; i++) {
			serve_greedy(i, DELIVERY_UNSET, false);
			for (unsigned j = 0; j < JOBS_PER_LINK; j++)
				is_idle = is_idle && !greedy_streams[i][j].is_asked;
		}
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double values[TURNS])
{
	qsort(values, TURNS, sizeof(values[0]), by_size);
	return values[TURNS / 2];
}

static int setup(void **state)
{
	static const char *const devices[] = { "d0", "d1", "d2", NULL };
	struct peer *peer;
	struct ra_config config;

	(void)state;
	bed_config(&config);
	config.jobs = JOBS_MAX_DEFAULT;
	config.cache_bytes = CACHE_BYTES_DEFAULT;
	bed = bed_new(&config, TRACKS);
	polite = primary_new(bed);
	polite_stream = (struct stream){ .device = primary_attach(polite, "d0") };
	polite_stream.link_id = primary_link(polite, polite_stream.device);
	peer = bed_add_peer(bed, "greedy", devices, false, LINKS, LINKS * JOBS_PER_LINK);
	for (unsigned i = 0; i < LINKS; i++) {
		greedy[i] = primary_new_of(bed, peer);
		for (unsigned j = 0; j < JOBS_PER_LINK; j++) {
			struct stream *stream = &greedy_streams[i][j];

			*stream = (struct stream){ .tag = j, .next = (i * JOBS_PER_LINK + j) * (TRACKS / 512),
				.device = primary_attach(greedy[i], devices[j % 3]) };
			stream->link_id = primary_link(greedy[i], stream->device);
		}
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	primary_drop(polite);
	for (unsigned i = 0; i < LINKS; i++)
		primary_drop(greedy[i]);
	/* Disk reads that nobody waits for any more may wait for slots that were never answered: those take time to go. */
	for (unsigned i = 0; i < 10 && !bed_is_quiet(bed); i++)
		bed_advance(bed, 1000);
	bed_free(bed);
	return 0;
}

static double kept_percent(enum delivery delivery)
{
	double alone[TURNS], beside[TURNS], others[TURNS], none, kept;

	for (unsigned i = 0; i < TURNS; i++) {
		alone[i] = turn(DELIVERY_UNSET, &none);
		turn(delivery, &none); /* until it is in full swing */
		beside[i] = turn(delivery, &others[i]);
		calm_down();
	}
	kept = 100 * median(beside) / median(alone);
	print_message("greedy by %s: the polite one keeps %.0f %% (%.0f of %.0f MiB/s), the greedy one gets %.0f MiB/s\n",
		delivery_name(delivery), kept, median(beside) / 16, median(alone) / 16, median(others) / 16);
	return kept;
}

/* A machine that is busy with other things may spoil one measurement, or two. */
static void measure(enum delivery delivery)
{
	double best = 0;

	for (unsigned i = 0; i < TRIES && best < KEPT_PERCENT; i++) {
		double kept = kept_percent(delivery);

		best = kept > best ? kept : best;
	}
	assert_true(best >= KEPT_PERCENT);
}

static void polite_keeps_its_throughput_beside_greedy_disconnects(void **state)
{
	(void)state;
	measure(DELIVERY_DISCONNECT);
}

static void polite_keeps_its_throughput_beside_greedy_polls(void **state)
{
	(void)state;
	measure(DELIVERY_POLL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(polite_keeps_its_throughput_beside_greedy_disconnects),
		T(polite_keeps_its_throughput_beside_greedy_polls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
