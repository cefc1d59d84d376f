#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two sparse volumes of 15 TiB: the ledger, and the memory of all three programs, stay small, and a run is gone on with.
. tests/functional/lib.sh

run=
trap '[ -z "$run" ] || kill -KILL $run 2>/dev/null' EXIT
truncate -s 15T a b 2>/dev/null || { echo "no files of 15 TiB here"; exit 77; }
# Islands of data, in what is compared first.
for ((i = 0; i < 40; i++)); do
	poke a $((i * 67108864 + i * 100)) "island $i"
	poke b $((i * 67108864 + i * 100)) "island $i"
done

# RssAnon of a process, in KiB
anon_kib() { awk '/^RssAnon:/ { print $2 }' "/proc/$1/status"; }
small_enough()
{
	local name pid kib
	[ -z "$SAN" ] || return 0 # sanitizers take memory of their own
	for pid in $run $(pgrep -P $run); do
		name=$(cat "/proc/$pid/comm")
		kib=$(anon_kib "$pid")
		[ "$kib" -lt $(((64 + 32) * 1024)) ] || die "$name has $kib KiB"
	done
}
# part TRACKS: until so many are done
part()
{
	"$RA" --json --status-fd 5 --state place a b 5>status.out >out 2>err &
	run=$!
	until_true has_come "$1"
	small_enough
	kill -TERM $run
	wait $run
	code=$?
	[ $code = 3 ] || die "exit $code, not 3"
	json_sums
	json .tracks.total 251658240
	[ "$(stat -c %s place)" -lt 65536 ] || die "a ledger of $(stat -c %s place) bytes"
}
has_come() { [ "$(tail -n 1 status.out 2>/dev/null | jq ".tracks.done > $1" 2>/dev/null)" = true ]; }

part 100000
before=$(jq .tracks.identical out)
json .resumed_tracks 0
part $((before + 100000))
json '.resumed_tracks > 0' true
json ".tracks.identical > $before" true
