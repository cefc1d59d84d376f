#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A reload of a file with a mistake is refused with file and line; the daemon stays as it was, and so does its run. On either
# side. The mended file is taken.
. tests/container/lib.sh

# refused NAME UNIT FILE LINE: that line at its end is refused, with its number.
refused()
{
	local pid line
	pid=$(property "$1" "$2" MainPID)
	cp "$T/$1$3" good
	echo "$4" >>"$T/$1$3"
	line=$(wc -l <"$T/$1$3")
	on "$1" systemctl reload "$2" 2>/dev/null && die "systemctl does not say that $2 refuses its file"
	until_true journal_says "$1" "$2" "$3:$line: "
	on "$1" kill -HUP "$pid" # unasked, it refuses it as well
	until_true journal_says "$1" "$2" "$3 is not taken: "
	[ "$(property "$1" "$2" MainPID)" = "$pid" ] || die "$2 was started again"
	[ "$(property "$1" "$2" ActiveState)" = active ] || die "$2 does not run"
	cp good "$T/$1$3"
}
# taken NAME UNIT
taken()
{
	local before
	before=$(journal "$1" "$2" | grep -c 'read again:')
	on "$1" systemctl reload "$2" || die "$2 refuses what is good"
	until_true has_taken "$1" "$2" "$before"
}
has_taken() { [ "$(journal "$1" "$2" | grep -c 'read again:')" -gt "$3" ]; }

a_device='limit = 4M'
pair
configure web1
volume web1 40
start_both
begin web1
refused a ra-primary.service /etc/ra/primary.conf 'max-lag = soon'
refused b ra-secondary.service /etc/ra/secondary.conf 'offset = 7'
is_under_way web1 || die "the run has ended"
[ "$(ctl a '.links[0].relinks' links)" = 0 ] || die "the link was made anew"
on a ra-ctl limit device web1 none >/dev/null
finish 0 web1
sed -i 's/^limit = 4M/limit = 5M/' a/etc/ra/primary.conf
taken a ra-primary.service
taken b ra-secondary.service
[ "$(ctl a .devices.web1.bytes_per_second limit)" = 5242880 ] || die "the good file was not taken"
compare 0 web1
