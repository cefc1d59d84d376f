/* SPDX-License-Identifier: Apache-2.0
 *
 * What is no ledger of these volumes is refused with words: any length, any flipped bit, and, with a checksum that is
 * right, every value that is out of its bounds. What is accepted has one form, and is small whatever the volume's size.
 */
#include "storage/ledger.h"

#include <endian.h>
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/track_set.h"

#define TRACK_BYTES 65536u
#define LARGE_TRACKS (UINT64_C(1) << 28) /* 16 TiB */
#define GROUP_TRACKS 4096u               /* of those */

static struct ledger_binding binding_of(uint64_t total_tracks)
{
	struct ledger_binding binding = {
		.device = "web1",
		.local_identity = "file 8:1:77",
		.remote_identity = "dm LVM-x",
		.local_bytes = total_tracks * TRACK_BYTES,
		.remote_bytes = total_tracks * TRACK_BYTES,
		.track_bytes = TRACK_BYTES,
		.digest = "data",
	};

	return binding;
}

/* 100 tracks, each a group. Two earlier runs; the last unfinished with two ranges of identical tracks and a different
 * one with two differences. */
static struct ledger *a_ledger(void)
{
	struct ledger_binding binding = binding_of(100);
	struct ledger *ledger = ledger_new(&binding, 100);
	struct ledger_range ranges[2] = {
		{ 50 * TRACK_BYTES, 512, 10, 3, 2, true }, { 50 * TRACK_BYTES + 1024, 512, 10, 3, 1, false },
	};
	struct ledger_counts counts = { 1, 2, 3 };

	for (int64_t run = 0; run < 2; run++) {
		ledger_begin_run(ledger, "", 1000 + run);
		ledger_identical(ledger, 0, 40, 1000 + run);
		ledger_different(ledger, 50, ranges, 2);
		ledger_end_run(ledger, 2000 + run);
	}
	ledger_begin_run(ledger, "opt", 3000);
	ledger_identical(ledger, 0, 10, 3001);
	ledger_identical(ledger, 20, 10, 3002);
	ledger_different(ledger, 50, ranges, 2);
	ledger_set_counts(ledger, &counts);
	return ledger;
}

static uint8_t *a_file(size_t *bytes)
{
	struct ledger *ledger = a_ledger();
	uint8_t *file = ledger_encode(ledger, bytes);

	ledger_free(ledger);
	return file;
}

static bool is_refused(const uint8_t *file, size_t bytes, char why[STATE_WHY_BYTES])
{
	struct ledger *ledger = (struct ledger *)&ledger;
	int rc = ledger_decode(file, bytes, &ledger, why);

	if (rc == 0) {
		size_t again_bytes;
		uint8_t *again = ledger_encode(ledger, &again_bytes);

		assert_int_equal(again_bytes, bytes);
		assert_memory_equal(again, file, bytes);
		free(again);
		ledger_free(ledger);
		return false;
	}
	assert_int_equal(rc, -EBADMSG);
	assert_null(ledger);
	assert_true(*why != '\0');
	return true;
}

/* With a head and checksum that are right. */
static bool is_content_refused(const uint8_t *content, size_t bytes, char why[STATE_WHY_BYTES])
{
	size_t file_bytes;
	uint8_t *file = state_wrap(STATE_LEDGER, LEDGER_VERSION, content, bytes, &file_bytes);
	bool is = is_refused(file, file_bytes, why);

	free(file);
	return is;
}

static uint8_t *a_content(size_t *bytes)
{
	size_t file_bytes;
	uint8_t *file = a_file(&file_bytes);
	const uint8_t *content;
	char why[STATE_WHY_BYTES];
	int rc = state_unwrap(STATE_LEDGER, LEDGER_VERSION, file, file_bytes, &content, bytes, why);

	assert_int_equal(rc, 0);
	memmove(file, content, *bytes);
	return file;
}

