#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The command line of ra-primaryd, configuration errors with file and line, signals, a socket that is in use or was left
# behind.
. tests/functional/hosts.sh
. tests/functional/lib.sh
RA=$BUILD/ra-primaryd

expect 0 --help
says '^Usage: ra-primaryd'
expect 0 --version
says '^ra-primaryd [0-9]'
expect 2 --bogus
expect 2 word
says "unexpected argument 'word'"
[ "$(tail -n 1 err)" = "Try 'ra-primaryd --help'." ] && [ "$(wc -l <err)" = 2 ] || die "no hint after the error"
expect 2 --once -v
expect 2 --once --config x
says '^ra-primaryd: error: --once'
expect 2 --config "$T/none.conf"
says 'none\.conf'

noise v.a 100000
two_hosts v
expect 0 --config "$T/a.conf" --check-config
[ ! -s out ] && [ ! -s err ] || die "it says something"
expect 2 --check-config --dump-config
says 'exclude each other'
expect 0 --config "$T/a.conf" --dump-config
says 'track-size'
expect 2 --config "$T/b.conf" --check-config # of a secondary
says 'b\.conf:1'

echo 'peeer = b' >>a.conf
line=$(wc -l <a.conf)
expect 2 --config "$T/a.conf"
says "^ra-primaryd: error: $T/a\.conf:$line: .*peeer"
sed -i '$d' a.conf

# unusable WORDS: what the configuration names is refused in the same words by a check and at a start.
unusable()
{
	expect 2 --config "$T/a.conf" --check-config
	says "$1"
	expect 2 --config "$T/a.conf"
	says "$1"
}
chmod 640 a.pem
unusable "^ra-primaryd: error: $T/a\.conf:2: identity: .*a\.pem"
chmod 600 a.pem
for line in "ca = $T/none.pem" 'socket-group = none.pem' 'admin-group = none.pem'; do
	sed -i "s|^identity = .*|&\n$line|" a.conf
	unusable "^ra-primaryd: error: $T/a\.conf:3: ${line%% *}: .*none\.pem"
	sed -i 3d a.conf
done
mkdir dir
sed -i.good "s|^socket = .*|socket = $T/dir|" a.conf
expect 1 --config "$T/a.conf"
says "$T/dir"
mv a.conf.good a.conf

start a # there is no secondary: it serves all the same
for words in 'version [0-9].* configuration .*/a\.conf$' "ready: 1 device, 1 peer, socket $T/a\.sock, key ${key[a]}\$"; do
	grep -q "^ra-primaryd: info: $words" a.log || die "the log does not say $words"
done
expect 1 --config "$T/a.conf" # a second one
says 'a\.sock'
kill -HUP "${daemon[a]}"
until_true grep -q 'read again: 1 device, 1 peer' a.log
kill -USR2 "${daemon[a]}"
until_true grep -q 'local device v' a.log
stop a KILL
[ -S a.sock ] || die "no socket file is left behind"
start a
stop a INT
[ "$ended" = 0 ] || die "SIGINT: exit $ended"
[ ! -e a.sock ] || die "the socket file is left"
