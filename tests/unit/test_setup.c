/* SPDX-License-Identifier: Apache-2.0
 *
 * Setup and its answer: what goes out is whole, and whatever comes back instead of SetupReply is known for what it is.
 */
#include "primary/compare/setup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "primary/compare/options.h"
#include "wire/conn.h"

struct fixture {
	int ours, theirs;       /* the link */
	int signal, signal_end; /* a pipe: written to, it is a signal */
	char words[SETUP_WORDS_BYTES];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	f->ours = fds[0];
	f->theirs = fds[1];
	assert_int_equal(pipe(fds), 0);
	f->signal = fds[0];
	f->signal_end = fds[1];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->ours);
	if (f->theirs >= 0)
		close(f->theirs);
	close(f->signal);
	close(f->signal_end);
	free(f);
	return 0;
}

static void say(struct fixture *f, const void *bytes, size_t count)
{
	assert_int_equal(write(f->theirs, bytes, count), count);
}

static void hang_up(struct fixture *f)
{
	close(f->theirs);
	f->theirs = -1;
}

static void answer(struct fixture *f, enum status status, uint32_t protocol)
{
	struct message *message = calloc(1, sizeof(*message));

	message->type = MESSAGE_SETUP_REPLY;
	message->setup_reply.status = status;
	message->setup_reply.protocol = protocol;
	strcpy(message->setup_reply.software, "ra 9.9");
	assert_int_equal(conn_write_one(f->theirs, message), 0);
	free(message);
}

static enum setup_answer await(struct fixture *f)
{
	return setup_wait(f->ours, f->signal, f->words);
}

static void each_daemon_gets_its_volume_and_the_key_of_the_other(void **state)
{
	struct fixture *f = *state;
	struct message *primary = calloc(1, sizeof(*primary)), *secondary = calloc(1, sizeof(*secondary));
	const struct options options = { .path_local = "/a", .path_remote = "-b\n$c", .track_bytes = 4096, .cache_bytes = 7,
		.io = IO_MODE_DIRECT, .verbose = true };
	struct setup *setup;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setup_new(true, &setup), 0);
	assert_int_equal(setup_send(setup, &options, SIDE_LOCAL, fds[0]), 0);
	assert_int_equal(setup_send(setup, &options, SIDE_REMOTE, f->ours), 0);
	setup_free(setup);
	assert_int_equal(conn_read_one(fds[1], MESSAGE_SETUP, primary), 0);
	assert_int_equal(conn_read_one(f->theirs, MESSAGE_SETUP, secondary), 0);
	assert_string_equal(primary->setup.volume_path, "/a");
	assert_string_equal(secondary->setup.volume_path, "-b\n$c");
	assert_string_not_equal(primary->setup.peer_key, secondary->setup.peer_key);
	assert_string_not_equal(primary->setup.identity_pem, secondary->setup.identity_pem);
	assert_int_equal(secondary->setup.track_bytes, 4096);
	assert_int_equal(secondary->setup.cache_bytes, 7);
	assert_int_equal(secondary->setup.io, IO_MODE_DIRECT);
	assert_int_equal(secondary->setup.protocol, RA_PROTOCOL_VERSION);
	assert_true(primary->setup.verbose);
	assert_true(primary->setup.return_pipe && secondary->setup.return_pipe);
	close(fds[0]);
	close(fds[1]);
	free(primary);
	free(secondary);
}

static void that_a_daemon_has_ended_is_left_to_the_wait(void **state)
{
	struct fixture *f = *state;
	const struct options options = { .path_local = "/a", .path_remote = "/b", .track_bytes = 4096,
		.io = IO_MODE_AUTO };
	struct setup *setup;

	assert_int_equal(setup_new(false, &setup), 0);
	hang_up(f);
	assert_int_equal(setup_send(setup, &options, SIDE_REMOTE, f->ours), 0);
	assert_int_equal(await(f), SETUP_ENDED);
	assert_int_equal(setup_send(setup, &options, SIDE_REMOTE, -1), -EBADF);
	setup_free(setup);
}

static void a_good_answer_is_taken_and_not_a_byte_more(void **state)
{
	struct fixture *f = *state;
	char next;

	answer(f, STATUS_OK, RA_PROTOCOL_VERSION);
	say(f, "T", 1);
	assert_int_equal(await(f), SETUP_OK);
	assert_int_equal(read(f->ours, &next, 1), 1);
	assert_int_equal(next, 'T');
}