static void any_other_length_is_refused(void **state)
{
	size_t bytes;
	uint8_t *file = a_file(&bytes);
	char why[STATE_WHY_BYTES];

	(void)state;
	assert_false(is_refused(file, bytes, why));
	for (size_t length = 0; length < bytes; length++)
		assert_true(is_refused(file, length, why));
	file = realloc(file, bytes + 1);
	file[bytes] = 0;
	assert_true(is_refused(file, bytes + 1, why));
	free(file);
}

static void any_flipped_bit_is_seen(void **state)
{
	size_t bytes;
	uint8_t *file = a_file(&bytes);
	char why[STATE_WHY_BYTES];

	(void)state;
	for (size_t bit = 0; bit < bytes * 8; bit++) {
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(is_refused(file, bytes, why));
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(file);
}

static void another_kind_or_version_is_refused(void **state)
{
	size_t bytes, file_bytes;
	uint8_t *content = a_content(&bytes), *file;
	char why[STATE_WHY_BYTES];

	(void)state;
	file = state_wrap(STATE_INVALID, LEDGER_VERSION, content, bytes, &file_bytes);
	assert_true(is_refused(file, file_bytes, why));
	free(file);
	file = state_wrap(STATE_LEDGER, LEDGER_VERSION + 1, content, bytes, &file_bytes);
	assert_true(is_refused(file, file_bytes, why));
	assert_string_equal(why, "it has version 2, known here is 1");
	free(file);
	free(content);
}

static void content_of_any_other_length_is_refused(void **state)
{
	size_t bytes;
	uint8_t *content = a_content(&bytes);
	char why[STATE_WHY_BYTES];

	(void)state;
	assert_false(is_content_refused(content, bytes, why));
	for (size_t length = 0; length < bytes; length++) {
		assert_true(is_content_refused(content, length, why));
		assert_non_null(strstr(why, "too early"));
	}
	content[bytes] = 0;
	assert_true(is_content_refused(content, bytes + 1, why));
	assert_string_equal(why, "there is more in it than it says");
	free(content);
}

/* Each byte becomes many values: refused with words, or a ledger of just these bytes. */
static void any_byte_with_a_right_checksum_is_refused_or_is_what_it_says(void **state)
{
	size_t bytes, accepted = 0, refused = 0;
	uint8_t *content = a_content(&bytes);
	char why[STATE_WHY_BYTES];

	(void)state;
	for (size_t i = 0; i < bytes; i++) {
		uint8_t was = content[i];

		for (unsigned value = 0; value < 256; value += 15) {
			content[i] = (uint8_t)value;
			*(is_content_refused(content, bytes, why) ? &refused : &accepted) += 1;
		}
		content[i] = was;
	}
	assert_true(accepted > 100 && refused > 100);
	free(content);
}

/* ---- Where values stand in the content of a_ledger ---- */

enum place {
	TRACK_SIZE = 0, IS_COMMON = 4, DEVICE = 5, LOCAL_IDENTITY = DEVICE + 2 + 4,
	REMOTE_IDENTITY = LOCAL_IDENTITY + 2 + 11, DIGEST = REMOTE_IDENTITY + 2 + 8, LOCAL_BYTES = DIGEST + 2 + 4,
	LOCAL_OFFSET = LOCAL_BYTES + 16, REMOTE_OFFSET = LOCAL_OFFSET + 8, TOTAL_TRACKS = REMOTE_OFFSET + 8,
	LAST_ENDED = TOTAL_TRACKS + 8,
	/* 10 at 3001, 10 at 1001, 10 at 3002, 10 at 1001, 60 never */
	PROOF = LAST_ENDED + 8, PAST_RUNS = PROOF + 5 * 12, PAST = PAST_RUNS + 1,
	HAS_RUN = PAST + 2 * (4 + 2 * 16), OPTIONS = HAS_RUN + 1, STARTED = OPTIONS + 2 + 3, HOLES = STARTED + 8,
	SETTLED = HOLES + 8, ELAPSED = SETTLED + 8, IDENTICAL = ELAPSED + 8, DIFFERENT = IDENTICAL + 4 + 2 * 16,
	RANGES = DIFFERENT + 4 + 16,
};

static void each_value_out_of_its_bounds_is_named(void **state)
{
	static const struct {
		size_t at, bytes;
		uint64_t value;
		const char *words;
	} cases[] = {
		{ TRACK_SIZE, 4, 0, "its sizes are out of bounds" },
		{ TRACK_SIZE, 4, 65535, "its sizes are out of bounds" },
		{ TRACK_SIZE, 4, 2048, "its sizes are out of bounds" },
		{ TRACK_SIZE, 4, 2 * MIB, "its sizes are out of bounds" },
		{ IS_COMMON, 1, 2, "a flag is out of bounds" },
		{ DEVICE, 2, LEDGER_TEXT_BYTES, "there are too many bytes in the device" },
		{ DEVICE + 3, 1, 0, "there is a NUL in the device" },
		{ LOCAL_IDENTITY, 2, LEDGER_TEXT_BYTES, "there are too many bytes in the local identity" },
		{ REMOTE_IDENTITY + 2, 1, 0, "there is a NUL in the remote identity" },
		{ DIGEST, 2, 32, "there are too many bytes in the digest" },
		{ LOCAL_OFFSET, 8, UINT64_MAX - 1000, "its sizes are out of bounds" },
		{ REMOTE_OFFSET, 8, UINT64_MAX - 1000, "its sizes are out of bounds" },
		{ TOTAL_TRACKS, 8, UINT64_MAX / 65536 + 1, "its sizes are out of bounds" },
		{ TOTAL_TRACKS, 8, 99, "the groups of a time of proof are out of bounds" },
		{ LAST_ENDED, 8, UINT64_C(1) << 63, "the end of the last run is out of bounds" },
		{ LAST_ENDED, 8, 0, "an earlier run has no ranges, or no end" },
		{ PROOF, 4, 0, "the groups of a time of proof are out of bounds" },
		{ PROOF, 4, 101, "the groups of a time of proof are out of bounds" },
		{ PROOF + 4, 8, 1001, "the groups of a time of proof are out of bounds" }, /* as the next: one stretch */
		{ PROOF + 4, 8, UINT64_MAX, "a time of proof is out of bounds" },
		{ PAST_RUNS, 1, 0x80 + LEDGER_HISTORY_RUNS + 1, "the number of earlier runs is out of bounds" },
		{ PAST_RUNS, 1, LEDGER_HISTORY_RUNS + 1, "the number of earlier runs is out of bounds" },
		{ PAST, 4, 0, "an earlier run has no ranges, or no end" },
		{ PAST, 4, LEDGER_HISTORY_RANGES + 1, "the number of ranges of an earlier run is out of bounds" },
		{ PAST + 4, 8, 100 * TRACK_BYTES, "a range of an earlier run is out of bounds" },
		{ PAST + 4, 8, UINT64_MAX, "a range of an earlier run is out of bounds" },
		{ PAST + 12, 8, 0, "a range of an earlier run is out of bounds" },
		{ PAST + 12, 8, 1024, "a range of an earlier run is out of bounds" }, /* touches the next */
		{ PAST + 28, 8, UINT64_MAX, "a range of an earlier run is out of bounds" },
		{ HAS_RUN, 1, 2, "a flag is out of bounds" },
		{ HAS_RUN, 1, 0, "there is more in it than it says" },
		{ OPTIONS + 2, 1, 0, "there is a NUL in the run's options" },
		{ STARTED, 8, UINT64_MAX, "the run's start is out of bounds" },
		{ HOLES, 8, 100 * TRACK_BYTES + 1, "the number of bytes of holes is out of bounds" },
		{ SETTLED, 8, 101, "the number of settled tracks is out of bounds" },
		{ ELAPSED, 8, UINT64_MAX, "the run's time is out of bounds" },
		{ IDENTICAL, 4, LEDGER_RANGES_MAX + 1, "the ranges of the identical tracks are too many" },
		{ IDENTICAL + 4, 8, 30, "the identical tracks are not in order" },
		{ IDENTICAL + 12, 8, 20, "the identical tracks are not in order" }, /* touches the next */
		{ IDENTICAL + 28, 8, 81, "the identical tracks are out of bounds" },
		{ IDENTICAL + 28, 8, 31, "a track is identical and different" },
		{ DIFFERENT + 4, 8, 100, "the different tracks are out of bounds" },
		{ DIFFERENT + 12, 8, 0, "the different tracks are not in order" },
		{ DIFFERENT + 4, 8, 51, "a difference is out of bounds" },
		{ RANGES, 4, LEDGER_RANGES_MAX + 1, "the number of differences is out of bounds" },
		{ RANGES + 4, 8, 51 * TRACK_BYTES, "a difference is out of bounds" },
		{ RANGES + 12, 8, 0, "a difference is out of bounds" },
		{ RANGES + 12, 8, 1025, "a difference is out of bounds" }, /* laps over the next */
		{ RANGES + 12, 8, UINT64_MAX, "a difference is out of bounds" },
		{ RANGES + 4 + 24 + 8, 8, TRACK_BYTES - 1023, "a difference is out of bounds" }, /* ends in the next track */
		{ RANGES + 4 + 22, 1, 3, "the shape of a difference is out of bounds" },
		{ RANGES + 4 + 23, 1, 2, "a flag is out of bounds" },
	};
	size_t bytes;
	uint8_t *content = a_content(&bytes), *changed;
	char why[STATE_WHY_BYTES];

	(void)state;
	assert_int_equal(bytes, RANGES + 4 + 2 * 24);
	changed = malloc(bytes);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t little = htole64(cases[i].value);

		memcpy(changed, content, bytes);
		memcpy(changed + cases[i].at, &little, cases[i].bytes);
		assert_true(is_content_refused(changed, bytes, why));
		assert_string_equal(why, cases[i].words);
	}
	free(changed);
	free(content);
}

