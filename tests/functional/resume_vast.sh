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

# part TRACKS: until so many are done
part()
{
	rm -f status.out # what the part before it said
	"$RA" --json --limit 512K --status-fd 5 --state place a b 5>status.out >out 2>err &
	run=$!
	until_true has_come "$1"
	# shellcheck disable=SC2046
	small_enough $run $(pgrep -P $run)
	kill -TERM $run
	wait $run
	code=$?
	[ $code = 3 ] || die "exit $code, not 3"
	json_sums
	json .tracks.total 251658240
	[ "$(stat -c %s place)" -lt 65536 ] || die "a ledger of $(stat -c %s place) bytes"
}
has_come() { [ "$(tail -n 1 status.out 2>/dev/null | jq ".tracks.done > $1" 2>/dev/null)" = true ]; }

part 10000
before=$(jq .tracks.identical out)
json .resumed_tracks 0
part $((before + 10000))
json '.resumed_tracks > 0' true
json ".tracks.identical > $before" true
run=

# To the end, most of which is one hole; and what differs there.
expect 0 --json --state place a b
json .tracks.identical 251658240
json '.resumed_tracks > 20000' true
[ "$(stat -c %s place)" -lt 65536 ] || die "a ledger of $(stat -c %s place) bytes"
change b 2000000000000
expect 1 --settle 0 --json --state place a b
json '.ranges[0] | "\(.offset)+\(.length)"' 2000000000000+1
