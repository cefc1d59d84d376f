/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl proof: the ages that are told of a ledger, and the request on its way over a DA thread: no file, a damaged
 * one, too many at once, the daemon's end.
 */
#include "primary/proof.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/server.h"
#include "storage/ledger.h"
#include "storage/state_file.h"
#include "tests/support/world.h"

#define NOW 2000000000
#define DAY 86400

/* ---- The server's side of a request, defined here so that the linker leaves the real one out ---- */

struct control_request {
	unsigned answers;
	json_t *json; /* NULL: refused */
	enum status status;
	char detail[DETAIL_MAX + 1];
};

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

/* reports.c, which is linked as well, asks for it. */
const struct msg_control *control_message(const struct control_request *request)
{
	(void)request;
	fail_msg("proof needs no message");
	return NULL;
}

/* ---- What is told ---- */

/* A ledger of 2 * 65536 tracks of 4096 bytes, the last of them short: 65536 groups of two. */
static struct ledger *a_ledger(void)
{
	struct ledger_binding binding = { .device = "web1", .local_identity = "file 1:2:3", .remote_identity = "dm x",
		.local_bytes = 2 * 65536 * UINT64_C(4096) - 1000, .remote_bytes = 4096, .track_bytes = 4096,
		.digest = "data" };

	return ledger_new(&binding, 2 * 65536);
}

static uint64_t integer_of(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	assert_true(json_is_integer(value));
	return (uint64_t)json_integer_value(value);
}

static const char *text_of(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	assert_true(json_is_string(value));
	return json_string_value(value);
}

static void assert_age(const json_t *json, unsigned index, const char *name, uint64_t tracks, uint64_t bytes)
{
	const json_t *age = json_array_get(json_object_get(json, "ages"), index);

	assert_string_equal(text_of(age, "age"), name);
	assert_int_equal(integer_of(age, "tracks"), tracks);
	assert_int_equal(integer_of(age, "bytes"), bytes);
}

static void tracks_are_counted_by_the_age_of_their_proof(void **state)
{
	static const struct {
		uint64_t first, count;
		int64_t ago;
	} proven[] = {
		{ 0, 2, 0 }, { 2, 2, DAY - 1 }, { 4, 2, DAY }, { 6, 2, 7 * DAY - 1 }, { 8, 2, 7 * DAY }, { 10, 4, 30 * DAY },
		{ 14, 2, 90 * DAY - 1 }, { 16, 2, 90 * DAY }, { 18, 2, 400 * DAY }, { 20, 2, -1 },
	};
	struct ledger *ledger = a_ledger();
	json_t *json;

	(void)state;
	ledger_begin_run(ledger, "x", NOW - 500 * DAY);
	for (size_t i = 0; i < sizeof(proven) / sizeof(proven[0]); i++)
		ledger_identical(ledger, proven[i].first, proven[i].count, NOW - proven[i].ago);
	ledger_end_run(ledger, NOW - 10);
	json = proof_describe("web1", ledger, NOW);
	assert_age(json, 0, "1d", 4, 4 * 4096);
	assert_age(json, 1, "7d", 4, 4 * 4096);
	assert_age(json, 2, "30d", 2, 2 * 4096);
	assert_age(json, 3, "90d", 6, 6 * 4096);
	assert_age(json, 4, "older", 4, 4 * 4096);
	assert_age(json, 5, "never", 2 * 65536 - 20, (2 * 65536 - 20) * 4096 - 1000);
	assert_int_equal(integer_of(json, "never_proven_tracks"), 2 * 65536 - 20);
	assert_int_equal(integer_of(json, "oldest_proof_seconds"), 400 * DAY);
	assert_string_equal(text_of(json, "oldest_proof"), "2032-04-13T03:33:20Z");
	assert_string_equal(text_of(json, "last_run_ended"), "2033-05-18T03:33:10Z");
	assert_string_equal(text_of(json, "last_run_result"), "unproven");
	assert_int_equal(integer_of(json, "different_tracks"), 0);
	assert_string_equal(text_of(json, "device"), "web1");
	assert_string_equal(text_of(json, "local"), "file 1:2:3");
	assert_string_equal(text_of(json, "remote"), "dm x");
	assert_string_equal(text_of(json, "compared"), "data");
	assert_int_equal(integer_of(json, "tracks"), 2 * 65536);
	assert_int_equal(integer_of(json, "track_bytes"), 4096);
	assert_null(json_object_get(json, "unfinished_run"));
	json_decref(json);
	ledger_free(ledger);
}

