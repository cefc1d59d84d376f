/* SPDX-License-Identifier: Apache-2.0
 *
 * What is found on a volume, by libblkid: partitions, and the file system (or LVM, LUKS, swap …) on the whole of it and
 * in each partition. layout_probe may hang as long as a disk hangs: DA threads only. Several may run at once.
 */
#ifndef RA_STORAGE_LAYOUT_H
#define RA_STORAGE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define LAYOUT_ENTRIES_MAX 128u
#define LAYOUT_NAME_BYTES 40u
#define LAYOUT_LABEL_BYTES 128u

struct layout_entry {
	uint32_t partition;   /* its number; 0: no partition, it begins with the volume or with the part */
	uint64_t start_bytes; /* in the volume */
	uint64_t size_bytes;  /* to the end of the volume at most */
	char type[LAYOUT_NAME_BYTES];       /* of the partition: "0x83", a GUID; "": not known, as the next ones */
	char filesystem[LAYOUT_NAME_BYTES]; /* as libblkid calls it: "ext4", "LVM2_member" */
	uint32_t block_bytes;               /* of ext2, ext3, ext4 and XFS; 0: not known */
	char label[LAYOUT_LABEL_BYTES];
	char uuid[LAYOUT_NAME_BYTES];
};

struct layout {
	size_t count;
	struct layout_entry entries[LAYOUT_ENTRIES_MAX]; /* no partition first, then as the table has them */
};

/* Where nothing is found on the whole volume, a file system may still begin where the part that is compared does. 0, or
 * -errno: it cannot be opened or read. */
int layout_probe(const char *path, uint64_t part_offset_bytes, struct layout *layout);
/* [{"partition","start","bytes","type","filesystem","block_size","label","uuid"},…], to be freed; what is not known is
 * left out. */
char *layout_dump(const struct layout *layout);

#endif
