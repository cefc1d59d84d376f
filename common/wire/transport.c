/* SPDX-License-Identifier: Apache-2.0
 *
 * One surface over TLS sessions and plain Unix sockets. Plain: recvmsg and sendmsg, because a descriptor may come with
 * the bytes; at most one may wait to be taken, and a peer that sends more is refused, so it cannot fill our table.
 */
#include "wire/transport.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "wire/tls.h"

#define DESCRIPTORS_AT_ONCE 4u /* the kernel drops what a control message has beyond these */

struct transport {
	struct tls *tls; /* NULL: plain */
	int fd_in, fd_out;
	int taken_fd; /* came with the bytes, not yet asked for; or -1 */
	bool wants_write;
	uint64_t received_bytes, sent_bytes; /* plain only */
	char error[DETAIL_MAX + 1];          /* plain only */
};

static void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	assert(flags >= 0);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct transport *transport_new_tls(struct tls *tls, int fd_in, int fd_out)
{
	struct transport *transport = transport_new_plain(fd_in);

	set_nonblocking(fd_out);
	transport->tls = tls;
	transport->fd_out = fd_out;
	return transport;
}

struct transport *transport_new_plain(int fd)
{
	struct transport *transport = xcalloc(1, sizeof(*transport));

	set_nonblocking(fd);
	transport->fd_in = transport->fd_out = fd;
	transport->taken_fd = -1;
	return transport;
}

void transport_free(struct transport *transport)
{
	if (transport == NULL)
		return;
	tls_free(transport->tls);
	if (transport->taken_fd >= 0)
		close(transport->taken_fd);
	if (transport->fd_out != transport->fd_in)
		close(transport->fd_out);
	close(transport->fd_in);
	free(transport);
}

int transport_fd_in(const struct transport *transport)
{
	return transport->fd_in;
}

int transport_fd_out(const struct transport *transport)
{
	return transport->fd_out;
}

bool transport_is_tls(const struct transport *transport)
{
	return transport->tls != NULL;
}

int transport_handshake(struct transport *transport)
{
	return transport->tls != NULL ? tls_handshake(transport->tls) : 0;
}

static int plain_failure(struct transport *transport, int number)
{
	if (number == EAGAIN || number == EWOULDBLOCK || number == EINTR)
		return -EAGAIN;
	snprintf(transport->error, sizeof(transport->error), "%s",
		number == ECONNRESET ? "the peer reset the connection" : strerror(number));
	return -EPROTO;
}

/* False when more than one descriptor waits: all but the first are closed. */
static bool keep_descriptors(struct transport *transport, struct msghdr *header)
{
	bool is_one = true;

	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (control->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(fd));
			if (transport->taken_fd < 0) {
				transport->taken_fd = fd;
			} else {
				close(fd);
				is_one = false;
			}
		}
	}
	return is_one;
}

static ssize_t plain_read(struct transport *transport, void *buffer, size_t bytes)
{
	union {
		char bytes[CMSG_SPACE(DESCRIPTORS_AT_ONCE * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = buffer, .iov_len = bytes };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t taken;

	do
		taken = recvmsg(transport->fd_in, &header, MSG_CMSG_CLOEXEC);
	while (taken < 0 && errno == EINTR);
	if (taken < 0)
		return plain_failure(transport, errno);
	if (!keep_descriptors(transport, &header)) {
		snprintf(transport->error, sizeof(transport->error), "more than one descriptor came with a frame");
		return -EPROTO;
	}
	if (taken == 0) {
		snprintf(transport->error, sizeof(transport->error), "the peer closed the connection");
		return -ENODATA;
	}
	transport->received_bytes += (uint64_t)taken;
	return taken;
}

static ssize_t plain_write(struct transport *transport, const void *data, size_t bytes, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = bytes };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t taken;

	if (fd >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	do
		taken = sendmsg(transport->fd_out, &header, MSG_NOSIGNAL);
	while (taken < 0 && errno == EINTR);
	if (taken < 0 && (errno == EPIPE || errno == ECONNRESET))
		return -ENODATA; /* what the peer said before can still be read */
	if (taken < 0) {
		int rc = plain_failure(transport, errno);

		transport->wants_write = rc == -EAGAIN;
		return rc;
	}
	transport->sent_bytes += (uint64_t)taken;
	return taken;
}

ssize_t transport_read(struct transport *transport, void *buffer, size_t bytes)
{
	transport->wants_write = false;
	return transport->tls != NULL ? tls_read(transport->tls, buffer, bytes) : plain_read(transport, buffer, bytes);
}

ssize_t transport_write(struct transport *transport, const void *data, size_t bytes, int fd)
{
	assert(transport->tls == NULL || fd < 0);
	transport->wants_write = false;
	return transport->tls != NULL ? tls_write(transport->tls, data, bytes) : plain_write(transport, data, bytes, fd);
}

int transport_flush(struct transport *transport)
{
	return transport->tls != NULL ? tls_flush(transport->tls) : 0;
}

int transport_update_key(struct transport *transport)
{
	return transport->tls != NULL ? tls_update_key(transport->tls) : 0;
}

bool transport_wants_write(const struct transport *transport)
{
	return transport->tls != NULL ? tls_wants_write(transport->tls) : transport->wants_write;
}

bool transport_has_pending(const struct transport *transport)
{
	return transport->tls != NULL && tls_has_pending(transport->tls);
}

int transport_take_fd(struct transport *transport)
{
	int fd = transport->taken_fd;

	transport->taken_fd = -1;
	return fd;
}

const char *transport_peer_key(const struct transport *transport)
{
	return transport->tls != NULL ? tls_peer_key(transport->tls) : "";
}

void *transport_peer(const struct transport *transport)
{
	return transport->tls != NULL ? tls_peer(transport->tls) : NULL;
}

void *transport_admit_again(const struct transport *transport, const struct tls_context *context)
{
	return tls_admit_again(transport->tls, context);
}

const char *transport_error(const struct transport *transport)
{
	return transport->tls != NULL ? tls_error(transport->tls) : transport->error;
}

uint64_t transport_wire_bytes(const struct transport *transport)
{
	return transport->tls != NULL ? tls_wire_bytes(transport->tls) : transport->received_bytes + transport->sent_bytes;
}

uint64_t transport_sent_bytes(const struct transport *transport)
{
	return transport->tls != NULL ? tls_sent_bytes(transport->tls) : transport->sent_bytes;
}
