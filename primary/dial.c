/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialing: see dial.h. Each step begins in the step event, so that nothing is called back from inside dial_new; a step
 * ends with a look-up or a connect under way, or with the end of all. Loop thread only.
 *
 * The hard thing is a look-up that nobody waits for any more: it cannot be stopped, and its thread reads and writes it
 * until it is over. So a look-up is a piece of memory of its own, and goes to the orphans until glibc is through.
 */
#include "primary/dial.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "wire/listener.h"

#define DIAL_MAGIC 0x4449414cu
#define LOOK_UP_PERIOD_MS 20

/* What glibc works with. */
struct look_up {
	struct gaicb request;
	struct addrinfo hints;
	char *host, *port;
	struct look_up *prev, *next; /* in orphans */
};

static struct look_up *orphans;

struct dial {
	uint32_t magic;
	struct event_base *base;
	char *address;
	struct look_up *look_up;     /* until its answer is there */
	int64_t look_up_waits_ms;
	struct addrinfo *addresses;  /* all that were found */
	struct addrinfo *next;       /* the one that is tried next */
	int fd;                      /* being connected; -1: none */
	struct event *step, *writable; /* writable: while fd is being connected */
	struct timer timer;          /* to look at the look-up, or for the end of an attempt */
	char why[DETAIL_MAX + 1];    /* the last attempt failed */
	dial_fn *fn;
	void *arg;
};

static struct dial *dial_of(void *arg)
{
	struct dial *dial = arg;
	assert(dial->magic == DIAL_MAGIC);
	return dial;
}

static void fail(struct dial *dial, const char *words)
{
	snprintf(dial->why, sizeof(dial->why), "%s: %s", dial->address, words);
	log_debug("%s", dial->why);
}

static void step_soon(struct dial *dial)
{
	static const struct timeval now = { 0, 0 };
	if (event_add(dial->step, &now) != 0)
		log_abort("dialing %s: no memory for its event", dial->address);
}

/* ---- Look-ups ---- */

static void look_up_free(struct look_up *look_up)
{
	if (look_up->request.ar_result)
		freeaddrinfo(look_up->request.ar_result);
	free(look_up->host);
	free(look_up->port);
	free(look_up);
}

static void free_finished_orphans(void)
{
	struct look_up *look_up, *next;
	DL_FOREACH_SAFE(orphans, look_up, next) {
		if (gai_error(&look_up->request) == EAI_INPROGRESS)
			continue;
		DL_DELETE(orphans, look_up);
		look_up_free(look_up);
	}
}

