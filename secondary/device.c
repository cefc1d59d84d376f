/* SPDX-License-Identifier: Apache-2.0
 *
 * The device record array: see device.h. Opening, asking the size and closing happen on DA threads; the record's state
 * says what is under way. An open that hangs past da-timeout is told to those who wait and given up; the record stays
 * until its thread comes back, and the volume is then closed.
 */
#include "secondary/device.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/post.h"
#include "secondary/job.h"
#include "secondary/ra.h"
#include "storage/cache.h"
#include "storage/da.h"
#include "storage/invalid_table.h"
#include "storage/volume.h"

#define ATTACH_MAGIC 0x41545443u

/* One query of a device: waits for the open of the record, or has its own DA request that asks the size. */
struct attach {
	uint32_t magic;
	struct device *device;
	bool counted;
	attach_fn *fn;
	void *arg;
	struct da_request *request; /* DA_SIZE; NULL: waits for the open */
	struct timer timer;
	struct attach *prev, *next;
};

struct device_array {
	struct ra *ra;
	uint32_t count;
	struct device_slot {
		char name[DEVICE_NAME_MAX + 1];
		struct volume *volume;
		enum device_listing listing;
		struct rate *rate;
		struct invalid_table *invalid;
		struct volume_info info; /* while the record is open */
		struct device *record;   /* Fig. 9: NULL where not accessed */
	} slots[DEVICES_MAX];
};

static void start_open(struct device *device);

struct device_array *device_array_new(struct ra *ra)
{
	struct device_array *array = xcalloc(1, sizeof(*array));

	array->ra = ra;
	return array;
}

bool device_array_is_idle(const struct device_array *array)
{
	for (uint32_t i = 0; i < array->count; i++)
		if (array->slots[i].record != NULL)
			return false;
	return true;
}

void device_array_free(struct device_array *array)
{
	if (array == NULL)
		return;
	assert(device_array_is_idle(array));
	for (uint32_t i = 0; i < array->count; i++) {
		volume_free(array->slots[i].volume);
		rate_free(array->slots[i].rate);
		invalid_table_free(array->slots[i].invalid);
	}
	free(array);
}

int device_array_add(struct device_array *array, const char *name, struct volume *volume)
{
	struct device_slot *slot;

	if (device_array_find_any(array, name) >= 0)
		return -EEXIST;
	if (array->count == DEVICES_MAX)
		return -ENOSPC;
	slot = &array->slots[array->count];
	snprintf(slot->name, sizeof(slot->name), "%s", name);
	slot->volume = volume;
	slot->rate = rate_new(array->ra->throttle, &(struct rate_limit){ 0 });
	return (int)array->count++;
}

