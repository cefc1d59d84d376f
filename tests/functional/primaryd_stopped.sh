#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGTERM to a primary with everything under way: reads that run and that a limit holds back, a reservation, a link that
# is down. It ends with 0, at once, and its hosts with 4.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 20000000
cp v.a v.b
two_hosts v
start_both
has_jobs() { [ "$(ctl_json a '.devices[0].jobs' devices)" -gt 0 ]; }
has_host() { [ "$(ctl_json a .hosts status)" = 1 ]; }

# ended: the primary is told to go; both end as they should.
ended()
{
	local begun
	begun=$(date +%s)
	stop a
	[ "$ended" = 0 ] || die "the primary ended with $ended: $(tail -n 5 a.log)"
	[ $(($(date +%s) - begun)) -le 5 ] || die "the primary took $(($(date +%s) - begun)) s to end"
	wait $run
	code=$?
	[ $code = 4 ] || die "exit $code, not 4"
	says 'primary'
}

for delivery in disconnect poll hold; do
	"$RA" --socket "$T/a.sock" --repeat forever --delivery $delivery v >out 2>err &
	run=$!
	until_true has_jobs
	ended
	start a
	until_true link_is_up
done
"$RA" --socket "$T/a.sock" --reserve --limit 100K v >out 2>err &
run=$!
until_true has_jobs
ended
start a
until_true link_is_up
b_is_free() { [ "$(ctl_json b '.devices[0].reserved_by' devices)" = null ]; }
until_true b_is_free

stop b KILL
"$RA" --socket "$T/a.sock" v >out 2>err & # waits for the link
run=$!
until_true has_host
ended
