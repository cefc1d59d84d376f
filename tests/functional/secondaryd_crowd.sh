#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A thousand connections that say nothing, and others that say a byte at a time, hold up their handshake or come without
# a certificate, beside an honest compare, which keeps its link, and honest newcomers. Then out of descriptors: who is
# connected goes on, and accepting does when there are descriptors again.
. tests/functional/hosts.sh
. tests/functional/lib.sh
prlimit --nofile=2500:2500 --pid $$ 2>/dev/null || { [ "$(ulimit -n)" -ge 2500 ] || {
	echo "2500 descriptors are needed, $(ulimit -Hn) are allowed"
	exit 77
}; }

noise v.a 20000000
cp v.a v.b
noise w.a 10000000
cp w.a w.b
two_hosts v w
start_both
pid=${daemon[b]}
status() { ctl_json b "$1" status; }
descriptors() { find "/proc/$pid/fd" -type l | wc -l; }
compare 0 v
compare 0 w # from now on the locks of their invalid tracks are held
all_is_idle
before=$(descriptors)

# crowd KIND COUNT: returns when all of them were connected once.
declare -A crowd
crowd()
{
	: >"crowd.$1"
	"$BUILD/tests/crowd" "$port" "$1" "$2" >"crowd.$1" 2>/dev/null &
	crowd[$1]=$!
	until_true grep -q full "crowd.$1"
}
leave()
{
	kill "${crowd[@]}"
	wait "${crowd[@]}" 2>/dev/null
	crowd=()
}
ctl b limit device w 2M >/dev/null || die "limit"
"$RA" --socket "$T/a.sock" --json w >long.out 2>long.err & # 5 s, in the middle of it all
long=$!
until_true grep -q 'Hello accepted' b.log
crowd silent 1000
crowd bytes 50
crowd handshake 50
crowd anonymous 20
[ "$(status .connections.strangers)" -le 512 ] || die "more strangers than 512: $(status .connections.strangers)"
is_crowded() { [ "$(status '.connections | .open >= 500 and .dropped >= 600')" = true ]; }
until_true is_crowded
lines=$(grep -c 'too many others come' b.log)
[ "$lines" -ge 1 ] && [ "$lines" -le 40 ] || die "$lines lines about the crowd"
for i in 1 2 3; do
	compare 0 v
	timeout 60 "$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" v >read 2>err || die "an honest newcomer is kept out"
	cmp read v.b || die "other bytes"
done
wait $long || die "the long compare: exit $?"
cp long.out out
json .result identical
json .link.relinks 0
rss_kib=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status")
# The cache, 32 MiB, and 128 KiB for each of 512 strangers.
[ -n "$SAN" ] || [ "$rss_kib" -le $((160 * 1024)) ] || die "$rss_kib KiB of memory"
leave
is_quiet() { [ "$(status .connections.open)" = 1 ] && [ "$(descriptors)" -le "$before" ]; }
until_true is_quiet
all_is_idle

# Out of descriptors.
: >b.log
limit=$(($(descriptors) + 30))
prlimit --nofile=$limit:$limit --pid "$pid" || die "prlimit"
crowd silent 100
until_true grep -qE 'cannot accept.*Too many open files' b.log
[ "$(grep -c 'cannot accept' b.log)" -le 3 ] || die "it is said again and again"
link_is_up || die "the link is lost"
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
used=$(ticks)
sleep 1
[ -n "$SAN" ] || [ $(($(ticks) - used)) -le 50 ] || die "it spins: $(($(ticks) - used)) ticks in a second"
leave
until_true timeout 60 "$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" v >read 2>err
compare 0 v
until_true is_quiet
all_is_idle
