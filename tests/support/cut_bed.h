/* SPDX-License-Identifier: Apache-2.0
 *
 * Both ends of a dialed link in this process: a whole secondary, a primary's remote adapter, and a relay between them
 * that cuts where it is told to. Virtual time goes on only while the primary waits for its next try, so that no
 * back-off is waited for. Loop thread only.
 */
#ifndef RA_TESTS_CUT_BED_H
#define RA_TESTS_CUT_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tests/support/byte_relay.h"
#include "tests/support/tls_bed.h"

struct cut_host;
struct remote;
struct shm;
struct throttle;

#define CUT_TRACK_BYTES 4096u
#define CUT_TRACKS 8u
#define CUT_ZERO_TRACK 2u
#define CUT_HOLE_TRACK 6u
#define CUT_STREAMS 2u

struct cut_bed {
	struct tls_bed *tls_bed;
	struct bed *bed; /* of tls_bed; the volume is its first */
	struct byte_relay *relay;
	struct throttle *throttle;
	struct remote *remote;
	struct shm *shm; /* a slot for each stream */
	struct cut_host *host; /* NULL: none */
	unsigned idle_passes;
	enum status may_post; /* besides LINK_LOST */
};

struct cut_bed *cut_bed_new(void);
void cut_bed_free(struct cut_bed *cut_bed); /* nothing may be attached */
void cut_bed_pass(struct cut_bed *cut_bed);
#define CUT_UNTIL(cut_bed, condition) \
	do { \
		for (unsigned passes_ = 0; !(condition) && passes_ < 20000; passes_++) \
			cut_bed_pass(cut_bed); \
		assert_true(condition); \
	} while (0)
/* The connection ends now. */
void cut_bed_cut(struct cut_bed *cut_bed, enum relay_end end);
/* Nothing is under way, and neither end has anything of a host, nor of a connection that is over. */
bool cut_bed_is_quiet(const struct cut_bed *cut_bed);
/* No error was posted but that the link was lost, and what may be. */
void cut_bed_assert_told(const struct cut_bed *cut_bed);

#endif
