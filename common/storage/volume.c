/* SPDX-License-Identifier: Apache-2.0
 *
 * The path volume (a file or a block device), and the dispatch to a volume's operations, which sees only a part of the
 * volume when that was asked for. It owns the descriptors and never opens for writing. It does not know of tracks,
 * threads or time-outs. A lock is always of the whole volume.
 *
 * The hard thing is O_DIRECT at the end of a volume: a read that was cut short there ends at an odd offset, from which
 * no direct read can go on. Whether that is the end or an error is decided by the size.
 */
#include "storage/volume.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "storage/path_lock.h"
#include "storage/read_watch.h"
#include "storage/volume_identity.h"
#include "storage/yield.h"

#define DIRECT_ALIGN_BYTES 4096u
#define SECTOR_BYTES 512u
#define STAT_BLOCK_BYTES 512 /* unit of st_blocks, whatever the file system's blocks are */

struct path_volume {
	char *path;
	enum io_mode io_asked;
	bool is_part_aligned; /* for direct reads */
	bool is_known_by_name;
	int fd;               /* -1: not open */
	int lock_fd;          /* of a block device that is locked; -1: none */
	enum volume_kind kind;
	bool is_direct;
	bool has_holes; /* when it was opened; a hole made later is read as zeros */
};

struct volume {
	const struct volume_ops *ops;
	void *arg;
	struct path_volume *path_volume; /* owned; NULL for other ops */
	uint64_t part_offset_bytes;
	uint64_t part_length_bytes; /* 0: to the end */
	bool is_common;
	bool is_open;
	bool is_locked;
	atomic_uint_fast64_t reads_ended;
	struct read_watch watch;
	struct yield *yield; /* owned; NULL: it does not */
	atomic_uint under_way; /* reads, where it yields */
};

static int kind_of(const struct stat *st, enum volume_kind *kind)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (S_ISREG(st->st_mode))
		*kind = VOLUME_KIND_FILE;
	else if (S_ISBLK(st->st_mode))
		*kind = VOLUME_KIND_BLOCK;
	else
		return -EINVAL;
	return 0;
}

static int path_size(void *arg, uint64_t *size_bytes)
{
	const struct path_volume *self = arg;
	struct stat st;

	if (self->kind == VOLUME_KIND_BLOCK)
		return ioctl(self->fd, BLKGETSIZE64, size_bytes) < 0 ? -errno : 0;
	if (fstat(self->fd, &st) < 0)
		return -errno;
	*size_bytes = (uint64_t)st.st_size;
	return 0;
}

