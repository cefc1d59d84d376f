#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A run goes on where the network or the secondary failed: b killed and started again at random moments, the link cut
# by a relay at random bytes, a network that is away for less and for more than --link-timeout, a volume that came back
# as another one, and a primary that is gone for good. The cuts, and losses that one side sees, only with RA_LONG=1. RA_SEED
# repeats what was random.
. tests/functional/hosts.sh
. tests/functional/lib.sh

port=$(free_port)
via=$(free_port)
RANDOM=${RA_SEED:=$((RANDOM))}
echo "RA_SEED=$RA_SEED"
noise v.a 60000000
cp v.a same.a
cp v.a same.b
cp v.a v.b
at=$((30000000 + RANDOM * 900)) # in the second half: a difference that was seen outweighs a lost link
poke v.a $at ABC
poke v.b $at XYZ
two_hosts v same
"$BUILD/tests/relay" "$via" "$port" >relay.log 2>&1 &
relay=$!
trap 'stop_all; kill -KILL $relay 2>/dev/null' EXIT
start_both

# run ARGUMENT...: a compare in the background that takes some seconds; its status is in $T/status.
run()
{
	rm -f status
	(
		"$RA" --socket "$T/a.sock" --json "$@" >"$T/out" 2>"$T/err"
		echo $? >"$T/status"
	) &
	run=$!
}
ended() { [ -s status ]; }
# finish CODE: waits for it.
finish()
{
	until_long ended
	wait $run
	[ "$(cat status)" = "$1" ] || die "exit $(cat status), not $1"
}
until_long()
{
	local i
	for ((i = 0; i < 1200; i++)); do
		"$@" && return 0
		sleep 0.1
	done
	die "never true: $*"
}
has_begun() { [ "$(ctl_json a '[.devices[].jobs[]] | length' jobs)" -gt 0 ]; }

for delivery in disconnect poll hold; do
	run --delivery $delivery --limit 20M v
	until_true has_begun
	for _ in 1 2 3; do
		sleep "$(printf '0.%03d' $((RANDOM % 500 + 100)))"
		stop b KILL
		start b
		until_true link_is_up
	done
	finish 1
	json .result different
	json '.link.relinks >= 1' true
	json '.tracks.different' 1
	json '.ranges[0].offset' $at
	json_sums
	all_is_idle
done

# A network that is away: nothing passes either way, nothing ends. Each side finds out by its pings. It is away for more
# than one run has patience, and for less than another has.
"$RA" --socket "$T/a.sock" --limit 10M --link-timeout 60s same >patient.out 2>patient.err &
patient=$!
run --limit 10M --link-timeout 3s v
both_have_begun() { [ "$(ctl_json a '[.devices[] | select(.jobs | length > 0)] | length' jobs)" = 2 ]; }
until_true both_have_begun
kill -USR1 $relay
finish 4
says 'no link to b for 3 s: '
is_gone $patient && die "the patient run has ended: $(cat patient.err)"
kill -USR1 $relay
wait $patient || die "the patient run: exit $?: $(cat patient.err)"
grep -q '^IDENTICAL: 60000000 bytes' patient.out || die "the patient run: $(cat patient.out)"
all_is_idle

# A loss that only a sees: at b the old link counts on until its pings fail, and with it the one link, or the jobs, that
# a may have.
seen_by_a_only()
{
	stop b
	cp b.conf b.conf.before
	sed -i "s/^devices = .*/&\n$1/" b.conf
	start b
	until_true link_is_up
	run --limit 20M --jobs 4 same
	until_true has_begun
	kill -HUP $relay
	finish 0
	json .link.relinks 1
	all_is_idle
	stop b
	mv b.conf.before b.conf
	start b
	until_true link_is_up
}
[ -z "${RA_LONG:-}" ] || for most in 'max-links = 1' 'max-jobs = 4'; do seen_by_a_only "$most"; done

# The link cut again and again at random bytes of either direction: where there is something to compare yet, which is
# asked for in few bytes.
with_relay()
{
	stop a
	kill -KILL $relay
	wait $relay 2>/dev/null
	"$BUILD/tests/relay" "$via" "$port" "$@" >relay.log 2>&1 &
	relay=$!
	until_true test -s relay.log
	start a
}
[ -z "${RA_LONG:-}" ] || for delivery in disconnect poll hold; do
	for cut in "data --cut-after $((RANDOM * 20 + 3000))" "data --cut-after-up $((RANDOM % 500 + 1600))" \
		"digest --cut-after $((RANDOM % 3000 + 3000))"; do
		# shellcheck disable=SC2086
		with_relay ${cut#* } --cut-times 12
		run --delivery $delivery --by "${cut%% *}" --restart v
		finish 1
		grep -q '^cut after' relay.log || die "nothing was cut: $cut" # perhaps before it had begun: no relink then
		json .tracks.different 1
		json '.ranges[0].offset' $at
		json_sums
		all_is_idle
	done
done
with_relay

# It came back as another one, which the ledger does not know either.
run --limit 10M v
until_true has_begun
stop b KILL
cp v.b w.b
mv w.b v.b
start b
finish 3
says 'another|changed'
all_is_idle
compare 2 v
says 'the ledger of v is not used: the remote volume is .*; --restart starts over'
compare 1 --restart --settle 0 v

# The primary goes: the run cannot go on.
run --limit 10M v
until_true has_begun
stop a KILL
finish 4
says 'primary'
start a
all_is_idle
compare 1 v
