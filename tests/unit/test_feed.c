/* SPDX-License-Identifier: Apache-2.0
 *
 * --status-fd: the keys of a line, readers that do not read or have gone, and what is shared.
 */
#include "primary/compare/feed.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "primary/compare/pace.h"

static const struct pace_figures some = { .phase = PACE_COMPARING, .pass = 1, .done_tracks = 2, .total_tracks = 3,
	.tracks = { 21, 4, 22, 23, 5, 24 }, .settling_tracks = 6, .compared_bytes = 7, .local_bytes_per_s = 8,
	.remote_bytes_per_s = 9, .binds = PACE_LINK, .left_s = 10, .elapsed_s = 11 };

static char text[1 << 20];
static size_t text_bytes;

/* All that is there, without waiting. */
static void read_all(int fd)
{
	ssize_t got;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	for (text_bytes = 0; (got = read(fd, text + text_bytes, sizeof(text) - 1 - text_bytes)) > 0;)
		text_bytes += (size_t)got;
	text[text_bytes] = '\0';
}

static void lines_have_all_figures(void **state)
{
	struct pace_figures unknown = some;
	struct feed *feed;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	feed = feed_new(fds[1]);
	feed_tell(feed, &some);
	unknown.binds = PACE_UNKNOWN;
	unknown.left_s = 0;
	feed_end(feed, &unknown, "not-proven", 3);
	read_all(fds[0]);
	assert_string_equal(text,
		"{\"format\":\"ra-progress/1\",\"phase\":\"comparing\",\"pass\":1,\"tracks\":{\"total\":3,\"done\":2,"
		"\"identical\":21,\"different\":4,\"unsettled\":22,\"invalid\":23,\"unreadable\":5,\"not_compared\":24,"
		"\"settling\":6},\"compared_bytes\":7,\"local_bytes_per_second\":8,"
		"\"remote_bytes_per_second\":9,\"binds\":\"link\",\"left_seconds\":10,\"elapsed_seconds\":11}\n"
		"{\"format\":\"ra-progress/1\",\"phase\":\"finished\",\"pass\":1,\"tracks\":{\"total\":3,\"done\":2,"
		"\"identical\":21,\"different\":4,\"unsettled\":22,\"invalid\":23,\"unreadable\":5,\"not_compared\":24,"
		"\"settling\":6},\"compared_bytes\":7,\"local_bytes_per_second\":8,"
		"\"remote_bytes_per_second\":9,\"binds\":null,\"left_seconds\":null,\"elapsed_seconds\":11,"
		"\"result\":\"not-proven\",\"exit_status\":3}\n");
	feed_free(feed);
	close(fds[0]);
	close(fds[1]);
}

/* Every line that stands in text is whole. */
static unsigned count_whole_lines(void)
{
	unsigned lines = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *json = json_loads(line, 0, NULL);

		assert_non_null(json);
		json_decref(json);
		lines++;
	}
	return lines;
}

static void assert_not_held_up(int fds[2])
{
	struct feed *feed = feed_new(fds[1]);

	for (unsigned i = 0; i < 3000; i++)
		feed_tell(feed, &some);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0); /* others may have this descriptor too */
	read_all(fds[0]);
	assert_in_range(count_whole_lines(), 10, 2999); /* what there was room for */
	feed_tell(feed, &some);
	read_all(fds[0]);
	assert_int_equal(count_whole_lines(), 1); /* and it may read again */
	feed_free(feed);
	close(fds[0]);
	close(fds[1]);
}

static void a_reader_that_does_not_read_holds_nothing_up(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_not_held_up(fds);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_not_held_up(fds);
}

static void a_reader_that_has_gone_is_not_missed(void **state)
{
	struct feed *feed;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as in every program here */
	assert_int_equal(pipe(fds), 0);
	feed = feed_new(fds[1]);
	feed_tell(feed, &some);
	close(fds[0]);
	feed_tell(feed, &some);
	close(fds[1]);
	assert_int_equal(pipe(fds), 0); /* another descriptor has the number now: nothing goes there */
	feed_tell(feed, &some);
	feed_end(feed, &some, "identical", 0);
	read_all(fds[0]);
	assert_int_equal(text_bytes, 0);
	feed_free(feed);
	close(fds[0]);
	close(fds[1]);
}

static void a_file_takes_every_line(void **state)
{
	FILE *file = tmpfile();
	struct feed *feed = feed_new(fileno(file));

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		feed_tell(feed, &some);
	rewind(file);
	text_bytes = fread(text, 1, sizeof(text) - 1, file);
	text[text_bytes] = '\0';
	assert_int_equal(count_whole_lines(), 500);
	feed_free(feed);
	fclose(file);
}

static void programs_that_are_started_do_not_have_it(void **state)
{
	int fd = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	feed_free(feed_new(fd));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	feed_free(feed_new(STDERR_FILENO)); /* which they need */
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFD), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_all_figures),
		cmocka_unit_test(a_reader_that_does_not_read_holds_nothing_up),
		cmocka_unit_test(a_reader_that_has_gone_is_not_missed),
		cmocka_unit_test(a_file_takes_every_line),
		cmocka_unit_test(programs_that_are_started_do_not_have_it),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
