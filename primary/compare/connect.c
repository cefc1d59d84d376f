/* SPDX-License-Identifier: Apache-2.0
 *
 * Connects to the primary's socket and says in words why it is not there: that sentence is all that somebody sees who
 * typed the name of a device on a host without a daemon. Blocking, before the event loop.
 */
#include "primary/compare/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_S 10 /* a daemon that is stopped has a full queue at some time */

static const char *hint(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return ": is ra-primaryd running?";
	case EACCES:
		return ": only root and the group of the socket may (socket-group in ra.conf)";
	case EAGAIN:
		return ": ra-primaryd takes no connections";
	default:
		return "";
	}
}

int connect_primary(const char *path, char *why, size_t why_bytes)
{
	const struct timeval limit = { .tv_sec = CONNECT_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	if (error == EINTR)
		snprintf(why, why_bytes, "interrupted before the comparison began");
	else
		snprintf(why, why_bytes, "cannot connect to %s: %s%s", path,
			error == EAGAIN ? "no answer within 10 s" : strerror(error), hint(error));
	return -error;
}
