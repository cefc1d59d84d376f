#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-compare A HOST:B through a real sshd on loopback: names of hosts, paths, what may be wrong there, and ends.
. tests/functional/ssh_bed.sh

# ---- Good and differing; names of hosts ----

cp a b
poke b 4000000 RA..
for host in alias 127.0.0.1 $user@127.0.0.1; do
	expect 0 "$T/v/a" "$host:$T/v/a"
	says "^IDENTICAL: 5000000 bytes .* and $host:$T/v/a are equal"
done
if grep -q 'listening on ::1' "$T/etc/sshd.log"; then
	expect 0 "$T/v/a" "$user@[::1]:copy"
	expect 0 "$T/v/a" '[::1]:copy'
fi
expect 0 "$T/v/a" alias:copy
expect 1 --json "$T/v/a" "alias:$T/v/b"
json .result different
json .remote.path "alias:$T/v/b"
json '.ranges[0].offset >= 4000000 and .ranges[0].offset < 4000004' true
for delivery in poll hold; do expect 0 --delivery $delivery "$T/v/a" alias:copy; done
expect 5 "$T/v/a" "alias:$T/v/missing"
says 'volume B: cannot open alias:.*missing: No such file'
no_secondary || until_true no_secondary

# ---- Paths reach no shell ----

for name in 'two words' "it's" 'say "no"' '$HOME' '`id >pwned`' '$(id >pwned)' $'two\nlines' '-dash' '; id >pwned' \
	'*' 'back\slash' 'a:b' '~' $'\x01\xff'; do
	cp a "$home/$name"
	expect 0 "$T/v/a" "alias:$name"
	expect 0 "$T/v/a" "alias:$home/$name"
	rm "$home/$name"
	expect 5 "$T/v/a" "alias:$name"
done
[ ! -e "$home/pwned" ] || die "a shell has seen the path"
cp a "$home/a:b"
expect 0 "$T/v/a" './a:b'
for host in '-oProxyCommand=touch pwned' '-h' 'a b' '' $'a\nb' 'a;b' 'a$b' '`id`' 'u@-h' '@h' 'u@'; do
	expect 2 -- "$T/v/a" "$host:copy"
	says "host|user"
done
[ ! -e "$home/pwned" ] || die "a shell has seen the host"

# ---- What may be wrong there ----

expect 4 "$T/v/a" bare:copy
says 'RA is not installed on bare'
expect 4 --json "$T/v/a" bare:copy
json .result error
expect 4 "$T/v/a" broken:copy
says 'ra-secondaryd on broken ended with exit status 7'
expect 4 "$T/v/a" wrong:copy
says 'Permission denied'
says 'ssh to wrong failed'
expect 4 "$T/v/a" greeting:copy
says 'prints "Welcome to host b!'
expect 4 "$T/v/a" no-such-host.invalid:copy
says 'ssh to no-such-host.invalid failed'
until_true no_secondary

# ---- Ends in the middle ----

begin()
{
	: >"$T/err"
	"$RA" --repeat forever "$T/v/a" alias:copy >"$T/out" 2>"$T/err" &
	ra=$!
	until_true grep -q IDENTICAL "$T/err"
	has_secondary || die "no ra-secondaryd"
}
ended()
{
	wait $ra
	code=$?
	[ $code = "$1" ] || die "exit $code, not $1"
	until_true no_secondary
}
begin
kill -KILL $ra
ended 137
begin
kill -INT $ra
ended 3
begin
# shellcheck disable=SC2046
kill -KILL $(sessions)
ended 4
says 'ssh to alias failed'
begin
kill -KILL "$(running ra-secondaryd)"
ended 4
says 'alias'

# A connection that is there and carries nothing: both sides find out by themselves.
[ -n "${RA_LONG:-}" ] || exit 0
begin
stopped=$(sessions)
# shellcheck disable=SC2086
kill -STOP $stopped
ended 4
# shellcheck disable=SC2086
kill -KILL $stopped
exit 0
