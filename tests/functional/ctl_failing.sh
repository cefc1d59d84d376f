#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-ctl check where volumes fail: tracks that cannot be read, and a read that hangs, on either side. check ends, says
# which side it is, and the daemon answers on.
. tests/functional/hosts.sh
. tests/functional/lib.sh

preload_faults
noise v.a 8000000
cp v.a v.b
two_hosts v

# checked CODE NAME
checked()
{
	timeout 100 "$BUILD/ra-ctl" --socket "$T/$2.sock" check v >out 2>err
	got=$?
	[ "$got" = "$1" ] || die "check of $2: exit $got, not $1"
}
faulty() { export RA_FAULT_FILE=$1 RA_FAULT=$2 RA_FAULT_RELEASE=$T/never; }

faulty v.b eio:1048576-1114112
start b
start a
until_true link_is_up
checked 1 a
says '^FAILED  v: [1-9][0-9]* tracks? of the remote volume cannot be read, the first is track 16: look at its disk'
says '^ok      v: the local side is read'
says '^ok      v: a comparison takes (a moment|about)'
checked 1 b
says '^FAILED  v: [1-9][0-9]* tracks? cannot be read: look at its disk'
stop a
stop b

faulty v.a hang:0-65536
start b
start a
until_true link_is_up
checked 1 a
says '^FAILED  v: reading the local side fails: '
says '^ok      v: the remote side is read'
checked 1 a
says '^FAILED  [1-9] disk reads? hangs?: '
stop a KILL
stop b

faulty v.b hang:0-65536
start b
start a
until_true link_is_up
checked 1 a
says '^ok      v: the local side is read'
says '^FAILED  v: reading the remote side fails: '
ctl b status >out || die "b answers no more"
says 'hanging: [1-9] requests?'
checked 1 b
says '^FAILED  v: the volume .*v.b cannot be (read|opened): '
stop a
stop b KILL
