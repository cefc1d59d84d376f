/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of the primary before a pass, and whether its answer lets a pass begin. Pure functions but for the name
 * of the host and the hint.
 */
#ifndef RA_COMPARE_OPENING_H
#define RA_COMPARE_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPENING_WHY_BYTES 4700u /* a name and a detail may stand in it */

struct ledger_binding;
struct msg_host_open;
struct msg_host_open_reply;
struct options;

void opening_request(const struct options *options, struct msg_host_open *out);
/* 0: a pass can begin. Else the exit code, with words in why. */
int opening_judge(const struct options *options, const struct msg_host_open_reply *reply, char why[OPENING_WHY_BYTES]);

/* For a device that is not to be had: adds to why that a file has this name, if one has. */
void opening_add_hint(const struct options *options, char *why, size_t why_bytes);

/* What a ledger of this comparison is bound to. */
void opening_binding(const struct options *options, const struct msg_host_open_reply *reply,
	struct ledger_binding *out);

/* Only what both volumes have is compared. */
bool opening_is_common(const struct options *options, const struct msg_host_open_reply *reply);
/* The bytes that a pass has to account for. */
uint64_t opening_total_bytes(const struct options *options, const struct msg_host_open_reply *reply);

#endif
