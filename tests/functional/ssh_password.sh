#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-compare A HOST:B where ssh asks on the terminal for a password or the passphrase of a key, with a real sshd.
. tests/functional/terminal.sh
. tests/functional/ssh_bed.sh

for host in typed locked; do
	on_terminal "$RA $T/v/a $host:copy"
	until_true grep -qE "password:|passphrase" "$T/screen"
	sleep 12 # longer than the 10 s that a Hello may take
	echo "$password" >&9
	off_terminal 0
	grep -q 'IDENTICAL: 5000000 bytes' "$T/screen" || die "$host: no verdict: $(cat "$T/screen")"
done
# ^C at the prompt ends all and leaves the terminal with its echo.
on_terminal "$RA $T/v/a typed:copy; echo \$? >$T/first; stty -a"
until_true grep -q 'password:' "$T/screen"
printf '\003' >&9
off_terminal 0
[ "$(cat "$T/first")" = 3 ] || die "^C at the prompt: exit $(cat "$T/first")"
has_echo || die "no echo after ^C: $(cat "$T/screen")"
# And a signal to ra-compare alone.
on_terminal "$RA $T/v/a typed:copy; echo \$? >$T/first; stty -a"
until_true grep -q 'password:' "$T/screen"
kill -TERM "$(running ra-compare)"
off_terminal 0
[ "$(cat "$T/first")" = 3 ] || die "SIGTERM at the prompt: exit $(cat "$T/first")"
has_echo || die "no echo after SIGTERM: $(cat "$T/screen")"
running ssh && die "ssh is left at its prompt"
exit 0
