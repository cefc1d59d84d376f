/* SPDX-License-Identifier: Apache-2.0
 *
 * What both daemons and ra-compare share of being an event-driven process: the event base, the clock, signals.
 * Counts of what was logged too often are told in time. SIGPIPE is ignored; signals reach the loop thread only, because
 * every other thread is started with all blocked.
 */
#ifndef RA_BASE_DAEMON_H
#define RA_BASE_DAEMON_H

struct clock;
struct daemon;
struct event_base;

struct daemon *daemon_new(void);
void daemon_free(struct daemon *daemon);
struct event_base *daemon_base(struct daemon *daemon);
struct clock *daemon_clock(struct daemon *daemon);
/* Calls fn on the loop thread at each arrival of the signal, but for those that come after daemon_stop. At most 8
 * signals. */
void daemon_on_signal(struct daemon *daemon, int signal_number, void (*fn)(int signal_number, void *arg), void *arg);
/* For those that serve until a signal ends them: raises the limit of descriptors as far as it may be, because each
 * connection and each volume takes one. */
void daemon_raise_descriptors(void);
/* Runs the loop until daemon_stop; returns the code given to it. A stop before the run is not lost. */
int daemon_run(struct daemon *daemon);
void daemon_stop(struct daemon *daemon, int exit_code);

#endif
