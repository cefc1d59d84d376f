#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# During the run a volume fails in a range, shrinks or grows.
. tests/functional/lib.sh

noise bad 8388608
cp bad good
preload_faults
export RA_FAULT_FILE=bad RA_FAULT=eio:1048576-1114113
for pair in "--by data bad good" "--by data good bad" "bad good" "good bad"; do
	# shellcheck disable=SC2086
	expect 5 --json $pair
	json .tracks.unreadable 2
	json .tracks.identical 126
	json '[.ranges[] | "\(.state) \(.offset)+\(.length)"] | join(", ")' 'unreadable 1048576+131072'
	json '.errors | length > 0' true
	json_sums
done
change good 5000000
expect 1 --json bad good
json .tracks.unreadable 2
json .tracks.different 1
unset RA_FAULT RA_FAULT_FILE

# Reads that hang until the volume has changed its size.
noise a 8388608
for by in digest data; do for change in 4194304 9437184; do
	cp a b
	rm -f release release.hangs
	(
		until_true test -e release.hangs
		truncate -s "$change" b
		: >release
	) &
	export RA_FAULT_FILE=b RA_FAULT=hang:0-8388608 RA_FAULT_RELEASE=$T/release
	if [ "$change" -lt 8388608 ]; then expect 5 --json --by $by a b; else expect 3 --json --by $by a b; fi
	unset RA_FAULT RA_FAULT_FILE RA_FAULT_RELEASE
	wait
	if [ "$change" -lt 8388608 ]; then
		json .tracks.unreadable 64
	else
		json .tracks.identical 128
		json .result not-proven
		says 'grew from'
	fi
done; done
