/* SPDX-License-Identifier: Apache-2.0
 *
 * What a read says of each track: data, zeros, holes, errors, a volume that shrank, the short last track; where it ends
 * when slots run out or nobody wants it any more; the same of digests. No thread: the reading is called directly.
 * check-style: long because both kinds of reads are held against the same volumes.
 */
#include "storage/da_read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/da.h"
#include "storage/digest.h"
#include "storage/volume.h"
#include "tests/support/faulty_volume.h"
#include "tests/support/track_sink.h"

#define TRACK 4096u
#define SEQUENCE 42u

static struct faulty_volume *faulty;
static struct volume *volume;
static struct track_sink *sink;
static struct da_spec spec;
static unsigned wanted_times; /* how often is_wanted still says yes */
static unsigned reads_ended;
static struct digester *digester;
static uint8_t expected[MIB];

static bool is_wanted(void *arg)
{
	(void)arg;
	if (wanted_times == 0)
		return false;
	wanted_times--;
	return true;
}

static void has_read(void *arg)
{
	(void)arg;
	reads_ended++;
}

/* A volume of end_bytes and a read of some of its tracks. */
static void prepare(uint64_t end_bytes, uint32_t track_bytes, uint64_t first_track, uint32_t track_count)
{
	struct volume_info info;

	faulty = faulty_volume_new(end_bytes, 3);
	volume = faulty_volume_volume(faulty);
	assert_int_equal(volume_open(volume, &info), 0);
	sink = track_sink_new(first_track, track_bytes);
	spec = (struct da_spec){
		.kind = DA_READ,
		.volume = volume,
		.first_track = first_track,
		.track_count = track_count,
		.track_bytes = track_bytes,
		.end_bytes = end_bytes,
		.sink = &track_sink_ops,
		.sink_arg = sink,
	};
	wanted_times = UINT32_MAX;
	reads_ended = 0;
}

static int tear_down(void **state)
{
	(void)state;
	track_sink_free(sink);
	volume_close(volume);
	volume_free(volume);
	faulty_volume_free(faulty);
	sink = NULL;
	volume = NULL;
	faulty = NULL;
	return 0;
}

static int make_digester(void **state)
{
	(void)state;
	digester = digester_new();
	return 0;
}

static int free_digester(void **state)
{
	(void)state;
	digester_free(digester);
	return 0;
}

static uint32_t read_tracks(void)
{
	const struct da_reader reader = { .sequence = SEQUENCE, .is_wanted = is_wanted, .has_read = has_read,
		.digester = spec.digest == DIGEST_NONE ? NULL : digester };

	return da_read_tracks(&spec, &reader);
}

static enum track_state state_of(uint64_t track)
{
	return track_sink_outcome(sink, track).state;
}

static void assert_data(uint64_t track)
{
	struct track_outcome outcome = track_sink_outcome(sink, track);

	assert_int_equal(outcome.state, TRACK_DATA);
	assert_int_equal(outcome.sequence, SEQUENCE);
	faulty_volume_expect(faulty, expected, spec.track_bytes, track * spec.track_bytes);
	assert_memory_equal(outcome.data, expected, spec.track_bytes);
}

static void every_track_is_published_with_its_data(void **state)
{
	(void)state;
	prepare(100 * TRACK, TRACK, 7, 80);
	assert_int_equal(read_tracks(), 80);
	for (uint64_t track = 7; track < 87; track++)
		assert_data(track);
	assert_int_equal(track_sink_count(sink).published, 80);
}

static void short_reads_of_the_disk_change_nothing(void **state)
{
	(void)state;
	prepare(16 * TRACK, TRACK, 0, 16);
	faulty_volume_set_read_bytes_max(faulty, 777);
	assert_int_equal(read_tracks(), 16);
	for (uint64_t track = 0; track < 16; track++)
		assert_data(track);
}

