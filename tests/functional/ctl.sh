#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-ctl on both daemons: keygen, the reading verbs as tables and as JSON, limit, and check, which says for each thing
# that does not fit what to do, with its exit status, and leaves nothing in use.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 8000000
cp v.a v.b
noise w.a 3000000
cp w.a w.b
two_hosts v w

# ctl_expect CODE NAME VERB...: its exit status; output in out and err.
ctl_expect()
{
	local want=$1 got
	shift
	timeout 120 "$BUILD/ra-ctl" --socket "$T/$1.sock" "${@:2}" >out 2>err
	got=$?
	[ "$got" = "$want" ] || die "ra-ctl of $1 ${*:2}: exit $got, not $want"
}
says_not() { ! grep -qE -- "$1" out err || die "should not say: $1"; }

# keygen: what it prints is what the other host needs; a key that is there stays.
"$BUILD/ra-ctl" keygen --out c.pem c >out 2>err || die "keygen"
[ "$(sed -n 1p out)" = "[peer c]" ] || die "keygen prints no block"
grep -qE '^key = sha256:[0-9a-f]{64}$' out || die "keygen prints no key"
[ "$(wc -l <out)" = 2 ] || die "keygen prints more than the block"
grep -q "c.pem" err || die "keygen does not say where the key is"
[ "$(stat -c %a c.pem)" = 600 ] || die "the mode of the key"
cp c.pem c.was
"$BUILD/ra-ctl" keygen --out c.pem c >out 2>err
[ $? = 2 ] || die "keygen overwrites"
says 'c.pem is there already'
cmp -s c.pem c.was || die "keygen touched a key that was there"
"$BUILD/ra-ctl" keygen --out "$T/none/c.pem" c >out 2>err
[ $? = 2 ] || die "keygen without a folder"
says "there is no folder $T/none"
"$BUILD/ra-ctl" keygen --out d.pem 'd]' >out 2>err
[ $? = 2 ] && [ ! -e d.pem ] || die "keygen takes any name"

# Nobody is there.
ctl_expect 4 a status
says 'a.sock does not exist'
ctl_expect 4 a check
says '^FAILED  .*a.sock does not exist'
start a
ctl_expect 4 a check v
says '^FAILED  v: no link to b: 127.0.0.1:[0-9]+: .*refused\. On b: does ra-secondaryd run'
ctl_expect 0 a links
says "^b .* next try in"

# Everything fits.
start b
until_true link_is_up
ctl_expect 0 a check
says '^ok      v: the link to b at 127.0.0.1:[0-9]+ is up'
says '^ok      v: b lets this host read it'
says "^ok      v: local volume $T/v.a: file, 7.63 MiB, buffered io"
says '^ok      v: 8000000 bytes are compared, 123 tracks of 64 KiB'
says '^ok      v: the local side is read '
says '^ok      v: the remote side is read '
says '^ok      v: a comparison takes '
says '^ok      w: the local side is read to its end, 2.86 MiB, in less than a second'
says '^ok      w: a comparison takes a moment; that is too little to tell a rate'
says_not FAILED
ctl_expect 0 b check v
says "^ok      v: volume $T/v.b: file, 7.63 MiB, buffered io"
says '^ok      peer a has 1 link'
says_not '^ok      w:'
ctl_expect 0 a --json check w
json '.format + " " + (.ok | tostring)' 'ra-ctl/1 true'
json '.devices[0] | .bytes, .local_bytes_per_second' $'3000000\nnull'
all_is_idle
for name in a b; do
	for verb in status devices jobs errors links limit; do
		ctl_expect 0 $name $verb
		[ -s out ] || die "$verb of $name shows nothing"
		ctl_expect 0 $name --json $verb
		jq -e . out >/dev/null || die "$verb of $name is no JSON"
	done
done
ctl_expect 0 b cache
says '^memory   64 MiB in 1024 slots'
ctl_expect 2 a cache
says 'ra-primaryd has no cache'
ctl_expect 2 a jobs nix
ctl_expect 1 a check nix
says '^FAILED  nix: .*a.conf has no \[device nix\]'
ctl_expect 1 b check nix

