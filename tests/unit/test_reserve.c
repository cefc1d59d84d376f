/* SPDX-License-Identifier: Apache-2.0
 *
 * Reserve and Unreserve: who may have a device for itself, when, how it ends, and what it does to freshness.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "tests/support/bed.h"

static struct bed *bed;
static struct primary *one, *two;
static uint32_t device;

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	bed = bed_new(&config, 64);
	one = primary_new(bed);
	two = primary_new(bed);
	device = primary_attach(one, "d0");
	primary_attach(two, "d0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (one != NULL)
		primary_drop(one);
	if (two != NULL)
		primary_drop(two);
	one = two = NULL;
	bed_free(bed);
	return 0;
}

static struct device *record(void)
{
	return device_array_record(bed->ra->devices, device);
}

static enum status link_status(struct primary *primary)
{
	primary_read(primary, 1, 0, device, 0, 0, DELIVERY_UNSET);
	return primary_wait(primary, 1)->status;
}

static void reserved_device_gives_no_link_job_to_others(void **state)
{
	struct answer *answer = primary_reserve(one, 2, device, "ra-compare[7] on a");

	(void)state;
	assert_int_equal(answer->status, STATUS_OK);
	assert_int_equal(answer->reservation, 1);
	assert_ptr_equal(record()->parameters.reserved_by, one->session);
	assert_string_equal(record()->parameters.owner, "ra-compare[7] on a");
	assert_int_equal(link_status(two), STATUS_BUSY);
	assert_string_equal(two->answers[1].detail, "reserved by ra-compare[7] on a");
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 0);
	assert_int_equal(link_status(one), STATUS_OK);
}

static void reserved_device_is_busy_for_another_reserve(void **state)
{
	struct answer *answer;

	(void)state;
	primary_reserve(one, 2, device, "the first");
	answer = primary_reserve(two, 2, device, "the second");
	assert_int_equal(answer->status, STATUS_BUSY);
	assert_int_equal(answer->reservation, 0);
	assert_string_equal(answer->detail, "reserved by the first");
	assert_ptr_equal(record()->parameters.reserved_by, one->session);
}

/* The check walks the ring: the job of another stands between two of one's own. */
static void reserve_is_busy_while_another_session_has_a_link_job(void **state)
{
	uint64_t link_id;
	struct answer *answer;

	(void)state;
	primary_link(one, device);
	link_id = primary_link(two, device);
	primary_link(one, device);
	answer = primary_reserve(one, 2, device, "me");
	assert_int_equal(answer->status, STATUS_BUSY);
	assert_string_equal(answer->detail, "being read by bed");
	assert_null(record()->parameters.reserved_by);
	primary_release(two, link_id);
	assert_int_equal(primary_reserve(one, 2, device, "me")->status, STATUS_OK);
}

static void fetch_of_another_session_does_not_hinder_a_reserve(void **state)
{
	(void)state;
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(two, 2, primary_link(two, device), device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 1);
	primary_drop(two);
	two = NULL;
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_FETCH), 1);
	assert_int_equal(primary_reserve(one, 2, device, "me")->status, STATUS_OK);
	faulty_volume_hang_reads(bed->volumes[0], false);
}

static void reservation_is_of_one_device_only(void **state)
{
	uint32_t other = primary_attach(two, "d1");

	(void)state;
	primary_reserve(one, 2, device, "me");
	primary_link(two, other);
	assert_int_equal(primary_reserve(two, 2, other, "you")->status, STATUS_OK);
	assert_int_equal(two->answers[2].reservation, 2);
}

static void unreserve_needs_the_number(void **state)
{
	uint32_t number = primary_reserve(one, 2, device, "me")->reservation;

	(void)state;
	assert_int_equal(primary_unreserve(one, device, number + 1), STATUS_BAD_REQUEST);
	assert_int_equal(primary_unreserve(one, device, 0), STATUS_BAD_REQUEST);
	assert_int_equal(primary_unreserve(two, device, number), STATUS_BAD_REQUEST); /* of another session */
	assert_int_equal(link_status(two), STATUS_BUSY);
	assert_int_equal(primary_unreserve(one, device, number), STATUS_OK);
	assert_int_equal(primary_unreserve(one, device, number), STATUS_BAD_REQUEST);
	assert_int_equal(link_status(two), STATUS_OK);
}

