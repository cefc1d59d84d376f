/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's request for the invalid tracks of a device: what it asks for, and its answer.
 */
#ifndef RA_LOCAL_TRACKS_H
#define RA_LOCAL_TRACKS_H

#include <stdbool.h>

#include "base/status.h"

struct control_request;
struct track_set;

#define TRACKS_LIST_RANGES 16384u /* of one answer */

/* LIST: *change is NULL; MARK and CLEAR: the set, the caller's. false: it was refused. */
bool control_tracks(struct control_request *request, struct track_set **change);
/* What came of it. arg: the request. */
void control_answer_tracks(void *arg, enum status status, const struct track_set *set, const char *detail);

#endif