static void batches_are_16_tracks_or_1_mib_and_never_above_4_mib(void **state)
{
	static const struct {
		uint32_t track_bytes, tracks;
		unsigned reads;
	} cases[] = {
		{ 4 * KIB, 65, 2 }, /* 64 is the most buffers of one read */
		{ 64 * KIB, 17, 2 },
		{ 128 * KIB, 17, 2 },
		{ 1 * MIB, 5, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t tracks = cases[i].tracks;

		prepare((uint64_t)tracks * cases[i].track_bytes, cases[i].track_bytes, 0, tracks);
		assert_int_equal(read_tracks(), tracks);
		assert_int_equal(faulty_volume_count(faulty).reads, cases[i].reads);
		tear_down(NULL);
	}
}

static void a_short_last_track_ends_in_zeros(void **state)
{
	struct track_outcome last;

	(void)state;
	prepare(2 * TRACK + 5, TRACK, 0, 3);
	assert_int_equal(read_tracks(), 3);
	assert_data(1);
	last = track_sink_outcome(sink, 2);
	assert_int_equal(last.state, TRACK_DATA);
	memset(expected, 0, TRACK);
	faulty_volume_expect(faulty, expected, 5, 2 * TRACK);
	assert_memory_equal(last.data, expected, TRACK);
}

static void what_grew_beyond_the_device_is_not_shown(void **state)
{
	struct track_outcome last;

	(void)state;
	prepare(2 * TRACK + 5, TRACK, 0, 3);
	faulty_volume_set_size(faulty, 10 * TRACK);
	assert_int_equal(read_tracks(), 3);
	last = track_sink_outcome(sink, 2);
	memset(expected, 0, TRACK);
	faulty_volume_expect(faulty, expected, 5, 2 * TRACK);
	assert_int_equal(last.state, TRACK_DATA);
	assert_memory_equal(last.data, expected, TRACK);
}

static void a_track_of_zeros_needs_no_slot(void **state)
{
	(void)state;
	prepare(4 * TRACK + 5, TRACK, 0, 5);
	faulty_volume_set_zeros(faulty, TRACK, 2 * TRACK);
	assert_int_equal(read_tracks(), 5);
	assert_int_equal(state_of(0), TRACK_DATA);
	assert_int_equal(state_of(1), TRACK_ZERO);
	assert_int_equal(state_of(2), TRACK_DATA);
	assert_int_equal(track_sink_count(sink).dropped, 1);
}

static void one_byte_makes_a_track_data(void **state)
{
	static const uint64_t places[] = { 0, 1, 100, TRACK - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		prepare(2 * TRACK, TRACK, 0, 2);
		/* All but one byte of track 0 or, in the end, of track 1. */
		if (places[i] < TRACK / 2)
			faulty_volume_set_zeros(faulty, places[i] + 1, 2 * TRACK);
		else
			faulty_volume_set_zeros(faulty, 0, TRACK + places[i]);
		assert_int_equal(read_tracks(), 2);
		assert_int_equal(state_of(0), places[i] < TRACK / 2 ? TRACK_DATA : TRACK_ZERO);
		assert_int_equal(state_of(1), places[i] < TRACK / 2 ? TRACK_ZERO : TRACK_DATA);
		tear_down(NULL);
	}
}

static void a_track_of_equal_bytes_is_data(void **state)
{
	(void)state;
	prepare(2 * TRACK, TRACK, 0, 2);
	faulty_volume_set_bytes(faulty, 0, 2 * TRACK, 'x');
	assert_int_equal(read_tracks(), 2);
	assert_data(0);
	assert_data(1);
}

static void holes_are_told_without_slot_and_read(void **state)
{
	(void)state;
	prepare(20 * TRACK, TRACK, 0, 20);
	/* From the middle of track 3 to the middle of track 15. */
	faulty_volume_set_hole(faulty, 3 * TRACK + 100, 15 * TRACK + 100);
	track_sink_set_slots(sink, 9);
	assert_int_equal(read_tracks(), 20);
	assert_data(3);
	for (uint64_t track = 4; track < 15; track++)
		assert_int_equal(state_of(track), TRACK_HOLE);
	assert_data(15);
	assert_int_equal(faulty_volume_count(faulty).reads, 2);
}

static void a_short_last_track_in_a_hole_is_a_hole(void **state)
{
	(void)state;
	prepare(4 * TRACK + 5, TRACK, 0, 5);
	faulty_volume_set_hole(faulty, TRACK, UINT64_MAX);
	assert_int_equal(read_tracks(), 5);
	assert_data(0);
	assert_int_equal(state_of(4), TRACK_HOLE);
	assert_int_equal(faulty_volume_count(faulty).reads, 1);
}

static void a_hole_that_was_cut_off_is_shrunk(void **state)
{
	(void)state;
	prepare(4 * TRACK, TRACK, 0, 4);
	faulty_volume_set_hole(faulty, 0, UINT64_MAX);
	faulty_volume_set_size(faulty, 2 * TRACK + 100);
	assert_int_equal(read_tracks(), 4);
	assert_int_equal(state_of(1), TRACK_HOLE);
	assert_int_equal(state_of(2), TRACK_SHRUNK);
	assert_int_equal(state_of(3), TRACK_SHRUNK);
}

static void an_error_marks_only_the_tracks_that_fail(void **state)
{
	(void)state;
	prepare(16 * TRACK, TRACK, 0, 16);
	faulty_volume_set_error(faulty, 5 * TRACK + 10, 6 * TRACK + 10, EIO);
	assert_int_equal(read_tracks(), 16);
	for (uint64_t track = 0; track < 16; track++) {
		if (track == 5 || track == 6)
			assert_int_equal(state_of(track), TRACK_EIO);
		else
			assert_data(track);
	}
	assert_int_equal(track_sink_count(sink).dropped, 2);
}

static void any_other_error_is_told_as_eio(void **state)
{
	(void)state;
	prepare(4 * TRACK, TRACK, 0, 4);
	faulty_volume_set_error(faulty, 0, TRACK, ENOMEDIUM);
	assert_int_equal(read_tracks(), 4);
	assert_int_equal(state_of(0), TRACK_EIO);
	assert_data(1);
}

static void tracks_beyond_the_present_end_are_shrunk(void **state)
{
	(void)state;
	prepare(8 * TRACK, TRACK, 0, 8);
	faulty_volume_set_size(faulty, 5 * TRACK + 4000);
	assert_int_equal(read_tracks(), 8);
	assert_data(4);
	for (uint64_t track = 5; track < 8; track++)
		assert_int_equal(state_of(track), TRACK_SHRUNK);
	assert_int_equal(track_sink_count(sink).dropped, 3);
}

static void shrinking_and_an_error_in_one_batch_are_told_apart(void **state)
{
	(void)state;
	prepare(8 * TRACK, TRACK, 0, 8);
	faulty_volume_set_size(faulty, 6 * TRACK);
	faulty_volume_set_error(faulty, 2 * TRACK, 2 * TRACK + 1, EIO);
	assert_int_equal(read_tracks(), 8);
	assert_data(1);
	assert_int_equal(state_of(2), TRACK_EIO);
	assert_data(5);
	assert_int_equal(state_of(6), TRACK_SHRUNK);
}

static void it_ends_short_when_slots_run_out(void **state)
{
	(void)state;
	prepare(16 * TRACK, TRACK, 0, 16);
	track_sink_set_slots(sink, 5);
	assert_int_equal(read_tracks(), 5);
	assert_data(4);
	assert_int_equal(state_of(5), TRACK_UNSET);
}

static void without_a_slot_nothing_is_read(void **state)
{
	(void)state;
	prepare(16 * TRACK, TRACK, 0, 16);
	track_sink_set_slots(sink, 0);
	assert_int_equal(read_tracks(), 0);
	assert_int_equal(faulty_volume_count(faulty).reads, 0);
}

static void what_is_not_wanted_any_more_is_dropped(void **state)
{
	(void)state;
	prepare(16 * TRACK, TRACK, 0, 16);
	wanted_times = 1 + 3; /* before the read, and for three tracks */
	assert_int_equal(read_tracks(), 3);
	assert_int_equal(track_sink_count(sink).published, 3);
	assert_int_equal(track_sink_count(sink).dropped, 13);
}

static void no_track_is_read_alone_for_nobody(void **state)
{
	(void)state;
	prepare(16 * TRACK, TRACK, 0, 16);
	faulty_volume_set_error(faulty, 0, 16 * TRACK, EIO);
	wanted_times = 1 + 2; /* before the batch, and for two tracks alone */
	assert_int_equal(read_tracks(), 0);
	assert_int_equal(faulty_volume_count(faulty).reads, 1 + 2);
	assert_int_equal(track_sink_count(sink).dropped, 16);
}

/* ---- Holes behind a read ---- */

static uint64_t holes_behind(uint64_t track)
{
	return track_sink_outcome(sink, track).hole_tracks;
}

static void a_last_track_that_is_a_hole_tells_of_those_behind_it(void **state)
{
	(void)state;
	prepare(100 * TRACK, TRACK, 0, 8);
	faulty_volume_set_hole(faulty, 5 * TRACK + 1, 50 * TRACK);
	assert_int_equal(read_tracks(), 8);
	assert_int_equal(state_of(6), TRACK_HOLE);
	assert_int_equal(holes_behind(6), 0);
	assert_int_equal(state_of(7), TRACK_HOLE);
	assert_int_equal(holes_behind(7), 42);
}

static void a_last_track_of_data_or_zeros_tells_of_those_behind_it(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		prepare(100 * TRACK, TRACK, 0, 8);
		faulty_volume_set_hole(faulty, 8 * TRACK, 50 * TRACK + 1);
		if (i > 0)
			faulty_volume_set_zeros(faulty, 7 * TRACK, 8 * TRACK);
		assert_int_equal(read_tracks(), 8);
		assert_int_equal(state_of(7), i == 0 ? TRACK_DATA : TRACK_ZERO);
		assert_int_equal(holes_behind(6), 0);
		assert_int_equal(holes_behind(7), 42);
		tear_down(NULL);
	}
}

