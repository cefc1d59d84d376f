#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/bench with small volumes and the programs that are here: it measures each, and leaves out and names what is
# not. A program that does not find the volumes equal is told from a slow one. No figure counts.
top=$PWD
. tests/functional/lib.sh

# bench CODE [VARIABLE=VALUE]...
bench()
{
	local want=$1 got
	shift
	env -C "$top" TMPDIR="$T" INSTALL=no BUILD="$BUILD" ROUNDS=1 RESULTS="$T/results.md" "$@" scripts/bench 4M >out 2>err
	got=$?
	[ "$got" = "$want" ] || die "bench: exit $got, not $want"
}
rows() { grep -cE "^\| $1" out; }

bench 0
cmp out results.md || die "the file is not what was printed"
[ "$(rows 'RA, ')" = 8 ] || die "not all comparisons of RA"
[ "$(rows 'two bare processes: ')" = 3 ] || die "not all bounds"
[ "$(rows '.* (≥|≤) .* (aim|must|no) \|$')" -ge 6 ] || die "too few ratios"
for program in cmp qemu-img nbdcopy rsync xxhsum sha256sum; do
	says "^(\| |Not here: .*)$program"
done

# Programs of other names are away, cmp is another.
mkdir bin
for program in bash env dirname realpath sed awk grep cut sort head tail mktemp mkdir rm mv du df stat truncate dd cat sync \
	numfmt openssl jq sleep uname nproc date git id; do
	ln -s "$(command -v $program)" "bin/$program" || die "no $program"
done
printf '#!%s\nexit 0\n' "$(command -v bash)" >bin/cmp
chmod +x bin/cmp
bench 0 PATH="$T/bin" ONLY='cmp|rsync|qemu'
[ "$(rows 'cmp')" = 1 ] || die "no row of cmp"
says '^Not here: qemu-img compare; rsync --checksum through stunnel; qemu'
printf '#!%s\necho "differ: byte 1"\nexit 1\n' "$(command -v bash)" >bin/cmp
bench 1 PATH="$T/bin" ONLY=cmp
says 'exit status 1: cmp'
says 'differ: byte 1'
[ -z "$(find . -name 'ra-bench.*')" ] || die "volumes are left behind"
