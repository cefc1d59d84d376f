#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Where the ledger cannot be written: a full disk and a read-only one, before a run and during it, of two volumes and of
# two hosts. A place that was kept stays whole. In a mount namespace of its own.
own=(unshare -m --propagation private)
[ "$(id -u)" = 0 ] || own=(unshare -rm --propagation private)
if [ -z "${RA_OWN_MOUNTS-}" ]; then
	"${own[@]}" true 2>/dev/null || { echo "no mount namespace here"; exit 77; }
	RA_OWN_MOUNTS=1 exec "${own[@]}" "$0"
fi
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 20000000
cp v.a v.b
mkdir disk
mount -t tmpfs -o size=128k none disk || die "no tmpfs"
mkdir disk/state
two_hosts v
sed -i "s|^state = .*|state = $T/disk/state|" a.conf
start_both
fill() { cat /dev/zero >disk/filler 2>/dev/null; [ -s disk/filler ]; }

# with FORM CODE ARGUMENT...: FORM is pair or device
with()
{
	if [ "$1" = pair ]; then
		expect "$2" --json --state disk/place "${@:3}" v.a v.b
	else
		compare "$2" --json "${@:3}" v
	fi
}

# The primary has a lock there, so it begins when there is nothing to write to any more.
read_only()
{
	[ "$1" = pair ] || stop a
	mount -o remount,bind,ro disk || die "not read-only"
	[ "$1" = pair ] || { start a; until_true link_is_up; }
}
read_write()
{
	[ "$1" = pair ] || stop a
	mount -o remount,bind,rw disk || die "not writable"
	[ "$1" = pair ] || { start a; until_true link_is_up; }
}

for form in pair device; do
	kept=disk/place
	[ $form = pair ] || kept=disk/state/v/ledger
	# From the beginning: the run is worth more than its place, but it is said that there is none.
	fill || die "no filler"
	with $form 0
	says 'the place of this run cannot be kept: .*No space left'
	[ ! -e $kept ] && [ ! -e $kept.new ] || die "half a ledger: $(ls -lR disk)"
	rm disk/filler
	with $form 0
	[ -s $kept ] || die "no ledger"
	read_only $form
	with $form 2
	says 'Read-only'
	read_write $form
	# After a place was kept: it stays whole, and the next run goes on there.
	with $form 3 --jobs 2 --run 16 --limit 5M --max-duration 1s
	proven=$(jq .tracks.identical out)
	[ "$proven" -gt 0 ] || die "nothing proven"
	cp $kept kept
	fill || die "no filler"
	with $form 3 --jobs 2 --run 16 --limit 5M --max-duration 1s
	says 'the place of this run cannot be kept: .*No space left'
	cmp $kept kept || die "the place has been changed"
	[ ! -e $kept.new ] || die "left: $kept.new"
	rm disk/filler
	read_only $form
	with $form 2
	says 'Read-only'
	read_write $form
	with $form 0
	json .resumed_tracks "$proven"
done

# fills_up FORM LEDGER: during a run, once its place was kept.
fills_up()
{
	local volumes=(--state disk/place v.a v.b) code
	[ "$1" = pair ] || volumes=(--socket "$T/a.sock" v)
	"$RA" --json --limit 4M "${volumes[@]}" >out 2>err &
	run=$!
	trap 'stop_all; kill -KILL $run 2>/dev/null' EXIT
	until_true test -s "$2"
	fill || die "no filler"
	wait $run
	code=$?
	[ $code = 0 ] || die "exit $code, not 0"
	says 'the place of this run cannot be kept: .*No space left'
	json .result identical
	[ ! -e "$2.new" ] || die "left: $2.new"
	rm disk/filler
}
fills_up pair disk/place
fills_up device disk/state/v/ledger
with pair 0
with device 0
all_is_idle
