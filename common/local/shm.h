/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory shared by a host program and the primary (memory 37 of Fig. 1): a sealed memfd cut into slots. The host makes
 * it and owns its slots; the primary maps it. Reference counted, because a DA thread or a TLS reader may still write
 * into it after the host has gone. Loop thread only.
 */
#ifndef RA_LOCAL_SHM_H
#define RA_LOCAL_SHM_H

#include <stddef.h>
#include <stdint.h>

struct shm;

/* Host: a new memfd, sealed against shrinking and growing, mapped. *fd is the caller's to close. */
int shm_create(uint32_t slot_count, uint32_t slot_bytes, struct shm **out, int *fd);
/* Host, before it names the slot in a request: the first bytes of it have memory from now on, so that nobody is killed
 * for want of it who writes there. Slots, and the rest of one, cost nothing until then. 0 or -errno. */
int shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes);
/* Primary: maps what a host sent, after checking type, seals and size; -EPROTO (logged as of a stranger, with the
 * reason) when something is wrong. The descriptor stays the caller's and may be closed at once. */
int shm_accept(int fd, uint32_t slot_count, uint32_t slot_bytes, struct shm **out);
struct shm *shm_ref(struct shm *shm);
void shm_unref(struct shm *shm); /* NULL is fine */
void *shm_slot(const struct shm *shm, uint32_t slot); /* slot < slot_count (asserted) */
uint32_t shm_slot_count(const struct shm *shm);
uint32_t shm_slot_bytes(const struct shm *shm);

#endif
