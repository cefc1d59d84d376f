#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The smallest cache with eight jobs and runs of 64 tracks of data, in each delivery.
. tests/functional/lib.sh

noise a 50000000
cp a b
for delivery in disconnect poll hold; do
	expect 0 --by data --json --cache 16M --jobs 8 --run 64 --delivery $delivery --retry-delay 20ms a b
	json .tracks.identical 763
	json .link.timeouts 0
done
