/* SPDX-License-Identifier: Apache-2.0
 *
 * A probe: see probe.h. It attaches the device, keeps four DA reads of 1 MiB in flight, each into memory of its own and
 * charged to the limits, and detaches. The sink's functions run on DA threads and touch nothing but their read; the
 * rest is the loop's.
 *
 * The hard thing: a read that hangs outlives the probe. It then belongs to the DA and is freed with its element, and
 * the device is not ready until its thread comes back.
 */
#include "secondary/probe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "base/rate.h"
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
	struct rate_waiter throttle;
	bool is_paid; /* the limits let it through; it is in flight or waits for the queue */
	uint64_t charged_bytes;
	/* By the DA thread until done: */
	uint64_t bytes_read;
	uint32_t unreadable_tracks;
};

struct probe {
	uint32_t magic;
	struct ra *ra;
	struct attach *attach; /* while it is being opened */
	struct device *device; /* while it is attached */
	uint32_t number;
	struct probe_read *reads[READS];
	unsigned in_flight;
	struct timer end_timer;  /* set as long as reads may begin */
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

static void *sink_slot(void *arg, uint64_t track)
{
	struct probe_read *read = read_of(arg);

	return read->memory + (track - read->first_track) * read->track_bytes;
}

static void sink_publish(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence)
{
	struct probe_read *read = read_of(arg);
	uint64_t left_bytes = read->end_bytes - track * read->track_bytes;

	(void)sequence;
	if (track_is_unreadable(found->state))
		read->unreadable_tracks++;
	else if (found->state != TRACK_HOLE)
		read->bytes_read += left_bytes < read->track_bytes ? left_bytes : read->track_bytes;
}

static void read_free(struct probe_read *read)
{
	timer_cancel(&read->timer);
	rate_leave(&read->throttle);
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

static const struct da_sink sink = { .slot = sink_slot, .publish = sink_publish, .finished = sink_finished };

/* ---- What the limits were charged ---- */

static void rates_of(const struct probe_read *read, struct rate *rates[RATES_MAX])
{
	const struct ra *ra = read->probe->ra;

	memset(rates, 0, RATES_MAX * sizeof(rates[0]));
	rates[0] = device_array_rate(ra->devices, read->probe->number);
	rates[1] = ra->total_rate;
}

static void give_back(const struct probe_read *read, uint64_t bytes, unsigned reads)
{
	struct rate *rates[RATES_MAX];

	rates_of(read, rates);
	rate_give_back(rates, bytes, reads);
}

/* ---- The end ---- */

/* is_late: its reads did not end in time. */
static void probe_free(struct probe *probe, bool is_late)
{
	struct device *device = probe->device;

	for (unsigned i = 0; i < READS; i++) {
		struct probe_read *read = probe->reads[i];

		if (read == NULL)
			continue;
		if (read->request == NULL || da_cancel_queued(probe->ra->da, read->request)) {
			if (read->is_paid)
				give_back(read, read->charged_bytes, 1);
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
	timer_cancel(&probe->end_timer);
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
	log_debug("device %s: probe: %s after %lld ms: %s", probe->device->constants.name, status_name(status),
		(long long)result.elapsed_ms, detail);
	probe_free(probe, status == STATUS_TIMEOUT);
	done(arg, &result);
}

void probe_cancel(struct probe *probe)
{
	probe_free(probe_of(probe), false);
}

/* ---- Reads ---- */

static void read_done(void *arg, struct da_request *request, const struct da_result *result);
static void read_more(struct probe *probe);

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

static void count_wait(struct probe_read *read)
{
	read->probe->result.throttled_ms += read->throttle.waited_ms;
}

/* The limits let it through. */
static void on_passed(void *arg)
{
	struct probe_read *read = read_of(arg);

	read->is_paid = true;
	count_wait(read);
	read_more(read->probe);
}

/* Takes the next tracks. */
static void claim(struct probe_read *read)
{
	struct probe *probe = read->probe;
	const uint32_t tracks_max = READ_BYTES / read->track_bytes;
	const uint64_t left = probe->track_count - probe->next_track;
	struct rate *rates[RATES_MAX];

	read->first_track = probe->next_track;
	read->track_count = left < tracks_max ? (uint32_t)left : tracks_max;
	read->is_again = probe->is_again;
	probe->next_track += read->track_count;
	read->charged_bytes = (uint64_t)read->track_count * read->track_bytes;
	if (read->first_track * read->track_bytes + read->charged_bytes > read->end_bytes)
		read->charged_bytes = read->end_bytes - read->first_track * read->track_bytes;
	rates_of(read, rates);
	read->is_paid = rate_enter(probe->ra->throttle, &read->throttle, rates, probe, read->charged_bytes, on_passed,
		read);
	if (!read->is_paid)
		probe->result.held_by = rate_waits_for(&read->throttle);
}

static void submit(struct probe_read *read)
{
	struct probe *probe = read->probe;
	struct ra *ra = probe->ra;
	const struct da_spec spec = { .kind = DA_READ, .volume = probe->device->volume, .owner = probe, .sink = &sink,
		.sink_arg = read, .done = read_done, .arg = read, .returned = device_request_returned,
		.returned_arg = probe->device, .first_track = read->first_track, .track_count = read->track_count,
		.track_bytes = read->track_bytes, .end_bytes = read->end_bytes };

	read->bytes_read = 0;
	read->unreadable_tracks = 0;
	read->request = da_submit(ra->da, &spec);
	if (read->request == NULL)
		return;
	timer_set(&read->timer, ra->config.da_timeout_ms);
	probe->in_flight++;
}

/* At the end of the volume it goes on from the beginning, once something was read. */
static bool has_more(struct probe *probe)
{
	if (!probe->end_timer.is_set)
		return false;
	if (probe->next_track < probe->track_count)
		return true;
	if (probe->result.bytes_read == 0)
		return false;
	probe->next_track = 0;
	probe->is_again = true;
	return true;
}

/* Nothing is in flight and nothing will be. */
static void finish(struct probe *probe)
{
	if (probe->has_read || probe->track_count == 0)
		end(probe, STATUS_OK, "");
	else if (probe->result.held_by != NULL)
		end(probe, STATUS_BUSY, "the limits let nothing through in that time");
	else
		end(probe, STATUS_QUEUE_FULL, "the disk queue was full all the time");
}

static void read_more(struct probe *probe)
{
	bool is_full = false, waits = false;

	for (unsigned i = 0; i < READS && !is_full; i++) {
		struct probe_read *read = probe->reads[i];

		if (read == NULL)
			read = probe->reads[i] = read_new(probe);
		if (read->request == NULL && !read->is_paid && !read->throttle.is_waiting && has_more(probe))
			claim(read);
		if (read->request == NULL && read->is_paid)
			submit(read);
		is_full = read->is_paid && read->request == NULL;
		waits = waits || read->throttle.is_waiting;
	}
	if (probe->in_flight > 0)
		return;
	if (is_full)
		timer_set(&probe->full_timer, FULL_WAIT_MS);
	else if (!waits)
		finish(probe);
}

static void try_again(void *arg)
{
	read_more(probe_of(arg));
}

/* What was not begun is given up, and its charge is given back. */
static void on_time_over(void *arg)
{
	struct probe *probe = probe_of(arg);

	for (unsigned i = 0; i < READS; i++) {
		struct probe_read *read = probe->reads[i];

		if (read == NULL || read->request != NULL)
			continue;
		if (read->throttle.is_waiting) {
			rate_leave(&read->throttle);
			count_wait(read);
		} else if (read->is_paid) {
			give_back(read, read->charged_bytes, 1);
			read->is_paid = false;
		}
	}
	timer_cancel(&probe->full_timer);
	if (probe->in_flight == 0)
		finish(probe);
}

static void read_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct probe_read *read = read_of(arg);
	struct probe *probe = probe_of(read->probe);

	(void)result;
	assert(read->request == request);
	timer_cancel(&read->timer);
	read->request = NULL;
	read->is_paid = false;
	give_back(read, read->charged_bytes - read->bytes_read, 0);
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
	timer_set(&probe->end_timer, probe->time_ms);
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
	probe->number = device_number;
	probe->time_ms = time_ms;
	probe->done = done;
	probe->arg = arg;
	timer_init(&probe->full_timer, ra->clock, try_again, probe);
	timer_init(&probe->end_timer, ra->clock, on_time_over, probe);
	probe->attach = device_attach(ra->devices, device_number, false, attached, probe);
	return probe;
}
