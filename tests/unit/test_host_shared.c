/* SPDX-License-Identifier: Apache-2.0
 *
 * Several hosts of one primary: connections that a server hands over, limits of a run, reservation. The disk adapter
 * and the link are real, the clock is not.
 */
#include "primary/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rate.h"
#include "primary/local.h"
#include "storage/da.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/host_bed.h"
#include "tests/support/pair.h"
#include "wire/conn.h"

#define TRACK WORLD_TRACK_BYTES
#define LINK_ID 0x0007000000000001ull

static const struct msg_host_open_reply *open_reply(struct host_end *end)
{
	return &host_end_reply(end, MESSAGE_HOST_OPEN_REPLY)->host_open_reply;
}

static struct msg_host_open *prepare_open(struct host_end *end)
{
	struct msg_host_open *open = &host_end_out(end, MESSAGE_HOST_OPEN)->host_open;
	open->tag = 50;
	strcpy(open->device, "volume");
	return open;
}

/* The secondary tells its volume. */
static void answer_query(struct host_end *end)
{
	fake_secondary_volume(end->secondary, host_end_expect(end, MESSAGE_DEVICE_QUERY)->device_query.tag, HOST_SIZE_BYTES,
		TRACK);
}

static void open_with(struct host_end *end, uint64_t limit_bytes_per_s, const char *owner)
{
	host_end_hello(end);
	prepare_open(end)->limit_bytes_per_s = limit_bytes_per_s;
	strcpy(end->out.host_open.owner, owner);
	host_end_send(end);
	answer_query(end);
	assert_int_equal(open_reply(end)->status, STATUS_OK);
}

static void assert_busy(const struct msg_host_open_reply *reply, const char *words)
{
	assert_int_equal(reply->status, STATUS_BUSY);
	assert_int_equal(reply->failed_side, SIDE_LOCAL);
	assert_string_equal(reply->detail, words);
}

/* ---- Handed over ---- */

static void adopted_host_is_served(void **state)
{
	struct host_end *end = host_end_new(*state, true);
	open_with(end, 0, "a test");
	assert_string_equal(host_owner(end->host), "a test");
	assert_ptr_equal(host_device(end->host), end->device);
	host_end_send_read(end, 1, SIDE_LOCAL, 2, 1, 0);
	host_end_read_reply(end, 1, STATUS_OK);
	host_end_hang_up(end);
	world_settle(end->world);
	assert_int_equal(end->gone, 1);
	assert_true(end->gone_clean);
	host_end_expect(end, MESSAGE_DETACH);
	host_end_free(end);
}

static void adopted_host_with_bad_memory_stays_the_servers(void **state)
{
	struct host_end *end = host_end_new(*state, true);
	capture_start();
	host_end_say_hello(end, -1);
	char *log = capture_end();
	assert_non_null(strstr(log, "no descriptor"));
	free(log);
	assert_null(end->host);
	assert_int_equal(end->gone, 1); /* of the greeter */
	host_end_free(end);
}

static void adopted_host_of_another_protocol_is_answered_and_ended(void **state)
{
	struct host_end *end = host_end_new(*state, true);
	host_end_out(end, MESSAGE_HOST_HELLO)->host_hello = (struct msg_host_hello){ .protocol_min = 2, .protocol_max = 2,
		.slot_count = HOST_SLOTS, .slot_bytes = HOST_SLOT_BYTES };
	conn_send_fd(end->conn, &end->out, end->memory_fd);
	world_settle(end->world);
	assert_int_equal(host_end_reply(end, MESSAGE_HOST_HELLO_REPLY)->host_hello_reply.status, STATUS_VERSION);
	assert_int_equal(end->gone, 1);
	assert_null(end->host);
	host_end_free(end);
}

static void host_without_a_name_is_known_by_its_process(void **state)
{
	struct host_end *end = *state;
	open_with(end, 0, "");
	assert_memory_equal(host_owner(end->host), "process ", 8);
}

/* ---- Limits ---- */

