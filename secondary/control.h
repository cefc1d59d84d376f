/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's requests to a secondary: shown at once (show.h), a limit changed at once, a probe answered when it has
 * ended. Loop thread only.
 */
#ifndef RA_SECONDARY_CONTROL_H
#define RA_SECONDARY_CONTROL_H

#include <stddef.h>

struct control;
struct service;

/* The service with its ra, peers and accept; it listens on the settings' socket. NULL with words in why. */
struct control *control_new(struct service *service, char *why, size_t why_bytes);
/* Probes end without a result; their askers are told so. NULL is fine. */
void control_free(struct control *control);

#endif
