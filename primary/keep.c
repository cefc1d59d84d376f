/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger of one device and who has it. Loop thread only, but for what begins with run_, which a DA thread does. The
 * hard thing is a user that goes while a call is under way: the call goes on with what is its own, the lock included,
 * and only when it is back the next user's request is begun, or the lock given up. The same when the disk does not
 * answer in time; until it does, nobody's request is begun.
 */
#include "primary/keep.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/post.h"
#include "storage/da.h"
#include "storage/ledger.h"
#include "storage/state_file.h"
#include "wire/message.h" /* OWNER_MAX */

#define KEEP_MAGIC 0x4b454550u
#define CALL_MAGIC 0x4b43414cu

enum call_kind { CALL_LOAD, CALL_SAVE, CALL_RELEASE };

/* All that a DA thread needs, and what it found. */
struct keep_call {
	uint32_t magic;
	enum call_kind kind;
	struct keep *keep; /* NULL: it was freed meanwhile. Loop thread */
	struct da *da;
	bool is_orphan; /* its user has gone. Loop thread */
	char *folder, *device_folder, *path;
	char device[DEVICE_NAME_MAX + 1];
	int lock; /* -1: not held */
	uint8_t *bytes;
	size_t count;
	enum status status;
	char detail[DETAIL_MAX + 1];
};

struct keep {
	uint32_t magic;
	struct clock *clock;
	struct da *da;
	struct post *post;
	char *folder, *device_folder, *path;
	char device[DEVICE_NAME_MAX + 1];
	int lock; /* -1: not held, or call or stuck has it */
	const void *user; /* NULL: nobody */
	char owner[OWNER_MAX + 1];
	keep_fn *fn; /* of the user's request that has no answer; NULL: there is none */
	void *arg;
	enum call_kind wanted; /* with fn */
	uint8_t *bytes; /* to be saved, until a call has them */
	size_t count;
	struct keep_call *call; /* under way; NULL: none */
	struct da_request *request;
	struct keep_call *stuck; /* given up, and not back yet; NULL: none */
	struct timer timer;      /* with call: its end is late. Else: the DA queue was full */
};

static struct keep_call *call_of(void *arg)
{
	struct keep_call *call = arg;
	assert(call->magic == CALL_MAGIC);
	return call;
}

/* ---- On a DA thread ---- */

static void run_failed(struct keep_call *call, const char *what, const char *path, int error)
{
	call->status = STATUS_VOLUME_ERROR;
	snprintf(call->detail, sizeof(call->detail), "cannot %s %.150s: %s", what, path, strerror(-error));
}

static bool run_make_folder(struct keep_call *call, const char *path)
{
	int error = state_make_folder(path);
	if (error != 0)
		run_failed(call, "make the folder", path, error);
	return error == 0;
}

static bool run_lock(struct keep_call *call)
{
	if (call->lock >= 0)
		return true;
	if (!run_make_folder(call, call->folder) || !run_make_folder(call, call->device_folder))
		return false;
	int lock = state_lock(call->path);
	if (lock == -EBUSY) {
		call->status = STATUS_BUSY;
		snprintf(call->detail, sizeof(call->detail), "another process has the lock of %.180s", call->path);
	} else if (lock < 0) {
		run_failed(call, "lock the ledger in the folder", call->device_folder, lock);
	}
	call->lock = lock < 0 ? -1 : lock;
	return lock >= 0;
}

static void run_load(struct keep_call *call)
{
	if (!run_lock(call))
		return;
	int error = state_read(call->path, LEDGER_BYTES_MAX, &call->bytes, &call->count);
	if (error != 0 && error != -ENOENT)
		run_failed(call, "read", call->path, error);
}

/* Nothing else than a ledger of this device is ever written. */
static bool run_check(struct keep_call *call)
{
	char why[STATE_WHY_BYTES];
	struct ledger *ledger;
	call->status = STATUS_BAD_REQUEST;
	if (ledger_decode(call->bytes, call->count, &ledger, why) != 0)
		snprintf(call->detail, sizeof(call->detail), "this is no ledger: %.200s", why);
	else if (strcmp(ledger_binding(ledger)->device, call->device) != 0)
		snprintf(call->detail, sizeof(call->detail), "this is no ledger of %s", call->device);
	else
		call->status = STATUS_OK;
	ledger_free(ledger);
	return call->status == STATUS_OK;
}

static void run_save(struct keep_call *call)
{
	int error = run_check(call) ? state_write(call->path, call->bytes, call->count) : 0;
	if (error != 0)
		run_failed(call, "write", call->path, error);
	free(call->bytes);
	call->bytes = NULL;
	call->count = 0;
}

