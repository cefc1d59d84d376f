/* SPDX-License-Identifier: Apache-2.0
 *
 * A block device is known by the first of these that /sys has: the UUID of the device mapper, the wwid of its disk, the
 * serial number of its disk; a partition by its disk's and its number. The device number is the last resort: it may be
 * another one's after the next start.
 */
#include "storage/volume_identity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"

#define VALUE_BYTES 400u /* leaves room for the words around it */

/* FNV-1a. */
uint64_t volume_host_id(void)
{
	unsigned char text[64];
	uint64_t hash = 0xcbf29ce484222325u;
	ssize_t bytes;
	int fd;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	bytes = read(fd, text, sizeof(text));
	close(fd);
	if (bytes <= 0)
		return 0;
	for (ssize_t i = 0; i < bytes; i++)
		hash = (hash ^ text[i]) * 0x100000001b3u;
	return hash;
}

void volume_identity_of_file(dev_t device, uint64_t inode, char identity[VOLUME_IDENTITY_BYTES])
{
	snprintf(identity, VOLUME_IDENTITY_BYTES, "file %u:%u:%" PRIu64, major(device), minor(device), inode);
}

/* Only what is printed as itself stays. */
static void clean(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
			*text = '?';
}

void volume_identity_of_name(const char *path, char identity[VOLUME_IDENTITY_BYTES])
{
	snprintf(identity, VOLUME_IDENTITY_BYTES, "name %s", path);
	clean(identity);
}

/* Without blanks and line ends around it. */
static void trim(char *text)
{
	size_t front = strspn(text, " \t\n"), length = strlen(text);

	while (length > front && strchr(" \t\n", text[length - 1]) != NULL)
		length--;
	memmove(text, text + front, length - front);
	text[length - front] = '\0';
}

/* False: there is no such attribute, or it is empty. */
static bool read_attribute(const char *folder, const char *name, char value[VALUE_BYTES])
{
	char *path = xasprintf("%s/%s", folder, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes = -1;

	free(path);
	if (fd >= 0) {
		bytes = read(fd, value, VALUE_BYTES - 1);
		close(fd);
	}
	value[bytes > 0 ? bytes : 0] = '\0';
	trim(value);
	clean(value);
	return *value != '\0';
}

/* behind: " partition 2", or "". */
static bool is_known_by(const char *disk, const char *behind, char identity[VOLUME_IDENTITY_BYTES])
{
	static const char *const attributes[][2] = {
		{ "wwid", "wwid" }, { "wwid", "device/wwid" }, { "serial", "serial" }, { "serial", "device/serial" },
	};
	char value[VALUE_BYTES];

	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (read_attribute(disk, attributes[i][1], value)) {
			snprintf(identity, VOLUME_IDENTITY_BYTES, "%s %s%s", attributes[i][0], value, behind);
			return true;
		}
	}
	return false;
}

void volume_identity_of_block(const char *sys, dev_t device, char identity[VOLUME_IDENTITY_BYTES])
{
	char *folder = xasprintf("%s/dev/block/%u:%u", sys, major(device), minor(device));
	char *disk = xasprintf("%s/..", folder); /* of a partition: the link leads into its disk's folder */
	char value[VALUE_BYTES], behind[VALUE_BYTES + 16];
	bool is_known;

	if (read_attribute(folder, "dm/uuid", value)) {
		snprintf(identity, VOLUME_IDENTITY_BYTES, "dm %s", value);
		is_known = true;
	} else if (read_attribute(folder, "partition", value)) {
		snprintf(behind, sizeof(behind), " partition %.10s", value);
		is_known = is_known_by(disk, behind, identity);
	} else {
		is_known = is_known_by(folder, "", identity);
	}
	if (!is_known)
		snprintf(identity, VOLUME_IDENTITY_BYTES, "block %u:%u", major(device), minor(device));
	free(disk);
	free(folder);
}
