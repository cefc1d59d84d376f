/* SPDX-License-Identifier: Apache-2.0
 *
 * The host program's end of the primary's socket: HostHello with the shared memory, then requests with their replies.
 * Tags are its business. Loop thread only.
 */
#ifndef RA_LOCAL_CLIENT_H
#define RA_LOCAL_CLIENT_H

#include <stdint.h>

#include "wire/message.h"

struct client;
struct clock;
struct event_base;
struct shm;

struct client_ops {
	void (*up)(void *arg); /* HostHelloReply accepted */
	void (*lost)(void *arg, const char *reason); /* once; every request without a reply has ended */
	/* The link behind the primary went down, so that remote reads wait, or came back. May be NULL. */
	void (*link)(void *arg, const struct msg_host_link *link);
};

/* Takes over fd; holds a reference to shm. memory_fd is sent and stays the caller's. */
struct client *client_new(struct event_base *base, struct clock *clock, int fd, struct shm *shm, int memory_fd,
	const struct client_ops *ops, void *arg);
void client_free(struct client *client);
/* Who opens a device, for people: "PROGRAM[pid] on HOST". */
void client_owner(const char *program, char owner[OWNER_MAX + 1]);

/* Each reply is called once, later, unless the client is lost or freed first. The tag in the request is overwritten. */
void client_open(struct client *client, const struct msg_host_open *request,
	void (*reply)(void *arg, const struct msg_host_open_reply *), void *arg);
void client_status(struct client *client, void (*reply)(void *arg, const struct msg_host_open_reply *), void *arg);
void client_read(struct client *client, const struct msg_host_read *request,
	void (*reply)(void *arg, const struct msg_host_read_reply *), void *arg);
void client_release(struct client *client, void (*reply)(void *arg), void *arg);
/* payload is the record, valid during the call; NULL, 0 bytes: there is none. A save copies its bytes. */
typedef void client_record_fn(void *arg, const struct msg_host_record_reply *reply, const uint8_t *payload,
	uint32_t bytes);
void client_load(struct client *client, enum record record, client_record_fn *reply, void *arg);
void client_save(struct client *client, enum record record, const uint8_t *payload, uint32_t bytes,
	client_record_fn *reply, void *arg);

#endif
