/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl status: a daemon in ten lines, and a line for each program that has a device open. One thread.
 */
#include "primary/ctl/show.h"

#include <inttypes.h>
#include <string.h>

#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

static void add(struct ctl_table *table, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	ctl_table_add(table, "%s", name);
	ctl_table_add(table, "%s", value);
}

static void add_listen(struct ctl_table *table, const json_t *addresses)
{
	const json_t *address;
	size_t index;

	json_array_foreach((json_t *)addresses, index, address)
		add(table, index == 0 ? "listens" : "", json_string_value(address) != NULL ? json_string_value(address) : "");
}

/* Strangers: those whose Hello was not accepted yet. */
static void add_connections(struct ctl_table *table, const json_t *connections)
{
	uint64_t dropped = ctl_integer_of(connections, "dropped"), refused = ctl_integer_of(connections, "refused");

	if (connections == NULL)
		return;
	ctl_table_add(table, "connections");
	ctl_table_add(table, "%" PRIu64 ", of strangers %" PRIu64, ctl_integer_of(connections, "open"),
		ctl_integer_of(connections, "strangers"));
	if (dropped + refused == 0)
		return;
	ctl_table_add(table, "%s", "");
	ctl_table_add(table, "too many so far: %" PRIu64 " dropped, %" PRIu64 " refused", dropped, refused);
}

static void add_jobs(struct ctl_table *table, const json_t *jobs)
{
	if (jobs == NULL)
		return;
	ctl_table_add(table, "jobs");
	ctl_table_add(table, "%" PRIu64 " link, %" PRIu64 " fetch, %" PRIu64 " free", ctl_integer_of(jobs, "link"),
		ctl_integer_of(jobs, "fetch"), ctl_integer_of(jobs, "free"));
}

/* A read that hangs is the first thing to know. */
static void add_disk(struct ctl_table *table, const json_t *da)
{
	uint64_t abandoned = ctl_integer_of(da, "abandoned"), extra = ctl_integer_of(da, "extra_threads");

	if (da == NULL)
		return;
	ctl_table_add(table, "disk");
	ctl_table_add(table, "%s%s%s, %" PRIu64 " running, %" PRIu64 " queued%s%s",
		ctl_count(ctl_integer_of(da, "threads"), "thread", "threads"), extra != 0 ? " and extra " : "",
		extra != 0 ? ctl_count(extra, "thread", "threads") : "", ctl_integer_of(da, "running"),
		ctl_integer_of(da, "queued"), abandoned != 0 ? ", hanging: " : "",
		abandoned != 0 ? ctl_count(abandoned, "request", "requests") : "");
}

static void add_limit(struct ctl_table *table, const json_t *limit)
{
	const char *words = ctl_limit_of(limit);
	double held_s = ctl_number_of(limit, "throttled_seconds");

	ctl_table_add(table, "limit");
	ctl_table_add(table, "%s%s%s", words[0] != '\0' ? words : "none", held_s > 0 ? ", reads were held back for " : "",
		held_s > 0 ? ctl_age(held_s) : "");
}

static void add_errors(struct ctl_table *table, const json_t *answer)
{
	char words[512] = "none";
	size_t used = 0;
	const char *status;
	json_t *count;

	json_object_foreach(json_object_get(answer, "errors"), status, count)
		if (used < sizeof(words))
			used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s %" JSON_INTEGER_FORMAT,
				used != 0 ? ", " : "", status, json_integer_value(count));
	add(table, "errors", words);
}

/* Never 100 before the last track is done. */
static void add_share(struct ctl_table *table, uint64_t done, uint64_t total)
{
	if (total == 0)
		ctl_table_add(table, "%s", "");
	else
		ctl_table_add(table, "%u %%", done < total ? (unsigned)((double)done / (double)total * 100.0) : 100u);
}

static void add_rate(struct ctl_table *table, const json_t *run, const char *key)
{
	ctl_table_add(table, "%s", ctl_has(run, key) ? ctl_rate(ctl_number_of(run, key)) : "");
}

static void add_age(struct ctl_table *table, const json_t *run, const char *key)
{
	ctl_table_add(table, "%s", ctl_has(run, key) ? ctl_age(ctl_number_of(run, key)) : "");
}

/* Nothing where it is 0. */
static void add_count(struct ctl_table *table, const json_t *run, const char *key)
{
	uint64_t count = ctl_integer_of(run, key);

	if (count != 0)
		ctl_table_add(table, "%" PRIu64, count);
	else
		ctl_table_add(table, "%s", "");
}

static void show_runs(const json_t *runs, FILE *out)
{
	static const char *const headings[] = { "DEVICE", "HOST", "PHASE", ">DONE", ">DIFFERENT", ">SETTLING", ">LOCAL",
		">REMOTE", "BINDS", ">LEFT", ">RUNS FOR", NULL };
	struct ctl_table *table = ctl_table_new(headings);
	const json_t *run;
	size_t index;

	json_array_foreach((json_t *)runs, index, run) {
		ctl_table_add(table, "%s", ctl_text_of(run, "device"));
		ctl_table_add(table, "%s", ctl_text_of(run, "host"));
		ctl_table_add(table, "%s", ctl_text_of(run, "phase"));
		add_share(table, ctl_integer_of(run, "done_tracks"), ctl_integer_of(run, "total_tracks"));
		add_count(table, run, "different_tracks");
		add_count(table, run, "settling_tracks");
		add_rate(table, run, "local_bytes_per_second");
		add_rate(table, run, "remote_bytes_per_second");
		ctl_table_add(table, "%s", ctl_text_of(run, "binds"));
		add_age(table, run, "left_seconds");
		add_age(table, run, "elapsed_seconds");
	}
	if (ctl_table_rows(table) > 0)
		fputc('\n', out);
	ctl_table_print(table, "", out);
	ctl_table_free(table);
}

void ctl_show_status(const json_t *answer, FILE *out)
{
	static const char *const headings[] = { "", "", NULL };
	struct ctl_table *table = ctl_table_new(headings);

	ctl_table_add(table, "%s", ctl_text_of(answer, "daemon"));
	ctl_table_add(table, "%s, up for %s", ctl_text_of(answer, "version"),
		ctl_age(ctl_number_of(answer, "uptime_seconds")));
	add(table, "config", ctl_text_of(answer, "config"));
	add(table, "key", ctl_text_of(answer, "key"));
	add(table, "socket", ctl_text_of(answer, "socket"));
	add_listen(table, json_object_get(answer, "listen"));
	ctl_table_add(table, "devices");
	ctl_table_add(table, "%" PRIu64, ctl_integer_of(answer, "devices"));
	ctl_table_add(table, "peers");
	ctl_table_add(table, "%" PRIu64 ", %s up", ctl_integer_of(answer, "peers"),
		ctl_count(ctl_integer_of(answer, "links_up"), "link", "links"));
	if (ctl_has(answer, "hosts"))
		add(table, "hosts", ctl_count(ctl_integer_of(answer, "hosts"), "program", "programs"));
	add_connections(table, json_object_get(answer, "connections"));
	add_jobs(table, json_object_get(answer, "jobs"));
	add_disk(table, json_object_get(answer, "da"));
	add_limit(table, json_object_get(answer, "limit"));
	add_errors(table, answer);
	ctl_table_print(table, "", out);
	ctl_table_free(table);
	show_runs(json_object_get(answer, "runs"), out);
}
