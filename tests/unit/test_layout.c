/* SPDX-License-Identifier: Apache-2.0
 *
 * What is found on a volume: images with a few fields written by hand. Real file systems and partition tables are in
 * tests/functional/partitioned_images.sh.
 */
#include "storage/layout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define MIB (1024ull * 1024)
#define SECTOR 512ull
#define IMAGE_BYTES (64 * MIB)

static char path[300];
static int image = -1;
static struct layout layout;

static int make_image(void **state)
{
	const char *parent = getenv("TMPDIR");

	(void)state;
	snprintf(path, sizeof(path), "%s/ra-layout-XXXXXX", parent ? parent : "/tmp");
	image = mkstemp(path);
	memset(&layout, 0x55, sizeof(layout));
	return image < 0 || ftruncate(image, IMAGE_BYTES) != 0 ? -1 : 0;
}

static int remove_image(void **state)
{
	(void)state;
	close(image);
	return unlink(path);
}

static void put(uint64_t offset, const void *bytes, size_t count)
{
	assert_int_equal(pwrite(image, bytes, count, (off_t)offset), count);
}

static void put_number(uint64_t offset, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		put(offset + i, &(uint8_t){ (uint8_t)(value >> 8 * i) }, 1);
}

static void put_big(uint64_t offset, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		put(offset + i, &(uint8_t){ (uint8_t)(value >> 8 * (bytes - 1 - i)) }, 1);
}

/* An ext2 of 16 blocks. */
static void put_ext2(uint64_t start, uint32_t block_log, const char *label)
{
	uint64_t at = start + 1024;

	put_number(at + 0, 16, 4);  /* inodes */
	put_number(at + 4, 16, 4);  /* blocks */
	put_number(at + 24, block_log, 4);
	put_number(at + 56, 0xef53, 2);
	put_number(at + 76, 1, 4);  /* revision */
	put_number(at + 96, 2, 4);  /* incompatible features: file types */
	put(at + 104, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16);
	put(at + 120, label, strlen(label));
}

static void put_swap(uint64_t start)
{
	put_number(start + 1024, 1, 4); /* version */
	put_number(start + 1028, 255, 4); /* last page */
	put(start + 4086, "SWAPSPACE2", 10);
}

static void put_xfs(uint64_t start, uint32_t block_bytes, uint8_t block_log)
{
	put(start, "XFSB", 4);
	put_big(start + 4, block_bytes, 4);
	put_big(start + 8, 4096, 8);   /* blocks */
	put(start + 32, "0123456789abcdef", 16);
	put_big(start + 80, 1, 4);     /* blocks of the realtime extent */
	put_big(start + 84, 4096, 4);  /* blocks of a group */
	put_big(start + 88, 1, 4);     /* groups */
	put_big(start + 96, 512, 4);   /* blocks of the log */
	put_big(start + 100, 4, 2);    /* version */
	put_big(start + 102, 512, 2);  /* sector */
	put_big(start + 104, 256, 2);  /* inode */
	put_big(start + 106, block_bytes / 256, 2);
	put_number(start + 120, block_log, 1);
	put_number(start + 121, 9, 1);
	put_number(start + 122, 8, 1);
	put_number(start + 123, block_log - 8u, 1);
	put_number(start + 124, 12, 1);
	put_number(start + 127, 25, 1); /* most inodes, in percent */
}

/* Entry index of the table in the sector at `table`. */
static void put_partition(uint64_t table, unsigned index, uint8_t type, uint64_t start_sector, uint64_t sectors)
{
	put_number(table + 446 + 16 * index + 4, type, 1);
	put_number(table + 446 + 16 * index + 8, start_sector, 4);
	put_number(table + 446 + 16 * index + 12, sectors, 4);
	put_number(table + 510, 0xaa55, 2);
}

