/* SPDX-License-Identifier: Apache-2.0
 *
 * A test bed: a whole secondary in this process, with faulty volumes, a virtual clock and primaries that speak the
 * protocol over socket pairs. DA threads are real; nothing here sleeps, waiting ends when what is waited for is there.
 */
#ifndef RA_TESTS_BED_H
#define RA_TESTS_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "secondary/ra.h"
#include "storage/cache.h"
#include "storage/da.h"
#include "tests/support/faulty_volume.h"
#include "wire/message.h"

struct conn_ops;
struct fetch;

#define BED_DEVICES 3u
#define BED_TAGS 256u
#define BED_TRACK_BYTES 65536u

struct bed {
	struct event_base *base;
	struct clock *clock;
	struct mailbox *mailbox;
	struct post *post;
	struct ra *ra;
	struct faulty_volume *volumes[BED_DEVICES]; /* devices "d0", "d1", "d2" */
	struct peer_list *peers;
	struct peer *peer; /* "bed": all devices, 64 links, 256 jobs */
	char *state;       /* the folder of bed_add_table; NULL: there is none */
};

/* What a primary was told for one tag. */
struct answer {
	unsigned replies; /* ReadReplies but DISCONNECT, DeviceReplies, Dones */
	bool is_disconnected;
	enum status status;
	uint64_t link_id, floor;
	uint32_t number; /* DeviceReply */
	uint32_t track_count;
	uint8_t states[RUN_DIGESTS_MAX];
	uint64_t hole_tracks;
	uint8_t *payload;
	uint32_t payload_bytes;
	uint32_t track_bytes;
	struct volume_info volume;
	bool is_digest_only, is_replaced, by_program;
	uint32_t reservation, throttled_ms, disk_ms;
	uint64_t cpu_ms;
	char detail[DETAIL_MAX + 1];
};

struct primary {
	struct bed *bed;
	struct conn *conn;
	struct session *session; /* the other end; gone when the link is lost */
	bool is_up, is_closed;
	uint64_t features, digests; /* of the HelloReply; Hello has all bits */
	struct answer answers[BED_TAGS];
};

void bed_config(struct ra_config *config); /* small: 16 MiB cache, 64 jobs */
struct bed *bed_new(const struct ra_config *config, uint64_t tracks_each);
void bed_free(struct bed *bed); /* asserts that nothing is left in use */
void bed_pass(struct bed *bed); /* one pass of loop and mailbox, waiting at most a few ms */
#define BED_UNTIL(bed, condition) \
	do { \
		for (unsigned passes_ = 0; !(condition) && passes_ < 20000; passes_++) \
			bed_pass(bed); \
		assert_true(condition); \
	} while (0)
/* The same, with time going on: what finds no slot, and nobody waits for any more, ends with time only. */
#define BED_UNTIL_IN_TIME(bed, condition) \
	do { \
		for (unsigned passes_ = 0; !(condition) && passes_ < 2000; passes_++) \
			bed_advance(bed, passes_ > 0 && passes_ % 100 == 0 ? 1000 : 0); \
		assert_true(condition); \
	} while (0)
/* The first fetch of the job array, or NULL. */
struct fetch *bed_fetch(struct bed *bed);
/* Virtual time goes on. */
void bed_advance(struct bed *bed, int64_t ms);
struct da_counts bed_da(struct bed *bed);
struct cache_counts bed_cache(struct bed *bed);
/* No Read, job, lock, DA request or wait is left; cached data may be. */
bool bed_is_quiet(struct bed *bed);

/* Another peer; devices: NULL-terminated names. */
struct peer *bed_add_peer(struct bed *bed, const char *name, const char *const *devices, bool is_digest_only,
	uint32_t links_max, uint32_t jobs_max);

/* What the conn of a primary is made with (arg: the primary). */
extern const struct conn_ops primary_conn_ops;
struct primary *primary_new(struct bed *bed); /* of bed->peer, Hello done */
struct primary *primary_new_of(struct bed *bed, struct peer *peer);
struct primary *primary_new_knowing(struct bed *bed, struct peer *peer, uint64_t digests); /* in its Hello */
struct primary *primary_new_silent(struct bed *bed); /* connected, and has not said Hello */
void primary_drop(struct primary *primary); /* the link is lost; frees it */
/* A session of bed->peer whose other end is the returned descriptor. */
int bed_raw_session(struct bed *bed, struct session **session);
int bed_raw_session_of(struct bed *bed, struct peer *peer, struct session **session);
bool bed_has_session(const struct bed *bed, const struct session *session);
/* Sends the query, waits, asserts OK, returns the number. */
uint32_t primary_attach(struct primary *primary, const char *device);
/* A new link job; asserts OK. */
uint64_t primary_link(struct primary *primary, uint32_t device);
void primary_send(struct primary *primary, const struct message *message);
/* A Read; its answer is answers[tag], cleared here. */
void primary_read(struct primary *primary, uint32_t tag, uint64_t link_id, uint32_t device, uint64_t first_track,
	uint32_t track_count, enum delivery delivery);
void primary_read_again(struct primary *primary, uint32_t tag, uint64_t link_id, uint32_t device, uint64_t first_track,
	uint32_t track_count, enum delivery delivery, uint64_t floor, bool reread);
/* Any Read; its answer is answers[read->tag], cleared here. */
void primary_ask(struct primary *primary, const struct msg_read *read);
/* Waits for the answer (not DISCONNECT). */
struct answer *primary_wait(struct primary *primary, uint32_t tag);
/* Asks by poll until the answer is not DATA_NOT_FOUND; at most so many times. */
struct answer *primary_poll(struct primary *primary, uint32_t tag, uint64_t link_id, uint32_t device,
	uint64_t first_track, uint32_t track_count, unsigned times);
void primary_release(struct primary *primary, uint64_t link_id);
/* Sends the request, waits for its answer; it stays in answers[tag] until the next of these. */
struct answer *primary_query(struct primary *primary, uint32_t tag, const char *device);
struct answer *primary_reserve(struct primary *primary, uint32_t tag, uint32_t device, const char *owner);
/* An exclusive Reserve; its answer is answers[tag], cleared here. */
void primary_ask_exclusive(struct primary *primary, uint32_t tag, uint32_t device, const char *owner);
enum status primary_unreserve(struct primary *primary, uint32_t device, uint32_t reservation);
enum status primary_detach(struct primary *primary, uint32_t device);
/* Asserts that the answer has these tracks with the volume's content of now. */
void assert_tracks(struct bed *bed, uint32_t device, const struct answer *answer, uint64_t first_track);
/* By another way than the secondary's. */
void bed_digest(enum digest digest, const void *data, size_t bytes, uint8_t out[DIGEST_BYTES_MAX]);
/* Asserts that the answer to this Read has the digests of the volume's content of now. */
void assert_digests(struct bed *bed, const struct answer *answer, const struct msg_read *read);

#endif
