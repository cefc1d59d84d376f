/* SPDX-License-Identifier: Apache-2.0
 *
 * See path_lock.h. The descriptor is for reading only, so that no write lock can be had; but who has any lock would be
 * in the way of one, and that can be asked.
 */
#include "storage/path_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

int path_lock_file(int fd, char holder[HOLDER_BYTES])
{
	struct flock other = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int error = set_lock(fd, F_RDLCK);
	bool is_busy = error == -EAGAIN || error == -EACCES;

	if (error && !is_busy)
		return error;
	error = fcntl(fd, F_OFD_GETLK, &other) < 0 ? -errno : 0;
	if (!error && (is_busy || other.l_type != F_UNLCK)) {
		holder_of_file(fd, other.l_type != F_UNLCK ? other.l_pid : 0, holder);
		error = -EBUSY;
	}
	if (error)
		path_lock_end(fd);
	return error;
}

void path_lock_end(int fd)
{
	(void)set_lock(fd, F_UNLCK); /* of what is not locked it is harmless */
}

int path_lock_device(const char *path, int fd, int *lock_fd, char holder[HOLDER_BYTES])
{
	struct stat first, second;
	int error = 0, exclusive;

	if (fstat(fd, &first) < 0)
		return -errno;
	exclusive = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (exclusive < 0) {
		error = -errno;
		if (error == -EBUSY)
			holder_of_device(first.st_rdev, holder);
		return error;
	}
	if (fstat(exclusive, &second) < 0)
		error = -errno;
	else if (!S_ISBLK(second.st_mode) || first.st_rdev != second.st_rdev)
		error = -ESTALE;
	if (error)
		close(exclusive);
	else
		*lock_fd = exclusive;
	return error;
}
