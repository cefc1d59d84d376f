#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-ctl tracks at both daemons: what is marked outlasts them, also when they are killed right after the answer; what
# is exported is the same set when it is imported; a damaged file is told and left alone until all is cleared; who may
# not change anything may not change this.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 3000000
cp v.a v.b
cp v.a w.a
cp v.a w.b
two_hosts v w
start_both

# tracks NAME CODE WORD...: ra-ctl tracks at that daemon, to out and err.
tracks()
{
	local code
	ctl "$1" tracks "${@:3}" >out 2>err
	code=$?
	[ $code = "$2" ] || die "$1: tracks ${*:3}: exit $code, not $2: $(cat out err)"
}
# has NAME DEVICE RANGE...: exactly these are its invalid tracks.
has()
{
	tracks "$1" 0 "$2" export
	[ "$(cat out)" = "$(printf '%s\n' "${@:3}")" ] || die "$1 $2 has $(tr '\n' ' ' <out), not ${*:3}"
}

for name in a b; do
	has $name v
	tracks $name 0 v list
	says '^v: no invalid tracks$'
	tracks $name 0 v mark 0-9,20
	says '^v: 11 invalid tracks$'
	tracks $name 0 v clear 3,5-6
	has $name v 0-2 4 7-9 20
	has $name w
	tracks $name 0 v list
	says '^v: 8 invalid tracks$'
	says '^  7-9$'
	[ "$(ctl_json $name '.ranges | tostring' tracks v list)" = '[[0,3],[4,1],[7,3],[20,1]]' ] || die "$name: JSON"
	[ "$(ctl_json $name '.devices[] | select(.name == "v") | .invalid_tracks' devices)" = 8 ] || die "$name: devices"
	tracks $name 0 v clear all
	has $name v
done

# Each side has its own; both are there after a restart.
tracks a 0 v mark 1
tracks b 0 v mark 2
stop a
stop b
start_both
has a v 1
has b v 2
# And after the end of the process at any moment that follows the answer.
for round in 1 2 3 4 5; do
	for name in a b; do
		tracks $name 0 v mark $((round * 10))-$((round * 10 + 3))
		stop $name KILL
		rm -f $name.sock
		start $name
	done
done
has a v 1 10-13 20-23 30-33 40-43 50-53
has b v 2 10-13 20-23 30-33 40-43 50-53

# Out of one, into the other; more than one request has room for.
tracks a 0 v export
cp out list
{ echo "# of v"; cat list; } | ctl b tracks w import - >out 2>err || die "import: $(cat err)"
tracks b 0 w export
cmp out list || die "export and import: another set"
seq 0 2 200000 >many
tracks a 0 w import many
says '^w: 100001 invalid tracks$'
tracks a 0 w export
cmp out many || die "many: another set"
seq 0 2 262144 >too_many
tracks a 2 w import too_many
says 'too_many, line 131073: more than 131072 ranges'
seq 300000 2 400000 >more
tracks a 2 w import more # 150002 altogether
says 'would have more than 131072 ranges'
has a w $(cat many)
tracks a 0 w clear all

# What is wrong is named.
printf '1\n# 2\n3-x\n' >wrong
tracks a 2 v import wrong
says "wrong, line 3: '3-x' is no range"
tracks a 2 v import nowhere
says 'nowhere: No such file'
tracks a 2 v mark 5-4
says "'5-4' is no range"
tracks a 2 x mark 1
says "no device 'x'"
tracks b 2 x list
says 'no device x'
has a v 1 10-13 20-23 30-33 40-43 50-53

# A damaged file.
cp a.state/v/invalid good
for name in a b; do
	stop $name
	poke $name.state/v/invalid 60 X
	cp $name.state/v/invalid damaged
	start $name
	tracks $name 2 v list
	says "$name.state/v/invalid: "
	tracks $name 2 v mark 1
	tracks $name 2 v clear 0-99
	cmp $name.state/v/invalid damaged || die "$name: the damaged file was changed"
	ctl $name errors | grep -q 'invalid tracks: ' || die "$name: it is not posted"
	tracks $name 0 v clear all
	has $name v
	tracks $name 0 v mark 7
	has $name v 7
done
cp good a.state/v/invalid # what is in memory counts until the daemon ends
has a v 7
stop a
cp good a.state/v/invalid
start a
has a v 1 10-13 20-23 30-33 40-43 50-53

# Two daemons do not share a table.
sed "s|$T/a.sock|$T/c.sock|" a.conf >a2.conf
"$BUILD/ra-primaryd" --config a2.conf >c.log 2>&1 &
daemon[c]=$!
until_true test -S c.sock
tracks c 2 v mark 1
says 'another process has it'
stop c

# Who may not change it.
if id nobody >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
	chmod 755 "$T"
	chmod 666 a.sock b.sock
	for name in a b; do
		as_nobody() { setpriv --reuid nobody --clear-groups "$BUILD/ra-ctl" --socket "$T/$name.sock" "$@" >out 2>err; }
		as_nobody tracks v list || die "$name: nobody may look: $(cat err)"
		for change in 'mark 1' 'clear all' "import $T/many"; do
			# shellcheck disable=SC2086
			as_nobody tracks v $change
			[ $? = 2 ] || die "$name: nobody may $change"
			says 'only root may change invalid tracks'
		done
	done
	has b v 7
fi
