/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's requests to a secondary: shown at once (show.h), a limit changed at once, a probe answered when it has
 * ended, invalid tracks when they were read from the disk or written to it. Loop thread only.
 */
#ifndef RA_SECONDARY_CONTROL_H
#define RA_SECONDARY_CONTROL_H

#include <stddef.h>

struct control;
struct event_base;
struct service;

/* The service with its ra, post, peers and accept; listens on the socket of its settings. NULL with words in why. */
struct control *control_new(const struct service *service, struct event_base *base, char *why, size_t why_bytes);
/* Probes end without a result; their askers are told so. NULL is fine. */
void control_free(struct control *control);

#endif
