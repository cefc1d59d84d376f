#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A schedule: the timer of a device starts its comparison, and what came of it is in the journal, in the kept report and
# in the metrics, which are written for node_exporter without being asked. Then the same with a difference. One that is
# stopped has not failed, and the next goes on where it was. A nightly piece ends when its time is over; who is to be
# called is called; and the metrics come by their own timer, too.
. tests/container/lib.sh

# fire DEVICE: its timer is due, at once.
fire()
{
	local before
	before=$(property a "ra-compare@$1.service" InvocationID)
	on a systemctl restart "ra-compare@$1.timer" || die "the timer of $1 does not start"
	until_true has_fired "$1" "$before"
	until_true has_ended "$1"
}
has_fired() { [ "$(property a "ra-compare@$1.service" InvocationID)" != "$2" ]; }
# metric LINE: that is in the file which node_exporter reads.
metric() { grep -qxF -- "$1" "$T/a/var/lib/prometheus/node-exporter/ra-primary.prom" 2>/dev/null; }

pair
configure web1 web2
volume web1 20
volume web2 20
change b/srv/web2 7654321
mkdir -p a/var/lib/prometheus/node-exporter
start_both
for device in web1 web2; do
	on a systemctl enable "ra-compare@$device.timer" 2>/dev/null || die "the timer of $device cannot be enabled"
	printf '[Timer]\nOnCalendar=\nRandomizedDelaySec=0\nOnActiveSec=100ms\nAccuracySec=1ms\n' |
		drop_in a "ra-compare@$device.timer"
done

fire web1
[ "$(property a ra-compare@web1.service Result)" = success ] || die "the run of web1 did not end well"
until_true journal_says a ra-compare@web1.service '^IDENTICAL: '
[ "$(ctl a .result report show web1)" = identical ] || die "no report says that web1 is identical"
until_true metric 'ra_last_run_result{daemon="primary",device="web1",result="identical"} 1'

cp a/usr/share/doc/ra/examples/ra-alert@.service a/etc/systemd/system/
printf '[Unit]\nOnFailure=ra-alert@%%i.service\n' | drop_in a ra-compare@.service
fire web2
until_true journal_says a ra-alert@web2.service 'web2 is not proven: see ra-ctl report show web2'
[ "$(property a ra-compare@web2.service ExecMainStatus)" = 1 ] || die "the run of web2 did not find the difference"
[ "$(property a ra-compare@web2.service NRestarts)" = 0 ] || die "the run of web2 began again though it is proven different"
until_true journal_says a ra-compare@web2.service '^DIFFERENT: '
[ "$(ctl a .result report show web2)" = different ] || die "no report says that web2 is different"
until_true metric 'ra_last_run_result{daemon="primary",device="web2",result="different"} 1'
on a ra-ctl metrics >out || die "no metrics"
says '^ra_last_run_result\{daemon="primary",device="web1",result="identical"\} 1$'

on a ra-ctl limit device web1 2M >/dev/null || die "no limit"
begin web1
on a systemctl stop ra-compare@web1.service || die "it cannot be stopped"
[ "$(property a ra-compare@web1.service ActiveState) $(property a ra-compare@web1.service ExecMainStatus)" = 'inactive 3' ] ||
	die "a stopped comparison counts as failed"
on a ra-ctl limit device web1 none >/dev/null || die "no limit any more"
on a systemctl start ra-compare@web1.service || die "it does not go on"
finish 0 web1
[ "$(ctl a '.resumed_tracks > 0' report show web1)" = true ] || die "it began again"

on a ra-ctl limit device web1 2M >/dev/null || die "no limit"
printf '[Service]\nExecStart=\nExecStart=/usr/bin/ra-compare --max-duration 2s %%i\n' | drop_in a ra-compare-nightly@.service
on a systemctl start ra-compare-nightly@web1.service || die "no nightly piece"
piece=ra-compare-nightly@web1.service
until_true journal_says a $piece '^NOT PROVEN: .* when the time was over'
until_true journal_says a $piece 'Deactivated successfully' # systemd may have forgotten its exit status by now
[ "$(journal a $piece | grep -c '^Started ')" = 1 ] || die "the piece was begun again"

rm a/var/lib/prometheus/node-exporter/ra-primary.prom
on a systemctl start ra-metrics@primary.timer || die "no timer for the metrics"
on b mkdir -p /var/lib/prometheus/node-exporter
on b systemctl start ra-metrics@secondary.timer || die "no timer for the metrics of b"
for file in a/var/lib/prometheus/node-exporter/ra-primary.prom b/var/lib/prometheus/node-exporter/ra-secondary.prom; do
	until_true test -s $file
done
