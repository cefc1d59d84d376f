#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Without root and without systemd: what the other tests here show of two booted containers, of two network namespaces
# of an ordinary user, joined by a veth (10.77.0.1 and 10.77.0.2). The test is the service manager: it hears READY,
# STATUS and WATCHDOG, hands out the keys as credentials, and kills and starts again who does not feed its watchdog.
# All that it makes is in namespaces, which end with it however it ends.
if [ -z "${RA_NAMESPACES-}" ]; then
	for program in unshare setpriv nsenter ip nft jq; do
		command -v "$program" >/dev/null || { echo "no $program: see scripts/install-deps --test"; exit 77; }
	done
	own=(setpriv --pdeathsig KILL)
	user=(--reuid 65534 --regid 65534 --clear-groups)
	if [ "$(id -u)" = 0 ] && setpriv "${user[@]}" true 2>/dev/null; then
		chown 65534:65534 "$T"
		own+=("${user[@]}")
	fi
	"${own[@]}" test -x "$BUILD/ra-compare" -a -r "$0" || { echo "an ordinary user cannot reach $BUILD"; exit 77; }
	own+=(unshare --user --map-root-user --net --mount --pid --fork --kill-child --mount-proc)
	why=$("${own[@]}" mount -t tmpfs none /run 2>&1) || { echo "an ordinary user has no namespaces here: $why"; exit 77; }
	RA_NAMESPACES=1 "${own[@]}" bash "$0" &
	inside=$!
	trap '{ kill -KILL "$inside"; wait "$inside"; } 2>/dev/null' EXIT
	trap 'exit 130' INT TERM
	wait "$inside"
	exit
fi
. tests/functional/hosts.sh
. tests/functional/lib.sh

# ---- Hosts ----

in_network() { nsenter --net="/run/netns/$1" "${@:2}"; }
networks()
{
	local name address=1

	mount -t tmpfs none /run || die "no tmpfs"
	for name in a b; do ip netns add $name; done
	ip link add va netns a type veth peer name vb netns b || die "no veth"
	for name in a b; do
		ip -n $name address add 10.77.0.$((address++))/24 dev v$name
		ip -n $name link set v$name up
	done
}
partition()
{
	in_network b nft 'add table inet cut; add chain inet cut in { type filter hook input priority 0; }
		add rule inet cut in ip saddr 10.77.0.1 counter drop; add chain inet cut out { type filter hook output priority 0; }
		add rule inet cut out ip daddr 10.77.0.1 counter drop' || die "nft cannot drop"
}
heal() { in_network b nft delete table inet cut; }
# has_dropped PACKETS
has_dropped()
{
	[ "$(in_network b nft list table inet cut | awk '/counter/ { sub(/.*packets /, ""); sum += $1 } END { print sum }')" -ge "$1" ]
}
lose_power()
{
	ip -n b link set vb down # nobody is told
	stop b KILL
	ip -n b link set vb up
}

# ---- The service manager ----

