/* SPDX-License-Identifier: Apache-2.0
 *
 * What a primary may ask after Hello: devices, their reservation and invalid tracks, Reads with Fig. 14,
 * Release. The peer's
 * permissions and limits are asked here. Loop thread only.
 */
#ifndef RA_SECONDARY_COMMAND_H
#define RA_SECONDARY_COMMAND_H

struct message;
struct session;

/* 0, or -EPROTO: the link must end (logged). */
int command_run(struct session *session, const struct message *message);
/* The link has ended: its Reads, link jobs, queries, reservations and devices go. */
void command_forget_session(struct session *session);

#endif
