#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 50 ms and 100 Mbit/s away: a compare by data fills the link as well as plain TCP does, one by digest is bound by no
# round trip, and both find what differs.
. tests/functional/far_host.sh
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 25165824 # 24 MiB: 2 s of the link
cp v.a v.b
truncate -s 4G wide.a wide.b
noise tail 1048576
for side in a b; do dd if=tail of=wide.$side bs=1M seek=4095 conv=notrunc status=none; done
far_hosts v wide
start_both
[ "$(plain_ms 1)" -ge $delay_ms ] || die "the relay does not delay"

# By data: the best of three, because plain TCP and the compare are not measured at the same moment.
for round in 1 2 3; do
	plain=$(plain_ms 25165824)
	compare 0 --by data --state none --json v
	own=$(jq '.seconds * 1000 | floor' out)
	echo "24 MiB: plain TCP $plain ms, compare by data $own ms: $((100 * plain / own)) %"
	[ $((100 * plain / own)) -ge 80 ] && break
	[ $round -lt 3 ] || die "the link is not filled"
done
json '.wire_bytes < 25165824 * 1.02' true

# By digest: 65536 tracks, and the link is idle nearly all the time. One run of 256 tracks after the other would be 256
# round trips, 12.8 s.
compare 0 --by digest --state none --json wide
echo "4 GiB, sparse: compare by digest $(jq .seconds out) s, $(jq .wire_bytes out) bytes, $(jq .link.reads out) reads"
json '.seconds < 6' true
json '.wire_bytes < 4194304' true # 0.1 %

change v.b 12345678
compare 1 --by digest --state none --json v
json '.ranges | map([.offset, .length]) | tostring' '[[12345678,1]]'
all_is_idle
