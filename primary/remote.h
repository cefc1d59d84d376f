/* SPDX-License-Identifier: Apache-2.0
 *
 * The requesting remote adapter (RA 30 of Fig. 1): one link to one secondary. Hosts attach devices of the secondary,
 * make link jobs for them and read on these. When the link of a private pair is lost, every outstanding request ends
 * with LINK_LOST and each later one is refused with it. A dialed link comes back: requests wait for it, for each host
 * as long as it said, and reads are repeated on new link jobs. Loop thread only. Callbacks come from the loop, never
 * from inside the call that asked; what is freed by its owner calls nothing any more.
 */
#ifndef RA_PRIMARY_REMOTE_H
#define RA_PRIMARY_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/volume_info.h"

struct clock;
struct event_base;
struct post;
struct rate;
struct remote;
struct remote_device; /* a device of the secondary, as one host has it attached */
struct remote_job;    /* one link job: one read at a time */
struct shm;
struct throttle;
struct tls;
struct tls_context;
struct track_set;

struct remote_config {
	struct event_base *base;
	struct clock *clock;
	struct post *post;
	const char *peer_key; /* for posted errors, copied: "sha256:…" of the secondary, or its name when dialed */
	struct throttle *throttle; /* NULL: no limit is ever given, here or by remote_attach */
	struct rate *peer_rate, *total_rate; /* limits of all reads of the link; NULL: none; outlive it */
};

/* The link of a private pair. Takes over tls and the descriptors, which may be the same. */
struct remote *remote_new(const struct remote_config *config, struct tls *tls, int fd_in, int fd_out);
/* A link that is kept up, from now until remote_free. address: HOST:PORT or [HOST]:PORT, copied. tls_context (of a
 * client) lets the secondary in and outlives the link. */
struct remote *remote_new_dialed(const struct remote_config *config, const char *address,
	struct tls_context *tls_context);
/* Another address, or other rules of who is let in and as whom this side comes (outlives the link): a connection that
 * they do not allow any more ends, and the next is made by them at once. Of a dialed link. */
void remote_set_peer(struct remote *remote, const char *address, struct tls_context *tls_context);
/* A dialed link that waits before its next try does not wait any more. */
void remote_try_now(struct remote *remote);
/* Nothing may be attached any more (asserted). NULL is fine. */
void remote_free(struct remote *remote);
uint64_t remote_wire_bytes(const struct remote *remote); /* so far, both ways, of all its connections */

/* How a host uses a device. */
struct remote_attach_spec {
	int64_t link_timeout_ms; /* how long the link may be down before all ends with LINK_LOST; 0: at once */
	bool reserve;            /* for this host alone; BUSY (of remote_query) when somebody else has it */
	bool exclusive;          /* with reserve: also among other programs */
	const char *owner;       /* of the reservation, for people; copied */
	struct rate *run_rate, *device_rate; /* limits of its reads besides that of the link; NULL: none */
	/* The link went down, or did not come up (what was asked for waits), or it is there again; relinks: since
	 * attach. why: it is down; up: it is not reserved exclusively any more, "" when nothing is amiss. Not called by a
	 * private pair's. */
	void (*link)(void *arg, bool is_up, uint32_t relinks, const char *why);
	void *arg;
};

/* Of a dialed link that is down: it is tried again at once. */
struct remote_device *remote_attach(struct remote *remote, const char *device, const struct remote_attach_spec *spec);
uint32_t remote_relinks(const struct remote_device *device); /* how often it could go on again */
uint64_t remote_throttled_ms(const struct remote_device *device); /* its reads, at this side */
/* Its jobs must have been given up by remote_job_free or remote_job_release. NULL is fine. */
void remote_detach(struct remote_device *device);

/* Attaches the device at the secondary (once), reserves it if that was asked for, and asks for its volume of now. One
 * at a time per device. OK: fn comes later, with about when its status is OK, else words in detail. Else: LINK_LOST,
 * of a private pair. */
struct remote_about {
	uint32_t track_bytes;
	bool digest_only; /* the secondary gives no data of it */
	const struct volume_info *info;
};
typedef void remote_info_fn(void *arg, enum status status, const struct remote_about *about, const char *detail);
enum status remote_query(struct remote_device *device, remote_info_fn *fn, void *arg);
/* The size that Reads go by: the first that remote_query told. 0 before. */
uint64_t remote_end_bytes(const struct remote_device *device);
/* A set: what both ends of the link know, or of one that is down, knew last. 0 before it was up. */
uint64_t remote_digests(const struct remote_device *device);

