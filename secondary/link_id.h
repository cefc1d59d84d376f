/* SPDX-License-Identifier: Apache-2.0
 *
 * Link ids (Fig. 14): secondary id (16 bits) | index in the job array (16) | generation of that element (32). 0 is the
 * invalid link id that asks for a new job; the generation begins at 1, so no job ever has it.
 */
#ifndef RA_SECONDARY_LINK_ID_H
#define RA_SECONDARY_LINK_ID_H

#include <stdint.h>

struct device;
struct job;
struct job_array;
struct session;

#define LINK_ID_INVALID UINT64_C(0)

/* A secondary id, never 0 and another one for each process: a link id of an earlier one must not mean anything. */
uint16_t link_id_new_secondary(void);
uint64_t link_id_of(uint16_t secondary_id, const struct job *job); /* step 312 */
/* The link job of this session and device with this id; NULL for any other. device NULL: any device. */
struct job *link_id_resolve(struct job_array *array, uint16_t secondary_id, uint64_t link_id,
	const struct session *session, const struct device *device);

#endif
