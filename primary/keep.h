/* SPDX-License-Identifier: Apache-2.0
 *
 * What the primary keeps of one device: the file STATE/DEVICE/ledger. One user at a time has it, and no other process
 * has its lock as long. All that touches the disk happens on DA threads. Loop thread only; callbacks come from the
 * loop, never from inside the call that asked.
 */
#ifndef RA_PRIMARY_KEEP_H
#define RA_PRIMARY_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

struct clock;
struct da;
struct keep;
struct post;

struct keep_config {
	struct clock *clock;
	struct da *da;
	struct post *post;
	const char *folder; /* STATE; made, with that of the device, when there is something to keep */
	const char *device;
};

/* bytes: the callee's, to be freed; NULL where there is nothing. detail: words when the status is not OK. TIMEOUT: the
 * disk did not answer; a save may still come about. */
typedef void keep_fn(void *arg, enum status status, const char *detail, uint8_t *bytes, size_t count);

struct keep *keep_new(const struct keep_config *config);
/* Nobody may have it (asserted). A call that is under way is left to the DA. NULL is fine. */
void keep_free(struct keep *keep);
const char *keep_path(const struct keep *keep);

/* Takes the ledger for this user, which is known by arg, until keep_leave, unless it fails. OK: fn comes later with
 * the bytes as they are. BUSY, with words: another one has it; NOT_READY: an earlier request hangs. owner: for words,
 * copied. One request of a user at a time. */
enum status keep_load(struct keep *keep, const char *owner, keep_fn *fn, void *arg, char detail[DETAIL_MAX + 1]);
/* OK: fn comes later. BAD_REQUEST, with words: arg has not loaded it; NOT_READY as above. Takes bytes over in any
 * case. What is no ledger of this device is BAD_REQUEST for fn. */
enum status keep_save(struct keep *keep, uint8_t *bytes, size_t count, keep_fn *fn, void *arg,
	char detail[DETAIL_MAX + 1]);
/* arg has gone: fn comes no more. What is being written is written. Harmless when arg does not have it. */
void keep_leave(struct keep *keep, const void *arg);

#endif
