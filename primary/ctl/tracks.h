/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl tracks: the invalid tracks that the daemon of this host keeps of its own volume.
 */
#ifndef RA_CTL_TRACKS_H
#define RA_CTL_TRACKS_H

#include "primary/ctl/options.h"

enum ctl_exit ctl_run_tracks(const struct ctl_options *options);

#endif
