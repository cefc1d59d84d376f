#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the last runs found is remembered: a difference is "again" where one of them found one, else "new"; a run in two
# parts is one run. Two volumes with a state file, and a device.
. tests/functional/hosts.sh
. tests/functional/lib.sh

track=65536
noise v.a $((160 * track))
cp v.a same
cp v.a v.b
two_hosts v
start_both

# with CODE ARGUMENT...: a run over the volumes of this form.
with()
{
	if [ $form = pair ]; then
		expect "$1" --state place --settle 1 --settle-delay 10ms "${@:2}" v.a v.b
	else
		compare "$1" --settle 1 --settle-delay 10ms "${@:2}" v
	fi
}
# found WANTED: each difference of the document as TRACK:SEEN.
found() { json "[.ranges[] | select(.state == \"different\") | \"\\(.offset / $track | floor):\\(.seen)\"] | join(\" \")" "$1"; }
spoil() { change v.b $(($1 * track + 77)); }
heal() { dd if=same of=v.b bs=$track skip="$1" seek="$1" count=1 conv=notrunc status=none; }

for form in pair device; do
	cat same >v.b
	spoil 5
	spoil 90
	with 1 --json
	found "5:null 90:null" # there is nothing to compare with yet
	spoil 20
	with 1 --json
	found "5:again 20:new 90:again"
	with 1
	says '^different: offset 327757, 1 byte, .*, again'
	heal 90
	spoil 21 # beside one that was there before
	with 1 --json
	found "5:again 20:again 21:new"
	heal 21
	with 1
	spoil 21
	spoil 90
	with 1 --json
	found "5:again 20:again 21:again 90:again" # not the last run, but one of the last
	spoil 100
	with 1
	says '^different: offset 6553677, 1 byte, .*, new'

	# A run in two parts: what its first part has found is no earlier run.
	cat same >v.b
	spoil 2
	with 1 --json --jobs 1 --run 16 --limit 2M --max-duration 3s
	found "2:new"
	json .complete false
	spoil 150
	with 1 --json
	found "2:new 150:new"
	json '.resumed_tracks > 2' true

	# Eight runs that found something are remembered; those that found nothing change nothing.
	cat same >v.b
	for _ in {1..9}; do with 0; done
	spoil 60
	with 1 --json
	found "60:new"
	for _ in {1..6}; do with 1; done
	spoil 150
	with 1 --json
	found "60:again 150:again" # the run that found it is the eighth last
	heal 150
	with 1
	spoil 150
	spoil 2
	with 1 --json
	found "2:new 60:again 150:again"
done
all_is_idle
