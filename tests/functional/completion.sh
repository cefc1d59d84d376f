#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The bash completion: it offers the options and verbs that --help of the programs has, all of them and no others; it
# knows which options take a value, and the words that they take; and the devices and peers of the configuration.
. tests/functional/lib.sh
. "$OLDPWD/conf/completion/ra" || die "it cannot be sourced"

# compopt works while a line is completed only; here it tells whether files are offered.
compopt() { [ "$2" != default ] || { [ "$1" = -o ] && files=yes || files=no; }; }

# offered WORD...: what is offered for the last word, sorted, with blanks between, into $offer; and $files.
offered()
{
	local function
	function=$(complete -p "$1" | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
	[ -n "$function" ] || die "nothing completes $1"
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	files=no
	"$function" "$1" "${*: -1}" "${*: -2:1}"
	offer=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')
	offer=${offer% }
}
# offers WANTED FILES WORD...
offers()
{
	offered "${@:3}"
	[ "$offer" = "$1" ] || die "${*:3}: offers '$offer', not '$1'"
	[ "$files" = "$2" ] || die "${*:3}: offers files: $files, not $2"
}

_ra_etc=$T/etc
mkdir -p etc/conf.d
cat >etc/primary.conf <<'END_OF_FILE'
# [device commented]
[primary]
log-level = info
[peer b]
  [ device  web1 ]
volume = [device value]
[device $(touch${IFS}owned)]
[device `touch owned`]
END_OF_FILE
printf '[device web2]\n[peer far]' >etc/conf.d/more.conf
printf '[device hidden]\n' >etc/conf.d/.hidden.conf
printf '[device other]\n' >etc/conf.d/other.txt
printf '[device here]\n[peer a]\n' >etc/secondary.conf
mkfifo etc/conf.d/pipe.conf
mkdir etc/conf.d/folder.conf

# All options, and no others; those that take a value are followed by no device, verb or option.
for program in ra-compare ra-ctl ra-primaryd ra-secondaryd; do
	"$BUILD/$program" --help >help || die "$program --help"
	offers "$(grep -oE -- '(^|[ ,])--[a-z-]+' help | tr -d ' ,' | sort -u | tr '\n' ' ' | sed 's/ $//')" no $program --
	offered $program --version ''
	bare=$offer
	[ -n "$bare" ] || die "$program: nothing is offered"
	grep -oE -- '--[a-z-]+ [A-Z]+' help | cut -d' ' -f1 | sort -u >valued
	grep -oE -- '(^|[ ,])--[a-z-]+' help | tr -d ' ,' | sort -u >all
	[ -s valued ] || die "$program has no option with a value"
	while read -r option; do
		offered $program "$option" ''
		if grep -qx -- "$option" valued; then
			[ "$offer" != "$bare" ] || die "$program $option: its value is not known"
			offered $program "$option" -
			[ -z "$offer" ] || die "$program $option -: offers $offer"
		else
			[ "$offer" = "$bare" ] || die "$program $option: takes no value, and offers $offer"
		fi
	done <all
done

# Words that options take: those that the program says it expects.
for option in --by --delivery --digest --invalid --io --progress --reserve; do
	"$BUILD/ra-compare" $option=nonsense --socket "$T/none" web1 >out 2>&1
	words=$(sed -n "s/.* $option nonsense: expected //p" out | sed 's/,\| or / /g' | tr -s ' ' '\n' | sort | tr '\n' ' ')
	[ -n "$words" ] || die "$option: any word will do"
	offers "${words% }" no ra-compare $option = ''
done
offers forever no ra-compare --repeat ''
"$BUILD/ra-compare" --repeat forever --socket "$T/none" web1 >out 2>&1
[ $? = 4 ] || die "--repeat forever is refused"
offers digest no ra-compare --by di
offers digest no ra-compare --by = di
offers none yes ra-compare --state ''
offers '' yes ra-compare --state = ./f
offers '' yes ra-compare --socket ''
offers '' no ra-compare --jobs ''
offers --json no ra-compare web1 --js

# Devices and files.
offers 'web1 web2' yes ra-compare ''
offers web2 yes ra-compare --by data --limit = 10M web2
offers 'web1 web2' yes ra-compare --reserve w
offers '' yes ra-compare ./web1 ''
offers '' yes ra-compare '$(touch owned)'

# Verbs of ra-ctl, those of the help, and what stands behind them.
offers "$("$BUILD/ra-ctl" --help | grep -oE '^  [a-z][a-z-]*' | tr -d ' ' | sort -u | tr '\n' ' ' | sed 's/ $//')" no ra-ctl ''
for verb in report limit tracks; do
	[ $verb = tracks ] && set -- web1 || set --
	offers "$("$BUILD/ra-ctl" --help | sed -nE "s/^  $verb (DEVICE )?([a-z]+).*/\2/p" | sort -u | grep -v '^the$' |
		tr '\n' ' ' | sed 's/ $//')" no ra-ctl $verb "$@" ''
done
for verb in check jobs tracks; do offers 'here web1 web2' no ra-ctl $verb ''; done
for verb in proof 'report show' 'report diff' 'report list'; do
	# shellcheck disable=SC2086
	offers 'web1 web2' no ra-ctl $verb ''
done
offers 'web1 web2' no ra-ctl --socket x --json proof w
offers 'a b far' no ra-ctl limit peer ''
offers 'here web1 web2' no ra-ctl limit device ''
offers none no ra-ctl limit device web1 ''
offers none no ra-ctl limit total ''
offers '' no ra-ctl limit total 1M ''
offers all no ra-ctl tracks web1 clear ''
offers '' yes ra-ctl tracks web1 import ''
offers '' no ra-ctl tracks web1 mark ''
offers 'debug error info warning' no ra-ctl log-level ''
for level in debug error info warning; do
	"$BUILD/ra-ctl" --socket "$T/none" log-level $level >out 2>&1
	[ $? = 4 ] || die "log-level $level is refused"
done
"$BUILD/ra-ctl" --socket "$T/none" log-level nonsense >out 2>&1
[ $? = 2 ] || die "any level will do"
offers '' yes ra-ctl keygen --out ''
offers '' yes ra-ctl metrics --write ''
offers '' no ra-ctl status ''
offers '' no ra-ctl unknown ''
offers '' yes ra-primaryd --config ''

# No configuration, or none that may be read.
rm -r etc
offers '' yes ra-compare ''
offers '' no ra-ctl check ''
[ ! -e owned ] && [ ! -e "$OLDPWD/owned" ] || die "the configuration was run"
