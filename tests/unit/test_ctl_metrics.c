/* SPDX-License-Identifier: Apache-2.0
 *
 * The text for Prometheus that ra-ctl makes of a daemon's answers: what has a series and what has none, labels that
 * must be escaped, many devices.
 */
#include "primary/ctl/metrics_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"

static char *text;

/* JSON with ' for "; NULL for NULL. */
static json_t *json_of(const char *from)
{
	char *copy = from != NULL ? xstrdup(from) : NULL;
	json_t *json;

	for (char *at = copy; at != NULL && *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	json = copy != NULL ? json_loads(copy, 0, NULL) : NULL;
	assert_true((json != NULL) == (from != NULL));
	free(copy);
	return json;
}

/* Into text. The answers go. */
static void write_all(json_t *status, json_t *devices, json_t *links, json_t *limit, json_t *cache, json_t *proofs)
{
	const struct ctl_answers answers = { status, devices, links, limit, cache, proofs };
	size_t bytes;
	FILE *out;

	free(text);
	out = open_memstream(&text, &bytes);
	assert_non_null(out);
	ctl_write_metrics(&answers, out);
	fclose(out);
	json_decref(status);
	json_decref(devices);
	json_decref(links);
	json_decref(limit);
	json_decref(cache);
	json_decref(proofs);
}

static void write_primary(const char *status, const char *devices, const char *links, const char *limit,
	const char *proofs)
{
	write_all(json_of(status), json_of(devices), json_of(links), json_of(limit), NULL, json_of(proofs));
}

static void assert_line(const char *line)
{
	char *whole = xasprintf("\n%s\n", line);

	if (strstr(text, whole) == NULL)
		fail_msg("no line '%s' in:\n%s", line, text);
	free(whole);
}

static void assert_nowhere(const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("'%s' in:\n%s", part, text);
}

#define PRIMARY "{'daemon':'ra-primaryd','version':'0.1.0','uptime_seconds':2.5,'errors':{'TIMEOUT':3}," \
	"'da':{'queued':4,'running':5,'abandoned':6,'read_times':{'buckets':[{'seconds':0.00025,'reads':2}," \
	"{'seconds':8,'reads':0},{'reads':3}],'seconds':30.5}}}"
#define NO_DEVICES "{'devices':[]}"
#define NO_LINKS "{'links':[]}"

static void the_daemon_is_told_and_failures_are_counted_from_nothing_on(void **state)
{
	(void)state;
	write_primary(PRIMARY, NO_DEVICES, NO_LINKS, "{}", "{}");
	assert_ptr_equal(strstr(text, "# HELP ra_build_info The version that runs.\n# TYPE ra_build_info gauge\n"
		"ra_build_info{daemon=\"primary\",version=\"0.1.0\"} 1\n"), text);
	assert_line("ra_uptime_seconds{daemon=\"primary\"} 2.5");
	assert_line("ra_disk_queue_length{daemon=\"primary\"} 4");
	assert_line("ra_disk_requests_running{daemon=\"primary\"} 5");
	assert_line("ra_disk_requests_hanging{daemon=\"primary\"} 6");
	assert_line("ra_errors_total{daemon=\"primary\",code=\"TIMEOUT\"} 3");
	assert_line("ra_errors_total{daemon=\"primary\",code=\"BUSY\"} 0");
	assert_nowhere("code=\"OK\"");
	assert_nowhere("code=\"RECONNECT\"");
}

static void buckets_are_summed_up(void **state)
{
	(void)state;
	write_primary(PRIMARY, NO_DEVICES, NO_LINKS, "{}", "{}");
	assert_line("# TYPE ra_disk_read_seconds histogram\n"
		"ra_disk_read_seconds_bucket{daemon=\"primary\",le=\"0.00025\"} 2\n"
		"ra_disk_read_seconds_bucket{daemon=\"primary\",le=\"8\"} 2\n"
		"ra_disk_read_seconds_bucket{daemon=\"primary\",le=\"+Inf\"} 5\n"
		"ra_disk_read_seconds_sum{daemon=\"primary\"} 30.5\n"
		"ra_disk_read_seconds_count{daemon=\"primary\"} 5");
}

static void what_has_no_value_has_no_series_and_no_head(void **state)
{
	(void)state;
	write_primary("{'daemon':'ra-primaryd','version':'0.1.0','da':{},'errors':{}}",
		"{'devices':[{'name':'v','ready':true,'users':0,'jobs':0}]}", NO_LINKS, "{}", "{'v':{'device':'v'}}");
	assert_line("ra_device_ready{daemon=\"primary\",device=\"v\"} 1");
	assert_line("ra_ledger_readable{daemon=\"primary\",device=\"v\"} 1");
	assert_nowhere("ra_last_run");
	assert_nowhere("ra_oldest_proof");
	assert_nowhere("ra_tracks");
	assert_nowhere("ra_invalid_tracks");
	assert_nowhere("ra_certificate");
	assert_nowhere("ra_cache");
	assert_nowhere("ra_links_up");
	assert_nowhere("ra_throttled");
	assert_nowhere("ra_disk_read_seconds");
}

static void proof_has_its_times_result_and_tracks(void **state)
{
	(void)state;
	write_primary(PRIMARY, NO_DEVICES, NO_LINKS, "{}", "{'v':{'device':'v','tracks':100,'never_proven_tracks':10,"
		"'different_tracks':3,'oldest_proof':'1970-01-02T00:00:01Z','last_run_ended':'2033-05-18T03:33:20Z',"
		"'last_run_result':'different'},'w':null}");
	assert_line("ra_last_run_time_seconds{daemon=\"primary\",device=\"v\"} 2000000000");
	assert_line("ra_oldest_proof_time_seconds{daemon=\"primary\",device=\"v\"} 86401");
	assert_line("ra_last_run_result{daemon=\"primary\",device=\"v\",result=\"identical\"} 0\n"
		"ra_last_run_result{daemon=\"primary\",device=\"v\",result=\"different\"} 1\n"
		"ra_last_run_result{daemon=\"primary\",device=\"v\",result=\"unproven\"} 0");
	assert_line("ra_tracks{daemon=\"primary\",device=\"v\",state=\"identical\"} 90\n"
		"ra_tracks{daemon=\"primary\",device=\"v\",state=\"different\"} 3\n"
		"ra_tracks{daemon=\"primary\",device=\"v\",state=\"unproven\"} 7");
	assert_line("ra_ledger_readable{daemon=\"primary\",device=\"v\"} 1\n"
		"ra_ledger_readable{daemon=\"primary\",device=\"w\"} 0");
	assert_nowhere("device=\"w\",");
}

static void a_time_that_is_none_has_no_series(void **state)
{
	(void)state;
	write_primary("{'daemon':'ra-primaryd','certificate_ends':'an unknown time'}", NO_DEVICES, NO_LINKS, "{}", "{}");
	assert_nowhere("ra_certificate");
	write_primary("{'daemon':'ra-primaryd','certificate_ends':'2033-05-18T03:33:20Z'}", NO_DEVICES, NO_LINKS, "{}",
		"{}");
	assert_line("ra_certificate_end_time_seconds{daemon=\"primary\"} 2000000000");
}

static void links_of_a_primary_are_told_by_peer(void **state)
{
	(void)state;
	write_primary(PRIMARY, NO_DEVICES, "{'links':[{'peer':'b','state':'up','relinks':2,'wire_bytes':7,'read_bytes':9},"
		"{'peer':'c','state':'waiting','relinks':0,'wire_bytes':0,'read_bytes':0}]}", "{}", "{}");
	assert_line("ra_links_up{daemon=\"primary\",peer=\"b\"} 1\nra_links_up{daemon=\"primary\",peer=\"c\"} 0");
	assert_line("ra_link_bytes_total{daemon=\"primary\",peer=\"b\"} 7");
	assert_line("ra_relinks_total{daemon=\"primary\",peer=\"b\"} 2");
	assert_line("ra_remote_read_bytes_total{daemon=\"primary\",peer=\"b\"} 9");
}

static void a_secondary_has_a_cache_and_counts_links_by_peer(void **state)
{
	(void)state;
	write_all(json_of("{'daemon':'ra-secondaryd','version':'0.1.0'}"), json_of("{'devices':[{'name':'v','ready':false,"
		"'read_bytes':9000000000000,'invalid_tracks':5}]}"),
		json_of("{'links':[{'peer':'a','state':'up','wire_bytes':1}],'peers':[{'name':'a','links':2,"
			"'wire_bytes':11}]}"),
		json_of("{}"), json_of("{'cache':{'hits':12,'misses':13}}"), NULL);
	assert_line("ra_device_ready{daemon=\"secondary\",device=\"v\"} 0");
	assert_line("ra_read_bytes_total{daemon=\"secondary\",device=\"v\"} 9000000000000");
	assert_line("ra_invalid_tracks{daemon=\"secondary\",device=\"v\"} 5");
	assert_line("ra_links_up{daemon=\"secondary\",peer=\"a\"} 2");
	assert_line("ra_link_bytes_total{daemon=\"secondary\",peer=\"a\"} 11");
	assert_line("ra_cache_hits_total{daemon=\"secondary\"} 12");
	assert_line("ra_cache_misses_total{daemon=\"secondary\"} 13");
	assert_nowhere("ra_relinks");
	assert_nowhere("ra_ledger");
}

static void each_limit_has_its_seconds(void **state)
{
	(void)state;
	write_primary(PRIMARY, NO_DEVICES, NO_LINKS, "{'total':{'throttled_seconds':1.5},'devices':{'v':"
		"{'throttled_seconds':2.25}},'peers':{'b':{'throttled_seconds':0.0}},'hosts':[]}", "{}");
	assert_line("ra_throttled_seconds_total{daemon=\"primary\",scope=\"total\"} 1.5\n"
		"ra_throttled_seconds_total{daemon=\"primary\",scope=\"device\",device=\"v\"} 2.25\n"
		"ra_throttled_seconds_total{daemon=\"primary\",scope=\"peer\",peer=\"b\"} 0");
}

static void labels_are_escaped(void **state)
{
	(void)state;
	write_primary("{'daemon':'ra-primaryd','version':'a\\\\b\\nc\\\"d'}", NO_DEVICES, NO_LINKS, "{}", "{}");
	assert_line("ra_build_info{daemon=\"primary\",version=\"a\\\\b\\nc\\\"d\"} 1");
}

static void all_devices_that_there_may_be_stand_under_one_head(void **state)
{
	json_t *devices = json_array();
	const char *at;
	unsigned lines = 0;

	(void)state;
	for (unsigned i = 0; i < DEVICES_MAX; i++)
		json_array_append_new(devices, json_pack("{s:o, s:i}", "name", json_sprintf("d%u", i), "users", (int)i));
	write_all(json_of(PRIMARY), json_pack("{s:o}", "devices", devices), json_of(NO_LINKS), json_of("{}"), NULL,
		json_of("{}"));
	at = strstr(text, "# TYPE ra_device_users gauge\n");
	assert_non_null(at);
	assert_null(strstr(at + 1, "# TYPE ra_device_users"));
	for (at = strchr(at, '\n') + 1; strncmp(at, "ra_device_users{", 16) == 0; at = strchr(at, '\n') + 1)
		lines++;
	assert_int_equal(lines, DEVICES_MAX);
}

static int tear_down(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_daemon_is_told_and_failures_are_counted_from_nothing_on),
		cmocka_unit_test(buckets_are_summed_up),
		cmocka_unit_test(what_has_no_value_has_no_series_and_no_head),
		cmocka_unit_test(proof_has_its_times_result_and_tracks),
		cmocka_unit_test(a_time_that_is_none_has_no_series),
		cmocka_unit_test(links_of_a_primary_are_told_by_peer),
		cmocka_unit_test(a_secondary_has_a_cache_and_counts_links_by_peer),
		cmocka_unit_test(each_limit_has_its_seconds),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(all_devices_that_there_may_be_stand_under_one_head),
	};

	return cmocka_run_group_tests_name("ctl_metrics", tests, NULL, tear_down);
}
