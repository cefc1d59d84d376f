/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl log-level: the level in force. One thread.
 */
#include "primary/ctl/show.h"

#include "local/show.h"
#include "primary/ctl/words.h"

void ctl_show_log_level(const json_t *answer, FILE *out)
{
	show_clean(ctl_text_of(answer, "log_level"), out);
	fputc('\n', out);
}
