/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may change something through a daemon's socket: root, the daemon's own user, and members of the admin group.
 */
#ifndef RA_LOCAL_ADMIN_H
#define RA_LOCAL_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct conn;

/* The group of this key's value; "": -1. False with words in why: there is no such group. */
bool admin_find_group(const char *key, const char *name, gid_t *gid, char *why, size_t why_bytes);
/* May the other end of a plain connection? gid -1: there is no admin group. */
bool admin_is_peer(const struct conn *conn, gid_t gid);
/* Who may, in words: "root, the user ra and members of the group x". May be slow: it asks the directory of users. */
void admin_name(const char *group, char *words, size_t bytes);

#endif
