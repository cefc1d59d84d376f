#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One byte of a known file damaged in each file system of a partitioned image: the report names partition, file system
# and block, and the commands that it prints, run as they are, lead to the file. Then XFS on a whole volume, which needs
# no loop device, and the partitions of a block device.
. tests/functional/lib.sh
PATH=$PATH:/usr/sbin:/sbin
for tool in sfdisk mke2fs debugfs mkfs.xfs xfs_db; do
	command -v $tool >/dev/null || { echo "needs $tool: scripts/install-deps --test"; exit 77; }
done

loops=
# Also those that a printed command has made.
detach()
{
	local file loop
	[ "$(id -u)" = 0 ] || return 0
	for file in "$T"/*.img; do
		for loop in $(losetup -n -O NAME -j "$file"); do losetup -d "$loop"; done
	done
}
trap detach EXIT
if [ "$(id -u)" != 0 ]; then
	echo "without loop devices: needs root"
elif ! losetup -f >/dev/null 2>err; then
	echo "without loop devices: $(head -n 1 err)"
else
	loops=yes
fi

a="it's a.img"
ext_start=$((2048 * 512)) xfs_start=$((40960 * 512))
mkdir -p tree/sub
noise tree/other 300000
noise tree/sub/known 500000
noise known 700000
truncate -s 340M "$a"
printf 'label: gpt\nstart=2048, size=32768\nstart=40960, size=614400\n' | sfdisk -q "$a" >&2 || die sfdisk
mke2fs -q -t ext4 -d tree -E offset=$ext_start "$a" 16384k >&2 || die mke2fs
truncate -s 300M whole.img
printf '/\n0 0\nd--755 0 0\nother ---644 0 0 tree/other\nsub d--755 0 0\nknown ---644 0 0 known\n$\n$\n' >proto
mkfs.xfs -q -p proto whole.img >&2 || die mkfs.xfs
dd if=whole.img of="$a" bs=1M seek=$xfs_start oflag=seek_bytes conv=notrunc,sparse status=none

# Where byte 200000 of each known file is: in the partition, and its block there.
ext_block_bytes=$(debugfs -R stats "$a?offset=$ext_start" 2>err | sed -n 's/^Block size: *//p')
ext_block=$(debugfs -R "bmap /sub/known $((200000 / ext_block_bytes))" "$a?offset=$ext_start" 2>err)
inode=$(xfs_db -r -c 'path /sub/known' -c 'inode' whole.img | sed -n 's/^current inode number is //p')
sector=$(xfs_db -r -c "inode $inode" -c "dblock $((200000 / 4096))" -c daddr whole.img | sed -n 's/^current daddr is //p')
ext_byte=$((ext_start + ext_block * ext_block_bytes + 200000 % ext_block_bytes))
xfs_byte=$((sector * 512 + 200000 % 4096))
[ "$(od -An -tx1 -j $ext_byte -N 8 "$a")" = "$(od -An -tx1 -j 200000 -N 8 tree/sub/known)" ] || die "not there: ext4"
[ "$(od -An -tx1 -j $xfs_byte -N 8 whole.img)" = "$(od -An -tx1 -j 200000 -N 8 known)" ] || die "not there: XFS"

cp --sparse=always "$a" b.img
cp --sparse=always whole.img other.img
change b.img 1000
change b.img $ext_byte
change b.img $((xfs_start + xfs_byte))
change other.img $xfs_byte

# ext4_leads_to_the_file COMMAND: its answer has the inode, and the next step the name.
ext4_leads_to_the_file()
{
	local got
	got=$(eval "$1" 2>err | sed -n "s/^$ext_block[[:blank:]]*//p")
	[[ $got =~ ^[0-9]+$ ]] || die "no inode: $1"
	eval "${1/icheck $ext_block/ncheck $got}" 2>err | grep -qE "^$got[[:blank:]]+/sub/known\$" || die "not the file: $1"
}

# xfs_leads_to_the_file COMMAND...
xfs_leads_to_the_file()
{
	eval "$(printf '%s\n' "$@")" >found 2>err
	grep -qE "inode $inode sub/known\$" found || die "not the file: $*: $(cat found)"
}

expect 1 --settle 0 "$a" b.img
says '^different: offset 1000, 1 byte[^(]*$'
says "^different: offset $ext_byte, 1 byte.* \\(partition 1, ext4 block $ext_block\\)\$"
says "^different: offset $((xfs_start + xfs_byte)), 1 byte.* \\(partition 2, xfs block $((sector / 8))\\)\$"
mapfile -t next < <(sed -n 's/^next: //p' out)
[ ${#next[@]} = 4 ] || die "${#next[@]} commands, not 4"
tail -n 1 out | grep -q '^DIFFERENT' || die "the verdict is not the last line"
ext4_leads_to_the_file "${next[0]}"
if [ -n "$loops" ]; then
	xfs_leads_to_the_file "${next[@]:1}"
	[ -z "$(losetup -j "$T/$a")" ] || die "a loop device stays"
fi

expect 1 --settle 0 --json "$a" b.img
json '.next | length' 4
json '.next[0]' "${next[0]}"
json '[.ranges[] | "\(.partition) \(.filesystem) \(.first_block) \(.last_block)"] | join(", ")' \
	"null null null null, 1 ext4 $ext_block $ext_block, 2 xfs $((sector / 8)) $((sector / 8))"
expect 0 --json "$a" "$a"
json '.next | length' 0

expect 1 --settle 0 whole.img other.img
says "^different: offset $xfs_byte, 1 byte.* \\(xfs block $((sector / 8))\\)\$"
mapfile -t next < <(sed -n 's/^next: //p' out)
[ ${#next[@]} = 1 ] || die "${#next[@]} commands, not 1"
xfs_leads_to_the_file "${next[0]}"

# A block device whose partitions the kernel knows, or is told.
[ -n "$loops" ] || exit 0
disk=$(losetup -f --show -r -P "$a" 2>err) || die "losetup -P"
[ -b "${disk}p1" ] || { addpart "$disk" 1 2048 32768 && addpart "$disk" 2 40960 614400; } || die "no ${disk}p1"
expect 1 --settle 0 "$disk" b.img
says "^different: offset $ext_byte, 1 byte.* \\(partition 1, ext4 block $ext_block\\)\$"
mapfile -t next < <(sed -n 's/^next: //p' out)
[ ${#next[@]} = 2 ] || die "${#next[@]} commands, not 2"
[[ ${next[0]} = *"'${disk}p1'" && ${next[1]} = *"'${disk}p2'" ]] || die "not the devices of the partitions"
ext4_leads_to_the_file "${next[0]}"
xfs_leads_to_the_file "${next[1]}"
