/* SPDX-License-Identifier: Apache-2.0
 *
 * What a volume is known by: of what /sys has (a folder of the test, with its links), the first that lasts; of a file
 * its device and inode; or its path where that is wanted.
 */
#include "storage/volume_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/volume.h"

static char sys[64];

static __attribute__((format(printf, 1, 2))) void run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	assert_int_equal(system(command), 0);
}

/* The block device MAJOR:MINOR in this folder below devices. */
static void make_device(const char *number, const char *folder)
{
	char link[256], target[256];

	run("mkdir -p %s/devices/%s", sys, folder);
	snprintf(link, sizeof(link), "%s/dev/block/%s", sys, number);
	snprintf(target, sizeof(target), "../../devices/%s", folder);
	assert_int_equal(symlink(target, link), 0);
}

static void make_attribute(const char *name, const char *value)
{
	char path[256];
	FILE *file;

	run("mkdir -p $(dirname %s/devices/%s)", sys, name);
	snprintf(path, sizeof(path), "%s/devices/%s", sys, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(value, file);
	fclose(file);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(sys, "/tmp/ra-sys-XXXXXX");
	if (mkdtemp(sys) == NULL)
		return -1;
	run("mkdir -p %s/dev/block", sys);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	run("rm -rf %s", sys);
	return 0;
}

static void assert_block(unsigned device_major, unsigned device_minor, const char *expected)
{
	char identity[VOLUME_IDENTITY_BYTES];

	volume_identity_of_block(sys, makedev(device_major, device_minor), identity);
	assert_string_equal(identity, expected);
}

static void a_device_mapper_volume_is_known_by_its_uuid(void **state)
{
	(void)state;
	make_device("253:3", "virtual/dm-3");
	make_attribute("virtual/dm-3/dm/uuid", "LVM-abcDEF\n");
	make_attribute("virtual/dm-3/wwid", "not this\n");
	assert_block(253, 3, "dm LVM-abcDEF");
	make_attribute("virtual/dm-3/dm/uuid", "\n"); /* made without one */
	assert_block(253, 3, "wwid not this");
}

static void a_disk_is_known_by_its_wwid_then_by_its_serial_number_then_by_its_device_number(void **state)
{
	(void)state;
	make_device("8:0", "sda");
	assert_block(8, 0, "block 8:0");
	make_attribute("sda/device/serial", "  S1\n");
	assert_block(8, 0, "serial S1");
	make_attribute("sda/serial", "S2");
	assert_block(8, 0, "serial S2");
	make_attribute("sda/device/wwid", "t10.ATA     DISK 5\t \n");
	assert_block(8, 0, "wwid t10.ATA     DISK 5");
	make_attribute("sda/wwid", "eui.0025385");
	assert_block(8, 0, "wwid eui.0025385");
}

static void a_partition_is_known_by_its_disk_and_number(void **state)
{
	(void)state;
	make_device("8:0", "sda");
	make_device("8:2", "sda/sda2");
	make_attribute("sda/sda2/partition", "2\n");
	assert_block(8, 2, "block 8:2");
	make_attribute("sda/wwid", "naa.5000");
	assert_block(8, 2, "wwid naa.5000 partition 2");
	assert_block(8, 0, "wwid naa.5000");
}

static void what_is_not_printed_as_itself_is_replaced_and_what_is_long_is_cut(void **state)
{
	char value[2 * VOLUME_IDENTITY_BYTES], identity[VOLUME_IDENTITY_BYTES];

	(void)state;
	make_device("8:0", "sda");
	make_attribute("sda/wwid", "a\x01" "b\xff\x7f" "c\nd");
	assert_block(8, 0, "wwid a?b??c?d");
	memset(value, 'w', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	make_attribute("sda/wwid", value);
	volume_identity_of_block(sys, makedev(8, 0), identity);
	assert_int_equal(strlen(identity), 5 + 399);
	volume_identity_of_name(value, identity);
	assert_int_equal(strlen(identity), VOLUME_IDENTITY_BYTES - 1);
}

static void a_device_that_sys_does_not_know_is_known_by_its_number(void **state)
{
	(void)state;
	assert_block(147, 3, "block 147:3");
}

static void an_open_file_has_its_identity_or_its_path(void **state)
{
	char path[96], expected[VOLUME_IDENTITY_BYTES];
	struct volume_info info;
	struct volume *volume;
	struct stat status;

	(void)state;
	snprintf(path, sizeof(path), "%s/v\xc3\xa4", sys);
	run("echo > %s", path);
	assert_int_equal(stat(path, &status), 0);
	volume = volume_new(path, IO_MODE_BUFFERED);
	volume_set_part(volume, 0, 1, false);
	assert_int_equal(volume_open(volume, &info), 0);
	snprintf(expected, sizeof(expected), "file %u:%u:%lu", major(status.st_dev), minor(status.st_dev),
		(unsigned long)status.st_ino);
	assert_string_equal(info.identity, expected);
	volume_close(volume);
	volume_set_known_by_name(volume);
	assert_int_equal(volume_open(volume, &info), 0);
	snprintf(expected, sizeof(expected), "name %s/v??", sys);
	assert_string_equal(info.identity, expected);
	volume_close(volume);
	volume_free(volume);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_mapper_volume_is_known_by_its_uuid),
		TEST(a_disk_is_known_by_its_wwid_then_by_its_serial_number_then_by_its_device_number),
		TEST(a_partition_is_known_by_its_disk_and_number),
		TEST(what_is_not_printed_as_itself_is_replaced_and_what_is_long_is_cut),
		TEST(a_device_that_sys_does_not_know_is_known_by_its_number),
		TEST(an_open_file_has_its_identity_or_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
