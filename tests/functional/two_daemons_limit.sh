#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Limits of the configuration, of a run, and changed while it works, on either daemon: the lowest applies, the time is
# shown, nothing times out.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 8000000
cp a b
new_site
add_device web1 "$T/a" "$T/b"
add_key primary 'device web1' 'limit = 4000000'
start_secondary
start_primary

# took MS_MIN MS_MAX ARGUMENT...: a run must take so long
took()
{
	local begin end
	begin=$(date +%s%3N)
	expect_device 0 web1 "${@:3}"
	end=$(date +%s%3N)
	[ $((end - begin)) -ge "$1" ] && [ $((end - begin)) -le "$2" ] || die "took $((end - begin)) ms, not $1 to $2"
}

took 1200 8000
[ "$(ask primary '.devices.web1.throttled_seconds > 0' limit)" = true ] || die "no throttled time"
took 3200 16000 --limit 2000000
ctl primary limit device web1 none >out || die "ra-ctl limit"
[ "$(ask primary '.devices.web1.bytes_per_second' limit)" = 0 ] || die "the limit stays"
took 0 5000
ctl secondary limit total 4000000 >out || die "ra-ctl limit"
took 1200 8000
ctl secondary limit total none >out || die "ra-ctl limit"
ctl primary limit peer b 4000000 >out || die "ra-ctl limit"
took 1200 8000

# A run that would take minutes is let go.
ctl primary limit peer b 50000 >out || die "ra-ctl limit"
"$RA" --socket "$T/primary.sock" web1 >out 2>err &
run=$!
is_held() { [ "$(ask primary '.peers.b.throttled_seconds > 2' limit)" = true ]; }
until_true is_held
ctl primary limit peer b none >run.out || die "ra-ctl limit"
wait $run || die "exit $?"
says '^IDENTICAL'
[ "$(ask primary .errors_total status)" = 0 ] || die "errors were posted"
stop_all