static struct look_up *look_up_new(const char *address)
{
	const char *colon = strrchr(address, ':');
	size_t skip = address[0] == '[';
	assert(colon);
	struct look_up *look_up = xcalloc(1, sizeof(*look_up));
	look_up->host = xasprintf("%.*s", (int)((size_t)(colon - address) - 2 * skip), address + skip);
	look_up->port = xstrdup(colon + 1);
	look_up->hints = (struct addrinfo){ .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	look_up->request = (struct gaicb){ .ar_name = look_up->host, .ar_service = look_up->port,
		.ar_request = &look_up->hints };
	return look_up;
}

/* The answer of the look-up is there. */
static void take_addresses(struct dial *dial, int error)
{
	struct look_up *look_up = dial->look_up;
	dial->look_up = NULL;
	if (error) {
		fail(dial, gai_strerror(error));
	} else {
		dial->addresses = dial->next = look_up->request.ar_result;
		look_up->request.ar_result = NULL;
	}
	look_up_free(look_up);
	step_soon(dial);
}

/* A numeric address is not looked up: nothing is asked and nothing waits. */
static void begin(struct dial *dial)
{
	struct look_up *look_up = dial->look_up = look_up_new(dial->address);
	int error = getaddrinfo(look_up->host, look_up->port, &look_up->hints, &look_up->request.ar_result);
	if (error == EAI_NONAME) {
		look_up->hints.ai_flags = AI_NUMERICSERV;
		struct gaicb *list[1] = { &look_up->request };
		error = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
		if (error == 0) {
			timer_set(&dial->timer, LOOK_UP_PERIOD_MS);
			return;
		}
	}
	take_addresses(dial, error);
}

static void look_at_look_up(struct dial *dial)
{
	int error = gai_error(&dial->look_up->request);
	if (error != EAI_INPROGRESS) {
		take_addresses(dial, error);
		return;
	}
	dial->look_up_waits_ms += LOOK_UP_PERIOD_MS;
	if (dial->look_up_waits_ms < DIAL_ATTEMPT_MS) {
		timer_set(&dial->timer, LOOK_UP_PERIOD_MS);
		return;
	}
	DL_APPEND(orphans, dial->look_up);
	dial->look_up = NULL;
	fail(dial, "the name was not found within 10 s");
	step_soon(dial);
}

/* ---- Attempts ---- */

static void close_attempt(struct dial *dial)
{
	timer_cancel(&dial->timer);
	if (dial->writable)
		event_free(dial->writable);
	dial->writable = NULL;
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = dial_of(arg);
	int error = 0;
	socklen_t bytes = sizeof(error);
	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
		error = errno;
	if (error) {
		fail(dial, strerror(error));
		close_attempt(dial);
		step_soon(dial);
		return;
	}
	dial->fd = -1;
	close_attempt(dial);
	dial->fn(dial->arg, (int)fd, "");
}

static void on_timer(void *arg)
{
	struct dial *dial = dial_of(arg);
	if (dial->look_up) {
		look_at_look_up(dial);
		return;
	}
	fail(dial, "no answer within 10 s");
	close_attempt(dial);
	step_soon(dial);
}

/* True: it is under way. */
static bool attempt(struct dial *dial, const struct addrinfo *to)
{
	dial->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dial->fd >= 0) {
		listener_set_tcp_options(dial->fd);
		if (connect(dial->fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS) {
			dial->writable = event_new(dial->base, dial->fd, EV_WRITE, on_writable, dial);
			if (!dial->writable || event_add(dial->writable, NULL) != 0)
				log_abort("dialing %s: no memory for its event", dial->address);
			timer_set(&dial->timer, DIAL_ATTEMPT_MS);
			return true;
		}
	}
	fail(dial, strerror(errno));
	close_attempt(dial);
	return false;
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = dial_of(arg);
	(void)fd, (void)what;
	if (!dial->addresses && !dial->why[0]) {
		begin(dial);
		return;
	}
	while (dial->next) {
		const struct addrinfo *to = dial->next;
		dial->next = to->ai_next;
		if (attempt(dial, to))
			return;
	}
	dial->fn(dial->arg, -1, dial->why);
}

struct dial *dial_new(struct event_base *base, struct clock *clock, const char *address, dial_fn *fn, void *arg)
{
	free_finished_orphans();
	struct dial *dial = xcalloc(1, sizeof(*dial));
	dial->magic = DIAL_MAGIC;
	dial->base = base;
	dial->address = xstrdup(address);
	dial->fd = -1;
	dial->fn = fn;
	dial->arg = arg;
	timer_init(&dial->timer, clock, on_timer, dial);
	dial->step = evtimer_new(base, on_step, dial);
	if (!dial->step)
		log_abort("dialing %s: no memory for its event", address);
	step_soon(dial);
	return dial;
}

void dial_free(struct dial *dial)
{
	if (!dial)
		return;
	assert(dial->magic == DIAL_MAGIC);
	close_attempt(dial);
	event_free(dial->step);
	if (dial->look_up)
		DL_APPEND(orphans, dial->look_up);
	if (dial->addresses)
		freeaddrinfo(dial->addresses);
	free(dial->address);
	dial->magic = 0;
	free(dial);
	free_finished_orphans();
}