int device_array_find_any(const struct device_array *array, const char *name)
{
	for (uint32_t i = 0; i < array->count; i++)
		if (strcmp(array->slots[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

int device_array_find(const struct device_array *array, const char *name)
{
	int number = device_array_find_any(array, name);

	return number < 0 || array->slots[number].listing == DEVICE_NOT_LISTED ? -ENOENT : number;
}

void device_array_set_listing(struct device_array *array, uint32_t number, enum device_listing listing)
{
	array->slots[number].listing = listing;
}

enum device_listing device_array_listing(const struct device_array *array, uint32_t number)
{
	return array->slots[number].listing;
}

struct device *device_array_record(const struct device_array *array, uint32_t number)
{
	return number < array->count ? array->slots[number].record : NULL;
}

uint32_t device_array_count(const struct device_array *array)
{
	return array->count;
}

static const struct device_slot *slot_at(const struct device_array *array, uint32_t number)
{
	assert(number < array->count);
	return &array->slots[number];
}

const char *device_array_name(const struct device_array *array, uint32_t number)
{
	return slot_at(array, number)->name;
}

struct volume *device_array_volume(const struct device_array *array, uint32_t number)
{
	return slot_at(array, number)->volume;
}

struct rate *device_array_rate(const struct device_array *array, uint32_t number)
{
	return slot_at(array, number)->rate;
}

void device_array_set_invalid(struct device_array *array, uint32_t number, struct invalid_table *table)
{
	assert(number < array->count && array->slots[number].invalid == NULL);
	array->slots[number].invalid = table;
}

struct invalid_table *device_array_invalid(const struct device_array *array, uint32_t number)
{
	return slot_at(array, number)->invalid;
}

static struct device_slot *slot_of(struct device *device)
{
	return &device->ra->devices->slots[device->constants.number];
}

const struct volume_info *device_info(struct device *device)
{
	return &slot_of(device)->info;
}

bool device_is_ready(const struct device *device)
{
	return device->state == DEVICE_OPEN && !device->parameters.is_hung;
}

const char *device_state_name(enum device_state state)
{
	static const char *const names[] = { [DEVICE_OPENING] = "opening", [DEVICE_OPEN] = "open",
		[DEVICE_FAILED] = "failed", [DEVICE_CLOSING] = "closing" };

	return names[state];
}

static void enter(struct device *device, enum device_state state, const char *reason)
{
	log_debug("device %s: %s -> %s (%s)", device->constants.name, device_state_name(device->state),
		device_state_name(state), reason);
	device->state = state;
}

/* ---- Answers ---- */

static void answer(struct attach *attach, enum status status, const char *detail)
{
	struct device *device = attach->device;
	const struct volume_info *info = status == STATUS_OK ? &slot_of(device)->info : NULL;

	assert(attach->magic == ATTACH_MAGIC);
	if (status == STATUS_OK && !attach->counted)
		device->attach_count++;
	DL_DELETE(device->attaches, attach);
	timer_cancel(&attach->timer);
	attach->magic = 0;
	attach->fn(attach->arg, status, device->constants.number, info, detail);
	free(attach);
}

static void answer_waiting(struct device *device, enum status status, const char *detail)
{
	struct attach *attach, *next;

	DL_FOREACH_SAFE(device->attaches, attach, next)
		if (attach->request == NULL)
			answer(attach, status, detail);
}

/* ---- Open ---- */

static void post_device(struct device *device, enum status status, const char *text)
{
	const struct post_where where = { .device = device->constants.name };

	post_error(device->ra->post, status, &where, "%s", text);
}

/* From what is known of the volume now. */
static void set_constants(struct device *device)
{
	struct device_constants *constants = &device->constants;
	const struct volume_info *info = &slot_of(device)->info;

	assert(device->job_count == 0);
	constants->size_bytes = info->size_bytes;
	constants->track_count = info->size_bytes / constants->track_bytes +
		(info->size_bytes % constants->track_bytes != 0);
}

/* Gives the element back. Releasing may call device_array_retry, which must still see that there is a request. */
static void release(struct device *device, struct da_request **request)
{
	da_release(device->ra->da, *request);
	*request = NULL;
}

/* The peer is told without the path. */
static void post_failed_open(struct device *device, const char *detail)
{
	const char *path = volume_path(device->volume);
	char text[DETAIL_MAX + 1];

	snprintf(text, sizeof(text), "cannot open %.180s: %.60s", path != NULL ? path : "the volume", detail);
	post_device(device, STATUS_VOLUME_ERROR, text);
}

static void open_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct device *device = arg;
	const int error = result->error;
	char detail[DETAIL_MAX + 1];

	assert(device->request == request);
	timer_cancel(&device->open_timer);
	if (error == 0)
		slot_of(device)->info = result->info;
	release(device, &device->request);
	if (error == 0) {
		set_constants(device);
		enter(device, DEVICE_OPEN, "volume opened");
		answer_waiting(device, STATUS_OK, "");
	} else {
		snprintf(detail, sizeof(detail), "%s", volume_error_text(error));
		enter(device, DEVICE_FAILED, detail);
		post_failed_open(device, detail);
		answer_waiting(device, STATUS_VOLUME_ERROR, detail);
	}
	device_close_if_unused(device);
}

static void open_timed_out(void *arg)
{
	struct device *device = arg;

	post_device(device, STATUS_TIMEOUT, "the volume was not opened in time");
	if (da_abandon(device->ra->da, device->request))
		device_request_hangs(device);
	device->request = NULL;
	enter(device, DEVICE_FAILED, "open timed out");
	answer_waiting(device, STATUS_TIMEOUT, "the volume was not opened in time");
	device_close_if_unused(device);
}

static void start_open(struct device *device)
{
	const struct da_spec spec = { .kind = DA_OPEN, .volume = device->volume, .done = open_done, .arg = device,
		.returned = device_request_returned, .returned_arg = device };

	enter(device, DEVICE_OPENING, "attached");
	device->request = da_submit(device->ra->da, &spec);
	if (device->request != NULL)
		timer_set(&device->open_timer, device->ra->config.da_timeout_ms);
	/* else: device_array_retry, when an element is free */
}

static struct device *record_new(struct device_array *array, uint32_t number)
{
	struct ra *ra = array->ra;
	struct device_slot *slot = &array->slots[number];
	struct device *device = xcalloc(1, sizeof(*device));

	device->shared = device;
	device->ra = ra;
	device->volume = slot->volume;
	device->constants = (struct device_constants){ .number = number, .track_bytes = ra->config.track_bytes,
		.name = slot->name };
	timer_init(&device->open_timer, ra->clock, open_timed_out, device);
	device_lock_init(device);
	slot->record = device;
	return device;
}

/* ---- Size ---- */

static void size_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct attach *attach = arg;
	struct device *device = attach->device;
	struct volume_info *info = &slot_of(device)->info;
	const int error = result->error;

	assert(attach->magic == ATTACH_MAGIC && attach->request == request);
	if (error == 0) {
		if (info->offset_bytes + info->size_bytes == info->whole_bytes) /* the part goes to the end */
			info->whole_bytes = info->offset_bytes + result->info.size_bytes;
		info->size_bytes = result->info.size_bytes;
		if (device->job_count == 0) /* the constants are fixed only while there are jobs */
			set_constants(device);
	}
	release(device, &attach->request);
	answer(attach, error == 0 ? STATUS_OK : STATUS_VOLUME_ERROR, error == 0 ? "" : volume_error_text(error));
	device_close_if_unused(device);
}

/* Also for a query that waits for the close of a volume which hangs. */
static void query_timed_out(void *arg)
{
	struct attach *attach = arg;
	struct device *device = attach->device;

	post_device(device, STATUS_TIMEOUT, "the volume did not answer a query in time");
	if (attach->request != NULL && da_abandon(device->ra->da, attach->request))
		device_request_hangs(device);
	attach->request = NULL;
	answer(attach, STATUS_TIMEOUT, "the volume did not answer in time");
	device_close_if_unused(device);
}

static void start_size(struct attach *attach)
{
	struct device *device = attach->device;
	const struct da_spec spec = { .kind = DA_SIZE, .volume = device->volume, .done = size_done, .arg = attach,
		.returned = device_request_returned, .returned_arg = device };

	attach->request = da_submit(device->ra->da, &spec);
	/* NULL: device_array_retry tries again when an element is free */
}

struct attach *device_attach(struct device_array *array, uint32_t number, bool counted, attach_fn *fn, void *arg)
{
	struct device *device = array->slots[number].record;
	struct attach *attach = xcalloc(1, sizeof(*attach));

	assert(number < array->count);
	if (device == NULL) {
		device = record_new(array, number);
		start_open(device);
	}
	attach->magic = ATTACH_MAGIC;
	attach->device = device;
	attach->counted = counted;
	attach->fn = fn;
	attach->arg = arg;
	timer_init(&attach->timer, array->ra->clock, query_timed_out, attach);
	timer_set(&attach->timer, array->ra->config.da_timeout_ms);
	DL_APPEND(device->attaches, attach);
	if (device->state == DEVICE_OPEN)
		start_size(attach);
	return attach;
}

void attach_cancel(struct attach *attach)
{
	struct device *device = attach->device;

	assert(attach->magic == ATTACH_MAGIC);
	timer_cancel(&attach->timer);
	if (attach->request != NULL && da_abandon(device->ra->da, attach->request))
		device_request_is_unwanted(device);
	DL_DELETE(device->attaches, attach);
	attach->magic = 0;
	free(attach);
	device_close_if_unused(device);
}

void device_detach(struct device *device)
{
	assert(device->attach_count > 0);
	device->attach_count--;
	device_close_if_unused(device);
}

/* ---- Close ---- */

static void close_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct device *device = arg;

	(void)result;
	assert(device->request == request);
	release(device, &device->request);
	cache_drop_device(device->ra->cache, device->constants.number);
	if (device->attaches != NULL) { /* asked for again meanwhile */
		start_open(device);
		return;
	}
	slot_of(device)->record = NULL;
	free(device);
}

static void start_close(struct device *device)
{
	const struct da_spec spec = { .kind = DA_CLOSE, .volume = device->volume, .done = close_done, .arg = device };

	device->request = da_submit(device->ra->da, &spec);
}

void device_close_if_unused(struct device *device)
{
	if (device->state == DEVICE_OPENING || device->state == DEVICE_CLOSING || device->attach_count > 0 ||
		device->job_count > 0 || device->parameters.abandoned_requests > 0 || device->lock.state != LOCK_NONE ||
		(device->attaches != NULL && device->state == DEVICE_OPEN))
		return;
	enter(device, DEVICE_CLOSING, "unused");
	start_close(device);
}

void device_array_retry(struct device_array *array)
{
	for (uint32_t i = 0; i < array->count; i++) {
		struct device *device = array->slots[i].record;
		struct attach *attach, *next;

		if (device == NULL)
			continue;
		if (device->request == NULL && device->state == DEVICE_CLOSING)
			start_close(device);
		else if (device->request == NULL && device->state == DEVICE_OPENING)
			start_open(device);
		device_lock_retry(device);
		if (device->state == DEVICE_OPEN)
			DL_FOREACH_SAFE(device->attaches, attach, next)
				if (attach->request == NULL)
					start_size(attach);
	}
}

void device_request_hangs(struct device *device)
{
	device->parameters.abandoned_requests++;
	if (!device->parameters.is_hung)
		log_warning("device %s: not ready: a request hangs", device->constants.name);
	device->parameters.is_hung = true;
}

void device_request_is_unwanted(struct device *device)
{
	device->parameters.abandoned_requests++;
}

void device_request_returned(void *arg)
{
	struct device *device = arg;

	assert(device->shared == device && device->parameters.abandoned_requests > 0);
	if (--device->parameters.abandoned_requests == 0) {
		if (device->parameters.is_hung)
			log_warning("device %s: ready again", device->constants.name);
		device->parameters.is_hung = false;
	}
	device_close_if_unused(device);
}
