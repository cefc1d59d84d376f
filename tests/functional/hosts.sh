# SPDX-License-Identifier: Apache-2.0
#
# For functional tests of two configured daemons on loopback: source it before lib.sh, which goes to $T. Host a has
# $T/a.conf and the volume files of its devices, host b has $T/b.conf. Daemons end with the test, however that ends.
declare -A daemon # name -> process id
declare -A in_namespace # name -> what runs it elsewhere (far_host.sh)
trap 'stop_all' EXIT

# keygen NAME: $T/NAME.pem, and its key in ${key[NAME]}.
declare -A key
keygen()
{
	key[$1]=$("$BUILD/ra-ctl" keygen --out "$T/$1.pem" "$1" 2>/dev/null | sed -n 's/^key = //p')
	[ -n "${key[$1]}" ] || die "keygen $1 printed no key"
}

# two_hosts DEVICE...: keys, and configurations with these devices: volumes $T/DEVICE.a and $T/DEVICE.b. Variables that
# may be set before: a_main, b_main, a_peer, b_peer, a_device, b_device: further lines of those sections; via: the port
# that a connects to instead of b's.
two_hosts()
{
	local device
	keygen a
	keygen b
	port=${port:-$(free_port)}
	{
		printf '[primary]\nidentity = %s\nsocket = %s\nstate = %s\n%s\n' "$T/a.pem" "$T/a.sock" "$T/a.state" \
			"${a_main-}"
		printf '[peer b]\naddress = 127.0.0.1:%s\nkey = %s\n%s\n' "${via:-$port}" "${key[b]}" "${a_peer-}"
		for device; do
			printf '[device %s]\nvolume = %s\npeer = b\n%s\n' "$device" "$T/$device.a" "${a_device-}"
		done
	} >"$T/a.conf"
	{
		printf '[secondary]\nidentity = %s\nsocket = %s\nlisten = 127.0.0.1:%s\nstate = %s\n%s\n' "$T/b.pem" \
			"$T/b.sock" "$port" "$T/b.state" "${b_main-}"
		printf '[peer a]\nkey = %s\ndevices = %s\n%s\n' "${key[a]}" \
			"$(fold -sw 150 <<<"$*" | sed '2,$s/^/\t/')" "${b_peer-}"
		for device; do
			printf '[device %s]\nvolume = %s\n%s\n' "$device" "$T/$device.b" "${b_device-}"
		done
	} >"$T/b.conf"
}

# start NAME [CONFIG]: a is a primary, b a secondary; returns when its socket answers.
start()
{
	local name=$1 program=ra-primaryd
	[ "$name" = "${name#b}" ] || program=ra-secondaryd
	# shellcheck disable=SC2086
	LD_PRELOAD="$preload" ${in_namespace[$name]-} "$BUILD/$program" --config "$T/$name.conf" >>"$T/$name.log" 2>&1 &
	daemon[$name]=$!
	until_true answers "$name"
}
answers()
{
	kill -0 "${daemon[$1]}" 2>/dev/null || { cat "$T/$1.log"; die "daemon $1 has ended"; }
	[ -S "$T/$1.sock" ] && ctl "$1" status >/dev/null 2>&1
}
# ctl NAME VERB...: ra-ctl for that daemon.
ctl() { "$BUILD/ra-ctl" --socket "$T/$1.sock" "${@:2}"; }
# ctl_json NAME FILTER VERB...: what jq makes of its answer.
ctl_json() { ctl "$1" --json "${@:3}" | jq -r "$2"; }
# stop NAME [SIGNAL]: ends it and waits; its exit status is in $ended.
stop()
{
	local pid=${daemon[$1]-}
	[ -n "$pid" ] || return 0
	unset "daemon[$1]"
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	ended=$?
}
stop_all()
{
	local name
	for name in "${!daemon[@]}"; do stop "$name" KILL; done
}
start_both()
{
	start b
	start a
	until_true link_is_up
}
link_is_up() { [ "$(ctl_json a '.links[0].state' links)" = up ]; }

# reload NAME: it has read its configuration again, and taken it.
reload()
{
	local before
	before=$(grep -c 'read again:' "$1.log")
	kill -HUP "${daemon[$1]}"
	until_true has_read "$1" "$before"
}
has_read() { [ "$(grep -c 'read again:' "$1.log")" -gt "$2" ]; }

# run_in_background NAME DEVICE [ARGUMENT...]: ra-compare through that daemon, with what holds it back; returns when it
# has begun. Its number is in $run.
run_in_background()
{
	"$RA" --socket "$T/$1.sock" --state none --json "${@:3}" "$2" >"$2.json" 2>"$2.err" &
	run=$!
	until_true has_begun "$1" "$2"
}
has_begun()
{
	[ "$(ctl_json "$1" "[.runs[] | select(.device == \"$2\" and .done_tracks > 0)] | length" status)" = 1 ]
}
# ended CODE DEVICE: the one in $run has.
ended()
{
	wait "$run"
	local code=$?
	[ "$code" = "$1" ] || { cat "$2.err"; die "the run of $2 ended with $code"; }
}

# compare CODE ARGUMENT...: ra-compare through daemon a.
compare() { expect "$1" --socket "$T/a.sock" "${@:2}"; }
# Nothing is left in use at b: no job, lock, fetch or attached device; then it holds no volume open.
b_is_idle()
{
	[ "$(ctl_json b '[.devices[] | .jobs + .users] | add' devices)" = 0 ] &&
		[ "$(ctl_json b '.cache.slots_locked' cache)" = 0 ] &&
		[ "$(ctl_json b '.jobs.link + .jobs.fetch' status)" = 0 ] && ! has_open b '\.b$'
}
a_is_idle() { [ "$(ctl_json a .hosts status)" = 0 ] && ! has_open a '\.a$'; }
# has_open NAME PATTERN: does the daemon hold such a file open?
has_open() { find "/proc/${daemon[$1]}/fd" -type l -printf '%l\n' 2>/dev/null | grep -qE -- "$2"; }
all_is_idle() { until_true a_is_idle; until_true b_is_idle; }
