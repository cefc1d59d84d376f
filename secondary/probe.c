/* SPDX-License-Identifier: Apache-2.0
 *
 * A probe: see probe.h. It attaches the device, keeps four DA reads of 1 MiB in flight, each into memory of its own,
 * and detaches. The sink's functions run on DA threads and touch nothing but their read; the rest is the loop's.
 *
 * The hard thing: a read that hangs outlives the probe. It then belongs to the DA and is freed with its element, and
 * the device is not ready until its thread comes back.
 */
#include "secondary/probe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/ra.h"
#include "storage/da.h"

#define PROBE_MAGIC 0x50524f42u
#define READ_MAGIC 0x50524452u
#define READS 4u
#define READ_BYTES (1u * MIB)
#define ALIGN_BYTES 4096u
#define FULL_WAIT_MS 10 /* until a full queue is tried again */

struct probe_read {
	uint32_t magic;
	struct probe *probe;        /* NULL: given up, the DA frees it */
	struct da_request *request; /* NULL: not in flight */
	struct timer timer;
	void *allocation;
	char *memory; /* in allocation, aligned */
	uint64_t first_track, end_bytes;
	uint32_t track_count, track_bytes;
	bool is_again; /* these tracks were read before */
	/* By the DA thread until done: */
	uint64_t bytes_read;
	uint32_t unreadable_tracks;
};

struct probe {
	uint32_t magic;
	struct ra *ra;
	struct attach *attach; /* while it is being opened */
	struct device *device; /* while it is attached */
	struct probe_read *reads[READS];
	unsigned in_flight;
	struct timer full_timer; /* set while no read is in flight because the queue is full */
	bool has_read;
	uint64_t next_track, track_count;
	bool is_again; /* the end was reached once */
	int64_t time_ms, begun_ms;
	struct probe_result result;
	void (*done)(void *arg, const struct probe_result *result);
	void *arg;
};

static struct probe *probe_of(void *arg)
{
	struct probe *probe = arg;

	assert(probe->magic == PROBE_MAGIC);
	return probe;
}

static struct probe_read *read_of(void *arg)
{
	struct probe_read *read = arg;

	assert(read->magic == READ_MAGIC);
	return read;
}

/* ---- The sink: DA threads, but for finished ---- */

static uint64_t sink_begin(void *arg)
{
	(void)read_of(arg);
	return 1; /* no cache behind this sink: nothing to tell apart */
}

static void *sink_slot(void *arg, uint64_t track)
{
	struct probe_read *read = read_of(arg);

	return read->memory + (track - read->first_track) * read->track_bytes;
}

static void sink_publish(void *arg, uint64_t track, enum track_state state, void *slot, uint64_t sequence)
{
	struct probe_read *read = read_of(arg);
	uint64_t left_bytes = read->end_bytes - track * read->track_bytes;

	(void)slot;
	(void)sequence;
	if (track_is_unreadable(state))
		read->unreadable_tracks++;
	else if (state != TRACK_HOLE)
		read->bytes_read += left_bytes < read->track_bytes ? left_bytes : read->track_bytes;
}

static void sink_drop(void *arg, uint64_t track, void *slot)
{
	(void)arg;
	(void)track;
	(void)slot; /* the read keeps its memory */
}

static void read_free(struct probe_read *read)
{
	timer_cancel(&read->timer);
	read->magic = 0;
	free(read->allocation);
	free(read);
}

static void sink_finished(void *arg)
{
	struct probe_read *read = read_of(arg);

	if (read->probe == NULL)
		read_free(read);
}

static const struct da_sink sink = {
	.begin = sink_begin, .slot = sink_slot, .publish = sink_publish, .drop = sink_drop, .finished = sink_finished
};

/* ---- The end ---- */

/* is_late: its reads did not end in time. */
static void probe_free(struct probe *probe, bool is_late)
{
	struct device *device = probe->device;

	for (unsigned i = 0; i < READS; i++) {
		struct probe_read *read = probe->reads[i];

		if (read == NULL)
			continue;
		if (read->request == NULL) {
			read_free(read);
			continue;
		}
		timer_cancel(&read->timer);
		read->probe = NULL;
		if (!da_abandon(probe->ra->da, read->request))
			continue;
		if (is_late)
			device_request_hangs(device);
		else
			device_request_is_unwanted(device);
	}
	timer_cancel(&probe->full_timer);
	if (probe->attach != NULL)
		attach_cancel(probe->attach);
	if (device != NULL)
		device_detach(device);
	probe->magic = 0;
	free(probe);
}

static void end(struct probe *probe, enum status status, const char *detail)
{
	struct probe_result result = probe->result;
	void (*done)(void *arg, const struct probe_result *result) = probe->done;
	void *arg = probe->arg;

	result.status = status;
	snprintf(result.detail, sizeof(result.detail), "%s", detail);
	if (result.is_open)
		result.elapsed_ms = clock_now_ms(probe->ra->clock) - probe->begun_ms;
	log_debug("probe: %s after %lld ms: %s", status_name(status), (long long)result.elapsed_ms, detail);
	probe_free(probe, status == STATUS_TIMEOUT);
	done(arg, &result);
}

void probe_cancel(struct probe *probe)
{
	probe_free(probe_of(probe), false);
}

/* ---- Reads ---- */

