#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A configured secondary holds a volume open only while a primary has it, whatever ends that; a volume may come and go
# while nobody has it; a limit changed live; the end of the daemon in the middle of reads and with a volume that hangs.
. tests/functional/hosts.sh
. tests/functional/lib.sh
: >out

noise v.b 3000000
noise w.b 3000000
two_hosts v w gone
start b
pid=${daemon[b]}

# reads CODE DEVICE
reads()
{
	timeout 60 "$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" "$2" >read 2>err
	local got=$?
	[ $got = "$1" ] || die "reader of $2: exit $got, not $1"
}
# stays DEVICE: a reader that has read it and keeps it.
stays()
{
	: >err.stay
	"$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" "$1" --stay >read 2>err.stay &
	reader=$!
	until_true grep -q staying err.stay
}
device() { ctl_json b ".devices[] | select(.name == \"$1\") | $2" devices; }
is_closed() { [ "$(device "$1" '"\(.state) \(.users) \(.jobs)"')" = 'closed 0 0' ] && ! has_open b "/$1\\.b\$"; }

is_closed v || die "it is open before anybody asked"
stays v
has_open b '/v\.b$' || die "it is not open while it is used"
! has_open b '/w\.b$' || die "a volume that nobody uses is open"
[ "$(device v '"\(.state) \(.ready) \(.users) \(.jobs)"')" = 'open true 1 1' ] || die "$(device v .)"
[ "$(device v .volume.bytes)" = 3000000 ] || die "its size is not shown"
[ "$(ctl_json b '.devices[0].jobs[0] | "\(.kind) \(.state) \(.active) \(.peer)"' jobs v)" = 'link idle true a' ] ||
	die "the job is shown otherwise"
ctl b jobs no-such-device >out 2>err
[ $? != 0 ] || die "jobs of a device that is not there"
says no-such-device
for fd in /proc/"$pid"/fd/*; do # read-only, whatever is a volume
	[[ $(readlink "$fd") != *.b ]] || [ $((8#$(awk '/^flags/ { print $2 }' "/proc/$pid/fdinfo/${fd##*/}") & 3)) = 0 ] ||
		die "a volume is open for writing"
done
kill -KILL "$reader"
wait "$reader" 2>/dev/null
until_true is_closed v
until_true b_is_idle

# Nobody has it: it may go, come back as another, and grow.
mv v.b away
reads 1 v
says 'VOLUME_ERROR'
until_true is_closed v
reads 1 gone
says 'VOLUME_ERROR'
noise v.b 5000000
reads 0 v
cmp read v.b || die "other bytes"
[ "$(ctl_json b '.errors.VOLUME_ERROR' status)" = 2 ] || die "posted errors: $(ctl_json b .errors status)"
[ "$(ctl_json b '[.errors[].device] | join(",")' errors)" = gone,v ] || die "the errors are not the last two"
until_true b_is_idle

# A limit holds back what is read, and is lifted while it does.
ctl b limit device v 64K >/dev/null || die "limit"
timeout 60 "$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" v >read 2>err &
reader=$!
is_held() { [ "$(ctl_json b '.devices[0].jobs[0].state' jobs v)" = throttled ]; }
until_true is_held
ctl b limit device v none >/dev/null || die "no limit"
wait "$reader" || die "the reader that was set free: exit $?"
cmp read v.b || die "other bytes"
[ "$(ctl_json b '.devices.v.throttled_seconds > 0' limit)" = true ] || die "the wait is not shown"

# The end comes in the middle of reads.
noise v.b 200000000
ctl b limit total 20M >/dev/null || die "limit"
"$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" v >read 2>err &
reader=$!
has_job() { [ "$(ctl_json b .jobs.link status)" = 1 ]; }
until_true has_job
stop b
[ "$ended" = 0 ] || die "exit $ended at SIGTERM"
wait "$reader"
[ $? = 4 ] || die "the reader does not see that the link is lost"

# A read hangs for ever: the daemon answers, and ends all the same.
preload_faults
export RA_FAULT=hang:0-65536 RA_FAULT_RELEASE=$T/never RA_FAULT_FILE=/w.b
start b
"$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" w >read 2>err &
reader=$!
hangs() { [ "$(ctl_json b .da.running status)" -ge 1 ]; }
until_true hangs
ctl b devices >/dev/null || die "it does not answer while a volume hangs"
begun=$SECONDS
stop b
[ "$ended" = 0 ] || die "exit $ended with a volume that hangs"
[ $((SECONDS - begun)) -le 8 ] || die "the end took $((SECONDS - begun)) s"
grep -q 'hangs: leaving it behind' b.log || die "it does not say what it leaves behind"
wait "$reader"
[ $? = 4 ] || die "the reader does not see that the link is lost"
