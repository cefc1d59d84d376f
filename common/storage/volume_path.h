/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to storage/volume*.c: a file or a block device as a volume. Threads as in volume.h.
 */
#ifndef RA_STORAGE_VOLUME_PATH_H
#define RA_STORAGE_VOLUME_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/volume.h"

struct path_volume;

extern const struct volume_ops path_volume_ops; /* of a struct path_volume */

struct path_volume *path_volume_new(const char *path, enum io_mode io);
void path_volume_free(struct path_volume *self); /* NULL is fine */
/* Before it is opened. */
void path_volume_set_offset(struct path_volume *self, uint64_t offset_bytes);
void path_volume_set_known_by_name(struct path_volume *self);
const char *path_volume_path(const struct path_volume *self);
/* It is open. */
bool path_volume_is_direct(const struct path_volume *self);
/* Holes are left out: to ask for them fills the page cache with zeros. */
void path_volume_will_read(const struct path_volume *self, uint64_t offset, uint64_t bytes);

#endif