/* Sets the io mode of the open descriptor and clears O_NONBLOCK, which only served the open. */
static int set_io(struct path_volume *self)
{
	if (self->io_asked == IO_MODE_DIRECT && !self->is_part_aligned)
		return -EDOM;
	self->is_direct = self->io_asked == IO_MODE_DIRECT ||
		(self->io_asked == IO_MODE_AUTO && self->kind == VOLUME_KIND_BLOCK && self->is_part_aligned);
	if (fcntl(self->fd, F_SETFL, self->is_direct ? O_DIRECT : 0) < 0)
		return self->is_direct && errno == EINVAL ? -EOPNOTSUPP : -errno;
	if (!self->is_direct)
		(void)posix_fadvise(self->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice: a refusal changes nothing */
	return 0;
}

static void path_close(void *arg)
{
	struct path_volume *self = arg;

	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
}

static void tell_identity(const struct path_volume *self, const struct stat *st, struct volume_info *info)
{
	info->device_id = self->kind == VOLUME_KIND_BLOCK ? st->st_rdev : st->st_dev;
	info->inode = self->kind == VOLUME_KIND_BLOCK ? 0 : st->st_ino;
	if (self->is_known_by_name)
		volume_identity_of_name(self->path, info->identity);
	else if (self->kind == VOLUME_KIND_BLOCK)
		volume_identity_of_block("/sys", st->st_rdev, info->identity);
	else
		volume_identity_of_file(st->st_dev, st->st_ino, info->identity);
}

static int path_open(void *arg, struct volume_info *info)
{
	struct path_volume *self = arg;
	struct stat st;
	int error;

	assert(self->fd < 0);
	if (strlen(self->path) >= sizeof(info->path))
		return -ENAMETOOLONG;
	/* Asked before the open, because opening a tape or a watchdog does something to it. */
	if (stat(self->path, &st) < 0)
		return -errno;
	error = kind_of(&st, &self->kind);
	if (error)
		return error;
	/* O_NONBLOCK: should the name have become a FIFO in between, the open does not hang. */
	self->fd = open(self->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (self->fd < 0)
		return -errno;
	if (fstat(self->fd, &st) < 0) {
		error = -errno;
		goto fail;
	}
	error = kind_of(&st, &self->kind);
	if (error)
		goto fail;
	error = set_io(self);
	if (error)
		goto fail;

	memset(info, 0, sizeof(*info));
	error = path_size(self, &info->size_bytes);
	if (error)
		goto fail;
	self->has_holes = self->kind == VOLUME_KIND_FILE && st.st_blocks < st.st_size / STAT_BLOCK_BYTES;
	info->kind = self->kind;
	info->io = self->is_direct ? IO_MODE_DIRECT : IO_MODE_BUFFERED;
	info->host_id = volume_host_id();
	tell_identity(self, &st, info);
	memcpy(info->path, self->path, strlen(self->path) + 1);
	return 0;

fail:
	path_close(self);
	return error;
}

static ssize_t path_read(void *arg, const struct iovec *iov, int iov_count, uint64_t offset)
{
	const struct path_volume *self = arg;
	uint64_t size_bytes;
	ssize_t bytes;

	if (self->is_direct && offset % DIRECT_ALIGN_BYTES != 0) {
		int error = path_size(arg, &size_bytes);

		if (error)
			return error;
		return offset >= size_bytes ? 0 : -EIO;
	}
	bytes = preadv(self->fd, iov, iov_count, (off_t)offset);
	return bytes < 0 ? -errno : bytes;
}

static int path_next_data(void *arg, uint64_t offset, uint64_t *data_offset)
{
	const struct path_volume *self = arg;
	uint64_t size_bytes;
	off_t data;
	int error;

	*data_offset = offset;
	if (!self->has_holes)
		return 0;
	data = lseek(self->fd, (off_t)offset, SEEK_DATA);
	if (data >= 0) {
		*data_offset = (uint64_t)data;
		return 0;
	}
	if (errno == EINVAL)
		return 0; /* this file system does not know */
	if (errno != ENXIO)
		return -errno;
	/* No data up to the end, or the end is before offset: only the size tells a hole from a volume that shrank. */
	error = path_size(arg, &size_bytes);
	if (error)
		return error;
	if (size_bytes > offset)
		*data_offset = size_bytes;
	return 0;
}

/* Holes are left out: to ask for them fills the page cache with zeros. */
static void path_will_read(const struct path_volume *self, uint64_t offset, uint64_t bytes)
{
	off_t hole = self->has_holes ? lseek(self->fd, (off_t)offset, SEEK_HOLE) : -1;

	if (hole >= 0 && (uint64_t)hole - offset < bytes)
		bytes = (uint64_t)hole - offset;
	if (bytes > 0) /* 0 would mean: to the end */
		(void)posix_fadvise(self->fd, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}

static void path_unlock(void *arg)
{
	struct path_volume *self = arg;

	if (self->kind == VOLUME_KIND_FILE)
		path_lock_end(self->fd);
	if (self->lock_fd >= 0)
		close(self->lock_fd);
	self->lock_fd = -1;
}

static int path_lock(void *arg, char holder[HOLDER_BYTES])
{
	struct path_volume *self = arg;

	if (self->kind == VOLUME_KIND_FILE)
		return path_lock_file(self->fd, holder);
	return path_lock_device(self->path, self->fd, &self->lock_fd, holder);
}

static const struct volume_ops path_ops = {
	.open = path_open,
	.size = path_size,
	.read = path_read,
	.next_data = path_next_data,
	.lock = path_lock,
	.unlock = path_unlock,
	.close = path_close,
};

struct volume *volume_new(const char *path, enum io_mode io)
{
	struct path_volume *self;
	struct volume *volume;

	assert(io == IO_MODE_BUFFERED || io == IO_MODE_DIRECT || io == IO_MODE_AUTO);
	self = xcalloc(1, sizeof(*self));
	self->path = xstrdup(path);
	self->io_asked = io;
	self->is_part_aligned = true;
	self->fd = self->lock_fd = -1;
	volume = volume_new_with_ops(&path_ops, self);
	volume->path_volume = self;
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
	return volume->path_volume != NULL ? volume->path_volume->path : NULL;
}

void volume_free(struct volume *volume)
{
	if (!volume)
		return;
	assert(!volume->is_open);
	if (volume->path_volume)
		free(volume->path_volume->path);
	free(volume->path_volume);
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
		volume->path_volume->is_part_aligned = offset_bytes % DIRECT_ALIGN_BYTES == 0;
}

void volume_set_known_by_name(struct volume *volume)
{
	assert(!volume->is_open && volume->path_volume);
	volume->path_volume->is_known_by_name = true;
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
	return bytes;
}

bool volume_is_direct(const struct volume *volume)
{
	assert(volume->is_open);
	return volume->path_volume && volume->path_volume->is_direct;
}

bool volume_is_cold(const struct volume *volume)
{
	return !volume->yield && read_watch_is_cold(&volume->watch);
}

void volume_will_read(struct volume *volume, uint64_t offset, uint64_t bytes)
{
	if (!volume_is_direct(volume) && volume->path_volume)
		path_will_read(volume->path_volume, volume->part_offset_bytes + offset, bytes);
}

uint64_t volume_reads_ended(const struct volume *volume)
{
	return atomic_load_explicit(&volume->reads_ended, memory_order_relaxed);
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
