/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges of tracks as people write them: "5", "0-99", several with commas between; in a file one a line, with '#'
 * before a comment.
 */
#ifndef RA_CTL_RANGES_H
#define RA_CTL_RANGES_H

#include <stdbool.h>
#include <stdio.h>

#include "primary/ctl/options.h"

struct track_set;

/* Adds them to the set; false with words that name the value. */
bool ctl_ranges_take(struct track_set *set, const char *text, char why[CTL_WHY_BYTES]);
/* All of a file; false with words that name it and the line. At most TRACK_SET_RANGES_MAX ranges. */
bool ctl_ranges_read(struct track_set *set, FILE *in, const char *name, char why[CTL_WHY_BYTES]);
/* So that ctl_ranges_read makes the same set of it. */
void ctl_ranges_print(const struct track_set *set, const char *indent, FILE *out);

#endif
