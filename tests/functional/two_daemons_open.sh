#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Volumes are open only while somebody uses them, on both sides.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 30000000
cp a b
new_site
add_device web1 "$T/a" "$T/b"
start_secondary
start_primary

# holds PID FILE
holds() { find "/proc/$1/fd" -lname "$2" | grep -q .; }
is_closed() { ! holds "$primary" "$T/a" && ! holds "$secondary" "$T/b"; }
is_open() { holds "$primary" "$T/a" && holds "$secondary" "$T/b"; }

is_closed || die "an idle daemon holds a volume open"
"$RA" --socket "$T/primary.sock" --repeat forever web1 >out 2>err &
run=$!
until_true is_open
[ "$(ask primary '.devices[0].state' devices)" = open ] || die "not shown as open"
kill -KILL $run
wait $run
until_true is_closed
[ "$(ask primary '.devices[0].state' devices)" = closed ] || die "not shown as closed"
rm a # and may be another one from now on
noise a 30000000
expect_device 1 web1
until_true is_closed
stop_all
