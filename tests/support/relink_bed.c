/* SPDX-License-Identifier: Apache-2.0
 *
 * See relink_bed.h. Data of track t, and each digest of it, is the byte t + 1.
 */
#include "tests/support/relink_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/shm.h"
#include "wire/tls.h"

#define PASSES_MAX 3000

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct relink_bed *bed = arg;
	(void)proof;
	return strcmp(bed->key, key) == 0 ? bed : NULL;
}

int relink_set_up(void **state)
{
	struct relink_bed *bed = calloc(1, sizeof(*bed));
	char address[32];
	int fd;
	bed->world = world_new(4);
	bed->throttle = throttle_new(bed->world->clock);
	assert_int_equal(tls_identity_generate(&bed->ours), 0);
	assert_int_equal(tls_identity_generate(&bed->theirs), 0);
	assert_int_equal(tls_identity_generate(&bed->others), 0);
	tls_identity_key(bed->theirs, bed->key);
	tls_identity_key(bed->others, bed->other_key);
	bed->world->context = tls_context_new(bed->ours, TLS_CLIENT, admit, bed);
	bed->secondary = fake_secondary_new_listening(bed->world->base, bed->world->clock, bed->theirs, 8);
	snprintf(address, sizeof(address), "127.0.0.1:%u", fake_secondary_port(bed->secondary));
	struct remote_config config = { .base = bed->world->base, .clock = bed->world->clock, .post = bed->world->post,
		.peer_key = "b", .throttle = bed->throttle };
	bed->remote = remote_new_dialed(&config, address, bed->world->context);
	assert_int_equal(shm_create(RELINK_HOSTS * RELINK_JOBS, RELINK_SLOT_BYTES, &bed->shm, &fd), 0);
	close(fd);
	bed->volume = (struct msg_device_reply){ .status = STATUS_OK, .device_number = 3, .track_bytes = RELINK_TRACK,
		.volume = { .size_bytes = RELINK_TRACKS * RELINK_TRACK - 1000, .kind = VOLUME_KIND_FILE,
			.io = IO_MODE_BUFFERED, .device_id = 5, .inode = 77, .path = "/remote",
			.identity = "dm LVM-x" } };
	bed->reserve_status = bed->create_status = STATUS_OK;
	bed->last_link_id = 0x0007000000000000ull;
	for (unsigned i = 0; i < RELINK_HOSTS; i++)
		bed->hosts[i].bed = bed;
	*state = bed;
	return 0;
}

int relink_tear_down(void **state)
{
	struct relink_bed *bed = *state;
	for (unsigned i = 0; i < RELINK_HOSTS; i++)
		relink_give_up(&bed->hosts[i]);
	remote_free(bed->remote);
	fake_secondary_free(bed->secondary);
	tls_identity_free(bed->ours);
	tls_identity_free(bed->theirs);
	tls_identity_free(bed->others);
	throttle_free(bed->throttle); /* asserts that no limit is left */
	shm_unref(bed->shm);
	world_free(bed->world); /* asserts that no timer is set */
	free(bed);
	return 0;
}

/* ---- The secondary ---- */

void relink_answer_reserve(struct relink_bed *bed)
{
	uint32_t tag = bed->reserve_tag;
	struct message reply = { .type = MESSAGE_RESERVE_REPLY };
	bool is_ok = bed->reserve_status == STATUS_OK;
	reply.reserve_reply = (struct msg_reserve_reply){ .tag = tag, .status = bed->reserve_status,
		.reservation = is_ok ? ++bed->last_reservation : 0 };
	if (!is_ok)
		snprintf(reply.reserve_reply.detail, sizeof(reply.reserve_reply.detail), "%s",
			bed->is_by_program ? "in use by editor[9]" : "reserved by somebody");
	reply.reserve_reply.by_program = !is_ok && bed->is_by_program;
	fake_secondary_send(bed->secondary, &reply, NULL, 0);
}