static void unreserve_of_what_is_free_or_not_attached_is_refused(void **state)
{
	(void)state;
	assert_int_equal(primary_unreserve(one, device, 0), STATUS_BAD_REQUEST);
	assert_int_equal(primary_unreserve(one, 1, 1), STATUS_NO_SUCH_DEVICE);
	assert_int_equal(primary_unreserve(one, 200, 1), STATUS_NO_SUCH_DEVICE);
}

static void device_that_is_not_attached_cannot_be_reserved(void **state)
{
	(void)state;
	assert_int_equal(primary_reserve(one, 2, 1, "me")->status, STATUS_NO_SUCH_DEVICE);
	assert_int_equal(primary_reserve(one, 2, 255, "me")->status, STATUS_NO_SUCH_DEVICE);
}

static void second_reserve_of_a_session_takes_the_place_of_the_first(void **state)
{
	uint32_t first = primary_reserve(one, 2, device, "me")->reservation;
	uint32_t second = primary_reserve(one, 2, device, "me again")->reservation;

	(void)state;
	assert_int_not_equal(first, second);
	assert_string_equal(record()->parameters.owner, "me again");
	assert_int_equal(primary_unreserve(one, device, first), STATUS_BAD_REQUEST);
	assert_int_equal(primary_unreserve(one, device, second), STATUS_OK);
}

static void owner_without_words_is_the_peer(void **state)
{
	(void)state;
	primary_reserve(one, 2, device, "");
	link_status(two);
	assert_string_equal(two->answers[1].detail, "reserved by bed");
}

static void detach_ends_the_reservation(void **state)
{
	(void)state;
	primary_reserve(one, 2, device, "me");
	assert_int_equal(primary_detach(one, device), STATUS_OK);
	assert_int_equal(link_status(two), STATUS_OK);
}

static void lost_link_ends_the_reservation(void **state)
{
	(void)state;
	primary_reserve(one, 2, device, "me");
	primary_link(one, device);
	primary_drop(one);
	one = NULL;
	assert_int_equal(link_status(two), STATUS_OK);
	assert_int_equal(primary_reserve(two, 2, device, "you")->reservation, 2);
}

static void number_is_never_0(void **state)
{
	(void)state;
	bed->ra->reservations = UINT32_MAX;
	assert_int_equal(primary_reserve(one, 2, device, "me")->reservation, 1);
}

/* A link job from before the reservation gets nothing that was read before it. */
static void granted_reserve_raises_the_floor_of_the_device(void **state)
{
	uint64_t link_id = primary_link(one, device);

	(void)state;
	primary_read(one, 3, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(one, 3);
	faulty_volume_set_version(bed->volumes[0], 1);
	primary_read(one, 3, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(one, 3);
	assert_int_equal(bed_da(bed).reads_started, 1);
	primary_link(two, device);
	assert_int_equal(primary_reserve(one, 2, device, "me")->status, STATUS_BUSY);
	primary_read(one, 3, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(one, 3);
	assert_int_equal(bed_da(bed).reads_started, 1); /* a refused one changes nothing */
	primary_drop(two);
	two = NULL;
	assert_int_equal(primary_reserve(one, 2, device, "me")->status, STATUS_OK);
	primary_read(one, 3, link_id, device, 0, 1, DELIVERY_HOLD);
	assert_tracks(bed, device, primary_wait(one, 3), 0);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(reserved_device_gives_no_link_job_to_others),
		T(reserved_device_is_busy_for_another_reserve), T(reserve_is_busy_while_another_session_has_a_link_job),
		T(fetch_of_another_session_does_not_hinder_a_reserve), T(reservation_is_of_one_device_only),
		T(unreserve_needs_the_number), T(unreserve_of_what_is_free_or_not_attached_is_refused),
		T(device_that_is_not_attached_cannot_be_reserved), T(second_reserve_of_a_session_takes_the_place_of_the_first),
		T(owner_without_words_is_the_peer), T(detach_ends_the_reservation), T(lost_link_ends_the_reservation),
		T(number_is_never_0), T(granted_reserve_raises_the_floor_of_the_device) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
