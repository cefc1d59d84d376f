#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A loop device as a volume, read directly, against the file below it and a damaged copy.
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
