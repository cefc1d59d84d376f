#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Either daemon killed and started again during a run: the run goes on when it was the secondary, unless the volume came
# back as another one or not within the link time-out; it ends with 4 when it was the primary.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 30000000
cp a b
new_site
add_device web1 "$T/a" "$T/b"
start_secondary
start_primary

# begin ARGUMENT...: a run that is slow enough to be disturbed
begin()
{
	"$RA" --socket "$T/primary.sock" --limit 10M web1 "$@" >out 2>err &
	run=$!
	has_jobs() { [ "$(ask primary '.devices[0].jobs' devices)" != 0 ]; }
	until_true has_jobs
}

# ended CODE
ended()
{
	local code
	wait $run
	code=$?
	[ $code = "$1" ] || die "exit $code, not $1"
}

for delivery in disconnect poll hold; do
	begin --delivery $delivery --json
	kill -KILL "$secondary"
	wait "$secondary"
	until_true is_down
	start_secondary
	ended 0
	json .result identical
	json '.link.relinks >= 1' true
	json_sums
done

begin
kill -KILL "$secondary"
wait "$secondary"
until_true is_down
rm b
noise b 30000000
start_secondary
ended 3
says 'another'

cp a b
begin --link-timeout 1s
kill -KILL "$secondary"
wait "$secondary"
ended 4
says 'link|secondary'
start_secondary
until_true is_up

begin
kill -KILL "$primary"
wait "$primary"
ended 4
says 'primary'
start_primary # its socket file was left behind
until_true is_up
expect_device 0 web1
stop_all
