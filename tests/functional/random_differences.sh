#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 1000 differing bytes in random places, against a list made here.
. tests/functional/lib.sh

size=67108864
head -c $size /dev/zero | tr '\000' a >a
cp a b
for ((i = 0; i < 1200; i++)); do echo $(((RANDOM << 15 | RANDOM) * 2 % size)); done | sort -nu | head -n 1000 >list
[ "$(wc -l <list)" = 1000 ] || die "the list is too short"
# All in one go: octal escapes would be slow one by one.
while read -r offset; do echo "$offset"; done <list |
	while read -r offset; do printf b | dd of=b bs=1 seek="$offset" conv=notrunc status=none; done
for by in digest data; do
	expect 1 --settle 0 --json --by $by a b
	jq -r '.ranges[] | select(.exact) | "\(.offset) \(.length)"' out |
		awk '{ for (i = 0; i < $2; i++) print $1 + i }' >found
	cmp list found >&2 || die "the differences found are not those made"
	json '[.ranges[].state] | unique | join(",")' different
done
