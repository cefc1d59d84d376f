/* SPDX-License-Identifier: Apache-2.0
 *
 * What ra-ctl shows of a secondary, as JSON; the caller owns what is returned. Loop thread only.
 */
#ifndef RA_SECONDARY_SHOW_H
#define RA_SECONDARY_SHOW_H

#include <jansson.h>

struct peer_list;
struct ra;

json_t *secondary_show_devices(const struct ra *ra);
/* The rings, each in its order from the active job. device: a name, or NULL for every device that is accessed. NULL:
 * there is no such device. */
json_t *secondary_show_jobs(const struct ra *ra, const char *device);
json_t *secondary_show_cache(const struct ra *ra);
json_t *secondary_show_links(const struct ra *ra, const struct peer_list *peers);
json_t *secondary_show_limits(const struct ra *ra, const struct peer_list *peers);

#endif
