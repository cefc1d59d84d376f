/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a difference lies: the record LAYOUT, good and odd, places in it, and the commands, with a sysfs made for the
 * test. Whether the commands work is in tests/functional/partitioned_images.sh.
 */
#include "primary/compare/where.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/volume_info.h"

#define BLOCK (4ull * KIB)

static struct volume_info local;
static struct where *where;
static struct where_place place;

/* Partitions 1 (ext4), 2 (xfs), 3 (swap), 5 (nothing known), each 16 MiB, with 1 MiB between them. */
static const char partitions[] = "["
	"{\"partition\":1,\"start\":1048576,\"bytes\":16777216,\"filesystem\":\"ext4\",\"block_size\":4096},"
	"{\"partition\":2,\"start\":18874368,\"bytes\":16777216,\"filesystem\":\"xfs\",\"block_size\":1024},"
	"{\"partition\":3,\"start\":36700160,\"bytes\":16777216,\"type\":\"0x82\",\"filesystem\":\"swap\"},"
	"{\"partition\":5,\"start\":54525952,\"bytes\":16777216}]";
#define START_1 (1ull * MIB)
#define START_2 (18ull * MIB)
#define START_3 (35ull * MIB)
#define START_5 (52ull * MIB)
#define PART (16ull * MIB)

static const char whole[] =
	"[{\"partition\":0,\"start\":0,\"bytes\":1073741824,\"filesystem\":\"ext4\",\"block_size\":1024}]";

static int begin(void **state)
{
	(void)state;
	memset(&local, 0, sizeof(local));
	local.kind = VOLUME_KIND_FILE;
	return 0;
}

static void make(const char *record, const char *path)
{
	where = where_new((const uint8_t *)record, strlen(record), &local, path, "/nowhere");
}

static int end(void **state)
{
	(void)state;
	where_free(where);
	where = NULL;
	return 0;
}

/* What is printed of a range. */
static void assert_printed(uint64_t offset, uint64_t length, const char *text, const char *json)
{
	char *got = NULL;
	size_t bytes = 0;
	FILE *out;

	assert_true(where_find(where, offset, length, &place));
	out = open_memstream(&got, &bytes);
	where_print(&place, out);
	fclose(out);
	assert_string_equal(got, text);
	free(got);
	out = open_memstream(&got, &bytes);
	where_print_json(&place, out);
	fclose(out);
	assert_string_equal(got, json);
	free(got);
}

static void assert_commands(const char *const *expected, size_t count)
{
	json_t *commands = where_commands(where);

	for (size_t i = 0; i < count && i < json_array_size(commands); i++)
		assert_string_equal(json_string_value(json_array_get(commands, i)), expected[i]);
	assert_int_equal(json_array_size(commands), count);
	json_decref(commands);
}

