/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of bytes, at most GATHER_BYTES of which wait to be given away.
 *
 * The hard thing is lent pages: they are the pipe's until its other end has read them, and nobody says when. But a pipe
 * never holds more than pipe_bytes, and those are the last that it was given. The ring is longer than what may wait by
 * just so much: where it comes round to a byte again, pipe_bytes others were given after that, so it was read. The ring
 * is a mapping of its own, for what is unmapped stays as it is while the pipe has it, and what is freed would be used
 * for something else.
 */
#include "wire/tls_sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <openssl/bio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"

#define GATHER_BYTES ((size_t)128 * KIB) /* by measurement */

struct sink {
	int fd;
	bool lends;
	uint8_t *ring;
	size_t ring_bytes;
	size_t begin, waiting_bytes; /* what is not given away yet; it may go round the ring's end */
	uint64_t sent_bytes;
};

static ssize_t give(struct sink *sink)
{
	size_t to_end = sink->ring_bytes - sink->begin;
	size_t first_bytes = sink->waiting_bytes < to_end ? sink->waiting_bytes : to_end;
	const struct iovec iov[] = {
		{ sink->ring + sink->begin, first_bytes },
		{ sink->ring, sink->waiting_bytes - first_bytes },
	};
	int iov_count = first_bytes < sink->waiting_bytes ? 2 : 1;
	ssize_t given;

	do
		given = sink->lends ? vmsplice(sink->fd, iov, (unsigned)iov_count, SPLICE_F_NONBLOCK) :
			writev(sink->fd, iov, iov_count);
	while (given < 0 && errno == EINTR);
	return given < 0 ? -errno : given;
}

/* 0 when something was given away, or -errno. */
static int push(struct sink *sink)
{
	ssize_t given = give(sink);

	if (given < 0 && sink->lends && given != -EAGAIN && given != -EPIPE) {
		log_debug("pages cannot be lent to the pipe: %s", strerror((int)-given));
		sink->lends = false;
		given = give(sink);
	}
	if (given < 0)
		return (int)given;
	sink->begin = (sink->begin + (size_t)given) % sink->ring_bytes;
	sink->waiting_bytes -= (size_t)given;
	sink->sent_bytes += (uint64_t)given;
	return 0;
}

static int push_all(struct sink *sink)
{
	int rc = 0;

	while (sink->waiting_bytes > 0 && rc == 0)
		rc = push(sink);
	return rc;
}

/* How many of the bytes were taken: all that there is room for. */
static size_t gather(struct sink *sink, const char *data, size_t bytes)
{
	size_t at = (sink->begin + sink->waiting_bytes) % sink->ring_bytes;
	size_t room = GATHER_BYTES - sink->waiting_bytes;

	if (bytes > room)
		bytes = room;
	if (bytes > sink->ring_bytes - at)
		bytes = sink->ring_bytes - at;
	memcpy(sink->ring + at, data, bytes);
	sink->waiting_bytes += bytes;
	return bytes;
}

/* ---- What OpenSSL calls ---- */

static int sink_write(BIO *bio, const char *data, size_t bytes, size_t *taken)
{
	struct sink *sink = BIO_get_data(bio);
	int rc = 0;

	BIO_clear_retry_flags(bio);
	*taken = 0;
	while (*taken < bytes && rc == 0) {
		if (sink->waiting_bytes == GATHER_BYTES)
			rc = push(sink);
		else
			*taken += gather(sink, data + *taken, bytes - *taken);
	}
	if (*taken > 0)
		return 1;
	if (rc == -EAGAIN)
		BIO_set_retry_write(bio);
	errno = -rc;
	return -1;
}

static long sink_ctrl(BIO *bio, int command, long argument, void *pointer)
{
	struct sink *sink = BIO_get_data(bio);
	int rc;

	(void)argument, (void)pointer;
	if (command == BIO_CTRL_WPENDING)
		return (long)sink->waiting_bytes;
	if (command != BIO_CTRL_FLUSH)
		return 0;
	BIO_clear_retry_flags(bio);
	rc = push_all(sink);
	errno = -rc;
	/* OpenSSL flushes after each of its own messages, and would take a full pipe for a failure. */
	return rc == 0 || rc == -EAGAIN ? 1 : -1;
}

static int sink_destroy(BIO *bio)
{
	struct sink *sink = BIO_get_data(bio);

	if (sink != NULL && sink->ring != NULL)
		munmap(sink->ring, sink->ring_bytes);
	free(sink);
	return 1;
}

/* Of all sinks; never freed. */
static const BIO_METHOD *sink_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "RA sink");
	if (method == NULL || BIO_meth_set_write_ex(method, sink_write) != 1 || BIO_meth_set_ctrl(method, sink_ctrl) != 1 ||
	    BIO_meth_set_destroy(method, sink_destroy) != 1)
		log_abort("TLS: no memory for the way out");
	return method;
}

static bool map_ring(struct sink *sink, size_t bytes)
{
	uint8_t *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ring == MAP_FAILED)
		return false;
	if (sink->ring != NULL)
		munmap(sink->ring, sink->ring_bytes);
	sink->ring = ring;
	sink->ring_bytes = bytes;
	return true;
}

BIO *tls_sink_new(int fd)
{
	BIO *bio = BIO_new(sink_method());
	struct sink *sink;

	if (bio == NULL)
		return NULL;
	sink = xcalloc(1, sizeof(*sink));
	sink->fd = fd;
	BIO_set_data(bio, sink);
	BIO_set_init(bio, 1);
	if (map_ring(sink, GATHER_BYTES))
		return bio;
	BIO_free(bio);
	return NULL;
}

void tls_sink_lend_pages(BIO *bio)
{
	struct sink *sink = BIO_get_data(bio);
	int pipe_bytes = fcntl(sink->fd, F_GETPIPE_SZ);

	assert(sink->waiting_bytes == 0 && sink->sent_bytes == 0);
	sink->lends = pipe_bytes > 0 && map_ring(sink, (size_t)pipe_bytes + GATHER_BYTES);
}

int tls_sink_flush(BIO *bio)
{
	return push_all(BIO_get_data(bio));
}

uint64_t tls_sink_sent_bytes(const BIO *bio)
{
	const struct sink *sink = BIO_get_data((BIO *)bio);

	return sink->sent_bytes;
}
