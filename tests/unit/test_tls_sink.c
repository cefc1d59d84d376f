/* SPDX-License-Identifier: Apache-2.0
 *
 * What is written to a sink comes out at the other end of its descriptor, whole and in order: of a socket and of pipes
 * of several sizes, copied and lent, however late it is read.
 */
#include "wire/tls_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bio.h>

#include "base/alloc.h"
#include "base/limits.h"

#define GATHERED_BYTES (128 * KIB)
#define TEXT_BYTES (8u * MIB) /* several times round each ring */

struct fixture {
	BIO *sink;
	int read_fd, write_fd;
	uint8_t *text; /* what is written and must be read; longer than any ring, and each part of it another */
	size_t written_bytes, read_bytes;
};

static unsigned splices; /* that lent something */
static int splice_error; /* of the next ones; 0: they are the system's */

ssize_t __real_vmsplice(int fd, const struct iovec *iov, size_t count, unsigned flags);
ssize_t __wrap_vmsplice(int fd, const struct iovec *iov, size_t count, unsigned flags);

ssize_t __wrap_vmsplice(int fd, const struct iovec *iov, size_t count, unsigned flags)
{
	ssize_t lent;

	if (splice_error != 0) {
		errno = splice_error;
		return -1;
	}
	lent = __real_vmsplice(fd, iov, count, flags);
	assert_true(lent > 0 || errno == EAGAIN || errno == EPIPE);
	splices += lent > 0;
	return lent;
}

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	uint64_t random = 1;

	signal(SIGPIPE, SIG_IGN);
	splices = 0;
	splice_error = 0;
	fixture->read_fd = fixture->write_fd = -1;
	fixture->text = xcalloc(TEXT_BYTES, 1);
	for (size_t i = 0; i < TEXT_BYTES; i += sizeof(random)) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		memcpy(fixture->text + i, &random, sizeof(random));
	}
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	BIO_free(fixture->sink);
	if (fixture->read_fd >= 0)
		close(fixture->read_fd);
	close(fixture->write_fd);
	free(fixture->text);
	free(fixture);
	return 0;
}

static void start_again(void **state)
{
	tear_down(state);
	set_up(state);
}

static void use(struct fixture *fixture, const int fds[2])
{
	fixture->read_fd = fds[0];
	fixture->write_fd = fds[1];
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	fixture->sink = tls_sink_new(fds[1]);
	assert_non_null(fixture->sink);
}

static void use_socket(struct fixture *fixture)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	use(fixture, fds);
}

static void use_pipe(struct fixture *fixture, int bytes)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	(void)fcntl(fds[1], F_SETPIPE_SZ, bytes); /* a user who has many pipes gets a small one */
	use(fixture, fds);
	tls_sink_lend_pages(fixture->sink);
}

/* As much of so many bytes as it takes. */
static size_t put(struct fixture *fixture, size_t bytes)
{
	size_t left = TEXT_BYTES - fixture->written_bytes, taken = 0;

	if (BIO_write_ex(fixture->sink, fixture->text + fixture->written_bytes, bytes < left ? bytes : left, &taken) != 1)
		assert_true(BIO_should_write(fixture->sink));
	fixture->written_bytes += taken;
	return taken;
}

/* At most so many bytes; each is compared. */
static size_t get(struct fixture *fixture, size_t bytes)
{
	uint8_t buffer[65536];
	ssize_t taken = read(fixture->read_fd, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer));

	if (taken <= 0)
		return 0;
	assert_true(fixture->read_bytes + (size_t)taken <= fixture->written_bytes);
	assert_memory_equal(buffer, fixture->text + fixture->read_bytes, (size_t)taken);
	fixture->read_bytes += (size_t)taken;
	return (size_t)taken;
}

/* Each read comes as late as may be: when nothing more is taken. */
static void pass_text_with_late_reads(struct fixture *fixture, size_t piece_bytes, size_t read_bytes)
{
	while (fixture->read_bytes < TEXT_BYTES) {
		while (fixture->written_bytes < TEXT_BYTES && put(fixture, piece_bytes) > 0)
			continue;
		tls_sink_flush(fixture->sink);
		assert_true(get(fixture, read_bytes) > 0);
	}
	assert_int_equal(tls_sink_flush(fixture->sink), 0);
	assert_int_equal(tls_sink_sent_bytes(fixture->sink), TEXT_BYTES);
}

/* Writes, flushes and reads of any size in any order. */
static void pass_text_at_random(struct fixture *fixture, unsigned seed)
{
	while (fixture->read_bytes < TEXT_BYTES) {
		seed = seed * 1103515245 + 12345;
		switch (seed >> 16 & 3) {
		case 0:
			tls_sink_flush(fixture->sink);
			break;
		case 1:
			get(fixture, 1 + (seed >> 8) % 70000);
			break;
		default:
			put(fixture, 1 + (seed >> 8) % 40000);
		}
	}
}

static void writes_wait_until_they_are_many_or_flushed(void **state)
{
	struct fixture *fixture = *state;

	use_socket(fixture);
	put(fixture, 1000);
	put(fixture, 16000);
	assert_int_equal(get(fixture, 1), 0);
	assert_int_equal(BIO_wpending(fixture->sink), 17000);
	assert_int_equal(tls_sink_sent_bytes(fixture->sink), 0);
	assert_int_equal(tls_sink_flush(fixture->sink), 0);
	assert_int_equal(BIO_wpending(fixture->sink), 0);
	assert_int_equal(get(fixture, 65536), 17000);
	put(fixture, GATHERED_BYTES);
	assert_int_equal(get(fixture, 1), 0);
	put(fixture, 1);
	assert_int_equal(get(fixture, 1), 1);
}

