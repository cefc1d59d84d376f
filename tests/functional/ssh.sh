#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-compare A HOST:B through a real sshd on loopback as a test user. User, sshd and its directory exist in a mount
# namespace of this test only, so nothing of them is left whatever happens.
[ "$(id -u)" = 0 ] || { echo "needs root for a test user"; exit 77; }
[ -x /usr/sbin/sshd ] || { echo "needs sshd"; exit 77; }
if [ -z "${RA_TEST_NAMESPACE:-}" ]; then
	unshare -m --propagation private true 2>/dev/null || { echo "no mount namespaces here"; exit 77; }
	RA_TEST_NAMESPACE=1 exec unshare -m --propagation private "$0"
fi
. tests/functional/lib.sh

# ---- The user ----

user=ra-test
uid=$((100000 + $$)) # of this run alone
home=$T/home
password='correct horse'
mkdir -p "$home/.ssh" "$T/etc" "$T/bin" "$T/broken"
cp "$BUILD"/ra-{primaryd,secondaryd,compare} "$T/bin"
grep -v "^$user:" /etc/passwd >"$T/etc/passwd"
echo "$user:x:$uid:$uid::$home:/bin/bash" >>"$T/etc/passwd"
grep -v "^$user:" /etc/group >"$T/etc/group"
echo "$user:x:$uid:" >>"$T/etc/group"
(umask 077 && echo "$user:$(openssl passwd -6 "$password"):19000:0:99999:7:::" >"$T/etc/shadow")
for file in passwd group shadow; do mount --bind "$T/etc/$file" "/etc/$file" || die "no $file"; done
mount -t tmpfs tmpfs /run && mkdir /run/sshd || die "no /run/sshd"

# bash as login shell reads this file also for a command of ssh.
cat >"$home/.bashrc" <<'END'
[ -z "$RA_GREETING" ] || echo "$RA_GREETING"
[ -z "$RA_PATH" ] || PATH=$RA_PATH
END
printf '#!/bin/sh\nexit 7\n' >"$T/broken/ra-secondaryd"
chmod 755 "$T/broken/ra-secondaryd"

# ---- sshd and ssh ----

for key in host id wrong locked; do
	ssh-keygen -q -t ed25519 -N "$([ $key = locked ] && echo "$password")" -f "$T/etc/$key" || die "no key"
done
cat "$T/etc/id.pub" "$T/etc/locked.pub" >"$T/etc/authorized"
cp "$T/etc/id" "$T/etc/wrong" "$T/etc/locked" "$home/.ssh"
sanitizers="ASAN_OPTIONS=$ASAN_OPTIONS UBSAN_OPTIONS=$UBSAN_OPTIONS TSAN_OPTIONS=$TSAN_OPTIONS"

start_sshd()
{
	local i
	for ((i = 0; i < 20; i++)); do
		port=$((20000 + RANDOM % 10000))
		cat >"$T/etc/sshd_config" <<-END
			Port $port
			ListenAddress 127.0.0.1
			ListenAddress ::1
			HostKey $T/etc/host
			PidFile none
			AuthorizedKeysFile $T/etc/authorized
			StrictModes no
			UsePAM no
			PasswordAuthentication yes
			AllowUsers $user
			AcceptEnv RA_GREETING RA_PATH
			SetEnv PATH=$T/bin:/usr/bin:/bin T=$T $sanitizers
		END
		/usr/sbin/sshd -D -e -f "$T/etc/sshd_config" 2>"$T/etc/sshd.log" &
		sshd=$!
		until grep -qE 'listening on 127.0.0.1|Cannot bind|[Ee]rror' "$T/etc/sshd.log" || is_gone $sshd; do sleep 0.05; done
		grep -q 'listening on 127.0.0.1' "$T/etc/sshd.log" && return
		kill $sshd 2>/dev/null
		wait $sshd
	done
	cat "$T/etc/sshd.log"
	die "sshd does not start"
}
# The processes of sshd for the connection of now.
sessions()
{
	local pid parents

	parents=$(pgrep -d, -P $sshd) || return
	for pid in $(pgrep -P $sshd) $(pgrep -P "$parents"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != sshd ] || echo "$pid"
	done
}
start_sshd
trap 'kill -KILL $(sessions) $sshd 2>/dev/null; wait' EXIT

for name in 127.0.0.1 ::1; do echo "[$name]:$port $(cat "$T/etc/host.pub")"; done >"$home/.ssh/known_hosts"
cat >"$home/.ssh/config" <<END
Host alias greeting bare broken wrong typed locked
	HostName 127.0.0.1
Host greeting
	SetEnv RA_GREETING="Welcome to   host b!"
Host bare
	SetEnv RA_PATH=/nowhere
Host broken
	SetEnv RA_PATH=$T/broken
Host wrong
	IdentityFile $home/.ssh/wrong
Host locked
	IdentityFile $home/.ssh/locked
Host typed
	PreferredAuthentications password
Host *
	Port $port
	User $user
	IdentitiesOnly yes
	StrictHostKeyChecking yes
Host * !wrong !locked
	IdentityFile $home/.ssh/id
END
chown -R $uid:$uid "$home"
chmod 700 "$home/.ssh"

cat >"$T/as_user" <<END
#!/bin/sh
cd "$home" && exec setpriv --reuid=$uid --regid=$uid --clear-groups env HOME="$home" PATH="$T/bin:/usr/bin:/bin" "\$@"
END
cat >"$T/compare" <<END
#!/bin/sh
exec "$T/as_user" "$T/bin/ra-compare" "\$@"
END
chmod 755 "$T/as_user" "$T/compare"
RA=$T/compare

running() { pgrep -r D,R,S,T -u $uid -x "$1"; } # no zombies
has_secondary() { running ra-secondaryd >/dev/null; }
no_secondary() { ! has_secondary; }

# ---- Good and differing; names of hosts ----

mkdir "$T/v"
cd "$T/v" || exit 2
noise a 5000000
cp a b
poke b 4000000 RA..
cp a "$home/copy"
chmod 644 ./*
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

# ---- A password or passphrase typed at a terminal ----

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
grep -qE '[^-]echo ' "$T/screen" || die "no echo after ^C: $(cat "$T/screen")"
# And a signal to ra-compare alone.
on_terminal "$RA $T/v/a typed:copy; echo \$? >$T/first; stty -a"
until_true grep -q 'password:' "$T/screen"
kill -TERM "$(running ra-compare)"
off_terminal 0
[ "$(cat "$T/first")" = 3 ] || die "SIGTERM at the prompt: exit $(cat "$T/first")"
grep -qE '[^-]echo ' "$T/screen" || die "no echo after SIGTERM: $(cat "$T/screen")"
running ssh && die "ssh is left at its prompt"

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
