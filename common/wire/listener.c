/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets, TCP and Unix: made, accepted from, and closed with their file. Who is let in is the callee's
 * business, except that a Unix socket has its mode and group before it listens. Loop thread only.
 *
 * The hard thing: without a free descriptor a connection stays in the queue and the loop would be called for it for
 * ever. So the listener rests then, is woken by the clock, and says so once until the queue was empty again.
 */
#include "wire/listener.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/address.h"
#include "wire/inherited.h"

#define LISTENER_MAGIC 0x4c53544eu
#define ACCEPTED_IN_PASS_MAX 16u /* then those that were accepted have their turn */
#define REST_MS 100
#define HOST_BYTES 80u
#define BACKLOG 1024 /* a crowd that comes at once, and who comes in the middle of it */

struct listener {
	uint32_t magic;
	int fd;
	bool is_tcp;
	char *address;
	struct event *readable;
	struct timer rest;
	bool is_short_told; /* of descriptors; false again when the queue was empty */
	dev_t file_device;  /* of the socket file, to remove no other */
	ino_t file_inode;
	listener_fn *fn;
	void *arg;
};

static struct listener *listener_of(void *arg)
{
	struct listener *listener = arg;

	assert(listener->magic == LISTENER_MAGIC);
	return listener;
}

/* Words for the caller; NULL. */
#define refuse(why, why_bytes, ...) (snprintf((why), (why_bytes), __VA_ARGS__), NULL)

/* ---- Accepting ---- */

static void name_unix(int fd, char text[ADDRESS_BYTES])
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0)
		snprintf(text, ADDRESS_BYTES, "pid %d of uid %u", (int)peer.pid, peer.uid);
	else
		snprintf(text, ADDRESS_BYTES, "a process without a name");
}

/* Frames are written whole, and a host that has gone without a word must be noticed: the Pings of a link that is up are
 * faster, these are for all others. */
void listener_set_tcp_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = { { IPPROTO_TCP, TCP_NODELAY, 1 }, { SOL_SOCKET, SO_KEEPALIVE, 1 }, { IPPROTO_TCP, TCP_KEEPIDLE, 30 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 10 }, { IPPROTO_TCP, TCP_KEEPCNT, 3 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 30000 } };

	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value)) != 0)
			log_warning("option %d of a connection: %s", options[i].name, strerror(errno));
}

static void deliver(struct listener *listener, int fd, const struct sockaddr_storage *peer, socklen_t peer_bytes)
{
	char from[ADDRESS_BYTES];

	if (listener->is_tcp) {
		address_name((const struct sockaddr *)peer, peer_bytes, from);
		listener_set_tcp_options(fd);
	} else {
		name_unix(fd, from);
	}
	listener->fn(listener->arg, fd, from);
}

static void rest(struct listener *listener, int number)
{
	if (!listener->is_short_told)
		log_warning("%s: cannot accept connections: %s; trying again every %d ms", listener->address, strerror(number),
			REST_MS);
	listener->is_short_told = true;
	event_del(listener->readable);
	timer_set(&listener->rest, REST_MS);
}

/* What accept gives as the fault of one connection that has gone already (accept(2)). */
static bool is_of_one_connection(int number)
{
	return number == EINTR || number == ECONNABORTED || number == ENETDOWN || number == EPROTO ||
		number == ENOPROTOOPT || number == EHOSTDOWN || number == ENONET || number == EHOSTUNREACH ||
		number == EOPNOTSUPP || number == ENETUNREACH;
}

static void on_readable(evutil_socket_t unused, short what, void *arg)
{
	struct listener *listener = listener_of(arg);

	(void)unused, (void)what;
	for (unsigned i = 0; i < ACCEPTED_IN_PASS_MAX; i++) {
		struct sockaddr_storage peer;
		socklen_t peer_bytes = sizeof(peer);
		int fd = accept4(listener->fd, (struct sockaddr *)&peer, &peer_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			deliver(listener, fd, &peer, peer_bytes);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			listener->is_short_told = false;
			return;
		} else if (!is_of_one_connection(errno)) {
			rest(listener, errno);
			return;
		}
	}
}

static void listen_on(struct listener *listener)
{
	int rc = event_add(listener->readable, NULL);

	assert(rc == 0);
}

static void on_rest_over(void *arg)
{
	listen_on(listener_of(arg));
}

/* Takes over fd, which listens. */
static struct listener *new_listener(struct event_base *base, struct clock *clock, int fd, const char *address,
	listener_fn *fn, void *arg)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));

	listener->magic = LISTENER_MAGIC;
	listener->fd = fd;
	listener->address = xstrdup(address);
	listener->fn = fn;
	listener->arg = arg;
	listener->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, listener);
	if (!listener->readable)
		log_abort("%s: no memory for its event", address);
	timer_init(&listener->rest, clock, on_rest_over, listener);
	listen_on(listener);
	return listener;
}

/* ---- TCP ---- */

