/* SPDX-License-Identifier: Apache-2.0
 *
 * What each peer may do: its devices, digests only, its most links and jobs, and that what it has is counted exactly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/post.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "tests/support/bed.h"
#include "wire/conn.h"

static struct bed *bed;
static struct peer *narrow;   /* d1 only, 2 links, 3 jobs */
static struct peer *digester; /* d0, digests only */
static struct primary *primary;

static int setup(void **state)
{
	static const char *const d1[] = { "d1", NULL }, *const d0[] = { "d0", NULL };
	struct ra_config config;

	(void)state;
	bed_config(&config);
	bed = bed_new(&config, 64);
	narrow = bed_add_peer(bed, "narrow", d1, false, 2, 3);
	digester = bed_add_peer(bed, "digester", d0, true, 1, 3);
	primary = primary_new_of(bed, narrow);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (primary != NULL)
		primary_drop(primary);
	primary = NULL;
	bed_free(bed);
	return 0;
}

static void device_that_a_peer_may_not_read_does_not_exist_for_it(void **state)
{
	const struct answer *absent = primary_query(primary, 2, "d9");
	const struct answer *forbidden = primary_query(primary, 3, "d0");

	(void)state;
	assert_int_equal(absent->status, STATUS_NO_SUCH_DEVICE);
	assert_int_equal(forbidden->status, STATUS_NO_SUCH_DEVICE);
	assert_string_equal(forbidden->detail, absent->detail);
	assert_int_equal(forbidden->number, absent->number);
	assert_int_equal(forbidden->track_bytes, absent->track_bytes);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).opens, 0);
	assert_int_equal(post_count(bed->post, STATUS_NO_SUCH_DEVICE), 2); /* the administrator sees the difference */
	assert_string_equal(post_recent(bed->post, 0)->text, "a device that this peer may not read was asked for");
	assert_string_equal(post_recent(bed->post, 0)->peer, "narrow");
	assert_string_equal(post_recent(bed->post, 1)->text, "a device that does not exist was asked for");
	assert_int_equal(primary_query(primary, 2, "d1")->status, STATUS_OK);
}

static void device_of_another_peer_cannot_be_used_by_its_number(void **state)
{
	struct primary *other = primary_new(bed);
	uint32_t d0 = primary_attach(other, "d0");
	uint64_t link_id = primary_link(other, d0);

	(void)state;
	primary_attach(primary, "d1");
	primary_read(primary, 2, 0, d0, 0, 0, DELIVERY_UNSET);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_NO_SUCH_DEVICE);
	primary_read(primary, 2, link_id, d0, 0, 1, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_NO_SUCH_DEVICE);
	assert_int_equal(primary_reserve(primary, 2, d0, "me")->status, STATUS_NO_SUCH_DEVICE);
	assert_int_equal(primary_detach(primary, d0), STATUS_NO_SUCH_DEVICE);
	primary_drop(other);
}

static void digest_only_peer_is_told_and_gets_no_data(void **state)
{
	struct primary *other = primary_new_of(bed, digester);
	const struct answer *answer = primary_query(other, 2, "d0");
	uint64_t link_id;

	(void)state;
	assert_int_equal(answer->status, STATUS_OK);
	assert_true(answer->is_digest_only);
	link_id = primary_link(other, answer->number);
	for (enum delivery delivery = DELIVERY_DISCONNECT; delivery < DELIVERY_COUNT; delivery++) {
		primary_read(other, 3, link_id, other->answers[2].number, 0, 1, delivery);
		assert_int_equal(primary_wait(other, 3)->status, STATUS_NOT_PERMITTED);
		assert_int_equal(other->answers[3].payload_bytes, 0);
	}
	assert_int_equal(bed_da(bed).reads_started, 0);
	assert_int_equal(post_count(bed->post, STATUS_NOT_PERMITTED), 3);
	assert_false(primary_query(primary, 2, "d1")->is_digest_only);
	primary_drop(other);
}

static void digest_only_peer_gets_digests(void **state)
{
	struct primary *other = primary_new_of(bed, digester);
	struct msg_read read = { .tag = 3, .track_count = 8, .digest = DIGEST_SHA256, .end_bytes = 64 * BED_TRACK_BYTES };

	(void)state;
	read.device_number = primary_query(other, 2, "d0")->number;
	read.link_id = primary_link(other, read.device_number);
	for (enum delivery delivery = DELIVERY_DISCONNECT; delivery < DELIVERY_COUNT; delivery++) {
		read.delivery = delivery;
		primary_ask(other, &read);
		assert_digests(bed, primary_wait(other, 3), &read);
	}
	assert_int_equal(post_count(bed->post, STATUS_NOT_PERMITTED), 0);
	primary_drop(other);
}

static void replaced_device_is_only_for_sessions_that_have_it(void **state)
{
	const char *words = "the volume of d1 was changed in the configuration: restart ra-secondaryd";
	struct primary *other = primary_new(bed);
	const struct answer *before = primary_query(primary, 2, "d1"), *answer;

	(void)state;
	assert_int_equal(before->status, STATUS_OK);
	assert_false(before->is_replaced);
	assert_string_equal(before->detail, "");
	device_array_set_listing(bed->ra->devices, before->number, DEVICE_REPLACED);
	answer = primary_query(other, 2, "d1");
	assert_int_equal(answer->status, STATUS_NOT_PERMITTED);
	assert_string_equal(answer->detail, words);
	assert_string_equal(post_recent(bed->post, 0)->text, words);
	answer = primary_query(primary, 3, "d1"); /* the sizes at the end of its run, or another host's question */
	assert_int_equal(answer->status, STATUS_OK);
	assert_true(answer->is_replaced);
	assert_string_equal(answer->detail, words);
	primary_link(primary, before->number);
	assert_int_equal(primary_detach(primary, before->number), STATUS_OK);
	assert_int_equal(primary_query(primary, 4, "d1")->status, STATUS_NOT_PERMITTED);
	assert_int_equal(primary_query(other, 4, "d0")->status, STATUS_OK);
	device_array_set_listing(bed->ra->devices, before->number, DEVICE_LISTED);
	answer = primary_query(primary, 5, "d1");
	assert_int_equal(answer->status, STATUS_OK);
	assert_false(answer->is_replaced);
	primary_drop(other);
}

