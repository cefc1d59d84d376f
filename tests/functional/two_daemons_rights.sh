#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What ra-ctl shows and lets whom do, on both daemons; data = never; a private pair's --limit.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 6000000
cp a b
new_site
add_device web1 "$T/a" "$T/b"
start_secondary
start_primary
"$RA" --socket "$T/primary.sock" --limit 1M web1 >run.out 2>run.err &
run=$!
until_true has_jobs
for side in primary secondary; do
	for verb in status devices jobs errors links limit; do
		ctl $side $verb >out 2>err || die "$side $verb"
		[ -s out ] || die "$side $verb prints nothing"
		ctl $side --json $verb >out 2>err || die "$side $verb --json"
		jq -e . out >/dev/null || die "$side $verb --json"
	done
done
ctl secondary cache >out 2>err || die "cache"
ctl secondary jobs web1 >out 2>err || die "jobs"
says 'link'
says '0x[0-9a-f]{16}'
[ "$(ask secondary '.devices[0] | .job_count == (.jobs | length)' jobs)" = true ] || die "the ring"
ctl primary cache >out 2>err && die "a primary has no cache"
says 'no cache'
[ "$(ask primary .daemon status)" = ra-primaryd ] && [ "$(ask secondary .daemon status)" = ra-secondaryd ] || die "status"
[ "$(ask primary .key status)" = "$key_a" ] && [ "$(ask secondary .key status)" = "$key_b" ] || die "the keys"
kill -KILL $run
wait $run
until_true is_idle

ctl primary check web1 >out 2>err || die "check"
ctl primary check >out 2>err || die "check of all"
ctl secondary check >out 2>err || die "check of the secondary"
ctl primary check web9 >out 2>err && die "check of what is not there"
until_true is_idle
mv b away
ctl primary check web1 >out 2>err
[ $? = 1 ] || die "check sees no missing volume"
says FAILED
mv away b

# Whoever may connect may look; a limit is for root.
if [ "$(id -u)" = 0 ] && id nobody >/dev/null 2>&1; then
	for side in primary secondary; do
		ctl $side limit total 100G >out 2>err || die "root may not change a limit"
		chmod 666 $side.sock
		cp "$CTL" ./ra-ctl
		as_nobody() { setpriv --reuid nobody --clear-groups ./ra-ctl --socket "$T/$side.sock" "$@" >out 2>err; }
		as_nobody status || die "nobody may not look"
		as_nobody limit || die "nobody may not look at limits"
		as_nobody limit total 1M
		[ $? = 2 ] || die "nobody may change a limit"
		says 'root'
		[ "$(ask $side '.limit.bytes_per_second' status)" = $((100 << 30)) ] || die "the limit was changed"
	done
fi
stop_all

add_key secondary 'peer a' 'data = never'
start_secondary
start_primary
expect_device 2 web1
says 'digest'
stop_all

begin=$(date +%s%3N)
expect 0 --limit 3M a b
[ $(($(date +%s%3N) - begin)) -ge 1500 ] || die "a private pair is not limited"
