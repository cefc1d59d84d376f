/* SPDX-License-Identifier: Apache-2.0
 *
 * See byte_relay.h. Each way has one buffer; it is filled again when all of it was written, and never with more than
 * the budget has left.
 */
#include "tests/support/byte_relay.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int byte_relay_listen(uint16_t *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, bytes) != 0 || listen(fd, 64) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
		abort();
	*port = ntohs(address.sin_port);
	return fd;
}

static void set_nodelay(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The far end is in this process, so it is there at once. */
static int connect_to(uint16_t port)
{
	const struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		abort();
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

struct byte_relay *byte_relay_new(uint16_t to_port)
{
	struct byte_relay *relay = xcalloc(1, sizeof(*relay));

	relay->listener = byte_relay_listen(&relay->port);
	relay->to_port = to_port;
	relay->fds[0] = relay->fds[1] = relay->deaf_fd = -1;
	relay->next_budget_bytes[RELAY_THERE] = relay->next_budget_bytes[RELAY_BACK] = RELAY_ALL;
	return relay;
}

static void close_fd(int *fd, bool is_reset)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (*fd >= 0 && is_reset)
		setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void byte_relay_free(struct byte_relay *relay)
{
	if (relay == NULL)
		return;
	close_fd(&relay->fds[0], true);
	close_fd(&relay->fds[1], true);
	close_fd(&relay->deaf_fd, true);
	close_fd(&relay->listener, false);
	free(relay);
}

bool byte_relay_is_connected(const struct byte_relay *relay)
{
	return relay->fds[0] >= 0;
}

void byte_relay_cut(struct byte_relay *relay, enum relay_end end)
{
	assert(end != RELAY_STALL);
	if (relay->fds[0] >= 0)
		relay->cuts++;
	close_fd(&relay->deaf_fd, true);
	if (end == RELAY_HALF) {
		relay->deaf_fd = relay->fds[1];
		relay->fds[1] = -1;
	}
	close_fd(&relay->fds[0], end != RELAY_FIN);
	close_fd(&relay->fds[1], end != RELAY_FIN);
}

static bool accept_next(struct byte_relay *relay)
{
	int fd = accept4(relay->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	if (relay->is_refusing) {
		close_fd(&fd, true);
		return true;
	}
	relay->fds[0] = fd;
	relay->fds[1] = connect_to(relay->to_port);
	set_nodelay(relay->fds[0]);
	set_nodelay(relay->fds[1]);
	for (unsigned way = 0; way < RELAY_WAYS; way++) {
		relay->budget_bytes[way] = relay->next_budget_bytes[way];
		relay->next_budget_bytes[way] = RELAY_ALL;
		relay->carried_bytes[way] = 0;
		relay->pending[way].begin = relay->pending[way].end = 0;
	}
	relay->end = relay->next_end;
	relay->next_end = RELAY_FIN;
	relay->connections++;
	return true;
}

/* The peer at this end has gone: the other is told. */
static bool end_of_peer(struct byte_relay *relay)
{
	close_fd(&relay->fds[0], false);
	close_fd(&relay->fds[1], false);
	return true;
}

static bool fill(struct byte_relay *relay, enum relay_way way)
{
	uint64_t left = relay->budget_bytes[way] - relay->carried_bytes[way];
	size_t most = sizeof(relay->pending[way].data);
	ssize_t taken;

	if (left == 0)
		return false;
	taken = recv(relay->fds[way], relay->pending[way].data, left < most ? (size_t)left : most, 0);
	if (taken < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (taken <= 0)
		return end_of_peer(relay);
	relay->pending[way].begin = 0;
	relay->pending[way].end = (size_t)taken;
	relay->carried_bytes[way] += (uint64_t)taken;
	if (relay->watch != NULL)
		relay->watch(relay->watch_arg, way, relay->pending[way].data, (size_t)taken);
	return true;
}

static bool carry(struct byte_relay *relay, enum relay_way way)
{
	bool has_moved = false;

	while (relay->fds[0] >= 0) {
		size_t bytes = relay->pending[way].end - relay->pending[way].begin;
		ssize_t taken;

		if (bytes == 0) {
			if (!fill(relay, way))
				return has_moved;
			has_moved = true;
			continue;
		}
		taken = send(relay->fds[1 - way], relay->pending[way].data + relay->pending[way].begin, bytes, MSG_NOSIGNAL);
		if (taken < 0 && (errno == EAGAIN || errno == EINTR))
			return has_moved;
		if (taken < 0)
			return end_of_peer(relay);
		relay->pending[way].begin += (size_t)taken;
		has_moved = true;
	}
	return has_moved;
}

static bool is_used_up(const struct byte_relay *relay, enum relay_way way)
{
	return relay->carried_bytes[way] == relay->budget_bytes[way] &&
		relay->pending[way].begin == relay->pending[way].end;
}

bool byte_relay_step(struct byte_relay *relay)
{
	bool has_moved = false;

	if (relay->fds[0] < 0)
		has_moved = accept_next(relay);
	for (unsigned way = 0; way < RELAY_WAYS && relay->fds[0] >= 0; way++) {
		has_moved |= carry(relay, way);
		if (relay->fds[0] >= 0 && relay->end != RELAY_STALL && is_used_up(relay, way)) {
			byte_relay_cut(relay, relay->end);
			return true;
		}
	}
	return has_moved;
}
