/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's tables: numbers as words, aligned columns, and each verb's answer as it stands on a terminal.
 */
#include "primary/ctl/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "local/show.h"
#include "primary/ctl/table.h"
#include "primary/ctl/words.h"

static char printed[4096];

static FILE *begin(void)
{
	FILE *out = fmemopen(printed, sizeof(printed), "w");

	assert_non_null(out);
	return out;
}

/* JSON with ' for ". */
static json_t *json_of(const char *text)
{
	char *copy = xstrdup(text);
	json_t *json;

	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	json = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(json);
	return json;
}

/* What a verb makes of this answer, compared with what should stand there. */
static void assert_shown(void (*show)(const json_t *, FILE *), const char *text, const char *expected)
{
	json_t *answer = json_of(text);
	FILE *out = begin();

	show(answer, out);
	fclose(out);
	json_decref(answer);
	assert_string_equal(printed, expected);
}

static void sizes_are_told_in_binary_units(void **state)
{
	(void)state;
	assert_string_equal(ctl_bytes(0), "0 bytes");
	assert_string_equal(ctl_bytes(1023), "1023 bytes");
	assert_string_equal(ctl_bytes(1024), "1 KiB");
	assert_string_equal(ctl_bytes(65536), "64 KiB");
	assert_string_equal(ctl_bytes(1.5 * 1024), "1.50 KiB");
	assert_string_equal(ctl_bytes(12.34 * 1048576), "12.3 MiB");
	assert_string_equal(ctl_bytes(310.0 * 1048576), "310 MiB");
	assert_string_equal(ctl_bytes(10.0 * 1073741824), "10 GiB");
	assert_string_equal(ctl_bytes(3.0 * 1099511627776), "3 TiB");
	assert_string_equal(ctl_bytes(18446744073709551615.0), "16 EiB");
	assert_string_equal(ctl_rate(100 << 20), "100 MiB/s");
}

static void ages_are_told_in_the_unit_that_fits(void **state)
{
	(void)state;
	assert_string_equal(ctl_age(0), "0.0 s");
	assert_string_equal(ctl_age(0.34), "0.3 s");
	assert_string_equal(ctl_age(9.94), "9.9 s");
	assert_string_equal(ctl_age(9.96), "10 s");
	assert_string_equal(ctl_age(119), "119 s");
	assert_string_equal(ctl_age(120), "2 min");
	assert_string_equal(ctl_age(7199), "120 min");
	assert_string_equal(ctl_age(7200), "2 h");
	assert_string_equal(ctl_age(172799), "48 h");
	assert_string_equal(ctl_age(864000), "10 days");
}

static void counts_and_tracks_have_their_words(void **state)
{
	(void)state;
	assert_string_equal(ctl_count(1, "read", "reads"), "1 read");
	assert_string_equal(ctl_count(0, "read", "reads"), "0 reads");
	assert_string_equal(ctl_tracks(5, 0), "");
	assert_string_equal(ctl_tracks(5, 1), "5");
	assert_string_equal(ctl_tracks(5, 16), "5-20");
}

static void columns_are_aligned_and_empty_ones_left_out(void **state)
{
	static const char *const headings[] = { "NAME", ">JOBS", "NONE", "WHAT", NULL };
	struct ctl_table *table = ctl_table_new(headings);
	FILE *out = begin();

	(void)state;
	ctl_table_print(table, "", out); /* no row, no heading */
	ctl_table_add(table, "%s", "a");
	ctl_table_add(table, "%d", 5);
	ctl_table_add(table, "%s", "");
	ctl_table_add(table, "%s", "x");
	ctl_table_add(table, "%s", "l\xc3\xa4nger");
	ctl_table_add(table, "%d", 12345);
	ctl_table_add(table, "%s", "");
	ctl_table_add(table, "%s", "");
	assert_int_equal(ctl_table_rows(table), 2);
	ctl_table_print(table, "  ", out);
	fclose(out);
	ctl_table_free(table);
	assert_string_equal(printed, "  NAME     JOBS  WHAT\n"
				     "  a           5  x\n"
				     "  l\xc3\xa4nger  12345\n");
}

static void a_daemon_cannot_steer_the_terminal(void **state)
{
	FILE *out = begin();

	(void)state;
	show_clean("a\x1b[2J\n\x7f\xc2\x9b\xc2\xa0\xc3\xa4", out);
	fclose(out);
	assert_string_equal(printed, "a?[2J???\xc2\xa0\xc3\xa4");
}

