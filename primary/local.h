/* SPDX-License-Identifier: Apache-2.0
 *
 * A local device: its volume, opened by the DA while somebody uses it, and the DA reads of its tracks, or of their
 * digests, into the memory of a host, with their limits and time-outs. A volume with a read or open that hangs is
 * NOT_READY until that returns. One user may reserve it, under the same rule as at the secondary: not while another one
 * reads it. Loop thread only. Callbacks come from the loop, never from inside the call that asked.
 */
#ifndef RA_PRIMARY_LOCAL_H
#define RA_PRIMARY_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/volume_info.h"

struct clock;
struct da;
struct local;
struct local_user; /* one host that has the device attached */
struct post;
struct rate;
struct shm;
struct throttle;
struct volume;

struct local_config {
	struct clock *clock;
	struct da *da;
	struct post *post;
	const char *device;    /* its name, copied */
	const char *path;      /* for words only, copied */
	struct volume *volume; /* taken over */
	uint32_t track_bytes;
	struct throttle *throttle; /* NULL: reads have no limits */
	struct rate *device_rate, *total_rate; /* limits of all reads; NULL: none. They outlive the device */
};

struct local *local_new(const struct local_config *config);
void local_free(struct local *local); /* must be idle (asserted); NULL is fine */
/* The volume is closed, nobody has it attached and no thread is in it. */
bool local_is_idle(const struct local *local);
/* fn is called each time the device becomes idle, also from inside local_detach; it may free the device. */
void local_on_idle(struct local *local, void (*fn)(void *arg), void *arg);
uint32_t local_track_bytes(const struct local *local);

/* How a host uses the device. */
struct local_attach_spec {
	const char *owner;     /* who it is, for people, copied */
	struct rate *run_rate; /* limit of its own reads; NULL: none. It outlives the user */
};

struct local_user *local_attach(struct local *local, const struct local_attach_spec *spec);
/* None of the user's callbacks comes any more; memory that a disk may still write is kept by its reference. NULL is
 * fine. */
void local_detach(struct local_user *user);

/* Takes the device for this user alone, until local_detach; OK also when the user has it. BUSY, with words in detail:
 * another one has it, or reads it. exclusive: the user's next local_query locks the volume, too, so that other programs
 * keep away; when it cannot, that ends with BUSY or why not, and the device is not reserved any more. */
enum status local_reserve(struct local_user *user, bool exclusive, char detail[DETAIL_MAX + 1]);
/* Before the first read of either volume: the user reads, until local_end_reading. BUSY, with words: another one has
 * the device reserved. */
enum status local_begin_reading(struct local_user *user, char detail[DETAIL_MAX + 1]);
void local_end_reading(struct local_user *user);
/* OK, or BUSY with words: another one has it reserved. */
enum status local_may_use(const struct local_user *user, char detail[DETAIL_MAX + 1]);

/* Opens the volume if nobody had it open and asks for its size of now. One at a time per user. OK: fn comes later, with
 * info when its status is OK, else with words in detail. Else: why it cannot be asked now. */
typedef void local_info_fn(void *arg, enum status status, const struct volume_info *info, const char *detail);
enum status local_query(struct local_user *user, local_info_fn *fn, void *arg);
/* The size that reads of this user go by: the first that local_query told it. */
uint64_t local_end_bytes(const struct local_user *user);

struct local_read_spec {
	uint64_t first_track;
	uint32_t track_count; /* 1 to RUN_TRACKS_MAX, or to RUN_DIGESTS_MAX with a digest; before the end */
	enum digest digest;   /* of each track; NONE: the bytes */
	uint64_t end_bytes;   /* with a digest: the end, at most local_end_bytes, which is the end of others */
	void *memory;         /* page aligned, with room for track_count tracks or digests, part of shm */
	struct shm *shm;
};

struct local_read_result {
	enum status status;
	uint32_t track_count;  /* OK: how many states, at least 1 */
	const uint8_t *states; /* enum track_state; each DATA track, or its digest, stands at its own place in the run */
	uint64_t hole_tracks;  /* so many more behind these, before the end, are holes */
	bool memory_lost;      /* TIMEOUT: a disk may still write into the memory */
	uint32_t throttled_ms; /* limits held it back so long before it began */
};

typedef void local_read_fn(void *arg, const struct local_read_result *result);
/* OK: fn comes later. Else, posted: QUEUE_FULL (98), or NOT_READY while the volume hangs; a read that limits held back
 * is told so by fn. Its time-out begins when they let it go, and again each time that it is due and its disk read has
 * got on. */
enum status local_read(struct local_user *user, const struct local_read_spec *spec, local_read_fn *fn, void *arg);
uint64_t local_throttled_ms(const struct local_user *user); /* its reads that are over, summed */

/* What partitions and file systems are on the volume, which is open: one question at a time per user. OK: fn comes
 * later; record (storage/layout.h) is the callee's, to be freed, and there when its status is OK, else words in detail.
 * Else: NOT_READY or QUEUE_FULL. */
typedef void local_layout_fn(void *arg, enum status status, char *record, const char *detail);
enum status local_layout(struct local_user *user, local_layout_fn *fn, void *arg);

/* What people may want to know of it. */
struct local_view {
	const char *device, *path;
	const char *state; /* "closed", "opening", "open", "closing", "open timed out" */
	bool is_ready;     /* nothing of it hangs */
	unsigned users;
	const char *reserved_by;         /* NULL: nobody */
	bool is_exclusive;               /* reserved among other programs, too */
	const struct volume_info *info;  /* NULL unless it is open */
	unsigned reads;                  /* at the disk adapter */
	uint64_t read_bytes;             /* of its volume, since the daemon began */
	int64_t yielded_ms;              /* pauses of its reads, summed; -1: it does not yield */
};
struct local_view local_view(const struct local *local); /* valid until the loop goes on */

void local_dump(const struct local *local); /* to the log, whatever its level */

#endif
