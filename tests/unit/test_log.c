/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of base/log as they arrive on standard error, and what ends the program: log_abort, and base/alloc where
 * there is no memory. Standard error is one end of a packet socket meanwhile, so that each write(2) is seen by itself.
 * The clock is moved by the tests.
 * check-style: long because one capture serves all that is logged.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/repeats.h"

static int64_t now_s = 1000;

int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	(void)id;
	*now = (struct timespec){ .tv_sec = now_s };
	return 0;
}

struct capture {
	int saved_stderr;
	int reader;
};

static void capture_start(struct capture *capture)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	capture->saved_stderr = dup(STDERR_FILENO);
	assert_true(capture->saved_stderr >= 0);
	assert_int_equal(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
	close(pair[1]);
	capture->reader = pair[0];
}

/* Standard error is back after it; nothing may be asserted between the two. */
static void capture_stop(struct capture *capture)
{
	dup2(capture->saved_stderr, STDERR_FILENO);
	close(capture->saved_stderr);
}

/* What one write(2) brought, "" when there is no more. */
static size_t capture_next(struct capture *capture, char *line, size_t line_bytes)
{
	ssize_t bytes = recv(capture->reader, line, line_bytes - 1, MSG_DONTWAIT);

	if (bytes < 0)
		bytes = 0;
	line[bytes] = '\0';
	return (size_t)bytes;
}

static int setup(void **state)
{
	(void)state;
	log_start("ra-test", LOG_LEVEL_DEBUG);
	return 0;
}

static void each_level_has_its_word(void **state)
{
	static const char *const expected[] = {
		"ra-test: error: a 1\n", "ra-test: warning: b 2\n", "ra-test: info: c 3\n", "ra-test: debug: d 4\n", ""};
	struct capture capture;
	char line[128];

	(void)state;
	capture_start(&capture);
	log_error("a %d", 1);
	log_warning("b %d", 2);
	log_info("c %d", 3);
	log_debug("d %d", 4);
	capture_stop(&capture);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		capture_next(&capture, line, sizeof(line));
		assert_string_equal(line, expected[i]);
	}
	close(capture.reader);
}

static int evaluations;

static int evaluated(void)
{
	return ++evaluations;
}

static void a_level_that_is_off_is_not_evaluated(void **state)
{
	struct capture capture;
	char line[128];

	(void)state;
	evaluations = 0;
	log_start("ra-test", LOG_LEVEL_WARNING);
	capture_start(&capture);
	log_info("%d", evaluated());
	log_warning("%d", evaluated());
	capture_stop(&capture);
	capture_next(&capture, line, sizeof(line));
	assert_string_equal(line, "ra-test: warning: 1\n");
	assert_int_equal(capture_next(&capture, line, sizeof(line)), 0);
	close(capture.reader);
}

/* The next line is this one. */
static void assert_next(struct capture *capture, const char *expected)
{
	char line[512];

	capture_next(capture, line, sizeof(line));
	assert_string_equal(line, expected);
}

static void lines_of_one_kind_come_so_often_a_minute_and_the_others_are_counted(void **state)
{
	struct capture capture;
	char expected[64];

	(void)state;
	capture_start(&capture);
	for (unsigned i = 0; i < 3 * LOG_STRANGER_LINES; i++)
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_INFO, "line %u", i);
	now_s += 60;
	log_info("another one");
	now_s += 60;
	log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_INFO, "a kind of its own");
	capture_stop(&capture);
	for (unsigned i = 0; i < LOG_STRANGER_LINES; i++) {
		snprintf(expected, sizeof(expected), "ra-test: info: line %u\n", i);
		assert_next(&capture, expected);
	}
	assert_next(&capture, "ra-test: info: line 19 (and 40 more like it in 60 s)\n");
	assert_next(&capture, "ra-test: info: another one\n");
	assert_next(&capture, "ra-test: info: a kind of its own\n");
	assert_next(&capture, "");
	close(capture.reader);
}

