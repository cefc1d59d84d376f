#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 16 ra-compare at once on one device and on 16, in each delivery; the most links and jobs of a peer, and that all is given
# back.
. tests/functional/hosts.sh
. tests/functional/lib.sh

names=()
for n in {1..16}; do
	noise "v$n.a" 4000000
	cp "v$n.a" "v$n.b"
	names+=("v$n")
done
poke v7.b 100000 X
poke v7.a 100000 Y
two_hosts "${names[@]}"
start_both

# at_once DEVICE...: one compare for each, in $delivery, without a ledger, which only one of a device can have; statuses
# in $T/status.N, reports in $T/out.N.
at_once()
{
	local n=0 pids=()
	for device; do
		n=$((n + 1))
		"$RA" --socket "$T/a.sock" --delivery $delivery --state none --json "$device" >"out.$n" 2>"err.$n" &
		pids+=($!)
	done
	n=0
	for pid in "${pids[@]}"; do
		n=$((n + 1))
		wait "$pid"
		echo $? >"status.$n"
	done
}
# ended N CODE: how that compare ended, by the delivery it was asked for.
ended()
{
	[ "$(cat "status.$1")" = "$2" ] || { cat "err.$1"; die "$delivery, compare $1: exit $(cat "status.$1"), not $2"; }
	[ "$(jq -r .link.delivery "out.$1")" = $delivery ] || die "$delivery, compare $1: $(jq .link "out.$1")"
}
for delivery in disconnect poll hold; do
	at_once v1 v1 v1 v1 v1 v1 v1 v1 v1 v1 v1 v1 v1 v1 v1 v1
	for n in {1..16}; do ended "$n" 0; done
	all_is_idle
	at_once "${names[@]}"
	for n in {1..16}; do ended "$n" $((n == 7)); done
	all_is_idle
done

# A peer's most jobs: the rest of the streams is refused, tracks are asked for again, nothing is lost.
stop a
stop b
sed -i 's/^devices = .*/&\nmax-jobs = 4\nmax-links = 1/' b.conf
start_both
compare 0 --jobs 4 v1
compare 3 --jobs 8 --run 1 --json v2
json_sums
says 'NO_FREE_JOB'
[ "$(ctl_json b '.peers[0].jobs_max' links)" = 4 ] || die "jobs_max"

# A second link of the same peer is refused, and the first goes on.
sed "s|$T/a\.s|$T/a2.s|" a.conf >a2.conf
start a2
is_refused() { [ "$(ctl_json b '.peers[0].links_refused' links)" -ge 1 ]; }
until_true is_refused
[ "$(ctl_json b '.peers[0].links' links)" = 1 ] || die "more than one link"
compare 0 --jobs 4 v1
expect 4 --socket "$T/a2.sock" --link-timeout 1s v1
