/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress: what the line says, when it comes, that it is cleared and fits the terminal; what the primary is told, and
 * that all are told the same.
 */
#include "primary/compare/progress.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/limits.h"
#include "primary/compare/pace.h"
#include "wire/message.h"

#define LINK_WORDS "b.example: Connection refused"

struct fixture {
	struct clock *clock;
	struct pace_input input;
	struct progress *progress;
	FILE *out;
	char *text;
	size_t bytes;
	int status_fd; /* -1: none */
	unsigned told;
	struct msg_host_progress last;
};

static void figures(void *arg, struct pace_input *input)
{
	*input = ((struct fixture *)arg)->input;
}

static void tell(void *arg, const struct msg_host_progress *progress)
{
	struct fixture *f = arg;

	f->told++;
	f->last = *progress;
}

static void start(struct fixture *f, bool is_on)
{
	const struct progress_spec spec = { .is_on = is_on, .out = f->out, .status_fd = f->status_fd, .figures = figures,
		.tell = tell, .arg = f };

	f->progress = progress_new(f->clock, &spec);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->clock = clock_new_virtual();
	f->input = (struct pace_input){ .phase = PACE_COMPARING, .pass = 1, .total_tracks = 1000 };
	f->out = open_memstream(&f->text, &f->bytes);
	f->status_fd = -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	progress_free(f->progress);
	fclose(f->out);
	free(f->text);
	clock_free(f->clock);
	free(f);
	return 0;
}

/* So many half seconds of ten tracks, 1 MiB on the local and half of that on the remote side. */
static void steps(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		f->input.done_tracks += 10;
		f->input.waits.read_bytes[SIDE_LOCAL] += MIB;
		f->input.waits.read_bytes[SIDE_REMOTE] += MIB / 2;
		clock_advance(f->clock, PROGRESS_PERIOD_MS);
	}
}

static void assert_line(const struct pace_figures *now, const char *expected)
{
	char line[PROGRESS_LINE_BYTES];

	progress_format(now, line);
	assert_string_equal(line, expected);
}

static void line_says_what_is_known_the_most_important_first(void **state)
{
	struct pace_figures now = { .phase = PACE_COMPARING, .pass = 1, .total_tracks = 8, .done_tracks = 4 };

	(void)state;
	assert_line(&now, "comparing:  50 %, 0 tracks differ, 0.0 KiB/s local, 0.0 KiB/s remote");
	now.tracks[REPORT_DIFFERENT] = 1;
	now.tracks[REPORT_UNREADABLE] = 2;
	now.settling_tracks = 3;
	now.left_s = 119;
	now.local_bytes_per_s = 2 * MIB;
	now.remote_bytes_per_s = 1536 * MIB;
	now.binds = PACE_REMOTE_DISK;
	now.pass = 2;
	now.phase = PACE_SETTLING;
	assert_line(&now, "pass 2, settling:  50 %, 1 track differs, 2 unreadable, 3 settling, 119 s left, 2.0 MiB/s "
			  "local, 1.5 GiB/s remote, remote disk binds");
	now = (struct pace_figures){ .phase = PACE_OPENING };
	assert_line(&now, "opening");
}

static void percent_is_100_only_at_the_end(void **state)
{
	struct pace_figures now = { .phase = PACE_COMPARING, .pass = 1, .total_tracks = 1000, .done_tracks = 999 };

	(void)state;
	assert_line(&now, "comparing:  99 %, 0 tracks differ, 0.0 KiB/s local, 0.0 KiB/s remote");
	now.done_tracks = 1000;
	now.phase = PACE_FINISHING;
	assert_line(&now, "finishing: 100 %, 0 tracks differ, 0.0 KiB/s local, 0.0 KiB/s remote");
}

static void time_left_is_told_in_the_unit_that_fits(void **state)
{
	static const struct {
		uint64_t left_s;
		const char *words;
	} rows[] = { { 1, ", 1 s left," }, { 120, ", 2 min left," }, { 7199, ", 120 min left," }, { 7200, ", 2 h left," },
		{ 172799, ", 48 h left," }, { 172800, ", 2 days left," }, { PACE_LEFT_MAX_S, ", 99 days left," } };
	char line[PROGRESS_LINE_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pace_figures now = { .phase = PACE_COMPARING, .total_tracks = 9, .left_s = rows[i].left_s };

		progress_format(&now, line);
		assert_non_null(strstr(line, rows[i].words));
	}
}

