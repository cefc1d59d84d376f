/* SPDX-License-Identifier: Apache-2.0
 *
 * What remote.c (the life of the link), remote_frame.c (what comes over it), remote_device.c (devices),
 * remote_reserve.c (their reservation), remote_change.c (whether they are what they were), remote_invalid.c (their
 * invalid tracks), remote_job.c (link jobs) and remote_read.c (reads) share. Nobody else includes this.
 * check-style: long because the state of all of them stands here.
 */
#ifndef RA_PRIMARY_REMOTE_LINK_H
#define RA_PRIMARY_REMOTE_LINK_H

#include <uthash.h>

#include "base/clock.h"
#include "base/rate.h"
#include "primary/remote.h"
#include "wire/message.h"

#define REMOTE_MAGIC 0x524d5445u
#define REMOTE_DEVICE_MAGIC 0x52444556u
#define REMOTE_JOB_MAGIC 0x524a4f42u

/* A private pair: CONNECTING, HELLO, UP, LOST. Dialed: WAITING, CONNECTING (dial and TLS), HELLO, UP, WAITING … */
enum link_state { LINK_WAITING, LINK_CONNECTING, LINK_HELLO, LINK_UP, LINK_LOST };

enum request_kind {
	REQUEST_QUERY,
	REQUEST_RESERVE,
	REQUEST_UNRESERVE,
	REQUEST_DETACH,
	REQUEST_CREATE,
	REQUEST_READ,
	REQUEST_RELEASE,
	REQUEST_INVALID
};

/* A request that was sent and not yet answered for good. Part of its device or job. */
struct request {
	uint32_t tag; /* 0: not sent */
	enum request_kind kind;
	union {
		struct remote_device *device; /* QUERY to DETACH, INVALID */
		struct remote_job *job;       /* the others */
	};
	UT_hash_handle hh;
};

struct remote {
	uint32_t magic;
	struct remote_config config;
	char peer[96]; /* config.peer_key */
	enum link_state state;
	int64_t since_ms; /* when it got into its state */
	struct conn *conn; /* NULL in WAITING and LOST, and in CONNECTING while there is a dial */
	char key[PEER_KEY_CHARS + 1]; /* of the secondary that was up last */
	char refused_key[PEER_KEY_CHARS + 1]; /* of the last connection, when it ended for that */
	char error[DETAIL_MAX + 1];   /* why it is down; "" when up, and before its first try is over */
	char refusal[DETAIL_MAX + 1]; /* why this side ends the connection */
	uint64_t wire_bytes;          /* of the connections that are over */
	uint64_t read_bytes;          /* that remote disks read for it */
	uint32_t times_up;
	/* dialed: */
	char *address; /* NULL: a private pair */
	struct tls_context *tls_context;
	struct dial *dial;
	struct timer retry;    /* set in WAITING */
	int64_t retry_delay_ms;
	bool is_one_too_many; /* why the secondary ends this connection */
	int64_t lost_ms;      /* when a connection that was up was lost last */

	uint32_t last_tag;
	uint64_t floor_max; /* a higher one was not told on this connection, but on an earlier one */
	uint64_t features; /* of the connection */
	uint64_t digests;  /* of the connection, or of the last */
	uint32_t window_reads;
	uint32_t connected;         /* Reads that were sent and neither answered nor disconnected */
	struct request *requests;   /* by tag */
	uint64_t turns;             /* places that were given so far */
	struct remote_job *waiting; /* for a place in the window, or for their device; oldest first */
	struct remote_job *ending;  /* their reads end now, without the link */
	struct remote_device *devices;
	struct message out;
};

/* Of each connection: IDLE, ASKING, perhaps RESERVING, READY. A question that fails makes it IDLE again, and the next
 * request asks again; FAILED is for good. */
enum device_state { DEVICE_IDLE, DEVICE_ASKING, DEVICE_RESERVING, DEVICE_READY, DEVICE_FAILED };

struct remote_device {
	uint32_t magic;
	struct remote *remote;
	char name[DEVICE_NAME_MAX + 1];
	struct remote_attach_spec spec; /* owner is the copy below; the rates may be gone when it is given up */
	char owner[OWNER_MAX + 1];
	enum device_state state;
	bool is_given_up; /* by its owner: freed when nothing of it is left */
	bool is_attached; /* at the secondary, on this connection */
	bool is_known;    /* it was READY once: track_bytes and what makes its volume this one are fixed */
	uint32_t track_bytes;
	uint64_t end_bytes;
	struct volume_info volume;
	bool digest_only;
	uint64_t digests_read; /* a set: each connection must know them */
	uint32_t number;      /* while attached */
	uint64_t turn;        /* when it got a place last */
	uint32_t reservation; /* its number; 0: none */
	char unreserved[DETAIL_MAX + 1]; /* why it could not be had again after a loss: it is not asked for any more */

