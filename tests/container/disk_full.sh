#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# No space where the primary keeps its state: a run still has its verdict, and says what could not be kept; nothing crashes.
# Then there is space, and the next run keeps everything.
. tests/container/lib.sh

pair
configure web1
volume web1 20
start_both
on a systemctl stop ra-primary.service
on a mount -t tmpfs -o size=128k,mode=750,uid="$(on a id -u ra)",gid="$(on a id -g ra)" state /var/lib/ra || die "no mount"
head -c 1000000 /dev/zero | on a bash -c 'cat >/var/lib/ra/fill' 2>/dev/null && die "there is space"
on a systemctl start ra-primary.service || die "ra-primary does not start without space"
until_true link_is_up
pid=$(property a ra-primary.service MainPID)

compare 0 web1
says 'the place of this run cannot be kept: .*/web1/ledger: No space left on device'
says 'this report is not kept .*: No space left on device'
says '^IDENTICAL: '
on a systemctl start ra-compare@web1.service
finish 0 web1
change b/srv/web1 5000
compare 1 web1
[ "$(property a ra-primary.service MainPID)" = "$pid" ] || die "the primary was started again"

on a rm /var/lib/ra/fill
compare 1 web1
grep -q 'No space' out && die "there is space, but the run says that there is none"
[ "$(ctl a .result report show web1)" = different ] || die "no report was kept"
on a ra-ctl proof web1 >out || die "no proof was kept"
on a test -s /var/lib/ra/web1/ledger || die "no ledger was kept"
[ "$(property a ra-primary.service MainPID)" = "$pid" ] || die "the primary was started again"
