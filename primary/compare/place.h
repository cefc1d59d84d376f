/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a run's place is kept: the ledger, and its way to the primary, to a file, or nowhere. Only one run has a ledger
 * at a time. Loop thread only; a file is read and written in it.
 */
#ifndef RA_COMPARE_PLACE_H
#define RA_COMPARE_PLACE_H

#include <stdint.h>

struct client;
struct clock;
struct ledger;
struct ledger_binding;
struct options;
struct place;

#define PLACE_WHY_BYTES 1024u

/* All outlive the place, but the client is freed first. */
struct place *place_new(const struct options *options, struct client *client, struct clock *clock);
void place_free(struct place *place); /* NULL is fine */

/* Takes the ledger, once. done: exit_code 0, and place_ledger from then on; or the code that the program ends with (6:
 * another run has it, 2: it does not fit or is damaged, 4), and why. It may come from inside the call. */
void place_open(struct place *place, const struct ledger_binding *binding, uint64_t total_tracks, int64_t max_lag_ms,
	void (*done)(void *arg, int exit_code, const char *why), void *arg);
/* Another pass, of what was opened then: a ledger that does not fit any more, because a size changed, starts over.
 * Nothing may be under way. */
void place_rebind(struct place *place, const struct ledger_binding *binding, uint64_t total_tracks);
/* NULL: nothing is kept. */
struct ledger *place_ledger(const struct place *place);
/* Options that another part of this run must have as well, as words. */
const char *place_options(const struct place *place);
/* What changes is kept every few seconds from now on; before is called first each time, also by place_save. */
void place_keep(struct place *place, void (*before)(void *arg), void *arg);
/* Ends that. */
void place_rest(struct place *place);
/* Keeps it now; done when that is over, well or not, perhaps from inside the call. Ends place_keep. */
void place_save(struct place *place, void (*done)(void *arg), void *arg);

#endif
