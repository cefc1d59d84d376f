#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# yield = on: while somebody else keeps the disk of one side busy, that side's reads pause, and ra-ctl tells; the other
# side's do not. All is compared, and nothing times out.
# alone: how long reads of an idle disk take is what it goes by
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 80M
cp v.a v.b
a_device='yield = on'
b_device='yield = on'
two_hosts v
preload_faults
export RA_FAULT=busy:50000000-70000000 RA_FAULT_MS=40
yielded() { ctl_json "$1" '.devices[0].yielded_seconds' devices; }

for sides in 'a b' 'b a'; do
	read -r busy idle <<<"$sides"
	export RA_FAULT_FILE=/v.$busy
	start_both
	[ "$(yielded $busy)" = 0 ] || die "$busy has yielded $(yielded $busy) s before the first read"
	compare 0 --json v
	json .link.timeouts 0
	[ "$(ctl_json $busy '.devices[0].yielded_seconds > 0.5' devices)" = true ] || die "$busy has yielded $(yielded $busy) s"
	ctl $busy devices >out || die "devices of $busy"
	says 'YIELDED'
	[ "$(yielded $idle)" = 0 ] || die "$idle, which is idle, has yielded $(yielded $idle) s"
	all_is_idle
	stop a
	stop b
done
