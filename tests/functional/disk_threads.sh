#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Whatever may take as long as a disk (open, size, holes, advice, reads, locks, close) happens on the threads of the disk
# adapter, never on that of the loop: private and configured daemons, files and a block device.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise volume.a 8M
truncate -s 12M volume.a # with a hole
cp --sparse=always volume.a volume.b
preload_library disk_watch
export RA_WATCH_FILE=volume. RA_WATCH_LOG=$T/calls

# seen CALL...: these were made, and on other threads than the loop's; all others, too.
seen()
{
	local call
	! grep '^loop ' calls >out || die "on the loop's thread"
	for call; do
		grep -qx "other $call" calls || die "no $call was seen: $(sort calls | uniq -c | tr '\n' ' ')"
	done
	: >calls
}

expect 0 --reserve=exclusive volume.a volume.b
seen open stat fstat posix_fadvise lseek preadv fcntl close
two_hosts volume
start_both
for delivery in disconnect poll; do
	compare 0 --reserve=exclusive --delivery $delivery volume
	all_is_idle
	seen open stat fstat posix_fadvise lseek preadv fcntl close
done
ctl a check volume >out 2>err || die "check"
all_is_idle
seen open preadv close
stop_all

# A block device, by whatever name.
[ "$(id -u)" = 0 ] && loop=$(losetup -f --show -r volume.a 2>err) || { echo "without a loop device"; exit 0; }
trap 'losetup -d "$loop"' EXIT
export RA_WATCH_FILE=$loop
expect 0 "$loop" volume.b
seen open stat fstat ioctl preadv close
