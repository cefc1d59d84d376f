/* SPDX-License-Identifier: Apache-2.0
 *
 * A local device: its states, users, reservation and control requests (open, size, lock, unlock, close), one of which
 * is at the DA at a time. Reads are in local_read.c, what is found on the volume in local_layout.c. Loop thread only.
 * The hard thing is time: who waits is timed, not what runs. A query that times out leaves the open to those who still
 * wait; only when the last of them has gone is a running open abandoned. What was abandoned while a thread was in it is
 * stuck, and the device NOT_READY, until that returns.
 */
#include "primary/local.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/post.h"
#include "primary/local_device.h"
#include "storage/da.h"
#include "storage/volume.h"

#define USER_MAGIC 0x4c555352u

static struct local *local_of(void *arg)
{
	struct local *local = arg;
	assert(local->magic == LOCAL_MAGIC);
	return local;
}

static struct local_user *user_of(void *arg)
{
	struct local_user *user = arg;
	assert(user->magic == USER_MAGIC);
	return user;
}

static void set_state(struct local *local, enum local_state state, const char *reason)
{
	static const char *const names[] = { "CLOSED", "OPENING", "OPEN", "CLOSING", "TIMED_OUT" };
	log_debug("local device %s: %s -> %s: %s", local->device, names[local->state], names[state], reason);
	local->state = state;
}

static void post_local(struct local *local, enum status status, const char *text)
{
	struct post_where where = { .device = local->device };
	post_error(local->post, status, &where, "%s", text);
}

static struct local_user *first_waiter(const struct local *local)
{
	struct local_user *user;
	DL_FOREACH(local->users, user) {
		if (user->info_fn)
			return user;
	}
	return NULL;
}

static void answer(struct local_user *user, enum status status, const char *detail)
{
	struct local *local = user->local;
	local_info_fn *fn = user->info_fn;
	user->info_fn = NULL;
	timer_cancel(&user->timer);
	if (status == STATUS_OK && !user->is_told) {
		user->is_told = true;
		user->end_bytes = local->info.size_bytes;
	}
	fn(user->info_arg, status, status == STATUS_OK ? &local->info : NULL, detail);
}

static void answer_all(struct local *local, enum status status, const char *detail)
{
	for (struct local_user *user; (user = first_waiter(local));)
		answer(user, status, detail);
}

/* Who reserved it exclusively waits for the lock, too. */
static bool lock_is_due(const struct local *local)
{
	return local->is_exclusive && !local->is_locked && local->holder->info_fn;
}

/* The volume is open. */
static void answer_users(struct local *local)
{
	struct local_user *user;
	do {
		DL_FOREACH(local->users, user) {
			if (user->info_fn && !(user == local->holder && lock_is_due(local)))
				break;
		}
		if (user)
			answer(user, STATUS_OK, "");
	} while (user);
}

static void set_holder(struct local *local, struct local_user *holder, bool is_exclusive, const char *reason)
{
	log_debug("local device %s: reserved by %s -> %s%s: %s", local->device,
		local->holder ? local->holder->owner : "nobody", holder ? holder->owner : "nobody",
		is_exclusive ? ", exclusively" : "", reason);
	local->holder = holder;
	local->is_exclusive = is_exclusive;
}

static void control_failed(struct local *local, const char *what, int error)
{
	char detail[DETAIL_MAX + 1];
	snprintf(detail, sizeof(detail), "cannot %s %.180s: %s", what, local->path, volume_error_text(error));
	post_local(local, STATUS_VOLUME_ERROR, detail);
	answer_all(local, STATUS_VOLUME_ERROR, detail);
}

static void on_opened(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	int error = result->error;
	local->info = result->info;
	da_release(local->da, request);
	local->control = NULL;
	set_state(local, error ? LOCAL_CLOSED : LOCAL_OPEN, error ? strerror(-error) : "open done");
	if (error)
		control_failed(local, "open", error);
	else
		answer_users(local);
	local_step(local);
}

static void on_size(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	int error = result->error;
	uint64_t size_bytes = result->info.size_bytes;
	da_release(local->da, request);
	local->control = NULL;
	if (error) {
		control_failed(local, "read the size of", error);
	} else {
		local->info.size_bytes = size_bytes;
		answer_users(local);
	}
	local_step(local);
}

static void on_volume_closed(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	(void)result;
	da_release(local->da, request);
	local->control = NULL;
	set_state(local, LOCAL_CLOSED, "close done");
	local_step(local);
}

