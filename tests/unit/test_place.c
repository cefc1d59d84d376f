/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a ledger is kept: nowhere, in a file of a temporary folder, at the primary that the test plays.
 * check-style: long because each of the three has its ways to fail.
 */
#include "primary/compare/place.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/track_set.h"
#include "primary/compare/options.h"
#include "storage/ledger.h"
#include "tests/unit/fake_client.h"

#define TRACKS 100u
#define SAVE_MS 3000

struct fixture {
	struct clock *clock;
	struct client *client;
	struct options options;
	struct place *place;
	struct ledger_binding binding;
	char folder[256], path[300], lock[320];
	unsigned opened, before, saved;
	int64_t max_lag_ms;
	int exit_code;
	char why[PLACE_WHY_BYTES];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *parent = getenv("TMPDIR");

	f->clock = clock_new_virtual();
	f->options.settle_rounds = 3;
	f->client = client_new(NULL, NULL, -1, NULL, -1, NULL, NULL);
	f->binding = (struct ledger_binding){ .device = "a and b", .local_identity = "file 1:2",
		.remote_identity = "file 1:3", .local_bytes = TRACKS * 4096, .remote_bytes = TRACKS * 4096,
		.track_bytes = 4096, .digest = "data" };
	snprintf(f->folder, sizeof(f->folder), "%s/ra-place-XXXXXX", parent ? parent : "/tmp");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/state", f->folder);
	snprintf(f->lock, sizeof(f->lock), "%s.lock", f->path);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	client_free(f->client);
	place_free(f->place);
	clock_free(f->clock);
	unlink(f->path);
	unlink(f->lock);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void on_opened(void *arg, int exit_code, const char *why)
{
	struct fixture *f = arg;

	f->opened++;
	f->exit_code = exit_code;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void on_before(void *arg)
{
	((struct fixture *)arg)->before++;
}

static void on_saved(void *arg)
{
	((struct fixture *)arg)->saved++;
}

/* As another program does; the one before has ended. */
static void open_place(struct fixture *f)
{
	place_free(f->place);
	f->opened = 0;
	f->place = place_new(&f->options, f->client, f->clock);
	place_open(f->place, &f->binding, TRACKS, f->max_lag_ms, on_opened, f);
}

static void assert_opened(const struct fixture *f)
{
	assert_int_equal(f->opened, 1);
	if (f->exit_code != 0)
		fail_msg("exit code %d: %s", f->exit_code, f->why);
	assert_non_null(place_ledger(f->place));
}

static void assert_refused(const struct fixture *f, int exit_code, const char *words)
{
	assert_int_equal(f->opened, 1);
	assert_int_equal(f->exit_code, exit_code);
	if (!strstr(f->why, words))
		fail_msg("no \"%s\" in: %s", words, f->why);
}

/* A run that is not over, with the first tracks proven. */
static void begin_run(struct fixture *f, uint64_t tracks)
{
	ledger_begin_run(place_ledger(f->place), place_options(f->place), 1000);
	ledger_identical(place_ledger(f->place), 0, tracks, 1001);
}

static uint64_t tracks_of_run(const struct fixture *f)
{
	const struct ledger *ledger = place_ledger(f->place);

	return ledger_run_options(ledger) ? track_set_tracks(ledger_run_identical(ledger)) : 0;
}

static void use_file(struct fixture *f)
{
	f->options.state_path = f->path;
}

/* A file with an unfinished run of ten tracks. */
static void make_file(struct fixture *f)
{
	use_file(f);
	open_place(f);
	assert_opened(f);
	begin_run(f, 10);
	place_save(f->place, on_saved, f);
	assert_int_equal(f->saved, 1);
}

static void write_file(const struct fixture *f, const void *bytes, size_t count)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, count), count);
	close(fd);
}

/* What the program says while fn runs; to be freed. */
static char *capture(struct fixture *f, void (*fn)(struct fixture *f))
{
	FILE *file = tmpfile();
	int saved_fd = dup(STDERR_FILENO);
	char *text = calloc(1, 4096);

	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	fn(f);
	fflush(stderr);
	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
	rewind(file);
	assert_true(fread(text, 1, 4095, file) < 4095);
	fclose(file);
	return text;
}

