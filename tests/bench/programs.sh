# SPDX-License-Identifier: Apache-2.0
#
# For scripts/bench: the programs that it measures, the servers that they need, and how each is run. run_KEY runs one
# once, leaves its figures in $figures (a line of build/bench/measure), and dies unless it found the volumes equal.

# Keys in their order; of each a title, the way of RA that it is set beside, and the size of its volumes.
programs=()
absent=() # titles of those that are not here
declare -A title beside bytes

# program KEY BESIDE TITLE [COMMAND...]: needs the commands; BESIDE: digest, sha256, data, or - for none
program()
{
	local command

	[[ $1 =~ $only ]] || return 0
	for command in "${@:4}"; do
		command -v "$command" >/dev/null && continue
		absent+=("$3")
		return
	done
	programs+=("$1")
	beside[$1]=$2
	title[$1]=$3
	bytes[$1]=$size
}
has() { [[ " ${programs[*]} " =~ \ ($1)\  ]]; }

list_programs()
{
	program ra_digest digest "RA, digest"
	program ra_tcp_digest digest "RA, digest, two daemons over TCP"
	program bound_digest digest "two bare processes: pread, XXH3-128"
	program cmp digest "cmp" cmp
	program qemu_local digest "qemu-img compare" qemu-img
	program xxhsum digest "xxhsum -H2, both at once" xxhsum
	program rsync digest "rsync --checksum through stunnel" rsync stunnel4
	program ra_sha256 sha256 "RA, digest sha256"
	program bound_sha256 sha256 "two bare processes: pread, SHA-256"
	program sha256sum sha256 "sha256sum, both at once" sha256sum
	program ra_data data "RA, data"
	program ra_tcp_data data "RA, data, two daemons over TCP"
	program bound_tls data "two bare processes: pread, TLS, memcmp"
	program qemu_nbdkit data "qemu-img compare, nbdkit over TLS" qemu-img nbdkit
	program qemu_nbd data "qemu-img compare, qemu-nbd over TLS" qemu-img qemu-nbd
	program nbdcopy data "nbdcopy to null, nbdkit over TLS" nbdcopy nbdkit
	[ ! -e "$work/sparse.b" ] || program ra_sparse - "RA, digest, $(words_of "$sparse_bytes") sparse"
	program ra_dense - "RA, digest, the data of that, dense"
	program ra_small - "RA, digest, 1 MiB"
	bytes[ra_sparse]=$sparse_bytes
	bytes[ra_dense]=$((islands * mib))
	bytes[ra_small]=$mib
}

# ---- servers

declare -A server=() # name -> process ids

is_port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port()
{
	local port

	while port=$((20000 + RANDOM % 12000)) && is_port_open "$port"; do :; done
	echo "$port"
}

