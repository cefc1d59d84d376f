/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes are by measurement, and wishes: where the system grants less, the ends wait for each other more often.
 */
#include "primary/compare/ends.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/message.h"

#define SEND_BUFFER_BYTES (4 * 1024 * 1024) /* a run of data */
#define RETURN_PIPE_BYTES (1024 * 1024)
#define RETURN_PIPE_BYTES_MIN (64 * 1024) /* a user who has many pipes gets small ones: a socket is better */

void ends_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void ends_move_up(int *fd)
{
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, SETUP_RETURN_FD + 1);

	close(*fd);
	*fd = moved;
}

static int take(int fds[2], int *a, int *b)
{
	ends_move_up(&fds[0]);
	ends_move_up(&fds[1]);
	*a = fds[0];
	*b = fds[1];
	return *a < 0 || *b < 0 ? -EMFILE : 0;
}

static int make_sockets(int *a, int *b)
{
	const int buffer_bytes = SEND_BUFFER_BYTES;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	return take(fds, a, b);
}

static int make_pipe(int *in, int *out)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	(void)fcntl(fds[1], F_SETPIPE_SZ, RETURN_PIPE_BYTES);
	if (fcntl(fds[1], F_GETPIPE_SZ) >= RETURN_PIPE_BYTES_MIN)
		return take(fds, in, out);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

int ends_make(struct ends *ends, bool is_ssh, const sigset_t *signals)
{
	int rc;

	*ends = (struct ends){ -1, -1, -1, -1, -1, -1, -1 };
	rc = make_sockets(&ends->host, &ends->primary_host);
	if (rc == 0)
		rc = make_sockets(&ends->primary_link, &ends->secondary_link);
	if (rc == 0 && !is_ssh)
		rc = make_pipe(&ends->return_in, &ends->return_out);
	if (rc == 0) {
		ends->signal = signalfd(-1, signals, SFD_CLOEXEC);
		rc = ends->signal < 0 ? -errno : 0;
	}
	return rc;
}

void ends_close_children(struct ends *ends)
{
	ends_close(&ends->primary_host);
	ends_close(&ends->primary_link);
	ends_close(&ends->secondary_link);
	ends_close(&ends->return_in);
	ends_close(&ends->return_out);
	ends_close(&ends->signal);
}
