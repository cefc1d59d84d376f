/* SPDX-License-Identifier: Apache-2.0
 *
 * A ledger read for ra-ctl, and as JSON. Loop thread only, but for run_call. The hard thing is who outlives whom: a
 * call goes on when its request was refused at the daemon's end, so each knows when the other is gone.
 */
#include "primary/proof.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/track_set.h"
#include "local/server.h"
#include "local/show.h"
#include "storage/da.h"
#include "storage/ledger.h"
#include "storage/state_file.h"

#define CALL_MAGIC 0x5052464cu
#define PROOFS_MAX 8u /* at once: each may have a whole ledger in memory */
#define DAY_S 86400

struct proof_call {
	uint32_t magic;
	struct proofs *proofs; /* NULL: nobody waits any more. Loop thread, as is request */
	struct control_request *request;
	struct proof_call *prev, *next; /* of proofs */
	struct da *da;
	char device[DEVICE_NAME_MAX + 1];
	char *path;
	struct ledger *ledger; /* NULL without an error: there is none */
	char detail[DETAIL_MAX + 1]; /* "": all was well */
};

struct proofs {
	struct da *da;
	struct proof_call *calls;
	unsigned count;
};

static struct proof_call *call_of(void *arg)
{
	struct proof_call *call = arg;
	assert(call->magic == CALL_MAGIC);
	return call;
}

/* ---- As JSON ---- */

/* By age, and what was never proven. Of a time that is still to come nothing is known. */
static const struct {
	int64_t below_s; /* 0: older than all before */
	const char *name;
} ages[] = {
	{ DAY_S, "1d" },
	{ 7 * DAY_S, "7d" },
	{ 30 * DAY_S, "30d" },
	{ 90 * DAY_S, "90d" },
	{ 0, "older" },
	{ 0, "never" },
};

#define AGES (sizeof(ages) / sizeof(ages[0]))
#define AGE_NEVER (AGES - 1)

struct age_counts {
	uint64_t tracks[AGES], bytes[AGES];
	int64_t oldest_wall_s; /* 0: nothing is proven */
};

static unsigned age_of(int64_t proven, int64_t now)
{
	unsigned age = 0;
	if (proven == 0 || proven > now)
		return AGE_NEVER;
	while (ages[age].below_s > 0 && now - proven >= ages[age].below_s)
		age++;
	return age;
}

/* What a comparison accounts for: the larger volume, or the common part. */
static uint64_t compared_bytes(const struct ledger_binding *binding)
{
	bool is_local = (binding->local_bytes > binding->remote_bytes) != binding->is_common;
	return is_local ? binding->local_bytes : binding->remote_bytes;
}

static struct age_counts count_ages(const struct ledger *ledger, int64_t now)
{
	struct age_counts counts = { .oldest_wall_s = 0 };
	uint64_t total = ledger_total_tracks(ledger), end = compared_bytes(ledger_binding(ledger));
	uint64_t group_tracks = ledger_group_tracks(ledger), track_bytes = ledger_binding(ledger)->track_bytes;
	for (uint32_t i = 0; i < ledger_groups(ledger); i++) {
		uint64_t first = i * group_tracks, tracks = total - first < group_tracks ? total - first : group_tracks;
		uint64_t left = end > first * track_bytes ? end - first * track_bytes : 0;
		int64_t proven = ledger_group_proven(ledger, i);
		unsigned age = age_of(proven, now);
		counts.tracks[age] += tracks;
		counts.bytes[age] += left < tracks * track_bytes ? left : tracks * track_bytes;
		if (age != AGE_NEVER && (counts.oldest_wall_s == 0 || proven < counts.oldest_wall_s))
			counts.oldest_wall_s = proven;
	}
	return counts;
}

static json_t *describe_ages(const struct age_counts *counts)
{
	json_t *json = json_array();
	for (unsigned i = 0; i < AGES; i++) {
		json_t *age = json_object();
		show_set_text(age, "age", ages[i].name);
		show_set_count(age, "tracks", counts->tracks[i]);
		show_set_count(age, "bytes", counts->bytes[i]);
		json_array_append_new(json, age);
	}
	return json;
}

static json_t *describe_run(const struct ledger *ledger)
{
	json_t *json = json_object();
	show_set_utc(json, "started", ledger_run_started(ledger));
	show_set_text(json, "options", ledger_run_options(ledger));
	show_set_count(json, "identical_tracks", track_set_tracks(ledger_run_identical(ledger)));
	show_set_count(json, "different_tracks", track_set_tracks(ledger_run_different(ledger)));
	show_set_ms(json, "elapsed_seconds", (int64_t)ledger_counts(ledger).elapsed_ms);
	return json;
}

