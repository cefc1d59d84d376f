/* SPDX-License-Identifier: Apache-2.0
 *
 * A host that reads the volume of a cut_bed: attach, query, link jobs, reads of each delivery, releases, detach. It
 * checks each answer, and that each read is answered once and never while the link is down. Loop thread only.
 */
#ifndef RA_TESTS_CUT_HOST_H
#define RA_TESTS_CUT_HOST_H

#include "tests/support/cut_bed.h"

struct remote_device;
struct remote_job;

struct cut_stream {
	struct cut_host *host;
	struct remote_job *job;           /* NULL before it is made and after it was given up */
	uint32_t run;                     /* which of its runs it reads */
	uint32_t first_track, left_tracks; /* of the run */
	uint64_t floor;
	bool is_reading; /* an answer is due */
	bool is_waiting; /* for the disk, to ask again */
	bool is_releasing, is_done;
};

/* When it goes away, whatever is under way then. */
enum cut_leave { LEAVE_NEVER, LEAVE_AT_LOSS, LEAVE_AT_ANSWER };

struct cut_host {
	struct cut_bed *cut_bed;
	enum delivery delivery;
	enum cut_leave leave;
	struct remote_device *device; /* NULL when it was given up */
	struct cut_stream streams[CUT_STREAMS];
	bool is_down;
	bool knows_invalid; /* it was told which tracks the table has */
	unsigned downs, ups, reads, answers, data_not_found, disconnected;
};

void cut_host_start(struct cut_host *host, struct cut_bed *cut_bed, enum delivery delivery, bool reserve,
	enum cut_leave leave);
/* Asks again where that is due. True: it did something. */
bool cut_host_step(struct cut_host *host);
/* Gives up all it has, at once. */
void cut_host_leave(struct cut_host *host);
/* Until it has read all and given up its device, and both ends are quiet. */
void cut_host_run(struct cut_host *host);

#endif
