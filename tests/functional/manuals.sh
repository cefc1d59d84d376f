#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# --help of each program and its manual page have the same options, verbs and version; what the pages about several
# programs name is there, their configurations are good, everything has a page, and troff takes each.
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

# All of a page without fonts and escapes; examples with what is cut by a backslash as one line.
plain() { sed -E 's/\\f.//g; s/\\-/-/g; s/\\e$/\\/; s/^\.([BI]|BR|RB|BI|IR|RI|IB) //' "$1" | sed -z 's/\\\n */ /g'; }

# The pages about several programs: options, verbs, examples and files of which they speak are there.
for page in ra ra-units; do
	plain "$top/conf/$page.7" >page.text
	for name in ra-compare ra-ctl ra-primaryd ra-secondaryd; do
		"$BUILD/$name" --help >help
		grep -oE "(^|[ /])$name( [^\";]*)?$" page.text | grep -oE -- '--[a-z-]+' | sort -u >options
		while read -r option; do
			grep -qE -- "(^|[ ,])$option([^a-z-]|$)" help || die "$page(7): $name has no $option"
		done <options
		cat options >>options.all
	done
	grep -oE 'ra-ctl (--[a-z]+ [^ ]+ )?[a-z][a-z-]*' page.text | awk '{ print $NF }' | sort -u >verbs
	[ -s verbs ] || die "$page(7) has no verb of ra-ctl"
	while read -r verb; do
		"$BUILD/ra-ctl" --help | grep -qE "^  $verb( |$)" || die "$page(7): ra-ctl has no $verb"
	done <verbs
	for file in $(grep -oE '\bra-[a-z-]+(@[a-z0-9%]*)?\.(service|timer|socket)\b|[a-z-]+\.(conf|yml)\b' page.text |
		sed 's/@[^.]*/@/' | sort -u); do
		[ -n "$(find "$top/conf" -name "$file*")" ] || die "$page(7) speaks of $file"
	done
done
[ -s options.all ] || die "no option was looked at"

# Their examples of a configuration are good ones.
"$BUILD/ra-ctl" keygen --out "$T/identity.pem" a >printed 2>&1 || die "keygen"
key=$(sed -n 's/^key = //p' printed)
plain "$top/conf/ra.7" | awk '/^\.EX/ { n++; next } /^\.EE/ { n++; next } n % 2 { print > ("example." n) }'
examples=0
for file in $(grep -lE '^\[(peer|device)' example.*); do
	grep -q '^\[' <(head -n 1 "$file") || continue
	sed -i "s/^key = .*/key = $key/" "$file"
	side=secondary
	! grep -q '^peer = ' "$file" || side=primary
	grep -q '^\[peer' "$file" || printf '[peer a]\nkey = %s\ndevices = %s\n' "$key" \
		"$(sed -n 's/^\[device \(.*\)\]/\1/p' "$file")" >>"$file"
	printf '[%s]\nidentity = %s\n' $side "$T/identity.pem" >>"$file"
	"$BUILD/ra-${side}d" --config "$T/$file" --check-config >out 2>&1 || die "ra(7): $(cat "$file")"
	examples=$((examples + 1))
done
[ $examples = 7 ] || die "ra(7) has $examples examples of a configuration"

# Whatever is installed has its page: programs, units, files of /etc/ra. And what pages and units refer to is there.
make -s -C "$top" install BUILD="$BUILD" DESTDIR="$T/root" PREFIX=/usr >out 2>&1 || die "make install"
pages=$T/root/usr/share/man
for name in $(cd root/usr && ls bin lib/systemd/system | grep '^ra-') ra-alert@.service primary.conf secondary.conf ra.conf ra; do
	page=$(find "$pages" -name "$name.[0-9]")
	[ -n "$page" ] || die "$name has no page"
	case $name in
	*.service | *.timer | *.socket)
		sed -n '/^\.SH NAME/,/^\.SH DESCRIPTION/p' "$top/conf/ra-units.7" | plain /dev/stdin | grep -qwF -- "$name" ||
			die "ra-units(7) does not name $name"
		;;
	esac
done
for page in "$pages"/*/*; do
	target=$(sed -n 's/^\.so //p' "$page")
	[ -z "$target" ] || [ -f "$pages/$target" ] || die "$page leads nowhere"
	plain "$page" | grep -oE '\bra[a-z.-]* ?\([0-9]\)' | tr -d ' ' | sort -u
done >references
sed -n 's/^Documentation=//p' root/usr/lib/systemd/system/* | tr ' ' '\n' | sed 's/^man://' >>references
[ "$(wc -l <references)" -gt 20 ] || die "no references"
for reference in $(sort -u references); do
	section=${reference#*\(}
	name=${reference%\(*}
	[ -f "$pages/man${section%)}/$name.${section%)}" ] || die "there is no $reference"
done

# The tests that SECURITY.md names for its promises are there.
grep -oE '`(unit|functional|fuzz)/[a-z_0-9.]*`' "$top/SECURITY.md" | tr -d '`' | sort -u >tests
[ "$(wc -l <tests)" -gt 20 ] || die "SECURITY.md names no tests"
while read -r test; do
	[ -e "$top/tests/$test" ] || die "SECURITY.md speaks of tests/$test"
done <tests

command -v groff >/dev/null || exit 0
for page in "$top"/conf/*.[57] "$top"/primary/*.8 "$top"/primary/*/*.[18] "$top"/secondary/*.8; do
	groff -man -ww -z "$page" 2>err
	[ ! -s err ] || die "$page"
done
