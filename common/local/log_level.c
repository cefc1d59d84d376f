/* SPDX-License-Identifier: Apache-2.0
 *
 * The level is that of the process: see log_level.h. No state.
 */
#include "local/log_level.h"

#include <assert.h>

#include "base/log.h"
#include "local/server.h"

void control_serve_log_level(struct control_request *request)
{
	const struct msg_control *control = control_message(request);

	assert(control->verb == VERB_LOG_LEVEL);
	if (control->log_level > 0) {
		log_set_level((enum log_level)(control->log_level - 1));
		/* Whatever the level: it says why there are more lines or fewer from here on. */
		log_write(LOG_LEVEL_INFO, "uid %u sets the log level to %s", control_uid(request), log_level_name(log_level()));
	}
	control_answer(request, json_pack("{s:s}", "log_level", log_level_name(log_level())));
}
