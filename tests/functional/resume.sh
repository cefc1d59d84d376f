#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A run that was told to end is gone on with by the next one, of two volumes and of two hosts: ^C and TERM, also while a
# difference settles, --max-duration and --until, and whatever the clock is set to. What was proven is not read again,
# and all else is. One ledger has one run at a time.
. tests/functional/hosts.sh
. tests/functional/lib.sh

track=65536
tracks=320
noise same.a $((tracks * track - 20000))
cp same.a same.b
two_hosts same
trap 'stop_all; kill -KILL $part $first 2>/dev/null' EXIT
part=
first=
start_both

# part FORM ARGUMENT...: runs ra-compare over same.a and same.b in the background, with its place kept; FORM is
# pair or device.
part()
{
	local volumes=(--state place same.a same.b)
	[ "$1" = pair ] || volumes=(--socket "$T/a.sock" same)
	rm -f status.out
	LD_PRELOAD=$preload "$RA" --json --status-fd 5 "${volumes[@]}" "${@:2}" 5>status.out >out 2>err &
	part=$!
}
# told SIGNAL CODE: ends it.
told()
{
	kill "-$1" $part
	over "$2"
}
# over CODE: it ends by itself.
over()
{
	wait $part
	local got=$?
	[ $got = "$1" ] || die "exit $got, not $1"
	json_sums
}
# has_come FILTER: the last line of --status-fd
has_come() { [ "$(tail -n 1 status.out 2>/dev/null | jq "$1" 2>/dev/null)" = true ]; }

# What was proven is not read again, and all else is: after the first part the other volume is written over in place, so
# that every track which is read from then on differs.
cp same.b same.before
noise other $((tracks * track - 20000))
for form in pair device; do
	for signal in INT TERM; do
		cat same.before >same.b
		part $form --jobs 2 --limit 5M
		until_true has_come '.tracks.done > 40'
		told $signal 3
		json .result not-proven
		json .complete false
		proven=$(jq .tracks.identical out)
		[ "$proven" -gt 0 ] || die "nothing was proven before the signal"
		cat other >same.b
		part $form
		over 1
		json .resumed_tracks "$proven"
		json .tracks.identical "$proven"
		json .tracks.different $((tracks - proven))
		json .complete true
	done
done
cat same.before >same.b

# A run that came to its end is not gone on with.
part pair
over 0
json .resumed_tracks 0
cp out first
part pair
over 0
json .resumed_tracks 0
json .bytes "$(jq .bytes first)"

# While a difference settles: it is not lost, and it is not believed either.
change same.b $((100 * track + 5))
is_settling() { has_come '.phase == "settling"'; }
for form in pair device; do
	part $form --settle 1 --settle-delay 3s
	until_true is_settling
	told TERM 3
	json .tracks.identical $((tracks - 1))
	json .tracks.different 0
	json .result not-proven
	part $form --settle 1 --settle-delay 3s
	over 1
	json .resumed_tracks $((tracks - 1))
	json '[.ranges[] | "\(.state) \(.offset) \(.length)"] | join(",")' "different $((100 * track + 5)) 1"
done
part pair --settle 1 --settle-delay 3s
until_true is_settling
told TERM 3
cat same.before >same.b
part pair --settle 1 --settle-delay 3s
over 0
json .resumed_tracks $((tracks - 1))
json .tracks.identical $tracks

# ---- By the clock ----

for form in pair device; do
	part $form --jobs 2 --run 16 --limit 5M --max-duration 2s
	over 3
	says 'when the time was over'
	json .complete false
	json '.seconds < 5' true
	proven=$(jq .tracks.identical out)
	part $form
	over 0
	json .resumed_tracks "$proven"
done

preload_library set_clock
export RA_CLOCK_FILE=$T/clock
now=$(date +%s)
echo $((57 - now % 60)) >clock # three seconds before a full minute
until=$(date -d "@$((now + 60 - now % 60))" +%H:%M)
part pair --jobs 2 --limit 2M --until "$until"
over 3
says 'when the time was over'
json '.seconds > 0 and .seconds < 6' true
proven=$(jq .tracks.identical out)
[ "$proven" -gt 0 ] || die "nothing was proven until $until"
# That minute is over: it is tomorrow's that is meant.
echo 65 >clock
part pair --until "$until"
over 0
json .resumed_tracks "$proven"

# The clock set back: between the parts of a run, and while one goes on.
echo 0 >clock
part pair --jobs 2 --limit 5M
until_true has_come '.tracks.done > 40'
echo -100000 >clock
until_true has_come '.tracks.done > 80'
told INT 3
json '.seconds > 0 and .seconds < 60' true
json '.started <= .ended' true
proven=$(jq .tracks.identical out)
echo -200000 >clock
part pair
over 0
json .resumed_tracks "$proven"
json '.seconds > 0 and .seconds < 60' true
preload=

# ---- One ledger, two runs ----

for form in pair device; do
	part $form --jobs 1 --limit 1M
	until_true has_come '.tracks.done > 0'
	first=$part
	if [ $form = pair ]; then expect 6 --state place same.a same.b; else compare 6 same; fi
	says 'another|in use|other run'
	is_gone $first && die "the first run has ended"
	kill -INT $first
	wait $first
	[ $? = 3 ] || die "the first run: exit $?"
	[ $form = device ] || expect 0 --state place same.a same.b
	[ $form = pair ] || compare 0 same
done
compare 0 --state none same
all_is_idle
