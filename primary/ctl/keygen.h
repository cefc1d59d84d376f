/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl keygen: the key of a host.
 */
#ifndef RA_CTL_KEYGEN_H
#define RA_CTL_KEYGEN_H

#include "primary/ctl/options.h"

/* Makes the file, prints the block for the other host on standard output and where the key is on standard error. */
enum ctl_exit ctl_keygen(const struct ctl_options *options);

#endif
