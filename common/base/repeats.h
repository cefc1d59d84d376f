/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines that say the same again and again: which of them are written, and how many were not. Knows no clock and no
 * output; its owner locks it.
 */
#ifndef RA_BASE_REPEATS_H
#define RA_BASE_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#define REPEATS_KINDS 512u       /* at once */
#define REPEATS_WINDOW_MS 60000  /* in which a kind has its lines */
#define REPEATS_TEXT_BYTES 256u

struct repeat {
	uint64_t kind;
	int64_t since_ms; /* its window began */
	unsigned told;    /* lines in it */
	uint64_t untold;  /* that were only counted */
	int level;        /* its owner's business, as is text: of the last line that was told */
	char text[REPEATS_TEXT_BYTES];
};

/* All zero at first. */
struct repeats {
	struct repeat kinds[REPEATS_KINDS];
	unsigned count;
	struct repeat others; /* of what found no place */
};

typedef void repeats_fn(const struct repeat *repeat, int64_t window_ms);

/* Another line of this kind, of which so many are told in a window. NULL: it was counted only. Else the caller tells
 * it, and fills in level and text at once. A window that is over ends first, as in repeats_end. */
struct repeat *repeats_take(struct repeats *repeats, uint64_t kind, unsigned lines, int64_t now_ms, repeats_fn *tell);
/* Tells the count of each kind whose window is over, or of all, where it is not 0. A kind that goes on is only counted
 * in its next window, too; one that did not come again is forgotten. */
void repeats_end(struct repeats *repeats, bool is_all, int64_t now_ms, repeats_fn *tell);

#endif
