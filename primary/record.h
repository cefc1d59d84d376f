/* SPDX-License-Identifier: Apache-2.0
 *
 * HostLoad and HostSave of one host session: which record, whose turn, and the payload both ways. How it is kept is the
 * record's own business. Part of the session (host_session.h); loop thread only.
 */
#ifndef RA_PRIMARY_RECORD_H
#define RA_PRIMARY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "local/payload.h"

struct host;
struct message;
struct msg_host_load;
struct msg_host_save;
struct track_set;

/* A load of invalid tracks. */
struct record_invalid {
	struct track_set *set; /* what was told so far; NULL: none is under way */
	unsigned pending;      /* sides that have not answered */
	enum status status;    /* OK, or why one of them could not; then words */
	char detail[DETAIL_MAX + 1];
};

/* Of a host. */
struct host_record {
	bool is_pending; /* a request has no answer yet */
	uint32_t tag;    /* its */
	struct payload incoming; /* that comes, or came with the frame that is being served */
	uint32_t announced;      /* its bytes; more than it has: there was no room for them */
	struct payload_room own_room; /* where hosts have none together */
	struct record_invalid invalid;
};

/* Where the payload of this frame goes; NULL (logged): it may not have one. */
void *record_payload(struct host *host, const struct message *message, uint32_t payload_bytes);
void record_on_load(struct host *host, const struct msg_host_load *load);
void record_on_save(struct host *host, const struct msg_host_save *save);
/* The device is given back, before it is forgotten; harmless when nothing was asked for. */
void record_detach(struct host *host);

/* The request that has no answer yet gets this one; takes bytes over (NULL: none). */
void record_answer(struct host *host, enum status status, const char *detail, uint8_t *bytes, size_t count);

/* ---- record_invalid.c: both answer, now or later ---- */

void record_load_invalid(struct host *host);
void record_save_invalid(struct host *host, const uint8_t *bytes, size_t count);
void record_forget_invalid(struct host *host); /* harmless when nothing was asked for */

#endif