/* The tracks that the secondary knows to be invalid on its side. After a remote_query that was OK; one at a time per
 * device. OK: fn comes later, with set (valid during the call) when its status is OK, else words in detail. Else:
 * LINK_LOST, of a private pair. VERSION, here or by fn: the secondary is too old to know of any. */
typedef void remote_invalid_fn(void *arg, enum status status, const struct track_set *set, const char *detail);
enum status remote_invalid(struct remote_device *device, remote_invalid_fn *fn, void *arg);

struct remote_read_spec {
	uint64_t first_track;
	uint32_t track_count; /* 1 to RUN_TRACKS_MAX, or to RUN_DIGESTS_MAX with a digest; before the end */
	enum delivery delivery;
	uint64_t floor;
	bool reread;
	enum digest digest;    /* of each track, one of remote_digests; NONE: the bytes */
	uint64_t end_bytes;    /* with a digest: the end, at most remote_end_bytes, which is the end of others */
	void *memory;          /* for the DATA tracks, or their digests, back to back; part of shm */
	uint32_t memory_bytes; /* room for track_count of them */
	struct shm *shm;
};

struct remote_read_result {
	enum status status;    /* OK, DATA_NOT_FOUND or an error; LINK_LOST */
	uint64_t floor;        /* DATA_NOT_FOUND: for the retry */
	uint32_t track_count;  /* OK: how many states, at least 1 */
	const uint8_t *states; /* enum track_state */
	uint64_t hole_tracks;  /* so many more behind these, before the end, are holes */
	bool disconnected;     /* it waited for its RECONNECT (136) */
	uint32_t throttled_ms; /* by limits of both sides */
	uint32_t disk_ms;      /* by the remote disk */
	uint64_t cpu_ms;       /* processor time of the secondary's loop so far; 0: not told */
	const char *detail;
};

typedef void remote_read_fn(void *arg, const struct remote_read_result *result);

/* Nothing is sent until the first read of the job. */
struct remote_job *remote_job_new(struct remote_device *device);
/* OK: fn comes later. Else BUSY (the job has a read, or is being released) or, of a private pair, LINK_LOST. The first
 * read makes the link job first (Fig. 14); a failure of that is its result. After a dialed link came back: a floor of
 * before is not looked at (that of the new link job is later); when the device is another one, each read ends with
 * VOLUME_CHANGED, when it could not be reserved again within link_timeout_ms, with BUSY, and when a digest that was
 * read is none of the secondary's any more, with BAD_REQUEST. */
enum status remote_read(struct remote_job *job, const struct remote_read_spec *spec, remote_read_fn *fn, void *arg);
bool remote_job_has_read(const struct remote_job *job);
/* Gives the job up; it must have no read. True: fn comes when the secondary has answered the Release, or the link is
 * lost, and until then the owner may still call remote_job_free. False: nothing had to be sent. */
bool remote_job_release(struct remote_job *job, void (*fn)(void *arg), void *arg);
/* Gives the job up, whatever it is doing: a read of it that was sent keeps its memory until it has ended. NULL is
 * fine. */
void remote_job_free(struct remote_job *job);

/* For people. Text is valid until the next call that takes the link or job. */
struct remote_view {
	const char *state; /* "waiting", "connecting", "hello", "up", "lost" */
	bool is_up;
	int64_t since_ms; /* how long it has been in this state */
	const char *key;  /* of the secondary, or of the one that was there last; "" before the first */
	const char *error; /* why it went down or did not come up; "" when up or not known yet */
	const char *refused_key; /* the last connection ended because this key was not let in; "" otherwise */
	int64_t retry_in_ms; /* -1: it does not wait for its next try */
	uint32_t relinks;    /* how often it came up, but for the first time */
	uint64_t wire_bytes;
	uint64_t read_bytes; /* that remote disks read for it */
	uint32_t reads_connected, window_reads;
};
struct remote_view remote_view(const struct remote *remote);

struct remote_job_view {
	const char *state; /* "new", "creating", "ready", "releasing" */
	uint64_t link_id;  /* 0: none */
	const char *read;  /* "none", "throttled", "waiting", "requested", "disconnected", "receiving", "ending" */
	uint64_t first_track;
	uint32_t track_count; /* 0: no read */
	int64_t age_ms;       /* since its read began, or without a read since the last one ended */
};
struct remote_job_view remote_job_view(const struct remote_job *job);

void remote_dump(const struct remote *remote); /* to the log, whatever its level */

#endif
