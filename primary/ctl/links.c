/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl links: of a primary one line per peer; of a secondary one per link, then one per peer. One thread.
 */
#include "primary/ctl/show.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

/* "connection refused, next try in 3 s" */
static void add_trouble(struct ctl_table *table, const json_t *link)
{
	const char *error = ctl_text_of(link, "error");
	bool is_waiting = ctl_has(link, "retry_in_seconds");

	ctl_table_add(table, "%s%s%s%s", error, error[0] != '\0' && is_waiting ? ", " : "",
		is_waiting ? "next try in " : "", is_waiting ? ctl_age(ctl_number_of(link, "retry_in_seconds")) : "");
}

/* "web1 web2" */
static void add_devices(struct ctl_table *table, const json_t *devices)
{
	char *words = xstrdup("");
	const json_t *device;
	size_t index;

	json_array_foreach((json_t *)devices, index, device) {
		char *longer = xasprintf("%s%s%s", words, index != 0 ? " " : "",
			json_string_value(device) != NULL ? json_string_value(device) : "");

		free(words);
		words = longer;
	}
	ctl_table_add(table, "%s", words);
	free(words);
}

/* "3/32" */
static void add_share(struct ctl_table *table, const json_t *object, const char *part, const char *whole)
{
	if (ctl_has(object, whole))
		ctl_table_add(table, "%" PRIu64 "/%" PRIu64, ctl_integer_of(object, part), ctl_integer_of(object, whole));
	else
		ctl_table_add(table, "%s", "");
}

/* Nothing where it is 0. */
static void add_count(struct ctl_table *table, const json_t *object, const char *key)
{
	uint64_t count = ctl_integer_of(object, key);

	if (count != 0)
		ctl_table_add(table, "%" PRIu64, count);
	else
		ctl_table_add(table, "%s", "");
}

static void add_link(struct ctl_table *table, const json_t *link)
{
	ctl_table_add(table, "%s", ctl_has(link, "peer") ? ctl_text_of(link, "peer") : "?");
	ctl_table_add(table, "%s%s", ctl_text_of(link, "address"), ctl_text_of(link, "from"));
	ctl_table_add(table, "%s", ctl_text_of(link, "state"));
	ctl_table_add(table, "%s", ctl_age(ctl_number_of(link, "since_seconds")));
	add_count(table, link, "relinks");
	ctl_table_add(table, "%s", ctl_bytes(ctl_number_of(link, "wire_bytes")));
	add_share(table, link, "reads_connected", "window");
	add_count(table, link, "jobs");
	add_count(table, link, "locked_tracks");
	add_count(table, link, "fetches");
	add_devices(table, json_object_get(link, "devices"));
	ctl_table_add(table, "%s", ctl_limit_of(json_object_get(link, "limit")));
	add_trouble(table, link);
}

static void add_peer(struct ctl_table *table, const json_t *peer)
{
	ctl_table_add(table, "%s", ctl_text_of(peer, "name"));
	add_share(table, peer, "links", "links_max");
	add_share(table, peer, "jobs", "jobs_max");
	add_count(table, peer, "links_refused");
	ctl_table_add(table, "%s", ctl_limit_of(json_object_get(peer, "limit")));
}

void ctl_show_links(const json_t *answer, FILE *out)
{
	static const char *const link_headings[] = { "PEER", "ADDRESS", "STATE", ">FOR", ">RELINKS", ">WIRE", ">READS",
		">JOBS", ">LOCKED", ">FETCHES", "DEVICES", "LIMIT", "TROUBLE", NULL };
	static const char *const peer_headings[] = { "PEER", ">LINKS", ">JOBS", ">REFUSED", "LIMIT", NULL };
	struct ctl_table *links = ctl_table_new(link_headings), *peers = ctl_table_new(peer_headings);
	const json_t *object;
	size_t index;

	json_array_foreach(json_object_get(answer, "links"), index, object)
		add_link(links, object);
	json_array_foreach(json_object_get(answer, "peers"), index, object)
		add_peer(peers, object);
	if (ctl_table_rows(links) == 0)
		fputs("No link.\n", out);
	ctl_table_print(links, "", out);
	if (ctl_table_rows(peers) > 0)
		fputc('\n', out);
	ctl_table_print(peers, "", out);
	ctl_table_free(links);
	ctl_table_free(peers);
}