json_t *proof_describe(const char *device, const struct ledger *ledger, int64_t now_wall_s)
{
	json_t *json = json_object();
	show_set_text(json, "device", device);
	if (!ledger)
		return json;
	const struct ledger_binding *binding = ledger_binding(ledger);
	struct age_counts counts = count_ages(ledger, now_wall_s);
	show_set_text(json, "local", binding->local_identity);
	show_set_text(json, "remote", binding->remote_identity);
	show_set_text(json, "compared", binding->digest);
	show_set_count(json, "tracks", ledger_total_tracks(ledger));
	show_set_count(json, "track_bytes", binding->track_bytes);
	if (counts.oldest_wall_s > 0) {
		show_set_utc(json, "oldest_proof", counts.oldest_wall_s);
		show_set_count(json, "oldest_proof_seconds", (uint64_t)(now_wall_s - counts.oldest_wall_s));
	}
	show_set_count(json, "never_proven_tracks", counts.tracks[AGE_NEVER]);
	json_object_set_new(json, "ages", describe_ages(&counts));
	show_set_count(json, "different_tracks", ledger_different_tracks(ledger));
	if (ledger_has_history(ledger)) {
		show_set_utc(json, "last_run_ended", ledger_last_ended(ledger));
		show_set_text(json, "last_run_result", ledger_last_differed(ledger) ? "different" :
			counts.tracks[AGE_NEVER] == 0 ? "identical" : "unproven");
	}
	if (ledger_run_options(ledger))
		json_object_set_new(json, "unfinished_run", describe_run(ledger));
	return json;
}

/* ---- Requests ---- */

static int run_call(void *arg)
{
	struct proof_call *call = call_of(arg);
	char why[STATE_WHY_BYTES];
	uint8_t *file;
	size_t file_bytes;
	int error = state_read(call->path, LEDGER_BYTES_MAX, &file, &file_bytes);
	if (error == -ENOENT)
		return 0;
	if (error != 0) {
		snprintf(call->detail, sizeof(call->detail), "cannot read %.180s: %s", call->path, strerror(-error));
		return error;
	}
	if (ledger_decode(file, file_bytes, &call->ledger, why) != 0)
		snprintf(call->detail, sizeof(call->detail),
			"the ledger of %s is damaged: %.80s; ra-compare --restart begins a new one", call->device, why);
	free(file);
	return 0;
}

static void call_free(void *arg)
{
	struct proof_call *call = call_of(arg);
	ledger_free(call->ledger);
	free(call->path);
	call->magic = 0;
	free(call);
}

/* The request is the caller's from now on. */
static struct control_request *forget(struct proof_call *call)
{
	struct control_request *request = call->request;
	DL_DELETE(call->proofs->calls, call);
	call->proofs->count--;
	call->proofs = NULL;
	call->request = NULL;
	return request;
}

static void on_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct proof_call *call = call_of(arg);
	(void)result;
	if (call->proofs && call->detail[0])
		control_refuse(forget(call), STATUS_VOLUME_ERROR, "%s", call->detail);
	else if (call->proofs)
		control_answer(forget(call), proof_describe(call->device, call->ledger, (int64_t)time(NULL)));
	da_release(call->da, request);
}

void proofs_serve(struct proofs *proofs, const char *device, const char *path, struct control_request *request)
{
	static const struct da_sink sink = { .finished = call_free };
	if (proofs->count == PROOFS_MAX) {
		control_refuse(request, STATUS_BUSY, "%u ledgers are being read already", PROOFS_MAX);
		return;
	}
	struct proof_call *call = xcalloc(1, sizeof(*call));
	call->magic = CALL_MAGIC;
	call->proofs = proofs;
	call->request = request;
	call->da = proofs->da;
	call->path = xstrdup(path);
	snprintf(call->device, sizeof(call->device), "%s", device);
	struct da_spec spec = {
		.kind = DA_CALL,
		.owner = proofs,
		.call = run_call,
		.call_arg = call,
		.sink = &sink,
		.sink_arg = call,
		.done = on_done,
		.arg = call,
	};
	if (!da_submit(proofs->da, &spec)) {
		call_free(call);
		control_refuse(request, STATUS_BUSY, "the disk queue is full");
		return;
	}
	DL_APPEND(proofs->calls, call);
	proofs->count++;
}

struct proofs *proofs_new(struct da *da)
{
	struct proofs *proofs = xcalloc(1, sizeof(*proofs));
	proofs->da = da;
	return proofs;
}

void proofs_free(struct proofs *proofs)
{
	if (!proofs)
		return;
	while (proofs->calls)
		control_refuse(forget(proofs->calls), STATUS_LINK_LOST, "ra-primaryd ends");
	free(proofs);
}