/* "A.B.C.D:PORT" or "[IPv6]:PORT" in two; false when it is neither. */
static bool split_address(const char *address, char host[HOST_BYTES], char port[6])
{
	const char *colon = strrchr(address, ':');
	size_t host_chars = colon ? (size_t)(colon - address) : 0;
	bool is_ipv6 = address[0] == '[' && host_chars > 2 && address[host_chars - 1] == ']';

	if (is_ipv6) {
		address++;
		host_chars -= 2;
	}
	if (host_chars == 0 || host_chars >= HOST_BYTES || (memchr(address, ':', host_chars) != NULL) != is_ipv6)
		return false;
	memcpy(host, address, host_chars);
	host[host_chars] = '\0';
	if (strlen(colon + 1) == 0 || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	strcpy(port, colon + 1);
	return atoi(port) <= UINT16_MAX;
}

static struct addrinfo *resolve(const char *address, char *why, size_t why_bytes)
{
	static const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	char host[HOST_BYTES], port[6];
	struct addrinfo *found;

	if (!split_address(address, host, port) || getaddrinfo(host, port, &hints, &found) != 0)
		return refuse(why, why_bytes, "%s: an address with its port in numbers was expected, like 0.0.0.0:7447 or "
			"[::]:7447", address);
	return found;
}

static bool bind_tcp(int fd, const struct addrinfo *found)
{
	static const int on = 1;

	/* IPv6 for itself, so that 0.0.0.0 and [::] can be given both. */
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		(found->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
		bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
}

struct listener *listener_new_tcp(struct event_base *base, struct clock *clock, const char *address, listener_fn *fn,
	void *arg, char *why, size_t why_bytes)
{
	struct addrinfo *found = resolve(address, why, why_bytes);
	struct sockaddr_storage own;
	socklen_t own_bytes = sizeof(own);
	char text[ADDRESS_BYTES];
	struct listener *listener = NULL;
	bool is_inherited;
	int fd;

	if (!found)
		return NULL;
	fd = inherited_find(found->ai_addr, found->ai_addrlen);
	is_inherited = fd >= 0;
	if (!is_inherited)
		fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (!is_inherited && !bind_tcp(fd, found)) ||
	    getsockname(fd, (struct sockaddr *)&own, &own_bytes) < 0) {
		snprintf(why, why_bytes, "%s: cannot listen: %s", address, strerror(errno));
		goto out;
	}
	address_name((struct sockaddr *)&own, own_bytes, text);
	listener = new_listener(base, clock, fd, text, fn, arg);
	listener->is_tcp = true;
	fd = -1;
out:
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return listener;
}

/* ---- Unix ---- */

/* Removes a socket file that nobody listens on. 0, or -1 with words in why: what is there must stay. */
static int make_room(const struct sockaddr_un *address, char *why, size_t why_bytes)
{
	const char *path = address->sun_path;
	struct stat stat;
	int fd, number;

	if (lstat(path, &stat) < 0 && errno == ENOENT)
		return 0;
	if (lstat(path, &stat) == 0 && !S_ISSOCK(stat.st_mode)) {
		snprintf(why, why_bytes, "%s: this is no socket; it is not replaced", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		number = fd < 0 ? errno : EAGAIN;
	else
		number = errno;
	if (fd >= 0)
		close(fd);
	if (number == ECONNREFUSED && unlink(path) == 0)
		return 0;
	if (number == EAGAIN)
		snprintf(why, why_bytes, "%s: in use: another program listens there", path);
	else
		snprintf(why, why_bytes, "%s: cannot be replaced: %s", path, strerror(number == ECONNREFUSED ? errno : number));
	return -1;
}

/* The file has the mode from the first moment, and its group before anybody can connect. False with words in why. */
static bool bind_unix(int fd, const struct sockaddr_un *address, mode_t mode, gid_t group, char *why, size_t why_bytes)
{
	const char *path = address->sun_path;
	mode_t before = umask(~mode & 0777);
	int number = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;

	umask(before);
	if (number != 0) {
		snprintf(why, why_bytes, "%s: cannot listen: %s", path,
			number == ENOENT ? "its folder does not exist" : strerror(number));
		return false;
	}
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) < 0)
		snprintf(why, why_bytes, "%s: cannot be given to group %u: %s", path, group, strerror(errno));
	else if (listen(fd, BACKLOG) < 0)
		snprintf(why, why_bytes, "%s: cannot listen: %s", path, strerror(errno));
	else
		return true;
	unlink(path);
	return false;
}

struct listener *listener_new_unix(struct event_base *base, struct clock *clock, const char *path, mode_t mode,
	gid_t group, listener_fn *fn, void *arg, char *why, size_t why_bytes)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct listener *listener;
	struct stat stat;
	int fd;

	if (strlen(path) == 0 || strlen(path) >= sizeof(address.sun_path))
		return refuse(why, why_bytes, "%s: the path of a socket may have %zu bytes at most, this one has %zu", path,
			sizeof(address.sun_path) - 1, strlen(path));
	strcpy(address.sun_path, path);
	fd = inherited_find((const struct sockaddr *)&address, sizeof(address));
	if (fd >= 0) /* mode, group and file are the service manager's */
		return new_listener(base, clock, fd, path, fn, arg);
	if (make_room(&address, why, why_bytes) != 0)
		return NULL;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return refuse(why, why_bytes, "%s: cannot listen: %s", path, strerror(errno));
	if (!bind_unix(fd, &address, mode, group, why, why_bytes)) {
		close(fd);
		return NULL;
	}
	listener = new_listener(base, clock, fd, path, fn, arg);
	if (lstat(path, &stat) == 0) {
		listener->file_device = stat.st_dev;
		listener->file_inode = stat.st_ino;
	}
	return listener;
}

static void remove_file(const struct listener *listener)
{
	struct stat stat;

	if (!listener->is_tcp && lstat(listener->address, &stat) == 0 && stat.st_dev == listener->file_device &&
	    stat.st_ino == listener->file_inode)
		unlink(listener->address);
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	assert(listener->magic == LISTENER_MAGIC);
	remove_file(listener);
	timer_cancel(&listener->rest);
	event_free(listener->readable);
	close(listener->fd);
	free(listener->address);
	listener->magic = 0;
	free(listener);
}

const char *listener_address(const struct listener *listener)
{
	return listener->address;
}
