/* SPDX-License-Identifier: Apache-2.0
 *
 * A primary asks for the invalid tracks of a device: answered when the table has been read. Loop thread only.
 */
#ifndef RA_SECONDARY_INVALID_H
#define RA_SECONDARY_INVALID_H

struct device;
struct msg_invalid;
struct session;

#define QUERIES_PER_PEER 64u /* DeviceQueries and these, without an answer */

/* device: the session's, or NULL: it has none of this number. */
void invalid_ask(struct session *session, const struct device *device, const struct msg_invalid *message);
void invalid_forget_session(struct session *session);

#endif
