/* SPDX-License-Identifier: Apache-2.0
 *
 * The dispatch to a volume's operations, which sees only a part of the volume when that was asked for, and what is to
 * be known of its reads: how many have ended, whether they wait for the disk, whether they should step back. It does
 * not know of tracks, threads or time-outs.
 */
#include "storage/volume.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "storage/read_watch.h"
#include "storage/volume_path.h"
#include "storage/yield.h"

#define SECTOR_BYTES 512u

struct volume {
	const struct volume_ops *ops;
	void *arg;
	struct path_volume *path_volume; /* owned; NULL for other ops */
	uint64_t part_offset_bytes;
	uint64_t part_length_bytes; /* 0: to the end */
	bool is_common;
	bool is_open;
	bool is_locked;
	atomic_uint_fast64_t reads_ended, read_bytes;
	struct read_watch watch;
	struct yield *yield; /* owned; NULL: it does not */
	atomic_uint under_way; /* reads, where it yields */
};

struct volume *volume_new(const char *path, enum io_mode io)
{
	struct path_volume *path_volume = path_volume_new(path, io);
	struct volume *volume = volume_new_with_ops(&path_volume_ops, path_volume);

	volume->path_volume = path_volume;
	return volume;
}

struct volume *volume_new_with_ops(const struct volume_ops *ops, void *arg)
{
	struct volume *volume;

	assert(ops->open && ops->size && ops->read && ops->next_data && ops->lock && ops->unlock && ops->close);
	volume = xcalloc(1, sizeof(*volume));
	volume->ops = ops;
	volume->arg = arg;
	return volume;
}

const char *volume_path(const struct volume *volume)
{
	return volume->path_volume != NULL ? path_volume_path(volume->path_volume) : NULL;
}

void volume_free(struct volume *volume)
{
	if (!volume)
		return;
	assert(!volume->is_open);
	path_volume_free(volume->path_volume);
	yield_free(volume->yield);
	free(volume);
}

void volume_set_part(struct volume *volume, uint64_t offset_bytes, uint64_t length_bytes, bool is_common)
{
	assert(!volume->is_open && offset_bytes % SECTOR_BYTES == 0);
	volume->part_offset_bytes = offset_bytes;
	volume->part_length_bytes = length_bytes;
	volume->is_common = is_common;
	if (volume->path_volume)
		path_volume_set_offset(volume->path_volume, offset_bytes);
}

void volume_set_known_by_name(struct volume *volume)
{
	assert(!volume->is_open && volume->path_volume);
	path_volume_set_known_by_name(volume->path_volume);
}

void volume_set_yielding(struct volume *volume)
{
	assert(!volume->is_open && !volume->yield);
	volume->yield = yield_new();
}

struct yield *volume_yield(const struct volume *volume)
{
	return volume->yield;
}

int64_t volume_yielded_ms(const struct volume *volume)
{
	return volume->yield ? (int64_t)yield_paused_ms(volume->yield) : -1;
}

/* What there is of the part in a volume of so many bytes. */
static uint64_t part_bytes(const struct volume *volume, uint64_t whole_bytes)
{
	uint64_t bytes = whole_bytes > volume->part_offset_bytes ? whole_bytes - volume->part_offset_bytes : 0;

	return volume->part_length_bytes > 0 && bytes > volume->part_length_bytes ? volume->part_length_bytes : bytes;
}

int volume_open(struct volume *volume, struct volume_info *info)
{
	int error;

	assert(!volume->is_open);
	error = volume->ops->open(volume->arg, info);
	if (error)
		return error;
	info->whole_bytes = info->size_bytes;
	info->size_bytes = part_bytes(volume, info->whole_bytes);
	info->offset_bytes = volume->part_offset_bytes;
	info->is_common = volume->is_common;
	if (info->whole_bytes < volume->part_offset_bytes || info->size_bytes < volume->part_length_bytes) {
		volume->ops->close(volume->arg);
		return -ERANGE;
	}
	volume->is_open = true;
	return 0;
}

int volume_size(struct volume *volume, uint64_t *size_bytes)
{
	uint64_t whole_bytes;
	int error;

	assert(volume->is_open);
	error = volume->ops->size(volume->arg, &whole_bytes);
	if (!error)
		*size_bytes = part_bytes(volume, whole_bytes);
	return error;
}

/* Takes bytes away from the front. */
static void advance(struct iovec **iov, int *iov_count, size_t bytes)
{
	while (*iov_count > 0 && bytes >= (*iov)->iov_len) {
		bytes -= (*iov)->iov_len;
		(*iov)++;
		(*iov_count)--;
	}
	if (*iov_count > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
		(*iov)->iov_len -= bytes;
	}
}

/* Is offset at or after the end of a part that ends before the volume does? */
static bool is_beyond_part(const struct volume *volume, uint64_t offset)
{
	return volume->part_length_bytes > 0 && offset >= volume->part_length_bytes;
}

