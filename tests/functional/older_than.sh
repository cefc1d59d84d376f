#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The age of the proof: --older-than reads only what was not proven lately, in pieces of one night each, and ra-ctl
# proof shows how the oldest proof moves. A difference unproves its track, and a clock that is set back proves nothing.
# The days pass by a library that sets the clock.
. tests/functional/hosts.sh
. tests/functional/lib.sh

track=65536
tracks=320
noise v.a $((tracks * track))
cp v.a v.b
cp v.a same
two_hosts v
preload_library set_clock
export RA_CLOCK_FILE=$T/clock
days=0
pass_days() { days=$((days + $1)); echo $((days * 86400)) >clock; }
pass_days 0
start_both
# proof FILTER WANTED: of ra-ctl proof
proof()
{
	local got
	got=$(ctl_json a "$1" proof v)
	[ "$got" = "$2" ] || die "proof: $1 is $got, not $2: $(ctl a --json proof v)"
}
# ages D1 D7 D30 D90 OLDER NEVER: tracks by the age of their proof
ages() { proof '[.ages[].tracks] | join(" ")' "$*"; }
oldest_days() { ctl_json a '.oldest_proof_seconds / 86400 | floor' proof v; }
# night ARGUMENT...: a piece that ends long before all is read; what it proved is added to $proven.
night()
{
	compare 3 --json --older-than 30d --jobs 1 --run 16 --limit 4M --max-duration 2s "$@" v
	json_sums
	json .tracks.different 0
	proven=$((proven + $(jq '.tracks.identical - .resumed_tracks' out)))
}

# Nothing is proven before the first run, all after it.
proof .oldest_proof null
compare 0 v
ages $tracks 0 0 0 0 0
[ "$(oldest_days)" = 0 ] || die "the oldest proof is $(oldest_days) days old"
ctl a proof v | grep -q 'the oldest proof is of' || die "ra-ctl proof: $(ctl a proof v)"

# On the 29th day there is nothing to do, and the verdict does not claim more.
pass_days 29
compare 3 --json --older-than 30d v
json .tracks.identical 0
json .tracks.not_compared $tracks
says 'proven later than --older-than asks for'
[ "$(oldest_days)" = 29 ] || die "the oldest proof is $(oldest_days) days old"

# Some nights later all is old. Each night proves a piece; the oldest proof stays old until the last of them.
pass_days 2
compare 3 --json --older-than 30d --tracks 0-19 v
json .tracks.identical 20
ages 20 0 0 $((tracks - 20)) 0 0
proven=20
nights=0
while [ $proven -lt $tracks ]; do
	[ "$(oldest_days)" = $((31 + nights)) ] || die "night $nights: the oldest proof is $(oldest_days) days old"
	before=$proven
	night
	[ $proven -gt "$before" ] || die "night $nights: nothing was proven"
	nights=$((nights + 1))
	pass_days 1
done
[ $proven = $tracks ] || die "$proven tracks were proven, of $tracks"
[ $nights -ge 2 ] || die "one night was enough"
[ "$(oldest_days)" = $nights ] || die "the oldest proof is $(oldest_days) days old after $nights nights"
compare 3 --json --older-than 30d v
json .tracks.identical 0

# What differs is not proven any more, and is looked at again though it was read yesterday.
change v.b $((77 * track))
compare 1 v
pass_days 1
proof .never_proven_tracks 1
cat same >v.b
compare 3 --json --older-than 30d v
json .tracks.identical 1
proof .never_proven_tracks 0

# Proofs of days that are still to come prove nothing.
pass_days -10
proof .never_proven_tracks $tracks
compare 0 --json --older-than 30d v
json .tracks.identical $tracks
ages $tracks 0 0 0 0 0
all_is_idle
