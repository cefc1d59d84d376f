/* SPDX-License-Identifier: Apache-2.0
 *
 * The faulty volume. One mutex for its switches and counters; it is not held while content is computed, so that reads
 * run at once as they do on a disk.
 *
 * The hard thing is hanging: a call waits on a condition until its switch is off and is counted as stuck meanwhile, so
 * that a test waits for the hang itself and not for some time.
 */
#include "tests/support/faulty_volume.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "storage/volume.h"

#define FAULTY_MAGIC 0x4641554cu
#define WORD_BYTES 8u

struct range {
	uint64_t begin, end;
};

struct switches {
	uint64_t size_bytes;
	uint32_t seed, version;
	struct range same, hole, bad;
	char same_byte;
	int bad_error, open_error, lock_error;
	size_t read_bytes_max;
	unsigned read_ms;
};

struct faulty_volume {
	uint32_t magic;
	pthread_mutex_t mutex; /* all below */
	pthread_cond_t changed; /* a hang switch, or stuck */
	struct switches now;
	struct faulty_counts counts;
	unsigned reads_inside;
	uint64_t reads_hung, reads_let_go; /* since the start; the oldest are let go first */
	bool hangs_reads, hangs_open, hangs_locks;
	bool is_open, is_locked;
};

static struct faulty_volume *lock(void *arg)
{
	struct faulty_volume *faulty = arg;
	int error;

	assert(faulty->magic == FAULTY_MAGIC);
	error = pthread_mutex_lock(&faulty->mutex);
	assert(error == 0);
	return faulty;
}

static void unlock(struct faulty_volume *faulty)
{
	int error = pthread_mutex_unlock(&faulty->mutex);

	assert(error == 0);
}

static void hang_while(struct faulty_volume *faulty, const bool *hangs)
{
	if (!*hangs)
		return;
	faulty->counts.stuck++;
	pthread_cond_broadcast(&faulty->changed);
	while (*hangs)
		pthread_cond_wait(&faulty->changed, &faulty->mutex);
	faulty->counts.stuck--;
}

static void hang_read(struct faulty_volume *faulty)
{
	uint64_t number;

	if (!faulty->hangs_reads)
		return;
	number = faulty->reads_hung++;
	faulty->counts.stuck++;
	pthread_cond_broadcast(&faulty->changed);
	while (number >= faulty->reads_let_go)
		pthread_cond_wait(&faulty->changed, &faulty->mutex);
	faulty->counts.stuck--;
}

static bool overlaps(const struct range *range, uint64_t begin, uint64_t end)
{
	return begin < range->end && range->begin < end;
}

/* Never 0 in any byte of a word, so that content is not mistaken for zeros. */
static uint64_t word_at(const struct switches *now, uint64_t index)
{
	uint64_t x = index + ((uint64_t)now->seed << 32) + (uint64_t)now->version * 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (x ^ (x >> 31)) | 0x0101010101010101u;
}

static void fill_range(char *data, size_t bytes, uint64_t offset, const struct range *range, char byte)
{
	uint64_t begin = range->begin > offset ? range->begin : offset;
	uint64_t end = range->end < offset + bytes ? range->end : offset + bytes;

	if (begin < end)
		memset(data + (begin - offset), byte, (size_t)(end - begin));
}

static void fill(const struct switches *now, char *data, size_t bytes, uint64_t offset)
{
	size_t done = 0;

	while (done < bytes) {
		uint64_t at = offset + done;
		uint64_t word = word_at(now, at / WORD_BYTES);
		size_t skip = (size_t)(at % WORD_BYTES);
		size_t part = WORD_BYTES - skip;

		if (part > bytes - done)
			part = bytes - done;
		memcpy(data + done, (const char *)&word + skip, part);
		done += part;
	}
	fill_range(data, bytes, offset, &now->same, now->same_byte);
	fill_range(data, bytes, offset, &now->hole, 0);
}

static int faulty_open(void *arg, struct volume_info *info)
{
	struct faulty_volume *faulty = lock(arg);
	int error;

	faulty->counts.opens++;
	hang_while(faulty, &faulty->hangs_open);
	error = faulty->now.open_error;
	if (!error) {
		assert(!faulty->is_open);
		faulty->is_open = true;
		*info = (struct volume_info){
			.size_bytes = faulty->now.size_bytes,
			.kind = VOLUME_KIND_FILE,
			.io = IO_MODE_BUFFERED,
			.host_id = 1,
			.device_id = faulty->now.seed,
			.inode = 1,
			.path = "faulty",
		};
	}
	unlock(faulty);
	return -error;
}