#define ASSERT_COMMANDS(...) \
	assert_commands((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* ---- Places ---- */

static void a_range_is_named_by_partition_file_system_and_block(void **state)
{
	(void)state;
	make(partitions, "p");
	assert_printed(START_1 + 5 * BLOCK + 7, 1, " (partition 1, ext4 block 5)",
		", \"partition\": 1, \"filesystem\": \"ext4\", \"first_block\": 5, \"last_block\": 5");
	assert_int_equal(place.offset_bytes, 5 * BLOCK + 7);
	assert_printed(START_2 + 1023, 2, " (partition 2, xfs blocks 0 to 1)",
		", \"partition\": 2, \"filesystem\": \"xfs\", \"first_block\": 0, \"last_block\": 1");
	assert_printed(START_1 + PART - 1, 1, " (partition 1, ext4 block 4095)",
		", \"partition\": 1, \"filesystem\": \"ext4\", \"first_block\": 4095, \"last_block\": 4095");
}

static void without_a_block_size_the_byte_is_named(void **state)
{
	(void)state;
	make(partitions, "p");
	assert_printed(START_3 + 9, 5, " (partition 3, swap, byte 9)", ", \"partition\": 3, \"filesystem\": \"swap\"");
	assert_printed(START_5, 5, " (partition 5, byte 0)", ", \"partition\": 5");
	assert_false(place.has_blocks);
}

static void a_file_system_on_the_whole_volume_has_no_partition(void **state)
{
	(void)state;
	make(whole, "p");
	assert_printed(4096, 1, " (ext4 block 4)", ", \"filesystem\": \"ext4\", \"first_block\": 4, \"last_block\": 4");
}

static void between_partitions_nothing_is_known(void **state)
{
	(void)state;
	make(partitions, "p");
	assert_false(where_find(where, 0, START_1, &place));
	assert_false(where_find(where, START_1 + PART, MIB, &place));
	assert_false(where_find(where, START_5 + PART, MIB, &place));
	assert_true(where_find(where, START_1 + PART - 1, 1, &place));
}

static void a_range_that_goes_on_outside_says_so(void **state)
{
	(void)state;
	make(partitions, "p");
	assert_printed(START_1 - 100, BLOCK, " (partition 1, ext4 block 0, and beyond)",
		", \"partition\": 1, \"filesystem\": \"ext4\", \"first_block\": 0, \"last_block\": 0");
	assert_int_equal(place.offset_bytes, 0);
	assert_printed(START_1 + PART - 1, 2, " (partition 1, ext4 block 4095, and beyond)",
		", \"partition\": 1, \"filesystem\": \"ext4\", \"first_block\": 4095, \"last_block\": 4095");
	/* One byte more and it reaches the first of them only. */
	assert_printed(0, 100 * MIB, " (partition 1, ext4 blocks 0 to 4095, and beyond)",
		", \"partition\": 1, \"filesystem\": \"ext4\", \"first_block\": 0, \"last_block\": 4095");
	assert_printed(START_1, PART, " (partition 1, ext4 blocks 0 to 4095)",
		", \"partition\": 1, \"filesystem\": \"ext4\", \"first_block\": 0, \"last_block\": 4095");
}

static void offsets_count_from_the_beginning_of_the_part(void **state)
{
	(void)state;
	local.offset_bytes = 2 * MIB;
	make(partitions, "p");
	assert_printed(0, 1, " (partition 1, ext4 block 256)",
		", \"partition\": 1, \"filesystem\": \"ext4\", \"first_block\": 256, \"last_block\": 256");
}

static void of_two_around_it_the_smaller_is_named(void **state)
{
	(void)state;
	make("[{\"partition\":0,\"start\":0,\"bytes\":67108864,\"filesystem\":\"iso9660\"},"
	     "{\"partition\":2,\"start\":1048576,\"bytes\":1048576,\"filesystem\":\"vfat\"}]", "p");
	assert_printed(MIB, 1, " (partition 2, vfat, byte 0)", ", \"partition\": 2, \"filesystem\": \"vfat\"");
	assert_printed(MIB - 1, 1, " (iso9660, byte 1048575)", ", \"filesystem\": \"iso9660\"");
}

/* ---- The record ---- */

static void a_record_that_is_none_says_nothing(void **state)
{
	const char *const records[] = { "", "[", "{}", "null", "[1, \"a\", null, [], {}]", "[{\"partition\":1}]" };

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		make(records[i], "p");
		assert_false(where_find(where, 0, UINT32_MAX, &place));
		where_note(where, 0, 1);
		assert_commands(NULL, 0);
		where_free(where);
	}
	where = where_new(NULL, 0, &local, "p", "/nowhere");
	assert_false(where_find(where, 0, UINT32_MAX, &place));
}

static void odd_entries_are_left_out(void **state)
{
	const char *const odd[] = {
		"{\"partition\":-1,\"start\":0,\"bytes\":4096}",
		"{\"partition\":4294967296,\"start\":0,\"bytes\":4096}",
		"{\"partition\":1,\"start\":-512,\"bytes\":4096}",
		"{\"partition\":1,\"start\":0,\"bytes\":0}",
		"{\"partition\":1,\"start\":0,\"bytes\":-1}",
		"{\"partition\":1,\"start\":1,\"bytes\":4096}",
		"{\"partition\":1,\"start\":\"0\",\"bytes\":4096}",
		"{\"partition\":1,\"start\":0.0,\"bytes\":4096}",
		"{\"partition\":0,\"start\":0,\"bytes\":4096}",
		"{\"partition\":0,\"start\":0,\"bytes\":4096,\"filesystem\":\"\"}",
		"{\"partition\":0,\"start\":0,\"bytes\":4096,\"filesystem\":\"a\\\"b\"}",
		"{\"partition\":0,\"start\":0,\"bytes\":4096,\"filesystem\":\"a\\u001bb\"}",
		"{\"partition\":0,\"start\":0,\"bytes\":4096,\"filesystem\":\"1234567890123456789012345678901234567890\"}",
	};
	char record[400];

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		snprintf(record, sizeof(record), "[%s,{\"partition\":7,\"start\":8192,\"bytes\":512}]", odd[i]);
		make(record, "p");
		assert_false(where_find(where, 0, 8192, &place));
		assert_true(where_find(where, 8192, 1, &place));
		assert_int_equal(place.partition, 7);
		where_free(where);
	}
	where = NULL;
}

