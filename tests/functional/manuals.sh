#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# --help of each program and its manual page have the same options, verbs and version; troff takes every page.
top=$PWD
. tests/functional/lib.sh

# What is explained below that heading of a page, without fonts: the lines behind each .TP and .TQ.
headings()
{
	sed -n "/^\.SH $2\$/,/^\.SH /p" "$1" | grep -A 1 -E '^\.T[PQ]' | sed 's/\\f.//g; s/\\-/-/g'
}
# same NAME: what comes in as help and as page is one list
same()
{
	diff help page >out || die "--help (<) and the manual (>) of $1 differ"
	[ -s help ] || die "$1 has nothing to compare"
}

for page in primary/compare/ra-compare.1 primary/ctl/ra-ctl.8 primary/ra-primaryd.8 secondary/ra-secondaryd.8; do
	name=$(basename "${page%.*}")
	"$BUILD/$name" --help >all || die "$name --help"
	grep -oE -- '(^|[ ,])--[a-z-]+' all | tr -d ' ,' | sort -u >help
	headings "$top/$page" OPTIONS | grep -oE -- '--[a-z-]+' | sort -u >page
	same "$name"
	grep -qE "^\.TH .*\"ra $("$BUILD/$name" --version | cut -d' ' -f2)\"" "$top/$page" || die "$page is of another version"
done

"$BUILD/ra-ctl" --help | grep -oE '^  [a-z]+( (total|device|peer)\b)?' | sort -u >help
headings "$top/primary/ctl/ra-ctl.8" VERBS | grep -oE '^\.B[IR]? "?[a-z]+( (total|device|peer)\b)?' |
	sed -E 's/^\.B[IR]? "?/  /' | sort -u >page
same "the verbs"

command -v groff >/dev/null || exit 0
for page in "$top"/conf/*.5 "$top"/primary/*.8 "$top"/primary/*/*.[18] "$top"/secondary/*.8; do
	groff -man -ww -z "$page" 2>err
	[ ! -s err ] || die "$page"
done
