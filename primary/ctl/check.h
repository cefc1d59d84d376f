/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl check: does everything fit, how fast is it, and what to do when not. Changes nothing.
 */
#ifndef RA_CTL_CHECK_H
#define RA_CTL_CHECK_H

#include <jansson.h>

#include "primary/ctl/options.h"
#include "primary/ctl/points.h"

enum ctl_exit ctl_check(const struct ctl_options *options);

/* The parts of it, after the daemon itself was looked at. device: "" for all. */
void ctl_check_primary(struct ctl_points *points, const char *socket, const json_t *status, const char *device);
void ctl_check_secondary(struct ctl_points *points, const char *socket, const json_t *status, const char *device);

/* Calls check for each device of this name, "" for all; that there is none is a failed point. */
void ctl_check_devices(struct ctl_points *points, const char *socket, const json_t *status, const char *device,
	void (*check)(void *arg, const json_t *device), void *arg);
/* The answer to a question; NULL after a failed point. */
json_t *ctl_check_ask(struct ctl_points *points, const char *socket, enum control_verb verb);
/* The one of this name in a list of named objects; NULL. */
const json_t *ctl_check_find(const json_t *list, const char *key, const char *name);

#endif
