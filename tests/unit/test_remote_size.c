/* SPDX-License-Identifier: Apache-2.0
 *
 * The secondary goes by another size than a host knows: another peer had jobs on the device when this one asked, and
 * the volume has grown or shrunk. The read that sees it ends with VOLUME_CHANGED, and the link stays for all others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/post.h"
#include "local/shm.h"
#include "tests/support/cut_bed.h"
#include "tests/support/relink_bed.h"

#define PATIENCE_MS 30000
#define LAST (RELINK_TRACKS - 1u)
#define SIZE_BYTES (RELINK_TRACKS * RELINK_TRACK - 1000u)

/* ---- A secondary that the test plays ---- */

/* It answers the Read that is there: two tracks, with so many bytes in all. */
static void answer_read(struct relink_bed *bed, enum delivery delivery, uint32_t bytes)
{
	uint32_t tag = fake_secondary_take(bed->secondary)->read.tag;
	if (delivery == DELIVERY_DISCONNECT)
		fake_secondary_status(bed->secondary, tag, STATUS_DISCONNECT, 0);
	fake_secondary_data(bed->secondary, tag, delivery == DELIVERY_DISCONNECT ? STATUS_RECONNECT : STATUS_OK, 2, 7,
		bytes);
	relink_settle(bed);
}

static void last_track_of_another_length_ends_its_read_only(void **state)
{
	static const struct {
		uint32_t tail_bytes;
		const char *size;
	} cases[] = { { 1, "36865" }, { 3095, "39959" }, { 3097, "39961" }, { RELINK_TRACK, "at least 40960" } };
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0], *other = &bed->hosts[1];
	char words[DETAIL_MAX + 1];
	unsigned ended = 0;
	relink_open(host, PATIENCE_MS, false);
	relink_open(other, PATIENCE_MS, false);
	relink_read(host, 0, LAST, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, ++ended, STATUS_OK);
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		enum delivery delivery = i % 2 ? DELIVERY_DISCONNECT : DELIVERY_HOLD;
		bed->is_mute = true;
		relink_read(host, 0, LAST - 1, 2, delivery);
		relink_settle(bed);
		answer_read(bed, delivery, RELINK_TRACK + cases[i / 2].tail_bytes);
		relink_expect_read(host, 0, ++ended, STATUS_VOLUME_CHANGED);
		snprintf(words, sizeof(words), "device volume: its size changed from %u to %s bytes (track %u has %u)",
			SIZE_BYTES, cases[i / 2].size, LAST, cases[i / 2].tail_bytes);
		assert_string_equal(host->reads[0].detail, words);
		assert_int_equal(remote_view(bed->remote).reads_connected, 0);
		bed->is_mute = false;
	}
	relink_read(other, 0, LAST, 1, DELIVERY_HOLD);
	relink_read(host, 0, LAST - 2, 2, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(other, 0, 1, STATUS_OK);
	relink_expect_read(host, 0, ++ended, STATUS_OK);
	assert_int_equal(fake_secondary_links(bed->secondary), 1);
	assert_int_equal(post_count(bed->world->post, STATUS_VOLUME_CHANGED), 8);
}

/* What is not in order does not become so by being in the last run. */
static void other_lengths_end_the_link(void **state)
{
	static const uint32_t lengths[] = { 0, 1, RELINK_TRACK, 2 * RELINK_TRACK + 1 };
	struct relink_bed *bed = *state;
	struct relink_host *host = &bed->hosts[0];
	relink_open(host, PATIENCE_MS, false);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		bed->is_mute = true;
		relink_read(host, 0, LAST - 1, 2, DELIVERY_HOLD);
		relink_settle(bed);
		fake_secondary_close_port(bed->secondary);
		answer_read(bed, DELIVERY_HOLD, lengths[i]);
		relink_expect(bed, "waiting");
		assert_non_null(strstr(remote_view(bed->remote).error, "bytes of payload, its tracks have 7192"));
		bed->is_mute = false;
		relink_come_back(bed);
		relink_expect_read(host, 0, 2 + i, STATUS_OK);
	}
}

/* ---- A secondary that is real, and another peer ---- */

struct seen {
	unsigned infos, reads;
	enum status status;
	uint64_t size_bytes;
	char detail[DETAIL_MAX + 1];
};

static void on_info(void *arg, enum status status, const struct remote_about *about, const char *detail)
{
	struct seen *seen = arg;
	(void)detail;
	assert_int_equal(status, STATUS_OK);
	seen->infos++;
	seen->size_bytes = about->info->size_bytes;
}