static void status_shows_either_daemon(void **state)
{
	(void)state;
	assert_shown(ctl_show_status,
		"{'daemon':'ra-secondaryd','version':'0.1.0','uptime_seconds':200,'config':'/c','key':'sha256:1',"
		"'socket':'/s','listen':['0.0.0.0:1','[::]:1'],'limit':{'bytes_per_second':1048576,"
		"'reads_per_second':5,'throttled_seconds':3},'devices':3,'peers':2,'links_up':1,'connections':{'open':9,"
		"'strangers':8,'accepted':20,'dropped':7,'refused':6},'jobs':{'link':8,"
		"'fetch':2,'free':1014},'da':{'threads':4,'extra_threads':1,'queued':0,'running':2,'abandoned':1},"
		"'errors':{'TIMEOUT':3,'BUSY':1},'errors_total':4}",
		"ra-secondaryd  0.1.0, up for 3 min\n"
		"config         /c\n"
		"key            sha256:1\n"
		"socket         /s\n"
		"listens        0.0.0.0:1\n"
		"               [::]:1\n"
		"devices        3\n"
		"peers          2, 1 link up\n"
		"connections    9, of strangers 8\n"
		"               too many so far: 7 dropped, 6 refused\n"
		"jobs           8 link, 2 fetch, 1014 free\n"
		"disk           4 threads and extra 1 thread, 2 running, 0 queued, hanging: 1 request\n"
		"limit          1 MiB/s, 5 reads/s, reads were held back for 3.0 s\n"
		"errors         TIMEOUT 3, BUSY 1\n");
	assert_shown(ctl_show_status,
		"{'daemon':'ra-primaryd','version':'0.1.0','uptime_seconds':2,'devices':0,'peers':0,'links_up':0,"
		"'hosts':1,'limit':{},'errors':{}}",
		"ra-primaryd  0.1.0, up for 2.0 s\n"
		"devices      0\n"
		"peers        0, 0 links up\n"
		"hosts        1 program\n"
		"limit        none\n"
		"errors       none\n");
}

static void status_has_a_line_for_each_run(void **state)
{
	(void)state;
	assert_shown(ctl_show_status,
		"{'daemon':'ra-primaryd','version':'0.1.0','uptime_seconds':2,'devices':2,'peers':1,'links_up':1,"
		"'hosts':3,'runs':[{'device':'web1','host':'ra-compare[5] on a','phase':'comparing','done_tracks':1999,"
		"'total_tracks':2000,'different_tracks':2,'settling_tracks':0,'local_bytes_per_second':1048576,"
		"'remote_bytes_per_second':0,'binds':'remote disk','left_seconds':130,'elapsed_seconds':8000},"
		"{'device':'db','host':'ra-compare[6] on a','phase':'finishing','done_tracks':7,'total_tracks':7,"
		"'different_tracks':0,'settling_tracks':0,'local_bytes_per_second':0,'remote_bytes_per_second':0,"
		"'elapsed_seconds':3},{'device':'db','host':'ra-ctl[7] on a'}],'limit':{},'errors':{}}",
		"ra-primaryd  0.1.0, up for 2.0 s\n"
		"devices      2\n"
		"peers        1, 1 link up\n"
		"hosts        3 programs\n"
		"limit        none\n"
		"errors       none\n"
		"\n"
		"DEVICE  HOST                PHASE       DONE  DIFFERENT      LOCAL     REMOTE  BINDS         LEFT  RUNS FOR\n"
		"web1    ra-compare[5] on a  comparing   99 %          2    1 MiB/s  0 bytes/s  remote disk  2 min       2 h\n"
		"db      ra-compare[6] on a  finishing  100 %             0 bytes/s  0 bytes/s                         3.0 s\n"
		"db      ra-ctl[7] on a\n");
	assert_shown(ctl_show_status,
		"{'daemon':'ra-primaryd','version':'0.1.0','uptime_seconds':2,'runs':[],'limit':{},'errors':{}}",
		"ra-primaryd  0.1.0, up for 2.0 s\n"
		"devices      0\n"
		"peers        0, 0 links up\n"
		"limit        none\n"
		"errors       none\n");
}

