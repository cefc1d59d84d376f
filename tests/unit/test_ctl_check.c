/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of ra-ctl check that need no daemon: points and the exit status they make, what lies outside, and from two
 * rates to a duration and what binds it.
 */
#include "primary/ctl/points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "primary/ctl/geometry.h"
#include "primary/ctl/host.h"
#include "primary/ctl/speed.h"

static char printed[8192];
static FILE *out;
static struct ctl_points *points;

static int set_up(void **state)
{
	(void)state;
	printed[0] = '\0';
	out = fmemopen(printed, sizeof(printed), "w");
	assert_non_null(out);
	points = ctl_points_new(false, out);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ctl_points_free(points);
	fclose(out);
	return 0;
}

static void points_are_lines(void **state)
{
	(void)state;
	ctl_point_good(points, NULL, "%s answers", "ra-primaryd");
	ctl_point_failed(points, CTL_WRONG, "web1", "no\x1b[%d", 2);
	assert_int_equal(ctl_points_end(points), CTL_WRONG);
	assert_string_equal(printed, "ok      ra-primaryd answers\nFAILED  web1: no?[2\n");
}

static void the_exit_status_is_that_of_the_first_cause(void **state)
{
	(void)state;
	assert_int_equal(ctl_points_end(points), CTL_GOOD);
	ctl_point_good(points, NULL, "x");
	assert_int_equal(ctl_points_end(points), CTL_GOOD);
	ctl_point_failed(points, CTL_BUSY, "web1", "x");
	assert_int_equal(ctl_points_end(points), CTL_BUSY);
	ctl_point_failed(points, CTL_WRONG, "web2", "x");
	assert_int_equal(ctl_points_end(points), CTL_WRONG);
	ctl_point_failed(points, CTL_NO_DAEMON, "web3", "x");
	assert_int_equal(ctl_points_end(points), CTL_NO_DAEMON);
}

static void points_are_one_document_in_json(void **state)
{
	struct ctl_points *document = ctl_points_new(true, out);
	json_t *json;

	(void)state;
	ctl_point_good(document, NULL, "a");
	ctl_point_failed(document, CTL_WRONG, "web1", "path \xff");
	ctl_points_add(document, json_pack("{s:s}", "device", "web1"));
	fflush(out);
	assert_string_equal(printed, "");
	assert_int_equal(ctl_points_end(document), CTL_WRONG);
	fflush(out);
	json = json_loads(printed, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "format")), "ra-ctl/1");
	assert_true(json_is_false(json_object_get(json, "ok")));
	assert_int_equal(json_array_size(json_object_get(json, "points")), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json, "points"), 1), "text")),
		"path ?");
	assert_int_equal(json_array_size(json_object_get(json, "devices")), 1);
	json_decref(json);
	ctl_points_free(document);
}

static struct volume_info volume(uint64_t whole, uint64_t offset, uint64_t size, uint64_t inode)
{
	return (struct volume_info){ .size_bytes = size, .kind = VOLUME_KIND_FILE, .io = IO_MODE_BUFFERED, .host_id = 1,
		.device_id = 2, .inode = inode, .path = "/v", .whole_bytes = whole, .offset_bytes = offset };
}

static enum ctl_exit check(const struct volume_info *local, const struct volume_info *remote)
{
	ctl_check_geometry(points, "web1", local, remote, 65536);
	fflush(out);
	return ctl_points_end(points);
}

static void equal_volumes_are_good(void **state)
{
	struct volume_info local = volume(65537, 0, 65537, 3), remote = volume(65537, 0, 65537, 4);

	(void)state;
	assert_int_equal(check(&local, &remote), CTL_GOOD);
	assert_string_equal(printed, "ok      web1: local volume /v: file, 64.0 KiB, buffered io\n"
				     "ok      web1: remote volume /v: file, 64.0 KiB, buffered io\n"
				     "ok      web1: 65537 bytes are compared, 2 tracks of 64 KiB\n");
}

static void unequal_volumes_are_a_difference_unless_common(void **state)
{
	struct volume_info local = volume(1000, 0, 1000, 3), remote = volume(1512, 0, 1512, 4);

	(void)state;
	assert_int_equal(check(&local, &remote), CTL_WRONG);
	assert_non_null(strstr(printed, "FAILED  web1: the remote volume is 512 bytes longer, which is a difference: "
					"length = common in [device web1] leaves that out, or length = 1000 on the remote side\n"));
	assert_null(strstr(printed, "not compared"));
}