static void on_locked(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	struct local_user *holder = local->holder;
	char detail[DETAIL_MAX + 1];
	int error = result->error;
	if (error == -EBUSY)
		snprintf(detail, sizeof(detail), "%.90s is %s", local->path, result->holder);
	else
		snprintf(detail, sizeof(detail), "cannot lock %.180s: %s", local->path, volume_error_text(error));
	da_release(local->da, request);
	local->control = NULL;
	local->is_locked = !error;
	if (lock_is_due(local)) {
		set_holder(local, NULL, false, "its volume could not be locked");
		if (error != -EBUSY)
			post_local(local, STATUS_VOLUME_ERROR, detail);
		answer(holder, error == -EBUSY ? STATUS_BUSY : STATUS_VOLUME_ERROR, detail);
	}
	local_step(local); /* asks for the size of now */
}

static void on_unlocked(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local *local = local_of(arg);
	(void)result;
	da_release(local->da, request);
	local->control = NULL;
	local->is_locked = false;
	local_step(local);
}

/* An open, size or lock that was abandoned came back. */
static void on_control_returned(void *arg)
{
	struct local *local = local_of(arg);
	local->stuck--;
	local_step(local);
}

static bool submit(struct local *local, enum da_kind kind)
{
	void (*const done[])(void *, struct da_request *, const struct da_result *) = { [DA_OPEN] = on_opened,
		[DA_SIZE] = on_size, [DA_LOCK] = on_locked, [DA_UNLOCK] = on_unlocked, [DA_CLOSE] = on_volume_closed };
	struct da_spec spec = {
		.kind = kind,
		.volume = local->volume,
		.done = done[kind],
		.arg = local,
		.returned = on_control_returned,
		.returned_arg = local,
	};
	local->control = da_submit(local->da, &spec);
	local->is_locking = kind == DA_LOCK;
	if (!local->control)
		timer_set(&local->retry, RETRY_DELAY_MS);
	return local->control;
}

void local_step(struct local *local)
{
	if (local->control)
		return;
	if (local->state == LOCAL_TIMED_OUT) {
		/* An open that had just ended when it was given up has opened the volume. */
		if (local->stuck == 0 && submit(local, DA_CLOSE))
			set_state(local, LOCAL_CLOSING, "the open that timed out is over");
	} else if (local->is_locked && !local->is_exclusive && local->stuck == 0) {
		submit(local, DA_UNLOCK);
	} else if (first_waiter(local)) {
		if (local->state == LOCAL_OPEN)
			submit(local, lock_is_due(local) ? DA_LOCK : DA_SIZE);
		else if (submit(local, DA_OPEN))
			set_state(local, LOCAL_OPENING, "somebody wants it");
	} else if (local->state == LOCAL_OPEN && !local->users && local->reads == 0 && local->stuck == 0) {
		if (submit(local, DA_CLOSE))
			set_state(local, LOCAL_CLOSING, "nobody has it attached");
	} else if (local_is_idle(local) && local->on_idle) {
		local->on_idle(local->on_idle_arg);
	}
}

static void on_retry(void *arg)
{
	local_step(local_of(arg));
}

static void on_query_timeout(void *arg)
{
	struct local_user *user = user_of(arg);
	struct local *local = user->local;
	char detail[DETAIL_MAX + 1];
	snprintf(detail, sizeof(detail), "%.200s does not answer within %d s", local->path, DA_TIMEOUT_MS / 1000);
	post_local(local, STATUS_TIMEOUT, detail);
	if (user == local->holder && lock_is_due(local))
		set_holder(local, NULL, false, "its volume was not locked in time");
	answer(user, STATUS_TIMEOUT, detail);
	if (first_waiter(local) || !local->control || local->state == LOCAL_CLOSING)
		return;
	bool is_opening = local->state == LOCAL_OPENING;
	bool is_stuck = da_abandon(local->da, local->control);
	local->control = NULL;
	local->stuck += is_stuck;
	local->is_locked |= local->is_locking && !is_stuck; /* it may have ended just now; to drop nothing is harmless */
	if (is_opening)
		set_state(local, LOCAL_TIMED_OUT, "nobody waits for the open any more");
	local_step(local);
}

/* ---- Reservation ---- */

enum status local_may_use(const struct local_user *user, char detail[DETAIL_MAX + 1])
{
	const struct local *local = user->local;
	if (!local->holder || local->holder == user)
		return STATUS_OK;
	snprintf(detail, DETAIL_MAX + 1, "%s is reserved by %s", local->device, local->holder->owner);
	return STATUS_BUSY;
}

enum status local_reserve(struct local_user *user, bool exclusive, char detail[DETAIL_MAX + 1])
{
	struct local *local = user->local;
	const struct local_user *other;
	if (local_may_use(user, detail) != STATUS_OK)
		return STATUS_BUSY;
	DL_FOREACH(local->users, other) {
		if (other != user && other->is_reading) {
			snprintf(detail, DETAIL_MAX + 1, "%s is being read by %s", local->device, other->owner);
			return STATUS_BUSY;
		}
	}
	set_holder(local, user, exclusive, "it was asked for");
	local_step(local); /* to unlock, when it had it exclusively before */
	return STATUS_OK;
}

