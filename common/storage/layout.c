/* SPDX-License-Identifier: Apache-2.0
 *
 * One libblkid probe for the volume, which reads its partition table, and one for each partition. The volume may be a
 * guest's: sizes that are said there are cut at the volume's end.
 *
 * libblkid's own block size is the sector size for XFS and missing for others: two fields are read here instead.
 */
#include "storage/layout.h"

#include <assert.h>
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512u /* libblkid counts in these, whatever the device's sectors are */
#define EXT_BLOCK_LOG_OFFSET 1048u /* 0: 1 KiB */
#define XFS_BLOCK_BYTES_OFFSET 4u

/* 0 or -errno. */
static int open_volume(const char *path, int *fd)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a pipe would wait for its writer */
	if (*fd < 0)
		return -errno;
	if (fstat(*fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return 0;
	close(*fd);
	return -EINVAL;
}

static void copy_value(char *out, size_t bytes, const char *value)
{
	if (value && strlen(value) < bytes)
		memcpy(out, value, strlen(value) + 1);
}

static void probe_value(blkid_probe probe, const char *name, char *out, size_t bytes)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0)
		copy_value(out, bytes, value);
}

static uint32_t block_bytes_of(int fd, const struct layout_entry *entry)
{
	uint32_t bytes = 0;
	uint8_t field[4];

	if (strncmp(entry->filesystem, "ext", 3) == 0) {
		if (pread(fd, field, sizeof(field), (off_t)(entry->start_bytes + EXT_BLOCK_LOG_OFFSET)) == sizeof(field) &&
			field[0] <= 6 && (field[1] | field[2] | field[3]) == 0)
			bytes = 1024u << field[0];
	} else if (strcmp(entry->filesystem, "xfs") == 0) {
		if (pread(fd, field, sizeof(field), (off_t)(entry->start_bytes + XFS_BLOCK_BYTES_OFFSET)) == sizeof(field))
			bytes = (uint32_t)field[0] << 24 | (uint32_t)field[1] << 16 | (uint32_t)field[2] << 8 | field[3];
	}
	return bytes;
}

/* The file system that begins where the entry does. Two that contradict each other, or a read that fails, are none. */
static void find_filesystem(blkid_probe probe, int fd, struct layout_entry *entry)
{
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	if (blkid_do_safeprobe(probe) != 0)
		return;
	probe_value(probe, "TYPE", entry->filesystem, sizeof(entry->filesystem));
	probe_value(probe, "LABEL", entry->label, sizeof(entry->label));
	probe_value(probe, "UUID", entry->uuid, sizeof(entry->uuid));
	entry->block_bytes = block_bytes_of(fd, entry);
}

static void find_filesystem_at(int fd, struct layout_entry *entry)
{
	blkid_probe probe = blkid_new_probe();

	assert(probe);
	if (blkid_probe_set_device(probe, fd, (blkid_loff_t)entry->start_bytes, (blkid_loff_t)entry->size_bytes) == 0)
		find_filesystem(probe, fd, entry);
	blkid_free_probe(probe);
}

/* False: it has no place in the volume, or is the frame of others. */
static bool take_partition(blkid_partition partition, uint64_t whole_bytes, struct layout_entry *entry)
{
	blkid_loff_t start = blkid_partition_get_start(partition), size = blkid_partition_get_size(partition);
	int number = blkid_partition_get_partno(partition);
	uint64_t rest_bytes;

	if (blkid_partition_is_extended(partition) || number <= 0 || start < 0 || size <= 0 ||
		(uint64_t)start >= whole_bytes / SECTOR_BYTES)
		return false;
	*entry = (struct layout_entry){ .partition = (uint32_t)number, .start_bytes = (uint64_t)start * SECTOR_BYTES };
	rest_bytes = whole_bytes - entry->start_bytes;
	entry->size_bytes = (uint64_t)size < rest_bytes / SECTOR_BYTES ? (uint64_t)size * SECTOR_BYTES : rest_bytes;
	copy_value(entry->type, sizeof(entry->type), blkid_partition_get_type_string(partition)); /* a GUID */
	if (!entry->type[0])
		snprintf(entry->type, sizeof(entry->type), "0x%x", (unsigned)blkid_partition_get_type(partition));
	return true;
}

static void find_partitions(blkid_probe probe, int fd, uint64_t whole_bytes, struct layout *layout)
{
	blkid_partlist list = blkid_probe_get_partitions(probe);
	int count = list ? blkid_partlist_numof_partitions(list) : 0;

	for (int i = 0; i < count && layout->count < LAYOUT_ENTRIES_MAX; i++) {
		blkid_partition partition = blkid_partlist_get_partition(list, i);
		struct layout_entry *entry = &layout->entries[layout->count];

		if (!partition || !take_partition(partition, whole_bytes, entry))
			continue;
		find_filesystem_at(fd, entry);
		layout->count++;
	}
}

int layout_probe(const char *path, uint64_t part_offset_bytes, struct layout *layout)
{
	struct layout_entry *first = &layout->entries[0];
	blkid_probe probe;
	uint64_t whole_bytes;
	int fd, rc;

	layout->count = 0;
	rc = open_volume(path, &fd);
	if (rc != 0)
		return rc;
	probe = blkid_new_probe();
	assert(probe);
	if (blkid_probe_set_device(probe, fd, 0, 0) != 0) {
		rc = -EIO;
		goto out;
	}
	whole_bytes = (uint64_t)blkid_probe_get_size(probe);
	*first = (struct layout_entry){ .size_bytes = whole_bytes };
	find_filesystem(probe, fd, first);
	layout->count = first->filesystem[0] != '\0';
	find_partitions(probe, fd, whole_bytes, layout);
	if (layout->count == 0 && part_offset_bytes > 0 && part_offset_bytes < whole_bytes) {
		*first = (struct layout_entry){ .start_bytes = part_offset_bytes,
			.size_bytes = whole_bytes - part_offset_bytes };
		find_filesystem_at(fd, first);
		layout->count = first->filesystem[0] != '\0';
	}
out:
	blkid_free_probe(probe);
	close(fd);
	return rc;
}

/* What is not UTF-8 is left out too: jansson makes nothing of it. */
static void set_text(json_t *json, const char *key, const char *text)
{
	if (text[0])
		json_object_set_new(json, key, json_string(text));
}

char *layout_dump(const struct layout *layout)
{
	json_t *array = json_array();
	char *text;

	for (size_t i = 0; i < layout->count; i++) {
		const struct layout_entry *entry = &layout->entries[i];
		json_t *json = json_pack("{s:I, s:I, s:I}", "partition", (json_int_t)entry->partition, "start",
			(json_int_t)entry->start_bytes, "bytes", (json_int_t)entry->size_bytes);

		assert(json);
		set_text(json, "type", entry->type);
		set_text(json, "filesystem", entry->filesystem);
		if (entry->block_bytes > 0)
			json_object_set_new(json, "block_size", json_integer((json_int_t)entry->block_bytes));
		set_text(json, "label", entry->label);
		set_text(json, "uuid", entry->uuid);
		json_array_append_new(array, json);
	}
	text = json_dumps(array, JSON_COMPACT);
	assert(text);
	json_decref(array);
	return text;
}