static void the_last_run_that_ended_has_a_result(void **state)
{
	struct ledger_range range = { .offset_bytes = 4096, .length_bytes = 512 };
	struct ledger *ledger = a_ledger();
	json_t *json;

	(void)state;
	ledger_begin_run(ledger, "x", NOW - 100);
	ledger_identical(ledger, 0, 2 * 65536, NOW - 90);
	ledger_end_run(ledger, NOW - 80);
	json = proof_describe("web1", ledger, NOW);
	assert_string_equal(text_of(json, "last_run_result"), "identical");
	json_decref(json);
	ledger_begin_run(ledger, "x", NOW - 70);
	ledger_different(ledger, 1, &range, 1);
	json = proof_describe("web1", ledger, NOW);
	assert_int_equal(integer_of(json, "different_tracks"), 1);
	json_decref(json);
	ledger_end_run(ledger, NOW - 60);
	json = proof_describe("web1", ledger, NOW);
	assert_string_equal(text_of(json, "last_run_result"), "different");
	assert_int_equal(integer_of(json, "different_tracks"), 1);
	json_decref(json);
	ledger_free(ledger);
}

static void nothing_proven_has_no_oldest_proof(void **state)
{
	struct ledger *ledger = a_ledger();
	json_t *json = proof_describe("web1", ledger, NOW);

	(void)state;
	assert_null(json_object_get(json, "oldest_proof"));
	assert_null(json_object_get(json, "last_run_ended"));
	assert_null(json_object_get(json, "last_run_result"));
	assert_int_equal(integer_of(json, "never_proven_tracks"), 2 * 65536);
	json_decref(json);
	json = proof_describe("web1", NULL, NOW);
	assert_int_equal(json_object_size(json), 1);
	assert_string_equal(text_of(json, "device"), "web1");
	json_decref(json);
	ledger_free(ledger);
}

static void of_a_common_part_the_smaller_volume_counts(void **state)
{
	struct ledger_binding binding = { .device = "web1", .local_bytes = 10000, .remote_bytes = 9000, .is_common = true,
		.track_bytes = 4096 };
	struct ledger *ledger = ledger_new(&binding, 3);
	json_t *json = proof_describe("web1", ledger, NOW);

	(void)state;
	assert_age(json, 5, "never", 3, 9000);
	json_decref(json);
	ledger_free(ledger);
	binding.local_bytes = 8500;
	ledger = ledger_new(&binding, 3);
	json = proof_describe("web1", ledger, NOW);
	assert_age(json, 5, "never", 3, 8500);
	json_decref(json);
	ledger_free(ledger);
}

static void a_run_that_was_not_finished_is_told(void **state)
{
	struct ledger *ledger = a_ledger();
	struct ledger_counts counts = { .elapsed_ms = 90500 };
	const json_t *run;
	json_t *json;

	(void)state;
	ledger_begin_run(ledger, "settle 3", NOW - 100);
	ledger_identical(ledger, 0, 5, NOW - 90);
	ledger_different(ledger, 9, NULL, 0);
	ledger_set_counts(ledger, &counts);
	json = proof_describe("web1", ledger, NOW);
	run = json_object_get(json, "unfinished_run");
	assert_string_equal(text_of(run, "started"), "2033-05-18T03:31:40Z");
	assert_string_equal(text_of(run, "options"), "settle 3");
	assert_int_equal(integer_of(run, "identical_tracks"), 5);
	assert_int_equal(integer_of(run, "different_tracks"), 1);
	assert_true(json_number_value(json_object_get(run, "elapsed_seconds")) == 90.5);
	json_decref(json);
	ledger_free(ledger);
}

/* ---- Requests ---- */

static int hang[2] = { -1, -1 };

int __real_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes);
int __wrap_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes);

int __wrap_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes)
{
	char byte;

	if (hang[0] >= 0 && read(hang[0], &byte, 1) != 0)
		abort();
	return __real_state_read(path, bytes_max, file, file_bytes);
}

static struct world *world;
static struct proofs *proofs;
static struct control_request requests[9];
static char folder[64], path[80];

static int set_up_queue(unsigned elements)
{
	memset(requests, 0, sizeof(requests));
	strcpy(folder, "/tmp/ra-proof-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/ledger", folder);
	world = world_new(elements);
	proofs = proofs_new(world->da);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_queue(16);
}

static int set_up_one_element(void **state)
{
	(void)state;
	return set_up_queue(1);
}

static int tear_down(void **state)
{
	(void)state;
	proofs_free(proofs);
	world_free(world);
	for (size_t i = 0; i < 9; i++)
		json_decref(requests[i].json);
	if (hang[0] >= 0)
		close(hang[0]);
	hang[0] = -1;
	unlink(path);
	return rmdir(folder);
}

