#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Volumes that are none, wrong usage, the same file twice, help: exit status and words.
. tests/functional/lib.sh

noise a 100000
mkdir directory
mkfifo fifo
expect 5 a missing
says 'missing.*No such file'
expect 5 missing a
says 'missing.*No such file'
expect 5 a directory
says 'directory'
expect 5 a fifo
says 'fifo'
expect 5 --json missing a
json .result error
expect 0 a a
says 'same'
ln -s a link
expect 0 a link
says 'same'

expect 2
says 'Usage|usage|two volumes'
expect 2 ./a
says 'two volumes'
expect 2 a a a
expect 2 b:a a
says 'volume A'
expect 2 a :a
for bad in --socket=x --link-timeout=1s --reserve; do
	expect 2 $bad a a
	says "${bad%%=*}.* goes with a DEVICE only"
done
for bad in --track-size=64K --cache=64M --io=auto; do
	expect 2 $bad web1
	says "${bad%%=*} does not go with a DEVICE"
done
expect 4 --socket "$T/none" web1
says 'none does not exist: is ra-primaryd running\?$'
expect 4 --socket "$T/none" a
says 'is ra-primaryd running\? \(There is a file a here\. .*ra-compare a B\)$'
expect 4 --json --socket "$T/none" a # a name without a slash is a device, also when there is such a file
json .result error
for bad in --jobs=0 --jobs=65 --jobs=x --run=1025 --by=bytes --digest=md5 --delivery=never --retry-delay=1 --tracks=5-2 --repeat=0 --cache=15M \
	--track-size=5000 --io=maybe --exact=-1 --no-such-option; do
	expect 2 "$bad" a a
	says "$(cut -d= -f1 <<<"${bad#--}")"
	[ "$(tail -n 1 err)" = "Try 'ra-compare --help'." ] && [ "$(wc -l <err)" = 2 ] || die "no hint after the error"
done
expect 2 --by data --digest sha256 a a
says 'digest sha256 does not go with --by data'
head -c 100 a >small
expect 2 --tracks 1 small small
says 'there is no track 1; the larger volume has 1 track, counted from 0'
expect 2 --json --jobs=0 a a
json .result error
expect 0 --help
says '^Usage: ra-compare'
[ ! -s err ] || die "help wrote to standard error"
expect 0 --version
says '^ra-compare [0-9]'
cp a b
expect 0 -q a b
[ ! -s out ] && [ ! -s err ] || die "-q is not quiet"
change b 5
expect 1 -q a b
[ ! -s out ] && [ ! -s err ] || die "-q is not quiet"
timeout 60 "$RA" a b >/dev/full 2>err
code=$?
[ $code -ge 2 ] || die "a full standard output gave exit $code"
for daemon in ra-primaryd ra-secondaryd; do
	"$BUILD/$daemon" --help >out || die "$daemon --help"
	"$BUILD/$daemon" --version | grep -q "^$daemon " || die "$daemon --version"
	echo nonsense that is no frame | "$BUILD/$daemon" --once >out 2>err && die "$daemon took nonsense"
done
exit 0