static void on_read(void *arg, const struct remote_read_result *result)
{
	struct seen *seen = arg;
	seen->reads++;
	seen->status = result->status;
	snprintf(seen->detail, sizeof(seen->detail), "%s", result->detail);
}

static void query(struct cut_bed *cut_bed, struct remote_device *device, struct seen *seen)
{
	unsigned infos = seen->infos;
	assert_int_equal(remote_query(device, on_info, seen), STATUS_OK);
	CUT_UNTIL(cut_bed, seen->infos > infos);
}

static void read_tracks(struct cut_bed *cut_bed, struct remote_job *job, uint64_t first_track, uint32_t track_count,
	struct seen *seen)
{
	struct remote_read_spec spec = { .first_track = first_track, .track_count = track_count,
		.delivery = DELIVERY_HOLD, .memory = shm_slot(cut_bed->shm, 0), .memory_bytes = CUT_TRACKS * CUT_TRACK_BYTES,
		.shm = cut_bed->shm };
	unsigned reads = seen->reads;
	assert_int_equal(remote_read(job, &spec, on_read, seen), STATUS_OK);
	CUT_UNTIL(cut_bed, seen->reads > reads);
}

/* The host asks; the volume gets another size; another peer asks, and by its job that size is in force. */
static void change_behind_the_host(uint64_t from_bytes, uint64_t to_bytes, uint64_t first_track, uint32_t track_count,
	const char *words)
{
	struct cut_bed *cut_bed = cut_bed_new();
	struct seen seen = { 0 };
	struct primary *other = primary_new_of(cut_bed->bed, cut_bed->tls_bed->peers[1].peer);
	faulty_volume_set_size(cut_bed->bed->volumes[0], from_bytes);
	struct remote_device *device = remote_attach(cut_bed->remote, "d0",
		&(struct remote_attach_spec){ .link_timeout_ms = PATIENCE_MS });
	query(cut_bed, device, &seen);
	assert_int_equal(seen.size_bytes, from_bytes);
	faulty_volume_set_size(cut_bed->bed->volumes[0], to_bytes);
	primary_link(other, primary_attach(other, "d0"));

	struct remote_job *job = remote_job_new(device);
	read_tracks(cut_bed, job, first_track, track_count, &seen);
	assert_string_equal(status_name(seen.status), "VOLUME_CHANGED");
	assert_string_equal(seen.detail, words);
	read_tracks(cut_bed, job, 0, 1, &seen); /* the job, and the link, go on */
	assert_string_equal(status_name(seen.status), "OK");
	assert_int_equal(remote_view(cut_bed->remote).relinks, 0);

	remote_job_free(job); /* the next jobs go by what is told then */
	query(cut_bed, device, &seen);
	assert_int_equal(seen.size_bytes, to_bytes);
	job = remote_job_new(device);
	read_tracks(cut_bed, job, 0, (uint32_t)((to_bytes + CUT_TRACK_BYTES - 1) / CUT_TRACK_BYTES), &seen);
	assert_string_equal(status_name(seen.status), "OK");
	remote_job_free(job);
	remote_detach(device);
	primary_drop(other);
	CUT_UNTIL(cut_bed, cut_bed_is_quiet(cut_bed));
	cut_bed_free(cut_bed);
}

static void volume_that_another_peer_saw_grow_ends_the_read_of_its_end(void **state)
{
	(void)state;
	change_behind_the_host(30000, 30100, 7, 1,
		"device d0: its size changed from 30000 to 30100 bytes (track 7 has 1428)");
	change_behind_the_host(30000, 32768, 5, 3,
		"device d0: its size changed from 30000 to at least 32768 bytes (track 7 has 4096)");
}

static void volume_that_another_peer_saw_shrink_ends_the_read_of_its_end(void **state)
{
	(void)state;
	change_behind_the_host(30000, 29900, 7, 1,
		"device d0: its size changed from 30000 to 29900 bytes (track 7 has 1228)");
	change_behind_the_host(30000, 9000, 2, 3,
		"device d0: its size was 30000 bytes: tracks 2+3 lie outside the device, which has 9000 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(last_track_of_another_length_ends_its_read_only, relink_set_up,
			relink_tear_down),
		cmocka_unit_test_setup_teardown(other_lengths_end_the_link, relink_set_up, relink_tear_down),
		cmocka_unit_test(volume_that_another_peer_saw_grow_ends_the_read_of_its_end),
		cmocka_unit_test(volume_that_another_peer_saw_shrink_ends_the_read_of_its_end),
	};
	return cmocka_run_group_tests_name("remote_size", tests, NULL, NULL);
}
