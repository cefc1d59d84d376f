#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The secondary's host loses its power during a run and comes back: the run waits, goes on and has the right verdict, of
# a replica that is identical and of one that is not.
. tests/container/lib.sh

a_device='limit = 3M'
pair
configure web1 web2
volume web1 40
volume web2 40
change b/srv/web2 39000000
start_both

begin web1
begin web2
lose_power b
until_true link_is_down
for device in web1 web2; do is_under_way $device || die "the run of $device has ended with the link"; done
boot b
until_true link_is_up
[ "$(on b journalctl --list-boots -q --no-pager | wc -l)" = 2 ] || die "b was not booted twice"
for device in web1 web2; do
	is_under_way $device || die "the run of $device has ended"
	on a ra-ctl limit device $device none >/dev/null
done
finish 0 web1
finish 1 web2
[ "$(ctl a '.result, .link.relinks' report show web1 | paste -sd ' ')" = 'identical 1' ] || die "another report of web1"
[ "$(ctl a '.result, .link.relinks' report show web2 | paste -sd ' ')" = 'different 1' ] || die "another report of web2"
until_true journal_says a ra-compare@web2.service 39000000
