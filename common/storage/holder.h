/* SPDX-License-Identifier: Apache-2.0
 *
 * Who else has a volume, in words that go on after "the volume is": what /proc and /sys tell, which depends on what
 * this process may see there. Reads many small files, so it takes its time: DA threads only.
 */
#ifndef RA_STORAGE_HOLDER_H
#define RA_STORAGE_HOLDER_H

#include <sys/types.h>

#define HOLDER_BYTES 160u /* of the words, with their end */

/* Of a lock on the open file that is not of this descriptor. pid: as fcntl told it; -1: it is an OFD lock. "in use by
 * qemu-io[123]", or "in use by another program". */
void holder_of_file(int fd, pid_t pid, char words[HOLDER_BYTES]);
/* Of a block device that cannot be opened exclusively, or of a partition of it: "mounted on /srv", "in use by dm-3",
 * or "in use by another program or the kernel". */
void holder_of_device(dev_t device, char words[HOLDER_BYTES]);

#endif