static unsigned count_of(const char *text, const char *words)
{
	unsigned count = 0;

	for (; (text = strstr(text, words)); text++)
		count++;
	return count;
}

/* ---- Nowhere ---- */

static void two_volumes_without_a_file_keep_nothing(void **state)
{
	struct fixture *f = *state;

	open_place(f);
	assert_int_equal(f->opened, 1);
	assert_int_equal(f->exit_code, 0);
	assert_null(place_ledger(f->place));
	place_keep(f->place, on_before, f);
	clock_advance(f->clock, 10 * SAVE_MS);
	place_save(f->place, on_saved, f);
	assert_int_equal(f->saved, 1);
	assert_int_equal(f->before, 0);
	assert_int_equal(f->client->record, RECORD_UNSET);
}

static void a_device_may_be_asked_to_keep_nothing(void **state)
{
	struct fixture *f = *state;

	f->options.form = FORM_DEVICE;
	f->options.device = "web1";
	f->options.no_state = true;
	open_place(f);
	assert_int_equal(f->exit_code, 0);
	assert_null(place_ledger(f->place));
	assert_int_equal(f->client->record, RECORD_UNSET);
}

/* ---- A file ---- */

static void a_file_that_is_not_there_is_a_fresh_ledger(void **state)
{
	struct fixture *f = *state;

	use_file(f);
	open_place(f);
	assert_opened(f);
	assert_null(ledger_run_options(place_ledger(f->place)));
	assert_int_equal(ledger_total_tracks(place_ledger(f->place)), TRACKS);
	assert_int_not_equal(access(f->path, F_OK), 0); /* nothing is written yet */
}

static void an_unfinished_run_is_found_again(void **state)
{
	struct fixture *f = *state;

	make_file(f);
	open_place(f);
	assert_opened(f);
	assert_int_equal(tracks_of_run(f), 10);
	assert_int_equal(ledger_run_started(place_ledger(f->place)), 1000);
}

static void what_was_started_over_is_kept_at_once(void **state)
{
	struct fixture *f = *state;
	struct stat status;

	use_file(f);
	f->options.restart = true;
	open_place(f);
	begin_run(f, 1);
	place_keep(f->place, on_before, f);
	clock_advance(f->clock, 0);
	assert_int_equal(stat(f->path, &status), 0);
	clock_advance(f->clock, SAVE_MS - 1);
	assert_int_equal(f->before, 1);
	clock_advance(f->clock, 1);
	assert_int_equal(f->before, 2);
}

static void what_changes_is_kept_every_few_seconds_until_the_final_save(void **state)
{
	struct fixture *f = *state;
	struct stat status;

	use_file(f);
	open_place(f);
	begin_run(f, 1);
	place_keep(f->place, on_before, f);
	clock_advance(f->clock, SAVE_MS - 1);
	assert_int_equal(f->before, 0);
	clock_advance(f->clock, 1);
	assert_int_equal(f->before, 1);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	ledger_identical(place_ledger(f->place), 1, 4, 1002);
	clock_advance(f->clock, SAVE_MS);
	assert_int_equal(f->before, 2);
	ledger_identical(place_ledger(f->place), 5, 1, 1002);
	place_save(f->place, on_saved, f);
	assert_int_equal(f->before, 3);
	assert_int_equal(f->saved, 1);
	clock_advance(f->clock, 10 * SAVE_MS);
	assert_int_equal(f->before, 3);
	open_place(f);
	assert_int_equal(tracks_of_run(f), 6);
}

static void at_rest_nothing_is_kept(void **state)
{
	struct fixture *f = *state;

	use_file(f);
	open_place(f);
	place_keep(f->place, on_before, f);
	place_rest(f->place);
	clock_advance(f->clock, 10 * SAVE_MS);
	assert_int_equal(f->before, 0);
	place_keep(f->place, on_before, f);
	clock_advance(f->clock, SAVE_MS);
	assert_int_equal(f->before, 1);
}