static void assert_entry(size_t index, uint32_t partition, uint64_t start_bytes, uint64_t size_bytes,
	const char *filesystem)
{
	const struct layout_entry *entry = &layout.entries[index];

	assert_true(index < layout.count);
	assert_int_equal(entry->partition, partition);
	assert_int_equal(entry->start_bytes, start_bytes);
	assert_int_equal(entry->size_bytes, size_bytes);
	assert_string_equal(entry->filesystem, filesystem);
}

static void nothing_is_found_on_zeros(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 0);
	text = layout_dump(&layout);
	assert_string_equal(text, "[]");
	free(text);
}

static void a_file_system_on_the_whole_volume_is_no_partition(void **state)
{
	(void)state;
	put_ext2(0, 2, "root");
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 1);
	assert_entry(0, 0, 0, IMAGE_BYTES, "ext2");
	assert_int_equal(layout.entries[0].block_bytes, 4096);
	assert_string_equal(layout.entries[0].label, "root");
	assert_string_equal(layout.entries[0].uuid, "01020304-0506-0708-090a-0b0c0d0e0f10");
	assert_string_equal(layout.entries[0].type, "");
}

static void each_partition_has_its_file_system(void **state)
{
	(void)state;
	put_partition(0, 0, 0x83, 2048, 16384);
	put_partition(0, 1, 0x82, 20480, 4096);
	put_partition(0, 3, 0x83, 32768, 65536);
	put_ext2(2048 * SECTOR, 0, "");
	put_swap(20480 * SECTOR);
	put_xfs(32768 * SECTOR, 4096, 12);
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 3);
	assert_entry(0, 1, 2048 * SECTOR, 16384 * SECTOR, "ext2");
	assert_int_equal(layout.entries[0].block_bytes, 1024);
	assert_string_equal(layout.entries[0].type, "0x83");
	assert_entry(1, 2, 20480 * SECTOR, 4096 * SECTOR, "swap");
	assert_int_equal(layout.entries[1].block_bytes, 0);
	assert_entry(2, 4, 32768 * SECTOR, 65536 * SECTOR, "xfs");
	assert_int_equal(layout.entries[2].block_bytes, 4096); /* libblkid says 512 */
}

static void a_partition_with_nothing_known_in_it_is_still_one(void **state)
{
	(void)state;
	put_partition(0, 0, 0x83, 2048, 16384);
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 1);
	assert_entry(0, 1, 2048 * SECTOR, 16384 * SECTOR, "");
	assert_string_equal(layout.entries[0].uuid, "");
}

static void logical_partitions_are_listed_without_their_frame(void **state)
{
	(void)state;
	put_partition(0, 0, 0x05, 4096, 40960);
	put_partition(4096 * SECTOR, 0, 0x83, 2048, 8192);
	put_ext2(6144 * SECTOR, 1, "");
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 1);
	assert_entry(0, 5, 6144 * SECTOR, 8192 * SECTOR, "ext2");
	assert_int_equal(layout.entries[0].block_bytes, 2048);
}

static void partitions_end_with_the_volume(void **state)
{
	const uint64_t sectors = IMAGE_BYTES / SECTOR;

	(void)state;
	put_partition(0, 0, 0x83, sectors - 8192, 0xffff0000);
	put_partition(0, 1, 0x83, sectors, 8192);
	put_ext2((sectors - 8192) * SECTOR, 0, "");
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 1);
	assert_entry(0, 1, (sectors - 8192) * SECTOR, 8192 * SECTOR, "ext2");
}

static void more_partitions_than_there_is_room_for_are_left_out(void **state)
{
	const uint64_t frame = 2048;

	(void)state;
	put_partition(0, 0, 0x83, 64, 64);
	put_partition(0, 1, 0x05, frame, IMAGE_BYTES / SECTOR - frame);
	for (uint64_t i = 0; i < 2 * LAYOUT_ENTRIES_MAX; i++) {
		put_partition((frame + 64 * i) * SECTOR, 0, 0x83, 8, 48);
		put_partition((frame + 64 * i) * SECTOR, 1, 0x05, 64 * (i + 1), 64);
	}
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, LAYOUT_ENTRIES_MAX);
	assert_entry(1, 5, (frame + 8) * SECTOR, 48 * SECTOR, "");
}

