#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What ra-compare asks of ssh, with an ssh of the test's own: the command is fixed, set-up goes through its input, and
# each way in which it can end has its words. No root is needed.
. tests/functional/terminal.sh
. tests/functional/lib.sh

noise a 3000000
cp a b
mkdir bin
cat >bin/ssh <<'END'
#!/usr/bin/env bash
printf '<%s>' "$@" >"$T/arguments"
case $3 in
good) exec "$BUILD/ra-secondaryd" --once ;;
silent) exit "$RA_STATUS" ;;
shell) echo 'Last login: today'; exec "$BUILD/ra-secondaryd" --once ;;
stuck) exec sleep 60 ;;
late) sleep 11; exec "$BUILD/ra-secondaryd" --once ;;
asking)
	exec 3<>/dev/tty
	trap 'stty echo <&3; exit 255' INT TERM
	stty -echo <&3
	printf 'password: ' >&3
	read -r word <&3
	stty echo <&3
	[ "$word" = 'correct horse' ] || exit 255
	exec 3>&- "$BUILD/ra-secondaryd" --once
	;;
esac
END
chmod +x bin/ssh
export PATH=$T/bin:$PATH

expect 0 a good:b
[ "$(cat arguments)" = '<-T><--><good><ra-secondaryd><--once>' ] || die "ssh got $(cat arguments)"
says '^IDENTICAL: 3000000 bytes .* of a and good:b are equal'
poke b 77 RA..
expect 1 --json a good:b
json .remote.path good:b
expect 0 --common-size --limit 1G --io buffered --track-size 16K --cache 32M a good:a
for delivery in disconnect poll hold; do expect 1 --settle 0 --delivery $delivery a good:b; done

export RA_STATUS
for RA_STATUS in 0 7 127 255; do
	expect 4 a silent:b
	case $RA_STATUS in
	0) says 'ra-secondaryd on silent ended before it answered' ;;
	7) says 'ra-secondaryd on silent ended with exit status 7' ;;
	127) says 'RA is not installed on silent \(ra-secondaryd was not found there\)' ;;
	255) says 'ssh to silent failed' ;;
	esac
done
expect 4 a shell:b
says 'login shell on shell prints "Last login: today" where'
rm arguments
for host in '-x' 'a;b'; do expect 2 -- a "$host:b"; done
[ ! -e arguments ] || die "ssh was started for a host that is none"
PATH=$T/nowhere:/nowhere "$BUILD/ra-compare" a good:b 2>err
[ $? = 4 ] || die "without ssh"
says 'cannot start ssh: No such file'
expect 0 a late:a # longer than the 10 s that a Hello may take

for signal in INT TERM; do
	rm -f arguments
	"$RA" a stuck:b >out 2>err &
	ra=$!
	until_true test -s arguments
	kill -$signal $ra
	wait $ra
	code=$?
	[ $code = 3 ] || die "SIG$signal while ssh waits: exit $code"
	says 'interrupted before the comparison began'
done

# An ssh that asks on the terminal reads what is typed there, and gets the time to put the terminal in order.
on_terminal "$RA a asking:a"
until_true grep -q 'password:' screen
sleep 11 # longer than the 10 s that a Hello may take
echo 'correct horse' >&9
off_terminal 0
grep -q 'IDENTICAL: 3000000 bytes' screen || die "no verdict: $(cat screen)"
on_terminal "$RA a asking:a"
until_true grep -q 'password:' screen
echo 'wrong horse' >&9
off_terminal 4
grep -q 'ssh to asking failed' screen || die "no reason: $(cat screen)"
on_terminal "$RA a asking:a; echo \$? >first; stty -a"
until_true grep -q 'password:' screen
printf '\003' >&9
off_terminal 0
[ "$(cat first)" = 3 ] || die "^C at the prompt: exit $(cat first)"
has_echo || die "no echo after ^C: $(cat screen)"
on_terminal "$RA a asking:a; echo \$? >first; stty -a"
until_true grep -q 'password:' screen
kill -TERM "$(pgrep -s "$(pgrep -P $terminal)" -x ra-compare)"
off_terminal 0
[ "$(cat first)" = 3 ] || die "SIGTERM at the prompt: exit $(cat first)"
has_echo || die "no echo after SIGTERM: $(cat screen)"
exit 0
