#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A newer package is installed on both hosts during a run: the services that run are started again, and only these; the
# files of /etc/ra stay; the run goes on over the secondary's restart, and is begun again where it was after the primary's.
. tests/container/lib.sh

# upgrade NAME UNIT
upgrade()
{
	local pid
	pid=$(property "$1" "$2" MainPID)
	install_on "$1" next.deb
	on "$1" dpkg-query -W -f '${Version}' ra | grep -q '+next$' || die "$1 has no newer version"
	[ "$(property "$1" "$2" ActiveState)" = active ] || die "$2 of $1 does not run any more"
	[ "$(property "$1" "$2" MainPID)" != "$pid" ] || die "$2 of $1 has its old program"
}

a_device='limit = 3M'
pair
configure web1
volume web1 60
printf '[Service]\nRestartSec=2s\n' | drop_in a ra-compare@.service
start_both
sha256sum a/etc/ra/* b/etc/ra/* >before

begin web1
run=$(property a ra-compare@web1.service MainPID)
upgrade b ra-secondary.service
until_true link_is_up
[ "$(property a ra-compare@web1.service MainPID)" = "$run" ] || die "the run has ended with the secondary"
until_true on a test -s /var/lib/ra/web1/ledger # the place of the run, which is kept each 3 s
upgrade a ra-primary.service
until_true link_is_up
until_true is_under_way web1
on a ra-ctl limit device web1 none >/dev/null
finish 0 web1
[ "$(ctl a '.result, .resumed_tracks > 0' report show web1 | paste -sd ' ')" = 'identical true' ] || die "another report"
sha256sum -c --quiet before || die "configuration or keys have changed"
[ "$(property a ra-secondary.service ActiveState) $(property b ra-primary.service ActiveState)" = 'inactive inactive' ] ||
	die "a service runs that did not"
