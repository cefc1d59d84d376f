#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two volumes for one run alone, among all programs: while they are reserved exclusively, qemu-io can open neither,
# while qemu-io has one open, it is busy and qemu-io is named. All is free again when the run, the link or a daemon has
# ended, however it ended; other devices are not touched. Configured daemons and a private pair.
command -v qemu-io >/dev/null || { echo "needs qemu-io"; exit 77; }
. tests/functional/hosts.sh
. tests/functional/lib.sh

port=$(free_port)
via=$(free_port)
for file in v other; do
	noise $file.a 8000000
	cp $file.a $file.b
done
two_hosts v other
start_relay()
{
	"$BUILD/tests/relay" "$via" "$port" >relay.log 2>&1 8>&- &
	relay=$!
}
stop_relay()
{
	kill -KILL "$relay"
	wait "$relay" 2>/dev/null
}
qemu=
trap 'stop_all; kill -KILL $relay $qemu 2>/dev/null' EXIT
start_relay
start_both

# ---- qemu-io ----

can_write() { qemu-io -f raw -c 'write -P 7 0 4k' "$1" >qemu.out 2>&1; }
can_read() { qemu-io -f raw -r -c 'read 0 4k' "$1" >qemu.out 2>&1; }
is_kept_away()
{
	! can_write "$1" || die "qemu-io has written $1"
	grep -q 'Failed to get .* lock' qemu.out || die "not by its lock: $(cat qemu.out)"
	! can_read "$1" || die "qemu-io has read $1"
}
# qemu_has FILE OPTION...: a qemu-io that has it open until qemu_ends. Who is started meanwhile must not keep descriptor
# 8 open.
qemu_has()
{
	rm -f qemu.in
	mkfifo qemu.in
	qemu-io -f raw "${@:2}" "$1" <qemu.in >holder.out 2>&1 &
	qemu=$!
	exec 8>qemu.in
	until_true has_lock $qemu
}
has_lock() { grep -qs OFDLCK "/proc/$1/fdinfo/"*; }
qemu_ends()
{
	exec 8>&-
	wait "$qemu" || die "qemu-io: $(cat holder.out)"
	qemu=
}

# ---- A run ----

# begin ARGUMENT...: one that goes on until it is stopped.
begin()
{
	"$RA" --repeat forever --limit 4M --reserve=exclusive "$@" 8>&- >run.out 2>run.err &
	run=$!
}
begin_device()
{
	begin --socket "$T/a.sock" "$@" v
	until_true has_jobs
}
kill_run()
{
	kill -KILL $run
	wait $run 2>/dev/null
}
has_jobs() { [ "$(ctl_json a '.devices[0].jobs' devices)" -gt 0 ]; }
is_exclusive() { [ "$(ctl_json "$1" '.devices[0].exclusive' devices)" = true ]; }
nobody_has_it() { [ "$(ctl_json "$1" '.devices[0] | "\(.reserved_by) \(.exclusive)"' devices)" = 'null false' ]; }
both_are_free() { can_write v.a && can_write v.b; }

# ---- Reserved: others are kept away ----

begin_device
for side in a b; do
	is_exclusive $side || die "not reserved exclusively at $side"
	is_kept_away v.$side
	ctl $side devices | grep -q 'ra-compare.* (exclusive) ' || die "ra-ctl devices does not say so at $side"
done
compare 6 --reserve=exclusive v
says 'reserved by ra-compare'
can_write other.a && can_write other.b || die "another device is locked, too"
compare 0 other
compare 0 --reserve=exclusive other
kill_run
until_true both_are_free
all_is_idle
nobody_has_it a && nobody_has_it b || die "the reservation stays"
compare 0 --reserve=exclusive v
both_are_free || die "the end of the run does not free the volumes"

# ---- Freed, however it ends ----

begin_device
stop a KILL
until_true both_are_free
wait $run
start a
until_true link_is_up

begin_device
stop b KILL
until_true can_write v.b
is_kept_away v.a # that lock stays as it was
start b
until_true is_exclusive b
until_true link_is_up
is_kept_away v.b # it was taken again
kill_run
until_true both_are_free

# The link is lost, and another program is quicker.
begin_device --link-timeout 60s
stop_relay
until_true can_write v.b
is_kept_away v.a
qemu_has v.b
start_relay
until_true link_is_up
goes_on_unreserved() { ctl a errors | grep -q "not reserved again: the remote volume is in use by qemu-io\[$qemu\]"; }
until_true goes_on_unreserved
until_true grep -q "the device is not reserved any more: .* is in use by qemu-io\[$qemu\]" run.err
until_true has_jobs
is_kept_away v.a
qemu_ends
can_write v.b || die "it was reserved again without a word"
kill_run
until_true both_are_free
all_is_idle

# ---- In use: busy ----

for options in '' -r; do
	qemu_has v.a $options
	compare 6 --reserve=exclusive v
	says "busy: .*/v\.a is in use by qemu-io\[$qemu\]"
	nobody_has_it a && nobody_has_it b || die "a side stays reserved"
	can_write v.b || die "the other side stays locked"
	compare 0 v
	expect 6 --reserve=exclusive v.a v.b
	says "busy: .*v\.a is in use by qemu-io\[$qemu\]"
	qemu_ends
	qemu_has v.b $options
	compare 6 --reserve=exclusive v
	says "busy: the remote volume is in use by qemu-io\[$qemu\]"
	nobody_has_it a && nobody_has_it b || die "a side stays reserved"
	can_write v.a || die "the other side stays locked"
	expect 6 --reserve=exclusive v.a v.b
	says "busy: the remote volume is in use by qemu-io\[$qemu\]"
	qemu_ends
done
compare 0 --reserve=exclusive v

# ---- A private pair ----

begin v.a v.b
pair_has() { has_lock "$(pid_of $run ra-primaryd)" && has_lock "$(pid_of $run ra-secondaryd)"; }
until_true pair_has
is_kept_away v.a
is_kept_away v.b
kill_run
until_true both_are_free
expect 0 --reserve=exclusive v.a v.b
both_are_free || die "the end of the run does not free the volumes"
expect 6 --reserve=exclusive v.a v.a
says 'is in use by ra-(primaryd|secondaryd)'
