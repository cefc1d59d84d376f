#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One package on two hosts, one file on each, as ra-ctl(8) and ra.conf(5) say: nothing starts unasked; then check finds
# nothing wrong, a comparison says IDENTICAL, and a difference is found.
. tests/container/lib.sh

pair
configure web1
for name in a b; do
	for unit in ra-primary.service ra-secondary.service ra-primary.socket ra-secondary.socket; do
		[ "$(property $name $unit ActiveState)" = inactive ] || die "$unit of $name runs unasked"
		[ "$(property $name $unit UnitFileState)" = disabled ] || die "$unit of $name is enabled unasked"
	done
done
volume web1 20
on a ra-primaryd --check-config || die "a's configuration is not good"
on b ra-secondaryd --check-config || die "b's configuration is not good"
start_both
for name in a b; do
	[ "$(on $name systemctl is-system-running)" = running ] || die "a unit of $name has failed"
done
# Whether both volumes are one, of one host, is told by this.
for name in a b; do
	on $name nsenter -m -t "$(property $name "ra-$([ $name = a ] && echo primary || echo secondary).service" MainPID)" \
		test -r /proc/sys/kernel/random/boot_id || die "the daemon of $name cannot tell its host"
done
on a ra-ctl check web1 >out || die "check finds something wrong"
compare 0 web1
says '^IDENTICAL: '
change b/srv/web1 12345678
compare 1 web1
says '^DIFFERENT: '
says '12345678'
until_true eval '[[ $(property a ra-primary.service StatusText) = *"1 of 1 peer linked"* ]]'
on a systemctl stop ra-primary.service
[ "$(property a ra-primary.service Result)" = success ] || die "the primary did not end well"
