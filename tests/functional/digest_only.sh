#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# data = never: the secondary serves this primary digests and no data. What is equal is proven, what differs is found as
# whole tracks, and nothing else is possible.
. tests/functional/hosts.sh
. tests/functional/lib.sh

track=65536
noise v.a $((305 * track + 1000))
cp v.a v.b
cp v.a same
b_peer='data = never'
two_hosts v
start_both

# differs ARGUMENT...: in these tracks; nothing of them has crossed the link.
differs()
{
	compare 1 --json --settle-delay 1ms "${@:2}" v
	json '[.ranges[] | "\(.state) \(.offset / 65536 | floor) \(.length) \(.exact)"] | join(", ")' "$1"
	json '.wire_bytes < 200000' true
	json_sums
}

for delivery in disconnect poll hold; do
	compare 0 --json --restart --delivery $delivery v
	json '"\(.by) \(.digest)"' 'digest xxh3-128'
	json .tracks.identical 306
	json '.wire_bytes < 200000' true
done
compare 0 --restart --digest sha256 v
says '^IDENTICAL: .*; by sha256\)\.$'
compare 2 --by data v
says 'the secondary gives this primary digests of v only \(data = never\): --by data is not possible$'
compare 2 --by data --json v
json .result error

change v.b $((100 * track + 5))
change v.b $((305 * track + 999))
both="different 100 $track false, different 305 1000 false"
differs "$both" --restart
differs "$both" --settle 0 --restart
differs "$both" --reserve=exclusive --restart
differs "$both" --digest sha256 --settle 1 --delivery poll --restart
compare 1 --settle 0 --restart --mark v
says "^different: offset $((100 * track)), $track bytes \(whole tracks\)"
[ "$(ctl a tracks v export | paste -sd ' ')" = '100 305' ] || die "marked: $(ctl a tracks v export)"
ctl a tracks v clear all >out || die "clear"

# It settles by digest, too. Zero on one side is a difference like any other.
cat same >v.b
dd if=/dev/zero of=v.b bs=$track seek=7 count=2 conv=notrunc status=none
differs "different 7 $((2 * track)) false" --restart
"$RA" --socket "$T/a.sock" --json --restart --settle 2 --settle-delay 3s --status-fd 5 v 5>status.out >out 2>err &
run=$!
is_settling() { [ "$(tail -n 1 status.out 2>/dev/null | jq '.phase == "settling"' 2>/dev/null)" = true ]; }
until_true is_settling
cat same >v.b
wait $run || die "the run that settles: exit $?"
json .settled 2
json '.wire_bytes < 200000' true

# Unequal sizes, cut in the middle of a track.
truncate -s $((300 * track + 10)) v.b
differs "different 300 $((5 * track + 990)) true" --restart --settle 0
compare 0 --json --restart --common-size v
json .bytes $((300 * track + 10))
ctl a check v >out 2>err
says '^ok      v: b lets this host compare it by digest, and gives no data of it \(data = never\)'
says '^ok      v: the remote side is read'
all_is_idle