# Limits: what binds, on this side and on the other.
ctl_expect 0 a limit device v 4M
says '^device  v +4 MiB/s'
ctl_expect 0 a check v
says 'at 4(\.0. )? MiB/s: the limit of the device binds|at 3\.[0-9]+ MiB/s: the limit of the device binds'
ctl_expect 0 a --json check v
json '.devices[0] | .bytes, (.local_bytes_per_second > 0), (.remote_bytes_per_second > 0), (.seconds > 1)' $'8000000\ntrue\ntrue\ntrue'
ctl_expect 0 a limit device v none
ctl_expect 0 b limit peer a none --reads 4
says '^peer    a +4 reads/s'
ctl_expect 0 a check v
says 'a limit of the secondary binds'
ctl_expect 0 b limit peer a --reads none
ctl_expect 0 b limit device v 4M
ctl_expect 0 b check v
says 'it is read at 4 MiB/s: .*; the limit of the device binds'
ctl_expect 0 b limit device v none
ctl_expect 2 b limit peer x 4M

# While somebody has it for himself.
ctl_expect 0 a limit total 1M
"$RA" --socket "$T/a.sock" --reserve=ra v >out.first 2>err.first &
run=$!
is_reserved() { ctl_json b '.devices[0].reserved_by' devices | grep -q ra-compare; }
until_true is_reserved
ctl_expect 6 a check v
says '^FAILED  v: busy: '
ctl_expect 0 a jobs v
says '^v: [1-8] jobs?$'
ctl_expect 0 b jobs v
says '^  \* .* link .* 0x[0-9a-f]{16}$'
ctl_expect 0 a devices
says '^v +open .* ra-compare'
kill -KILL $run
wait $run 2>/dev/null
ctl_expect 0 a limit total none
all_is_idle

# Volumes that do not fit. Each daemon opens them anew, so no restart is needed.
truncate -s 8131072 v.b
ctl_expect 1 a check v
says '^FAILED  v: the remote volume is 131072 bytes longer, which is a difference: length = common'
truncate -s 1T v.b # of which 8 MB are read
ctl_expect 1 a check v
says '^ok      v: a comparison takes (a moment|about [0-9.]+ s)'
truncate -s 0 v.b
ctl_expect 1 a check v
says "^FAILED  v: the remote volume $T/v.b has nothing to compare: it is empty"
says_not 'length = 0|longer|takes'
ctl_expect 1 b check v
says '^FAILED  v: the volume has nothing to compare: it is empty'
cp v.a v.b
truncate -s 8131072 v.b
mv v.b v.away
ctl_expect 1 a check v
says "^FAILED  v: the remote volume cannot be opened: .*No such file.* on b$"
ctl_expect 1 b check v
says "^FAILED  v: the volume $T/v.b cannot be opened: .*No such file"
mv v.away v.b
mv v.a v.away
ctl_expect 1 a check v
says "^FAILED  v: the local volume $T/v.a cannot be opened: .*No such file"
mv v.away v.a
all_is_idle
stop b
sed -i 's/^devices = .*/devices = w/; s/^volume = .*v.b/&\nlength = common/' b.conf
start b
until_true link_is_up
ctl_expect 1 a check v
says "^FAILED  v: b has no device v for this host: .* key = ${key[a]}"
stop b
sed -i 's/^devices = .*/devices = v w/' b.conf
start b
until_true link_is_up
ctl_expect 0 a check v
says '^ok      v: not compared: the last 131072 bytes of the remote volume'
stop b
sed -i 's/^devices = .*/&\ndata = never/' b.conf
start b
until_true link_is_up
ctl_expect 0 a check v
says '^ok      v: b lets this host compare it by digest, and gives no data of it \(data = never\)'
says '^ok      v: a comparison takes '
stop b
sed -i 's/^data = .*//; s/^listen = .*/&\ntrack-size = 32K/' b.conf
start b
until_true link_is_up
ctl_expect 1 a check v
says '^FAILED  v: .*65536.*32768'
touch -d '+1 hour' b.conf
ctl_expect 1 b check v
says '^FAILED  configuration .*b.conf was changed after ra-secondaryd started'
stop b
stop a
ctl_expect 4 a status
