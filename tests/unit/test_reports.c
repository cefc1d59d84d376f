/* SPDX-License-Identifier: Apache-2.0
 *
 * The reports that are kept of a device: their numbers, how many stay, what is refused, what a failing or hanging disk
 * does, and who goes before an answer. And the form that a report must have, member by member.
 */
#include "primary/reports.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/post.h"
#include "local/server.h"
#include "primary/report_form.h"
#include "storage/state_file.h"
#include "tests/support/world.h"

/* ---- The server's side of a request, defined here so that the linker leaves the real one out ---- */

struct control_request {
	struct msg_control message;
	unsigned answers;
	json_t *json; /* NULL: refused */
	enum status status;
	char detail[DETAIL_MAX + 1];
};

const struct msg_control *control_message(const struct control_request *request)
{
	return &request->message;
}

void control_answer(struct control_request *request, json_t *json)
{
	request->answers++;
	request->json = json;
	request->status = STATUS_OK;
}

void control_refuse(struct control_request *request, enum status status, const char *format, ...)
{
	va_list args;

	request->answers++;
	request->status = status;
	va_start(args, format);
	vsnprintf(request->detail, sizeof(request->detail), format, args);
	va_end(args);
}

/* ---- Files that hang or fail: wrapped by the linker, called on DA threads ---- */

static int hang[2] = { -1, -1 }; /* a pipe: writes wait until its end is closed */
static int write_error;

int __real_state_write(const char *path, const uint8_t *file, size_t file_bytes);
int __wrap_state_write(const char *path, const uint8_t *file, size_t file_bytes);
int __wrap_state_write(const char *path, const uint8_t *file, size_t file_bytes)
{
	char byte;

	if (hang[0] >= 0 && read(hang[0], &byte, 1) != 0)
		abort();
	return write_error ? write_error : __real_state_write(path, file, file_bytes);
}

/* ---- The bed ---- */

static struct world *world;
static struct reports *reports;
static char folder[64], state_folder[80];
static struct control_request asked;

struct host {
	unsigned answers;
	enum status status;
	char detail[DETAIL_MAX + 1];
};
static struct host one, two;

static int set_up_queue(unsigned elements)
{
	strcpy(folder, "/tmp/ra-reports-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(state_folder, sizeof(state_folder), "%s/state", folder);
	one = two = (struct host){ 0 };
	asked = (struct control_request){ .answers = 0 };
	world = world_new(elements);
	reports = reports_new(&(struct reports_config){ .da = world->da, .post = world->post, .folder = state_folder,
		.device = "web1", .keep = 3 });
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_queue(8);
}

static int set_up_one_element(void **state)
{
	(void)state;
	return set_up_queue(1);
}

static void let_go(void)
{
	if (hang[1] >= 0)
		close(hang[1]);
	hang[1] = -1;
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	let_go();
	reports_end(reports);
	reports_free(reports);
	world_free(world);
	if (hang[0] >= 0)
		close(hang[0]);
	hang[0] = hang[1] = -1;
	write_error = 0;
	json_decref(asked.json);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static const char a_report[] = "{\"format\":\"ra-compare/1\",\"result\":\"different\",\"complete\":true,"
	"\"started\":\"2026-11-24T12:00:00Z\",\"ended\":\"2026-11-24T12:00:09Z\",\"device\":\"web1\","
	"\"verdict\":\"DIFFERENT: x\",\"track_size\":65536,\"seconds\":9.5,"
	"\"local\":{\"path\":\"/a\",\"size_bytes\":131072},\"remote\":{\"path\":\"/b\",\"size_bytes\":131072},"
	"\"tracks\":{\"total\":2,\"identical\":1,\"different\":1,\"unsettled\":0,\"invalid\":0,\"unreadable\":0,"
	"\"not_compared\":0},\"ranges\":[{\"state\":\"different\",\"offset\":0,\"length\":8}]}";

static void on_saved(void *arg, enum status status, const char *detail)
{
	struct host *host = arg;

	host->answers++;
	host->status = status;
	snprintf(host->detail, sizeof(host->detail), "%s", detail);
}

static enum status save_text(struct host *host, const char *text)
{
	return reports_save(reports, (uint8_t *)xstrdup(text), strlen(text), on_saved, host, host->detail);
}

static void wait_saved(struct host *host, enum status status)
{
	unsigned answers = host->answers;

	assert_true(WORLD_UNTIL(world, host->answers > answers));
	assert_string_equal(status_name(host->status), status_name(status));
}

static void save_well(void)
{
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	wait_saved(&one, STATUS_OK);
}

static void ask(enum control_verb verb, uint64_t number)
{
	json_decref(asked.json);
	asked = (struct control_request){ .message = { .verb = verb, .name = "web1", .report = number } };
	reports_serve(reports, &asked);
	assert_true(WORLD_UNTIL(world, asked.answers == 1));
}

/* The numbers that a list has, with commas. */
static void assert_kept(const char *expected)
{
	char got[256] = "";
	const json_t *report;
	size_t index;

	ask(VERB_REPORTS, 0);
	assert_int_equal(asked.status, STATUS_OK);
	assert_string_equal(json_string_value(json_object_get(asked.json, "device")), "web1");
	json_array_foreach(json_object_get(asked.json, "reports"), index, report)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%lld", index > 0 ? "," : "",
			(long long)json_integer_value(json_object_get(report, "number")));
	assert_string_equal(got, expected);
}

static const char *path_of(unsigned number)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/web1/reports/%010u.json", state_folder, number);
	return path;
}

