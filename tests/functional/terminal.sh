# SPDX-License-Identifier: Apache-2.0
#
# For functional tests of what stands on a terminal: source it before lib.sh.

# on_terminal COMMAND: $T/screen has what it printed, descriptor 9 is the keyboard, $T/code its exit status.
on_terminal()
{
	rm -f "$T/keys" "$T/screen" "$T/code"
	mkfifo "$T/keys"
	: >"$T/screen"
	script -qefc "$1; echo \$? >$T/code" "$T/screen" <"$T/keys" >/dev/null 2>&1 &
	terminal=$!
	exec 9>"$T/keys"
}
off_terminal()
{
	until_true test -s "$T/code"
	exec 9>&-
	wait $terminal
	[ "$(cat "$T/code")" = "$1" ] || { cat "$T/screen"; die "exit $(cat "$T/code") at a terminal, not $1"; }
}
# The last command of on_terminal was stty -a: it found that what is typed is shown.
has_echo() { grep -qE '(^| )echo echoe' "$T/screen"; }
