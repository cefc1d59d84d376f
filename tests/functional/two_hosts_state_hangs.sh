#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The disk of the primary's state folder hangs: its file system is frozen. A run and ra-ctl are told so in bounded time,
# runs that need no ledger do not notice, and when the disk is back the place that was kept last is there.
[ "$(id -u)" = 0 ] || { echo "needs root for a loop device"; exit 77; }
command -v fsfreeze >/dev/null || { echo "needs fsfreeze"; exit 77; }
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 20000000
cp v.a v.b
two_hosts v
truncate -s 30M fs
mkfs.ext4 -q fs || die "no file system"
mkdir a.state
mount -o loop fs a.state 2>err || { echo "cannot mount: $(head -n 1 err)"; exit 77; }
trap 'fsfreeze -u a.state 2>/dev/null; stop_all; umount a.state' EXIT
start_both
compare 0 v # there are folder and ledger

"$RA" --socket "$T/a.sock" --limit 2M v >run.out 2>run.err &
run=$!
has_kept() { ctl a --json proof v | jq -e '.unfinished_run.identical_tracks > 0' >/dev/null; }
until_true has_kept
fsfreeze -f a.state || die "no fsfreeze"
wait $run || die "the run: exit $?: $(cat run.err)"
grep -q '^IDENTICAL: ' run.out || die "no verdict: $(cat run.out)"
grep -q 'the place of this run cannot be kept: .*/ledger: the disk does not answer within 8 s' run.err ||
	die "no warning: $(cat run.err)"
compare 2 v
says 'v/ledger: an earlier request to the disk hangs; --state none goes without a ledger'
compare 0 --state none v
says '^ra-compare: warning: this report is not kept .*the primary does not answer within 15 s'
says '^IDENTICAL: '
"$RA" --socket "$T/a.sock" --state none v >run.out 2>run.err &
run=$!
is_told() { ctl a --json status | jq -e '.runs[0].phase == "finishing"' >/dev/null; }
until_true is_told
kill -INT $run
wait $run || die "a signal at the end: exit $?"
grep -q '^IDENTICAL: ' run.out || die "no verdict after a signal at the end: $(cat run.out)"
grep -q 'this report is not kept .*a signal came before' run.err || die "no warning: $(cat run.err)"
! ctl a tracks v mark 3 >out 2>err || die "it was marked"
says 'v/invalid: the disk does not answer within 8 s; whether it was written is not known'

fsfreeze -u a.state
goes_on() { "$RA" --socket "$T/a.sock" --json v >out 2>err || [ $? = 3 ]; }
until_true goes_on
json '.resumed_tracks > 0' true
json '.tracks.identical + .tracks.invalid' 306
all_is_idle