/* ---- Whether it fits ---- */

static void what_does_not_fit_is_named_with_both_values(void **state)
{
	struct ledger *ledger = a_ledger();
	struct ledger_binding bindings[10];
	static const char *const words[10] = {
		"the device is other, it is of web1",
		"the local volume is file 8:1:78, it is of file 8:1:77",
		"the remote volume is dm LVM-y, it is of dm LVM-x",
		"the local size is 1, it is of 6553600",
		"the remote size is 2, it is of 6553600",
		"the local offset is 3, it is of 0",
		"the remote offset is 4, it is of 0",
		"the track size is 4096, it is of 65536",
		"the part compared is the common part, it is of all of both",
		"what is compared is xxh3, it is of data",
	};
	char why[STATE_WHY_BYTES];

	(void)state;
	for (size_t i = 0; i < 10; i++)
		bindings[i] = binding_of(100);
	assert_true(ledger_fits(ledger, &bindings[0], why));
	strcpy(bindings[0].device, "other");
	strcpy(bindings[1].local_identity, "file 8:1:78");
	strcpy(bindings[2].remote_identity, "dm LVM-y");
	bindings[3].local_bytes = 1;
	bindings[4].remote_bytes = 2;
	bindings[5].local_offset = 3;
	bindings[6].remote_offset = 4;
	bindings[7].track_bytes = 4096;
	bindings[8].is_common = true;
	strcpy(bindings[9].digest, "xxh3");
	for (size_t i = 0; i < 10; i++) {
		assert_false(ledger_fits(ledger, &bindings[i], why));
		assert_string_equal(why, words[i]);
	}
	/* Long names leave room for each other. */
	memset(bindings[0].device, 'd', sizeof(bindings[0].device) - 1);
	assert_false(ledger_fits(ledger, &bindings[0], why));
	assert_non_null(strstr(why, "it is of web1"));
	assert_string_equal(ledger_binding(ledger)->device, "web1");
	ledger_free(ledger);
}