static void answer_query(struct relink_bed *bed, uint32_t tag)
{
	struct message reply = { .type = MESSAGE_DEVICE_REPLY, .device_reply = bed->volume };
	reply.device_reply.tag = tag;
	if (bed->volume.status != STATUS_OK)
		reply.device_reply = (struct msg_device_reply){ .tag = tag, .status = bed->volume.status };
	fake_secondary_send(bed->secondary, &reply, NULL, 0);
}

static void send_data(struct relink_bed *bed, const struct msg_read *read, enum status status)
{
	struct message reply = { .type = MESSAGE_READ_REPLY };
	static uint8_t payload[RUN_DIGESTS_MAX * DIGEST_BYTES_MAX];
	uint32_t bytes = 0;
	reply.read_reply = (struct msg_read_reply){ .tag = read->tag, .status = status, .track_count = read->track_count };
	for (uint32_t i = 0; i < read->track_count; i++) {
		uint64_t track = read->first_track + i;
		uint32_t track_bytes = track == RELINK_TRACKS - 1 ? RELINK_TRACK - 1000 : RELINK_TRACK;
		uint32_t piece_bytes = read->digest == DIGEST_NONE ? track_bytes : digest_bytes(read->digest);
		reply.read_reply.states[i] = TRACK_DATA;
		memset(payload + bytes, (int)track + 1, piece_bytes);
		bytes += piece_bytes;
	}
	fake_secondary_send(bed->secondary, &reply, payload, bytes);
}

static void answer_read(struct relink_bed *bed, const struct msg_read *read)
{
	if (read->link_id == 0) {
		bed->creates++;
		if (bed->create_status == STATUS_OK)
			fake_secondary_job(bed->secondary, read->tag, ++bed->last_link_id);
		else
			fake_secondary_status(bed->secondary, read->tag, bed->create_status, 0);
		return;
	}
	bed->reads++;
	bed->floor_seen = read->floor;
	bed->reread_seen = read->reread;
	bed->digest_seen = read->digest;
	bed->end_seen = read->end_bytes;
	if (read->delivery == DELIVERY_DISCONNECT) {
		fake_secondary_status(bed->secondary, read->tag, STATUS_DISCONNECT, 0);
		send_data(bed, read, STATUS_RECONNECT);
	} else if (read->delivery == DELIVERY_POLL && read->floor == 0) {
		fake_secondary_status(bed->secondary, read->tag, STATUS_DATA_NOT_FOUND, 40 + bed->reads);
	} else {
		send_data(bed, read, STATUS_OK);
	}
}

static void answer_invalid(struct relink_bed *bed, uint32_t tag)
{
	struct message reply = { .type = MESSAGE_INVALID_REPLY,
		.invalid_reply = { .tag = tag, .status = bed->invalid_status } };
	bool is_ok = bed->invalid_status == STATUS_OK;
	if (!is_ok)
		snprintf(reply.invalid_reply.detail, sizeof(reply.invalid_reply.detail), "its file is damaged");
	fake_secondary_send(bed->secondary, &reply, bed->invalid, bed->invalid_bytes);
}

static void answer(struct relink_bed *bed, const struct message *message)
{
	switch (message->type) {
	case MESSAGE_DEVICE_QUERY:
		bed->queries++;
		answer_query(bed, message->device_query.tag);
		break;
	case MESSAGE_RESERVE:
		bed->reserves++;
		bed->exclusive_seen = message->reserve.exclusive;
		bed->reserve_tag = message->reserve.tag;
		if (bed->reserve_status != STATUS_UNSET)
			relink_answer_reserve(bed);
		break;
	case MESSAGE_UNRESERVE:
		bed->unreserves++;
		assert_true(message->unreserve.reservation > 0);
		fake_secondary_done(bed->secondary, message->unreserve.tag);
		break;
	case MESSAGE_INVALID:
		bed->invalids++;
		if (bed->invalid_status != STATUS_UNSET)
			answer_invalid(bed, message->invalid.tag);
		break;
	case MESSAGE_READ:
		answer_read(bed, &message->read);
		break;
	case MESSAGE_RELEASE:
		bed->releases++;
		fake_secondary_done(bed->secondary, message->release.tag);
		break;
	default:
		assert_int_equal(message->type, MESSAGE_DETACH);
		bed->detaches++;
		fake_secondary_done(bed->secondary, message->detach.tag);
	}
}

