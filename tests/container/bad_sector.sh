#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A disk of the secondary with one sector that cannot be read: the run finds all other tracks identical, and names the
# range of the one that it could not prove.
. tests/container/lib.sh

for program in nbdkit nbdfuse; do command -v $program >/dev/null || skip "no $program: see scripts/install-deps --test"; done
[ -c /dev/fuse ] || skip "no /dev/fuse"
readonly bad=$((100 * 65536 + 4096)) # in track 100

hosts
head -c 16777216 /dev/urandom >.a/disk
cp .a/disk .b/disk
: >.b/fused
# shellcheck disable=SC2016
nbdfuse .b/fused [ nbdkit --exit-with-parent eval get_size='echo 16M' \
	pread="if [ \$4 -lt $((bad + 512)) ] && [ \$((\$4 + \$3)) -gt $bad ]; then echo EIO bad sector >&2; exit 1; fi
		dd if=$T/.b/disk iflag=skip_bytes,count_bytes,fullblock skip=\$4 count=\$3 status=none bs=64k" ] &
until_true eval '[ "$(stat -c %s .b/fused)" = 16777216 ]'
attach a .a/disk
attach b .b/fused
boot a "--bind=$T/.a/node:/dev/web1"
boot b "--bind=$T/.b/node:/dev/web1"
configure web1
sed -i 's,/srv/web1,/dev/web1,' a/etc/ra/primary.conf b/etc/ra/secondary.conf
allow_devices a ra-primary.service
allow_devices b ra-secondary.service
start_both

compare 5 web1
says "^unreadable: .*offset $((100 * 65536)), 65536 bytes"
on a systemctl start ra-compare@web1.service
finish 5 web1
[ "$(property a ra-compare@web1.service NRestarts)" = 0 ] || die "a volume that cannot be read was tried again"
[ "$(ctl a '.tracks | "\(.identical) \(.unreadable) \(.total)"' report show web1)" = '255 1 256' ] ||
	die "other tracks are unreadable"
[ "$(ctl a '.errors[0] | "\(.status) \(.first_track) \(.track_count)"' report show web1)" = 'VOLUME_ERROR 100 1' ] ||
	die "the error is another one"
