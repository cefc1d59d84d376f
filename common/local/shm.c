/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory shared by a host program and the primary: both ends. The sealed memfd is the only thing that the primary takes
 * from a host without reading it, so the checks of shm_accept are what keeps a host from killing the primary: without
 * the seals it could shrink the file under a reader or writer (SIGBUS), and memory of huge pages may be missing when it
 * is first touched. Loop thread only; the bytes of a slot are anybody's who holds a reference.
 */
#include "local/shm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

struct shm {
	unsigned references;
	uint32_t slot_count, slot_bytes;
	uint8_t *memory;
	int fd;           /* of the host; else -1 */
	uint32_t *filled; /* of the host: bytes by slot */
};

static size_t total_bytes(uint32_t slot_count, uint32_t slot_bytes)
{
	assert(slot_count >= 1 && slot_count <= HOST_SLOTS_MAX);
	assert(slot_bytes >= 4096 && slot_bytes % 4096 == 0);
	assert((size_t)slot_count * slot_bytes <= HOST_MEMORY_BYTES_MAX);
	return (size_t)slot_count * slot_bytes;
}

static int shm_map(int fd, uint32_t slot_count, uint32_t slot_bytes, struct shm **out)
{
	void *memory = mmap(NULL, total_bytes(slot_count, slot_bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	struct shm *shm = xcalloc(1, sizeof(*shm));
	shm->references = 1;
	shm->slot_count = slot_count;
	shm->slot_bytes = slot_bytes;
	shm->memory = memory;
	shm->fd = -1;
	*out = shm;
	return 0;
}

int shm_create(uint32_t slot_count, uint32_t slot_bytes, struct shm **out, int *fd)
{
	size_t bytes = total_bytes(slot_count, slot_bytes);
	int memory_fd = memfd_create("ra-host", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory_fd < 0)
		return -errno;
	int own_fd = fcntl(memory_fd, F_DUPFD_CLOEXEC, 0), error;
	if (own_fd < 0 || ftruncate(memory_fd, (off_t)bytes) < 0 ||
		fcntl(memory_fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0) {
		error = -errno;
		goto fail;
	}
	error = shm_map(memory_fd, slot_count, slot_bytes, out);
	if (error)
		goto fail;
	(*out)->fd = own_fd;
	(*out)->filled = xcalloc(slot_count, sizeof(*(*out)->filled));
	*fd = memory_fd;
	return 0;
fail:
	close(memory_fd);
	if (own_fd >= 0)
		close(own_fd);
	return error;
}

int shm_fill(struct shm *shm, uint32_t slot, uint32_t bytes)
{
	int error;
	assert(shm->fd >= 0 && slot < shm->slot_count && bytes <= shm->slot_bytes);
	if (bytes <= shm->filled[slot])
		return 0;
	do
		error = fallocate(shm->fd, 0, (off_t)slot * shm->slot_bytes, bytes) < 0 ? -errno : 0;
	while (error == -EINTR);
	if (error == 0)
		shm->filled[slot] = bytes;
	return error;
}

#define refuse(...) \
	(log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "shared memory refused: " __VA_ARGS__), -EPROTO)

int shm_accept(int fd, uint32_t slot_count, uint32_t slot_bytes, struct shm **out)
{
	size_t bytes = total_bytes(slot_count, slot_bytes);
	if (fd < 0)
		return refuse("no descriptor came with HostHello");
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return refuse("the descriptor is not a memfd");
	if ((seals & SEALS) != SEALS)
		return refuse("not sealed against shrinking and growing (seals 0x%x)", (unsigned)seals);
	struct statfs file_system;
	if (fstatfs(fd, &file_system) < 0 || file_system.f_type != TMPFS_MAGIC)
		return refuse("a memfd of ordinary pages is needed");
	struct stat file;
	if (fstat(fd, &file) < 0 || (size_t)file.st_size != bytes)
		return refuse("its size is %lld bytes, HostHello says %u slots of %u bytes", (long long)file.st_size,
			slot_count, slot_bytes);
	int error = shm_map(fd, slot_count, slot_bytes, out);
	if (error)
		return refuse("it cannot be mapped for reading and writing: %s", strerror(-error));
	return 0;
}

struct shm *shm_ref(struct shm *shm)
{
	assert(shm->references > 0);
	shm->references++;
	return shm;
}

void shm_unref(struct shm *shm)
{
	if (!shm)
		return;
	assert(shm->references > 0);
	if (--shm->references > 0)
		return;
	munmap(shm->memory, total_bytes(shm->slot_count, shm->slot_bytes));
	if (shm->fd >= 0)
		close(shm->fd);
	free(shm->filled);
	free(shm);
}

void *shm_slot(const struct shm *shm, uint32_t slot)
{
	assert(slot < shm->slot_count);
	return shm->memory + (size_t)slot * shm->slot_bytes;
}

uint32_t shm_slot_count(const struct shm *shm)
{
	return shm->slot_count;
}

uint32_t shm_slot_bytes(const struct shm *shm)
{
	return shm->slot_bytes;
}
