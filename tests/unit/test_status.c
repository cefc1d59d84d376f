/* SPDX-License-Identifier: Apache-2.0
 *
 * The names that people and scripts see for the enums of base/status.h and base/volume_info.h, and which two volumes
 * count as one. The tables are checked for gaps, so that a new value cannot go without its name.
 */
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/volume_info.h"

static void assert_new_name(const char *name, const char **seen, unsigned seen_count)
{
	assert_non_null(name);
	assert_true(name[0] != '\0');
	for (unsigned i = 0; i < seen_count; i++)
		assert_string_not_equal(name, seen[i]);
	seen[seen_count] = name;
}

static void every_status_has_its_own_name(void **state)
{
	const char *seen[STATUS_COUNT];

	(void)state;
	for (unsigned i = 0; i < STATUS_COUNT; i++)
		assert_new_name(status_name((enum status)i), seen, i);
}

static void every_delivery_has_its_own_name(void **state)
{
	const char *seen[DELIVERY_COUNT];

	(void)state;
	for (unsigned i = 0; i < DELIVERY_COUNT; i++)
		assert_new_name(delivery_name((enum delivery)i), seen, i);
}

static void every_io_mode_and_kind_has_its_own_name(void **state)
{
	const char *modes[IO_MODE_COUNT];
	const char *kinds[VOLUME_KIND_COUNT];

	(void)state;
	for (unsigned i = 0; i < IO_MODE_COUNT; i++)
		assert_new_name(io_mode_name((enum io_mode)i), modes, i);
	for (unsigned i = 0; i < VOLUME_KIND_COUNT; i++)
		assert_new_name(volume_kind_name((enum volume_kind)i), kinds, i);
}

static void names_are_the_words_of_the_manuals(void **state)
{
	(void)state;
	assert_string_equal(status_name(STATUS_DATA_NOT_FOUND), "DATA_NOT_FOUND");
	assert_string_equal(status_name(STATUS_VERSION), "VERSION");
	assert_string_equal(delivery_name(DELIVERY_DISCONNECT), "disconnect");
	assert_string_equal(delivery_name(DELIVERY_POLL), "poll");
	assert_string_equal(delivery_name(DELIVERY_HOLD), "hold");
	assert_string_equal(io_mode_name(IO_MODE_DIRECT), "direct");
	assert_string_equal(volume_kind_name(VOLUME_KIND_BLOCK), "block device");
}

static void only_eio_and_shrunk_are_unreadable(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRACK_STATE_COUNT; i++)
		assert_int_equal(track_is_unreadable((enum track_state)i), i == TRACK_EIO || i == TRACK_SHRUNK);
}

static struct volume_info file_info(void)
{
	return (struct volume_info){.kind = VOLUME_KIND_FILE, .host_id = 7, .device_id = 8, .inode = 9};
}

static void a_file_is_the_same_by_host_device_and_inode(void **state)
{
	struct volume_info a = file_info();
	struct volume_info b = file_info();

	(void)state;
	b.size_bytes = 4096;
	b.io = IO_MODE_DIRECT;
	strcpy(b.path, "/another/name");
	assert_true(volume_info_is_same(&a, &b));
	b.inode = 10;
	assert_false(volume_info_is_same(&a, &b));
	b = file_info();
	b.device_id = 10;
	assert_false(volume_info_is_same(&a, &b));
	b = file_info();
	b.host_id = 10;
	assert_false(volume_info_is_same(&a, &b));
}

static void a_block_device_is_the_same_through_any_node(void **state)
{
	struct volume_info a = {.kind = VOLUME_KIND_BLOCK, .host_id = 7, .device_id = 8, .inode = 1};
	struct volume_info b = {.kind = VOLUME_KIND_BLOCK, .host_id = 7, .device_id = 8, .inode = 2};

	(void)state;
	assert_true(volume_info_is_same(&a, &b));
	b.kind = VOLUME_KIND_FILE;
	assert_false(volume_info_is_same(&a, &b));
}

static void volumes_of_an_unknown_host_are_not_the_same(void **state)
{
	struct volume_info a = file_info();

	(void)state;
	a.host_id = 0;
	assert_false(volume_info_is_same(&a, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_its_own_name),
		cmocka_unit_test(every_delivery_has_its_own_name),
		cmocka_unit_test(every_io_mode_and_kind_has_its_own_name),
		cmocka_unit_test(names_are_the_words_of_the_manuals),
		cmocka_unit_test(only_eio_and_shrunk_are_unreadable),
		cmocka_unit_test(a_file_is_the_same_by_host_device_and_inode),
		cmocka_unit_test(a_block_device_is_the_same_through_any_node),
		cmocka_unit_test(volumes_of_an_unknown_host_are_not_the_same),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
