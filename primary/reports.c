/* SPDX-License-Identifier: Apache-2.0
 *
 * The reports of one device. What begins with run_ is done by a DA thread, with what is the call's own. The hard thing
 * is who goes first: a call goes on when its host, its request or the reports themselves are gone, and is told so by
 * what it has no more. A disk that hangs holds up the saves of this device; their hosts wait no longer than they like.
 */
#include "primary/reports.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "local/server.h"
#include "local/show.h"
#include "primary/report_form.h"
#include "storage/da.h"
#include "storage/state_file.h"

#define CALL_MAGIC 0x52505254u
#define SAVES_MAX 4u    /* of a device, that wait or are under way */
#define REQUESTS_MAX 4u /* likewise, of ra-ctl */
#define NUMBER_MAX 9999999999u
#define NAME_FORMAT "%010" PRIu64 ".json"

enum call_kind { CALL_SAVE, CALL_LIST, CALL_SHOW };

struct report_call {
	uint32_t magic;
	enum call_kind kind;
	/* Loop thread: */
	struct reports *reports; /* NULL: they are gone */
	struct control_request *request; /* NULL: of a save, or answered */
	reports_fn *fn; /* NULL: of a request, or its host has gone */
	void *arg;
	bool is_submitted;
	struct report_call *prev, *next;
	/* Of the DA thread, once it was submitted: */
	struct da *da;
	char *folder; /* STATE */
	char device[DEVICE_NAME_MAX + 1];
	unsigned keep;
	uint8_t *bytes;
	size_t count;
	uint64_t number;
	json_t *answer;
	enum status status;
	char detail[DETAIL_MAX + 1];
};

struct reports {
	struct da *da;
	struct post *post;
	char *folder;
	char device[DEVICE_NAME_MAX + 1];
	unsigned keep;
	struct report_call *saves; /* the first is under way, or could not be submitted yet */
	struct report_call *requests;
};

static struct report_call *call_of(void *arg)
{
	struct report_call *call = arg;
	assert(call->magic == CALL_MAGIC);
	return call;
}

/* ---- On a DA thread ---- */

static void run_failed(struct report_call *call, const char *what, const char *path, int error)
{
	call->status = STATUS_VOLUME_ERROR;
	snprintf(call->detail, sizeof(call->detail), "cannot %s %.150s: %s", what, path, strerror(-error));
}

/* What of the folder's names is a report's, else 0. */
static uint64_t number_of(const char *name)
{
	char again[32];
	uint64_t number = strtoull(name, NULL, 10);
	snprintf(again, sizeof(again), NAME_FORMAT, number);
	return number <= NUMBER_MAX && strcmp(name, again) == 0 ? number : 0;
}

static int compare_numbers(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
	return (a > b) - (a < b);
}

/* The numbers that are there, in order, to be freed. A folder that is not there has none. */
static uint64_t *run_numbers(struct report_call *call, const char *folder, size_t *count)
{
	uint64_t *numbers = NULL, number;
	DIR *directory = opendir(folder);
	const struct dirent *entry;
	*count = 0;
	if (!directory && errno != ENOENT)
		run_failed(call, "read the folder", folder, -errno);
	while (directory && (entry = readdir(directory))) {
		number = number_of(entry->d_name);
		if (number == 0)
			continue;
		numbers = xrealloc(numbers, *count + 1, sizeof(*numbers));
		numbers[(*count)++] = number;
	}
	if (directory)
		closedir(directory);
	if (*count > 0)
		qsort(numbers, *count, sizeof(*numbers), compare_numbers);
	return numbers;
}

static char *path_of(const char *folder, uint64_t number)
{
	return xasprintf("%s/" NAME_FORMAT, folder, number);
}

static bool run_make_folders(struct report_call *call, const char *folder)
{
	char *device_folder = xasprintf("%s/%s", call->folder, call->device);
	const char *const folders[] = { call->folder, device_folder, folder };
	for (unsigned i = 0; i < 3 && call->status == STATUS_OK; i++) {
		int error = state_make_folder(folders[i]);
		if (error != 0)
			run_failed(call, "make the folder", folders[i], error);
	}
	free(device_folder);
	return call->status == STATUS_OK;
}

/* The oldest go until so many are left. */
static void run_remove(struct report_call *call, const char *folder, const uint64_t *numbers, size_t count,
	unsigned keep)
{
	for (size_t i = 0; i + keep < count; i++) {
		char *path = path_of(folder, numbers[i]);
		if (unlink(path) != 0 && errno != ENOENT)
			run_failed(call, "remove", path, -errno);
		free(path);
	}
}

