/* SPDX-License-Identifier: Apache-2.0
 *
 * What ra-ctl asks a configured primary: answered at once from what is known now; proof, when its file was read. One
 * verb changes something: limit.
 */
#ifndef RA_PRIMARY_CONTROL_H
#define RA_PRIMARY_CONTROL_H

struct control_request;
struct service;

void control_serve(struct service *service, struct control_request *request);

#endif