/* ---- Time ---- */

void relink_settle(struct relink_bed *bed)
{
	unsigned quiet = 0;
	for (unsigned passes = 0; quiet < 60 && passes < PASSES_MAX; passes++) {
		uint64_t before = remote_wire_bytes(bed->remote);
		const char *state = remote_view(bed->remote).state;
		const struct message *message;
		world_pass(bed->world);
		while (!bed->is_mute && (message = fake_secondary_take(bed->secondary)))
			answer(bed, message);
		bool is_quiet = remote_wire_bytes(bed->remote) == before && remote_view(bed->remote).state == state;
		quiet = is_quiet ? quiet + 1 : 0;
	}
}

void relink_advance(struct relink_bed *bed, int64_t ms)
{
	clock_advance(bed->world->clock, ms);
	relink_settle(bed);
}

void relink_expect(struct relink_bed *bed, const char *state)
{
	relink_settle(bed);
	assert_string_equal(remote_view(bed->remote).state, state);
}

void relink_drop(struct relink_bed *bed)
{
	fake_secondary_close_port(bed->secondary);
	fake_secondary_hang_up(bed->secondary);
	relink_expect(bed, "waiting");
}

void relink_come_back(struct relink_bed *bed)
{
	fake_secondary_open_port(bed->secondary);
	remote_try_now(bed->remote);
	relink_advance(bed, 0);
	relink_expect(bed, "up");
}

/* ---- Hosts ---- */

static void after_callback(struct relink_host *host)
{
	if (host->then)
		host->then(host);
}

static void on_link(void *arg, bool is_up, uint32_t relinks, const char *why)
{
	struct relink_host *host = arg;
	assert_non_null(host->device); /* nothing comes after it was given up */
	*(is_up ? &host->ups : &host->downs) += 1;
	host->relinks = relinks;
	snprintf(host->why, sizeof(host->why), "%s", why);
	after_callback(host);
}

static void on_info(void *arg, enum status status, const struct remote_about *about, const char *detail)
{
	struct relink_host *host = arg;
	assert_non_null(host->device);
	host->infos++;
	host->info_status = status;
	assert_int_equal(status == STATUS_OK, about->info != NULL);
	host->size_bytes = about->info ? about->info->size_bytes : 0;
	snprintf(host->info_detail, sizeof(host->info_detail), "%s", detail);
	after_callback(host);
}

static void on_read(void *arg, const struct remote_read_result *result)
{
	struct relink_read *read = arg;
	read->count++;
	read->status = result->status;
	read->floor = result->floor;
	read->hole_tracks = result->hole_tracks;
	read->track_count = result->track_count;
	read->throttled_ms = result->throttled_ms;
	read->disconnected = result->disconnected;
	snprintf(read->detail, sizeof(read->detail), "%s", result->detail);
}

static void attach(struct relink_host *host, struct remote_attach_spec *spec)
{
	assert_null(host->device);
	spec->owner = host == &host->bed->hosts[0] ? "first" : "second";
	spec->link = on_link;
	spec->arg = host;
	host->device = remote_attach(host->bed->remote, "volume", spec);
}

void relink_attach(struct relink_host *host, int64_t link_timeout_ms, bool reserve)
{
	attach(host, &(struct remote_attach_spec){ .link_timeout_ms = link_timeout_ms, .reserve = reserve });
}

