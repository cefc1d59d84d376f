/* SPDX-License-Identifier: Apache-2.0
 *
 * What ra-ctl is shown of a secondary, as JSON that the caller owns. Nothing changes by it. Loop thread only.
 */
#ifndef RA_SECONDARY_DESCRIBE_H
#define RA_SECONDARY_DESCRIBE_H

#include <jansson.h>
#include <stdint.h>

struct service;

#define DESCRIBE_ALL UINT32_MAX

json_t *describe_status(const struct service *service);
json_t *describe_devices(const struct service *service);
/* Each device's ring of jobs, forward from the active one. device: its number, or DESCRIBE_ALL. */
json_t *describe_jobs(const struct service *service, uint32_t device);
json_t *describe_cache(const struct service *service);
json_t *describe_links(const struct service *service);
json_t *describe_limits(const struct service *service);

#endif
