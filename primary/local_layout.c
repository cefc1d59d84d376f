/* SPDX-License-Identifier: Apache-2.0
 *
 * What is found on the volume of a local device, for a user that asks: one call of the DA (run_layout, on a DA thread)
 * with one waiter and a time-out. It counts as a read of the device: a volume that hangs in it is NOT_READY until the
 * thread is back. Loop thread otherwise. The hard thing: it outlives its waiter while a thread is in it, and goes when
 * the DA frees its element.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "primary/local_device.h"
#include "storage/da.h"
#include "storage/layout.h"

#define LAYOUT_MAGIC 0x4c4c4159u

struct local_layout {
	uint32_t magic;
	struct local *local;
	struct local_user *user; /* NULL: nobody waits any more */
	struct da_request *request;
	struct timer timer;
	local_layout_fn *fn;
	void *arg;
	char path[PATH_BYTES_MAX];
	uint64_t offset_bytes;
	struct layout layout; /* the DA thread's until done */
};

static struct local_layout *layout_of(void *arg)
{
	struct local_layout *self = arg;
	assert(self->magic == LAYOUT_MAGIC);
	return self;
}

/* On a DA thread. */
static int run_layout(void *arg)
{
	struct local_layout *self = layout_of(arg);
	return layout_probe(self->path, self->offset_bytes, &self->layout);
}

static void on_finished(void *arg)
{
	struct local_layout *self = layout_of(arg);
	timer_cancel(&self->timer);
	self->magic = 0;
	free(self);
}

static const struct da_sink sink = { .finished = on_finished };

/* Takes it from its waiter; whom to tell, or NULL. */
static local_layout_fn *leave(struct local_layout *self)
{
	timer_cancel(&self->timer);
	if (!self->user)
		return NULL;
	self->user->layout = NULL;
	self->user = NULL;
	return self->fn;
}

static void post_layout(struct local_layout *self, enum status status, const char *text)
{
	struct post_where where = { .device = self->local->device };
	post_error(self->local->post, status, &where, "%s", text);
}

static void on_layout_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct local_layout *self = layout_of(arg);
	struct local *local = self->local;
	local_layout_fn *fn = leave(self);
	void *fn_arg = self->arg;
	char detail[DETAIL_MAX + 1] = "", *record = NULL;
	enum status status = result->error ? STATUS_VOLUME_ERROR : STATUS_OK;
	if (status != STATUS_OK) {
		snprintf(detail, sizeof(detail), "cannot look for file systems on %.150s: %s", self->path,
			strerror(-result->error));
		post_layout(self, status, detail);
	} else if (fn) {
		record = layout_dump(&self->layout);
	}
	local->reads--;
	da_release(local->da, request);
	if (fn)
		fn(fn_arg, status, record, detail);
	else
		local_step(local);
}

static void on_layout_returned(void *arg)
{
	struct local *local = layout_of(arg)->local;
	local->stuck--;
	local->reads--;
	log_info("local device %s: a search for file systems that hung came back", local->device);
	local_step(local);
}

static void on_layout_timeout(void *arg)
{
	struct local_layout *self = layout_of(arg);
	struct local *local = self->local;
	local_layout_fn *fn = leave(self);
	void *fn_arg = self->arg;
	char detail[DETAIL_MAX + 1];
	snprintf(detail, sizeof(detail), "no file systems found on %.180s within %d s", self->path, DA_TIMEOUT_MS / 1000);
	post_layout(self, STATUS_TIMEOUT, detail);
	bool is_stuck = da_abandon(local->da, self->request);
	local->stuck += is_stuck;
	local->reads -= !is_stuck;
	if (fn)
		fn(fn_arg, STATUS_TIMEOUT, NULL, detail);
	else
		local_step(local);
}

enum status local_layout(struct local_user *user, local_layout_fn *fn, void *arg)
{
	struct local *local = user->local;
	assert(local->state == LOCAL_OPEN && !user->layout);
	if (local->stuck > 0)
		return STATUS_NOT_READY;
	struct local_layout *self = xcalloc(1, sizeof(*self));
	self->magic = LAYOUT_MAGIC;
	self->local = local;
	self->user = user;
	self->fn = fn;
	self->arg = arg;
	memcpy(self->path, local->info.path, sizeof(self->path));
	self->offset_bytes = local->info.offset_bytes;
	timer_init(&self->timer, local->clock, on_layout_timeout, self);
	struct da_spec spec = {
		.kind = DA_CALL,
		.volume = local->volume,
		.owner = user,
		.call = run_layout,
		.call_arg = self,
		.sink = &sink,
		.sink_arg = self,
		.done = on_layout_done,
		.arg = self,
		.returned = on_layout_returned,
		.returned_arg = self,
	};
	self->request = da_submit(local->da, &spec);
	if (!self->request) {
		on_finished(self);
		return STATUS_QUEUE_FULL;
	}
	local->reads++;
	user->layout = self;
	timer_set(&self->timer, DA_TIMEOUT_MS);
	return STATUS_OK;
}

void local_leave_layout(struct local_user *user)
{
	struct local_layout *self = user->layout;
	if (!self)
		return;
	user->layout = NULL;
	self->user = NULL;
	if (da_cancel_queued(user->local->da, self->request))
		user->local->reads--;
}