static void run_write(struct report_call *call, const char *folder)
{
	size_t count;
	uint64_t *numbers = run_numbers(call, folder, &count);
	uint64_t number = count > 0 ? numbers[count - 1] + 1 : 1;
	char *path = path_of(folder, number);
	int error = 0;
	if (call->status == STATUS_OK && call->keep > 0 && run_make_folders(call, folder)) {
		error = number > NUMBER_MAX ? -EOVERFLOW : state_write(path, call->bytes, call->count);
		if (error != 0)
			run_failed(call, "write", path, error);
	}
	if (call->status == STATUS_OK)
		run_remove(call, folder, numbers, count, call->keep > 0 ? call->keep - 1 : 0);
	free(path);
	free(numbers);
}

static void run_save(struct report_call *call, const char *folder)
{
	char why[DETAIL_MAX + 1];
	json_t *report = report_form_read(call->bytes, call->count, call->device, why);
	if (report) {
		run_write(call, folder);
	} else {
		call->status = STATUS_BAD_REQUEST;
		snprintf(call->detail, sizeof(call->detail), "this is no report of %s: %.150s", call->device, why);
	}
	json_decref(report);
}

/* NULL with words in detail. */
static json_t *run_read(struct report_call *call, const char *folder, uint64_t number, char detail[DETAIL_MAX + 1])
{
	char *path = path_of(folder, number), why[DETAIL_MAX + 1];
	uint8_t *bytes = NULL;
	size_t count;
	json_t *report = NULL;
	int error = state_read(path, REPORT_BYTES_MAX, &bytes, &count);
	if (error != 0)
		snprintf(detail, DETAIL_MAX + 1, "cannot read %.150s: %s", path, strerror(-error));
	else if (!(report = report_form_read(bytes, count, call->device, why)))
		snprintf(detail, DETAIL_MAX + 1, "%.100s is damaged: %.140s", path, why);
	free(bytes);
	free(path);
	return report;
}

/* One that cannot be read has its number and the reason. */
static void run_list(struct report_call *call, const char *folder)
{
	size_t count;
	uint64_t *numbers = run_numbers(call, folder, &count);
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		char detail[DETAIL_MAX + 1];
		json_t *report = run_read(call, folder, numbers[i], detail);
		json_t *summary = report ? report_form_summary(report) : json_object();
		show_set_count(summary, "number", numbers[i]);
		if (!report)
			show_set_text(summary, "error", detail);
		json_array_append_new(list, summary);
		json_decref(report);
	}
	call->answer = json_pack("{s:s, s:o}", "device", call->device, "reports", list);
	free(numbers);
}

static void run_show(struct report_call *call, const char *folder)
{
	size_t count, i = 0;
	uint64_t *numbers = run_numbers(call, folder, &count);
	if (call->number == 0 && count > 0)
		call->number = numbers[count - 1];
	while (i < count && numbers[i] != call->number)
		i++;
	free(numbers);
	if (call->status != STATUS_OK)
		return;
	json_t *report = NULL;
	if (count == 0)
		snprintf(call->detail, sizeof(call->detail), "no report of %s is kept", call->device);
	else if (i == count)
		snprintf(call->detail, sizeof(call->detail), "no report %" PRIu64 " of %s is kept", call->number, call->device);
	else
		report = run_read(call, folder, call->number, call->detail);
	if (report)
		call->answer = json_pack("{s:s, s:I, s:o}", "device", call->device, "number", (json_int_t)call->number,
			"report", report);
	else
		call->status = i < count ? STATUS_VOLUME_ERROR : STATUS_BAD_REQUEST;
}

static int run_call(void *arg)
{
	struct report_call *call = call_of(arg);
	char *folder = xasprintf("%s/%s/reports", call->folder, call->device);
	call->status = STATUS_OK;
	switch (call->kind) {
	case CALL_SAVE:
		run_save(call, folder);
		break;
	case CALL_LIST:
		run_list(call, folder);
		break;
	case CALL_SHOW:
		run_show(call, folder);
		break;
	}
	free(folder);
	return 0;
}

/* ---- Calls ---- */

static void call_free(void *arg)
{
	struct report_call *call = call_of(arg);
	json_decref(call->answer);
	free(call->folder);
	free(call->bytes);
	call->magic = 0;
	free(call);
}

static struct report_call *new_call(struct reports *reports, enum call_kind kind)
{
	struct report_call *call = xcalloc(1, sizeof(*call));
	call->magic = CALL_MAGIC;
	call->kind = kind;
	call->reports = reports;
	call->da = reports->da;
	call->folder = xstrdup(reports->folder);
	memcpy(call->device, reports->device, sizeof(call->device));
	call->keep = reports->keep;
	return call;
}

static void next_save(struct reports *reports);

static void end_save(struct reports *reports, struct report_call *call)
{
	struct post_where where = { .device = reports->device };
	DL_DELETE(reports->saves, call);
	if (call->status == STATUS_VOLUME_ERROR)
		post_error(reports->post, call->status, &where, "%s", call->detail);
	if (call->fn)
		call->fn(call->arg, call->status, call->detail);
}

