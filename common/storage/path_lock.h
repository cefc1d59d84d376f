/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps other programs away from a volume that has a path: of a file a lock, of a block device a second, exclusive
 * open. Nothing is opened for writing. DA threads only.
 */
#ifndef RA_STORAGE_PATH_LOCK_H
#define RA_STORAGE_PATH_LOCK_H

#include "storage/holder.h"

/* An OFD read lock on all of the open file, which goes with fd or path_lock_end: 0, and nobody else has any lock.
 * -EBUSY, and holder says who has one; or another -errno. */
int path_lock_file(int fd, char holder[HOLDER_BYTES]);
void path_lock_end(int fd);
/* Opens the device that is open as fd once more, exclusively: 0 and *lock_fd. -EBUSY, and holder says who has it;
 * -ESTALE: path names another one by now; or another -errno. */
int path_lock_device(const char *path, int fd, int *lock_fd, char holder[HOLDER_BYTES]);

#endif