static void what_it_is_about_makes_another_kind(void **state)
{
	struct capture capture;

	(void)state;
	capture_start(&capture);
	for (unsigned i = 0; i < 4; i++)
		log_limited(1, i % 2 == 0 ? "web1" : "web2", LOG_LEVEL_INFO, "line %u", i);
	log_tell_counts(true);
	capture_stop(&capture);
	assert_next(&capture, "ra-test: info: line 0\n");
	assert_next(&capture, "ra-test: info: line 1\n");
	assert_next(&capture, "ra-test: info: line 1 (and 1 more like it in 0 s)\n");
	assert_next(&capture, "ra-test: info: line 0 (and 1 more like it in 0 s)\n");
	assert_next(&capture, "");
	close(capture.reader);
}

static void again_and_again(void)
{
	log_limited(1, "", LOG_LEVEL_WARNING, "again");
}

static void a_flood_that_goes_on_is_one_line_a_minute(void **state)
{
	struct capture capture;

	(void)state;
	capture_start(&capture);
	for (unsigned second = 0; second < 150; second++) {
		again_and_again();
		now_s++;
	}
	now_s += 60;
	log_tell_counts(false);
	now_s += 60;
	log_tell_counts(false); /* nothing came in this minute: it is forgotten */
	again_and_again();
	capture_stop(&capture);
	assert_next(&capture, "ra-test: warning: again\n");
	assert_next(&capture, "ra-test: warning: again (and 59 more like it in 60 s)\n");
	assert_next(&capture, "ra-test: warning: again (and 60 more like it in 60 s)\n");
	assert_next(&capture, "ra-test: warning: again (and 30 more like it in 90 s)\n");
	assert_next(&capture, "ra-test: warning: again\n");
	assert_next(&capture, "");
	close(capture.reader);
}

static void what_comes_again_much_later_is_news(void **state)
{
	struct capture capture;

	(void)state;
	capture_start(&capture);
	again_and_again();
	again_and_again();
	now_s += 3600; /* and nobody told the count */
	again_and_again();
	capture_stop(&capture);
	assert_next(&capture, "ra-test: warning: again\n");
	assert_next(&capture, "ra-test: warning: again (and 1 more like it in 3600 s)\n");
	assert_next(&capture, "ra-test: warning: again\n");
	assert_next(&capture, "");
	close(capture.reader);
}

static void kinds_beyond_all_places_are_counted_together(void **state)
{
	struct capture capture;
	char about[16], line[128];
	unsigned lines = 0;

	(void)state;
	capture_start(&capture);
	for (unsigned i = 0; i < REPEATS_KINDS + 7; i++) {
		snprintf(about, sizeof(about), "%u", i);
		log_limited(1, about, LOG_LEVEL_WARNING, "line");
		lines += capture_next(&capture, line, sizeof(line)) > 0;
	}
	now_s += 60;
	log_tell_counts(false);
	log_limited(1, about, LOG_LEVEL_WARNING, "there is room again");
	capture_stop(&capture);
	assert_int_equal(lines, REPEATS_KINDS);
	capture_next(&capture, line, sizeof(line));
	assert_non_null(strstr(line, "warning: and 7 more lines of too many kinds in "));
	assert_next(&capture, "ra-test: warning: there is room again\n");
	assert_next(&capture, "");
	close(capture.reader);
}

static void a_level_that_is_off_is_not_counted_either(void **state)
{
	struct capture capture;

	(void)state;
	capture_start(&capture);
	log_set_level(LOG_LEVEL_ERROR);
	again_and_again();
	again_and_again();
	log_set_level(LOG_LEVEL_WARNING);
	again_and_again();
	again_and_again();
	log_set_level(LOG_LEVEL_ERROR);
	log_tell_counts(true);
	capture_stop(&capture);
	assert_int_equal(log_level(), LOG_LEVEL_ERROR);
	assert_next(&capture, "ra-test: warning: again\n");
	assert_next(&capture, "");
	close(capture.reader);
}