static void an_odd_block_size_is_not_known(void **state)
{
	const char *const odd[] = { "0", "-4096", "256", "4097", "131072", "\"4096\"", "4096.0" };
	char record[200];

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		snprintf(record, sizeof(record),
			"[{\"partition\":0,\"start\":0,\"bytes\":1048576,\"filesystem\":\"ext4\",\"block_size\":%s}]", odd[i]);
		make(record, "p");
		assert_printed(4096, 1, " (ext4, byte 4096)", ", \"filesystem\": \"ext4\"");
		where_note(where, 4096, 1);
		assert_commands(NULL, 0);
		where_free(where);
	}
	where = NULL;
}

static void the_largest_numbers_do_not_overflow(void **state)
{
	(void)state;
	make("[{\"partition\":4294967295,\"start\":9223372036854775296,\"bytes\":9223372036854775807,"
	     "\"filesystem\":\"ext4\",\"block_size\":1024}]", "p");
	assert_true(where_find(where, INT64_MAX, 1024, &place));
	assert_int_equal(place.offset_bytes, 511);
	assert_int_equal(place.last_block, 1);
}

static void more_entries_than_there_is_room_for_are_left_out(void **state)
{
	char *record = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&record, &bytes);

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		fprintf(out, "%s{\"partition\":%u,\"start\":%u,\"bytes\":512}", i > 0 ? "," : "[", i + 1, i * 512);
	fputc(']', out);
	fclose(out);
	make(record, "p");
	assert_true(where_find(where, 127 * 512, 1, &place));
	assert_int_equal(place.partition, 128);
	assert_false(where_find(where, 128 * 512, 1, &place));
	free(record);
}

/* ---- Commands ---- */

static void nothing_noted_is_nothing_to_do(void **state)
{
	(void)state;
	make(partitions, "p");
	assert_commands(NULL, 0);
	where_note(where, 0, 1);
	where_note(where, START_3, 1);
	where_note(where, START_5, 1);
	assert_commands(NULL, 0);
}

static void ext4_is_asked_with_its_offset(void **state)
{
	(void)state;
	make(partitions, "/a b/p");
	where_note(where, START_1 + 7 * BLOCK, 3 * BLOCK);
	ASSERT_COMMANDS("debugfs -R \"icheck 7\" '/a b/p?offset=1048576'");
	where_free(where);
	make(whole, "p");
	where_note(where, 7 * BLOCK, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 28\" 'p'");
	where_free(where);
	/* It may begin with the part. */
	local.offset_bytes = MIB;
	make("[{\"partition\":0,\"start\":1048576,\"bytes\":16777216,\"filesystem\":\"ext2\",\"block_size\":4096}]", "p");
	where_note(where, BLOCK, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 1\" 'p?offset=1048576'");
}

static void xfs_in_a_file_needs_a_loop_device(void **state)
{
	(void)state;
	make(partitions, "p");
	where_note(where, START_2 + 10 * BLOCK + 1, 1);
	ASSERT_COMMANDS("loop=$(losetup --find --show --read-only --offset 18874368 --sizelimit 16777216 'p')",
		"xfs_db -r -c \"blockget -n\" -c \"daddr 80\" -c \"blockuse -n\" \"$loop\"", "losetup -d \"$loop\"");
	where_free(where);
	make("[{\"partition\":0,\"start\":0,\"bytes\":16777216,\"filesystem\":\"xfs\",\"block_size\":4096}]", "p");
	where_note(where, 10 * BLOCK + 1, 1);
	ASSERT_COMMANDS("xfs_db -r -c \"blockget -n\" -c \"daddr 80\" -c \"blockuse -n\" 'p'");
}