static void other_options_do_not_go_on_with_a_run(void **state)
{
	struct fixture *f = *state;

	make_file(f);
	f->options.has_tracks = true;
	f->options.last_track = 5;
	open_place(f);
	assert_refused(f, 2, "was asked for without options that matter, this one with --tracks 0-5");
	assert_refused(f, 2, "--restart");
	assert_refused(f, 2, f->path);
	f->options.restart = true;
	open_place(f);
	assert_opened(f);
	begin_run(f, 1);
	place_save(f->place, on_saved, f);
	f->options.restart = false;
	open_place(f);
	assert_opened(f); /* of the new run they are the same */
	f->options.has_tracks = false;
	open_place(f);
	assert_refused(f, 2, "was asked for with --tracks 0-5, this one without");
}

static void other_options_begin_a_run_when_none_is_unfinished(void **state)
{
	struct fixture *f = *state;

	make_file(f);
	ledger_end_run(place_ledger(f->place), 2000);
	place_save(f->place, on_saved, f);
	f->options.invalid = INVALID_CHECK;
	open_place(f);
	assert_opened(f);
	assert_null(ledger_run_options(place_ledger(f->place)));
	assert_int_equal(ledger_group_proven(place_ledger(f->place), 0), 1001); /* what was proven is still known */
}

static void a_damaged_file_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	static const char *const contents[] = { "", "R", "RASTATE", "x",
		"this is somebody's letter, and no ledger at all" };
	char content[64] = "";
	int fd;

	make_file(f);
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		write_file(f, contents[i], strlen(contents[i]));
		open_place(f);
		assert_refused(f, 2, "is not used: ");
		assert_refused(f, 2, i < 3 ? "; --restart starts over" : "; it is left as it is");
		assert_null(place_ledger(f->place));
	}
	f->options.restart = true;
	open_place(f);
	assert_refused(f, 2, "; it is left as it is");
	fd = open(f->path, O_RDONLY);
	assert_int_equal(read(fd, content, sizeof(content) - 1), strlen(contents[4]));
	close(fd);
	assert_string_equal(content, contents[4]);
}

static void restart_replaces_what_cannot_be_used(void **state)
{
	struct fixture *f = *state;

	make_file(f);
	write_file(f, "RASTATE", 7);
	f->options.restart = true;
	open_place(f);
	assert_opened(f);
	begin_run(f, 3);
	place_save(f->place, on_saved, f);
	f->options.restart = false;
	open_place(f);
	assert_opened(f);
	assert_int_equal(tracks_of_run(f), 3);
}

static void a_file_that_is_too_large_is_none_of_ours(void **state)
{
	struct fixture *f = *state;

	make_file(f);
	assert_int_equal(truncate(f->path, (off_t)LEDGER_BYTES_MAX + 1), 0);
	open_place(f);
	assert_refused(f, 2, "/state is no ledger: it is too large");
	f->options.restart = true;
	open_place(f);
	assert_refused(f, 2, "it is too large");
}

/* Under another name, which is not the one that was typed. */
static void a_volume_is_never_taken_for_a_ledger(void **state)
{
	struct fixture *f = *state;
	char other[300];

	snprintf(other, sizeof(other), "%s/other", f->folder);
	f->options.state_path = f->path;
	f->options.restart = true;
	write_file(f, "RASTATE", 7);
	assert_int_equal(link(f->path, other), 0);
	f->options.path_local = other;
	open_place(f);
	assert_refused(f, 2, "/state: this is one of the volumes");
	f->options.path_local = "/dev/null";
	f->options.path_remote = other;
	open_place(f);
	assert_refused(f, 2, "/state: this is one of the volumes");
	assert_int_equal(access(f->lock, F_OK), -1);
	f->options.form = FORM_SSH; /* then it is another host's */
	open_place(f);
	assert_opened(f);
	assert_int_equal(unlink(other), 0);
}

