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
expect 0 --config "$T/a.conf" --dump-config
says 'track-size'
expect 2 --config "$T/a.conf" --check-config --dump-config
says 'exclude each other'
expect 2 --config "$T/b.conf" --check-config # of a secondary
says 'b\.conf:1'

echo 'peeer = b' >>a.conf
line=$(wc -l <a.conf)
expect 2 --config "$T/a.conf"
says "^ra-primaryd: error: $T/a\.conf:$line: .*peeer"
sed -i '$d' a.conf
# What it names: said before it runs, and by --check-config in the same words.
for check in --check-config ''; do
	chmod 640 a.pem
	expect 2 --config "$T/a.conf" $check
	says "a\.conf:2: identity: .*a\.pem"
	chmod 600 a.pem
	sed -i "s|^identity = .*|&\nca = $T/none.pem|" a.conf
	expect 2 --config "$T/a.conf" $check
	says 'a\.conf:3: ca: .*none\.pem'
	sed -i "s|^ca = .*|socket-group = no-such-group|" a.conf
	expect 2 --config "$T/a.conf" $check
	says 'a\.conf:3: socket-group: there is no group no-such-group'
	sed -i '/^socket-group =/d' a.conf
done
mkdir dir
sed -i.good "s|^socket = .*|socket = $T/dir|" a.conf
expect 1 --config "$T/a.conf"
says "$T/dir"
mv a.conf.good a.conf

start a # there is no secondary: it serves all the same
expect 1 --config "$T/a.conf" # a second one
says 'a\.sock'
kill -HUP "${daemon[a]}"
until_true grep -q SIGHUP a.log
kill -USR2 "${daemon[a]}"
until_true grep -q 'local device v' a.log
stop a KILL
[ -S a.sock ] || die "no socket file is left behind"
start a
stop a INT
[ "$ended" = 0 ] || die "SIGINT: exit $ended"
[ ! -e a.sock ] || die "the socket file is left"
