#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One primary with two secondaries, of which one runs on its own host and shows the same key: each device is read from
# its own peer, and neither a peer that is away nor the limit of one touches the devices of the other.
. tests/functional/hosts.sh
. tests/functional/lib.sh

for name in near far; do
	noise $name.a 12000000
	cp $name.a $name.b
	cp $name.a $name.b2
done
poke far.b 5000000 'not this one' # b has volumes of both names, and only one of them is asked for
poke near.b2 5000000 'nor this one'
two_hosts near far
near_port=$(free_port)
{
	printf '[secondary]\nidentity = %s\nsocket = %s\nlisten = 127.0.0.1:%s\nstate = %s\n' "$T/a.pem" "$T/b2.sock" "$near_port" "$T/b2.state"
	printf '[peer a]\nkey = %s\ndevices = near far\n' "${key[a]}"
	for name in near far; do printf '[device %s]\nvolume = %s\n' $name "$T/$name.b2"; done
} >b2.conf
printf '[peer here]\naddress = 127.0.0.1:%s\nkey = %s\n' "$near_port" "${key[a]}" >>a.conf
sed -i '/^\[device far\]/,/^peer = /s/^peer = .*/peer = here/' a.conf
start b
start b2
start a
all_are_up() { [ "$(ctl_json a '[.links[].state] | join(",")' links)" = up,up ]; }
until_true all_are_up

compare 0 near
compare 0 far
change far.b2 7000000
compare 1 --json far
json '.ranges[0].offset' 7000000
compare 0 near
ctl a check >out 2>err || die "check"
says '^ok      near: the link to b at '
says '^ok      far: the link to here at '

# The limit of a peer is that of its devices.
throttled() { jq -r '.throttled_seconds > 0' out; }
ctl a limit peer here 4M >/dev/null || die "limit"
begun=$(date +%s)
compare 1 --json far
[ $(($(date +%s) - begun)) -ge 2 ] && [ "$(throttled)" = true ] || die "the limit of a peer holds nothing back"
compare 0 --json near
[ "$(throttled)" = false ] || die "the limit of a peer holds another one back"

stop b2
compare 4 --link-timeout 1s far
says 'the link is down: .*refused; waiting for it, at most 1 s$' # at once, not after the second
says 'no link to here for 1 s: '
compare 0 near
"$RA" --socket "$T/a.sock" --json far >out 2>err &
run=$!
until_true grep -q 'the link is down' err
start b2
wait $run
code=$?
[ $code = 1 ] || die "exit $code for a peer that came while it was waited for"
json .link.relinks 0