/* What differed sooner than the copy may be late was not confirmed. */
static void a_run_that_was_to_wait_less_for_the_copy_does_not_go_on(void **state)
{
	struct fixture *f = *state;

	make_file(f);
	begin_run(f, 3);
	place_save(f->place, on_saved, f);
	f->max_lag_ms = 3000;
	open_place(f);
	assert_refused(f, 2, "was asked for without options that matter, this one with --max-lag 3000ms");
	f->max_lag_ms = 0;
	open_place(f);
	assert_opened(f);
	assert_int_equal(tracks_of_run(f), 3);
}

static void a_ledger_of_other_volumes_is_refused_with_both(void **state)
{
	struct fixture *f = *state;

	make_file(f);
	strcpy(f->binding.remote_identity, "file 1:77");
	open_place(f);
	assert_refused(f, 2, "file 1:3");
	assert_refused(f, 2, "file 1:77");
	assert_null(place_ledger(f->place));
	f->options.restart = true;
	open_place(f);
	assert_opened(f);
	assert_int_equal(tracks_of_run(f), 0);
}

static void rebind(struct fixture *f)
{
	place_rebind(f->place, &f->binding, f->binding.local_bytes / 4096);
}

static void another_pass_keeps_the_ledger_unless_a_size_changed(void **state)
{
	struct fixture *f = *state;
	char *text;

	make_file(f);
	text = capture(f, rebind);
	assert_string_equal(text, "");
	assert_int_equal(tracks_of_run(f), 10);
	free(text);
	f->binding.local_bytes = 2 * TRACKS * 4096;
	text = capture(f, rebind);
	assert_int_equal(count_of(text, "starts over: the local size is 819200, it is of 409600"), 1);
	assert_int_equal(ledger_total_tracks(place_ledger(f->place)), 2 * TRACKS);
	assert_int_equal(tracks_of_run(f), 0);
	free(text);
	place_free(f->place);
	f->options.state_path = NULL;
	f->place = NULL;
	open_place(f);
	rebind(f); /* nothing is kept */
	assert_null(place_ledger(f->place));
}

static void a_ledger_of_another_number_of_tracks_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ledger *ledger = ledger_new(&f->binding, TRACKS - 1);
	size_t bytes;
	uint8_t *file = ledger_encode(ledger, &bytes);

	use_file(f);
	write_file(f, file, bytes);
	open_place(f);
	assert_refused(f, 2, "it is of 99 tracks, and there are 100");
	f->options.restart = true;
	open_place(f);
	assert_opened(f);
	assert_int_equal(ledger_total_tracks(place_ledger(f->place)), TRACKS);
	ledger_free(ledger);
	free(file);
}

static void two_runs_with_one_file_are_one_too_many(void **state)
{
	struct fixture *f = *state;
	struct place *other;

	make_file(f);
	other = place_new(&f->options, f->client, f->clock);
	f->opened = 0;
	place_open(other, &f->binding, TRACKS, f->max_lag_ms, on_opened, f);
	assert_refused(f, 6, "busy: another run has ");
	assert_refused(f, 6, f->path);
	place_free(other);
	open_place(f); /* the first is gone, however it ended */
	assert_opened(f);
}

static void a_place_that_cannot_be_is_exit_2(void **state)
{
	struct fixture *f = *state;

	f->options.state_path = "/nowhere/at/all";
	open_place(f);
	assert_refused(f, 2, "/nowhere/at/all cannot be used: No such file or directory");
	f->options.state_path = f->folder;
	open_place(f);
	assert_refused(f, 2, "cannot be read");
	snprintf(f->lock, sizeof(f->lock), "%s.lock", f->folder);
}

static void save_in_vain(struct fixture *f)
{
	clock_advance(f->clock, 4 * SAVE_MS);
	assert_int_equal(f->before, 4); /* it is tried again and again */
}

static void save_at_the_end(struct fixture *f)
{
	place_save(f->place, on_saved, f);
}