static void behind_a_track_that_cannot_be_read_nothing_is_told(void **state)
{
	(void)state;
	prepare(100 * TRACK, TRACK, 0, 8);
	faulty_volume_set_hole(faulty, 8 * TRACK, 50 * TRACK);
	faulty_volume_set_error(faulty, 7 * TRACK, 7 * TRACK + 1, EIO);
	assert_int_equal(read_tracks(), 8);
	assert_int_equal(state_of(7), TRACK_EIO);
	assert_int_equal(holes_behind(7), 0);
}

static void a_hole_that_ends_with_the_read_tells_of_none(void **state)
{
	(void)state;
	prepare(100 * TRACK, TRACK, 0, 8);
	faulty_volume_set_hole(faulty, 0, 9 * TRACK - 1);
	assert_int_equal(read_tracks(), 8);
	assert_int_equal(state_of(7), TRACK_HOLE);
	assert_int_equal(holes_behind(7), 0);
}

static void data_behind_a_hole_ends_what_is_told_of(void **state)
{
	(void)state;
	prepare(100 * TRACK, TRACK, 0, 8);
	faulty_volume_set_hole(faulty, 0, 7 * TRACK);
	assert_int_equal(read_tracks(), 8);
	assert_int_equal(holes_behind(6), 0);
	assert_data(7);
}