static ssize_t read_whole(struct volume *volume, const struct iovec *iov, int iov_count, uint64_t offset)
{
	const uint64_t begin = volume->part_offset_bytes + offset;
	struct iovec copy[VOLUME_IOV_MAX];
	struct iovec *rest = copy;
	ssize_t total_bytes = 0;

	if (is_beyond_part(volume, offset))
		return 0;
	memcpy(copy, iov, (size_t)iov_count * sizeof(*iov));
	while (iov_count > 0) {
		ssize_t bytes = volume->ops->read(volume->arg, rest, iov_count, begin + (uint64_t)total_bytes);

		if (bytes == -EINTR)
			continue;
		if (bytes < 0)
			return bytes;
		if (bytes == 0)
			break;
		total_bytes += bytes;
		advance(&rest, &iov_count, (size_t)bytes);
	}
	/* Whole blocks were read; what lies behind the part is not told. */
	if (is_beyond_part(volume, offset + (uint64_t)total_bytes))
		total_bytes = (ssize_t)(volume->part_length_bytes - offset);
	return total_bytes;
}

static ssize_t read_watched(struct volume *volume, const struct iovec *iov, int iov_count, uint64_t offset)
{
	struct watched_read watched;
	ssize_t bytes;

	read_watch_begin(&volume->watch, &watched, false);
	bytes = read_whole(volume, iov, iov_count, offset);
	read_watch_end(&volume->watch, &watched, bytes > 0 ? (size_t)bytes : 0);
	return bytes;
}

static ssize_t read_yielding(struct volume *volume, const struct iovec *iov, int iov_count, uint64_t offset)
{
	unsigned at_once = atomic_fetch_add(&volume->under_way, 1) + 1;
	struct watched_read watched;
	ssize_t bytes;

	read_watch_begin(&volume->watch, &watched, true);
	bytes = read_whole(volume, iov, iov_count, offset);
	read_watch_end(&volume->watch, &watched, bytes > 0 ? (size_t)bytes : 0);
	atomic_fetch_sub(&volume->under_way, 1);
	if (bytes > 0) {
		const struct yield_read read = { .bytes = (size_t)bytes, .has_waited = watched.has_waited,
			.took_ns = watched.took_ns, .at_once = at_once };

		yield_tell(volume->yield, &read, watched.began_ns + watched.took_ns);
	}
	return bytes;
}

ssize_t volume_read(struct volume *volume, const struct iovec *iov, int iov_count, uint64_t offset)
{
	ssize_t bytes;

	assert(volume->is_open);
	assert(iov_count > 0 && iov_count <= VOLUME_IOV_MAX);
	if (volume->yield)
		bytes = read_yielding(volume, iov, iov_count, offset);
	else if (volume_is_direct(volume))
		bytes = read_whole(volume, iov, iov_count, offset);
	else
		bytes = read_watched(volume, iov, iov_count, offset);
	atomic_fetch_add_explicit(&volume->reads_ended, 1, memory_order_relaxed);
	if (bytes > 0)
		atomic_fetch_add_explicit(&volume->read_bytes, (uint64_t)bytes, memory_order_relaxed);
	return bytes;
}

bool volume_is_direct(const struct volume *volume)
{
	assert(volume->is_open);
	return volume->path_volume && path_volume_is_direct(volume->path_volume);
}

bool volume_is_cold(const struct volume *volume)
{
	return !volume->yield && read_watch_is_cold(&volume->watch);
}

void volume_will_read(struct volume *volume, uint64_t offset, uint64_t bytes)
{
	if (!volume_is_direct(volume) && volume->path_volume)
		path_volume_will_read(volume->path_volume, volume->part_offset_bytes + offset, bytes);
}

uint64_t volume_reads_ended(const struct volume *volume)
{
	return atomic_load_explicit(&volume->reads_ended, memory_order_relaxed);
}

uint64_t volume_read_bytes(const struct volume *volume)
{
	return atomic_load_explicit(&volume->read_bytes, memory_order_relaxed);
}

int volume_next_data(struct volume *volume, uint64_t offset, uint64_t *data_offset)
{
	int error;

	assert(volume->is_open);
	*data_offset = offset;
	if (is_beyond_part(volume, offset))
		return 0;
	error = volume->ops->next_data(volume->arg, volume->part_offset_bytes + offset, data_offset);
	if (error)
		return error;
	*data_offset -= volume->part_offset_bytes;
	if (is_beyond_part(volume, *data_offset))
		*data_offset = volume->part_length_bytes;
	return 0;
}

int volume_lock(struct volume *volume, char holder[HOLDER_BYTES])
{
	int error;

	assert(volume->is_open && !volume->is_locked);
	error = volume->ops->lock(volume->arg, holder);
	volume->is_locked = !error;
	return error;
}

void volume_unlock(struct volume *volume)
{
	if (!volume->is_locked)
		return;
	volume->is_locked = false;
	volume->ops->unlock(volume->arg);
}

void volume_close(struct volume *volume)
{
	if (!volume->is_open)
		return;
	volume_unlock(volume);
	volume->is_open = false;
	volume->ops->close(volume->arg);
}

const char *volume_error_text(int error)
{
	switch (error) {
	case -EINVAL:
		return "it is neither a file nor a block device";
	case -EOPNOTSUPP:
		return "its file system takes no direct reads";
	case -EDOM:
		return "direct reads need an offset that is a multiple of 4096";
	case -ESTALE:
		return "its path names another device by now";
	case -ERANGE:
		return "it ends before the offset and length that are set for it";
	default:
		return strerror(-error);
	}
}
