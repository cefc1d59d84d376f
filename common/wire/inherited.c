/* SPDX-License-Identifier: Apache-2.0
 *
 * Inherited sockets. Nothing of them is trusted: what is no listening stream socket is not taken.
 */
#include "wire/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/address.h"

#define FIRST_FD 3 /* by the protocol */

struct inherited {
	int fd;
	struct sockaddr_storage address;
	socklen_t bytes;
};

static struct inherited sockets[INHERITED_MAX];
static unsigned socket_count;

static bool get(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t bytes = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) == 0 && value == wanted;
}

/* False: it is none that this program can serve. */
static bool look(int fd, struct inherited *inherited)
{
	int flags = fcntl(fd, F_GETFL);

	*inherited = (struct inherited){ .fd = fd, .bytes = sizeof(inherited->address) };
	if (flags < 0 || !get(fd, SO_TYPE, SOCK_STREAM) || !get(fd, SO_ACCEPTCONN, 1) ||
		getsockname(fd, (struct sockaddr *)&inherited->address, &inherited->bytes) < 0)
		return false;
	if (inherited->address.ss_family != AF_INET && inherited->address.ss_family != AF_INET6 &&
		inherited->address.ss_family != AF_UNIX)
		return false;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

void inherited_take_from(int first_fd, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int fd = first_fd + (int)i;

		if (socket_count < INHERITED_MAX && look(fd, &sockets[socket_count])) {
			socket_count++;
			continue;
		}
		log_warning("descriptor %d of the service manager is no listening socket, or one too many: not used", fd);
		close(fd);
	}
}

void inherited_take(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	char *end;
	unsigned long number;

	if (pid && count && strtoull(pid, NULL, 10) == (unsigned long long)getpid()) {
		errno = 0;
		number = strtoul(count, &end, 10);
		if (errno == 0 && end != count && *end == '\0' && number <= INHERITED_MAX)
			inherited_take_from(FIRST_FD, (unsigned)number);
		else
			log_warning("LISTEN_FDS=%s: a number up to %u was expected: no socket of the service manager is used",
				count, INHERITED_MAX);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* [::] takes what 0.0.0.0 would, unless it is for IPv6 alone. */
static bool covers(const struct inherited *inherited, const struct sockaddr *address)
{
	const struct sockaddr_in *asked = (const void *)address;
	const struct sockaddr_in6 *has = (const void *)&inherited->address;
	int is_only_v6 = 1;
	socklen_t bytes = sizeof(is_only_v6);

	return address->sa_family == AF_INET && has->sin6_family == AF_INET6 && asked->sin_port == has->sin6_port &&
		asked->sin_addr.s_addr == htonl(INADDR_ANY) && IN6_IS_ADDR_UNSPECIFIED(&has->sin6_addr) &&
		getsockopt(inherited->fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_only_v6, &bytes) == 0 && is_only_v6 == 0;
}

static bool is_at(const struct inherited *inherited, const struct sockaddr *address, socklen_t bytes)
{
	const struct sockaddr_un *asked = (const void *)address, *has = (const void *)&inherited->address;

	if (address->sa_family == AF_UNIX)
		return has->sun_family == AF_UNIX && strncmp(asked->sun_path, has->sun_path, sizeof(has->sun_path)) == 0;
	if (inherited->bytes == bytes && memcmp(&inherited->address, address, bytes) == 0)
		return true;
	return covers(inherited, address);
}

int inherited_find(const struct sockaddr *address, socklen_t bytes)
{
	for (unsigned i = 0; i < socket_count; i++) {
		int fd = sockets[i].fd;

		if (!is_at(&sockets[i], address, bytes))
			continue;
		sockets[i] = sockets[--socket_count];
		return fd;
	}
	return -1;
}

void inherited_end(void)
{
	char name[ADDRESS_BYTES];

	for (unsigned i = 0; i < socket_count; i++) {
		address_name((const struct sockaddr *)&sockets[i].address, sockets[i].bytes, name);
		log_warning("the service manager listens at %s, and the configuration does not name it: not used", name);
		close(sockets[i].fd);
	}
	socket_count = 0;
}
