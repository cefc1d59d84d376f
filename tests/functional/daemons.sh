# SPDX-License-Identifier: Apache-2.0
#
# For functional tests with configured daemons on loopback: source it after lib.sh. `new_site` makes keys and
# configurations in $T, `add_device` and `add_key` complete them, `start_secondary` and `start_primary` start what they
# say and wait until it serves; `$secondary` and `$primary` are then the processes, `$port` where the secondary listens.
# `stop_all` ends them, and they must end well. Their messages are in $T/secondary.log and $T/primary.log.
CTL=$BUILD/ra-ctl
secondary=
primary=
trap 'kill -KILL $secondary $primary 2>/dev/null' EXIT

# new_key NAME: $T/NAME.pem; prints "sha256:...".
new_key() { "$CTL" keygen --out "$T/$1.pem" "$1" | sed -n 's/^key = //p'; }

new_site()
{
	key_a=$(new_key a)
	key_b=$(new_key b)
	[ -n "$key_a" ] && [ -n "$key_b" ] || die "no keys"
	cat >"$T/primary.conf" <<-END
		[primary]
		identity = $T/a.pem
		socket = $T/primary.sock
		log-level = debug
		[peer b]
		address = 127.0.0.1:1
		key = $key_b
	END
	cat >"$T/secondary.conf" <<-END
		[secondary]
		identity = $T/b.pem
		listen = 127.0.0.1:0
		socket = $T/secondary.sock
		log-level = debug
		[peer a]
		key = $key_a
		devices =
	END
}

# add_key SIDE SECTION LINE: into $T/SIDE.conf
add_key() { sed -i "\\|^\\[$2\\]\$|a $3" "$T/$1.conf"; }

# add_device NAME A B: a volume on each side; a may read b
add_device()
{
	printf '[device %s]\nvolume = %s\npeer = b\n' "$1" "$2" >>"$T/primary.conf"
	printf '[device %s]\nvolume = %s\n' "$1" "$3" >>"$T/secondary.conf"
	sed -i "s|^devices =.*|& $1|" "$T/secondary.conf"
}

# ctl SIDE ARGUMENT...: ra-ctl at that daemon
ctl() { "$CTL" --socket "$T/$1.sock" "${@:2}"; }
serves() { ctl "$1" --json status >"$T/status" 2>/dev/null; }

# The port is any at first, the same from then on; the primary's configuration follows.
start_secondary()
{
	"$BUILD/ra-secondaryd" --config "$T/secondary.conf" 2>>"$T/secondary.log" &
	secondary=$!
	until_true serves secondary
	port=$(jq -r '.listen[0]' "$T/status" | sed 's/.*://')
	[[ $port =~ ^[1-9][0-9]*$ ]] || die "no port: $(cat "$T/status")"
	sed -i "s|^listen = .*|listen = 127.0.0.1:$port|" "$T/secondary.conf"
	sed -i "s|^address = 127.0.0.1:.*|address = 127.0.0.1:$port|" "$T/primary.conf"
}

start_primary()
{
	"$BUILD/ra-primaryd" --config "$T/primary.conf" 2>>"$T/primary.log" &
	primary=$!
	until_true serves primary
}

# stop PID: SIGTERM; it must end with 0
stop()
{
	kill -TERM "$1"
	wait "$1"
	[ $? = 0 ] || die "process $1 ended with $?: $(tail -n 5 "$T/primary.log" "$T/secondary.log")"
}

stop_all()
{
	[ -z "$primary" ] || stop "$primary"
	[ -z "$secondary" ] || stop "$secondary"
	primary=
	secondary=
}

# What jq makes of an answer: ask SIDE FILTER VERB...
ask() { ctl "$1" --json "${@:3}" | jq -r "$2"; }
is_up() { [ "$(ask primary '.links[0].state' links)" = up ]; }
is_down() { ! is_up; }

# expect_device CODE DEVICE ARGUMENT...
expect_device() { expect "$1" --socket "$T/primary.sock" "${@:2}"; }
