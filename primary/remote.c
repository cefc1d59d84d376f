/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of the link of RA 30: its connection, its end, and for a dialed one the next try, after a delay that doubles
 * until a HelloReply. What goes over it stands in remote_frame.c. Loop thread only. The hard thing is the end of a
 * connection: first all that was true only of it is taken back without calling anybody, and then owners are called,
 * each of whom may give up anything.
 */
#include "primary/remote.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "primary/dial.h"
#include "primary/remote_link.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 10000
#define STALE_MS 25000 /* the secondary's pings see the end of a connection within 20 s */

static const char *const state_names[] = { "waiting", "connecting", "hello", "up", "lost" };

static struct remote *remote_of(void *arg)
{
	struct remote *remote = arg;
	assert(remote->magic == REMOTE_MAGIC);
	return remote;
}

static void set_state(struct remote *remote, enum link_state state, const char *reason)
{
	log_debug("link to %s: %s -> %s: %s", remote->peer, state_names[remote->state], state_names[state], reason);
	remote->state = state;
	remote->since_ms = clock_now_ms(remote->config.clock);
}

bool remote_is_stale(const struct remote *remote)
{
	return clock_now_ms(remote->config.clock) - remote->lost_ms < STALE_MS;
}

void remote_name_time(char words[REMOTE_TIME_CHARS], int64_t ms)
{
	if (ms < 1000)
		snprintf(words, REMOTE_TIME_CHARS, "less than a second");
	else if (ms < 120000)
		snprintf(words, REMOTE_TIME_CHARS, "%d s", (int)(ms / 1000));
	else
		snprintf(words, REMOTE_TIME_CHARS, "%d min", (int)(ms / 60000));
}

/* ---- The end of a connection ---- */

static struct remote_job *find_job_that_is_over(const struct remote *remote)
{
	struct remote_device *device;
	struct remote_job *job;
	DL_FOREACH(remote->devices, device) {
		DL_FOREACH(device->jobs, job) {
			if (job->is_given_up || job->state == JOB_RELEASING)
				return job;
		}
	}
	return NULL;
}

static struct remote_device *find_given_up_device(const struct remote *remote)
{
	struct remote_device *device;
	DL_FOREACH(remote->devices, device) {
		if (device->is_given_up)
			return device;
	}
	return NULL;
}

/* All that was true only of the connection. What is given up has nothing left to wait for. */
static void lose(struct remote *remote)
{
	struct remote_device *device;
	DL_FOREACH(remote->devices, device)
		remote_device_lose(device);
	assert(!remote->requests && remote->connected == 0);
	remote->floor_max = 0;
	for (struct remote_job *job; (job = find_job_that_is_over(remote));)
		remote_on_released(job);
	while ((device = find_given_up_device(remote))) {
		assert(!device->jobs && device->holds == 0);
		remote_device_settle(device);
	}
}

/* The owners of devices hear of it. Each is told once, so the loops come to their end, whatever the callbacks do. */
static void tell_loss(struct remote *remote)
{
	struct remote_device *device;
	do {
		DL_FOREACH(remote->devices, device) {
			if (remote->state == LINK_LOST ? device->state != DEVICE_FAILED : device->owes_news)
				break;
		}
		if (device && remote->state == LINK_LOST)
			remote_device_fail(device, STATUS_LINK_LOST, "the link to the secondary is lost");
		else if (device)
			remote_device_tell_down(device);
	} while (device);
}

static int64_t next_delay_ms(struct remote *remote)
{
	int64_t delay_ms = remote->retry_delay_ms;
	uint32_t random = 0;
	ssize_t rc = getrandom(&random, sizeof(random), 0);
	(void)rc; /* without it all primaries come back at the same moment: no more than that */
	remote->retry_delay_ms = delay_ms < RETRY_MAX_MS / 2 ? 2 * delay_ms : RETRY_MAX_MS;
	if (remote->is_one_too_many && remote_is_stale(remote) && delay_ms > REMOTE_AGAIN_MS)
		delay_ms = REMOTE_AGAIN_MS;
	return delay_ms * 3 / 4 + random % (delay_ms / 2 + 1);
}

