/* SPDX-License-Identifier: Apache-2.0
 *
 * A time of day of this host's clock as a length of time. No state; time zones are those of the C library.
 */
#ifndef RA_COMPARE_UNTIL_H
#define RA_COMPARE_UNTIL_H

#include <stdint.h>
#include <time.h>

/* From now on, seconds until the clock next shows HH:MM; -1: it is no such text. Where daylight saving leaves that time
 * out, the one that comes in its place. */
int64_t until_s(const char *text, time_t now);

#endif
