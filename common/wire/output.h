/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/: the frames that wait to be sent on one connection, in order, and those sent whose done was not yet
 * called. Borrows the pieces, calls nobody. Loop thread only.
 */
#ifndef RA_WIRE_OUTPUT_H
#define RA_WIRE_OUTPUT_H

#include "wire/conn.h"

struct output;
struct transport;

/* update_bytes: the sending key is renewed after so many; UINT64_MAX: never. */
struct output *output_new(uint64_t update_bytes);
void output_free(struct output *output); /* must be empty: output_pop until false */
void output_set_update_bytes(struct output *output, uint64_t update_bytes);

/* fd (or -1) is taken over and closed when sent or dropped. done may be NULL. */
void output_push(struct output *output, const struct message *message, const struct conn_piece *pieces,
	unsigned piece_count, int fd, void (*done)(void *arg, bool sent), void *arg);
/* Gives the transport at most budget_bytes. 0: all is sent and flushed; -EINPROGRESS: the budget is used up; else what
 * the transport said. */
int output_write(struct output *output, struct transport *transport, size_t budget_bytes);
/* Takes one frame off, calls nothing: a sent one, or with is_end any one. False when there is none. */
bool output_pop(struct output *output, bool is_end, void (**done)(void *arg, bool sent), void **arg, bool *sent);

size_t output_queued_bytes(const struct output *output); /* not yet taken by the transport */
unsigned output_queued_frames(const struct output *output);
bool output_is_idle(const struct output *output); /* nothing queued, nothing to flush */

#endif