/* The request is the caller's from now on. */
static struct control_request *take_request(struct report_call *call)
{
	struct control_request *request = call->request;
	DL_DELETE(call->reports->requests, call);
	call->reports = NULL;
	call->request = NULL;
	return request;
}

static void end_request(struct report_call *call)
{
	json_t *answer = call->answer;
	struct control_request *request = take_request(call);
	call->answer = NULL;
	if (call->status == STATUS_OK) {
		control_answer(request, answer);
		return;
	}
	json_decref(answer);
	control_refuse(request, call->status, "%s", call->detail);
}

static void on_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct report_call *call = call_of(arg);
	struct reports *reports = call->reports;
	(void)result;
	if (reports && call->kind == CALL_SAVE)
		end_save(reports, call);
	else if (reports)
		end_request(call);
	da_release(call->da, request);
	if (reports)
		next_save(reports);
}

static bool submit(struct reports *reports, struct report_call *call)
{
	static const struct da_sink sink = { .finished = call_free };
	struct da_spec spec = {
		.kind = DA_CALL,
		.owner = reports,
		.call = run_call,
		.call_arg = call,
		.sink = &sink,
		.sink_arg = call,
		.done = on_done,
		.arg = call,
	};
	call->is_submitted = da_submit(reports->da, &spec);
	return call->is_submitted;
}

/* The first of those that wait, when none is under way. Without a place in the queue it has failed. */
static void next_save(struct reports *reports)
{
	while (reports->saves && !reports->saves->is_submitted) {
		struct report_call *call = reports->saves;
		if (submit(reports, call))
			return;
		call->status = STATUS_QUEUE_FULL;
		snprintf(call->detail, sizeof(call->detail), "the disk queue is full");
		end_save(reports, call);
		call_free(call);
	}
}

static unsigned count_of(const struct report_call *calls)
{
	const struct report_call *call;
	unsigned count;
	DL_COUNT(calls, call, count);
	return count;
}

enum status reports_save(struct reports *reports, uint8_t *bytes, size_t count, reports_fn *fn, void *arg,
	char detail[DETAIL_MAX + 1])
{
	struct report_call *call;
	if (count > REPORT_BYTES_MAX) {
		snprintf(detail, DETAIL_MAX + 1, "a report has at most %u bytes", REPORT_BYTES_MAX);
		free(bytes);
		return STATUS_BAD_REQUEST;
	}
	if (count_of(reports->saves) == SAVES_MAX) {
		snprintf(detail, DETAIL_MAX + 1, "too many reports of %s wait to be written", reports->device);
		free(bytes);
		return STATUS_BUSY;
	}
	call = new_call(reports, CALL_SAVE);
	call->bytes = bytes;
	call->count = count;
	if (!reports->saves && !submit(reports, call)) {
		call_free(call);
		snprintf(detail, DETAIL_MAX + 1, "the disk queue is full");
		return STATUS_BUSY;
	}
	call->fn = fn;
	call->arg = arg;
	DL_APPEND(reports->saves, call);
	return STATUS_OK;
}

void reports_leave(struct reports *reports, const void *arg)
{
	struct report_call *call, *next;
	DL_FOREACH_SAFE(reports->saves, call, next)
		if (call->arg == arg)
			call->fn = NULL;
}

void reports_serve(struct reports *reports, struct control_request *request)
{
	const struct msg_control *control = control_message(request);
	struct report_call *call;
	if (count_of(reports->requests) == REQUESTS_MAX) {
		control_refuse(request, STATUS_BUSY, "reports of %s are being read for others", reports->device);
		return;
	}
	call = new_call(reports, control->verb == VERB_REPORTS ? CALL_LIST : CALL_SHOW);
	call->number = control->report;
	if (!submit(reports, call)) {
		call_free(call);
		control_refuse(request, STATUS_BUSY, "the disk queue is full");
		return;
	}
	call->request = request;
	DL_APPEND(reports->requests, call);
}

void reports_end(struct reports *reports)
{
	while (reports && reports->requests)
		control_refuse(take_request(reports->requests), STATUS_LINK_LOST, "ra-primaryd ends");
}

struct reports *reports_new(const struct reports_config *config)
{
	struct reports *reports = xcalloc(1, sizeof(*reports));
	reports->da = config->da;
	reports->post = config->post;
	reports->folder = xstrdup(config->folder);
	reports->keep = config->keep;
	snprintf(reports->device, sizeof(reports->device), "%s", config->device);
	return reports;
}

void reports_keep(struct reports *reports, unsigned keep)
{
	reports->keep = keep;
}

void reports_free(struct reports *reports)
{
	struct report_call *call, *next;
	if (!reports)
		return;
	assert(!reports->requests);
	DL_FOREACH_SAFE(reports->saves, call, next) {
		call->reports = NULL;
		if (!call->is_submitted)
			call_free(call);
	}
	free(reports->folder);
	free(reports);
}
