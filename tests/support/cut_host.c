/* SPDX-License-Identifier: Apache-2.0
 *
 * See cut_host.h. The first stream reads a track twice, and the second time it is in the cache; zeros and a hole lie
 * within the runs, so that they are answered in parts or whole, as it comes.
 */
#include "tests/support/cut_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/track_set.h"
#include "local/shm.h"
#include "primary/remote.h"

#define RUNS 2u

static const struct {
	uint32_t first, count; /* 0: no run */
} runs[CUT_STREAMS][RUNS] = { { { 0, 3 }, { 0, 1 } }, { { 5, 3 }, { 0, 0 } } };

static void read_on(struct cut_stream *stream);

static bool is_left(const struct cut_host *host)
{
	return host->device == NULL;
}

void cut_host_leave(struct cut_host *host)
{
	struct remote_device *device = host->device;

	for (unsigned i = 0; i < CUT_STREAMS; i++) {
		struct cut_stream *stream = &host->streams[i];

		remote_job_free(stream->job);
		stream->job = NULL;
		stream->is_reading = stream->is_waiting = stream->is_releasing = false;
		stream->is_done = true;
	}
	host->device = NULL;
	remote_detach(device);
}

static void leave_when_done(struct cut_host *host)
{
	for (unsigned i = 0; i < CUT_STREAMS; i++)
		if (!host->streams[i].is_done)
			return;
	if (host->knows_invalid)
		cut_host_leave(host);
}

static void released(struct cut_stream *stream)
{
	stream->job = NULL;
	stream->is_done = true;
	leave_when_done(stream->host);
}

static void on_invalid(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	struct cut_host *host = arg;

	assert_true(!host->is_down && !is_left(host) && !host->knows_invalid);
	if (status != STATUS_OK)
		fail_msg("%s: %s", status_name(status), detail);
	assert_int_equal(track_set_ranges(set), 2);
	assert_int_equal(track_set_tracks(set), 3);
	assert_true(track_set_has(set, 2) && track_set_has(set, 3) && track_set_has(set, 6));
	host->knows_invalid = true;
	leave_when_done(host);
}

static void on_released(void *arg)
{
	struct cut_stream *stream = arg;

	assert_true(stream->is_releasing);
	stream->is_releasing = false;
	released(stream);
}

static void check_tracks(const struct cut_stream *stream, const struct remote_read_result *result)
{
	struct cut_bed *cut_bed = stream->host->cut_bed;
	const uint8_t *data = shm_slot(cut_bed->shm, (uint32_t)(stream - stream->host->streams));
	uint8_t expected[CUT_TRACK_BYTES];

	assert_in_range(result->track_count, 1, stream->left_tracks);
	for (uint32_t i = 0; i < result->track_count; i++) {
		uint32_t track = stream->first_track + i;

		assert_int_equal(result->states[i],
			track == CUT_ZERO_TRACK ? TRACK_ZERO : track == CUT_HOLE_TRACK ? TRACK_HOLE : TRACK_DATA);
		if (result->states[i] != TRACK_DATA)
			continue;
		faulty_volume_expect(cut_bed->bed->volumes[0], expected, CUT_TRACK_BYTES, (uint64_t)track * CUT_TRACK_BYTES);
		assert_memory_equal(data, expected, CUT_TRACK_BYTES);
		data += CUT_TRACK_BYTES;
	}
}

static void on_read(void *arg, const struct remote_read_result *result)
{
	struct cut_stream *stream = arg;
	struct cut_host *host = stream->host;

	assert_true(stream->is_reading && !host->is_down && !is_left(host));
	stream->is_reading = false;
	host->answers++;
	host->disconnected += result->disconnected;
	if (result->status == STATUS_DATA_NOT_FOUND) {
		assert_int_equal(host->delivery, DELIVERY_POLL);
		host->data_not_found++;
		stream->floor = result->floor;
		stream->is_waiting = true;
		return;
	}
	if (result->status != STATUS_OK)
		fail_msg("%s: %s", status_name(result->status), result->detail);
	check_tracks(stream, result);
	stream->floor = 0;
	stream->first_track += result->track_count;
	stream->left_tracks -= result->track_count;
	if (host->leave == LEAVE_AT_ANSWER)
		cut_host_leave(host);
	else
		read_on(stream);
}