static void line_is_rewritten_twice_a_second_and_cleared(void **state)
{
	struct fixture *f = *state;

	start(f, true);
	clock_advance(f->clock, PROGRESS_PERIOD_MS - 1);
	fflush(f->out);
	assert_int_equal(f->bytes, 0);
	clock_advance(f->clock, 1);
	assert_string_equal(f->text, "\r\033[Kcomparing:   0 %, 0 tracks differ, 0.0 KiB/s local, 0.0 KiB/s remote");
	steps(f, 10);
	assert_non_null(strstr(f->text, "\r\033[Kcomparing:  10 %, 0 tracks differ, 45 s left, 2.0 MiB/s local, 1.0 MiB/s "
					"remote"));
	progress_stop(f->progress);
	assert_string_equal(f->text + f->bytes - 4, "\r\033[K");
	f->bytes = 0;
	clock_advance(f->clock, 10 * PROGRESS_PERIOD_MS);
	fflush(f->out);
	assert_int_equal(f->text[f->bytes - 1], 'K'); /* and it does not come back */
}

static void nothing_comes_by_itself_when_it_is_off(void **state)
{
	struct fixture *f = *state;

	start(f, false);
	clock_advance(f->clock, 10 * PROGRESS_PERIOD_MS);
	fflush(f->out);
	assert_int_equal(f->bytes, 0);
	progress_print_once(f->progress);
	assert_string_equal(f->text,
		"ra-compare: comparing:   0 %, 0 tracks differ, 0.0 KiB/s local, 0.0 KiB/s remote\n");
	progress_free(f->progress);
	f->progress = NULL;
	assert_int_equal(f->text[f->bytes - 1], '\n');
}

/* Somebody may be typing a password. */
static void before_the_first_pass_there_is_no_line(void **state)
{
	struct fixture *f = *state;

	f->input = (struct pace_input){ .phase = PACE_OPENING };
	start(f, true);
	clock_advance(f->clock, 3 * PROGRESS_PERIOD_MS);
	fflush(f->out);
	assert_int_equal(f->bytes, 0);
	progress_print_once(f->progress);
	assert_string_equal(f->text, "ra-compare: opening\n");
}

static void a_link_that_is_down_takes_the_line(void **state)
{
	struct fixture *f = *state;

	start(f, true);
	steps(f, 20);
	progress_set_link(f->progress, false, LINK_WORDS);
	clock_advance(f->clock, 3000);
	progress_set_link(f->progress, false, "b.example: No route to host");
	clock_advance(f->clock, 4000);
	assert_non_null(strstr(f->text, "waiting for the link:  20 %, down for 3 s: " LINK_WORDS));
	assert_non_null(strstr(f->text, "waiting for the link:  20 %, down for 7 s: b.example: No route to host"));
	assert_string_equal(f->last.phase, "waiting for the link");
	assert_int_equal(f->last.local_bytes_per_s, 0);
	progress_set_link(f->progress, true, "");
	progress_print_once(f->progress);
	assert_non_null(strstr(f->text, "ra-compare: comparing:  20 %, 0 tracks differ, 40 s left, 2.0 MiB/s local"));
	progress_set_link(f->progress, false, LINK_WORDS);
	f->input = (struct pace_input){ .phase = PACE_OPENING };
	clock_advance(f->clock, 1000);
	assert_non_null(strstr(f->text, "\r\033[Kwaiting for the link, down for 1 s: " LINK_WORDS)); /* before any pass */
}

