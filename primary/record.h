/* SPDX-License-Identifier: Apache-2.0
 *
 * HostLoad and HostSave of one host session: which record, whose turn, and the payload both ways. How it is kept is the
 * record's own business. Part of the session (host_session.h); loop thread only.
 */
#ifndef RA_PRIMARY_RECORD_H
#define RA_PRIMARY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

struct host;
struct message;
struct msg_host_load;
struct msg_host_save;

/* Of a host. */
struct host_record {
	bool is_pending; /* a request has no answer yet */
	uint32_t tag;    /* its */
	uint8_t *incoming; /* the payload that comes, or came with the frame that is being served */
	uint32_t incoming_bytes;
};

/* Where the payload of this frame goes; NULL (logged): it may not have one. */
void *record_payload(struct host *host, const struct message *message, uint32_t payload_bytes);
void record_on_load(struct host *host, const struct msg_host_load *load);
void record_on_save(struct host *host, const struct msg_host_save *save);
/* The device is given back, before it is forgotten; harmless when nothing was asked for. */
void record_detach(struct host *host);

#endif
