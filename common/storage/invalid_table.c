/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests wait in a queue, in order. One piece of work at a time is on the DA: the file is read, or written with all
 * changes that stand first in the queue. The set in memory is what is known to be on the disk: a change is made in a
 * copy, which takes its place when it was written. After a failure the copy is thrown away and the set too, so that the
 * file, whatever became of it, is read anew by the next request.
 *
 * The hard thing is a disk that hangs: the work is left to its thread, which may still use it, and nothing else is
 * begun before it comes back.
 */
#include "storage/invalid_table.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/post.h"
#include "base/track_set.h"
#include "storage/da.h"
#include "storage/invalid_file.h"

#define TABLE_MAGIC 0x494e5654u
#define WORK_MAGIC 0x494e5657u

struct request {
	enum invalid_action action;
	struct track_set *change;
	invalid_fn *fn; /* NULL: nobody wants to know any more */
	void *arg;
	bool is_written; /* by the work that is on the DA */
	bool is_refused; /* there would be too many ranges */
	struct request *prev, *next;
};

/* What a DA thread does. */
struct work {
	uint32_t magic;
	struct invalid_table *table;
	bool is_load;
	struct track_set *set; /* that was read, or is written */
	char why[STATE_WHY_BYTES];
};

struct invalid_table {
	uint32_t magic;
	struct invalid_config config; /* device is the copy below, state is not kept */
	char device[DEVICE_NAME_MAX + 1];
	struct invalid_file file;  /* of the DA thread while there is work */
	struct track_set *set;     /* NULL: to be read */
	struct request *requests;
	struct work *work;         /* NULL: none is on the DA */
	struct da_request *da_request;
	bool is_stuck; /* work was given up while a thread is in it */
	bool is_ended;
	struct timer timer; /* of the work; or until the DA is asked again, which had no free element */
};

static void step(struct invalid_table *table);

static bool is_all(const struct request *request)
{
	return request->action == INVALID_CLEAR && track_set_ranges(request->change) == 1 &&
		track_set_range(request->change, 0).first == 0 &&
		track_set_range(request->change, 0).count == UINT64_MAX;
}

/* ---- Answers ---- */

static void answer(struct invalid_table *table, struct request *request, enum status status, const char *detail)
{
	invalid_fn *fn = request->fn;
	void *arg = request->arg;

	DL_DELETE(table->requests, request);
	track_set_free(request->change);
	free(request);
	if (fn != NULL)
		fn(arg, status, status == STATUS_OK ? table->set : NULL, detail);
}

/* Those that are here now, in order; fn may bring others, which are not told. all: or only those that were to be
 * written. */
static void answer_each(struct invalid_table *table, bool all, enum status status, const char *detail)
{
	struct request *request;
	unsigned count = 0;

	DL_FOREACH(table->requests, request)
		count += all || request->is_written;
	for (; count > 0; count--) {
		DL_FOREACH(table->requests, request)
			if (all || request->is_written)
				break;
		if (request == NULL) /* fn has ended the table */
			return;
		answer(table, request, status, detail);
	}
}

static void post_failure(const struct invalid_table *table, enum status status, const char *why)
{
	const struct post_where where = { .device = table->device };

	post_error(table->config.post, status, &where, "invalid tracks: %s", why);
}

/* ---- Work ---- */

static void work_free(struct work *work)
{
	track_set_free(work->set);
	work->magic = 0;
	free(work);
}

/* DA thread. */
static int do_work(void *arg)
{
	struct work *work = arg;

	assert(work->magic == WORK_MAGIC);
	return work->is_load ? invalid_file_load(&work->table->file, &work->set, work->why) :
		invalid_file_save(&work->table->file, work->set, work->why);
}

static void forget_set(struct invalid_table *table)
{
	track_set_free(table->set);
	table->set = NULL;
}

/* The file cannot be used. Those who asked before somebody clears all are told; he goes on with an empty table. */
static bool is_replaced(struct invalid_table *table, const char *why)
{
	struct request *request;

	DL_FOREACH(table->requests, request)
		if (is_all(request))
			break;
	if (request == NULL)
		return false;
	while (!table->is_ended && !is_all(table->requests))
		answer(table, table->requests, STATUS_VOLUME_ERROR, why);
	table->set = track_set_new();
	return true;
}