static void line_is_cut_to_the_width_of_the_terminal(void **state)
{
	struct fixture *f = *state;
	const struct winsize size = { .ws_col = 20, .ws_row = 5 };
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	char seen[64] = "";
	ssize_t got;

	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	fclose(f->out);
	f->out = fdopen(slave, "w");
	start(f, true);
	clock_advance(f->clock, PROGRESS_PERIOD_MS);
	got = read(master, seen, sizeof(seen) - 1);
	assert_int_equal(got, 4 + 19);
	assert_string_equal(seen, "\r\033[Kcomparing:   0 %, 0");
	progress_free(f->progress);
	f->progress = NULL;
	close(master);
}

static void primary_is_told_the_same_once_a_second(void **state)
{
	struct fixture *f = *state;

	f->input.tracks[REPORT_DIFFERENT] = 3;
	f->input.settling_tracks = 4;
	start(f, false);
	steps(f, 1);
	assert_int_equal(f->told, 0);
	steps(f, 1);
	assert_int_equal(f->told, 1);
	steps(f, 18);
	assert_int_equal(f->told, 10);
	assert_string_equal(f->last.phase, "comparing");
	assert_string_equal(f->last.binds, "");
	assert_int_equal(f->last.done_tracks, 200);
	assert_int_equal(f->last.total_tracks, 1000);
	assert_int_equal(f->last.different_tracks, 3);
	assert_int_equal(f->last.settling_tracks, 4);
	assert_int_equal(f->last.local_bytes_per_s, 2 * MIB);
	assert_int_equal(f->last.remote_bytes_per_s, MIB);
	assert_int_equal(f->last.left_s, 40);
	assert_int_equal(f->last.elapsed_s, 10);
	for (unsigned i = 0; i < 20; i++) {
		f->input.waits.asked_ms[SIDE_LOCAL] += 400;
		f->input.waits.alone_ms[SIDE_LOCAL] += 400;
		steps(f, 1);
	}
	assert_string_equal(f->last.binds, "local disk");
}

/* What stands in the pipe: the lines, and the last of them parsed. */
static json_t *last_line(int fd, unsigned *lines)
{
	static char text[65536];
	ssize_t got = read(fd, text, sizeof(text) - 1);
	char *begin = text;
	json_t *json;

	assert_true(got > 0 && text[got - 1] == '\n');
	text[got - 1] = '\0';
	*lines = 1;
	for (char *at = text; (at = strchr(at, '\n')) != NULL; begin = ++at)
		(*lines)++;
	json = json_loads(begin, 0, NULL);
	assert_non_null(json);
	return json;
}

static void feed_is_told_the_same_once_a_second_and_the_end(void **state)
{
	struct fixture *f = *state;
	int fds[2];
	unsigned lines;
	json_t *json;

	assert_int_equal(pipe(fds), 0);
	f->status_fd = fds[1];
	start(f, false);
	steps(f, 20);
	json = last_line(fds[0], &lines);
	assert_int_equal(lines, 10);
	assert_int_equal(json_integer_value(json_object_get(json, "left_seconds")), f->last.left_s);
	assert_int_equal(json_integer_value(json_object_get(json, "local_bytes_per_second")), f->last.local_bytes_per_s);
	json_decref(json);
	f->input.done_tracks = 1000;
	f->input.phase = PACE_FINISHING;
	progress_end(f->progress, "different", 1);
	json = last_line(fds[0], &lines);
	assert_int_equal(lines, 1);
	assert_string_equal(json_string_value(json_object_get(json, "phase")), "finished");
	assert_string_equal(json_string_value(json_object_get(json, "result")), "different");
	assert_int_equal(json_integer_value(json_object_get(json, "exit_status")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "tracks"), "done")), 1000);
	json_decref(json);
	close(fds[0]);
	close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(line_says_what_is_known_the_most_important_first),
		TEST(percent_is_100_only_at_the_end),
		TEST(time_left_is_told_in_the_unit_that_fits),
		TEST(line_is_rewritten_twice_a_second_and_cleared),
		TEST(nothing_comes_by_itself_when_it_is_off),
		TEST(before_the_first_pass_there_is_no_line),
		TEST(a_link_that_is_down_takes_the_line),
		TEST(line_is_cut_to_the_width_of_the_terminal),
		TEST(primary_is_told_the_same_once_a_second),
		TEST(feed_is_told_the_same_once_a_second_and_the_end),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
