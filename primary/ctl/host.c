/* SPDX-License-Identifier: Apache-2.0
 *
 * The host side of check: one connection, eight streams, one slot each. The hard thing is the end of a measurement:
 * what is then in flight still writes into the slots, so its replies are awaited; of those only failures count. One
 * thread.
 */
#include "primary/ctl/host.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "local/client.h"
#include "local/control_client.h"
#include "local/shm.h"

#define HOST_MAGIC 0x43484f53u
#define STREAM_MAGIC 0x43535452u
#define ANSWER_MS 60000 /* longer than any time-out of the daemons */
#define HELD_SHARE 0.3  /* of the time of all streams: a limit, not chance */

struct stream {
	uint32_t magic;
	struct ctl_host *host;
	uint32_t number; /* also its slot */
	uint64_t first_track;
	uint32_t track_count; /* 0: it takes a new run */
	bool has_lost_slot;
};

struct ctl_host {
	uint32_t magic;
	struct daemon *daemon;
	struct shm *shm;
	struct client *client;
	bool is_lost; /* the connection: nothing more will come */
	struct timer timer;
	struct msg_host_open_reply volumes;
	struct stream streams[CTL_STREAMS];
	/* The measurement that runs */
	enum side side;
	struct ctl_measure *measure;
	uint64_t next_track, track_count, size_bytes; /* of what both volumes have */
	uint32_t in_flight;
	int64_t begun_ms;
	bool is_silent; /* nothing came before the time was over */
	bool is_over;
};

static struct ctl_host *host_of(void *arg)
{
	struct ctl_host *host = arg;

	assert(host->magic == HOST_MAGIC);
	return host;
}

static void wake(struct ctl_host *host)
{
	daemon_stop(host->daemon, 0);
}

/* ---- The connection ---- */

static void on_up(void *arg)
{
	wake(host_of(arg));
}

static void on_lost(void *arg, const char *reason)
{
	struct ctl_host *host = host_of(arg);

	host->is_lost = true;
	host->volumes.status = STATUS_LINK_LOST;
	snprintf(host->volumes.detail, sizeof(host->volumes.detail), "the connection to ra-primaryd was lost: %.180s",
		reason);
	if (host->measure != NULL) {
		host->measure->status = STATUS_LINK_LOST;
		memcpy(host->measure->detail, host->volumes.detail, sizeof(host->measure->detail));
	}
	host->in_flight = 0;
	host->is_over = true;
	wake(host);
}

/* Nothing came for too long: as if the connection were gone. */
static void on_silence(void *arg)
{
	struct ctl_host *host = host_of(arg);

	client_free(host->client);
	host->client = NULL;
	on_lost(host, "no answer");
}

static void run(struct ctl_host *host)
{
	daemon_run(host->daemon);
	timer_cancel(&host->timer);
}

struct ctl_host *ctl_host_new(const char *socket, char why[CTL_WHY_BYTES])
{
	static const struct client_ops ops = { .up = on_up, .lost = on_lost };
	struct ctl_host *host = xcalloc(1, sizeof(*host));
	int fd = control_connect(socket, "ra-primaryd", why, CTL_WHY_BYTES), memory_fd = -1, rc;

	host->magic = HOST_MAGIC;
	host->daemon = daemon_new();
	timer_init(&host->timer, daemon_clock(host->daemon), on_silence, host);
	for (uint32_t i = 0; i < CTL_STREAMS; i++)
		host->streams[i] = (struct stream){ .magic = STREAM_MAGIC, .host = host, .number = i };
	if (fd < 0)
		goto fail;
	rc = shm_create(CTL_STREAMS, RUN_BYTES_DEFAULT, &host->shm, &memory_fd);
	for (uint32_t i = 0; i < CTL_STREAMS && rc == 0; i++)
		rc = shm_fill(host->shm, i, RUN_BYTES_DEFAULT);
	if (rc != 0) {
		close(fd);
		if (memory_fd >= 0)
			close(memory_fd);
		snprintf(why, CTL_WHY_BYTES, "no shared memory: %s", strerror(-rc));
		goto fail;
	}
	host->client = client_new(daemon_base(host->daemon), daemon_clock(host->daemon), fd, host->shm, memory_fd, &ops,
		host);
	timer_set(&host->timer, ANSWER_MS);
	run(host);
	close(memory_fd);
	if (!host->is_lost)
		return host;
	snprintf(why, CTL_WHY_BYTES, "%s", host->volumes.detail);
fail:
	ctl_host_free(host);
	return NULL;
}

void ctl_host_free(struct ctl_host *host)
{
	if (host == NULL)
		return;
	client_free(host->client);
	shm_unref(host->shm);
	timer_cancel(&host->timer);
	daemon_free(host->daemon);
	free(host);
}

/* ---- Open ---- */

static void on_opened(void *arg, const struct msg_host_open_reply *reply)
{
	struct ctl_host *host = host_of(arg);

	host->volumes = *reply;
	wake(host);
}

const struct msg_host_open_reply *ctl_host_open(struct ctl_host *host, const char *device, uint32_t link_timeout_ms)
{
	struct msg_host_open request = { .link_timeout_ms = link_timeout_ms };

	assert(!host->is_lost && host->volumes.status == STATUS_UNSET);
	snprintf(request.device, sizeof(request.device), "%s", device);
	client_owner("ra-ctl", request.owner);
	client_open(host->client, &request, on_opened, host);
	timer_set(&host->timer, ANSWER_MS);
	run(host);
	return &host->volumes;
}

/* ---- Measuring ---- */

static void go_on(struct stream *stream);