static void finish_load(struct invalid_table *table, struct work *work, int error)
{
	if (error == 0) {
		table->set = work->set;
		work->set = NULL;
		return;
	}
	post_failure(table, STATUS_VOLUME_ERROR, work->why);
	if (error == -EBADMSG && is_replaced(table, work->why))
		return;
	answer_each(table, true, STATUS_VOLUME_ERROR, work->why);
}

static void finish_save(struct invalid_table *table, struct work *work, int error)
{
	forget_set(table);
	if (error == 0) {
		table->set = work->set;
		work->set = NULL;
		answer_each(table, false, STATUS_OK, "");
		return;
	}
	post_failure(table, STATUS_VOLUME_ERROR, work->why);
	answer_each(table, false, STATUS_VOLUME_ERROR, work->why);
}

static void on_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct work *work = arg;
	struct invalid_table *table = work->table;
	int error = result->error;

	assert(work->magic == WORK_MAGIC && table->work == work && table->da_request == request);
	timer_cancel(&table->timer);
	da_release(table->config.da, request);
	table->da_request = NULL;
	/* The table has no other work until all are told: what they ask for in turn waits. */
	if (work->is_load)
		finish_load(table, work, error);
	else
		finish_save(table, work, error);
	table->work = NULL;
	work_free(work);
	step(table);
}

/* The thread of work that was given up came back. */
static void on_returned(void *arg)
{
	struct work *work = arg;
	struct invalid_table *table = work->table;

	assert(work->magic == WORK_MAGIC && table->is_stuck);
	work_free(work);
	table->is_stuck = false;
	step(table);
}

static void give_up(struct invalid_table *table)
{
	char why[STATE_WHY_BYTES];

	snprintf(why, sizeof(why), "%.140s: the disk does not answer within %d s%s", table->file.path,
		DA_TIMEOUT_MS / 1000, table->work->is_load ? "" : "; whether it was written is not known");
	table->is_stuck = da_abandon(table->config.da, table->da_request);
	if (!table->is_stuck)
		work_free(table->work);
	table->work = NULL;
	table->da_request = NULL;
	forget_set(table);
	post_failure(table, STATUS_TIMEOUT, why);
	answer_each(table, true, STATUS_TIMEOUT, why);
}

static void on_timer(void *arg)
{
	struct invalid_table *table = arg;

	assert(table->magic == TABLE_MAGIC);
	if (table->work != NULL)
		give_up(table);
	step(table);
}

/* false: the DA has no free element; it is asked again later. Takes over set. */
static bool start(struct invalid_table *table, bool is_load, struct track_set *set)
{
	struct work *work = xcalloc(1, sizeof(*work));
	const struct da_spec spec = { .kind = DA_CALL, .call = do_work, .call_arg = work, .owner = table,
		.done = on_done, .arg = work, .returned = on_returned, .returned_arg = work };

	*work = (struct work){ .magic = WORK_MAGIC, .table = table, .is_load = is_load, .set = set };
	table->da_request = da_submit(table->config.da, &spec);
	timer_set(&table->timer, table->da_request != NULL ? DA_TIMEOUT_MS : RETRY_DELAY_MS);
	if (table->da_request != NULL)
		table->work = work;
	else
		work_free(work);
	return table->da_request != NULL;
}

/* ---- Changes ---- */

static struct track_set *copy_of(const struct track_set *set)
{
	struct track_set *copy = track_set_new();

	track_set_add_all(copy, set);
	return copy;
}

/* What becomes of the set. NULL: too many ranges. */
static struct track_set *changed(const struct track_set *set, const struct request *request)
{
	struct track_set *result = copy_of(set);

	if (request->action == INVALID_MARK)
		track_set_add_all(result, request->change);
	else
		track_set_remove_all(result, request->change);
	if (track_set_ranges(result) <= TRACK_SET_RANGES_MAX)
		return result;
	track_set_free(result);
	return NULL;
}

