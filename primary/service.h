/* SPDX-License-Identifier: Apache-2.0
 *
 * The configured primary: the devices and peers of its settings, a link to each peer that is kept up, a socket for
 * hosts and ra-ctl. Loop thread only.
 */
#ifndef RA_PRIMARY_SERVICE_H
#define RA_PRIMARY_SERVICE_H

struct primary_settings;
struct program;

/* Serves until SIGTERM or SIGINT; returns the exit code. Both outlive it. Does not return when a thread is stuck in
 * a volume: the process then ends at once. */
int service_run(const struct program *program, const struct primary_settings *settings);

#endif
