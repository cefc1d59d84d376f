/* SPDX-License-Identifier: Apache-2.0
 *
 * Posted errors: an error is recorded once, where its cause is known, in the places where people look: the log, a
 * counter per status and the last 256 errors. (The reply is the fourth place; the caller sends it.) The same event on
 * the same device and peer is one line a minute, and a count of the others. Loop thread only.
 */
#ifndef RA_BASE_POST_H
#define RA_BASE_POST_H

#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

#define POST_KEPT 256u

/* Where it happened. Unset: NULL, and track_count 0 and link_id 0. */
struct post_where {
	const char *device;
	const char *peer;
	uint64_t first_track;
	uint32_t track_count;
	uint64_t link_id;
};

struct posted_error {
	uint64_t number; /* 1 for the first since start */
	int64_t wall_s;  /* seconds since 1970, for people only */
	enum status status;
	char device[DEVICE_NAME_MAX + 1];
	char peer[96];
	uint64_t first_track;
	uint32_t track_count;
	uint64_t link_id;
	char text[DETAIL_MAX + 1];
};

struct post *post_new(void);
void post_free(struct post *post);
void post_error(struct post *post, enum status status, const struct post_where *where, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
uint64_t post_count(const struct post *post, enum status status);
uint64_t post_total(const struct post *post);
/* back 0 is the newest; NULL where nothing is kept. Valid until the next post_error. */
const struct posted_error *post_recent(const struct post *post, unsigned back);

#endif