# until_true WHAT COMMAND...: at most 10 s
until_true()
{
	local i

	for ((i = 0; i < 200; i++)); do
		! "${@:2}" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	cat "$scratch"/*.log >"$scratch/err"
	die "$1 does not come up"
}

# serve NAME COMMAND...
serve()
{
	"${@:2}" >>"$scratch/$1.log" 2>&1 &
	server[$1]="${server[$1]-} $!"
}

stop_servers()
{
	# shellcheck disable=SC2086
	[ ${#server[@]} = 0 ] || kill ${server[*]} 2>/dev/null
	wait
}

# A CA and a certificate for either end.
make_certificates()
{
	local end

	pki=$scratch/pki
	mkdir "$pki" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench-ca \
		-addext keyUsage=critical,keyCertSign -keyout "$pki/ca-key.pem" -out "$pki/ca-cert.pem" || return
	for end in server client; do
		printf 'basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n' >"$pki/$end.ext"
		printf 'extendedKeyUsage = %sAuth\nsubjectAltName = DNS:localhost, IP:127.0.0.1\n' "$end" >>"$pki/$end.ext"
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout "$pki/$end-key.pem" \
			-out "$pki/$end.csr" && openssl x509 -req -in "$pki/$end.csr" -days 2 -CA "$pki/ca-cert.pem" \
			-CAkey "$pki/ca-key.pem" -extfile "$pki/$end.ext" -out "$pki/$end-cert.pem" || return
	done
} 2>"$scratch/err"

serve_qemu_nbd()
{
	qemu_nbd_port=$(free_port)
	serve qemu_nbd qemu-nbd --object "tls-creds-x509,id=t,endpoint=server,dir=$pki,verify-peer=on" --tls-creds t \
		-t -r -e 8 -f raw -b 127.0.0.1 -p "$qemu_nbd_port" "$work/volume.b"
	until_true qemu-nbd is_port_open "$qemu_nbd_port"
}

serve_nbdkit()
{
	nbdkit_port=$(free_port)
	serve nbdkit nbdkit -f -r -i 127.0.0.1 -p "$nbdkit_port" --tls=require --tls-certificates="$pki" --tls-verify-peer \
		file "$work/volume.b"
	until_true nbdkit is_port_open "$nbdkit_port"
}

# stunnel starts an rsync for each connection, and rsync a stunnel at the other end: only TLS goes over the network.
serve_rsync()
{
	local port end as_root=

	port=$(free_port)
	[ "$(id -u)" != 0 ] || as_root=$'uid = 0\ngid = 0\n'
	printf 'use chroot = no\n%s[volumes]\npath = %s\nread only = no\n' "$as_root" "$work" >"$scratch/rsyncd.conf"
	for end in server client; do
		{
			printf 'foreground = yes\npid =\nsyslog = no\ndebug = warning\n'
			case $end in
			server) printf '[rsync]\naccept = 127.0.0.1:%s\nexec = %s\nexecArgs = rsync --server --daemon --config=%s .\n' \
				"$port" "$(command -v rsync)" "$scratch/rsyncd.conf" ;;
			client) printf 'client = yes\nconnect = 127.0.0.1:%s\n' "$port" ;;
			esac
			printf 'cert = %s\nkey = %s\nCAfile = %s\nverifyChain = yes\n' "$pki/$end-cert.pem" "$pki/$end-key.pem" \
				"$pki/ca-cert.pem"
		} >"$scratch/stunnel-$end.conf"
	done
	serve rsync stunnel4 "$scratch/stunnel-server.conf"
	until_true stunnel is_port_open "$port"
}

ra_key() { "$build/ra-ctl" keygen --out "$scratch/$1.pem" "$1" 2>/dev/null | sed -n 's/^key = //p'; }
# As between two hosts.
serve_ra()
{
	local port key_a key_b

	port=$(free_port)
	key_a=$(ra_key a)
	key_b=$(ra_key b)
	{
		printf '[primary]\nidentity = %s\nsocket = %s\nstate = %s\n' "$scratch"/a.{pem,sock,state}
		printf '[peer b]\naddress = 127.0.0.1:%s\nkey = %s\n' "$port" "$key_b"
		printf '[device volume]\nvolume = %s\npeer = b\n' "$work/volume.a"
	} >"$scratch/a.conf"
	{
		printf '[secondary]\nidentity = %s\nsocket = %s\nstate = %s\n' "$scratch"/b.{pem,sock,state}
		printf 'listen = 127.0.0.1:%s\n[peer a]\nkey = %s\ndevices = volume\n' "$port" "$key_a"
		printf '[device volume]\nvolume = %s\n' "$work/volume.b"
	} >"$scratch/b.conf"
	serve ra "$build/ra-secondaryd" --config "$scratch/b.conf"
	serve ra "$build/ra-primaryd" --config "$scratch/a.conf"
	until_true "the pair of daemons" "$build/ra-ctl" --socket "$scratch/a.sock" check volume
}

start_servers()
{
	! has 'qemu_nbd|qemu_nbdkit|nbdcopy|rsync' || make_certificates || die "no certificates"
	! has 'ra_tcp_digest|ra_tcp_data' || serve_ra
	! has qemu_nbd || serve_qemu_nbd
	! has 'qemu_nbdkit|nbdcopy' || serve_nbdkit
	! has rsync || serve_rsync
}

# ---- runs

# measure SERVER COMMAND...: SERVER is a name of serve, or - when the command is all there is.
measure()
{
	local pid
	local -a options=()

	for pid in ${server[$1]-}; do options+=(-s "$pid"); done
	"$build/bench/measure" -o "$scratch/figures" ${options[@]+"${options[@]}"} -- "${@:2}" \
		>"$scratch/out" 2>"$scratch/err" || die "exit status $?: ${*:2}"
	figures=$(cat "$scratch/figures")
}
# must_say PATTERN
must_say() { grep -qE -- "$1" "$scratch/out" || die "${title[$key]}: it did not say $1"; }

# measure_ra SERVER ARGUMENT...: a private pair uses no network; RA itself says how much went between its daemons.
measure_ra()
{
	local wall_s cpu_s lo_bytes rest

	measure "$1" "$build/ra-compare" --json "${@:2}"
	[ "$(jq -r .result "$scratch/out")" = identical ] || die "${title[$key]}: not proven identical"
	[ "$1" = - ] || [ "$RA_BENCH_NETWORK" = shared ] || return 0
	read -r wall_s cpu_s lo_bytes rest <<<"$figures"
	figures="$wall_s $cpu_s $(jq '.wire_bytes // 0' "$scratch/out") $rest"
}

measure_bound() { measure - "$build/bench/$1" "${@:2}" "$work"/volume.[ab] && must_say '^identical$'; }

# measure_sums COMMAND...: of both volumes at once
measure_sums()
{
	# shellcheck disable=SC2016
	measure - sh -c 'out=$1 a=$2 b=$3; shift 3; "$@" "$a" >"$out/sum.a" & "$@" "$b" >"$out/sum.b" && wait $!' \
		sh "$scratch" "$work"/volume.[ab] "$@"
	cut -d' ' -f1 "$scratch"/sum.[ab] | sort | uniq -c >"$scratch/out"
	must_say '^ *2 [0-9a-f]{32,}$'
}

# measure_nbd SERVER PORT
measure_nbd()
{
	measure "$1" qemu-img compare --object "tls-creds-x509,id=t,endpoint=client,dir=$pki,verify-peer=on" --image-opts \
		"driver=raw,file.driver=file,file.filename=$work/volume.a" \
		"driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=127.0.0.1,file.server.port=$2,file.tls-creds=t"
	must_say '^Images are identical'
}

run_ra_digest() { measure_ra - "$work"/volume.[ab]; }
run_ra_sha256() { measure_ra - --digest sha256 "$work"/volume.[ab]; }
run_ra_data() { measure_ra - --by data "$work"/volume.[ab]; }
run_ra_tcp_digest() { measure_ra ra --socket "$scratch/a.sock" --state none volume; }
run_ra_tcp_data() { measure_ra ra --socket "$scratch/a.sock" --state none --by data volume; }
run_ra_sparse() { measure_ra - "$work"/sparse.[ab]; }
run_ra_dense() { measure_ra - "$work"/dense.[ab]; }
run_ra_small() { measure_ra - "$work"/small.[ab]; }
run_bound_digest() { measure_bound bound_digest; }
run_bound_sha256() { measure_bound bound_digest --sha256; }
run_bound_tls() { measure_bound bound_tls; }
run_cmp() { measure - cmp "$work"/volume.[ab]; }
run_qemu_local() { measure - qemu-img compare -f raw -F raw "$work"/volume.[ab] && must_say '^Images are identical'; }
run_qemu_nbdkit() { measure_nbd nbdkit "$nbdkit_port"; }
run_qemu_nbd() { measure_nbd qemu_nbd "$qemu_nbd_port"; }
run_nbdcopy() { measure nbdkit nbdcopy "nbds://127.0.0.1:$nbdkit_port/?tls-certificates=$pki" null:; }
run_xxhsum() { measure_sums xxhsum -H2; }
run_sha256sum() { measure_sums sha256sum; }
run_rsync()
{
	RSYNC_CONNECT_PROG="stunnel4 $scratch/stunnel-client.conf" measure rsync \
		rsync --checksum --dry-run --itemize-changes "$work/volume.a" rsync://localhost/volumes/volume.b
	[ ! -s "$scratch/out" ] || die "${title[$key]}: it would change something"
}