static void only_whole_tracks_before_the_end_are_told_of(void **state)
{
	static const uint64_t ends[] = { 20 * TRACK, 20 * TRACK + 1, 21 * TRACK - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		prepare(100 * TRACK, TRACK, 4, 2);
		spec.end_bytes = ends[i];
		faulty_volume_set_hole(faulty, 0, UINT64_MAX);
		assert_int_equal(read_tracks(), 2);
		assert_int_equal(holes_behind(5), 14);
		tear_down(NULL);
	}
}

/* ---- Digests ---- */

static void prepare_digests(enum digest digest, uint64_t end_bytes, uint32_t track_bytes, uint32_t track_count)
{
	prepare(end_bytes, track_bytes, 0, track_count);
	spec.digest = digest;
	track_sink_set_digest(sink, digest);
	track_sink_set_slots(sink, 0);
}

/* Of the bytes that the volume has now. */
static void assert_digest_of(uint64_t track, size_t bytes)
{
	struct track_outcome outcome = track_sink_outcome(sink, track);
	uint8_t digest[DIGEST_BYTES_MAX];

	faulty_volume_expect(faulty, expected, bytes, track * spec.track_bytes);
	digester_compute(digester, spec.digest, expected, bytes, digest);
	assert_int_equal(outcome.state, TRACK_DATA);
	assert_int_equal(outcome.sequence, SEQUENCE);
	assert_memory_equal(outcome.digest, digest, digest_bytes(spec.digest));
}

