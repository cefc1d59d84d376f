#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# An event loop that stands still is seen by systemd, which starts the daemon again; a run goes on over that. On either
# side.
. tests/container/lib.sh

restarts() { property "$1" "$2" NRestarts; }
# hang NAME UNIT: its main process does nothing any more.
hang()
{
	local pid before
	before=$(restarts "$1" "$2")
	pid=$(property "$1" "$2" MainPID)
	on "$1" bash -c "kill -STOP $pid"
	until_true was_restarted "$1" "$2" "$before"
	[ "$(property "$1" "$2" MainPID)" != "$pid" ] || die "$2 still has its old process"
	journal_says "$1" "$2" 'Watchdog timeout' || die "it was not the watchdog that ended $2"
}
was_restarted() { [ "$(restarts "$1" "$2")" = $(($3 + 1)) ] && [ "$(property "$1" "$2" ActiveState)" = active ]; }

a_device='limit = 4M'
pair
configure web1
volume web1 60
for unit in a/ra-primary b/ra-secondary; do
	printf '[Service]\nWatchdogSec=1s\nRestartSec=100ms\n' | drop_in "${unit%/*}" "${unit#*/}.service"
done
printf '[Service]\nRestartSec=2s\n' | drop_in a ra-compare@.service
start_both

begin web1
hang b ra-secondary.service
until_true link_is_up
is_under_way web1 || die "the run has not gone on without the secondary"
until_true on a test -s /var/lib/ra/web1/ledger # the place of the run, which is kept each 3 s
hang a ra-primary.service # the run ends, for its daemon is gone, and its unit begins it again where it was
until_true is_under_way web1
[ "$(restarts a ra-compare@web1.service)" -gt 0 ] || die "the run was not begun again"
on a ra-ctl limit device web1 none >/dev/null
finish 0 web1
[ "$(ctl a '.resumed_tracks > 0' report show web1)" = true ] || die "the run began anew"
until_true journal_says a ra-compare@web1.service '^IDENTICAL: .*'
