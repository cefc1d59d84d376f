/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to the daemon of this host.
 */
#ifndef RA_CTL_ASK_H
#define RA_CTL_ASK_H

#include <jansson.h>

#include "primary/ctl/options.h"

#define CTL_ANSWER_MS 15000

/* Where the daemon is: as given, or by what is there. */
const char *ctl_socket(const struct ctl_options *options);
/* OK with *json, the caller's; else words in why. LINK_LOST: there is no daemon. */
enum status ctl_call(const char *socket, struct msg_control *request, int timeout_ms, json_t **json,
	char why[CTL_WHY_BYTES]);
/* The same for a verb, with a payload (NULL: none): CTL_GOOD with *json, or another exit code after it was told on
 * standard error. */
enum ctl_exit ctl_ask(const struct ctl_options *options, struct msg_control *request, const void *payload,
	uint32_t payload_bytes, json_t **json);
enum ctl_exit ctl_exit_of(enum status status);

#endif
