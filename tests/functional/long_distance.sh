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
noise large.a 536870912
ln -s large.a large.b
truncate -s 1T holes.a
dd if=v.a of=holes.a bs=1M count=1 seek=700000 conv=notrunc status=none
ln -s holes.a holes.b
far_hosts v large holes
start_both
[ "$(plain_ms 1)" -ge $delay_ms ] || die "the relay does not delay"

# By data: the best of three, because plain TCP and the compare are not measured at the same moment. Sanitizers may need
# longer than the link.
for round in 1 2 3; do
	plain=$(plain_ms 25165824)
	compare 0 --by data --state none --json v
	own=$(jq '.seconds * 1000 | floor' out)
	echo "24 MiB: plain TCP $plain ms, compare by data $own ms: $((100 * plain / own)) %"
	[ -n "$SAN" ] || [ $((100 * plain / own)) -ge 80 ] && break
	[ $round -lt 3 ] || die "the link is not filled"
done
json '.wire_bytes < 25165824 * 1.02' true

# By digest the link is idle nearly all the time. In runs of 1 MiB it would be 512 reads.
compare 0 --by digest --state none --json large
echo "512 MiB: compare by digest $(jq .seconds out) s, $(jq .wire_bytes out) bytes, $(jq .link.reads out) reads"
json '.link.reads < 250' true
json '.wire_bytes < 536870912 / 1000' true
compare 0 --by digest --state none --json holes
echo "1 TiB, of which 1 MiB is data: compare by digest $(jq .seconds out) s, $(jq .link.reads out) reads"
json '.link.reads < 64' true

change v.b 12345678
compare 1 --by digest --state none --json v
json '.ranges | map([.offset, .length]) | tostring' '[[12345678,1]]'
all_is_idle