/* ---- Sizes ---- */

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void differs(struct ledger *ledger, uint64_t track, uint64_t at)
{
	struct ledger_range range = { track * TRACK_BYTES + at, 512, 1500, 3, 2, true };

	ledger_different(ledger, track, &range, 1);
}

static struct ledger *through_a_file(struct ledger *ledger, size_t *file_bytes)
{
	struct ledger *out;
	char why[STATE_WHY_BYTES];
	uint8_t *file = ledger_encode(ledger, file_bytes);

	assert_true(*file_bytes <= LEDGER_BYTES_MAX);
	assert_false(is_refused(file, *file_bytes, why));
	assert_int_equal(ledger_decode(file, *file_bytes, &out, why), 0);
	free(file);
	ledger_free(ledger);
	return out;
}

static void a_large_volume_proven_in_one_go_needs_little(void **state)
{
	size_t before = in_use(), bytes;
	struct ledger_binding binding = binding_of(LARGE_TRACKS);
	struct ledger *ledger = ledger_new(&binding, LARGE_TRACKS);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	for (uint64_t track = 0; track < LARGE_TRACKS; track += GROUP_TRACKS)
		ledger_identical(ledger, track, GROUP_TRACKS, 1001 + (int64_t)(track / GROUP_TRACKS / 1000));
	assert_true(in_use() - before < 2 * MIB);
	ledger = through_a_file(ledger, &bytes);
	assert_true(bytes < 2 * KIB);
	assert_int_equal(ledger_group_proven(ledger, 65535), 1001 + 65);
	ledger_free(ledger);
}

