/* SPDX-License-Identifier: Apache-2.0
 *
 * relay LISTEN_PORT TARGET_PORT [OPTION]...: stands between two daemons and forwards TCP both ways; the target is on
 * loopback, or no program (0): then zeros come without end. Prints the port that it listens on (0: any), then a line
 * for each cut. It ends with its parent.
 *
 *   --listen ADDRESS       other than 127.0.0.1
 *   --cut-after BYTES      closes a connection once so many bytes went from the target to the client
 *   --cut-after-up BYTES   the same from the client to the target
 *   --cut-times N          cuts so many connections, then no more (default 1)
 *   --delay MS             each way takes so long
 *   SIGHUP                 closes the client's end of each connection, and leaves the target's, which hears nothing
 *   SIGUSR1                on and off: stalled, nothing is forwarded, connections stay
 *   SIGUSR2                on and off: all connections are closed, and new ones refused
 *
 * One thread, one poll loop; what waits to be forwarded is bounded, then that side is not read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <utlist.h>

#include "base/alloc.h"

#define LINKS_MAX 256u
#define CHUNK_BYTES 16384u
#define WAITING_BYTES_MAX (4u << 20) /* of one way: what a long fast link holds, so the delay slows nothing down */

struct chunk {
	int64_t due_ms;
	size_t bytes, sent;
	struct chunk *prev, *next;
	char data[];
};

/* One way of a connection. */
struct way {
	const char *name;
	int from, to;
	struct chunk *chunks; /* oldest first */
	size_t waiting_bytes;
	uint64_t passed_bytes;
	uint64_t cut_after_bytes; /* UINT64_MAX: never */
	bool has_ended;           /* no more comes */
	bool is_shut;             /* and that was passed on */
};

struct link {
	bool is_used;
	bool is_forgotten; /* its client has gone, its target does not know that */
	struct way down, up;
};

static struct link links[LINKS_MAX];
static uint32_t listen_address = INADDR_LOOPBACK;
static uint16_t listen_port, target_port;
static int listener = -1;
static uint64_t cut_after_bytes = UINT64_MAX, cut_after_up_bytes = UINT64_MAX;
static uint64_t cuts_left = 1;
static int64_t delay_ms;
static bool is_stalled, is_refusing;

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct sockaddr_in at(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address) };
}

static void start_listening(void)
{
	struct sockaddr_in address = at(listen_address, listen_port);
	socklen_t bytes = sizeof(address);
	int one = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 128) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &bytes) < 0)
		die("relay: listen");
	listen_port = ntohs(address.sin_port);
}

static void free_chunk(struct way *way, struct chunk *chunk)
{
	DL_DELETE(way->chunks, chunk);
	way->waiting_bytes -= chunk->bytes;
	free(chunk);
}

static void close_link(struct link *link)
{
	if (!link->is_used)
		return;
	while (link->down.chunks)
		free_chunk(&link->down, link->down.chunks);
	while (link->up.chunks)
		free_chunk(&link->up, link->up.chunks);
	if (!link->is_forgotten)
		close(link->down.to);
	close(link->down.from);
	link->is_used = false;
}

static struct link *free_link(void)
{
	for (unsigned i = 0; i < LINKS_MAX; i++)
		if (!links[i].is_used)
			return &links[i];
	return NULL;
}

