/* SPDX-License-Identifier: Apache-2.0
 *
 * Datagrams to the service manager. One that it does not take is lost: the next one says as much. The manager kills a
 * process whose watchdog is not fed, so it is fed by a timer of the loop and nothing else: a loop that hangs in a
 * callback is what it is for.
 */
#include "base/notify.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define NOTIFY_MAGIC 0x4e544659u
#define STATUS_PERIOD_MS 5000
#define MESSAGE_BYTES (NOTIFY_STATUS_BYTES + 128u)

struct notify {
	uint32_t magic;
	int fd; /* -1: nobody is told */
	int64_t watchdog_ms; /* 0: it is not watched */
	struct timer status_timer, watchdog_timer;
	notify_status_fn *status;
	void *arg;
	char told[NOTIFY_STATUS_BYTES]; /* the last status */
};

static struct notify *notify_of(void *arg)
{
	struct notify *notify = arg;

	assert(notify->magic == NOTIFY_MAGIC);
	return notify;
}

static void send_lines(const struct notify *notify, const char *lines)
{
	if (notify->fd >= 0 && send(notify->fd, lines, strlen(lines), MSG_NOSIGNAL) < 0)
		log_debug("the service manager takes no message: %s", strerror(errno));
}

/* A path, or '@' and the name of an abstract socket. */
static int connect_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	int fd;

	if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof(address.sun_path)) {
		log_warning("NOTIFY_SOCKET=%s is no address of a socket: the service manager is told nothing", name);
		return -1;
	}
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, bytes) == 0)
		return fd;
	log_warning("NOTIFY_SOCKET=%s: %s: the service manager is told nothing", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* 0 when nobody watches this process. */
static int64_t watchdog_of_environment(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t value;
	char *end;

	if (!usec || (pid && strtoull(pid, NULL, 10) != (unsigned long long)getpid()))
		return 0;
	errno = 0;
	value = strtoull(usec, &end, 10);
	if (errno == 0 && end != usec && *end == '\0' && value >= 2000 && value / 1000 <= INT64_MAX / 2)
		return (int64_t)(value / 1000);
	log_warning("WATCHDOG_USEC=%s: 2000 microseconds or more were expected: the watchdog is not fed", usec);
	return 0;
}

static void feed_watchdog(void *arg)
{
	struct notify *notify = notify_of(arg);

	send_lines(notify, "WATCHDOG=1");
	timer_set(&notify->watchdog_timer, notify->watchdog_ms / 2);
}

/* True when it is another one than was told last. */
static bool look_at_status(struct notify *notify)
{
	char text[NOTIFY_STATUS_BYTES] = "";

	notify->status(notify->arg, text);
	if (strcmp(text, notify->told) == 0)
		return false;
	memcpy(notify->told, text, sizeof(text));
	return true;
}

static void tell_status(void *arg)
{
	struct notify *notify = notify_of(arg);
	char lines[MESSAGE_BYTES];

	if (look_at_status(notify)) {
		snprintf(lines, sizeof(lines), "STATUS=%s", notify->told);
		send_lines(notify, lines);
	}
	timer_set(&notify->status_timer, STATUS_PERIOD_MS);
}

struct notify *notify_new(struct clock *clock, notify_status_fn *status, void *arg)
{
	struct notify *notify = xcalloc(1, sizeof(*notify));
	const char *name = getenv("NOTIFY_SOCKET");

	notify->magic = NOTIFY_MAGIC;
	notify->status = status;
	notify->arg = arg;
	notify->fd = name ? connect_to(name) : -1;
	notify->watchdog_ms = notify->fd >= 0 ? watchdog_of_environment() : 0;
	timer_init(&notify->status_timer, clock, tell_status, notify);
	timer_init(&notify->watchdog_timer, clock, feed_watchdog, notify);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return notify;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	assert(notify->magic == NOTIFY_MAGIC);
	timer_cancel(&notify->status_timer);
	timer_cancel(&notify->watchdog_timer);
	if (notify->fd >= 0)
		close(notify->fd);
	notify->magic = 0;
	free(notify);
}

void notify_ready(struct notify *notify)
{
	char lines[MESSAGE_BYTES];

	if (notify->fd < 0)
		return;
	look_at_status(notify);
	snprintf(lines, sizeof(lines), "READY=1\nSTATUS=%s", notify->told);
	send_lines(notify, lines);
	timer_set(&notify->status_timer, STATUS_PERIOD_MS);
	if (notify->watchdog_ms > 0)
		feed_watchdog(notify);
}

void notify_reloading(struct notify *notify)
{
	struct timespec now;
	char lines[MESSAGE_BYTES];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	send_lines(notify, lines);
}

void notify_stopping(struct notify *notify)
{
	send_lines(notify, "STOPPING=1\nSTATUS=Ending");
	timer_cancel(&notify->status_timer);
}
