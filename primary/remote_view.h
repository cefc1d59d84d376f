/* SPDX-License-Identifier: Apache-2.0
 *
 * What people may want to know of a link and its jobs. Loop thread only; what is told is valid until the loop goes on.
 */
#ifndef RA_PRIMARY_REMOTE_VIEW_H
#define RA_PRIMARY_REMOTE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

struct remote;
struct remote_job;

struct remote_view {
	const char *state; /* "waiting", "connecting", "hello", "up" */
	bool is_up;
	const char *key;     /* of the secondary, "" while it is not known */
	int64_t since_ms;    /* how long it has been in this state */
	uint32_t relinks;
	uint64_t wire_bytes; /* of all connections so far */
	uint32_t reads_connected, window_reads;
	const char *error;   /* why it is not up; "" when nothing is known */
	int64_t retry_in_ms; /* -1: no attempt is due */
};

struct remote_job_view {
	const char *state;   /* "new", "creating", "ready", "releasing" */
	const char *read;    /* "none", "waiting", "requested", "disconnected", "receiving" */
	uint64_t link_id;    /* 0: none */
	uint64_t first_track;
	uint32_t track_count; /* 0: no read */
	int64_t age_ms;
};

struct remote_view remote_view(const struct remote *remote);
struct remote_job_view remote_job_view(const struct remote_job *job);

#endif
