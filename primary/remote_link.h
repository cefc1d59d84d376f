/* SPDX-License-Identifier: Apache-2.0
 *
 * What remote.c (the link, its tags and devices) and remote_read.c (link jobs, the window, reads) share. Nobody else
 * includes this.
 */
#ifndef RA_PRIMARY_REMOTE_LINK_H
#define RA_PRIMARY_REMOTE_LINK_H

#include <uthash.h>

#include "primary/remote.h"
#include "wire/message.h"

#define REMOTE_MAGIC 0x524d5445u

enum link_state { LINK_CONNECTING, LINK_HELLO, LINK_UP, LINK_LOST };

enum request_kind { REQUEST_QUERY, REQUEST_DETACH, REQUEST_CREATE, REQUEST_READ, REQUEST_RELEASE };

/* A request that was sent and not yet answered for good. Part of its device or job. */
struct request {
	uint32_t tag; /* 0: not sent */
	enum request_kind kind;
	union {
		struct remote_device *device; /* QUERY, DETACH */
		struct remote_job *job;       /* the others */
	};
	UT_hash_handle hh;
};

struct remote {
	uint32_t magic;
	enum link_state state;
	struct conn *conn; /* NULL when lost */
	struct post *post;
	char peer_key[PEER_KEY_CHARS + 1];
	uint64_t wire_bytes; /* when lost */
	uint32_t last_tag;
	uint32_t window_reads;
	uint32_t connected;         /* Reads that were sent and neither answered nor disconnected */
	struct request *requests;   /* by tag */
	struct remote_job *waiting; /* for a place in the window, in the order they came */
	struct remote_device *devices;
	struct message out;
};

struct remote_device {
	struct remote *remote;
	char name[DEVICE_NAME_MAX + 1];
	bool is_attached; /* at the secondary */
	bool is_given_up; /* by its owner: freed when nothing of it is left */
	uint32_t number;
	uint32_t track_bytes;
	uint64_t end_bytes;
	bool is_query_due; /* it waits for the link to come up */
	remote_info_fn *info_fn;
	void *info_arg;
	struct request request;
	struct remote_job *jobs;
	struct remote_device *prev, *next;
};

enum job_state { JOB_NEW, JOB_CREATING, JOB_READY, JOB_RELEASING };

/* Where a job's read stands in Fig. 6. */
enum read_state { READ_NONE, READ_WAITING, READ_REQUESTED, READ_DISCONNECTED, READ_RECEIVING };

struct remote_job {
	struct remote_device *device;
	enum job_state state;
	uint64_t link_id;       /* READY, RELEASING */
	bool is_given_up;       /* by remote_job_free: calls nobody any more */
	bool is_waiting;        /* in remote->waiting */
	bool has_place;         /* in the window */
	struct request request; /* CREATE or READ */
	struct request release;
	void (*released_fn)(void *arg);
	void *released_arg;

	enum read_state read_state;
	struct remote_read_spec spec; /* with a reference to shm of its own */
	uint64_t end_bytes;           /* of the device when the read began */
	bool was_disconnected;
	remote_read_fn *fn; /* NULL: nobody waits any more */
	void *arg;

	struct remote_job *prev, *next;           /* in device->jobs */
	struct remote_job *wait_prev, *wait_next; /* in remote->waiting */
};

/* Gives the request a tag of its own and puts it into the table. */
void remote_add_request(struct remote *remote, struct request *request, enum request_kind kind);
void remote_remove_request(struct remote *remote, struct request *request);
void remote_send(struct remote *remote); /* remote->out */
/* Detaches or frees a device that was given up as soon as it can be. It may be gone after this. */
void remote_device_settle(struct remote_device *device);

/* Jobs wait for places: sends what fits into the window. */
void remote_pump(struct remote *remote);
/* Where the payload of a ReadReply goes; NULL (logged) when the answer does not fit its Read. */
void *remote_read_payload(struct remote *remote, const struct msg_read_reply *reply, uint32_t payload_bytes);
int remote_on_read_reply(struct remote *remote, const struct msg_read_reply *reply, uint32_t payload_bytes);
void remote_on_released(struct remote_job *job);
/* The link is lost: ends what the job still waits for. It may be gone after this. */
void remote_job_lost(struct remote_job *job);
void remote_dump_job(const struct remote_job *job);

#endif