/* A link that cannot come up says so once, not at each try. */
static void post_end(struct remote *remote, const char *reason)
{
	struct post_where where = { .peer = remote->peer };
	if (remote->state == LINK_UP || strcmp(reason, remote->error) != 0)
		post_error(remote->config.post, STATUS_LINK_LOST, &where, "%s", reason);
	snprintf(remote->error, sizeof(remote->error), "%s", reason);
}

static void close_connection(struct remote *remote)
{
	dial_free(remote->dial);
	remote->dial = NULL;
	remote->refused_key[0] = '\0';
	if (!remote->conn)
		return;
	if (!conn_peer(remote->conn)) /* a key that was shown was not let in */
		snprintf(remote->refused_key, sizeof(remote->refused_key), "%s", conn_peer_key(remote->conn));
	remote->wire_bytes += conn_wire_bytes(remote->conn);
	conn_free(remote->conn);
	remote->conn = NULL;
}

static void end_connection(struct remote *remote, const char *reason)
{
	post_end(remote, reason);
	close_connection(remote);
	if (remote->state == LINK_UP)
		remote->lost_ms = clock_now_ms(remote->config.clock);
	if (remote->address) {
		timer_set(&remote->retry, next_delay_ms(remote));
		set_state(remote, LINK_WAITING, remote->error);
	} else {
		set_state(remote, LINK_LOST, remote->error);
	}
	lose(remote);
	tell_loss(remote);
}

/* ---- A connection ---- */

static void on_up(void *arg)
{
	struct remote *remote = remote_of(arg);
	snprintf(remote->key, sizeof(remote->key), "%s", conn_peer_key(remote->conn));
	set_state(remote, LINK_HELLO, "TLS is up");
	remote_say_hello(remote);
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct remote *remote = remote_of(arg);
	(void)clean;
	end_connection(remote, remote->refusal[0] ? remote->refusal : reason);
}

static const struct conn_ops conn_ops = {
	.up = on_up,
	.payload = remote_on_payload,
	.frame = remote_on_frame,
	.closed = on_closed,
};

static void connect_tls(struct remote *remote, struct tls *tls, int fd_in, int fd_out, const char *name)
{
	remote->refusal[0] = '\0';
	remote->is_one_too_many = false;
	remote->conn = conn_new_tls(remote->config.base, remote->config.clock, tls, fd_in, fd_out, name, &conn_ops, remote);
}

void remote_become_up(struct remote *remote, const struct msg_hello_reply *reply)
{
	struct remote_device *device;
	conn_accept(remote->conn);
	conn_start_ping(remote->conn);
	remote->features = reply->features;
	remote->digests = reply->digests;
	remote->window_reads = reply->window_reads;
	remote->times_up++;
	remote->error[0] = '\0';
	remote->retry_delay_ms = RETRY_MIN_MS;
	set_state(remote, LINK_UP, "HelloReply");
	log_info("link to %s up: secondary %u (%s), reads at a time at most %u", remote->peer, reply->secondary_id,
		reply->software, reply->window_reads);
	DL_FOREACH(remote->devices, device)
		remote_device_want(device);
}

static void on_dialed(void *arg, int fd, const char *why)
{
	struct remote *remote = remote_of(arg);
	if (fd < 0) {
		end_connection(remote, why);
		return;
	}
	dial_free(remote->dial);
	remote->dial = NULL;
	connect_tls(remote, tls_new(remote->tls_context, fd, fd), fd, fd, remote->peer);
	conn_set_quiet(remote->conn); /* it is tried again and again: post_end says what is new */
}

static void on_retry(void *arg)
{
	struct remote *remote = remote_of(arg);
	set_state(remote, LINK_CONNECTING, remote->address);
	remote->dial = dial_new(remote->config.base, remote->config.clock, remote->address, on_dialed, remote);
}

/* ---- For its owner ---- */

static struct remote *new_remote(const struct remote_config *config)
{
	struct remote *remote = xcalloc(1, sizeof(*remote));
	remote->magic = REMOTE_MAGIC;
	remote->config = *config;
	snprintf(remote->peer, sizeof(remote->peer), "%s", config->peer_key);
	remote->config.peer_key = remote->peer;
	remote->floor_max = UINT64_MAX;
	remote->since_ms = clock_now_ms(config->clock);
	remote->lost_ms = -STALE_MS;
	timer_init(&remote->retry, config->clock, on_retry, remote);
	return remote;
}

