#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who gets in at a configured secondary, and to what: TLS clients that are no part of RA, a peer with its devices, a
# peer at its most links. Both outcomes are logged with the key.
. tests/functional/hosts.sh
. tests/functional/lib.sh

: >out
noise v.b 3000000
noise hidden.b 100000
b_peer='max-links = 2'
two_hosts v hidden
sed -i 's/^devices = .*/devices = v/' b.conf
keygen other
start b

# reads CODE IDENTITY DEVICE: the device's bytes to $T/read.
reads()
{
	timeout 60 "$BUILD/tests/reader" "127.0.0.1:$port" "$T/$2.pem" "${key[b]}" "$3" >read 2>err
	local got=$?
	[ $got = "$1" ] || die "reader of $3 as $2: exit $got, not $1"
}
# logged WORDS: the log of b has such a line.
logged() { until_true grep -qE -- "$1" b.log; }

reads 0 a v
cmp read v.b || die "other bytes"
logged "info: a: a link from 127\.0\.0\.1:[0-9]+ is admitted: key ${key[a]}"
reads 4 other v
says "does not know this side's key|knows neither this side's key"
logged "warning: 127\.0\.0\.1:[0-9]+: the peer's key ${key[other]} is not known here"
[ ! -s read ] || die "a stranger got data"
reads 1 a hidden # there, but not for this peer; word for word as one that is not there
cp err err.hidden
reads 1 a nothing
cmp err err.hidden || die "a hidden device is told from none"
says NO_SUCH_DEVICE

# stranger WORDS OPTION...: openssl's client gets no further than the handshake.
stranger()
{
	local words=$1
	shift
	: >b.log
	# What it sends after its side of the handshake must not be answered.
	(printf 'hello\n'; sleep 0.3) | timeout 20 openssl s_client -connect "127.0.0.1:$port" -quiet "$@" >out 2>err
	logged "warning: 127\.0\.0\.1:[0-9]+: $words"
	! grep -q 'Hello accepted' b.log || die "$words: it was let in"
	[ ! -s out ] || die "$words: it was answered"
}
stranger 'the peer has no certificate'
stranger "the peer's key ${key[other]} is not known here" -cert other.pem -key other.pem
stranger '' -tls1_2 -cert a.pem -key a.pem
: >b.log
exec 3<>"/dev/tcp/127.0.0.1/$port"
echo 'GET / HTTP/1.0' >&3
logged 'plain text instead of TLS'
exec 3>&-
# TLS and a known key, and then no protocol.
: >b.log
(printf 'this is no frame of the protocol\n'; sleep 0.3) |
	timeout 20 openssl s_client -connect "127.0.0.1:$port" -quiet -cert a.pem -key a.pem >out 2>err
logged 'a: a link from 127\.0\.0\.1:[0-9]+ is admitted'
logged 'warning: 127\.0\.0\.1:[0-9]+: '
links() { [ "$(ctl_json b "$1" links)" = "$2" ]; }
until_true links '.links | length' 0

# At its most links the next one is refused, and one that ends makes room.
declare -A holder
for i in 1 2; do
	"$BUILD/tests/reader" "127.0.0.1:$port" a.pem "${key[b]}" v --stay >"read.$i" 2>"err.$i" &
	holder[$i]=$!
	until_true grep -q staying "err.$i"
done
links '.peers[0] | "\(.links) of \(.links_max)"' '2 of 2' || die "links are counted otherwise"
links '[.links[].state] | unique | join(",")' up || die "links are not up"
links '.links[0].key' "${key[a]}" || die "the key is not shown"
links '[.links[] | .devices[]] | join(",")' v,v || die "devices are shown otherwise"
[ "$(ctl_json b .links_up status)" = 2 ] || die "status counts other links"
reads 1 a v # it is told so
says BUSY
logged "warning: a: a link from 127\.0\.0\.1:[0-9]+ is refused, it has its most \(2\): key ${key[a]}"
links '.peers[0].links_refused' 1 || die "the refusal is not counted"
kill "${holder[1]}"
until_true links '.peers[0].links' 1
reads 0 a v
cmp read v.b || die "other bytes"
kill "${holder[2]}"
wait "${holder[@]}"
until_true links '.links | length' 0