static void each_file_system_has_one_command_for_five_blocks_in_all(void **state)
{
	(void)state;
	make(partitions, "p");
	where_note(where, START_1 + 1 * BLOCK, 1);
	where_note(where, START_1 + 1 * BLOCK + 100, 1);
	where_note(where, START_1 + 3 * BLOCK, 1);
	where_note(where, START_2 + 1 * BLOCK, 1);
	where_note(where, START_2 + 3 * BLOCK, 1);
	where_note(where, START_1 + 9 * BLOCK, 1);
	where_note(where, START_1 + 10 * BLOCK, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 1 3 9\" 'p?offset=1048576'",
		"loop=$(losetup --find --show --read-only --offset 18874368 --sizelimit 16777216 'p')",
		"xfs_db -r -c \"blockget -n\" -c \"daddr 8\" -c \"blockuse -n\" -c \"daddr 24\" -c \"blockuse -n\" \"$loop\"",
		"losetup -d \"$loop\"");
}

static void a_path_is_one_word_for_a_shell(void **state)
{
	(void)state;
	make(whole, "/it's $(a) `b`\\");
	where_note(where, 0, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 0\" '/it'\\''s $(a) `b`\\'");
	where_free(where);
	make(whole, "-p");
	where_note(where, 0, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 0\" './-p'");
	where_free(where);
	/* debugfs would take what follows for options. */
	make(partitions, "p?q");
	where_note(where, START_1, 1);
	ASSERT_COMMANDS("loop=$(losetup --find --show --read-only --offset 1048576 --sizelimit 16777216 'p?q')",
		"debugfs -R \"icheck 0\" \"$loop\"", "losetup -d \"$loop\"");
	where_free(where);
	make(whole, "p?q");
	where_note(where, 0, 1);
	ASSERT_COMMANDS("loop=$(losetup --find --show --read-only 'p?q')", "debugfs -R \"icheck 0\" \"$loop\"",
		"losetup -d \"$loop\"");
}

static void no_command_is_made_of_a_path_that_cannot_be_shown(void **state)
{
	const char *const paths[] = { "a\nb", "a\033b", "a\177", "a\xff", "a\xc2\x9b" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		make(partitions, paths[i]);
		where_note(where, START_1, 1);
		where_note(where, START_2, 1);
		assert_commands(NULL, 0);
		where_free(where);
	}
	make(whole, "gr\xc3\xbc\xc3\x9f");
	where_note(where, 0, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 0\" 'gr\xc3\xbc\xc3\x9f'");
}

