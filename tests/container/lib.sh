# SPDX-License-Identifier: Apache-2.0
#
# For tests of containers: source it first. `pair` boots two of them, a and b, each with its own systemd, joined by a
# veth (10.77.0.1 and 10.77.0.2); `on a COMMAND` runs one in a; $T/a and $T/b are their file systems.
# The test runs in namespaces of its own for processes, mounts and networks, which end with it however it ends. What no
# namespace has, loop devices and cgroups, is undone by the shell that waits outside of them.
set -u -o pipefail
shared=$BUILD/container
hierarchies=$(awk '$3 == "cgroup2" || ($3 == "cgroup" && $4 ~ /name=systemd/) { print $2 }' /proc/mounts)

# ---- Outside ----

undo()
{
	local device hierarchy

	kill -KILL "$inside" 2>/dev/null # its namespaces end with it
	wait "$inside" 2>/dev/null
	while read -r device; do losetup -d "$device"; done < <(cat "$T/loops" 2>/dev/null)
	for hierarchy in $hierarchies; do
		for _ in {1..50}; do
			find "$hierarchy" -depth -type d -path "$hierarchy/ra-test-$$-*" -exec rmdir {} \; 2>/dev/null
			compgen -G "$hierarchy/ra-test-$$-*" >/dev/null || break
			sleep 0.1 # who is being killed leaves its cgroup when it has ended
		done
	done
}

if [ -z "${RA_GROUP-}" ]; then
	tests/container/prepare >"$T/prepared" 2>&1
	status=$?
	[ "$status" = 0 ] || { cat "$T/prepared"; exit "$status"; }
	RA_GROUP=ra-test-$$ setpriv --pdeathsig KILL unshare --mount --pid --net --fork --kill-child --mount-proc bash "$0" &
	inside=$!
	trap undo EXIT
	trap 'exit 130' INT TERM
	wait "$inside"
	exit
fi

# ---- Inside ----

declare -A nspawn leader
cd "$T" || exit 2

die()
{
	local name

	echo "FAILED: $*"
	[ ! -s "$T/out" ] || { echo "--- out"; head -c 3000 "$T/out"; }
	for name in "${!leader[@]}"; do
		echo "--- journal of $name"
		on "$name" journalctl --no-pager -o short-precise -u 'ra-*' -n 60 2>&1 || cat "$T/$name.console"
	done
	exit 1
}

skip()
{
	echo "$*"
	exit 77
}

# Waits until a command succeeds, at most 60 s.
until_true()
{
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" && return 0
		sleep 0.1
	done
	die "never true: $*"
}

# on NAME COMMAND...
on()
{
	nsenter -t "${leader[$1]}" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "${@:2}"
}

# prepare_host NAME ADDRESS: its file system and its network.
prepare_host()
{
	local name=$1

	mkdir -p "$T/.$name" "$T/$name"
	mount -t tmpfs tmpfs "$T/.$name"
	mkdir "$T/.$name/upper" "$T/.$name/work"
	mount -t overlay overlay -o "lowerdir=$(realpath "$shared/root"),upperdir=$T/.$name/upper,workdir=$T/.$name/work" \
		"$T/$name"
	[ "$(realpath "$shared/root")" != / ] || forget_the_host "$T/$name"
	systemd-id128 new >"$T/$name/etc/machine-id"
	ln -sf /usr/share/zoneinfo/UTC "$T/$name/etc/localtime"
	echo "$name" >"$T/$name/etc/hostname"
	printf '127.0.0.1 localhost\n10.77.0.1 a.example\n10.77.0.2 b.example\n' >"$T/$name/etc/hosts"
	ip -n "$name" link set lo up
	ip -n "$name" address add "$2/24" dev "v$name"
	ip -n "$name" link set "v$name" up
}

