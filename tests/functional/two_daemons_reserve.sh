#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One run has a device for itself alone: others are told who has it, and end with 6.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 30000000
cp a b
new_site
add_device web1 "$T/a" "$T/b"
start_secondary
start_primary

"$RA" --socket "$T/primary.sock" --reserve --repeat forever web1 >run.out 2>run.err &
run=$!
is_reserved() { [ "$(ask "$1" '.devices[0].reserved_by' devices)" != null ]; }
until_true is_reserved primary
until_true is_reserved secondary
expect_device 6 web1
says 'reserved by .*ra-compare'
expect_device 6 --reserve web1
kill -INT $run
wait $run
until_true test "$(ask primary '.devices[0].reserved_by' devices)" = null
expect_device 0 web1

# And the other way round: nobody takes what is being read.
"$RA" --socket "$T/primary.sock" --repeat forever web1 >run.out 2>run.err &
run=$!
has_jobs() { [ "$(ask primary '.devices[0].jobs' devices)" != 0 ]; }
until_true has_jobs
expect_device 6 --reserve web1
says 'read by .*ra-compare'
kill -KILL $run
wait $run
expect_device 0 --reserve web1
stop_all
