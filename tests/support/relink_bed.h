/* SPDX-License-Identifier: Apache-2.0
 *
 * A dialed link over loopback TCP to a fake secondary that can go and come back, answers by itself or not, and has one
 * device that can change; and two hosts with jobs on it. The clock is virtual. One thread.
 */
#ifndef RA_TESTS_SUPPORT_RELINK_BED_H
#define RA_TESTS_SUPPORT_RELINK_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rate.h"
#include "primary/remote.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/world.h"

#define RELINK_HOSTS 2u
#define RELINK_JOBS 4u
#define RELINK_TRACK WORLD_TRACK_BYTES
#define RELINK_TRACKS 10u
#define RELINK_SLOT_BYTES (4 * RELINK_TRACK)

struct tls_identity;

/* What an answered read brought. */
struct relink_read {
	unsigned count;
	enum digest digest; /* that was asked for */
	enum status status;
	uint64_t floor, hole_tracks;
	uint32_t track_count, throttled_ms;
	bool disconnected;
	char detail[DETAIL_MAX + 1];
};

struct relink_host {
	struct relink_bed *bed;
	struct remote_device *device;
	struct remote_job *jobs[RELINK_JOBS];
	struct relink_read reads[RELINK_JOBS];
	unsigned infos, ups, downs, released;
	enum status info_status;
	uint64_t size_bytes;
	char info_detail[DETAIL_MAX + 1], why[DETAIL_MAX + 1];
	uint32_t relinks;
	void (*then)(struct relink_host *host); /* called in each callback */
};

struct relink_bed {
	struct world *world;
	struct throttle *throttle;
	struct tls_identity *ours, *theirs, *others;
	char key[80], other_key[80]; /* of theirs, which is let in, and of others */
	struct fake_secondary *secondary;
	struct remote *remote;
	struct shm *shm;
	struct relink_host hosts[RELINK_HOSTS];
	/* How the secondary answers: */
	bool is_mute;                     /* relink_settle leaves all frames to the test */
	struct msg_device_reply volume;   /* but its tag */
	enum status reserve_status, create_status; /* reserve_status UNSET: it is answered by relink_answer_reserve */
	uint32_t reserve_tag;
	enum status invalid_status;       /* UNSET: Invalid is not answered */
	uint8_t invalid[64];              /* the payload when it is OK */
	uint32_t invalid_bytes;
	uint64_t last_link_id;
	uint32_t last_reservation;
	unsigned queries, reserves, unreserves, invalids, creates, reads, releases, detaches; /* seen in all links */
	bool is_by_program; /* the Reserve that is BUSY: not a user of RA, but a program has it */
	bool exclusive_seen; /* of the last Reserve */
	uint64_t floor_seen; /* of the last Read */
	bool reread_seen;
	enum digest digest_seen;
	uint64_t end_seen;
};

/* For cmocka. The link is not up yet. Tear-down gives up what is left and asserts that nothing stays. */
int relink_set_up(void **state);
int relink_tear_down(void **state);

/* Passes of the loop, and answers, until nothing happens any more. */
void relink_settle(struct relink_bed *bed);
void relink_advance(struct relink_bed *bed, int64_t ms); /* and settles */
/* Settles; the state that the view shows then. */
void relink_expect(struct relink_bed *bed, const char *state);

/* With patience and a reservation or not; a host whose device is known has its jobs. */
void relink_answer_reserve(struct relink_bed *bed);
void relink_attach(struct relink_host *host, int64_t link_timeout_ms, bool reserve);
void relink_attach_exclusively(struct relink_host *host, int64_t link_timeout_ms);
void relink_attach_limited(struct relink_host *host, int64_t link_timeout_ms, struct rate *run_rate);
void relink_query(struct relink_host *host);
void relink_open(struct relink_host *host, int64_t link_timeout_ms, bool reserve); /* both, OK, and its jobs */
void relink_jobs(struct relink_host *host);
void relink_read(struct relink_host *host, unsigned job, uint64_t first_track, uint32_t track_count,
	enum delivery delivery);
void relink_read_from(struct relink_host *host, unsigned job, uint64_t first_track, uint32_t track_count,
	enum delivery delivery, uint64_t floor, bool reread);
void relink_read_digests(struct relink_host *host, unsigned job, uint64_t first_track, uint32_t track_count,
	enum digest digest, uint64_t end_bytes); /* by DISCONNECT */
/* Ended so often in all, the last time with this status; with OK the right tracks are in its slot. */
void relink_expect_read(struct relink_host *host, unsigned job, unsigned count, enum status status);
void relink_give_up(struct relink_host *host);

/* The secondary goes: its port is closed. Settles. */
void relink_drop(struct relink_bed *bed);
/* Its port is open again, and time goes on until the link is up. Settles. */
void relink_come_back(struct relink_bed *bed);

#endif
