#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The local volume hangs while it is searched for file systems, after a run that found a difference. The result is there
# all the same: at once when the run is interrupted or the daemon is killed, else after the time-out (8 s: only with
# RA_LONG=1).
. tests/functional/lib.sh
PATH=$PATH:/usr/sbin:/sbin
preload_faults

truncate -s 8M a
mke2fs -q -t ext4 -F a >&2 || die mke2fs
cp a b
change b 6000000
# The block size of ext4 stands in the first track, which is not compared.
run=(timeout 100 env LD_PRELOAD="$preload" "$RA" -v --settle 0 --tracks 16- a b)
export RA_FAULT=hang:1048-1052 RA_FAULT_FILE=/a RA_FAULT_RELEASE=$T/go

has_result()
{
	[ "$code" = 1 ] || die "exit $code, not 1"
	says '^different: offset 6000000, 1 byte[^(]*$'
	tail -n 1 out | grep -q '^DIFFERENT' || die "the verdict is not the last line"
}

# Both have the volume open: the reads of the run, and the search.
is_searching()
{
	primary=$(pid_of $ra ra-primaryd)
	[ -n "$primary" ] && [ "$(find "/proc/$primary/fd" -lname '*/a' 2>/dev/null | wc -l)" = 2 ]
}
begin()
{
	"${run[@]:2}" >out 2>err &
	ra=$!
	until_true is_searching
	start=$SECONDS
}
ended()
{
	wait $ra
	code=$?
	[ $((SECONDS - start)) -lt 7 ] || die "took $((SECONDS - start)) s"
	until_true is_gone "$primary"
	has_result
}

begin
kill -TERM $ra
ended
begin
kill -KILL "$primary"
ended

touch go
"${run[@]}" >out 2>err
code=$?
[ $code = 1 ] || die "exit $code, not 1"
says '^different: offset 6000000, 1 byte.* \(ext4 block [0-9]+\)$'
says "^next: debugfs -R \"icheck [0-9]+\" 'a'\$"
rm go

[ -n "${RA_LONG:-}" ] || exit 0
"${run[@]}" >out 2>err
code=$?
has_result
says 'not known: no file systems found on .* within 8 s'