/* Bytes of so many tracks from first on; the last track may be short. */
static uint64_t bytes_of(const struct ctl_host *host, uint64_t first, uint32_t count)
{
	uint64_t begin = first * host->volumes.track_bytes, end = begin + (uint64_t)count * host->volumes.track_bytes;

	return (end < host->size_bytes ? end : host->size_bytes) - begin;
}

static void count_answer(struct ctl_host *host, const struct stream *stream, const struct msg_host_read_reply *reply)
{
	struct ctl_measure *measure = host->measure;

	measure->bytes += bytes_of(host, stream->first_track, reply->track_count);
	measure->reads++;
	measure->throttled_ms += reply->throttled_ms;
	for (uint32_t i = 0; i < reply->track_count; i++)
		if (track_is_unreadable((enum track_state)reply->states[i]) && measure->unreadable_tracks++ == 0)
			measure->first_unreadable = stream->first_track + i;
}

static double elapsed_ms(const struct ctl_host *host)
{
	return (double)(clock_now_ms(daemon_clock(host->daemon)) - host->begun_ms);
}

static bool is_held(const struct ctl_host *host)
{
	return (double)host->measure->throttled_ms > HELD_SHARE * elapsed_ms(host) * CTL_STREAMS;
}

static void end_measure(struct ctl_host *host)
{
	struct ctl_measure *measure = host->measure;

	host->is_over = true;
	measure->seconds = elapsed_ms(host) / 1000;
	measure->is_held = is_held(host);
	measure->is_whole = measure->bytes == host->size_bytes;
}

/* Also of a read that hung until the time was long over. The first is kept. */
static void count_failure(struct ctl_host *host, const struct msg_host_read_reply *reply)
{
	struct ctl_measure *measure = host->measure;

	if (measure->status == STATUS_OK) {
		measure->status = reply->status;
		snprintf(measure->detail, sizeof(measure->detail), "%s", status_words(reply->status, reply->detail));
	}
	if (!host->is_over)
		end_measure(host);
}

/* Each stream had an answer, or a limit says how fast it goes on. */
static bool is_enough(const struct ctl_host *host)
{
	return host->measure->reads >= CTL_STREAMS || is_held(host);
}

/* A slow side gets more time; one that was silent so far only until its first byte, of which nothing can be said. */
static void on_time(void *arg)
{
	struct ctl_host *host = host_of(arg);

	host->is_silent = host->measure->reads == 0;
	if (!host->is_silent && is_enough(host))
		end_measure(host);
}

static void on_read(void *arg, const struct msg_host_read_reply *reply)
{
	struct stream *stream = arg;
	struct ctl_host *host = stream->host;

	assert(stream->magic == STREAM_MAGIC);
	host->in_flight--;
	stream->has_lost_slot = stream->has_lost_slot || reply->slot_lost;
	if (reply->status != STATUS_OK) {
		count_failure(host, reply);
	} else if (!host->is_over) {
		count_answer(host, stream, reply);
		stream->first_track += reply->track_count;
		stream->track_count -= reply->track_count;
		if (!host->timer.is_set && (host->is_silent || is_enough(host)))
			end_measure(host);
	}
	go_on(stream);
	if (host->in_flight > 0)
		return;
	if (!host->is_over) /* all was read */
		end_measure(host);
	wake(host);
}

static void next_run(struct stream *stream)
{
	struct ctl_host *host = stream->host;
	uint64_t run_tracks = RUN_BYTES_DEFAULT / host->volumes.track_bytes;
	uint64_t left = host->track_count - host->next_track;

	if (run_tracks > RUN_TRACKS_MAX)
		run_tracks = RUN_TRACKS_MAX;
	stream->first_track = host->next_track;
	stream->track_count = (uint32_t)(left < run_tracks ? left : run_tracks);
	host->next_track += stream->track_count;
}

static void go_on(struct stream *stream)
{
	struct ctl_host *host = stream->host;
	struct msg_host_read request = { .side = host->side, .slot = stream->number };

	if (host->is_over || stream->has_lost_slot)
		return;
	if (stream->track_count == 0)
		next_run(stream);
	if (stream->track_count == 0)
		return; /* the end */
	request.first_track = stream->first_track;
	request.track_count = stream->track_count;
	if (host->side == SIDE_REMOTE) {
		request.stream = stream->number;
		request.delivery = DELIVERY_DISCONNECT;
	}
	if (host->volumes.digests & 1u << DIGEST_XXH3_128) {
		request.digest = DIGEST_XXH3_128;
		request.end_bytes = host->size_bytes;
	}
	host->in_flight++;
	client_read(host->client, &request, on_read, stream);
}

void ctl_host_measure(struct ctl_host *host, enum side side, uint64_t bytes, int time_ms, struct ctl_measure *out)
{
	*out = (struct ctl_measure){ .status = host->volumes.status };
	memcpy(out->detail, host->volumes.detail, sizeof(out->detail));
	if (host->is_lost || bytes == 0)
		return;
	host->side = side;
	host->measure = out;
	host->size_bytes = bytes;
	host->track_count = (bytes + host->volumes.track_bytes - 1) / host->volumes.track_bytes;
	host->next_track = 0;
	host->is_silent = host->is_over = false;
	host->begun_ms = clock_now_ms(daemon_clock(host->daemon));
	timer_init(&host->timer, daemon_clock(host->daemon), on_time, host);
	timer_set(&host->timer, time_ms);
	for (uint32_t i = 0; i < CTL_STREAMS; i++) {
		host->streams[i].track_count = 0;
		go_on(&host->streams[i]);
	}
	if (host->in_flight > 0)
		run(host);
	host->measure = NULL;
}
