/* SPDX-License-Identifier: Apache-2.0
 *
 * The ranges of a report, in order of offset, never overlapping; those that touch and mean the same are one. How many
 * there are, what did not fit, and the bytes that differ are counted in the figures of the report. Bounded by
 * REPORT_RANGES_MAX. For report.c only.
 */
#ifndef RA_COMPARE_RANGES_H
#define RA_COMPARE_RANGES_H

#include <stddef.h>
#include <stdint.h>

struct ranges;
struct report_figures;
struct report_range;

/* The figures outlive it; their setup is used: of differences the history says whether they were seen before. */
struct ranges *ranges_new(struct report_figures *figures);
void ranges_free(struct ranges *ranges); /* NULL is fine */
const struct report_range *ranges_item(const struct ranges *ranges, size_t index); /* index < range_count */
/* Index of the first range that ends after offset. */
size_t ranges_find_end(const struct ranges *ranges, uint64_t offset);
/* Its seen is set here. Length 0: nothing. */
void ranges_add(struct ranges *ranges, const struct report_range *range);
/* Each stretch of unequal bytes of a track; nothing of the track may be there yet. model: what all of them have in
 * common, and where the track begins. */
void ranges_add_exact(struct ranges *ranges, const struct report_range *model, const uint8_t *a, const uint8_t *b,
	uint32_t bytes);

#endif
