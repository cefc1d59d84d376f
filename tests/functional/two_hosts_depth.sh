#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Four reads of one volume are under way at a time on either side: of a file, and of a block device where there can be
# one. They are counted while the disks hang.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 32M
cp v.a v.b
two_hosts v
preload_faults
export RA_FAULT=hang:0-33554432 RA_FAULT_RELEASE=$T/go

# Of one device, because there is only one.
has_four() { [ "$(ctl_json "$1" .da.running status)" = 4 ]; }
# measure FILE-OF-A
measure()
{
	rm -rf go a.state
	RA_FAULT_FILE=/v.b start b
	RA_FAULT_FILE=$1 start a
	until_true link_is_up
	"$RA" --socket "$T/a.sock" --json v >out 2>err &
	run=$!
	until_true has_four a
	until_true has_four b
	touch go
	wait $run || die "the run: exit $?"
	json .link.timeouts 0
	stop a
	stop b
}
measure /v.a
[ "$(id -u)" = 0 ] && loop=$(losetup -f --show -r v.a 2>err) || { echo "without a loop device"; exit 0; }
trap 'stop_all; losetup -d "$loop"' EXIT
sed -i "s|^volume = .*/v.a\$|volume = $loop|" a.conf
measure "$loop"
json .local.io direct
