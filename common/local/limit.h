/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's change of a limit, the same on both daemons. Who may was asked by the server. Loop thread only.
 */
#ifndef RA_LOCAL_LIMIT_H
#define RA_LOCAL_LIMIT_H

struct control_request;
struct rate;

/* What a LIMIT with a scope sets, in both rates (NULL: there is none), and a line of who did it. In control only. */
void control_set_limit(const struct control_request *request, struct rate *one, struct rate *other);

#endif
