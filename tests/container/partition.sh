#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A network that drops everything for 5 s: the run goes on. One that stays away for longer than --link-timeout: the run
# ends with exit status 4, its unit begins it again, and it goes on where it was.
. tests/container/lib.sh

partition()
{
	ip netns exec b nft 'add table inet cut; add chain inet cut in { type filter hook input priority 0; }
		add rule inet cut in ip saddr 10.77.0.1 drop; add chain inet cut out { type filter hook output priority 0; }
		add rule inet cut out ip daddr 10.77.0.1 drop' || die "nft cannot drop"
}
heal() { ip netns exec b nft delete table inet cut; }
done_tracks() { ctl a "[.runs[] | select(.device == \"$1\") | .done_tracks] | add" status; }
restarts() { property a ra-compare@web1.service NRestarts; }

a_device='limit = 2M'
pair
configure web1
volume web1 60
printf '[Service]\nExecStart=\nExecStart=/usr/bin/ra-compare --link-timeout 8s %%i\nRestartSec=1s\n' |
	drop_in a ra-compare@.service
start_both

begin web1
run=$(property a ra-compare@web1.service MainPID)
partition
sleep 5 # that long it is away
heal
at=$(done_tracks web1)
until_true eval '[ "$(done_tracks web1)" -gt "$at" ]'
[ "$(property a ra-compare@web1.service MainPID)" = "$run" ] || die "5 s have ended the run"

partition
until_true eval '[ "$(restarts)" -gt 0 ]'
heal
journal_says a ra-compare@web1.service 'status=4' || die "the run has not ended with 4"
until_true is_under_way web1
on a ra-ctl limit device web1 none >/dev/null
finish 0 web1
[ "$(ctl a '.result' report show web1)" = identical ] || die "another verdict"
[ "$(ctl a '.resumed_tracks > 0' report show web1)" = true ] || die "the run began anew"
until_true journal_says a ra-compare@web1.service '^IDENTICAL: '