static void another_protocol_is_named(void **state)
{
	struct fixture *f = *state;

	answer(f, STATUS_VERSION, 7);
	assert_int_equal(await(f), SETUP_VERSION);
	assert_string_equal(f->words, "ra 9.9, which speaks protocol 7");
	answer(f, STATUS_OK, RA_PROTOCOL_VERSION + 1);
	assert_int_equal(await(f), SETUP_VERSION);
}

static void an_end_without_an_answer_is_told_from_garbage(void **state)
{
	struct fixture *f = *state;

	hang_up(f);
	assert_int_equal(await(f), SETUP_ENDED);
}

static void half_an_answer_is_an_end(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[64];
	ssize_t count;

	answer(f, STATUS_OK, RA_PROTOCOL_VERSION);
	count = read(f->ours, bytes, sizeof(bytes));
	for (ssize_t cut = 0; cut < count; cut++) {
		say(f, bytes, (size_t)cut);
		hang_up(f);
		assert_int_equal(await(f), SETUP_ENDED);
		tear_down(state);
		set_up(state);
		f = *state;
	}
}

static void the_words_of_a_login_shell_are_shown(void **state)
{
	static const struct {
		const char *said, *shown;
	} cases[] = {
		{ "Welcome to\n\n  host b!\n", "Welcome to host b!" },
		{ "x", "x" },
		{ "hello\nRA\x01\x41 and so on", "hello" },
		{ "RA is the best\n", "RA is the best" },
		{ "\x1b[31mred\x1b[0m \xc3\xa4\n", "?[31mred?[0m ??" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = *state;

		say(f, cases[i].said, strlen(cases[i].said));
		hang_up(f);
		assert_int_equal(await(f), SETUP_GARBAGE);
		assert_string_equal(f->words, cases[i].shown);
		tear_down(state);
		set_up(state);
	}
}

static void long_words_are_cut(void **state)
{
	struct fixture *f = *state;
	char words[5000];

	memset(words, 'x', sizeof(words));
	say(f, words, sizeof(words));
	assert_int_equal(await(f), SETUP_GARBAGE);
	assert_int_equal(strlen(f->words), 100);
}

static void a_frame_that_is_no_answer_is_garbage(void **state)
{
	static const uint8_t frames[][16] = {
		{ 0x52, 0x41, 1, MESSAGE_PING },                                     /* another type */
		{ 0x52, 0x41, 2, MESSAGE_SETUP_REPLY },                              /* another version */
		{ 0x52, 0x41, 1, MESSAGE_SETUP_REPLY, 0, 0, 1 },                     /* 64 KiB long */
		{ 0x52, 0x41, 1, MESSAGE_SETUP_REPLY, 0, 0x20 },                     /* 8 KiB long */
		{ 0x52, 0x41, 1, MESSAGE_SETUP_REPLY, 2, 0, 0, 0, 1 },               /* with payload */
		{ 0x52, 0x41, 1, MESSAGE_SETUP_REPLY, 0, 0, 0, 0, 0, 0, 0, 0, 1 },   /* reserved */
		{ 0x52, 0x41, 1, MESSAGE_SETUP_REPLY, 0, 0, 0, 0, 0, 0, 0, 0, 0 },   /* without a status */
	};

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct fixture *f = *state;

		say(f, frames[i], sizeof(frames[i]));
		hang_up(f);
		assert_int_equal(await(f), SETUP_GARBAGE);
		tear_down(state);
		set_up(state);
	}
}

static void a_signal_ends_the_wait(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->signal_end, "x", 1), 1);
	assert_int_equal(await(f), SETUP_INTERRUPTED);
	say(f, "garbage", 7);
	assert_int_equal(await(f), SETUP_INTERRUPTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_daemon_gets_its_volume_and_the_key_of_the_other),
		TEST(that_a_daemon_has_ended_is_left_to_the_wait),
		TEST(a_good_answer_is_taken_and_not_a_byte_more),
		TEST(another_protocol_is_named),
		TEST(an_end_without_an_answer_is_told_from_garbage),
		TEST(half_an_answer_is_an_end),
		TEST(the_words_of_a_login_shell_are_shown),
		TEST(long_words_are_cut),
		TEST(a_frame_that_is_no_answer_is_garbage),
		TEST(a_signal_ends_the_wait),
	};

	log_start("test_setup", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("setup", tests, NULL, NULL);
}