static void every_track_is_published_with_its_digest_and_without_a_slot(void **state)
{
	static const enum digest digests[] = { DIGEST_XXH3_128, DIGEST_SHA256 };

	(void)state;
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		prepare_digests(digests[i], 600 * TRACK, TRACK, 600);
		assert_int_equal(read_tracks(), 600);
		for (uint64_t track = 0; track < 600; track++)
			assert_digest_of(track, TRACK);
		assert_int_equal(track_sink_count(sink).dropped, 0);
		tear_down(NULL);
	}
}

static void a_digest_ends_where_the_device_is_taken_to_end(void **state)
{
	(void)state;
	prepare_digests(DIGEST_XXH3_128, 8 * TRACK, TRACK, 3);
	spec.end_bytes = 2 * TRACK + 5;
	assert_int_equal(read_tracks(), 3);
	assert_digest_of(1, TRACK);
	assert_digest_of(2, 5);
}

static void zeros_holes_errors_and_a_volume_that_shrank_have_no_digest(void **state)
{
	(void)state;
	prepare_digests(DIGEST_XXH3_128, 40 * TRACK, TRACK, 40);
	faulty_volume_set_zeros(faulty, 2 * TRACK, 4 * TRACK);
	faulty_volume_set_hole(faulty, 10 * TRACK, 12 * TRACK);
	faulty_volume_set_error(faulty, 20 * TRACK, 20 * TRACK + 1, EIO);
	faulty_volume_set_size(faulty, 38 * TRACK + 7);
	assert_int_equal(read_tracks(), 40);
	for (uint64_t track = 0; track < 38; track++) {
		if (track == 2 || track == 3)
			assert_int_equal(state_of(track), TRACK_ZERO);
		else if (track == 10 || track == 11)
			assert_int_equal(state_of(track), TRACK_HOLE);
		else if (track == 20)
			assert_int_equal(state_of(track), TRACK_EIO);
		else
			assert_digest_of(track, TRACK);
	}
	assert_int_equal(state_of(38), TRACK_SHRUNK);
	assert_int_equal(state_of(39), TRACK_SHRUNK);
}

static void zeros_before_the_end_are_zeros_whatever_is_behind_it(void **state)
{
	(void)state;
	prepare_digests(DIGEST_XXH3_128, 8 * TRACK, TRACK, 2);
	spec.end_bytes = TRACK + 100;
	faulty_volume_set_zeros(faulty, TRACK, TRACK + 100);
	assert_int_equal(read_tracks(), 2);
	assert_int_equal(state_of(1), TRACK_ZERO);
}