static void devices_show_what_is_open(void **state)
{
	(void)state;
	assert_shown(ctl_show_devices, "{'devices':[]}", "No device is configured.\n");
	assert_shown(ctl_show_devices,
		"{'devices':[{'name':'web1','path':'/v','state':'open','ready':false,'users':1,'jobs':8,"
		"'reserved_by':'ra-compare[5] on a','limit':{'bytes_per_second':1024},'volume':{'bytes':1048576,"
		"'io':'direct'}},{'name':'db','path':'/w','state':'closed','users':0,'jobs':0,"
		"'reserved_by':null,'exclusive':false,'limit':{}}]}",
		"DEVICE  STATE             SIZE  IO      USERS  JOBS  LIMIT    RESERVED BY         VOLUME\n"
		"web1    open, not ready  1 MiB  direct      1     8  1 KiB/s  ra-compare[5] on a  /v\n"
		"db      closed                              0     0                               /w\n");
	assert_shown(ctl_show_devices, "{'devices':[{'name':'db','path':'/w','state':'open','users':1,'jobs':0,"
		"'reserved_by':'me','exclusive':true,'limit':{}}]}",
		"DEVICE  STATE  USERS  JOBS  RESERVED BY     VOLUME\n"
		"db      open       1     0  me (exclusive)  /w\n");
	assert_shown(ctl_show_devices, "{'devices':[{'name':'db','path':'/w','state':'closed','replaced':true},"
		"{'name':'x','path':'/x','state':'closed','replaced':false}]}",
		"DEVICE  STATE               USERS  JOBS  VOLUME\n"
		"db      closed, to restart      0     0  /w\n"
		"x       closed                  0     0  /x\n");
	assert_shown(ctl_show_devices,
		"{'devices':[{'name':'web1','path':'/v','state':'closed','invalid_tracks':0},"
		"{'name':'db','path':'/w','state':'closed','invalid_tracks':17},"
		"{'name':'x','path':'/x','state':'closed'}]}",
		"DEVICE  STATE   USERS  JOBS  INVALID  VOLUME\n"
		"web1    closed      0     0        0  /v\n"
		"db      closed      0     0       17  /w\n"
		"x       closed      0     0           /x\n");
	assert_shown(ctl_show_devices,
		"{'devices':[{'name':'web1','path':'/v','state':'closed','yielded_seconds':0.25},"
		"{'name':'db','path':'/w','state':'closed'}]}",
		"DEVICE  STATE   USERS  JOBS  YIELDED  VOLUME\n"
		"web1    closed      0     0    0.2 s  /v\n"
		"db      closed      0     0           /w\n");
}

static void jobs_show_the_ring_of_a_secondary_and_the_streams_of_a_primary(void **state)
{
	(void)state;
	assert_shown(ctl_show_jobs, "{'devices':[{'name':'web1','jobs':[]}]}", "No jobs.\n");
	assert_shown(ctl_show_jobs,
		"{'devices':[{'name':'web1','jobs':[{'index':3,'kind':'link','state':'reading','active':true,"
		"'link_id':'0x0001000300000001','peer':'a','first_track':16,'tracks':16,'age_seconds':1.5},"
		"{'index':12,'kind':'fetch','state':'queued','active':false,'peer':'a','first_track':32,"
		"'tracks':1,'age_seconds':0.1}]},{'name':'db','jobs':[]}]}",
		"web1: 2 jobs\n"
		"     JOB  KIND   STATE    TRACKS    AGE  PEER  LINK ID\n"
		"  *    3  link   reading  16-31   1.5 s  a     0x0001000300000001\n"
		"      12  fetch  queued   32      0.1 s  a\n");
	assert_shown(ctl_show_jobs,
		"{'devices':[{'name':'web1','jobs':[{'host':'ra-compare[5] on a','state':'ready','read':'sent',"
		"'link_id':'0x1','first_track':0,'tracks':16,'age_seconds':12,"
		"'limit':{'bytes_per_second':5242880}},{'host':'x','state':'new','read':'none','age_seconds':1}]}]}",
		"web1: 2 jobs\n"
		"  HOST                STATE  READ  TRACKS    AGE  LIMIT    LINK ID\n"
		"  ra-compare[5] on a  ready  sent  0-15     12 s  5 MiB/s  0x1\n"
		"  x                   new                  1.0 s\n");
}