struct remote *remote_new(const struct remote_config *config, struct tls *tls, int fd_in, int fd_out)
{
	struct remote *remote = new_remote(config);
	remote->state = LINK_CONNECTING;
	connect_tls(remote, tls, fd_in, fd_out, "secondary");
	return remote;
}

struct remote *remote_new_dialed(const struct remote_config *config, const char *address,
	struct tls_context *tls_context)
{
	struct remote *remote = new_remote(config);
	remote->address = xstrdup(address);
	remote->tls_context = tls_context;
	remote->retry_delay_ms = RETRY_MIN_MS;
	timer_set(&remote->retry, 0);
	return remote;
}

void remote_try_now(struct remote *remote)
{
	if (remote->state == LINK_WAITING)
		timer_set(&remote->retry, 0);
}

void remote_set_peer(struct remote *remote, const char *address, struct tls_context *tls_context)
{
	bool has_moved = strcmp(remote->address, address) != 0;
	assert(remote->tls_context);
	remote->tls_context = tls_context;
	if (has_moved) {
		free(remote->address);
		remote->address = xstrdup(address);
	}
	if (remote->conn && !conn_admit_again(remote->conn, tls_context))
		end_connection(remote, remote->state == LINK_CONNECTING ? "the configuration was read again" :
			"the configuration was read again and does not let its key in");
	else if (has_moved && remote->state != LINK_WAITING)
		end_connection(remote, "the configuration has another address");
	remote->retry_delay_ms = RETRY_MIN_MS;
	remote_try_now(remote);
}

void remote_free(struct remote *remote)
{
	if (!remote)
		return;
	timer_cancel(&remote->retry);
	close_connection(remote);
	set_state(remote, LINK_LOST, "the end of this program's use of it");
	lose(remote);
	assert(!remote->devices);
	free(remote->address);
	remote->magic = 0;
	free(remote);
}

uint64_t remote_wire_bytes(const struct remote *remote)
{
	return remote->wire_bytes + (remote->conn ? conn_wire_bytes(remote->conn) : 0);
}

struct remote_view remote_view(const struct remote *remote)
{
	int64_t now_ms = clock_now_ms(remote->config.clock), retry_ms = remote->retry.due_ms - now_ms;
	return (struct remote_view){
		.state = state_names[remote->state],
		.is_up = remote->state == LINK_UP,
		.since_ms = now_ms - remote->since_ms,
		.key = remote->key,
		.error = remote->error,
		.refused_key = remote->refused_key,
		.retry_in_ms = remote->state != LINK_WAITING ? -1 : retry_ms > 0 ? retry_ms : 0,
		.relinks = remote->times_up > 0 ? remote->times_up - 1 : 0,
		.wire_bytes = remote_wire_bytes(remote),
		.read_bytes = remote->read_bytes,
		.reads_connected = remote->connected,
		.window_reads = remote->window_reads,
	};
}

static void dump_device(const struct remote_device *device)
{
	const struct remote_job *job;
	log_write(LOG_LEVEL_INFO, "  remote device %s, number %u%s%s%s", device->name, device->number,
		device->is_attached ? "" : ", not attached", device->reservation ? ", reserved" : "",
		device->is_given_up ? ", given up" : "");
	DL_FOREACH(device->jobs, job) {
		struct remote_job_view view = remote_job_view(job);
		log_write(LOG_LEVEL_INFO, "    link job 0x%016llx: %s%s; read: %s, tracks %llu+%u, %s",
			(unsigned long long)view.link_id, view.state, job->is_given_up ? ", given up" : "", view.read,
			(unsigned long long)view.first_track, view.track_count, delivery_name(job->spec.delivery));
	}
}

void remote_dump(const struct remote *remote)
{
	struct remote_view view = remote_view(remote);
	const struct remote_device *device;
	log_write(LOG_LEVEL_INFO,
		"link to %s: %s%s%s, %u of %u reads connected, %u requests without an answer, %llu bytes", remote->peer,
		view.state, view.error[0] ? ": " : "", view.error, view.reads_connected, view.window_reads,
		HASH_COUNT(remote->requests), (unsigned long long)view.wire_bytes);
	DL_FOREACH(remote->devices, device)
		dump_device(device);
}