/* ---- What is kept ---- */

static void what_was_saved_is_there_as_it_came(void **state)
{
	uint8_t *bytes;
	size_t count;
	struct stat status;

	(void)state;
	assert_kept("");
	save_well();
	assert_int_equal(state_read(path_of(1), REPORT_BYTES_MAX, &bytes, &count), 0);
	assert_int_equal(count, strlen(a_report));
	assert_memory_equal(bytes, a_report, count);
	free(bytes);
	assert_int_equal(stat(path_of(1), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_kept("1");
	json_t *listed = json_array_get(json_object_get(asked.json, "reports"), 0);
	assert_string_equal(json_string_value(json_object_get(listed, "result")), "different");
	assert_null(json_object_get(listed, "ranges"));
	ask(VERB_REPORT, 1);
	assert_int_equal(json_array_size(json_object_get(json_object_get(asked.json, "report"), "ranges")), 1);
}

static void the_oldest_go_and_no_number_comes_twice(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		save_well();
	assert_kept("3,4,5");
	assert_int_equal(unlink(path_of(4)), 0);
	save_well();
	assert_kept("3,5,6");
	reports_keep(reports, 1);
	save_well();
	assert_kept("7");
	reports_keep(reports, 0);
	save_well();
	assert_kept("");
}

static void other_files_of_the_folder_stay(void **state)
{
	char path[160];
	FILE *out;

	(void)state;
	save_well();
	snprintf(path, sizeof(path), "%s/web1/reports/0000000001.json.new", state_folder);
	out = fopen(path, "w");
	fclose(out);
	reports_keep(reports, 1);
	save_well();
	assert_kept("2");
	assert_int_equal(access(path, F_OK), 0);
}

static void nothing_is_made_where_nothing_is_kept(void **state)
{
	(void)state;
	reports_keep(reports, 0);
	save_well();
	assert_int_equal(access(state_folder, F_OK), -1);
}

static void one_is_shown_by_its_number_or_as_the_newest(void **state)
{
	(void)state;
	ask(VERB_REPORT, 0);
	assert_int_equal(asked.status, STATUS_BAD_REQUEST);
	assert_string_equal(asked.detail, "no report of web1 is kept");
	save_well();
	save_well();
	ask(VERB_REPORT, 1);
	assert_int_equal(json_integer_value(json_object_get(asked.json, "number")), 1);
	ask(VERB_REPORT, 0);
	assert_int_equal(json_integer_value(json_object_get(asked.json, "number")), 2);
	ask(VERB_REPORT, 7);
	assert_string_equal(asked.detail, "no report 7 of web1 is kept");
}

static void what_is_no_report_of_the_device_is_refused(void **state)
{
	char *other = xstrdup(a_report), *at = strstr(other, "web1");

	(void)state;
	assert_int_equal(save_text(&one, "{}"), STATUS_OK);
	wait_saved(&one, STATUS_BAD_REQUEST);
	assert_string_equal(one.detail, "this is no report of web1: its format is missing, or not what it should be");
	at[3] = '2';
	assert_int_equal(save_text(&one, other), STATUS_OK);
	wait_saved(&one, STATUS_BAD_REQUEST);
	assert_non_null(strstr(one.detail, "its device 'web2' is not known"));
	free(other);
	assert_int_equal(reports_save(reports, xcalloc(1, REPORT_BYTES_MAX + 1), REPORT_BYTES_MAX + 1, on_saved, &one,
		one.detail), STATUS_BAD_REQUEST);
	assert_non_null(strstr(one.detail, "at most 524288 bytes"));
	assert_kept("");
	assert_int_equal(post_total(world->post), 0);
}

static void a_damaged_one_is_told_and_the_others_are_there(void **state)
{
	(void)state;
	save_well();
	save_well();
	assert_int_equal(truncate(path_of(1), 20), 0);
	assert_kept("1,2");
	json_t *listed = json_array_get(json_object_get(asked.json, "reports"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(listed, "error")), "is damaged: no JSON"));
	ask(VERB_REPORT, 1);
	assert_int_equal(asked.status, STATUS_VOLUME_ERROR);
	assert_non_null(strstr(asked.detail, "is damaged"));
}

/* ---- Disks ---- */

static void a_write_that_fails_is_told_and_posted(void **state)
{
	(void)state;
	save_well();
	write_error = -ENOSPC;
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	wait_saved(&one, STATUS_VOLUME_ERROR);
	assert_non_null(strstr(one.detail, "No space left on device"));
	assert_string_equal(post_recent(world->post, 0)->device, "web1");
	write_error = 0;
	assert_kept("1");
}

static void a_folder_that_is_none_is_told(void **state)
{
	FILE *out = fopen(state_folder, "w");

	(void)state;
	fclose(out);
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	wait_saved(&one, STATUS_VOLUME_ERROR);
	assert_non_null(strstr(one.detail, "cannot read the folder"));
	ask(VERB_REPORT, 0);
	assert_int_equal(asked.status, STATUS_VOLUME_ERROR);
	ask(VERB_REPORTS, 0);
	assert_int_equal(asked.status, STATUS_VOLUME_ERROR);
}

static void saves_take_turns_and_only_a_few_wait(void **state)
{
	(void)state;
	assert_int_equal(pipe(hang), 0);
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(save_text(&two, a_report), STATUS_OK);
	assert_int_equal(save_text(&two, a_report), STATUS_BUSY);
	assert_string_equal(two.detail, "too many reports of web1 wait to be written");
	let_go();
	assert_true(WORLD_UNTIL(world, one.answers == 1 && two.answers == 3));
	assert_int_equal(two.status, STATUS_OK);
	assert_kept("2,3,4");
}

static void a_host_that_goes_is_told_nothing_and_its_report_is_kept(void **state)
{
	(void)state;
	assert_int_equal(pipe(hang), 0);
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	assert_int_equal(save_text(&two, a_report), STATUS_OK);
	reports_leave(reports, &one);
	let_go();
	wait_saved(&two, STATUS_OK);
	assert_int_equal(one.answers, 0);
	assert_kept("1,2,3");
}

static void the_end_refuses_requests_and_lets_saves_go(void **state)
{
	(void)state;
	save_well();
	assert_int_equal(pipe(hang), 0);
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	asked.message = (struct msg_control){ .verb = VERB_REPORTS, .name = "web1" };
	reports_serve(reports, &asked);
	reports_end(reports);
	assert_int_equal(asked.status, STATUS_LINK_LOST);
	reports_free(reports);
	reports = NULL;
	let_go();
	assert_true(WORLD_UNTIL(world, access(path_of(2), F_OK) == 0));
	assert_int_equal(access(path_of(3), F_OK), -1);
	assert_int_equal(one.answers, 1);
}

static void a_full_queue_of_the_disk_is_busy(void **state)
{
	(void)state;
	assert_int_equal(pipe(hang), 0);
	assert_int_equal(save_text(&one, a_report), STATUS_OK);
	reports_serve(reports, &asked);
	assert_int_equal(asked.status, STATUS_BUSY);
	let_go();
	wait_saved(&one, STATUS_OK);
}

/* ---- The form ---- */

/* a_report with one piece of it replaced: is it still a report? */
static bool is_report_with(const char *piece, const char *other, char why[DETAIL_MAX + 1])
{
	const char *at = strstr(a_report, piece);
	char *text;
	json_t *report;

	assert_non_null(at);
	text = xasprintf("%.*s%s%s", (int)(at - a_report), a_report, other, at + strlen(piece));
	report = report_form_read(text, strlen(text), "web1", why);
	free(text);
	json_decref(report);
	return report != NULL;
}

static void each_member_must_be_what_it_should_be(void **state)
{
	static const char *const changes[][2] = {
		{ "ra-compare/1", "ra-compare/2" },
		{ "\"different\",\"complete\"", "\"error\",\"complete\"" },
		{ "true", "1" },
		{ "2026-11-24T12:00:00Z", "2026-11-24 12:00:00Z" },
		{ "2026-11-24T12:00:09Z", "2026-11-24T12:00:09Z " },
		{ "2026-11-24T12:00:09Z", "2026-11-2" },
		{ "65536", "65537" },
		{ "65536", "2048" },
		{ "65536", "2097152" },
		{ "9.5", "-1" },
		{ "\"/a\"", "null" },
		{ "131072", "-131072" },
		{ "\"not_compared\":0", "\"other\":0" },
		{ "\"state\":\"different\"", "\"state\":\"identical\"" },
		{ "\"length\":8", "\"length\":0" },
		{ "\"offset\":0,\"length\":8", "\"offset\":9,\"length\":9223372036854775807" },
		{ "\"length\":8", "\"length\":8},{\"state\":\"unsettled\",\"offset\":7,\"length\":8" },
		{ "\"offset\":0", "\"offset\":1e3" },
		{ "\"seconds\":9.5", "\"seconds\":9.5,\"seconds\":9.5" },
		{ "}]}", "}]" },
		{ "\"verdict\":\"DIFFERENT: x\"", "\"verdict\":\"a\\u0000b\"" },
	};
	char why[DETAIL_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		why[0] = '\0';
		if (is_report_with(changes[i][0], changes[i][1], why))
			fail_msg("%s was taken for %s", changes[i][1], changes[i][0]);
		assert_true(why[0] != '\0');
	}
	assert_true(is_report_with("\"length\":8",
		"\"length\":8,\"new\":[]},{\"state\":\"unsettled\",\"offset\":8,\"length\":8", why));
}

int main(void)
{
#define REPORTS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		REPORTS_TEST(what_was_saved_is_there_as_it_came),
		REPORTS_TEST(the_oldest_go_and_no_number_comes_twice),
		REPORTS_TEST(other_files_of_the_folder_stay),
		REPORTS_TEST(nothing_is_made_where_nothing_is_kept),
		REPORTS_TEST(one_is_shown_by_its_number_or_as_the_newest),
		REPORTS_TEST(what_is_no_report_of_the_device_is_refused),
		REPORTS_TEST(a_damaged_one_is_told_and_the_others_are_there),
		REPORTS_TEST(a_write_that_fails_is_told_and_posted),
		REPORTS_TEST(a_folder_that_is_none_is_told),
		REPORTS_TEST(saves_take_turns_and_only_a_few_wait),
		REPORTS_TEST(a_host_that_goes_is_told_nothing_and_its_report_is_kept),
		REPORTS_TEST(the_end_refuses_requests_and_lets_saves_go),
		cmocka_unit_test_setup_teardown(a_full_queue_of_the_disk_is_busy, set_up_one_element, tear_down),
		cmocka_unit_test(each_member_must_be_what_it_should_be),
	};

	return cmocka_run_group_tests_name("reports", tests, NULL, NULL);
}