static void link_too_many_is_closed_and_counted(void **state)
{
	struct primary *second = primary_new_of(bed, narrow);
	struct session *session;
	int fd = bed_raw_session_of(bed, narrow, &session);

	(void)state;
	assert_int_equal(narrow->links, 2);
	BED_UNTIL(bed, !bed_has_session(bed, session));
	assert_int_equal(narrow->links, 2);
	assert_int_equal(narrow->links_refused, 1);
	close(fd);
	primary_drop(second);
	assert_int_equal(narrow->links, 1);
	second = primary_new_of(bed, narrow); /* there is room again */
	primary_drop(second);
}

static void peers_do_not_count_for_each_other(void **state)
{
	struct primary *second = primary_new_of(bed, narrow), *other = primary_new_of(bed, digester);

	(void)state;
	assert_int_equal(narrow->links, 2);
	assert_int_equal(digester->links, 1);
	primary_drop(other);
	assert_int_equal(digester->links, 0);
	assert_int_equal(narrow->links, 2);
	primary_drop(second);
}

static void link_that_never_came_up_is_not_counted(void **state)
{
	struct primary *silent;

	(void)state;
	assert_int_equal(bed->peer->links, 0);
	silent = primary_new_silent(bed);
	assert_int_equal(bed->peer->links, 0);
	primary_drop(silent);
	assert_int_equal(bed->peer->links, 0);
}

static void job_too_many_is_refused_with_words_and_posted(void **state)
{
	struct primary *second = primary_new_of(bed, narrow);
	uint32_t d1 = primary_attach(primary, "d1");
	uint64_t first;

	(void)state;
	primary_attach(second, "d1");
	first = primary_link(primary, d1);
	primary_link(primary, d1);
	primary_link(second, d1); /* its links share the number */
	assert_int_equal(narrow->jobs, 3);
	primary_read(second, 1, 0, d1, 0, 0, DELIVERY_UNSET);
	assert_int_equal(primary_wait(second, 1)->status, STATUS_NO_FREE_JOB);
	assert_string_equal(second->answers[1].detail, "the peer has its most jobs (3)");
	assert_int_equal(post_count(bed->post, STATUS_NO_FREE_JOB), 1);
	assert_string_equal(post_recent(bed->post, 0)->device, "d1");
	assert_string_equal(post_recent(bed->post, 0)->peer, "narrow");
	assert_int_equal(narrow->jobs, 3);
	primary_release(primary, first);
	assert_int_equal(narrow->jobs, 2);
	primary_link(second, d1);
	primary_drop(second);
	assert_int_equal(narrow->jobs, 1); /* exactly its own two have gone */
	assert_int_equal(primary_detach(primary, d1), STATUS_OK);
	assert_int_equal(narrow->jobs, 0);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 0);
}

static void job_that_the_array_has_no_room_for_is_not_counted(void **state)
{
	struct ra_config config;
	struct primary *other;
	uint32_t d0;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.jobs = 4;
	bed = bed_new(&config, 64);
	other = primary_new(bed);
	d0 = primary_attach(other, "d0");
	primary_link(other, d0);
	primary_link(other, d0);
	primary_read(other, 1, 0, d0, 0, 0, DELIVERY_UNSET);
	assert_int_equal(primary_wait(other, 1)->status, STATUS_NO_FREE_JOB);
	assert_int_equal(bed->peer->jobs, 2);
	assert_int_equal(other->session->jobs, 2);
	primary_drop(other);
	assert_int_equal(bed->peer->jobs, 0);
}

static void queries_of_a_peer_are_limited_over_all_its_links(void **state)
{
	struct primary *links[2] = { primary_new(bed), primary_new(bed) };
	unsigned full = 0, waiting = 0;

	(void)state;
	faulty_volume_hang_open(bed->volumes[0], true);
	for (uint32_t i = 0; i < 100; i++) {
		const struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = i, .device = "d0" } };

		primary_send(links[i % 2], &query);
		if (i >= 64)
			primary_wait(links[i % 2], i);
	}
	for (uint32_t i = 0; i < 100; i++) {
		full += links[i % 2]->answers[i].status == STATUS_QUEUE_FULL;
		waiting += links[i % 2]->answers[i].replies == 0;
	}
	assert_int_equal(full, 36);
	assert_int_equal(waiting, 64);
	assert_int_equal(bed->peer->queries, 64);
	primary_drop(links[0]);
	assert_int_equal(bed->peer->queries, 32);
	faulty_volume_hang_open(bed->volumes[0], false);
	BED_UNTIL(bed, bed->peer->queries == 0);
	primary_drop(links[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(device_that_a_peer_may_not_read_does_not_exist_for_it),
		T(device_of_another_peer_cannot_be_used_by_its_number), T(digest_only_peer_is_told_and_gets_no_data),
		T(digest_only_peer_gets_digests),
		T(replaced_device_is_only_for_sessions_that_have_it),
		T(link_too_many_is_closed_and_counted), T(peers_do_not_count_for_each_other),
		T(link_that_never_came_up_is_not_counted), T(job_too_many_is_refused_with_words_and_posted),
		T(job_that_the_array_has_no_room_for_is_not_counted), T(queries_of_a_peer_are_limited_over_all_its_links) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
