/* SPDX-License-Identifier: Apache-2.0
 *
 * Is the volume that answers after the link came back the one that it was? Words say what is different. No state.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "primary/remote_link.h"

static __attribute__((format(printf, 2, 3))) void add_change(char words[DETAIL_MAX + 1], const char *format, ...)
{
	size_t used = strlen(words);
	va_list args;
	if (used > 0 && used < DETAIL_MAX)
		used += (size_t)snprintf(words + used, DETAIL_MAX + 1 - used, ", ");
	va_start(args, format);
	if (used < DETAIL_MAX)
		vsnprintf(words + used, DETAIL_MAX + 1 - used, format, args);
	va_end(args);
}

static void add_changed_number(char words[DETAIL_MAX + 1], const char *what, uint64_t was, uint64_t is)
{
	if (was != is)
		add_change(words, "its %s changed from %llu to %llu", what, (unsigned long long)was, (unsigned long long)is);
}

bool remote_is_changed(const struct remote_device *device, const struct msg_device_reply *reply,
	char words[DETAIL_MAX + 1])
{
	const struct volume_info *was = &device->volume, *is = &reply->volume;
	words[0] = '\0';
	add_changed_number(words, "track size", device->track_bytes, reply->track_bytes);
	add_changed_number(words, "size", device->end_bytes, is->size_bytes);
	add_changed_number(words, "offset", was->offset_bytes, is->offset_bytes);
	add_changed_number(words, "inode", was->inode, is->inode);
	add_changed_number(words, "device", was->device_id, is->device_id);
	if (was->kind != is->kind)
		add_change(words, "it changed from %s to %s", volume_kind_name(was->kind), volume_kind_name(is->kind));
	/* The same number may be another device by now. A peer that does not say tells nothing. */
	if (was->identity[0] && is->identity[0] && strcmp(was->identity, is->identity) != 0)
		add_change(words, "it was %.80s and is %.80s", was->identity, is->identity);
	if (strcmp(was->path, is->path) != 0)
		add_change(words, "its path changed from %.80s to %.80s", was->path, is->path);
	return words[0] != '\0';
}
