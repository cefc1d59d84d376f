#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Sparse volumes cost their data, not their size: a tebibyte with 256 MiB of data in 256 places, in few reads, with
# little memory. Zeros that were written are the same as holes, and what differs inside a hole is found.
. tests/functional/lib.sh

size=$(((1 << 40) + 12345))
truncate -s $size a 2>/dev/null || { echo "no files of 1 TiB here"; exit 77; }
run=
trap '[ -z "$run" ] || kill -KILL $run 2>/dev/null' EXIT
noise data 268435456
place() { echo $(($1 * 4294967296 + $1 * 777000)); } # not at the beginning of a track
for ((i = 0; i < 256; i++)); do
	dd if=data of=a bs=1M skip=$i count=1 seek="$(place $i)" oflag=seek_bytes conv=notrunc status=none
done
cp --sparse=always a b

# Two reads for each island, which has a part of a track at each end, and some of holes; where all is slow, more.
reads_max=$([ -z "$SAN" ] && echo 900 || echo 1500)
expect 0 --json a b
json .tracks.total 16777217
json .tracks.identical 16777217
json .bytes $size
json ".hole_bytes > $((size - 300000000))" true
json ".link.reads < $reads_max" true
json '.wire_bytes < 2000000' true
expect 3 --json --tracks 70000-16000000 a b
json .tracks.identical 15930001
json ".link.reads < $reads_max" true
json_sums

# While passes follow each other.
"$RA" --repeat forever a b >out 2>err &
run=$!
until_true grep -q '^pass 2: IDENTICAL' err
# shellcheck disable=SC2046
small_enough $run $(pgrep -P $run)
kill -INT $run
wait $run
code=$?
[ $code = 3 ] || die "exit $code at ^C"
run=

# A difference in a hole of one side.
poke b $((800 * 4294967296 / 256 + 5000)) hole
for pair in "a b" "b a"; do
	# shellcheck disable=SC2086
	{
		expect 1 --settle 0 --json $pair
		json '[.ranges[] | "\(.offset)+\(.length) \(.exact)"] | join(", ")' "$((800 * 4294967296 / 256 + 5000))+4 true"
		json .tracks.identical 16777216
		expect 1 --settle-delay 1ms $pair
		says 'side is zero'
	}
done
poke b $((size - 3)) end
expect 1 --settle 0 --json a b
json '[.ranges[] | "\(.offset)+\(.length)"] | last' "$((size - 3))+3"
rm a b

# Written zeros on one side, holes on the other.
truncate -s 64M holes
poke holes 30000000 'some data'
cp --sparse=never holes zeros
for pair in "holes zeros" "zeros holes"; do
	for by in digest data; do
		# shellcheck disable=SC2086
		expect 0 --json --by $by $pair
		json .tracks.identical 1024
		json '.hole_bytes > 66000000' true
		json '.wire_bytes < 200000' true
	done
done
change zeros 50000000
expect 1 --settle 0 --json holes zeros
json '[.ranges[] | "\(.offset)+\(.length) \(.shape)"] | join(", ")' '50000000+1 local-zero'
