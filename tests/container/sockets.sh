#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# systemd has the sockets: both daemons are started by who comes, a comparison at a, its primary at b, and ra-ctl; who
# may connect is as without systemd.
. tests/container/lib.sh

is_started() { [ "$(property "$1" "$2" ActiveState)" = active ]; }

pair
configure web1
volume web1 20
on b systemctl enable --now ra-secondary.socket 2>/dev/null || die "no sockets of b"
on a systemctl enable --now ra-primary.socket 2>/dev/null || die "no socket of a"
for name in a b; do
	for unit in ra-primary.service ra-secondary.service; do
		[ "$(property $name $unit ActiveState)" = inactive ] || die "$unit of $name was started by nobody"
	done
done
compare 0 web1
says '^IDENTICAL: '
is_started a ra-primary.service || die "a is not a service of its socket"
is_started b ra-secondary.service || die "b is not a service of its socket"
on a setpriv --reuid 65534 --regid 65534 --clear-groups ra-ctl status >out 2>&1 && die "anybody may connect"

# Its service stopped, the next who asks starts it; a does not ask.
on a systemctl stop ra-primary.socket ra-primary.service
on b systemctl stop ra-secondary.service 2>/dev/null
[ "$(property b ra-secondary.service ActiveState)" = inactive ] || die "b runs"
on b ra-ctl --socket /run/ra/secondary.sock status >out 2>&1 || { cat out; die "ra-ctl finds nobody"; }
is_started b ra-secondary.service || die "b was not started by ra-ctl"
on a systemctl start ra-primary.socket || die "no socket of a any more"
compare 0 web1
