/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 7 as a state machine: each function begins at the step it names, and waiting is a return to the loop. Step 190
 * "not read" is the wait itself. The cache is looked at again after every wait (156, 160).
 */
#include "secondary/delivery.h"

#include <assert.h>

#include <utlist.h>

#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/ra.h"
#include "secondary/read.h"
#include "secondary/session.h"
#include "secondary/share.h"
#include "wire/conn.h"

/* Steps 156 and 158. */
static bool has_timed_out(struct read *read)
{
	int64_t age_ms = clock_now_ms(read->ra->clock) - read->started_ms;

	if (age_ms < read->ra->config.request_timeout_ms)
		return false;
	if (!read->has_timed_out)
		read_post(read, STATUS_TIMEOUT, "the Read was not served in time"); /* 158 */
	read->has_timed_out = true;
	return true;
}

/* Step 176: the Read goes on without its place in the window. Only the first time is the primary told. */
static void disconnect(struct read *read)
{
	struct session *session = read->session;

	if (read->parameters.delivery == DELIVERY_HOLD)
		return;
	if (!read->was_disconnected) {
		struct message message = { .type = MESSAGE_READ_REPLY,
			.read_reply = { .tag = read->parameters.tag, .status = STATUS_DISCONNECT } };

		read->was_disconnected = true;
		read->ra->counts.disconnects++;
		conn_send(session->conn, &message, NULL, 0, NULL, NULL);
	}
	read_give_place_back(read);
}

/* Steps 184, 194: a place in the window for the answer, then on to 156. */
static void reconnect(struct read *read)
{
	if (read->was_disconnected && read->place == READ_PLACE_NONE) {
		if (!session_take_place(read->session)) {
			read_enter(read, READ_WAITING_PLACE, "the window is full");
			DL_APPEND(read->session->place_waiters, read);
			return;
		}
		read->place = READ_PLACE_ANSWER;
	}
	delivery_look(read);
}

/* Step 182: the error is posted; then the Read waits for a free element, or for its deadline. 184 follows when one is
 * free: see delivery_go_on. */
static void wait_for_element(struct read *read, enum status status)
{
	if (status == STATUS_QUEUE_FULL)
		read_post(read, status, "the DA queue is full"); /* 182 */
	read_enter(read, READ_WAITING_ELEMENT, status_name(status));
	DL_APPEND(read->ra->element_waiters, read);
}

/* Steps 176 to 186: the tracks are not in the cache. */
static void fetch_tracks(struct read *read)
{
	struct device *device = read->job->shared;
	struct fetch *fetch = fetch_find(read);
	enum status status;

	if (fetch == NULL && !device_is_ready(device)) {
		read_reply_status(read, read->disk_timed_out ? STATUS_TIMEOUT : STATUS_NOT_READY,
			"a read of this volume hangs");
		return;
	}
	disconnect(read); /* 176: another Read may go on in its place, and begin this fetch or use the share up */
	fetch = fetch_find(read);
	if (fetch == NULL && !share_allows_fetch(read)) {
		share_wait_for_fetch(read);
		return;
	}
	if (fetch == NULL) {
		status = fetch_start(read, &fetch); /* 178 */
		if (status != STATUS_OK) {          /* 180 */
			wait_for_element(read, status);
			return;
		}
	}
	read_enter(read, READ_WAITING_DISK, "DA request"); /* 186, 190 */
	fetch_join(fetch, read);
	fetch_gets_on(fetch, &read->da_progress);
	timer_set(&read->da_timer, read->ra->config.da_timeout_ms);
}

void delivery_look(struct read *read)
{
	bool timed_out;
	uint32_t found, tracks;

	read_enter(read, READ_LOOKING, delivery_name(read->parameters.delivery));
	do {
		timed_out = has_timed_out(read); /* 156, 158 */
		found = read_find(read);         /* 160 */
		if (found == 0)
			break;
		tracks = share_of_locks(read, found);
		if (tracks == 0 && !timed_out) {
			share_wait_for_locks(read, found);
			return;
		}
		read_lock(read, tracks);                 /* 162 */
		tracks = read_still_there(read, tracks); /* 164, 166 */
		if (tracks > 0) {
			read_reply_data(read, tracks); /* 168 to 174 */
			return;
		}
	} while (!timed_out);
	if (timed_out)
		read_reply_status(read, STATUS_TIMEOUT, "the Read was not served in time");
	else
		fetch_tracks(read);
}

void delivery_disk_was_read(struct read *read)
{
	assert(read->state == READ_WAITING_DISK);
	timer_cancel(&read->da_timer);
	read_enter(read, READ_LOOKING, "disk was read");
	read->disk_timed_out = false;
	reconnect(read); /* 194 */
}

/* Its turn for a fetch: no place is needed before there is something to answer. */
void delivery_fetch(struct read *read)
{
	assert(read->state == READ_LOOKING);
	if (read_find(read) > 0)
		reconnect(read);
	else
		fetch_tracks(read);
}

/* After a wait for a free element (184). */
void delivery_go_on(struct read *read)
{
	assert(read->state == READ_LOOKING);
	reconnect(read); /* 184 */
}

/* Step 186: yes, unless the DA request has got on since this was last asked. */
void delivery_da_timer(void *arg)
{
	struct read *read = arg;
	struct fetch *fetch = read->fetch;

	assert(read->state == READ_WAITING_DISK);
	if (fetch_gets_on(fetch, &read->da_progress)) {
		timer_set(&read->da_timer, read->ra->config.da_timeout_ms);
		return;
	}
	read_post(read, STATUS_TIMEOUT, "the disk was not read in time"); /* 188 */
	read->disk_timed_out = true;
	read_leave_list(read);
	read_enter(read, READ_LOOKING, "DA request timed out");
	fetch_give_up_if_unwanted(fetch); /* 192 */
	reconnect(read);                  /* 194 */
}

/* The deadline of step 156 while the Read waits. */
void delivery_request_timer(void *arg)
{
	struct read *read = arg;
	struct fetch *fetch = read->state == READ_WAITING_DISK ? read->fetch : NULL;

	assert(read->state != READ_THROTTLED && read->state != READ_LOOKING && read->state != READ_SENDING);
	read_leave_list(read);
	read_enter(read, READ_LOOKING, "request timed out");
	if (fetch != NULL)
		fetch_give_up_if_unwanted(fetch);
	delivery_look(read); /* 156 */
}
