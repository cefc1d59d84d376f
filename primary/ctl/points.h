/* SPDX-License-Identifier: Apache-2.0
 *
 * What check found, point by point: a line each at once, "ok      web1: ..." or "FAILED  web1: ...", or all of it as
 * one JSON document at the end.
 */
#ifndef RA_CTL_POINTS_H
#define RA_CTL_POINTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "primary/ctl/options.h"

struct ctl_points;

struct ctl_points *ctl_points_new(bool is_json, FILE *out);
void ctl_points_free(struct ctl_points *points);
/* device: NULL for what is of the daemon itself. */
void ctl_point_good(struct ctl_points *points, const char *device, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* code: NO_DAEMON goes before WRONG, and that before BUSY. */
void ctl_point_failed(struct ctl_points *points, enum ctl_exit code, const char *device, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Figures of a device, for the document; takes json over. */
void ctl_points_add(struct ctl_points *points, json_t *json);
/* Prints what is still to be printed. */
enum ctl_exit ctl_points_end(const struct ctl_points *points);

#endif