static int run_call(void *arg)
{
	struct keep_call *call = call_of(arg);
	call->status = STATUS_OK;
	switch (call->kind) {
	case CALL_LOAD:
		run_load(call);
		break;
	case CALL_SAVE:
		run_save(call);
		break;
	case CALL_RELEASE:
		close(call->lock);
		call->lock = -1;
		break;
	}
	return 0;
}

/* ---- Calls ---- */

/* Its keep, if that is still there, gets the lock back. */
static void call_free(void *arg)
{
	struct keep_call *call = call_of(arg);
	if (call->lock >= 0 && call->keep)
		call->keep->lock = call->lock;
	else if (call->lock >= 0)
		close(call->lock);
	free(call->folder);
	free(call->device_folder);
	free(call->path);
	free(call->bytes);
	call->magic = 0;
	free(call);
}

static const struct da_sink sink = { .finished = call_free };

static void step(struct keep *keep);

static void post_failure(struct keep *keep, enum status status, const char *detail)
{
	struct post_where where = { .device = keep->device };
	post_error(keep->post, status, &where, "%s", detail);
}

/* The user's request is answered. */
static void tell(struct keep *keep, enum status status, const char *detail, uint8_t *bytes, size_t count)
{
	keep_fn *fn = keep->fn;
	keep->fn = NULL;
	if (keep->wanted == CALL_LOAD && status != STATUS_OK)
		keep->user = NULL;
	fn(keep->arg, status, detail, bytes, count);
}

/* The user, if it is still there, has its answer. */
static void tell_end(struct keep *keep, struct keep_call *call)
{
	uint8_t *bytes = call->bytes;
	if (call->status == STATUS_VOLUME_ERROR)
		post_failure(keep, call->status, call->detail);
	if (call->is_orphan || call->kind == CALL_RELEASE)
		return;
	call->bytes = NULL;
	tell(keep, call->status, call->detail, bytes, call->count);
}

static void on_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct keep_call *call = call_of(arg);
	struct keep *keep = call->keep;
	(void)result;
	if (keep) {
		assert(keep->magic == KEEP_MAGIC && keep->call == call);
		timer_cancel(&keep->timer);
		keep->call = NULL;
		keep->lock = call->lock;
		call->lock = -1;
		tell_end(keep, call);
	}
	da_release(call->da, request);
	if (keep)
		step(keep);
}

/* The thread of a call that was given up came back. */
static void on_returned(void *arg)
{
	struct keep_call *call = call_of(arg);
	struct keep *keep = call->keep;
	if (!keep)
		return;
	assert(keep->magic == KEEP_MAGIC && keep->stuck == call);
	keep->stuck = NULL;
	keep->lock = call->lock;
	call->lock = -1;
	step(keep);
}

/* The disk has not answered in time. Who waits is told, also one that came after the call's own user has gone. */
static void give_up(struct keep *keep)
{
	struct keep_call *call = keep->call;
	bool is_write = call->kind == CALL_SAVE;
	char detail[DETAIL_MAX + 1];
	snprintf(detail, sizeof(detail), "%.150s: the disk does not answer within %d s%s", keep->path,
		DA_TIMEOUT_MS / 1000, is_write ? "; whether it was written is not known" : "");
	post_failure(keep, STATUS_TIMEOUT, detail);
	keep->call = NULL;
	keep->stuck = call;
	if (!da_abandon(keep->da, keep->request)) /* the call is freed */
		keep->stuck = NULL;
	if (keep->fn)
		tell(keep, STATUS_TIMEOUT, detail, NULL, 0);
}

static struct keep_call *new_call(struct keep *keep, enum call_kind kind)
{
	struct keep_call *call = xcalloc(1, sizeof(*call));
	call->magic = CALL_MAGIC;
	call->kind = kind;
	call->keep = keep;
	call->da = keep->da;
	call->folder = xstrdup(keep->folder);
	call->device_folder = xstrdup(keep->device_folder);
	call->path = xstrdup(keep->path);
	memcpy(call->device, keep->device, sizeof(call->device));
	call->lock = -1;
	return call;
}

