/* SPDX-License-Identifier: Apache-2.0
 *
 * A limit is changed: see limit.h. No state.
 */
#include "local/limit.h"

#include <assert.h>
#include <inttypes.h>

#include "base/log.h"
#include "base/rate.h"
#include "local/server.h"

static void set_limit(struct rate *rate, const struct msg_control *control)
{
	struct rate_limit limit;

	if (!rate)
		return;
	limit = rate_limit(rate);
	if (control->sets_bytes)
		limit.bytes_per_s = control->bytes_per_s;
	if (control->sets_reads)
		limit.reads_per_s = control->reads_per_s;
	rate_set(rate, &limit);
}

void control_set_limit(const struct control_request *request, struct rate *one, struct rate *other)
{
	static const char *const scopes[] = { "", "total", "device", "peer" };
	const struct msg_control *control = control_message(request);
	struct rate_limit limit;

	assert(control->verb == VERB_LIMIT && control->scope != SCOPE_UNSET);
	set_limit(one, control);
	set_limit(other, control);
	limit = rate_limit(one ? one : other);
	log_info("uid %u sets the limit of %s%s%s: %" PRIu64 " bytes/s and %" PRIu64 " reads/s (0: none)",
		control_uid(request), scopes[control->scope], control->name[0] ? " " : "", control->name, limit.bytes_per_s,
		limit.reads_per_s);
}