static void what_begins_with_the_part_is_found_where_the_volume_has_nothing(void **state)
{
	(void)state;
	put_ext2(MIB, 2, "");
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 0);
	assert_int_equal(layout_probe(path, MIB, &layout), 0);
	assert_int_equal(layout.count, 1);
	assert_entry(0, 0, MIB, IMAGE_BYTES - MIB, "ext2");
	assert_int_equal(layout_probe(path, IMAGE_BYTES, &layout), 0);
	assert_int_equal(layout.count, 0);
	put_ext2(0, 0, "");
	assert_int_equal(layout_probe(path, MIB, &layout), 0);
	assert_int_equal(layout.count, 1);
	assert_entry(0, 0, 0, IMAGE_BYTES, "ext2");
}

static void a_block_size_that_makes_no_sense_is_not_known(void **state)
{
	(void)state;
	put_ext2(0, 7, "");
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 1);
	assert_int_equal(layout.entries[0].block_bytes, 0);
	put_ext2(0, 0x100, "");
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.entries[0].block_bytes, 0);
}

static void what_is_no_volume_is_refused(void **state)
{
	char name[320];

	(void)state;
	assert_int_equal(layout_probe("/nowhere", 0, &layout), -ENOENT);
	assert_int_equal(layout_probe("/dev/null", 0, &layout), -EINVAL);
	assert_int_equal(layout_probe("/", 0, &layout), -EINVAL);
	snprintf(name, sizeof(name), "%s.pipe", path);
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(layout_probe(name, 0, &layout), -EINVAL);
	unlink(name);
	assert_int_equal(layout.count, 0);
	assert_int_equal(ftruncate(image, 0), 0);
	assert_int_equal(layout_probe(path, 0, &layout), 0);
	assert_int_equal(layout.count, 0);
}

static void the_record_leaves_out_what_is_not_known(void **state)
{
	char *text;

	(void)state;
	layout.count = 2;
	layout.entries[0] = (struct layout_entry){ .partition = 1, .start_bytes = 1048576, .size_bytes = 4096,
		.type = "0x83", .filesystem = "ext4", .block_bytes = 1024, .label = "a \"b\"", .uuid = "u" };
	layout.entries[1] = (struct layout_entry){ .partition = 2, .start_bytes = 1ull << 62, .label = "\xff" };
	text = layout_dump(&layout);
	assert_string_equal(text, "[{\"partition\":1,\"start\":1048576,\"bytes\":4096,\"type\":\"0x83\","
		"\"filesystem\":\"ext4\",\"block_size\":1024,\"label\":\"a \\\"b\\\"\",\"uuid\":\"u\"},"
		"{\"partition\":2,\"start\":4611686018427387904,\"bytes\":0}]");
	free(text);
}

int main(void)
{
#define WITH_IMAGE(test) cmocka_unit_test_setup_teardown(test, make_image, remove_image)
	const struct CMUnitTest tests[] = {
		WITH_IMAGE(nothing_is_found_on_zeros),
		WITH_IMAGE(a_file_system_on_the_whole_volume_is_no_partition),
		WITH_IMAGE(each_partition_has_its_file_system),
		WITH_IMAGE(a_partition_with_nothing_known_in_it_is_still_one),
		WITH_IMAGE(logical_partitions_are_listed_without_their_frame),
		WITH_IMAGE(partitions_end_with_the_volume),
		WITH_IMAGE(more_partitions_than_there_is_room_for_are_left_out),
		WITH_IMAGE(what_begins_with_the_part_is_found_where_the_volume_has_nothing),
		WITH_IMAGE(a_block_size_that_makes_no_sense_is_not_known),
		WITH_IMAGE(what_is_no_volume_is_refused),
		cmocka_unit_test(the_record_leaves_out_what_is_not_known),
	};
#undef WITH_IMAGE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