static void ask(struct cut_stream *stream)
{
	struct cut_host *host = stream->host;
	struct shm *shm = host->cut_bed->shm;
	const struct remote_read_spec spec = { .first_track = stream->first_track, .track_count = stream->left_tracks,
		.delivery = host->delivery, .floor = stream->floor, .shm = shm, .memory_bytes = shm_slot_bytes(shm),
		.memory = shm_slot(shm, (uint32_t)(stream - host->streams)) };

	memset(spec.memory, 0xa5, spec.memory_bytes);
	stream->is_reading = true;
	host->reads++;
	assert_int_equal(remote_read(stream->job, &spec, on_read, stream), STATUS_OK);
}

/* The rest of the run, the next run, or the end. */
static void read_on(struct cut_stream *stream)
{
	unsigned index = (unsigned)(stream - stream->host->streams);

	if (stream->left_tracks == 0 && stream->run < RUNS) {
		stream->first_track = runs[index][stream->run].first;
		stream->left_tracks = runs[index][stream->run].count;
		stream->run++;
	}
	if (stream->left_tracks > 0) {
		ask(stream);
		return;
	}
	stream->is_releasing = remote_job_release(stream->job, on_released, stream);
	if (!stream->is_releasing)
		released(stream);
}

static void on_info(void *arg, enum status status, const struct remote_about *about, const char *detail)
{
	struct cut_host *host = arg;

	if (status != STATUS_OK)
		fail_msg("%s: %s", status_name(status), detail);
	assert_int_equal(about->track_bytes, CUT_TRACK_BYTES);
	assert_int_equal(about->info->size_bytes, CUT_TRACKS * CUT_TRACK_BYTES);
	assert_int_equal(remote_invalid(host->device, on_invalid, host), STATUS_OK);
	for (unsigned i = 0; i < CUT_STREAMS; i++)
		host->streams[i].job = remote_job_new(host->device);
	for (unsigned i = 0; i < CUT_STREAMS; i++)
		read_on(&host->streams[i]);
}

static void on_link(void *arg, bool is_up, uint32_t relinks, const char *why)
{
	struct cut_host *host = arg;

	assert_true(host->is_down == is_up && !is_left(host));
	assert_true(is_up || why[0] != '\0');
	host->is_down = !is_up;
	host->downs += !is_up;
	host->ups += is_up;
	assert_int_equal(relinks, host->ups);
	assert_int_equal(remote_relinks(host->device), host->ups);
	if (!is_up && host->leave == LEAVE_AT_LOSS)
		cut_host_leave(host);
}

void cut_host_start(struct cut_host *host, struct cut_bed *cut_bed, enum delivery delivery, bool reserve,
	enum cut_leave leave)
{
	const struct remote_attach_spec spec = { .link_timeout_ms = 30000, .reserve = reserve, .owner = "the test",
		.link = on_link, .arg = host };

	*host = (struct cut_host){ .cut_bed = cut_bed, .delivery = delivery, .leave = leave };
	for (unsigned i = 0; i < CUT_STREAMS; i++)
		host->streams[i].host = host;
	cut_bed->host = host;
	cut_bed->idle_passes = 0;
	host->device = remote_attach(cut_bed->remote, "d0", &spec);
	assert_int_equal(remote_query(host->device, on_info, host), STATUS_OK);
}

bool cut_host_step(struct cut_host *host)
{
	struct bed *bed = host->cut_bed->bed;
	bool has_asked = false;

	for (unsigned i = 0; i < CUT_STREAMS; i++) {
		struct cut_stream *stream = &host->streams[i];

		if (!stream->is_waiting || bed_da(bed).elements_used > 0)
			continue;
		stream->is_waiting = false;
		ask(stream);
		has_asked = true;
	}
	return has_asked;
}

void cut_host_run(struct cut_host *host)
{
	struct cut_bed *cut_bed = host->cut_bed;

	CUT_UNTIL(cut_bed, is_left(host) && cut_bed_is_quiet(cut_bed));
	cut_bed->host = NULL;
	if (host->leave == LEAVE_NEVER)
		assert_int_equal(host->answers, host->reads);
	assert_true(host->ups <= host->downs && host->downs <= host->ups + 1);
	cut_bed_assert_told(cut_bed);
}