/* -1: refused at once. */
static int connect_target(void)
{
	struct sockaddr_in address = at(INADDR_LOOPBACK, target_port);
	int one = 1, server = target_port == 0 ? open("/dev/zero", O_RDWR | O_CLOEXEC) :
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (server < 0)
		die("relay: target");
	if (target_port == 0)
		return server;
	if (connect(server, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS) {
		close(server);
		return -1;
	}
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return server;
}

static void accept_one(void)
{
	struct link *link = free_link();
	int client, server, one = 1;

	client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return;
	server = connect_target();
	if (server < 0) {
		close(client);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*link = (struct link){ .is_used = true,
		.down = { .name = "down", .from = server, .to = client, .cut_after_bytes = cut_after_bytes },
		.up = { .name = "up", .from = client, .to = server, .cut_after_bytes = cut_after_up_bytes } };
}

/* False: the connection is over. */
static bool read_way(struct way *way)
{
	static char data[CHUNK_BYTES];
	ssize_t bytes = read(way->from, data, sizeof(data));
	struct chunk *chunk;

	if (bytes > 0) {
		chunk = xcalloc(1, sizeof(*chunk) + (size_t)bytes);
		memcpy(chunk->data, data, (size_t)bytes);
		chunk->bytes = (size_t)bytes;
		chunk->due_ms = now_ms() + delay_ms;
		DL_APPEND(way->chunks, chunk);
		way->waiting_bytes += chunk->bytes;
		return true;
	}
	way->has_ended = bytes == 0;
	return bytes == 0 || errno == EAGAIN || errno == EINTR;
}

static bool is_due(const struct way *way)
{
	return way->chunks && way->chunks->due_ms <= now_ms();
}

/* Sends what is due, up to the byte after which it cuts. False: the connection is over. */
static bool write_way(struct way *way)
{
	while (is_due(way)) {
		struct chunk *chunk = way->chunks;
		uint64_t left_bytes = cuts_left > 0 ? way->cut_after_bytes - way->passed_bytes : UINT64_MAX;
		size_t wanted_bytes = chunk->bytes - chunk->sent;
		ssize_t bytes = 0;

		if (wanted_bytes > left_bytes)
			wanted_bytes = (size_t)left_bytes;
		if (wanted_bytes > 0)
			bytes = send(way->to, chunk->data + chunk->sent, wanted_bytes, MSG_NOSIGNAL);
		if (bytes < 0)
			return errno == EAGAIN || errno == EINTR;
		way->passed_bytes += (uint64_t)bytes;
		chunk->sent += (size_t)bytes;
		if ((uint64_t)bytes == left_bytes) {
			cuts_left--;
			printf("cut after %" PRIu64 " bytes %s\n", way->passed_bytes, way->name);
			return false;
		}
		if (chunk->sent == chunk->bytes)
			free_chunk(way, chunk);
	}
	if (way->has_ended && !way->chunks && !way->is_shut) {
		shutdown(way->to, SHUT_WR);
		way->is_shut = true;
	}
	return true;
}

static void serve_link(struct link *link, short client, short server)
{
	bool goes_on = true;

	if (client & ~POLLOUT)
		goes_on = read_way(&link->up);
	if (goes_on && (server & ~POLLOUT))
		goes_on = read_way(&link->down);
	if (!goes_on || !write_way(&link->up) || !write_way(&link->down) || (link->up.is_shut && link->down.is_shut))
		close_link(link);
}

/* What is wanted of the end that one way comes from and the other goes to; one of which nothing is wanted is left out,
 * for a hang-up would be told again and again. */
static struct pollfd interest(const struct way *from, const struct way *to)
{
	short events = 0;

	if (!from->has_ended && from->waiting_bytes < WAITING_BYTES_MAX)
		events |= POLLIN;
	if (is_due(to))
		events |= POLLOUT;
	return (struct pollfd){ .fd = events && !is_stalled ? from->from : -1, .events = events };
}

static int timeout_ms(void)
{
	int64_t due_ms = INT64_MAX, wait_ms;

	for (struct link *link = links; link < links + LINKS_MAX && !is_stalled; link++) {
		if (!link->is_used || link->is_forgotten)
			continue;
		if (link->up.chunks && link->up.chunks->due_ms < due_ms)
			due_ms = link->up.chunks->due_ms;
		if (link->down.chunks && link->down.chunks->due_ms < due_ms)
			due_ms = link->down.chunks->due_ms;
	}
	if (due_ms == INT64_MAX)
		return -1;
	wait_ms = due_ms - now_ms();
	/* What is due and was not taken waits for POLLOUT. */
	return wait_ms > 0 ? (int)wait_ms : 1000;
}

static void forget_links(void)
{
	for (struct link *link = links; link < links + LINKS_MAX; link++) {
		if (!link->is_used || link->is_forgotten)
			continue;
		close(link->down.to);
		link->is_forgotten = true;
	}
}

static void on_signal(int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		forget_links();
		return;
	}
	if (info.ssi_signo == SIGUSR1) {
		is_stalled = !is_stalled;
		return;
	}
	is_refusing = !is_refusing;
	if (!is_refusing) {
		start_listening();
		return;
	}
	close(listener);
	listener = -1;
	for (unsigned i = 0; i < LINKS_MAX; i++)
		close_link(&links[i]);
}

_Noreturn static void run(int signals)
{
	struct pollfd fds[2 + 2 * LINKS_MAX];

	for (;;) {
		fds[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = is_stalled || !free_link() ? -1 : listener, .events = POLLIN };
		for (unsigned i = 0; i < LINKS_MAX; i++) {
			fds[2 + 2 * i] = fds[3 + 2 * i] = (struct pollfd){ .fd = -1 };
			if (!links[i].is_used || links[i].is_forgotten)
				continue;
			fds[2 + 2 * i] = interest(&links[i].up, &links[i].down);
			fds[3 + 2 * i] = interest(&links[i].down, &links[i].up);
		}
		if (poll(fds, 2 + 2 * LINKS_MAX, timeout_ms()) < 0 && errno != EINTR)
			die("relay: poll");
		for (unsigned i = 0; i < LINKS_MAX && !is_stalled; i++)
			if (links[i].is_used && !links[i].is_forgotten)
				serve_link(&links[i], fds[2 + 2 * i].revents, fds[3 + 2 * i].revents);
		if (fds[1].revents)
			accept_one();
		if (fds[0].revents)
			on_signal(signals);
	}
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || value > max) {
		fprintf(stderr, "relay: \"%s\" is no number up to %" PRIu64 "\n", text, max);
		exit(2);
	}
	return value;
}

static uint32_t address(const char *text)
{
	struct in_addr value;

	if (inet_pton(AF_INET, text, &value) != 1) {
		fprintf(stderr, "relay: \"%s\" is no IPv4 address\n", text);
		exit(2);
	}
	return ntohl(value.s_addr);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cut-after", required_argument, NULL, 'd' },
		{ "cut-after-up", required_argument, NULL, 'u' },
		{ "cut-times", required_argument, NULL, 'n' },
		{ "delay", required_argument, NULL, 'm' },
		{ "listen", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			cut_after_bytes = number(optarg, UINT64_MAX);
			break;
		case 'u':
			cut_after_up_bytes = number(optarg, UINT64_MAX);
			break;
		case 'n':
			cuts_left = number(optarg, UINT64_MAX);
			break;
		case 'm':
			delay_ms = (int64_t)number(optarg, 60000);
			break;
		case 'l':
			listen_address = address(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: relay LISTEN_PORT TARGET_PORT [OPTION]... (see tests/support/relay/relay.c)\n");
		exit(2);
	}
	listen_port = (uint16_t)number(argv[optind], UINT16_MAX);
	target_port = (uint16_t)number(argv[optind + 1], UINT16_MAX);
}

int main(int argc, char **argv)
{
	sigset_t mask;
	int signals;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	parse(argc, argv);
	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals < 0)
		die("relay: signalfd");
	setvbuf(stdout, NULL, _IOLBF, 0);
	start_listening();
	printf("%u\n", listen_port);
	run(signals);
}
