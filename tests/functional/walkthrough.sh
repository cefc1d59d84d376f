#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The README's walk-through for two hosts, word for word, in two namespaces of network, files and processes that are
# joined by a cable. Only the two keys are pasted in. Whatever happens, the namespaces end with their first process.
. tests/functional/lib.sh
cd "$OLDPWD" || exit 2

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
[ -z "$SAN" ] || { echo "the README's commands build without sanitizers"; exit 77; }
unshare -mnp --fork --mount-proc true 2>/dev/null || { echo "no namespaces here"; exit 77; }

# host NAME ADDRESS PEER_ADDRESS: prepares the host and prints the process id of its first process.
cat >"$T/host" <<'END'
#!/usr/bin/env bash
set -e
work=$1
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/etc /mnt/work /mnt/ra /mnt/lib
mount -t overlay overlay -o lowerdir=/usr/local,upperdir=/mnt/etc,workdir=/mnt/work /usr/local
mount --bind "$work/hosts" /etc/hosts
mkdir -p /mnt/dev
for node in null zero full random urandom tty; do touch "/mnt/dev/$node" && mount --bind "/dev/$node" "/mnt/dev/$node"; done
ln -s /proc/self/fd /mnt/dev/fd
mkdir -p /mnt/dev/vg0 /mnt/dev/shm
cp "$work/volume" /mnt/dev/vg0/web1
mount --rbind /mnt/dev /dev
mount -t tmpfs tmpfs /run
mount --bind /mnt/lib /var/lib # each host keeps its own state
mount --bind /mnt/ra "$work/etc"
touch "$work/ready.$2"
exec sleep 600
END
chmod +x "$T/host"
printf '127.0.0.1 localhost\n10.77.0.1 a.example\n10.77.0.2 b.example\n' >"$T/hosts"
noise "$T/volume" 8000000
mkdir "$T/etc"

declare -A pid
trap 'kill -KILL ${pid[a]-} ${pid[b]-} 2>/dev/null; rmdir /etc/ra 2>/dev/null; wait' EXIT
mkdir -p /etc/ra # an empty place to mount on, when the machine has none
for host in a b; do
	unshare -mnp --propagation private --fork --mount-proc --kill-child \
		bash -c 'mount -t tmpfs tmpfs /etc/ra && mount -t tmpfs tmpfs /var/lib && exec "$@"' - "$T/host" "$T" "$host" &
	pid[$host]=$!
done
is_ready() { [ -e "$T/ready.$1" ]; }
until_true is_ready a
until_true is_ready b
first() { pgrep -P "${pid[$1]}" | head -n 1; }
enter() { nsenter -t "$(first "$1")" -m -n -p --wd="$PWD" "${@:2}"; } # in this tree, for make

ip link add veth-ra-a netns "$(first a)" type veth peer name veth-ra-b netns "$(first b)" || die "no cable"
for host in a b; do
	[ "$host" = a ] && address=10.77.0.1 || address=10.77.0.2
	enter "$host" ip address add "$address/24" dev "veth-ra-$host"
	enter "$host" ip link set "veth-ra-$host" up
	enter "$host" ip link set lo up
done

# Each command block of the section, in its order: "both", "a" or "b", and its lines.
awk -v dir="$T" '/^## /{ inside = $0 == "## Two hosts" }
	inside && /^```sh /{ n++; print $2 > (dir "/block." n ".where"); file = dir "/block." n; next }
	/^```/{ file = "" }
	file { print > file }' README.md
[ -s "$T/block.6" ] || die "the README has fewer than six command blocks"
key_of() { grep -hE '^key = sha256:' "$T/printed.$1" | cut -d' ' -f3; }
for n in {1..9}; do
	[ -e "$T/block.$n" ] || break
	where=$(cat "$T/block.$n.where")
	for host in a b; do
		[ "$where" = both ] || [ "$where" = "$host" ] || continue
		sed "s/KEY-OF-a/$(key_of a 2>/dev/null)/; s/KEY-OF-b/$(key_of b 2>/dev/null)/" "$T/block.$n" >"$T/run"
		enter "$host" bash -e "$T/run" >"$T/out" 2>"$T/err" </dev/null || die "on $host: $(cat "$T/run")"
		cat "$T/out" >>"$T/printed.$host"
	done
done
says '^IDENTICAL: 8000000 bytes'
says 'web1'

# And the replica goes wrong.
enter b dd if=/dev/zero of=/dev/vg0/web1 bs=1 seek=4000000 count=3 conv=notrunc status=none
enter a ra-compare web1 >"$T/out" 2>"$T/err"
[ $? = 1 ] || die "a damaged replica must be seen"
says '^DIFFERENT: '
