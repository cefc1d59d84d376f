#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Volumes of which only a part is compared: a DRBD-like one (data, then 128 KiB of metadata) against a bare one, offset
# and length, --common-size, and what the verdict says of the rest.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 10000000
noise metadata 131072
cat a metadata >b # the replica has its metadata behind the data
new_site
add_device web1 "$T/a" "$T/b"
start_secondary
start_primary
# again LINE: the secondary with this line in the device's section
again()
{
	stop "$secondary"
	sed -i '/^volume = /q' secondary.conf
	printf "$1\n" >>secondary.conf
	start_secondary
	until_true is_up
}

expect_device 1 --json web1
json '.ranges[] | "\(.offset)+\(.length)"' 10000000+131072
expect_device 0 --json --common-size web1
json .result identical
json .bytes 10000000
json .remote.outside_after 131072
json .local.outside_after 0
expect_device 0 --common-size web1
says '131072|128 KiB'
again 'length = common'
expect_device 0 web1
says '131072|128 KiB'
poke b 9999999 "$(tail -c 1 a | tr '\000-\377' '\001-\377\000')"
expect_device 1 --json web1
json '.ranges[] | "\(.offset)+\(.length) \(.exact)"' '9999999+1 true'

# An offset on one side: 1 MiB of something, then the data.
noise head 1048576
cat head a metadata >b
again 'offset = 1M\nlength = 10000000'
for delivery in disconnect poll hold; do
	expect_device 0 --json --delivery $delivery web1
	json .bytes 10000000
	json .remote.outside_before 1048576
	json .remote.outside_after 131072
done
expect_device 0 web1
says '1048576|1 MiB'
ctl primary check web1 >out 2>err || die "check"
says '1 MiB|1048576'
again 'length = 100M'
expect_device 5 web1
says 'ends before'
stop_all