static void ask(struct control_request *request)
{
	proofs_serve(proofs, "web1", path, request);
}

static void wait_answer(struct control_request *request, enum status status)
{
	assert_true(WORLD_UNTIL(world, request->answers > 0));
	assert_int_equal(request->answers, 1);
	assert_string_equal(status_name(request->status), status_name(status));
}

static void a_request_is_answered_from_the_file(void **state)
{
	struct ledger *ledger = a_ledger();
	size_t bytes;
	uint8_t *file = ledger_encode(ledger, &bytes);

	(void)state;
	assert_int_equal(state_write(path, file, bytes), 0);
	ask(&requests[0]);
	assert_int_equal(requests[0].answers, 0);
	wait_answer(&requests[0], STATUS_OK);
	assert_int_equal(integer_of(requests[0].json, "tracks"), 2 * 65536);
	free(file);
	ledger_free(ledger);
}

static void without_a_file_nothing_is_known(void **state)
{
	(void)state;
	ask(&requests[0]);
	wait_answer(&requests[0], STATUS_OK);
	assert_int_equal(json_object_size(requests[0].json), 1);
}

static void a_damaged_or_unreadable_ledger_is_told(void **state)
{
	char expected[160];

	(void)state;
	assert_int_equal(state_write(path, (const uint8_t *)"damaged", 7), 0);
	ask(&requests[0]);
	wait_answer(&requests[0], STATUS_VOLUME_ERROR);
	assert_string_equal(requests[0].detail, "the ledger of web1 is damaged: it is truncated: 7 bytes; ra-compare "
		"--restart begins a new one");
	unlink(path);
	assert_int_equal(symlink("elsewhere", path), 0);
	ask(&requests[1]);
	wait_answer(&requests[1], STATUS_VOLUME_ERROR);
	snprintf(expected, sizeof(expected), "cannot read %s: %s", path, strerror(ELOOP));
	assert_string_equal(requests[1].detail, expected);
}

static void too_many_at_once_are_refused(void **state)
{
	(void)state;
	assert_int_equal(pipe(hang), 0);
	for (size_t i = 0; i < 9; i++)
		ask(&requests[i]);
	assert_int_equal(requests[8].answers, 1);
	assert_int_equal(requests[8].status, STATUS_BUSY);
	assert_string_equal(requests[8].detail, "8 ledgers are being read already");
	close(hang[1]);
	for (size_t i = 0; i < 8; i++)
		wait_answer(&requests[i], STATUS_OK);
	requests[8] = (struct control_request){ .answers = 0 };
	ask(&requests[8]);
	wait_answer(&requests[8], STATUS_OK);
}

static void a_full_disk_queue_is_told(void **state)
{
	(void)state;
	assert_int_equal(pipe(hang), 0);
	ask(&requests[0]);
	ask(&requests[1]);
	assert_int_equal(requests[1].status, STATUS_BUSY);
	assert_string_equal(requests[1].detail, "the disk queue is full");
	close(hang[1]);
	wait_answer(&requests[0], STATUS_OK);
}

static void at_the_end_who_waits_is_refused_and_what_is_read_is_nobodys(void **state)
{
	(void)state;
	assert_int_equal(pipe(hang), 0);
	ask(&requests[0]);
	ask(&requests[1]);
	proofs_free(proofs);
	assert_int_equal(requests[0].status, STATUS_LINK_LOST);
	assert_string_equal(requests[1].detail, "ra-primaryd ends");
	close(hang[1]);
	proofs = proofs_new(world->da);
	ask(&requests[2]);
	wait_answer(&requests[2], STATUS_OK);
	assert_int_equal(requests[0].answers, 1);
	assert_int_equal(requests[1].answers, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tracks_are_counted_by_the_age_of_their_proof),
		cmocka_unit_test(the_last_run_that_ended_has_a_result),
		cmocka_unit_test(nothing_proven_has_no_oldest_proof),
		cmocka_unit_test(of_a_common_part_the_smaller_volume_counts),
		cmocka_unit_test(a_run_that_was_not_finished_is_told),
		TEST(a_request_is_answered_from_the_file),
		TEST(without_a_file_nothing_is_known),
		TEST(a_damaged_or_unreadable_ledger_is_told),
		TEST(too_many_at_once_are_refused),
		cmocka_unit_test_setup_teardown(a_full_disk_queue_is_told, set_up_one_element, tear_down),
		TEST(at_the_end_who_waits_is_refused_and_what_is_read_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
