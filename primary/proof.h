/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl proof: what the ledger of a device says of its age. The file is read on a DA thread, as it is, whoever has it.
 * Loop thread only.
 */
#ifndef RA_PRIMARY_PROOF_H
#define RA_PRIMARY_PROOF_H

#include <jansson.h>
#include <stdint.h>

struct control_request;
struct da;
struct ledger;
struct proofs; /* requests that wait for their file */

struct proofs *proofs_new(struct da *da);
/* Requests that wait are refused. Before the DA ends. NULL is fine. */
void proofs_free(struct proofs *proofs);
/* The request is answered later, or refused. path: of the device's ledger. */
void proofs_serve(struct proofs *proofs, const char *device, const char *path, struct control_request *request);

/* ledger NULL: nothing is known yet. The caller owns what is returned. */
json_t *proof_describe(const char *device, const struct ledger *ledger, int64_t now_wall_s);

#endif
