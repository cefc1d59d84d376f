/* SPDX-License-Identifier: Apache-2.0
 *
 * A small file that is there whole, old or new, whatever happens: written beside its place, synced, renamed, and the
 * folder synced; read only if its checksum is right. What is in it is its owner's business. May hang as long as a disk
 * hangs: in a daemon on DA threads only.
 *
 * The file: 8 bytes magic ("RASTATE" and NUL), kind u32, version u32, content length u64, XXH3-128 of all that and the
 * content, content. Numbers are little-endian.
 */
#ifndef RA_STORAGE_STATE_FILE_H
#define RA_STORAGE_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_WHY_BYTES 256u

enum state_kind { STATE_LEDGER = 1, STATE_INVALID = 2 };

/* The content with the head of the file around it; to be freed. */
uint8_t *state_wrap(enum state_kind kind, uint32_t version, const uint8_t *content, size_t bytes, size_t *file_bytes);
/* Where in the file's bytes the content is: 0, or -EBADMSG with words in why: truncated, longer than it says, a wrong
 * magic, kind, version or checksum. */
int state_unwrap(enum state_kind kind, uint32_t version, const uint8_t *file, size_t file_bytes,
	const uint8_t **content, size_t *bytes, char why[STATE_WHY_BYTES]);

/* Bytes that begin as a state file does, damaged or not; others are somebody's own file, not to be replaced. */
bool state_is_one(const uint8_t *file, size_t file_bytes);

/* The file is now these bytes, mode 0600; else -errno, and it is what it was (it may be these bytes where only the
 * folder could not be synced). */
int state_write(const char *path, const uint8_t *file, size_t file_bytes);
/* All of the file, to be freed: 0, -ENOENT, -EFBIG (more than bytes_max), or another -errno. */
int state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes);

/* Makes the folder, mode 0700, unless it is there; its name reaches the disk. Not the folders above. 0 or -errno. */
int state_make_folder(const char *path);

/* Takes PATH.lock, so that no other process has it: a descriptor to be closed, -EBUSY, or another -errno. The lock file
 * stays. */
int state_lock(const char *path);

#endif