static void a_save_that_fails_is_told_once_and_at_the_end(void **state)
{
	struct fixture *f = *state;
	char *text;

	use_file(f);
	f->options.quiet = true; /* warnings are told all the same */
	open_place(f);
	begin_run(f, 1);
	place_keep(f->place, on_before, f);
	unlink(f->lock);
	assert_int_equal(rmdir(f->folder), 0);
	text = capture(f, save_in_vain);
	assert_int_equal(count_of(text, "cannot be kept"), 1);
	assert_int_equal(count_of(text, f->path), 1);
	assert_int_equal(count_of(text, "No such file or directory"), 1);
	free(text);
	text = capture(f, save_at_the_end);
	assert_int_equal(count_of(text, "cannot be kept"), 1);
	free(text);
	assert_int_equal(f->saved, 1);
	assert_int_equal(mkdir(f->folder, 0700), 0);
	text = capture(f, save_at_the_end); /* and it goes well when it can */
	assert_string_equal(text, "");
	free(text);
	open_place(f);
	assert_int_equal(tracks_of_run(f), 1);
}

/* ---- At the primary ---- */

static void use_primary(struct fixture *f)
{
	f->options.form = FORM_DEVICE;
	f->options.device = "web1";
	open_place(f);
	assert_int_equal(f->opened, 0);
	assert_int_equal(f->client->record, RECORD_LEDGER);
	assert_false(f->client->is_save);
}

static void answer(struct fixture *f, enum status status)
{
	fake_answer_record(f->client, status, NULL, 0);
}

static void the_primary_may_have_none_yet(void **state)
{
	struct fixture *f = *state;

	use_primary(f);
	answer(f, STATUS_OK);
	assert_opened(f);
	assert_null(ledger_run_options(place_ledger(f->place)));
}

static void what_the_primary_keeps_is_gone_on_with(void **state)
{
	struct fixture *f = *state;
	uint8_t *file;
	uint32_t bytes;

	use_primary(f);
	answer(f, STATUS_OK);
	begin_run(f, 7);
	place_save(f->place, on_saved, f);
	assert_true(f->client->is_save);
	assert_int_equal(f->saved, 0);
	answer(f, STATUS_OK);
	assert_int_equal(f->saved, 1);
	bytes = f->client->saved_bytes;
	file = malloc(bytes);
	memcpy(file, f->client->saved, bytes);
	open_place(f);
	fake_answer_record(f->client, STATUS_OK, file, bytes);
	assert_opened(f);
	assert_int_equal(tracks_of_run(f), 7);
	file[bytes / 2] ^= 4;
	open_place(f);
	fake_answer_record(f->client, STATUS_OK, file, bytes);
	assert_refused(f, 2, "the ledger of web1 is not used: ");
	f->options.restart = true;
	open_place(f);
	fake_answer_record(f->client, STATUS_OK, file, bytes);
	assert_opened(f);
	free(file);
}

static void a_load_that_fails_has_its_exit_code(void **state)
{
	struct fixture *f = *state;

	strcpy(f->client->detail, "ra-compare[7] on a has it");
	use_primary(f);
	answer(f, STATUS_BUSY);
	assert_refused(f, 6, "busy: ra-compare[7] on a has it");
	strcpy(f->client->detail, "/var/lib/ra/web1: Input/output error");
	use_primary(f);
	answer(f, STATUS_VOLUME_ERROR);
	assert_refused(f, 2, "/var/lib/ra/web1: Input/output error; --state none goes without a ledger");
	strcpy(f->client->detail, "the link is down");
	use_primary(f);
	answer(f, STATUS_LINK_LOST);
	assert_refused(f, 4, "the link is down");
	assert_null(place_ledger(f->place));
}

static void one_save_at_a_time_goes_to_the_primary(void **state)
{
	struct fixture *f = *state;

	use_primary(f);
	answer(f, STATUS_OK);
	begin_run(f, 7);
	place_keep(f->place, on_before, f);
	clock_advance(f->clock, 5 * SAVE_MS);
	assert_int_equal(f->client->saves, 1);
	answer(f, STATUS_OK);
	assert_int_equal(f->client->record, RECORD_UNSET);
	clock_advance(f->clock, SAVE_MS);
	assert_int_equal(f->client->saves, 2);
}

