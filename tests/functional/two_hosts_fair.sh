#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A greedy primary, eight ra-compare with 32 jobs each, beside a polite one, one ra-compare with one job, at one slow
# disk: the polite one keeps at least 40 % of the throughput that it has alone. Each reads tracks of its own, so nobody
# lives on what another has brought into the cache.
# alone: compares the times of two measurements
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a $((600 * 65536))
cp v.a v.b
two_hosts v
keygen polite
sed "s|$T/a\.|$T/polite.|" a.conf >polite.conf
printf '[peer polite]\nkey = %s\ndevices = v\n' "${key[polite]}" >>b.conf

preload_faults
export RA_FAULT_FILE=/v.b RA_FAULT=slow:0-39321600 RA_FAULT_MS=20
start b
preload=
start a
start polite

# The polite one runs three times: $median, in milliseconds.
polite_turns()
{
	local i
	for i in 1 2 3; do
		expect 3 --socket polite.sock --jobs 1 --run 1 --tracks 0-39 --json v # 3: the others were not asked for
		json .tracks.identical 40
		jq '.seconds * 1000 | floor' out >"turn.$i"
	done
	median=$(sort -n turn.? | sed -n 2p)
}
polite_turns
alone=$median

greedy=()
for i in {0..7}; do
	"$RA" --socket a.sock --state none --jobs 32 --run 1 --repeat forever --tracks $((40 + i * 64))-$((103 + i * 64)) v >"out.$i" 2>&1 &
	greedy+=($!)
done
has_many_jobs() { [ "$(ctl_json b .jobs.link status)" = 256 ]; }
until_true has_many_jobs
polite_turns
until_true has_many_jobs # but for the moment between two passes
kill "${greedy[@]}"
wait "${greedy[@]}"

echo "alone $alone ms, beside the greedy one $median ms: it keeps $((100 * alone / median)) %"
[ $((100 * alone / median)) -ge 40 ] || die "the polite one keeps less than 40 %"