static void the_fullest_ledger_there_can_be_fits(void **state)
{
	struct ledger_binding binding = binding_of(LARGE_TRACKS);
	struct ledger *ledger = ledger_new(&binding, LARGE_TRACKS);
	char options[LEDGER_TEXT_BYTES];
	size_t bytes;

	(void)state;
	for (uint64_t run = 0; run < LEDGER_HISTORY_RUNS; run++) {
		ledger_begin_run(ledger, "", 1000);
		for (uint64_t i = 0; i < LEDGER_HISTORY_RANGES; i++)
			differs(ledger, i, run * 1024);
		ledger_end_run(ledger, 2000);
	}
	ledger_begin_run(ledger, "", 1000);
	for (uint64_t group = 0; group < 65536; group++)
		ledger_identical(ledger, group * GROUP_TRACKS, GROUP_TRACKS, 1001 + (int64_t)group % 2);
	memset(options, 'o', sizeof(options) - 1);
	options[sizeof(options) - 1] = '\0';
	ledger_begin_run(ledger, options, 1000);
	for (uint64_t i = 0; i < LEDGER_RANGES_MAX; i++) {
		ledger_identical(ledger, 4 * i, 1, 1001);
		differs(ledger, 4 * i + 2, 512);
	}
	ledger = through_a_file(ledger, &bytes);
	assert_true(bytes > 2 * MIB);
	assert_int_equal(track_set_ranges(ledger_run_identical(ledger)), LEDGER_RANGES_MAX);
	assert_int_equal(ledger_run_range_count(ledger), LEDGER_RANGES_MAX);
	assert_true(ledger_differed_before(ledger, 1023 * TRACK_BYTES + 7 * 1024, 1));
	ledger_free(ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_other_length_is_refused),
		cmocka_unit_test(any_flipped_bit_is_seen),
		cmocka_unit_test(another_kind_or_version_is_refused),
		cmocka_unit_test(content_of_any_other_length_is_refused),
		cmocka_unit_test(any_byte_with_a_right_checksum_is_refused_or_is_what_it_says),
		cmocka_unit_test(each_value_out_of_its_bounds_is_named),
		cmocka_unit_test(a_large_volume_proven_in_one_go_needs_little),
		cmocka_unit_test(the_fullest_ledger_there_can_be_fits),
		cmocka_unit_test(what_does_not_fit_is_named_with_both_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
