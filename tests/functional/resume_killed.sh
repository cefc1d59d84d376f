#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-compare killed at random moments of a long run, of two volumes and of two hosts, there the primary too: each run
# goes on where the one before was, and what comes out is what a run without interruption says. Twenty moments with
# RA_LONG=1. RA_SEED repeats them.
. tests/functional/hosts.sh
. tests/functional/lib.sh

RANDOM=${RA_SEED:=$((RANDOM))}
echo "RA_SEED=$RA_SEED"
track=65536
tracks=320
noise v.a $((tracks * track - 20000))
cp v.a v.b
two_hosts v

# zero FILE TRACK
zero() { dd if=/dev/zero of="$1" bs=4096 count=16 seek=$(($2 * 16)) conv=notrunc status=none; }
# Every sixth track differs, so that tracks cannot be left out unnoticed: a byte, or one side is zero.
for ((i = 4; i < tracks - 1; i += 6)); do
	case $((i % 9)) in
	1) zero v.a $i ;;
	4) zero v.b $i ;;
	7) change v.b $((i * track + RANDOM)) ;;
	esac
done

# What must come out the same however often a run was interrupted.
essence() { jq -S '{result, complete, tracks, bytes, ranges: [.ranges[] | {state, offset, length, shape}]}' "$1"; }
# same_as_whole NAME: a finished run's document NAME.out.
same_as_whole()
{
	essence "$1.out" >"$1.essence" || die "$1: not JSON: $(cat "$1.err")"
	diff "$1.whole" "$1.essence" || die "$1: interrupted and gone on with is not what the whole run said"
}

declare -A run # pair or device -> process id
trap 'stop_all; kill -KILL "${run[@]}" 2>/dev/null' EXIT
start_both
expect 1 --json v.a v.b
json .resumed_tracks 0
json '[.ranges[].shape] | unique | join(" ")' 'data local-zero remote-zero'
essence out >pair.whole
compare 1 --json --state none v
json .resumed_tracks 0
essence out >device.whole

# begin NAME ARGUMENT...: NAME is pair or device; the document is NAME.out.
begin()
{
	local volumes=(--state place v.a v.b)
	[ "$1" = pair ] || volumes=(--socket "$T/a.sock" v)
	"$RA" --json --jobs 2 --run 16 --limit 3M "${volumes[@]}" "${@:2}" >"$1.out" 2>"$1.err" &
	run[$1]=$!
}
# A moment of the next part of the run, so many seconds long: a place is kept every three.
moment() { sleep "$((RANDOM % $1)).$(printf '%03d' $((RANDOM % 1000)))"; }

declare -A kills=([pair]=0 [device]=0) ends=([pair]=0 [device]=0) resumed=([pair]=0 [device]=0)
# went NAME STATUS: what became of a run that was killed, or whose primary was, or that was told to end, or was faster.
went()
{
	local now
	case $2 in
	137 | 4) return ;;
	1 | 3) ;;
	*) die "$1: exit $2: $(cat "$1.err")" ;;
	esac
	! grep -q "interrupted before the comparison began" "$1.err" || return 0
	now=$(jq .resumed_tracks "$1.out") || die "$1: not JSON: $(cat "$1.err")"
	[ "$now" -ge "${resumed[$1]}" ] || die "$1: $now tracks resumed, ${resumed[$1]} before"
	resumed[$1]=$now
	cp "$1.out" out
	json_sums
	[ "$(jq .complete "$1.out")" = true ] || return
	same_as_whole "$1"
	ends[$1]=$((ends[$1] + 1))
	resumed[$1]=0
}
# interrupt NAME: kill -9 of ra-compare, of the primary now and then, or a signal that lets it say how far it came.
interrupt()
{
	local pid=${run[$1]} choice=$((RANDOM % 10))
	if [ $choice = 0 ]; then
		kill -TERM "$pid" 2>/dev/null
	else
		is_gone "$pid" || kills[$1]=$((kills[$1] + 1))
		if [ $choice -le 3 ] && [ "$1" = device ]; then stop a KILL; else kill -KILL "$pid" 2>/dev/null; fi
	fi
	wait "$pid" 2>/dev/null
	went "$1" $?
	[ -n "${daemon[a]-}" ] || { start a; until_true link_is_up; }
}

begin pair
begin device
wanted=5
if [ -n "${RA_LONG:-}" ] && [ -z "$SAN" ]; then wanted=20; fi
while [ "${kills[pair]}" -lt $wanted ] || [ "${kills[device]}" -lt $wanted ]; do
	moment 4
	interrupt pair
	begin pair
	moment 1
	interrupt device
	begin device
done
# finish NAME: to the end, by a part that has something to go on with.
finish()
{
	wait "${run[$1]}"
	went "$1" $?
	begin "$1" --max-duration 1s
	wait "${run[$1]}"
	went "$1" $?
	[ "$(jq .complete "$1.out")" = false ] || die "$1: a whole run in a second"
	begin "$1"
	wait "${run[$1]}"
	went "$1" $?
	[ "$(jq .complete "$1.out")" = true ] && [ "$(jq .resumed_tracks "$1.out")" -gt 0 ] || die "$1: did not go on"
	echo "$1: ${kills[$1]} killed, ${ends[$1]} ended"
}
finish pair
finish device
all_is_idle