static void the_final_save_waits_for_the_one_under_way_and_has_the_latest(void **state)
{
	struct fixture *f = *state;
	struct ledger *ledger;
	char why[STATE_WHY_BYTES];

	use_primary(f);
	answer(f, STATUS_OK);
	begin_run(f, 7);
	place_keep(f->place, on_before, f);
	clock_advance(f->clock, SAVE_MS);
	ledger_identical(place_ledger(f->place), 7, 2, 1005);
	place_save(f->place, on_saved, f);
	assert_int_equal(f->client->saves, 1);
	answer(f, STATUS_OK);
	assert_int_equal(f->client->saves, 2);
	assert_int_equal(f->saved, 0);
	answer(f, STATUS_OK);
	assert_int_equal(f->saved, 1);
	assert_int_equal(f->client->record, RECORD_UNSET);
	assert_int_equal(ledger_decode(f->client->saved, f->client->saved_bytes, &ledger, why), 0);
	assert_int_equal(track_set_tracks(ledger_run_identical(ledger)), 9);
	ledger_free(ledger);
}

static void fail_saves(struct fixture *f)
{
	for (int i = 0; i < 3; i++) {
		clock_advance(f->clock, SAVE_MS);
		answer(f, STATUS_VOLUME_ERROR);
	}
}

static void a_save_that_the_primary_cannot_do_is_told_once(void **state)
{
	struct fixture *f = *state;
	char *text;

	use_primary(f);
	answer(f, STATUS_OK);
	begin_run(f, 7);
	place_keep(f->place, on_before, f);
	strcpy(f->client->detail, "No space left on device");
	text = capture(f, fail_saves);
	assert_int_equal(count_of(text, "cannot be kept: No space left on device"), 1);
	free(text);
	clock_advance(f->clock, SAVE_MS);
	answer(f, STATUS_OK);
	text = capture(f, fail_saves); /* another trouble */
	assert_int_equal(count_of(text, "cannot be kept"), 1);
	free(text);
	place_save(f->place, on_saved, f);
	log_start("test_place", LOG_LEVEL_ERROR);
	answer(f, STATUS_VOLUME_ERROR);
	assert_int_equal(f->saved, 1); /* it is over, well or not */
}

static int log_warnings(void **state)
{
	log_start("test_place", LOG_LEVEL_WARNING);
	return set_up(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_warnings, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_volumes_without_a_file_keep_nothing),
		TEST(a_device_may_be_asked_to_keep_nothing),
		TEST(a_file_that_is_not_there_is_a_fresh_ledger),
		TEST(an_unfinished_run_is_found_again),
		TEST(what_was_started_over_is_kept_at_once),
		TEST(what_changes_is_kept_every_few_seconds_until_the_final_save),
		TEST(at_rest_nothing_is_kept),
		TEST(other_options_do_not_go_on_with_a_run),
		TEST(other_options_begin_a_run_when_none_is_unfinished),
		TEST(a_damaged_file_is_refused_and_left_alone),
		TEST(restart_replaces_what_cannot_be_used),
		TEST(a_file_that_is_too_large_is_none_of_ours),
		TEST(a_volume_is_never_taken_for_a_ledger),
		TEST(a_run_that_was_to_wait_less_for_the_copy_does_not_go_on),
		TEST(a_ledger_of_other_volumes_is_refused_with_both),
		TEST(another_pass_keeps_the_ledger_unless_a_size_changed),
		TEST(a_ledger_of_another_number_of_tracks_is_refused),
		TEST(two_runs_with_one_file_are_one_too_many),
		TEST(a_place_that_cannot_be_is_exit_2),
		TEST(a_save_that_fails_is_told_once_and_at_the_end),
		TEST(the_primary_may_have_none_yet),
		TEST(what_the_primary_keeps_is_gone_on_with),
		TEST(a_load_that_fails_has_its_exit_code),
		TEST(one_save_at_a_time_goes_to_the_primary),
		TEST(the_final_save_waits_for_the_one_under_way_and_has_the_latest),
		TEST(a_save_that_the_primary_cannot_do_is_told_once),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
