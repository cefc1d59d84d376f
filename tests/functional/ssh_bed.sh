#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# For functional tests of ra-compare A HOST:B with a real sshd on loopback, as a test user: source it instead of lib.sh.
# User, sshd and its directory exist in a mount namespace of that test only, so nothing of them is left whatever happens.
# $RA runs ra-compare as the user; $T/v/a is a volume, copy in the user's home is like it; hosts are those of its
# .ssh/config below.
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
		port=$(free_port)
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

mkdir "$T/v"
cd "$T/v" || exit 2
noise a 5000000
cp a "$home/copy"
chmod 644 ./*
