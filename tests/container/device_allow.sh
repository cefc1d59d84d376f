#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Block devices. As shipped, the services are refused each of them; with block-devices.conf as drop-in, loop
# devices are let in, and with another list of it they are not: it is the list that decides, for the file's own rights
# would let the daemon in.
. tests/container/lib.sh

# check_says WORDS: of b, which cannot read its volume.
check_says()
{
	on b ra-ctl check >out && die "b can read a device that it must not"
	says "$1"
}

hosts
for name in a b; do
	head -c 16777216 /dev/urandom >.$name/disk
done
cp .a/disk .b/disk
attach a .a/disk
attach b .b/disk
boot a "--bind=$T/.a/node:/dev/web1"
boot b "--bind=$T/.b/node:/dev/web1"
configure web1
sed -i 's,/srv/web1,/dev/web1,' a/etc/ra/primary.conf b/etc/ra/secondary.conf
allow_devices a ra-primary.service

start_both # as shipped, b has no devices at all
check_says '/dev/web1 cannot be opened: No such file'
compare 5 web1
says 'remote volume of web1: No such file'

allow_devices b ra-secondary.service /loop/d
on b setpriv --reuid ra --regid ra --groups disk test -r /dev/web1 || die "the rights of the file keep the daemon out"
check_says '/dev/web1 cannot be opened: Operation not permitted'
until_true link_is_up
compare 5 web1
says 'remote volume of web1: Operation not permitted'

allow_devices b ra-secondary.service
until_true link_is_up
compare 0 web1
says '^IDENTICAL: .*direct'