static void the_longer_local_volume_is_named_too(void **state)
{
	struct volume_info local = volume(1512, 0, 1512, 3), remote = volume(1000, 0, 1000, 4);

	(void)state;
	assert_int_equal(check(&local, &remote), CTL_WRONG);
	assert_non_null(strstr(printed, "FAILED  web1: the local volume is 512 bytes longer, which is a difference: "
					"length = common in [device web1] leaves that out, or length = 1000 on the local side\n"));
}

static void what_lies_outside_is_told(void **state)
{
	struct volume_info local = volume(4096 + 1000, 4096, 1000, 3), remote = volume(1512, 0, 1512, 4);

	(void)state;
	remote.is_common = true;
	assert_int_equal(check(&local, &remote), CTL_GOOD);
	assert_non_null(strstr(printed, "ok      web1: 1000 bytes are compared, 1 track of 64 KiB\n"
					"ok      web1: not compared: the first 4096 bytes of the local volume\n"
					"ok      web1: not compared: the last 512 bytes of the remote volume\n"));
}

static void an_older_peer_does_not_tell_the_whole(void **state)
{
	struct volume_info info = volume(0, 0, 1000, 3);
	struct volume_outside outside = volume_info_outside(&info, 1000);

	(void)state;
	assert_int_equal(outside.before_bytes, 0);
	assert_int_equal(outside.after_bytes, 0);
	assert_int_equal(volume_info_outside(&info, 900).after_bytes, 100);
}

static void one_volume_on_both_sides_is_no_replica(void **state)
{
	struct volume_info local = volume(1000, 0, 1000, 3);

	(void)state;
	assert_int_equal(check(&local, &local), CTL_WRONG);
	assert_non_null(strstr(printed, "FAILED  web1: both sides are one and the same volume"));
}

static void a_volume_without_bytes_is_told(void **state)
{
	struct volume_info local = volume(4096, 4096, 0, 3), remote = volume(4096, 4096, 0, 4);

	(void)state;
	assert_int_equal(check(&local, &remote), CTL_WRONG);
	assert_non_null(strstr(printed, "FAILED  web1: the local volume /v has nothing to compare: it has 4096 bytes, and "
					"offset leaves them out\n"));
}

static void an_empty_volume_is_told_without_advice_on_its_length(void **state)
{
	struct volume_info local = volume(0, 0, 0, 3), remote = volume(1000, 0, 1000, 4);

	(void)state;
	assert_int_equal(check(&local, &remote), CTL_WRONG);
	assert_string_equal(printed, "FAILED  web1: the local volume /v has nothing to compare: it is empty\n"
				     "ok      web1: remote volume /v: file, 1000 bytes, buffered io\n");
}

static void one_byte_is_not_plural(void **state)
{
	struct volume_info local = volume(1, 0, 1, 3), remote = volume(2, 0, 2, 4);

	(void)state;
	assert_int_equal(check(&local, &remote), CTL_WRONG);
	assert_non_null(strstr(printed, "local volume /v: file, 1 byte, buffered io\n"));
	assert_non_null(strstr(printed, "the remote volume is 1 byte longer, "));
	remote.is_common = true;
	assert_int_equal(check(&local, &remote), CTL_WRONG);
	assert_non_null(strstr(printed, "1 byte is compared, 1 track of 64 KiB\n"));
	assert_non_null(strstr(printed, "not compared: the last 1 byte of the remote volume\n"));
}

#define MB 1000000.0

static void the_slower_side_binds(void **state)
{
	struct ctl_side slow = { .bytes_per_s = 100 * MB, .bytes_per_read = MB };
	struct ctl_side fast = { .bytes_per_s = 400 * MB, .bytes_per_read = MB };
	struct ctl_speed speed = ctl_speed(1000000000, &slow, &fast);

	(void)state;
	assert_string_equal(speed.binds, "the local disk");
	assert_true(speed.seconds > 9.99 && speed.seconds < 10.01);
	speed = ctl_speed(1000000000, &fast, &slow);
	assert_string_equal(speed.binds, "the remote side or the link");
	assert_true(speed.seconds > 9.99 && speed.seconds < 10.01);
	slow.is_held = true;
	speed = ctl_speed(1000000000, &fast, &slow);
	assert_string_equal(speed.binds, "a limit of the secondary");
}

