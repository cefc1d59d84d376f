/* SPDX-License-Identifier: Apache-2.0
 *
 * The path volume: a file or a block device. It owns the descriptors and never opens for writing. It does not know of
 * parts, tracks, threads or time-outs. A lock is always of the whole volume.
 *
 * The hard thing is O_DIRECT at the end of a volume: a read that was cut short there ends at an odd offset, from which
 * no direct read can go on. Whether that is the end or an error is decided by the size.
 */
#include "storage/volume_path.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "storage/path_lock.h"
#include "storage/volume_identity.h"

#define DIRECT_ALIGN_BYTES 4096u
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

const struct volume_ops path_volume_ops = {
	.open = path_open,
	.size = path_size,
	.read = path_read,
	.next_data = path_next_data,
	.lock = path_lock,
	.unlock = path_unlock,
	.close = path_close,
};

struct path_volume *path_volume_new(const char *path, enum io_mode io)
{
	struct path_volume *self = xcalloc(1, sizeof(*self));

	assert(io == IO_MODE_BUFFERED || io == IO_MODE_DIRECT || io == IO_MODE_AUTO);
	self->path = xstrdup(path);
	self->io_asked = io;
	self->is_part_aligned = true;
	self->fd = self->lock_fd = -1;
	return self;
}

void path_volume_free(struct path_volume *self)
{
	if (!self)
		return;
	free(self->path);
	free(self);
}

void path_volume_set_offset(struct path_volume *self, uint64_t offset_bytes)
{
	self->is_part_aligned = offset_bytes % DIRECT_ALIGN_BYTES == 0;
}

void path_volume_set_known_by_name(struct path_volume *self)
{
	self->is_known_by_name = true;
}

const char *path_volume_path(const struct path_volume *self)
{
	return self->path;
}

bool path_volume_is_direct(const struct path_volume *self)
{
	return self->is_direct;
}

void path_volume_will_read(const struct path_volume *self, uint64_t offset, uint64_t bytes)
{
	off_t hole = self->has_holes ? lseek(self->fd, (off_t)offset, SEEK_HOLE) : -1;

	if (hole >= 0 && (uint64_t)hole - offset < bytes)
		bytes = (uint64_t)hole - offset;
	if (bytes > 0) /* 0 would mean: to the end */
		(void)posix_fadvise(self->fd, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}
