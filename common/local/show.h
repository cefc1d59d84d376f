/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of ra-ctl's answers that both daemons have, as JSON. The caller owns what is returned.
 */
#ifndef RA_LOCAL_SHOW_H
#define RA_LOCAL_SHOW_H

#include <jansson.h>

#include "base/volume_info.h"

struct da;
struct post;
struct rate;

/* {"errors":[{"number","time":"2026-…Z","status","device","peer","first_track","tracks","link_id":"0x…","text"},…]},
 * newest first; what is unset is left out. */
json_t *show_errors(const struct post *post);
/* {"TIMEOUT":3,…}: posted errors so far, by status. */
json_t *show_error_counts(const struct post *post);
/* {"bytes_per_second","reads_per_second","throttled_seconds"}; 0: no limit. */
json_t *show_rate(const struct rate *rate);
/* {"path","kind","io","bytes","whole_bytes","offset_bytes","length":"common"|"all"|"bytes"} */
json_t *show_volume(const struct volume_info *info);

#endif