static void read_done(void *arg, struct da_request *request, const struct da_result *result);

static void read_timed_out(void *arg)
{
	struct probe_read *read = read_of(arg);
	struct probe *probe = probe_of(read->probe);
	const struct post_where where = { .device = probe->device->constants.name, .first_track = read->first_track,
		.track_count = read->track_count };

	post_error(probe->ra->post, STATUS_TIMEOUT, &where, "a read of a probe did not end in time");
	end(probe, STATUS_TIMEOUT, "the volume was not read in time");
}

static struct probe_read *read_new(struct probe *probe)
{
	struct probe_read *read = xcalloc(1, sizeof(*read));

	read->magic = READ_MAGIC;
	read->probe = probe;
	read->track_bytes = probe->ra->config.track_bytes;
	read->end_bytes = probe->result.info.size_bytes;
	read->allocation = xcalloc(1, READ_BYTES + ALIGN_BYTES);
	read->memory = read->allocation;
	read->memory += ALIGN_BYTES - (uintptr_t)read->memory % ALIGN_BYTES;
	timer_init(&read->timer, probe->ra->clock, read_timed_out, read);
	return read;
}

static void submit(struct probe_read *read)
{
	struct probe *probe = read->probe;
	struct ra *ra = probe->ra;
	const uint32_t tracks_max = READ_BYTES / read->track_bytes;
	const uint64_t left = probe->track_count - probe->next_track;
	struct da_spec spec = { .kind = DA_READ, .volume = probe->device->volume, .owner = probe, .sink = &sink,
		.sink_arg = read, .done = read_done, .arg = read, .returned = device_request_returned,
		.returned_arg = probe->device };

	read->first_track = probe->next_track;
	read->track_count = left < tracks_max ? (uint32_t)left : tracks_max;
	read->is_again = probe->is_again;
	read->bytes_read = 0;
	read->unreadable_tracks = 0;
	spec.first_track = read->first_track;
	spec.track_count = read->track_count;
	spec.track_bytes = read->track_bytes;
	spec.end_bytes = read->end_bytes;
	read->request = da_submit(ra->da, &spec);
	if (read->request == NULL)
		return;
	timer_set(&read->timer, ra->config.da_timeout_ms);
	probe->in_flight++;
	probe->next_track += read->track_count;
}

/* At the end of the volume it goes on from the beginning, once something was read. */
static bool has_more(struct probe *probe)
{
	if (clock_now_ms(probe->ra->clock) - probe->begun_ms >= probe->time_ms)
		return false;
	if (probe->next_track < probe->track_count)
		return true;
	if (probe->result.bytes_read == 0)
		return false;
	probe->next_track = 0;
	probe->is_again = true;
	return true;
}

static void read_more(struct probe *probe)
{
	bool is_full = false;

	for (unsigned i = 0; i < READS && !is_full && has_more(probe); i++) {
		if (probe->reads[i] == NULL)
			probe->reads[i] = read_new(probe);
		if (probe->reads[i]->request == NULL)
			submit(probe->reads[i]);
		is_full = probe->reads[i]->request == NULL;
	}
	if (probe->in_flight > 0)
		return;
	if (is_full)
		timer_set(&probe->full_timer, FULL_WAIT_MS);
	else if (probe->has_read || probe->track_count == 0)
		end(probe, STATUS_OK, "");
	else
		end(probe, STATUS_QUEUE_FULL, "the disk queue was full all the time");
}

static void try_again(void *arg)
{
	read_more(probe_of(arg));
}

static void read_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct probe_read *read = read_of(arg);
	struct probe *probe = probe_of(read->probe);

	(void)result;
	assert(read->request == request);
	timer_cancel(&read->timer);
	read->request = NULL;
	probe->in_flight--;
	probe->has_read = true;
	probe->result.bytes_read += read->bytes_read;
	if (!read->is_again)
		probe->result.unreadable_tracks += read->unreadable_tracks;
	da_release(probe->ra->da, request);
	read_more(probe);
}

/* ---- The begin ---- */

static void attached(void *arg, enum status status, uint32_t number, const struct volume_info *info, const char *detail)
{
	struct probe *probe = probe_of(arg);

	probe->attach = NULL;
	if (status != STATUS_OK) {
		end(probe, status, detail);
		return;
	}
	probe->device = device_array_record(probe->ra->devices, number);
	probe->result.is_open = true;
	probe->result.info = *info;
	probe->track_count = info->size_bytes / probe->ra->config.track_bytes +
		(info->size_bytes % probe->ra->config.track_bytes != 0);
	probe->begun_ms = clock_now_ms(probe->ra->clock);
	if (device_is_ready(probe->device))
		read_more(probe);
	else
		end(probe, STATUS_NOT_READY, "an earlier request of the volume hangs");
}

struct probe *probe_start(struct ra *ra, uint32_t device_number, int64_t time_ms,
	void (*done)(void *arg, const struct probe_result *result), void *arg)
{
	struct probe *probe = xcalloc(1, sizeof(*probe));

	probe->magic = PROBE_MAGIC;
	probe->ra = ra;
	probe->time_ms = time_ms;
	probe->done = done;
	probe->arg = arg;
	timer_init(&probe->full_timer, ra->clock, try_again, probe);
	probe->attach = device_attach(ra->devices, device_number, false, attached, probe);
	return probe;
}
