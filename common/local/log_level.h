/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's log-level, the same on both daemons. Who may change it was asked by the server. Loop thread only.
 */
#ifndef RA_LOCAL_LOG_LEVEL_H
#define RA_LOCAL_LOG_LEVEL_H

struct control_request;

/* Sets what a LOG_LEVEL sets, with a line of who did it, and answers with what is in force. In control only. */
void control_serve_log_level(struct control_request *request);

#endif
