#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The link breaks during a reserved run: what was reserved is free at the secondary at once, and is taken again when the
# link is back. Where another primary has it by then, the run goes on without, or ends, and says who that is.
. tests/functional/hosts.sh
. tests/functional/lib.sh

port=$(free_port)
via=$(free_port)
noise v.a 20000000
cp v.a v.b
two_hosts v
sed -i 's/^devices = .*/&\nmax-links = 3/' b.conf
sed "s|$T/a.sock|$T/a2.sock|; s|$T/a.state|$T/a2.state|; s/:$via\$/:$port/" a.conf >a2.conf
"$BUILD/tests/relay" "$via" "$port" >relay.log 2>&1 &
relay=$!
run=
other=
trap 'stop_all; kill -KILL $relay $run $other 2>/dev/null' EXIT
until_true test -s relay.log
start_both
start a2
other_is_up() { [ "$(ctl_json a2 '.links[0].state' links)" = up ]; }
until_true other_is_up

# begin ARGUMENT...: a reserved run of some seconds through the relay, that has compared something.
begin()
{
	"$RA" --socket "$T/a.sock" --json --limit 4M --reserve "$@" v >out 2>err &
	run=$!
	until_true b_is_reserved
	until_true has_compared
}
has_compared() { [ "$(ctl_json a '(.runs[0].done_tracks // 0) > 0' status)" = true ]; }
b_is_reserved() { [ "$(ctl_json b '.devices[0].reserved_by' devices)" != null ]; }
b_is_free() { ! b_is_reserved; }
link_is_down() { ! link_is_up; }
finish()
{
	wait $run
	local got=$?
	[ $got = "$1" ] || die "exit $got, not $1"
	json_sums
}
cut() { kill -USR2 $relay; until_true link_is_down; until_true b_is_free; }
mend() { kill -USR2 $relay; until_true link_is_up; }

# Nobody came between: the run has it again, and others are refused again.
begin
cut
mend
until_true b_is_reserved
expect_other() { "$RA" --socket "$T/a2.sock" v >other.out 2>other.err; [ $? = "$1" ]; }
expect_other 6 || die "another run was let in beside the reservation"
grep -q 'reserved by .*ra-compare' other.err other.out || die "not told by whom"
finish 0
json .link.relinks 1
json .reserved null # in between anybody could have had it
all_is_idle

# another_run EXIT WORDS ARGUMENT...: one of another primary was faster. Nobody waits for it longer than for the link:
# then the run goes on without, unless the other one keeps it away.
is_in_use() { [ "$(ctl_json b '.devices[0].jobs' devices)" -gt 0 ]; }
another_run()
{
	begin --link-timeout 3s
	cut
	"$RA" --socket "$T/a2.sock" --repeat forever --limit 1M "${@:3}" v >other.out 2>other.err &
	other=$!
	until_true is_in_use
	mend
	finish "$1"
	says "$2"
	json .reserved null
	is_gone $other && die "the other run has ended: $(cat other.err)"
	kill -KILL $other
	wait $other 2>/dev/null
	all_is_idle
}
another_run 0 'not reserved any more: being read by'
json .result identical
another_run 3 'busy: reserved by .*ra-compare' --reserve
json .result not-proven
json '.tracks.identical > 0 and .tracks.not_compared > 0' true
compare 0 --reserve v
