/* SPDX-License-Identifier: Apache-2.0
 *
 * Posted errors: the counters, the ring of the newest 256 and the log line with what is known of the place. Standard
 * error is a packet socket for all tests, so that the line of each error can be read.
 */
#include "base/post.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static int saved_stderr = -1;
static int log_reader = -1;

static int capture_setup(void **state)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	log_reader = pair[0];
	log_start("ra-test", LOG_LEVEL_WARNING);
	*state = post_new();
	return 0;
}

static int capture_teardown(void **state)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(log_reader);
	post_free(*state);
	return 0;
}

static void next_line(char *line, size_t line_bytes)
{
	ssize_t bytes = recv(log_reader, line, line_bytes - 1, MSG_DONTWAIT);

	line[bytes > 0 ? bytes : 0] = '\0';
}

static void assert_next_line(const char *expected)
{
	char line[1024];

	next_line(line, sizeof(line));
	assert_string_equal(line, expected);
}

static const struct post_where nowhere;

static void the_line_names_device_tracks_link_id_and_peer(void **state)
{
	const struct post_where where = {
		.device = "web1", .peer = "b", .first_track = 5, .track_count = 16, .link_id = 0x0001000200000003};

	post_error(*state, STATUS_TIMEOUT, &where, "no data after %d ms", 8000);
	assert_next_line("ra-test: warning: TIMEOUT: device web1, tracks 5-20, link id 0x0001000200000003, peer b: "
			 "no data after 8000 ms\n");
	assert_next_line("");
}

static void what_is_not_known_is_not_in_the_line(void **state)
{
	const struct post_where one_track = {.first_track = 7, .track_count = 1};
	const struct post_where only_peer = {.peer = "b"};

	post_error(*state, STATUS_VOLUME_ERROR, &one_track, "x");
	assert_next_line("ra-test: warning: VOLUME_ERROR: track 7: x\n");
	post_error(*state, STATUS_LINK_LOST, &only_peer, "y");
	assert_next_line("ra-test: warning: LINK_LOST: peer b: y\n");
	post_error(*state, STATUS_VERSION, &nowhere, "z");
	assert_next_line("ra-test: warning: VERSION: z\n");
}

static void the_longest_place_fits_the_line(void **state)
{
	struct post_where where = {
		.first_track = UINT64_MAX - UINT32_MAX, .track_count = UINT32_MAX, .link_id = UINT64_MAX};
	char name[2 * DEVICE_NAME_MAX];
	char line[1024];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	where.device = name;
	where.peer = name;
	post_error(*state, STATUS_NO_SUCH_DEVICE, &where, "end");
	next_line(line, sizeof(line));
	assert_non_null(strstr(line, "link id 0xffffffffffffffff, peer nnn"));
	assert_non_null(strstr(line, ": end\n"));
	assert_int_equal(strlen(post_recent(*state, 0)->device), DEVICE_NAME_MAX);
}

static void each_status_is_counted_by_itself(void **state)
{
	for (int i = 0; i < 3; i++)
		post_error(*state, STATUS_TIMEOUT, &nowhere, "t");
	post_error(*state, STATUS_QUEUE_FULL, &nowhere, "q");
	assert_int_equal(post_count(*state, STATUS_TIMEOUT), 3);
	assert_int_equal(post_count(*state, STATUS_QUEUE_FULL), 1);
	assert_int_equal(post_count(*state, STATUS_BUSY), 0);
	assert_int_equal(post_total(*state), 4);
}

static void a_kept_error_has_all_that_was_posted(void **state)
{
	const struct post_where where = {
		.device = "web1", .peer = "b", .first_track = 1, .track_count = 2, .link_id = 3};
	int64_t before_s = time(NULL);

	post_error(*state, STATUS_BAD_LINK_ID, &where, "stale %s", "id");
	const struct posted_error *error = post_recent(*state, 0);

	assert_non_null(error);
	assert_int_equal(error->number, 1);
	assert_in_range(error->wall_s, before_s, time(NULL));
	assert_int_equal(error->status, STATUS_BAD_LINK_ID);
	assert_string_equal(error->device, "web1");
	assert_string_equal(error->peer, "b");
	assert_int_equal(error->first_track, 1);
	assert_int_equal(error->track_count, 2);
	assert_int_equal(error->link_id, 3);
	assert_string_equal(error->text, "stale id");
}

