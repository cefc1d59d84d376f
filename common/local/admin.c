/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may change something: see admin.h. No state.
 */
#include "local/admin.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/conn.h"

bool admin_find_group(const char *key, const char *name, gid_t *gid, char *why, size_t why_bytes)
{
	const struct group *group;

	*gid = (gid_t)-1;
	if (!name[0])
		return true;
	group = getgrnam(name);
	if (!group) {
		snprintf(why, why_bytes, "%s: there is no group %s", key, name);
		return false;
	}
	*gid = group->gr_gid;
	return true;
}

bool admin_is_peer(const struct conn *conn, gid_t gid)
{
	struct ucred peer;

	if (conn_credentials(conn, &peer) != 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() ||
		(gid != (gid_t)-1 && (peer.gid == gid || conn_peer_is_in_group(conn, gid)));
}

void admin_name(const char *group, char *words, size_t bytes)
{
	const struct passwd *own = geteuid() == 0 ? NULL : getpwuid(geteuid());

	snprintf(words, bytes, "root%s%s%s%s", !own ? "" : group[0] ? ", the user " : " and the user ",
		own ? own->pw_name : "", group[0] ? " and members of the group " : "", group);
}