static void a_long_line_is_cut_where_it_is_counted(void **state)
{
	struct capture capture;
	char line[2 * PIPE_BUF];

	(void)state;
	capture_start(&capture);
	for (int i = 0; i < 2; i++)
		log_limited(1, "", LOG_LEVEL_INFO, "%0600d", 0);
	log_tell_counts(true);
	capture_stop(&capture);
	assert_int_equal(capture_next(&capture, line, sizeof(line)), strlen("ra-test: info: ") + 600 + 1);
	capture_next(&capture, line, sizeof(line));
	assert_non_null(strstr(line, "000... (and 1 more like it in 0 s)\n"));
	close(capture.reader);
}

/* Standard error is the stream that $JOURNAL_STREAM names. */
static void the_journal_gets_priorities(void **state)
{
	static const char *const expected[] = { "<3>ra-test: error: a\n", "<4>ra-test: warning: b\n",
		"<6>ra-test: info: c\n", "<7>ra-test: debug: d\n", "ra-test: error: nobody's journal\n" };
	struct capture capture;
	struct stat own;
	char stream[64];

	(void)state;
	capture_start(&capture);
	fstat(STDERR_FILENO, &own);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)own.st_dev, (uintmax_t)own.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_start("ra-test", LOG_LEVEL_DEBUG);
	log_error("a");
	log_warning("b");
	log_info("c");
	log_debug("d");
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)own.st_dev, (uintmax_t)own.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_start("ra-test", LOG_LEVEL_DEBUG);
	log_error("nobody's journal");
	unsetenv("JOURNAL_STREAM");
	log_start("ra-test", LOG_LEVEL_DEBUG);
	capture_stop(&capture);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_next(&capture, expected[i]);
	close(capture.reader);
}

static void a_level_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(log_level_name(LOG_LEVEL_ERROR), "error");
	assert_string_equal(log_level_name(LOG_LEVEL_DEBUG), "debug");
}

static void control_bytes_cannot_forge_a_line(void **state)
{
	struct capture capture;
	char line[128];

	(void)state;
	capture_start(&capture);
	log_info("%s", "a\nb\rc\x1b[1m\t\x7f \xc3\xa4");
	capture_stop(&capture);
	capture_next(&capture, line, sizeof(line));
	assert_string_equal(line, "ra-test: info: a?b?c?[1m?? \xc3\xa4\n");
	close(capture.reader);
}

static void a_long_line_is_cut_and_marked(void **state)
{
	struct capture capture;
	char line[2 * PIPE_BUF];
	char *text = xcalloc(2, PIPE_BUF);

	(void)state;
	memset(text, 'x', 2 * PIPE_BUF - 1);
	capture_start(&capture);
	log_info("%s", text);
	capture_stop(&capture);
	free(text);
	assert_int_equal(capture_next(&capture, line, sizeof(line)), PIPE_BUF);
	assert_string_equal(line + PIPE_BUF - 5, "x...\n");
	assert_int_equal(capture_next(&capture, line, sizeof(line)), 0);
	close(capture.reader);
}

/* The longest line that fits has no mark; with one byte more it has, and is as long. */
static void a_line_that_just_fits_is_whole(void **state)
{
	struct capture capture;
	char line[2 * PIPE_BUF];
	size_t text_bytes = PIPE_BUF - strlen("ra-test: info: \n");
	char *text = xcalloc(text_bytes + 2, 1);

	(void)state;
	memset(text, 'x', text_bytes + 1);
	capture_start(&capture);
	log_info("%.*s", (int)text_bytes, text);
	log_info("%s", text);
	capture_stop(&capture);
	free(text);
	assert_int_equal(capture_next(&capture, line, sizeof(line)), PIPE_BUF);
	assert_string_equal(line + PIPE_BUF - 5, "xxxx\n");
	assert_int_equal(capture_next(&capture, line, sizeof(line)), PIPE_BUF);
	assert_string_equal(line + PIPE_BUF - 5, "x...\n");
	close(capture.reader);
}