static void put_file(const char *directory, const char *name, const char *text)
{
	char path[500];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void a_partition_of_a_device_is_named_by_its_own(void **state)
{
	const char *parent = getenv("TMPDIR");
	char sys[300], path[400], line[600];

	(void)state;
	snprintf(sys, sizeof(sys), "%s/ra-where-XXXXXX", parent ? parent : "/tmp");
	assert_non_null(mkdtemp(sys));
	snprintf(line, sizeof(line), "cd %s && mkdir -p dev/block/104:16 && cd dev/block/104:16 && "
		"mkdir 'cciss!c0d1p1' 'cciss!c0d1p2' other", sys);
	assert_int_equal(system(line), 0);
	snprintf(path, sizeof(path), "%s/dev/block/104:16/cciss!c0d1p1", sys);
	put_file(path, "start", "2048\n");
	snprintf(path, sizeof(path), "%s/dev/block/104:16/cciss!c0d1p2", sys);
	put_file(path, "start", "4096\n"); /* an old table: it is elsewhere now */
	local.kind = VOLUME_KIND_BLOCK;
	local.device_id = makedev(104, 16);
	where = where_new((const uint8_t *)partitions, strlen(partitions), &local, "/dev/cciss/c0d1", sys);
	where_note(where, START_1, 1);
	where_note(where, START_2, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 0\" '/dev/cciss/c0d1p1'",
		"loop=$(losetup --find --show --read-only --offset 18874368 --sizelimit 16777216 '/dev/cciss/c0d1')",
		"xfs_db -r -c \"blockget -n\" -c \"daddr 0\" -c \"blockuse -n\" \"$loop\"", "losetup -d \"$loop\"");
	where_free(where);
	snprintf(path, sizeof(path), "%s/dev/block/104:16/cciss!c0d1p2", sys);
	put_file(path, "start", "36864\n");
	where = where_new((const uint8_t *)partitions, strlen(partitions), &local, "/dev/cciss/c0d1", sys);
	where_note(where, START_2, 1);
	ASSERT_COMMANDS("xfs_db -r -c \"blockget -n\" -c \"daddr 0\" -c \"blockuse -n\" '/dev/cciss/c0d1p2'");
	where_free(where);
	/* A file is not looked for, whatever its file system's number. */
	local.kind = VOLUME_KIND_FILE;
	where = where_new((const uint8_t *)partitions, strlen(partitions), &local, "p", sys);
	where_note(where, START_1, 1);
	ASSERT_COMMANDS("debugfs -R \"icheck 0\" 'p?offset=1048576'");
	snprintf(line, sizeof(line), "rm -rf %s", sys);
	assert_int_equal(system(line), 0);
}

static void drbd_verifies_the_first_range(void **state)
{
	(void)state;
	local.kind = VOLUME_KIND_BLOCK;
	local.device_id = makedev(147, 3);
	local.offset_bytes = MIB;
	make("[]", "/dev/drbd3");
	assert_commands(NULL, 0);
	where_note(where, 4095, 2);
	where_note(where, 65536, 1);
	ASSERT_COMMANDS("drbdadm verify --start=2048s --stop=2064s minor-3");
	where_free(where);
	make("[]", "/dev/drbd3");
	where_note(where, 4096, 4096);
	ASSERT_COMMANDS("drbdadm verify --start=2056s --stop=2064s minor-3");
	where_free(where);
	local.kind = VOLUME_KIND_FILE;
	make("[]", "p");
	where_note(where, 4096, 4096);
	assert_commands(NULL, 0);
}

static void lines_say_what_to_do_next(void **state)
{
	char *got = NULL;
	size_t bytes = 0;
	FILE *out;

	(void)state;
	make(whole, "p");
	where_note(where, 1024, 1);
	out = open_memstream(&got, &bytes);
	where_print_commands(where, out);
	fclose(out);
	assert_string_equal(got, "next: debugfs -R \"icheck 1\" 'p'\n"
		"note: the same debugfs with \"ncheck INODE\" names the file of an inode that icheck has found\n");
	free(got);
	where_free(where);
	make("[{\"partition\":0,\"start\":0,\"bytes\":16777216,\"filesystem\":\"xfs\",\"block_size\":4096}]", "p");
	where_note(where, 0, 1);
	out = open_memstream(&got, &bytes);
	where_print_commands(where, out);
	fclose(out);
	assert_string_equal(got, "next: xfs_db -r -c \"blockget -n\" -c \"daddr 0\" -c \"blockuse -n\" 'p'\n");
	free(got);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_range_is_named_by_partition_file_system_and_block),
		TEST(without_a_block_size_the_byte_is_named),
		TEST(a_file_system_on_the_whole_volume_has_no_partition),
		TEST(between_partitions_nothing_is_known),
		TEST(a_range_that_goes_on_outside_says_so),
		TEST(offsets_count_from_the_beginning_of_the_part),
		TEST(of_two_around_it_the_smaller_is_named),
		TEST(a_record_that_is_none_says_nothing),
		TEST(odd_entries_are_left_out),
		TEST(an_odd_block_size_is_not_known),
		TEST(the_largest_numbers_do_not_overflow),
		TEST(more_entries_than_there_is_room_for_are_left_out),
		TEST(nothing_noted_is_nothing_to_do),
		TEST(ext4_is_asked_with_its_offset),
		TEST(xfs_in_a_file_needs_a_loop_device),
		TEST(each_file_system_has_one_command_for_five_blocks_in_all),
		TEST(a_path_is_one_word_for_a_shell),
		TEST(no_command_is_made_of_a_path_that_cannot_be_shown),
		TEST(a_partition_of_a_device_is_named_by_its_own),
		TEST(drbd_verifies_the_first_range),
		TEST(lines_say_what_to_do_next),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
