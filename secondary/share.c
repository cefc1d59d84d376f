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

uint32_t share_of_locks(const struct read *read, uint32_t track_count)
{
	const struct peer *peer = read->session->peer;
	uint32_t left = read->ra->locks_per_peer - peer->locked_tracks;

	assert(peer->locked_tracks <= read->ra->locks_per_peer);
	if (read->wanted.digest != DIGEST_NONE)
		return track_count;
	return track_count < left ? track_count : left;
}

bool share_allows_fetch(const struct read *read)
{
	return read->session->peer->fetches < read->ra->config.fetches_per_peer;
}

static void wait_turn(struct read *read, bool waits_for_locks, const char *reason)
{
	read_enter(read, READ_WAITING_TURN, reason);
	read->waits_for_locks = waits_for_locks;
	DL_APPEND(read->session->peer->turn_waiters, read);
}

void share_wait_for_locks(struct read *read)
{
	wait_turn(read, true, "the peer has its most locks");
}

void share_wait_for_fetch(struct read *read)
{
	wait_turn(read, false, "the peer has its most fetches");
}

static bool may_go_on(const struct read *read)
{
	if (read->session->conn == NULL)
		return false;
	return read->waits_for_locks ? share_of_locks(read, 1) > 0 : share_allows_fetch(read);
}

/* Of those that may go on the one whose device comes next after the one that had the last turn. */
static struct read *choose_turn(const struct peer *peer)
{
	struct read *read, *best = NULL;
	uint32_t best_distance = DEVICES_MAX;

	DL_FOREACH(peer->turn_waiters, read) {
		uint32_t distance = (read->job->constants.number + DEVICES_MAX - peer->turn_device - 1) % DEVICES_MAX;

		if (distance < best_distance && may_go_on(read)) {
			best = read;
			best_distance = distance;
		}
	}
	return best;
}

void share_next_turn(struct peer *peer)
{
	struct read *read;

	while ((read = choose_turn(peer)) != NULL) {
		peer->turn_device = read->job->constants.number;
		DL_DELETE(peer->turn_waiters, read);
		read_enter(read, READ_LOOKING, "its turn");
		if (read->parameters.delivery == DELIVERY_POLL)
			read_look_again(read);
		else
			delivery_go_on(read);
	}
}
