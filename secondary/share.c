/* SPDX-License-Identifier: Apache-2.0
 *
 * Shares and turns: see share.h. They are the peer's, not the link's: a peer with four links gets no more than one
 * with one. A Read whose session is being freed is passed over; it is about to be cancelled.
 */
#include "secondary/share.h"

#include <assert.h>

#include <utlist.h>

#include "secondary/delivery.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/read.h"
#include "secondary/session.h"

/* The one whose turn it is goes first; others that want the same wait behind those who wait already. */
static bool is_due(const struct read *read, enum share_kind kind)
{
	const struct peer *peer = read->session->peer;

	return peer->turn_read == read || peer->turns[kind].waiters == NULL;
}

static uint32_t locks_left(const struct read *read)
{
	const struct peer *peer = read->session->peer;

	assert(peer->locked_tracks <= read->ra->locks_per_peer);
	return read->ra->locks_per_peer - peer->locked_tracks;
}

/* A part of an answer only when all of it is more than the share. */
static bool has_locks_left(const struct read *read, uint32_t track_count)
{
	return track_count <= locks_left(read) || read->session->peer->locked_tracks == 0;
}

uint32_t share_of_locks(const struct read *read, uint32_t track_count)
{
	uint32_t left = locks_left(read);

	if (read->wanted.digest != DIGEST_NONE)
		return track_count;
	if (read->session->peer->turn_read != read && !(is_due(read, SHARE_LOCKS) && has_locks_left(read, track_count)))
		return 0;
	return track_count < left ? track_count : left;
}

static bool has_fetch_left(const struct read *read)
{
	return read->session->peer->fetches < read->ra->config.fetches_per_peer;
}

bool share_allows_fetch(const struct read *read)
{
	/* A poll cannot wait for its turn, and would never get one behind those that can. */
	bool may_wait = read->parameters.delivery != DELIVERY_POLL;

	return has_fetch_left(read) && (!may_wait || is_due(read, SHARE_FETCHES));
}

static void wait_turn(struct read *read, enum share_kind kind, const char *reason)
{
	read_enter(read, READ_WAITING_TURN, reason);
	read->waits_for = kind;
	DL_APPEND(read->session->peer->turns[kind].waiters, read);
}

void share_wait_for_locks(struct read *read, uint32_t track_count)
{
	read->turn_tracks = track_count;
	wait_turn(read, SHARE_LOCKS, "the peer has its most locks");
}

void share_wait_for_fetch(struct read *read)
{
	wait_turn(read, SHARE_FETCHES, "the peer has its most fetches");
}

void share_leave(struct read *read)
{
	DL_DELETE(read->session->peer->turns[read->waits_for].waiters, read);
}

/* The one whose device comes next after the one that had the last turn, if it may go on: nobody overtakes it, lest one
 * who asks for much waits for ever. */
static struct read *choose_turn(const struct peer *peer, enum share_kind kind)
{
	struct read *read, *best = NULL;
	uint32_t best_distance = DEVICES_MAX;

	DL_FOREACH(peer->turns[kind].waiters, read) {
		uint32_t distance =
			(read->job->constants.number + DEVICES_MAX - peer->turns[kind].device - 1) % DEVICES_MAX;

		if (distance < best_distance && read->session->conn != NULL) {
			best = read;
			best_distance = distance;
		}
	}
	if (best == NULL)
		return NULL;
	if (kind == SHARE_LOCKS)
		return has_locks_left(best, best->turn_tracks) ? best : NULL;
	return has_fetch_left(best) ? best : NULL;
}

static bool give_turn(struct peer *peer, enum share_kind kind)
{
	struct read *read = choose_turn(peer, kind);

	if (read == NULL)
		return false;
	peer->turns[kind].device = read->job->constants.number;
	share_leave(read);
	peer->turn_read = read;
	read_enter(read, READ_LOOKING, "its turn");
	if (kind == SHARE_FETCHES)
		delivery_fetch(read);
	else
		read_look_again(read);
	peer->turn_read = NULL;
	return true;
}

void share_next_turn(struct peer *peer)
{
	if (peer->turn_read != NULL)
		return;
	while (give_turn(peer, SHARE_LOCKS) || give_turn(peer, SHARE_FETCHES))
		;
}
