#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Unequal, empty, short and sparse volumes, by digest and by data.
. tests/functional/lib.sh

with() { expect "$1" --by "$by" "${@:2}"; }

# sizes digest|data
sizes()
{
	local by=$1

	: >empty
	with 0 empty empty
	says '^IDENTICAL: 0 bytes'
	noise tiny 1000
	cp tiny tiny2
	with 0 --json tiny tiny2
	json .bytes 1000
	json .tracks.total 1
	with 1 --json tiny empty
	json '.ranges[0] | "\(.offset)+\(.length)"' 0+1000
	change tiny2 999
	with 1 --settle 0 --json tiny tiny2
	json '.ranges[0] | "\(.offset)+\(.length)"' 999+1

	noise short $((65536 * 3 + 100))
	cp short short2
	with 0 --json short short2
	json .tracks.total 4

	cp short longer
	noise tail 200000
	cat tail >>longer
	for pair in "short longer" "longer short"; do
		# shellcheck disable=SC2086
		with 1 --json $pair
		json '[.ranges[] | "\(.state) \(.offset)+\(.length)"] | join(", ")' 'different 196708+200000'
		json_sums
	done
	with 1 short longer
	says 'longer'
	says 'common-size leaves it out'
	for pair in "short longer" "longer short"; do
		# shellcheck disable=SC2086
		with 0 --common-size --json $pair
		json .tracks.total 4
		json '.local.outside_after + .remote.outside_after' 200000
		json_sums
	done
	with 0 --common-size short longer
	says '^IDENTICAL: 196708 bytes .* outside what is compared: the last 200000 bytes of longer \(from offset 196708\)'
	poke longer 196000 x!
	with 1 --settle 0 --common-size short longer
	says 'the last 200000 bytes of longer'
	with 2 --common-size short empty
	says 'nothing in common'

	truncate -s 1G sparse
	poke sparse 500000000 data
	cp --sparse=always sparse sparse2
	truncate -s 1G sparse3
	with 0 --json sparse sparse2
	json '.hole_bytes > 1000000000' true
	json '.wire_bytes < 10000000' true
	with 1 --settle 0 --json sparse sparse3
	json '.ranges[0] | "\(.offset)+\(.length)"' 500000000+4
	head -c 1048576 /dev/zero >zeros
	truncate -s 1048576 hole
	with 0 zeros hole
	for size in 4K 1M; do with 0 --track-size $size short short2; done
}
sizes digest
sizes data