static int faulty_size(void *arg, uint64_t *size_bytes)
{
	struct faulty_volume *faulty = lock(arg);

	faulty->counts.sizes++;
	hang_while(faulty, &faulty->hangs_open);
	*size_bytes = faulty->now.size_bytes;
	unlock(faulty);
	return 0;
}

static size_t iov_bytes(const struct iovec *iov, int iov_count)
{
	size_t bytes = 0;

	for (int i = 0; i < iov_count; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

static ssize_t faulty_read(void *arg, const struct iovec *iov, int iov_count, uint64_t offset)
{
	struct faulty_volume *faulty = lock(arg);
	size_t bytes = iov_bytes(iov, iov_count);
	struct switches now;
	size_t done = 0;
	bool is_bad;

	assert(faulty->is_open);
	faulty->counts.reads++;
	faulty->reads_inside++;
	if (faulty->counts.reads_at_once < faulty->reads_inside)
		faulty->counts.reads_at_once = faulty->reads_inside;
	hang_read(faulty);
	now = faulty->now;
	unlock(faulty);

	if (offset >= now.size_bytes)
		bytes = 0;
	else if (bytes > now.size_bytes - offset)
		bytes = (size_t)(now.size_bytes - offset);
	if (now.read_ms > 0)
		nanosleep(&(struct timespec){ now.read_ms / 1000, now.read_ms % 1000 * 1000000L }, NULL);
	is_bad = overlaps(&now.bad, offset, offset + bytes);
	if (now.read_bytes_max && bytes > now.read_bytes_max)
		bytes = now.read_bytes_max;
	for (int i = 0; !is_bad && i < iov_count && done < bytes; i++) {
		size_t part = iov[i].iov_len < bytes - done ? iov[i].iov_len : bytes - done;

		fill(&now, iov[i].iov_base, part, offset + done);
		done += part;
	}

	lock(faulty);
	faulty->reads_inside--;
	unlock(faulty);
	return is_bad ? -now.bad_error : (ssize_t)done;
}

static int faulty_next_data(void *arg, uint64_t offset, uint64_t *data_offset)
{
	struct faulty_volume *faulty = lock(arg);

	*data_offset = offset;
	if (offset < faulty->now.size_bytes && overlaps(&faulty->now.hole, offset, offset + 1)) {
		*data_offset = faulty->now.hole.end;
		if (*data_offset > faulty->now.size_bytes)
			*data_offset = faulty->now.size_bytes;
	}
	unlock(faulty);
	return 0;
}

static int faulty_lock(void *arg, char holder[HOLDER_BYTES])
{
	struct faulty_volume *faulty = lock(arg);
	int error;

	assert(faulty->is_open && !faulty->is_locked);
	faulty->counts.locks++;
	hang_while(faulty, &faulty->hangs_locks);
	error = faulty->now.lock_error;
	faulty->is_locked = !error;
	if (error == EBUSY)
		strcpy(holder, "in use by faulty[7]");
	unlock(faulty);
	return -error;
}

static void faulty_unlock(void *arg)
{
	struct faulty_volume *faulty = lock(arg);

	assert(faulty->is_open && faulty->is_locked);
	faulty->is_locked = false;
	faulty->counts.unlocks++;
	unlock(faulty);
}

static void faulty_close(void *arg)
{
	struct faulty_volume *faulty = lock(arg);

	assert(faulty->is_open && !faulty->is_locked);
	faulty->is_open = false;
	faulty->counts.closes++;
	unlock(faulty);
}

static const struct volume_ops faulty_ops = {
	.open = faulty_open,
	.size = faulty_size,
	.read = faulty_read,
	.next_data = faulty_next_data,
	.lock = faulty_lock,
	.unlock = faulty_unlock,
	.close = faulty_close,
};

struct faulty_volume *faulty_volume_new(uint64_t size_bytes, uint32_t seed)
{
	struct faulty_volume *faulty = xcalloc(1, sizeof(*faulty));
	pthread_condattr_t attr;
	int error;

	faulty->magic = FAULTY_MAGIC;
	faulty->now.size_bytes = size_bytes;
	faulty->now.seed = seed;
	error = pthread_mutex_init(&faulty->mutex, NULL);
	assert(error == 0);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	error = pthread_cond_init(&faulty->changed, &attr);
	assert(error == 0);
	pthread_condattr_destroy(&attr);
	return faulty;
}

void faulty_volume_free(struct faulty_volume *faulty)
{
	if (!faulty)
		return;
	assert(!faulty->is_open && faulty->reads_inside == 0 && faulty->counts.stuck == 0);
	pthread_cond_destroy(&faulty->changed);
	pthread_mutex_destroy(&faulty->mutex);
	free(faulty);
}

struct volume *faulty_volume_volume(struct faulty_volume *faulty)
{
	return volume_new_with_ops(&faulty_ops, faulty);
}

void faulty_volume_expect(struct faulty_volume *faulty, void *data, size_t bytes, uint64_t offset)
{
	struct switches now = lock(faulty)->now;

	unlock(faulty);
	fill(&now, data, bytes, offset);
}

void faulty_volume_set_version(struct faulty_volume *faulty, uint32_t version)
{
	lock(faulty)->now.version = version;
	unlock(faulty);
}

void faulty_volume_set_zeros(struct faulty_volume *faulty, uint64_t begin, uint64_t end)
{
	faulty_volume_set_bytes(faulty, begin, end, 0);
}

void faulty_volume_set_bytes(struct faulty_volume *faulty, uint64_t begin, uint64_t end, char byte)
{
	lock(faulty)->now.same = (struct range){ begin, end };
	faulty->now.same_byte = byte;
	unlock(faulty);
}

void faulty_volume_set_hole(struct faulty_volume *faulty, uint64_t begin, uint64_t end)
{
	lock(faulty)->now.hole = (struct range){ begin, end };
	unlock(faulty);
}

void faulty_volume_set_error(struct faulty_volume *faulty, uint64_t begin, uint64_t end, int error)
{
	lock(faulty)->now.bad = (struct range){ begin, end };
	faulty->now.bad_error = error;
	unlock(faulty);
}

void faulty_volume_set_open_error(struct faulty_volume *faulty, int error)
{
	lock(faulty)->now.open_error = error;
	unlock(faulty);
}

void faulty_volume_set_lock_error(struct faulty_volume *faulty, int error)
{
	lock(faulty)->now.lock_error = error;
	unlock(faulty);
}

void faulty_volume_set_read_bytes_max(struct faulty_volume *faulty, size_t bytes)
{
	lock(faulty)->now.read_bytes_max = bytes;
	unlock(faulty);
}

void faulty_volume_set_read_ms(struct faulty_volume *faulty, unsigned ms)
{
	lock(faulty)->now.read_ms = ms;
	unlock(faulty);
}

void faulty_volume_set_size(struct faulty_volume *faulty, uint64_t size_bytes)
{
	lock(faulty)->now.size_bytes = size_bytes;
	unlock(faulty);
}

void faulty_volume_hang_reads(struct faulty_volume *faulty, bool on)
{
	lock(faulty)->hangs_reads = on;
	if (!on && faulty->reads_let_go < faulty->reads_hung)
		faulty->reads_let_go = faulty->reads_hung;
	pthread_cond_broadcast(&faulty->changed);
	unlock(faulty);
}

void faulty_volume_let_go(struct faulty_volume *faulty, unsigned reads)
{
	lock(faulty)->reads_let_go += reads;
	pthread_cond_broadcast(&faulty->changed);
	unlock(faulty);
}

void faulty_volume_hang_open(struct faulty_volume *faulty, bool on)
{
	lock(faulty)->hangs_open = on;
	pthread_cond_broadcast(&faulty->changed);
	unlock(faulty);
}

void faulty_volume_hang_locks(struct faulty_volume *faulty, bool on)
{
	lock(faulty)->hangs_locks = on;
	pthread_cond_broadcast(&faulty->changed);
	unlock(faulty);
}

bool faulty_volume_wait_stuck(struct faulty_volume *faulty, unsigned count, int timeout_ms)
{
	struct timespec deadline;
	bool is_stuck;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (deadline.tv_nsec >= 1000000000L) {
		deadline.tv_nsec -= 1000000000L;
		deadline.tv_sec++;
	}
	lock(faulty);
	while (faulty->counts.stuck < count && error == 0)
		error = pthread_cond_timedwait(&faulty->changed, &faulty->mutex, &deadline);
	is_stuck = faulty->counts.stuck >= count;
	unlock(faulty);
	return is_stuck;
}

struct faulty_counts faulty_volume_count(struct faulty_volume *faulty)
{
	struct faulty_counts counts = lock(faulty)->counts;

	unlock(faulty);
	return counts;
}
