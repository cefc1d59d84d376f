#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# New keys on both sides under a run that goes on, by the words of ra.conf(5), PEERS: the peer gets both keys, the host its
# new file, both are reloaded, the old key is taken away. The keys are root's alone: the daemons have them from systemd.
. tests/container/lib.sh

# reload NAME UNIT: returns when the daemon has taken it.
reload() { on "$1" systemctl reload "$2" || die "$2 of $1 refuses its configuration"; }
declare -A unit=([a]=ra-primary.service [b]=ra-secondary.service)
pid=()
declare -A file=([a]=etc/ra/primary.conf [b]=etc/ra/secondary.conf)
# shows NAME KEY: the daemon says that this is its own.
shows() { [ "$(ctl "$1" .key status)" = "$2" ]; }
# uses NAME KEY: the link of that side is up and its peer has proven this key.
uses() { [ "$(ctl "$1" '.links[0] | .state + .key' links)" = "up$2" ]; }

# rotate NAME PEER: the key of NAME; no moment at which they would not let each other in.
rotate()
{
	local name=$1 peer=$2 old=${key[$1]}

	keygen "$name" /etc/ra/new.pem
	sed -i "s/^key = .*/key = $old ${key[$name]}/" "$T/$peer/${file[$peer]}"
	reload "$peer" "${unit[$peer]}"
	mv "$T/$name/etc/ra/new.pem" "$T/$name/etc/ra/identity.pem"
	reload "$name" "${unit[$name]}"
	until_true shows "$name" "${key[$name]}"
	uses "$peer" "$old" || die "the link has not gone on with the old key"
	sed -i "s/^key = .*/key = ${key[$name]}/" "$T/$peer/${file[$peer]}"
	reload "$peer" "${unit[$peer]}"
	until_true uses "$peer" "${key[$name]}"
	until_true link_is_up
}

a_device='limit = 2M'
pair
configure web1
volume web1 60
start_both
for name in a b; do
	[ "$(stat -c %a:%u "$T/$name/etc/ra/identity.pem")" = 600:0 ] || die "the key of $name is not root's alone"
	pid+=("$(property $name ${unit[$name]} MainPID)")
done

begin web1
run=$(property a ra-compare@web1.service MainPID)
rotate b a
rotate a b
is_under_way web1 || die "the run has ended"
[ "$(property a ra-compare@web1.service MainPID)" = "$run" ] || die "it is another run"
[ "$(property a ra-primary.service MainPID) $(property b ra-secondary.service MainPID)" = "${pid[*]}" ] ||
	die "a daemon was started again"
on a ra-ctl limit device web1 none >/dev/null
finish 0 web1
[ "$(ctl a '.result, .link.relinks' report show web1 | paste -sd ' ')" = 'identical 2' ] || die "another report"
for name in a b; do on $name systemctl restart ${unit[$name]} || die "$name does not start with its new key"; done
until_true link_is_up
compare 0 web1
