/* SPDX-License-Identifier: Apache-2.0
 *
 * See cut_bed.h.
 */
#include "tests/support/cut_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "base/rate.h"
#include "local/shm.h"
#include "primary/remote.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "tests/support/cut_host.h"
#include "tests/support/table_bed.h"

#define IDLE_PASSES 2u /* nothing moved in so many: nothing is on its way but what the disk or the clock brings */

struct cut_bed *cut_bed_new(void)
{
	struct cut_bed *cut_bed = xcalloc(1, sizeof(*cut_bed));
	struct remote_config config = { .peer_key = "relay" };
	struct ra_config ra_config;
	char address[32];
	int fd;

	bed_config(&ra_config);
	ra_config.track_bytes = CUT_TRACK_BYTES;
	cut_bed->tls_bed = tls_bed_new(&ra_config, CUT_TRACKS);
	cut_bed->bed = cut_bed->tls_bed->bed;
	faulty_volume_set_zeros(cut_bed->bed->volumes[0], CUT_ZERO_TRACK * CUT_TRACK_BYTES,
		(CUT_ZERO_TRACK + 1) * CUT_TRACK_BYTES);
	faulty_volume_set_hole(cut_bed->bed->volumes[0], CUT_HOLE_TRACK * CUT_TRACK_BYTES,
		(CUT_HOLE_TRACK + 1) * CUT_TRACK_BYTES);
	bed_add_table(cut_bed->bed, 0);
	bed_mark(cut_bed->bed, 0, 2, 2);
	bed_mark(cut_bed->bed, 0, 6, 1);
	cut_bed->relay = byte_relay_new(cut_bed->tls_bed->port);
	cut_bed->throttle = throttle_new(cut_bed->bed->clock);
	assert_int_equal(shm_create(CUT_STREAMS, CUT_TRACKS * CUT_TRACK_BYTES, &cut_bed->shm, &fd), 0);
	close(fd);
	config.base = cut_bed->bed->base;
	config.clock = cut_bed->bed->clock;
	config.post = cut_bed->bed->post;
	config.throttle = cut_bed->throttle;
	snprintf(address, sizeof(address), "127.0.0.1:%u", cut_bed->relay->port);
	cut_bed->remote = remote_new_dialed(&config, address, cut_bed->tls_bed->peers[0].client);
	return cut_bed;
}

void cut_bed_free(struct cut_bed *cut_bed)
{
	remote_free(cut_bed->remote);
	throttle_free(cut_bed->throttle);
	shm_unref(cut_bed->shm);
	byte_relay_free(cut_bed->relay);
	tls_bed_free(cut_bed->tls_bed);
	free(cut_bed);
}

void cut_bed_pass(struct cut_bed *cut_bed)
{
	struct bed *bed = cut_bed->bed;
	bool has_moved = byte_relay_step(cut_bed->relay);
	int64_t retry_ms;

	has_moved |= tls_bed_accept(cut_bed->tls_bed);
	event_base_loop(bed->base, EVLOOP_NONBLOCK);
	has_moved |= mailbox_drain(bed->mailbox) > 0;
	has_moved |= cut_bed->host != NULL && cut_host_step(cut_bed->host);
	has_moved |= byte_relay_step(cut_bed->relay);
	cut_bed->idle_passes = has_moved ? 0 : cut_bed->idle_passes + 1;
	if (cut_bed->idle_passes <= IDLE_PASSES)
		return;
	retry_ms = remote_view(cut_bed->remote).retry_in_ms;
	clock_advance(bed->clock, retry_ms > 0 ? retry_ms : 0);
	if (retry_ms < 0)
		mailbox_wait(bed->mailbox, 1);
}

void cut_bed_cut(struct cut_bed *cut_bed, enum relay_end end)
{
	byte_relay_cut(cut_bed->relay, end);
	cut_bed->idle_passes = 0;
}

static bool session_has_nothing(const struct session *session)
{
	bool has_device = false;

	for (unsigned i = 0; i < BED_DEVICES; i++)
		has_device |= session->has_device[i];
	return !has_device && session->queries == NULL && session->invalid_questions == NULL &&
		session->connected_reads == 0 && session->reconnected_reads == 0 && session->place_waiters == NULL &&
		session->jobs == 0 && session->locked_tracks == 0 && session->fetches == 0;
}

bool cut_bed_is_quiet(const struct cut_bed *cut_bed)
{
	struct bed *bed = cut_bed->bed;

	for (const struct session *session = bed->ra->sessions; session != NULL; session = session->next)
		if (!session_has_nothing(session))
			return false;
	return cut_bed->idle_passes >= IDLE_PASSES && bed_is_quiet(bed) &&
		remote_view(cut_bed->remote).reads_connected == 0;
}

void cut_bed_assert_told(const struct cut_bed *cut_bed)
{
	for (unsigned status = STATUS_OK; status < STATUS_COUNT; status++)
		if (status != STATUS_LINK_LOST && status != cut_bed->may_post)
			assert_int_equal(post_count(cut_bed->bed->post, (enum status)status), 0);
}