	bool is_down;    /* it waits for the link to come back, or to come up at all */
	bool owes_news;  /* its owner is to be told so */
	uint32_t relinks;
	uint64_t throttled_ms;
	struct timer timer; /* its patience with the link; FAILED: set while requests are to be ended */
	struct timer again; /* RESERVING: to ask for the reservation again. READY: set while is_crowded */
	bool is_taken;      /* on this connection a user of RA has it; why says who */
	bool is_crowded;    /* no link job was free: none is asked for until again */
	enum status failed; /* FAILED: the status of all its requests */
	char why[DETAIL_MAX + 1];
	unsigned holds; /* callbacks under way: it is not freed */

	remote_info_fn *info_fn; /* NULL: no query waits */
	void *info_arg;
	struct request request;
	struct { /* see remote_invalid.c */
		struct request request;
		remote_invalid_fn *fn; /* NULL: nobody waits for it */
		void *arg;
		uint8_t *payload; /* of the answer that is coming */
	} invalid;
	struct remote_job *jobs;
	struct remote_device *prev, *next;
};

enum job_state { JOB_NEW, JOB_CREATING, JOB_READY, JOB_RELEASING };

/* Where a job's read stands: THROTTLED and WAITING before Fig. 6, then in it; ENDING: in remote->ending. */
enum read_state {
	READ_NONE,
	READ_THROTTLED,
	READ_WAITING,
	READ_REQUESTED,
	READ_DISCONNECTED,
	READ_RECEIVING,
	READ_ENDING
};

struct remote_job {
	uint32_t magic;
	struct remote_device *device;
	enum job_state state;       /* NEW while the link is not up */
	uint64_t link_id;           /* READY, RELEASING */
	bool is_given_up;           /* by remote_job_free: calls nobody any more */
	bool has_place;             /* in the window */
	struct remote_job **queue;  /* &remote->waiting or &remote->ending while it stands in one of them */
	struct request request;     /* CREATE or READ */
	struct request release;
	void (*released_fn)(void *arg);
	void *released_arg;

	enum read_state read_state;
	int64_t since_ms;             /* since its read began, or ended */
	struct remote_read_spec spec; /* with a reference to shm of its own */
	uint64_t device_end_bytes;    /* when the read began */
	bool was_disconnected;
	struct rate_waiter waiter;    /* THROTTLED */
	struct rate *rates[RATES_MAX];
	bool is_charged;
	uint64_t read_bytes;          /* that the secondary has read for it: the rest of the charge is given back */
	uint32_t throttled_ms;        /* at this side */
	remote_read_fn *fn; /* NULL: nobody waits any more */
	void *arg;

	struct remote_job *prev, *next;             /* in device->jobs */
	struct remote_job *queue_prev, *queue_next; /* in *queue */
};

/* What is refused because of the last connection is asked for again after so long. */
#define REMOTE_AGAIN_MS 1000

/* ---- remote.c ---- */

/* The last connection was lost just now, and the secondary need not have seen it: what it refuses may be free soon. */
bool remote_is_stale(const struct remote *remote);
#define REMOTE_TIME_CHARS 24
void remote_name_time(char words[REMOTE_TIME_CHARS], int64_t ms); /* "3 s", for people */
void remote_become_up(struct remote *remote, const struct msg_hello_reply *reply);

/* ---- remote_frame.c ---- */

/* Gives the request a tag of its own and puts it into the table. */
void remote_add_request(struct remote *remote, struct request *request, enum request_kind kind);
void remote_remove_request(struct remote *remote, struct request *request);
void remote_send(struct remote *remote); /* remote->out */
/* Logs why the connection is ended by this side, which is then the reason that people are told. -EPROTO. */
int remote_refuse(struct remote *remote, const char *format, ...) __attribute__((format(printf, 2, 3)));
void remote_say_hello(struct remote *remote);
int remote_on_frame(void *arg, const struct message *message, uint32_t payload_bytes);
void *remote_on_payload(void *arg, const struct message *message, uint32_t payload_bytes);

