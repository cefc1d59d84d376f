#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A loop device as a volume, read directly, against the file below it and a damaged copy; and one that is mounted, or
# reserved exclusively, which the other then cannot be.
[ "$(id -u)" = 0 ] || { echo "needs root for a loop device"; exit 77; }
. tests/functional/lib.sh

noise a $((16 * 1048576 + 512))
cp a b
loop=$(losetup -f --show -r a 2>err) || { echo "no loop device: $(head -n 1 err)"; exit 77; }
trap 'losetup -d "$loop"' EXIT
expect 0 --json "$loop" b
json .local.kind 'block device'
json .local.io direct
json .remote.io buffered
json .bytes $((16 * 1048576 + 512))
expect 0 b "$loop"
change b 16777215
expect 1 --json b "$loop"
json '.ranges[0] | "\(.offset)+\(.length)"' 16777215+1

# ---- Exclusively ----

losetup -d "$loop"
truncate -s 16M fs
mkfs.ext4 -q -F fs || die "no file system"
cp fs copy
mkdir m
loop=$(losetup -f --show fs) || die "no loop device"
trap 'umount m 2>/dev/null; swapoff "$loop" 2>/dev/null; losetup -d "$loop"' EXIT
mount -o ro,noload "$loop" m || { echo "cannot mount"; exit 77; }
expect 6 --reserve=exclusive "$loop" copy
says "busy: $loop is mounted on $T/m"
expect 6 --reserve=exclusive copy "$loop"
says "busy: the remote volume is mounted on $T/m"
expect 0 "$loop" copy
umount m
"$RA" --repeat forever --limit 4M --reserve=exclusive "$loop" copy >run.out 2>run.err &
run=$!
is_taken() { [ "$(find "/proc/$(pid_of $run ra-primaryd)/fd" -lname "$loop" 2>/dev/null | wc -l)" = 2 ]; }
until_true is_taken
! mount -o ro,noload "$loop" m 2>err || die "it could be mounted"
kill -KILL $run
wait $run 2>/dev/null
can_mount() { mount -o ro,noload "$loop" m 2>/dev/null; }
until_true can_mount

# As swap it is in use, too; not where the kernel has none.
umount m
mkswap -q fs 2>/dev/null || die mkswap
swapon "$loop" 2>err || { echo "without swap: $(head -n 1 err)"; exit 0; }
expect 6 --reserve=exclusive "$loop" copy
says "busy: $loop is in use as swap"
swapoff "$loop"
expect 1 --settle 0 --reserve=exclusive "$loop" copy
