/* SPDX-License-Identifier: Apache-2.0
 *
 * The way to a daemon's socket for the programs beside it, and ra-ctl's questions: one request, one answer, blocking.
 */
#ifndef RA_LOCAL_CONTROL_CLIENT_H
#define RA_LOCAL_CONTROL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#include "wire/message.h"

/* Connects to a daemon's Unix socket; a blocking descriptor, or -errno with words in why (-EINTR: a signal came).
 * daemon: which one should be there, for people; NULL: as the name of the socket says. */
int control_connect(const char *path, const char *daemon, char *why, size_t why_bytes);
/* Sends the request (tag and protocol are filled in) with its payload (NULL: none) and waits for its answer, timeout_ms
 * at most. STATUS_OK with *json, the caller's; else the status of the daemon, or LINK_LOST when it did not answer, with
 * words in why. After LINK_LOST the descriptor is of no more use. */
enum status control_call(int fd, struct msg_control *request, const void *payload, uint32_t payload_bytes,
	int timeout_ms, json_t **json, char *why, size_t why_bytes);

#endif