void relink_attach_exclusively(struct relink_host *host, int64_t link_timeout_ms)
{
	attach(host, &(struct remote_attach_spec){ .link_timeout_ms = link_timeout_ms, .reserve = true,
		.exclusive = true });
}

void relink_attach_limited(struct relink_host *host, int64_t link_timeout_ms, struct rate *run_rate)
{
	attach(host, &(struct remote_attach_spec){ .link_timeout_ms = link_timeout_ms, .run_rate = run_rate });
}

void relink_query(struct relink_host *host)
{
	assert_int_equal(remote_query(host->device, on_info, host), STATUS_OK);
}

void relink_jobs(struct relink_host *host)
{
	for (unsigned i = 0; i < RELINK_JOBS; i++)
		host->jobs[i] = remote_job_new(host->device);
}

void relink_open(struct relink_host *host, int64_t link_timeout_ms, bool reserve)
{
	unsigned infos = host->infos;
	relink_attach(host, link_timeout_ms, reserve);
	relink_query(host);
	relink_advance(host->bed, 0);
	assert_int_equal(host->infos, infos + 1);
	assert_int_equal(host->info_status, STATUS_OK);
	relink_jobs(host);
}

static unsigned slot_of(const struct relink_host *host, unsigned job)
{
	return (unsigned)(host - host->bed->hosts) * RELINK_JOBS + job;
}

static void start_read(struct relink_host *host, unsigned job, struct remote_read_spec spec)
{
	spec.shm = host->bed->shm;
	spec.memory = shm_slot(spec.shm, slot_of(host, job));
	spec.memory_bytes = RELINK_SLOT_BYTES;
	memset(spec.memory, 0, RELINK_SLOT_BYTES);
	host->reads[job].digest = spec.digest;
	assert_int_equal(remote_read(host->jobs[job], &spec, on_read, &host->reads[job]), STATUS_OK);
}

void relink_read_from(struct relink_host *host, unsigned job, uint64_t first_track, uint32_t track_count,
	enum delivery delivery, uint64_t floor, bool reread)
{
	start_read(host, job, (struct remote_read_spec){ .first_track = first_track, .track_count = track_count,
		.delivery = delivery, .floor = floor, .reread = reread });
}

void relink_read_digests(struct relink_host *host, unsigned job, uint64_t first_track, uint32_t track_count,
	enum digest digest, uint64_t end_bytes)
{
	start_read(host, job, (struct remote_read_spec){ .first_track = first_track, .track_count = track_count,
		.delivery = DELIVERY_DISCONNECT, .digest = digest, .end_bytes = end_bytes });
}

void relink_read(struct relink_host *host, unsigned job, uint64_t first_track, uint32_t track_count,
	enum delivery delivery)
{
	relink_read_from(host, job, first_track, track_count, delivery, 0, false);
}

void relink_expect_read(struct relink_host *host, unsigned job, unsigned count, enum status status)
{
	const struct relink_read *read = &host->reads[job];
	assert_int_equal(read->count, count);
	if (count == 0)
		return;
	assert_string_equal(status_name(read->status), status_name(status));
	if (status == STATUS_OK) {
		const uint8_t *slot = shm_slot(host->bed->shm, slot_of(host, job));
		uint32_t piece_bytes = read->digest == DIGEST_NONE ? RELINK_TRACK : digest_bytes(read->digest);
		assert_true(read->track_count >= 1);
		assert_int_equal(slot[0] + read->track_count - 1, slot[(read->track_count - 1) * piece_bytes]);
		assert_true(slot[0] > 0);
	}
}

void relink_give_up(struct relink_host *host)
{
	struct remote_device *device = host->device;
	host->device = NULL;
	for (unsigned i = 0; i < RELINK_JOBS; i++) {
		remote_job_free(host->jobs[i]);
		host->jobs[i] = NULL;
	}
	remote_detach(device);
}