static void a_limit_binds_when_the_rate_is_near_it(void **state)
{
	struct ctl_side local = { .bytes_per_s = 400 * MB, .bytes_per_read = MB };
	struct ctl_side remote = { .bytes_per_s = 105 * MB, .bytes_per_read = MB, .is_held = true };
	struct ctl_speed speed;

	(void)state;
	remote.limits[0].name = "the total";
	remote.limits[0].bytes_per_s = 200000000;
	remote.limits[1].name = "the device";
	remote.limits[1].bytes_per_s = 100000000;
	remote.limits[2].name = "the peer";
	remote.limits[2].reads_per_s = 150;
	speed = ctl_speed(1000000000, &local, &remote);
	assert_string_equal(speed.binds, "the device");
	assert_true(speed.bytes_per_s == 100 * MB); /* the rest was let through at once */
	remote.bytes_per_s = 91 * MB;
	assert_string_equal(ctl_speed(1, &local, &remote).binds, "the device");
	assert_true(ctl_speed(1, &local, &remote).bytes_per_s == 91 * MB);
	remote.bytes_per_s = 89 * MB;
	assert_string_equal(ctl_speed(1, &local, &remote).binds, "a limit of the secondary");
	remote.is_held = false;
	assert_string_equal(ctl_speed(1, &local, &remote).binds, "the remote side or the link");
	remote.limits[2].reads_per_s = 95; /* of 1 MB each */
	assert_string_equal(ctl_speed(1, &local, &remote).binds, "the peer");
	local.bytes_per_s = 50 * MB;
	assert_string_equal(ctl_speed(1, &local, &remote).binds, "the local disk");
	local.limits[0].name = "the total";
	local.limits[0].bytes_per_s = 50000000;
	assert_string_equal(ctl_speed(1, &local, &remote).binds, "the total");
}

/* ---- From what was read to a rate ---- */

static bool take(struct ctl_side *side, uint64_t bytes, uint64_t reads, double seconds, bool is_whole, bool is_held)
{
	const struct ctl_measure measure = { .status = STATUS_OK, .bytes = bytes, .reads = reads, .seconds = seconds,
		.is_whole = is_whole, .is_held = is_held };

	*side = (struct ctl_side){ 0 };
	return ctl_side_take(side, &measure);
}

static void a_rate_needs_an_answer_for_each_stream(void **state)
{
	struct ctl_side side;

	(void)state;
	assert_true(take(&side, 8000000, CTL_STREAMS, 2, false, false));
	assert_true(side.bytes_per_s == 4 * MB && side.bytes_per_read == MB && !side.is_brief);
	assert_false(take(&side, 7000000, CTL_STREAMS - 1, 2, false, false));
	assert_false(take(&side, 1000000, 1, 5, false, false)); /* the disk had to wake up */
}

static void one_read_is_enough_at_a_limit(void **state)
{
	struct ctl_side side;

	(void)state;
	assert_true(take(&side, 1000000, 1, 100, false, true));
	assert_true(side.is_held && side.bytes_per_s == 10000);
}

static void a_volume_that_was_read_in_no_time_has_no_rate(void **state)
{
	struct ctl_side brief, slow;

	(void)state;
	assert_true(take(&slow, 1000000, 1, CTL_SECONDS_MIN, true, false)); /* not brief, by nothing */
	assert_true(take(&brief, 1000000, 1, 0, true, false));
	assert_true(brief.is_brief);
	/* But it is the faster side. */
	assert_string_equal(ctl_speed(1000000, &brief, &slow).binds, "the remote side or the link");
	assert_string_equal(ctl_speed(1000000, &slow, &brief).binds, "the local disk");
	assert_true(take(&brief, 1000000, 1, 5, true, false)); /* all of it: that is how long it takes */
	assert_true(!brief.is_brief && brief.bytes_per_s == MB / 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(points_are_lines),
		TEST(the_exit_status_is_that_of_the_first_cause),
		TEST(points_are_one_document_in_json),
		TEST(equal_volumes_are_good),
		TEST(unequal_volumes_are_a_difference_unless_common),
		TEST(the_longer_local_volume_is_named_too),
		TEST(what_lies_outside_is_told),
		TEST(an_older_peer_does_not_tell_the_whole),
		TEST(one_volume_on_both_sides_is_no_replica),
		TEST(a_volume_without_bytes_is_told),
		TEST(an_empty_volume_is_told_without_advice_on_its_length),
		TEST(one_byte_is_not_plural),
		TEST(the_slower_side_binds),
		TEST(a_limit_binds_when_the_rate_is_near_it),
		TEST(a_rate_needs_an_answer_for_each_stream),
		TEST(one_read_is_enough_at_a_limit),
		TEST(a_volume_that_was_read_in_no_time_has_no_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
