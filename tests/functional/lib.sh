# SPDX-License-Identifier: Apache-2.0
#
# For functional tests: source it. Volumes are made in $T; `ra` runs ra-compare with its output in $T/out and $T/err;
# `expect CODE` says what its exit status must be.
set -u -o pipefail
cd "$T" || exit 2
RA=$BUILD/ra-compare
preload=

die()
{
	echo "FAILED: $*"
	for file in out err; do
		[ ! -s "$T/$file" ] || { echo "--- $file"; head -c 3000 "$T/$file"; }
	done
	exit 1
}

# expect CODE ARGUMENT...: runs ra-compare and checks its exit status.
expect()
{
	local want=$1 got
	shift
	timeout 120 env LD_PRELOAD="$preload" "$RA" "$@" >"$T/out" 2>"$T/err"
	got=$?
	[ "$got" = "$want" ] || die "ra-compare $*: exit $got, not $want"
}

# preload_library NAME: $preload becomes that library of tests/support/preload; a sanitizer must come before it.
preload_library()
{
	local runtime=
	case $SAN in
	*address*) runtime=$(gcc -print-file-name=libasan.so) ;;
	*thread*) runtime=$(gcc -print-file-name=libtsan.so) ;;
	esac
	preload="$runtime $BUILD/tests/$1.so"
}
# The one that makes volumes fail (RA_FAULT, RA_FAULT_FILE).
preload_faults() { preload_library faulty_pread; }

# json FILTER WANTED: what jq makes of the document in $T/out.
json()
{
	local got
	got=$(jq -r "$1" "$T/out") || die "not JSON"
	[ "$got" = "$2" ] || die "$1 is $got, not $2"
}

# The track counts of the document in $T/out sum up to their total.
json_sums()
{
	json '.tracks | .identical + .different + .unsettled + .invalid + .unreadable + .not_compared == .total' true
}

says() { grep -qE -- "$1" "$T/out" "$T/err" || die "nowhere: $1"; }

# poke FILE OFFSET TEXT: overwrites bytes.
poke() { printf '%s' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# change FILE OFFSET: the byte there becomes another one.
change()
{
	local old
	old=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "\\0$(printf '%o' $(((old + 1) % 256)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# noise FILE BYTES: incompressible content.
noise() { head -c "$2" /dev/urandom >"$1"; }

# A port that nobody listens at, of those that are this test's own.
free_port()
{
	local first count port
	read -r first count <<<"${RA_PORTS:-20000 12000}"
	while :; do
		port=$((first + RANDOM % count))
		ss -Hltn "sport = :$port" | grep -q . || break
	done
	echo "$port"
}

# small_enough PID...: no process has more memory of its own than the cache of a private pair and 32 MiB; sanitizers take some for themselves.
small_enough()
{
	local pid kib
	[ -z "$SAN" ] || return 0
	for pid; do
		kib=$(awk '/^RssAnon:/ { print $2 }' "/proc/$pid/status")
		[ "$kib" -lt $(((32 + 32) * 1024)) ] || die "$(cat "/proc/$pid/comm") has $kib KiB"
	done
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

# pid_of PARENT NAME: the child of that process with that program name.
pid_of() { ps -o pid= -o comm= --ppid "$1" | awk -v name="$2" '$2 == name { print $1 }'; }
has_child() { [ -n "$(pid_of "$1" "$2")" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
