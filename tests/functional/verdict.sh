#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Equal and damaged volumes in all three deliveries, by digest and by data: verdict, exit status, exact offsets, and
# counters that show that poll polled and disconnect disconnected.
. tests/functional/lib.sh

noise a 20000000
cp a b
cp a c
change c 0
poke c 9999999 XYZ
poke a 9999999 abc
poke b 9999999 abc
change c 19999999

for by in digest data; do for delivery in disconnect poll hold; do
	expect 0 --by $by --delivery "$delivery" a b
	says '^IDENTICAL: '
	expect 0 --json --by $by --delivery "$delivery" a b
	json .format ra-compare/1
	json .result identical
	json .complete true
	json .bytes 20000000
	json .tracks.total 306
	json .tracks.identical 306
	json .link.delivery "$delivery"
	json_sums
	case $delivery in
	disconnect) json '.link.disconnects > 0 and .link.disconnects == .link.reconnects and .link.data_not_found == 0' true ;;
	poll) json '.link.data_not_found > 0 and .link.disconnects == 0' true ;;
	hold) json '.link.disconnects == 0 and .link.reconnects == 0 and .link.data_not_found == 0' true ;;
	esac
	if [ $by = data ]; then json '.wire_bytes > 20000000' true; else json '.wire_bytes < 100000' true; fi
	expect 1 --settle 0 --by $by --delivery "$delivery" a c
	says '^DIFFERENT: '
	expect 1 --json --settle-delay 1ms --by $by --delivery "$delivery" a c
	json .result different
	json .tracks.different 3
	json '[.ranges[] | "\(.state) \(.offset)+\(.length) \(.exact)"] | join(", ")' \
		'different 0+1 true, different 9999999+3 true, different 19999999+1 true'
	json_sums
done; done
for by in digest data; do
	expect 0 --by $by --jobs 1 --run 1 a b
	expect 0 --by $by --jobs 64 --run 4 a b
done
expect 1 --settle 0 --exact 1 --json a c
# Which of the three is found first, and so told by its bytes, is not said: streams overtake each other.
json '[.ranges[] | .exact] | sort | join(",")' false,false,true
json '[.ranges[] | select(.exact | not) | .offset % 65536] | unique | join(",")' 0
json '[.ranges[] | .exact == (.length < 4)] | unique | join(",")' true
