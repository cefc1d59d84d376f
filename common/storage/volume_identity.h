/* SPDX-License-Identifier: Apache-2.0
 *
 * What a volume is, told so that it is the same after the machine started again: see volume_info.h. Reads /sys; DA
 * threads only.
 */
#ifndef RA_STORAGE_VOLUME_IDENTITY_H
#define RA_STORAGE_VOLUME_IDENTITY_H

#include <stdint.h>
#include <sys/types.h>

#include "base/volume_info.h"

/* Of this machine, since it started: a hash of the boot id; 0 when there is none. */
uint64_t volume_host_id(void);
void volume_identity_of_file(dev_t device, uint64_t inode, char identity[VOLUME_IDENTITY_BYTES]);
/* sys: "/sys", or a folder of tests. */
void volume_identity_of_block(const char *sys, dev_t device, char identity[VOLUME_IDENTITY_BYTES]);
/* By its path, whatever that leads to. */
void volume_identity_of_name(const char *path, char identity[VOLUME_IDENTITY_BYTES]);

#endif