static void digests_are_read_in_pieces_of_128_kib_or_one_track(void **state)
{
	static const struct {
		uint32_t track_bytes, tracks;
		unsigned reads;
	} cases[] = {
		{ 4 * KIB, 33, 2 },
		{ 64 * KIB, 3, 2 },
		{ 128 * KIB, 2, 2 },
		{ 1 * MIB, 2, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		prepare_digests(DIGEST_XXH3_128, (uint64_t)cases[i].tracks * cases[i].track_bytes, cases[i].track_bytes,
			cases[i].tracks);
		assert_int_equal(read_tracks(), cases[i].tracks);
		assert_int_equal(faulty_volume_count(faulty).reads, cases[i].reads);
		assert_digest_of(cases[i].tracks - 1, cases[i].track_bytes);
		tear_down(NULL);
	}
}

static void direct_reads_of_digests_are_of_1_mib(void **state)
{
	const char *parent = getenv("TMPDIR");
	char path[300];
	struct volume *direct;
	struct volume_info info;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/ra-da-read-XXXXXX", parent ? parent : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	prepare_digests(DIGEST_XXH3_128, 600 * TRACK, TRACK, 600);
	for (unsigned i = 0; i < 600; i++) {
		faulty_volume_expect(faulty, expected, TRACK, i * TRACK);
		assert_int_equal(write(fd, expected, TRACK), TRACK);
	}
	close(fd);
	direct = volume_new(path, IO_MODE_DIRECT);
	if (volume_open(direct, &info) == 0) {
		assert_true(volume_is_direct(direct));
		spec.volume = direct;
		assert_int_equal(read_tracks(), 600);
		assert_int_equal(volume_reads_ended(direct), 3);
		for (uint64_t track = 0; track < 600; track++)
			assert_digest_of(track, TRACK);
	}
	volume_close(direct);
	volume_free(direct);
	unlink(path);
	if (track_sink_count(sink).published == 0)
		skip(); /* no direct reads here */
}

static void digests_that_nobody_wants_are_not_read(void **state)
{
	(void)state;
	prepare_digests(DIGEST_XXH3_128, 100 * TRACK, TRACK, 100);
	wanted_times = 2 + 1; /* for the first piece, and before the second is read */
	assert_int_equal(read_tracks(), 32);
	assert_int_equal(track_sink_count(sink).published, 32);
	assert_int_equal(faulty_volume_count(faulty).reads, 2);
}

static void no_digest_is_read_alone_for_nobody(void **state)
{
	(void)state;
	prepare_digests(DIGEST_XXH3_128, 32 * TRACK, TRACK, 32);
	faulty_volume_set_error(faulty, 0, TRACK, EIO);
	wanted_times = 1 + 2; /* before the piece, and for two tracks alone */
	assert_int_equal(read_tracks(), 0);
	assert_int_equal(faulty_volume_count(faulty).reads, 1 + 2);
}

static void each_disk_read_that_ends_is_told(void **state)
{
	(void)state;
	prepare(16 * TRACK, TRACK, 0, 16);
	faulty_volume_set_hole(faulty, 8 * TRACK, 12 * TRACK);
	faulty_volume_set_error(faulty, 0, TRACK, EIO);
	assert_int_equal(read_tracks(), 16);
	assert_int_equal(reads_ended, 1 + 8 + 1);
	assert_int_equal(volume_reads_ended(volume), 1 + 8 + 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_track_is_published_with_its_data),
		TEST(short_reads_of_the_disk_change_nothing),
		cmocka_unit_test(batches_are_16_tracks_or_1_mib_and_never_above_4_mib),
		TEST(a_short_last_track_ends_in_zeros),
		TEST(what_grew_beyond_the_device_is_not_shown),
		TEST(a_track_of_zeros_needs_no_slot),
		cmocka_unit_test(one_byte_makes_a_track_data),
		TEST(a_track_of_equal_bytes_is_data),
		TEST(holes_are_told_without_slot_and_read),
		TEST(a_short_last_track_in_a_hole_is_a_hole),
		TEST(a_hole_that_was_cut_off_is_shrunk),
		TEST(an_error_marks_only_the_tracks_that_fail),
		TEST(any_other_error_is_told_as_eio),
		TEST(tracks_beyond_the_present_end_are_shrunk),
		TEST(shrinking_and_an_error_in_one_batch_are_told_apart),
		TEST(it_ends_short_when_slots_run_out),
		TEST(without_a_slot_nothing_is_read),
		TEST(what_is_not_wanted_any_more_is_dropped),
		TEST(no_track_is_read_alone_for_nobody),
		TEST(a_last_track_that_is_a_hole_tells_of_those_behind_it),
		cmocka_unit_test(a_last_track_of_data_or_zeros_tells_of_those_behind_it),
		TEST(behind_a_track_that_cannot_be_read_nothing_is_told),
		TEST(a_hole_that_ends_with_the_read_tells_of_none),
		TEST(data_behind_a_hole_ends_what_is_told_of),
		cmocka_unit_test(only_whole_tracks_before_the_end_are_told_of),
		cmocka_unit_test(every_track_is_published_with_its_digest_and_without_a_slot),
		TEST(a_digest_ends_where_the_device_is_taken_to_end),
		TEST(zeros_holes_errors_and_a_volume_that_shrank_have_no_digest),
		TEST(zeros_before_the_end_are_zeros_whatever_is_behind_it),
		cmocka_unit_test(digests_are_read_in_pieces_of_128_kib_or_one_track),
		TEST(direct_reads_of_digests_are_of_1_mib),
		TEST(digests_that_nobody_wants_are_not_read),
		TEST(no_digest_is_read_alone_for_nobody),
		TEST(each_disk_read_that_ends_is_told),
	};

	return cmocka_run_group_tests_name("da_read", tests, make_digester, free_digester);
}
