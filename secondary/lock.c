/* SPDX-License-Identifier: Apache-2.0
 *
 * The lock of a device's volume: see lock.h. The hard thing is time: who waits for a lock may go, or wait too long,
 * while a thread takes it. Then it is given up when it comes back, and the volume is not closed before.
 */
#include "secondary/lock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/ra.h"
#include "storage/da.h"
#include "storage/volume.h"

static void enter(struct device *device, enum device_lock_state state, const char *reason)
{
	static const char *const names[] = { [LOCK_NONE] = "none", [LOCK_TAKING] = "taking", [LOCK_HELD] = "held",
		[LOCK_DROPPING] = "dropping", [LOCK_STUCK] = "stuck" };

	log_debug("device %s: lock %s -> %s (%s)", device->constants.name, names[device->lock.state], names[state], reason);
	device->lock.state = state;
}

static void tell(struct device *device, enum status status, const char *words)
{
	device_lock_fn *fn = device->lock.fn;

	timer_cancel(&device->lock.timer);
	device->lock.fn = NULL;
	device->lock.is_wanted = status == STATUS_OK;
	if (status == STATUS_TIMEOUT || status == STATUS_VOLUME_ERROR)
		post_error(device->ra->post, status, &(struct post_where){ .device = device->constants.name }, "%s", words);
	fn(device, status, words);
}

static void tell_failure(struct device *device, int error, const char *holder)
{
	char words[DETAIL_MAX + 1];

	if (error == -EBUSY) {
		tell(device, STATUS_BUSY, holder);
		return;
	}
	snprintf(words, sizeof(words), "it cannot be locked: %.200s", volume_error_text(error));
	tell(device, STATUS_VOLUME_ERROR, words);
}

static void locked(void *arg, struct da_request *request, const struct da_result *result)
{
	struct device *device = arg;
	const int error = result->error;
	char holder[HOLDER_BYTES];

	assert(device->lock.request == request);
	snprintf(holder, sizeof(holder), "%s", result->holder);
	da_release(device->ra->da, request); /* may call device_lock_retry, which must see that there is a request */
	device->lock.request = NULL;
	enter(device, error == 0 ? LOCK_HELD : LOCK_NONE, error == 0 ? "locked" : "not locked");
	if (device->lock.fn != NULL && error == 0)
		tell(device, STATUS_OK, "");
	else if (device->lock.fn != NULL)
		tell_failure(device, error, holder);
	device_lock_retry(device);
	device_close_if_unused(device);
}

static void unlocked(void *arg, struct da_request *request, const struct da_result *result)
{
	struct device *device = arg;

	(void)result;
	assert(device->lock.request == request);
	da_release(device->ra->da, request);
	device->lock.request = NULL;
	enter(device, LOCK_NONE, "unlocked");
	device_lock_retry(device);
	device_close_if_unused(device);
}

/* A lock that was late came back, and the DA has undone it. */
static void returned(void *arg)
{
	struct device *device = arg;

	enter(device, LOCK_NONE, "its thread came back");
	device_request_returned(device);
}

static void timed_out(void *arg)
{
	struct device *device = arg;
	struct device_lock *lock = &device->lock;

	if (lock->state == LOCK_TAKING) {
		bool is_stuck = da_abandon(device->ra->da, lock->request);

		lock->request = NULL;
		if (is_stuck)
			device_request_hangs(device);
		/* One that has ended just now may be there: to drop what is not there is harmless. */
		enter(device, is_stuck ? LOCK_STUCK : LOCK_DROPPING, "timed out");
	}
	tell(device, STATUS_TIMEOUT, "the volume was not locked in time");
	device_lock_retry(device);
	device_close_if_unused(device);
}

void device_lock_init(struct device *device)
{
	timer_init(&device->lock.timer, device->ra->clock, timed_out, device);
}

void device_lock_retry(struct device *device)
{
	struct device_lock *lock = &device->lock;
	bool takes = lock->state == LOCK_NONE && lock->is_wanted;
	bool drops = (lock->state == LOCK_HELD && !lock->is_wanted) ||
		(lock->state == LOCK_DROPPING && lock->request == NULL);
	const struct da_spec spec = { .kind = takes ? DA_LOCK : DA_UNLOCK, .volume = device->volume,
		.done = takes ? locked : unlocked, .arg = device, .returned = returned, .returned_arg = device };

	if (!takes && !drops)
		return;
	lock->request = da_submit(device->ra->da, &spec);
	if (lock->request != NULL)
		enter(device, takes ? LOCK_TAKING : LOCK_DROPPING, takes ? "wanted" : "not wanted");
}

bool device_lock_take(struct device *device, device_lock_fn *fn)
{
	struct device_lock *lock = &device->lock;

	assert(lock->fn == NULL);
	lock->is_wanted = true;
	if (lock->state == LOCK_HELD)
		return true;
	lock->fn = fn;
	timer_set(&lock->timer, device->ra->config.da_timeout_ms);
	device_lock_retry(device);
	return false;
}

void device_lock_drop(struct device *device)
{
	timer_cancel(&device->lock.timer);
	device->lock.fn = NULL;
	device->lock.is_wanted = false;
	device_lock_retry(device);
}
