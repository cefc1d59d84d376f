#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The command line of ra-secondaryd, configuration errors with file, line and what was expected, what the configuration
# names, signals, and a socket or an address that is in use or was left behind.
. tests/functional/hosts.sh
. tests/functional/lib.sh
RA=$BUILD/ra-secondaryd

expect 0 --help
says '^Usage: ra-secondaryd'
expect 0 --version
says '^ra-secondaryd [0-9]'
expect 2 --bogus
expect 2 word
says "unexpected argument 'word'"
[ "$(tail -n 1 err)" = "Try 'ra-secondaryd --help'." ] && [ "$(wc -l <err)" = 2 ] || die "no hint after the error"
expect 2 --once -v
expect 2 --once --config x
says '^ra-secondaryd: error: --once'
expect 2 --check-config --dump-config
says 'exclude each other'
expect 2 --config "$T/none.conf"
says 'none\.conf'

noise v.b 100000
two_hosts v
conf=$T/b.conf
expect 0 --config "$conf" --check-config
[ ! -s out ] && [ ! -s err ] || die "it says something"
expect 0 --config "$conf" --dump-config
says '^listen = 127\.0\.0\.1:'
says '^#window = 32'
cp out again.conf # what it prints is a configuration, and the same one
expect 0 --config "$T/again.conf" --dump-config
grep -v '^#' out | cmp -s - <(grep -v '^#' again.conf) || die "another configuration was printed"
expect 2 --config "$T/a.conf" --check-config # of a primary
says 'a\.conf:1'

# wrong SED WORDS [CODE]: the configuration changed so is refused, by a check as at a start.
wrong()
{
	cp "$conf" good.conf
	sed -i "$1" "$conf"
	expect "${3:-2}" --config "$conf"
	says "$2"
	[ "${3:-2}" = 1 ] || expect 2 --config "$conf" --check-config
	says "$2"
	[ ! -e b.sock ] || die "$1: a socket is there"
	cp good.conf "$conf"
}
wrong '2s/.*/identty = x/' "^ra-secondaryd: error: $conf:2: .*identty"
wrong '2s/identity/track-size/' "^ra-secondaryd: error: $conf:2: track-size"
wrong 's/^listen = .*/listen = b.example:7447/' "$conf:4: listen = b.example:7447: .*expected"
wrong 's/^listen = .*/cache = 12M/' "$conf:4: cache = 12M: .*expected at least"
wrong 's/^devices = .*/devices = v w/' "$conf:[0-9]*: devices = v w: .*w\]"
wrong 's/^key = .*/key = sha256:12/' "$conf:[0-9]*: key = sha256:12: .*expected"
wrong '/^key = /d' "$conf:[0-9]*: \[peer a\]"
wrong '/^volume = /d' "$conf:[0-9]*: .*volume"
wrong 's/^volume = .*/volume = v.b/' "$conf:[0-9]*: volume = v.b: .*expected"
wrong 's/^\[device v\]/[device v w]/' "$conf:[0-9]*: "
wrong "3s|\$|\nsocket-group = no-such-group|" "$conf:4: socket-group: .*no-such-group"
wrong "3s|\$|\nadmin-group = no-such-group|" "$conf:4: admin-group: .*no-such-group"
wrong "3s|\$|\nca = $T/none.pem|" "$conf:4: ca: .*none\.pem"
wrong "2s|b\.pem|none.pem|" "$conf:2: identity: .*none\.pem"
wrong "s|^socket = .*|socket = $T/none/b.sock|" "socket.*$T/none/b\.sock" 1
wrong "s|^listen = .*|listen = 192.0.2.1:7447|" "listen.*192\.0\.2\.1:7447" 1
chmod 640 b.pem
wrong '' "$conf:2: identity: .*b\.pem.*(0640|others)"
chmod 600 b.pem
mkdir conf.d
echo 'nonsense' >conf.d/x.conf
wrong '' "$T/conf\.d/x\.conf:1: "
rm -r conf.d

start b
for words in '^ra-secondaryd: info: version [0-9].* configuration .*/b\.conf' "info: key ${key[b]}" \
	"info: listening on 127\.0\.0\.1:$port\$" "info: socket $T/b\.sock" 'info: 1 device, 1 peer$'; do
	grep -q "$words" b.log || die "the log does not say $words"
done
expect 1 --config "$conf" # a second one
says "127\.0\.0\.1:$port.*in use"
sed 's/^listen = .*/listen = 127.0.0.1:0/' b.conf >second.conf
expect 1 --config "$T/second.conf"
says 'b\.sock.*in use'
answers b || die "the first one does not answer any more"
kill -HUP "${daemon[b]}"
until_true grep -q 'read again: [0-9]* devices*, [0-9]* peers*' b.log
kill -USR2 "${daemon[b]}"
until_true grep -q 'info: cache: slots' b.log
answers b || die "it has ended"
stop b KILL
[ -S b.sock ] || die "no socket file is left behind"
start b
stop b INT
[ "$ended" = 0 ] || die "SIGINT: exit $ended"
[ ! -e b.sock ] || die "the socket file is left"
start b
stop b TERM
[ "$ended" = 0 ] || die "SIGTERM: exit $ended"

# A level less and a level more than the configuration says.
sed -i '3s/$/\nlog-level = warning/' b.conf
: >b.log
start b
[ ! -s b.log ] || die "it logs more than warnings: $(head -n 1 b.log)"
stop b
timeout 20 "$RA" --config "$conf" -v 2>err >out &
until_true grep -q 'info: version' err
kill %1
wait %1
[ $? = 0 ] || die "it did not end well"
