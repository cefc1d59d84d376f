#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The socket of either daemon has the group and mode of its configuration: a stranger does not get in, a member of
# socket-group looks and compares, and one of admin-group changes limits too.
. tests/functional/hosts.sh
. tests/functional/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }

mapfile -t groups < <(getent group | awk -F: '$3 > 0 && $1 ~ /^[a-z]+$/ && $1 != "nogroup" && $1 != "nobody" { print $1 }')
[ ${#groups[@]} -ge 2 ] || { echo "two groups are needed"; exit 77; }
lookers=${groups[0]} admins=${groups[1]}
chmod 755 "$T"
noise v.a 300000
cp v.a v.b
a_main=$(printf 'socket-group = %s\nsocket-mode = 0620\nadmin-group = %s' "$lookers" "$admins")
b_main=$a_main
two_hosts v
start_both

# as GROUPS COMMAND...: a user who is nobody else, in these groups.
as() { setpriv --reuid 65534 --regid 65534 --groups "$1" "${@:2}" >out 2>err; }
for name in a b; do
	[ "$(stat -c '%a %G' $name.sock)" = "620 $lookers" ] || die "socket of $name: $(stat -c '%a %G' $name.sock)"
	as "$admins" "$BUILD/ra-ctl" --socket "$T/$name.sock" status && die "$name lets a stranger in"
	says "only root and members of the group $lookers may connect"
	for verb in status devices jobs errors links limit; do
		as "$lookers" "$BUILD/ra-ctl" --socket "$T/$name.sock" $verb || die "$name: the socket's group may not see $verb"
	done
	as "$lookers" "$BUILD/ra-ctl" --socket "$T/$name.sock" limit total 1M
	[ $? = 2 ] || die "$name: the socket's group may change a limit"
	says "root|$admins"
	[ "$(ctl_json $name .total.bytes_per_second limit)" = 0 ] || die "$name: the limit was changed"
	as "$lookers,$admins" "$BUILD/ra-ctl" --socket "$T/$name.sock" limit total 1G || die "$name: its admin group may not"
	[ "$(ctl_json $name .total.bytes_per_second limit)" = 1073741824 ] || die "$name: the limit was not changed"
done
as "$admins" "$RA" --socket "$T/a.sock" v
[ $? = 4 ] || die "a stranger compares"
says "only root and members of the group $lookers may connect"
as "$lookers" "$RA" --socket "$T/a.sock" v || die "the socket's group may not compare"
says '^IDENTICAL: '
