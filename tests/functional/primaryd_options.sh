#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The command line of ra-primaryd, its configuration errors with file and line, keys that others may read, signals.
. tests/functional/lib.sh
. tests/functional/daemons.sh
RA=$BUILD/ra-primaryd

expect 0 --help
says '^Usage: ra-primaryd'
expect 0 --version
says '^ra-primaryd [0-9]'
expect 2 --bogus
expect 2 word
says "unexpected argument 'word'"
expect 2 --once --config x
expect 2 --config "$T/none.conf"
says 'none\.conf'

touch v
new_site
add_device web1 "$T/v" "$T/v"
expect 0 --config "$T/primary.conf" --check-config
[ ! -s out ] && [ ! -s err ] || die "it says something"
expect 0 --config "$T/primary.conf" --dump-config
says 'track-size'
expect 2 --config "$T/secondary.conf" --check-config

echo 'peeer = b' >>primary.conf
line=$(wc -l <primary.conf)
expect 2 --config "$T/primary.conf"
says "primary\.conf:$line: "
says 'peeer'
sed -i '$d' primary.conf

chmod 640 a.pem
expect 2 --config "$T/primary.conf"
says "primary\.conf:2: identity: .*a\.pem"
chmod 600 a.pem
add_key primary primary "ca = $T/none.pem"
expect 2 --config "$T/primary.conf"
says 'primary\.conf:2: ca: .*none\.pem'
sed -i '/^ca =/d' primary.conf
mkdir dir
sed -i "s|^socket = .*|socket = $T/dir|" primary.conf
expect 1 --config "$T/primary.conf"
says "$T/dir"
sed -i "s|^socket = .*|socket = $T/primary.sock|" primary.conf

start_primary
expect 1 --config "$T/primary.conf" # a second one
says 'primary\.sock'
kill -HUP "$primary"
until_true grep -q 'SIGHUP' primary.log
kill -USR2 "$primary"
until_true grep -q 'local device web1' primary.log
stop_all
[ ! -e primary.sock ] || die "the socket file is left"
start_primary
kill -INT "$primary"
wait "$primary" || die "SIGINT: exit $?"
primary=
