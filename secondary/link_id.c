/* SPDX-License-Identifier: Apache-2.0
 *
 * Link ids: see link_id.h. A peer may send any 64 bits here; nothing is believed before every part has been compared.
 */
#include "secondary/link_id.h"

#include <assert.h>
#include <stddef.h>
#include <sys/random.h>

#include "base/log.h"
#include "secondary/job.h"

uint16_t link_id_new_secondary(void)
{
	uint16_t id = 0;

	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			log_abort("getrandom failed");
	return id;
}

uint64_t link_id_of(uint16_t secondary_id, const struct job *job)
{
	assert(secondary_id != 0 && job->index <= UINT16_MAX && job->generation != 0);
	return (uint64_t)secondary_id << 48 | (uint64_t)job->index << 32 | job->generation;
}

struct job *link_id_resolve(struct job_array *array, uint16_t secondary_id, uint64_t link_id,
	const struct session *session, const struct device *device)
{
	struct job *job = job_array_element(array, (uint32_t)(link_id >> 32) & UINT16_MAX);

	if (job == NULL || job->specific.kind != JOB_LINK || link_id_of(secondary_id, job) != link_id)
		return NULL;
	if (job->specific.session != session || (device != NULL && job->shared != device))
		return NULL;
	return job;
}
