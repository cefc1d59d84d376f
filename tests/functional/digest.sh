#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compare by digest: every report names what it goes by, hardly anything crosses the link, and a difference has its exact
# bytes all the same: in each delivery, where sizes are unequal, where the first difference is final, with a small cache.
. tests/functional/lib.sh

noise a 20000000
cp a b
cp a c
change c 9999999

# ---- What it goes by is told ----

# by ARGUMENT WAY DIGEST: an identical and a differing run, as text and as JSON.
by()
{
	local digest=$3
	[ "$2" = digest ] || digest=data
	# shellcheck disable=SC2086
	{
		expect 0 $1 a b
		says "^IDENTICAL: 20000000 bytes .*; by $digest\)\.$"
		expect 1 $1 --settle 0 a c
		says "^DIFFERENT: 1 of 306 tracks .*; by $digest\)\.$"
		expect 1 $1 --settle-delay 1ms --json a c
	}
	json '"\(.by) \(.digest)"' "$2 $3"
	json '[.ranges[] | "\(.state) \(.offset)+\(.length) \(.exact) \(.shape)"] | join(", ")' 'different 9999999+1 true data'
	json_sums
}
by '' digest xxh3-128
by --digest=sha256 digest sha256
by --by=data data null
for delivery in disconnect poll hold; do
	expect 0 --json --delivery $delivery a b
	json .tracks.identical 306
	expect 1 --settle 0 --json --digest sha256 --run 7 --delivery $delivery a c
	json '.ranges[0] | "\(.offset)+\(.length)"' 9999999+1
done

# ---- The first difference is final ----

# Digests that differ are then read as data once, for the bytes. All of it is of one moment.
expect 1 --reserve=exclusive --json a c
json .as_of moment
json '[.ranges[] | "\(.offset)+\(.length) \(.exact) \(.confirmed)"] | join(", ")' '9999999+1 true 0'
cp a d
for ((i = 0; i < 20; i++)); do change d $((i * 1000000 + i)); done
for exact in 7 1024; do
	expect 1 --settle 0 --exact $exact --json a d
	json .tracks.different 20
	json '[.ranges[] | select(.exact)] | length' $((exact < 20 ? exact : 20))
	json '[.ranges[] | select(.exact) | .offset % 1000001 == 0 and .length == 1] | all' true
done

# ---- Unequal sizes, cut in the middle of a track ----

noise short $((65536 * 3 + 100))
noise tail 200000
cat short tail >longer
for pair in "short longer" "longer short"; do
	# shellcheck disable=SC2086
	{
		expect 1 --json $pair
		json '[.ranges[] | "\(.state) \(.offset)+\(.length)"] | join(", ")' 'different 196708+200000'
		json .tracks.identical 3
		expect 0 --common-size --json $pair
		json .tracks.identical 4
		json .bytes 196708
	}
done
change longer 196707 # the last byte that both have
for pair in "short longer" "longer short"; do
	# shellcheck disable=SC2086
	{
		expect 1 --settle 0 --common-size --json $pair
		json '.ranges[0] | "\(.offset)+\(.length) \(.exact)"' '196707+1 true'
		expect 1 --settle 0 --json $pair
		json '[.ranges[] | "\(.offset)+\(.length)"] | join(", ")' '196707+1, 196708+200000'
	}
done

# ---- The largest runs, with the smallest cache ----

for digest in xxh3-128 sha256; do
	expect 0 --json --cache 16M --jobs 64 --run 1024 --digest $digest --track-size 4K a b
	json .tracks.identical 4883
	json .link.timeouts 0
	expect 1 --settle 0 --json --cache 16M --run 1024 --digest $digest --track-size 1M a c
	json '.ranges[0] | "\(.offset)+\(.length)"' 9999999+1
done

# ---- What crosses the link ----

noise large 268435456
cp large copy
for digest in xxh3-128 sha256; do
	expect 0 --json --digest $digest large copy
	json '.wire_bytes <= 268435456 / 1000' true
	json '.bytes' 268435456
done
change copy 123456789
expect 1 --json --settle 1 large copy
json '.ranges[0] | "\(.offset)+\(.length)"' 123456789+1
json '.wire_bytes <= 268435456 / 1000 + 262144' true # and the track, in each round