static void submit(struct keep *keep, enum call_kind kind)
{
	struct keep_call *call = new_call(keep, kind);
	struct da_spec spec = {
		.kind = DA_CALL,
		.owner = keep,
		.call = run_call,
		.call_arg = call,
		.sink = &sink,
		.sink_arg = call,
		.done = on_done,
		.arg = call,
		.returned = on_returned,
		.returned_arg = call,
	};
	/* Before it is submitted: a thread may have it at once. */
	call->lock = keep->lock;
	call->bytes = keep->bytes;
	call->count = keep->bytes ? keep->count : 0;
	keep->request = da_submit(keep->da, &spec);
	timer_set(&keep->timer, keep->request ? DA_TIMEOUT_MS : RETRY_DELAY_MS);
	if (!keep->request) {
		call->lock = -1;
		call->bytes = NULL;
		call_free(call);
		return;
	}
	keep->lock = -1;
	keep->bytes = NULL;
	keep->call = call;
}

static void step(struct keep *keep)
{
	if (keep->call || keep->stuck || keep->timer.is_set)
		return;
	if (keep->fn)
		submit(keep, keep->wanted);
	else if (!keep->user && keep->lock >= 0)
		submit(keep, CALL_RELEASE);
}

static void on_timer(void *arg)
{
	struct keep *keep = arg;
	assert(keep->magic == KEEP_MAGIC);
	if (keep->call)
		give_up(keep);
	step(keep);
}

/* ---- Users ---- */

struct keep *keep_new(const struct keep_config *config)
{
	struct keep *keep = xcalloc(1, sizeof(*keep));
	keep->magic = KEEP_MAGIC;
	keep->clock = config->clock;
	keep->da = config->da;
	keep->post = config->post;
	keep->folder = xstrdup(config->folder);
	keep->device_folder = xasprintf("%s/%s", config->folder, config->device);
	keep->path = xasprintf("%s/ledger", keep->device_folder);
	snprintf(keep->device, sizeof(keep->device), "%s", config->device);
	keep->lock = -1;
	timer_init(&keep->timer, config->clock, on_timer, keep);
	return keep;
}

void keep_free(struct keep *keep)
{
	if (!keep)
		return;
	assert(!keep->user);
	timer_cancel(&keep->timer);
	if (keep->call)
		keep->call->keep = NULL;
	if (keep->stuck)
		keep->stuck->keep = NULL;
	if (keep->lock >= 0)
		close(keep->lock);
	free(keep->folder);
	free(keep->device_folder);
	free(keep->path);
	keep->magic = 0;
	free(keep);
}

const char *keep_path(const struct keep *keep)
{
	return keep->path;
}

/* False, with words: an earlier request hangs. */
static bool may_begin(const struct keep *keep, char detail[DETAIL_MAX + 1])
{
	if (keep->stuck)
		snprintf(detail, DETAIL_MAX + 1, "%.180s: an earlier request to the disk hangs", keep->path);
	return !keep->stuck;
}

static enum status begin(struct keep *keep, enum call_kind wanted, keep_fn *fn, void *arg)
{
	assert(!keep->fn);
	keep->fn = fn;
	keep->arg = arg;
	keep->wanted = wanted;
	step(keep);
	return STATUS_OK;
}

enum status keep_load(struct keep *keep, const char *owner, keep_fn *fn, void *arg, char detail[DETAIL_MAX + 1])
{
	if (keep->user && keep->user != arg) {
		snprintf(detail, DETAIL_MAX + 1, "the ledger of %s is in use by %s", keep->device, keep->owner);
		return STATUS_BUSY;
	}
	if (!may_begin(keep, detail))
		return STATUS_NOT_READY;
	keep->user = arg;
	snprintf(keep->owner, sizeof(keep->owner), "%s", owner);
	return begin(keep, CALL_LOAD, fn, arg);
}

enum status keep_save(struct keep *keep, uint8_t *bytes, size_t count, keep_fn *fn, void *arg,
	char detail[DETAIL_MAX + 1])
{
	if (keep->user != arg) {
		free(bytes);
		snprintf(detail, DETAIL_MAX + 1, "the ledger was not loaded");
		return STATUS_BAD_REQUEST;
	}
	if (!may_begin(keep, detail)) {
		free(bytes);
		return STATUS_NOT_READY;
	}
	assert(!keep->fn);
	keep->bytes = bytes;
	keep->count = count;
	return begin(keep, CALL_SAVE, fn, arg);
}

void keep_leave(struct keep *keep, const void *arg)
{
	if (keep->user != arg)
		return;
	keep->user = NULL;
	/* A request that no call has begun is dropped; a call that goes on is nobody's. */
	if (keep->call)
		keep->call->is_orphan = true;
	keep->fn = NULL;
	free(keep->bytes);
	keep->bytes = NULL;
	step(keep);
}
