#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Volumes of which only a part is compared: a DRBD-like one (data, then 128 KiB of metadata) against a bare one, offset
# and length, --common-size, and what the verdict says of the rest.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise bare 10000000
cp bare v.b
cp bare v.a
noise metadata 131072
cat metadata >>v.b # the replica has its metadata behind the data
two_hosts v
start_both
compare 1 --json v
json '.ranges | length' 1
json '.ranges[0] | "\(.offset)+\(.length)"' 10000000+131072
compare 2 --common-size v
says 'the part compared is the common part, it is of all of both; --restart'
compare 0 --json --common-size --restart v
json .result identical
json .bytes 10000000
json .remote.outside_after 131072
json .local.outside_after 0
compare 0 --common-size v
says '128 KiB|131072 bytes'
stop b
sed -i 's|^volume = .*v\.b|&\nlength = common|' b.conf
start b
until_true link_is_up
compare 0 --restart v
says '131072|128 KiB'
change v.b 9999999
compare 1 --json v
json '.ranges[0] | "\(.offset)+\(.length) \(.exact)"' '9999999+1 true'
cp bare v.b

# An offset on one side: 1 MiB of something, then the data.
stop b
{
	noise head 1048576
	cat head bare metadata
} >v.b
sed -i 's|^length = common|offset = 1M\nlength = 10000000|' b.conf
start b
until_true link_is_up
compare 2 v # other places of the volume than the ledger knows
says 'the ledger of v is not used: .*; --restart starts over'
compare 0 --restart v
for delivery in disconnect poll hold; do
	compare 0 --json --restart --delivery $delivery v
	json .bytes 10000000
	json .remote.outside_before 1048576
	json .remote.outside_after 131072
done
compare 0 v
ctl a check v >out 2>err || die "check"
says '1 MiB|1048576'
stop b
sed -i 's|^length = 10000000|length = 100M|' b.conf
start b
until_true link_is_up
compare 5 v
says 'ends before'
