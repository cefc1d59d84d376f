/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of a configured primary as the JSON of ra-ctl's answers. The caller owns what is returned. What is not
 * known is left out; times are seconds.
 */
#ifndef RA_PRIMARY_SHOW_H
#define RA_PRIMARY_SHOW_H

#include <jansson.h>

struct service;

json_t *show_status(const struct service *service);
json_t *show_devices(const struct service *service);
json_t *show_jobs(const struct service *service, const char *device); /* "": of all */
json_t *show_links(const struct service *service);
json_t *show_limits(const struct service *service);

#endif