static void errors_end_with_the_newest(void **state)
{
	(void)state;
	assert_shown(ctl_show_errors, "{'errors':[]}", "No errors.\n");
	assert_shown(ctl_show_errors,
		"{'errors':[{'number':2,'time':'T2','status':'TIMEOUT','device':'web1','first_track':5,'tracks':3,"
		"'text':'too long'},{'number':1,'time':'T1','status':'BUSY','peer':'a','text':'taken'}]}",
		"TIME (UTC)  STATUS   DEVICE  TRACKS  PEER  WHAT\n"
		"T1          BUSY                     a     taken\n"
		"T2          TIMEOUT  web1    5-7           too long\n");
}

static void the_cache_shows_how_full_it_is(void **state)
{
	(void)state;
	assert_shown(ctl_show_cache,
		"{'cache':{'bytes':67108864,'slots':1024,'slots_free':1000,'slots_locked':2,'entries':30,'hits':3,"
		"'misses':1,'evicted':7}}",
		"memory   64 MiB in 1024 slots: 1000 free, 2 locked\n"
		"tracks   30 known, 7 evicted so far\n"
		"asked    4 times, 75 % found\n");
}

static void links_show_trouble_and_shares(void **state)
{
	(void)state;
	assert_shown(ctl_show_links,
		"{'links':[{'peer':'b','address':'b:1','state':'waiting','since_seconds':3,'relinks':2,"
		"'wire_bytes':1024,'reads_connected':0,'error':'refused','retry_in_seconds':4.2,'limit':{}},"
		"{'peer':'c','address':'c:1','state':'up','since_seconds':7200,'relinks':0,'wire_bytes':0,"
		"'reads_connected':3,'window':32,'limit':{'reads_per_second':9}}]}",
		"PEER  ADDRESS  STATE      FOR  RELINKS     WIRE  READS  LIMIT      TROUBLE\n"
		"b     b:1      waiting  3.0 s        2    1 KiB                    refused, next try in 4.2 s\n"
		"c     c:1      up         2 h           0 bytes   3/32  9 reads/s\n");
	assert_shown(ctl_show_links,
		"{'links':[{'from':'10.0.0.1:5','state':'handshake','since_seconds':0.2,'wire_bytes':0,'devices':[],"
		"'jobs':0,'reads_connected':0,'window':32,'locked_tracks':0,'fetches':0},{'peer':'a',"
		"'from':'10.0.0.2:6','state':'up','since_seconds':20,'wire_bytes':2048,'devices':['web1','db'],"
		"'jobs':16,'reads_connected':4,'window':32,'locked_tracks':64,'fetches':5}],'peers':[{'name':'a',"
		"'links':1,'links_max':4,'jobs':16,'jobs_max':256,'links_refused':0,'limit':{}}]}",
		"PEER  ADDRESS     STATE        FOR     WIRE  READS  JOBS  LOCKED  FETCHES  DEVICES\n"
		"?     10.0.0.1:5  handshake  0.2 s  0 bytes   0/32\n"
		"a     10.0.0.2:6  up          20 s    2 KiB   4/32    16      64        5  web1 db\n"
		"\n"
		"PEER  LINKS    JOBS\n"
		"a       1/4  16/256\n");
}

static void limits_show_what_has_none_too(void **state)
{
	(void)state;
	assert_shown(ctl_show_limit,
		"{'total':{'bytes_per_second':0,'reads_per_second':0,'throttled_seconds':0},'devices':{'web1':"
		"{'bytes_per_second':104857600,'reads_per_second':50,'throttled_seconds':300}},'peers':{'a':{}}}",
		"OF      NAME  LIMIT                  HELD BACK\n"
		"total         none\n"
		"device  web1  100 MiB/s, 50 reads/s      5 min\n"
		"peer    a     none\n");
	assert_shown(ctl_show_limit,
		"{'total':{},'devices':{},'peers':{},'hosts':[{'host':'ra-compare[5] on a','bytes_per_second':1024,"
		"'throttled_seconds':2}]}",
		"OF     NAME                LIMIT    HELD BACK\n"
		"total                      none\n"
		"host   ra-compare[5] on a  1 KiB/s      2.0 s\n");
}