static void logging_keeps_errno(void **state)
{
	struct capture capture;
	int after;

	(void)state;
	capture_start(&capture);
	close(capture.reader);
	signal(SIGPIPE, SIG_IGN);
	errno = ENOTTY;
	log_info("nobody reads this");
	log_limited(1, "", LOG_LEVEL_INFO, "nor this");
	log_tell_counts(true);
	after = errno;
	capture_stop(&capture);
	assert_int_equal(after, ENOTTY);
}

/* Runs fn in a child; its one line goes to line. True when it ended by SIGABRT. */
static bool aborts(void (*fn)(void), char *line, size_t line_bytes)
{
	struct capture capture;
	int status = 0;

	capture_start(&capture);
	pid_t child = fork();

	if (child == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		fn();
		_exit(0);
	}
	capture_stop(&capture);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	capture_next(&capture, line, line_bytes);
	close(capture.reader);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void abort_with_words(void)
{
	log_abort("step %d cannot happen", 186);
}

static void log_abort_says_why_and_aborts(void **state)
{
	char line[256];

	(void)state;
	log_start("ra-test", LOG_LEVEL_ERROR);
	assert_true(aborts(abort_with_words, line, sizeof(line)));
	assert_string_equal(line, "ra-test: error: step 186 cannot happen\n");
}

static void grow_without_end(void)
{
	static volatile size_t many = SIZE_MAX / 4 + 2; /* times 4 is 4 when it is not looked at */

	free(xrealloc(NULL, many, 4));
}

static void a_size_that_overflows_aborts(void **state)
{
	char line[256];

	(void)state;
	assert_true(aborts(grow_without_end, line, sizeof(line)));
	assert_non_null(strstr(line, "out of memory"));
}

static void xcalloc_is_zeroed_and_xrealloc_keeps_bytes(void **state)
{
	static const unsigned char zeros[64];
	unsigned char *memory = xcalloc(8, 8);

	(void)state;
	assert_memory_equal(memory, zeros, sizeof(zeros));
	memory[63] = 5;
	memory = xrealloc(memory, 8, 4096);
	assert_int_equal(memory[63], 5);
	free(memory);
}

static void xasprintf_and_xstrdup_make_text(void **state)
{
	char *made = xasprintf("%s-%04d", "track", 42);
	char *copy = xstrdup(made);

	(void)state;
	assert_string_equal(made, "track-0042");
	assert_string_equal(copy, made);
	assert_ptr_not_equal(copy, made);
	free(made);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_level_has_its_word, setup),
		cmocka_unit_test_setup(a_level_that_is_off_is_not_evaluated, setup),
		cmocka_unit_test_setup(lines_of_one_kind_come_so_often_a_minute_and_the_others_are_counted, setup),
		cmocka_unit_test_setup(what_it_is_about_makes_another_kind, setup),
		cmocka_unit_test_setup(a_flood_that_goes_on_is_one_line_a_minute, setup),
		cmocka_unit_test_setup(what_comes_again_much_later_is_news, setup),
		cmocka_unit_test_setup(kinds_beyond_all_places_are_counted_together, setup),
		cmocka_unit_test_setup(a_level_that_is_off_is_not_counted_either, setup),
		cmocka_unit_test_setup(a_long_line_is_cut_where_it_is_counted, setup),
		cmocka_unit_test_setup(the_journal_gets_priorities, setup),
		cmocka_unit_test_setup(a_level_has_a_name, setup),
		cmocka_unit_test_setup(control_bytes_cannot_forge_a_line, setup),
		cmocka_unit_test_setup(a_long_line_is_cut_and_marked, setup),
		cmocka_unit_test_setup(a_line_that_just_fits_is_whole, setup),
		cmocka_unit_test_setup(logging_keeps_errno, setup),
		cmocka_unit_test_setup(log_abort_says_why_and_aborts, setup),
		cmocka_unit_test_setup(a_size_that_overflows_aborts, setup),
		cmocka_unit_test_setup(xcalloc_is_zeroed_and_xrealloc_keeps_bytes, setup),
		cmocka_unit_test_setup(xasprintf_and_xstrdup_make_text, setup),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
