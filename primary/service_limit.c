/* SPDX-License-Identifier: Apache-2.0
 *
 * A limit of a device, of a peer or of the whole primary: the same for local and for remote reads. Loop thread only.
 */
#include "base/rate.h"
#include "primary/service_parts.h"

struct limit_pair limit_pair_new(struct service *service, const struct rate_limit *limit, bool is_local)
{
	return (struct limit_pair){
		.local = is_local ? rate_new(service->core.throttle, limit) : NULL,
		.remote = rate_new(service->core.throttle, limit),
	};
}

void limit_pair_set(const struct limit_pair *pair, const struct rate_limit *limit)
{
	if (pair->local)
		rate_set(pair->local, limit);
	rate_set(pair->remote, limit);
}

void limit_pair_free(struct limit_pair *pair)
{
	rate_free(pair->local);
	rate_free(pair->remote);
}