/* ---- remote_device.c ---- */

/* A request wants the device: asks for it if that is due. Calls nobody. */
void remote_device_want(struct remote_device *device);
int remote_on_device_reply(struct remote_device *device, const struct msg_device_reply *reply);
void remote_on_device_done(struct remote_device *device); /* of Unreserve or Detach */
/* The link is down. Calls its owner. */
void remote_device_tell_down(struct remote_device *device);
/* Nothing of it is true any more at the secondary. Calls nobody; what is given up is still there. */
void remote_device_lose(struct remote_device *device);
/* All its requests end so, now and later; it and its jobs may be gone after this. */
void remote_device_fail(struct remote_device *device, enum status status, const char *why);
/* Unreserves, detaches or frees a device that was given up as soon as it can be. It may be gone after this. */
void remote_device_settle(struct remote_device *device);

void remote_device_set_state(struct remote_device *device, enum device_state state, const char *reason);
/* All that was due on this connection is there. May call its owner; it may be gone after this. */
void remote_device_become_ready(struct remote_device *device);
/* What fails now may succeed for a later request. It may be gone after this. */
void remote_device_fail_question(struct remote_device *device, enum status status, const char *detail);

/* ---- remote_reserve.c ---- */

/* RESERVING, now or again: asks for it. May call its owner; it may be gone after this. */
void remote_reserve(struct remote_device *device);
void remote_unreserve(struct remote_device *device);
/* Its patience is over while a user of RA has it. May call its owner; it may be gone after this. */
void remote_reserve_waits_no_more(struct remote_device *device);
int remote_on_reserve_reply(struct remote_device *device, const struct msg_reserve_reply *reply);

/* ---- remote_change.c ---- */

/* Is what answers another volume? Then words say what changed. */
bool remote_is_changed(const struct remote_device *device, const struct msg_device_reply *reply,
	char words[DETAIL_MAX + 1]);

/* ---- remote_invalid.c ---- */

/* The device is READY: what was asked for is sent. May call its owner. */
void remote_invalid_want(struct remote_device *device);
/* The question, if there is one, ends so. Calls its owner. */
void remote_invalid_end(struct remote_device *device, enum status status, const struct track_set *set,
	const char *detail);
/* Nothing is on its way any more. Calls nobody. */
void remote_invalid_lose(struct remote_device *device);
/* Where the payload goes; NULL (logged): it does not fit its status. */
void *remote_invalid_payload(struct remote_device *device, const struct msg_invalid_reply *reply,
	uint32_t payload_bytes);
int remote_on_invalid_reply(struct remote_device *device, const struct msg_invalid_reply *reply,
	uint32_t payload_bytes);

/* ---- remote_job.c ---- */

void remote_create_job(struct remote_job *job);
/* The answer to a Read with link id 0 (Fig. 14). */
int remote_on_created(struct remote_job *job, const struct msg_read_reply *reply);
/* The job is over: told to its owner, if it has one. */
void remote_on_released(struct remote_job *job);
/* The link job is gone, and its read waits again. Calls nobody; a job that is given up or being released stays. */
void remote_job_lose(struct remote_job *job);

/* ---- remote_read.c ---- */

/* Jobs wait for places: sends what fits into the window. */
void remote_pump(struct remote *remote);
void remote_wait_for_place(struct remote_job *job);
/* It has a place, and its link job is there. */
void remote_send_read(struct remote_job *job);
void remote_give_place(struct remote_job *job);
void remote_settle_charge(struct remote_job *job); /* what limits are owed back, they get now */
/* The read is over for the link; the owner is not told. */
void remote_drop_read(struct remote_job *job, const char *reason);
/* It begins anew, before its link job is made. */
void remote_read_lose(struct remote_job *job);
/* The secondary ended the read with this. The job may be gone after this. */
void remote_end_read(struct remote_job *job, const struct remote_read_result *result);
/* All reads of the device that are not sent end so. They and the device may be gone after this. */
void remote_end_reads(struct remote_device *device, enum status status, const char *why);
/* Where the payload of a ReadReply goes; NULL (logged) when the answer does not fit its Read. */
void *remote_read_payload(struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes);
int remote_on_read_reply(struct remote_job *job, const struct msg_read_reply *reply, uint32_t payload_bytes);
/* May an answer with this status come now? */
bool remote_is_due(const struct remote_job *job, enum status status);

#endif
