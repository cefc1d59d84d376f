/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a write: PATH.new made anew, written, synced, renamed to PATH, the folder synced. Until the rename PATH
 * is what it was; after it there is no way back: a folder that cannot be synced leaves the new file, and says so.
 */
#include "storage/state_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"

#define MAGIC "RASTATE" /* its NUL is the eighth byte */

struct head {
	char magic[8];
	uint32_t kind, version;
	uint64_t content_bytes;
	uint64_t checksum[2]; /* low, high */
};

#define SUMMED_BYTES offsetof(struct head, checksum) /* of the head */

_Static_assert(sizeof(struct head) == 40 && sizeof(MAGIC) == 8, "the head has no holes");

static void sum(const struct head *head, const uint8_t *content, size_t bytes, uint64_t checksum[2])
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash;

	if (state == NULL)
		abort();
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, head, SUMMED_BYTES);
	XXH3_128bits_update(state, content, bytes);
	hash = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	checksum[0] = htole64(hash.low64);
	checksum[1] = htole64(hash.high64);
}

uint8_t *state_wrap(enum state_kind kind, uint32_t version, const uint8_t *content, size_t bytes, size_t *file_bytes)
{
	struct head head = { MAGIC, htole32(kind), htole32(version), htole64(bytes), { 0, 0 } };
	uint8_t *file = xcalloc(1, sizeof(head) + bytes);

	sum(&head, content, bytes, head.checksum);
	memcpy(file, &head, sizeof(head));
	if (bytes > 0)
		memcpy(file + sizeof(head), content, bytes);
	*file_bytes = sizeof(head) + bytes;
	return file;
}

int state_unwrap(enum state_kind kind, uint32_t version, const uint8_t *file, size_t file_bytes,
	const uint8_t **content, size_t *bytes, char why[STATE_WHY_BYTES])
{
	uint64_t checksum[2], content_bytes, held;
	struct head head;

	*why = '\0';
	if (file_bytes < sizeof(head)) {
		snprintf(why, STATE_WHY_BYTES, "it is truncated: %zu bytes", file_bytes);
		return -EBADMSG;
	}
	memcpy(&head, file, sizeof(head));
	content_bytes = le64toh(head.content_bytes);
	held = file_bytes - sizeof(head);
	sum(&head, file + sizeof(head), (size_t)held, checksum);
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0)
		snprintf(why, STATE_WHY_BYTES, "it is no state file of RA");
	else if (le32toh(head.kind) != kind)
		snprintf(why, STATE_WHY_BYTES, "it is of kind %" PRIu32 ", not %u", le32toh(head.kind), (unsigned)kind);
	else if (le32toh(head.version) != version)
		snprintf(why, STATE_WHY_BYTES, "it has version %" PRIu32 ", known here is %" PRIu32, le32toh(head.version),
			version);
	else if (content_bytes > held)
		snprintf(why, STATE_WHY_BYTES, "it is truncated: %" PRIu64 " of %" PRIu64 " bytes", held, content_bytes);
	else if (content_bytes < held)
		snprintf(why, STATE_WHY_BYTES, "it is longer than it says: %" PRIu64 " of %" PRIu64 " bytes", held,
			content_bytes);
	else if (memcmp(head.checksum, checksum, sizeof(checksum)) != 0)
		snprintf(why, STATE_WHY_BYTES, "its checksum is wrong");
	if (*why != '\0')
		return -EBADMSG;
	*content = file + sizeof(head);
	*bytes = (size_t)content_bytes;
	return 0;
}

bool state_is_one(const uint8_t *file, size_t file_bytes)
{
	return memcmp(file, MAGIC, file_bytes < sizeof(MAGIC) ? file_bytes : sizeof(MAGIC)) == 0;
}

/* The folder that PATH is in, as a descriptor, or -errno. */
static int open_folder(const char *path)
{
	char *folder = xstrdup(path), *slash = strrchr(folder, '/');
	int fd;

	if (slash == NULL)
		fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else {
		slash[slash == folder ? 1 : 0] = '\0';
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	fd = fd < 0 ? -errno : fd;
	free(folder);
	return fd;
}

int state_make_folder(const char *path)
{
	int above, rc;

	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : -errno;
	above = open_folder(path);
	if (above < 0)
		return above;
	rc = fsync(above) != 0 ? -errno : 0;
	close(above);
	return rc;
}

static int write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(fd, bytes, count);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		bytes += written;
		count -= (size_t)written;
	}
	return 0;
}

/* Makes the file beside and lets it reach the disk. */
static int write_beside(const char *beside, const uint8_t *file, size_t file_bytes)
{
	int fd, rc;

	if (unlink(beside) != 0 && errno != ENOENT)
		return -errno;
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, file, file_bytes);
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

int state_write(const char *path, const uint8_t *file, size_t file_bytes)
{
	int folder = open_folder(path), rc;
	char *beside;

	if (folder < 0)
		return folder;
	beside = xasprintf("%s.new", path);
	rc = write_beside(beside, file, file_bytes);
	if (rc == 0 && rename(beside, path) != 0)
		rc = -errno;
	if (rc != 0)
		unlink(beside);
	else if (fsync(folder) != 0)
		rc = -errno;
	close(folder);
	free(beside);
	return rc;
}

static int read_all(int fd, uint8_t *bytes, size_t count, size_t *done)
{
	for (*done = 0; *done < count;) {
		ssize_t taken = read(fd, bytes + *done, count - *done);

		if (taken < 0 && errno == EINTR)
			continue;
		if (taken < 0)
			return -errno;
		if (taken == 0)
			break;
		*done += (size_t)taken;
	}
	return 0;
}

int state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes)
{
	/* O_NONBLOCK: what turns out to be a pipe does not hold us. */
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc;
	struct stat status;
	uint8_t *bytes;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0)
		rc = -errno;
	else if (!S_ISREG(status.st_mode))
		rc = -EINVAL;
	else
		rc = (uint64_t)status.st_size > bytes_max ? -EFBIG : 0;
	if (rc == 0) {
		bytes = xcalloc(1, (size_t)status.st_size + 1);
		rc = read_all(fd, bytes, (size_t)status.st_size, file_bytes);
		if (rc == 0)
			*file = bytes;
		else
			free(bytes);
	}
	close(fd);
	return rc;
}

int state_lock(const char *path)
{
	char *lock = xasprintf("%s.lock", path);
	int fd = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), rc = fd < 0 ? -errno : fd;

	free(lock);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
	}
	return rc;
}
