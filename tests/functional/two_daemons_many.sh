#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 16 ra-compare at once on one device and on 16, the most links and jobs of a peer, and that all is given back.
. tests/functional/lib.sh
. tests/functional/daemons.sh

new_site
devices=()
for n in {1..16}; do
	noise "a$n" 4000000
	cp "a$n" "b$n"
	add_device "web$n" "$T/a$n" "$T/b$n"
	devices+=("web$n")
done
poke b7 100000 "$(printf 'damage%s' "$RANDOM")"
start_secondary
start_primary

# at_once DEVICE...: one compare for each; web7 must differ.
at_once()
{
	local n=0 want code runs=()
	for device; do
		n=$((n + 1))
		"$RA" --socket "$T/primary.sock" --json "$device" >"out.$n" 2>"err.$n" &
		runs+=($!)
	done
	n=0
	for device; do
		n=$((n + 1))
		wait "${runs[n - 1]}"
		code=$?
		[ "$device" = web7 ] && want=1 || want=0
		[ $code = $want ] || die "compare $n of $device: exit $code: $(cat "err.$n")"
	done
	until_true is_idle
}
at_once web1 web1 web1 web1 web1 web1 web1 web1 web1 web1 web1 web1 web1 web1 web1 web1
at_once "${devices[@]}"
stop_all

# A peer's most jobs: a stream too many is refused, and says so.
add_key secondary 'peer a' 'max-jobs = 4'
add_key secondary 'peer a' 'max-links = 1'
start_secondary
start_primary
expect_device 0 --jobs 4 web1
expect_device 3 --jobs 5 --json web2
json_sums
jq -r '.errors[].text' out >words
grep -q 'NO_FREE_JOB.*most jobs' words || die "the refusal is not told: $(cat words)"
[ "$(ask secondary '.peers[0].jobs_max' links)" = 4 ] || die "the most jobs are not shown"

# A second link of the same peer is refused, and the first goes on.
sed "s|primary.sock|third.sock|" primary.conf >third.conf
"$BUILD/ra-primaryd" --config "$T/third.conf" 2>third.log &
third=$!
trap 'kill -KILL $third $secondary $primary 2>/dev/null' EXIT
is_refused() { [ "$(ask secondary '.peers[0].links_refused' links)" -ge 1 ]; }
until_true is_refused
[ "$(ask secondary '.peers[0].links' links)" = 1 ] || die "more than one link"
expect_device 0 --jobs 4 web1
expect 4 --socket "$T/third.sock" --link-timeout 1s web1
stop $third
stop_all
