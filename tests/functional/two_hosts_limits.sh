#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Limits from the configuration of either side, from --limit, and changed while they work; a private pair too. What a
# limit holds back is shown and counts in no time-out. Reservation: who is busy, and that it ends with its holder.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 12000000
cp v.a v.b

# takes MIN MAX CODE ARGUMENT...: a compare that takes that many seconds.
takes()
{
	local begun ms min=$1 max=$2
	shift 2
	begun=$(date +%s%N)
	compare "$@"
	ms=$((($(date +%s%N) - begun) / 1000000))
	[ $ms -ge $((min * 1000)) ] || die "${*:2} took only $ms ms"
	[ -n "$SAN" ] || [ $ms -le $((max * 1000)) ] || die "${*:2} took $ms ms"
}
a_device='limit = 4M'
two_hosts v
start_both
takes 2 8 0 --json v
json '.throttled_seconds > 0' true
ctl a limit device v none >/dev/null || die "limit"
compare 0 --json v
json '.throttled_seconds // 0 | . < 0.5' true
[ "$(ctl_json a '.devices.v.bytes_per_second' limit)" = 0 ] || die "a shows another limit"
ctl b limit total 4M >/dev/null || die "limit of b"
takes 2 8 0 --json v
json '.throttled_seconds > 0' true
ctl b limit total none >/dev/null
ctl b limit peer a 100G --reads 1 >/dev/null || die "limit of reads"
takes 1 9 0 --by data --state none v # three reads
ctl b limit peer a none --reads none >/dev/null || die "no limit of reads"
takes 2 8 0 --limit 4M --delivery poll v
begun=$(date +%s)
expect 0 --limit 4M v.a v.b
[ $(($(date +%s) - begun)) -ge 2 ] || die "a private pair is not limited"

# From far too slow to fast while it waits; nothing has timed out.
ctl a limit total 64K >/dev/null
"$RA" --socket "$T/a.sock" --json v >out 2>err &
run=$!
is_held() { [ "$(ctl_json a '.limit.throttled_seconds > 1' status)" = true ]; }
until_true is_held
ctl a limit total none >/dev/null
wait $run || die "the run that was set free"
json '.link.timeouts' 0
json_sums

# Reservation.
ctl a limit total 2M >/dev/null
"$RA" --socket "$T/a.sock" --reserve=ra --json v >out.first 2>err.first &
run=$!
is_reserved() { ctl_json b '.devices[0].reserved_by' devices | grep -q ra-compare; }
until_true is_reserved
compare 6 v
says 'reserved'
kill -KILL $run
wait $run 2>/dev/null
is_free() { [ "$(ctl_json b '.devices[0].reserved_by' devices)" = null ]; }
until_true is_free
ctl a limit total none >/dev/null
compare 0 v
compare 0 --reserve=ra v

# Who may not change a limit.
if id nobody >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
	chmod 755 "$T"
	chmod 666 a.sock
	setpriv --reuid nobody --clear-groups "$BUILD/ra-ctl" --socket "$T/a.sock" status >out 2>err || die "nobody may look"
	setpriv --reuid nobody --clear-groups "$BUILD/ra-ctl" --socket "$T/a.sock" limit total 1M >out 2>err
	[ $? = 2 ] || die "nobody may change a limit"
	says 'root|group'
fi
all_is_idle