static void limit_of_the_run_holds_local_reads_back(void **state)
{
	struct host_end *slow = *state, *quick = host_end_new(slow, false);
	open_with(slow, TRACK, "slow");
	open_with(quick, 0, "quick");
	host_end_send_read(slow, 1, SIDE_LOCAL, 0, 1, 0);
	assert_int_equal(host_end_read_reply(slow, 1, STATUS_OK)->throttled_ms, 0);
	host_end_send_read(slow, 2, SIDE_LOCAL, 1, 1, 1);
	host_end_send_read(quick, 1, SIDE_LOCAL, 1, 1, 1);
	assert_int_equal(host_end_read_reply(quick, 1, STATUS_OK)->throttled_ms, 0);
	assert_int_equal(host_end_unread(slow), 0);
	clock_advance(slow->world->clock, 1000);
	assert_in_range(host_end_read_reply(slow, 2, STATUS_OK)->throttled_ms, 850, 1000);

	host_end_out(slow, MESSAGE_HOST_STATUS)->host_status.tag = 60;
	host_end_send(slow);
	answer_query(slow);
	assert_in_range(open_reply(slow)->throttled_ms, 850, 1000);
	host_end_free(quick);
}

static void limit_of_the_run_holds_remote_reads_back(void **state)
{
	struct host_end *end = *state;
	open_with(end, TRACK, "slow");
	host_end_send_read(end, 1, SIDE_REMOTE, 0, 1, 0);
	uint32_t tag = host_end_make_job(end, LINK_ID);
	fake_secondary_data(end->secondary, tag, STATUS_OK, 1, 5, TRACK);
	host_end_read_reply(end, 1, STATUS_OK);
	host_end_send_read(end, 2, SIDE_REMOTE, 1, 1, 0);
	world_settle(end->world);
	assert_int_equal(fake_secondary_count(end->secondary), 0);
	/* Each side by itself: a local read passes. */
	host_end_send_read(end, 3, SIDE_LOCAL, 0, 1, 1);
	host_end_read_reply(end, 3, STATUS_OK);
	clock_advance(end->world->clock, 1000);
	tag = host_end_expect(end, MESSAGE_READ)->read.tag;
	fake_secondary_data(end->secondary, tag, STATUS_OK, 1, 5, TRACK);
	assert_in_range(host_end_read_reply(end, 2, STATUS_OK)->throttled_ms, 850, 1000);
}

static void slot_of_a_read_that_waits_is_in_use(void **state)
{
	struct host_end *end = *state;
	open_with(end, TRACK, "slow");
	host_end_send_read(end, 1, SIDE_LOCAL, 0, 1, 0);
	host_end_read_reply(end, 1, STATUS_OK);
	host_end_send_read(end, 2, SIDE_LOCAL, 1, 1, 0);
	host_end_send_read(end, 3, SIDE_LOCAL, 1, 1, 0);
	assert_string_equal(host_end_read_reply(end, 3, STATUS_BAD_REQUEST)->detail, "slot 0 is in use");
}

static void held_back_read_that_the_disk_refuses_frees_its_slot(void **state)
{
	struct host_end *end = *state, *other = host_end_new(end, false);
	open_with(end, TRACK, "slow");
	open_with(other, 0, "quick");
	host_end_send_read(end, 1, SIDE_LOCAL, 0, 1, 0);
	host_end_read_reply(end, 1, STATUS_OK);
	host_end_send_read(end, 2, SIDE_LOCAL, 1, 1, 0);
	world_hang_reads(end->world);
	for (uint32_t i = 0; i < HOST_DISK_QUEUE; i++)
		host_end_send_read(other, i, SIDE_LOCAL, i, 1, i);
	clock_advance(end->world->clock, 1000);
	assert_true(host_end_read_reply(end, 2, STATUS_QUEUE_FULL)->throttled_ms > 0);
	world_release(end->world);
	for (uint32_t i = 0; i < HOST_DISK_QUEUE; i++)
		assert_int_equal(host_end_reply(other, MESSAGE_HOST_READ_REPLY)->host_read_reply.status, STATUS_OK);
	clock_advance(end->world->clock, 1000);
	host_end_send_read(end, 3, SIDE_LOCAL, 1, 1, 0);
	host_end_read_reply(end, 3, STATUS_OK);
	host_end_free(other);
}

static void host_that_goes_while_its_reads_wait_leaves_nothing(void **state)
{
	struct host_end *end = *state;
	struct da_counts counts;
	open_with(end, TRACK, "slow");
	host_end_send_read(end, 1, SIDE_LOCAL, 0, 1, 0);
	host_end_read_reply(end, 1, STATUS_OK);
	for (uint32_t i = 1; i < HOST_SLOTS; i++)
		host_end_send_read(end, i, SIDE_LOCAL, i, 1, i);
	host_end_hang_up(end);
	world_settle(end->world);
	assert_int_equal(end->gone, 1);
	clock_advance(end->world->clock, 10000);
	assert_true(WORLD_UNTIL(end->world, local_is_idle(end->world->local)));
	da_count(end->world->da, &counts);
	assert_int_equal(counts.reads_started, 1);
}