static void proof_shows_how_old_it_is_and_what_has_none(void **state)
{
	(void)state;
	assert_shown(ctl_show_proof, "{'device':'web1'}", "web1: nothing was compared yet\n");
	assert_shown(ctl_show_proof,
		"{'device':'web1','tracks':10000,'never_proven_tracks':0,'oldest_proof':'2026-11-01T00:00:00Z',"
		"'oldest_proof_seconds':864000,'ages':[{'age':'1d','tracks':1,'bytes':1024},{'age':'7d','tracks':0,'bytes':0},"
		"{'age':'30d','tracks':9999,'bytes':2048}],'last_run_ended':'2026-11-02T00:00:00Z'}",
		"web1: the oldest proof is of 10 days ago\n"
		"  PROVEN                 TRACKS   SIZE       OF ALL\n"
		"  less than a day ago         1  1 KiB  under 0.1 %\n"
		"  less than 30 days ago    9999  2 KiB  over 99.9 %\n"
		"  the last run that was finished ended 2026-11-02T00:00:00Z\n");
	assert_shown(ctl_show_proof,
		"{'device':'web1','tracks':4,'never_proven_tracks':1,'oldest_proof':'x','oldest_proof_seconds':60,'ages':["
		"{'age':'7d','tracks':1,'bytes':1},{'age':'90d','tracks':1,'bytes':1},{'age':'older','tracks':1,'bytes':1},"
		"{'age':'never','tracks':1,'bytes':1}]}",
		"web1: the oldest proof is of 60 s ago; 1 track was never proven\n"
		"  PROVEN                 TRACKS    SIZE  OF ALL\n"
		"  less than 7 days ago        1  1 byte  25.0 %\n"
		"  less than 90 days ago       1  1 byte  25.0 %\n"
		"  longer ago                  1  1 byte  25.0 %\n"
		"  never                       1  1 byte  25.0 %\n");
	assert_shown(ctl_show_proof,
		"{'device':'web1','tracks':4,'never_proven_tracks':4,'ages':[{'age':'never','tracks':4,'bytes':4096}],"
		"'unfinished_run':{'started':'2026-11-02T00:00:00Z','identical_tracks':1,'different_tracks':2,"
		"'elapsed_seconds':90}}",
		"web1: nothing is proven\n"
		"  PROVEN  TRACKS   SIZE   OF ALL\n"
		"  never        4  4 KiB  100.0 %\n"
		"  unfinished run, begun 2026-11-02T00:00:00Z: 1 track identical, 2 different so far, in 90 s\n");
}

static void an_answer_of_another_version_is_shown_as_far_as_it_goes(void **state)
{
	static void (*const shows[])(const json_t *, FILE *) = { ctl_show_status, ctl_show_devices, ctl_show_jobs,
		ctl_show_errors, ctl_show_cache, ctl_show_links, ctl_show_limit, ctl_show_proof };
	static const char *const texts[] = { "{}", "[]", "{'devices':7,'links':'x','errors':[1,[]],'cache':[]}",
		"{'tracks':'x','ages':[7,{},{'tracks':1}],'unfinished_run':3}",
		"{'devices':[7,{}],'links':[null,{}],'peers':[{}],'errors':{'a':'b'},'jobs':[],'da':1}" };

	(void)state;
	for (unsigned i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		for (unsigned k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
			json_t *answer = json_of(texts[k]);
			FILE *out = begin();

			shows[i](answer, out);
			assert_true(ftell(out) > 0);
			fclose(out);
			json_decref(answer);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_told_in_binary_units),
		cmocka_unit_test(ages_are_told_in_the_unit_that_fits),
		cmocka_unit_test(counts_and_tracks_have_their_words),
		cmocka_unit_test(columns_are_aligned_and_empty_ones_left_out),
		cmocka_unit_test(a_daemon_cannot_steer_the_terminal),
		cmocka_unit_test(status_shows_either_daemon),
		cmocka_unit_test(status_has_a_line_for_each_run),
		cmocka_unit_test(devices_show_what_is_open),
		cmocka_unit_test(jobs_show_the_ring_of_a_secondary_and_the_streams_of_a_primary),
		cmocka_unit_test(errors_end_with_the_newest),
		cmocka_unit_test(the_cache_shows_how_full_it_is),
		cmocka_unit_test(links_show_trouble_and_shares),
		cmocka_unit_test(limits_show_what_has_none_too),
		cmocka_unit_test(proof_shows_how_old_it_is_and_what_has_none),
		cmocka_unit_test(an_answer_of_another_version_is_shown_as_far_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
