/* SPDX-License-Identifier: Apache-2.0
 *
 * The event base, its clock and the signals. Loop thread only. It does not know when to stop: that is for the callback
 * of a signal or of a lost connection to say, by daemon_stop.
 */
#include "base/daemon.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define SIGNALS_MAX 8u
#define SIGNAL_MAGIC 0x5349474eu
#define COUNTS_PERIOD_S 5

struct signal_handler {
	uint32_t magic;
	struct daemon *daemon;
	struct event *event;
	void (*fn)(int signal_number, void *arg);
	void *arg;
};

struct daemon {
	struct event_base *base;
	struct clock *clock;
	struct event *counts;
	struct signal_handler handlers[SIGNALS_MAX];
	unsigned handler_count;
	bool is_stopping;
	int exit_code; /* of the first daemon_stop */
};

/* What was counted comes out also when nothing else is logged. */
static void on_counts(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	log_tell_counts(false);
}

struct daemon *daemon_new(void)
{
	const struct timeval period = { COUNTS_PERIOD_S, 0 };
	struct daemon *daemon = xcalloc(1, sizeof(*daemon));

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is then an error of the call */
	daemon->base = event_base_new();
	if (!daemon->base)
		log_abort("no event base");
	daemon->clock = clock_new(daemon->base);
	daemon->counts = event_new(daemon->base, -1, EV_PERSIST, on_counts, NULL);
	if (!daemon->counts || event_add(daemon->counts, &period) != 0)
		log_abort("no event for counts");
	return daemon;
}

void daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return;
	for (unsigned i = 0; i < daemon->handler_count; i++)
		event_free(daemon->handlers[i].event);
	event_free(daemon->counts);
	clock_free(daemon->clock);
	event_base_free(daemon->base);
	free(daemon);
}

struct event_base *daemon_base(struct daemon *daemon)
{
	return daemon->base;
}

struct clock *daemon_clock(struct daemon *daemon)
{
	return daemon->clock;
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	struct signal_handler *handler = arg;

	(void)what;
	assert(handler->magic == SIGNAL_MAGIC);
	if (!handler->daemon->is_stopping)
		handler->fn((int)signal_number, handler->arg);
}

void daemon_on_signal(struct daemon *daemon, int signal_number, void (*fn)(int signal_number, void *arg), void *arg)
{
	assert(daemon->handler_count < SIGNALS_MAX);

	struct signal_handler *handler = &daemon->handlers[daemon->handler_count++];

	handler->magic = SIGNAL_MAGIC;
	handler->daemon = daemon;
	handler->fn = fn;
	handler->arg = arg;
	handler->event = evsignal_new(daemon->base, signal_number, on_signal, handler);
	if (!handler->event || event_add(handler->event, NULL) != 0)
		log_abort("no event for signal %d", signal_number);
}

void daemon_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warning("the limit of descriptors stays as it was: %s", strerror(errno));
}

int daemon_run(struct daemon *daemon)
{
	int rc = event_base_loop(daemon->base, EVLOOP_NO_EXIT_ON_EMPTY);

	if (rc != 0)
		log_abort("the event loop failed");
	assert(daemon->is_stopping);
	log_tell_counts(true);
	daemon->is_stopping = false;
	return daemon->exit_code;
}

void daemon_stop(struct daemon *daemon, int exit_code)
{
	if (daemon->is_stopping)
		return;
	daemon->is_stopping = true;
	daemon->exit_code = exit_code;
	/* Not event_base_loopbreak: libevent forgets that one when the loop is not running yet. */
	if (event_base_loopexit(daemon->base, NULL) != 0)
		log_abort("the event loop cannot be stopped");
}
