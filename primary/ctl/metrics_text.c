/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus text, format 0.0.4: a family's samples stand together below its HELP and TYPE, which are not there without
 * any. Every sample says which daemon it is of, so that both files of a host can stand beside each other. One thread.
 */
#include "primary/ctl/metrics_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "primary/ctl/words.h"

#define LABELS_MAX 3u

struct label {
	const char *name, *value; /* NULL: none */
};

struct family {
	FILE *out;
	const char *daemon;
	const char *name, *type, *help;
	bool has_head;
};

/* ---- Lines ---- */

static void put_escaped(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\\' || *text == '"')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void begin(struct family *family, const char *name, const char *type, const char *help)
{
	family->name = name;
	family->type = type;
	family->help = help;
	family->has_head = false;
}

static void put_name(struct family *family, const char *suffix, const struct label labels[LABELS_MAX])
{
	if (!family->has_head)
		fprintf(family->out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name, family->type);
	family->has_head = true;
	fprintf(family->out, "%s%s{daemon=\"%s\"", family->name, suffix, family->daemon);
	for (unsigned i = 0; labels != NULL && i < LABELS_MAX && labels[i].name != NULL; i++) {
		fprintf(family->out, ",%s=\"", labels[i].name);
		put_escaped(labels[i].value, family->out);
		fputc('"', family->out);
	}
	fputs("} ", family->out);
}

static void put_integer(struct family *family, const char *suffix, const struct label labels[LABELS_MAX], int64_t value)
{
	put_name(family, suffix, labels);
	fprintf(family->out, "%" PRId64 "\n", value);
}

/* Nothing for what is no value. */
static void put_value(struct family *family, const struct label labels[LABELS_MAX], const json_t *value)
{
	if (json_is_real(value)) {
		put_name(family, "", labels);
		fprintf(family->out, "%.15g\n", json_real_value(value));
	} else if (json_is_integer(value) || json_is_boolean(value)) {
		put_integer(family, "", labels, json_is_integer(value) ? json_integer_value(value) : json_is_true(value));
	}
}

/* Nothing for what is no time as show_utc has it. */
static void put_time(struct family *family, const struct label labels[LABELS_MAX], const json_t *value)
{
	struct tm tm = { 0 };
	const char *end = json_is_string(value) ? strptime(json_string_value(value), "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

	if (end != NULL && *end == '\0')
		put_integer(family, "", labels, (int64_t)timegm(&tm));
}

/* ---- Of each element of a list ---- */

struct element_family {
	const char *name, *type, *help, *key;
};

/* label: the name of the label, which is what `named` says. */
static void put_elements(struct family *family, const struct element_family *each, const json_t *list,
	const char *label, const char *named)
{
	const json_t *element;
	size_t index;

	begin(family, each->name, each->type, each->help);
	json_array_foreach((json_t *)list, index, element) {
		const struct label labels[LABELS_MAX] = { { label, ctl_text_of(element, named) } };

		put_value(family, labels, json_object_get(element, each->key));
	}
}

static void put_devices(struct family *family, const json_t *devices)
{
	static const struct element_family families[] = {
		{ "ra_device_ready", "gauge", "1: nothing of the volume hangs.", "ready" },
		{ "ra_device_users", "gauge", "Programs (primary) or links (secondary) that have it.", "users" },
		{ "ra_jobs", "gauge", "What is being read: streams (primary), link and fetch jobs (secondary).", "jobs" },
		{ "ra_read_bytes_total", "counter", "Bytes read of the volume of this host.", "read_bytes" },
		{ "ra_invalid_tracks", "gauge", "Tracks known to be invalid here.", "invalid_tracks" },
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		put_elements(family, &families[i], devices, "device", "name");
}

/* A primary has one link to each peer, a secondary several, which go; so it counts by peer. */
static void put_links(struct family *family, const struct ctl_answers *answers)
{
	static const struct element_family up = { "ra_links_up", "gauge", "Links of the peer that are up.", "links" };
	static const struct element_family bytes = { "ra_link_bytes_total", "counter",
		"Bytes on the wire, both ways, of all links of the peer.", "wire_bytes" };
	static const struct element_family of_link[] = {
		{ "ra_relinks_total", "counter", "How often the link came back.", "relinks" },
		{ "ra_remote_read_bytes_total", "counter", "Bytes that disks of the peer read for this host.", "read_bytes" },
	};
	const json_t *links = json_object_get(answers->links, "links"), *peers = json_object_get(answers->links, "peers");
	const json_t *link;
	size_t index;

	put_elements(family, &up, peers, "peer", "name");
	json_array_foreach((json_t *)(peers != NULL ? NULL : links), index, link) {
		const struct label labels[LABELS_MAX] = { { "peer", ctl_text_of(link, "peer") } };

		put_integer(family, "", labels, strcmp(ctl_text_of(link, "state"), "up") == 0);
	}
	put_elements(family, &bytes, peers != NULL ? peers : links, "peer", peers != NULL ? "name" : "peer");
	for (size_t i = 0; peers == NULL && i < sizeof(of_link) / sizeof(of_link[0]); i++)
		put_elements(family, &of_link[i], links, "peer", "peer");
}

/* ---- What was proven ---- */

static void put_proof_times(struct family *family, const json_t *proofs)
{
	static const struct element_family families[] = {
		{ "ra_last_run_time_seconds", "gauge", "When the last run that was finished ended.", "last_run_ended" },
		{ "ra_oldest_proof_time_seconds", "gauge",
			"No track that is proven was proven longer ago than then.", "oldest_proof" },
	};
	const char *device;
	json_t *proof;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		begin(family, families[i].name, families[i].type, families[i].help);
		json_object_foreach((json_t *)proofs, device, proof)
			put_time(family, (const struct label[LABELS_MAX]){ { "device", device } },
				json_object_get(proof, families[i].key));
	}
}

static void put_results(struct family *family, const json_t *proofs)
{
	static const char *const results[] = { "identical", "different", "unproven" };
	const char *device;
	json_t *proof;

	begin(family, "ra_last_run_result", "gauge", "1: this is what came of the last run that was finished.");
	json_object_foreach((json_t *)proofs, device, proof) {
		const char *is = ctl_text_of(proof, "last_run_result");

		for (size_t i = 0; is[0] != '\0' && i < sizeof(results) / sizeof(results[0]); i++)
			put_integer(family, "", (const struct label[LABELS_MAX]){ { "device", device },
				{ "result", results[i] } }, strcmp(is, results[i]) == 0);
	}
}

/* Each track is in one state: a group that is proven has none that is different. */
static void put_tracks(struct family *family, const json_t *proofs)
{
	const char *device;
	json_t *proof;

	begin(family, "ra_tracks", "gauge", "Tracks by what is known of them.");
	json_object_foreach((json_t *)proofs, device, proof) {
		int64_t never = (int64_t)ctl_integer_of(proof, "never_proven_tracks");
		int64_t different = (int64_t)ctl_integer_of(proof, "different_tracks");
		const struct {
			const char *state;
			int64_t tracks;
		} states[] = { { "identical", (int64_t)ctl_integer_of(proof, "tracks") - never }, { "different", different },
			{ "unproven", never - different } };

		for (size_t i = 0; ctl_has(proof, "tracks") && i < sizeof(states) / sizeof(states[0]); i++)
			put_integer(family, "", (const struct label[LABELS_MAX]){ { "device", device },
				{ "state", states[i].state } }, states[i].tracks);
	}
}

static void put_proofs(struct family *family, const json_t *proofs)
{
	const char *device;
	json_t *proof;

	put_proof_times(family, proofs);
	put_results(family, proofs);
	put_tracks(family, proofs);
	begin(family, "ra_ledger_readable", "gauge", "0: what is known of the device's proof cannot be read.");
	json_object_foreach((json_t *)proofs, device, proof)
		put_integer(family, "", (const struct label[LABELS_MAX]){ { "device", device } }, !json_is_null(proof));
}

/* ---- Of the daemon ---- */

static void put_read_times(struct family *family, const json_t *times)
{
	const json_t *bucket, *buckets = json_object_get(times, "buckets");
	int64_t reads = 0;
	size_t index;

	begin(family, "ra_disk_read_seconds", "histogram", "How long a disk read took, with its wait in the queue.");
	if (buckets == NULL)
		return;
	json_array_foreach((json_t *)buckets, index, bucket) {
		char bound[32] = "+Inf";

		if (ctl_has(bucket, "seconds"))
			snprintf(bound, sizeof(bound), "%.15g", ctl_number_of(bucket, "seconds"));
		reads += (int64_t)ctl_integer_of(bucket, "reads");
		put_integer(family, "_bucket", (const struct label[LABELS_MAX]){ { "le", bound } }, reads);
	}
	put_name(family, "_sum", NULL);
	fprintf(family->out, "%.15g\n", ctl_number_of(times, "seconds"));
	put_integer(family, "_count", NULL, reads);
}

/* All codes that tell of a failure are there from the beginning, so that a first one is seen as a rise. */
static void put_errors(struct family *family, const json_t *errors)
{
	begin(family, "ra_errors_total", "counter", "Posted errors; those with the code TIMEOUT are time-outs.");
	for (enum status status = STATUS_TIMEOUT; status < STATUS_COUNT; status++)
		put_integer(family, "", (const struct label[LABELS_MAX]){ { "code", status_name(status) } },
			(int64_t)ctl_integer_of(errors, status_name(status)));
}

static void put_daemon(struct family *family, const json_t *status)
{
	static const struct {
		struct element_family family; /* key: of da, or of status */
		bool is_of_da;
	} families[] = {
		{ { "ra_uptime_seconds", "gauge", "How long the daemon has been running.", "uptime_seconds" }, false },
		{ { "ra_disk_queue_length", "gauge", "Disk requests that wait for a thread.", "queued" }, true },
		{ { "ra_disk_requests_running", "gauge", "Disk requests that a thread has.", "running" }, true },
		{ { "ra_disk_requests_hanging", "gauge", "Disk requests that were given up and hold a thread.", "abandoned" },
			true },
	};
	const json_t *da = json_object_get(status, "da");

	begin(family, "ra_build_info", "gauge", "The version that runs.");
	put_integer(family, "", (const struct label[LABELS_MAX]){ { "version", ctl_text_of(status, "version") } }, 1);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct element_family *one = &families[i].family;

		begin(family, one->name, one->type, one->help);
		put_value(family, NULL, json_object_get(families[i].is_of_da ? da : status, one->key));
	}
	begin(family, "ra_certificate_end_time_seconds", "gauge", "When the certificate of a CA that this host has ends.");
	put_time(family, NULL, json_object_get(status, "certificate_ends"));
	put_read_times(family, json_object_get(da, "read_times"));
	put_errors(family, json_object_get(status, "errors"));
}

static void put_cache(struct family *family, const json_t *cache)
{
	static const struct element_family families[] = {
		{ "ra_cache_hits_total", "counter", "Tracks that were in the cache.", "hits" },
		{ "ra_cache_misses_total", "counter", "Tracks that were not in the cache.", "misses" },
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		begin(family, families[i].name, families[i].type, families[i].help);
		put_value(family, NULL, json_object_get(json_object_get(cache, "cache"), families[i].key));
	}
}

static void put_throttled(struct family *family, const json_t *limit)
{
	static const char *const scopes[][2] = { { "devices", "device" }, { "peers", "peer" } };
	const char *name;
	json_t *one;

	begin(family, "ra_throttled_seconds_total", "counter",
		"How long limits have held reads back, summed over all reads.");
	put_value(family, (const struct label[LABELS_MAX]){ { "scope", "total" } },
		json_object_get(json_object_get(limit, "total"), "throttled_seconds"));
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		json_object_foreach(json_object_get(limit, scopes[i][0]), name, one)
			put_value(family, (const struct label[LABELS_MAX]){ { "scope", scopes[i][1] }, { scopes[i][1], name } },
				json_object_get(one, "throttled_seconds"));
}

void ctl_write_metrics(const struct ctl_answers *answers, FILE *out)
{
	bool is_primary = strcmp(ctl_text_of(answers->status, "daemon"), "ra-primaryd") == 0;
	struct family family = { .out = out, .daemon = is_primary ? "primary" : "secondary" };

	put_daemon(&family, answers->status);
	put_devices(&family, json_object_get(answers->devices, "devices"));
	put_proofs(&family, answers->proofs);
	put_links(&family, answers);
	put_cache(&family, answers->cache);
	put_throttled(&family, answers->limit);
}
