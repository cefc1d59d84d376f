#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a configuration says reaches its daemon: the limits of each kind on either side, threads, memory, jobs, window,
# track size and io. Each value is another one than the default, and than the others.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 3000000
cp v.a v.b
a_main=$(printf 'track-size = 16K\nda-threads = 5\nlimit = 501M\nlimit-reads = 50001\nlog-level = debug')
b_main=$(printf 'track-size = 16K\nda-threads = 6\nlimit = 601M\nlimit-reads = 60001\ncache = 32M\njobs = 100\nwindow = 7')
a_peer=$(printf 'limit = 502M\nlimit-reads = 50002')
b_peer=$(printf 'limit = 602M\nlimit-reads = 60002\nmax-jobs = 9\nmax-links = 3')
a_device=$(printf 'limit = 503M\nlimit-reads = 50003')
b_device=$(printf 'limit = 603M\nlimit-reads = 60003')
! dd if=v.b of=/dev/null bs=4096 count=1 iflag=direct status=none 2>err || b_device+=$'\nio = direct'
two_hosts v
start_both

# is NAME FILTER WANTED VERB...
is()
{
	local got
	got=$(ctl_json "$1" "$2" "${@:4}")
	[ "$got" = "$3" ] || die "$1: $2 is $got, not $3"
}
limits='[.total, .devices.v, .peers[]] | map("\(.bytes_per_second / 1048576) \(.reads_per_second)") | join(", ")'
is a "$limits" '501 50001, 503 50003, 502 50002' limit
is b "$limits" '601 60001, 603 60003, 602 60002' limit
is a .da.threads 5 status
is b '"\(.da.threads) \(.jobs.free)"' '6 100' status
is a '.links[0].window' 7 links
is b '.peers[0] | "\(.jobs_max) \(.links_max)"' '9 3' links
ctl b cache >out || die "cache"
says '^memory +32 MiB in 2048 slots'
grep -q ': debug: ' a.log || die "a logs no more than usual"
! grep -q ': debug: ' b.log || die "b logs more than usual"
compare 0 --json v
json '"\(.track_size) \(.local.io)"' '16384 buffered'
[ "${b_device%direct}" = "$b_device" ] || json .remote.io direct
