/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 2: the passes over the two volumes. The engine opens the device, loads what is kept of it, lets the streams work
 * through the agenda of a pass, ends it when that is done, looks whether a volume changed its size, saves, and keeps
 * the worst report. It starts no process and prints nothing. Loop thread only.
 */
#ifndef RA_COMPARE_ENGINE_H
#define RA_COMPARE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct clock;
struct engine;
struct msg_host_link;
struct options;
struct report;
struct shm;

struct engine_ops {
	/* A pass is over; its report is valid during the call. pass: from 1. */
	void (*pass)(void *arg, const struct report *report, uint64_t pass);
	/* Nothing will happen any more. Once; never from inside engine_start. */
	void (*done)(void *arg);
};

/* shm has options_slot_count slots of a run each. All arguments outlive the engine, but the client is freed first. */
struct engine *engine_new(struct client *client, struct clock *clock, struct shm *shm, const struct options *options,
	const struct engine_ops *ops, void *arg);
void engine_free(struct engine *engine);
/* The client is up. */
void engine_start(struct engine *engine);
/* Ends the pass now; what was not compared counts as such. */
void engine_interrupt(struct engine *engine);
/* The client is lost. */
void engine_lost(struct engine *engine, const char *reason);

/* The link behind the primary went down or came back. */
void engine_link(struct engine *engine, const struct msg_host_link *link);

/* The worst finished pass; NULL when there is none, or when something worse came after it: then engine_error says
 * what. */
const struct report *engine_report(const struct engine *engine);
uint64_t engine_passes(const struct engine *engine); /* finished ones */
const char *engine_error(const struct engine *engine); /* words; "" when nothing went wrong but what the report says */
int engine_exit_code(const struct engine *engine);     /* when done */

/* For the progress line: the pass that runs; NULL between passes. */
const struct report *engine_current(const struct engine *engine);
uint64_t engine_settling_tracks(const struct engine *engine);

#endif
