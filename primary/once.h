/* SPDX-License-Identifier: Apache-2.0
 *
 * The primary of a private pair: one host on standard input, one link, one device.
 */
#ifndef RA_PRIMARY_ONCE_H
#define RA_PRIMARY_ONCE_H

/* Serves the host that is on standard input until it goes; returns the exit code. Does not return when a thread is
 * stuck in the volume: the process then ends at once. */
int once_run(void);

#endif