# forget_the_host ROOT: what a copy of this host would start, forbid to start, mount, and know of RA.
forget_the_host()
{
	rm -rf "$1"/etc/systemd/system/*.{wants,requires} "$1"/etc/rc?.d "$1/usr/sbin/policy-rc.d" "$1/etc/ra" \
		"$1"/var/lib/ra{,-secondary} "$1"/var/log/journal/*
	mkdir -p "$1/var/log/journal" # what is said before a loss of power stays
	: >"$1/etc/fstab"
}

# boot NAME [ARGUMENT-OF-NSPAWN...]: again, too, after it has lost its power.
boot()
{
	local name=$1 hierarchy

	(
		# With --keep-unit the cgroup of a container is below that of its caller.
		for hierarchy in $hierarchies; do
			mkdir -p "$hierarchy/$RA_GROUP-$name"
			echo "$BASHPID" >"$hierarchy/$RA_GROUP-$name/cgroup.procs"
		done
		# Devices that are not allowed are refused only where the container may load the filter for that.
		exec env -i PATH="$PATH" SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --directory="$T/$name" --boot \
			--register=no --keep-unit --console=pipe --resolv-conf=off --timezone=off --link-journal=no -M "$name" \
			"--network-namespace-path=/run/netns/$name" --system-call-filter=bpf "${@:2}"
	) </dev/null >"$T/$name.console" 2>&1 &
	nspawn[$name]=$!
	until_true has_booted "$name"
}
has_booted()
{
	kill -0 "${nspawn[$1]}" 2>/dev/null || { cat "$T/$1.console"; die "$1 has ended"; }
	leader[$1]=$(ps -o pid= --ppid "${nspawn[$1]}" | head -n 1 | tr -d ' ')
	[ -n "${leader[$1]}" ] && on "$1" systemctl is-system-running 2>/dev/null | grep -qE '^(running|degraded)$'
}

# lose_power NAME: all of it is gone at once, without a word to anybody.
lose_power()
{
	echo 1 >"$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/$RA_GROUP-$1/cgroup.kill"
	{ wait "${nspawn[$1]}"; } 2>/dev/null
	unset "nspawn[$1]" "leader[$1]"
}

# hosts: the file systems and networks of both. pair: and both are booted.
hosts()
{
	mount -t tmpfs tmpfs /run # what the tools keep there ends with the test
	ip netns add a
	ip netns add b
	ip link add va netns a type veth peer name vb netns b
	prepare_host a 10.77.0.1
	prepare_host b 10.77.0.2
}
pair()
{
	hosts
	boot a
	boot b
}

# attach NAME FILE: a loop device of it, as $T/.NAME/node, which the group disk may read.
attach()
{
	local device

	device=$(losetup -f --show --direct-io=on "$2" 2>/dev/null || losetup -f --show "$2") || skip "no loop device"
	echo "$device" >>"$T/loops"
	mknod "$T/.$1/node" b "$(stat -c '0x%t' "$device")" "$(stat -c '0x%T' "$device")"
	chgrp 6 "$T/.$1/node"
	chmod 640 "$T/.$1/node"
}
# allow_devices NAME UNIT [SED]: the documented drop-in, changed by SED.
allow_devices()
{
	mkdir -p "$T/$1/etc/systemd/system/$2.d"
	sed "${3-}" "$T/$1/usr/share/doc/ra/examples/block-devices.conf" >"$T/$1/etc/systemd/system/$2.d/block-devices.conf"
	on "$1" systemctl daemon-reload
	on "$1" systemctl restart "$2" || die "$2 of $1 does not start"
}

# install_on NAME FILE: by dpkg, in the container.
install_on()
{
	cp "$shared/$2" "$T/$1/root/$2"
	on "$1" dpkg -i "/root/$2" >"$T/$1.dpkg" 2>&1 || { cat "$T/$1.dpkg"; die "$2 cannot be installed on $1"; }
}

# configure DEVICE...: packages, keys, and the lines that ra.conf(5) says, with /srv/DEVICE as volume on either side,
# which user ra can read. Before it, a_device: further lines of a's [device].
declare -A key
configure()
{
	local name device

	for name in a b; do
		install_on "$name" ra.deb
		keygen "$name"
	done
	{
		printf '[peer b]\naddress = b.example:7447\nkey = %s\n' "${key[b]}"
		for device; do
			printf '[device %s]\nvolume = /srv/%s\npeer = b\n%s\n' "$device" "$device" "${a_device-}"
		done
	} >"$T/a/etc/ra/primary.conf"
	{
		printf '[peer a]\nkey = %s\ndevices = %s\n' "${key[a]}" "$*"
		for device; do printf '[device %s]\nvolume = /srv/%s\n' "$device" "$device"; done
	} >"$T/b/etc/ra/secondary.conf"
}
# keygen NAME [FILE]: its key, which is in ${key[NAME]}.
keygen()
{
	key[$1]=$(on "$1" ra-ctl keygen --out "${2:-/etc/ra/identity.pem}" "$1" 2>/dev/null | sed -n 's/^key = //p')
	[ -n "${key[$1]}" ] || die "keygen on $1 printed no key"
}
# volume DEVICE MIB: the same on both sides, incompressible; nowhere before the containers are there.
volume()
{
	head -c "$(($2 * 1048576))" /dev/urandom >"$T/a/srv/$1"
	cp "$T/a/srv/$1" "$T/b/srv/$1"
}
# change FILE OFFSET: the byte there becomes another one.
change()
{
	local old
	old=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "\\0$(printf '%o' $(((old + 1) % 256)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# start_both: as the manual says.
start_both()
{
	on b systemctl enable --now ra-secondary.service 2>/dev/null || die "ra-secondary does not start"
	on a systemctl enable --now ra-primary.service 2>/dev/null || die "ra-primary does not start"
	until_true link_is_up
}
# ctl NAME FILTER VERB...: what jq makes of the answer.
ctl() { on "$1" ra-ctl --json "${@:3}" | jq -r "$2"; }
link_is_up() { [ "$(ctl a '.links[0].state' links 2>/dev/null)" = up ]; }
link_is_down() { ! link_is_up; }

# compare CODE DEVICE [ARGUMENT...]: by hand, as root; what it prints is in $T/out.
compare()
{
	local got
	on a ra-compare "${@:2}" >"$T/out" 2>&1
	got=$?
	[ "$got" = "$1" ] || die "ra-compare ${*:2}: exit $got, not $1"
}
says() { grep -qE -- "$1" "$T/out" || die "nowhere: $1"; }

# begin DEVICE: ra-compare@DEVICE is under way, and has compared something.
begin()
{
	on a systemctl start "ra-compare@$1.service" || die "ra-compare@$1 does not start"
	until_true is_under_way "$1"
}
is_under_way()
{
	[ "$(ctl a "[.runs[] | select(.device == \"$1\" and .done_tracks > 0)] | length" status 2>/dev/null)" = 1 ]
}
# finish CODE DEVICE: it has ended so.
finish()
{
	until_true has_ended "$2"
	[ "$(property a "ra-compare@$2.service" ExecMainStatus)" = "$1" ] || die "the run of $2 has not ended with $1"
}
has_ended() { [[ $(property a "ra-compare@$1.service" ActiveState) = inactive || $(property a "ra-compare@$1.service" ActiveState) = failed ]]; }
# property NAME UNIT PROPERTY
property() { on "$1" systemctl show --value -p "$3" "$2"; }
# journal NAME UNIT: what it said since the boot.
journal() { on "$1" journalctl --no-pager -o cat -b -u "$2"; }
journal_says() { journal "$1" "$2" | grep -qE -- "$3"; }
# drop_in NAME UNIT: its further lines, from standard input.
drop_in()
{
	mkdir -p "$T/$1/etc/systemd/system/$2.d"
	cat >"$T/$1/etc/systemd/system/$2.d/test.conf"
	on "$1" systemctl daemon-reload
}
