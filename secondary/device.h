/* SPDX-License-Identifier: Apache-2.0
 *
 * Figs. 9, 10 and 12: the array of device records, and a record with its ring of jobs. A slot of the array is NULL
 * while its device is not accessed: the record is made when the first session attaches the device (its volume is opened
 * on a DA thread) and freed when the last one has detached it, its last job has gone and its volume is closed.
 * Loop thread only.
 */
#ifndef RA_SECONDARY_DEVICE_H
#define RA_SECONDARY_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/rate.h"
#include "base/status.h"
#include "base/volume_info.h"
#include "secondary/lock.h"
#include "wire/message.h"

struct attach;
struct da_request;
struct invalid_table;
struct job;
struct ra;
struct session;
struct volume;

/* Constants 10: fixed while the job count is above 0; a job record has a copy. */
struct device_constants {
	uint32_t number; /* slot in the device record array */
	uint32_t track_bytes;
	uint64_t size_bytes;
	uint64_t track_count; /* the last track may be short */
	const char *name;     /* lives as long as the array */
};

/* Shared parameters 257: volatile, per device, reached from any record by its shared pointer. */
struct device_shared_parameters {
	unsigned abandoned_requests; /* DA requests whose thread is still in the volume: it stays open */
	bool is_hung;                /* one of them was late: not ready until all have returned */
	uint64_t floor;         /* no Read of this device is answered by an older disk read */
	/* Reservation: see reserve.h. */
	struct session *reserved_by; /* NULL: nobody */
	uint32_t reservation;        /* its number */
	bool is_exclusive;           /* the volume is locked for it, or is being locked: */
	bool is_pending;             /* its Reserve has no answer yet */
	uint32_t pending_tag;
	char owner[OWNER_MAX + 1];   /* who that is, for people */
};

enum device_state { DEVICE_OPENING, DEVICE_OPEN, DEVICE_FAILED, DEVICE_CLOSING };

struct device {
	struct job *active;     /* active job pointer 264; NULL while job_count is 0 */
	unsigned job_count;     /* job counter 266 */
	struct device_constants constants;
	struct device *shared;  /* shared pointer 258: this record */
	struct device_shared_parameters parameters;

	struct ra *ra;
	struct volume *volume; /* the array's */
	enum device_state state;
	unsigned attach_count; /* sessions that have it */
	struct attach *attaches; /* queries that wait for open or size */
	struct da_request *request; /* open or close in flight */
	struct timer open_timer;
	struct device_lock lock;
};

/* Why a DEVICE_REPLACED is refused; %s is its name. */
#define DEVICE_REPLACED_WORDS "the volume of %s was changed in the configuration: restart ra-secondaryd"

/* In the configuration of now. A device and its number stay as they were made. */
enum device_listing {
	DEVICE_LISTED,
	DEVICE_REPLACED,   /* with another volume: only sessions that have it may go on */
	DEVICE_NOT_LISTED, /* not there: nobody finds it by name */
};

struct device_array;

struct device_array *device_array_new(struct ra *ra);
void device_array_free(struct device_array *array); /* every record must be gone (asserted) */
/* Makes a device known; volume is taken over. Its number, or -EEXIST, or -ENOSPC when the array is full. It has no
 * limit until one is set. */
int device_array_add(struct device_array *array, const char *name, struct volume *volume);
void device_array_set_listing(struct device_array *array, uint32_t number, enum device_listing listing);
enum device_listing device_array_listing(const struct device_array *array, uint32_t number);
int device_array_find_any(const struct device_array *array, const char *name); /* listed or not: number or -ENOENT */
uint32_t device_array_count(const struct device_array *array); /* numbers are 0 to count - 1 */
const char *device_array_name(const struct device_array *array, uint32_t number);
struct volume *device_array_volume(const struct device_array *array, uint32_t number);
struct rate *device_array_rate(const struct device_array *array, uint32_t number);
/* The table of its invalid tracks, taken over; a device need not have one (NULL). */
void device_array_set_invalid(struct device_array *array, uint32_t number, struct invalid_table *table);
struct invalid_table *device_array_invalid(const struct device_array *array, uint32_t number);
const struct volume_info *device_info(struct device *device); /* while it is open, as last told by the volume */
const char *device_state_name(enum device_state state);
int device_array_find(const struct device_array *array, const char *name); /* number or -ENOENT */
struct device *device_array_record(const struct device_array *array, uint32_t number); /* NULL: not accessed */

/* What a query is told. info and number only with STATUS_OK; detail is words for a person. */
typedef void attach_fn(void *arg, enum status status, uint32_t number, const struct volume_info *info,
	const char *detail);

/* Opens the device's volume if it is not open, else asks its size; then calls fn once, later. counted: the caller
 * already has the device. Else, with STATUS_OK, the caller has it from then on and must device_detach. The size told is
 * the one of now; while there are jobs the one in force is in the constants. */
struct attach *device_attach(struct device_array *array, uint32_t number, bool counted, attach_fn *fn, void *arg);
void attach_cancel(struct attach *attach); /* fn is not called */
/* The caller's jobs on the device must be gone. */
void device_detach(struct device *device);
/* Closes the volume and frees the record when nothing uses it any more. Called after a job has gone. */
void device_close_if_unused(struct device *device);
/* A DA element became free: what found the queue full are tried again. */
void device_array_retry(struct device_array *array);

bool device_is_ready(const struct device *device);
/* A DA request of this device was abandoned while it ran, because it is late / because those who asked have gone; its
 * thread came back. */
void device_request_hangs(struct device *device);
void device_request_is_unwanted(struct device *device);
void device_request_returned(void *device);
/* Is any record in use? */
bool device_array_is_idle(const struct device_array *array);

#endif