watchdog_s=1
# manage NAME: it is heard, and its key is to be had as a credential only.
manage()
{
	mkdir -m 700 "$1.credentials" "$1.run" "$1.key"
	mv "$1.pem" "$1.key"
	"$BUILD/tests/heard" "$T/$1.notify" >"$1.heard" &
	in_namespace[$1]="nsenter --net=/run/netns/$1 env NOTIFY_SOCKET=$T/$1.notify WATCHDOG_USEC=$((watchdog_s * 1000000))
		CREDENTIALS_DIRECTORY=$T/$1.credentials RA_RELOADED_CREDENTIALS=$T/$1.run"
	until_true test -S "$1.notify"
}
# heard NAME LINE: how often.
heard() { grep -cE -- "^$2" "$1.heard"; }
has_said() { [ "$(heard "$1" "$2")" -ge "$3" ]; }
# serve NAME: returns when it is ready.
serve()
{
	local ready
	ready=$(heard "$1" READY=1)
	rm -f "$1.run"/*
	install -m 400 "$1.key/$1.pem" "$1.credentials"
	start "$1"
	until_true has_said "$1" READY=1 $((ready + 1))
}
# reload NAME WORDS: returns when it has said them.
reload()
{
	local before ready reloading
	before=$(grep -cE -- "$2" "$1.log")
	ready=$(heard "$1" READY=1)
	reloading=$(heard "$1" RELOADING=1)
	install -m 400 "$1.key/$1.pem" "$1.run"
	kill -HUP "${daemon[$1]}"
	until_true eval "[ \$(grep -cE -- '$2' $1.log) -gt $before ]"
	until_true has_said "$1" RELOADING=1 $((reloading + 1))
	until_true has_said "$1" READY=1 $((ready + 1))
}
taken='read again:'
# hang NAME: its loop stands still, and it is started again.
hang()
{
	until_true has_said "$1" WATCHDOG=1 $(($(heard "$1" WATCHDOG=1) + 2)) # it feeds it as long as it turns
	kill -STOP "${daemon[$1]}"
	until_true is_silent "$1"
	stop "$1" KILL
	serve "$1"
}
is_silent() { [ -z "$(find "$1.heard" -newermt "-$watchdog_s seconds")" ]; }

# ---- Runs ----

declare -A run
# begin DEVICE ARGUMENT...: it is under way, and has compared something.
begin()
{
	"$RA" --socket "$T/a.sock" --json "${@:2}" "$1" >"$1.json" 2>"$1.err" &
	run[$1]=$!
	until_true is_under_way "$1"
}
is_under_way() { [ "$(done_tracks "$1")" -gt 0 ]; }
done_tracks() { ctl_json a "[.runs[] | select(.device == \"$1\") | .done_tracks] | add // 0" status; }
goes_on() { kill -0 "${run[$1]}" 2>/dev/null || { cat "$1.err"; die "the run of $1 has ended"; }; }
# gets_on DEVICE: now.
gets_on()
{
	local at
	at=$(done_tracks "$1")
	until_true eval "goes_on $1; [ \$(done_tracks $1) -gt $at ]"
}
# finish CODE DEVICE
finish()
{
	wait "${run[$2]}"
	local code=$?
	[ "$code" = "$1" ] || { cat "$2.json" "$2.err"; die "the run of $2 has ended with $code"; }
}
relinks() { ctl_json a '.links[0].relinks' links; }
has_relinked() { link_is_up && [ "$(relinks)" -gt "$1" ]; }
link_is_down() { ! link_is_up; }
metric() { ctl "$1" metrics | awk -v series="$2" '$1 == series { print $2 }'; }

# ---- Ready, verdicts, metrics ----

networks
noise web1.a 268435456
noise web2.a 4194304
for device in web1 web2; do cp $device.a $device.b; done
a_device='limit = 1M'
port=7447
two_hosts web1 web2
sed -i 's/^address = .*/address = 10.77.0.2:7447/' a.conf
sed -i 's/^listen = .*/listen = 10.77.0.2:7447/' b.conf
for name in a b; do manage $name; done
serve b
serve a
until_true link_is_up

ctl a limit device web2 none >/dev/null
compare 0 web2
says '^IDENTICAL: '
change web2.b 4000000
compare 1 --json web2
json '.result + " " + (.ranges | map("\(.offset)+\(.length)") | join(" "))' 'different 4000000+1'
[ "$(metric a 'ra_last_run_result{daemon="primary",device="web2",result="different"}')" = 1 ] || die "no such metric"
ctl a limit device web2 1M >/dev/null

# ---- The network stays away: shorter, and longer than one of two runs wants to wait ----

begin web1
partition
until_true has_dropped 5
goes_on web1
heal
gets_on web1
[ "$(relinks)" = 0 ] || die "a short partition has cost the link"

ctl a limit device web2 256K >/dev/null
begin web2 --link-timeout 1s
partition
until_true has_said a 'STATUS=2 devices, 1 of 1 peer linked, [12] hosts?$' 1
until_true has_said b 'STATUS=2 devices, 1 link, [1-9][0-9]* jobs?$' 1
finish 4 web2
goes_on web1
heal
until_true has_relinked 0
gets_on web1

# ---- b loses its power, and comes back when somebody comes to its socket ----

before=$(relinks)
lose_power
until_true link_is_down
goes_on web1
alone=${in_namespace[b]}
! command -v systemd-socket-activate >/dev/null || in_namespace[b]+=" systemd-socket-activate --listen=10.77.0.2:7447
	-E NOTIFY_SOCKET -E WATCHDOG_USEC -E CREDENTIALS_DIRECTORY -E RA_RELOADED_CREDENTIALS"
serve b
in_namespace[b]=$alone
until_true has_relinked "$before"
gets_on web1

# ---- Loops that stand still ----

before=$(relinks)
hang b
until_true has_relinked "$before"
gets_on web1

hang a
finish 4 web1 # the run ends with its daemon, and is begun again where it was
until_true link_is_up
begin web1

# ---- New keys on both sides, a reload of a bad file ----

# rotate NAME PEER: no moment at which they would not let each other in.
rotate()
{
	local name=$1 peer=$2 old=${key[$1]}

	keygen "$name"
	mv -f "$name.pem" "$name.key"
	sed -i "s/^key = .*/key = $old ${key[$name]}/" "$peer.conf"
	reload "$peer" "$taken"
	reload "$name" "$taken"
	[ "$(ctl_json "$name" .key status)" = "${key[$name]}" ] || die "$name does not have its new key"
	uses "$peer" "$old" || die "the link has not gone on with the old key"
	sed -i "s/^key = .*/key = ${key[$name]}/" "$peer.conf"
	reload "$peer" "$taken"
	until_true uses "$peer" "${key[$name]}"
	until_true link_is_up
}
# uses NAME KEY: the link of that side is up, and its peer has proven this key.
uses() { [ "$(ctl_json "$1" '.links[0] | .state + .key' links)" = "up$2" ]; }
rotate b a
rotate a b
gets_on web1

# refused NAME LINE: that line at its end is refused, with its number.
refused()
{
	cp "$1.conf" good
	echo "$2" >>"$1.conf"
	reload "$1" "$1.conf:$(wc -l <"$1.conf"): .*"
	grep -q 'stays as it was' "$1.log" || die "$1 does not say what holds now"
	cp good "$1.conf"
}
before=$(relinks)
refused a 'max-lag = soon'
refused b 'offset = 7'
gets_on web1
[ "$(relinks)" = "$before" ] || die "a file that was refused has cost the link"
ctl a limit device web1 none >/dev/null
finish 0 web1
json_of() { jq -r "$1" web1.json; }
[ "$(json_of '.result')" = identical ] || die "another verdict"
[ "$(json_of '.resumed_tracks > 0')" = true ] || die "the run began anew"
[ "$(json_of .link.relinks)" = 2 ] || die "the run has had its link anew $(json_of .link.relinks) times, not for each key"

# ---- No space for the state ----

stop a
[ "$ended" = 0 ] || die "a ended with $ended"
has_said a STOPPING=1 1 || die "a does not say that it ends"
mount -t tmpfs -o size=128k state a.state || die "no mount"
head -c 1000000 /dev/zero >a.state/fill 2>/dev/null && die "there is space"
serve a
until_true link_is_up
ctl a limit device web2 none >/dev/null
compare 1 web2
says 'the place of this run cannot be kept: .*/web2/ledger: No space left on device'
says 'this report is not kept .*: No space left on device'
says '^DIFFERENT: '
rm a.state/fill
compare 1 web2
grep -q 'No space' out err && die "there is space, but the run says that there is none"
[ "$(ctl_json a .result report show web2)" = different ] || die "no report was kept"
test -s a.state/web2/ledger || die "no ledger was kept"

for name in a b; do
	stop $name
	[ "$ended" = 0 ] || { cat $name.log; die "$name ended with $ended"; }
done
