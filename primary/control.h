/* SPDX-License-Identifier: Apache-2.0
 *
 * What ra-ctl asks a configured primary: answered at once from what is known now; what is on the disk, when it was
 * read or written. Three verbs change something: limit, tracks and log-level.
 */
#ifndef RA_PRIMARY_CONTROL_H
#define RA_PRIMARY_CONTROL_H

struct control_request;
struct service;

void control_serve(struct service *service, struct control_request *request);

#endif
