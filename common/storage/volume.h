/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume behind a table of operations: a path (file or block device), or a faulty one of the tests. Volumes are
 * opened O_RDONLY and never mapped. volume_new, volume_free: loop thread. The rest may hang as long as a disk hangs:
 * DA threads only; several may read one volume at once, also while one of them locks or unlocks it.
 */
#ifndef RA_STORAGE_VOLUME_H
#define RA_STORAGE_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/volume_info.h"
#include "storage/holder.h"

#define VOLUME_IOV_MAX 64 /* buffers of one read */

struct volume;
struct yield;

struct volume_ops {
	int (*open)(void *arg, struct volume_info *info); /* 0 and all of info, or -errno */
	int (*size)(void *arg, uint64_t *size_bytes);
	/* Like preadv: may be short, 0 only at or after the end; or -errno. */
	ssize_t (*read)(void *arg, const struct iovec *iov, int iov_count, uint64_t offset);
	/* The first byte at or after offset that may hold data: offset itself where holes are not known or the volume ends
	 * before it, the volume's present end when there is none. */
	int (*next_data)(void *arg, uint64_t offset, uint64_t *data_offset);
	/* Other programs are kept away: 0; -EBUSY with words for who has it, to go on after "it is"; or another -errno. */
	int (*lock)(void *arg, char holder[HOLDER_BYTES]);
	void (*unlock)(void *arg);
	void (*close)(void *arg);
};

struct volume *volume_new(const char *path, enum io_mode io);
/* Which part of it is compared, before it is opened: from offset on, length bytes (0: to the end). Info then has the
 * size of the part, and reads count from its begin. An open fails with -ERANGE when the volume ends before offset +
 * length. offset: a multiple of 512; one that is no multiple of 4096 makes io = auto buffered, and refuses direct. */
void volume_set_part(struct volume *volume, uint64_t offset_bytes, uint64_t length_bytes, bool is_common);
/* Its identity is its path, whatever that leads to. Before it is opened. */
void volume_set_known_by_name(struct volume *volume);
/* Its reads step back when they take far longer than as a rule: its DA threads then pause. Before it is opened. */
void volume_set_yielding(struct volume *volume);
struct yield *volume_yield(const struct volume *volume); /* NULL: it does not yield. Any thread */
int64_t volume_yielded_ms(const struct volume *volume); /* all its pauses, summed; -1: it does not yield. Any thread */
struct volume *volume_new_with_ops(const struct volume_ops *ops, void *arg);
const char *volume_path(const struct volume *volume); /* as it was given; NULL with other operations */
/* Must be closed. NULL is fine. */
void volume_free(struct volume *volume);

/* -EISDIR, -EINVAL (neither file nor block device), -ENOENT …; when direct was asked for, -EOPNOTSUPP (the file system
 * refuses) and -EDOM (the part's offset is no multiple of 4096); -ERANGE (see volume_set_part). */
int volume_open(struct volume *volume, struct volume_info *info);
/* Words for a -errno of open or size. Any thread. */
const char *volume_error_text(int error);
/* Of the part, now: 0 when the volume ends before it. */
int volume_size(struct volume *volume, uint64_t *size_bytes);
/* At most VOLUME_IOV_MAX buffers; each address and length must be a multiple of 4096 (O_DIRECT); a read may ask beyond
 * the end. Loops on short reads and EINTR: less than asked means that the volume ends there. */
ssize_t volume_read(struct volume *volume, const struct iovec *iov, int iov_count, uint64_t offset);
/* Are its reads direct, so that each costs the disk's time? It must be open. */
bool volume_is_direct(const struct volume *volume);
/* Have reads that are not direct lately waited for the disk, rather than found all in memory? One that yields keeps
 * that from the system: its reads are all that is read. */
bool volume_is_cold(const struct volume *volume);
/* The system is told that these bytes, more than none, are read soon. It may take as long as a read. */
void volume_will_read(struct volume *volume, uint64_t offset, uint64_t bytes);
/* Calls of volume_read that have ended, in whatever way, since volume_new. Any thread. */
uint64_t volume_reads_ended(const struct volume *volume);
uint64_t volume_read_bytes(const struct volume *volume); /* that they brought. Any thread */
int volume_next_data(struct volume *volume, uint64_t offset, uint64_t *data_offset);
/* Keeps other programs away until volume_unlock or volume_close, as far as the system can: a block device is opened
 * once more, exclusively; on all of a file there is a read lock (an OFD lock; it was opened for reading), which
 * conflicts with every write lock, and nobody else has any lock. 0; -EBUSY, holder then goes on after "it is"; or
 * another -errno. It must be open, and not locked. */
int volume_lock(struct volume *volume, char holder[HOLDER_BYTES]);
void volume_unlock(struct volume *volume); /* harmless when it is not locked */
void volume_close(struct volume *volume); /* harmless when it is not open */

#endif
