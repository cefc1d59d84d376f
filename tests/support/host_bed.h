/* SPDX-License-Identifier: Apache-2.0
 *
 * Host programs over real sockets, for tests of the host adapter: each writes down what it was told. Behind them a
 * world with one local device "volume", its disk queue of three, and a fake secondary. Test thread only.
 */
#ifndef RA_TESTS_SUPPORT_HOST_BED_H
#define RA_TESTS_SUPPORT_HOST_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "primary/host.h"
#include "tests/support/world.h"
#include "wire/message.h"

#define HOST_SLOTS 4u
#define HOST_DISK_QUEUE 3u /* DA requests */
#define HOST_SLOT_BYTES (4 * WORLD_TRACK_BYTES)
#define HOST_TRACKS 10u
#define HOST_SIZE_BYTES (HOST_TRACKS * WORLD_TRACK_BYTES - 1000)
#define HOST_KEPT 64u

/* A host program, its session, and what they share with others. */
struct host_end {
	struct world *world;
	struct fake_secondary *secondary; /* of the world */
	struct primary_device *device;    /* that hosts may open, in a struct service_device; one for all ends */
	struct host *host;                /* NULL when gone */
	unsigned gone;
	bool gone_clean;
	struct conn *served; /* an adopted one before its HostHello */
	struct conn *conn; /* the host program's end; NULL when closed */
	bool closed;
	struct shm *shm;
	int memory_fd;
	struct message *replies[HOST_KEPT];
	unsigned reply_count, taken_count;
	struct payload_room *payloads; /* of the daemon's hosts; NULL: each has its own */
	uint8_t *payload; /* of the last reply that had one */
	uint32_t payload_bytes;
	struct message out;
};

/* For cmocka: *state is a host program that has said nothing; one that has the device open. */
int host_end_set_up(void **state);
int host_end_set_up_open(void **state);
int host_end_tear_down(void **state); /* the world, too */
/* Another host program of the same daemon; freed before the first. is_adopted: by way of host_adopt. */
struct host_end *host_end_new(struct host_end *first, bool is_adopted);
void host_end_free(struct host_end *end);

/* out is cleared and has this type. */
struct message *host_end_out(struct host_end *end, enum message_type type);
void host_end_send(struct host_end *end); /* out */
void host_end_send_payload(struct host_end *end, const void *payload, size_t bytes); /* out, with this */
void host_end_hang_up(struct host_end *end);
/* fd: the memory that goes with it; -1: none. */
void host_end_say_hello(struct host_end *end, int fd);
void host_end_hello(struct host_end *end); /* and is accepted */
void host_end_send_open(struct host_end *end, const char *device);
/* The open is answered by the secondary with its volume, and both volumes are well. */
void host_end_open(struct host_end *end);
/* Stream and slot have the same number. */
void host_end_send_read(struct host_end *end, uint32_t tag, enum side side, uint64_t first, uint32_t count,
	uint32_t slot);
void host_end_send_digest_read(struct host_end *end, uint32_t tag, enum side side, uint64_t first, uint32_t count,
	uint32_t slot, enum digest digest, uint64_t end_bytes);

unsigned host_end_unread(const struct host_end *end);
/* The next reply, which must be of this type; waits for DA threads. */
const struct message *host_end_reply(struct host_end *end, enum message_type type);
const struct msg_host_read_reply *host_end_read_reply(struct host_end *end, uint32_t tag, enum status status);
/* The next frame at the secondary. */
const struct message *host_end_expect(struct host_end *end, enum message_type type);
/* Answers the making of a link job; the tag of the Read that follows. */
uint32_t host_end_make_job(struct host_end *end, uint64_t link_id);

#endif