static void bytes_survive_a_full_socket(void **state)
{
	struct fixture *fixture = *state;

	use_socket(fixture);
	pass_text_with_late_reads(fixture, 16406, 5000);
}

static void bytes_survive_a_socket_at_random(void **state)
{
	struct fixture *fixture = *state;

	use_socket(fixture);
	pass_text_at_random(fixture, 1);
}

static void lent_pages_survive_a_full_pipe(void **state)
{
	static const int pipe_bytes[] = { 4096, 8192, 65536, 1048576 };
	struct fixture *fixture;

	for (size_t i = 0; i < sizeof(pipe_bytes) / sizeof(pipe_bytes[0]); i++) {
		fixture = *state;
		use_pipe(fixture, pipe_bytes[i]);
		pass_text_with_late_reads(fixture, 16406, 5000);
		assert_true(splices > 0);
		start_again(state);
	}
}

static void lent_pages_survive_single_bytes_and_flushes(void **state)
{
	struct fixture *fixture = *state;

	use_pipe(fixture, 65536);
	for (unsigned i = 0; i < 100000; i++) {
		put(fixture, 1);
		if (tls_sink_flush(fixture->sink) == -EAGAIN)
			assert_int_equal(get(fixture, 1), 1);
	}
	while (fixture->read_bytes < 100000) {
		tls_sink_flush(fixture->sink);
		assert_true(get(fixture, 65536) > 0);
	}
}

static void lent_pages_survive_at_random(void **state)
{
	struct fixture *fixture;

	for (unsigned seed = 1; seed <= 8; seed++) {
		fixture = *state;
		use_pipe(fixture, 4096 << seed);
		pass_text_at_random(fixture, seed);
		assert_true(splices > 0);
		start_again(state);
	}
}

static void lent_pages_outlive_the_sink(void **state)
{
	struct fixture *fixture = *state;
	void *other, *blocks[8];

	use_pipe(fixture, 65536);
	put(fixture, 65536);
	assert_int_equal(tls_sink_flush(fixture->sink), 0);
	BIO_free(fixture->sink);
	fixture->sink = NULL;
	/* Where the ring was, be it a mapping or not. */
	for (unsigned i = 0; i < 8; i++)
		blocks[i] = memset(xcalloc(48 * KIB << (i % 4), 1), 'x', 48 * KIB << (i % 4));
	other = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(other != MAP_FAILED);
	memset(other, 'x', MIB);
	while (get(fixture, 65536) > 0)
		continue;
	munmap(other, MIB);
	for (unsigned i = 0; i < 8; i++)
		free(blocks[i]);
	assert_int_equal(fixture->read_bytes, 65536);
}

static void where_pages_cannot_be_lent_they_are_copied(void **state)
{
	static const int errors[] = { ENOSYS, EPERM, EINVAL, ENOMEM };
	struct fixture *fixture;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fixture = *state;
		splice_error = errors[i];
		use_pipe(fixture, 65536);
		pass_text_with_late_reads(fixture, 16406, 5000);
		assert_int_equal(splices, 0);
		start_again(state);
	}
}

/* The pipe still has lent pages then. */
static void lending_may_end_in_the_middle(void **state)
{
	struct fixture *fixture;

	for (unsigned rounds = 1; rounds <= 40; rounds++) {
		fixture = *state;
		use_pipe(fixture, 65536);
		for (unsigned i = 0; i < rounds; i++) {
			while (put(fixture, 16406) > 0)
				continue;
			get(fixture, 30000);
		}
		assert_true(splices > 0);
		splice_error = ENOMEM;
		pass_text_with_late_reads(fixture, 16406, 5000);
		start_again(state);
	}
}

static void a_socket_gets_copies(void **state)
{
	struct fixture *fixture = *state;

	use_socket(fixture);
	tls_sink_lend_pages(fixture->sink);
	pass_text_with_late_reads(fixture, 16406, 5000);
	assert_int_equal(splices, 0);
}

/* Its handshakes take anything below 1 for a failure. */
static void flush_by_openssl_of_a_full_pipe_is_no_error(void **state)
{
	struct fixture *fixture = *state;

	use_pipe(fixture, 4096);
	put(fixture, GATHERED_BYTES);
	assert_int_equal(BIO_flush(fixture->sink), 1);
	assert_int_equal(tls_sink_flush(fixture->sink), -EAGAIN);
	assert_true(get(fixture, 65536) > 0);
	assert_int_equal(BIO_flush(fixture->sink), 1);
	assert_true(get(fixture, 65536) > 0);
}

static void reader_that_is_gone_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	size_t taken;

	for (unsigned lends = 0; lends < 2; lends++) {
		fixture = *state;
		if (lends)
			use_pipe(fixture, 65536);
		else
			use_socket(fixture);
		close(fixture->read_fd);
		fixture->read_fd = -1;
		put(fixture, GATHERED_BYTES);
		assert_int_equal(tls_sink_flush(fixture->sink), -EPIPE);
		assert_true(BIO_flush(fixture->sink) < 0);
		assert_int_equal(BIO_write_ex(fixture->sink, "x", 1, &taken), 0);
		assert_int_equal(errno, EPIPE);
		assert_false(BIO_should_retry(fixture->sink));
		start_again(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_wait_until_they_are_many_or_flushed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_survive_a_full_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_survive_a_socket_at_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lent_pages_survive_a_full_pipe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lent_pages_survive_single_bytes_and_flushes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lent_pages_survive_at_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lent_pages_outlive_the_sink, set_up, tear_down),
		cmocka_unit_test_setup_teardown(where_pages_cannot_be_lent_they_are_copied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lending_may_end_in_the_middle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_gets_copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flush_by_openssl_of_a_full_pipe_is_no_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reader_that_is_gone_is_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