/* ---- Reservation ---- */

static void reserved_device_is_busy_for_other_hosts(void **state)
{
	struct host_end *holder = *state, *other = host_end_new(holder, false);
	char detail[DETAIL_MAX + 1];
	struct local_attach_spec spec = { .owner = "ra-compare[7]" };
	struct local_user *user = local_attach(holder->world->local, &spec);
	assert_int_equal(local_reserve(user, false, detail), STATUS_OK);
	host_end_hello(other);
	prepare_open(other);
	host_end_send(other);
	assert_busy(open_reply(other), "volume is reserved by ra-compare[7]");
	prepare_open(other)->reserve = true;
	host_end_send(other);
	assert_busy(open_reply(other), "volume is reserved by ra-compare[7]");
	assert_int_equal(fake_secondary_count(holder->secondary), 0); /* the secondary was not bothered */
	local_detach(user);
	prepare_open(other); /* it may be tried again */
	host_end_send(other);
	answer_query(other);
	assert_int_equal(open_reply(other)->status, STATUS_OK);
	host_end_free(other);
}

static void device_that_another_host_reads_is_not_reserved(void **state)
{
	struct host_end *reader = *state, *other = host_end_new(reader, false);
	open_with(reader, 0, "ra-compare[7]");
	host_end_send_read(reader, 1, SIDE_REMOTE, 0, 1, 0); /* a read of either side counts */
	fake_secondary_data(reader->secondary, host_end_make_job(reader, LINK_ID), STATUS_OK, 1, 1, TRACK);
	host_end_read_reply(reader, 1, STATUS_OK);
	host_end_hello(other);
	prepare_open(other)->reserve = true;
	host_end_send(other);
	assert_busy(open_reply(other), "volume is being read by ra-compare[7]");
	host_end_free(other);
}

static void host_that_had_it_open_before_the_reservation_reads_nothing(void **state)
{
	struct host_end *early = *state;
	char detail[DETAIL_MAX + 1];
	open_with(early, 0, "early");
	struct local_user *user = local_attach(early->world->local, &(struct local_attach_spec){ .owner = "late" });
	assert_int_equal(local_reserve(user, false, detail), STATUS_OK);
	for (enum side side = SIDE_LOCAL; side <= SIDE_REMOTE; side++) {
		host_end_send_read(early, side, side, 0, 1, 0);
		assert_string_equal(host_end_read_reply(early, side, STATUS_BUSY)->detail, "volume is reserved by late");
	}
	assert_int_equal(fake_secondary_count(early->secondary), 0);
	local_detach(user);
	host_end_send_read(early, 9, SIDE_LOCAL, 0, 1, 0);
	host_end_read_reply(early, 9, STATUS_OK);
}

static void between_passes_the_device_may_be_reserved(void **state)
{
	struct host_end *end = *state;
	char detail[DETAIL_MAX + 1];
	struct local_user *user;
	open_with(end, 0, "early");
	user = local_attach(end->world->local, &(struct local_attach_spec){ .owner = "late" });
	host_end_send_read(end, 1, SIDE_LOCAL, 0, 1, 0);
	host_end_read_reply(end, 1, STATUS_OK);
	assert_int_equal(local_reserve(user, false, detail), STATUS_BUSY);
	host_end_out(end, MESSAGE_HOST_RELEASE)->host_release.tag = 70;
	host_end_send(end);
	assert_int_equal(host_end_reply(end, MESSAGE_DONE)->done.status, STATUS_OK);
	assert_int_equal(local_reserve(user, false, detail), STATUS_OK);
	local_detach(user);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_end_set_up, host_end_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(adopted_host_is_served),
		TEST(adopted_host_with_bad_memory_stays_the_servers),
		TEST(adopted_host_of_another_protocol_is_answered_and_ended),
		TEST(host_without_a_name_is_known_by_its_process),
		TEST(limit_of_the_run_holds_local_reads_back),
		TEST(limit_of_the_run_holds_remote_reads_back),
		TEST(slot_of_a_read_that_waits_is_in_use),
		TEST(held_back_read_that_the_disk_refuses_frees_its_slot),
		TEST(host_that_goes_while_its_reads_wait_leaves_nothing),
		TEST(reserved_device_is_busy_for_other_hosts),
		TEST(device_that_another_host_reads_is_not_reserved),
		TEST(host_that_had_it_open_before_the_reservation_reads_nothing),
		TEST(between_passes_the_device_may_be_reserved),
	};
	return cmocka_run_group_tests_name("host_shared", tests, NULL, NULL);
}
