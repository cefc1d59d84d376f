/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress line: what it says, when it comes, and that it is cleared.
 */
#include "primary/compare/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "primary/compare/report.h"

struct fixture {
	struct clock *clock;
	struct report *report; /* what runs; NULL: nothing */
	FILE *out;
	char *text;
	size_t bytes;
};

static const struct report *current(void *arg)
{
	return ((struct fixture *)arg)->report;
}

static struct report *new_report(uint64_t pass, int64_t started_ms)
{
	struct report_setup setup = {
		.local = { .size_bytes = 4 * MIB },
		.remote = { .size_bytes = 4 * MIB },
		.name_local = "a",
		.name_remote = "b",
		.track_bytes = MIB,
		.pass = pass,
		.started_ms = started_ms,
	};

	return report_new(&setup);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->clock = clock_new_virtual();
	f->report = new_report(1, 0);
	f->out = open_memstream(&f->text, &f->bytes);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	report_free(f->report);
	fclose(f->out);
	free(f->text);
	clock_free(f->clock);
	free(f);
	return 0;
}

static void line_says_how_much_and_how_fast(void **state)
{
	struct fixture *f = *state;
	char line[PROGRESS_LINE_BYTES];

	report_identical(f->report, 0, false);
	report_unreadable(f->report, 1);
	progress_format(f->report, 500, line);
	assert_string_equal(line, "pass 1:  50 %, 1.0 MiB compared, 2.0 MiB/s, 0 tracks differ, 1 unreadable");
	progress_format(f->report, 0, line);
	assert_non_null(strstr(line, "0.0 KiB/s"));
	report_different(f->report, 2, false, (const uint8_t *)"a", (const uint8_t *)"b",
		&(const struct report_confirm){ 0 });
	progress_format(f->report, 500, line);
	assert_non_null(strstr(line, ", 1 track differs, "));
}

static void line_is_rewritten_twice_a_second_and_cleared(void **state)
{
	struct fixture *f = *state;
	struct progress *progress = progress_new(f->clock, true, f->out, current, f);

	clock_advance(f->clock, PROGRESS_PERIOD_MS - 1);
	fflush(f->out);
	assert_int_equal(f->bytes, 0);
	clock_advance(f->clock, 1);
	assert_non_null(strstr(f->text, "\r\033[Kpass 1:   0 %"));
	report_identical(f->report, 0, false);
	clock_advance(f->clock, PROGRESS_PERIOD_MS);
	assert_non_null(strstr(f->text, "pass 1:  25 %"));
	progress_free(progress);
	assert_string_equal(f->text + f->bytes - 4, "\r\033[K");
}

static void nothing_comes_by_itself_when_it_is_off(void **state)
{
	struct fixture *f = *state;
	struct progress *progress = progress_new(f->clock, false, f->out, current, f);

	clock_advance(f->clock, 10 * PROGRESS_PERIOD_MS);
	fflush(f->out);
	assert_int_equal(f->bytes, 0);
	progress_print_once(progress);
	assert_string_equal(f->text,
		"ra-compare: pass 1:   0 %, 0.0 KiB compared, 0.0 KiB/s, 0 tracks differ, 0 unreadable\n");
	progress_free(progress);
	assert_int_equal(f->text[f->bytes - 1], '\n');
}

static void each_pass_has_its_own_time(void **state)
{
	struct fixture *f = *state;
	struct progress *progress = progress_new(f->clock, false, f->out, current, f);

	progress_print_once(progress);
	clock_advance(f->clock, 8000);
	report_free(f->report);
	f->report = new_report(2, clock_now_ms(f->clock));
	report_identical(f->report, 0, false);
	progress_print_once(progress);
	clock_advance(f->clock, 1000);
	progress_print_once(progress);
	assert_non_null(strstr(f->text, "pass 2:  25 %, 1.0 MiB compared, 1.0 MiB/s"));
	progress_free(progress);
}

static void between_passes_there_is_no_line(void **state)
{
	struct fixture *f = *state;
	struct progress *progress = progress_new(f->clock, true, f->out, current, f);

	report_free(f->report);
	f->report = NULL;
	clock_advance(f->clock, 3 * PROGRESS_PERIOD_MS);
	fflush(f->out);
	assert_int_equal(f->bytes, 0);
	progress_print_once(progress);
	assert_string_equal(f->text, "ra-compare: no pass is running\n");
	progress_free(progress);
}

static void a_link_that_is_down_takes_the_line(void **state)
{
	struct fixture *f = *state;
	struct progress *progress = progress_new(f->clock, true, f->out, current, f);
	struct report *report = f->report;

	report_identical(f->report, 0, false);
	progress_set_link(progress, false, "b.example: Connection refused");
	clock_advance(f->clock, 3000);
	progress_set_link(progress, false, "b.example: No route to host");
	clock_advance(f->clock, 4000);
	assert_non_null(strstr(f->text, "pass 1:  25 %, link down for 3 s: b.example: Connection refused"));
	assert_non_null(strstr(f->text, "pass 1:  25 %, link down for 7 s: b.example: No route to host"));
	f->report = NULL;
	progress_print_once(progress);
	assert_non_null(strstr(f->text, "ra-compare: link down for 7 s: b.example: No route to host\n"));
	f->report = report;
	progress_set_link(progress, true, "");
	progress_print_once(progress);
	assert_non_null(strstr(f->text, "ra-compare: pass 1:  25 %, 1.0 MiB compared"));
	progress_free(progress);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(line_says_how_much_and_how_fast, set_up, tear_down),
		cmocka_unit_test_setup_teardown(line_is_rewritten_twice_a_second_and_cleared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_comes_by_itself_when_it_is_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_pass_has_its_own_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(between_passes_there_is_no_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_link_that_is_down_takes_the_line, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