enum status local_begin_reading(struct local_user *user, char detail[DETAIL_MAX + 1])
{
	if (!user->is_reading && local_may_use(user, detail) != STATUS_OK)
		return STATUS_BUSY;
	user->is_reading = true;
	return STATUS_OK;
}

void local_end_reading(struct local_user *user)
{
	user->is_reading = false;
	user->is_told = false; /* what it reads next goes by the size that it is told next */
}

/* ---- Users ---- */

struct local *local_new(const struct local_config *config)
{
	struct local *local = xcalloc(1, sizeof(*local));
	local->magic = LOCAL_MAGIC;
	local->clock = config->clock;
	local->da = config->da;
	local->post = config->post;
	snprintf(local->device, sizeof(local->device), "%s", config->device);
	snprintf(local->path, sizeof(local->path), "%s", config->path);
	local->volume = config->volume;
	local->track_bytes = config->track_bytes;
	local->throttle = config->throttle;
	local->device_rate = config->device_rate;
	local->total_rate = config->total_rate;
	timer_init(&local->retry, local->clock, on_retry, local);
	return local;
}

void local_free(struct local *local)
{
	if (!local)
		return;
	assert(local_is_idle(local));
	timer_cancel(&local->retry);
	volume_free(local->volume);
	local->magic = 0;
	free(local);
}

bool local_is_idle(const struct local *local)
{
	return local->state == LOCAL_CLOSED && !local->users && !local->control && local->reads == 0 && local->stuck == 0;
}

void local_on_idle(struct local *local, void (*fn)(void *arg), void *arg)
{
	local->on_idle = fn;
	local->on_idle_arg = arg;
}

uint32_t local_track_bytes(const struct local *local)
{
	return local->track_bytes;
}

struct local_user *local_attach(struct local *local, const struct local_attach_spec *spec)
{
	struct local_user *user = xcalloc(1, sizeof(*user));
	user->magic = USER_MAGIC;
	user->local = local;
	snprintf(user->owner, sizeof(user->owner), "%s", spec->owner);
	user->run_rate = spec->run_rate;
	timer_init(&user->timer, local->clock, on_query_timeout, user);
	DL_APPEND(local->users, user);
	return user;
}

void local_detach(struct local_user *user)
{
	if (!user)
		return;
	struct local *local = user->local;
	local_leave_reads(user);
	local_leave_layout(user);
	timer_cancel(&user->timer);
	if (local->holder == user)
		set_holder(local, NULL, false, "it goes");
	DL_DELETE(local->users, user);
	da_forget_owner(local->da, user);
	user->magic = 0;
	free(user);
	local_step(local);
}

enum status local_query(struct local_user *user, local_info_fn *fn, void *arg)
{
	struct local *local = user->local;
	assert(!user->info_fn && fn);
	if (local->stuck > 0)
		return STATUS_NOT_READY;
	user->info_fn = fn;
	user->info_arg = arg;
	timer_set(&user->timer, DA_TIMEOUT_MS);
	local_step(local);
	return STATUS_OK;
}

uint64_t local_end_bytes(const struct local_user *user)
{
	return user->end_bytes;
}

struct local_view local_view(const struct local *local)
{
	static const char *const names[] = { "closed", "opening", "open", "closing", "open timed out" };
	struct local_view view = {
		.device = local->device,
		.path = local->path,
		.state = names[local->state],
		.is_ready = local->stuck == 0,
		.reserved_by = local->holder ? local->holder->owner : NULL,
		.is_exclusive = local->is_exclusive,
		.info = local->state == LOCAL_OPEN ? &local->info : NULL,
		.reads = local->reads,
		.read_bytes = volume_read_bytes(local->volume),
		.yielded_ms = volume_yielded_ms(local->volume),
	};
	const struct local_user *user;
	DL_COUNT(local->users, user, view.users);
	return view;
}

void local_dump(const struct local *local)
{
	struct local_view view = local_view(local);
	log_write(LOG_LEVEL_INFO, "local device %s (%s): %s, users %u, reads at the disk adapter %u, requests stuck %u",
		local->device, local->path, view.state, view.users, local->reads, local->stuck);
	if (view.reserved_by)
		log_write(LOG_LEVEL_INFO, "  reserved%s by %s", view.is_exclusive ? " exclusively" : "", view.reserved_by);
	struct local_user *user;
	DL_FOREACH(local->users, user)
		local_dump_reads(user);
}