static void only_the_newest_256_are_kept(void **state)
{
	char line[128];

	assert_null(post_recent(*state, 0));
	for (unsigned i = 1; i <= POST_KEPT + 10; i++) {
		post_error(*state, STATUS_BUSY, &nowhere, "error %u", i);
		next_line(line, sizeof(line));
		assert_int_equal(post_recent(*state, 0)->number, i);
	}
	assert_string_equal(post_recent(*state, 0)->text, "error 266");
	assert_string_equal(post_recent(*state, POST_KEPT - 1)->text, "error 11");
	assert_null(post_recent(*state, POST_KEPT));
	assert_int_equal(post_total(*state), POST_KEPT + 10);
}

static void nothing_is_kept_beyond_what_was_posted(void **state)
{
	post_error(*state, STATUS_BUSY, &nowhere, "one");
	assert_non_null(post_recent(*state, 0));
	assert_null(post_recent(*state, 1));
}

static void a_long_text_is_cut(void **state)
{
	post_error(*state, STATUS_BUSY, &nowhere, "%0*d", 2 * (int)DETAIL_MAX, 0);
	assert_int_equal(strlen(post_recent(*state, 0)->text), DETAIL_MAX);
}

/* By device and peer, and by what happened; tracks and link ids are no other event. */
static void the_same_event_is_one_line_and_a_count(void **state)
{
	struct post_where where = { .device = "web1", .peer = "b", .track_count = 1 };
	char line[1024];

	for (; where.first_track < 5; where.first_track++) {
		where.link_id++;
		post_error(*state, STATUS_TIMEOUT, &where, "slow");
	}
	where.peer = "c";
	post_error(*state, STATUS_TIMEOUT, &where, "slow");
	where.device = "web2";
	post_error(*state, STATUS_TIMEOUT, &where, "slow");
	post_error(*state, STATUS_TIMEOUT, &where, "very slow");
	post_error(*state, STATUS_QUEUE_FULL, &where, "slow");
	log_tell_counts(true);
	assert_next_line("ra-test: warning: TIMEOUT: device web1, track 0, link id 0x0000000000000001, peer b: slow\n");
	assert_next_line("ra-test: warning: TIMEOUT: device web1, track 5, link id 0x0000000000000005, peer c: slow\n");
	assert_next_line("ra-test: warning: TIMEOUT: device web2, track 5, link id 0x0000000000000005, peer c: slow\n");
	assert_next_line("ra-test: warning: TIMEOUT: device web2, track 5, link id 0x0000000000000005, peer c: "
		"very slow\n");
	assert_next_line("ra-test: warning: QUEUE_FULL: device web2, track 5, link id 0x0000000000000005, peer c: "
		"slow\n");
	next_line(line, sizeof(line));
	assert_memory_equal(line, "ra-test: warning: TIMEOUT: device web1, track 0, link id 0x0000000000000001, "
		"peer b: slow (and 4 more like it in ", 113);
	assert_next_line("");
	assert_int_equal(post_count(*state, STATUS_TIMEOUT), 8);
}

/* Its name is what a peer made of it. */
static void a_device_that_does_not_exist_is_no_other_event(void **state)
{
	const struct post_where one = { .device = "x", .peer = "b" }, other = { .device = "y", .peer = "b" };
	const struct post_where *const asked[] = { &one, &other };

	for (int i = 0; i < 2; i++)
		post_error(*state, STATUS_NO_SUCH_DEVICE, asked[i], "none");
	assert_next_line("ra-test: warning: NO_SUCH_DEVICE: device x, peer b: none\n");
	assert_next_line("");
	assert_string_equal(post_recent(*state, 0)->device, "y");
}

int main(void)
{
#define POST_TEST(name) cmocka_unit_test_setup_teardown(name, capture_setup, capture_teardown)
	const struct CMUnitTest tests[] = {
		POST_TEST(the_same_event_is_one_line_and_a_count),
		POST_TEST(a_device_that_does_not_exist_is_no_other_event),
		POST_TEST(the_line_names_device_tracks_link_id_and_peer),
		POST_TEST(what_is_not_known_is_not_in_the_line),
		POST_TEST(the_longest_place_fits_the_line),
		POST_TEST(each_status_is_counted_by_itself),
		POST_TEST(a_kept_error_has_all_that_was_posted),
		POST_TEST(only_the_newest_256_are_kept),
		POST_TEST(nothing_is_kept_beyond_what_was_posted),
		POST_TEST(a_long_text_is_cut),
	};

	return cmocka_run_group_tests_name("post", tests, NULL, NULL);
}