static struct request *find_refused(const struct invalid_table *table)
{
	struct request *request;

	DL_FOREACH(table->requests, request)
		if (request->is_refused)
			break;
	return request;
}

static void answer_refused(struct invalid_table *table)
{
	struct request *request;
	char why[STATE_WHY_BYTES];

	snprintf(why, sizeof(why), "the table of %s would have more than %u ranges of invalid tracks", table->device,
		TRACK_SET_RANGES_MAX);
	while ((request = find_refused(table)) != NULL)
		answer(table, request, STATUS_BAD_REQUEST, why);
}

/* All changes that stand first in the queue, in their order. */
static void write_changes(struct invalid_table *table)
{
	struct track_set *set = copy_of(table->set), *next;
	struct request *request;
	bool is_changed = false;

	DL_FOREACH(table->requests, request) {
		if (request->action == INVALID_ASK)
			break;
		next = changed(set, request);
		request->is_refused = next == NULL;
		request->is_written = next != NULL;
		if (next == NULL)
			continue;
		track_set_free(set);
		set = next;
		is_changed = true;
	}
	if (!is_changed)
		track_set_free(set);
	else if (!start(table, false, set))
		return;
	answer_refused(table);
}

/* The next thing that the first request in the queue needs. */
static void step(struct invalid_table *table)
{
	while (table->work == NULL && !table->timer.is_set && table->requests != NULL) {
		if (table->is_stuck)
			answer(table, table->requests, STATUS_NOT_READY, "an earlier request to the disk of the table hangs");
		else if (table->set == NULL)
			start(table, true, NULL);
		else if (table->requests->action == INVALID_ASK)
			answer(table, table->requests, STATUS_OK, "");
		else
			write_changes(table);
	}
}

/* ---- For those who ask ---- */

struct invalid_table *invalid_table_new(const struct invalid_config *config)
{
	struct invalid_table *table = xcalloc(1, sizeof(*table));

	table->magic = TABLE_MAGIC;
	table->config = *config;
	snprintf(table->device, sizeof(table->device), "%s", config->device);
	table->config.device = table->device;
	table->config.state = NULL;
	table->file = (struct invalid_file){ .path = xasprintf("%s/%s/invalid", config->state, config->device),
		.track_bytes = config->track_bytes, .offset_bytes = config->offset_bytes, .lock = -1 };
	timer_init(&table->timer, config->clock, on_timer, table);
	return table;
}

void invalid_table_free(struct invalid_table *table)
{
	if (table == NULL)
		return;
	assert(table->magic == TABLE_MAGIC && !table->is_stuck);
	invalid_table_end(table);
	if (table->work != NULL)
		work_free(table->work);
	forget_set(table);
	if (table->file.lock >= 0)
		close(table->file.lock);
	free(table->file.path);
	table->magic = 0;
	free(table);
}

void invalid_table_do(struct invalid_table *table, enum invalid_action action, struct track_set *change,
	invalid_fn *fn, void *arg)
{
	struct request *request = xcalloc(1, sizeof(*request));

	assert(table->magic == TABLE_MAGIC && (action == INVALID_ASK) == (change == NULL) && fn != NULL);
	*request = (struct request){ .action = action, .change = change, .fn = fn, .arg = arg };
	DL_APPEND(table->requests, request);
	if (table->is_ended)
		answer(table, request, STATUS_LINK_LOST, "the daemon ends");
	else
		step(table);
}

void invalid_table_forget(struct invalid_table *table, const void *arg)
{
	struct request *request;

	DL_FOREACH(table->requests, request)
		if (request->arg == arg)
			request->fn = NULL;
}

void invalid_table_end(struct invalid_table *table)
{
	if (table == NULL)
		return;
	table->is_ended = true;
	timer_cancel(&table->timer);
	while (table->requests != NULL)
		answer(table, table->requests, STATUS_LINK_LOST, "the daemon ends");
}

const struct track_set *invalid_table_known(const struct invalid_table *table)
{
	return table->set;
}
