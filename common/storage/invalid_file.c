/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of invalid tracks as a state file: track size, offset (64 bits little-endian each), then the packed set. The
 * hard thing: a file that cannot be used must not look like a table without tracks.
 */
#include "storage/invalid_file.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/track_set.h"

#define FILE_VERSION 1u
#define HEAD_BYTES 16u
#define FILE_BYTES_MAX (TRACK_SET_RANGES_MAX * TRACK_SET_PACKED_BYTES + 4096u)

static __attribute__((format(printf, 4, 5))) int fail(const struct invalid_file *file, int error,
	char why[STATE_WHY_BYTES], const char *format, ...)
{
	char words[STATE_WHY_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	snprintf(why, STATE_WHY_BYTES, "%.140s: %.110s", file->path, words);
	return error;
}

/* The folder of the device, and the one around it: mode 0700. Errors are seen by who uses them. */
static void make_folders(const char *path)
{
	char *folder = xstrdup(path);
	char *slash = strrchr(folder, '/'), *outer;

	*slash = '\0';
	outer = strrchr(folder, '/');
	if (mkdir(folder, 0700) != 0 && errno == ENOENT && outer != NULL && outer != folder) {
		*outer = '\0';
		(void)!mkdir(folder, 0700);
		*outer = '/';
		(void)!mkdir(folder, 0700);
	}
	free(folder);
}

static int take_lock(struct invalid_file *file)
{
	int lock;

	if (file->lock >= 0)
		return 0;
	make_folders(file->path);
	lock = state_lock(file->path);
	if (lock < 0)
		return lock;
	file->lock = lock;
	return 0;
}

static int decode(const struct invalid_file *file, const uint8_t *content, size_t bytes, struct track_set **set,
	char why[STATE_WHY_BYTES])
{
	uint64_t head[2];

	if (bytes < HEAD_BYTES)
		return fail(file, -EBADMSG, why, "it has no head");
	memcpy(head, content, HEAD_BYTES);
	if (le64toh(head[0]) != file->track_bytes || le64toh(head[1]) != file->offset_bytes)
		return fail(file, -EBADMSG, why, "made for tracks of %llu bytes from byte %llu on, now %llu and %llu",
			(unsigned long long)le64toh(head[0]), (unsigned long long)le64toh(head[1]),
			(unsigned long long)file->track_bytes, (unsigned long long)file->offset_bytes);
	*set = track_set_unpack(content + HEAD_BYTES, bytes - HEAD_BYTES, TRACK_SET_RANGES_MAX);
	if (*set != NULL && track_set_end(*set) <= TRACKS_END)
		return 0;
	track_set_free(*set);
	*set = NULL;
	return fail(file, -EBADMSG, why, "what stands in it is no set of tracks");
}

int invalid_file_load(struct invalid_file *file, struct track_set **set, char why[STATE_WHY_BYTES])
{
	uint8_t *bytes = NULL;
	const uint8_t *content;
	size_t file_bytes, content_bytes;
	char words[STATE_WHY_BYTES];
	int rc = take_lock(file);

	if (rc == -EBUSY)
		return fail(file, rc, why, "another process has it; two daemons need two state folders");
	rc = state_read(file->path, FILE_BYTES_MAX, &bytes, &file_bytes);
	if (rc == -ENOENT) {
		*set = track_set_new();
		return 0;
	}
	if (rc == -EFBIG)
		return fail(file, -EBADMSG, why, "it has more than %u bytes", FILE_BYTES_MAX);
	if (rc != 0)
		return fail(file, rc, why, "%s", strerror(-rc));
	rc = state_unwrap(STATE_INVALID, FILE_VERSION, bytes, file_bytes, &content, &content_bytes, words);
	rc = rc != 0 ? fail(file, rc, why, "%s", words) : decode(file, content, content_bytes, set, why);
	free(bytes);
	return rc;
}

int invalid_file_save(struct invalid_file *file, const struct track_set *set, char why[STATE_WHY_BYTES])
{
	const uint64_t head[2] = { htole64(file->track_bytes), htole64(file->offset_bytes) };
	size_t content_bytes = HEAD_BYTES + track_set_ranges(set) * TRACK_SET_PACKED_BYTES, file_bytes;
	uint8_t *content, *bytes;
	int rc;

	if (file->lock < 0) { /* others may have written since it was read */
		rc = take_lock(file);
		return fail(file, rc != 0 ? rc : -EAGAIN, why, "not written: %s", strerror(rc != 0 ? -rc : EAGAIN));
	}
	content = xcalloc(content_bytes, 1);
	memcpy(content, head, HEAD_BYTES);
	track_set_pack(set, content + HEAD_BYTES);
	bytes = state_wrap(STATE_INVALID, FILE_VERSION, content, content_bytes, &file_bytes);
	rc = state_write(file->path, bytes, file_bytes);
	free(bytes);
	free(content);
	return rc == 0 ? 0 : fail(file, rc, why, "not written: %s", strerror(-rc));
}
