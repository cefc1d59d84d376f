#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Parts of a loop device: the unit tests of volume parts, with a block device.
[ "$(id -u)" = 0 ] || { echo "needs root for a loop device"; exit 77; }
. tests/functional/lib.sh

noise a $((1048576 + 512))
loop=$(losetup -f --show -r a 2>err) || { echo "no loop device: $(head -n 1 err)"; exit 77; }
trap 'losetup -d "$loop"' EXIT
RA_BLOCK_VOLUME=$loop RA_BLOCK_FILE=$T/a "$BUILD/tests/test_volume_part" >out 2>err || die "test_volume_part"
[ "$(grep -c 'OK.*block_device' out)" = 2 ] || die "not both tests have run"
