/* SPDX-License-Identifier: Apache-2.0
 *
 * The reports of the last runs of one device: STATE/DEVICE/reports/NUMBER.json, each the document that ra-compare sent
 * when its run ended. A new one has a number above all that are there, from 1 on. All that touches the disk happens on
 * DA threads, saves one after the other. Loop thread only; callbacks come from the loop.
 */
#ifndef RA_PRIMARY_REPORTS_H
#define RA_PRIMARY_REPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

struct control_request;
struct da;
struct post;
struct reports;

struct reports_config {
	struct da *da;
	struct post *post;
	const char *folder; /* STATE; made, with those of the device, when there is something to keep */
	const char *device;
	unsigned keep; /* so many; 0: what comes is accepted and forgotten, and so is what is there */
};

/* detail: words when the status is not OK. */
typedef void reports_fn(void *arg, enum status status, const char *detail);

struct reports *reports_new(const struct reports_config *config);
/* Calls that are under way are left to the DA, those that wait are dropped. NULL is fine. */
void reports_free(struct reports *reports);
/* So many from the next save on. */
void reports_keep(struct reports *reports, unsigned keep);

/* OK: fn comes later. BUSY, with words: too many wait; BAD_REQUEST: too long. Takes bytes over in any case. What is no
 * report of this device is BAD_REQUEST for fn. */
enum status reports_save(struct reports *reports, uint8_t *bytes, size_t count, reports_fn *fn, void *arg,
	char detail[DETAIL_MAX + 1]);
/* arg has gone: fn comes no more. What it sent is written all the same. Harmless when it waits for nothing. */
void reports_leave(struct reports *reports, const void *arg);

/* REPORTS and REPORT of ra-ctl: answered later, or refused. */
void reports_serve(struct reports *reports, struct control_request *request);
/* Requests that wait are refused: before their server ends. */
void reports_end(struct reports *reports);

#endif
