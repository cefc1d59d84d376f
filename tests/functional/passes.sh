#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# --repeat and --tracks; a byte that is changed between two passes is seen.
. tests/functional/lib.sh

noise a 10000000
cp a b
expect 0 --json --repeat 3 a b
json .passes 3
expect 3 --json --tracks 10-19 a b
json .result not-proven
json .tracks.identical 10
json .tracks.not_compared 143
json_sums
says_range() { json '[.ranges[] | select(.state == "different") | .offset] | join(",")' "$1"; }
change b 700000
expect 1 --json --tracks 10- a b
says_range 700000
expect 3 --tracks 0 a b
cp a b
timeout 60 "$RA" --repeat forever a b >out 2>err &
pid=$!
until_true grep -q IDENTICAL err
change b 700000
until_true grep -q DIFFERENT err

kill -INT "$(pid_of $pid ra-compare)"
wait $pid
[ $? = 1 ] || die "a difference in one of the passes"
says '^DIFFERENT: '

# Both volumes grow while passes follow each other: a later one compares all of it.
cp a b
rm out err # of the run before
timeout 60 "$RA" --repeat forever --json a b >out 2>err &
pid=$!
until_true grep -qs 'pass 1: IDENTICAL: 10000000 bytes' err
noise tail 1000000
cat tail >>a
cat tail >>b
until_true grep -q 'IDENTICAL: 11000000 bytes' err
kill -INT "$(pid_of $pid ra-compare)"
wait $pid
code=$?
[ $code = 3 ] || [ $code = 1 ] || die "exit $code" # 1: a pass began between the two appends

# And when they shrink, the tracks of the pass that saw it cannot be read (5), and a later pass goes to the new end.
rm out err
timeout 60 "$RA" --repeat forever --json a b >out 2>err &
pid=$!
until_true grep -qs 'pass 1: IDENTICAL: 11000000 bytes' err
truncate -s 9000000 a b
until_true grep -q 'IDENTICAL: 9000000 bytes' err
kill -INT "$(pid_of $pid ra-compare)"
wait $pid
code=$?
[ $code = 3 ] || [ $code = 5 ] || [ $code = 1 ] || die "exit $code"
